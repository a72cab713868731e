# The programs, built by SwiftPM from this checkout. There are no Swift packages to fetch.
{
  lib,
  swift,
  swiftpm,
  swiftPackages,
  pkg-config,
  installShellFiles,
  libmnl,
  libnftnl,
}:

let
  inherit (swiftPackages) stdenv;
  # As scripts/lib.sh demands it of the other builds.
  needed = "6.3";
in
stdenv.mkDerivation {
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
  # (It is refused in here, and not around it all: at `override`, which is the way out, nobody gets of a package that throws as a whole.)
  nativeBuildInputs =
    if lib.versionAtLeast swift.version needed then
      [ swift swiftpm pkg-config installShellFiles ]
    else
      throw (
        "hive: Swift ${needed} is needed, and this nixpkgs has ${swift.version}. Take a nixpkgs with a newer one, or give one: "
        + "hive.override { swift = …; swiftpm = …; swiftPackages = …; }"
      );
  buildInputs = [ libmnl libnftnl ];
  strictDeps = true;

  # Of the products, the programs; the tests' helpers stay behind. They write their manual and completions themselves, as scripts/manual has
  # them do, and with the date of SOURCE_DATE_EPOCH. (Built for another machine they do not run here, and there is neither.)
  installPhase = ''
    runHook preInstall
    binPath="$(swiftpmBinPath)"
    install -D -m 755 -t $out/bin "$binPath/hivectl" "$binPath/hived" "$binPath/hive-web" "$binPath/hive-cni" "$binPath/hive-netavark"
    ${lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
      mkdir manual
      for program in hivectl hived hive-web; do
        "$out/bin/$program" --write-manual manual
      done
      installManPage manual/*
      for shell in bash zsh fish; do
        "$out/bin/hivectl" completion "$shell" > "hivectl.$shell"
      done
      installShellCompletion hivectl.bash hivectl.zsh hivectl.fish
    ''}
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
