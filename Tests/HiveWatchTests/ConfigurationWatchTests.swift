import Foundation
import Glibc
import Testing

@testable import HiveWatch

@Suite struct ConfigurationWatchTests {
    private func steps(_ path: String) -> [String] {
        ConfigurationWatch.steps(to: path).map { "\($0.directory) \($0.name)" }
    }

    @Test func whatAPathDependsOn() throws {
        let scratch = try Scratch()
        let place = scratch.path
        try FileManager.default.createDirectory(atPath: "\(place)/a/b", withIntermediateDirectories: true)
        try scratch.write("{}", to: "a/b/hive.json")
        #expect(steps("\(place)/a/b/hive.json") == ["\(place)/a/b hive.json"])
        #expect(steps("\(place)/a/./b/../b/hive.json") == ["\(place)/a/b hive.json"])
        // What does not exist yet.
        #expect(steps("\(place)/a/c/hive.json") == ["\(place)/a c"])
        // As in /etc of NixOS: links to links.
        symlink("a", "\(place)/link")
        symlink("\(place)/link/b/hive.json", "\(place)/hive.json")
        #expect(
            steps("\(place)/hive.json") == [
                "\(place) hive.json", "\(place) link", "\(place)/a/b hive.json",
            ])
        symlink("loop", "\(place)/loop")
        #expect(steps("\(place)/loop").count <= 41)
    }

    /// Every way in which a file becomes another one is noticed, and what is beside it is not.
    @Test func changesAreNoticed() throws {
        let scratch = try Scratch()
        let place = scratch.path
        let manager = FileManager.default
        try scratch.write("1", to: "hive.json")
        try scratch.write("2", to: "other.json")
        let watch = try ConfigurationWatch(
            files: ["\(place)/hive.json"], directories: ["\(place)/state/agents.d"])
        #expect(!watch.read())
        try scratch.write("x", to: "beside.json")
        #expect(!watch.read(), "a file beside it")
        try scratch.write("3", to: "hive.json")
        #expect(watch.read(), "written")
        #expect(!watch.read())
        try scratch.write("4", to: "new.json")
        #expect(rename("\(place)/new.json", "\(place)/hive.json") == 0)
        #expect(watch.read(), "replaced")
        #expect(unlink("\(place)/hive.json") == 0)
        #expect(watch.read(), "removed")
        #expect(symlink("other.json", "\(place)/hive.json") == 0)
        #expect(watch.read(), "a link")
        _ = watch.read()
        try scratch.write("5", to: "other.json")
        #expect(watch.read(), "what the link leads to is written")
        // The directory of agents is made later, as that of the state is.
        try manager.createDirectory(atPath: "\(place)/state", withIntermediateDirectories: false)
        #expect(watch.read(), "the state directory is made")
        try manager.createDirectory(atPath: "\(place)/state/agents.d", withIntermediateDirectories: false)
        #expect(watch.read(), "the agents' directory is made")
        _ = watch.read()
        try scratch.write("{}", to: "state/agents.d/.alpha.json.tmp")
        #expect(!watch.read(), "a temporary file")
        #expect(rename("\(place)/state/agents.d/.alpha.json.tmp", "\(place)/state/agents.d/alpha.json") == 0)
        #expect(watch.read(), "an agent")
        try manager.removeItem(atPath: "\(place)/state/agents.d")
        #expect(watch.read(), "the agents' directory is removed")
    }
}
