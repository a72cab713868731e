internal import HiveWire

/// How much of what agents have said the web process is told at a time. What one agent says is bounded, but not what all of them do together,
/// and each octet may take forty on a page: some dozens of agents would fill the web process's memory, or one its page.
struct Fitting {
    var mostRows = 2000
    /// Of all texts together.
    var mostOctets = 256 << 10
    /// A row has as much at least.
    private static let least = 128

    static let open = Fitting()
    static let closed = Fitting(mostRows: 400, mostOctets: 128 << 10)

    /// Where there are too many, the first of each agent, as many of each; where they are too long, the long ones are cut, and say so.
    func fit<Row: Cuttable>(_ rows: [Row]) -> [Row] {
        var rows = rows
        if rows.count > mostRows {
            let share = max(mostRows / Set(rows.map(\.agent)).count, 1)
            var taken: [String: Int] = [:]
            rows = rows.filter { row in
                taken[row.agent, default: 0] += 1
                return taken[row.agent, default: 0] <= share
            }
        }
        guard rows.reduce(0, { $0 + $1.octets }) > mostOctets else { return rows }
        // What short ones leave is for the others.
        let share = max(mostOctets / rows.count, Self.least)
        let long = rows.filter { $0.octets > share }
        let rest = mostOctets - rows.reduce(0) { $0 + ($1.octets > share ? 0 : $1.octets) }
        let most = max(rest / max(long.count, 1), share)
        return rows.map { $0.octets > most ? $0.cut(to: most) : $0 }
    }
}

/// A row with texts of somebody's.
protocol Cuttable {
    var agent: String { get }
    /// Of its texts, in UTF-8.
    var octets: Int { get }
    func cut(to most: Int) -> Self
}

extension Question: Cuttable {
    var octets: Int { options.reduce(text.utf8.count + (answer?.utf8.count ?? 0)) { $0 + $1.utf8.count } }

    func cut(to most: Int) -> Question {
        var cut = self
        cut.isCut = true
        // (Some of the offered answers would be a choice that the agent does not offer.)
        if options.reduce(0, { $0 + $1.utf8.count }) > most / 2 { cut.options = [] }
        let room = most - cut.options.reduce(0) { $0 + $1.utf8.count }
        cut.answer = answer.map { StoreTexts.cut($0, octets: room / 2) }
        cut.text = StoreTexts.cut(text, octets: room - (cut.answer?.utf8.count ?? 0))
        return cut
    }
}

extension Approval: Cuttable {
    var octets: Int { text.utf8.count }

    func cut(to most: Int) -> Approval {
        var cut = self
        cut.isCut = true
        cut.text = StoreTexts.cut(text, octets: most)
        return cut
    }
}
