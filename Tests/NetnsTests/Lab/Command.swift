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
    static func run(_ arguments: [String], seconds: Double = 60) throws -> CommandResult {
        let process = try Process(arguments)
        return try process.wait(seconds: seconds)
    }

    /// A child process, with its output in unlinked files: no pipe that could fill up.
    final class Process {
        let pid: pid_t
        private let output: Int32
        private let errors: Int32
        private var isReaped = false

        init(_ arguments: [String]) throws {
            output = try Self.scratchFile()
            errors = try Self.scratchFile()
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_adddup2(&actions, output, 1)
            posix_spawn_file_actions_adddup2(&actions, errors, 2)
            var argv = arguments.map { strdup($0) } + [nil]
            defer { argv.forEach { free($0) } }
            var child: pid_t = 0
            let code = posix_spawnp(&child, arguments[0], &actions, nil, &argv, environ)
            guard code == 0 else {
                throw LabError("cannot run \(arguments[0]): \(String(cString: strerror(code)))")
            }
            pid = child
        }

        private static func scratchFile() throws -> Int32 {
            var template = Array("/tmp/hive-lab.XXXXXX".utf8CString)
            let file = mkstemp(&template)
            guard file >= 0 else { throw LabError.last("make a scratch file") }
            _ = fcntl(file, F_SETFD, FD_CLOEXEC)
            unlink(template)
            return file
        }

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

        func wait(seconds: Double) throws -> CommandResult {
            let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
            var pause: UInt32 = 200
            while isRunning {
                guard ContinuousClock.now < deadline else {
                    end()
                    throw LabError(
                        "process \(pid) took longer than \(seconds) s:\n\(text(output))\(text(errors))")
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
