internal import Glibc
internal import HiveWire

/// The unprivileged web process.
public enum Web {
    /// Of the program, as `--version` says it.
    static let version = "0.1.0"

    public static func main() {
        do throws(ServiceError) {
            try run(try Options(Array(CommandLine.arguments.dropFirst())))
        } catch {
            write("hive-web: \(error)\n", to: STDERR_FILENO)
            exit(error.code)
        }
    }

    private static func run(_ options: Options) throws(ServiceError) {
        switch options.does {
        case .help: return write(Options.help, to: STDOUT_FILENO)
        case .version: return write("hive-web \(version)\n", to: STDOUT_FILENO)
        case .serve(let path, let core):
            try Confinement.demand()
            try Confinement.confine()
            let signals = try Signals([SIGTERM, SIGINT])
            let listener = try Listener(path: path)
            let server = try Server(
                listener: listener.socket, core: core, tokens: try PageTokens(), stop: signals.descriptor)
            let notify = ServiceNotify()
            notify.send("READY=1")
            server.run()
            notify.send("STOPPING=1")
            listener.end()
        }
    }

    private static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        _ = Glibc.write(descriptor, bytes, bytes.count)
    }
}
