internal import CResolver
internal import HiveNet

/// What an answer of the DNS says of a name, and nothing else that is in it.
///
/// It comes from the network. glibc has checked that it answers our question (`__libc_res_queriesmatch`), and takes it apart
/// within its bounds (ns_parserr(3)); whether a record is about the name is checked here.
struct DNSAnswer: Equatable {
    var addresses4: [IPv4Address] = []
    var addresses6: [IPv6Address] = []
    /// Of the shortest-lived record on the way from the name to its addresses, in seconds.
    var lifetime: UInt32 = .max

    /// As many as glibc's own resolver follows, and more than any honest zone has.
    private static let longestChain = 16

    /// Nothing.
    init() {}

    /// - Parameters:
    ///   - message: an answer with a header (RFC 1035, section 4.1).
    ///   - name: in lower case, without the final dot.
    /// - Returns: nil for a message that is damaged or cut off.
    init?(_ message: [UInt8], for name: String) {
        guard let records = Self.records(message) else { return nil }
        var owner = name
        for _ in 0...Self.longestChain {
            let own = records.filter { $0.owner == owner }
            // An alias has no other records (RFC 1034, section 3.6.2).
            guard
                let alias = own.lazy.compactMap({ record in record.alias.map { ($0, record.lifetime) } })
                    .first
            else {
                for record in own {
                    guard record.address4 != nil || record.address6 != nil else { continue }
                    if let address = record.address4 { addresses4.append(address) }
                    if let address = record.address6 { addresses6.append(address) }
                    lifetime = min(lifetime, record.lifetime)
                }
                return
            }
            owner = alias.0
            lifetime = min(lifetime, alias.1)
        }
        // Aliases in a circle lead to no address.
    }

    private struct Record {
        let owner: String
        let lifetime: UInt32
        var address4: IPv4Address?
        var address6: IPv6Address?
        var alias: String?
    }

    private static func records(_ bytes: [UInt8]) -> [Record]? {
        bytes.withUnsafeBufferPointer { buffer -> [Record]? in
            guard let start = buffer.baseAddress else { return nil }
            var message = ns_msg()
            guard ns_initparse(start, Int32(buffer.count), &message) == 0 else { return nil }
            var records: [Record] = []
            for index in 0..<hive_ns_count(&message, ns_s_an) {
                var record = ns_rr()
                guard ns_parserr(&message, ns_s_an, index, &record) == 0 else { return nil }
                guard record.rr_class == UInt16(ns_c_in.rawValue), let data = record.rdata else { continue }
                let owner = withUnsafeBytes(of: record.name) { Self.name($0) }
                // A lifetime with the highest bit set counts as none (RFC 2181, section 8).
                let lifetime = record.ttl > UInt32(Int32.max) ? 0 : record.ttl
                var read = Record(owner: owner, lifetime: lifetime)
                let octets = UnsafeBufferPointer(start: data, count: Int(record.rdlength))
                switch UInt32(record.type) {
                // (Of another length than an address has: nil, and the record says nothing.)
                case ns_t_a.rawValue: read.address4 = IPv4Address(octets: octets)
                case ns_t_aaaa.rawValue: read.address6 = IPv6Address(octets: octets)
                case ns_t_cname.rawValue:
                    var target = [CChar](repeating: 0, count: Int(NS_MAXDNAME))
                    guard
                        ns_name_uncompress(start, start + buffer.count, data, &target, target.count) >= 0
                    else { return nil }
                    read.alias = target.withUnsafeBytes { Self.name($0) }
                default: continue
                }
                records.append(read)
            }
            return records
        }
    }

    /// Case means nothing in names (RFC 1035, section 2.3.3). Octets that are no text make a name that nobody asked for.
    private static func name(_ bytes: UnsafeRawBufferPointer) -> String {
        let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self).lowercased()
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }
}
