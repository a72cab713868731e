internal import CResolver
internal import Glibc
internal import HiveNet

/// Asks the host's name servers, those of resolv.conf(5), for the addresses of a name; then the host's own files.
///
/// getaddrinfo(3) alone would be the host's own word, but it tells no lifetimes.
enum Resolver {
    /// What came of asking for a name.
    enum Answer: Equatable, Sendable {
        /// At least one address; each list sorted, without repetition. The lifetime is as it was found, in seconds.
        case addresses([IPv4Address], [IPv6Address], lifetime: UInt32)
        /// In words that follow "NAME: ".
        case failure(String)
    }

    /// In seconds, for an attempt at a name server; two attempts are made.
    private static let timeout: Int32 = 2
    /// Of an answer. What does not fit into a datagram (of 1200 bytes, as glibc says in its EDNS option) is not asked for
    /// again by TCP, since there glibc waits without end (`send_vc`, resolv/res_send.c).
    private static let largestAnswer = 4096

    /// Waits for at most ten seconds, and for four where there is one name server.
    static func addresses(of name: String) -> Answer {
        var found = DNSAnswer()
        var problem: String?
        do throws(Failure) {
            let first = try ask(name, ns_t_a)
            found.addresses4 = first.addresses4
            found.lifetime = min(found.lifetime, first.lifetime)
        } catch {
            // Who does not answer one question will not answer the other one.
            if error.isSilence { return files(name) ?? .failure(error.words) }
            problem = error.words
        }
        do throws(Failure) {
            let second = try ask(name, ns_t_aaaa)
            found.addresses6 = second.addresses6
            found.lifetime = min(found.lifetime, second.lifetime)
        } catch {
            if error.isSilence {
                // Half an answer is used, and soon asked for again.
                found.lifetime = 0
                problem = problem ?? error.words
            }
        }
        if found.addresses4.isEmpty, found.addresses6.isEmpty {
            return files(name) ?? .failure(problem ?? "it has no address")
        }
        return .addresses(
            Set(found.addresses4).sorted(), Set(found.addresses6).sorted(), lifetime: found.lifetime)
    }

    private struct Failure: Error {
        let words: String
        /// Nobody answered, or nobody who could tell: as opposed to "there is none".
        var isSilence = false
    }

    /// - Returns: nothing but addresses of the type that was asked for; perhaps none.
    private static func ask(_ name: String, _ type: ns_type) throws(Failure) -> DNSAnswer {
        // A state of its own for each question: a thread's is not shared, and `_res` belongs to getaddrinfo.
        let state = res_state.allocate(capacity: 1)
        defer { state.deallocate() }
        memset(state, 0, MemoryLayout.size(ofValue: state.pointee))
        guard hive_res_init(state) == 0 else {
            throw Failure(words: "the host's resolver cannot be set up", isSilence: true)
        }
        defer { hive_res_close(state) }
        state.pointee.retrans = timeout
        // Of each server. (With several, each is asked once.)
        state.pointee.retry = state.pointee.nscount > 1 ? 1 : 2
        state.pointee.options |= UInt(RES_IGNTC | RES_USE_EDNS0)
        state.pointee.options &= ~UInt(RES_USEVC)

        var bytes = [UInt8](repeating: 0, count: largestAnswer)
        let count = hive_res_query(state, name, Int32(type.rawValue), &bytes, Int32(bytes.count))
        guard count >= 0 else {
            switch state.pointee.res_h_errno {
            case HOST_NOT_FOUND: throw Failure(words: "there is no such name")
            case NO_DATA: return DNSAnswer()
            case TRY_AGAIN: throw Failure(words: "no name server gave an answer", isSilence: true)
            default: throw Failure(words: "the name servers refused to answer", isSilence: true)
            }
        }
        guard count <= bytes.count, let answer = DNSAnswer(Array(bytes[..<Int(count)]), for: name) else {
            throw Failure(words: "the answer is damaged", isSilence: true)
        }
        // The flag TC (RFC 1035, section 4.1.1). Half a list is no list: what was cut off could be what is refused.
        guard count > 2, bytes[2] & 0x02 == 0 else {
            throw Failure(words: "the answer does not fit into a datagram", isSilence: true)
        }
        return answer
    }

    /// What the host's own files say, /etc/hosts above all: for as short as anything is used.
    ///
    /// getaddrinfo(3) would ask the name servers again, and with its own patience, so it gets none: in this thread's own
    /// `_res`, which it takes as it finds it (`RES_NORELOAD`).
    private static func files(_ name: String) -> Answer? {
        let state = hive_res_of_thread()
        guard hive_res_init(state) == 0 else { return nil }
        defer {
            hive_res_close(state)
            // Not initialised: whoever is next in this thread has the name servers again (`RES_INIT`).
            state.pointee.options = 0
        }
        state.pointee.nscount = 0
        state.pointee.options |= UInt(RES_NORELOAD)
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0 else { return nil }
        defer { freeaddrinfo(list) }
        var addresses4: Set<IPv4Address> = []
        var addresses6: Set<IPv6Address> = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            guard let address = entry.pointee.ai_addr else { continue }
            if let address = SocketAddress.address4(address) { addresses4.insert(address) }
            if let address = SocketAddress.address6(address) { addresses6.insert(address) }
        }
        guard !addresses4.isEmpty || !addresses6.isEmpty else { return nil }
        return .addresses(addresses4.sorted(), addresses6.sorted(), lifetime: 0)
    }
}
