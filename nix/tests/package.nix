# The package and the flake, as far as they can be evaluated without building anything.
{ lib, is, ... }:

let
  swift = version: { inherit version; name = "swift"; };
  build =
    version:
    import ../package.nix {
      inherit lib;
      swift = swift version;
      swiftpm.name = "swiftpm";
      swiftPackages.stdenv.mkDerivation = attributes: attributes;
      pkg-config.name = "pkg-config";
      libmnl.name = "libmnl";
      libnftnl.name = "libnftnl";
    };
  package = build "6.3.1";
  fails = value: !(builtins.tryEval (builtins.deepSeq value true)).success;

  # A nixpkgs for the flake, in which everything is only its name.
  nixpkgs = {
    inherit lib;
    outPath = ./nixpkgs;
  };
  flake = (import ../../flake.nix).outputs { self = flake; inherit nixpkgs; };
  inherit (flake.packages.x86_64-linux) default;

  # The version that the scripts demand: "(6.3 is needed)".
  demanded = lib.head (
    lib.concatLists (lib.filter lib.isList (builtins.split "\\(([0-9.]+) is needed\\)" (builtins.readFile ../../scripts/lib.sh)))
  );
in
[
  (is "package: not with an old Swift" (map (version: fails (build version).pname) [ "5.10.1" "6.2.4" ]) [ true true ])
  (is "package: but with a newer one" (map (version: (build version).pname) [ "6.3" "6.3.1" "7.0" ]) [ "hive" "hive" "hive" ])
  (is "package: as the scripts demand it" [ (fails (build demanded).pname) demanded ] [ false "6.3" ])
  (is "package: its libraries" (map (library: library.name) package.buildInputs) [ "libmnl" "libnftnl" ])
  (is "package: its programs" (map (program: lib.hasInfix "$binPath/${program}\"" package.installPhase) [ "hivectl" "hived" "hive-web" "hive-cni" "hive-netavark" ]) [ true true true true true ])
  (is "flake: what it has" (lib.attrNames flake) [ "checks" "devShells" "nixosModules" "overlays" "packages" ])
  (is "flake: the package" [ default.pname (lib.attrNames flake.packages) ] [ "hive" [ "aarch64-linux" "x86_64-linux" ] ])
  (is "flake: the overlay" (lib.attrNames (flake.overlays.default { callPackage = _: _: { }; } { })) [ "hive" ])
  (is "flake: the module" (lib.isFunction flake.nixosModules.default) true)
  (is "flake: the checks" (lib.attrNames flake.checks.x86_64-linux) [ "evaluation" "package" "vm" ])
  (is "flake: the shell" flake.devShells.x86_64-linux.default.inputsFrom.pname "hive")
  (is "vm: it parses and has two agents" (lib.attrNames flake.checks.x86_64-linux.vm.nodes.machine.containers) [ "h-alpha" "h-beta" ])
]
