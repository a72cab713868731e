public import HiveCore

/// All files of a gateway's configuration.
public struct Rendering: Equatable, Sendable {
    /// What nginx answers to at `/.hive/generation`, and the name of the files' directory: the same for the same files.
    public let generation: String
    /// What nginx includes in `http`.
    public let configuration: String
    /// A whole configuration around it.
    public let main: String
    let script: String
    let agentsPage: String

    /// - Parameters:
    ///   - directory: the gateway's own.
    ///   - loading: `load_module`, where nginx needs it.
    public init(
        settings: GatewaySettings, pages: [Page], tokens: Tokens, directory: String, loading: String = ""
    ) {
        func files(_ generation: String) -> [String] {
            let place = NginxConfiguration.Place(directory: directory, generation: generation)
            let configuration = NginxConfiguration(
                settings: settings, pages: pages, tokens: tokens, place: place)
            return [
                configuration.text, configuration.whole(loading: loading), HeaderFilter.text,
                configuration.agentsPage,
            ]
        }
        generation = Self.name(files("-"))
        let made = files(generation)
        (configuration, main, script, agentsPage) = (made[0], made[1], made[2], made[3])
    }

    /// FNV-1a (64 bits): nobody gains by two that are alike.
    private static func name(_ texts: [String]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in texts.joined(separator: "\0").utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    static let configurationName = "hive.conf", mainName = "nginx.conf", agentsPageName = "agents.html"
    /// For `nginx -t`, where the configuration is part of another one.
    static let trialName = "trial.conf"

    /// By name.
    var files: [(name: String, text: String)] {
        [
            (Self.configurationName, configuration), (Self.mainName, main), (HeaderFilter.fileName, script),
            (Self.agentsPageName, agentsPage),
        ]
    }
}

extension NginxConfiguration {
    /// The configuration of an nginx that does nothing else.
    func whole(loading: String) -> String {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
            "    \($0)_temp_path \(place.directory)/temp/\($0);\n"
        }
        return """
            # Made by hivectl from the configuration of the hive: changes are lost.
            \(loading)user \(settings.user);
            worker_processes auto;
            pid \(place.directory)/nginx.pid;
            # (It has paths with tokens in it.)
            error_log \(place.directory)/private/error.log warn;
            # For so long streams that are open go on when the configuration has changed.
            worker_shutdown_timeout 10m;
            events {
                worker_connections 4096;
            }
            http {
            \(temporary.joined())    server_names_hash_bucket_size 128;
                server_names_hash_max_size 4096;
                map_hash_bucket_size 128;
                map_hash_max_size 65536;
                include \(place.files)/\(Rendering.configurationName);
            }

            """
    }
}
