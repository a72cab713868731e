# What would be wrong with the boundary, or would not start, and can be told before anything is built. What a value of hive.json may be in
# itself is not repeated here: hivectl checks that, and keeps what was in force before.
{
  lib,
  config,
  cfg,
  # Of the agents in a container of NixOS's: by the agent's name, the container's.
  containerOf,
  # The options of one of NixOS's containers.
  containerOptions,
}:

let
  inherit (config.networking) firewall nftables;
  bridge = cfg.network.bridge;
  prefix = cfg.network.interfacePrefix;
  kernel = config.boot.kernelPackages.kernel.version;
  systemd = config.systemd.package.version;
  says = assertion: message: { inherit assertion message; };

  perContainer =
    name: container:
    let
      its = config.containers.${container};
      agent = cfg.agents.${name};
      users = its.privateUsers or "no";
      privateNetwork = its.privateNetwork || its.interfaces != [ ] || its.macvlans != [ ] || its.extraVeths != { };
    in
    [
      # (nixos-containers.nix makes it the container's networking.hostName.)
      (says (builtins.match "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?" container != null)
        "containers.\"${container}\", the container of the agent \"${name}\", cannot be the name of a machine: at most 63 letters, digits and hyphens, no hyphen last. Say container.nixos = \"…\" for another name."
      )
      (says (!privateNetwork)
        "containers.\"${container}\" has a network of its own (privateNetwork, interfaces, macvlans or extraVeths), but it is that of the agent \"${name}\", whose network Hive makes: leave these out."
      )
      # (https://github.com/systemd/systemd/pull/41838: "Failed to join network namespace: Operation not permitted".)
      (says (users == "no" || users == 0 || lib.versionAtLeast systemd "261")
        "containers.\"${container}\".privateUsers is ${builtins.toJSON users}, with which systemd ${systemd} cannot start a container in a network namespace that is there already, as the agent \"${name}\" needs it: systemd 261 can. Leave privateUsers out until then."
      )
      (says (agent.namespace == null)
        "services.hive.agents.${name} has a container of NixOS's and a namespace of its own, but the container is started in /run/netns/hive-${name}: leave one of the two out."
      )
    ];

  # What belongs to one agent: by agents' names, and nobody's the same.
  unshared =
    of: message:
    let
      names = lib.attrNames of;
      first = lib.head (lib.filter (name: lib.any (other: other != name && of.${other} == of.${name}) names) names ++ [ null ]);
      same = lib.filter (name: of.${name} == of.${first}) names;
    in
    says (first == null) (message (lib.concatStringsSep " and " same) of.${first});
  address =
    key:
    unshared (lib.mapAttrs (_: agent: lib.toLower agent.${key}) (lib.filterAttrs (_: agent: agent.${key} != null) cfg.agents)) (
      names: value: "services.hive.agents: ${names} have the same ${key}, ${value}: an address belongs to one agent."
    );

  goesOut =
    name:
    let
      inherit (cfg.agents.${name}) egress;
    in
    if lib.isAttrs egress then egress.allow != [ ] else egress == "internet";
  outgoing = lib.filter goesOut (lib.attrNames cfg.agents);
  letsOut = lib.any (
    line:
    lib.hasInfix "iifname" line && lib.any (name: lib.hasInfix name line) [ "\"${bridge}\"" " ${bridge} " ]
    && lib.hasInfix "accept" line
  ) (map withoutComment (lib.splitString "\n" (firewall.extraForwardRules or "")));
  withoutComment = line: lib.head (lib.splitString "#" line);
  filtersForward = firewall.enable && nftables.enable && firewall.filterForward && !letsOut;

  # iptables has a + at the end for any further letters, and nftables a *. Links of agents have names of their own behind the prefix.
  trusted = lib.filter (
    entry:
    let
      found = builtins.match "(.*)[+*]" entry;
      stem = lib.head found;
    in
    if found == null then
      entry == bridge || lib.hasPrefix prefix entry
    else
      lib.any (lib.hasPrefix stem) [ bridge prefix ] || lib.hasPrefix prefix stem
  ) firewall.trustedInterfaces;

  # It is so by default with a ruleset of one's own, and with old values of system.stateVersion.
  flushes = nftables.enable && (nftables.flushRuleset or false || lib.hasInfix "flush ruleset" nftables.ruleset);
  badNames = lib.filter (name: builtins.match "[a-z][a-z0-9-]{0,62}" name == null) (lib.attrNames cfg.agents);
in
{
  assertions = [
    (says (containerOf == { } || containerOptions ? networkNamespace)
      "services.hive.agents with container = true need containers.<name>.networkNamespace, which NixOS has from 25.05 on: take a newer one, or start the container in /run/netns/hive-NAME by other means, with container = false."
    )
    (says (!flushes || lib.versionAtLeast kernel "6.9")
      "networking.nftables flushes the ruleset whenever it is loaded (flushRuleset, which a ruleset of one's own turns on), and before Linux 6.9 that takes Hive's tables along, for this kernel, ${kernel}, has none that only their owner can change: set networking.nftables.flushRuleset = false and write tables into networking.nftables.tables, or take a newer kernel."
    )
    (says (trusted == [ ])
      "networking.firewall.trustedInterfaces has ${lib.concatMapStringsSep ", " builtins.toJSON trusted}. That is the bridge of the agents, \"${bridge}\", or their links, \"${prefix}…\", or a pattern that fits them, and they are not to be trusted: take it out, or write down the names that are meant."
    )
    (says (outgoing == [ ] || !filtersForward)
      "networking.firewall.filterForward drops what agents send outside, and ${lib.concatStringsSep ", " outgoing} may: add to networking.firewall.extraForwardRules the line iifname \"${bridge}\" accept, which leaves the decision to Hive."
    )
    (says (badNames == [ ])
      "services.hive.agents: ${lib.concatStringsSep ", " badNames} cannot be the name of an agent: 1 to 63 of a-z, 0-9 and -, a letter first."
    )
    (says (config.users.users ? ${cfg.gateway.user})
      "services.hive.gateway.user is \"${cfg.gateway.user}\", but there is no users.users.\"${cfg.gateway.user}\": the boundary has to know whom to let through."
    )
    (address "address4")
    (address "address6")
    (unshared containerOf (
      names: container: "services.hive.agents: ${names} have the same container, \"${container}\": a container belongs to one agent."
    ))
  ]
  ++ lib.concatLists (lib.mapAttrsToList perContainer containerOf);

  # Agents of a roster are not known here. They may all be without egress, so that this is no reason to build nothing.
  warnings = lib.optional (cfg.roster != null && outgoing == [ ] && filtersForward)
    "networking.firewall.filterForward drops what agents send outside, also those of services.hive.roster: add to networking.firewall.extraForwardRules the line iifname \"${bridge}\" accept, which leaves the decision to Hive. If none of them has egress, it changes nothing.";
}
