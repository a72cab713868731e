# What the flake is evaluated with: packages that are attributes, and functions that give back what they get.
{ system, overlays }:

let
  lib = import ../lib.nix;
  named = name: { inherit name; outPath = "/nix/store/${name}"; };
  names = [
    "curl" "installShellFiles" "iproute2" "libmnl" "libnftnl" "nftables" "nginx" "pkg-config" "python3" "shellcheck" "socat" "swiftpm"
  ];
  base = lib.genAttrs names named // {
    inherit lib;
    swift = named "swift" // { version = "6.3"; };
    swiftPackages.stdenv = { mkDerivation = attributes: attributes; buildPlatform.canExecute = _: true; hostPlatform = { }; };
    callPackage = path: arguments: import path (builtins.intersectAttrs (builtins.functionArgs (import path)) packages // arguments);
    mkShell = { inputsFrom, packages }: { inputsFrom = lib.head inputsFrom; names = map (package: package.name) packages; };
    runCommand = name: _: text: { inherit name text; };
    testers.runNixOSTest = test: test;
    writeTextDir = name: _: "/nix/store/${name}";
  };
  packages = lib.foldl' (found: overlay: found // overlay packages found) base overlays;
in
packages
