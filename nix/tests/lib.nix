# What nix/ uses of the `lib` of nixpkgs, with the meaning that it has there, so that the module can be evaluated where there is no nixpkgs.
# The functions that are not of modules; those are in modules.nix, and the types in types.nix.
let
  inherit (builtins) attrNames elemAt filter genList head isAttrs length listToAttrs map stringLength substring;

  lib = rec {
    inherit (builtins)
      all any attrNames attrValues compareVersions concatLists concatMap concatStringsSep elem filter foldl' genList
      head isAttrs isBool isFunction isInt isList isString length listToAttrs removeAttrs;

    id = value: value;
    last = list: elemAt list (length list - 1);
    unique = foldl' (found: value: if elem value found then found else found ++ [ value ]) [ ];
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: attrs: if condition then attrs else { };
    optionalString = condition: text: if condition then text else "";

    nameValuePair = name: value: { inherit name value; };
    mapAttrs = builtins.mapAttrs;
    mapAttrsToList = f: attrs: map (name: f name attrs.${name}) (attrNames attrs);
    mapAttrs' = f: attrs: listToAttrs (mapAttrsToList f attrs);
    filterAttrs =
      keeps: attrs:
      listToAttrs (map (name: nameValuePair name attrs.${name}) (filter (name: keeps name attrs.${name}) (attrNames attrs)));
    genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
    recursiveUpdate =
      left: right:
      if isAttrs left && isAttrs right then
        left // mapAttrs (name: value: if left ? ${name} then recursiveUpdate left.${name} value else value) right
      else
        right;

    concatMapStringsSep = separator: f: list: concatStringsSep separator (map f list);
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    removePrefix =
      prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (stringLength text) text else text;
    hasInfix =
      infix: text:
      let
        size = stringLength infix;
        places = stringLength text - size + 1;
      in
      places > 0 && any (start: substring start size text == infix) (genList id places);
    # Of separators that are one character, which is nothing special to a regular expression between brackets.
    splitString = separator: text: filter isString (builtins.split "[${separator}]" text);
    toLower =
      let
        letters = text: genList (place: substring place 1 text) (stringLength text);
      in
      builtins.replaceStrings (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (letters "abcdefghijklmnopqrstuvwxyz");
    versionOlder = left: right: compareVersions right left == 1;
    versionAtLeast = left: right: !(versionOlder left right);

    cleanSourceWith = { src, ... }: src;
    licenses.asl20 = "Apache-2.0";
    platforms.linux = [ "x86_64-linux" "aarch64-linux" ];

    literalExpression = text: { _type = "literalExpression"; inherit text; };
    inherit (import ./modules.nix lib)
      mkOption mkEnableOption mkIf mkMerge mkOverride mkDefault mkForce mkBefore mkOptionType evalModules mergeEqualOption
      mergeDefinitions pushDown evalSubmodule;
    types = import ./types.nix lib;
  };
in
lib
