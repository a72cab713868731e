internal import CLinux
internal import Glibc
internal import HiveWire

/// What a page carries for each thing that can be done from it, and nothing else can make: an authentication code over who looks at
/// the page, what would be done, and when the page was made.
///
/// It is no secret that is kept anywhere: the key is as old as the process. Nothing says that it is used once; what was done already
/// the core knows.
struct PageTokens: Sendable {
    /// In seconds.
    static let validity = 12 * 60 * 60

    enum Verdict: Equatable {
        case good, wrong
        /// It was good once.
        case expired
    }

    private let key: [UInt8]

    init(key: [UInt8]) { self.key = key }

    /// With a key from the kernel's generator.
    init() throws(ServiceError) {
        var key = [UInt8](repeating: 0, count: SHA256.length)
        // (So few octets come all at once: random(7).)
        guard getrandom(&key, key.count, 0) == key.count else { throw .last("get random numbers") }
        self.key = key
    }

    /// - Parameter now: in seconds, by a clock that is never set: `PageTokens.now`.
    func token(for action: Action, user: String, at now: Int) -> String {
        "\(now).\(hexadecimal(code(for: action, user: user, at: now)))"
    }

    func verify(_ token: String, for action: Action, user: String, at now: Int) -> Verdict {
        let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        // (Ten digits: nothing that could overflow, and one way of writing.)
        guard parts.count == 2, (1...10).contains(parts[0].count),
            parts[0].allSatisfy({ (0x30...0x39).contains($0) }),
            let made = Int(String(decoding: Array(parts[0]), as: UTF8.self)),
            Array("\(made)".utf8) == Array(parts[0])
        else { return .wrong }
        let expected = Array(hexadecimal(code(for: action, user: user, at: made)).utf8)
        guard Self.areEqual(Array(parts[1]), expected), made <= now else { return .wrong }
        return now - made < Self.validity ? .good : .expired
    }

    /// Each part with its length, so that no two sets of parts make one text.
    private func code(for action: Action, user: String, at time: Int) -> [UInt8] {
        let parts = [user, "POST \(action.path)", "\(time)"].map { "\($0.utf8.count):\($0)," }
        return SHA256.authenticate(Array(parts.joined().utf8), key: key)
    }

    /// Takes as long wherever they differ.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// In seconds since the machine started.
    static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return time.tv_sec
    }
}
