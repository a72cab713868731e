# The units of packaging/, as options of NixOS. They are read and not written down a second time: what hardens a process is in one place,
# with the reasons beside it. Every value is a default, so that `systemd.services.hived.serviceConfig.MemoryMax = "2G"` is enough to change it.
{ lib, programs }:

let
  # In front of names of programs; at each place the first that fits is taken.
  from = [ "/usr/local/bin/" "/usr/sbin/nginx" "/bin/" ];
  to = [ "${programs.hive}/bin/" "${programs.nginx}/bin/nginx" "${programs.coreutils}/bin/" ];

  lines =
    file:
    lib.filter (line: line != "" && !(lib.hasPrefix "#" line)) (
      lib.splitString "\n" (builtins.readFile file)
    );

  # { Service.SystemCallFilter = [ "@basic-io …" "~@privileged …" ]; … }
  sections =
    file:
    (lib.foldl'
      (
        state: line:
        let
          header = builtins.match "\\[([A-Za-z]+)]" line;
          pair = builtins.match "([A-Za-z]+)=(.*)" line;
          key = lib.head pair;
          value = builtins.replaceStrings from to (lib.last pair);
          section = state.found.${state.section} or { };
        in
        if header != null then
          state // { section = lib.head header; }
        else if pair == null then
          throw "${toString file}: \"${line}\" is neither a section nor KEY=VALUE on one line."
        else
          state
          // {
            found = state.found // {
              ${state.section} = section // { ${key} = (section.${key} or [ ]) ++ [ value ]; };
            };
          }
      )
      {
        section = "";
        found = { };
      }
      (lines file)
    ).found;

  words = values: lib.concatMap (lib.splitString " ") values;
  plain = values: if lib.length values == 1 then lib.head values else values;
  defaults = lib.mapAttrs (_: values: lib.mkDefault (plain values));

  # Keys of [Unit] for which NixOS has options of its own.
  lists = { After = "after"; Before = "before"; Wants = "wants"; Requires = "requires"; };
  unit =
    found:
    let
      section = found.Unit or { };
      isOther = key: !(lists ? ${key}) && key != "Description" && key != "Documentation";
    in
    lib.mapAttrs' (key: option: lib.nameValuePair option (words (section.${key} or [ ]))) lists
    // {
      description = lib.head section.Description;
      documentation = section.Documentation or [ ];
      unitConfig = defaults (lib.filterAttrs (key: _: isOther key) section);
      wantedBy = words (found.Install.WantedBy or [ ]);
    };
in
{
  inherit sections;
  service = file: unit (sections file) // { serviceConfig = defaults (sections file).Service; };
  socket = file: unit (sections file) // { socketConfig = defaults (sections file).Socket; };
}
