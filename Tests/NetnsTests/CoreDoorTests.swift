import Foundation
import Glibc
import Testing

/// What the web process hears at the core's door.
@Suite(
    .timeLimit(.minutes(5)),
    .enabled(if: CoreLab.usersObstacle == nil, "\(CoreLab.usersObstacle ?? "")"))
struct CoreDoorTests {
    /// Whoever says what it has heard last, while something happens, hears of that, too.
    @Test func whatHappensMeanwhileIsHeard() throws {
        let core = try CoreLab()
        let web = try core.lab.background([
            "/usr/bin/python3", "-c",
            """
            import ctypes, json, os, socket, sys, time
            os.setgroups([]); os.setgid(\(CoreLab.web)); os.setuid(\(CoreLab.web))
            ctypes.CDLL(None).prctl(1, 9)
            def connect(request):
                s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect("\(CoreLab.core)")
                f = s.makefile("rw"); print(json.dumps(request), file=f, flush=True); f.readline()
                return f
            events = connect({"request": "Events"})
            # (It is let in before.)
            late = connect({"request": "Agents"})
            print("first", flush=True)
            last = max(json.loads(events.readline())["id"] for _ in range(2))
            print("second", flush=True)
            while not os.path.exists("/run/lab/go"): time.sleep(0.005)
            print(json.dumps({"request": "Events", "after": last}), file=late, flush=True)
            print("-----", flush=True)
            late.readline()
            while True: print(late.readline().strip(), flush=True)
            """,
        ])
        defer { web.end() }
        func hears(_ word: String) throws {
            wait(seconds: 30) { web.isRunning && !web.printed.contains(word) }
            try #require(web.printed.contains(word), "\(web.printed)\(web.words)")
        }
        try hears("first")
        let alpha = try core.agent("alpha")
        #expect(try alpha.ask(["cmd": "ask", "text": "one"])["ok"] as? Bool == true)
        try hears("second")
        // Both come at once, the question first.
        kill(core.daemon.pid, SIGSTOP)
        try alpha.send(["cmd": "ask", "text": "two"])
        try core.lab.must("touch /run/lab/go")
        try hears("-----")
        kill(core.daemon.pid, SIGCONT)
        #expect(try alpha.line(seconds: 30) != nil)
        // (The control: what comes later is heard.)
        #expect(try alpha.ask(["cmd": "ask", "text": "three"])["ok"] as? Bool == true)
        try hears("three")
        let heard = web.printed.components(separatedBy: "-----").last ?? ""
        #expect(["one", "two", "three"].map(heard.contains) == [false, true, true], "\(heard)")
    }
}
