import Foundation
import Testing

/// Every way leads to the same place.
@Suite struct ConvergeTests {
    /// The witness is a witness: it sees each of these, and does not see what is no difference.
    @Test func snapshotsTellKernelsApart() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let before = try lab.snapshot()
        #expect(try lab.snapshotOfFreshApply().difference(to: before) == "")
        for (spoil, restore) in [
            ("bridge link set dev hv-beta isolated off", "bridge link set dev hv-beta isolated on"),
            ("ip link set hv-beta down", "ip link set hv-beta up"),
            (
                "ip -n hive-beta addr add 10.77.0.9/32 dev eth0",
                "ip -n hive-beta addr del 10.77.0.9/32 dev eth0"
            ),
            (
                "bridge fdb add 02:00:00:00:00:01 dev hv-beta master static",
                "bridge fdb del 02:00:00:00:00:01 dev hv-beta master"
            ),
            (
                "ip neigh add 10.77.0.9 lladdr 02:00:00:00:00:01 dev hive0 nud permanent",
                "ip neigh del 10.77.0.9 dev hive0"
            ),
            ("ip route add 11.0.0.0/8 dev hive0", "ip route del 11.0.0.0/8 dev hive0"),
            (
                "nft add element inet hive host { 02:00:00:00:00:01 }",
                "nft delete element inet hive host { 02:00:00:00:00:01 }"
            ),
        ] {
            try lab.must(spoil)
            #expect(try lab.snapshot() != before, "\(spoil)")
            try lab.must(restore)
            #expect(try lab.snapshot().difference(to: before) == "", "\(restore)")
        }
        try lab.sysctl("ipv4/conf/hv-beta/rp_filter", "0")
        #expect(try lab.snapshot() != before)
    }
}
