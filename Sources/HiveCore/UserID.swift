internal import HiveWire

#if canImport(Glibc)
    internal import Glibc
#endif

/// Groups of the host.
public enum GroupID {
    /// The id of a group, by getgrnam_r(3); nil when there is no such group, or nobody can say.
    public static func named(_ name: String) -> UInt32? {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var size = 4096
        while true {
            // Its members are among the strings: there may be many.
            var strings = [CChar](repeating: 0, count: size)
            let code = getgrnam_r(name, &entry, &strings, strings.count, &found)
            switch code {
            case EINTR: continue
            case ERANGE where size < 1 << 22: size *= 4
            default: return code == 0 && found != nil ? entry.gr_gid : nil
            }
        }
    }
}

/// Users of the host.
package enum UserID {
    /// The id of a user, by getpwnam_r(3); nil when there is no such user.
    package static func named(_ name: String) throws(HiveError) -> UInt32? {
        var size = 1024
        while true {
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            var strings = [CChar](repeating: 0, count: size)
            let code = getpwnam_r(name, &entry, &strings, strings.count, &found)
            switch code {
            case 0: return found == nil ? nil : entry.pw_uid
            // The manual page: sources of names say "not found" in these ways too.
            case ENOENT, ESRCH, EBADF, EPERM: return nil
            case EINTR: continue
            case ERANGE where size < 1 << 20: size *= 4
            default: throw HiveError(cannot: "look up the user \(quoted(name))", errno: code)
            }
        }
    }
}
