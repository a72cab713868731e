import Foundation
import Glibc

/// A container runtime on a lab's host: it makes network namespaces, and calls hive-cni as libcni does.
final class RuntimeLab: @unchecked Sendable {
    let lab: Lab
    static let directory = (Lab.hivectlPath as NSString).deletingLastPathComponent
    static let cni = directory + "/hive-cni"
    static let netavark = directory + "/hive-netavark"

    struct Call: CustomStringConvertible {
        let status: Int32
        /// What standard output was, if it was JSON.
        let json: [String: Any]
        let output: String
        let words: String
        var code: Int? { json["code"] as? Int }
        var message: String { json["msg"] as? String ?? json["error"] as? String ?? "" }
        var addresses: [String] {
            (json["ips"] as? [[String: Any]])?.compactMap { $0["address"] as? String } ?? []
        }
        var description: String { "status \(status), \(output) \(words)" }
    }

    init(configuration: String = "{}") throws {
        lab = try Lab()
        try lab.write(configuration: configuration)
        try lab.must("mkdir -p \(Lab.state)")
    }

    /// The configuration of a network, as JSON.
    static func network(_ name: String = "agents", version: String = "1.1.0", with more: [String: Any] = [:])
        -> [String: Any]
    {
        let base: [String: Any] = [
            "cniVersion": version, "name": name, "type": "hive-cni", "config": Lab.configuration,
            "state": Lab.state,
        ]
        return base.merging(more) { $1 }
    }

    /// A container's namespace, and its path.
    @discardableResult
    func container(_ name: String) throws -> String {
        try lab.ip("netns add \(name)")
        try lab.ip(in: name, "link set lo up")
        return "/run/netns/\(name)"
    }

    func cni(
        _ verb: String, _ container: String = "", _ network: [String: Any] = RuntimeLab.network(),
        interface: String = "eth0", namespace: String? = nil, arguments: String = "IgnoreUnknown=1"
    ) throws -> Call {
        var variables = ["CNI_COMMAND=\(verb)", "CNI_PATH=/opt/cni/bin"]
        if !container.isEmpty {
            variables += [
                "CNI_CONTAINERID=\(container)", "CNI_IFNAME=\(interface)", "CNI_ARGS=\(arguments)",
                "CNI_NETNS=\(namespace ?? "/run/netns/\(container)")",
            ]
        }
        return try call(["env"] + variables, [Self.cni], JSONSerialization.data(withJSONObject: network))
    }

    /// - Parameter input: of standard input.
    func call(_ before: [String], _ arguments: [String], _ input: Data) throws -> Call {
        let file = "/run/lab/input-\(UInt64.random(in: 0...UInt64.max))"
        try lab.write(String(decoding: input, as: UTF8.self), to: file)
        let result = try lab.run(before + ["sh", "-c", "exec \"$@\" < \(file)", "sh"] + arguments)
        let json = try? JSONSerialization.jsonObject(with: Data(result.stdout.utf8)) as? [String: Any]
        return Call(status: result.status, json: json ?? [:], output: result.stdout, words: result.stderr)
    }

    /// ADD, which has to succeed.
    func add(_ container: String, _ network: [String: Any] = RuntimeLab.network()) throws -> Call {
        let call = try cni("ADD", container, network)
        guard call.status == 0, call.addresses.count == 2 else { throw LabError("ADD \(container): \(call)") }
        return call
    }

    /// The IPv4 address that ADD gave.
    static func address(_ call: Call) throws -> String {
        guard let text = call.addresses.first?.split(separator: "/").first else {
            throw LabError("no address: \(call)")
        }
        return String(text)
    }

    /// The same for many containers, by as many processes at the same time.
    /// - Parameter containers: with their namespaces' paths.
    func atOnce(_ verb: String, _ containers: [(name: String, path: String)], _ network: [String: Any])
        throws -> [Call]
    {
        let directory = "/run/lab/at-once-\(UInt64.random(in: 0...UInt64.max))"
        try lab.must("mkdir \(directory)")
        let input = try JSONSerialization.data(withJSONObject: network)
        try lab.write(String(decoding: input, as: UTF8.self), to: "\(directory)/network")
        var script = "cd \(directory)\n"
        for (index, container) in containers.enumerated() {
            script +=
                "(CNI_COMMAND=\(verb) CNI_CONTAINERID=\(container.name) CNI_NETNS=\(container.path) CNI_IFNAME=eth0 "
                + "\"$1\" <network >out.\(index) 2>err.\(index); echo $? >code.\(index)) &\n"
        }
        try lab.write(script + "wait\n", to: "\(directory)/script")
        try lab.must("sh \(directory)/script \(Self.cni)")
        func text(_ name: String) throws -> String { try lab.must("cat \(directory)/\(name)").stdout }
        return try containers.indices.map { index in
            let output = try text("out.\(index)")
            let json = try? JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
            guard let status = Int32(try text("code.\(index)").dropLast()) else {
                throw LabError("\(verb) \(containers[index]) has no exit code")
            }
            return Call(status: status, json: json ?? [:], output: output, words: try text("err.\(index)"))
        }
    }

    /// The names of agents that there are, as `net show` has them.
    func agents() throws -> [String] {
        let shown = try lab.hivectl("net", "show", "--json").json() as? [String: Any]
        let network = shown?["network"] as? [String: Any]
        return (network?["agents"] as? [String: Any])?.keys.sorted() ?? []
    }

    /// Whether a TCP connection from a container arrives.
    func reaches(_ container: String, _ address: String, _ port: UInt16) throws -> Bool {
        try lab.thread.run(in: "/run/netns/\(container)") {
            try Socket.connect(Endpoint(address: address, port: port))
        } == .connected
    }
}
