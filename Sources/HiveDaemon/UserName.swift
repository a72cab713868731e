internal import Glibc

/// Users of the host, for people who read what they did.
enum UserName {
    /// `uid 1000 (alice)`, by getpwuid_r(3); `uid 1000` where nobody knows the name.
    static func words(of user: UInt32) -> String {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var strings = [CChar](repeating: 0, count: 1 << 14)
        guard getpwuid_r(user, &entry, &strings, strings.count, &found) == 0, found != nil,
            let name = entry.pw_name
        else { return "uid \(user)" }
        return "uid \(user) (\(String(cString: name)))"
    }
}
