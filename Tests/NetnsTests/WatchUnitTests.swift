import Foundation
import Testing

/// The watcher's unit, as systemd runs it: with its capabilities, its filter of system calls, readiness and restart.
@Suite(.timeLimit(.minutes(10)), .enabled(if: Systemd.obstacle == nil, "\(Systemd.obstacle ?? "")"))
struct WatchUnitTests {
    @Test func systemdRunsIt() throws {
        let lab = try Lab()
        let packaging = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../packaging")
            .standardizedFileURL.path
        try lab.write(configuration: "{ agents: { alpha: { address4: '10.77.0.2' }, beta: {} } }")
        let printed = try Systemd.run(
            lab,
            files: [
                "/usr/local/bin/hivectl": Lab.hivectlPath, "/etc/hive/hive.json": Lab.configuration,
                "/etc/systemd/system/hive-net.service": "\(packaging)/hive-net.service",
                "/usr/lib/sysusers.d/hive-admin.conf": "\(packaging)/hive-admin.conf",
            ],
            script: """
                : --- ready
                systemctl start hive-net
                systemctl show hive-net -p ActiveState,StatusText
                stat -c %a:%G /run/hive/net.sock
                hivectl net plan && echo nothing is left
                : --- repairs
                bridge link set dev hv-alpha isolated off
                ip netns del hive-beta
                ip -n hive-alpha addr del 10.77.0.2/32 dev eth0
                echo 1 >/proc/sys/net/ipv4/conf/hive0/route_localnet
                nft delete table inet hive
                for i in {1..50}; do sleep 0.1; hivectl net plan >/dev/null 2>&1 && break; done
                hivectl net plan && echo nothing is left
                hivectl net events --json
                : --- killed
                systemctl kill -s KILL hive-net
                for i in {1..50}; do sleep 0.1; systemctl is-active hive-net && break; done
                systemctl show hive-net -p ActiveState,NRestarts
                hivectl net plan && echo nothing is left
                : --- configuration
                echo '{ agents: { alpha: {}, gamma: {} } }' >/etc/hive/hive.json
                systemctl reload hive-net
                for i in {1..50}; do sleep 0.1; ip link show hv-gamma >/dev/null 2>&1 && break; done
                hivectl net show
                : --- stopped
                systemctl stop hive-net
                systemctl show hive-net -p ActiveState,Result
                nft list tables
                : --- wrong
                echo '{ agents: { alpha: {' >/etc/hive/hive.json
                timeout 3 systemctl start hive-net; echo status $?
                systemctl show hive-net -p ActiveState
                """)
        let parts = printed.components(separatedBy: "+ : --- ").dropFirst().map { part in
            part.split(separator: "\n", maxSplits: 1).map(String.init)
        }
        func part(_ name: String) -> String { parts.first { $0.first == name }?.last ?? "" }
        let ready = part("ready")
        #expect(ready.contains("ActiveState=active"), "\(printed)")
        #expect(ready.contains("StatusText=The boundary holds for 2 agents; 0 repairs"), "\(ready)")
        #expect(ready.contains("660:hive-admin") && ready.contains("\nnothing is left"), "\(ready)")
        let repairs = part("repairs")
        for words in [
            "isolated false -> true", "hv-beta", "addresses4", "ipv4.routeLocalnet 1 -> 0",
            "Operation not permitted", "\nnothing is left",
        ] {
            #expect(repairs.contains(words), "\(words): \(repairs)")
        }
        #expect(!repairs.contains("\"trouble\""), "\(repairs)")
        let killed = part("killed")
        #expect(killed.contains("ActiveState=active") && killed.contains("NRestarts=1"), "\(killed)")
        #expect(killed.contains("\nnothing is left"), "\(killed)")
        #expect(part("configuration").contains("hv-gamma"), "\(part("configuration"))")
        let stopped = part("stopped")
        #expect(stopped.contains("ActiveState=inactive") && stopped.contains("Result=success"), "\(stopped)")
        #expect(stopped.contains("table inet hive") && stopped.contains("table bridge hive"), "\(stopped)")
        let wrong = part("wrong")
        #expect(!wrong.contains("status 0") && !wrong.contains("ActiveState=active"), "\(wrong)")
    }
}
