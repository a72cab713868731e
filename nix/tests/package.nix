# The package and the flake, as far as they can be evaluated without building anything.
{ lib, is, ... }:

let
  swift = version: { inherit version; name = "swift"; };
  buildFor =
    runsHere: version:
    import ../package.nix {
      inherit lib;
      swift = swift version;
      swiftpm.name = "swiftpm";
      swiftPackages.stdenv = { mkDerivation = attributes: attributes; buildPlatform.canExecute = _: runsHere; hostPlatform = { }; };
      installShellFiles.name = "installShellFiles";
      pkg-config.name = "pkg-config";
      libmnl.name = "libmnl";
      libnftnl.name = "libnftnl";
    };
  build = buildFor true;
  package = build "6.3.1";
  installs = words: built: map (word: lib.hasInfix word built.installPhase) words;
  # What scripts/manual has written, in its words.
  manual = [ "--write-manual" "installManPage" "completion" "installShellCompletion" ];
  fails = value: !(builtins.tryEval (builtins.deepSeq value true)).success;

  # A nixpkgs for the flake, in which everything is only its name.
  nixpkgs = {
    inherit lib;
    outPath = ./nixpkgs;
  };
  flake = (import ../../flake.nix).outputs { self = flake; inherit nixpkgs; };
  inherit (flake.packages.x86_64-linux) default;
  module = flake.nixosModules.default { inherit lib; pkgs.stdenv.hostPlatform.system = "x86_64-linux"; };

  # The version that the scripts demand: "(6.3 is needed)".
  demanded = lib.head (
    lib.concatLists (lib.filter lib.isList (builtins.split "\\(([0-9.]+) is needed\\)" (builtins.readFile ../../scripts/lib.sh)))
  );
in
[
  (is "package: not with an old Swift" (map (version: fails (build version).nativeBuildInputs) [ "5.10.1" "6.2.4" ]) [ true true ])
  (is "package: but with a newer one" (map (version: (build version).pname) [ "6.3" "6.3.1" "7.0" ]) [ "hive" "hive" "hive" ])
  (is "package: as the scripts demand it" [ (fails (build demanded).nativeBuildInputs) demanded ] [ false "6.3" ])
  (is "package: its libraries" (map (library: library.name) package.buildInputs) [ "libmnl" "libnftnl" ])
  (is "package: its programs" (map (program: lib.hasInfix "$binPath/${program}\"" package.installPhase) [ "hivectl" "hived" "hive-web" "hive-cni" "hive-netavark" ]) [ true true true true true ])
  (is "package: its manual and completions" (installs manual package) [ true true true true ])
  (is "package: of every program that writes pages"
    (lib.hasInfix "for program in hivectl hived hive-web; do" package.installPhase)
    (lib.hasInfix "for program in hivectl hived hive-web; do" (builtins.readFile ../../scripts/manual))
  )
  (is "package: neither where its programs do not run" (installs manual (buildFor false "6.3.1")) [ false false false false ])
  (is "package: but the programs" (installs [ "$binPath/hivectl\"" "runHook postInstall" ] (buildFor false "6.3.1")) [ true true ])
  (is "package: what builds it" (map (tool: tool.name) package.nativeBuildInputs) [ "swift" "swiftpm" "pkg-config" "installShellFiles" ])
  (is "flake: what it has" (lib.attrNames flake) [ "checks" "devShells" "nixosModules" "overlays" "packages" ])
  (is "flake: the package" [ default.pname (lib.attrNames flake.packages) ] [ "hive" [ "aarch64-linux" "x86_64-linux" ] ])
  (is "flake: the overlay" (lib.attrNames (flake.overlays.default { callPackage = _: _: { }; } { })) [ "hive" ])
  (is "flake: the module" module.imports [ ../module.nix ])
  (is "flake: with the flake's package" module.services.hive.package.content.pname "hive")
  (is "flake: of which one's own takes the place" (module.services.hive.package.priority > 100) true)
  (is "flake: the checks" (lib.attrNames flake.checks.x86_64-linux) [ "evaluation" "package" "vm" ])
  (is "flake: the shell" flake.devShells.x86_64-linux.default.inputsFrom.pname "hive")
  (is "vm: it parses and has two agents" (lib.attrNames flake.checks.x86_64-linux.vm.nodes.machine.containers) [ "h-alpha" "h-beta" ])
]
