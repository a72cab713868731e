import Foundation
import HiveNet

/// What `ip`, `bridge` and `nft` say, as values: witnesses that share no code with the product.
enum Witness {
    /// A link, by `ip -j -d link`.
    struct Link: Decodable {
        let ifindex: Int
        let ifname: String
        let flags: [String]
        let mtu: Int
        let operstate: String
        let address: String?
        let master: String?
        let ifalias: String?
        /// The number of the namespace that the other end of a veth pair is in.
        let linkNetnsid: Int?
        let group: String?
        var isUp: Bool { flags.contains("UP") }
    }

    /// A bridge port, by `bridge -j -d link`.
    struct Port: Decodable {
        let ifname: String
        let master: String
        let state: String
        let hairpin, `guard`, learning, flood, mcastFlood, bcastFlood, neighSuppress, isolated, locked: Bool
    }

    /// A static or learned entry of a bridge's table, by `bridge -j fdb`.
    struct ForwardingEntry: Decodable {
        let mac: String
        let ifname: String
        let state: String?
        let master: String?
    }

    /// A neighbour, by `ip -j neigh`.
    struct Neighbour: Decodable {
        let dst: String
        let lladdr: String?
        let dev: String?
        let state: [String]
    }

    fileprivate struct Addressed: Decodable {
        struct Address: Decodable {
            let local: String
            let prefixlen: Int
        }
        let ifname: String
        let addrInfo: [Address]
    }

    fileprivate struct Ruleset: Decodable {
        struct Entry: Decodable {
            struct Named: Decodable {
                let family, table, name: String
                let prio: Int?
                let policy: String?
            }
            struct Rule: Decodable { let family, table, chain: String }
            let chain: Named?
            let rule: Rule?
        }
        let nftables: [Entry]
    }

    /// A chain, by `nft -j list ruleset`.
    struct Chain: Equatable {
        /// Of base chains only, as is the policy.
        let priority: Int?
        let policy: String?
        let rules: Int
    }
}

extension Lab {
    private func witness<Value: Decodable>(_ line: String) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let text = try must(line).stdout
        return try decoder.decode(Value.self, from: Data(text.utf8))
    }

    private func ip<Value: Decodable>(_ namespace: String?, _ line: String) throws -> Value {
        try witness("ip -j -d \(namespace.map { "-n \($0) " } ?? "")\(line)")
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

    /// Addresses with their prefix lengths, by link.
    func addresses(in namespace: String? = nil) throws -> [String: Set<String>] {
        let links: [Witness.Addressed] = try ip(namespace, "addr show")
        return Dictionary(links.map { ($0.ifname, Set($0.addrInfo.map { "\($0.local)/\($0.prefixlen)" })) }) {
            $1
        }
    }

    func neighbours(in namespace: String? = nil) throws -> [Witness.Neighbour] {
        try ip(namespace, "neigh show")
    }

    /// By name.
    func ports() throws -> [String: Witness.Port] {
        let ports: [Witness.Port] = try witness("bridge -j -d link show")
        return Dictionary(ports.map { ($0.ifname, $0) }) { $1 }
    }

    func forwardingTable() throws -> [Witness.ForwardingEntry] { try witness("bridge -j fdb show") }

    /// By family, table and name: `chains()["inet hive input"]`.
    func chains() throws -> [String: Witness.Chain] {
        let ruleset: Witness.Ruleset = try witness("nft -j list ruleset")
        let rules = ruleset.nftables.compactMap(\.rule).reduce(into: [String: Int]()) {
            $0["\($1.family) \($1.table) \($1.chain)", default: 0] += 1
        }
        return ruleset.nftables.compactMap(\.chain).reduce(into: [:]) { chains, chain in
            let name = "\(chain.family) \(chain.table) \(chain.name)"
            chains[name] = Witness.Chain(priority: chain.prio, policy: chain.policy, rules: rules[name] ?? 0)
        }
    }

    /// What /proc/sys/net says on the host.
    func sysctl(_ name: String) throws -> String {
        try host {
            try String(contentsOfFile: "/proc/sys/net/\(name)", encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }
}
