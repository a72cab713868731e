import CNetlink
import Glibc
import HiveNet

/// Absence as a fact.
///
/// That a packet did not arrive within so many milliseconds proves little on a busy machine. But a veth pair is a queue, not
/// a wire: what goes in at one end is appended to the list of received packets of the *sender's processor*
/// (`enqueue_to_backlog`), and that list is worked off in order, each packet all the way through the bridge, the hooks and
/// the sockets (`process_backlog`). A packet that crosses another veth pair is appended to the same list again.
///
/// So an agent's packets are sent from one processor, and after them one more, the barrier. When that is seen on the
/// host's end of the link, the host is done with all that came before; whatever it sent on is in the list, before the next
/// barrier. Each further barrier stands for one more veth pair crossed, forth or back. After the last one the packet is at
/// its end, wherever that is: a receiver is asked once, without waiting.
extension Lab {
    /// Returns when everything that was sent from a namespace until now, on a link whose other end is `port` on the host,
    /// has been received or dropped, with all that followed from it in the kernel: errors, resets, questions by ARP.
    ///
    /// Not covered: timers (retransmissions, delayed reports of multicast groups) and what processes do.
    /// - Parameters:
    ///   - crossings: veth pairs that a packet can cross after the first, answers included.
    ///   - barrier: a harmless frame with the given octets somewhere in it. It need not pass any hook.
    func settle(
        from namespace: String, link: String = "eth0", port: String, crossings: Int = 8,
        barrier: @escaping (_ mark: [UInt8]) -> [UInt8]
    ) throws {
        // Packets are seen here before any hook or the bridge (__netif_receive_skb_core).
        let tap = try host { try Socket.packet(port) }
        try thread.run(in: namespace) {
            let sender = try Socket.packet(link)
            for number in 0...crossings {
                let mark = Array("barrier:".utf8) + Packet.be16(number)
                try sender.send(frame: barrier(mark))
                guard tap.receives(mark, milliseconds: 5000) else {
                    throw LabError("nothing sent in \(namespace) comes out of \(port)")
                }
            }
        }
    }
}

extension TwoAgents {
    /// The same for what an agent sent. The barriers are what every agent may ask: the gateway's Ethernet address. So they
    /// count as nothing.
    func settle(_ agent: Known) throws {
        try lab.settle(from: "/run/netns/hive-\(agent.name)", port: agent.link) { mark in
            Packet.ethernet(
                to: Self.bridgeMAC, from: agent.mac, type: Packet.arpType,
                Packet.arp(
                    operation: 1, senderMAC: agent.mac, sender: agent.address4, target: Self.gateway4) + mark)
        }
    }
}

enum Processor {
    /// Keeps the calling thread, and those it starts, on the first processor it may use.
    static func stay() throws {
        var allowed = [UInt8](repeating: 0, count: 1024)
        guard let getAffinity, getAffinity(0, allowed.count, &allowed) >= 0,
            let first = allowed.firstIndex(where: { $0 != 0 })
        else { throw LabError.last("find a processor") }
        var wanted = [UInt8](repeating: 0, count: allowed.count)
        wanted[first] = allowed[first] & (~allowed[first] &+ 1)
        guard let setAffinity, setAffinity(0, wanted.count, &wanted) == 0 else {
            throw LabError.last("stay on a processor")
        }
    }

    // Behind _GNU_SOURCE in <sched.h>, hence by name. The mask is an array of longs, so its lowest octet comes first on
    // little-endian machines; on others it is some processor all the same.
    private typealias Affinity = @convention(c) (pid_t, Int, UnsafeMutableRawPointer) -> Int32
    private static let getAffinity = function("sched_getaffinity")
    private static let setAffinity = function("sched_setaffinity")
    private static func function(_ name: String) -> Affinity? {
        dlsym(nil, name).map { unsafeBitCast($0, to: Affinity.self) }
    }
}

/// Waits, for some seconds at most, until something is no longer so. What it was waited for is still to be expected.
func wait(while isSo: () throws -> Bool) rethrows {
    let deadline = ContinuousClock.now + .seconds(10)
    while try isSo(), ContinuousClock.now < deadline { usleep(5_000) }
}
