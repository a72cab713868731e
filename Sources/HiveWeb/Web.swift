internal import Glibc
internal import HiveCommand
internal import HiveWire

/// The unprivileged web process.
public enum Web {
    /// Of the program, as `--version` says it.
    static let version = "0.1.0"

    public static func main() -> Never { program().main() }

    static func run(listen path: String?, core: String) throws(ServiceError) {
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
