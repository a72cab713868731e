# What people may write. hivectl has to take all of them.
{ hive, lib, ... }:

{
  empty = hive { };

  # The example of README.md.
  readme = hive {
    agents = {
      alpha = { web.port = 8080; egress = "internet"; };
      beta.egress = { allow = [ "api.example.org:443/tcp" "203.0.113.0/24" ]; host = [ "53/udp" ]; rate = "10mbit"; };
      gamma = { };
    };
  };

  # Every option.
  full.imports = [
    (hive {
      adminUsers = [ "alice" ];
      network = {
        bridge = "agents0";
        interfacePrefix = "ag-";
        subnet4 = "10.99.0.0/24";
        subnet6 = null;
        mtu = 1400;
        logGroup = null;
      };
      gateway = {
        enable = true;
        listen = [ "127.0.0.1:8420" "[::1]:8420" "unix:/run/hive-operator.sock" ];
        serverNames = [ "hive.example.org" ];
        tls = { certificate = "/var/lib/acme/hive/cert.pem"; key = "/var/lib/acme/hive/key.pem"; };
        auth.basicFile = "/etc/hive-passwords";
        user = "www-data";
        mode = "subdomain";
        domain = "hive.example.org";
        dashboard = "/run/hive/dashboard.sock";
        rotation = 600;
        limits = { connections = 16; rate = 10; body = 0; time = 60; };
      };
      roster = { hostSocket = "/run/hyperhive/host.sock"; grace = 60; };
      agents = {
        alpha = {
          container = true;
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
        };
        beta = { container.nixos = "second"; nixDaemon = true; egress = "none"; parent = "alpha"; };
        gamma = {
          container = { nspawn = "/var/lib/machines/gamma"; command = [ "/bin/agent" "--loud" ]; bind = [ "/srv/shared" ]; bindReadOnly = [ "/usr" ]; };
          web.socket = "/run/gamma/web.sock";
          egress = { };
        };
        delta = { container = { nspawn = "/var/lib/machines/delta"; boot = true; }; namespace = "/run/netns/somewhere"; };
      };
    })
    { users.users.www-data = { isSystemUser = true; group = "www-data"; }; }
  ];

  # IPv6 addresses of one's own, and a process's namespace.
  addresses = hive {
    agents.alpha = { address4 = "10.77.0.9"; address6 = "fd77:6869:7665::99"; };
  };
}
