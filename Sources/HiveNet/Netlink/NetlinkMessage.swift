internal import CNetlink
internal import Glibc

extension NetlinkSocket {
    /// A message that came back: valid inside the closure that gets it.
    struct Message {
        let type: UInt16
        let header: UnsafePointer<nlmsghdr>
        /// What follows the netlink header.
        let payload: UnsafeRawBufferPointer
        /// Where it was received.
        var buffer: ReceiveBuffer?

        /// Splits the payload into the family's header and the attributes behind it.
        ///
        /// Nil if it is too short, or if an attribute does not fit into it: then what is asked for fails as a whole. A link
        /// that is left out, or half of one, would be planned for as if the rest were not there.
        func parse<Header: BitwiseCopyable, Scope>(
            _: Header.Type, of _: Scope.Type
        ) -> (Header, Attributes<Scope>)? {
            let size = (MemoryLayout<Header>.size + 3) & ~3
            guard payload.count >= size else {
                buffer?.hasDamage = true
                return nil
            }
            let attributes = Attributes<Scope>(bytes: UnsafeRawBufferPointer(rebasing: payload[size...]))
            guard attributes.areWhole else {
                buffer?.hasDamage = true
                return nil
            }
            return (payload.loadUnaligned(as: Header.self), attributes)
        }
    }

    /// Takes a datagram apart.
    /// - Parameters:
    ///   - portID: messages for another port are passed over; 0 for none.
    ///   - operation: for the error, EBADMSG, of a datagram that does not end where a message does.
    static func messages(
        in bytes: UnsafeRawBufferPointer, for portID: UInt32, _ buffer: ReceiveBuffer?,
        _ operation: () -> String,
        _ body: (Message) throws(KernelError) -> Void
    ) throws(KernelError) {
        guard let start = bytes.baseAddress else { return }
        var offset = 0
        while offset < bytes.count {
            let left = bytes.count - offset
            let header = (start + offset).assumingMemoryBound(to: nlmsghdr.self)
            guard left >= MemoryLayout<nlmsghdr>.size,
                header.pointee.nlmsg_len >= MemoryLayout<nlmsghdr>.size,
                header.pointee.nlmsg_len <= left
            else { throw KernelError(operation(), code: EBADMSG) }
            let length = Int(header.pointee.nlmsg_len)
            if mnl_nlmsg_portid_ok(header, portID) {
                let payload = UnsafeRawBufferPointer(
                    start: start + offset + MemoryLayout<nlmsghdr>.size,
                    count: length - MemoryLayout<nlmsghdr>.size)
                try body(
                    Message(
                        type: header.pointee.nlmsg_type, header: header, payload: payload, buffer: buffer))
            }
            offset += (length + 3) & ~3
        }
    }

    /// What an `NLMSG_ERROR` or `NLMSG_DONE` says: nil for success.
    static func error(in message: Message, of request: Batch.Request, _ batch: Batch) -> KernelError? {
        guard message.payload.count >= 4 else { return nil }
        // (Of the least of all numbers there is no negative.)
        let code = Int32(clamping: -Int(message.payload.loadUnaligned(as: Int32.self)))
        guard code > 0 else { return nil }
        // struct nlmsgerr: the code, then the request's header (its payload too without CAP_ACK), then attributes.
        // A dump's NLMSG_DONE has the attributes right behind the code.
        let isError = Int32(message.type) == NLMSG_ERROR
        var skip = isError ? MemoryLayout<nlmsgerr>.size : 4
        if isError, message.header.pointee.nlmsg_flags & UInt16(NLM_F_CAPPED) == 0,
            message.payload.count >= skip
        {
            let echoed = message.payload.loadUnaligned(fromByteOffset: 4, as: nlmsghdr.self)
            skip = 4 + (Int(echoed.nlmsg_len) + 3) & ~3
        }
        guard message.header.pointee.nlmsg_flags & UInt16(NLM_F_ACK_TLVS) != 0, message.payload.count > skip
        else {
            return KernelError(request.operation(), code: code).of(request.agent)
        }
        let details = Attributes<Acknowledgement>(
            bytes: UnsafeRawBufferPointer(rebasing: message.payload[skip...]))
        return KernelError(
            request.operation(), code: code, explanation: details[.message],
            attribute: details[.offset].flatMap { batch.attribute(at: Int($0), in: request) }
        ).of(request.agent)
    }
}

/// The attributes behind an extended acknowledgement (`enum nlmsgerr_attrs`).
enum Acknowledgement {}
extension Attribute where Scope == Acknowledgement, Value == String {
    static var message: Self { .init(NLMSGERR_ATTR_MSG.rawValue, "NLMSGERR_ATTR_MSG") }
}
extension Attribute where Scope == Acknowledgement, Value == UInt32 {
    static var offset: Self { .init(NLMSGERR_ATTR_OFFS.rawValue, "NLMSGERR_ATTR_OFFS") }
}
