import Dispatch
import Glibc
import HiveNet
import Synchronization
import Testing

@testable import HiveCore

@Suite struct AgentDirectoryTests {
    private static let all = AgentSettings(
        webPort: 8080, egress: .internet, address4: IPv4Address("10.77.0.9"),
        address6: IPv6Address("fd77:6869:7665::9"),
        namespace: .path("/run/netns/\"a\\b\n"))

    @Test func addedListedRemoved() throws {
        let directory = try TemporaryDirectory()
        let agents = directory.state.agents
        #expect(try agents.agents().isEmpty)
        try agents.add("alpha", Self.all, besides: nil)
        try agents.add("beta", AgentSettings(), besides: nil)
        try agents.add("gamma", AgentSettings(namespace: .process(77, started: 4711)), besides: nil)
        #expect(
            try agents.agents() == [
                "alpha": Self.all, "beta": AgentSettings(),
                "gamma": AgentSettings(namespace: .process(77, started: 4711)),
            ])
        #expect(directory.mode("state/agents.d") == 0o755)
        #expect(directory.mode("state/agents.d/alpha.json") == 0o644)
        try agents.remove("alpha", besides: nil)
        #expect(try agents.agents().keys.sorted() == ["beta", "gamma"])
    }

    @Test func errorsSayWhy() throws {
        let directory = try TemporaryDirectory()
        let agents = directory.state.agents
        let configuration = try Configuration(
            text: Array("{ agents: {\n alpha: {} } }".utf8), file: "hive.json")
        try agents.add("beta", AgentSettings(), besides: configuration)
        func sentence(_ body: () throws -> Void) -> String? {
            let error = #expect(throws: HiveError.self) { try body() }
            #expect(error?.sysexit == 64)
            return error.map(directory.without)
        }
        #expect(
            sentence { try agents.add("beta", AgentSettings(), besides: nil) }
                == "cannot add the agent \"beta\": DIR/state/agents.d/beta.json exists already")
        #expect(
            sentence { try agents.add("alpha", AgentSettings(), besides: configuration) }
                == "the agent \"alpha\" cannot be changed here, for it is in hive.json:2 already")
        #expect(
            sentence { try agents.add("../x", AgentSettings(), besides: nil) }
                == "\"../x\" is not a name for an agent: it must be 1 to 63 of a-z, 0-9 and -, starting with a letter"
        )
        #expect(
            sentence { try agents.remove("alpha", besides: configuration) }
                == "the agent \"alpha\" cannot be changed here, for it is in hive.json:2: remove it there")
        #expect(
            sentence { try agents.remove("btea", besides: configuration) }
                == "there is no agent \"btea\"; did you mean \"beta\"?")
        #expect(
            sentence { try agents.remove("zeta-zeta", besides: nil) } == "there is no agent \"zeta-zeta\"")
        #expect(
            sentence { try agents.remove("../leases", besides: nil) }
                == "\"../leases\" is not a name for an agent: it must be 1 to 63 of a-z, 0-9 and -, starting with a letter"
        )
        #expect(try agents.agents().keys.sorted() == ["beta"])
    }

    @Test func temporaryFilesAreNotAgents() throws {
        let directory = try TemporaryDirectory()
        let agents = directory.state.agents
        try agents.add("beta", AgentSettings(), besides: nil)
        try directory.write("{ \"we", to: "state/agents.d/.alpha.json.4711.tmp")
        try directory.write("", to: "state/agents.d/.other")
        #expect(try agents.agents().keys.sorted() == ["beta"])
        try agents.add("alpha", AgentSettings(), besides: nil)
        #expect(try DurableFile.entries(of: agents.path) == [".other", "alpha.json", "beta.json"])
    }

    @Test func filesAreReadStrictly() throws {
        let directory = try TemporaryDirectory()
        let agents = directory.state.agents
        try agents.add("beta", AgentSettings(), besides: nil)
        func sentence(_ name: String, _ make: (String) throws -> Void) throws -> String? {
            try make("\(agents.path)/\(name)")
            defer { _ = Glibc.remove("\(agents.path)/\(name)") }
            let error = #expect(throws: HiveError.self) { try agents.agents() }
            #expect(error?.sysexit == 78)
            return error.map(directory.without)
        }
        func text(_ text: String) -> (String) throws -> Void {
            { _ in try directory.write(text, to: "state/agents.d/alpha.json") }
        }
        #expect(
            try sentence("alpha.json", text("{\n web: { prot: 1 } }"))
                == "DIR/state/agents.d/alpha.json:2: web.prot is not a known key; did you mean \"port\"?")
        #expect(
            try sentence("alpha.json", text(""))
                == "DIR/state/agents.d/alpha.json: the file is empty; it must hold a JSON object")
        #expect(
            try sentence("alpha.json", text("[]"))
                == "DIR/state/agents.d/alpha.json: the file is a list, but must be an object")
        #expect(
            try sentence("alpha.json") { _ = symlink("beta.json", $0) }
                == "DIR/state/agents.d/alpha.json is a symbolic link, but must be a regular file")
        #expect(
            try sentence("alpha.json") { _ = mkfifo($0, 0o644) }
                == "DIR/state/agents.d/alpha.json is not a regular file")
        #expect(
            try sentence("alpha.json") { _ = mkdir($0, 0o755) }
                == "DIR/state/agents.d/alpha.json is not a regular file")
        #expect(
            try sentence("Alpha.json") { _ in try directory.write("{}", to: "state/agents.d/Alpha.json") }
                == "DIR/state/agents.d holds \"Alpha.json\", which is not the name of an agent (1 to 63 of a-z, 0-9 and -, starting with a letter) followed by .json; rename it or move it away"
        )
        #expect(
            try sentence("beta.json~") { _ in try directory.write("{}", to: "state/agents.d/beta.json~") }?
                .hasPrefix("DIR/state/agents.d holds \"beta.json~\", which is not") == true)
        #expect(try agents.agents().keys.sorted() == ["beta"])
    }

    @Test func aFileThatCannotBeReadCanBeRemoved() throws {
        let directory = try TemporaryDirectory()
        let agents = directory.state.agents
        try agents.add("beta", AgentSettings(), besides: nil)
        try directory.write("{ nonsense", to: "state/agents.d/beta.json")
        #expect(throws: HiveError.self) { try agents.agents() }
        try agents.remove("beta", besides: nil)
        #expect(try agents.agents().isEmpty)
    }

    @Test func ofManyWhoAddTheSameAgentOneSucceeds() throws {
        let directory = try TemporaryDirectory()
        let agents = directory.state.agents
        let successes = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            let settings = AgentSettings(webPort: UInt16(index + 1))
            if (try? agents.add("alpha", settings, besides: nil)) != nil {
                successes.add(1, ordering: .relaxed)
            }
        }
        let successesNow = successes.load(ordering: .relaxed)
        #expect(successesNow == 1)
        #expect(try agents.agents()["alpha"]?.webPort != nil)
    }
}

@Suite struct LoadTests {
    @Test func aMissingConfiguration() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/hive.json"
        func sentence(_ explicit: Bool) -> String? {
            let error = #expect(throws: HiveError.self) {
                try Hive.load(configPath: path, explicit: explicit, stateDirectory: directory.state)
            }
            #expect(error?.sysexit == 78)
            return error.map(directory.without)
        }
        #expect(
            sentence(false)
                == "there is no DIR/hive.json: write one, for example { agents: { alpha: { web: { port: 8080 } } } }, or add an agent with: hivectl net add NAME"
        )
        #expect(sentence(true) == "cannot read DIR/hive.json: No such file or directory")

        let empty = try Hive.load(configPath: path, stateDirectory: directory.state, canBeEmpty: true)
        #expect(empty.agents.isEmpty)
        #expect(
            try empty.adding("alpha", AgentSettings(), in: directory.state.agents).agents.map(\.name) == [
                "alpha"
            ])
        try directory.state.agents.add("alpha", AgentSettings(), besides: empty.configuration)
        #expect(
            try Hive.load(configPath: path, stateDirectory: directory.state).agents.map(\.name) == ["alpha"])
        #expect(sentence(true) == "cannot read DIR/hive.json: No such file or directory")
    }

    @Test func aFileThatCannotBeRead() throws {
        let directory = try TemporaryDirectory()
        let error = #expect(throws: HiveError.self) { try Configuration(path: directory.path) }
        #expect(error.map(directory.without) == "cannot read DIR: Is a directory")
        #expect(error?.sysexit == 74)
        #expect(
            HiveError(cannot: "read x", errno: EACCES)
                == HiveError(.noPermission, "cannot read x: Permission denied"))
        #expect(throws: HiveError(.configuration, "/dev/zero is larger than 16 MiB")) {
            try Configuration(path: "/dev/zero")
        }
        #expect(throws: HiveError(.configuration, "/dev/null: the file is empty; it must hold a JSON object"))
        {
            try Configuration(path: "/dev/null")
        }
    }

    @Test func aFileThatOnlyOthersMayRead() throws {
        let directory = try TemporaryDirectory()
        try directory.write("{}", to: "hive.json")
        let path = "\(directory.path)/hive.json"
        // setfsuid(2) is not in Swift's module of the C library.
        let symbol = try #require(dlsym(nil, "setfsuid"))
        let become = unsafeBitCast(symbol, to: (@convention(c) (uid_t) -> Int32).self)
        #expect(chmod(path, 0) == 0 && chmod(directory.path, 0o755) == 0)
        let error = #expect(throws: HiveError.self) {
            // Root may read everything, so this thread is somebody else for as long as it takes.
            let user = become(65534)
            defer { _ = become(uid_t(user)) }
            _ = try Configuration(path: path)
        }
        #expect(error.map(directory.without) == "cannot read DIR/hive.json: Permission denied")
        #expect(error?.sysexit == 77)
        #expect(chmod(path, 0o600) == 0)
        #expect(throws: Never.self) { try Configuration(path: path) }
    }

    @Test func theWholeWay() throws {
        let directory = try TemporaryDirectory()
        try directory.write("{ agents: {\n alpha: {}, beta: { address4: '10.77.0.5' } } }", to: "hive.json")
        func load() throws -> Hive {
            try Hive.load(
                configPath: "\(directory.path)/hive.json", explicit: true, stateDirectory: directory.state)
        }
        let first = try load()
        // Nothing is written by looking.
        #expect(try DurableFile.entries(of: directory.path) == ["hive.json"])
        let next = try first.adding("able", AgentSettings(), in: directory.state.agents)
        try directory.state.agents.add("able", AgentSettings(), besides: first.configuration)
        try next.leases.save(directory.state)
        let second = try load()
        #expect(second.agents == next.agents)
        #expect(!second.leasesChanged)
        // It was decided together with alpha's, in the order of the names.
        #expect(
            second.agents.map { "\($0.name) \($0.address4)" } == [
                "able 10.77.0.2", "alpha 10.77.0.3", "beta 10.77.0.5",
            ])

        let taken = #expect(throws: HiveError.self) {
            try second.adding(
                "gamma", AgentSettings(address4: IPv4Address("10.77.0.5")), in: directory.state.agents)
        }
        #expect(
            taken.map(directory.without)
                == "DIR/state/agents.d/gamma.json:2: address4 is 10.77.0.5, which the agent \"beta\" has too (DIR/hive.json:2)"
        )
        #expect(throws: HiveError.self) {
            try second.adding("able", AgentSettings(), in: directory.state.agents)
        }

        try directory.write("{}", to: "state/agents.d/alpha.json")
        let twice = #expect(throws: HiveError.self) { try load() }
        #expect(
            twice.map(directory.without)
                == "DIR/state/agents.d/alpha.json: the agent \"alpha\" is in DIR/hive.json:2 already; remove one of the two"
        )
    }
}

@Suite struct FileLockTests {
    @Test func oneAtATime() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/lock"
        let inside = Atomic(0)
        let most = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<5 {
                guard let lock = try? FileLock(path: path) else { continue }
                let now = inside.add(1, ordering: .sequentiallyConsistent).newValue
                most.max(now, ordering: .sequentiallyConsistent)
                usleep(500)
                inside.subtract(1, ordering: .sequentiallyConsistent)
                _ = consume lock
            }
        }
        let mostNow = most.load(ordering: .sequentiallyConsistent)
        #expect(mostNow == 1)
        #expect(directory.mode("lock") == 0o600)
    }

    @Test func whoWaitsLongIsTold() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/lock"
        let calls = Atomic(0)
        let holder = Atomic(Int32(0))
        let done = Atomic(false)
        let first = try FileLock(path: path) { _ in calls.add(100, ordering: .relaxed) }
        let waiter = DispatchWorkItem {
            let second = try? FileLock(path: path, patience: .milliseconds(30)) { pid in
                calls.add(1, ordering: .relaxed)
                holder.store(pid ?? -1, ordering: .relaxed)
            }
            done.store(second != nil, ordering: .relaxed)
        }
        DispatchQueue.global().async(execute: waiter)
        while calls.load(ordering: .relaxed) == 0 { usleep(1000) }
        let early = done.load(ordering: .relaxed)
        #expect(!early)
        _ = consume first
        waiter.wait()
        let late = done.load(ordering: .relaxed)
        #expect(late)
        let callsNow = calls.load(ordering: .relaxed)
        #expect(callsNow == 1)
        let holderNow = holder.load(ordering: .relaxed)
        #expect(holderNow == getpid())
    }

    @Test func aLinkIsNotFollowed() throws {
        let directory = try TemporaryDirectory()
        #expect(symlink("target", "\(directory.path)/lock") == 0)
        let error = #expect(throws: HiveError.self) { _ = try FileLock(path: "\(directory.path)/lock") }
        #expect(error.map(directory.without) == "cannot lock DIR/lock: Too many levels of symbolic links")
        #expect(try DurableFile.entries(of: directory.path) == ["lock"])
    }
}
