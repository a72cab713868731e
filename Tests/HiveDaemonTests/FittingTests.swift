import HiveWire
import Testing

@testable import HiveDaemon

/// How much of what agents have said the web process is told.
@Suite struct FittingTests {
    private func question(_ id: Int, _ agent: String, _ octets: Int, options: [String] = []) -> Question {
        Question(
            id: id, agent: agent, text: String(repeating: "x", count: octets), options: options, asked: 0)
    }

    @Test func whatFitsIsAsItIs() {
        let rows = (1...16).map { question($0, "alpha", 16_000) }
        #expect(Fitting.open.fit(rows) == rows)
        #expect(Fitting.open.fit([Question]()) == [])
    }

    @Test func longOnesAreCutAndSayIt() {
        let long = (1...200).map { question($0, "agent\($0 % 20)", 16_000, options: ["yes", "no"]) }
        let short = (201...400).map { question($0, "alpha", 200) }
        let fit = Fitting.open.fit(long + short)
        #expect(fit.map(\.id) == Array(1...400))
        #expect(fit.reduce(0) { $0 + $1.octets } <= Fitting.open.mostOctets)
        // Who asks briefly is heard whole, and the others have what that leaves.
        #expect(Array(fit[200...]) == short)
        for row in fit[..<200] {
            #expect(
                row.isCut == true && row.text.hasSuffix("x…") && row.octets > 1000
                    && row.options == ["yes", "no"])
        }
        // Offered answers are all there or none.
        let options = (0..<16).map { "\($0)" + String(repeating: "y", count: 190) }
        let many = (1...1000).map { question($0, "alpha", 10_000, options: options) }
        #expect(Fitting.open.fit(many).allSatisfy { $0.options.isEmpty && $0.isCut == true })
        // Between characters.
        var answered = Question(id: 1, agent: "alpha", text: String(repeating: "語", count: 4000), asked: 0)
        answered.answer = String(repeating: "é", count: 9000)
        let cut = answered.cut(to: 1000)
        #expect(cut.octets <= 1000 && cut.text.contains("語…") && cut.answer?.hasSuffix("é…") == true)
    }

    @Test func eachAgentHasItsShareOfRows() {
        let flood = (1...10_000).map { question($0, "agent\($0 % 200)", 10) }
        let one = question(10_001, "late", 10)
        let fit = Fitting.open.fit(flood + [one])
        #expect(fit.count <= Fitting.open.mostRows && fit.last == one)
        #expect(fit.count { $0.agent == "agent7" } == 9 && fit.first { $0.agent == "agent7" }?.id == 7)
        let approvals = (1...5000).map { Approval(id: $0, agent: "agent\($0)", text: "x", asked: 0) }
        // (More agents than rows: one of each. There are not that many.)
        #expect(Fitting.open.fit(approvals).count == 5000)
    }

    /// The control: without it, what is cut is what makes it too much.
    @Test func approvalsToo() {
        let approvals = (1...100).map {
            Approval(id: $0, agent: "alpha", text: String(repeating: "x", count: 16_000), asked: 0)
        }
        let fit = Fitting.open.fit(approvals)
        #expect(approvals.reduce(0) { $0 + $1.octets } > Fitting.open.mostOctets)
        #expect(
            fit.reduce(0) { $0 + $1.octets } <= Fitting.open.mostOctets && fit.allSatisfy { $0.isCut == true }
        )
    }
}
