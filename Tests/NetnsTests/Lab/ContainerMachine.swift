import Foundation

/// A machine with containers of both kinds, which `life` (Tests/LifecycleDriver) starts and stops.
enum ContainerMachine {
    private static let configuration = """
        { agents: {
            alpha: { container: { nixos: "h-alpha" }, state: "/var/lib/nixos-containers/h-alpha/state" },
            beta: { container: { nspawn: "/srv/beta", command: ["/init", "$HOME %n ${X}"], bindReadOnly: ["/usr"] } },
            delta: { container: { nixos: "h-delta" } },
            epsilon: { container: { nixos: "h-epsilon" } },
            eta: { container: { nixos: "h-eta" } },
            gamma: {},
            iota: { container: { nspawn: "/srv/iota", command: ["/usr/bin/sleep", "1000"], bindReadOnly: ["/usr"] } },
            kappa: { container: { nspawn: "/srv/kappa", boot: true, bindReadOnly: ["/usr"] } },
            zeta: { container: { nspawn: "/srv/zeta", command: ["/init"], bindReadOnly: ["/usr"] } },
        } }
        """

    static func run(_ script: String) throws -> Systemd.Parts {
        let lab = try Lab()
        let packaging = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../../packaging")
            .standardizedFileURL.path
        try lab.write(configuration: Self.configuration)
        let printed = try Systemd.run(
            lab,
            files: [
                "/usr/local/bin/hivectl": Lab.hivectlPath, "/usr/local/bin/life": ContainerUnits.driver,
                "/etc/hive/hive.json": Lab.configuration,
                "/usr/lib/sysusers.d/hive-admin.conf": "\(packaging)/hive-admin.conf",
                "/etc/systemd/system/hive-net.service": "\(packaging)/hive-net.service",
            ],
            units: ["container@.service": ContainerUnits.nixos],
            script: Self.preparation + script)
        return Systemd.Parts(printed)
    }

    /// Root directories, sockets, a service of the host's, and functions.
    private static let preparation = """
        set +x
        # systemctl freezes units, and systemd-run makes them, by the system's bus only.
        systemctl start dbus
        \(ContainerUnits.makeRoot)
        read -r -d '' agent <<'AGENT'
        \(ContainerUnits.agent)
        AGENT
        mkdir -p /etc/nixos-containers /var/lib/hive/agents.d
        cat >/usr/local/bin/container-start <<'START'
        \(ContainerUnits.nixosStart)
        START
        for name in alpha beta delta epsilon eta iota kappa zeta; do mkdir -p -m 755 /run/hive/agents/$name; done
        make_root /var/lib/nixos-containers/h-alpha <<<"$agent"
        make_root /var/lib/nixos-containers/h-delta <<<"$agent"
        make_root /srv/beta <<<"$agent"
        make_root /srv/iota <<<''
        make_root /srv/kappa <<<''
        make_root /srv/zeta <<<$'#!/bin/sh\\necho going down\\nexit 7'
        make_root /var/lib/nixos-containers/h-epsilon <<<$'#!/bin/sh\\nexit 3'
        for name in alpha epsilon; do
            printf '%s\\n' NETWORK_NAMESPACE_PATH=/run/netns/hive-$name \\
                EXTRA_NSPAWN_FLAGS=--bind-ro=/run/hive/agents/$name:/run/hive/agent >/etc/nixos-containers/h-$name.conf
        done
        # One that NixOS was not told the namespace of.
        echo EXTRA_NSPAWN_FLAGS= >/etc/nixos-containers/h-delta.conf
        python3 -c '
        import os, socket, threading
        def serve(path):
            s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(8)
            while True: c, _ = s.accept(); c.sendall(path.encode()); c.close()
        for name in ("alpha", "beta"): threading.Thread(target=serve, args=("/run/hive/agents/%s/agent.sock" % name,)).start()
        s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0", 9999)); s.listen(8)
        while True: c, _ = s.accept(); c.recv(4096); c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nhost"); c.close()
        ' >/dev/null 2>&1 &
        wait_for() { { set +x; } 2>/dev/null; for i in {1..200}; do [[ -e $1 ]] && break; sleep 0.05; done
            [[ -e $1 ]] || echo "$1 does not come"; set -x; }
        ticks() { a=$(cat $1/tick); sleep 0.4; b=$(cat $1/tick); [[ $a == "$b" ]] && echo still || echo going; }
        seen() { cat $1/socket $1/host; grep -c : $1/links; grep -o 'eth0\\|hive0' $1/links; }
        place() { ip netns pids hive-$1 | wc -l; }
        set -x
        systemctl start hive-net
        curl -s --max-time 3 http://10.77.0.1:9999/; echo " control $?"

        """
}
