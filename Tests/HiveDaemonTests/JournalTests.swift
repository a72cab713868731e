import Glibc
import HiveWire
import Testing

@testable import HiveDaemon

/// Frames, and what is made of files that are damaged in every way.
@Suite(.timeLimit(.minutes(10))) struct JournalTests {
    @Test func checksumsAreCRC32C() {
        func crc(_ bytes: [UInt8]) -> UInt32 {
            var crc = CRC32C()
            bytes.withUnsafeBytes { crc.add($0) }
            return crc.value
        }
        // RFC 3720, B.4, and the check value that catalogues of CRCs have.
        #expect(crc(Array("123456789".utf8)) == 0xe306_9283)
        #expect(crc([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(crc([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(crc(Array(0..<32)) == 0x46dd_794e)
        #expect(crc([]) == 0)
    }

    /// A journal of 30 commits, and where each begins. `ends` has the end of the file too.
    private static let journal: (bytes: [UInt8], starts: [Int]) = {
        var (bytes, starts, previous): ([UInt8], [Int], UInt32) = ([], [], 0)
        for number in 0..<30 {
            let payload = Array(
                "{\"text\":\"commit \(number)\(String(repeating: "é", count: number * 7 % 50))\"}\n".utf8)
            let frame = Frame.encode(
                number == 0 ? .snapshot : .records, sequence: UInt64(number + 5), previous: previous,
                payload: payload)
            starts.append(bytes.count)
            bytes += frame.bytes
            previous = frame.checksum
        }
        return (bytes, starts + [bytes.count])
    }()

    private static func frame(_ index: Int) -> ArraySlice<UInt8> {
        journal.bytes[journal.starts[index]..<journal.starts[index + 1]]
    }

    /// How many of the journal's commits were read, from the first on; nil: others.
    private static func prefix(_ bytes: [UInt8], _ scan: FrameScan) -> Int? {
        let whole = FrameScan(journal.bytes).frames
        guard scan.frames.count <= whole.count else { return nil }
        for (frame, other) in zip(scan.frames, whole) {
            guard frame.sequence == other.sequence, bytes[frame.payload] == journal.bytes[other.payload]
            else { return nil }
        }
        return scan.frames.count
    }

    @Test func wholeJournalIsRead() {
        let scan = FrameScan(Self.journal.bytes)
        #expect(scan.end == .whole)
        #expect(scan.frames.map(\.sequence) == Array(5..<35))
        #expect(scan.frames.map(\.offset) == Self.journal.starts.dropLast())
    }

    @Test func cutAtEveryOctet() {
        for length in 0..<Self.journal.bytes.count {
            let bytes = Array(Self.journal.bytes[..<length])
            let scan = FrameScan(bytes)
            let whole = Self.journal.starts.dropFirst().count { $0 <= length }
            #expect(Self.prefix(bytes, scan) == whole)
            // Where a commit ends, an older journal is what it looks like: the only case that nobody can tell.
            let expected: FrameScan.End =
                whole == 0
                ? .beginning
                : Self.journal.starts.contains(length) ? .whole : .tail(Self.journal.starts[whole])
            #expect(scan.end == expected, "\(length)")
        }
    }

    @Test(arguments: [0, 1, 14, 28, 29]) func everyOctetChanged(index: Int) {
        for offset in Self.journal.starts[index]..<Self.journal.starts[index + 1] {
            for change: UInt8 in [0x01, 0x80, 0xff] {
                var bytes = Self.journal.bytes
                bytes[offset] ^= change
                let scan = FrameScan(bytes)
                #expect(Self.prefix(bytes, scan) == index)
                let start = Self.journal.starts[index]
                switch (index, scan.end) {
                case (0, .beginning): break
                case (29, .tail(start)): break
                case (1...28, .middle(start, later: Self.journal.starts[index + 1])): break
                default: Issue.record("\(index), octet \(offset): \(scan.end)")
                }
            }
        }
    }

    @Test func zeroedTail() {
        for length in stride(from: 0, through: Self.journal.bytes.count, by: 3) {
            let bytes =
                Self.journal.bytes[..<length]
                + [UInt8](repeating: 0, count: Self.journal.bytes.count - length + 100)
            let scan = FrameScan(Array(bytes))
            // Zeros that a commit ends with would be the same.
            let whole = Self.journal.starts.dropFirst().count { $0 <= length }
            #expect(Self.prefix(Array(bytes), scan) == whole)
            #expect(scan.end == (whole == 0 ? .beginning : .tail(Self.journal.starts[whole])))
        }
    }

    @Test func framesTwiceMissingAndInAnotherOrder() {
        let frames = (0..<30).map { Array(Self.frame($0)) }
        func end(_ order: [Int]) -> (FrameScan.End, Int?) {
            let bytes = order.flatMap { frames[$0] }
            let scan = FrameScan(bytes)
            return (scan.end, Self.prefix(bytes, scan))
        }
        let all = Array(0..<30)
        for index in 0..<30 {
            // The same again at the end: all is there.
            #expect(end(all + [index]) == (.tail(Self.journal.bytes.count), 30))
            var missing = all
            missing.remove(at: index)
            var twice = all
            twice.insert(index, at: index)
            switch index {
            case 0: #expect(end(missing) == (.beginning, 0))
            case 29: #expect(end(missing) == (.whole, 29))
            default:
                let start = Self.journal.starts[index]
                #expect(end(missing) == (.middle(start, later: start), index))
            }
            guard case .middle = end(twice).0, index < 29 else {
                #expect(index == 29)
                continue
            }
            var swapped = all
            swapped.swapAt(index, index + 1)
            switch (index, end(swapped)) {
            case (0, (.beginning, 0)): break
            case (1..., (.middle, index)): break
            case (_, let other): Issue.record("\(index): \(other)")
            }
        }
    }

    /// A commit with the right number, of another journal.
    @Test func framesOfAnotherHistoryAreNotTaken() {
        let (good, last) = (Self.journal.bytes, FrameScan(Self.journal.bytes).frames[29])
        let right = Frame.encode(.records, sequence: 35, previous: last.checksum, payload: Array("{}\n".utf8))
            .bytes
        let wrong = Frame.encode(
            .records, sequence: 35, previous: last.checksum ^ 1, payload: Array("{}\n".utf8)
        ).bytes
        let snapshot = Frame.encode(
            .snapshot, sequence: 35, previous: last.checksum, payload: Array("{}\n".utf8)
        ).bytes
        #expect(FrameScan(good + right).end == .whole)
        #expect(FrameScan(good + wrong).end == .middle(good.count, later: good.count))
        #expect(FrameScan(good + snapshot).end == .middle(good.count, later: good.count))
    }

    @Test func laterVersionsAreNotRead() {
        let (good, last) = (Self.journal.bytes, FrameScan(Self.journal.bytes).frames[29])
        let later = Frame.encode(.records, sequence: 35, previous: last.checksum, payload: [], version: 2)
            .bytes
        #expect(FrameScan(later).end == .version(2, at: 0))
        #expect(FrameScan(good + later).end == .version(2, at: good.count))
    }

    /// Whatever an agent writes, a torn commit with it looks like a torn commit and not like damage in front of a later one.
    @Test func textsCannotLookLikeFrames() throws {
        let later = Frame.encode(.records, sequence: 900, previous: 0, payload: Array("{}\n".utf8)).bytes
        // As octets it would be one: the control.
        let torn = Self.journal.bytes + [0xff, 0x48] + later
        #expect(FrameScan(torn).end == .middle(Self.journal.bytes.count, later: Self.journal.bytes.count + 2))
        let text = String(decoding: later, as: UTF8.self)
        let line = try JSONLine.encode(
            Record(question: Question(id: 1, agent: "alpha", text: text, asked: 0)))
        #expect(FrameScan(Self.journal.bytes + line).end == .tail(Self.journal.bytes.count))
        #expect(!line.contains(Frame.magic[0]))
    }

    @Test func salvageFindsAllWholeFrames() {
        for index in 0..<30 {
            var bytes = Self.journal.bytes
            bytes[Self.journal.starts[index] + 20] ^= 4
            #expect(FrameScan.salvage(bytes).map(\.sequence) == (5..<35).filter { $0 != index + 5 })
        }
    }
}
