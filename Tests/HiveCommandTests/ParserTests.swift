import Testing

@testable import HiveCommand

@Suite struct ParserTests {
    @Test(arguments: [
        ("net", "show all json=false config=/etc/tool"),
        ("net show", "show all json=false config=/etc/tool"),
        ("net show a --json", "show a json=true config=/etc/tool"),
        ("net show --json a", "show a json=true config=/etc/tool"),
        ("--config c net", "show all json=false config=c"),
        ("net --config=c show", "show all json=false config=c"),
        ("net show --config c", "show all json=false config=c"),
        ("net show --config=--odd", "show all json=false config=--odd"),
        ("net show --config=a=b", "show all json=false config=a=b"),
        ("net show -- --json", "show --json json=false config=/etc/tool"),
        ("net show -- -- ", "show -- json=false config=/etc/tool"),
        ("-- net show a", "show a json=false config=/etc/tool"),
        ("net show -", "show - json=false config=/etc/tool"),
        ("net add a", "add a port=none size=small path=none"),
        ("net add a --port 65535 --size=large", "add a port=65535 size=large path=none"),
        ("net add --path p a", "add a port=none size=small path=p"),
        ("net add a --tag 1 --tag=1 --tag 3", "add a port=none size=small path=none tags=[1, 1, 3]"),
        ("net add --tag 4 a", "add a port=none size=small path=none tags=[4]"),
        ("net add --label x a --label=--y", "add a port=none size=small path=none labels=[\"x\", \"--y\"]"),
        ("many 1", "many 1 []"),
        ("many 1 2 3", "many 1 [2, 3]"),
    ]) func understands(line: String, seen: String) {
        let run = Fixture.run(line.split(separator: " ").map(String.init))
        #expect(run.seen == seen)
        #expect(run.errors.isEmpty)
        #expect(run.code == (line.hasPrefix("many") ? .changes : .ok))
    }

    @Test(arguments: [
        ("nets", "tool", "'nets' is not a command of 'tool'. Did you mean 'net'?"),
        ("xyz", "tool", "'xyz' is not a command of 'tool'."),
        ("net ad", "tool net", "'ad' is not a command of 'tool net'. Did you mean 'add'?"),
        ("net xyz --help", "tool net", "'xyz' is not a command of 'tool net'."),
        ("help net xyz", "tool net", "'xyz' is not a command of 'tool net'."),
        ("net --json", "tool net", "'--json' is not an option of 'tool net'."),
        (
            "net show --jsn", "tool net show",
            "'--jsn' is not an option of 'tool net show'. Did you mean '--json'?"
        ),
        (
            "net show --jsn=1", "tool net show",
            "'--jsn' is not an option of 'tool net show'. Did you mean '--json'?"
        ),
        ("net show -x", "tool net show", "'-x' is not an option of 'tool net show'."),
        ("net show --json=yes", "tool net show", "--json takes no value, but got 'yes'."),
        ("net show --json --json", "tool net show", "--json was given twice."),
        ("--config a net show --config b", "tool net show", "--config was given twice."),
        ("net show a b", "tool net show", "'tool net show' takes one argument, and 'b' is one too many."),
        ("net add", "tool net add", "'tool net add' needs a NAME."),
        ("net add a --port", "tool net add", "--port needs a value: --port N."),
        ("net add a --port --size large", "tool net add", "--port needs a value: --port N."),
        (
            "net add a --port 0", "tool net add",
            "The value '0' of --port is not a whole number from 1 to 65535."
        ),
        (
            "net add a --port -1", "tool net add",
            "The value '-1' of --port is not a whole number from 1 to 65535."
        ),
        (
            "net add a --port +1", "tool net add",
            "The value '+1' of --port is not a whole number from 1 to 65535."
        ),
        (
            "net add a --port 18446744073709551616", "tool net add",
            "The value '18446744073709551616' of --port is not a whole number from 1 to 65535."
        ),
        (
            "net add a --port=", "tool net add",
            "The value '' of --port is not a whole number from 1 to 65535."
        ),
        ("net add a --path=", "tool net add", "The value '' of --path is not the path of a file."),
        (
            "net add a --size lagre", "tool net add",
            "The value 'lagre' of --size is not one of small, large. Did you mean 'large'?"
        ),
        ("net add a --pid 1 --path p", "tool net add", "--path and --pid exclude each other."),
        (
            "net add a --tag 1 --tag x", "tool net add",
            "The value 'x' of --tag is not a whole number from 0 to 9."
        ),
        ("net add a --tag 1 --tag", "tool net add", "--tag needs a value: --tag T."),
        ("net add a --label x --tag 1", "tool net add", "--tag and --label exclude each other."),
        ("many 1 2 x", "tool many", "The OTHER 'x' is not a whole number from 0 to 9."),
        ("many", "tool many", "'tool many' needs a FIRST."),
    ]) func refuses(line: String, command: String, sentence: String) {
        let run = Fixture.run(line.split(separator: " ").map(String.init))
        #expect(run.errors == "tool: \(sentence)\nSee '\(command) --help'.\n")
        #expect(run.code == .usage)
        #expect(run.seen.isEmpty)
        #expect(run.output.isEmpty)
    }

    @Test func commandLineWinsOverEnvironmentOverDefault() {
        let environment = ["TOOL_CONFIG": "e"]
        #expect(Fixture.run(["net"], environment: environment).seen == "show all json=false config=e")
        #expect(Fixture.run(["net", "--config", "c"], environment: environment).seen.hasSuffix("config=c"))
        #expect(Fixture.run(["net"], environment: ["TOOL_CONFIG": ""]).seen.hasSuffix("config=/etc/tool"))
        #expect(Fixture.run(["net", "add", "a"], environment: ["TOOL_PORT": "7"]).seen.contains("port=7"))
    }

    @Test func environmentIsCheckedToo() {
        let run = Fixture.run(["net", "add", "a"], environment: ["TOOL_PORT": "x"])
        #expect(
            run.errors == """
                tool: The value 'x' of TOOL_PORT is not a whole number from 1 to 65535.
                See 'tool net add --help'.

                """)
        #expect(run.code == .usage)
    }

    @Test(arguments: [
        ["net", "add", "--help"], ["net", "--help", "add"], ["--help", "net", "add"], ["net", "add", "-h"],
        ["help", "net", "add"], ["net", "help", "add"], ["net", "add", "a", "--port", "--help"],
        ["net", "add", "--bogus", "--help"], ["net", "add", "--help", "--help"],
    ]) func helpIsGivenWhateverElse(line: [String]) {
        let run = Fixture.run(line)
        #expect(
            run.output.hasPrefix(
                """
                Usage: tool net add NAME [--port N] [--size SIZE] [--path PATH | --pid N]
                                    [--tag T... | --label L...]

                """))
        #expect(run.code == .ok)
        #expect(run.errors.isEmpty)
        #expect(run.seen.isEmpty)
    }

    @Test func helpAfterTheEndOfOptionsIsAWord() {
        #expect(Fixture.run(["net", "show", "--", "--help"]).seen.hasPrefix("show --help"))
    }

    @Test func versionAndOverview() {
        #expect(Fixture.run(["--version"]).output == "tool 1.2.3\n")
        #expect(Fixture.run([]).output == Fixture.run(["help"]).output)
        #expect(Fixture.run([]).output == Fixture.run(["--help"]).output)
        #expect(Fixture.run([]).code == .ok)
    }

    @Test func aKeyOfAnotherCommandIsAnError() throws {
        var other = Command("other", "Do other things")
        let key = other.argument("NAME", .text, "a name")
        #expect(throws: Failure.self) { try Values()[key] }
        // The same name with another type.
        let port = other.option("port", "N", .text, "a port")
        #expect(throws: Failure.self) { try Values(given: ["--port": 7])[port] }
        #expect(try Values(given: ["--port": "7"])[port] == "7")
    }

    @Test func anOptionThatRepeats() throws {
        var root = Command("tool", "Do things")
        let numbers = root.options("number", "N", .integer(1...9), "a number")
        root.action = { _, _ in .ok }
        func read(_ line: String) throws -> [Int] {
            let request = try Parser(root: root).parse(line.split(separator: " ").map(String.init))
            guard case .run(_, let values) = request else { return [] }
            return try values[numbers]
        }
        #expect(try read("") == [])
        #expect(try read("--number 3") == [3])
        #expect(try read("--number 3 --number=1 --number 3") == [3, 1, 3])
        #expect(throws: Failure.self) { try read("--number 3 --number 0") }
        #expect(throws: Failure.self) { try read("--number 3 --number") }
    }

    @Test func hostileWordsCannotDriveTheTerminal() {
        let run = Fixture.run(["\u{1b}[2J\n\u{202e}"])
        #expect(
            run.errors == """
                tool: '\\u{1b}[2J\\u{a}\\u{202e}' is not a command of 'tool'.
                See 'tool --help'.

                """)
    }
}
