# Every assertion: that it stands in the way with this sentence and no other does, and that it does not when the mistake is mended.
{
  hive,
  is,
  lib,
  machineOf,
  objections,
  ...
}:

let
  container = settings: lib.mkMerge [ (hive { agents.alpha.container = true; }) { containers."h-alpha" = settings; } ];
  linux = version: { boot.kernelPackages.kernel.version = version; };
  both = left: right: lib.mkMerge [ left right ];
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
      wrong = both (hive { network.bridge = "agents0"; }) { networking.firewall.trustedInterfaces = [ "lo" "agents0" ]; };
      says = "networking.firewall.trustedInterfaces has \"agents0\", the bridge of the agents, who are not to be trusted: take it out.";
      mended = both (hive { network.bridge = "agents0"; }) { networking.firewall.trustedInterfaces = [ "lo" "hive0" ]; };
    };
    "filterForward" = {
      wrong = forward { extraForwardRules = "iifname \"wg0\" accept\n# hive0"; };
      says = "networking.firewall.filterForward drops what agents send outside, and alpha, beta may: add to networking.firewall.extraForwardRules the line iifname \"hive0\" accept, which leaves the decision to Hive.";
      mended = forward { extraForwardRules = "iifname \"wg0\" accept\niifname \"hive0\" accept"; };
    };
    "filterForward, where nobody goes out" = {
      wrong = forward { };
      says = "networking.firewall.filterForward drops what agents send outside, and alpha, beta may: add to networking.firewall.extraForwardRules the line iifname \"hive0\" accept, which leaves the decision to Hive.";
      mended = both (hive { agents.alpha.egress.host = [ "53/udp" ]; }) {
        networking.nftables.enable = true;
        networking.firewall.filterForward = true;
      };
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
      against = module: objections (machineOf (case.release or { }) [ module ]);
      one = how: is "assertion: ${name}${how}";
    in
    [
      (one "" (against case.wrong) [ case.says ])
      (one ", mended" (against case.mended) [ ])
    ];
in
lib.concatLists (lib.mapAttrsToList check cases)
