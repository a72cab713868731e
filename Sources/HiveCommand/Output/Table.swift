/// A table for people: columns aligned by what a terminal shows, nothing cut off, no blanks at line ends.
public struct Table {
    public struct Column: Sendable {
        let title: String
        let alignment: Text.Alignment

        public static func text(_ title: String) -> Column { Column(title: title, alignment: .left) }
        /// Right-aligned, so that numbers can be compared.
        public static func number(_ title: String) -> Column { Column(title: title, alignment: .right) }
    }

    public struct Cell: Sendable, ExpressibleByStringLiteral {
        let text: String
        let paint: Style.Paint

        public init(_ text: String, _ paint: Style.Paint = .plain) {
            self.text = Text.printable(text)
            self.paint = paint
        }
        /// Plain digits: they can be copied into another command.
        public init(_ number: some BinaryInteger, _ paint: Style.Paint = .plain) {
            self.init("\(number)", paint)
        }
        public init(stringLiteral text: String) { self.init(text) }
    }

    private let columns: [Column]
    private var rows: [[Cell]] = []

    public init(_ columns: Column...) { self.init(columns) }
    public init(_ columns: [Column]) { self.columns = columns }

    /// Cells that are missing at the end stay empty.
    public mutating func add(_ cells: Cell...) { add(cells) }
    public mutating func add(_ cells: [Cell]) { rows.append(cells) }

    /// A header line and a line for every row.
    public func lines(_ style: Style) -> [String] {
        let header = columns.map { Cell($0.title, .strong) }
        let widths = columns.indices.map { column in
            ([header] + rows).map { $0.indices.contains(column) ? Text.width($0[column].text) : 0 }.max() ?? 0
        }
        return ([header] + rows).map { row in
            var line = ""
            // Blanks are owed until something follows them, so that none are left at the end.
            var owed = 0
            for (column, cell) in zip(columns.indices, row) {
                let blanks = widths[column] - Text.width(cell.text)
                let isRight = columns[column].alignment == .right
                if cell.text.isEmpty {
                    owed += widths[column] + 2
                    continue
                }
                line += String(repeating: " ", count: owed + (isRight ? blanks : 0))
                line += style.paint(cell.text, cell.paint)
                owed = (isRight ? 0 : blanks) + 2
            }
            return line
        }
    }
}
