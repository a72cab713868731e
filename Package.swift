// swift-tools-version: 6.2
import PackageDescription

// One list of settings, shared by every target.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "hive",
    products: [
        .executable(name: "hivectl", targets: ["hivectl"]),
        .executable(name: "hived", targets: ["hived"]),
        .executable(name: "hive-web", targets: ["hive-web"]),
        .executable(name: "hive-cni", targets: ["hive-cni"]),
        .executable(name: "hive-netavark", targets: ["hive-netavark"]),
    ],
    targets: [
        .systemLibrary(name: "CNetlink", pkgConfig: "libmnl", providers: [.apt(["libmnl-dev"])]),
        .systemLibrary(name: "CNftables", pkgConfig: "libnftnl", providers: [.apt(["libnftnl-dev"])]),
        // Part of glibc, which has no pkg-config file.
        .systemLibrary(name: "CResolver"),
        .systemLibrary(name: "CLinux"),
        // What the processes say to each other, and on what. It must not need the two libraries above: hive-web is made of it.
        .target(name: "HiveWire", dependencies: ["CLinux"], swiftSettings: settings),
        .target(name: "HiveNet", dependencies: ["CNetlink", "CNftables"], swiftSettings: settings),
        .target(
            name: "HiveCore", dependencies: ["CLinux", "HiveNet", "HiveWire", "CResolver"],
            swiftSettings: settings),
        .target(
            name: "HiveWatch", dependencies: ["CNetlink", "HiveCore", "HiveGateway", "HiveNet", "HiveWire"],
            swiftSettings: settings),
        .target(
            name: "HiveGateway", dependencies: ["CLinux", "HiveCore", "HiveNet", "HiveWire"],
            swiftSettings: settings),
        .target(name: "HiveCommand", swiftSettings: settings),
        // What container runtimes call.
        .target(
            name: "HiveRuntime", dependencies: ["CLinux", "HiveCore", "HiveNet", "HiveWatch", "HiveWire"],
            swiftSettings: settings),
        .executableTarget(name: "hive-cni", dependencies: ["HiveRuntime"], swiftSettings: settings),
        .executableTarget(name: "hive-netavark", dependencies: ["HiveRuntime"], swiftSettings: settings),
        .executableTarget(
            name: "hivectl",
            dependencies: ["HiveCommand", "HiveCore", "HiveGateway", "HiveNet", "HiveWatch", "HiveWire"],
            swiftSettings: settings),
        .target(
            name: "HiveDaemon", dependencies: ["CLinux", "HiveCore", "HiveNet", "HiveWatch", "HiveWire"],
            swiftSettings: settings),
        .executableTarget(
            name: "hived", dependencies: ["HiveCommand", "HiveCore", "HiveDaemon", "HiveWatch", "HiveWire"],
            swiftSettings: settings),
        .target(
            name: "HiveWeb", dependencies: ["CLinux", "HiveCommand", "HiveWire"],
            resources: [.embedInCode("Static/style.css"), .embedInCode("Static/hive.js")],
            swiftSettings: settings),
        .executableTarget(name: "hive-web", dependencies: ["HiveWeb"], swiftSettings: settings),
        .testTarget(name: "HiveNetTests", dependencies: ["HiveNet"], swiftSettings: settings),
        .testTarget(
            name: "HiveCoreTests", dependencies: ["CResolver", "HiveCore", "HiveNet", "HiveWire"],
            swiftSettings: settings),
        .testTarget(
            name: "HiveWireTests", dependencies: ["CLinux", "HiveWire"], swiftSettings: settings),
        .testTarget(
            name: "HiveDaemonTests",
            dependencies: [
                "CLinux", "HiveCore", "HiveDaemon", "HiveNet", "HiveWatch", "HiveWire", "StoreCrasher",
            ],
            swiftSettings: settings),
        // For HiveDaemonTests, which kills it.
        .executableTarget(
            name: "StoreCrasher", dependencies: ["HiveDaemon", "HiveWire"], path: "Tests/StoreCrasher",
            swiftSettings: settings),
        // For the tests that boot a systemd.
        .executableTarget(
            name: "LifecycleDriver", dependencies: ["HiveCore", "HiveDaemon", "HiveWatch", "HiveWire"],
            path: "Tests/LifecycleDriver", swiftSettings: settings),
        .testTarget(
            name: "HiveWebTests", dependencies: ["CLinux", "HiveCommand", "HiveWeb", "HiveWire"],
            swiftSettings: settings),
        .testTarget(
            name: "HiveCommandTests", dependencies: ["HiveCommand", "HiveCore", "hivectl"], exclude: ["Help"],
            swiftSettings: settings),
        .testTarget(
            name: "HiveGatewayTests", dependencies: ["HiveCore", "HiveGateway", "HiveNet", "HiveWire"],
            swiftSettings: settings),
        .testTarget(
            name: "HiveRuntimeTests", dependencies: ["HiveCore", "HiveNet", "HiveRuntime", "HiveWire"],
            swiftSettings: settings),
        .testTarget(
            name: "HiveWatchTests", dependencies: ["CLinux", "HiveCore", "HiveNet", "HiveWatch", "HiveWire"],
            swiftSettings: settings),
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "HiveCore", "HiveDaemon", "HiveNet", "HiveRuntime", "HiveWatch", "HiveWeb", "HiveWire",
                "CNetlink",
                "CNftables",
            ],
            exclude: ["Entry.swift"], swiftSettings: settings),
        .testTarget(
            name: "NetnsTests", dependencies: ["HiveCore", "HiveNet", "HiveWire", "CNetlink"],
            swiftSettings: settings),
    ]
)

// For `scripts/fuzz`: the functions that FuzzTests calls, as a library that it links with libFuzzer. That has a main of its own, so
// there is nothing else to link.
if Context.environment["HIVE_FUZZ"] != nil {
    package.products = []
    package.targets.removeAll { $0.type == .test || $0.type == .executable }
    package.targets.append(
        .target(
            name: "HiveFuzz",
            dependencies: [
                "HiveCore", "HiveDaemon", "HiveNet", "HiveRuntime", "HiveWatch", "HiveWeb", "HiveWire",
                "CNetlink",
                "CNftables",
            ],
            path: "Tests/FuzzTests", exclude: ["CorpusTests.swift"], swiftSettings: settings))
}
