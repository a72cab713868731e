import HiveCommand

extension Hivectl {
    /// Pages of the manual that are not a command's.
    static func pages(_ book: ManualPage.Book) -> [ManualPage] { [configurationPage(book), cniPage(book)] }

    private static func configurationPage(_ book: ManualPage.Book) -> ManualPage {
        var body = Roff()
        body.section("Description")
        body.paragraphs(
            """
            The configuration of a hive, /etc/hive/hive.json, says which agents there are and what they may reach. It is JSON5: \
            comments, names without quotes and trailing commas are good.

            Unknown and duplicate keys, wrong types and values that do not fit together are errors that name file, line, key and \
            value, and then nothing is changed. A running watcher keeps what it has applied before.

            Agents that were added at run time are in files of their own, agents.d/NAME.json in the state directory, with the keys \
            that follow agents.NAME here. (Those that container runtimes have made have a key attachment besides, which is theirs.)
            """)
        body.section("Keys")
        for section in ConfigurationKeys.sections {
            body.subsection(section.title)
            for entry in section.entries {
                let standard = entry.standard.isEmpty ? "" : " Default: \(entry.standard)."
                body.item(Roff.bold(entry.key), entry.meaning + standard)
            }
        }
        body.section("Files")
        for (path, meaning) in [
            ("/etc/hive/hive.json", "The configuration."),
            ("/var/lib/hive/agents.d/NAME.json", "An agent of 'hivectl net add', or of a container runtime."),
            ("/var/lib/hive/leases.json", "Which agent has which address."),
            ("/var/lib/hive/names.json", "What names of the DNS in policies stand for."),
            ("/run/netns/hive-NAME", "The network namespace of an agent."),
        ] { body.item(Roff.bold(path), meaning) }
        body.section("Examples")
        body.example([
            "{",
            "  gateway: { enable: true },",
            "  agents: {",
            "    alpha: { web: { port: 8080 }, egress: \"internet\" },",
            "    beta: {",
            "      egress: { allow: [\"api.example.org:443/tcp\"], host: [\"53/udp\"] },",
            "      container: { nspawn: \"/var/lib/machines/beta\", command: [\"/usr/bin/agent\"] },",
            "    },",
            "    gamma: {}, // reaches nothing",
            "  },",
            "}",
        ])
        body.section("See also")
        body.line("\(Roff.bold("hivectl"))(8),\n\(Roff.bold("hived"))(8)")
        return ManualPage(
            name: "hive.json", section: 5, abstract: "configuration of the agents of a hive", book, body: body
        )
    }

    private static func cniPage(_ book: ManualPage.Book) -> ManualPage {
        var body = Roff()
        body.section("Description")
        body.paragraphs(
            """
            A plugin of CNI, version 1.1.0 (results of 0.3.0 to 1.0.0 as well). Each container of its networks is an agent of the \
            hive: it has one link, called eth0, an address that Hive leases, and the boundary. A container runtime calls it, with \
            CNI_COMMAND and the like in the environment and the configuration of a network on standard input.

            hive-netavark is the same for networks of podman's with the driver hive-netavark.
            """)
        body.section("Configuration")
        for (key, meaning) in [
            (
                "egress",
                "What containers of the network may reach, as agents.NAME.egress of hive.json(5). Default: \"none\"."
            ),
            ("web.port", "The TCP port that the gateway may connect to. Default: none."),
            (
                "config",
                "The hive's configuration. Default: /etc/hive/hive.json; without such a file all defaults hold."
            ),
            ("state", "The directory of leases and of agents. Default: /var/lib/hive."),
            ("socket", "Where the watcher listens, if one runs. Default: /run/hive/net.sock."),
            ("dns", "Handed back as it is."),
        ] { body.item(Roff.bold(key), meaning) }
        body.section("Exit status")
        body.paragraphs(
            "0 when done. 1 with an error of CNI as JSON on standard output: its numbers are those of the specification, and from 100 on "
                + "100 for what the kernel did not end up as, 101 for a damaged file, 102 for no permission, 104 for a container that is "
                + "attached already, and 110 for what CHECK found to differ.")
        body.section("Examples")
        body.paragraphs("A network, /etc/cni/net.d/10-agents.conflist:")
        body.example([
            "{ \"cniVersion\": \"1.1.0\", \"name\": \"agents\",",
            "  \"plugins\": [ { \"type\": \"hive-cni\", \"egress\": \"internet\", \"web\": { \"port\": 8080 } } ] }",
        ])
        body.section("See also")
        body.line("\(Roff.bold("hivectl"))(8),\n\(Roff.bold("hive.json"))(5)")
        return ManualPage(
            name: "hive-cni", section: 8, abstract: "make the containers of a runtime agents of a hive", book,
            body: body)
    }
}
