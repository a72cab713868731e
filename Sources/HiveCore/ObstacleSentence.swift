public import HiveNet

extension Hive {
    /// An obstacle as a sentence that names the file, the key and the value which the kernel has something against.
    public func sentence(for obstacle: Obstacle) -> String {
        let key: String
        switch obstacle {
        case .bridgeNameTaken: key = "network.bridge"
        case .prefixTaken: key = "network.interfacePrefix"
        case .subnet4IsRouted: key = "network.subnet4"
        case .subnet6IsRouted, .noIPv6: key = "network.subnet6"
        case .tablesAreOwned: return obstacle.description
        case .linkNameTaken(_, let agent): key = "agents.\(agent)"
        case .namespaceDoesNotExist(_, let agent), .namespaceIsAnothers(_, let agent),
            .namespaceIsSymbolicLink(_, let agent), .namespaceIsTheHosts(_, let agent),
            .namespaceIsShared(_, let agent, _),
            .namespaceIsClosed(_, let agent, _):
            key = "agents.\(agent).namespace"
        }
        return "\(configuration.file): \(key): \(obstacle.description)"
    }
}
