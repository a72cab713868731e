# services.hive. The keys are those of hive.json, and so are their names; what a value may be in full hivectl says, which reads the file.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption literalExpression types;

  # Not types.path: that would take ./key.pem, and everything in the store can be read by everybody.
  hostPath = types.strMatching "/.+";
  optional =
    kind: description:
    mkOption {
      type = types.nullOr kind;
      default = null;
      inherit description;
    };
  setting = default: type: description: mkOption { inherit default type description; };
  section = options: types.submodule { inherit options; };
  required = type: description: mkOption { inherit type description; };
in
{
  options.services.hive = {
    enable = lib.mkEnableOption "Hive, which keeps the containers of AI agents from the host and from each other";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package with hivectl, hived and hive-web.";
    };

    adminUsers = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "alice" ];
      description = ''
        Members of the group `hive-admin`: who may use the operator's socket and the watcher's. They can change the boundary, so trust them
        as root.
      '';
    };

    network = {
      bridge = setting "hive0" types.str "The bridge's name.";
      interfacePrefix = setting "hv-" types.str "What agents' links on the host begin with; at most 5 bytes.";
      subnet4 = setting "10.77.0.0/16" types.str "Agents' IPv4 addresses, /8 to /30; the first one is the host's.";
      subnet6 = setting "fd77:6869:7665::/64" (types.nullOr types.str) "Agents' IPv6 addresses, /32 to /126; null: no IPv6 on agents' links.";
      mtu = setting 1500 (types.ints.between 1280 65535) "Bytes of a packet.";
      logGroup = setting 104 (types.nullOr (types.ints.between 0 65535)) "The group of nfnetlink_log that drops go to; null: no log.";
    };

    gateway = {
      enable = setting false types.bool ''
        Serve the dashboard, and agents' pages, at one origin: by an nginx of the gateway's own, the unit `hive-nginx`. (It is none of
        `services.nginx`, whose master runs as an ordinary user and could not read the gateway's files, which hold keys to agents' pages.)
      '';
      nginx = mkOption {
        type = types.package;
        default = pkgs.nginx.override { modules = pkgs.nginx.modules ++ [ pkgs.nginxModules.njs ]; };
        defaultText = literalExpression "pkgs.nginx.override { modules = pkgs.nginx.modules ++ [ pkgs.nginxModules.njs ]; }";
        description = "The gateway's nginx. It needs the module njs.";
      };
      listen = setting [ "127.0.0.1:8420" ] (types.listOf types.str) "Addresses with ports, and `unix:/path`.";
      serverNames = setting [ ] (types.listOf types.str) "Host names, besides localhost and addresses.";
      tls = optional (section {
        certificate = required hostPath "The certificate, in PEM.";
        key = required hostPath "Its key, in PEM.";
      }) "For all listeners but unix sockets.";
      auth = optional (section {
        basicFile = optional hostPath "Names and hashes of passwords, as htpasswd writes them.";
        clientCertificates = optional hostPath "Certificates of authorities that sign operators' certificates, in PEM.";
      }) "One of the two. Secrets: keep them out of the store.";
      user = setting "hive-gateway" types.str ''
        As whom nginx connects to agents: besides root, the only one whom the boundary lets through. It is made if it is the default.
      '';
      mode = setting "path" (types.enum [ "path" "subdomain" ]) "How agents' pages are told apart: `/agent/NAME/`, or `NAME.DOMAIN`.";
      domain = optional types.str "The domain of mode `subdomain`.";
      dashboard = setting "/run/hive/web.sock" hostPath "The unix socket on which the dashboard speaks SCGI.";
      rotation = setting 3600 (types.ints.between 60 604800) "Seconds for which a token of a page is given out, and good after that.";
      limits = {
        connections = setting 64 (types.ints.between 1 65536) "Connections at a time to one agent's pages.";
        rate = setting 100 (types.ints.between 1 1000000) "Requests a second to one agent's pages.";
        body = setting 1073741824 types.ints.unsigned "Bytes of a request; 0: no limit.";
        time = setting 300 (types.ints.between 1 604800) "Seconds for which an agent may be silent.";
      };
    };

    roster = mkOption {
      type = types.nullOr (section {
        hostSocket = required hostPath "The unix socket of a daemon that knows which agents there are.";
        grace = setting 30 (types.ints.between 0 3600) "Seconds for which an agent that it no longer names keeps its network.";
      });
      default = null;
      example = { hostSocket = "/run/hyperhive/host.sock"; };
      description = "Another daemon whose agents join those below.";
    };

    agents = mkOption {
      type = types.attrsOf (types.submodule (import ./agent.nix));
      default = { };
      example = literalExpression ''
        {
          alpha = { container = true; web.port = 8080; egress = "internet"; };
          beta.egress = { allow = [ "api.example.org:443/tcp" ]; rate = "10mbit"; };
        }
      '';
      description = "The agents, by their names: 1 to 63 of a-z, 0-9 and -, a letter first.";
    };
  };
}
