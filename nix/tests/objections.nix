# Every assertion and warning: that it is there with this sentence and no other is, and that it is not when the mistake is mended.
{
  hive,
  is,
  lib,
  machineOf,
  objections,
  warnings,
  ...
}:

let
  container = settings: { imports = [ (hive { agents.alpha.container = true; }) { containers."h-alpha" = settings; } ]; };
  linux = version: { boot.kernelPackages.kernel.version = version; };
  both = left: right: { imports = [ left right ]; };
  nftables = settings: both (hive { }) { networking.nftables = { enable = true; } // settings; };
  forward =
    firewall:
    both (hive { agents = { alpha.egress = "internet"; beta.egress.allow = [ "203.0.113.0/24" ]; gamma = { }; }; }) {
      networking.nftables.enable = true;
      networking.firewall = { filterForward = true; } // firewall;
    };

  network = "containers.\"h-alpha\" has a network of its own (privateNetwork, interfaces, macvlans or extraVeths), but it is that of the agent \"alpha\", whose network Hive makes: leave these out.";
  users = value: systemd: "containers.\"h-alpha\".privateUsers is ${value}, with which systemd ${systemd} cannot start a container in a network namespace that is there already, as the agent \"alpha\" needs it: systemd 261 can. Leave privateUsers out until then.";
  flush = kernel: "networking.nftables flushes the ruleset whenever it is loaded (flushRuleset, which a ruleset of one's own turns on), and before Linux 6.9 that takes Hive's tables along, for this kernel, ${kernel}, has none that only their owner can change: set networking.nftables.flushRuleset = false and write tables into networking.nftables.tables, or take a newer kernel.";
  table = "table inet mine { }";
  out = "networking.firewall.filterForward drops what agents send outside, and alpha, beta may: add to networking.firewall.extraForwardRules the line iifname \"hive0\" accept, which leaves the decision to Hive.";
  trusting =
    interfaces:
    both (hive { network = { bridge = "agents0"; interfacePrefix = "ag-"; }; }) { networking.firewall.trustedInterfaces = interfaces; };
  trusts = names: "networking.firewall.trustedInterfaces has ${names}. That is the bridge of the agents, \"agents0\", or their links, \"ag-…\", or a pattern that fits them, and they are not to be trusted: take it out, or write down the names that are meant.";
  # Names of agents of so many letters, and the containers that they would have.
  letters = size: lib.concatMapStringsSep "" (_: "a") (builtins.genList lib.id size);
  named = container: name: "containers.\"${container}\", the container of the agent \"${name}\", cannot be the name of a machine: at most 63 letters, digits and hyphens, no hyphen last. Say container.nixos = \"…\" for another name.";
  rosters = "networking.firewall.filterForward drops what agents send outside, also those of services.hive.roster: add to networking.firewall.extraForwardRules the line iifname \"hive0\" accept, which leaves the decision to Hive. If none of them has egress, it changes nothing.";
  roster =
    firewall:
    both (hive { roster.hostSocket = "/run/hyperhive/host.sock"; agents.alpha = { }; }) {
      networking.nftables.enable = true;
      networking.firewall = { filterForward = true; } // firewall;
    };
  systemd = version: {
    systemd.package = { type = "derivation"; name = "systemd"; outPath = "/nix/store/systemd"; inherit version; };
  };

  cases = {
    "privateNetwork" = {
      wrong = container { privateNetwork = true; };
      says = network;
      mended = container { privateNetwork = false; };
    };
    "interfaces" = {
      wrong = container { interfaces = [ "eth1" ]; };
      says = network;
      mended = container { interfaces = [ ]; };
    };
    "macvlans" = {
      wrong = container { macvlans = [ "eth1" ]; };
      says = network;
      mended = container { };
    };
    "extraVeths" = {
      wrong = container { extraVeths.more = { }; };
      says = network;
      mended = container { };
    };
    "privateUsers" = {
      wrong = container { privateUsers = "pick"; };
      says = users "\"pick\"" "257.10";
      mended = both (container { privateUsers = "pick"; }) (systemd "261");
    };
    "privateUsers, a number" = {
      wrong = both (container { privateUsers = 65536; }) (systemd "260.1");
      says = users "65536" "260.1";
      mended = container { privateUsers = "no"; };
    };
    "a namespace besides" = {
      wrong = hive { agents.alpha = { container = true; namespace = "/run/netns/mine"; }; };
      says = "services.hive.agents.alpha has a container of NixOS's and a namespace of its own, but the container is started in /run/netns/hive-alpha: leave one of the two out.";
      mended = hive { agents.alpha.namespace = "/run/netns/mine"; };
    };
    "flushRuleset" = {
      wrong = both (nftables { flushRuleset = true; }) (linux "6.6.116");
      says = flush "6.6.116";
      mended = both (nftables { flushRuleset = true; }) (linux "6.9");
    };
    "flushRuleset by a ruleset" = {
      wrong = both (nftables { ruleset = table; }) (linux "6.8.12");
      says = flush "6.8.12";
      mended = both (nftables { ruleset = table; flushRuleset = false; }) (linux "6.8.12");
    };
    "flushRuleset in the ruleset" = {
      wrong = both (nftables { ruleset = "flush ruleset\n${table}"; flushRuleset = false; }) (linux "6.8.12");
      says = flush "6.8.12";
      mended = both (nftables { }) (linux "6.8.12");
    };
    "flushRuleset by age" = {
      wrong = both (both (nftables { }) { system.stateVersion = "23.05"; }) (linux "6.6");
      says = flush "6.6";
      mended = both (both (nftables { enable = false; }) { system.stateVersion = "23.05"; }) (linux "6.6");
    };
    "trustedInterfaces" = {
      wrong = trusting [ "lo" "agents0" ];
      says = trusts "\"agents0\"";
      mended = trusting [ "lo" "hive0" "agents1" "agents" ];
    };
    "trustedInterfaces, patterns for the bridge" = {
      wrong = trusting [ "agents+" "agents*" "agents0+" "a*" ];
      says = trusts "\"agents+\", \"agents*\", \"agents0+\", \"a*\"";
      mended = trusting [ "agents1+" "agents01*" "br+" ];
    };
    "trustedInterfaces, patterns for links" = {
      wrong = trusting [ "ag-+" "ag-*" "ag+" "ag-alpha*" ];
      says = trusts "\"ag-+\", \"ag-*\", \"ag+\", \"ag-alpha*\"";
      mended = trusting [ "hv-+" "ag0+" "agx*" ];
    };
    "trustedInterfaces, all" = {
      wrong = trusting [ "+" "*" ];
      says = trusts "\"+\", \"*\"";
      mended = trusting [ ];
    };
    "trustedInterfaces, a link" = {
      wrong = trusting [ "ag-alpha" ];
      says = trusts "\"ag-alpha\"";
      mended = trusting [ "ag" "wg-alpha" ];
    };
    "trustedInterfaces, as Hive names them" = {
      wrong = both (hive { }) { networking.firewall.trustedInterfaces = [ "hive+" "hv-+" ]; };
      says = builtins.replaceStrings [ "agents0" "ag-" ] [ "hive0" "hv-" ] (trusts "\"hive+\", \"hv-+\"");
      mended = both (hive { }) { networking.firewall.trustedInterfaces = [ "hive1" "hvc+" ]; };
    };
    "a container's name, 65 letters" = {
      wrong = hive { agents.${letters 63}.container = true; };
      says = named "h-${letters 63}" (letters 63);
      mended = hive { agents.${letters 63}.container.nixos = letters 63; };
    };
    "a container's name, 64 letters" = {
      wrong = hive { agents.${letters 62}.container = true; };
      says = named "h-${letters 62}" (letters 62);
      mended = hive { agents.${letters 61}.container = true; };
    };
    "a container's name, a hyphen last" = {
      wrong = hive { agents."alpha-".container = true; };
      says = named "h-alpha-" "alpha-";
      mended = hive { agents."alpha-".container.nixos = "h-alpha"; };
    };
    "a container's name, an underscore" = {
      wrong = hive { agents.alpha.container.nixos = "al_pha"; };
      says = named "al_pha" "alpha";
      mended = hive { agents.alpha.container.nixos = "Al-pha9"; };
    };
    "filterForward" = {
      wrong = forward { extraForwardRules = "iifname \"wg0\" accept\n# hive0"; };
      says = out;
      mended = forward { extraForwardRules = "iifname \"wg0\" accept\niifname \"hive0\" accept"; };
    };
    "filterForward, where nobody goes out" = {
      wrong = forward { };
      says = out;
      mended = both (hive { agents.alpha.egress.host = [ "53/udp" ]; }) {
        networking.nftables.enable = true;
        networking.firewall.filterForward = true;
      };
    };
    "filterForward, a comment" = {
      wrong = forward {
        extraForwardRules = "# iifname \"hive0\" accept\n  \t# iifname \"hive0\" accept\niifname \"wg0\" accept # \"hive0\"";
      };
      says = out;
      mended = forward { extraForwardRules = "# agents\n  iifname \"hive0\" accept # to Hive"; };
    };
    "filterForward, another bridge" = {
      wrong = forward { extraForwardRules = "iifname \"hive01\" accept"; };
      says = out;
      mended = forward { extraForwardRules = "iifname hive0 accept"; };
    };
    "filterForward, with a roster" = {
      of = warnings;
      wrong = roster { };
      says = rosters;
      mended = roster { extraForwardRules = "iifname \"hive0\" accept"; };
    };
    "filterForward off, with a roster" = {
      of = warnings;
      wrong = roster { extraForwardRules = "# iifname \"hive0\" accept"; };
      says = rosters;
      mended = roster { filterForward = false; };
    };
    "filterForward, with a roster and agents that go out" = {
      wrong = both (roster { }) { services.hive.agents.alpha.egress = "internet"; };
      says = builtins.replaceStrings [ "alpha, beta" ] [ "alpha" ] out;
      mended = roster { };
    };
    "one address4" = {
      wrong = hive { agents = { alpha.address4 = "10.77.0.9"; beta.address4 = "10.77.0.9"; gamma.address4 = "10.77.0.10"; }; };
      says = "services.hive.agents: alpha and beta have the same address4, 10.77.0.9: an address belongs to one agent.";
      mended = hive { agents = { alpha.address4 = "10.77.0.9"; beta.address4 = "10.77.0.11"; gamma = { }; }; };
    };
    "one address6" = {
      wrong = hive { agents = { alpha.address6 = "fd77:6869:7665::A"; beta.address6 = "fd77:6869:7665::a"; }; };
      says = "services.hive.agents: alpha and beta have the same address6, fd77:6869:7665::a: an address belongs to one agent.";
      mended = hive { agents = { alpha.address6 = "fd77:6869:7665::a"; beta = { }; }; };
    };
    "one container" = {
      wrong = hive { agents = { alpha.container = true; beta.container.nixos = "h-alpha"; gamma.container = true; }; };
      says = "services.hive.agents: alpha and beta have the same container, \"h-alpha\": a container belongs to one agent.";
      mended = hive { agents = { alpha.container = true; beta.container.nixos = "h-beta"; }; };
    };
    "a name" = {
      wrong = hive { agents = { "Alpha" = { }; "a_b" = { }; }; };
      says = "services.hive.agents: Alpha, a_b cannot be the name of an agent: 1 to 63 of a-z, 0-9 and -, a letter first.";
      mended = hive { agents = { alpha = { }; a-b = { }; }; };
    };
    "gateway.user" = {
      wrong = hive { gateway.user = "nginx"; };
      says = "services.hive.gateway.user is \"nginx\", but there is no users.users.\"nginx\": the boundary has to know whom to let through.";
      mended = both (hive { gateway.user = "nginx"; }) { users.users.nginx = { isSystemUser = true; group = "nginx"; }; };
    };
    "an old NixOS" = {
      release.networkNamespace = false;
      wrong = hive { agents.alpha.container = true; };
      says = "services.hive.agents with container = true need containers.<name>.networkNamespace, which NixOS has from 25.05 on: take a newer one, or start the container in /run/netns/hive-NAME by other means, with container = false.";
      mended = hive { agents.alpha = { }; };
    };
  };

  check =
    name: case:
    let
      against = module: (case.of or objections) (machineOf (case.release or { }) [ module ]);
      one = how: is "${if case ? of then "warning" else "assertion"}: ${name}${how}";
    in
    [
      (one "" (against case.wrong) [ case.says ])
      (one ", mended" (against case.mended) [ ])
    ];
in
lib.concatLists (lib.mapAttrsToList check cases)
