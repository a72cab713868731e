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

  # In front of an agent's container, as in packaging/hive-nspawn@.service: without a namespace, or with a boundary that does not hold, it
  # is not started. A new hive.json takes effect a moment after the reload has ended, which only sends a signal: the container that the same
  # switch starts would not find its namespace or socket, or would find the rules from before. So there are ten seconds for that.
  boundaryHolds = name: ''
    holds=
    why=
    for ((i = 0; i < 100; ++i)); do
      if [[ -e /run/netns/hive-${name} && -d /run/hive/agents/${name} ]] &&
        why=$(${cfg.package}/bin/hivectl net show --check ${name} 2>&1); then
        holds=1
        break
      fi
      sleep 0.1
    done
    if [[ ! -e /run/netns/hive-${name} ]]; then
      echo "There is no network namespace /run/netns/hive-${name}, so that the container is not started." \
        "What hinders the watcher? systemctl status ${watcher}" >&2
      exit 1
    fi
    if [[ ! -d /run/hive/agents/${name} ]]; then
      echo "There is no directory /run/hive/agents/${name} for the agent's socket, so that the container is not started." \
        "What hinders the core? systemctl status hived" >&2
      exit 1
    fi
    # A namespace that is there says nothing of the rules.
    if [[ -z $holds ]]; then
      echo "The container of ${name} is not started. ''${why:-hivectl net show --check does not say why.}" >&2
      exit 1
    fi
  '';
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf cfg.enable {
    inherit (import ./assertions.nix { inherit lib config cfg containerOf containerOptions; }) assertions warnings;

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
            # (No `before` with them: their own `after` is enough, and this unit would change with every container that is declared or
            # taken away. A switch restarts a unit that has changed so. As it is, there is a new hive.json, and the unit is reloaded.)
            wantedBy = containerUnits;
            # A unit that has changed would be stopped first, and started last. In between nftables is loaded anew, and when no watcher
            # owns Hive's tables, a flush takes them along: containers would run without a boundary. So it is restarted, after that.
            stopIfChanged = false;
          }
        ];
        hived = lib.mkMerge [
          (units.service ../packaging/hived.service)
          reread
          # As above. (It is of no use for as long as it is stopped.)
          { stopIfChanged = false; }
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
            # (At a shutdown nftables.service flushes the rules: after the containers.)
            after = [ watcher "hived.service" "nftables.service" ];
            # NixOS binds the daemon's socket into every container. What is mounted over it inside, root inside can take away again, since
            # without a user namespace it may unmount. So nspawn itself finds nothing there to bind: it is hidden from the whole unit.
            # (Not by InaccessiblePaths=, for which systemd mounts the one directory that it has for all units,
            # /run/systemd/inaccessible/dir: root inside can mount that anew, to be written to, and leave files for other units. This one is
            # nobody else's, and as its one inode is its own, nothing can be made in it.)
            serviceConfig.TemporaryFileSystem = lib.mkIf (!cfg.agents.${name}.nixDaemon) [
              "/nix/var/nix/daemon-socket:ro,nr_inodes=1"
            ];
            # What is refused below ends with an error, and NixOS has containers restarted then (Restart=on-failure): every second, and
            # without end, until the boundary holds. systemd would otherwise give up after five times, within a second.
            serviceConfig.RestartSec = lib.mkDefault 1;
            unitConfig.StartLimitIntervalSec = lib.mkDefault 0;
            # (`exit` with an error only: what NixOS does before the start comes after this, in the same script.)
            preStart = lib.mkBefore (boundaryHolds name);
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
            extraFlags = [ "--drop-capability=CAP_NET_ADMIN,CAP_NET_RAW" "--resolv-conf=off" ];
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
