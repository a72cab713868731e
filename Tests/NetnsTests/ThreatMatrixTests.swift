import HiveNet
import Testing

/// Threats 1 to 21 as lists of packets, against every layer alone, under every setting of the host (threat 30).
@Suite struct ThreatMatrixTests {
    private func fire(
        _ setting: HostSetting, publishing: Bool = false, _ attacks: (TwoAgents) throws -> [Attack]
    ) throws {
        let hive = try TwoAgents(configuration: setting.configuration, outside: true)
        let establish = {
            try hive.establish(setting)
            if publishing { try hive.publish() }
        }
        try establish()
        try Volley(hive: hive, setting: setting, attacks: try attacks(hive), establish: establish).fire()
    }

    @Test(arguments: HostSetting.all) func theHost(setting: HostSetting) throws {
        try fire(setting) { try $0.hostAttacks() }
    }

    @Test(arguments: HostSetting.all) func anotherAgent(setting: HostSetting) throws {
        try fire(setting) { try $0.peerAttacks() }
    }

    @Test(arguments: HostSetting.all) func whatOthersPublish(setting: HostSetting) throws {
        try fire(setting, publishing: true) { try $0.publishedAttacks(setting) }
    }
}
