import Testing

@testable import HiveCore

/// The section `gateway`, and agents' `web`.
@Suite struct GatewaySettingsTests {
    private func settings(_ text: String) throws -> GatewaySettings {
        try Configuration(text: Array("{ gateway: \(text) }".utf8), file: "hive.json").gateway
    }

    @Test func everythingIsRead() throws {
        let found = try settings(
            """
            { enable: true, listen: ["127.0.0.1:8420", "[::1]:8420", "0.0.0.0:80", "unix:/run/hive/gateway.sock"],
              serverNames: ["hive.example", "a-b.c"], tls: { certificate: "/etc/hive/a.pem", key: "/etc/hive/a.key" },
              auth: { basicFile: "/etc/hive/users" }, user: "nginx", mode: "subdomain", domain: "agents.example",
              dashboard: "/run/web.sock", rotation: 600,
              limits: { connections: 3, rate: 4, body: 0, time: 6 } }
            """)
        #expect(found.isEnabled && found.isExplicit && found.user == "nginx")
        #expect(
            found.listeners.map(\.description) == [
                "127.0.0.1:8420", "[::1]:8420", "0.0.0.0:80", "unix:/run/hive/gateway.sock",
            ])
        #expect(found.listeners.map(\.isLocal) == [true, true, false, true])
        #expect(found.serverNames == ["hive.example", "a-b.c"])
        #expect(found.certificate == .init(certificate: "/etc/hive/a.pem", key: "/etc/hive/a.key"))
        #expect(found.authentication == .basic(file: "/etc/hive/users"))
        #expect(found.mode == .subdomain && found.domain == "agents.example")
        #expect(found.dashboard == "/run/web.sock" && found.rotation == 600)
        #expect(found.limits.connections == 3 && found.limits.rate == 4 && found.limits.time == 6)
        #expect(found.limits.body == 0)
    }

    @Test func whatIsNotWrittenHasADefault() throws {
        let found = try settings("{}")
        #expect(found == GatewaySettings())
        #expect(found.listeners.map(\.description) == ["127.0.0.1:8420"] && !found.isEnabled)
    }

    @Test(arguments: [
        (
            "{ listen: [] }",
            "gateway.listen must have 1 to 64 entries; to have no gateway write enable: false"
        ),
        ("{ enable: 1 }", "gateway.enable is 1 (a number), but must be true or false"),
        ("{ listen: [\"127.0.0.1\"] }", "gateway.listen[0] is \"127.0.0.1\", but must be"),
        ("{ listen: [\"8420\"] }", "gateway.listen[0] is \"8420\", but must be"),
        ("{ listen: [\"localhost:80\"] }", "gateway.listen[0] is"),
        ("{ listen: [\"127.0.0.1:0\"] }", "gateway.listen[0] is"),
        ("{ listen: [\"127.0.0.1:65536\"] }", "gateway.listen[0] is"),
        ("{ listen: [\"127.0.0.1:+80\"] }", "gateway.listen[0] is"),
        ("{ listen: [\"127.0.0.1:80 ssl\"] }", "gateway.listen[0] is"),
        ("{ listen: [\"::1:80\"] }", "gateway.listen[0] is"),
        ("{ listen: [\"unix:run/x\"] }", "gateway.listen[0] is"),
        ("{ listen: [\"unix:/run/../x\"] }", "gateway.listen[0] is"),
        ("{ listen: [\"unix:/run/$host\"] }", "gateway.listen[0] is"),
        ("{ listen: [\"unix:/run/a;b\"] }", "gateway.listen[0] is"),
        (
            "{ listen: [\"127.0.0.1:80\", \"127.0.0.1:80\"] }",
            "gateway.listen[1] is \"127.0.0.1:80\", which is in the list already"
        ),
        ("{ serverNames: [\"a b\"] }", "gateway.serverNames[0] is \"a b\", which is not the name of a host"),
        ("{ serverNames: [\"~.*\"] }", "gateway.serverNames[0] is"),
        ("{ serverNames: [\"*.a\"] }", "gateway.serverNames[0] is"),
        ("{ serverNames: [\"10.0.0.1\"] }", "gateway.serverNames[0] is"),
        ("{ serverNames: [\"\"] }", "gateway.serverNames[0] is"),
        (
            "{ tls: { key: '/k' } }",
            "gateway.tls is incomplete: write { certificate: PATH, key: PATH }"
        ),
        ("{ tls: { certificate: '/a$b', key: '/k' } }", "gateway.tls.certificate is \"/a$b\", but must be"),
        (
            "{ auth: {} }",
            "gateway.auth must be either { basicFile: PATH } or { clientCertificates: PATH }"
        ),
        ("{ auth: { basicFile: '/a', clientCertificates: '/b' } }", "gateway.auth must be either"),
        (
            "{ auth: { clientCertificates: '/b' } }",
            "gateway.auth asks for certificates of clients, which needs gateway.tls"
        ),
        (
            "{ listen: ['0.0.0.0:80'], auth: { basicFile: '/b' } }",
            "gateway.auth would send passwords in the clear over 0.0.0.0:80: write gateway.tls, too, or listen on this host only"
        ),
        ("{ mode: 'host' }", "gateway.mode is \"host\", but must be \"path\" or \"subdomain\""),
        (
            "{ mode: 'subdomain' }",
            "gateway.mode is \"subdomain\", which needs a domain: write domain: \"hive.example\""
        ),
        ("{ domain: 'a.b' }", "gateway.domain is for the mode \"subdomain\", and the mode is \"path\""),
        ("{ rotation: 59 }", "gateway.rotation is 59, but must be a whole number from 60 to 604800"),
        ("{ limits: { rate: 0 } }", "gateway.limits.rate is 0, but must be"),
        ("{ dashboard: 'x' }", "gateway.dashboard is \"x\", but must be an absolute path"),
        ("{ user: 'a:b' }", "gateway.user is \"a:b\", which is not the name of a user"),
    ])
    func wrongSettingsEarnASentence(_ text: String, _ sentence: String) throws {
        let error = #expect(throws: HiveError.self) { try settings(text) }
        #expect(error?.description.hasPrefix("hive.json:1: " + sentence) == true, "\(error as Any)")
    }

    @Test func pagesOfAgents() throws {
        func agent(_ text: String) throws -> AgentSettings { try AgentSettings(text: text, file: "a.json") }
        let found = try agent("{ web: { socket: '/run/hive/agents/alpha/web.sock' } }")
        #expect(found.webSocket == "/run/hive/agents/alpha/web.sock" && found.webPort == nil)
        #expect(try agent(found.text) == found)
        for text in [
            "{ web: { socket: 'web.sock' } }", "{ web: { socket: '/run/../web.sock' } }",
            "{ web: { socket: '/run/a b' } }", "{ web: { port: 80, socket: '/a' } }",
            "{ web: { socket: '/\(String(repeating: "a", count: 107))' } }",
        ] {
            #expect(throws: HiveError.self) { try agent(text) }
        }
    }
}
