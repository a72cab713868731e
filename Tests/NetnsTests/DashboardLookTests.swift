import Foundation
import Testing

/// That the dashboard can be read: in a dark room, on a phone, by everybody.
@Suite(
    .timeLimit(.minutes(5)),
    .enabled(if: DashboardLab.obstacle == nil, "\(DashboardLab.obstacle ?? "")"))
struct DashboardLookTests {
    /// Every text against what is behind it (WCAG 2.1, 1.4.3: 4.5, or 3 where it is large), every field by a name, and nothing beside
    /// the window.
    private static let look = #"""
        (() => {
            const found = [];
            const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
            const paint = (...colours) => {
                canvas.clearRect(0, 0, 1, 1);
                for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
                return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
            };
            const light = rgb => rgb.map(x => x / 255).map(x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4)
                .reduce((sum, x, i) => sum + x * [.2126, .7152, .0722][i], 0);
            const behind = element => {
                const all = [];
                for (let one = element; one; one = one.parentElement) all.unshift(getComputedStyle(one).backgroundColor);
                return [matchMedia('(prefers-color-scheme: dark)').matches ? 'black' : 'white', ...all];
            };
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            let texts = 0;
            for (let node; node = walker.nextNode();) {
                const element = node.parentElement, style = getComputedStyle(element);
                if (!node.data.trim() || element.closest('script, style, option') || !element.checkVisibility()) continue;
                // (What is drawn is behind texts of the same drawing: by its own colours.)
                if (element.closest('svg')) continue;
                texts++;
                const back = behind(element), [a, b] = [light(paint(...back, style.color)), light(paint(...back))];
                const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
                const size = parseFloat(style.fontSize), isLarge = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
                if (ratio < (isLarge ? 3 : 4.5)) found.push(`${node.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
            }
            for (const field of document.querySelectorAll('textarea, input:not([type=hidden]), button, a, iframe')) {
                const name = field.getAttribute('aria-label') || field.title || field.textContent.trim()
                    || field.labels?.[0]?.textContent;
                if (!name) found.push(`${field.outerHTML.slice(0, 60)} has no name`);
                const at = field.getBoundingClientRect();
                if (field.matches('button, textarea') && at.width && Math.min(at.width, at.height) < 24) found.push(`${name} is small`);
            }
            if (document.documentElement.scrollWidth > innerWidth) found.push(`${document.documentElement.scrollWidth} wide`);
            return [texts, ...found, ...self.violations];
        })()
        """#

    private func look(_ lab: DashboardLab, _ page: Browser.Page) throws -> (texts: Int, found: [String]) {
        let all = try #require(try lab.browser.run(Self.look, in: page) as? [Any])
        return (all.first as? Int ?? 0, all.dropFirst().map { "\($0)" })
    }

    @Test func everythingCanBeRead() throws {
        let lab = try DashboardLab()
        defer { lab.end() }
        let watcher = try LabKeeper(lab.lab)
        _ = try lab.core.ask(
            "alpha", ["cmd": "set_status", "text": "Reading " + String(repeating: "x", count: 300)])
        let words = "Shall I?\n" + String(repeating: "LongWord", count: 100) + " مرحبا 你好"
        let (_, id) = try lab.web.ask("alpha", words, options: ["yes", String(repeating: "no ", count: 60)])
        let (_, approval) = try lab.web.request(
            "beta", ["cmd": "request_approval", "text": "git push", "wait": true])
        let (_, closed) = try lab.web.ask("alpha", "Before?")
        #expect(try lab.core.operate(["cmd": "answer", "id": closed, "text": "so"])["ok"] as? Bool == true)
        // Something that was blocked is in red.
        try lab.lab.run([
            "ip", "netns", "exec", "hive-alpha", "ping", "-c", "1", "-W", "1", "\(TwoAgents.gateway4)",
        ])

        let page = try lab.browser.open("about:blank")
        try lab.browser.ask("Page.enable", in: page.session)
        try lab.browser.ask(
            "Page.addScriptToEvaluateOnNewDocument",
            [
                "source": """
                self.violations = [];
                addEventListener('securitypolicyviolation', event => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
                addEventListener('error', event => violations.push(event.message));
                """
            ], in: page.session)
        for (path, sight) in [
            ("/", "#q\(id), #p\(approval)"), ("/agents/alpha", "#q\(id)"), ("/agents/nobody", "h1"),
            ("/agents/alpha?confirm=stop", "#confirm"),
        ] {
            try lab.browser.go(page, to: DashboardLab.address + path)
            try lab.find(sight, in: page)
            for (width, scheme) in [
                (320, "dark"), (360, "dark"), (360, "light"), (1200, "light"), (1200, "dark"),
            ] {
                try lab.browser.ask(
                    "Emulation.setDeviceMetricsOverride",
                    ["width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500],
                    in: page.session)
                try lab.browser.ask(
                    "Emulation.setEmulatedMedia",
                    [
                        "features": [
                            ["name": "prefers-color-scheme", "value": scheme],
                            // (Else colours are on their way for a moment.)
                            ["name": "prefers-reduced-motion", "value": "reduce"],
                        ]
                    ], in: page.session)
                try lab.see("innerWidth === \(width)", in: page)
                let (texts, found) = try look(lab, page)
                #expect(texts > 2 && found.isEmpty, "\(path) \(width) \(scheme): \(texts) \(found)")
            }
        }
        // The control: what is wrong is found.
        try lab.browser.run(
            """
            document.querySelector('#confirm h2').style.color = '#555';
            document.querySelector('#confirm button').style.cssText = 'width: 9px; min-width: 0; padding: 0; flex: none';
            document.querySelector('main').style.width = '3000px';
            document.body.insertAdjacentHTML('beforeend', '<p onclick="x()">not ours</p><textarea></textarea>');
            """, in: page)
        let found = try look(lab, page).found.joined(separator: "; ")
        for word in ["alpha?: ", "is small", " wide", "has no name", "script-src"] {
            #expect(found.contains(word), "\(word): \(found)")
        }
        #expect(try watcher.end().status == 0)
    }
}
