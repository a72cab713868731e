/// The candidate that was probably meant, or nil when none is close: one mistake for every three characters, at
/// least one and at most three, counting insertions, deletions, replacements and swaps of neighbours
/// (Damerau-Levenshtein distance, optimal string alignment). Among equals the first wins.
public func nearest(to text: String, among candidates: some Sequence<String>) -> String? {
    let typed = Array(text.unicodeScalars)
    var best: (distance: Int, candidate: String)?
    for candidate in candidates {
        let scalars = Array(candidate.unicodeScalars)
        let allowed = min(3, max(1, max(typed.count, scalars.count) / 3))
        guard abs(scalars.count - typed.count) <= allowed else { continue }
        let distance = editDistance(typed, scalars)
        if distance <= allowed, distance < best?.distance ?? Int.max { best = (distance, candidate) }
    }
    return best?.candidate
}

private func editDistance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for i in left.indices {
        var row = [i + 1]
        row.reserveCapacity(right.count + 1)
        for j in right.indices {
            var cost = min(row[j] + 1, last[j + 1] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                cost = min(cost, beforeLast[j - 1] + 1)
            }
            row.append(cost)
        }
        beforeLast = last
        last = row
    }
    return last[right.count]
}
