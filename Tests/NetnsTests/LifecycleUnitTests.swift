import Foundation
import Glibc
import Testing

/// Both ways to run agents' containers, by a real systemd and a real systemd-nspawn, behind the real boundary.
@Suite(
    .timeLimit(.minutes(10)),
    .enabled(if: ContainerUnits.obstacle == nil, "\(ContainerUnits.obstacle ?? "")"))
struct LifecycleUnitTests {
    private func run(_ script: String) throws -> Systemd.Parts { try ContainerMachine.run(script) }

    /// The same for both: where it starts, what it reaches, that it can be paused, started anew and ended.
    @Test(arguments: [
        ("alpha", "/var/lib/nixos-containers/h-alpha/state", "container@h-alpha"),
        ("beta", "/var/lib/hive/agents/beta/state", "hive-agent-beta"),
    ])
    func aContainerComesAndGoes(name: String, state: String, unit: String) throws {
        let part = try run(
            """
            : --- before
            life status
            life obstacle \(name)
            : --- started
            life start \(name)
            wait_for \(state)/ready
            life status
            ticks \(state)
            : --- place
            seen \(state)
            place \(name)
            : --- again
            life start \(name)
            systemctl show -p NRestarts,ActiveState \(unit)
            : --- paused
            life pause \(name)
            ticks \(state)
            life status
            : --- resumed
            life resume \(name)
            ticks \(state)
            life status
            : --- restarted
            main=$(systemctl show -p MainPID --value \(unit)); rm -f \(state)/ready
            life restart \(name)
            wait_for \(state)/ready
            [[ $(systemctl show -p MainPID --value \(unit)) != $main ]] && echo another
            ticks \(state)
            : --- journal
            life journal \(name) 100
            life journal \(name) 1 | wc -l
            : --- stopped
            rm -f \(state)/end
            time life stop \(name)
            cat \(state)/end
            ticks \(state)
            life status
            place \(name)
            : --- killed
            life start \(name); wait_for \(state)/ready
            life pause \(name)
            rm -f \(state)/end
            life stop \(name) now
            life status
            place \(name)
            : --- stopped while paused
            rm -f \(state)/ready
            life start \(name); wait_for \(state)/ready
            life pause \(name)
            rm -f \(state)/end
            life stop \(name)
            cat \(state)/end
            life pause \(name)
            : --- end
            journalctl -b -u \(unit) --no-pager
            """)
        // (With the command that says so before it.)
        #expect(part.whole.contains("\nhost+ echo ' control 0'"), "\(part.whole)")
        #expect(
            part("before").contains("\(name) stopped - 0") && part("before").hasSuffix("none"),
            "\(part.whole)")
        #expect(
            part("started").hasPrefix("done") && part("started").contains("\n\(name) running - 0"),
            "\(part.whole)")
        #expect(part("started").hasSuffix("going"), "\(part("started"))")
        // It is connected to its own socket, cannot change it, and the host's service does not answer it; lo and eth0 are all it has.
        let place = part("place")
        #expect(place.contains("said /run/hive/agents/\(name)/agent.sock"), "\(place)")
        #expect(place.components(separatedBy: "kept: ").count == 4 && !place.contains("CHANGED"), "\(place)")
        #expect(place.contains("\nhost 7") || place.contains("\nhost 28"), "\(place)")
        #expect(
            place.contains("\n2\neth0\n") && !place.contains("hive0") && !place.hasSuffix("\n0"), "\(place)")
        #expect(part("again").contains("done\n") && part("again").contains("NRestarts=0"), "\(part("again"))")
        #expect(part("paused").hasPrefix("done\nstill\n"), "\(part("paused"))")
        #expect(part("paused").contains("\(name) running paused"), "\(part("paused"))")
        #expect(part("resumed").hasPrefix("done\ngoing\n"), "\(part("resumed"))")
        #expect(part("resumed").contains("\(name) running -"), "\(part("resumed"))")
        #expect(part("restarted") == "done\nanother\ngoing", "\(part("restarted"))")
        #expect(
            part("journal").contains("hello, pid") && part("journal").hasSuffix("\n1"), "\(part("journal"))")
        let stopped = part("stopped")
        #expect(stopped.contains("bye\nstill\n"), "\(stopped)")
        #expect(stopped.contains("done"), "\(stopped)")
        #expect(stopped.contains("\(name) stopped -") && stopped.hasSuffix("\n0"), "\(stopped)")
        let killed = part("killed")
        // (Whether it hears of its end before it is killed is a race, and no harm.)
        #expect(killed.hasPrefix("done\ndone\ndone") && killed.contains("\(name) stopped -"), "\(killed)")
        #expect(killed.hasSuffix("\n0"), "\(killed)")
        let late = part("stopped while paused")
        #expect(late.contains("done\nbye\n"), "\(late)")
        #expect(late.contains("cannot be paused: its container (\(unit).service)"), "\(late)")
    }

    /// Without its network nothing is started, whatever is there in its place.
    @Test(arguments: [("alpha", "container@h-alpha"), ("beta", "hive-agent-beta")])
    func nothingStartsWithoutItsNetwork(name: String, unit: String) throws {
        let part = try run(
            """
            tried() { life start \(name); systemctl show -p ActiveState,ExecMainStartTimestamp \(unit); place \(name); }
            systemctl stop hive-net
            : --- drift
            ip link set hv-\(name) down
            tried
            : --- boundary
            hivectl net apply >/dev/null
            nft delete table inet hive
            tried
            : --- missing
            hivectl net apply >/dev/null
            umount -l /run/netns/hive-\(name); rm /run/netns/hive-\(name)
            tried
            : --- file
            echo >/run/netns/hive-\(name)
            tried
            : --- link
            rm /run/netns/hive-\(name)
            ln -s /proc/1/ns/net /run/netns/hive-\(name)
            tried
            : --- own
            rm /run/netns/hive-\(name); touch /run/netns/hive-\(name)
            mount --bind /proc/1/ns/net /run/netns/hive-\(name)
            tried
            : --- other
            umount /run/netns/hive-\(name)
            mount --bind /proc/1/ns/mnt /run/netns/hive-\(name)
            tried
            umount /run/netns/hive-\(name); rm /run/netns/hive-\(name)
            : --- foreign
            life start gamma
            life start gamm
            : --- refused
            systemctl start hive-net
            cp /etc/hive/hive.json /tmp/good; echo '{ agents: ' >/etc/hive/hive.json
            for i in {1..50}; do hivectl net events --last 3 2>/dev/null | grep -q refused && break; sleep 0.1; done
            cp /tmp/good /tmp/hive.json
            life obstacle \(name)
            : --- control
            cp /tmp/good /etc/hive/hive.json
            for i in {1..50}; do [[ $(life obstacle \(name)) == none ]] && break; sleep 0.1; done
            life start \(name)
            place \(name)
            life network
            """)
        for (key, words) in [
            ("drift", "is not applied"), ("boundary", "hivectl net apply"),
            ("missing", "there is no network namespace /run/netns/hive-\(name)"),
            ("file", "/run/netns/hive-\(name) is not a network namespace"),
            ("link", "/run/netns/hive-\(name) is a symbolic link"),
            ("own", "is the host's own network namespace"), ("other", "is not a network namespace"),
        ] {
            let text = part(key)
            #expect(text.contains("refused: ") && text.contains(words), "\(key): \(text)")
            #expect(
                text.contains("ActiveState=inactive") && text.contains("ExecMainStartTimestamp=\n"),
                "\(key): \(part.whole)")
        }
        #expect(part("foreign").contains("neither starts nor stops the agent gamma"), "\(part("foreign"))")
        #expect(
            part("foreign").contains("there is no agent \"gamm\"; did you mean \"gamma\"?"),
            "\(part("foreign"))")
        #expect(
            part("refused").contains("refused: ") || part("refused").contains("not in force"),
            "\(part("refused"))")
        let control = part("control")
        #expect(control.hasPrefix("done\n") && !control.hasPrefix("done\n0"), "\(part.whole)")
        #expect(control.contains("holds true: -") && control.contains("\(name) true 10.77."), "\(control)")
    }

    /// What was started in another place is ended at once; what fails is told with systemd's reason; what is not there is said.
    @Test func whatGoesWrongIsSaid() throws {
        let part = try run(
            """
            : --- elsewhere
            life start delta
            systemctl is-active container@h-delta
            [[ -e /var/lib/nixos-containers/h-delta/state/ready ]] && echo it ran long enough
            : --- failed
            life start epsilon; life start zeta
            for i in {1..100}; do [[ $(life status) == *"epsilon failed"* ]] && break; sleep 0.2; done
            life status
            life journal zeta 50
            : --- nothing there
            life start eta
            : --- stopped
            life stop epsilon; life stop zeta; life stop eta
            : --- literal
            life start beta
            wait_for /var/lib/hive/agents/beta/state/ready
            tr '\\0' '|' </proc/$(pgrep -f '^/bin/bash /init')/cmdline; echo
            : --- files
            echo one >/var/lib/hive/agents/beta/state/plain
            ln -s /etc/shadow /var/lib/hive/agents/beta/state/link
            life read beta plain
            life read beta link
            life files beta
            : --- destroy
            life destroy alpha
            mkdir -p /run/hive/agents/theta; make_root /srv/theta <<<"$agent"
            echo '{ container: { nspawn: "/srv/theta", command: ["/init"], bindReadOnly: ["/usr"] } }' >/var/lib/hive/agents.d/theta.json
            for i in {1..50}; do [[ $(life obstacle theta) == none ]] && break; sleep 0.1; done
            life obstacle theta
            life start theta
            wait_for /var/lib/hive/agents/theta/state/ready
            life destroy theta
            systemctl is-active hive-agent-theta
            ls /run/netns /var/lib/hive/agents.d /srv/theta/init /var/lib/hive/agents/theta/state/ready
            : --- end
            """)
        let elsewhere = part("elsewhere")
        #expect(
            elsewhere.contains("refused: container@h-delta.service was started, but process "),
            "\(part.whole)")
        #expect(elsewhere.contains("is in the host's own network; it was ended at once"), "\(elsewhere)")
        #expect(elsewhere.contains("\ninactive"), "\(elsewhere)")
        let failed = part("failed")
        // (systemd starts the one again, as NixOS has it do, until it has had enough; and the other not.)
        #expect(failed.contains("\nepsilon failed exit-code"), "\(failed)")
        #expect(!failed.contains("refused"), "\(failed)")
        #expect(failed.contains("zeta failed exit-code 0") && failed.contains("going down"), "\(failed)")
        #expect(
            part("nothing there").hasPrefix("refused: Job for container@h-eta.service failed"),
            "\(part("nothing there"))")
        #expect(part("literal").contains("|$HOME %n ${X}|"), "\(part("literal"))")
        let files = part("files")
        #expect(
            files.contains("plain 4 b25lCg==") && files.contains("\"link\" is a symbolic link"), "\(files)")
        #expect(files.contains("/etc/hive/hive.json:3 /var/lib/hive/agents/beta/state 10.77."), "\(files)")
        #expect(files.contains("\nplain 4") && !files.contains("\nlink "), "\(files)")
        let destroy = part("destroy")
        #expect(destroy.contains("refused: the agent \"alpha\" cannot be changed here"), "\(destroy)")
        #expect(
            destroy.contains("The files of theta are kept: /var/lib/hive/agents/theta/state and /srv/theta."),
            "\(part.whole)")
        #expect(
            destroy.contains("\ninactive") && !destroy.contains("hive-theta")
                && !destroy.contains("theta.json"), "\(destroy)")
        #expect(destroy.contains("/srv/theta/init") && destroy.contains("theta/state/ready"), "\(destroy)")
    }
}
