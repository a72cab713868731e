import Glibc
import HiveDaemon

/// What a process was doing when it was killed: an octet in a file that outlives it.
package enum Phase: UInt8 {
    /// It does not have the store yet.
    case starting
    case opening, idle, appending, syncing, archiving, compacting
}

/// Notes the phase, writes everything in two parts, so that a process can be killed between them, and kills the process itself before
/// a certain call, if told to. One thread uses it.
final class PhasedCalls: @unchecked Sendable {
    private let octet: UnsafeMutablePointer<UInt8>
    private var callsLeft: Int?

    /// - Parameter last: before the call with this number, from 1, the process kills itself.
    init?(_ path: String, last: Int?) {
        callsLeft = last
        let file = open(path, O_RDWR)
        guard file >= 0,
            let memory = mmap(nil, 1, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), memory != MAP_FAILED
        else { return nil }
        octet = memory.assumingMemoryBound(to: UInt8.self)
    }

    func note(_ phase: Phase) { octet.pointee = phase.rawValue }

    private func count() {
        guard let left = callsLeft else { return }
        callsLeft = left - 1
        if left == 1 { kill(getpid(), SIGKILL) }
    }

    private var phase: Phase { Phase(rawValue: octet.pointee) ?? .starting }

    var calls: FileCalls {
        var calls = FileCalls.system
        calls.create = { [self] path in
            if phase != .opening, path.hasSuffix("journal.new") { note(.compacting) }
            count()
            return FileCalls.system.create(path)
        }
        calls.write = { [self] file, bytes, offset in
            if phase == .idle { note(bytes.first == 0xff ? .appending : .archiving) }
            count()
            let part = bytes.count > 1 ? bytes.count / 2 : bytes.count
            return FileCalls.system.write(file, UnsafeRawBufferPointer(rebasing: bytes[..<part]), offset)
        }
        calls.sync = { [self] file in
            if phase == .appending { note(.syncing) }
            count()
            defer { if phase == .syncing { note(.idle) } }
            return FileCalls.system.sync(file)
        }
        calls.truncate = { [self] file, length in
            count()
            return FileCalls.system.truncate(file, length)
        }
        calls.rename = { [self] from, to in
            count()
            return FileCalls.system.rename(from, to)
        }
        calls.syncDirectory = { [self] directory in
            count()
            defer { if phase == .compacting || phase == .archiving { note(.idle) } }
            return FileCalls.system.syncDirectory(directory)
        }
        return calls
    }
}
