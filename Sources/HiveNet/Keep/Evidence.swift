internal import Glibc

/// Who may have been behind what is found changed, as far as the kernel tells.
struct Evidence {
    /// Authors of transactions that touched our tables, the last one last.
    private var rulesets: [Actor] = []
    /// Authors of requests, by the link that they were about.
    private var links: [Int32: Actor] = [:]
    /// When the first of it was heard.
    private(set) var since: ContinuousClock.Instant?

    /// - Parameter now: when it was heard of.
    mutating func note(at now: ContinuousClock.Instant) { since = since ?? now }

    mutating func note(ruleset actor: Actor) {
        if rulesets.count == 8 { rulesets.removeFirst() }
        rulesets.append(actor)
    }

    mutating func note(_ notice: RouteNotice, own: UInt32) {
        // Port ids above this are drawn at random, for a process's second socket and further ones (netlink_autobind).
        guard notice.requester != 0, notice.requester != own, notice.requester < 1 << 22 else { return }
        let index: Int32
        switch notice.subject {
        case .link(let link, _, _, _, _), .forwarding(let link), .neighbour(let link), .address(let link),
            .setting(let link):
            index = link
        case .route(let link, _, _): index = link ?? 0
        case .namespaceNumber: return
        }
        // A process that makes one request and ends is mostly still there.
        let name = textOfFile("/proc/\(notice.requester)/comm")?.filter { $0 != "\n" }
        links[index] = Actor(process: notice.requester, name: name)
    }

    /// - Parameter index: of the link that the change is about.
    func actor(for change: Change, link index: Int32?) -> Actor? {
        change.needsTables ? rulesets.last : index.flatMap { links[$0] }
    }
}
