import Foundation
import Testing

/// A short, deterministic run of what `scripts/fuzz` does at length: every input of the corpus, and seeded mutations of them.
@Suite struct CorpusTests {
    private static let mutations = 4000

    private static let directory = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Corpus")

    private static func corpus(_ target: Target) throws -> [[UInt8]] {
        try FileManager.default.contentsOfDirectory(
            at: directory.appendingPathComponent(target.name), includingPropertiesForKeys: nil
        ).sorted { $0.path < $1.path }.map { [UInt8](try Data(contentsOf: $0)) }
    }

    @Test(arguments: Target.all.map(\.name)) func everyInputAndSomeLikeItAreCopedWith(name: String) throws {
        let target = try #require(Target.all.first { $0.name == name })
        let corpus = try Self.corpus(target)
        try #require(corpus.count >= 3)
        if let (input, error) = Self.firstWrong(target, corpus, mutations: Self.mutations) {
            Issue.record("\(name): \(error): \(Data(input).base64EncodedString())")
        }
    }

    /// Corpora of targets that there are no more are of no use.
    @Test func everyCorpusHasItsTarget() throws {
        let directories = try FileManager.default.contentsOfDirectory(atPath: Self.directory.path)
        #expect(Set(directories) == Set(Target.all.map(\.name)))
    }

    /// The control: what only a mutation reaches is reached, and told.
    @Test func whatIsWrongIsFound() {
        let target = Target(name: "test") { bytes in
            if bytes.contains(0x7d), !bytes.contains(0x7b) { throw Target.Wrong("found") }
        }
        #expect(Self.firstWrong(target, [Array("{}".utf8)], mutations: 0) == nil)
        #expect(Self.firstWrong(target, [Array("{}".utf8)], mutations: Self.mutations) != nil)
    }

    /// - Returns: nil where all is well.
    private static func firstWrong(
        _ target: Target, _ corpus: [[UInt8]], mutations: Int
    ) -> (input: [UInt8], error: any Error)? {
        var mutator = Mutator(corpus)
        for input in corpus + (0..<mutations).map({ _ in mutator.next() }) {
            do {
                try target.run(input)
            } catch {
                return (input, error)
            }
        }
        return nil
    }
}

/// Inputs that are a few changes away from those of a corpus; the same ones in every run.
private struct Mutator {
    private let corpus: [[UInt8]]
    private var state: UInt64 = 1

    init(_ corpus: [[UInt8]]) { self.corpus = corpus }

    /// SplitMix64.
    private mutating func draw(below bound: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return Int((value ^ value >> 31) % UInt64(max(bound, 1)))
    }

    private mutating func range(in bytes: [UInt8]) -> Range<Int> {
        let first = draw(below: bytes.count + 1)
        return first..<min(bytes.count, first + draw(below: 24))
    }

    mutating func next() -> [UInt8] {
        guard !corpus.isEmpty else { return [] }
        var bytes = corpus[draw(below: corpus.count)]
        for _ in 0..<(1 + draw(below: 4)) {
            let place = draw(below: bytes.count)
            switch draw(below: 8) {
            case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8(draw(below: 8))
            case 1 where !bytes.isEmpty: bytes[place] = UInt8(draw(below: 256))
            // The ends of what lengths and numbers can be.
            case 2 where !bytes.isEmpty: bytes[place] = [0, 1, 0x7f, 0x80, 0xff][draw(below: 5)]
            case 3: bytes.removeSubrange(range(in: bytes))
            case 4: bytes.removeLast(min(bytes.count, draw(below: 24)))
            case 5: bytes.insert(contentsOf: bytes[range(in: bytes)], at: place)
            case 6:
                let other = corpus[draw(below: corpus.count)]
                bytes.replaceSubrange(range(in: bytes), with: other[range(in: other)])
            default: bytes.insert(UInt8(draw(below: 256)), at: place)
            }
        }
        return bytes
    }
}
