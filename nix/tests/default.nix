# Evaluates the module, and says of each thing that should hold whether it does. `lib` may be that of nixpkgs.
{
  lib ? import ./lib.nix,
}:

let
  fake =
    name:
    {
      type = "derivation";
      inherit name;
      outPath = "/nix/store/${name}";
    };
  pkgs = {
    coreutils = fake "coreutils";
    nginx = fake "nginx" // {
      modules = [ ];
      override = { modules }: fake "nginx-with-${lib.concatMapStringsSep "-" (module: module.name) modules}";
    };
    nginxModules.njs = fake "njs";
    callPackage = path: arguments: fake "hive";
  };

  # A machine, with NixOS of some release.
  machineOf =
    release: modules:
    lib.evalModules {
      modules = [ (import ./nixos.nix release) ../module.nix ] ++ modules;
      specialArgs = { inherit pkgs; };
    };
  machine = machineOf { };

  hive = settings: { services.hive = { enable = true; } // settings; };
  # What a machine's assertions have against it.
  objections = evaluated: map (one: one.message) (lib.filter (one: !one.assertion) evaluated.config.assertions);
  warnings = evaluated: evaluated.config.warnings;
  json = evaluated: builtins.fromJSON evaluated.config.environment.etc."hive/hive.json".text;

  is = name: got: wanted: {
    inherit name;
    holds = got == wanted;
    got = builtins.toJSON got;
    wanted = builtins.toJSON wanted;
  };

  arguments = { inherit is lib machine machineOf hive objections warnings json pkgs; };
  configurations = import ./configurations.nix arguments;
  refused = import ./refused.nix arguments;
in
{
  results =
    import ./content.nix (arguments // { inherit configurations; })
    ++ import ./objections.nix arguments
    ++ import ./package.nix arguments
    ++ import ./schema.nix arguments;

  # The units, a line for each value, as scripts/nix-check makes the same of packaging/ in its own way.
  units =
    let
      evaluated = (machine [ (hive { gateway.enable = true; }) ]).config.systemd;
      lines =
        section: settings:
        lib.concatLists (
          lib.mapAttrsToList (
            key: value: map (one: "[${section}]${key}=${toString one}") (if lib.isList value then value else [ value ])
          ) settings
        );
      ofUnit =
        unit:
        lines "Unit" (unit.unitConfig // {
          Description = unit.description;
          Documentation = unit.documentation;
          After = unit.after;
          Before = unit.before;
          Wants = unit.wants;
          Requires = unit.requires;
        })
        ++ lines "Install" { WantedBy = unit.wantedBy; };
      all = kind: section: settings: units:
        lib.concatLists (
          lib.mapAttrsToList (
            name: unit: map (line: "${name}.${kind}${line}") (ofUnit unit ++ lines section unit.${settings})
          ) units
        );
    in
    all "service" "Service" "serviceConfig" evaluated.services ++ all "socket" "Socket" "socketConfig" evaluated.sockets;

  # What an agent's container does before it starts, for bash. (scripts/nix-check runs it.)
  preStart = (machine [ (hive { agents.alpha.container = true; }) ]).config.systemd.services."container@h-alpha".preStart;

  # Texts of hive.json, for hivectl. (It looks for the gateway's user, whom the machine that this runs on has, if it is one of those.)
  accepted = lib.mapAttrs (
    _: module:
    (machine [ module { services.hive.gateway.user = lib.mkForce "www-data"; } ]).config.environment.etc."hive/hive.json".text
  ) configurations;

  # Each of `refused` throws when it is evaluated, with the words that `refusals` has for it.
  refused = lib.mapAttrs (_: case: builtins.deepSeq (case.value or (json (machine [ case.module ]))) true) refused;
  refusals = lib.mapAttrs (_: case: case.says) refused;
}
