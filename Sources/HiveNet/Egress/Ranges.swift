/// Numbers as ranges that are ascending, disjoint, and not adjacent: so two that hold the same numbers are equal.
struct Ranges<Bound: FixedWidthInteger & Sendable>: Hashable, Sendable {
    private(set) var ranges: [ClosedRange<Bound>]

    var isEmpty: Bool { ranges.isEmpty }

    /// - Parameter ranges: in any order; they may overlap.
    init(_ ranges: [ClosedRange<Bound>] = []) {
        self.ranges = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = self.ranges.last, last.upperBound == .max || range.lowerBound <= last.upperBound + 1
            {
                let upper = max(last.upperBound, range.upperBound)
                self.ranges[self.ranges.count - 1] = last.lowerBound...upper
            } else {
                self.ranges.append(range)
            }
        }
    }

    static var all: Ranges { Ranges([.min ... .max]) }

    /// What is in these and not in those.
    func subtracting(_ other: Ranges) -> Ranges {
        var rest: [ClosedRange<Bound>] = []
        var holes = other.ranges[...]
        for range in ranges {
            // Nil: nothing of the range is left.
            var start: Bound? = range.lowerBound
            while let hole = holes.first, let from = start, hole.lowerBound <= range.upperBound {
                if hole.upperBound < from {
                    holes.removeFirst()
                    continue
                }
                if hole.lowerBound > from { rest.append(from...(hole.lowerBound - 1)) }
                // A hole that goes on behind this range may reach into the next.
                guard hole.upperBound < range.upperBound else {
                    start = nil
                    break
                }
                start = hole.upperBound + 1
                holes.removeFirst()
            }
            if let start { rest.append(start...range.upperBound) }
        }
        return Ranges(rest)
    }
}
