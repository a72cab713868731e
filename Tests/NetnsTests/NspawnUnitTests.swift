import Foundation
import Testing

/// What is particular to containers that Hive itself has systemd-nspawn run, by a real systemd.
@Suite(
    .timeLimit(.minutes(10)),
    .enabled(if: ContainerUnits.obstacle == nil, "\(ContainerUnits.obstacle ?? "")"))
struct NspawnUnitTests {
    /// A command is a service: told by SIGTERM, alone, and it has failed if it fails, not if it is stopped.
    @Test func aCommandEndsAsServicesDo() throws {
        let part = try ContainerMachine.run(
            """
            state=/var/lib/hive/agents/beta/state
            : --- plain
            life start iota; life stop iota; life status
            : --- slow
            cat >/srv/beta/init <<'INIT'
            #!/bin/bash
            trap 'echo hup >>/state/heard' HUP
            trap 'echo term >>/state/heard; sleep 1.5; echo done >>/state/heard; exit 3' TERM
            echo ready >/state/ready
            while :; do sleep 0.05; done
            INIT
            life start beta; wait_for $state/ready
            life stop beta
            cat $state/heard
            life status
            : --- now
            rm $state/ready $state/heard
            life start beta; wait_for $state/ready
            life stop beta now
            sleep 2
            grep -c done $state/heard
            life status
            : --- by itself
            rm -f $state/ready $state/heard
            life start beta; wait_for $state/ready
            # (What is first in it, as the host counts: below the stub of a process 1.)
            kill $(pgrep -f '^/bin/bash /init')
            for i in {1..100}; do [[ $(life status) == *'beta failed'* ]] && break; sleep 0.1; done
            life status
            : --- end
            journalctl -b -u hive-agent-beta -u hive-agent-iota --no-pager
            """)
        #expect(
            part("plain").hasPrefix("done\ndone\n") && part("plain").contains("iota stopped - 0"),
            "\(part.whole)")
        #expect(
            part("slow").hasPrefix("done\ndone\nterm\ndone\n") && part("slow").contains("beta stopped - 0"),
            "\(part.whole)")
        // (Whether it hears of its end before it is killed is a race, and no harm. It has no time.)
        let now = part("now")
        #expect(now.hasPrefix("done\ndone\n") && !now.contains("\n1\n"), "\(now)")
        #expect(now.contains("beta stopped - 0"), "\(now)")
        #expect(part("by itself").contains("beta failed exit-code"), "\(part.whole)")
    }

    /// One that boots, with the host's systemd as its init: it is up, and told in its way to go down.
    @Test func oneThatBoots() throws {
        let part = try ContainerMachine.run(
            """
            state=/var/lib/hive/agents/kappa/state
            # (Not its first start, at which somebody is asked about it.)
            printf "%032d\\n" 7 >/srv/kappa/etc/machine-id
            mkdir -p /srv/kappa/etc/systemd/system/multi-user.target.wants
            ln -s /usr/lib/systemd/system/multi-user.target /srv/kappa/etc/systemd/system/default.target
            cat >/srv/kappa/etc/systemd/system/own.service <<'UNIT'
            [Service]
            ExecStart=/bin/sh -c 'cat /proc/1/comm >/state/ready; exec sleep 1000'
            ExecStop=/bin/sh -c 'echo down >/state/end'
            UNIT
            ln -s ../own.service /srv/kappa/etc/systemd/system/multi-user.target.wants/
            : --- started
            life start kappa
            wait_for $state/ready
            cat $state/ready
            place kappa
            : --- stopped
            life stop kappa
            cat $state/end
            life status
            place kappa
            : --- end
            journalctl -b -u hive-agent-kappa --no-pager
            """)
        #expect(
            part("started").hasPrefix("done\nsystemd\n") && !part("started").hasSuffix("\n0"), "\(part.whole)"
        )
        #expect(
            part("stopped").hasPrefix("done\ndown\n") && part("stopped").hasSuffix("\n0"), "\(part.whole)")
        #expect(part("stopped").contains("kappa stopped - 0"), "\(part.whole)")
    }

    /// Root of a command undoes nothing that is read-only. Root of a system that boots does: that is the control, and a limit.
    @Test func whatIsReadOnlyStaysSo() throws {
        let part = try ContainerMachine.run(
            """
            cat >/srv/beta/init <<'INIT'
            #!/bin/bash
            {
                for place in /run/hive/agent /usr; do
                    mount -o remount,rw,bind $place && echo remounted $place
                done
                touch /run/hive/agent/foreign && echo written
                mkdir -p /tmp/proc
                mount -t proc proc /tmp/proc && echo mounted
                echo tried
            } >>/state/told
            sleep 1000
            INIT
            : --- command
            state=/var/lib/hive/agents/beta/state
            life start beta; wait_for $state/told
            for i in {1..50}; do grep -q tried $state/told && break; sleep 0.1; done
            : --- told by the command
            cat $state/told
            ls /run/hive/agents/beta
            : --- boots
            printf "%032d\\n" 7 >/srv/kappa/etc/machine-id
            mkdir -p /srv/kappa/etc/systemd/system/multi-user.target.wants
            ln -s /usr/lib/systemd/system/multi-user.target /srv/kappa/etc/systemd/system/default.target
            cp /srv/beta/init /srv/kappa/tries
            printf '[Service]\nExecStart=/bin/bash /tries\n' >/srv/kappa/etc/systemd/system/own.service
            ln -s ../own.service /srv/kappa/etc/systemd/system/multi-user.target.wants/
            state=/var/lib/hive/agents/kappa/state
            life start kappa; wait_for $state/told
            for i in {1..50}; do grep -q tried $state/told && break; sleep 0.1; done
            : --- told by the system
            cat $state/told
            ls /run/hive/agents/kappa
            : --- end
            life stop beta now; life stop kappa now
            journalctl -b -u hive-agent-beta -u hive-agent-kappa --no-pager | tail -n 50
            """)
        #expect(part("told by the command").hasPrefix("tried"), "\(part.whole)")
        #expect(!part("told by the command").contains("foreign"), "\(part.whole)")
        let control = part("told by the system")
        #expect(control.contains("remounted /run/hive/agent") && control.contains("written"), "\(part.whole)")
        #expect(control.contains("foreign"), "\(part.whole)")
    }

    /// Again and again, running or paused: systemd has forgotten the unit of the last time each time.
    @Test func restartedWhilePaused() throws {
        let part = try ContainerMachine.run(
            """
            : --- rounds
            { set +x; } 2>/dev/null
            life start beta
            for round in {1..10}; do
                life pause beta; life restart beta
                life pause beta; life resume beta; life restart beta
                life restart beta
            done | sort | uniq -c
            life status
            set -x
            : --- end
            journalctl -b -u hive-agent-beta --no-pager | tail -n 50
            """)
        #expect(part("rounds").hasPrefix("done\n") && part("rounds").contains(" 60 done\n"), "\(part.whole)")
        #expect(part("rounds").contains("beta running - 0"), "\(part.whole)")
    }
}
