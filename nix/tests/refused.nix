# What is to be refused, by the types of options and by the package, and words of the refusal.
{ hive, lib, ... }:

let
  type = option: "A definition for option `${option}' is not of type";
in
{
  unknownOption = {
    module = hive { agents.alpha.webport = 8080; };
    says = "The option `services.hive.agents.alpha.webport' does not exist.";
  };
  portAsText = {
    module = hive { agents.alpha.web.port = "8080"; };
    says = type "services.hive.agents.alpha.web.port";
  };
  portZero = {
    module = hive { agents.alpha.web.port = 0; };
    says = type "services.hive.agents.alpha.web.port";
  };
  egressWord = {
    module = hive { agents.alpha.egress = "everything"; };
    says = type "services.hive.agents.alpha.egress";
  };
  egressKey = {
    module = hive { agents.alpha.egress.permit = [ ]; };
    says = "The option `services.hive.agents.alpha.egress.permit' does not exist.";
  };
  hostService = {
    module = hive { agents.alpha.egress.host = [ "53" ]; };
    says = type "services.hive.agents.alpha.egress.host.*";
  };
  containerWord = {
    module = hive { agents.alpha.container = "h-alpha"; };
    says = type "services.hive.agents.alpha.container";
  };
  # It would be copied into the store, where everybody can read it.
  keyInTheStore = {
    module = hive { gateway.tls = { certificate = "/certificate.pem"; key = ./lib.nix; }; };
    says = type "services.hive.gateway.tls.key";
  };
  rosterWithoutSocket = {
    module = hive { roster.grace = 1; };
    says = "The option `services.hive.roster.hostSocket' is used but not defined.";
  };
  mtu = {
    module = hive { network.mtu = 576; };
    says = type "services.hive.network.mtu";
  };
  mode = {
    module = hive { gateway.mode = "host"; };
    says = type "services.hive.gateway.mode";
  };

  # What is no module (with the small library; nixpkgs refuses the first of them).
  mergeAsModule = {
    module = lib.mkMerge [ (hive { }) ];
    says = "Could not load a value as a module, because it is of type \"merge\"";
  };
  conditionAsModule = {
    module.imports = [ (lib.mkIf true (hive { })) ];
    says = "Could not load a value as a module, because it is of type \"if\"";
  };
  priorityAsModule = {
    module = lib.mkForce (hive { });
    says = "Could not load a value as a module, because it is of type \"override\"";
  };

  # The package.
  oldSwift = {
    value = (import ../package.nix {
      inherit lib;
      swift.version = "5.10.1";
      swiftpm = null;
      swiftPackages.stdenv.mkDerivation = attributes: attributes;
      installShellFiles = null;
      pkg-config = null;
      libmnl = null;
      libnftnl = null;
    }).nativeBuildInputs;
    says = "hive: Swift 6.3 is needed, and this nixpkgs has 5.10.1. Take a nixpkgs with a newer one, or give one: hive.override { swift = …; swiftpm = …; swiftPackages = …; }";
  };
}
