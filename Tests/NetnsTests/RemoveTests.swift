import Testing

/// `net rm`, by which an operator cuts an agent off, when something else is wrong.
struct RemoveTests {
    @Test(arguments: [false, true])
    func besideAWrongConfiguration(isWatched: Bool) throws {
        let lab = try Lab()
        try lab.write(configuration: "{ agents: { alpha: {} } }")
        try lab.apply()
        let watched = try isWatched ? Watched(lab) : nil
        defer { withExtendedLifetime(watched) {} }
        for name in ["gone", "stays"] {
            let added = try lab.hivectl("net", "add", name)
            #expect(added.status == 0, "\(added)")
        }
        func links() throws -> Set<String> { Set(try lab.links().keys.filter { $0.hasPrefix("hv-") }) }
        let before = try links()
        #expect(before.count == 3)
        try lab.write(configuration: "{ agents: { alpha: { egres: 'none' } } }")
        let removed = try lab.hivectl("net", "rm", "gone")
        #expect(removed.status == 0 && removed.stderr.contains("nothing else was applied"), "\(removed)")
        #expect(removed.stderr.contains("egres"), "\(removed)")
        #expect(try before.subtracting(links()) == ["hv-gone"])
        #expect(try lab.hivectl("net", "rm", "gone").status == 64)
        // The control, and all is well again.
        try lab.apply("{ agents: { alpha: {} } }")
        #expect(try links() == before.subtracting(["hv-gone"]))
    }

    /// Whose parent it is says the configuration that is in force.
    @Test func aParentStaysBesideAWrongConfiguration() throws {
        let lab = try Lab()
        try lab.must("mkdir -p \(Lab.state)")
        try lab.write(configuration: "{}")
        let watched = try Watched(lab)
        defer { withExtendedLifetime(watched) {} }
        #expect(try lab.hivectl("net", "add", "parent").status == 0)
        try lab.write(configuration: "{ agents: { child: { parent: 'parent' } } }")
        #expect(try lab.hivectl("net", "apply").status == 0)
        try lab.write(configuration: "{ agents: { child: { parent: 'parent', egres: 'none' } } }")
        let removed = try lab.hivectl("net", "rm", "parent")
        #expect(removed.status == 64 && removed.stderr.contains("it is the parent of"), "\(removed)")
        #expect(try lab.links()["hv-parent"] != nil)
    }
}
