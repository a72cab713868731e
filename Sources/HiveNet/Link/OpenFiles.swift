internal import Glibc

/// How many files this process may have open (RLIMIT_NOFILE).
enum OpenFiles {
    /// How many namespaces can be held open at a time, with two files each. Asks the kernel for all that the hard limit allows.
    static func portion(most: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return most }
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = min(limit.rlim_max, 4096)
            _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            _ = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        // Some are open already: standard streams, the lock, our sockets.
        let free = max(16, Int(clamping: limit.rlim_cur) - 32)
        return min(most, free / 2)
    }
}
