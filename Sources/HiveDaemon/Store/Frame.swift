/// One commit in a journal: a header of 36 octets, and records.
///
///     0   magic          FF "HIVE" 0D 0A 00
///     8   version        of the format: 1
///     12  kind           0: records that follow what is before; 1: a snapshot, which needs nothing before it
///     16  sequence       counts up by one, also from one file to the next
///     24  length         of the payload
///     28  previous       the checksum of the frame before
///     32  checksum       CRC-32C of octets 0 to 31 and the payload
///     36  payload        JSON lines
///
/// Numbers are little-endian. The magic begins with an octet that UTF-8 never has: no text of an agent's can look like a frame.
struct Frame: Equatable {
    enum Kind: UInt32 { case records, snapshot }

    static let version: UInt32 = 1
    static let magic: [UInt8] = [0xff] + Array("HIVE".utf8) + [0x0d, 0x0a, 0]
    static let headerLength = 36
    /// In octets.
    static let longestPayload = Int(UInt32.max)

    let kind: Kind
    let sequence: UInt64
    let checksum: UInt32
    /// Of the header's first octet in the file.
    let offset: Int
    /// Where the payload is in the file.
    let payload: Range<Int>

    /// The octets of a frame, and its checksum.
    static func encode(
        _ kind: Kind, sequence: UInt64, previous: UInt32, payload: [UInt8], version: UInt32 = Self.version
    ) -> (bytes: [UInt8], checksum: UInt32) {
        var bytes = magic
        bytes.reserveCapacity(headerLength + payload.count)
        func put(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
        }
        put(version)
        put(kind.rawValue)
        put(sequence)
        put(UInt32(clamping: payload.count))
        put(previous)
        var crc = CRC32C()
        bytes.withUnsafeBytes { crc.add($0) }
        payload.withUnsafeBytes { crc.add($0) }
        put(crc.value)
        return (bytes + payload, crc.value)
    }

    /// What is at an offset, if it is whole.
    fileprivate struct Found {
        let frame: Frame?
        let version: UInt32
        let sequence: UInt64
        let previous: UInt32
    }

    /// Nil: nothing that is whole. A frame of another version or an unknown kind is found without its contents.
    fileprivate static func find(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Found? {
        guard bytes.count - offset >= headerLength else { return nil }
        for index in 0..<magic.count where bytes[offset + index] != magic[index] { return nil }
        func number<Number: FixedWidthInteger>(_ at: Int, _: Number.Type) -> Number {
            Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + at, as: Number.self))
        }
        let length = Int(number(24, UInt32.self))
        let start = offset + headerLength
        guard length <= bytes.count - start else { return nil }
        var crc = CRC32C()
        crc.add(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + 32]))
        crc.add(UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]))
        let checksum = number(32, UInt32.self)
        guard checksum == crc.value else { return nil }
        let (version, sequence) = (number(8, UInt32.self), number(16, UInt64.self))
        let frame = Kind(rawValue: number(12, UInt32.self)).map {
            Frame(
                kind: $0, sequence: sequence, checksum: checksum, offset: offset,
                payload: start..<start + length)
        }
        return Found(
            frame: version == Self.version ? frame : nil, version: version, sequence: sequence,
            previous: number(28, UInt32.self))
    }
}

/// What a journal's octets are.
struct FrameScan: Equatable {
    enum End: Equatable {
        /// The last frame ends where the file does.
        case whole
        /// What begins at this offset is no frame that follows, and no later frame is behind it: a commit that was cut short.
        case tail(Int)
        /// The same, but a later frame is behind it, at `later`: what was acknowledged is damaged.
        case middle(Int, later: Int)
        /// The first frame, which is in place before a file has its name, is damaged.
        case beginning
        /// A whole frame of another version of the format.
        case version(UInt32, at: Int)
    }

    /// Somebody has to decide what to do: `Store.salvage`.
    var isDamaged: Bool {
        switch end {
        case .middle, .beginning: true
        case .whole, .tail, .version: false
        }
    }

    /// Those that follow each other from the beginning of the file.
    private(set) var frames: [Frame] = []
    private(set) var end = End.whole

    init(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { scan($0) }
    }

    private mutating func scan(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while offset < bytes.count || frames.isEmpty {
            let found = Frame.find(bytes, at: offset)
            if let found, found.version != Frame.version {
                end = .version(found.version, at: offset)
                return
            }
            guard let found, let frame = found.frame, follows(found, frame) else {
                if frames.isEmpty {
                    end = .beginning
                } else if let later = Self.later(bytes, from: offset, than: frames.last?.sequence ?? 0) {
                    end = .middle(offset, later: later)
                } else {
                    end = .tail(offset)
                }
                return
            }
            frames.append(frame)
            offset = frame.payload.upperBound
        }
    }

    private func follows(_ found: Frame.Found, _ frame: Frame) -> Bool {
        guard let last = frames.last else { return frame.kind == .snapshot }
        return frame.kind == .records && frame.sequence > last.sequence && frame.sequence - last.sequence == 1
            && found.previous == last.checksum
    }

    private static func later(_ bytes: UnsafeRawBufferPointer, from: Int, than last: UInt64) -> Int? {
        every(bytes, from: from) { $0.sequence > last }
    }

    private static func every(
        _ bytes: UnsafeRawBufferPointer, from: Int, _ isWanted: (Frame.Found) -> Bool
    ) -> Int? {
        var offset = from
        while offset < bytes.count {
            if bytes[offset] == Frame.magic[0], let found = Frame.find(bytes, at: offset), isWanted(found) {
                return offset
            }
            offset += 1
        }
        return nil
    }

    /// All whole frames of this version, wherever they are, in the order of their sequence numbers, each once.
    static func salvage(_ bytes: [UInt8]) -> [Frame] {
        var frames: [UInt64: Frame] = [:]
        bytes.withUnsafeBytes { bytes in
            _ = every(bytes, from: 0) { found in
                if let frame = found.frame, frames[frame.sequence] == nil { frames[frame.sequence] = frame }
                return false
            }
        }
        return frames.values.sorted { $0.sequence < $1.sequence }
    }
}
