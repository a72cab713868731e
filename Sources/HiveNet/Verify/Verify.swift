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
        for attempt in 1...2 {
            // A thread of its own, since it stays on one processor.
            let (result, isSame) = try onThreadOfItsOwn { (_) throws(KernelError) in
                guard hive_stay_on_processor() == 0 else { throw .last("stay on a processor") }
                var inspection = try Inspection(&self, spec, options, seed: seed)
                return try inspection.run(&self, progress)
            }
            verification = result
            if isSame { return verification }
            if attempt == 1 {
                verification.notes.append("somebody changed the hive meanwhile, so it was verified again")
            }
        }
        verification.incidents.append(
            Verification.Incident(
                outcome: .untested, agent: nil, target: .host, probe: nil,
                sentence: "could not test for good: somebody keeps changing the hive's rules or links"))
        return verification
    }
}
