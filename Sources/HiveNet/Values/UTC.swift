internal import Glibc

/// Times as RFC 3339 writes them, in UTC: `2026-11-25T06:40:00Z`. Numbers are seconds since 1970-01-01 UTC.
public enum UTC {
    public static func text(_ seconds: Int64) -> String {
        var (time, parts) = (time_t(seconds), tm())
        guard gmtime_r(&time, &parts) != nil else { return "\(seconds)" }
        let fields = [parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec].map {
            $0 < 10 ? "0\($0)" : "\($0)"
        }
        return
            "\(Int(parts.tm_year) + 1900)-\(fields[0])-\(fields[1])T\(fields[2]):\(fields[3]):\(fields[4])Z"
    }

    /// With milliseconds: `2026-11-25T06:40:00.123Z`.
    public static func text(milliseconds: Int64) -> String {
        let part = (milliseconds % 1000 + 1000) % 1000
        let digits = "\(part + 1000)".dropFirst()
        return text((milliseconds - part) / 1000).dropLast() + ".\(digits)Z"
    }

    /// The inverse of the first. Nil for whatever it does not write.
    public static func seconds(_ text: some StringProtocol) -> Int64? {
        let fields = text.split { !$0.isNumber }.compactMap { Int32($0) }
        guard fields.count == 6 else { return nil }
        var parts = tm()
        parts.tm_year = fields[0] &- 1900
        parts.tm_mon = fields[1] &- 1
        (parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec) = (
            fields[2], fields[3], fields[4], fields[5]
        )
        let seconds = Int64(timegm(&parts))
        return self.text(seconds) == text ? seconds : nil
    }
}
