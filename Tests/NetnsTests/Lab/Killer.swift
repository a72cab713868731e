import Glibc

/// Runs a program step by step and kills it right before one of its steps, by ptrace(2).
///
/// A step is a system call that changes something: a netlink request that is no look-up, a mount, a namespace, a file. All
/// threads' calls are counted together, so that every boundary between two steps is reached.
struct Killer {
    /// What became of the program.
    enum End: Equatable {
        /// Killed right before this call.
        case killed(before: String)
        /// It came to its own end before that many steps.
        case exited(Int32)
    }

    /// Runs a program in the calling thread's namespaces. It is killed instead of doing its `step`-th step, counted from 1.
    static func run(_ arguments: [String], killBefore step: Int) throws -> End {
        var killer = Killer(child: try spawn(arguments), step: step)
        return try killer.follow()
    }

    private let child: pid_t
    private let step: Int
    private var count = 0
    private var killedBefore: String?

    private init(child: pid_t, step: Int) {
        self.child = child
        self.step = step
    }

    // MARK: ptrace(2), which Swift does not import since it takes any number of arguments

    private typealias Trace =
        @convention(c) (CInt, pid_t, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> CLong
    private static let trace: Trace? = dlsym(nil, "ptrace").map { unsafeBitCast($0, to: Trace.self) }

    // include/uapi/linux/ptrace.h
    private static let peek: CInt = 2, resume: CInt = 24, seize: CInt = 0x4206
    private static let syscallInformation: CInt = 0x420e
    /// PTRACE_O_TRACESYSGOOD, TRACECLONE, EXITKILL.
    private static let options = 0x1 | 0x8 | 0x100000

    @discardableResult
    private static func ptrace(
        _ request: CInt, _ thread: pid_t, _ address: Int, _ data: UnsafeMutableRawPointer?
    )
        -> Int
    {
        Int(trace?(request, thread, UnsafeMutableRawPointer(bitPattern: address), data) ?? -1)
    }

    /// Starts a program that has stopped itself before its first step.
    private static func spawn(_ arguments: [String]) throws -> pid_t {
        let shell = ["sh", "-c", "kill -STOP $$; exec \"$0\" \"$@\" >/dev/null 2>&1"] + arguments
        var argv = shell.map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        var child: pid_t = 0
        guard posix_spawnp(&child, "sh", nil, nil, &argv, environ) == 0 else {
            throw LabError("cannot run sh")
        }
        var status: CInt = 0
        guard waitpid(child, &status, WUNTRACED) == child, status & 0xff == 0x7f else {
            throw LabError("sh did not stop")
        }
        guard ptrace(seize, child, 0, UnsafeMutableRawPointer(bitPattern: options)) == 0 else {
            let error = LabError.last("trace process \(child)")
            kill(child, SIGKILL)
            waitpid(child, &status, 0)
            throw error
        }
        kill(child, SIGCONT)
        return child
    }

    // MARK: Following

    private mutating func follow() throws -> End {
        while true {
            var status: CInt = 0
            // __WALL, __WNOTHREAD: threads of the child too, but no other thread's children.
            let thread = waitpid(-1, &status, 0x4000_0000 | 0x2000_0000)
            guard thread > 0 else {
                guard errno == EINTR else { throw LabError.last("wait for process \(child)") }
                continue
            }
            guard status & 0xff == 0x7f else {
                guard thread == child else { continue }
                if let killedBefore { return .killed(before: killedBefore) }
                return .exited(status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f)
            }
            let signal = status >> 8 & 0xff
            var passedOn: CInt = 0
            if signal == SIGTRAP | 0x80 {
                stopped(thread)
            } else if status >> 16 == 0 {
                passedOn = signal
            }
            Self.ptrace(Self.resume, thread, 0, UnsafeMutableRawPointer(bitPattern: Int(passedOn)))
        }
    }

    /// A thread is about to make a system call, or has made one.
    private mutating func stopped(_ thread: pid_t) {
        // struct ptrace_syscall_info: op, then at 24 the number and at 32 the arguments.
        var information = [UInt64](repeating: 0, count: 16)
        Self.ptrace(Self.syscallInformation, thread, information.count * 8, &information)
        // PTRACE_SYSCALL_INFO_ENTRY.
        guard UInt8(truncatingIfNeeded: information[0]) == 1 else { return }
        guard killedBefore == nil,
            let name = Self.step(thread, Int(information[3]), Array(information[4..<10]))
        else { return }
        count += 1
        guard count == step else { return }
        killedBefore = name
        // It dies on its way into the call, without making it.
        kill(child, SIGKILL)
    }

    /// The name of a call that changes something, nil for all others.
    private static func step(_ thread: pid_t, _ number: Int, _ arguments: [UInt64]) -> String? {
        guard let name = calls[number] else { return nil }
        switch name {
        case "sendto":
            let type = messageType(thread, arguments[1])
            // nf_tables changes come in batches (NFNL_MSG_BATCH_BEGIN is 16, as is RTM_NEWLINK); of rtnetlink's
            // requests every fourth is a look-up.
            return type < 0x100 && (type - 16) % 4 != 2 ? "sendto of message type \(type)" : nil
        case "openat":
            return arguments[2] & UInt64(O_CREAT) != 0 ? "openat of a new file" : nil
        case "write": return arguments[0] > 2 ? name : nil
        default: return name
        }
    }

    /// Of the first message of a request: `nlmsg_type`, behind the four octets of `nlmsg_len`.
    private static func messageType(_ thread: pid_t, _ address: UInt64) -> Int {
        ptrace(peek, thread, Int(address), nil) >> 32 & 0xffff
    }

    #if arch(x86_64)
        private static let calls = [
            44: "sendto", 257: "openat", 1: "write", 165: "mount", 166: "umount", 272: "unshare",
            82: "rename",
            83: "mkdir", 86: "link", 87: "unlink",
        ]
    #else
        /// include/uapi/asm-generic/unistd.h
        private static let calls = [
            206: "sendto", 56: "openat", 64: "write", 40: "mount", 39: "umount", 97: "unshare", 38: "rename",
            276: "rename", 34: "mkdir", 37: "link", 35: "unlink",
        ]
    #endif
}
