# services.hive.agents.NAME
{ lib, ... }:

let
  inherit (lib) mkOption types;
  hostPath = types.strMatching "/.+";
  optional =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };
  list =
    type: description:
    mkOption {
      type = types.listOf type;
      default = [ ];
      inherit description;
    };
in
{
  options = {
    container = mkOption {
      type = types.either types.bool (
        types.submodule {
          options = {
            nixos = optional types.str "The name of one of NixOS's `containers`.";
            nspawn = optional hostPath "Or a directory that systemd-nspawn runs.";
            boot = optional types.bool "Boot what is in that directory, which is done unless there is a command.";
            command = list types.str "A program's path inside, and its arguments.";
            bind = list hostPath "Paths of the host that show inside.";
            bindReadOnly = list hostPath "The same, of which nothing can be changed inside.";
          };
        }
      );
      default = false;
      example = true;
      description = ''
        What the agent runs in. `true`: `containers."h-NAME"`, which gets the agent's network, its socket at /run/hive/agent/agent.sock, and
        fewer capabilities; what runs in it `containers."h-NAME".config` says. `false`: Hive neither starts nor stops it.

        Without a user namespace (`privateUsers`, from systemd 261 on), root inside can mount anew what is mounted read-only, the host's store
        among it: have the agent run as an ordinary user inside.
      '';
    };

    nixDaemon = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Leave the host's Nix daemon within reach of the agent's container. It builds what the agent says, with the host's network, outside of
        the boundary: whoever can ask it can fetch any address that the host can reach.
      '';
    };

    web = {
      port = optional (types.ints.between 1 65535) "The TCP port of the agent's page: the only one that the gateway may connect to.";
      socket = optional hostPath "Instead of a port, a unix socket whose directories are all root's.";
    };

    egress = mkOption {
      type = types.either (types.enum [ "none" "internet" ]) (
        types.submodule {
          options = {
            allow = list types.str "Addresses, networks, names, or \"internet\", with ports or without: \"203.0.113.0/24:443/tcp\".";
            deny = list types.str "What of these is not allowed after all; no names.";
            host = list (types.strMatching "[0-9]+/(tcp|udp)") ''
              Ports of the host, at the bridge's own addresses: "53/udp". The firewall has to let them in as well:
              `networking.firewall.interfaces.hive0.allowedUDPPorts = [ 53 ]`.
            '';
            connections = optional (types.ints.between 1 1000000) "Connections at a time; 1024 if it is not said.";
            rate = optional (types.strMatching "[0-9]+[a-zA-Z]+") "Bits per second each way: \"10mbit\".";
          };
        }
      );
      default = "none";
      description = "What the agent may reach outside.";
    };

    address4 = optional types.str "An address of `network.subnet4`. Null: it is leased, and kept.";
    address6 = optional types.str "An address of `network.subnet6`. Null: the one with the number of the IPv4 address.";
    namespace = optional (types.either hostPath (
      types.submodule {
        options = {
          pid = mkOption {
            type = types.ints.between 1 4194304;
            description = "A process in it.";
          };
          started = optional types.ints.unsigned ''
            When that was started, field 22 of proc_pid_stat(5): then no other process is taken for it that has its number later.
          '';
        };
      }
    )) "Somebody else's network namespace. Null: Hive makes /run/netns/hive-NAME.";
    parent = optional types.str "The name of the agent that this one belongs to.";
    state = optional hostPath ''
      The agent's own files, a directory of the host that is there already. A container of NixOS's has it as /state.
    '';
  };
}
