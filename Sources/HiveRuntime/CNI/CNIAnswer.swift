/// What a runtime reads from standard output (CNI specification 1.1.0, section 5).
enum CNIAnswer {
    struct Versions: Encodable {
        let cniVersion: String
        let supportedVersions = CNINetwork.versions
        enum CodingKeys: CodingKey { case cniVersion, supportedVersions }
    }

    struct Failure: Encodable {
        let cniVersion: String
        let code: Int
        let msg: String
        let details: String?
    }

    /// Of ADD.
    struct Result: Encodable {
        struct Interface: Encodable {
            let name: String
            let mac: String
            /// From 1.1.0 on.
            var mtu: UInt32?
            /// Nil: on the host.
            var sandbox: String?
        }
        struct IP: Encodable {
            /// Before 1.0.0: "4" or "6".
            var version: String?
            let address: String
            let gateway: String
            /// The index in `interfaces`.
            let interface: Int
        }
        struct Route: Encodable {
            let dst: String
            let gw: String
        }
        let cniVersion: String
        let interfaces: [Interface]
        let ips: [IP]
        let routes: [Route]
        let dns: JSONValue
    }

    static func result(_ attached: Attaching.Attached, _ network: CNINetwork, namespace: String) -> Result {
        let isNew = network.version == "1.1.0"
        let isOld = network.version.hasPrefix("0.")
        let mtu = isNew ? attached.mtu : nil
        func isIPv6(_ address: String) -> Bool { address.utf8.contains(0x3a) }
        return Result(
            cniVersion: network.version,
            interfaces: [
                Result.Interface(name: attached.hostLink, mac: attached.hostMAC, mtu: mtu),
                Result.Interface(name: attached.link, mac: attached.mac, mtu: mtu, sandbox: namespace),
            ],
            ips: attached.addresses.map { address, gateway in
                Result.IP(
                    version: isOld ? (isIPv6(address) ? "6" : "4") : nil, address: address, gateway: gateway,
                    interface: 1)
            },
            routes: attached.addresses.map { address, gateway in
                Result.Route(dst: isIPv6(address) ? "::/0" : "0.0.0.0/0", gw: gateway)
            },
            dns: network.dns)
    }
}
