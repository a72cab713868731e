/// What njs (`ngx_http_js_module`) does to an agent's response before anything of it is sent: the only part of the gateway that nginx's
/// own directives cannot express, since `proxy_hide_header` is a list of what to leave out, and what is not known cannot be listed.
///
/// An exception ends the connection without a byte: it fails closed.
enum HeaderFilter {
    static let fileName = "hive.js"

    /// In the JavaScript of njs 0.7.9, which has no `Set`.
    static let text = #"""
        // Made by hivectl. What an agent's response may say to the browser: an allow list of headers.
        const known = {
            'content-type': 1, 'content-length': 1, 'content-encoding': 1, 'content-language': 1,
            'content-disposition': 1, 'content-range': 1, 'accept-ranges': 1, 'etag': 1, 'last-modified': 1,
            'cache-control': 1, 'expires': 1, 'vary': 1, 'retry-after': 1,
        };
        const knownOfSwitch = { 'upgrade': 1, 'sec-websocket-accept': 1, 'sec-websocket-protocol': 1 };

        function filter(r) {
            const status = r.status;
            const switches = status === 101;
            // nginx passes on other 1xx of an upstream as if they were the answer, with nothing to say where they end: what follows
            // would be another response to the browser, which nobody has looked at.
            if (switches ? r.variables.hive_upgrade !== 'websocket' : !(status >= 200 && status <= 599)) {
                throw new Error('status ' + status + ' of agent ' + r.variables.hive_agent);
            }
            const allowed = switches ? knownOfSwitch : known;
            const cookies = r.headersOut['Set-Cookie'];
            for (const name in r.headersOut) {
                if (allowed[name.toLowerCase()] !== 1) {
                    delete r.headersOut[name];
                }
            }
            // Each part has headers of its own, which nobody has looked at.
            const type = r.headersOut['Content-Type'];
            if (type && /^\s*multipart\//i.test(type) && !/^\s*multipart\/byteranges\b/i.test(type)) {
                r.headersOut['Content-Type'] = 'application/octet-stream';
            }
            // Only where every agent has an origin of its own.
            if (r.variables.hive_keeps_cookies === '1' && Array.isArray(cookies)) {
                const own = cookies.filter(ownCookie);
                if (own.length > 0) {
                    r.headersOut['Set-Cookie'] = own;
                }
            }
        }

        // What becomes of the agent's Location: empty where it is not sent. (To take it out of headersOut does not do for HTTP/2, which
        // has a pointer to it; so `proxy_hide_header` does that.)
        function location(r) {
            const given = r.variables.upstream_http_location;
            return given ? confine(given, r.variables.hive_prefix, r.variables.hive_authority,
                r.variables.scheme + '://' + r.variables.http_host) : '';
        }

        // A redirect to the agent's own pages, or nothing. Browsers take a backslash for a slash, drop tabs and line feeds, and
        // read %2e as a dot: whatever is not plain is refused.
        function confine(location, prefix, authority, origin) {
            if (!/^[\x21-\x7e]+$/.test(location) || location.indexOf('\\') >= 0) {
                return '';
            }
            ['http://' + authority, 'https://' + authority, origin].forEach(function (own) {
                if (location === own) {
                    location = '/';
                } else if (location.startsWith(own + '/')) {
                    location = location.substring(own.length);
                }
            });
            const path = location.replace(/[?#].*$/, '');
            if (/(^|\/|%2f|%5c)(\.|%2e){1,2}(\/|%2f|%5c|;|$)/i.test(path)) {
                return '';
            }
            if (location.startsWith('/')) {
                if (location.startsWith('//')) {
                    return '';
                }
                // It may know of X-Forwarded-Prefix.
                return location === prefix || location.startsWith(prefix + '/') ? location : prefix + location;
            }
            // Relative to the page: before its first slash there is no colon, which would make a scheme.
            return /^([A-Za-z0-9_.~%-]*)([\/?#]|$)/.test(location) ? location : '';
        }

        // A cookie for this very host: without Domain, which could name one above.
        function ownCookie(cookie) {
            return !/;\s*domain\s*=/i.test(cookie);
        }

        export default { filter, location };
        """# + "\n"
}
