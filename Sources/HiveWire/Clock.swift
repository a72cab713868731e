internal import Glibc

/// The time of day.
public enum Clock {
    /// Seconds since 1970-01-01 UTC, to the millisecond.
    public static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec / 1_000_000) / 1000
    }
}
