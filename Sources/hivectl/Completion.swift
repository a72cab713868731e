import HiveCommand

extension Hivectl {
    static func completion() -> Command {
        var command = Command("completion", "Print a shell's script that completes hivectl's command lines")
        command.discussion = """
            Packages install it where the shell looks for it. Without one, have the shell read it when it starts.
            """
        let shell = command.argument("SHELL", .choice as Syntax<Shell>, "bash, zsh or fish")
        command.exit(.ok, "it was printed")
        command.exit(.usage, "the command line is wrong")
        command.example(
            "For bash", "hivectl completion bash >~/.local/share/bash-completion/completions/hivectl")
        command.example("For fish", "hivectl completion fish >~/.config/fish/completions/hivectl.fish")
        command.action = { values, console in
            console.output.write(program().completion(for: try values[shell]))
            return .ok
        }
        return command
    }
}
