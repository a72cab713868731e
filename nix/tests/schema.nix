# The keys of hive.json, as the Swift sources know them and as the module offers them: section by section the same.
{ lib, machine, ... }:

let
  sources = ../../Sources/HiveCore;

  # What stands between the brackets behind each place of `before` in a file: [ [ "bridge" … ] … ]
  lists =
    before: file:
    map (found: map lib.head (lib.filter lib.isList (builtins.split "\"([a-zA-Z0-9]+)\"" (lib.head found)))) (
      lib.filter lib.isList (builtins.split "${before}[[:space:]]*\\[([^]]*)]" (builtins.readFile (sources + file)))
    );
  keys = lists "static let keys =";
  knowing = lists "knowing:";
  first = lib.head;
  # The list that has this key among those of a file.
  with' = key: all: lib.head (lib.filter (lib.elem key) all ++ [ [ "no list with ${key}" ] ]);

  known = {
    "" = with' "agents" (knowing "/Configuration/Configuration.swift");
    network = first (keys "/Configuration/NetworkSettings.swift");
    gateway = with' "listen" (keys "/Configuration/GatewaySettings.swift");
    "gateway.limits" = with' "rate" (keys "/Configuration/GatewaySettings.swift");
    "gateway.tls" = with' "certificate" (knowing "/Configuration/GatewaySettings.swift");
    "gateway.auth" = with' "basicFile" (knowing "/Configuration/GatewaySettings.swift");
    roster = first (keys "/Roster/RosterSettings.swift");
    "agents.NAME" = first (keys "/Configuration/AgentSettings.swift");
    "agents.NAME.web" = with' "port" (knowing "/Configuration/AgentSettings.swift");
    "agents.NAME.namespace" = with' "pid" (knowing "/Configuration/AgentSettings.swift");
    "agents.NAME.container" = first (keys "/Configuration/ContainerSettings.swift");
    "agents.NAME.egress" = first (keys "/Configuration/EgressText.swift");
  };

  inherit ((machine [ ]).options.services) hive;
  agent = hive.agents.type.getSubOptions [ ];
  inside = option: option.type.getSubOptions [ ];
  # Of what can be a word or an object.
  object = type: type.nestedTypes.right.getSubOptions [ ];

  # Without what is of NixOS and not of hive.json.
  offered = {
    "" = removeAttrs hive [ "enable" "package" "adminUsers" ];
    inherit (hive) network;
    gateway = removeAttrs hive.gateway [ "nginx" ];
    "gateway.limits" = hive.gateway.limits;
    "gateway.tls" = inside hive.gateway.tls;
    "gateway.auth" = inside hive.gateway.auth;
    roster = inside hive.roster;
    "agents.NAME" = removeAttrs agent [ "nixDaemon" ];
    "agents.NAME.web" = agent.web;
    "agents.NAME.namespace" = object agent.namespace.type.nestedTypes.elemType;
    "agents.NAME.container" = object agent.container.type;
    "agents.NAME.egress" = object agent.egress.type;
  };
  sorted = builtins.sort builtins.lessThan;

  # Defaults of which plan and render say nothing (scripts/nix-check compares those), as the sources have them.
  defaults = [
    { file = "/Configuration/NetworkSettings.swift"; line = "public var mtu: UInt32 = "; option = hive.network.mtu; }
    { file = "/Configuration/NetworkSettings.swift"; line = "public var logGroup: UInt16? = "; option = hive.network.logGroup; }
    { file = "/Configuration/GatewaySettings.swift"; line = "public var rotation = "; option = hive.gateway.rotation; }
    { file = "/Roster/RosterSettings.swift"; line = "public var grace = "; option = (inside hive.roster).grace; }
  ];
  lines = file: lib.splitString "\n" (builtins.readFile (sources + file));
in
map (default: rec {
  name = "schema: the default of ${default.line}…";
  got = default.line + toString default.option.default;
  wanted = lib.concatStringsSep "; " (map (lib.removePrefix "    ") (lib.filter (lib.hasPrefix "    ${default.line}") (lines default.file)));
  holds = got == wanted;
}) defaults
++ lib.mapAttrsToList (section: options: rec {
  name = "schema: ${if section == "" then "sections" else section}";
  holds = got == wanted;
  got = builtins.toJSON (sorted (lib.attrNames (removeAttrs options [ "_module" ])));
  wanted = builtins.toJSON (sorted known.${section});
}) offered
