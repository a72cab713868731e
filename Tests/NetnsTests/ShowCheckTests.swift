import Glibc
import Testing

/// `net show --check`, which whoever starts a container asks first: what cannot be known does not hold.
struct ShowCheckTests {
    private static let configuration = "{ agents: { alpha: {}, beta: {} } }"

    private func check(_ lab: Lab, _ agent: String? = nil) throws -> CommandResult {
        try lab.run(Lab.commandLine(["net", "show", "--check"] + [agent].compactMap(\.self)))
    }

    private func holds(_ lab: Lab, _ agent: String? = nil) throws {
        let result = try check(lab, agent)
        #expect(result.status == 0 && result.stdout.isEmpty && result.stderr.isEmpty, "\(result)")
    }

    private func fails(_ lab: Lab, _ agent: String? = nil, _ words: String) throws {
        let result = try check(lab, agent)
        #expect(result.status == 3 && result.stdout.isEmpty, "\(words): \(result)")
        #expect(
            result.stderr.contains("The boundary does not hold") && result.stderr.contains(words), "\(result)"
        )
    }

    @Test func whatDiffersOrLeadsRoundDoesNotHold() throws {
        let lab = try Lab()
        try lab.write(configuration: Self.configuration)
        try fails(lab, "alpha", "is not applied")
        try lab.apply()
        try holds(lab)
        try holds(lab, "alpha")
        let beta = try #require(try lab.links().keys.first { $0.hasPrefix("hv-beta") })
        let alpha = try #require(try lab.links().keys.first { $0.hasPrefix("hv-alpha") })
        let damages: [(String, String, concernsAlpha: Bool)] = [
            ("ip link set \(beta) down", "is not applied", false),
            ("nft delete table inet hive", "is not applied", true),
            ("ip link set hive0 down", "is not applied", true),
            ("ip link add rogue type veth peer name inside netns hive-alpha", "a way round", true),
            (
                "nft add table netdev x; nft 'add chain netdev x i { type filter hook ingress device \"\(alpha)\" priority 0; }'"
                    + "; nft 'add rule netdev x i fwd to \"lo\"'", "a way round", true
            ),
        ]
        for (damage, words, concernsAlpha) in damages {
            let done = try lab.run(["sh", "-c", damage])
            #expect(done.status == 0, "\(damage): \(done)")
            try fails(lab, nil, words)
            if concernsAlpha { try fails(lab, "alpha", words) } else { try holds(lab, "alpha") }
            let shown = try lab.hivectl("net", "show")
            #expect(shown.stdout.contains(words == "a way round" ? "ALARM" : "DRIFT"), "\(damage): \(shown)")
            _ = try lab.run(["sh", "-c", "ip link del rogue; nft delete table netdev x"])
            try lab.apply()
            try holds(lab)
        }
    }

    /// Without rules, and without a configuration that could say that there should be some.
    @Test func whatCannotBeKnownDoesNotHold() throws {
        let lab = try Lab()
        try lab.apply(Self.configuration)
        try lab.nft("flush ruleset")
        try lab.write(configuration: "{ agents: { alpha: { web: { prot: 8080 } } } }")
        #expect(try check(lab, "alpha").status == 78)
        // By its standard name a configuration may be missing or wrong, and `show` then shows what there is.
        // (The machine's /etc stays as it is.)
        try lab.must("mkdir /run/lab/upper /run/lab/work")
        let layers = "lowerdir=/etc,upperdir=/run/lab/upper,workdir=/run/lab/work,userxattr"
        try lab.must("mount -t overlay -o \(layers) overlay /etc")
        try lab.must("mkdir -p /etc/hive")
        for text in [nil, "{ agents: { alpha: { web: { prot: 8080 } } } }"] {
            if let text { try lab.write(text, to: "/etc/hive/hive.json") }
            let line = [Lab.hivectlPath, "net", "show"]
            #expect(try lab.run(line + ["alpha"]).status == 0)
            let result = try lab.run(line + ["--check", "alpha"])
            #expect(
                result.status == 3 && result.stderr.contains("no configuration to compare"), "\(result)")
        }
        // The control.
        try lab.write(Self.configuration, to: "/etc/hive/hive.json")
        try lab.must("\(Lab.hivectlPath) net apply")
        #expect(try lab.run([Lab.hivectlPath, "net", "show", "--check", "alpha"]).status == 0)
        #expect(try lab.run([Lab.hivectlPath, "net", "show", "--check", "gamma"]).status == 64)
    }

    /// A watcher that refuses a configuration goes on with the one before, which is not what the files say.
    @Test func whatAWatcherRefusesDoesNotHold() throws {
        let lab = try Lab()
        try lab.write(configuration: Self.configuration)
        let watched = try Watched(lab)
        try holds(lab, "alpha")
        // Asked at once, before it would have looked: whoever writes may not have ended.
        try lab.write(configuration: "{ network: { bridge: 7 } }")
        try fails(lab, "alpha", "the watcher refuses it")
        _ = try watched.event(after: 0, "refused") { $0.kind == "refused" }
        try fails(lab, "alpha", "the watcher refuses it")
        try lab.write(configuration: Self.configuration)
        _ = try watched.event(after: 0, "right") { $0.sentence.contains("right again") }
        try holds(lab, "alpha")
        try lab.write(configuration: "{ agents: { alpha: { egress: 'internet' }, beta: {} } }")
        try holds(lab, "alpha")
        let shown = try lab.hivectl("net", "show", "--json").json() as? [String: Any]
        let policy = (shown?["policies"] as? [String: [String: Any]])?["alpha"]
        #expect(policy?["label"] as? String == "internet", "\(policy ?? [:])")
    }

    /// A watcher has looked at other programs' rules when they changed, or does so when it is asked.
    @Test func anotherProgramsRulesBesideAWatcher() throws {
        let lab = try Lab()
        try lab.write(configuration: Self.configuration)
        let watched = try Watched(lab)
        defer { withExtendedLifetime(watched) {} }
        try holds(lab, "alpha")
        for isLater in [false, true] {
            try lab.nft("add table netdev x")
            try lab.nft("add chain netdev x i { type filter hook ingress device \"hv-alpha\" priority 0; }")
            try lab.nft("add rule netdev x i fwd to \"lo\"")
            if isLater { usleep(600_000) }
            try fails(lab, "alpha", "a way round")
            try lab.nft("delete table netdev x")
            if isLater { usleep(600_000) }
            try holds(lab, "alpha")
        }
    }

    /// A watcher that does not answer is not waited for.
    @Test func whoDoesNotAnswerHoldsNothing() throws {
        let lab = try Lab()
        try lab.write(configuration: Self.configuration)
        let watched = try Watched(lab)
        try holds(lab, "alpha")
        kill(watched.process.pid, SIGSTOP)
        let result = try check(lab, "alpha")
        kill(watched.process.pid, SIGCONT)
        #expect(result.status == 74 && result.stderr.contains("watcher"), "\(result)")
        try holds(lab, "alpha")
    }
}
