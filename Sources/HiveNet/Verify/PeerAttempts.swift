extension Attempt {
    /// Everything that an agent tries with another one.
    static func peers(_ spec: NetworkSpec, hasIPv6: Bool) -> [Attempt] {
        let router = spec.bridgeMAC
        let port: UInt16 = 9
        var attempts = [
            Attempt(.agents, "straight by UDP") { sender, other, cookie in
                var frame = Frame(to: other.mac, from: sender.mac, type: Frame.ipv4Type)
                frame.probe(from: sender.address4, to: other.address4, .udp(port), cookie)
                return frame
            },
            Attempt(.agents, "by the host as router") { sender, other, cookie in
                var frame = Frame(to: router, from: sender.mac, type: Frame.ipv4Type)
                frame.probe(from: sender.address4, to: other.address4, .udp(port), cookie)
                return frame
            },
            Attempt(.agents, "by asking for it by ARP") { sender, other, cookie in
                var frame = Frame(to: .broadcast, from: sender.mac, type: Frame.arpType)
                frame.arp(
                    isRequest: true, sender: (sender.mac, sender.address4),
                    target: (MACAddress(bits: 0), other.address4))
                frame.append(cookie)
                return frame
            },
            Attempt(.agents, "by claiming to be the gateway by ARP") { sender, other, cookie in
                var frame = Frame(to: other.mac, from: sender.mac, type: Frame.arpType)
                frame.arp(
                    isRequest: false, sender: (sender.mac, spec.gateway4), target: (other.mac, other.address4)
                )
                frame.append(cookie)
                return frame
            },
            Attempt(.agents, "in VLAN 0") { sender, other, cookie in
                var frame = Frame(to: other.mac, from: sender.mac, type: Frame.ipv4Type, isTagged: true)
                frame.probe(from: sender.address4, to: other.address4, .udp(port), cookie)
                return frame
            },
            Attempt(.agents, "with its Ethernet address as the sender's") { sender, other, cookie in
                var frame = Frame(to: router, from: other.mac, type: Frame.ipv4Type)
                frame.probe(from: sender.address4, to: spec.gateway4, .udp(port), cookie)
                return frame
            },
            Attempt(.agents, "with its IP address as the sender's") { sender, other, cookie in
                var frame = Frame(to: router, from: sender.mac, type: Frame.ipv4Type)
                frame.probe(from: other.address4, to: spec.gateway4, .udp(port), cookie)
                return frame
            },
        ]
        guard hasIPv6 else { return attempts }
        attempts.append(
            Attempt(.agents, "at its link-local address") { sender, other, cookie in
                var frame = Frame(to: other.mac, from: sender.mac, type: Frame.ipv6Type)
                if let source = sender.source6 {
                    frame.probe(from: source, to: IPv6Address(linkLocalOf: other.mac), .udp(port), cookie)
                }
                return frame
            })
        guard let gateway6 = spec.gateway6 else { return attempts }
        func ipv6(
            _ words: String,
            _ put: @escaping @Sendable (inout Frame, Station, IPv6Address, IPv6Address, Cookie) -> Void,
            to mac: @escaping @Sendable (Station) -> MACAddress
        ) {
            attempts.append(
                Attempt(.agents, words) { sender, other, cookie in
                    var frame = Frame(to: mac(other), from: sender.mac, type: Frame.ipv6Type)
                    if let source = sender.address6, let destination = other.address6 {
                        put(&frame, sender, source, destination, cookie)
                    }
                    return frame
                })
        }
        ipv6("straight by IPv6") { frame, _, source, destination, cookie in
            frame.probe(from: source, to: destination, .udp(port), cookie)
        } to: {
            $0.mac
        }
        ipv6("by the host as router, by IPv6") { frame, _, source, destination, cookie in
            frame.probe(from: source, to: destination, .udp(port), cookie)
        } to: { _ in
            router
        }
        ipv6("by asking for it by neighbour solicitation") { frame, sender, source, destination, cookie in
            frame.solicit(from: source, mac: sender.mac, target: destination, cookie)
        } to: {
            MACAddress(group: ($0.address6 ?? Multicast.allNodes).solicitedNode)
        }
        ipv6("with its IPv6 address as the sender's") { frame, _, _, destination, cookie in
            frame.probe(from: destination, to: gateway6, .udp(port), cookie)
        } to: { _ in
            router
        }
        return attempts
    }
}
