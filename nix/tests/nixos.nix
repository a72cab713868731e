# Stand-ins for the options of NixOS that the module reads and sets, with their names, types and defaults. What they do is not here.
{
  # false: as before 25.05, without networkNamespace. `copyResolvConf` came later than that.
  networkNamespace ? true,
  copyResolvConf ? true,
}:
{
  config,
  lib,
  ...
}:

let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  strings = option (types.listOf types.str) [ ];
  lines = option types.lines "";
  flag = option types.bool;
  sets = options: option (types.attrsOf (types.submodule { inherit options; })) { };

  # nixos/lib/systemd-unit-options.nix: a key has one value, or is a list that definitions add to.
  unitOption = lib.mkOptionType {
    name = "systemd option";
    merge =
      loc: definitions:
      if lib.isList (lib.head definitions).value then
        lib.concatMap (definition: definition.value) definitions
      else
        lib.mergeEqualOption loc definitions;
  };
  keys = option (types.attrsOf unitOption) { };
  unit = {
    enable = flag true;
    description = option types.str "";
    documentation = strings;
    requires = strings;
    wants = strings;
    after = strings;
    before = strings;
    bindsTo = strings;
    partOf = strings;
    requisite = strings;
    conflicts = strings;
    wantedBy = strings;
    requiredBy = strings;
    unitConfig = keys;
    restartTriggers = option (types.listOf types.unspecified) [ ];
    reloadTriggers = option (types.listOf types.unspecified) [ ];
  };

  bindMount = { name, ... }: {
    options = {
      mountPoint = option types.str name;
      hostPath = option (types.nullOr types.str) null;
      isReadOnly = flag true;
    };
  };
  container = {
    options = {
      config = option types.unspecified null;
      privateNetwork = flag false;
      privateUsers = option (types.either types.ints.u32 (types.enum [ "no" "identity" "pick" ])) "no";
      interfaces = strings;
      macvlans = strings;
      extraVeths = option (types.attrsOf types.unspecified) { };
      additionalCapabilities = strings;
      autoStart = flag false;
      bindMounts = option (types.attrsOf (types.submodule bindMount)) { };
      enableTun = flag false;
      ephemeral = flag false;
      extraFlags = strings;
    }
    // lib.optionalAttrs networkNamespace { networkNamespace = option (types.nullOr types.path) null; }
    // lib.optionalAttrs copyResolvConf { copyResolvConf = flag true; };
  };

  package = version: { type = "derivation"; name = "stand-in"; outPath = "/nix/store/stand-in"; inherit version; };
in
{
  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = strings;
    boot.kernelPackages = option types.raw { kernel.version = "6.12.57"; };
    systemd.package = option types.package (package "257.10");
    system.stateVersion = option types.str "25.11";

    containers = option (types.attrsOf (types.submodule container)) { };

    environment.systemPackages = option (types.listOf types.package) [ ];
    environment.etc = option (types.attrsOf (
      types.submodule (
        { name, config, ... }:
        {
          options = {
            text = option (types.nullOr types.lines) null;
            source = mkOption { type = types.path; };
          };
          config.source = lib.mkDefault "/nix/store/${builtins.hashString "sha256" config.text}-etc";
        }
      )
    )) { };

    networking.dhcpcd.denyInterfaces = strings;
    networking.networkmanager.unmanaged = strings;
    networking.firewall = {
      enable = flag true;
      trustedInterfaces = strings;
      filterForward = flag false;
      extraForwardRules = lines;
    };
    networking.nftables = {
      enable = flag false;
      flushRuleset = flag false;
      ruleset = lines;
      rulesetFile = option (types.nullOr types.path) null;
    };

    systemd.services = sets (unit // {
      environment = option (types.attrsOf types.str) { };
      serviceConfig = keys;
      restartIfChanged = flag true;
      stopIfChanged = flag true;
      preStart = lines;
    });
    systemd.sockets = sets (unit // { socketConfig = keys; listenStreams = strings; });

    users.groups = sets { members = strings; };
    users.users = sets {
      isSystemUser = flag false;
      isNormalUser = flag false;
      description = option types.str "";
      group = option types.str "";
    };
  };

  # As nixos-containers.nix has it in 25.05 and 25.11: a text, where whoever reads assertions expects more than that.
  config.assertions = lib.mkMerge (
    lib.mapAttrsToList (
      name: container:
      lib.optional (
        (container.networkNamespace or null) != null && (container.privateNetwork || container.interfaces != [ ])
      ) "containers.${name}.networkNamespace is not possible with a private network."
    ) config.containers
  );

  # As nixos/modules/services/networking/nftables.nix sets it.
  config.networking.nftables.flushRuleset = lib.mkIf config.networking.nftables.enable (
    lib.mkDefault (
      lib.versionOlder config.system.stateVersion "23.11"
      || config.networking.nftables.rulesetFile != null
      || config.networking.nftables.ruleset != ""
    )
  );
}
