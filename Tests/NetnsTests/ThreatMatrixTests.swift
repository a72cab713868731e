import HiveNet
import Testing

/// Threats 1 to 21 as lists of packets, against every layer alone, under every setting of the host (threat 30).
@Suite struct ThreatMatrixTests {
    private func hive(_ setting: HostSetting) throws -> TwoAgents {
        let hive = try TwoAgents(configuration: setting.configuration, outside: true)
        try hive.establish(setting)
        return hive
    }

    @Test(arguments: HostSetting.all) func theHost(setting: HostSetting) throws {
        let hive = try hive(setting)
        let attacks = try hive.hostAttacks()
        try Volley(hive: hive, setting: setting, attacks: attacks, establish: { try hive.establish(setting) })
            .fire()
    }
}
