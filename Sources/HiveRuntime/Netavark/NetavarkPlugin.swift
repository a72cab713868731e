internal import Glibc
internal import HiveCore
internal import HiveNet
internal import HiveWatch
internal import HiveWire

/// The plugin `hive-netavark`, for podman's networks of the driver `hive-netavark` (netavark, plugin-API.md, API 1.0.0): each container
/// of such a network is an agent of the hive.
public enum NetavarkPlugin {
    static let version = CNIPlugin.version

    struct Failure: Encodable { let error: String }
    struct Info: Encodable {
        let version = NetavarkPlugin.version
        let apiVersion = "1.0.0"
        enum CodingKeys: String, CodingKey {
            case version
            case apiVersion = "api_version"
        }
    }
    struct Status: Encodable {
        struct Subnet: Encodable {
            let gateway, ipnet: String
        }
        struct Interface: Encodable {
            let macAddress: String
            let subnets: [Subnet]
            enum CodingKeys: String, CodingKey {
                case macAddress = "mac_address"
                case subnets
            }
        }
        let searchDomains: [String] = []
        let serverIPs: [String] = []
        let interfaces: [String: Interface]
        enum CodingKeys: String, CodingKey {
            case searchDomains = "dns_search_domains"
            case serverIPs = "dns_server_ips"
            case interfaces
        }
    }

    /// Runs one call.
    /// - Parameters:
    ///   - arguments: the subcommand, and with `setup` and `teardown` the path of the container's network namespace.
    ///   - input: JSON; not read with `info`.
    static func run(_ arguments: [String], input: () -> [UInt8], note: @escaping (String) -> Void) -> (
        output: String, status: Int32
    ) {
        do {
            switch (arguments.first ?? "", arguments.count) {
            case ("info", 1): return (JSONValue.text(Info()) + "\n", 0)
            case ("create", 1): return (JSONValue.text(try create(try JSONValue(input()))) + "\n", 0)
            case ("setup", 2):
                return (JSONValue.text(try setup(arguments[1], try JSONValue(input()), note)) + "\n", 0)
            case ("teardown", 2):
                let call = try NetavarkCall(try JSONValue(input()), isLeaving: true)
                try Attaching(session: call.network.session(note)).detach(call.attachment)
                return ("", 0)
            default:
                throw RuntimeFault(
                    .environment,
                    "hive-netavark is called by netavark: create, setup NETNS, teardown NETNS or info, with JSON on standard input"
                )
            }
        } catch {
            let fault = RuntimeFault(error)
            let words = fault.message + (fault.details.isEmpty ? "" : ": \(fault.details)")
            return (JSONValue.text(Failure(error: "hive-netavark: \(words)")) + "\n", 1)
        }
    }

    /// Looks at a network that is to be, and says what it is.
    private static func create(_ network: JSONValue) throws -> JSONValue {
        _ = try NetavarkNetwork(network)
        guard var members = network.object else { return network }
        if let subnets = members["subnets"], !subnets.isEmpty {
            throw RuntimeFault(
                .unsupportedField,
                "subnets are \(subnets.shown), but addresses are of the hive's own subnets: leave --subnet out"
            )
        }
        // Its name server would be on the host, where no agent gets to.
        members["dns_enabled"] = .bool(false)
        members["subnets"] = .array([])
        return .object(members)
    }

    private static func setup(_ namespace: String, _ input: JSONValue, _ note: @escaping (String) -> Void)
        throws
        -> Status
    {
        let call = try NetavarkCall(input)
        let settings = try call.settings()
        let attached = try Attaching(session: call.network.session(note)).attach(
            call.attachment, hint: call.containerName, settings, namespace: namespace)
        return Status(interfaces: [
            attached.link: Status.Interface(
                macAddress: attached.mac,
                subnets: attached.addresses.map { Status.Subnet(gateway: $0.gateway, ipnet: $0.address) })
        ])
    }

    /// Does what the process was called for, and ends it.
    public static func main() -> Never {
        signal(SIGPIPE, SIG_IGN)
        let (output, status) = run(
            Array(CommandLine.arguments.dropFirst()), input: RuntimeStreams.input,
            note: RuntimeStreams.note("hive-netavark"))
        exit(RuntimeStreams.write(output) ? status : 74)
    }
}
