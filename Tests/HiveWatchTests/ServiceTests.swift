import CLinux
import Glibc
import HiveCore
import HiveWire
import Testing

@testable import HiveNet
@testable import HiveWatch

@Suite struct ServiceTests {
    /// systemd's side: a datagram socket at a path.
    private final class Manager {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)

        init(_ path: String) {
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            _ = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }

        deinit { close(descriptor) }

        var next: String? {
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
        }
    }

    @Test func statesAreTold() throws {
        let scratch = try Scratch()
        let path = "\(scratch.path)/notify"
        let manager = Manager(path)
        let notify = ServiceNotify { $0 == "NOTIFY_SOCKET" ? path : nil }
        #expect(notify.watchdog == nil)
        notify.send("READY=1")
        notify.send("STATUS=fine", "WATCHDOG=1")
        #expect(manager.next == "READY=1" && manager.next == "STATUS=fine\nWATCHDOG=1" && manager.next == nil)
    }

    @Test func withoutASocketNothingIsTold() {
        for path in [nil, "", "relative", String(repeating: "/x", count: 100)] {
            let notify = ServiceNotify { ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"][$0] ?? nil }
            notify.send("READY=1")
            #expect(notify.watchdog == nil)
        }
    }

    @Test func theWatchdogIsFedTwiceAsOftenAsItWants() throws {
        let scratch = try Scratch()
        func watchdog(_ variables: [String: String]) -> Duration? {
            ServiceNotify { variables[$0] ?? ($0 == "NOTIFY_SOCKET" ? "\(scratch.path)/n" : nil) }.watchdog
        }
        #expect(watchdog(["WATCHDOG_USEC": "30000000"]) == .seconds(15))
        #expect(watchdog(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "\(getpid())"]) == .seconds(15))
        #expect(watchdog(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"]) == nil)
        #expect(watchdog(["WATCHDOG_USEC": "0"]) == nil && watchdog(["WATCHDOG_USEC": "x"]) == nil)
    }

    @Test func theLogKeepsTheLast() {
        var log = EventLog()
        for number in 1...(EventLog.most + 10) {
            #expect(log.add(WatchEvent(.repaired, "\(number)")).number == number)
        }
        #expect(log.events.count == EventLog.most && log.events.first?.number == 11)
    }

    /// One event a minute for each agent and reason, that says how many more there were.
    @Test func aFloodIsOneEvent() {
        var tally = AttackTally()
        func drop(_ agent: String?, _ reason: DropReason, at time: Double) -> Drop {
            Drop(
                time: time, reason: reason, agent: agent, protocol: "udp", source: "10.77.0.2", sourcePort: 1,
                destination: "10.77.0.1", destinationPort: 53)
        }
        #expect(
            tally.note(drop("alpha", .host, at: 100))?.sentence
                == "dropped (host): udp 10.77.0.2:1 -> 10.77.0.1:53")
        for second in 101...150 { #expect(tally.note(drop("alpha", .host, at: Double(second))) == nil) }
        #expect(tally.note(drop("alpha", .peer, at: 120)) != nil, "another reason")
        #expect(tally.note(drop("beta", .host, at: 120)) != nil, "another agent")
        #expect(tally.note(drop("alpha", .host, at: 161))?.sentence.contains("50 more") == true)
        // What may be a probe counts apart: nobody hides behind it.
        let probe = tally.note(drop("gamma", .host, at: 200), verifying: true)
        #expect(probe?.verifying == true && probe?.sentence.hasSuffix("; a verification was running") == true)
        #expect(tally.note(drop("gamma", .host, at: 201), verifying: true) == nil)
        let attack = tally.note(drop("gamma", .host, at: 202))
        #expect(attack != nil && attack?.verifying == nil)
    }

    @Test func errorsAreExplained() {
        #expect(Explanation(ServiceError(69, "no")).sentences == ["no."])
        let denied = Explanation(HiveError(.noPermission, "cannot read it"))
        #expect(denied.code == 77 && denied.sentences.count == 2)
        #expect(Explanation(Obstacle.noIPv6).code == 78)
        #expect(Explanation(KernelError("do it", code: EOPNOTSUPP)).code == 69)
        #expect(Explanation(KernelError("do it", code: EBUSY)).code == 70)
    }
}
