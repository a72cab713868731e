/// Bits per second, written as tc(8) writes a rate: `10mbit`.
enum Rate {
    /// A thousand each, as in tc. The first is the shortest that a value is written with.
    private static let units: [(name: String, bits: UInt64)] = [
        ("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1000), ("bit", 1),
    ]
    /// Below, a single full packet would take more than a second.
    /// nft_limit_init multiplies a second in nanoseconds by the octets of a second, in 64 bits: above some 147 Gbit/s it says EOVERFLOW.
    static let bounds: ClosedRange<UInt64> = 8000...100_000_000_000

    static let forms = "a whole number with bit, kbit, mbit or gbit, such as \"10mbit\""

    static func text(_ rate: UInt64) -> String {
        units.first { rate % $0.bits == 0 }.map { "\(rate / $0.bits)\($0.name)" } ?? "\(rate)bit"
    }

    /// - Returns: bits per second.
    static func read(_ text: String) throws(Mistake) -> UInt64 {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count).lowercased()
        // In tc these are bytes per second; most people who write mbps mean bits.
        if ["bps", "kbps", "mbps", "gbps", "tbps"].contains(unit) {
            let prefix = unit.dropLast(3)
            let bytes = UInt64(digits).map { $0.multipliedReportingOverflow(by: 8) }
            let eightfold = bytes.flatMap {
                $0.overflow || prefix == "t" ? nil : "\($0.partialValue)\(prefix)bit"
            }
            throw Mistake(
                "and \(unit) means bytes to tc and bits to others: write \"\(digits)\(prefix)bit\" for bits"
                    + (eightfold.map { ", \"\($0)\" for bytes" } ?? ""))
        }
        guard let number = UInt64(digits), let factor = units.first(where: { $0.name == unit })?.bits else {
            throw Mistake("but must be \(forms)")
        }
        let (rate, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow, bounds.contains(rate) else {
            let (least, most) = (Rate.text(bounds.lowerBound), Rate.text(bounds.upperBound))
            throw Mistake("but a rate must be from \(least) to \(most)")
        }
        return rate
    }
}

/// What is wrong with a text, in words that follow `is "…", `.
struct Mistake: Error, Equatable {
    let words: String
    init(_ words: String) { self.words = words }
}
