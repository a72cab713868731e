public import HiveCore

/// The configuration of nginx for a hive: text, and nothing else. No file is read and nothing is asked.
public struct NginxConfiguration: Sendable {
    /// Where files are: what has to be absolute in the text.
    public struct Place: Equatable, Sendable {
        /// The gateway's own directory, `/run/hive/nginx`.
        public var directory: String
        /// Of this configuration's files.
        public var generation: String

        public init(directory: String, generation: String) {
            self.directory = directory
            self.generation = generation
        }

        var files: String { "\(directory)/\(generation)" }
        /// For ourselves alone, in a directory of root's.
        var control: String { "\(directory)/private/control.sock" }
        func socket(of agent: String) -> String { "\(directory)/sockets/\(agent).sock" }
    }

    let settings: GatewaySettings
    let pages: [Page]
    let tokens: Tokens
    let place: Place

    /// - Parameter tokens: each page has to have one, in mode `path`.
    public init(settings: GatewaySettings, pages: [Page], tokens: Tokens, place: Place) {
        self.settings = settings
        self.pages = pages
        self.tokens = tokens
        self.place = place
    }

    /// What nginx includes in `http`.
    public var text: String {
        var text = Text()
        text.line("# Made by hivectl from the configuration of the hive: changes are lost.")
        text.block("server") {
            $0.line("listen unix:\(place.control);")
            $0.line("access_log off;")
            // (Variables that are used have to be set somewhere, also where there is no agent.)
            if settings.mode == .subdomain {
                for name in ["agent", "prefix", "authority"] { $0.line("set $hive_\(name) \"\";") }
            }
            $0.line("location = /generation { return 200 \"\(place.generation)\\n\"; }")
            $0.line("location / { return 404; }")
        }
        guard settings.isEnabled else { return text.text }
        maps(&text)
        if settings.mode == .path { tables(&text) }
        strangers(&text)
        operators(&text)
        if settings.mode == .subdomain { subdomains(&text) }
        return text.text
    }

    /// What a browser shows where the dashboard does not answer.
    public var agentsPage: String {
        let items = pages.map { page in
            "<li><a href=\"\(address(of: page))\">\(page.name)</a></li>\n"
        }
        return """
            <!doctype html>
            <meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Hive</title>
            <h1>The dashboard does not answer</h1>
            <p>Nobody serves \(settings.dashboard). Agents&rsquo; pages:</p>
            <ul>
            \(items.joined())</ul>

            """
    }

    private func address(of page: Page) -> String {
        settings.mode == .path ? "/agent/\(page.name)/" : "//\(page.name).\(settings.domain ?? "")/"
    }

    // MARK: Variables

    private func maps(_ text: inout Text) {
        text.lines(
            #"""
            js_import hive from \#(place.files)/\#(HeaderFilter.fileName);
            js_set $hive_location hive.location;
            limit_conn_zone $hive_agent zone=hive_connections:2m;
            limit_req_zone $hive_agent zone=hive_requests:2m rate=\#(settings.limits.rate)r/s;

            # The path as it was sent, and not as nginx understands it: the agent gets the rest with its %2f as they are. Where
            # the two differ in what they begin with, nobody is asked.
            map $request_uri $hive_raw_prefix { default ""; "~^(?<hive_1>/agent/[a-z0-9-]+/~[0-9a-f]+)/" $hive_1; }
            map $uri $hive_uri_prefix { default ""; "~^(?<hive_9>/agent/[a-z0-9-]+/~[0-9a-f]+)/" $hive_9; }
            map $request_uri $hive_name { default ""; "~^/agent/(?<hive_10>[a-z0-9-]+)(?:[/?]|$)" $hive_10; }
            map $hive_raw_prefix $hive_token { default ""; "~~(?<hive_11>[0-9a-f]+)$" $hive_11; }
            map $request_uri $hive_rest {
                default "";
                "~^/agent/[a-z0-9-]+/~[0-9a-f]+(?<hive_2>/[\x21\x22\x24-\x7e]*)$" $hive_2;
            }
            # What follows a bookmark's name. A token that is no longer good is one.
            map $request_uri $hive_below {
                default "";
                "~^/agent/[a-z0-9-]+(?:/~[^/?]*)?(?<hive_3>/[\x21\x22\x24-\x7e]*)$" $hive_3;
                "~^/agent/[a-z0-9-]+(?:/~[^/?]*)?(?<hive_4>(?:\?[\x21\x22\x24-\x7e]*)?)$" /$hive_4;
            }
            # What could be understood in two ways: segments of dots, backslashes, NUL.
            map $request_uri $hive_is_crooked {
                default 0;
                "~*^[^?]*(?:/|%2f|\x5c|%5c)(?:\.|%2e){1,2}(?:/|%2f|\x5c|%5c|\?|;|$)" 1;
                "~*^[^?]*(?:%00|%5c|\x5c|#)" 1;
            }
            map $http_service_worker $hive_is_service_worker { default 1; "" 0; }
            map $http_upgrade $hive_upgrade { default ""; "~*^websocket$" websocket; }
            map $hive_upgrade $hive_connection { default ""; websocket upgrade; }
            map "$request_method $http_access_control_request_method" $hive_preflight { default ""; "~^OPTIONS ." 1; }
            # A page's own. With what it opens, the browser sends the operator's password; that is Basic, and no agent's.
            map "$http_origin $http_sec_fetch_mode $http_authorization" $hive_authorization {
                default "";
                "~*^null cors basic\b" "";
                "~^null cors (?<hive_13>.+)$" $hive_13;
            }
            map $hive_preflight $hive_cors_methods { default ""; 1 "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"; }
            map $hive_preflight $hive_cors_headers { default ""; 1 "*, Authorization"; }
            map $hive_preflight $hive_cors_age { default ""; 1 600; }

            # Who opens a bookmark: the user or the origin itself, somebody else, or a browser that does not say.
            map "$http_sec_fetch_mode $http_sec_fetch_site $http_sec_fetch_dest" $hive_opener {
                default stranger;
                "~^navigate (?:none|same-origin) (?:document|iframe)$" user;
                "  " unknown;
            }
            # In the last case somebody has to press a button. A page cannot forge its Origin, and an agent's is null.
            map "$hive_opener|$request_method|$scheme://$http_host|$http_origin" $hive_way {
                default refuse;
                "~^user\|(?:GET|HEAD)\|" go;
                "~^unknown\|POST\|(?<hive_5>[^|]+)\|\k<hive_5>$" go;
                "~^unknown\|(?:GET|HEAD)\|" ask;
            }
            # What changes something, or opens a WebSocket, comes from the origin itself.
            map "$request_method$hive_upgrade|$http_sec_fetch_site|$http_origin|$scheme://$http_host" $hive_is_foreign {
                default 1;
                "~^(?:GET|HEAD)\|" 0;
                "~^[A-Za-z]+\|(?:same-origin)?\|(?<hive_6>[^|]+)\|\k<hive_6>$" 0;
            }
            # Where an agent has an origin of its own.
            map $request_uri $hive_whole { default ""; "~^(?<hive_7>/[\x21\x22\x24-\x7e]*)$" $hive_7; }
            map $http_host $hive_port { default ""; "~(?<hive_8>:\d+)$" $hive_8; }
            """#)
    }

    // MARK: Servers

    private var isTLS: Bool { settings.certificate != nil }

    func listen(_ text: inout Text, _ more: String = "") {
        for listener in settings.listeners {
            var words = "listen \(listener)"
            if case .unix = listener {} else if isTLS { words += " ssl http2" }
            text.line(words + more + ";")
        }
        if let certificate = settings.certificate {
            text.line("ssl_certificate \(certificate.certificate);")
            text.line("ssl_certificate_key \(certificate.key);")
            text.line("ssl_protocols TLSv1.2 TLSv1.3;")
        }
        text.lines(
            """
            root /nonexistent;
            access_log off;
            server_tokens off;
            absolute_redirect off;
            merge_slashes off;
            default_type text/html;
            charset utf-8;
            client_header_timeout 15s;
            client_body_timeout 60s;
            send_timeout 60s;
            large_client_header_buffers 4 16k;
            """)
    }

    /// A name that is not ours can be made to lead here by whoever owns it (DNS rebinding), and its pages would be of one origin with it.
    private func strangers(_ text: inout Text) {
        text.block("server") {
            listen(&$0, " default_server")
            $0.line("location / { return 421; }")
        }
    }

    /// The only place where credentials count.
    func authentication(_ text: inout Text) {
        switch settings.authentication {
        case nil: break
        case .basic(let file):
            text.line("auth_basic Hive;")
            text.line("auth_basic_user_file \(file);")
        case .clientCertificates(let file):
            text.line("ssl_client_certificate \(file);")
            text.line("ssl_verify_client optional;")
        }
    }

    /// (Of what is decided before the password is looked at.)
    func demandCertificate(_ text: inout Text) {
        if case .clientCertificates = settings.authentication {
            text.line("if ($ssl_client_verify != SUCCESS) { return 403; }")
        }
    }

    private func operators(_ text: inout Text) {
        text.block("server") { text in
            listen(&text)
            let names =
                ["localhost", #""~^\d+\.\d+\.\d+\.\d+$""#, #""~^\[[0-9a-f:.]+\]$""#] + settings.serverNames
                + [settings.domain].compactMap(\.self)
            text.line("server_name \(names.joined(separator: " "));")
            authentication(&text)
            for (condition, status) in [
                ("$hive_is_crooked", 400), ("$hive_raw_prefix != $hive_uri_prefix", 400),
                ("$hive_is_service_worker", 403),
            ] {
                text.line("if (\(condition)) { return \(status); }")
            }
            text.line(
                "location = /.hive/generation { auth_basic off; default_type text/plain; return 200 \"\(place.generation)\\n\"; }"
            )
            dashboard(&text)
            guard settings.mode == .path else {
                text.line("location ^~ /agent/ { return 404; }")
                return
            }
            agents(&text)
            bookmarks(&text)
        }
    }

    private func dashboard(_ text: inout Text) {
        text.block("location /") { text in
            demandCertificate(&text)
            text.line("if ($hive_is_foreign) { return 403; }")
            Self.ownPages(&text, ancestors: "'self'")
            text.lines(
                """
                client_max_body_size 1m;
                error_page 502 504 @hive_no_dashboard;
                scgi_pass unix:\(settings.dashboard);
                scgi_buffering off;
                scgi_connect_timeout 5s;
                scgi_read_timeout 1h;
                scgi_param SCGI 1;
                scgi_param REQUEST_METHOD $request_method;
                scgi_param REQUEST_URI $request_uri;
                scgi_param DOCUMENT_URI $document_uri;
                scgi_param QUERY_STRING $query_string;
                scgi_param CONTENT_TYPE $content_type;
                scgi_param SERVER_PROTOCOL $server_protocol;
                scgi_param REQUEST_SCHEME $scheme;
                scgi_param REMOTE_ADDR $remote_addr;
                scgi_param REMOTE_USER $remote_user;
                scgi_param HTTP_AUTHORIZATION "";
                """)
        }
        text.block("location @hive_no_dashboard") { text in
            Self.ownPages(&text, ancestors: "'none'")
            text.line("root \(place.files);")
            text.line("rewrite ^ /agents.html break;")
        }
    }

    /// What is said of pages that are ours, besides what the dashboard says itself.
    static func ownPages(_ text: inout Text, ancestors: String, policy: String = "") {
        text.lines(
            """
            add_header Content-Security-Policy "\(policy)frame-ancestors \(ancestors)" always;
            add_header X-Content-Type-Options nosniff always;
            add_header Referrer-Policy strict-origin always;
            add_header Cross-Origin-Opener-Policy same-origin always;
            add_header Cross-Origin-Resource-Policy same-origin always;
            """)
    }
}
