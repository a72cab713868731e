import Foundation
import Glibc

/// What a command did.
struct CommandResult: CustomStringConvertible {
    let status: Int32
    let stdout: String
    let stderr: String

    var description: String { "exit \(status)\n\(stdout)\(stderr)" }

    /// The output as JSON.
    func json() throws -> Any {
        try JSONSerialization.jsonObject(with: Data(stdout.utf8), options: .fragmentsAllowed)
    }
}

enum Command {
    /// Runs a command in the calling thread's namespaces. After the time limit it is killed.
    static func run(_ arguments: [String], seconds: Double = 150) throws -> CommandResult {
        let process = try Process(arguments)
        return try process.wait(seconds: seconds)
    }

    /// A child process, with its output in unlinked files: no pipe that could fill up.
    final class Process {
        let pid: pid_t
        private let arguments: [String]
        private let output: Int32
        private let errors: Int32
        private var isReaped = false

        /// - Parameters:
        ///   - endsWithThread: the kernel kills it when the calling thread ends, and so when the tests crash
        ///     (PR_SET_PDEATHSIG). For what runs long, and holds its namespaces.
        ///   - descriptors: what it gets besides the three, by its own numbers: copies of ours, which have other numbers.
        init(_ command: [String], endsWithThread: Bool = false, descriptors: [Int32: Int32] = [:]) throws {
            arguments = (endsWithThread ? ["setpriv", "--pdeathsig", "KILL", "--"] : []) + command
            output = try Self.scratchFile()
            errors = try Self.scratchFile()
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_adddup2(&actions, output, 1)
            posix_spawn_file_actions_adddup2(&actions, errors, 2)
            for (number, own) in descriptors { posix_spawn_file_actions_adddup2(&actions, own, number) }
            // The threads of the tests' pool block most signals, and a child would inherit that: a command under test has to be
            // as interruptible as in a shell.
            var attributes = posix_spawnattr_t()
            posix_spawnattr_init(&attributes)
            defer { posix_spawnattr_destroy(&attributes) }
            var signals = sigset_t()
            sigemptyset(&signals)
            posix_spawnattr_setsigmask(&attributes, &signals)
            sigfillset(&signals)
            posix_spawnattr_setsigdefault(&attributes, &signals)
            posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
            var argv = arguments.map { strdup($0) } + [nil]
            defer { argv.forEach { free($0) } }
            var child: pid_t = 0
            let code = posix_spawnp(&child, arguments[0], &actions, &attributes, &argv, environ)
            guard code == 0 else {
                throw LabError("cannot run \(arguments[0]): \(String(cString: strerror(code)))")
            }
            pid = child
            // setpriv has asked for the signal when it has become the command. (In between there are no words at all.)
            while endsWithThread, isRunning, ["setpriv", nil].contains(words(of: pid).first) { usleep(200) }
        }

        private func words(of process: pid_t) -> [String] {
            let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
            return line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        }

        private static func scratchFile() throws -> Int32 {
            var template = Array("/tmp/hive-lab.XXXXXX".utf8CString)
            let file = mkstemp(&template)
            guard file >= 0 else { throw LabError.last("make a scratch file") }
            _ = fcntl(file, F_SETFD, FD_CLOEXEC)
            unlink(template)
            return file
        }

        // (Nobody else asks about it. A zombie that stays makes the monitor of Swift Testing's exit tests spin.)
        deinit {
            end()
            close(output)
            close(errors)
        }

        func end() {
            guard !isReaped else { return }
            kill(pid, SIGKILL)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            isReaped = true
        }

        var isRunning: Bool {
            guard !isReaped else { return false }
            var info = siginfo_t()
            return waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo == 0
        }

        /// Where the kernel has it, for root to see.
        private var stack: String {
            (try? String(contentsOfFile: "/proc/\(pid)/stack", encoding: .utf8)) ?? ""
        }

        func wait(seconds: Double) throws -> CommandResult {
            let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
            var pause: UInt32 = 200
            while isRunning {
                guard ContinuousClock.now < deadline else {
                    let place = stack
                    end()
                    throw LabError(
                        "\(arguments) took longer than \(seconds) s:\n\(text(output))\(text(errors))\(place)")
                }
                usleep(pause)
                pause = min(pause * 2, 400)
            }
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            isReaped = true
            let code = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f)
            return CommandResult(status: code, stdout: text(output), stderr: text(errors))
        }

        /// What it has printed so far.
        var printed: String { text(output) }
        /// And what it has said.
        var words: String { text(errors) }

        private func text(_ file: Int32) -> String {
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            var offset: off_t = 0
            while true {
                let count = pread(file, &chunk, chunk.count, offset)
                guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
                bytes += chunk[..<count]
                offset += off_t(count)
            }
        }
    }
}
