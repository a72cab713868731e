import Foundation
import Glibc
import Testing

/// How a configuration comes into force, and what is there when it does not.
@Suite(.timeLimit(.minutes(10)), .enabled(if: GatewayLab.obstacle == nil, "\(GatewayLab.obstacle ?? "")"))
struct GatewayApplyTests {
    private static let echo: Upstream.Handler = { request, client in
        client.answer("\(request["Host"] ?? "") \(request.target)", type: "text/plain")
    }

    /// 10,000 requests, each with a connection of its own, while agents come and go: every one is answered by the right agent.
    @Test func changesLoseNoRequest() throws {
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration("limits: { rate: 1000000, connections: 1000 }"))
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080, Self.echo)
        defer { alpha.end() }
        let a = try gateway.prefix("alpha")
        let load = """
            import http.client, threading, sys
            wrong = []
            def run(number):
                for i in range(2500):
                    try:
                        c = http.client.HTTPConnection("127.0.0.1", 8420, timeout=20)
                        c.request("GET", f"\(a)/{number}/{i}", headers={"Connection": "close", "Host": "localhost"})
                        r = c.getresponse(); body = r.read().decode(); c.close()
                        if body != f"10.77.0.2:8080 /{number}/{i}": wrong.append((r.status, body))
                    except Exception as e: wrong.append(repr(e))
            threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
            for t in threads: t.start()
            for t in threads: t.join()
            print("wrong", len(wrong), wrong[:3])
            """
        let client = try gateway.lab.background(["/usr/bin/python3", "-c", load])
        defer { client.end() }
        var changes = 0
        while client.isRunning {
            let name = "c\(changes % 3)"
            let verb = changes % 6 < 3 ? ["add", name, "--web-port", "80"] : ["rm", name]
            let result = try gateway.lab.run(Lab.commandLine(["net"] + verb))
            #expect(result.status == 0, "\(result)")
            let applied = try gateway.apply()
            #expect(applied.status == 0 && applied.stdout.hasPrefix("gateway "), "\(applied)")
            changes += 1
        }
        let ended = try client.wait(seconds: 60)
        #expect(ended.stdout == "wrong 0 []\n", "\(ended)\n\(gateway.log)")
        #expect(alpha.requests.count == 10_000)
        #expect(changes > 3, "\(changes)")
    }

    @Test func agentsKeepTheirAddressWhenTheyMove() throws {
        let gateway = try GatewayLab()
        let a = try gateway.prefix("alpha")
        let dead = try gateway.ask(a + "/")
        #expect(
            dead.status == 502 && dead.text.contains("alpha") && dead.text.contains("href=/ "), "\(dead.text)"
        )
        let moved = GatewayLab.configuration(alpha: "web: { port: 81 }").replacing(
            "10.77.0.2", with: "10.77.0.9")
        #expect(try gateway.apply(moved).status == 0)
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 81, Self.echo)
        defer { alpha.end() }
        #expect(try gateway.prefix("alpha") == a)
        #expect(try gateway.ask(a + "/x").text == "10.77.0.9:81 /x")
        // Nothing is left to do, and nothing is done.
        let again = try gateway.apply()
        #expect(again.status == 0 && again.stdout.isEmpty && again.stderr.isEmpty, "\(again)")
        // Gone, with all that led there.
        try gateway.apply("{ gateway: { enable: true }, agents: {} }")
        #expect(try gateway.ask(a + "/x").status == 404)
        #expect(try gateway.ask("/agent/alpha/", headers: HTTP.navigation).status == 404)
        try gateway.apply("{ agents: {} }")
        #expect(throws: LabError.self) { try gateway.ask("/") }
        #expect(try gateway.isServed)
    }

    /// nginx's own words, and what was there before.
    @Test func whatNginxRefusesChangesNothing() throws {
        let gateway = try GatewayLab()
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080, Self.echo)
        defer { alpha.end() }
        let a = try gateway.prefix("alpha")
        func expectUnchanged(_ what: String) throws {
            #expect(try gateway.ask(a + "/").text == "10.77.0.2:8080 /", "\(what)")
            #expect(try gateway.isServed, "\(what)")
        }
        let before = try gateway.lab.must("readlink /run/hive/nginx/current").stdout
        let refused = try gateway.apply(
            GatewayLab.configuration("tls: { certificate: '/run/lab/none.pem', key: '/run/lab/none.key' }"))
        #expect(refused.status == 78, "\(refused)")
        #expect(
            refused.stderr.contains(
                "nginx has something against the new configuration, and keeps the old one")
                && refused.stderr.contains("/run/lab/none.pem"), "\(refused)")
        #expect(try gateway.lab.must("readlink /run/hive/nginx/current").stdout == before)
        try expectUnchanged("a certificate that is not there")
        // What it only finds out when it is told: somebody else listens there.
        let other = try gateway.lab.background([
            "/usr/bin/python3", "-c",
            "import socket,time; s=socket.socket(); s.bind(('127.0.0.1',8421)); s.listen(); print('ready', flush=True); time.sleep(600)",
        ])
        defer { other.end() }
        wait { other.printed.isEmpty }
        let taken = try gateway.apply(
            GatewayLab.configuration("listen: ['127.0.0.1:8420', '127.0.0.1:8421']"))
        #expect(taken.status == 74 && taken.stderr.contains("still could not bind"), "\(taken)")
        #expect(try gateway.lab.must("readlink /run/hive/nginx/current").stdout == before)
        try expectUnchanged("a port that is taken")
        // Killed before it could put back what was there: the next one does.
        let good = before.trimmingCharacters(in: .whitespacesAndNewlines)
        let files = try gateway.lab.run(["sh", "-c", "cd /run/hive/nginx && ls -d ????????????????"]).stdout
            .split(separator: "\n").map(String.init)
        let wrong = try #require(files.first { $0 != good })
        try gateway.lab.must("ln -sfn \(wrong) /run/hive/nginx/current")
        #expect(try gateway.apply().status == 74)
        #expect(try gateway.lab.must("readlink /run/hive/nginx/current").stdout == before)
        other.end()
        let applied = try gateway.apply()
        #expect(applied.status == 0, "\(applied)")
        try expectUnchanged("a port that is free")
        #expect(try gateway.ask(a + "/", at: "127.0.0.1:8421").status == 200)
        #expect(
            try gateway.lab.run(["sh", "-c", "ls -d /run/hive/nginx/????????????????"]).stdout.split(
                separator: "\n"
            ).count == 2)
    }

    /// Killed with its workers, it leaves its sockets behind, which the next one could not listen at.
    @Test func aKilledOneIsFollowedByAnother() throws {
        let configuration = GatewayLab.configuration(
            "listen: ['127.0.0.1:8420', 'unix:/run/lab/gateway.sock']")
        let gateway = try GatewayLab(configuration: configuration)
        let master = try gateway.lab.must("cat /run/hive/nginx/nginx.pid").stdout.trimmingCharacters(
            in: .whitespacesAndNewlines)
        let workers = try gateway.lab.must("pgrep -P \(master)").stdout.split(separator: "\n").compactMap {
            pid_t($0)
        }
        for pid in [pid_t(master) ?? -1] + workers where pid > 1 { kill(pid, SIGKILL) }
        try wait { try gateway.isServed }
        #expect(try gateway.lab.run(["test", "-S", "/run/lab/gateway.sock"]).status == 0)
        let applied = try gateway.apply(configuration.replacing("8080", with: "8081"))
        #expect(applied.status == 0 && applied.stderr.contains("nginx does not run"), "\(applied)")
        try gateway.start()
        #expect(try gateway.ask("/", at: "unix:/run/lab/gateway.sock").status == 502)
    }

    /// Part of an nginx that serves something else, too.
    @Test func anIncludeForAnNginxThatIsThere() throws {
        let gateway = try GatewayLab(starts: false)
        let lab = gateway.lab
        let main = """
            load_module /usr/lib/nginx/modules/ngx_http_js_module.so;
            user www-data; pid /run/nginx.pid; error_log /run/lab/error.log;
            events {}
            http {
                server { listen 127.0.0.1:8000; location / { return 200 other; } }
                include /run/hive/nginx/current/hive[.]conf;
            }
            """
        try lab.write(main, to: "/run/lab/nginx.conf")
        // As a distribution's: what `nginx -t` looks at by itself.
        try lab.must("mount --bind /run/lab/nginx.conf /etc/nginx/nginx.conf")
        try lab.must("mkdir -p /var/lib/nginx")
        let first = try lab.hivectl("gateway", "apply")
        #expect(first.status == 0 && first.stderr.contains("no nginx runs (/run/nginx.pid)"), "\(first)")
        let nginx = try lab.background(["/usr/sbin/nginx", "-g", "daemon off;"])
        defer {
            kill(nginx.pid, SIGTERM)
            wait { nginx.isRunning }
            nginx.end()
        }
        try wait { try lab.run(["test", "-s", "/run/nginx.pid"]).status != 0 }
        wait { (try? HTTP.ask(lab, "/", at: "127.0.0.1:8000").text) != "other" }
        #expect(try gateway.prefix("alpha").hasPrefix("/agent/alpha/~"))
        try lab.write(configuration: GatewayLab.configuration(beta: "web: { port: 99 }"))
        try lab.apply()
        let second = try lab.hivectl("gateway", "apply")
        #expect(
            second.status == 0 && second.stdout.hasPrefix("gateway ") && second.stderr.isEmpty, "\(second)")
        // It is wrong elsewhere: ours goes back, too.
        let before = try lab.must("readlink /run/hive/nginx/current").stdout
        // (In place: it is mounted.)
        try lab.write(main.replacing("return 200 other", with: "retrun 200 other"), to: "/run/lab/wrong.conf")
        try lab.must("cp /run/lab/wrong.conf /run/lab/nginx.conf")
        try lab.write(configuration: GatewayLab.configuration())
        try lab.apply()
        let wrong = try lab.hivectl("gateway", "apply")
        #expect(wrong.status == 78 && wrong.stderr.contains("retrun"), "\(wrong)")
        #expect(try lab.must("readlink /run/hive/nginx/current").stdout == before)
        #expect(try HTTP.ask(lab, "/", at: "127.0.0.1:8000").text == "other")
    }

    /// The keeper: agents come, a token has had its time.
    @Test func itIsKept() throws {
        let gateway = try GatewayLab()
        let lab = gateway.lab
        let keeper = try lab.background(Lab.commandLine(["gateway", "watch", "--standalone"]))
        defer { keeper.end() }
        let a = try gateway.prefix("alpha")
        #expect(try lab.hivectl("net", "add", "gamma", "--web-port", "80").status == 0)
        // (It says so when no worker serves the old one any more.)
        func applied() -> Int { keeper.words.components(separatedBy: "applied: ").count - 1 }
        wait { applied() < 1 }
        #expect(try gateway.prefix("gamma").hasPrefix("/agent/gamma/~"), "\(keeper.words)")
        // An hour ago, as far as it knows.
        let state = try lab.must("cat \(Lab.state)/gateway.json").stdout
        let now = Int(Date().timeIntervalSince1970)
        let aged = state.replacing(try Regex("\"made\" : [0-9]+"), with: "\"made\" : \(now - 3600)")
        try lab.write(aged, to: "\(Lab.state)/gateway.json")
        kill(keeper.pid, SIGHUP)
        wait { applied() < 2 }
        let renewed = try gateway.prefix("alpha")
        #expect(renewed != a, "\(keeper.words)")
        // The one before is good for as long again: 502, since nobody answers, and no redirect.
        #expect(try gateway.ask(a + "/").status == 502 && gateway.ask(renewed + "/").status == 502)
        try lab.write("{ gateway: {", to: Lab.configuration)
        wait { !keeper.words.contains("what was applied before is kept") }
        #expect(keeper.words.contains("hive.json:1"), "\(keeper.words)")
        #expect(try gateway.ask(a + "/").status == 502)
        kill(keeper.pid, SIGTERM)
        #expect(try keeper.wait(seconds: 10).status == 0)
        #expect(try lab.must("stat -c %a \(Lab.state)/gateway.json").stdout == "600\n")
    }
}
