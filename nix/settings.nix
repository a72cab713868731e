# services.hive as what stands in hive.json: the same keys, without those that say nothing. hivectl refuses what it does not know.
{ lib, cfg }:

let
  says = value: value != null && value != [ ] && value != { };
  # Without nulls and what is empty, however deep.
  terse =
    value:
    if lib.isAttrs value then lib.filterAttrs (_: says) (lib.mapAttrs (_: terse) value) else value;

  container =
    name: value:
    if value == true then
      { nixos = "h-${name}"; }
    else if value == false then
      null
    else
      terse value;

  agent =
    name: agent:
    terse (removeAttrs agent [ "nixDaemon" "container" "egress" ])
    // lib.filterAttrs (_: says) { container = container name agent.container; }
    # An object without keys is a policy as well: nothing is allowed.
    // { egress = if lib.isAttrs agent.egress then terse agent.egress else agent.egress; };
in
{
  # Null means something here: no IPv6, no log.
  inherit (cfg) network;
  gateway = terse (removeAttrs cfg.gateway [ "nginx" "listen" ]) // { inherit (cfg.gateway) listen; };
  agents = lib.mapAttrs agent cfg.agents;
}
// lib.optionalAttrs (cfg.roster != null) { inherit (cfg) roster; }
