import Foundation

extension Systemd {
    /// What was printed between a marker `: --- NAME` and the next.
    struct Parts {
        let whole: String
        private let parts: [(name: String, text: String)]

        init(_ printed: String) {
            whole = printed
            parts = printed.components(separatedBy: "+ : --- ").dropFirst().map { part in
                let words = part.split(separator: "\n", maxSplits: 1).map(String.init)
                return (words.first ?? "", words.count > 1 ? words[1] : "")
            }
        }

        /// Without what bash says that it does.
        func callAsFunction(_ name: String) -> String {
            let text = parts.first { $0.name == name }?.text ?? "there is no part \(name)"
            return text.split(separator: "\n").filter { !$0.hasPrefix("+") }.joined(separator: "\n")
        }
    }
}
