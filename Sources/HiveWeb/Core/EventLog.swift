internal import HiveWire

/// The last events of the core, for those who come late or come again.
struct EventLog {
    static let most = 1024
    /// Of a sentence, in characters. The core's are shorter.
    static let longestSentence = 1000

    private var events: [CoreEvent] = []
    /// As all streams get them: what is told to many is put into words once.
    private var words: [[UInt8]] = []
    /// How many there were in all. A reader's place is a number of these.
    private(set) var count = 0
    /// Nil, too, after one that has no number (0).
    var last: UInt64? { events.last.flatMap { $0.id == 0 ? nil : $0.id } }

    mutating func append(_ event: CoreEvent) {
        var event = event
        if event.sentence.utf8.count > Self.longestSentence {
            event.sentence = String(event.sentence.unicodeScalars.prefix(Self.longestSentence)) + "…"
        }
        if event.agent.map(AgentName.isValid) == false { event.agent = nil }
        // What came before says nothing any more: who knows no later event has missed something.
        if event.kind == .reset { (events, words) = ([], []) }
        events.append(event)
        words.append(EventStream.encode(event))
        count += 1
        if events.count > Self.most {
            events.removeFirst()
            words.removeFirst()
        }
    }

    /// Where somebody goes on who has heard of this event last. Nil: nobody knows what was missed.
    func place(after id: UInt64) -> Int? {
        events.lastIndex { $0.id == id }.map { count - events.count + $0 + 1 }
    }

    /// What comes at a place and after it. Nil: it is not remembered any more.
    func words(from place: Int) -> ArraySlice<[UInt8]>? {
        let first = count - events.count
        return place >= first && place <= count ? words[(place - first)...] : nil
    }
}
