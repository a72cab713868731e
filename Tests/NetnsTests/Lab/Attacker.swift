import CNetlink
import Glibc
import HiveNet
import Synchronization

/// Somebody in an agent's namespace who sends what is forbidden all the time, and receivers of all of it.
final class Attacker {
    private static let port: UInt16 = 7777
    private final class Shared: Sendable {
        let isOver = Atomic(false)
    }
    private let shared = Shared()
    private var thread: JoinableThread?
    private let host4, host6, peer4, peer6, tap: Socket
    /// Frames that came out of the agent's link, which is before any hook.
    private(set) var sent = 0

    /// Of alpha's, to the host and to beta.
    init(_ hive: TwoAgents) throws {
        let (alpha, beta) = (hive.alpha, hive.beta)
        let mark = TwoAgents.mark("forbidden")
        let port = Self.port
        let portMAC = MACAddress(bits: 0x6e76 << 32 | UInt64(alpha.address4.bits))
        var frames: [[UInt8]] = []
        for mac in [TwoAgents.bridgeMAC, portMAC] {
            frames.append(hive.udp4(alpha, to: TwoAgents.gateway4, port: port, mac: mac, mark))
            frames.append(hive.udp6(alpha, to: TwoAgents.gateway6, port: port, mac: mac, mark))
        }
        for mac in [beta.mac, TwoAgents.bridgeMAC, MACAddress(literal: "ff:ff:ff:ff:ff:ff")] {
            frames.append(hive.udp4(alpha, to: beta.address4, port: port, mac: mac, mark))
            frames.append(hive.udp6(alpha, to: beta.address6, port: port, mac: mac, mark))
        }
        frames.append(
            hive.udp4(
                alpha, to: beta.address4, port: port, mac: beta.mac, source: TwoAgents.gateway4, mark))
        (host4, host6) = try hive.lab.host {
            (
                try Socket.udp(Endpoint(address: "0.0.0.0", port: port)),
                try Socket.udp(Endpoint(address: "::", port: port))
            )
        }
        (peer4, peer6) = try hive.lab.agent("beta") {
            (
                try Socket.udp(Endpoint(address: "0.0.0.0", port: port)),
                try Socket.udp(Endpoint(address: "::", port: port))
            )
        }
        // (On all links, also on those to come.)
        tap = try hive.lab.host {
            try Socket(AF_PACKET, Int32(SOCK_RAW.rawValue), Int32(UInt16(ETH_P_ALL).bigEndian))
        }
        let namespace = try hive.lab.host { open("/run/netns/hive-alpha", O_RDONLY | O_CLOEXEC) }
        guard namespace >= 0 else { throw LabError("no namespace of alpha's") }
        let (all, shared) = (frames, shared)
        thread = try JoinableThread {
            defer { close(namespace) }
            guard hive_setns(namespace, CLONE_NEWNET) == 0 else { return }
            var socket: Socket?
            while !shared.isOver.load(ordering: .relaxed) {
                for frame in all {
                    // The link is taken away and comes back.
                    if socket == nil, if_nametoindex("eth0") != 0 { socket = try? Socket.packet("eth0") }
                    do { try socket?.send(frame: frame) } catch { socket = nil }
                }
                usleep(1000)
            }
        }
    }

    deinit { end() }

    func end() {
        shared.isOver.store(true, ordering: .relaxed)
        thread?.join()
        thread = nil
    }

    /// What arrived since the last time where it should not.
    func arrivals() -> [String] {
        sent += tap.drain().filter { $0.contains(sequence: TwoAgents.mark("forbidden")) }.count
        return [
            ("the host by IPv4", host4), ("the host by IPv6", host6), ("the peer by IPv4", peer4),
            ("the peer by IPv6", peer6),
        ].compactMap { name, socket in
            let count = socket.drain().count
            return count > 0 ? "\(count) arrived at \(name)" : nil
        }
    }
}
