import CNetlink
import Glibc
import HiveNet

extension TwoAgents {
    /// Threats 6 and 8: what somebody else's NAT publishes: of the host, of another agent, of a machine inside.
    func publishedAttacks(_ setting: HostSetting) throws -> [Attack] {
        let list = AttackList(self)
        let udp4 = try hostUDP(7001), udp6 = try hostUDP(7001, ipv6: true)
        let tcp4 = try hostRaw(Int32(IPPROTO_TCP)), tcp6 = try hostRaw(Int32(IPPROTO_TCP), ipv6: true)
        let wire = try wire(beta), outside = try lab.outside { try Socket.packet("eth0") }
        let toHost: [Layer] = [.tracked, .input], toAgent: [Layer] = [.tracked, .forward]
        // Of the host's own addresses: the bridge's, and the uplink's, which is what an agent's packets bear outside.
        for (text4, text6) in [("\(Self.gateway4)", "\(Self.gateway6)"), ("11.0.0.1", "2a11::1")] {
            let target4 = IPv4Address(literal: text4), target6 = IPv6Address(literal: text6)
            for (name, port, layers, at4, at6): (String, UInt16, [Layer], Socket, Socket) in [
                ("redirected to a service of the host", 9001, toHost, udp4, udp6),
                ("published of the host's uplink", 9002, toHost, udp4, udp6),
                ("published of an agent", 9003, toAgent, wire, wire),
                ("published of a machine inside", 9004, toAgent, outside, outside),
            ] {
                list.add("\(name), by UDP to \(text4)", layers, "host", at: at4) {
                    self.udp4(alpha, to: target4, port: port, $0)
                }
                list.add("\(name), by UDP to \(text6)", layers, "host", at: at6) {
                    self.udp6(alpha, to: target6, port: port, $0)
                }
                let raw4 = at4 === udp4 ? tcp4 : at4, raw6 = at6 === udp6 ? tcp6 : at6
                list.add("\(name), by TCP to \(text4)", [.early] + layers, "host", at: raw4) {
                    list.tcp4(5000, port, Packet.Flags.syn, at: target4, $0)
                }
                list.add("\(name), by TCP to \(text6)", [.early] + layers, "host", at: raw6) {
                    list.tcp6(5000, port, Packet.Flags.syn, at: target6, $0)
                }
            }
        }
        // A transparent proxy: alpha may go out, so it may send there; where the packet ends decides.
        let public4 = IPv4Address(literal: Lab.publicAddress4),
            public6 = IPv6Address(literal: Lab.publicAddress6)
        // What goes on to an agent is counted where it is routed: without forwarding it is not, and with br_netfilter it stays on
        // the bridge (br_nf_pre_routing_finish(), "bridged DNAT"), where the isolated port ends it.
        let peer = setting.forwarding && !setting.bridgeNetfilter ? "peer" : nil
        for (name, port, layers, reason, at4, at6): (String, UInt16, [Layer], String?, Socket, Socket) in [
            ("a proxy on the host", 9001, [.input], "host", udp4, udp6),
            ("a proxy at an agent", 9003, [.forward], peer, wire, wire),
        ] {
            list.add("\(name), by UDP and IPv4", layers, reason, at: at4) {
                self.udp4(alpha, to: public4, port: port, $0)
            }
            list.add("\(name), by UDP and IPv6", layers, reason, at: at6) {
                self.udp6(alpha, to: public6, port: port, $0)
            }
            list.add("\(name), by TCP and IPv4", layers, reason, at: at4 === udp4 ? tcp4 : at4) {
                list.tcp4(5000, port, Packet.Flags.syn, at: public4, $0)
            }
            list.add("\(name), by TCP and IPv6", layers, reason, at: at6 === udp6 ? tcp6 : at6) {
                list.tcp6(5000, port, Packet.Flags.syn, at: public6, $0)
            }
        }
        return list.attacks
    }

    /// The tables of whoever publishes all that.
    func publish() throws {
        var commands: [String] = []
        for (family, uplink, agent, inside) in [
            ("ip", "11.0.0.1:7001", "\(beta.address4):8080", "192.168.1.1:8088"),
            ("ip6", "[2a11::1]:7001", "[\(beta.address6)]:8080", "[fd00:1::1]:8088"),
        ] {
            commands += [
                "add table \(family) foreign", "delete table \(family) foreign",
                "add table \(family) foreign",
                "add chain \(family) foreign pre { type nat hook prerouting priority dstnat; }",
                "add rule \(family) foreign pre meta l4proto { tcp, udp } th dport 9001 redirect to :7001",
                "add rule \(family) foreign pre meta l4proto { tcp, udp } th dport 9002 dnat to \(uplink)",
                "add rule \(family) foreign pre meta l4proto { tcp, udp } th dport 9003 dnat to \(agent)",
                "add rule \(family) foreign pre meta l4proto { tcp, udp } th dport 9004 dnat to \(inside)",
            ]
        }
        try lab.nft(commands.joined(separator: "; "))
    }
}
