public import HiveCore
public import HiveNet

/// An agent's own web page, and how nginx gets there.
public struct Page: Equatable, Sendable {
    public enum Upstream: Equatable, Sendable {
        /// Over the bridge.
        case address(IPv4Address, port: UInt16)
        /// A unix socket, by the path that the configuration names.
        case socket(String)
    }

    public var name: String
    public var upstream: Upstream

    public init(name: String, upstream: Upstream) {
        self.name = name
        self.upstream = upstream
    }

    /// As the configuration has it: `10.77.0.2:8080`, `unix:/run/hive/agents/alpha/web.sock`.
    public var place: String {
        switch upstream {
        case .address(let address, let port): "\(address):\(port)"
        case .socket(let path): "unix:\(path)"
        }
    }
}

extension Hive {
    /// The agents that have a page, in the order of their names.
    public var pages: [Page] {
        agents.compactMap { agent in
            if let port = agent.webPort {
                Page(name: agent.name, upstream: .address(agent.address4, port: port))
            } else if let path = webSockets[agent.name] {
                Page(name: agent.name, upstream: .socket(path))
            } else {
                nil
            }
        }
    }
}
