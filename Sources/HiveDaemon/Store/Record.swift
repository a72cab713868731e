internal import HiveWire

/// What happened, as a journal's line has it: one of these.
///
/// A record says how something is now and not what to do with it, so that it can be read without what was before it.
struct Record: Codable, Equatable {
    /// With its state: it is open, or was answered or withdrawn just now.
    var question: Question?
    var approval: Approval?
    /// The agent has done with it: it leaves the agent's loose ends.
    var done: Done?
    var status: Status?
    var audit: AuditEntry?
    /// All there is: the only record of a snapshot.
    var state: StoreState?

    struct Done: Codable, Equatable {
        let agent: String
        let id: Int
    }

    struct Status: Codable, Equatable {
        let agent: String
        /// Nil: none any more.
        var text: String?
        var at: Double
    }

    init(question: Question) { self.question = question }
    init(approval: Approval) { self.approval = approval }
    init(done id: Int, of agent: String) { done = Done(agent: agent, id: id) }
    init(status: Status) { self.status = status }
    init(audit: AuditEntry) { self.audit = audit }
    init(state: StoreState) { self.state = state }

    /// A line of a later version of this program may have something that this one does not know: it must not be passed over.
    var isKnown: Bool {
        question != nil || approval != nil || done != nil || status != nil || audit != nil || state != nil
    }
}

/// An entry as a line.
func encoded(_ value: some Encodable) throws(ServiceError) -> [UInt8] {
    do { return try JSONLine.encode(value) } catch {
        throw ServiceError(ServiceError.software, "cannot write it down as JSON: \(error)")
    }
}
