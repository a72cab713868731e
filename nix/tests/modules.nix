# Options, definitions with priorities and conditions, and what comes of them: as lib/modules.nix of nixpkgs does it, as far as nix/ needs it.
lib:

let
  inherit (lib) attrNames concatLists concatMap concatStringsSep elem filter foldl' isAttrs isFunction mapAttrs;

  isKind = kind: value: isAttrs value && (value._type or "") == kind;
  show = concatStringsSep ".";

  self = rec {
    mkOption = option: option // { _type = "option"; };
    mkEnableOption =
      what:
      mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether to enable ${what}.";
      };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    # (Without the order.)
    mkBefore = content: content;
    mkOptionType =
      type:
      {
        check = _: true;
        merge = mergeOneOption;
        getSubOptions = _: { };
        description = type.name;
      }
      // type;

    mergeOneOption =
      loc: definitions:
      if lib.length definitions == 1 then
        (lib.head definitions).value
      else
        throw "The option `${show loc}' is defined several times, and only one value is possible.";
    mergeEqualOption =
      loc: definitions:
      foldl' (
        value: definition:
        if definition.value == value then
          value
        else
          throw "The option `${show loc}' has conflicting definition values."
      ) (lib.head definitions).value definitions;

    # A condition around attributes becomes one around each of them, so that their names are known before the condition is.
    pushDown =
      value:
      if isKind "merge" value then
        concatMap pushDown value.contents
      else if isKind "if" value then
        map (mapAttrs (_: mkIf value.condition)) (pushDown value.content)
      else if isKind "override" value then
        map (mapAttrs (_: mkOverride value.priority)) (pushDown value.content)
      else
        [ value ];

    # What is left when conditions are looked at: values with their priorities.
    discharge =
      priority: value:
      if isKind "merge" value then
        concatMap (discharge priority) value.contents
      else if isKind "if" value then
        (if value.condition then discharge priority value.content else [ ])
      else if isKind "override" value then
        discharge value.priority value.content
      else
        [ { inherit priority value; } ];

    # Null when there is no definition, or { value }.
    mergeDefinitions =
      loc: type: definitions:
      let
        all = concatMap (discharge 100) definitions;
        first = foldl' (least: definition: if definition.priority < least then definition.priority else least) 9999 all;
        kept = map (definition: { inherit (definition) value; file = "<definition>"; }) (
          filter (definition: definition.priority == first) all
        );
        wrong = filter (definition: !(type.check definition.value)) kept;
      in
      if kept == [ ] then
        null
      else if wrong != [ ] then
        throw "A definition for option `${show loc}' is not of type `${type.description}'."
      else
        { value = type.merge loc kept; };

    evalOption =
      loc: option: definitions:
      let
        fallback = if option ? default then [ (mkOverride 1500 option.default) ] else [ ];
        merged = mergeDefinitions loc option.type (definitions ++ fallback);
      in
      if merged == null then
        throw "The option `${show loc}' is used but not defined."
      else
        (option.apply or (value: value)) merged.value;

    evalTree =
      loc: options: definitions:
      let
        sets = concatMap pushDown definitions;
        named = name: map (set: set.${name}) (filter (set: set ? ${name}) sets);
        unknown = filter (name: !(options ? ${name})) (concatMap attrNames sets);
        one =
          name: option:
          (if isKind "option" option then evalOption else evalTree) (loc ++ [ name ]) option (named name);
      in
      if unknown != [ ] then
        throw "The option `${show (loc ++ [ (lib.head unknown) ])}' does not exist."
      else
        mapAttrs one options;

    declare =
      loc: left: right:
      left
      // mapAttrs (
        name: option:
        if !(left ? ${name}) then
          option
        else if isKind "option" option || isKind "option" left.${name} then
          throw "The option `${show (loc ++ [ name ])}' is declared twice."
        else
          declare (loc ++ [ name ]) left.${name} option
      ) right;

    evalModules =
      {
        modules,
        specialArgs ? { },
        prefix ? [ ],
      }:
      let
        arguments = specialArgs // { inherit lib config options; };
        # (nixpkgs refuses a merge in the place of a module. Of a condition, or a priority, it makes a module; nix/ needs neither.)
        load =
          module:
          let
            loaded = if builtins.isPath module || lib.isString module then import module else module;
            called = if isFunction loaded then loaded arguments else loaded;
            kind = if isAttrs module then module._type or "module" else "module";
            isLong = called ? options || called ? config || called ? imports;
            long = if isLong then called else { config = called; };
          in
          if elem kind [ "merge" "if" "override" ] then
            throw "Could not load a value as a module, because it is of type \"${kind}\"."
          else
            concatMap load (long.imports or [ ]) ++ [ long ];
        loaded = concatMap load modules;
        options = foldl' (declare prefix) { } (map (module: module.options or { }) loaded);
        config = evalTree prefix options (map (module: module.config or { }) loaded);
      in
      { inherit config options; };

    # A value of a submodule is all configuration, also where one of its keys is called `config`.
    evalSubmodule =
      modules: loc: definitions:
      evalModules {
        modules = modules ++ map (definition: if isFunction definition.value then definition.value else { config = definition.value; }) definitions;
        specialArgs.name = lib.last loc;
        prefix = loc;
      };
  };
in
self
