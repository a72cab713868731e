import Foundation
import Glibc
import HiveWire
import Testing

/// hived, hive-web and nginx as systemd runs them by their units, with an agent in a real container.
@Suite(
    .timeLimit(.minutes(10)),
    .enabled(
        if: ContainerUnits.obstacle == nil && GatewayLab.obstacle == nil,
        "\(ContainerUnits.obstacle ?? GatewayLab.obstacle ?? "")"))
struct CoreUnitTests {
    private static let configuration = """
        { gateway: { enable: true, listen: ["127.0.0.1:8420"] },
          agents: { alpha: { container: { nspawn: "/srv/alpha", command: ["/init"], bindReadOnly: ["/usr"] } }, beta: {} } }
        """

    /// All that an operator can say, and the web process.
    private static let verbs = (OperatorVerb.allCases.map(\.rawValue) + CoreVerb.allCases.map(\.rawValue))
        .joined(
            separator: " ")

    /// The agent: says what an operator would, tries the others' sockets, and then asks and waits.
    private static let agent = """
        #!/usr/bin/python3
        import json, os, socket, time
        def connect(path):
            s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect(path); return s, s.makefile()
        tries = open("/state/tries", "w")
        s, lines = connect("/run/hive/agent/agent.sock")
        for verb in "\(verbs)".split():
            for key in ("cmd", "request"):
                request = {key: verb, "id": 1, "text": "x", "name": "beta", "agent": "beta", "verb": "stop", "paused": True,
                    "rel_path": "plain", "scope": {"agent_names": ["beta"]}}
                s.sendall(json.dumps(request).encode() + b"\\n")
                print("said", json.loads(lines.readline())["ok"], file=tries)
        for path in ("/run/hive/host.sock", "/run/hive/core.sock", "/run/hive/net.sock", "/run/hive/agents/beta/agent.sock",
                "/run/hive/agent/../host.sock", "/proc/1/root/run/hive/host.sock"):
            try: connect(path); print("REACHED", path, file=tries)
            except OSError as error: print("none", file=tries)
        tries.close()
        s.sendall(json.dumps({"cmd": "ask", "text": "May <b>I</b>?", "wait": True}).encode() + b"\\n")
        print(lines.readline(), lines.readline(), file=open("/state/answer", "w"))
        open("/state/done", "w").close()
        while True: time.sleep(1)
        """

    /// What is installed, and the Swift runtime beside it: these are builds for tests, and not for shipping.
    private func files(_ programs: [String]) throws -> [String: String] {
        let packaging = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../packaging")
            .standardizedFileURL.path
        var files = ["/etc/hive/hive.json": Lab.configuration]
        for name in ["hive-admin.conf", "hive-web.conf"] {
            files["/usr/lib/sysusers.d/\(name)"] = "\(packaging)/\(name)"
        }
        for name in [
            "hive-net.service", "hive-nginx.service", "hived.service", "hive-web.service", "hive-web.socket",
        ] {
            files["/etc/systemd/system/\(name)"] = "\(packaging)/\(name)"
        }
        for name in programs {
            let path = CoreLab.program(name)
            files["/usr/local/bin/\(name)"] = path
            let words = try Command.run(["ldd", path]).stdout.split { " \n\t".contains($0) }.map(String.init)
            for library in words where library.hasPrefix("/") && library.contains("/swift/") {
                files["/usr/local/bin/\((library as NSString).lastPathComponent)"] = library
            }
        }
        return files
    }

    private static let start = """
        set +x
        \(ContainerUnits.makeRoot)
        wait_for() { { set +x; } 2>/dev/null; for i in {1..200}; do [[ -e $1 ]] && break; sleep 0.05; done
            [[ -e $1 ]] || echo "$1 does not come"; set -x; }
        state=/var/lib/hive/agents/alpha/state
        set -x
        : --- units
        systemctl start dbus hive-net hived hive-web.socket hive-nginx
        systemctl show hive-net hived hive-web.socket hive-nginx -p Id,ActiveState
        stat -c '%n %a %U %G' /run/hive /run/hive/host.sock /run/hive/core.sock /run/hive/web.sock /run/hive/agents

        """

    @Test func aQuestionGoesAllTheWay() throws {
        let lab = try Lab()
        try lab.write(configuration: Self.configuration)
        let printed = try Systemd.run(
            lab, files: try files(["hivectl", "hived", "hive-web"]),
            script: Self.start + """
                { set +x; } 2>/dev/null
                make_root /srv/alpha <<'AGENT'
                \(Self.agent)
                AGENT
                page() { curl -s http://127.0.0.1:8420$1; }
                # The token and the rest of the form that answers, as a browser has it.
                token() { page / | tr '>' '\\n' | sed -n '/answer-question.1"/,/form/s/.*name="token" value="\\([^"]*\\)".*/\\1/p' | head -n 1; }
                post() { curl -s -o /dev/null -w '%{http_code}\\n' -H "Origin: $1" --data-urlencode "token=$2" --data from=/ \\
                    --data-urlencode 'text=Yes & no' http://127.0.0.1:8420/answer-question/1; }
                set -x
                : --- started
                hivectl agent start alpha; echo "start $?"
                hivectl agent list
                wait_for $state/tries
                : --- asked
                for i in {1..100}; do page / | grep -q 'May &lt;b&gt;' && break; sleep 0.1; done
                page / | grep -o 'May &lt;b&gt;I&lt;/b&gt;?' | head -n 1
                page /agents/alpha | grep -o 'May &lt;b&gt;I&lt;/b&gt;?' | head -n 1
                curl -s -o /dev/null -D - http://127.0.0.1:8420/ | tr -d '\\r' | grep -iE '^content-security|^access-control'
                systemctl show hive-web.service -p ActiveState,NRestarts
                : --- forged
                post http://localhost:9999 "$(token)"
                post null "$(token)"
                post http://127.0.0.1:8420 x
                ls $state
                : --- answered
                post http://127.0.0.1:8420 "$(token)"
                wait_for $state/done
                cat $state/answer
                : --- tries
                cat $state/tries
                : --- operators
                hivectl question list
                hivectl journal alpha --lines 5; echo "journal $?"
                curl -s "http://127.0.0.1:8420/api/state-file?agent=alpha&path=tries" | head -n 1
                ln -s /etc/shadow $state/link
                curl -s -o /dev/null -w '%{http_code}\\n' "http://127.0.0.1:8420/api/state-file?agent=alpha&path=link"
                curl -s -o /dev/null -w '%{http_code}\\n' "http://127.0.0.1:8420/api/state-file?agent=alpha&path=../../../core/journal"
                : --- restarted
                systemctl restart hived hive-web
                hivectl agent list
                page /agents/alpha | grep -o 'Yes &amp; no' | head -n 1
                hivectl agent stop alpha --now; echo "stop $?"
                : --- destroyed
                make_root /srv/theta <<<$'#!/bin/sh\\nexec sleep 1000'
                mkdir -p /var/lib/hive/agents.d
                echo '{ container: { nspawn: "/srv/theta", command: ["/init"], bindReadOnly: ["/usr"] } }' >/var/lib/hive/agents.d/theta.json
                for i in {1..100}; do hivectl agent start theta 2>/dev/null && break; sleep 0.1; done
                systemctl is-active hive-agent-theta; ip netns pids hive-theta | wc -l
                echo '{"cmd":"destroy","name":"theta"}' | python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect("/run/hive/host.sock"); s.sendall(sys.stdin.buffer.read()); print(s.makefile().readline())'
                systemctl is-active hive-agent-theta
                ls /run/netns /var/lib/hive/agents.d; ls /srv/theta/init
                : --- end
                journalctl -b -u hived -u hive-web -u hive-agent-alpha --no-pager
                """)
        let part = Systemd.Parts(printed)
        #expect(part("units").components(separatedBy: "ActiveState=active").count == 5, "\(printed)")
        for line in [
            "/run/hive 751 root root", "/run/hive/host.sock 660 root hive-admin",
            "/run/hive/core.sock 600 hive-web root", "/run/hive/web.sock 660 root www-data",
            "/run/hive/agents 700 root root",
        ] {
            #expect(part("units").contains(line), "\(part("units"))")
        }
        #expect(part("started").contains("start 0"), "\(printed)")
        let asked = part("asked")
        #expect(asked.components(separatedBy: "May &lt;b&gt;I&lt;/b&gt;?").count == 3, "\(asked)")
        #expect(
            asked.contains("default-src 'none'") && !asked.lowercased().contains("access-control"), "\(asked)"
        )
        #expect(
            asked.contains("ActiveState=active\nNRestarts=0")
                || asked.contains("NRestarts=0\nActiveState=active"), "\(asked)")
        #expect(
            part("forged").hasPrefix("403\n403\n403") && !part("forged").contains("done"), "\(part("forged"))"
        )
        // (The control of those that were refused.)
        #expect(
            part("answered").hasPrefix("303") && part("answered").contains("\"text\":\"Yes & no\""),
            "\(part("answered"))")
        #expect(
            part("tries")
                == Array(repeating: "said False", count: 2 * Self.verbs.split(separator: " ").count).joined(
                    separator: "\n") + "\n"
                + Array(repeating: "none", count: 6).joined(separator: "\n"), "\(part("tries"))")
        let operators = part("operators")
        #expect(operators.contains("journal 0") && operators.contains("said False\n404\n404"), "\(operators)")
        let restarted = part("restarted")
        #expect(
            restarted.contains("running") && restarted.contains("Yes &amp; no")
                && restarted.contains("stop 0"),
            "\(restarted)")
        // An agent made at run time, and destroyed while it runs: its files stay.
        let destroyed = part("destroyed")
        #expect(destroyed.hasPrefix("active\n") && !destroyed.hasPrefix("active\n0"), "\(destroyed)")
        for words in [
            "\"ok\":true", "The files of theta are kept", "\ninactive\n", "/srv/theta/init",
        ] {
            #expect(destroyed.contains(words), "\(destroyed)")
        }
        #expect(!destroyed.contains("hive-theta\n") && !destroyed.contains("\ntheta.json"), "\(destroyed)")
    }

    /// What somebody does who has taken the web process over: whatever there is to do, and what the core is told.
    private static let hostile = """
        #!/usr/bin/python3
        import json, os, socket
        def told(name, body):
            try: print(name, body(), flush=True)
            except Exception as error: print(name, "no", getattr(error, "errno", None) or error, flush=True)
        def connect(path):
            s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(path); return s
        def write():
            found = [place for place, _, _ in os.walk("/") if not place.startswith("/proc/") and os.access(place, os.W_OK)]
            for place in found:
                try: open(place + "/hive-test", "w").close(); os.unlink(place + "/hive-test"); return "REACHED " + place
                except OSError: pass
            return "none"
        told("write", write)
        told("shadow", lambda: "REACHED %d" % len(open("/etc/shadow").read()))
        told("journal", lambda: "REACHED %d" % len(open("/var/lib/hive/core/journal", "rb").read()))
        told("configuration", lambda: "REACHED %d" % len(open("/etc/hive/hive.json").read()))
        told("tcp", lambda: "REACHED %s" % socket.create_connection(("127.0.0.1", 8420), 2).fileno())
        told("host", lambda: "REACHED %s" % connect("/run/hive/host.sock").fileno())
        told("watcher", lambda: "REACHED %s" % connect("/run/hive/net.sock").fileno())
        told("agent", lambda: "REACHED %s" % connect("/run/hive/agents/alpha/agent.sock").fileno())
        told("kill", lambda: "REACHED %s" % os.kill(1, 0))
        def core(request):
            s = connect("/run/hive/core.sock")
            # (Who is refused at the door is told so before it has said anything.)
            try: s.sendall(request if isinstance(request, bytes) else json.dumps(request).encode() + b"\\n")
            except BrokenPipeError: pass
            answer = json.loads(s.makefile().readline())
            return "ok" if answer["ok"] else "refused"
        def read(path, agent="alpha"): return core({"request": "ReadAgentStateFile", "agent": agent, "rel_path": path})
        told("agents", lambda: core({"request": "Agents"}))
        told("plain", lambda: read("plain"))
        for path in ("link", "fifo", "null", "../../../core/journal", "/etc/shadow", "sub", "link/x", "", "plain/..", "/proc/1/environ"):
            told("file", lambda: read(path))
        told("other", lambda: read("plain", "../alpha")); told("none", lambda: read("plain", "gamma"))
        for verb in ("list", "approve", "stop", "ask", "answer", "Shell"):
            told("verb", lambda: core({"request": verb, "cmd": verb, "id": 1, "name": "alpha"}))
        told("long", lambda: core(b"x" * 70000 + b"\\n"))
        told("binary", lambda: core(bytes(range(11, 256)) + b"\\n"))
        told("deep", lambda: core(b"[" * 60000 + b"\\n"))
        held = []
        def many():
            for _ in range(100): held.append(connect("/run/hive/core.sock"))
            held[-1].settimeout(5); return json.loads(held[-1].makefile().readline())["ok"]
        told("many", many)
        told("end", lambda: "")
        """

    /// Nothing but the narrow requests is there for a program in hive-web's place; the control: what root finds by the same words.
    @Test func aHostileWebProcessHasNothingElse() throws {
        let lab = try Lab()
        try lab.write(configuration: Self.configuration)
        let printed = try Systemd.run(
            lab, files: try files(["hivectl", "hived"]),
            script: """
                cat >/usr/local/bin/hive-web <<'HOSTILE'
                \(Self.hostile)
                HOSTILE
                chmod 755 /usr/local/bin/hive-web
                # (Python needs one call more than is granted, for whatever it opens.)
                mkdir /etc/systemd/system/hive-web.service.d
                printf '[Service]\\nSystemCallFilter=ioctl\\n' >/etc/systemd/system/hive-web.service.d/python.conf
                systemctl daemon-reload

                """ + Self.start + """
                    mkdir -p $state/sub; echo words >$state/plain; ln -s /etc/shadow $state/link; mkfifo $state/fifo; mknod $state/null c 1 3
                    : --- hostile
                    curl -s -m 1 -o /dev/null http://127.0.0.1:8420/
                    { set +x; } 2>/dev/null
                    for i in {1..200}; do journalctl -b -u hive-web --no-pager -o cat | grep -q '^end' && break; sleep 0.1; done
                    set -x
                    journalctl -b -u hive-web --no-pager -o cat
                    : --- control
                    /usr/local/bin/hive-web
                    : --- after
                    systemctl stop hive-web.socket hive-web
                    hivectl agent list; echo "list $?"
                    """)
        let part = Systemd.Parts(printed)
        let (hostile, control) = (part("hostile"), part("control"))
        func lines(_ text: String, _ name: String) -> [String] {
            text.split(separator: "\n").filter { $0.hasPrefix(name + " ") }.map {
                String($0.dropFirst(name.count + 1))
            }
        }
        #expect(lines(hostile, "write") == ["none"] && !hostile.contains("REACHED"), "\(printed)")
        for name in [
            "write", "shadow", "journal", "configuration", "tcp", "host", "watcher", "agent", "kill",
        ] {
            #expect(lines(hostile, name).count == 1, "\(name): \(hostile)")
            #expect(
                lines(control, name).allSatisfy { $0.hasPrefix("REACHED") }
                    && lines(control, name).count == 1, "\(name): \(control)")
        }
        #expect(lines(hostile, "agents") == ["ok"] && lines(hostile, "plain") == ["ok"], "\(hostile)")
        #expect(lines(hostile, "file") == Array(repeating: "refused", count: 10), "\(hostile)")
        #expect(lines(hostile, "verb") == Array(repeating: "refused", count: 6), "\(hostile)")
        for name in ["other", "none", "long", "binary", "deep"] {
            #expect(lines(hostile, name) == ["refused"], "\(name): \(hostile)")
        }
        #expect(lines(hostile, "many") == ["False"], "\(hostile)")
        // This socket is for that user, and not for root either.
        #expect(lines(control, "agents") == ["refused"], "\(control)")
        #expect(part("after").contains("list 0"), "\(printed)")
    }
}
