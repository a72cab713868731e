internal import Glibc

/// Somebody who is connected, as far as octets go: what has come and was not taken yet, and what is to be sent. It never waits, and
/// holds no more than it was told to, whatever the other side does.
package final class Channel {
    package let socket: UnixSocket
    /// What has come.
    package private(set) var input: [UInt8] = []
    /// How many ends of lines are in it: who sends a line octet by octet does not have all of it looked through each time.
    private var feeds = 0
    private var output: [UInt8] = []
    private var sent = 0
    /// The other side sends nothing more; it may still read.
    package private(set) var isHalfClosed = false
    /// It is over, for whatever reason.
    package private(set) var isOver = false
    /// When something was last sent, or there was nothing to send.
    package private(set) var moved = ContinuousClock.now
    /// The connection ends when everything is sent.
    private var endsWhenSent = false

    package var descriptor: Int32 { socket.descriptor }
    /// Octets that the other side has not read yet.
    package var owed: Int { output.count - sent }

    package init(_ socket: UnixSocket) { self.socket = socket }

    /// A whole line has come, and was not taken yet.
    package var hasLine: Bool { feeds > 0 }

    package func end() { isOver = true }

    package func endWhenSent() {
        endsWhenSent = true
        if owed == 0 { end() }
    }

    /// Reads what is there.
    /// - Parameter most: octets that may wait to be taken. Beyond them the other side waits.
    package func receive(most: Int) {
        guard !isHalfClosed, !isOver, input.count < most else { return }
        let old = input.count
        let room = min(most - old, 1 << 16)
        let count = withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) { buffer in
            let count = socket.read(into: buffer)
            if count > 0 {
                let new = UnsafeRawBufferPointer(buffer).prefix(count)
                feeds += new.count { $0 == Self.feed }
                input += new
            }
            return count
        }
        if count == 0 { isHalfClosed = true }
        if count < 0, errno != EAGAIN { end() }
    }

    /// Forgets so much of what has come.
    package func take(_ count: Int) {
        feeds -= input.prefix(count).count { $0 == Self.feed }
        input.removeFirst(count)
    }

    private static let feed = UInt8(ascii: "\n")

    /// The next line of what has come, without its line feed; nil: none is whole. Empty lines are passed over.
    package func takeLine() -> [UInt8]? {
        // (All empty ones at once, or many would cost their square.)
        let empty = input.prefix { $0 == Self.feed }.count
        guard feeds > empty, let end = input[empty...].firstIndex(of: Self.feed) else {
            if empty > 0 { take(empty) }
            return nil
        }
        defer {
            feeds -= empty + 1
            input.removeSubrange(...end)
        }
        return Array(input[empty..<end])
    }

    package func send(_ bytes: [UInt8]) {
        guard !isOver else { return }
        if owed == 0 { moved = .now }
        // (Who is always a little behind does not make it grow.)
        if sent > 1 << 16 {
            output.removeFirst(sent)
            sent = 0
        }
        output += bytes
        flush()
    }

    /// Sends as much as there is room for.
    package func flush() {
        while sent < output.count, !isOver {
            let count = output[sent...].withUnsafeBytes { socket.write($0) }
            if count < 0 {
                if errno != EAGAIN { end() }
                return
            }
            sent += count
            moved = .now
        }
        output = []
        sent = 0
        if endsWhenSent { end() }
    }
}
