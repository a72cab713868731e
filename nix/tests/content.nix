# What comes of a configuration: hive.json, units, containers, users.
{
  configurations,
  hive,
  is,
  json,
  lib,
  machine,
  machineOf,
  objections,
  ...
}:

let
  full = machine [ configurations.full ];
  empty = machine [ configurations.empty ];
  processes = hive { agents = { alpha.namespace.pid = 17; beta.namespace = { pid = 18; started = 4711; }; }; };
  off = machine [ { services.hive.agents.alpha.container = true; } ];
  inherit (full.config) containers;
  inherit (full.config.systemd) services sockets;
  alpha = containers."h-alpha";
  unit = services."container@h-alpha";
  file = json full;

  starts = service: words: map (word: lib.hasInfix word service.preStart) words;
  has = name: list: values: is name (lib.filter (value: lib.elem value list) values) values;
in
[
  # hive.json
  (is "hive.json: no agents, and defaults" (lib.attrNames (json empty)) [ "agents" "gateway" "network" ])
  (is "hive.json: network" file.network {
    bridge = "agents0";
    interfacePrefix = "ag-";
    subnet4 = "10.99.0.0/24";
    subnet6 = null;
    mtu = 1400;
    logGroup = null;
  })
  (is "hive.json: gateway" file.gateway {
    enable = true;
    listen = [ "127.0.0.1:8420" "[::1]:8420" "unix:/run/hive-operator.sock" ];
    serverNames = [ "hive.example.org" ];
    tls = { certificate = "/var/lib/acme/hive/cert.pem"; key = "/var/lib/acme/hive/key.pem"; };
    auth = { basicFile = "/etc/hive-passwords"; };
    user = "www-data";
    mode = "subdomain";
    domain = "hive.example.org";
    dashboard = "/run/hive/dashboard.sock";
    rotation = 600;
    limits = { connections = 16; rate = 10; body = 0; time = 60; };
  })
  (is "hive.json: roster" file.roster { hostSocket = "/run/hyperhive/host.sock"; grace = 60; })
  (is "hive.json: an agent with all keys" file.agents.alpha {
    container.nixos = "h-alpha";
    web.port = 8080;
    egress = {
      allow = [ "internet:443/tcp" "203.0.113.0/24" ];
      deny = [ "203.0.113.7" ];
      host = [ "53/udp" ];
      connections = 256;
      rate = "10mbit";
    };
    address4 = "10.99.0.10";
    state = "/srv/alpha";
  })
  (is "hive.json: a container by another name" file.agents.beta.container { nixos = "second"; })
  (is "hive.json: a directory for nspawn" file.agents.gamma.container {
    nspawn = "/var/lib/machines/gamma";
    command = [ "/bin/agent" "--loud" ];
    bind = [ "/srv/shared" ];
    bindReadOnly = [ "/usr" ];
  })
  (is "hive.json: a policy that allows nothing" file.agents.gamma.egress { })
  (is "hive.json: a process's namespace" (lib.mapAttrs (_: agent: agent.namespace) (json (machine [ processes ])).agents) {
    alpha = { pid = 17; };
    beta = { pid = 18; started = 4711; };
  })
  (is "hive.json: an agent of defaults" (json (machine [ configurations.readme ])).agents.gamma { egress = "none"; })

  # Containers
  (is "container: its network is the one that Hive makes" alpha.networkNamespace "/run/netns/hive-alpha")
  (is "container: no network of its own" [ alpha.privateNetwork alpha.interfaces ] [ false [ ] ])
  (is "container: its socket's directory, read-only, and its own files" alpha.bindMounts {
    "/run/hive/agent" = { mountPoint = "/run/hive/agent"; hostPath = "/run/hive/agents/alpha"; isReadOnly = true; };
    "/state" = { mountPoint = "/state"; hostPath = "/srv/alpha"; isReadOnly = false; };
  })
  (is "container: no files where none are named" (lib.attrNames containers.second.bindMounts) [ "/run/hive/agent" ])
  (is "container: without the capabilities, and nspawn copies no resolv.conf either" alpha.extraFlags [
    "--drop-capability=CAP_NET_ADMIN,CAP_NET_RAW"
    "--resolv-conf=off"
  ])
  (is "container: without the host's resolv.conf" alpha.copyResolvConf false)
  (is "container: no daemon of Nix" unit.serviceConfig.TemporaryFileSystem [ "/nix/var/nix/daemon-socket:ro,nr_inodes=1" ])
  (is "container: but where it is asked for" (services."container@second".serviceConfig ? TemporaryFileSystem) false)
  (is "container: is tried again, each second, without end" (
    map (service: [ service.serviceConfig.RestartSec service.unitConfig.StartLimitIntervalSec ]) [ unit services."container@second" ]
  ) [ [ 1 0 ] [ 1 0 ] ])
  (is "container: or as one likes"
    (machine [
      configurations.full
      { systemd.services."container@h-alpha" = { serviceConfig.RestartSec = 5; unitConfig.StartLimitIntervalSec = 60; }; }
    ]).config.systemd.services."container@h-alpha".serviceConfig.RestartSec
    5
  )
  (is "container: waits for its namespace and its socket" (
    starts unit [ "-e /run/netns/hive-alpha &&" "-d /run/hive/agents/alpha ]]" ]
  ) [ true true ])
  (is "container: which are those of its agent" (
    starts services."container@second" [ "/run/netns/hive-beta" "/run/hive/agents/beta" "second" ]
  ) [ true true false ])
  (is "container: does not start without a boundary" (
    starts unit [ "$(/nix/store/hive/bin/hivectl net show --check alpha 2>&1)" "exit 1" ]
  ) [ true true ])
  (is "container: and leaves off in front of NixOS's own part by an error only" (starts unit [ "exit 0" ]) [ false ])
  (is "container: of another name" containers.second.networkNamespace "/run/netns/hive-beta")
  (is "container: none for nspawn" (lib.attrNames containers) [ "h-alpha" "second" ])
  (is "container: as before copyResolvConf"
    ((machineOf { copyResolvConf = false; } [ configurations.full ]).config.containers."h-alpha" ? copyResolvConf)
    false
  )

  # Order
  (has "order: containers after the boundary and the core" unit.after [ "hive-net.service" "hived.service" "nftables.service" ])
  (has "order: containers want the boundary" unit.wants [ "hive-net.service" ])
  (is "order: and do not end with it" [ unit.requires unit.bindsTo unit.partOf unit.requisite unit.requiredBy ] [ [ ] [ ] [ ] [ ] [ ] ])
  (is "order: and does not change with them, or a switch would restart it" services.hive-net.before [ "machines.target" ])
  (is "order: it is never stopped for a switch" (map (name: services.${name}.stopIfChanged) [ "hive-net" "hived" ]) [ false false ])
  (has "order: the boundary is wanted by containers" services.hive-net.wantedBy [ "multi-user.target" "container@h-alpha.service" "container@second.service" ])
  (has "order: the boundary after what flushes rules" services.hive-net.after [ "nftables.service" ])
  (has "order: the core after the boundary" services.hived.after [ "hive-net.service" ])
  (is "order: nothing that ends ends containers" (
    lib.concatMap (name: services.${name}.requiredBy ++ services.${name}.requires) [ "hive-net" "hived" ]
  ) [ ])

  # Units
  (is "units: all of packaging/" (lib.attrNames services) [
    "container@h-alpha" "container@second" "hive-gateway" "hive-net" "hive-nginx" "hive-web" "hived"
  ])
  (is "units: no gateway where none is wanted" (lib.attrNames empty.config.systemd.services) [ "hive-net" "hive-web" "hived" ])
  (is "units: programs of the package" services.hive-net.serviceConfig.ExecStart "/nix/store/hive/bin/hivectl net watch")
  (is "units: programs of the system" services.hived.serviceConfig.ExecStartPre "+/nix/store/coreutils/bin/mkdir -p -m 0751 /run/hive")
  (is "units: capabilities" services.hived.serviceConfig.CapabilityBoundingSet "CAP_CHOWN CAP_DAC_READ_SEARCH CAP_SYS_PTRACE")
  (is "units: none" services.hive-web.serviceConfig.CapabilityBoundingSet "")
  (is "units: a user of its own" [ services.hive-web.serviceConfig.User full.config.users.users.hive-web.isSystemUser ] [ "hive-web" true ])
  (is "units: lists" (lib.length services.hive-web.serviceConfig.SystemCallFilter) 3)
  (is "units: [Unit]" services.hived.unitConfig.StartLimitIntervalSec "0")
  (is "units: a value of one's own is put in their place"
    (machine [ (hive { }) { systemd.services.hived.serviceConfig.MemoryMax = "2G"; } ]).config.systemd.services.hived.serviceConfig.MemoryMax
    "2G"
  )
  (is "units: a new hive.json is read" (map (name: lib.length services.${name}.reloadTriggers) [ "hive-net" "hived" "hive-gateway" ]) [ 1 1 1 ])
  (is "units: and is the one that is told of" services.hive-net.reloadTriggers [ full.config.environment.etc."hive/hive.json".source ])

  # The gateway
  (is "gateway: its own nginx, with njs" services.hive-nginx.environment.HIVE_NGINX "/nix/store/nginx-with-njs/bin/nginx")
  (is "gateway: and its keeper asks the same" services.hive-gateway.environment services.hive-nginx.environment)
  (is "gateway: which starts it" services.hive-nginx.serviceConfig.ExecStart "/nix/store/nginx-with-njs/bin/nginx -c /run/hive/nginx/current/nginx.conf")
  (is "gateway: the dashboard's socket" sockets.hive-web.socketConfig.ListenStream "/run/hive/dashboard.sock")
  (is "gateway: is the gateway's" sockets.hive-web.socketConfig.SocketGroup "www-data")
  (is "gateway: a user for it" empty.config.users.users.hive-gateway.group "hive-gateway")
  (is "gateway: none where there is one" (full.config.users.users ? hive-gateway) false)

  (is "links: none that others give addresses to" [
    full.config.networking.dhcpcd.denyInterfaces
    empty.config.networking.networkmanager.unmanaged
  ] [ [ "agents0" "ag-*" ] [ "interface-name:hive0" "interface-name:hv-*" ] ])

  # People
  (is "people: operators" full.config.users.groups.hive-admin.members [ "alice" ])
  (is "people: have hivectl" (map (package: package.name) full.config.environment.systemPackages) [ "hive" ])
  (is "nothing against it" (objections full ++ objections empty) [ ])
  (is "and nothing to be warned of" (full.config.warnings ++ empty.config.warnings) [ ])
  (is "nothing where it is off"
    [ off.config.systemd.services off.config.containers off.config.environment.etc off.config.assertions off.config.warnings ]
    [ { } { } { } [ ] [ ] ]
  )
]
