internal import Glibc

/// Tells when somebody writes to the settings of links, below `/proc/sys/net/ipv4/conf` and `…/ipv6/conf`, of which netlink says
/// nothing.
///
/// A write by a program is an event of the directory that it finds the file in (fsnotify_parent), and that is one directory for all who
/// look through the same mount of /proc. A container with a /proc of its own writes to a directory of its own: but its /proc/sys/net
/// is that of its own network namespace.
final class SettingsWatch {
    private struct Place {
        let index: Int32
        let watches: [Int32]
        /// Keep the directories in the kernel's memory: found again after it has forgotten them, they would be others.
        let pins: [Int32]
    }

    private let files: FileWatch
    /// By the link's name.
    private var places: [String: Place] = [:]
    private var names: [Int32: String] = [:]
    /// Why some are not watched.
    private(set) var problem: KernelError?

    var descriptor: Int32 { files.descriptor }

    init() throws(KernelError) { files = try FileWatch() }

    deinit { for place in places.values { place.pins.forEach { close($0) } } }

    /// - Parameter links: all that are to be watched, by name with their indexes.
    func follow(_ links: [String: Int32]) {
        for (name, place) in places where links[name] != place.index { forget(name, place) }
        problem = nil
        for (name, index) in links where places[name] == nil {
            var (watches, pins): ([Int32], [Int32]) = ([], [])
            for family in ["ipv4", "ipv6"] {
                let directory = "/proc/sys/net/\(family)/conf/\(name)"
                // (Beyond the limit of open files it goes without.)
                let pin = open(directory, pathOnly)
                if pin >= 0 { pins.append(pin) }
                do throws(KernelError) {
                    watches.append(try files.add(directory, .modified))
                } catch {
                    // Gone again, or a kernel without IPv6.
                    if !error.isNotFound { problem = error }
                }
            }
            for watch in watches { names[watch] = name }
            places[name] = Place(index: index, watches: watches, pins: pins)
        }
    }

    private func forget(_ name: String, _ place: Place) {
        for watch in place.watches {
            files.remove(watch)
            names[watch] = nil
        }
        place.pins.forEach { close($0) }
        places[name] = nil
    }

    /// The links whose settings were written to. Nil among them: any link's may have been.
    func read() -> Set<String?> {
        var touched: Set<String?> = []
        files.read { watch, kinds, _ in
            if kinds.contains(.lost) {
                touched.insert(nil)
            } else if let name = names[watch] {
                touched.insert(name)
            }
        }
        return touched
    }
}

/// O_PATH is behind _GNU_SOURCE in glibc; its number is that of include/uapi/asm-generic/fcntl.h.
private let pathOnly: Int32 = 0o10000000 | O_CLOEXEC
