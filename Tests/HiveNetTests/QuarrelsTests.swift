import Testing

@testable import HiveNet

/// When somebody who undoes repairs is given in to, and for how long. The time is the test's.
@Suite struct QuarrelsTests {
    private let start = ContinuousClock.now

    private func change(_ agent: String?, _ step: Step, _ object: String = "link") -> Change {
        Change(kind: .change, object: object, detail: "hv", reason: "", agent: agent, step: step)
    }
    private var flag: Change { change("alpha", .configurePort(agent: "alpha")) }

    private func at(_ seconds: Double) -> ContinuousClock.Instant {
        start + .milliseconds(Int(seconds * 1000))
    }

    /// Five repairs of one thing within a second.
    private func fought(_ change: Change, from begin: Double = 0) -> Quarrels {
        var quarrels = Quarrels()
        for number in 0..<5 {
            let found = quarrels.note(
                [change], by: { _ in Actor(process: 7, name: "x") }, at: at(begin + Double(number) / 5))
            #expect(found.isEmpty == (number < 4))
        }
        return quarrels
    }

    @Test func someRepairsAreNoQuarrel() {
        var quarrels = Quarrels()
        // Each of another thing, and one thing now and then.
        for agent in ["a", "b", "c", "d", "e", "f"] {
            #expect(
                quarrels.note([change(agent, .configurePort(agent: agent))], by: { _ in nil }, at: at(0))
                    .isEmpty)
        }
        for number in 0..<20 {
            #expect(quarrels.note([flag], by: { _ in nil }, at: at(3 * Double(number))).isEmpty)
        }
        #expect(quarrels.deadline == nil && quarrels.restraint(agents: ["alpha"]) == Restraint())
    }

    @Test func whoIsFoughtAboutIsCutOffAndTriedAgain() {
        var quarrels = fought(flag)
        let agents = ["alpha", "beta"]
        #expect(quarrels.restraint(agents: agents).quarantined == ["alpha"])
        #expect(quarrels.isCutOff("alpha") && !quarrels.isCutOff("beta"))
        #expect(quarrels.quarrels.values.first?.who == [Actor(process: 7, name: "x")])
        #expect(quarrels.deadline == at(1.8))
        #expect(quarrels.advance(to: at(1.7)).tried.isEmpty)
        #expect(quarrels.advance(to: at(1.8)).tried.map(\.agent) == ["alpha"])
        #expect(
            quarrels.restraint(agents: agents).quarantined.isEmpty, "it is connected to see whether it holds")
        // Undone again: each time for twice as long, a minute at most.
        var now = 1.8
        for delay in [2.0, 4, 8, 16, 32, 60, 60] {
            #expect(quarrels.note([flag], by: { _ in nil }, at: at(now)).count == 1)
            #expect(quarrels.restraint(agents: agents).quarantined == ["alpha"])
            #expect(quarrels.deadline == at(now + delay))
            now += delay
            #expect(quarrels.advance(to: at(now)).tried.count == 1)
        }
        // It holds for as long as the last wait: over.
        #expect(quarrels.advance(to: at(now + 59)).over.isEmpty)
        #expect(quarrels.advance(to: at(now + 60)).over.map(\.agent) == ["alpha"])
        #expect(quarrels.deadline == nil && !quarrels.isCutOff("alpha"))
    }

    /// What weakens the boundary outside of an agent's link is repaired all the time. That is the same quarrel.
    @Test func whatIsRepairedMeanwhileIsNoNewQuarrel() {
        let entry = change(
            "alpha", .addNeighbour(Neighbour(address: "10.77.0.2", mac: MACAddress(bits: 1))), "neighbour")
        var quarrels = fought(entry)
        #expect(quarrels.isGoingOn(entry) && !quarrels.isGoingOn(flag))
        for number in 0..<50 {
            #expect(quarrels.note([entry], by: { _ in nil }, at: at(0.9 + Double(number) / 100)).isEmpty)
        }
        #expect(quarrels.deadline == at(1.8) && quarrels.quarrels.values.map(\.attempts) == [55])
        #expect(quarrels.advance(to: at(1.8)).tried.map(\.agent) == ["alpha"])
        #expect(!quarrels.isGoingOn(entry))
        #expect(quarrels.note([entry], by: { _ in nil }, at: at(1.9)).count == 1)
        #expect(quarrels.deadline == at(3.9), "twice as long")
    }

    /// It is the thing that counts, and not what of it differed: who takes turns gets no more attempts for that.
    @Test func oneThingIsOneThingHoweverItDiffers() {
        var quarrels = Quarrels()
        let differences = ["isolated false -> true", "learning true -> false", "mtu 1400 -> 1500"]
        for number in 0..<5 {
            let turn = Change(
                kind: .change, object: "link", detail: "hv", reason: differences[number % 3], agent: "alpha",
                step: .configurePort(agent: "alpha"))
            #expect(quarrels.note([turn], by: { _ in nil }, at: at(Double(number))).isEmpty == (number < 4))
        }
        #expect(quarrels.restraint(agents: ["alpha"]).quarantined == ["alpha"])
    }

    /// An agent's entry among the host's neighbours is that agent's, whether it is missing or wrong.
    @Test func aNeighbourIsItsAgents() throws {
        let wanted = try NetworkState(NetworkSpec.sample())
        let place = try #require(wanted.bridge?.neighbours.firstIndex { $0.address == "10.77.0.2" })
        var actual = wanted
        actual.bridge?.neighbours.remove(at: place)
        let missing = plan(desired: wanted, observed: NetworkObservation(actual))
        #expect(missing.map(\.agent) == ["alpha"])
        actual = wanted
        actual.bridge?.neighbours[place].mac = MACAddress(bits: 0x0200_0000_0001)
        #expect(
            plan(desired: wanted, observed: NetworkObservation(actual)).map(\.agent) == ["alpha", "alpha"])
        let change = try #require(missing.first)
        #expect(fought(change).restraint(agents: ["alpha", "beta"]).quarantined == ["alpha"])
    }

    @Test func whatConcernsEverybodyCutsEverybodyOff() {
        let quarrels = fought(change(nil, .configureBridge, "bridge"))
        #expect(quarrels.restraint(agents: ["alpha", "beta"]).quarantined == ["alpha", "beta"])
    }

    @Test func whatWeakensNothingIsOnlyLeft() {
        let route = change(nil, .addRoute("10.77.0.0/16"), "route")
        let restraint = fought(route).restraint(agents: ["alpha"])
        #expect(restraint.quarantined.isEmpty && restraint.held == [Quarrels.Subject(route)])
    }

    /// A port that somebody keeps raising is taken away.
    @Test func whoIsRaisedAgainAndAgainLosesTheLink() {
        var quarrels = fought(flag)
        let lowered = change("alpha", .lower(agent: "alpha"))
        #expect(!quarrels.isGoingOn(lowered), "that is told")
        for number in 0..<5 {
            #expect(quarrels.restraint(agents: ["alpha"]).severed.isEmpty, "\(number)")
            #expect(quarrels.note([lowered], by: { _ in nil }, at: at(0.9)).isEmpty)
        }
        #expect(quarrels.restraint(agents: ["alpha"]).severed == ["alpha"])
    }

    @Test func whatCannotBeDoneIsAQuarrelAtOnce() {
        var quarrels = Quarrels()
        quarrels.refuse(.unreachable("alpha"), at: at(0))
        #expect(quarrels.restraint(agents: ["alpha"]).quarantined == ["alpha"] && quarrels.deadline == at(1))
        quarrels.forget()
        #expect(quarrels.restraint(agents: ["alpha"]).quarantined.isEmpty)
    }

    /// What is wanted meanwhile: the link as it is, but down; nothing about it that could be fought over.
    @Test func cutOffMeansDown() throws {
        let spec = try NetworkSpec.sample()
        let wanted = try NetworkState(spec)
        var actual = wanted
        actual.agents["alpha"]?.port?.isolated = false
        actual.agents["beta"]?.port?.isolated = false
        var restraint = Restraint(quarantined: ["alpha"])
        func words() -> [String] {
            plan(desired: restraint.applied(to: wanted, actual), observed: NetworkObservation(actual)).map(
                \.description)
        }
        #expect(words() == ["~ link hv-alpha (up true -> false)", "~ link hv-beta (isolated false -> true)"])
        restraint.severed = ["alpha"]
        #expect(words().first == "- link hv-alpha (the agent is cut off)")
        // Nothing to put down: nothing is made either.
        actual.agents["alpha"]?.port = nil
        actual.agents["alpha"]?.inside = nil
        #expect(words() == ["~ link hv-beta (isolated false -> true)"])
    }
}

@Suite struct PaceTests {
    /// Twenty times at once, and then once a second: for each agent by itself.
    @Test func anAgentThatMakesNoiseIsLookedAtNowAndThen() {
        var pace = Pace()
        let start = ContinuousClock.now
        let looks = (0..<10_000).count { pace.hear("alpha", at: start + .microseconds(50 * $0)) }
        #expect(looks == 20)
        let others = (0..<5).count { pace.hear("beta", at: start + .milliseconds(10 * $0)) }
        #expect(others == 5)
        #expect(pace.insides == start + .seconds(1))
        #expect(pace.takeInsides(at: start + .milliseconds(999)) == nil)
        #expect(pace.takeInsides(at: start + .seconds(1)) == ["alpha"])
        #expect(pace.insides == nil && pace.hear("alpha", at: start + .seconds(1)))
    }

    @Test func noticesThatAreLostAreFewerStill() {
        var pace = Pace()
        let start = ContinuousClock.now
        #expect((0..<100).count { _ in pace.hear(nil, at: start) } == 2)
        #expect(pace.takeInsides(at: start + .seconds(2)) == [nil])
    }

    @Test func looksThatFindNothingTakeHalfTheTime() {
        var pace = Pace()
        let now = ContinuousClock.now
        pace.took(.milliseconds(40), at: now, isQuiet: true)
        #expect(pace.next == now + .milliseconds(40))
        pace.took(.seconds(3), at: now, isQuiet: true)
        #expect(pace.next == now + .milliseconds(250))
        pace.took(.milliseconds(40), at: now, isQuiet: false)
        #expect(pace.next == now)
    }
}
