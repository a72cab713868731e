import Glibc
import Testing

@testable import HiveCommand

private typealias Cell = Table.Cell

@Suite struct OutputTests {
    @Test(arguments: [
        ("", 0), ("hv-alpha", 8), ("ü", 1), ("u\u{308}", 1), ("漢字", 4), ("한", 2), ("👩‍🚀", 2),
        ("☕", 2),
        ("❤\u{fe0f}", 2), ("—", 1), ("naïve…", 6),
    ]) func widths(text: String, width: Int) {
        #expect(Text.width(text) == width)
    }

    @Test func tableAlignsByWhatIsSeen() {
        var table = Table(.text("AGENT"), .number("BLOCKED"), .text("STATE"))
        table.add("alpha", Cell(7), "up")
        table.add("漢字の名", Cell(12_345_678), "down")
        table.add("zoe\u{308}", Cell(0), "")
        table.add("gamma")
        #expect(
            table.lines(Style(isEnabled: false)) == [
                "AGENT      BLOCKED  STATE",
                "alpha            7  up",
                "漢字の名  12345678  down",
                "zoe\u{308}              0",
                "gamma",
            ])
    }

    @Test func coloursDoNotShiftColumns() {
        var table = Table(.text("A"), .text("B"))
        table.add(Cell("x", .bad), "y")
        #expect(
            table.lines(Style(isEnabled: true)) == [
                "\u{1b}[1mA\u{1b}[0m  \u{1b}[1mB\u{1b}[0m", "\u{1b}[31mx\u{1b}[0m  y",
            ])
    }

    @Test(arguments: [
        (ColorChoice.auto, true, [:], true),
        (.auto, false, [:], false),
        (.auto, true, ["NO_COLOR": "1"], false),
        (.auto, true, ["NO_COLOR": ""], true),
        (.auto, true, ["TERM": "dumb"], false),
        (.always, false, ["NO_COLOR": "1"], true),
        (.never, true, [:], false),
    ]) func colourIsForTerminals(
        choice: ColorChoice, isTerminal: Bool, environment: [String: String], isEnabled: Bool
    ) {
        #expect(Style(choice, isTerminal: isTerminal) { environment[$0] }.isEnabled == isEnabled)
    }

    @Test func planLines() {
        let plan = [
            PlanLine(.add, "link hv-alpha", detail: "master hive0", reason: "new agent"),
            PlanLine(.change, "route 10.77.0.0/16", detail: "mtu 1500 -> 1400"),
            PlanLine(.remove, "element 10.77.0.9", reason: "not in the configuration"),
            PlanLine(.remove, "address fd77:6869:7665:1111:2222:3333:4444:5555/64", reason: "not ours\u{7}"),
            PlanLine(.add, "table inet hive"),
        ]
        #expect(
            PlanText.lines(plan, Style(isEnabled: false)) == [
                "+ link hv-alpha       master hive0 (new agent)",
                "~ route 10.77.0.0/16  mtu 1500 -> 1400",
                "- element 10.77.0.9   (not in the configuration)",
                "- address fd77:6869:7665:1111:2222:3333:4444:5555/64  (not ours\\u{7})",
                "+ table inet hive",
            ])
        #expect(PlanText.summary(plan) == "5 changes: 2 to add, 1 to change, 2 to remove.")
        #expect(PlanText.summary([plan[1]]) == "1 change: 1 to change.")
        #expect(PlanText.summary([]) == "Nothing to do.")
        // Without its colours, the coloured plan is the plain one.
        let coloured = PlanText.lines(plan, Style(isEnabled: true)).map(withoutColours)
        #expect(coloured == PlanText.lines(plan, Style(isEnabled: false)))
        #expect(PlanText.lines(plan, Style(isEnabled: true)) != coloured)
    }

    private func withoutColours(_ text: String) -> String {
        text.replacing(#/\u{1b}\[[0-9]+m/#, with: "")
    }

    @Test func progressWaitsRedrawsAndVanishes() {
        let streams = Streams(isTerminal: true, columns: 12)
        let progress = streams.console.progress
        for (milliseconds, text) in [
            (0, "early"), (999, "early"), (1000, "link 1 of 9"), (1050, "soon"),
            (1100, "far too wide for it"),
        ] {
            streams.time = .milliseconds(milliseconds)
            progress.step(text)
        }
        #expect(streams.errors == "\rlink 1 of 9\u{1b}[K\rfar too wid\u{1b}[K")
        streams.console.note("done")
        progress.erase()
        #expect(streams.errors.hasSuffix("\u{1b}[K\r\u{1b}[Kdone\n"))
    }

    @Test func progressIsForTerminals() {
        let streams = Streams()
        _ = streams.console
        streams.time = .seconds(9)
        streams.console.progress.step("never")
        streams.console.remark("never")
        #expect(streams.errors.isEmpty)
        streams.console.note("said")
        #expect(streams.errors == "said\n")
    }

    @Test(arguments: [
        (nil, ExitCode.ok, ExitCode.ok),
        (EPIPE, .ok, .brokenPipe),
        (EPIPE, .changes, .changes),
        (EPIPE, .configuration, .configuration),
        (ENOSPC, .ok, .inputOutput),
        (ENOSPC, .changes, .inputOutput),
        (ENOSPC, .configuration, .configuration),
    ]) func lostOutputIsNoSuccess(error: Int32?, code: ExitCode, result: ExitCode) {
        let program = Program(Fixture.tree(), version: "1", suggest: { _, _ in nil })
        for isSeenOnlyByClose in [false, true] {
            let streams = Streams()
            streams.broken = isSeenOnlyByClose ? nil : error
            streams.console.print("some data, longer than one part")
            #expect(program.finish(code, streams.console) { isSeenOnlyByClose ? error : nil } == result)
            #expect(
                streams.errors
                    == (error == ENOSPC
                        ? "tool: Writing to standard output failed: No space left on device.\n" : ""))
        }
    }

    @Test func aRealDescriptorTakesEverything() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { close(ends[0]) }
        let output = Output(descriptor: ends[1])
        #expect(!output.isTerminal)
        output.write("漢字\n")
        output.flush()
        close(ends[1])
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(ends[0], &bytes, 64)
        #expect(String(decoding: bytes.prefix(count), as: UTF8.self) == "漢字\n")
        #expect(output.failure == nil)
        output.write("lost")
        output.flush()
        #expect(output.failure == EBADF)
    }
}
