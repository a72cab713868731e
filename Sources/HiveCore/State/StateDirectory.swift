/// The directory in which Hive keeps what must outlive a process: agents made at run time, leases, and the lock.
public struct StateDirectory: Sendable {
    public let path: String

    public init(_ path: String = Configuration.standardStateDirectory) { self.path = path }

    /// The agents made at run time.
    public var agents: AgentDirectory { AgentDirectory(stateDirectory: path) }

    /// `STATE/leases.json`.
    public var leases: String { "\(path)/\(Self.leasesName)" }

    /// Where an agent has its own files, unless its settings say otherwise: `STATE/agents/NAME/state`.
    public func state(of agent: String) -> String { "\(path)/agents/\(agent)/state" }

    static let leasesName = "leases.json"

    /// Makes the directory, and those above it, where missing. Mode 0755: everybody may see what the network is.
    public func make() throws(HiveError) {
        do throws(DurableFile.Failure) { try DurableFile.makeDirectory(path) } catch { throw error.error }
    }

    /// Becomes the only one who changes the hive, if nobody is.
    public func attemptLock() throws(HiveError) -> FileLock.Attempt {
        try FileLock.attempt(path: "\(path)/lock")
    }

    /// Makes a directory for an agent's own files. That above it, which it makes too, nobody but root can go through.
    public static func makePrivate(_ path: String) throws(HiveError) {
        guard !DurableFile.exists(path) else { return }
        do throws(DurableFile.Failure) { try DurableFile.makeDirectory(path, above: 0o700) } catch {
            throw error.error
        }
    }

    /// Waits to be the only one who changes the hive, on the file `STATE/lock`. The directory must exist.
    ///
    /// - Parameter wait: called once when that takes longer than a second, with the holder's process id if known.
    public func lock(wait: (_ holder: Int32?) -> Void) throws(HiveError) -> FileLock {
        try FileLock(path: "\(path)/lock", wait: wait)
    }

    /// Writes a file that nobody but its owner can read, in one step.
    public func write(_ text: String, private name: String) throws(HiveError) {
        do throws(DurableFile.Failure) {
            try DurableFile.write(text, to: name, in: path, mode: 0o600, replacing: true)
        } catch { throw error.error }
    }

    /// Reads such a file; nil if there is none.
    public func read(private name: String) throws(HiveError) -> [UInt8]? {
        do throws(DurableFile.Failure) {
            return try DurableFile.read("\(path)/\(name)", onlyRegular: true)
        } catch {
            if error.isMissing { return nil }
            throw error.error
        }
    }
}
