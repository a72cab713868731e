extension CompletionTree {
    /// For bash 4 and later.
    var bash: String {
        """
        # Completion of \(name) for bash. Made by: \(name) completion bash
        _\(name)() {
            local cur path=\(name) seen=' ' count=0 line=() joins=''
            local word other index last='' options='' repeatable=' ' barred=' ' commands='' arguments=() rivals=()
            COMPREPLY=()
            # (bash takes an = for a word of its own, and a : as well, which belongs to what is beside it.)
            for ((index = 0; index <= COMP_CWORD; index++)); do
                word=${COMP_WORDS[index]}
                if [[ $COMP_WORDBREAKS == *:* && ($joins || $word =~ ^:+$) ]] && ((${#line[@]} > 1)); then
                    line[${#line[@]} - 1]+=$word
                else
                    line+=("$word")
                fi
                if [[ $word =~ ^:+$ ]]; then joins=1; else joins=''; fi
            done
            cur=${line[${#line[@]} - 1]}
            [[ $cur != '=' ]] || cur=''
            for ((index = 1; index < ${#line[@]} - 1; index++)); do
                word=${line[index]}
                [[ $word != '=' ]] || continue
                if [[ $last ]]; then
                    last=''
                    continue
                fi
                if [[ $word == -* ]]; then
                    seen+="$word "
                    case "$path:$word" in
        \(takers("                ") { "last=$word" })            esac
                    continue
                fi
                case "$path $word" in
        \(descents)                *) count=$((count + 1)) ;;
                esac
            done
            if [[ $last ]]; then
                case "$path:$last" in
        \(valueCases)            esac
                return
            fi
            case "$path" in
        \(placeCases)    esac
            if [[ $cur == -* ]]; then
                local rival
                for rival in "${rivals[@]}"; do
                    for word in $rival; do
                        [[ $seen == *" $word "* ]] || continue
                        for other in $rival; do [[ $other == "$word" ]] || barred+="$other "; done
                    done
                done
                for word in $options; do
                    [[ $barred == *" $word "* || $seen == *" $word "* && $repeatable != *" $word "* ]] || COMPREPLY+=($(compgen -W "$word" -- "$cur"))
                done
                return
            fi
            if [[ $commands ]]; then
                COMPREPLY=($(compgen -W "$commands" -- "$cur"))
                return
            fi
            case "${arguments[count]-${repeated-}}" in
                agents) COMPREPLY=($(compgen -W "$(\(Self.agents))" -- "$cur")) ;;
                file) _\(name)_files -f ;;
                directory) _\(name)_files -d ;;
                words:*) COMPREPLY=($(compgen -W "${arguments[count]#words:}" -- "$cur")) ;;
            esac
        }
        # Names may have blanks in them: readline quotes what is a file's.
        _\(name)_files() {
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
            # (Of a word with colons readline replaces what follows the last one.)
            [[ $cur != *:* || $COMP_WORDBREAKS != *:* ]] || COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
        }
        complete -o bashdefault -F _\(name) \(name)

        """
    }

    private var descents: String {
        let paths = places.dropFirst().map { Self.quoted($0.path) }
        guard !paths.isEmpty else { return "" }
        return "                \(paths.joined(separator: " | "))) path+=\" $word\" ;;\n"
    }

    private func takers(_ indent: String, _ body: () -> String) -> String {
        values.map { entry in
            let patterns = entry.paths.map { Self.quoted("\($0):\(entry.option.spelling)") }
            return "\(indent)\(patterns.joined(separator: " | "))) \(body()) ;;\n"
        }.joined()
    }

    private var valueCases: String {
        values.map { entry in
            let patterns = entry.paths.map { Self.quoted("\($0):\(entry.option.spelling)") }
            let body =
                switch entry.option.completion {
                case .nothing: ":"
                case .words(let words):
                    "COMPREPLY=($(compgen -W \(Self.quoted(words.joined(separator: " "))) -- \"$cur\"))"
                case .file: "_\(name)_files -f"
                case .directory: "_\(name)_files -d"
                case .agents: "COMPREPLY=($(compgen -W \"$(\(Self.agents))\" -- \"$cur\"))"
                }
            return "            \(patterns.joined(separator: " | "))) \(body) ;;\n"
        }.joined()
    }

    private var placeCases: String {
        cases("        ") { place in
            var lines = ["options=\(Self.quoted(place.options.flatMap(\.words).joined(separator: " ")))"]
            let repeated = place.options.filter(\.isRepeatable).map(\.spelling)
            if !repeated.isEmpty {
                lines.append("repeatable=\(Self.quoted(" " + repeated.joined(separator: " ") + " "))")
            }
            if !place.subcommands.isEmpty {
                lines.append("commands=\(Self.quoted(place.subcommands.map(\.name).joined(separator: " ")))")
            }
            lines += place.sets
            return lines
        }
    }
}

extension CompletionTree.Place {
    /// What is set alike in bash and in zsh.
    var sets: [String] {
        func list(_ words: [String]) -> String {
            "(" + words.map(CompletionTree.quoted).joined(separator: " ") + ")"
        }
        var lines: [String] = []
        // What was given by one spelling is not offered by the other.
        let twins = options.filter { $0.short != nil && !$0.isRepeatable }.map(\.words)
        if !(exclusions + twins).isEmpty {
            lines.append("rivals=" + list((exclusions + twins).map { $0.joined(separator: " ") }))
        }
        if !arguments.isEmpty { lines.append("arguments=" + list(arguments.map(\.completion.word))) }
        if let last = arguments.last, last.count == .any {
            lines.append("local repeated=\(CompletionTree.quoted(last.completion.word))")
        }
        return lines
    }
}

extension Option {
    /// `-h --help`.
    var words: [String] { (short.map { ["-\($0)"] } ?? []) + [spelling] }
}

extension Completion {
    /// One word for a shell's case.
    var word: String {
        switch self {
        case .nothing: "nothing"
        case .words(let words): "words:" + words.joined(separator: " ")
        case .file: "file"
        case .directory: "directory"
        case .agents: "agents"
        }
    }
}
