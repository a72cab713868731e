internal import Glibc

/// Standard streams of a process that a runtime starts.
enum RuntimeStreams {
    /// Configurations are some hundred octets long, and lists of attachments some for each container.
    static let longest = 16 << 20

    /// All of standard input, or so much of it as says that it is too long.
    static func input() -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= longest {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    static func write(_ text: String, to descriptor: Int32 = STDOUT_FILENO) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }

    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    static func note(_ program: String) -> (String) -> Void {
        { sentence in _ = write("\(program): \(sentence)\n", to: STDERR_FILENO) }
    }
}

extension CNIPlugin {
    static let version = "0.1.0"

    static let about = """
        hive-cni \(version): containers as agents of a hive, for runtimes that speak CNI \(CNINetwork.versions.joined(separator: ", ")).

        It is called by a container runtime, with CNI_COMMAND and the like in its environment and the configuration of a network on
        standard input: {"cniVersion": "1.1.0", "name": "agents", "type": "hive-cni", "egress": "none"}. See hive-cni(8).

        """

    /// Does what the process was called for, and ends it.
    public static func main() -> Never {
        signal(SIGPIPE, SIG_IGN)
        if CommandLine.arguments.count > 1 {
            let words = CommandLine.arguments.dropFirst()
            if words.elementsEqual(["--version"]) { end("hive-cni \(version)\n", 0) }
            if words.elementsEqual(["--help"]) { end(about, 0) }
            _ = RuntimeStreams.write(
                "hive-cni: it takes no arguments but --help and --version\n", to: STDERR_FILENO)
            exit(64)
        }
        let (output, status) = run(
            variable: RuntimeStreams.variable, input: RuntimeStreams.input(),
            note: RuntimeStreams.note("hive-cni"))
        end(output, status)
    }

    private static func end(_ output: String, _ status: Int32) -> Never {
        exit(RuntimeStreams.write(output) ? status : 74)
    }
}
