internal import Glibc

extension Inspection {
    /// Makes every attempt once in a hive without a boundary.
    ///
    /// This is what keeps a broken prober from reporting safety: what does not arrive here is tested nowhere.
    mutating func runControls(_ magic: UInt32, _ targets: HostTargets) throws(KernelError) {
        // Two of the agents, or two that are made up where there are fewer.
        let made = (0..<2).map { number in
            let address4 = IPv4Address(bits: spec.subnet4.first.bits + 2 + UInt32(number))
            let address6 = spec.subnet6.map { IPv6Address(bits: $0.first.bits + 2 + UInt128(number)) }
            return Station("control\(number)", address4, address6, hasIPv6: targets.hasIPv6)
        }
        let agents = stations.count < 2 ? made : Array(stations[..<2])
        let listening = targets.listeners.flatMap(\.addresses4).filter {
            $0.bits >> 24 != 127 && $0.bits != 0
        }
        let listening6 = targets.listeners.flatMap(\.addresses6).filter { $0.bits > 1 }
        let control = try ControlHive(
            spec, magic: magic, hasIPv6: targets.hasIPv6, agents: agents,
            addresses4: Array(Set(targets.addresses4.map(\.address) + listening)),
            addresses6: Array(Set(targets.addresses6.map(\.address) + listening6)))
        let prober = Prober(
            spec, magic: magic, attempts: attempts, stations: agents, senders: control.senders.map { $0 },
            host: control.host, outside: control.outside)
        defer { PacketSocket.close(prober) }
        // A link that has just been raised drops frames until the kernel has noticed (linkwatch, in a work queue that waits for the
        // lock of all links: for long where a thousand namespaces are being cleared away).
        let deadline = ContinuousClock.now + .seconds(15)
        repeat {
            let missing = attempts.indices.filter { !controlled.contains($0) }
            let range = try prober.fire(0, missing.map { ($0, attempts[$0].target == .agents ? 1 : nil) })
            for index in range where prober.arrivals[UInt32(index)] != nil {
                controlled.insert(Int(prober.shots[index].attempt))
            }
        } while controlled.count < attempts.count && prober.senders[0]?.fault == nil
            && ContinuousClock.now < deadline && usleep(5_000) == 0
        result.controls.probes = attempts.count
        result.controls.arrived = controlled.count
        for index in attempts.indices where !controlled.contains(index) {
            report(
                .untested, nil, attempts[index].target,
                "could not test \(attempts[index].words): its control did not arrive")
        }
    }
}
