import Foundation
import Testing

/// hive-cni through Debian 13's containerd, whose `ctr run --cni` calls plugins by libcni, and names namespaces by process ids.
@Suite(.enabled(if: Debian13.obstacle == nil, "\(Debian13.obstacle ?? "")"))
struct ContainerdTests {
    /// All in one namespace of process ids: whatever happens, shims and containers end with it.
    private static let script = """
        mount -t proc proc /proc
        # There is no control group for anybody here.
        printf '#!/bin/sh\\nexec crun --cgroup-manager=disabled "$@"\\n' >/run/lab/oci
        chmod 755 /run/lab/oci
        containerd --root /run/c/root --state /run/c/state --address /run/c/sock --log-level fatal >/run/lab/containerd.log 2>&1 &
        c() { ctr --address /run/c/sock "$@" 2>>/run/lab/ctr.log; }
        until c version >/dev/null; do sleep 0.1; done
        start() { # NAME COMMAND
            c run --detach --cni --rootfs --runc-binary /run/lab/oci --mount type=bind,src=/usr,dst=/usr,options=rbind:ro \\
                --mount type=tmpfs,src=tmpfs,dst=/tmp /run/lab/root "$1" /bin/sh -c "$2" || { echo "$1 did not start"; cat /run/lab/ctr.log; }
        }
        end() { c task kill --signal KILL "$1"; until c task rm "$1" >/dev/null; do sleep 0.1; done; c container rm "$1"; }
        run() { c task exec --exec-id "run-$1" "$1" /bin/sh -c "$2"; }
        address() { run "$1" 'ip -4 -o addr show eth0' | sed 's,.*inet \\([0-9.]*\\)/.*,\\1,'; }
        try() { # WORDS URL
            page=$(run alpha "curl --silent --max-time 1 $2") && echo "$1: $page" || echo "$1: exit $?"
        }
        eventually() { # WORDS URL PAGE
            for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
                seen=$(try "$1" "$2")
                [ "$seen" = "$1: $3" ] && break
            done
            echo "$seen"
        }
        hive() { "$1" --config /run/lab/hive.json --state /run/lab/state net "$2" --color never | sed "s/^/$2: /"; }

        start alpha 'exec sleep 300'
        start beta 'mkdir /tmp/page; echo betas page >/tmp/page/index.html; exec python3 -m http.server 8080 --directory /tmp/page'
        peer=http://$(address beta):8080/ host=http://10.77.0.1:7000/
        for attempt in 1 2 3 4 5 6 7 8 9 10; do
            run beta 'curl --silent --max-time 1 http://127.0.0.1:8080/' && break
            sleep 0.2
        done
        # So that nothing but the rules is between the two.
        echo 1 >/proc/sys/net/ipv4/ip_forward
        try 'host' "$host"
        try 'peer' "$peer"
        hive "$1" show
        hive "$1" verify
        # The control.
        nft delete table inet hive
        nft delete table bridge hive
        eventually 'host without rules' "$host" 'the hosts page'
        eventually 'peer without rules' "$peer" 'betas page'
        end alpha
        hive "$1" show | sed 's/^/then /'
        end beta
        ls /run/lab/state/agents.d && echo listed
        """

    @Test func containersAreBehindTheBoundary() throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        let debian = try Debian13(lab, programs: [RuntimeLab.cni, Lab.hivectlPath])
        let root = Debian13.root
        try lab.must("mkdir -p \(root)/opt/cni/bin \(root)/etc/cni/net.d /run/lab/root/usr /run/lab/page")
        try lab.must("ln -s \(RuntimeLab.cni) \(root)/opt/cni/bin/hive-cni")
        for name in ["proc", "sys", "dev", "tmp", "etc", "run"] {
            try lab.must("mkdir /run/lab/root/\(name)")
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            try lab.must("ln -s usr/\(name) /run/lab/root/\(name)")
        }
        var plugin = RuntimeLab.network()
        plugin["cniVersion"] = nil
        plugin["name"] = nil
        let list: [String: Any] = ["cniVersion": "1.0.0", "name": "agents", "plugins": [plugin]]
        let text = String(decoding: try JSONSerialization.data(withJSONObject: list), as: UTF8.self)
        try lab.write(text, to: "\(root)/etc/cni/net.d/10-agents.conflist")
        try lab.write("the hosts page\n", to: "/run/lab/page/index.html")
        let server = try lab.background([
            "python3", "-m", "http.server", "7000", "--bind", "0.0.0.0", "--directory", "/run/lab/page",
        ])
        defer { server.end() }

        try lab.write(Self.script, to: "/run/lab/script")
        let result = try lab.run(
            ["unshare", "--pid", "--mount", "--fork", "--kill-child"] + debian.prefix
                + ["sh", "/run/lab/script", Lab.hivectlPath])
        let lines = result.stdout.split(separator: "\n").map(String.init)
        // 28: curl waited in vain.
        for line in [
            "host: exit 28", "peer: exit 28", "host without rules: the hosts page",
            "peer without rules: betas page",
        ] { #expect(lines.contains(line), "\(line): \(result)") }
        for (start, count) in [("show: default-", 2), ("then show: default-", 1)] {
            #expect(lines.filter { $0.hasPrefix(start) }.count == count, "\(start): \(result)")
        }
        #expect(lines.contains { $0.hasPrefix("verify: The boundary holds") }, "\(result)")
        #expect(lines.last == "listed", "\(result)")
        #expect(lines.dropLast().last?.hasPrefix("then show:") == true, "a file of an agent's: \(result)")
    }
}
