import CNetlink
import Glibc
import HiveNet

extension TwoAgents {
    /// Threats 1 to 8, 15, 18 and 21: what an agent sends to the host.
    ///
    /// Row 5, what listens only after apply, is all of them: the sockets here are opened then.
    func hostAttacks() throws -> [Attack] {
        let list = AttackList(self)
        let udp4 = try hostUDP(7001), udp6 = try hostUDP(7001, ipv6: true)
        try lab.host { for group in Self.groups { try udp4.join(group, udp6, "hive0") } }
        let all: [Layer] = [.early, .tracked, .input], late: [Layer] = [.tracked, .input]
        let syn = Packet.Flags.syn, ack = Packet.Flags.ack
        let tcp4 = try hostRaw(Int32(IPPROTO_TCP)), tcp6 = try hostRaw(Int32(IPPROTO_TCP), ipv6: true)

        // 1, 2, 3, 8: the bridge's address, others, 127.0.0.0/8 in a raw frame. (The kernel itself takes no ::1 from a wire:
        // ip6_rcv_core().)
        for text in ["\(Self.gateway4)", "9.9.9.9", "11.0.0.1", "127.0.0.1", "127.1.2.3"] {
            let target = IPv4Address(literal: text)
            let isLoopback = text.hasPrefix("127")
            list.add("UDP to \(text)", isLoopback ? all : late, "host", at: udp4) {
                self.udp4(alpha, to: target, port: 7001, $0)
            }
            list.add("SYN to \(text)", all, "host", at: tcp4) { list.tcp4(5000, 7002, syn, at: target, $0) }
        }
        for text in ["\(Self.gateway6)", "2a09::9", "2a11::1", "fe80::1"] {
            let target = IPv6Address(literal: text)
            list.add("UDP to \(text)", late, "host", at: udp6) {
                self.udp6(alpha, to: target, port: 7001, $0)
            }
            list.add("SYN to \(text)", all, "host", at: tcp6) { list.tcp6(5000, 7002, syn, at: target, $0) }
        }
        // 1: ICMP, IGMP, GRE, ESP, AH, PIM, VRRP, SCTP, UDP-Lite.
        let icmp4 = try hostRaw(1), icmp6 = try hostRaw(Int32(IPPROTO_ICMPV6), ipv6: true)
        list.add("ICMP echo", all, "host", at: icmp4) {
            list.ip4(1, Packet.icmp(type: 8, [0, 1, 0, 1] + $0))
        }
        list.add("ICMPv6 echo", all, "host", at: icmp6) { list.icmp6(128, [0, 1, 0, 1] + $0) }
        for number: UInt8 in [2, 47, 50, 51, 103, 112, 132, 136] {
            let payload: [UInt8] = [0, 1, 0, 2, 0, 0, 0, 0]
            list.add("protocol \(number) by IPv4", all, "host", at: try hostRaw(Int32(number))) {
                list.ip4(number, payload + $0)
            }
            guard number != 51 else { continue }
            list.add("protocol \(number) by IPv6", all, "host", at: try hostRaw(Int32(number), ipv6: true)) {
                list.ip6(number, payload + $0)
            }
        }
        // In IPv6, AH is an extension header (RFC 4302). Rules take it for the protocol all the same, and do not look behind it
        // (IP6_FH_F_AUTH in nft_set_pktinfo_ipv6()).
        let authentication: [UInt8] =
            [17, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 12)
        list.add("AH by IPv6", all, "host", at: try hostRaw(51, ipv6: true)) {
            list.ip6(51, authentication + Packet.udp(alpha.address6, 4000, Self.gateway6, 7001, $0))
        }
        // 4: from an address that nobody has.
        list.add("link-local to link-local", [.bridgeTable] + all, "spoof", at: udp6) {
            self.udp6(
                alpha, to: IPv6Address(literal: "fe80::1"), port: 7001,
                source: IPv6Address(literal: "fe80::2"), $0)
        }
        // 7
        for (address, mac) in Self.groups {
            guard let target = IPv4Address(address) else { continue }
            list.add("to \(address)", [.early, .input], "host", at: udp4) {
                self.udp4(alpha, to: target, port: 7001, mac: MACAddress(literal: mac), $0)
            }
        }
        for (address, mac) in Self.groups + [("ff02::1", "\(Self.bridgeMAC)")] {
            guard let target = IPv6Address(address) else { continue }
            list.add("to \(address) by \(mac)", [.early, .input], "host", at: udp6) {
                self.udp6(alpha, to: target, port: 7001, mac: MACAddress(literal: mac), $0)
            }
        }
        // 15: to the host, as router and DHCP server.
        let dhcp = try hostUDP(68), dhcp6 = try hostUDP(546, ipv6: true)
        list.add("DHCP offer", [.early, .input], "host", at: dhcp) {
            Packet.ethernet(
                to: Packet.broadcast, from: alpha.mac, type: Packet.ipv4Type,
                Packet.dhcpOffer(from: alpha.address4, offer: Self.gateway4, to: Self.bridgeMAC, $0))
        }
        for source in [alpha.address6, IPv6Address(literal: "fe80::2")] {
            let isOwn = source == alpha.address6
            list.add(
                "DHCPv6 advertisement from \(source)", isOwn ? late : [.bridgeTable] + all,
                isOwn ? "host" : "spoof",
                at: dhcp6
            ) {
                Packet.ethernet(
                    to: Self.bridgeMAC, from: alpha.mac, type: Packet.ipv6Type,
                    Packet.dhcpv6Advertise(from: source, to: Self.gateway6, $0))
            }
            list.add("ICMPv6 redirect from \(source)", [.bridgeTable] + all, "spoof", at: icmp6) {
                list.icmp6(
                    137, source: source, hopLimit: 255,
                    [0, 0, 0, 0] + alpha.address6.octets + beta.address6.octets + [2, 1] + alpha.mac.octets
                        + $0)
            }
        }
        list.add("ICMP redirect", all, "host", at: icmp4) {
            list.ip4(1, Packet.icmp(type: 5, code: 1, alpha.address4.octets + about4($0)))
        }
        // 18: past the bridge.
        for (last, layers): (UInt64, [Layer]) in [
            (3, [.bridgeTable, .early, .input]), (14, [.early, .input]),
        ] {
            list.add(
                "IP to 01:80:c2:00:00:0\(String(last, radix: 16))", layers, last == 3 ? "spoof" : "host",
                at: udp4
            ) {
                self.udp4(
                    alpha, to: Self.gateway4, port: 7001, mac: MACAddress(bits: 0x0180_c200_0000 | last), $0)
            }
        }
        // 21: answers without a question, and errors about a connection of the host's.
        for (name, flags) in [
            ("ACK", ack), ("SYN and ACK", syn | ack), ("RST", Packet.Flags.rst), ("SYN", syn),
        ] {
            let layers = flags == syn ? all : late
            list.add("\(name) from the web port, IPv4", layers, "host", at: tcp4) {
                list.tcp4(Self.web, 40000, flags, $0)
            }
            list.add("\(name) from the web port, IPv6", layers, "host", at: tcp6) {
                list.tcp6(Self.web, 40000, flags, $0)
            }
        }
        list.add("ICMP echo reply", late, "host", at: icmp4) {
            list.ip4(1, Packet.icmp(type: 0, [0, 9, 0, 9] + $0))
        }
        list.add("ICMPv6 echo reply", late, "host", at: icmp6) { list.icmp6(129, [0, 9, 0, 9] + $0) }
        let asker4 = try hostUDP(40001), asker6 = try hostUDP(40001, ipv6: true)
        asker4.send(Self.mark("question"), to: beta.endpoint4(53))
        asker6.send(Self.mark("question"), to: beta.endpoint6(53))
        list.add("forged ICMP error", all, "host", at: icmp4) {
            list.ip4(1, Packet.icmp(type: 3, code: 3, [0, 0, 0, 0] + about4($0)))
        }
        for (name, type): (String, UInt8) in [("unreachable", 1), ("too big", 2)] {
            list.add("forged ICMPv6 error: \(name)", all, "host", at: icmp6) {
                list.icmp6(type, [0, 0, 5, 0] + about6($0))
            }
        }
        return list.attacks
    }

    /// Groups that the host is made a member of: all hosts, mDNS, LLMNR, SSDP; and everybody.
    private static let groups = [
        ("255.255.255.255", "ff:ff:ff:ff:ff:ff"), ("10.77.255.255", "ff:ff:ff:ff:ff:ff"),
        ("224.0.0.1", "01:00:5e:00:00:01"), ("224.0.0.251", "01:00:5e:00:00:fb"),
        ("224.0.0.252", "01:00:5e:00:00:fc"), ("239.255.255.250", "01:00:5e:7f:ff:fa"),
        ("ff02::1", "33:33:00:00:00:01"), ("ff02::fb", "33:33:00:00:00:fb"),
        ("ff02::1:3", "33:33:00:01:00:03"), ("ff05::c", "33:33:00:00:00:0c"),
    ]

    /// The beginning of the host's question to beta, as an error would quote it.
    private func about4(_ mark: [UInt8]) -> [UInt8] {
        Packet.ipv4(
            from: Self.gateway4, to: beta.address4, protocol: 17,
            Packet.udp(Self.gateway4, 40001, beta.address4, 53, mark))
    }

    private func about6(_ mark: [UInt8]) -> [UInt8] {
        Packet.ipv6(
            from: Self.gateway6, to: beta.address6, next: 17,
            Packet.udp(Self.gateway6, 40001, beta.address6, 53, mark))
    }
}

extension Socket {
    /// Joins a multicast group of either family; others are passed over.
    fileprivate func join(_ group: (address: String, mac: String), _ socket6: Socket, _ link: String) throws {
        var request = ip_mreqn()
        var request6 = ipv6_mreq()
        if inet_pton(AF_INET, group.address, &request.imr_multiaddr) == 1 {
            guard request.imr_multiaddr.s_addr & 0xf0 == 0xe0 else { return }
            request.imr_ifindex = Int32(if_nametoindex(link))
            setsockopt(
                descriptor, Int32(IPPROTO_IP), IP_ADD_MEMBERSHIP, &request,
                socklen_t(MemoryLayout<ip_mreqn>.size))
        } else if inet_pton(AF_INET6, group.address, &request6.ipv6mr_multiaddr) == 1 {
            request6.ipv6mr_interface = if_nametoindex(link)
            setsockopt(
                socket6.descriptor, Int32(IPPROTO_IPV6), IPV6_ADD_MEMBERSHIP, &request6,
                socklen_t(MemoryLayout<ipv6_mreq>.size))
        }
    }
}
