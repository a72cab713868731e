import Foundation

/// An agent whose page tries to be the operator, and whose every answer says what binds a whole origin.
enum HostilePage {
    /// What is sent back with every answer (threat 36), besides policies that would loosen ours.
    static let headers = [
        "Set-Cookie: evil=1; Path=/", "Set-Cookie: evil2=1; Path=/agent", "Clear-Site-Data: \"*\"",
        "Service-Worker-Allowed: /", "Access-Control-Allow-Origin: *",
        "Content-Security-Policy: default-src * 'unsafe-inline'", "Cross-Origin-Opener-Policy: unsafe-none",
    ]

    static let handler: Upstream.Handler = { request, client in
        let path = request.target.split(separator: "?").first.map(String.init) ?? ""
        switch path {
        case "/events":
            client.answer("data: event\n\n", type: "text/event-stream", headers: headers)
        case "/ws":
            let lines = [
                "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
                "Set-Cookie: evil=1; Path=/",
                "Sec-WebSocket-Accept: \(accept(request["Sec-WebSocket-Key"] ?? ""))",
            ]
            client.say(lines.joined(separator: "\r\n") + "\r\n\r\n")
            // A text, in one frame without a mask (RFC 6455, 5.2).
            client.say([0x81, 5] + Array("hello".utf8))
            _ = client.hear()
        case "/module.js", "/sw.js":
            client.answer("self.loaded = 'ran'", type: "text/javascript", headers: headers)
        case "/import.js":
            client.answer("export const word = 'imported'", type: "text/javascript", headers: headers)
        case "/data", "/report": client.answer("own", type: "text/plain", headers: headers)
        default:
            let script = moves[String(path.dropFirst())] ?? attempts
            client.answer(
                "<!doctype html><title>alpha</title><body><script type=module src=module.js></script><script>\(script)</script>",
                headers: headers)
        }
    }

    /// What it is worth that the key was read (RFC 6455, 4.2.2). The system has a SHA-1, and Swift has none.
    private static func accept(_ key: String) -> String {
        let text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        let digits = Array((try? Command.run(["sh", "-c", "printf %s \"$0\" | sha1sum", text]).stdout) ?? "")
        let bytes = stride(from: 0, to: min(40, digits.count - 1), by: 2).map {
            UInt8(String(digits[$0...($0 + 1)]), radix: 16) ?? 0
        }
        return Data(bytes).base64EncodedString()
    }

    /// What leads the page itself, or a new window, somewhere else: a page for each.
    static let moves = [
        "form": form("/approve/1?by=form"), "blank": form("/approve/1?by=blank", "_blank"),
        "bookmark": form("/agent/beta/?by=bookmark"), "beta": "location = '/agent/beta/?by=location'",
        "refresh": """
        document.head.insertAdjacentHTML('beforeend', '<meta http-equiv=refresh content="0;url=/agent/beta/?by=refresh">')
        """,
    ]

    private static func form(_ action: String, _ target: String = "_self") -> String {
        """
        document.body.insertAdjacentHTML('beforeend', '<form method=post target=\(target) action="\(action)"></form>');
        document.forms[0].submit();
        """
    }

    /// Everything that comes back to the page, told to the agent. An exception is told by its name; what never comes is `late`.
    static let attempts = #"""
        const told = {};
        const attempt = async (name, body) => {
            const late = new Promise(done => setTimeout(done, 15000, 'late'));
            try { told[name] = String(await Promise.race([body(), late])); } catch (error) { told[name] = error.name; }
        };
        const text = async answer => answer.type === 'opaque' ? 'opaque' : answer.status + ' ' + await answer.text();
        const post = (by, more) => fetch('/approve/1?by=' + by, {method: 'POST', body: 'yes', ...more}).then(text);
        const frame = address => new Promise(done => {
            const made = document.createElement('iframe');
            made.onload = () => {
                try {
                    const shown = made.contentWindow.document;
                    // (The empty page that comes first.)
                    if (shown.location.href !== 'about:blank') done(shown.location.href + ' ' + shown.body.innerText);
                } catch (error) { done(error.name); }
            };
            made.src = address;
            document.body.append(made);
        });
        const open = address => new Promise(done => {
            const made = window.open(address);
            const look = () => {
                if (made === null || made.closed) return done('cut off');
                try {
                    const shown = made.document;
                    if (shown.location.href !== 'about:blank' && shown.readyState === 'complete') {
                        return done(shown.location.href + ' ' + shown.body.innerText);
                    }
                } catch (error) { return done(error.name); }
                setTimeout(look, 5);
            };
            look();
        });
        const event = (source, name) => new Promise((done, fail) => {
            source.onmessage = message => { source.close(); done(message.data); };
            source.onerror = () => fail(new Error(name));
        });
        const top_ = window.top === window ? null : window.top;
        (async () => {
            await Promise.all([
                attempt('own fetch', () => fetch('data').then(text)),
                attempt('own post', () => fetch('data', {method: 'POST', body: '{}',
                    headers: {'Content-Type': 'application/json'}}).then(text)),
                attempt('own events', () => event(new EventSource('events'))),
                attempt('own socket', () => event(new WebSocket(new URL('ws', location).href.replace(/^http/, 'ws')))),
                attempt('own import', () => import('./import.js').then(module => module.word)),
                attempt('own module', () => new Promise(done => addEventListener('load', () => done(self.loaded)))),
                attempt('approve fetch', () => post('fetch')),
                attempt('approve include', () => post('include', {credentials: 'include'})),
                attempt('approve no-cors', () => post('no-cors', {mode: 'no-cors', credentials: 'include'})),
                attempt('approve put', () => post('put', {method: 'PUT'})),
                attempt('approve beacon', () => navigator.sendBeacon('/approve/1?by=beacon', 'yes')),
                attempt('dashboard socket', () => event(new WebSocket(location.origin.replace(/^http/, 'ws') + '/'))),
                attempt('dashboard fetch', () => fetch('/').then(text)),
                attempt('dashboard no-cors', () => fetch('/', {mode: 'no-cors'}).then(text)),
                attempt('dashboard frame', () => frame('/?by=frame')),
                attempt('dashboard window', () => open('/?by=window')),
                attempt('beta fetch', () => fetch('/agent/beta/?by=fetch').then(text)),
                attempt('beta no-cors', () => fetch('/agent/beta/', {mode: 'no-cors'}).then(text)),
                attempt('beta manual', () => fetch('/agent/beta/', {redirect: 'manual'})
                    .then(answer => answer.type + answer.headers.get('Location'))),
                attempt('beta frame', () => frame('/agent/beta/?by=frame')),
                attempt('beta window', () => open('/agent/beta/?by=window')),
                attempt('worker', () => navigator.serviceWorker.register('sw.js').then(() => 'registered')),
                attempt('cookie read', () => document.cookie),
                attempt('cookie write', () => { document.cookie = 'evil3=1;path=/'; return document.cookie; }),
                attempt('local storage', () => { localStorage.kept = 'evil'; return localStorage.kept; }),
                attempt('session storage', () => sessionStorage.length),
                attempt('database', () => { indexedDB.open('x'); return 'open'; }),
                attempt('caches', () => caches.open('x').then(() => 'open')),
                attempt('top read', () => top_ ? top_.document.title : 'none'),
                attempt('top address', () => top_ ? top_.location.href : 'none'),
            ]);
            told.origin = self.origin;
            told.seen = JSON.stringify([document.referrer, history.length, [...(location.ancestorOrigins || [])],
                performance.getEntries().map(entry => entry.toJSON()), [...document.querySelectorAll('iframe')].map(f => f.src)]);
            await fetch('report', {method: 'POST', body: JSON.stringify(told)});
            // (Last, since it would end this page.)
            if (!top_) return;
            await attempt('top form', () => {
                document.body.insertAdjacentHTML('beforeend',
                    '<form method=post target=_top action="/approve/1?by=top"></form>');
                document.forms[0].submit();
                return 'sent';
            });
            await attempt('top move', () => {
                top_.location = '/agent/beta/?by=top';
                return 'moved';
            });
            await fetch('report', {method: 'POST', body: JSON.stringify(told)});
        })();
        """#
}
