extension CompletionTree {
    /// For zsh, as zshcompsys(1) has it.
    var zsh: String {
        """
        #compdef \(name)
        # Completion of \(name) for zsh. Made by: \(name) completion zsh
        _\(name)() {
            local place=\(name) word last= argument=
            local -a options commands arguments seen barred rivals repeatable left
            local -i index count=0
            for ((index = 2; index < CURRENT; index++)); do
                word=$words[index]
                if [[ -n $last ]]; then
                    last=
                    continue
                fi
                if [[ $word == -* ]]; then
                    seen+=("${word%%=*}")
                    if [[ $word != *=* ]]; then
                        case "$place:$word" in
        \(zshTakers)                esac
                    fi
                    continue
                fi
                case "$place $word" in
        \(zshDescents)                *) count+=1 ;;
                esac
            done
            if [[ -z $last && $words[CURRENT] == --*=* ]]; then
                last=${words[CURRENT]%%=*}
                compset -P '*='
            fi
            if [[ -n $last ]]; then
                case "$place:$last" in
        \(zshValues)            esac
                return
            fi
            case "$place" in
        \(zshPlaces)    esac
            if [[ $words[CURRENT] == -* ]]; then
                local rival option
                for rival in $rivals; do
                    for word in ${=rival}; do
                        (( ${seen[(Ie)$word]} )) && barred+=(${(@)${=rival}:#$word})
                    done
                done
                for option in $options; do
                    word=${option%%:*}
                    (( ${barred[(Ie)$word]} || ${seen[(Ie)$word]} && ! ${repeatable[(Ie)$word]} )) || left+=("$option")
                done
                _describe -o option left
                return
            fi
            if (( $#commands )); then
                _describe command commands
                return
            fi
            (( $#arguments )) || return 1
            (( count < $#arguments )) && argument=$arguments[count+1]
            [[ -n $argument || -z ${repeated-} ]] || argument=$repeated
            case "$argument" in
                agents) compadd -- ${(f)"$(\(Self.agents))"} ;;
                file) _files ;;
                directory) _files -/ ;;
                words:*) compadd -- ${=argument#words:} ;;
                *) return 1 ;;
            esac
        }
        if [[ $funcstack[1] == _\(name) ]]; then
            _\(name) "$@"
        else
            compdef _\(name) \(name)
        fi

        """
    }

    private func patterns(_ entry: (paths: [String], option: Option)) -> String {
        entry.paths.map { Self.quoted("\($0):\(entry.option.spelling)") }.joined(separator: " | ")
    }

    private var zshDescents: String {
        let paths = places.dropFirst().map { Self.quoted($0.path) }
        return paths.isEmpty
            ? "" : "                \(paths.joined(separator: " | "))) place+=\" $word\" ;;\n"
    }

    private var zshTakers: String {
        values.map { "                    \(patterns($0))) last=$word ;;\n" }.joined()
    }

    private var zshValues: String {
        values.map { entry in
            let body =
                switch entry.option.completion {
                case .nothing: "_message \(Self.quoted(entry.option.summary))"
                case .words(let words): "compadd -- \(words.map(Self.quoted).joined(separator: " "))"
                case .file: "_files"
                case .directory: "_files -/"
                case .agents: "compadd -- ${(f)\"$(\(Self.agents))\"}"
                }
            return "            \(patterns(entry))) \(body) ;;\n"
        }.joined()
    }

    private var zshPlaces: String {
        cases("        ") { place in
            // (`_describe` ends a name at the first colon, and both sides keep theirs behind a backslash.)
            func described(_ word: String, _ words: String) -> String {
                Self.quoted(
                    word + ":"
                        + words.split(separator: ":", omittingEmptySubsequences: false).joined(
                            separator: "\\:"))
            }
            var lines = [
                "options=(\(place.options.flatMap { option in option.words.map { described($0, option.summary) } }.joined(separator: " ")))"
            ]
            let repeated = place.options.filter(\.isRepeatable).map(\.spelling)
            if !repeated.isEmpty { lines.append("repeatable=(\(repeated.joined(separator: " ")))") }
            if !place.subcommands.isEmpty {
                lines.append(
                    "commands=(\(place.subcommands.map { described($0.name, $0.abstract) }.joined(separator: " ")))"
                )
            }
            lines += place.sets
            return lines
        }
    }
}
