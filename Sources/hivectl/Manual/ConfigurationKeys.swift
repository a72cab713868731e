/// The keys of `hive.json`, each with its default and what it says. Tests hold them against those that are read.
enum ConfigurationKeys {
    struct Entry {
        let key: String
        /// As it would be written; empty: there is none.
        let standard: String
        let meaning: String

        init(_ key: String, _ standard: String, _ meaning: String) {
            self.key = key
            self.standard = standard
            self.meaning = meaning
        }
    }

    static let sections: [(title: String, entries: [Entry])] = [
        ("Network", network), ("Agents", agents), ("Containers of agents", containers), ("Gateway", gateway),
        ("Roster", roster),
    ]

    private static let network = [
        Entry("network.bridge", #""hive0""#, "The bridge's name."),
        Entry(
            "network.interfacePrefix", #""hv-""#,
            "What agents' links on the host begin with; at most 5 bytes."),
        Entry(
            "network.subnet4", #""10.77.0.0/16""#,
            "Agents' IPv4 network, /8 to /30. The first host address is the host's."),
        Entry(
            "network.subnet6", #""fd77:6869:7665::/64""#,
            "Their IPv6 network, /32 to /126. With null there is no IPv6 at all on agents' links."),
        Entry("network.mtu", "1500", "Of all links, in bytes: 1280 to 65535."),
        Entry(
            "network.logGroup", "104",
            "The group of nfnetlink_log that dropped packets go to, five a second of each agent. With null there is no log."
        ),
    ]

    private static let agents = [
        Entry("agents.NAME", "", "An agent. NAME is 1 to 63 of a-z, 0-9 and -, a letter first."),
        Entry(
            "agents.NAME.web.port", "none",
            "The TCP port of the agent's page: the only one that the gateway connects to."),
        Entry(
            "agents.NAME.web.socket", "none",
            "Instead of a port: the absolute path of a unix socket, in directories that are root's, on the file system of /run/hive."
        ),
        Entry(
            "agents.NAME.egress", #""none""#,
            #""none": nothing. "internet": public addresses, masqueraded, and nothing private or special. Or an object with the keys that follow."#
        ),
        Entry(
            "agents.NAME.egress.allow", "[]",
            #"At most 256 of: an address or network, "internet", or a name of the DNS, each with ports or without: "203.0.113.0/24", "198.51.100.7:443/tcp", "[2001:db8::]/32:8000-8010/udp", "internet:443/tcp", "api.example.org:443/tcp". The host looks names up."#
        ),
        Entry("agents.NAME.egress.deny", "[]", "What of that is not allowed after all. No names."),
        Entry(
            "agents.NAME.egress.host", "[]",
            #"Ports of the host that it may use, at the bridge's own addresses only, such as "53/udp"; at most 64."#
        ),
        Entry("agents.NAME.egress.connections", "1024", "Connections at a time, 1 to 1000000."),
        Entry(
            "agents.NAME.egress.rate", "no limit",
            #"Bits per second each way, from "8kbit" to "100gbit", such as "10mbit"."#),
        Entry("agents.NAME.address4", "leased", "An address of network.subnet4."),
        Entry(
            "agents.NAME.address6", "the one with the number of address4", "An address of network.subnet6."),
        Entry(
            "agents.NAME.namespace", "/run/netns/hive-NAME, which Hive makes",
            "Somebody else's network namespace: a path, or { pid: NUMBER }. With started: NUMBER (field 22 of proc_pid_stat(5)) no "
                + "other process is taken for it that has its number later."),
        Entry(
            "agents.NAME.parent", "none",
            "The agent that this one belongs to. For people; it changes nothing."),
        Entry(
            "agents.NAME.state", "/var/lib/hive/agents/NAME/state",
            "The directory of the agent's own files, of which the dashboard shows what is asked for."),
    ]

    private static let containers = [
        Entry(
            "agents.NAME.container", "none",
            "What the agent runs in, for hived to start and stop: { nixos: NAME } or { nspawn: DIRECTORY }."),
        Entry(
            "agents.NAME.container.nixos", "", "A container of NixOS's, by its name there, such as h-alpha."),
        Entry("agents.NAME.container.nspawn", "", "A root directory that systemd-nspawn(1) runs."),
        Entry(
            "agents.NAME.container.boot", "true without a command",
            "The system in the directory is booted. Its root has CAP_SYS_ADMIN: what is read-only it can mount anew."
        ),
        Entry(
            "agents.NAME.container.command", "none",
            "With nspawn: the program that is run instead, by its path inside, and its arguments; at most 64 words."
        ),
        Entry(
            "agents.NAME.container.bind", "[]",
            "With nspawn: at most 64 paths of the host that show inside under the same names."),
        Entry(
            "agents.NAME.container.bindReadOnly", "[]", "The same, of which nothing can be changed inside."),
    ]

    private static let gateway = [
        Entry("gateway.enable", "false", "Something is served."),
        Entry("gateway.listen", #"["127.0.0.1:8420"]"#, "Addresses with ports, and unix:/PATH."),
        Entry(
            "gateway.serverNames", "[]",
            "What browsers may call the host besides localhost and its addresses. All else is refused."),
        Entry(
            "gateway.tls.certificate", "none",
            "A file in PEM; with it all listeners but unix sockets speak TLS."),
        Entry("gateway.tls.key", "none", "Its key."),
        Entry(
            "gateway.auth.basicFile", "none", "A file of names and password hashes, as htpasswd(1) makes it."),
        Entry(
            "gateway.auth.clientCertificates", "none",
            "A file with the certificates of authorities that sign operators' certificates."),
        Entry(
            "gateway.user", #""www-data""#,
            "As whom nginx connects to agents: the only user besides root who can. If it is written down it has to exist."
        ),
        Entry(
            "gateway.mode", #""path""#,
            #"Where agents' pages are: "path", at /agent/NAME/, or "subdomain", at NAME.DOMAIN."#),
        Entry("gateway.domain", "none", "With mode subdomain: what follows agents' names."),
        Entry("gateway.dashboard", #""/run/hive/web.sock""#, "Where the dashboard speaks SCGI."),
        Entry(
            "gateway.rotation", "3600",
            "Seconds, 60 to 604800: how long a page's token is given out, and how long it is good after that."
        ),
        Entry("gateway.limits.connections", "64", "Connections to one agent's page at a time."),
        Entry("gateway.limits.rate", "100", "Requests a second to one agent's page."),
        Entry("gateway.limits.body", "1073741824", "Bytes of a request's body; 0 for no limit."),
        Entry("gateway.limits.time", "300", "Seconds for which an agent may be silent while it answers."),
    ]

    private static let roster = [
        Entry(
            "roster.hostSocket", "none",
            "The absolute path of a core daemon's unix socket: its agents join those of the configuration."),
        Entry(
            "roster.grace", "30",
            "Seconds, 0 to 3600, for which an agent that it no longer names keeps its network."),
    ]
}
