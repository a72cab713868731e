internal import Glibc

/// The time of day.
public enum Clock {
    /// Seconds since 1970-01-01 UTC, to the millisecond.
    public static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec / 1_000_000) / 1000
    }

    /// `2026-01-31 12:00:00.042 UTC`
    public static func text(_ seconds: Double) -> String {
        let milliseconds = Int64((seconds * 1000).rounded())
        var (time, parts) = (time_t(milliseconds / 1000), tm())
        guard gmtime_r(&time, &parts) != nil else { return "\(seconds)" }
        func digits(_ number: some BinaryInteger, _ count: Int) -> String {
            let text = "\(number)"
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        return
            "\(parts.tm_year + 1900)-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2)) "
            + "\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))."
            + "\(digits(milliseconds % 1000, 3)) UTC"
    }
}

extension Duration {
    /// With fractions.
    var milliseconds: Double {
        Double(components.seconds) * 1000 + Double(components.attoseconds / 1_000_000_000_000) / 1000
    }
}
