import CNetlink
import Foundation
import Glibc
import Testing

/// What others do beside the hive, and to the watcher itself: it is heard of, and nothing of it keeps repairs waiting.
@Suite(.timeLimit(.minutes(10))) struct WatchSurroundingsTests {
    /// Rules of somebody else's that lead packets past ours are told of, with nothing else happening; and no more when they are gone.
    @Test func aWayPastTheRulesIsAnAlarm() throws {
        let hive = try TwoAgents()
        let watch = try Watched(hive.lab)
        let harmless = try watch.number
        try hive.lab.nft("add table inet other")
        try hive.lab.nft("add chain inet other c { type filter hook forward priority 0; }")
        let count = try watch.number
        try hive.lab.nft("add table netdev x")
        try hive.lab.nft("add chain netdev x c { type filter hook ingress device \"hv-alpha\" priority 0; }")
        try hive.lab.nft("add rule netdev x c fwd to \"hv-beta\"")
        let alarm = try watch.event(after: count, "a rule that forwards") { event in
            event.kind == "alarm" && event.sentence.contains("past the boundary")
        }
        #expect(alarm.sentence.contains("hv-alpha"), "\(alarm)")
        #expect(watch.events.filter { $0.number > harmless && $0.kind == "alarm" }.count == 1)
        // It is somebody else's, and stays.
        #expect(try hive.lab.nft("list tables").stdout.contains("table netdev x"))
        try hive.lab.nft("delete table netdev x")
        usleep(500_000)
        let again = try watch.number
        try hive.lab.nft("add table netdev x")
        try hive.lab.nft("add chain netdev x c { type filter hook ingress device \"hv-beta\" priority 0; }")
        try hive.lab.nft("add rule netdev x c fwd to \"hv-alpha\"")
        let second = try watch.event(after: again, "another one") { $0.kind == "alarm" }
        #expect(second.sentence.contains("hv-beta"), "\(second)")
    }

    /// The host would send an agent's packets elsewhere.
    @Test func aRouteThatTakesAgentsAddressesAwayIsTold() throws {
        let hive = try TwoAgents()
        let watch = try Watched(hive.lab)
        try hive.lab.ipBatch([
            "link add ev0 type veth peer name ev1", "link set ev0 up", "link set ev1 up",
            "addr add 172.31.0.1/30 dev ev0",
        ])
        let count = try watch.number
        try hive.lab.ip("route add 192.168.9.0/24 via 172.31.0.2 dev ev0")
        try hive.lab.ip("route add 10.77.0.2/32 via 172.31.0.2 dev ev0")
        let trouble = try watch.event(after: count, "a route over another link") { $0.kind == "trouble" }
        #expect(trouble.sentence.contains("routes 10.77.0.2/32 over ev0"), "\(trouble)")
    }

    /// Whatever control sockets they have.
    @Test func oneWatcherIsEnough() throws {
        let hive = try TwoAgents()
        let watch = try Watched(hive.lab)
        let second = try hive.lab.run(
            [
                Lab.hivectlPath, "--config", Lab.configuration, "--state", "/run/lab/other", "--socket",
                "/run/lab/other/net.sock", "net", "watch",
            ])
        #expect(
            second.status == 69 && second.stderr.contains("another watcher keeps this network"), "\(second)")
        // In another network namespace there may be one, of the same files' name.
        let elsewhere = try Lab()
        try elsewhere.write(configuration: TwoAgents.configuration)
        let other = try Watched(elsewhere)
        #expect(watch.process.isRunning && other.process.isRunning)
    }

    /// Not even a file that never ends, or never begins.
    @Test(arguments: [
        "mkfifo \(Lab.configuration)", "ln -s /dev/zero \(Lab.configuration)", "mkdir \(Lab.configuration)",
    ])
    func aConfigurationThatIsNoFile(_ command: String) throws {
        let hive = try TwoAgents()
        let watch = try Watched(hive.lab)
        let text = try hive.lab.must("cat \(Lab.configuration)").stdout
        let count = try watch.number
        try hive.lab.must("rm \(Lab.configuration)")
        try hive.lab.must(command)
        _ = try watch.event(after: count, command) { $0.kind == "refused" }
        let before = try watch.number
        try hive.lab.must("bridge link set dev hv-alpha isolated off")
        _ = try watch.event(after: before, "a repair") { $0.kind == "repaired" }
        try hive.lab.must("rm -r \(Lab.configuration)")
        try hive.lab.write(configuration: text)
        _ = try watch.event(after: before, "right again") { $0.sentence.contains("is right again") }
        kill(watch.process.pid, SIGTERM)
        #expect(try watch.process.wait(seconds: 10).status == 0)
    }

    /// Clients that send as much as they can, and ask for the largest answers, keep no repair waiting for long. By a clock of the test's.
    @Test func busyClientsKeepNoRepairWaiting() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let watch = try Watched(lab)
        try lab.must("mkdir /run/lab/sys")
        try lab.must("mount -t sysfs sysfs /run/lab/sys")
        func repair() throws -> Duration {
            let file = "/run/lab/sys/class/net/hv-alpha/brport/isolated"
            try lab.must("bridge link set dev hv-alpha isolated off")
            let start = ContinuousClock.now
            try wait(seconds: 30) {
                try lab.host { try String(contentsOfFile: file, encoding: .utf8) } != "1\n"
            }
            return ContinuousClock.now - start
        }
        let clients = try lab.background([
            "/usr/bin/python3", "-c",
            """
            import socket, threading, time
            def send(data):
                s = socket.socket(socket.AF_UNIX); s.connect("/run/hive/net.sock")
                s.settimeout(0.05)
                while True:
                    try: s.sendall(data)
                    except TimeoutError: pass
                    try: s.recv(1 << 20)
                    except TimeoutError: pass
            for data in [b"\\n" * (1 << 18)] * 20 + [b'{"cmd":"show"}\\n'] * 20:
                threading.Thread(target=send, args=(data,), daemon=True).start()
            print("ready", flush=True)
            time.sleep(60)
            """,
        ])
        defer { clients.end() }
        wait { clients.printed.isEmpty }
        var times: [Duration] = []
        // (More would be a quarrel.)
        for _ in 0..<4 {
            times.append(try repair())
            usleep(100_000)
        }
        #expect(clients.isRunning, "\(clients.words)")
        // (Forty shows of two agents take some tens of milliseconds. It was a minute.)
        #expect(times.max() ?? .zero < .seconds(2), "\(times)")
        withExtendedLifetime(watch) {}
    }
}
