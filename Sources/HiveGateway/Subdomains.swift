internal import HiveCore

// An origin for each agent: `NAME.DOMAIN`.
extension NginxConfiguration {
    /// The browser keeps them apart: no tokens, and cookies, storage and service workers are the agent's own.
    func subdomains(_ text: inout Text) {
        for page in pages {
            text.block("server") { text in
                listen(&text)
                text.line("server_name \(page.name).\(settings.domain ?? "");")
                authentication(&text)
                text.block("location /") { text in
                    text.line("set $hive_agent \(page.name);")
                    text.line("set $hive_prefix \"\";")
                    text.line("set $hive_authority \(authority(of: page));")
                    text.line("set $hive_keeps_cookies 1;")
                    demandCertificate(&text)
                    text.line("if ($hive_is_crooked) { return 400; }")
                    text.line("if ($hive_whole = \"\") { return 400; }")
                    // Its pages are of one site with the others', so browsers would send its cookies and passwords along.
                    text.line("if ($hive_is_foreign) { return 403; }")
                    toAgent(&text)
                    text.lines(
                        """
                        add_header Content-Security-Policy "frame-ancestors 'self' $scheme://\(settings.domain ?? "")$hive_port" always;
                        add_header Referrer-Policy same-origin always;
                        add_header X-Content-Type-Options nosniff always;
                        add_header Cross-Origin-Opener-Policy same-origin always;
                        add_header Cross-Origin-Resource-Policy same-origin always;
                        """)
                    text.line("proxy_pass http://\(upstream(of: page))$hive_whole;")
                }
                failures(&text)
            }
        }
    }
}
