import Glibc

/// A buffered stream to a file descriptor that remembers the first error.
///
/// Writing never throws, so that a printing command reads well; what went wrong is asked for once at the end,
/// as with stdio's `ferror`. After an error everything further is dropped.
public final class Output {
    /// Writes a part of the bytes.
    /// - Returns: how many, or the negative errno.
    typealias Sink = (UnsafeRawBufferPointer) -> Int

    public let isTerminal: Bool
    /// The columns of the terminal; 80 where nobody knows.
    let columns: Int
    /// The errno of the first write that failed.
    public private(set) var failure: Int32?
    private let sink: Sink
    private var buffer: [UInt8] = []
    /// Written out at this size, so that a large output does not pile up in memory.
    private static let limit = 1 << 16

    init(isTerminal: Bool, columns: Int = 80, sink: @escaping Sink) {
        self.isTerminal = isTerminal
        self.columns = columns
        self.sink = sink
    }

    /// - Parameter descriptor: stays open, and the caller's.
    public convenience init(descriptor: Int32) {
        var size = winsize()
        let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        self.init(isTerminal: isatty(descriptor) == 1, columns: isKnown ? Int(size.ws_col) : 80) { bytes in
            while true {
                let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
                if count >= 0 { return count }
                switch errno {
                case EINTR: continue
                case EAGAIN:
                    // Somebody who shares the terminal or pipe has made it non-blocking.
                    var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&wait, 1, -1)
                default: return -Int(errno)
                }
            }
        }
    }

    public func write(_ text: String) {
        guard failure == nil else { return }
        buffer += text.utf8
        if buffer.count >= Output.limit { flush() }
    }

    public func flush() {
        var done = 0
        while failure == nil, done < buffer.count {
            let count = buffer[done...].withUnsafeBytes { sink($0) }
            if count < 0 { failure = Int32(-count) }
            done += max(0, count)
        }
        buffer = []
    }
}
