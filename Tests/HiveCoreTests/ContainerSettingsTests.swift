import Testing

@testable import HiveCore

/// What an agent runs in, whose it is, and where its files are.
@Suite struct ContainerSettingsTests {
    @Test func everythingIsRead() throws {
        let found = try hive(
            """
            { agents: {
                alpha: { container: { nixos: "h-alpha" }, state: "/srv/alpha" },
                beta: { container: { nspawn: "/var/lib/machines/beta" }, parent: "alpha" },
                gamma: { parent: "beta", container: { nspawn: "/srv/gamma", boot: false,
                    command: ["/usr/bin/agent", "--x", "$HOME"], bind: ["/srv/data"], bindReadOnly: ["/usr", "/nix"] } },
                delta: {},
            } }
            """)
        #expect(found.settings["alpha"]?.container == .nixos("h-alpha"))
        #expect(found.settings["alpha"]?.state == "/srv/alpha")
        #expect(found.settings["beta"]?.container == .nspawn(.init(root: "/var/lib/machines/beta")))
        #expect(found.settings["beta"]?.parent == "alpha")
        #expect(
            found.settings["gamma"]?.container
                == .nspawn(
                    .init(
                        root: "/srv/gamma", command: ["/usr/bin/agent", "--x", "$HOME"], binds: ["/srv/data"],
                        readOnlyBinds: ["/usr", "/nix"])))
        #expect(found.settings["delta"] == AgentSettings())
        #expect(found.place(of: "beta") == "hive.json:3" && found.place(of: "nobody") == nil)
        #expect(StateDirectory("/s").state(of: "beta") == "/s/agents/beta/state")
        // What is written reads back as the same.
        for settings in found.settings.values {
            #expect(try AgentSettings(text: settings.text, file: "x") == settings, "\(settings.text)")
        }
    }

    @Test(arguments: [
        ("container: {}", "container says not what it is: write { nixos: NAME } or { nspawn: DIRECTORY }"),
        ("container: 'x'", "container is \"x\" (a string), but must be an object"),
        ("container: { nixos: 'a', nspawn: '/srv/a' }", "can be only one of the two"),
        ("container: { nixos: '' }", "container.nixos is \"\", but must be 1 to 63 of a-z, A-Z"),
        ("container: { nixos: '-a' }", "container.nixos is \"-a\", but must be"),
        ("container: { nixos: 'a@b' }", "container.nixos is \"a@b\", but must be"),
        ("container: { nixos: 'a.service' }", "container.nixos is"),
        ("container: { nixos: 'a*' }", "container.nixos is"),
        ("container: { nixos: '../a' }", "container.nixos is"),
        ("container: { nixos: 'a b' }", "container.nixos is"),
        ("container: { nixos: 'a', boot: true }", "container.boot is for nspawn alone"),
        ("container: { nixos: 'a', command: ['/x'] }", "container.command is for nspawn alone"),
        ("container: { nspwan: '/srv/a' }", "container.nspwan is not a known key; did you mean \"nspawn\"?"),
        ("container: { nspawn: 'srv/a' }", "container.nspawn is \"srv/a\", but must be an absolute path"),
        ("container: { nspawn: '/' }", "container.nspawn is \"/\", but must be"),
        ("container: { nspawn: '//' }", "container.nspawn is \"//\", which is all of the host"),
        ("container: { nspawn: '/srv/a:b' }", "container.nspawn is \"/srv/a:b\", but must be"),
        ("container: { nspawn: '/srv/../a' }", "container.nspawn is"),
        (
            "container: { nspawn: '/srv/a', boot: false }",
            "container.boot is false, so there must be a command"
        ),
        (
            "container: { nspawn: '/srv/a', boot: true, command: ['/x'] }",
            "container.boot is true, but there is a command"
        ),
        ("container: { nspawn: '/srv/a', command: [] }", "container.command must have 1 to 64 words"),
        (
            "container: { nspawn: '/srv/a', command: ['x'] }",
            "container.command[0] is \"x\", but must be an absolute path"
        ),
        (
            "container: { nspawn: '/srv/a', command: ['/x', 'a\\0'] }",
            "container.command[1] may have at most 4096 bytes, and no NUL"
        ),
        (
            "container: { nspawn: '/srv/a', command: '/x' }",
            "container.command is \"/x\" (a string), but must be a list"
        ),
        (
            "container: { nspawn: '/srv/a', bind: ['/run'] }",
            "container.bind[0] is \"/run\", which lies in /run/hive"
        ),
        (
            "container: { nspawn: '/srv/a', bind: ['/var/run/hive/x'] }",
            "which lies in /run/hive or has it inside"
        ),
        (
            "container: { nspawn: '/srv/a', bindReadOnly: ['/proc/1'] }",
            "container.bindReadOnly[0] is \"/proc/1\", which lies in /proc"
        ),
        ("container: { nspawn: '/srv/a', bind: ['/a', 'b'] }", "container.bind[1] is \"b\", but must be"),
        ("parent: 'A'", "parent is \"A\", but must be the name of an agent"),
        ("parent: 'beta'", "parent is \"beta\", but there is no such agent"),
        ("parent: 'alpha'", "parent is \"alpha\", which is the agent itself"),
        ("state: 'x'", "state is \"x\", but must be an absolute path"),
        ("state: '/sys/x'", "state is \"/sys/x\", which lies in /sys"),
    ])
    func whatIsWrongIsSaid(_ text: String, _ words: String) throws {
        let found = problem("{ agents: {\n alpha: { \(text) } } }")
        #expect(
            found?.description.hasPrefix("hive.json:2: agents.alpha.") == true, "\(found?.description ?? "-")"
        )
        #expect(found?.description.contains(words) == true, "\(found?.description ?? "nothing")")
    }

    @Test func agentsAgree() {
        #expect(
            problem("{ agents: { a: { parent: 'c' }, b: { parent: 'a' }, c: { parent: 'b' } } }")?.description
                == "hive.json:1: agents.a.parent is \"c\", which makes a circle: a, c, b, a")
        #expect(
            problem("{ agents: { alpha: {}, b: { parent: 'alhpa' } } }")?.description
                == "hive.json:1: agents.b.parent is \"alhpa\", but there is no such agent; did you mean \"alpha\"?"
        )
        // Somebody who follows a circle is none of it, and does not go round for ever.
        #expect(problem("{ agents: { a: { parent: 'b' }, b: { parent: 'c' }, c: { parent: 'b' } } }") != nil)
        #expect(
            problem("{ agents: { a: { container: { nixos: 'x' } }, b: { container: { nixos: 'x' } } } }")?
                .description
                == "hive.json:1: agents.b.container is the container \"x\" of NixOS's, which the agent \"a\" is in already (hive.json:1)"
        )
        #expect(
            problem(
                "{ agents: { a: { container: { nspawn: '/x' } }, b: { container: { nspawn: '//x/' } } } }")?
                .description.contains("which the agent \"a\" is in already") == true)
        #expect(
            problem("{ agents: { a: { state: '/x' }, b: { state: '/x/' } } }")?.description.contains(
                "that of the agent \"a\"") == true)
        #expect(
            problem("{ agents: { a: { container: { nixos: 'x' } }, b: { container: { nspawn: '/x' } } } }")
                == nil)
    }

    /// Without its parent an agent would be wrong, and nothing could be applied.
    @Test func parentsAreNotRemoved() throws {
        let directory = try TemporaryDirectory()
        let agents = directory.state.agents
        try agents.add("alpha", AgentSettings(), besides: nil)
        try agents.add("beta", AgentSettings(parent: "alpha"), besides: nil)
        let error = #expect(throws: HiveError.self) { try agents.remove("alpha", besides: nil) }
        #expect(
            error?.description.contains("\"alpha\" cannot be removed: it is the parent of \"beta\"") == true)
        #expect(throws: HiveError.self) { try agents.checkRemoval(of: "alpha", besides: nil) }
        #expect(throws: HiveError.self) { try agents.checkRemoval(of: "gamma", besides: nil) }
        try agents.checkRemoval(of: "beta", besides: nil)
        try agents.remove("beta", besides: nil)
        try agents.remove("alpha", besides: nil)
    }
}
