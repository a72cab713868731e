# The NixOS module: hive.json from services.hive, the units of packaging/, and agents' containers in the network that Hive makes for them.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:

let
  cfg = config.services.hive;

  units = import ./units.nix {
    inherit lib;
    programs = { hive = cfg.package; nginx = cfg.gateway.nginx; inherit (pkgs) coreutils; };
  };

  # By the agent's name, the name of its container of NixOS's.
  containerOf = lib.filterAttrs (_: container: container != null) (
    lib.mapAttrs (
      name: agent:
      if agent.container == true then
        "h-${name}"
      else if agent.container == false then
        null
      else
        agent.container.nixos
    ) cfg.agents
  );
  containers = lib.attrValues containerOf;
  containerUnits = map (container: "container@${container}.service") containers;
  # Options of containers differ between releases.
  containerOptions = options.containers.type.getSubOptions [ ];

  links = [ cfg.network.bridge "${cfg.network.interfacePrefix}*" ];
  settings = import ./settings.nix { inherit lib cfg; };
  # The user's whom web.sock is for. (An assertion says so where there is none.)
  gatewayGroup = (config.users.users.${cfg.gateway.user} or { group = cfg.gateway.user; }).group;

  # /etc/hive/hive.json is a link into the store, and what is written there never changes: nobody hears of a new one. So they are told.
  reread = { reloadTriggers = [ config.environment.etc."hive/hive.json".source ]; };
  # A container's unit, and whoever else needs the boundary, does not end with it: Wants=, and neither Requires= nor BindsTo=.
  watcher = "hive-net.service";
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf cfg.enable {
    assertions = import ./assertions.nix { inherit lib config cfg containerOf containerOptions; };

    environment.systemPackages = [ cfg.package ];
    environment.etc."hive/hive.json".text = builtins.toJSON settings;

    # Nobody else is to give addresses to the bridge or agents' links. (systemd-networkd leaves alone what no file of its own matches.)
    networking.dhcpcd.denyInterfaces = links;
    networking.networkmanager.unmanaged = map (link: "interface-name:${link}") links;

    users.groups = {
      hive-admin.members = cfg.adminUsers;
      hive-web = { };
    } // lib.optionalAttrs (cfg.gateway.user == "hive-gateway") { hive-gateway = { }; };
    users.users = {
      hive-web = { isSystemUser = true; group = "hive-web"; description = "Dashboard of a hive"; };
    } // lib.optionalAttrs (cfg.gateway.user == "hive-gateway") {
      hive-gateway = { isSystemUser = true; group = "hive-gateway"; description = "Gateway to AI agents"; };
    };

    # (Of several parts, since agents' containers get units of their own names.)
    systemd.services = lib.mkMerge [
      {
        hive-net = lib.mkMerge [
          (units.service ../packaging/hive-net.service)
          reread
          {
            before = containerUnits;
            wantedBy = containerUnits;
          }
        ];
        hived = lib.mkMerge [
          (units.service ../packaging/hived.service)
          reread
          # It makes the directories that containers have their sockets from.
          { before = containerUnits; }
        ];
        hive-web = lib.mkMerge [
          (units.service ../packaging/hive-web.service)
          # Its socket starts it, and it is of no use without the core.
          { wants = [ "hived.service" ]; }
        ];
      }
      (lib.mkIf cfg.gateway.enable {
        hive-nginx = lib.mkMerge [
          (units.service ../packaging/hive-nginx.service)
          { environment.HIVE_NGINX = "${cfg.gateway.nginx}/bin/nginx"; }
        ];
        hive-gateway = lib.mkMerge [
          (units.service ../packaging/hive-gateway.service)
          reread
          { environment.HIVE_NGINX = "${cfg.gateway.nginx}/bin/nginx"; }
        ];
      })
      (lib.listToAttrs (
        lib.mapAttrsToList (
          name: container:
          lib.nameValuePair "container@${container}" {
            wants = [ watcher "hived.service" ];
            after = [ watcher "hived.service" ];
            # NixOS binds the daemon's socket into every container. What is mounted over it inside, root inside can take away again, since
            # without a user namespace it may unmount. So nspawn itself finds nothing there to bind: it is hidden from the whole unit.
            serviceConfig = lib.mkIf (!cfg.agents.${name}.nixDaemon) {
              InaccessiblePaths = [ "-/nix/var/nix/daemon-socket" ];
            };
          }
        ) containerOf
      ))
    ];

    systemd.sockets.hive-web = lib.mkMerge [
      (units.socket ../packaging/hive-web.socket)
      {
        socketConfig = {
          ListenStream = cfg.gateway.dashboard;
          SocketGroup = gatewayGroup;
        };
      }
    ];

    containers = lib.listToAttrs (
      lib.mapAttrsToList (
        name: container:
        lib.nameValuePair container (
          {
            bindMounts = {
              "/run/hive/agent" = { hostPath = "/run/hive/agents/${name}"; isReadOnly = true; };
            } // lib.optionalAttrs (cfg.agents.${name}.state != null) {
              "/state" = { hostPath = cfg.agents.${name}.state; isReadOnly = false; };
            };
            # nspawn leaves CAP_NET_ADMIN out in a namespace that is there already, but not where somebody adds it (enableTun): then this
            # still holds. With CAP_NET_RAW an agent would write frames, which the bridge drops; without, it cannot try.
            extraFlags = [ "--drop-capability=CAP_NET_ADMIN,CAP_NET_RAW" ];
          }
          // lib.optionalAttrs (containerOptions ? networkNamespace) {
            # (With a network of the container's own besides, NixOS 25.05 and 25.11 stumble over their own assertion, and nobody would come to
            # read ours, which is there for that.)
            networkNamespace = lib.mkIf (
              !config.containers.${container}.privateNetwork && config.containers.${container}.interfaces == [ ]
            ) "/run/netns/hive-${name}";
          }
          # The host's name servers are out of an agent's reach, and none of its business.
          // lib.optionalAttrs (containerOptions ? copyResolvConf) { copyResolvConf = false; }
        )
      ) containerOf
    );
  };
}
