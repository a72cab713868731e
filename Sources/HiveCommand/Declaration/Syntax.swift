/// How a value is written on the command line: what reads it, and what a message says was expected.
public struct Syntax<Value> {
    /// Completes "The value '0' of --web-port is not …".
    public let expected: String
    public let completion: Completion
    /// - Returns: nil when the text is not written so.
    let read: (String) -> Value?
    /// What help writes for a default.
    let spell: (Value) -> String

    /// - Parameter expected: completes "The value 'x' of --address4 is not …", with its article.
    public init(
        _ expected: String, completion: Completion = .nothing,
        spell: @escaping (Value) -> String = { "\($0)" },
        read: @escaping (String) -> Value?
    ) {
        self.expected = expected
        self.completion = completion
        self.read = read
        self.spell = spell
    }
}

extension Syntax where Value == String {
    /// Anything but the empty string.
    public static var text: Syntax { Syntax("a word") { $0.isEmpty ? nil : $0 } }
    /// The name of an agent that there is. (Whether it is one, whoever knows them says.)
    public static var agent: Syntax {
        Syntax("the name of an agent", completion: .agents) { $0.isEmpty ? nil : $0 }
    }
    /// The path of a file.
    public static var file: Syntax { path("the path of a file", .file) }
    /// The path of a directory.
    public static var directory: Syntax { path("the path of a directory", .directory) }

    /// A path ends at its first zero byte, so what follows one would be lost on the way to the kernel.
    private static func path(_ expected: String, _ completion: Completion) -> Syntax {
        Syntax(expected, completion: completion) { $0.isEmpty || $0.utf8.contains(0) ? nil : $0 }
    }
}

extension Syntax where Value == Int {
    /// Decimal digits only: no sign, no blanks.
    public static func integer(_ range: ClosedRange<Int>) -> Syntax {
        Syntax("a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                let number = Int(text), range.contains(number)
            else { return nil }
            return number
        }
    }
}

extension Syntax where Value: RawRepresentable<String> & CaseIterable {
    /// One of an enumeration's raw values.
    public static var choice: Syntax {
        let words = Value.allCases.map(\.rawValue)
        return Syntax(
            "one of " + words.joined(separator: ", "), completion: .words(words), spell: { $0.rawValue },
            read: { Value(rawValue: $0) })
    }
}

extension Syntax where Value: LosslessStringConvertible {
    /// What the type itself reads.
    /// - Parameter expected: with its article, such as "an IPv4 address such as 10.77.0.20".
    public static func described(_ expected: String) -> Syntax { Syntax(expected) { Value($0) } }
}
