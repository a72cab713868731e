{
  description = "Keeps AI agents in their boxes: a network boundary for containers, enforced by the kernel";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      # Nothing but the first was ever tried, and that without Nix.
      forEachSystem = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ];
      pkgsFor = system: import nixpkgs {
        inherit system;
        overlays = [ self.overlays.default ];
      };
    in
    {
      overlays.default = final: prev: { hive = final.callPackage ./nix/package.nix { }; };

      # With the package of this flake's nixpkgs, since a release's own Swift may be too old (as of 25.11 it is 5.10).
      nixosModules.default =
        { lib, pkgs, ... }:
        {
          imports = [ ./nix/module.nix ];
          services.hive.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.hive;
        };

      packages = forEachSystem (system: rec {
        inherit (pkgsFor system) hive;
        default = hive;
      });

      checks = forEachSystem (
        system:
        let
          pkgs = pkgsFor system;
        in
        {
          package = pkgs.hive;
          # What scripts/nix-check does with the small library of nix/tests/, here with the real one's functions.
          evaluation = pkgs.runCommand "hive-module-evaluation" { } (
            let
              results = (import ./nix/tests { inherit (pkgs) lib; }).results;
              failed = lib.filter (result: !result.holds) results;
            in
            if failed == [ ] then
              "echo ${toString (lib.length results)} checks hold > $out"
            else
              throw "These do not hold: ${lib.concatMapStringsSep "; " (result: result.name) failed}"
          );
          vm = import ./nix/tests/vm.nix { inherit pkgs; };
        }
      );

      devShells = forEachSystem (
        system:
        let
          pkgs = pkgsFor system;
        in
        {
          default = pkgs.mkShell {
            inputsFrom = [ pkgs.hive ];
            # What the tests look at the kernel with, and the checks at the scripts.
            packages = [ pkgs.iproute2 pkgs.nftables pkgs.nginx pkgs.shellcheck pkgs.socat ];
          };
        }
      );
    };
}
