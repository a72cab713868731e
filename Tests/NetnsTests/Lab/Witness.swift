import Foundation
import Glibc

/// What `ip` says, as values: a witness that shares no code with the product. (For all of the kernel at once: `Snapshot`.)
enum Witness {
    /// A link, by `ip -j link`.
    struct Link: Decodable {
        let ifname: String
        let ifindex: Int
        let operstate: String
        /// Of its Ethernet.
        let address: String?
    }

    /// A neighbour, by `ip -j neigh`.
    struct Neighbour: Decodable {
        let dst: String
        let lladdr: String?
    }
}

extension Lab {
    private func ip<Value: Decodable>(_ namespace: String?, _ line: String) throws -> Value {
        let text = try must("ip -j \(namespace.map { "-n \($0) " } ?? "")\(line)").stdout
        return try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }

    /// By name.
    func links(in namespace: String? = nil) throws -> [String: Witness.Link] {
        let links: [Witness.Link] = try ip(namespace, "link show")
        return Dictionary(links.map { ($0.ifname, $0) }) { $1 }
    }

    /// Waits until the kernel has noticed that a link's other end is up. Before that (linkwatch, in a work queue) the link drops
    /// what is sent, though both ends are up: a packet that is lost then would be taken for a blocked one.
    func waitForLink(_ name: String, in namespace: String? = nil) throws {
        for _ in 0..<1000 {
            let links: [Witness.Link] = try ip(namespace, "link show dev \(name)")
            if links.first?.operstate == "UP" { return }
            usleep(5_000)
        }
        throw LabError("link \(name) in \(namespace ?? "the lab") does not come up")
    }

    func neighbours(in namespace: String? = nil) throws -> [Witness.Neighbour] {
        try ip(namespace, "neigh show")
    }

    /// What /proc/sys/net says on the host.
    func sysctl(_ name: String) throws -> String {
        try host {
            try String(contentsOfFile: "/proc/sys/net/\(name)", encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }
}
