internal import Glibc

/// Since when a table counts, in its comment: for people who read `nft list ruleset`, and for us. It is no part of what is
/// compared: two tables that differ in it are the same.
enum CountsSince {
    private static let prefix = "hive: counts since "

    static func comment(_ seconds: Int64) -> String { prefix + UTC.text(seconds) }

    /// The inverse. Nil for a comment that is not ours.
    static func seconds(comment: String?) -> Int64? {
        guard let comment, comment.hasPrefix(prefix) else { return nil }
        return UTC.seconds(comment.dropFirst(prefix.count))
    }
}
