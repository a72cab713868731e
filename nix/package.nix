# The programs, built by SwiftPM from this checkout. There are no Swift packages to fetch.
{
  lib,
  swift,
  swiftpm,
  swiftPackages,
  pkg-config,
  libmnl,
  libnftnl,
}:

let
  # As scripts/lib.sh demands it of the other builds.
  needed = "6.3";
in
if !(lib.versionAtLeast swift.version needed) then
  throw (
    "hive: Swift ${needed} is needed, and this nixpkgs has ${swift.version}. Take a nixpkgs with a newer one, or give one: "
    + "hive.override { swift = …; swiftpm = …; swiftPackages = …; }"
  )
else
  swiftPackages.stdenv.mkDerivation {
    pname = "hive";
    version = "0.1.0";

    # Tests are not run here, but Package.swift names their directories.
    src = lib.cleanSourceWith {
      name = "hive-source";
      src = ../.;
      filter =
        path: type:
        let
          relative = lib.removePrefix (toString ../. + "/") (toString path);
          top = lib.head (lib.splitString "/" relative);
        in
        lib.elem top [ "Package.swift" "Sources" "Tests" ];
    };

    # swiftpm brings the build phase: `swift build -c release`.
    nativeBuildInputs = [ swift swiftpm pkg-config ];
    buildInputs = [ libmnl libnftnl ];
    strictDeps = true;

    # Of the products, the three programs; the tests' helpers stay behind.
    installPhase = ''
      runHook preInstall
      binPath="$(swiftpmBinPath)"
      install -D -m 755 -t $out/bin "$binPath/hivectl" "$binPath/hived" "$binPath/hive-web" "$binPath/hive-cni" "$binPath/hive-netavark"
      runHook postInstall
    '';

    # The tests want namespaces of the network: scripts/test runs them.
    doCheck = false;

    meta = {
      description = "Network boundary for the containers of AI agents";
      license = lib.licenses.asl20;
      platforms = lib.platforms.linux;
      mainProgram = "hivectl";
    };
  }
