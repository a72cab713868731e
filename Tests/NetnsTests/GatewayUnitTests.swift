import Foundation
import Glibc
import Testing

/// The gateway's units, as systemd runs them beside the watcher's.
@Suite(
    .timeLimit(.minutes(10)),
    .enabled(
        if: Systemd.obstacle == nil && GatewayLab.obstacle == nil,
        "\(Systemd.obstacle ?? GatewayLab.obstacle ?? "")"))
struct GatewayUnitTests {
    @Test func systemdRunsThem() throws {
        let lab = try Lab()
        let packaging = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../packaging")
            .standardizedFileURL.path
        try lab.write(
            configuration:
                "{ gateway: { enable: true, listen: ['127.0.0.1:8420', 'unix:/run/hive/gateway.sock'] }, agents: { alpha: { web: { port: 80 } } } }"
        )
        var files = [
            "/usr/local/bin/hivectl": Lab.hivectlPath, "/etc/hive/hive.json": Lab.configuration,
            "/usr/lib/sysusers.d/hive-admin.conf": "\(packaging)/hive-admin.conf",
        ]
        for name in ["hive-net", "hive-nginx", "hive-gateway"] {
            files["/etc/systemd/system/\(name).service"] = "\(packaging)/\(name).service"
        }
        let printed = try Systemd.run(
            lab, files: files,
            script: """
                open() { curl -s -o /dev/null -w "$1 %{http_code}\\n" -H 'Sec-Fetch-Mode: navigate' \\
                    -H 'Sec-Fetch-Site: none' -H 'Sec-Fetch-Dest: document' "http://127.0.0.1:8420/agent/$1/"; }
                : --- ready
                systemctl start hive-gateway
                for i in {1..100}; do sleep 0.1; [[ $(open alpha) == "alpha 303" ]] && break; done
                systemctl show hive-net hive-nginx hive-gateway -p Id,ActiveState
                open alpha
                open beta
                : --- added
                hivectl net add beta --web-port 80
                for i in {1..100}; do sleep 0.1; [[ $(open beta) == "beta 303" ]] && break; done
                open beta
                : --- killed
                systemctl kill -s KILL --kill-who=all hive-nginx
                for i in {1..100}; do sleep 0.1; [[ $(open alpha) == "alpha 303" ]] && break; done
                open alpha
                systemctl show hive-nginx -p ActiveState,NRestarts
                hivectl gateway --standalone show
                : --- stopped
                systemctl stop hive-gateway hive-nginx
                systemctl show hive-nginx hive-gateway -p Id,ActiveState,Result
                open alpha
                journalctl -b -u hive-nginx -u hive-gateway --no-pager
                """)
        let parts = printed.components(separatedBy: "+ : --- ").dropFirst().map { part in
            part.split(separator: "\n", maxSplits: 1).map(String.init)
        }
        func part(_ name: String) -> String { parts.first { $0.first == name }?.last ?? "" }
        let ready = part("ready")
        #expect(ready.components(separatedBy: "ActiveState=active").count == 4, "\(printed)")
        #expect(ready.contains("\nalpha 303") && ready.contains("\nbeta 404"), "\(printed)")
        #expect(part("added").contains("\nbeta 303"), "\(printed)")
        let killed = part("killed")
        #expect(killed.contains("\nalpha 303") && killed.contains("ActiveState=active"), "\(printed)")
        #expect(killed.contains("served by nginx") && !killed.contains("not served"), "\(killed)")
        let stopped = part("stopped")
        #expect(stopped.components(separatedBy: "ActiveState=inactive").count == 3, "\(stopped)")
        #expect(stopped.contains("\nalpha 000"), "\(stopped)")
    }
}
