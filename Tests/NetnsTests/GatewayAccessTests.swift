import Foundation
import Glibc
import Testing

/// Who gets to the gateway, and as whom.
@Suite(.timeLimit(.minutes(10)), .enabled(if: GatewayLab.obstacle == nil, "\(GatewayLab.obstacle ?? "")"))
struct GatewayAccessTests {
    private static let echo: Upstream.Handler = { request, client in
        client.answer("\(request.target) \(request["Authorization"] ?? "-")", type: "text/plain")
    }

    /// It listens on every address that agents' packets can be sent to. They do not get there; without the rules they do.
    @Test func agentsDoNotReachIt() throws {
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration(
                "listen: ['0.0.0.0:8420', '[::]:8420']", alpha: "web: { port: 8080 }, egress: \"internet\""))
        let lab = gateway.lab
        #expect(try gateway.ask("/agent/alpha/", headers: HTTP.navigation).status == 303)
        func reaches(_ address: String) throws -> Bool {
            let script = """
                import socket, sys
                s = socket.create_connection(("\(address)", 8420), timeout=1)
                s.sendall(b"GET /agent/beta/ HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n")
                sys.stdout.write(s.recv(100).decode())
                """
            let result = try lab.run([
                "ip", "netns", "exec", "hive-alpha", "/usr/bin/python3", "-c", script,
            ])
            return result.stdout.hasPrefix("HTTP/1.1 200")
        }
        for address in ["10.77.0.1", "fd77:6869:7665::1"] { #expect(try !reaches(address), "\(address)") }
        #expect(try lab.hivectl("net", "show").stdout.contains("alpha"))
        try lab.nft("flush ruleset")
        for address in ["10.77.0.1", "fd77:6869:7665::1"] {
            #expect(try reaches(address), "control: \(address)")
        }
    }

    /// With a password the bookmark asks for it, and so does the dashboard; the token is what a page's own requests have.
    @Test func passwords() throws {
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration("auth: { basicFile: '/run/lab/users' }"), starts: false)
        // `openssl passwd -apr1 -salt abcdefgh secret`
        try gateway.lab.write("operator:{PLAIN}secret\n", to: "/run/lab/users")
        #expect(try gateway.apply().status == 0)
        try gateway.start()
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080, Self.echo)
        defer { alpha.end() }
        let password = "Authorization: Basic " + Data("operator:secret".utf8).base64EncodedString()
        for path in ["/", "/agent/alpha/", "/agent/alpha", "/agent/alpha/x?y", "/x"] {
            let answer = try gateway.ask(path, headers: HTTP.navigation)
            #expect(answer.status == 401 && answer["Location"] == nil, "\(path): \(answer.status)")
        }
        #expect(try gateway.ask("/", headers: [password]).status == 502)
        let opened = try gateway.ask("/agent/alpha/x", headers: HTTP.navigation + [password])
        let location = try #require(opened["Location"])
        #expect(try gateway.ask(location).text == "/x -")
        // What the browser adds to what it opens is nothing for the agent. What its own script says is.
        #expect(try gateway.ask(location, headers: HTTP.navigation + [password]).text == "/x -")
        let own = try gateway.ask(
            location, headers: ["Origin: null", "Sec-Fetch-Mode: cors", "Authorization: Bearer own"])
        #expect(own.text == "/x Bearer own")
        let stolen = try gateway.ask(location, headers: ["Origin: null", "Sec-Fetch-Mode: cors", password])
        #expect(stolen.text == "/x -")
        // The token of somebody else opens nothing.
        let guess = location.replacing(try Regex("~[0-9a-f]+"), with: "~" + String(repeating: "a", count: 32))
        #expect(try gateway.ask(guess, headers: HTTP.navigation).status == 401)
        #expect(try gateway.ask("/agent/alpha/~0/", headers: HTTP.navigation).status == 401)
    }

    @Test func certificates() throws {
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration(
                "tls: { certificate: '/run/lab/c.pem', key: '/run/lab/c.key' }, auth: { clientCertificates: '/run/lab/c.pem' }"
            ),
            starts: false)
        let lab = gateway.lab
        for name in ["c", "stranger"] {
            try lab.must(
                "openssl req -x509 -newkey rsa:2048 -nodes -keyout /run/lab/\(name).key -out /run/lab/\(name).pem -days 2 -subj /CN=localhost"
            )
        }
        #expect(try gateway.apply().status == 0)
        try gateway.start()
        func curl(_ words: String) throws -> String {
            try lab.run(
                ("curl -sk -o /dev/null -w %{http_code}:%{redirect_url} -H Sec-Fetch-Mode:navigate -H Sec-Fetch-Site:none "
                    + "-H Sec-Fetch-Dest:document " + words).split(separator: " ").map(String.init)
            ).stdout
        }
        let own = "--cert /run/lab/c.pem --key /run/lab/c.key "
        let opened = try curl(own + "https://localhost:8420/agent/alpha/")
        #expect(opened.hasPrefix("303:https://localhost:8420/agent/alpha/~"), "\(opened)")
        #expect(try curl(own + "https://localhost:8420/") == "502:")
        for path in ["/", "/agent/alpha/", "/agent/alpha"] {
            #expect(try curl("https://localhost:8420\(path)") == "403:", "\(path)")
            let other = try curl(
                "--cert /run/lab/stranger.pem --key /run/lab/stranger.key https://localhost:8420\(path)")
            #expect(other.hasPrefix("4"), "\(path): \(other)")
        }
        // A page's own requests come without one: the token is enough. (Nobody answers.)
        #expect(try curl(String(opened.dropFirst("303:".count))) == "502:")
        #expect(try curl("http://localhost:8420/").hasPrefix("400"))
        let shown = try lab.hivectl("gateway", "show", "--standalone")
        #expect(shown.stdout.contains("127.0.0.1:8420  answers"), "\(shown)")
    }

    /// An agent's socket, and what an agent that is root could put in its place.
    @Test func aSocketIsTheVeryOneThatWasLookedAt() throws {
        let path = "/run/lab/agents/alpha/web.sock"
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration(alpha: "web: { socket: '\(path)' }"), starts: false)
        let lab = gateway.lab
        let secret = try Upstream(lab, path: "/run/lab/secret.sock") { _, client in client.answer("SECRET") }
        defer { secret.end() }
        try lab.must("mkdir -p /run/lab/agents/alpha")
        func caution(_ words: String) throws {
            let result = try gateway.apply()
            #expect(
                result.status == 0
                    && result.stderr.contains("the page of agent alpha is not served: \(words)"), "\(result)")
        }
        try caution("\(path): No such file or directory")
        try gateway.start()
        let a = try gateway.prefix("alpha")
        #expect(try gateway.ask(a + "/").status == 502)
        let first = try Upstream(lab, path: path) { _, client in client.answer("first") }
        defer { first.end() }
        #expect(try gateway.apply().stderr.isEmpty)
        #expect(try gateway.ask(a + "/").text == "first")
        #expect(first.requests.first?["Host"] == "alpha")
        // Swapped for a link: nginx still goes to the one that was there, and the next look refuses.
        try lab.must("mv \(path) \(path).old")
        try lab.must("ln -s /run/lab/secret.sock \(path)")
        #expect(try gateway.ask(a + "/").text == "first")
        try caution("\(path) is not a socket")
        #expect(try gateway.ask(a + "/").status == 502 && secret.requests.isEmpty)
        // A directory on the way is a link, or somebody else's to write to.
        try lab.must("rm \(path)")
        try lab.must("mv \(path).old \(path)")
        #expect(try gateway.apply().stderr.isEmpty)
        try lab.must("chmod 777 /run/lab/agents")
        try caution("/run/lab/agents has to be root's, and nobody else may write to it")
        try lab.must("chmod 755 /run/lab/agents")
        try lab.must("chown 1 /run/lab/agents/alpha")
        try caution("/run/lab/agents/alpha has to be root's, and nobody else may write to it")
        try lab.must("chown 0 /run/lab/agents/alpha")
        try lab.must("mv /run/lab/agents /run/lab/real")
        try lab.must("ln -s real /run/lab/agents")
        try caution("/run/lab/agents: is not a directory, or a symbolic link")
        // The control: without the look the link is followed.
        try lab.must("ln -sf /run/lab/secret.sock /run/hive/nginx/sockets/alpha.sock")
        #expect(try gateway.ask(a + "/").text == "SECRET")
        try lab.must("rm /run/lab/agents")
        try lab.must("mv /run/lab/real /run/lab/agents")
        #expect(try gateway.apply().stderr.isEmpty)
        #expect(try gateway.ask(a + "/").text == "first")
        // Made anew by its agent, it is another one, which the keeper takes over.
        let keeper = try lab.background(Lab.commandLine(["gateway", "watch", "--standalone"]))
        defer { keeper.end() }
        wait { (try? lab.run(["test", "-e", "/run/hive/nginx/lock"]).status) != 0 }
        first.end()
        usleep(300_000)
        let second = try Upstream(lab, path: path) { _, client in client.answer("second") }
        defer { second.end() }
        wait { (try? gateway.ask(a + "/").text) != "second" }
        #expect(try gateway.ask(a + "/").text == "second", "\(keeper.words)")
    }

    /// Each agent has an origin of its own: its cookies are its own, and nobody opens a WebSocket or posts from another one.
    @Test func hostNames() throws {
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration("mode: 'subdomain', domain: 'hive.example'"))
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080) { request, client in
            client.answer(
                "\(request.target) \(request["Cookie"] ?? "-")", type: "text/plain",
                headers: [
                    "Set-Cookie: own=1", "Set-Cookie: wide=1; Domain=hive.example", "Location: /x",
                    "Clear-Site-Data: \"*\"",
                    "Strict-Transport-Security: max-age=1; includeSubDomains",
                ])
        }
        defer { alpha.end() }
        let host = "alpha.hive.example:8420"
        let answer = try gateway.ask("/a%2fb?c", headers: ["Cookie: own=1"], host: host)
        #expect(answer.text == "/a%2fb?c own=1")
        #expect(answer.headers.filter { $0.name == "Set-Cookie" }.map(\.value) == ["own=1"])
        #expect(answer["Location"] == "/x" && answer["Clear-Site-Data"] == nil)
        #expect(answer["Strict-Transport-Security"] == nil && answer["Access-Control-Allow-Origin"] == nil)
        #expect(answer["Content-Security-Policy"] == "frame-ancestors 'self' http://hive.example:8420")
        func post(_ origin: String) throws -> Int {
            try gateway.ask("/p", method: "POST", headers: ["Origin: \(origin)"], host: host).status
        }
        #expect(try post("http://alpha.hive.example:8420") == 200)
        for origin in ["http://beta.hive.example:8420", "http://hive.example:8420", "null"] {
            #expect(try post(origin) == 403, "\(origin)")
        }
        let socket = [
            "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13",
        ]
        #expect(
            try gateway.ask("/", headers: socket + ["Origin: http://beta.hive.example:8420"], host: host)
                .status == 403)
        #expect(try gateway.ask("/", host: "gamma.hive.example").status == 421)
        #expect(
            try gateway.ask("/agent/alpha/", headers: HTTP.navigation, host: "hive.example").status == 404)
        let index = try gateway.ask("/", host: "hive.example")
        #expect(index.status == 502 && index.text.contains("href=\"//alpha.hive.example/\""))
    }
}
