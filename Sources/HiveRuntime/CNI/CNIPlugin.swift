internal import HiveCore
internal import HiveNet
internal import HiveWatch
internal import HiveWire

/// The plugin `hive-cni` (CNI specification 1.1.0): each container of a network is an agent of the hive.
public enum CNIPlugin {
    /// Runs one call.
    /// - Parameters:
    ///   - variable: of the environment.
    ///   - input: what came on standard input.
    ///   - note: hears what a person should read, on standard error.
    /// - Returns: what goes to standard output, and the status to exit with.
    static func run(variable: (String) -> String?, input: [UInt8], note: @escaping (String) -> Void) -> (
        output: String, status: Int32
    ) {
        let json = try? JSONValue(input)
        do {
            return (try answer(CNICall(variable), try JSONValue(input), note), 0)
        } catch {
            let fault = RuntimeFault(error)
            let failure = CNIAnswer.Failure(
                cniVersion: CNINetwork.version(of: json), code: fault.code.rawValue, msg: fault.message,
                details: fault.details.isEmpty ? nil : fault.details)
            return (JSONValue.text(failure) + "\n", 1)
        }
    }

    private static func answer(_ call: CNICall, _ input: JSONValue, _ note: @escaping (String) -> Void) throws
        -> String
    {
        if call.verb == .version {
            return JSONValue.text(CNIAnswer.Versions(cniVersion: CNINetwork.version(of: input))) + "\n"
        }
        let network = try CNINetwork(input, for: call.verb)
        let attaching = Attaching(
            session: Session(
                configPath: network.configPath, state: StateDirectory(network.statePath),
                socket: network.socket,
                note: note))
        let attachment = Attachment(
            network: network.name, container: call.container, interface: call.interface)
        switch call.verb {
        case .add:
            let namespace = call.namespace ?? ""
            let attached = try attaching.attach(
                attachment, hint: call.arguments["K8S_POD_NAME"], try settings(network, call),
                namespace: namespace)
            return JSONValue.text(CNIAnswer.result(attached, network, namespace: namespace)) + "\n"
        case .del: try attaching.detach(attachment)
        case .check:
            guard let previous = network.previousAddresses else {
                throw RuntimeFault(.configuration, "CHECK needs the result of ADD, prevResult")
            }
            try check(try attaching.check(attachment), hasHad: previous)
        case .gc:
            guard let valid = network.valid else {
                throw RuntimeFault(.configuration, "GC needs the list cni.dev/valid-attachments")
            }
            try attaching.collect(network: network.name, keeping: valid)
        case .status:
            do { try attaching.checkReadiness() } catch {
                let fault = RuntimeFault(error)
                throw RuntimeFault(.unavailable, fault.message, details: fault.details)
            }
        case .version: break
        }
        return ""
    }

    private static func settings(_ network: CNINetwork, _ call: CNICall) throws(RuntimeFault) -> AgentSettings
    {
        guard call.interface == Attaching.link else { throw Attaching.refusal(ofLink: call.interface) }
        if let mac = call.arguments["MAC"] { throw Attaching.refusal(ofMAC: mac) }
        var settings = network.settings
        if let address = call.arguments["IP"] { try settings.take(address: address) }
        return settings
    }

    private static func check(_ attached: Attaching.Attached, hasHad previous: [String]) throws(RuntimeFault)
    {
        let now = Set(
            attached.addresses.compactMap { $0.address.split(separator: "/").first.map(String.init) })
        guard Set(previous).isSubset(of: now), !previous.isEmpty else {
            throw RuntimeFault(
                .drift,
                "the result of ADD has the addresses \(previous.joined(separator: ", ")), and the agent \(attached.agent) has "
                    + now.sorted().joined(separator: ", "))
        }
    }
}

extension Attaching {
    /// The link's name inside. A hive has one link in a container, and no other leads out of it.
    static let link = "eth0"

    static func refusal(ofLink name: String) -> RuntimeFault {
        RuntimeFault(
            .environment,
            "the link is to be called \(quoted(name)) inside, but Hive's is \(link): a container that is kept apart has no other network"
        )
    }

    static func refusal(ofMAC address: String) -> RuntimeFault {
        RuntimeFault(
            .unsupportedField,
            "the address \(quoted(address)) is asked for, but MAC addresses follow from IP addresses")
    }
}

extension AgentSettings {
    /// One that the runtime asks for.
    mutating func take(address: String) throws(RuntimeFault) {
        if let ip = IPv4Address(address), address4 == nil {
            address4 = ip
        } else if let ip = IPv6Address(address), address6 == nil {
            address6 = ip
        } else {
            throw RuntimeFault(
                .configuration,
                "\(quoted(address)) is asked for, but is no address, or the second of its family")
        }
    }
}
