internal import HiveWire

/// The command line.
struct Options: Equatable {
    enum Does: Equatable {
        case help, version
        /// - listen: nil: the socket comes from systemd.
        case serve(listen: String?, core: String)
    }

    let does: Does

    static let help = """
        hive-web: the dashboard of a hive, for a gateway that speaks SCGI

        Usage: hive-web [--listen PATH] [--core PATH]

          --listen PATH  make the socket there, mode 0660, instead of taking it from systemd
          --core PATH    the core's socket (/run/hive/core.sock)
          --version      say which version this is
          --help         say this

        It runs as a user of its own, without any capability, and says so if it does not. Exit codes: 64 for a command line
        that cannot be understood, 77 for a user or a capability that is too mighty, 69, 70 and 74 for what failed.

        """

    init(_ arguments: [String]) throws(ServiceError) {
        var listen: String?
        var core: String?
        var rest = arguments[...]
        while let option = rest.popFirst() {
            switch option {
            case "--help", "-h":
                does = .help
                return
            case "--version":
                does = .version
                return
            case "--listen": try Self.take(&rest, option, into: &listen)
            case "--core": try Self.take(&rest, option, into: &core)
            default:
                throw ServiceError(
                    ServiceError.usage, "there is no option \(quoted(option)); see hive-web --help")
            }
        }
        does = .serve(listen: listen, core: core ?? "/run/hive/core.sock")
    }

    private static func take(
        _ rest: inout ArraySlice<String>, _ option: String, into value: inout String?
    ) throws(ServiceError) {
        guard let path = rest.popFirst(), path.hasPrefix("/"), value == nil else {
            throw ServiceError(ServiceError.usage, "\(option) needs an absolute path, once")
        }
        value = path
    }
}
