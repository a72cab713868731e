/// Names of agents' links on the host.
///
/// A kernel interface name holds at most 15 bytes (the corresponding C constant is `IFNAMSIZ`, which counts
/// the terminating zero), an agent's name up to 63. So a long name is shortened and told apart by a hash.
public enum LinkName {
    /// The longest name of a kernel interface, in bytes.
    public static let maximumLength = 15

    /// Stands between the beginning of a shortened name and its hash. No agent's name contains it, so a
    /// shortened name never equals the name of a link that was not shortened.
    static let separator: Character = "_"

    /// Base-32 digits of the hash: 35 bits. Among 1000 long names two are alike once in 70,000 hives; whoever
    /// makes a `NetworkSpec` checks for it.
    static let hashLength = 7

    /// The name of the host end of an agent's veth pair: the prefix and the agent's name where that fits in 15
    /// bytes (`hv-alpha`), otherwise the prefix, the first characters, `_` and a hash of the whole name
    /// (`hv-long_k3v9q2d`). Depends on nothing but the arguments, so the same agent has the same link for ever.
    ///
    /// - Parameter prefix: at most 5 bytes; with a longer one names may be longer than the kernel takes.
    public static func host(agent: String, prefix: String) -> String {
        let whole = prefix + agent
        guard whole.utf8.count > maximumLength else { return whole }
        let room = maximumLength - prefix.utf8.count - 1 - hashLength
        return prefix + agent.prefix(max(0, room)) + String(separator) + hash(agent)
    }

    /// FNV-1a over the bytes, stirred once more so that every digit depends on every byte.
    private static func hash(_ text: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 33) &* 0xc4ce_b9fe_1a85_ec53
        hash ^= hash >> 33
        let digits = Array("0123456789abcdefghijklmnopqrstuv")
        return String((0..<hashLength).map { digits[Int(hash >> (5 * UInt64($0)) & 31)] })
    }
}
