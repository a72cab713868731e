# What an option's type has to refuse.
{ hive, ... }:

{
  unknownOption = hive { agents.alpha.webport = 8080; };
  portAsText = hive { agents.alpha.web.port = "8080"; };
  portZero = hive { agents.alpha.web.port = 0; };
  egressWord = hive { agents.alpha.egress = "everything"; };
  egressKey = hive { agents.alpha.egress = { permit = [ ]; }; };
  hostService = hive { agents.alpha.egress.host = [ "53" ]; };
  keyInTheStore = hive { gateway.tls = { certificate = ./lib.nix; key = "/key.pem"; }; };
  rosterWithoutSocket = hive { roster.grace = 1; };
  mtu = hive { network.mtu = 576; };
  mode = hive { gateway.mode = "host"; };
}
