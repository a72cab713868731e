import Glibc

/// One line on a terminal's standard error that says what a long command is at.
///
/// The thread that works draws it, in calls to ``step(_:)``: nothing runs beside the work. It shows up only
/// when a second has passed, is redrawn ten times a second at most, and leaves no trace.
public final class Progress {
    private let output: Output
    private let isShown: Bool
    private let now: () -> Duration
    private let start: Duration
    private var lastDrawn: Duration?

    static let patience = Duration.seconds(1)
    private static let interval = Duration.milliseconds(100)

    /// - Parameter isDumb: the terminal cannot erase a line.
    init(_ output: Output, isDumb: Bool = false, now: @escaping () -> Duration = Progress.monotonic) {
        self.output = output
        self.now = now
        isShown = output.isTerminal && !isDumb
        start = now()
    }

    /// Says what is done next: `link 312 of 1000`. Cheap enough to be called for every object.
    public func step(_ text: @autoclosure () -> String) {
        guard isShown else { return }
        let time = now()
        guard time - start >= Progress.patience, time - (lastDrawn ?? .zero) >= Progress.interval else {
            return
        }
        lastDrawn = time
        // A line as wide as the terminal would wrap, and could not be erased.
        var line = Text.printable(text())
        while Text.width(line) >= output.columns { line.removeLast() }
        output.write("\r" + line + "\u{1b}[K")
        output.flush()
    }

    /// Takes the line away, if there is one.
    public func erase() {
        guard lastDrawn != nil else { return }
        lastDrawn = nil
        output.write("\r\u{1b}[K")
        output.flush()
    }

    static func monotonic() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
