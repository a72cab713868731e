# A machine with two agents in containers, and another machine outside: from alpha to everything. It needs a whole nixpkgs and KVM, and
# nobody has run it yet: `nix build .#checks.x86_64-linux.vm`.
{
  pkgs,
}:

let
  # What says its name at a port, to everybody who gets there.
  serve = port: name: {
    systemd.services."serve-${toString port}" = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "${pkgs.python3}/bin/python3 -m http.server ${toString port} --bind 0.0.0.0 --directory ${pkgs.writeTextDir "index.html" "this is ${name}\n"}";
    };
  };
  agent = name: {
    autoStart = true;
    config = {
      imports = [ (serve 8080 name) ];
      # A firewall inside would want CAP_NET_ADMIN, which agents do not have.
      networking.firewall.enable = false;
      environment.systemPackages = [ pkgs.curl pkgs.socat ];
      system.stateVersion = "25.05";
    };
  };
in
pkgs.testers.runNixOSTest {
  name = "hive";

  nodes.outside = {
    imports = [ (serve 80 "outside") (serve 81 "outside, too") ];
    networking.firewall.enable = false;
  };

  nodes.machine = {
    imports = [ ../module.nix (serve 9000 "the host") ];
    virtualisation.memorySize = 2048;
    networking.nftables.enable = true;
    networking.firewall.allowedTCPPorts = [ 9000 ];
    boot.kernel.sysctl."net.ipv4.ip_forward" = 1;
    environment.systemPackages = [ pkgs.curl ];

    services.hive = {
      enable = true;
      agents.alpha = {
        container = true;
        web.port = 8080;
        address4 = "10.77.0.11";
        egress.allow = [ "192.168.1.0/24:80/tcp" ];
      };
      agents.beta = { container = true; web.port = 8080; address4 = "10.77.0.12"; };
    };
    containers."h-alpha" = agent "alpha";
    containers."h-beta" = agent "beta";
  };

  testScript = ''
    import shlex

    start_all()
    outside.wait_for_open_port(80)
    for unit in ["hive-net", "hived", "container@h-alpha", "container@h-beta"]:
        machine.wait_for_unit(f"{unit}.service")

    # By the container's own systemd, with what power it has. (Not "nixos-container run", whose terminal ends with the input.)
    def alpha(command):
        return f"systemd-run --machine=h-alpha --quiet --wait --pipe -- /bin/sh -lc {shlex.quote(command)}"

    def curl(url):
        return f"curl -sS --fail -m 3 {url}"

    host = machine.succeed("ip -4 -o addr show dev eth1 | awk '{print $4}' | cut -d/ -f1").strip()
    there = outside.succeed("ip -4 -o addr show dev eth1 | awk '{print $4}' | cut -d/ -f1").strip()

    # Everybody is there, and answers whoever may ask.
    for url in ["http://10.77.0.11:8080/", "http://10.77.0.12:8080/", f"http://{host}:9000/", "http://127.0.0.1:9000/"]:
        machine.wait_until_succeeds(curl(url))
    machine.succeed(curl(f"http://{there}:80/"), curl(f"http://{there}:81/"))

    with subtest("alpha reaches itself, and what its policy says"):
        assert "alpha" in machine.succeed(alpha(curl("http://127.0.0.1:8080/")))
        assert "outside" in machine.succeed(alpha(curl(f"http://{there}:80/")))

    with subtest("and nothing else"):
        for url in ["http://10.77.0.1:9000/", f"http://{host}:9000/", "http://10.77.0.12:8080/", f"http://{there}:81/"]:
            machine.fail(alpha(curl(url)))

    with subtest("it may not write frames or change its link, and has no daemon of Nix"):
        machine.succeed(alpha("ip link show eth0"), "test -S /nix/var/nix/daemon-socket/socket")
        machine.fail(alpha("ip link set eth0 mtu 1400"))
        machine.fail(alpha("test -S /nix/var/nix/daemon-socket/socket"))
        machine.fail(alpha("grep nameserver /etc/resolv.conf"))

    with subtest("its socket is its own"):
        said = '{"version":1,"cmd":"ask","text":"May I?"}'
        machine.succeed(f"echo '{said}' | " + alpha("socat -t 3 - UNIX-CONNECT:/run/hive/agent/agent.sock"))
        assert "May I?" in machine.succeed("hivectl question list")

    with subtest("whoever ends the watcher ends neither the boundary nor a container"):
        since = "systemctl show -P ActiveEnterTimestampMonotonic container@h-alpha container@h-beta"
        before = machine.succeed(since)
        machine.succeed("systemctl stop hive-net")
        machine.fail(alpha(curl("http://10.77.0.1:9000/")))
        machine.succeed("systemctl restart hive-net")
        assert machine.succeed(since) == before

    with subtest("a way round the boundary keeps a container from starting, until it is gone"):
        machine.succeed("systemctl stop container@h-beta")
        machine.succeed("ip link add rogue type veth peer name inside netns hive-beta")
        machine.fail("systemctl start container@h-beta")
        machine.succeed("ip link delete rogue")
        machine.wait_until_succeeds("systemctl is-active container@h-beta")

    with subtest("real packets prove it"):
        machine.succeed("hivectl net verify")
  '';
}
