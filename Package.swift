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
        .executable(name: "hivectl", targets: ["hivectl"])
    ],
    targets: [
        .systemLibrary(name: "CNetlink", pkgConfig: "libmnl", providers: [.apt(["libmnl-dev"])]),
        .systemLibrary(name: "CNftables", pkgConfig: "libnftnl", providers: [.apt(["libnftnl-dev"])]),
        // Part of glibc, which has no pkg-config file.
        .systemLibrary(name: "CResolver"),
        .target(name: "HiveNet", dependencies: ["CNetlink", "CNftables"], swiftSettings: settings),
        .target(name: "HiveCore", dependencies: ["HiveNet", "CResolver"], swiftSettings: settings),
        .target(
            name: "HiveWatch", dependencies: ["CNetlink", "HiveCore", "HiveGateway", "HiveNet"],
            swiftSettings: settings),
        .target(name: "HiveGateway", dependencies: ["HiveCore", "HiveNet"], swiftSettings: settings),
        .target(name: "HiveCommand", swiftSettings: settings),
        .executableTarget(
            name: "hivectl",
            dependencies: ["HiveCommand", "HiveCore", "HiveGateway", "HiveNet", "HiveWatch"],
            swiftSettings: settings),
        .testTarget(name: "HiveNetTests", dependencies: ["HiveNet"], swiftSettings: settings),
        .testTarget(name: "HiveCoreTests", dependencies: ["HiveCore", "HiveNet"], swiftSettings: settings),
        .testTarget(
            name: "HiveCommandTests", dependencies: ["HiveCommand", "hivectl"], exclude: ["Help"],
            swiftSettings: settings),
        .testTarget(
            name: "HiveGatewayTests", dependencies: ["HiveCore", "HiveGateway", "HiveNet"],
            swiftSettings: settings),
        .testTarget(
            name: "HiveWatchTests", dependencies: ["HiveCore", "HiveNet", "HiveWatch"],
            swiftSettings: settings),
        .testTarget(
            name: "FuzzTests", dependencies: ["HiveCore", "HiveNet", "HiveWatch", "CNetlink", "CNftables"],
            exclude: ["Entry.swift"], swiftSettings: settings),
        .testTarget(
            name: "NetnsTests", dependencies: ["HiveCore", "HiveNet", "CNetlink"], swiftSettings: settings),
    ]
)

// For `scripts/fuzz`: the functions that FuzzTests calls, as a library that it links with libFuzzer. That has a main of its own, so
// there is nothing else to link.
if Context.environment["HIVE_FUZZ"] != nil {
    package.products = []
    package.targets.removeAll { $0.type == .test || $0.type == .executable }
    package.targets.append(
        .target(
            name: "HiveFuzz", dependencies: ["HiveCore", "HiveNet", "HiveWatch", "CNetlink", "CNftables"],
            path: "Tests/FuzzTests", exclude: ["CorpusTests.swift"], swiftSettings: settings))
}
