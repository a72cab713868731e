import Foundation
import Glibc

/// podman on a lab's host, a client of the plugins that is not ours: Debian 12's with CNI, or Debian 13's with netavark.
final class Podman {
    enum Backend { case cni, netavark }

    static func obstacle(_ backend: Backend) -> String? {
        switch backend {
        case .netavark: return Debian13.obstacle
        case .cni:
            let needed = ["podman", "crun", "conmon", "curl", "python3"].filter {
                access("/usr/bin/\($0)", X_OK) != 0
            }
            if !needed.isEmpty { return "this needs \(needed.joined(separator: ", ")) in /usr/bin" }
            return ThreatOutsideTests.hasUsers && geteuid() == 0
                ? nil : "only root of the machine can start containers"
        }
    }

    let runtime: RuntimeLab
    /// Where it runs, if not on the host.
    private let debian: Debian13?
    private var lab: Lab { runtime.lab }
    private static let directory = "/run/lab/podman"
    private static let place = ["config": Lab.configuration, "state": Lab.state]

    /// - Parameter networks: what the plugin gets of each, by the networks' names.
    init(_ networks: [String: [String: String]], _ backend: Backend = .cni) throws {
        runtime = try RuntimeLab()
        let lab = runtime.lab
        debian =
            backend == .netavark
            ? try Debian13(lab, programs: [RuntimeLab.netavark, Lab.hivectlPath]) : nil
        try makeRoot()
        try lab.must("mkdir \(Self.directory)/plugins")
        let network: String
        switch backend {
        case .cni:
            try lab.must("ln -s \(RuntimeLab.cni) \(Self.directory)/plugins/hive-cni")
            // crun wants one hierarchy of control groups, and is told not to make any.
            try lab.must("mount -t cgroup2 none /sys/fs/cgroup")
            network = """
                network_backend = "cni"
                cni_plugin_dirs = ["\(Self.directory)/plugins"]
                default_network = "\(networks.keys.min() ?? "")"
                """
        case .netavark:
            try lab.must("ln -s \(RuntimeLab.netavark) \(Self.directory)/plugins/hive-netavark")
            network = """
                network_backend = "netavark"
                netavark_plugin_dirs = ["\(Self.directory)/plugins"]
                """
        }
        try lab.write(
            """
            [network]
            \(network)
            network_config_dir = "\(Self.directory)/networks"
            [engine]
            cgroup_manager = "cgroupfs"
            events_logger = "none"
            [containers]
            cgroups = "disabled"
            default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]

            """, to: "\(Self.directory)/containers.conf")
        for (name, settings) in networks.sorted(by: { $0.key < $1.key }) {
            switch backend {
            case .cni: try writeList(name, settings)
            case .netavark: _ = try must(["network", "create"] + Self.options(settings) + [name])
            }
        }
    }

    /// What `podman network create` is told.
    static func options(_ settings: [String: String]) -> [String] {
        ["--driver", "hive-netavark"]
            + settings.merging(place) { $1 }.sorted { $0.key < $1.key }.flatMap {
                ["--opt", "\($0.key)=\($0.value)"]
            }
    }

    private func writeList(_ name: String, _ settings: [String: String]) throws {
        var plugin = RuntimeLab.network(name, with: settings)
        plugin["cniVersion"] = nil
        plugin["name"] = nil
        let list: [String: Any] = ["cniVersion": "1.0.0", "name": name, "plugins": [plugin]]
        let text = String(decoding: try JSONSerialization.data(withJSONObject: list), as: UTF8.self)
        try lab.write(text, to: "\(Self.directory)/networks/\(name).conflist")
    }

    /// The files of every container: the host's /usr, laid over directories of its own.
    private func makeRoot() throws {
        let root = "\(Self.directory)/root"
        try lab.must("mkdir -p \(Self.directory)/networks \(root)/usr")
        for name in ["proc", "sys", "dev", "tmp", "etc", "run"] { try lab.must("mkdir \(root)/\(name)") }
        for name in ["bin", "sbin", "lib", "lib64"] { try lab.must("ln -s usr/\(name) \(root)/\(name)") }
    }

    func run(_ arguments: [String]) throws -> CommandResult {
        let directory = Self.directory
        return try lab.run(
            ["env", "CONTAINERS_CONF=\(directory)/containers.conf"] + (debian?.prefix ?? [])
                + [
                    "podman", "--root", "\(directory)/store", "--runroot", "\(directory)/run",
                    "--storage-driver", "vfs",
                ] + arguments)
    }

    /// Runs a command in a container that ends with it.
    func runOnce(_ options: [String], _ command: [String] = ["/bin/true"]) throws -> CommandResult {
        try run(
            ["run", "--rm"] + options
                + ["--volume", "/usr:/usr:ro", "--rootfs", "\(Self.directory)/root"] + command)
    }

    func must(_ arguments: String...) throws -> String { try must(arguments) }

    func must(_ arguments: [String]) throws -> String {
        let result = try run(arguments)
        guard result.status == 0 else {
            throw LabError("podman \(arguments.joined(separator: " ")): \(result)")
        }
        return result.stdout
    }

    /// Starts a container that serves a page with its name at port 8080. (If nobody ends it, it ends by itself.)
    func start(_ name: String, network: String) throws {
        let server =
            "mkdir /tmp/page; echo '\(name)s page' >/tmp/page/index.html; cd /tmp/page; "
            + "timeout 120 python3 -m http.server 8080 --bind 0.0.0.0"
        _ = try must(
            "run", "--detach", "--name", name, "--network", network, "--volume", "/usr:/usr:ro", "--tmpfs",
            "/tmp",
            "--rootfs", "\(Self.directory)/root", "/bin/sh", "-c", server)
    }

    /// What curl gets from inside, or its exit code.
    func fetch(_ name: String, _ url: String) throws -> String {
        let result = try run(["exec", name, "curl", "--silent", "--max-time", "1", url])
        return result.status == 0
            ? result.stdout.trimmingCharacters(in: .whitespacesAndNewlines) : "exit \(result.status)"
    }

    /// The network of a container, as `podman inspect` has it.
    func network(_ name: String, _ network: String) throws -> [String: Any] {
        let text = try must("inspect", name)
        let list = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
        let settings = list?.first?["NetworkSettings"] as? [String: Any]
        return (settings?["Networks"] as? [String: [String: Any]])?[network] ?? [:]
    }

    /// Also those of a test that failed.
    func end() { _ = try? run(["rm", "--all", "--force", "--time", "0"]) }
}
