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

    /// Half of the settings are left out where the kernel has no br_netfilter: so that this is said, and not only done.
    @Test(
        .enabled(
            if: HostSetting.hasBridgeNetfilter,
            "this kernel has no br_netfilter: only half of the settings are tried"))
    func bridgeNetfilterIsTried() throws {
        #expect(HostSetting.all.filter(\.bridgeNetfilter).count == 4)
        let hive = try TwoAgents()
        #expect(try hive.lab.setBridgeNetfilter(true))
        // The control: now a hook of IP sees what the bridge passes from agent to agent.
        try hive.disable(.port, .bridgeTable)
        let attack = try #require(try hive.peerAttacks().first)
        #expect(try !hive.arrives(attack), "early, by br_netfilter")
        try hive.lab.setBridgeNetfilter(false)
        #expect(try hive.arrives(attack), "without")
    }
}
