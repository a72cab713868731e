internal import HiveCore

// An agent's part of the configuration, on one origin.
extension NginxConfiguration {
    /// Who has which token, and where everybody is: a line each. (A location for each token would cost nginx 30 KB of memory, and its
    /// conditions as much again.)
    func tables(_ text: inout Text) {
        text.block("map $hive_token $hive_owner") {
            $0.line("default \"\";")
            for page in pages {
                guard let entry = tokens.entries[page.name] else { continue }
                for token in [entry.current] + [entry.previous].compactMap(\.self) {
                    $0.line("\(token) \(page.name);")
                }
            }
        }
        // The name in the path has to be its owner's.
        text.line(
            #"map "$hive_owner $hive_name" $hive_agent { default ""; "~^(?<hive_12>[a-z0-9-]+) \k<hive_12>$" $hive_12; }"#
        )
        text.line("map $hive_agent $hive_prefix { default $hive_raw_prefix; \"\" \"\"; }")
        for (name, key, value) in [
            ("upstream", "agent", upstream), ("authority", "agent", authority),
            (
                "bookmark", "name",
                { page in tokens.entries[page.name].map { "/agent/\(page.name)/~\($0.current)" } ?? "\"\"" }
            ),
        ] as [(String, String, (Page) -> String)] {
            text.block("map $hive_\(key) $hive_\(name)") {
                $0.line("default \"\";")
                for page in pages { $0.line("\(Self.key(page.name)) \(value(page));") }
            }
        }
    }

    /// An agent's name where `map` has words of its own. (A backslash before another name could make a tab of its first letter.)
    static func key(_ name: String) -> String {
        ["default", "hostnames", "include", "volatile"].contains(name) ? "\\\(name)" : name
    }

    /// Pages under tokens that are good, and everything else below `/agent/`.
    func agents(_ text: inout Text) {
        text.line("if ($hive_agent) { rewrite ^ /.hive/page last; }")
        text.block("location = /.hive/page") { text in
            // Somebody has asked for this very path.
            text.line("if ($hive_agent = \"\") { return 404; }")
            text.line("if ($hive_rest = \"\") { return 400; }")
            text.line("if ($hive_preflight) { return 204; }")
            text.line("auth_basic off;")
            toAgent(&text)
            Self.opaque(&text)
            text.line("proxy_pass http://$hive_upstream$hive_rest;")
        }
        // (What `return` says is said before anybody is asked for a password; `try_files` comes after.)
        text.line("location ^~ /agent/ { try_files /none @hive_bookmark; }")
        text.line("location = /agent { return 404; }")
    }

    /// What `Host` says to the agent, and how it names itself in redirects.
    func authority(of page: Page) -> String {
        switch page.upstream {
        case .address: page.place
        case .socket: page.name
        }
    }

    /// As `proxy_pass` has it, to be followed by a path.
    func upstream(of page: Page) -> String {
        switch page.upstream {
        case .address: page.place
        case .socket: "unix:\(place.socket(of: page.name)):"
        }
    }

    /// Streams both ways, within what one agent may take.
    func toAgent(_ text: inout Text) {
        let limits = settings.limits
        text.lines(
            """
            limit_conn hive_connections \(limits.connections);
            limit_conn_status 429;
            limit_req zone=hive_requests burst=\(2 * limits.rate) nodelay;
            limit_req_status 429;
            client_max_body_size \(limits.body);
            error_page 502 @hive_down;
            error_page 504 @hive_late;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_buffer_size 16k;
            proxy_buffers 8 16k;
            proxy_connect_timeout 5s;
            proxy_send_timeout 60s;
            proxy_read_timeout \(limits.time)s;
            proxy_next_upstream off;
            proxy_redirect off;
            proxy_hide_header Location;
            proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset
                                 Expires Cache-Control Set-Cookie Vary;
            proxy_set_header Host $hive_authority;
            proxy_set_header X-Forwarded-Prefix $hive_prefix;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-User "";
            proxy_set_header X-Forwarded-Port "";
            proxy_set_header X-Forwarded-Server "";
            proxy_set_header X-Real-IP "";
            proxy_set_header Proxy-Authorization "";
            proxy_set_header Forwarded "";
            proxy_set_header Referer "";
            proxy_set_header Upgrade $hive_upgrade;
            proxy_set_header Connection $hive_connection;
            js_header_filter hive.filter;
            add_header Location $hive_location always;
            """)
        guard settings.mode == .path else {
            if case .basic = settings.authentication { text.line("proxy_set_header Authorization \"\";") }
            return
        }
        text.line("proxy_set_header Authorization $hive_authorization;")
        text.line("proxy_set_header Cookie \"\";")
    }

    /// The page is of an origin that nobody else is of. It may read what is under its own token, which nobody else knows.
    static func opaque(_ text: inout Text) {
        text.lines(
            """
            add_header Content-Security-Policy "sandbox allow-scripts allow-forms allow-popups allow-downloads; frame-ancestors 'self'" always;
            add_header Access-Control-Allow-Origin null always;
            add_header Access-Control-Expose-Headers * always;
            add_header Access-Control-Allow-Methods $hive_cors_methods always;
            add_header Access-Control-Allow-Headers $hive_cors_headers always;
            add_header Access-Control-Max-Age $hive_cors_age always;
            add_header Referrer-Policy no-referrer always;
            add_header X-Content-Type-Options nosniff always;
            """)
    }

    /// What all agents share.
    func bookmarks(_ text: inout Text) {
        text.block("location @hive_bookmark") { text in
            Self.ownPages(
                &text, ancestors: "'none'", policy: "default-src 'none'; form-action 'self'; ")
            text.line("add_header Cache-Control no-store always;")
            text.line("add_header Vary \"Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest\" always;")
            demandCertificate(&text)
            text.line("if ($hive_below = \"\") { return 404; }")
            text.line("if ($hive_bookmark = \"\") { return 404; }")
            text.line("if ($hive_way = go) { return 303 $hive_bookmark$hive_below; }")
            text.line(
                "if ($hive_way = ask) { return 200 \"\(Self.page("Hive", "<form method=post><button autofocus>Open the page of agent $hive_name</button></form>"))\"; }"
            )
            text.line(
                "return 403 \"\(Self.page("Not from there", "<p>Another page has tried to open that of agent $hive_name. <a href=/agent/$hive_name/>Open it</a>, or go to the <a href=/>dashboard</a>."))\";"
            )
        }
        failures(&text)
    }

    /// What is said in place of an agent that says nothing. (An agent's own 502 is passed on as it is.)
    func failures(_ text: inout Text) {
        for (name, status, words) in [
            ("down", 502, "does not answer, or not so that it can be understood"),
            ("late", 504, "does not answer in time"),
        ] {
            text.block("location @hive_\(name)") { text in
                text.line("auth_basic off;")
                text.line(
                    "add_header Content-Security-Policy \"sandbox allow-top-navigation-by-user-activation; default-src 'none'; frame-ancestors 'self'\" always;"
                )
                text.line("add_header Access-Control-Allow-Origin null always;")
                text.line("add_header Referrer-Policy no-referrer always;")
                text.line("add_header X-Content-Type-Options nosniff always;")
                text.line(
                    "return \(status) \"\(Self.page("No answer", "<p>Agent <b>$hive_agent</b> \(words). <a href=/ target=_top>Dashboard</a>"))\";"
                )
            }
        }
    }

    /// (No quotation marks: it stands in some.)
    private static func page(_ title: String, _ body: String) -> String {
        "<!doctype html><meta name=viewport content=width=device-width><title>\(title)</title>\(body)\\n"
    }
}
