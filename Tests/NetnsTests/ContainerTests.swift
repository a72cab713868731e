import CNetlink
import Foundation
import Glibc
import Testing

/// Real containers: what an agent reaches from inside of systemd-nspawn, with curl.
@Suite(.enabled(if: Container.obstacle == nil, "\(Container.obstacle ?? "")"))
struct ContainerTests {
    private static let configuration = """
        { gateway: { user: "root" },
          agents: { alpha: { address4: "10.77.0.2", web: { port: 8080 }, egress: "internet" },
                    beta: { address4: "10.77.0.3", web: { port: 8080 } } } }
        """

    /// Serves a page on all addresses, for as long as the process is kept.
    private func serve(_ lab: Lab, _ page: String, _ port: Int, in namespace: String? = nil) throws
        -> Command.Process
    {
        let directory = "/run/lab/page-\(port)"
        try lab.must("mkdir \(directory)")
        try lab.write(page, to: "\(directory)/index.html")
        try lab.write(Container.server, to: "\(directory).py")
        let enter = namespace.map { ["ip", "netns", "exec", $0] } ?? []
        return try lab.background(enter + ["/usr/bin/python3", "\(directory).py", directory, "\(port)"])
    }

    /// What the host gets from a page.
    private func fetch(_ lab: Lab, _ url: String) throws -> String {
        for _ in 0..<100 {
            let answer = try lab.run(["curl", "--silent", "--globoff", "--max-time", "5", url])
            if answer.status == 0 { return answer.stdout }
            // A server that is about to start refuses.
            usleep(50_000)
        }
        return "nothing"
    }

    /// Attempts of an agent's, with what each would get.
    private struct Attempts {
        var forbidden: [String: String]
        var allowed: [String: String] = [:]
    }

    private static let host = "the host's page", elsewhere = "the outside's page"

    private func attempts(of name: String, neighbour: String, _ number: Int) -> Attempts {
        var attempts = Attempts(forbidden: [
            "http://10.77.0.1:7000/": Self.host, "http://[fd77:6869:7665::1]:7000/": Self.host,
            "http://11.0.0.1:7000/": Self.host, "http://[2a11::1]:7000/": Self.host,
            "http://10.77.0.\(number):8080/": "\(neighbour)'s page",
            "http://[fd77:6869:7665::\(number)]:8080/": "\(neighbour)'s page",
            "http://192.168.1.1:7080/": Self.elsewhere, "http://[fd00:1::1]:7080/": Self.elsewhere,
        ])
        for url in ["http://\(Lab.publicAddress4):7080/", "http://[\(Lab.publicAddress6)]:7080/"] {
            if name == "alpha" {
                attempts.allowed[url] = Self.elsewhere
            } else {
                attempts.forbidden[url] = Self.elsewhere
            }
        }
        return attempts
    }

    /// Tries everything with the boundary, and, as the control, without it.
    private func expectBoundary(_ hive: TwoAgents, _ containers: [(Container, Attempts)]) throws {
        let lab = hive.lab
        for (container, attempts) in containers {
            // 127.0.0.1 is the container's own.
            let own = try container.fetch(["http://127.0.0.1:7000/", "http://127.0.0.1:8080/"])
            #expect(own == [.failed(7), .page("\(container.name)'s page")], "\(container.name)")
            let before = try lab.blocked(container.name)
            let urls = attempts.forbidden.keys.sorted()
            for (url, outcome) in zip(urls, try container.fetch(urls, seconds: 1)) {
                #expect(outcome == .failed(28), "\(container.name) fetches \(url)")
            }
            let after = try lab.blocked(container.name)
            for reason in ["host", "peer", "egress"] {
                #expect(after[reason] ?? 0 > before[reason] ?? 0, "\(container.name): \(reason)")
            }
            let allowed = attempts.allowed.keys.sorted()
            #expect(try container.fetch(allowed) == allowed.map { .page(attempts.allowed[$0] ?? "") })
        }
        // What Hive proves by itself, and that it would have seen the difference.
        let proof = try lab.hivectl("net", "verify")
        #expect(proof.status == 0 && proof.stdout.contains("The boundary holds"), "\(proof)")
        for layer in TwoAgents.Layer.allCases { try hive.disable(layer) }
        let open = try lab.hivectl("net", "verify")
        #expect(open.status == 3 && open.stdout.contains("REACHED"), "\(open)")
        for (container, attempts) in containers {
            let urls = attempts.forbidden.keys.sorted()
            for (url, outcome) in zip(urls, try container.fetch(urls)) {
                #expect(
                    outcome == .page(attempts.forbidden[url] ?? ""),
                    "control: \(container.name) fetches \(url)")
            }
        }
        try lab.apply()
    }

    /// Two containers in the namespaces that Hive made.
    @Test func inNamespacesOfHives() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        let lab = hive.lab
        try Container.prepare(lab)
        let servers = [try serve(lab, Self.host, 7000), try serve(lab, Self.elsewhere, 7080, in: "outside")]
        let alpha = try Container(lab, "alpha", .hive), beta = try Container(lab, "beta", .hive)
        for (container, agent) in [(alpha, hive.alpha), (beta, hive.beta)] {
            // CAP_NET_ADMIN would reach the host's links (threat 10): nspawn leaves it out.
            #expect(try !lab.hasNetAdmin(container.leader()))
            #expect(try fetch(lab, "http://\(agent.address4):8080/") == "\(container.name)'s page")
            #expect(try fetch(lab, "http://[\(agent.address6)]:8080/") == "\(container.name)'s page")
        }
        #expect(try fetch(lab, "http://127.0.0.1:7000/") == Self.host)
        try expectBoundary(
            hive,
            [
                (alpha, attempts(of: "alpha", neighbour: "beta", 3)),
                (beta, attempts(of: "beta", neighbour: "alpha", 2)),
            ])
        withExtendedLifetime(servers) {}
    }

    /// A container with users and a network of its own, that Hive attaches; and a neighbour as before.
    @Test func attachedWithUsersOfItsOwn() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        let lab = hive.lab
        try Container.prepare(lab)
        let servers = [try serve(lab, Self.host, 7000), try serve(lab, Self.elsewhere, 7080, in: "outside")]
        let alpha = try Container(lab, "alpha", .hive), gamma = try Container(lab, "gamma", .own)
        let leader = try gamma.leader()
        // It may do what it likes with its own network, and is nobody on the host.
        #expect(try lab.hasNetAdmin(leader))
        #expect(
            try lab.must("cat /proc/\(leader)/uid_map").stdout.split { " \n".contains($0) } == [
                "0", "1879048192", "65536",
            ])
        try lab.apply(
            Self.configuration.replacing(
                "beta: {",
                with:
                    "gamma: { address4: '10.77.0.4', web: { port: 8080 }, namespace: { pid: \(leader) } }, beta: {"
            ))
        #expect(try fetch(lab, "http://10.77.0.4:8080/") == "gamma's page")
        #expect(try fetch(lab, "http://[fd77:6869:7665::4]:8080/") == "gamma's page")
        #expect(try fetch(lab, "http://10.77.0.2:8080/") == "alpha's page")
        try expectBoundary(
            hive,
            [
                (alpha, attempts(of: "alpha", neighbour: "gamma", 4)),
                (gamma, attempts(of: "gamma", neighbour: "alpha", 2)),
            ])
        withExtendedLifetime(servers) {}
    }

    /// No process is left of a container that is let go of, and no group.
    @Test func nothingIsLeft() throws {
        let lab = try Lab()
        try Container.prepare(lab)
        let groups = {
            try lab.host { try FileManager.default.contentsOfDirectory(atPath: "/sys/fs/cgroup") }
        }
        var leader: pid_t = 0
        do {
            let container = try Container(lab, "omega", .own)
            leader = try container.leader()
            #expect(kill(leader, 0) == 0)
            #expect(try groups().contains { $0.contains("-omega-") }, "control")
        }
        for _ in 0..<500 where kill(leader, 0) == 0 { usleep(10_000) }
        #expect(kill(leader, 0) != 0)
        #expect(try !groups().contains { $0.hasPrefix("hive-test-\(getpid())-omega-") })
    }
}

extension Lab {
    /// Whether a process has CAP_NET_ADMIN, in whatever user namespace it is.
    fileprivate func hasNetAdmin(_ process: pid_t) throws -> Bool {
        let status = try must("cat /proc/\(process)/status").stdout.split(separator: "\n")
        guard let line = status.first(where: { $0.hasPrefix("CapEff:") }),
            let word = line.split(separator: "\t").last, let bits = UInt64(word, radix: 16)
        else { throw LabError("the capabilities of \(process)") }
        // CAP_NET_ADMIN, linux/capability.h.
        return bits & 1 << 12 != 0
    }
}
