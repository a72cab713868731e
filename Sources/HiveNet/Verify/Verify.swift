internal import CNetlink
internal import Glibc

/// What is to be verified.
public struct VerificationOptions: Sendable {
    /// These agents send probes; nil for all. Every agent is a target all the same.
    public var agents: Set<String>?
    /// Real addresses outside that are tried besides those that verify answers for.
    public var targets: [Outward] = []
    /// Nil: any.
    public var seed: UInt64?

    public init() {}
}

extension HostNetwork {
    /// Tries, from inside every agent's namespace and with real packets, what the boundary forbids and what it allows.
    ///
    /// No process is touched and nothing stays behind. What others change meanwhile would make the result worthless, so when
    /// the hive's rules or links are others at the end it all begins again, once.
    /// - Parameter progress: is told how many steps are done, and of how many.
    public mutating func verify(
        _ spec: NetworkSpec, _ options: VerificationOptions, progress: (Int, Int) -> Void
    ) throws(KernelError) -> Verification {
        let seed = options.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        var verification = Verification(seed: seed)
        var lost: KernelError?
        for attempt in 0..<2 {
            do throws(KernelError) {
                let isSame: Bool
                (verification, isSame) = try inspect(spec, options, seed, progress)
                if attempt > 0 {
                    verification.notes.append("somebody changed the hive meanwhile, so it was verified again")
                }
                if isSame { return verification }
            } catch {
                // A link that was there, or the bridge itself, is gone.
                guard error.isNotFound else { throw error }
                lost = error
            }
        }
        // What is allowed fails while the hive is taken away, and that is nobody's fault.
        verification.incidents.removeAll { $0.outcome == .failed }
        // So does a link look like a stranger's that was made after the host's were read.
        for index in verification.findings.indices
        where ["links", "namespace"].contains(verification.findings[index].check) {
            verification.findings[index].severity = min(verification.findings[index].severity, .unproven)
        }
        verification.incidents.append(
            Verification.Incident(
                outcome: .untested, agent: nil, target: .host, probe: nil,
                sentence: "could not test for good: somebody keeps changing the hive's rules or agents"
                    + (lost.map { " (\($0))" } ?? "")))
        return verification
    }

    /// - Returns: the result, and whether the hive was the same all the time.
    private mutating func inspect(
        _ spec: NetworkSpec, _ options: VerificationOptions, _ seed: UInt64, _ progress: (Int, Int) -> Void
    ) throws(KernelError) -> (Verification, isSame: Bool) {
        // A thread of its own, since it stays on one processor.
        try onThreadOfItsOwn { (_) throws(KernelError) in
            guard hive_stay_on_processor() == 0 else { throw .last("stay on a processor") }
            var inspection = try Inspection(&self, spec, options, seed: seed)
            return try inspection.run(&self, progress)
        }
    }
}
