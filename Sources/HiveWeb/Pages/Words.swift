/// Numbers and times as people read them.
enum Words {
    /// "3 min ago".
    static func ago(_ time: Double, now: Double) -> String {
        let seconds = now - time
        guard seconds.isFinite, abs(seconds) < 1e11 else { return "at an odd time" }
        let whole = Int(seconds.rounded(.down))
        switch whole {
        case ..<(-60): return "in the future"
        case ..<10: return "just now"
        case ..<60: return "\(whole) s ago"
        case ..<3600: return "\(whole / 60) min ago"
        case ..<86_400: return "\(whole / 3600) h ago"
        default: return whole < 2 * 86_400 ? "yesterday" : "\(whole / 86_400) days ago"
        }
    }

    /// As RFC 3339 says, in UTC.
    static func stamp(_ time: Double) -> String {
        guard time.isFinite, abs(time) < 2e11 else { return "1970-01-01T00:00:00Z" }
        let seconds = Int(time.rounded(.down))
        let (days, rest) = (floorDivided(seconds, 86_400), seconds - floorDivided(seconds, 86_400) * 86_400)
        // The civil calendar from days: years begin in March, so that the odd day comes last.
        let shifted = days + 719_468
        let era = floorDivided(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let year = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * year + year / 4 - year / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let civil = (
            year: year + era * 400 + (month >= 10 ? 1 : 0), month: month < 10 ? month + 3 : month - 9
        )
        return
            "\(civil.year)-\(two(civil.month))-\(two(day))T\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))Z"
    }

    private static func floorDivided(_ value: Int, _ by: Int) -> Int {
        value >= 0 ? value / by : -((-value + by - 1) / by)
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// "12 345", and "1.2 M" beyond a million; the spaces are narrow and do not break.
    static func count(_ number: UInt64) -> String {
        for (unit, name) in [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M")]
            as [(UInt64, String)]
        where number >= unit {
            let tenths = number / (unit / 10)
            return "\(tenths / 10).\(tenths % 10)\u{202f}\(name)"
        }
        return number < 1000 ? "\(number)" : "\(number / 1000)\u{202f}\(three(number % 1000))"
    }

    private static func three(_ number: UInt64) -> String {
        String(repeating: "0", count: number < 10 ? 2 : number < 100 ? 1 : 0) + "\(number)"
    }

    static func size(_ octets: Int) -> String {
        switch octets {
        case ..<1024: "\(octets) B"
        case ..<(1 << 20): "\(octets >> 10) KiB"
        default: "\(octets >> 20) MiB"
        }
    }

    static func number(_ count: Int, _ one: String, _ many: String) -> String {
        "\(count) \(count == 1 ? one : many)"
    }
}
