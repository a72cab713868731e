# The types that nix/ uses, as lib/types.nix of nixpkgs has them.
lib:

let
  inherit (lib) all any concatLists concatMap filter isAttrs isBool isFunction isInt isList isString mapAttrs mergeEqualOption mkOptionType;

  equal = name: check: mkOptionType { inherit name check; merge = mergeEqualOption; };
  values = map (definition: definition.value);

  types = rec {
    bool = equal "boolean" isBool;
    int = equal "signed integer" isInt;
    str = equal "string" isString;
    ints = {
      between = low: high: equal "integer between ${toString low} and ${toString high} (both inclusive)" (
        value: isInt value && value >= low && value <= high
      );
      unsigned = equal "unsigned integer, meaning >=0" (value: isInt value && value >= 0);
      u32 = ints.between 0 4294967295;
    };
    port = ints.between 0 65535;
    enum = choices: equal "one of ${builtins.toJSON choices}" (value: lib.elem value choices);
    strMatching = pattern: equal "string matching the pattern ${pattern}" (
      value: isString value && builtins.match pattern value != null
    );
    path = equal "path" (value: builtins.isPath value || isString value && lib.hasPrefix "/" value);
    package = mkOptionType { name = "package"; check = value: isAttrs value && (value.type or "") == "derivation"; };
    unspecified = mkOptionType { name = "unspecified value"; };
    raw = mkOptionType { name = "raw value"; };
    lines = mkOptionType {
      name = "strings concatenated with \"\\n\"";
      check = isString;
      merge = _: definitions: lib.concatStringsSep "\n" (values definitions);
    };

    listOf =
      element:
      mkOptionType {
        name = "list of ${element.description}";
        check = isList;
        merge =
          loc: definitions:
          concatMap (
            value:
            let
              merged = lib.mergeDefinitions (loc ++ [ "*" ]) element [ value ];
            in
            lib.optional (merged != null) merged.value
          ) (concatLists (values definitions));
      };

    attrsOf =
      element:
      mkOptionType {
        name = "attribute set of ${element.description}";
        check = isAttrs;
        getSubOptions = prefix: element.getSubOptions (prefix ++ [ "<name>" ]);
        merge =
          loc: definitions:
          let
            sets = concatMap lib.pushDown (values definitions);
            names = lib.unique (concatMap lib.attrNames sets);
            named = name: map (set: set.${name}) (filter (set: set ? ${name}) sets);
            merged = lib.genAttrs names (name: lib.mergeDefinitions (loc ++ [ name ]) element (named name));
          in
          mapAttrs (_: one: one.value) (lib.filterAttrs (_: one: one != null) merged);
      };

    nullOr =
      element:
      mkOptionType {
        name = "null or ${element.description}";
        check = value: value == null || element.check value;
        inherit (element) getSubOptions;
        nestedTypes.elemType = element;
        merge =
          loc: definitions:
          if all (value: value == null) (values definitions) then
            null
          else if any (value: value == null) (values definitions) then
            throw "The option `${lib.concatStringsSep "." loc}' is defined both null and not null."
          else
            element.merge loc definitions;
      };

    either =
      left: right:
      mkOptionType {
        name = "${left.description} or ${right.description}";
        check = value: left.check value || right.check value;
        nestedTypes = { inherit left right; };
        merge =
          loc: definitions:
          if all left.check (values definitions) then
            left.merge loc definitions
          else if all right.check (values definitions) then
            right.merge loc definitions
          else
            mergeEqualOption loc definitions;
      };

    submodule =
      module:
      let
        modules = lib.optionals (!(isList module)) [ module ] ++ lib.optionals (isList module) module;
      in
      mkOptionType {
        name = "submodule";
        check = value: isAttrs value || isFunction value;
        getSubOptions = prefix: (lib.evalSubmodule modules prefix [ ]).options;
        merge = loc: definitions: (lib.evalSubmodule modules loc definitions).config;
      };
  };
in
types
