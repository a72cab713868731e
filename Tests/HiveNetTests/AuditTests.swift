import CNetlink
import CNftables
import Testing

@testable import HiveNet

/// What of the audit needs no kernel.
@Suite struct AuditTests {
    @Test(arguments: [
        (0, 100, nil), (75, 100, nil), (76, 100, Finding.Severity.warning), (95, 100, .warning),
        (96, 100, .alarm), (100, 100, .alarm), (150, 100, .alarm), (5, 0, nil),
    ])
    func howFull(count: Int, most: Int, severity: Finding.Severity?) {
        let fill = Fill(what: "the table", count: count, most: most, consequence: "that would be bad")
        #expect(fill.finding?.severity == severity)
        if severity != nil {
            #expect(
                fill.finding?.sentence == "the table has \(count) of \(most) entries; that would be bad")
        }
    }

    /// A full bridge refuses the next agent and breaks nothing.
    @Test func whatIsNotFatal() {
        let fill = Fill(
            what: "the bridge", unit: "ports", count: 1023, most: 1023, consequence: "no more", isFatal: false
        )
        #expect(fill.finding?.severity == .warning)
    }

    @Test func processStatus() throws {
        let text = """
            Name:\tsh\\n: evil
            Umask:\t0022
            VmSize:\t    6112 kB
            CapInh:\t0000000000000001
            CapPrm:\t0000000000001000
            CapEff:\t0000000000001000
            CapBnd:\t000001ffffffffff
            CapAmb:\t0000000000000000
            NoNewPrivs:\t0

            """
        let record = try #require(ProcessRecord(status: text))
        #expect(record.command == "sh\\n: evil")
        #expect(record.permitted == 0x1000 && record.inheritable == 1 && record.bounding == 0x1ff_ffff_ffff)
        #expect(record.hasMemory && !record.hasNoNewPrivileges)
        #expect(record.attainable == 0x1ff_ffff_ffff)
        #expect(Capability.netAdmin.isIn(record.permitted) && !Capability.netRaw.isIn(record.permitted))
        let confined = try #require(ProcessRecord(status: text.replacing("Privs:\t0", with: "Privs:\t1")))
        #expect(confined.hasNoNewPrivileges && confined.attainable == 0x1000)
    }

    /// Kernel threads and zombies.
    @Test func statusWithoutMemory() throws {
        let text = "Name:\tkthreadd\nCapInh:\t0\nCapPrm:\t1ff\nCapBnd:\t1ff\n"
        #expect(try #require(ProcessRecord(status: text)).hasMemory == false)
        // Cut short: nothing is made up.
        #expect(ProcessRecord(status: "Name:\tsh\nCapInh:\t0\n") == nil)
        #expect(ProcessRecord(status: "") == nil)
    }

    /// As the kernel would send it (nf_tables_fill_flowtable_info); the kernel that the tests run on may have none.
    @Test func flowtablesAreRead() {
        let batch = Batch()
        batch.append(0, flags: 0, header: nfgenmsg(), "", of: FlowtableScope.self) { message in
            message.put(.table, "foreign")
            message.put(.name, "fast")
            message.put(.hook) { hook in
                hook.put(.devices) { devices in
                    for name in ["uplink", "hive0"] { devices.put(.device, name) }
                }
            }
        }
        let skip = MemoryLayout<nlmsghdr>.size + MemoryLayout<nfgenmsg>.size
        let attributes = Attributes<FlowtableScope>(
            bytes: UnsafeRawBufferPointer(rebasing: batch.bytes[skip...]))
        #expect(attributes[.name] == "fast" && attributes[.hook][.devices].names == ["uplink", "hive0"])
        let flowtable = ForeignRuleset.Flowtable(label: "inet foreign fast", devices: ["uplink", "hive0"])
        let ours = OurLinks([1: "hive0", 2: "hv-alpha"])
        #expect(HostNetwork.finding(flowtable, ours).severity == .alarm)
        let other = ForeignRuleset.Flowtable(label: "inet foreign fast", devices: ["uplink", "eth1"])
        #expect(HostNetwork.finding(other, ours).severity == .warning)
        // Devices by the beginning of their names.
        #expect(
            ours.includes("hv-*") && ours.includes("h*") && !ours.includes("eth*") && !ours.includes("hv-"))
    }

    @Test func counting() {
        #expect(counted(0, "agent") == "0 agents" && counted(1, "agent") == "1 agent")
        #expect(counted(2, "process", "processes") == "2 processes")
        #expect(
            listed(["a", "b", "c"]) == "a, b, c" && listed(["a", "b", "c", "d"]) == "a, b, c and 1 more")
    }
}
