import CLinux
import Glibc
import Testing

@testable import HiveWire

/// Octets that come and go as they like.
@Suite struct ChannelTests {
    private func pair() throws -> (Channel, Int32) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        return (Channel(UnixSocket(adopting: ends[0])), ends[1])
    }

    @Test func linesAreWholeOrNotThere() throws {
        let (channel, other) = try pair()
        defer { close(other) }
        func say(_ text: String) {
            _ = Glibc.write(other, text, text.utf8.count)
            channel.receive(most: 1 << 10)
        }
        func next() -> String? { channel.takeLine().map { String(decoding: $0, as: UTF8.self) } }
        for part in ["a", "b", "\n\n", "c\nd"] { say(part) }
        #expect(channel.hasLine && next() == "ab")
        #expect(channel.hasLine && next() == "c")
        #expect(!channel.hasLine && next() == nil && channel.input == Array("d".utf8))
        say("\n")
        #expect(channel.hasLine && next() == "d" && channel.input.isEmpty)
        // Lines with nothing in them are none.
        say("\n\n\n")
        #expect(next() == nil && channel.input.isEmpty && !channel.hasLine)
        say("x\ny\n")
        channel.take(2)
        #expect(channel.hasLine && next() == "y" && !channel.hasLine)
    }

    /// What waits is bounded, on both sides.
    @Test func moreThanEnoughWaitsOutside() throws {
        let (channel, other) = try pair()
        defer { close(other) }
        let much = [UInt8](repeating: 7, count: 4096)
        #expect(Glibc.write(other, much, much.count) == much.count)
        for _ in 0..<10 { channel.receive(most: 1000) }
        #expect(channel.input.count == 1000)
        channel.take(1000)
        channel.receive(most: 1000)
        #expect(channel.input.count == 1000)
        // Who is always a little behind gets it all, in order.
        var sent: [UInt8] = []
        var read: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 50_000)
        for number in 0..<60 {
            let part = [UInt8](repeating: UInt8(number), count: 50_000)
            sent += part
            channel.send(part)
            if number > 10 {
                let count = Glibc.read(other, &chunk, chunk.count)
                if count > 0 { read += chunk[..<count] }
            }
            channel.flush()
        }
        while channel.owed > 0 || read.count < sent.count {
            let count = Glibc.read(other, &chunk, chunk.count)
            try #require(count > 0)
            read += chunk[..<count]
            channel.flush()
        }
        #expect(read == sent)
    }
}
