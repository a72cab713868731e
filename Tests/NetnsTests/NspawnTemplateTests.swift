import Foundation
import Testing

/// packaging/hive-nspawn@.service, as systemd runs it: a container for an agent where there is no hived.
@Suite(
    .timeLimit(.minutes(10)),
    .enabled(if: ContainerUnits.obstacle == nil, "\(ContainerUnits.obstacle ?? "")"))
struct NspawnTemplateTests {
    @Test func aContainerWithoutHived() throws {
        let lab = try Lab()
        let packaging = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../packaging")
            .standardizedFileURL.path
        try lab.write(configuration: "{ agents: { alpha: {}, beta: {} } }")
        let part = Systemd.Parts(
            try Systemd.run(
                lab,
                files: [
                    "/usr/local/bin/hivectl": Lab.hivectlPath, "/etc/hive/hive.json": Lab.configuration,
                    "/usr/lib/sysusers.d/hive-admin.conf": "\(packaging)/hive-admin.conf",
                    "/etc/systemd/system/hive-net.service": "\(packaging)/hive-net.service",
                    "/etc/systemd/system/hive-nspawn@.service": "\(packaging)/hive-nspawn@.service",
                ],
                script: Self.preparation + """
                    : --- missing
                    systemctl start hive-nspawn@gamma; echo "start $?"
                    journalctl -b -u hive-nspawn@gamma -o cat --no-pager
                    : --- started
                    systemctl start hive-nspawn@alpha; echo "start $?"
                    systemctl is-active hive-net
                    wait_for $state/ready
                    cat $state/ready; grep -o 'eth0\\|hive0' $state/links
                    : --- restarted
                    main=$(systemctl show -p MainPID --value hive-nspawn@alpha)
                    systemctl restart hive-net; systemctl stop hive-net
                    [[ $(systemctl show -p MainPID --value hive-nspawn@alpha) == "$main" ]] && echo the same
                    systemctl is-active hive-nspawn@alpha
                    : --- stopped
                    systemctl stop hive-nspawn@alpha
                    cat $state/end
                    systemctl show hive-nspawn@alpha -p ActiveState,Result
                    : --- open
                    # (Where there is a unit, it would be started, and put the rules back.)
                    rm /etc/systemd/system/hive-net.service; systemctl daemon-reload
                    nft delete table inet hive
                    systemctl start hive-nspawn@alpha; echo "start $?"
                    journalctl -b -u hive-nspawn@alpha -o cat --no-pager | grep 'does not hold'
                    ip netns pids hive-alpha | wc -l
                    : --- end
                    journalctl -b -u 'hive-nspawn@*' -u hive-net --no-pager
                    """))
        let missing = part("missing")
        #expect(missing.contains("start 1"), "\(part.whole)")
        #expect(missing.contains("There is no network namespace /run/netns/hive-gamma"), "\(part.whole)")
        #expect(part("started").hasPrefix("start 0\nactive\nsystemd\neth0"), "\(part.whole)")
        #expect(!part("started").contains("hive0"), "\(part.whole)")
        #expect(part("restarted").hasPrefix("the same\nactive"), "\(part.whole)")
        let stopped = part("stopped")
        #expect(stopped.contains("down") && stopped.contains("ActiveState=inactive"), "\(part.whole)")
        #expect(stopped.contains("Result=success"), "\(part.whole)")
        let open = part("open")
        #expect(open.contains("start 1") && open.hasSuffix("\n0"), "\(part.whole)")
        #expect(open.contains("The boundary does not hold: the network of alpha"), "\(part.whole)")
    }

    /// A root directory with the host's systemd and a service of its own in it. (Not its first start, at which somebody is asked about it.)
    private static let preparation = """
        set +x
        \(ContainerUnits.makeRoot)
        root=/var/lib/machines/alpha state=/var/lib/hive/agents/alpha/state
        make_root $root <<<''
        printf "%032d\\n" 7 >$root/etc/machine-id
        mkdir -p $root/etc/systemd/system/multi-user.target.wants
        ln -s /usr/lib/systemd/system/multi-user.target $root/etc/systemd/system/default.target
        cat >$root/etc/systemd/system/own.service <<'UNIT'
        [Service]
        ExecStart=/bin/sh -c 'cat /proc/net/dev >/state/links; cat /proc/1/comm >/state/ready; exec sleep 1000'
        ExecStop=/bin/sh -c 'echo down >/state/end'
        UNIT
        ln -s ../own.service $root/etc/systemd/system/multi-user.target.wants/
        # The template binds nothing that is not the agent's.
        mount --bind /usr $root/usr
        wait_for() { { set +x; } 2>/dev/null; for i in {1..200}; do [[ -e $1 ]] && break; sleep 0.05; done
            [[ -e $1 ]] || echo "$1 does not come"; set -x; }
        set -x

        """
}
