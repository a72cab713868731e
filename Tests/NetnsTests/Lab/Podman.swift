import Foundation
import Glibc

/// podman on a lab's host, with CNI as its network backend: a client of the plugin that is not ours.
final class Podman {
    static let obstacle: String? = {
        let needed = ["podman", "crun", "conmon", "curl", "python3"].filter {
            access("/usr/bin/\($0)", X_OK) != 0
        }
        if !needed.isEmpty { return "this needs \(needed.joined(separator: ", ")) in /usr/bin" }
        return ThreatOutsideTests.hasUsers && geteuid() == 0
            ? nil : "only root of the machine can start containers"
    }()

    let runtime: RuntimeLab
    private var lab: Lab { runtime.lab }
    private static let directory = "/run/lab/podman"

    /// - Parameter networks: what hive-cni gets of each, by the networks' names; the first in the alphabet is the default.
    init(_ networks: [String: [String: Any]]) throws {
        runtime = try RuntimeLab()
        let directory = Self.directory
        try lab.must("mkdir -p \(directory)/cni \(directory)/plugins \(directory)/root/usr")
        for name in ["proc", "sys", "dev", "tmp", "etc", "run"] {
            try lab.must("mkdir \(directory)/root/\(name)")
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            try lab.must("ln -s usr/\(name) \(directory)/root/\(name)")
        }
        try lab.must("ln -s \(RuntimeLab.cni) \(directory)/plugins/hive-cni")
        // crun wants one hierarchy of control groups, and is told not to make any.
        try lab.must("mount -t cgroup2 none /sys/fs/cgroup")
        let first = networks.keys.min() ?? ""
        try lab.write(
            """
            [network]
            network_backend = "cni"
            cni_plugin_dirs = ["\(directory)/plugins"]
            network_config_dir = "\(directory)/cni"
            default_network = "\(first)"
            [engine]
            cgroup_manager = "cgroupfs"
            events_logger = "none"
            [containers]
            cgroups = "disabled"
            default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]

            """, to: "\(directory)/containers.conf")
        for (name, settings) in networks {
            var plugin = RuntimeLab.network(name, with: settings)
            plugin["cniVersion"] = nil
            plugin["name"] = nil
            let list: [String: Any] = ["cniVersion": "1.0.0", "name": name, "plugins": [plugin]]
            let text = String(decoding: try JSONSerialization.data(withJSONObject: list), as: UTF8.self)
            try lab.write(text, to: "\(directory)/cni/\(name).conflist")
        }
    }

    func run(_ arguments: [String]) throws -> CommandResult {
        let directory = Self.directory
        return try lab.run(
            [
                "env", "CONTAINERS_CONF=\(directory)/containers.conf", "podman", "--root",
                "\(directory)/store",
                "--runroot", "\(directory)/run", "--storage-driver", "vfs",
            ] + arguments)
    }

    func must(_ arguments: String...) throws -> String {
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
