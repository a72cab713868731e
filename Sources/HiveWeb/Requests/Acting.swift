internal import HiveWire

// What changes something.
extension Site {
    func act(_ action: Action, _ request: SCGIRequest, _ viewer: Viewer) -> Plan {
        if let obstacle = Authority.obstacle(to: request) {
            let words = "This was not asked for by a page of the dashboard, so nothing was done."
            return refuse(request, because: obstacle, ErrorPage.response(403, request, words))
        }
        guard let form = Form(request.body) else {
            return .answer(ErrorPage.response(400, request, "The form cannot be read."))
        }
        switch tokens.verify(form["token"] ?? "", for: action, user: viewer.user, at: PageTokens.now) {
        case .good: break
        case let verdict:
            let why = verdict == .expired ? "its token has expired" : "it has no token for this"
            return refuse(request, because: why, ErrorPage.stale(request, text: form["text"]))
        }
        guard let from = Link(from: form["from"] ?? "") else {
            return .answer(ErrorPage.response(400, request, "The form does not say where it is."))
        }
        // The one thing that nobody takes back: its name has to be written.
        if case .lifecycle(let name, .destroy) = action, form["sure"] != name {
            return .answer(
                ErrorPage.response(400, request, "To destroy \(name), write its name. Nothing was done."))
        }
        let answer: (text: String, option: Int?)?
        switch action {
        case .answer:
            guard let given = Self.answer(form) else {
                return .answer(ErrorPage.response(400, request, "An answer needs words. Nothing was sent."))
            }
            answer = given
        default: answer = nil
        }
        return .ask { [client, overviews] deadline in
            do throws(CoreTrouble) {
                let connection = try client.connect(until: deadline)
                defer { overviews.change() }
                var command = Self.command(action)
                command.user = Viewer.name(viewer.user)
                if let answer, let id = command.id {
                    command.text = try Self.words(answer, for: id, connection)
                    guard (command.text ?? "").utf8.count <= OperatorRequest.longestAnswer else {
                        let most = OperatorRequest.longestAnswer >> 10
                        return ErrorPage.conflict(
                            request, "An answer has at most \(most) KiB", text: answer.text, back: from)
                    }
                }
                _ = try connection.ask(command)
                return .seeOther(from.did(Deed(action)))
            } catch .refused(let sentence) {
                return ErrorPage.conflict(request, sentence, text: answer?.text, back: from)
            } catch {
                return ErrorPage.response(error, request, text: answer?.text)
            }
        }
    }

    private static func command(_ action: Action) -> CoreRequest {
        var request: CoreRequest
        switch action {
        case .answer(let id):
            request = CoreRequest(.answerQuestion)
            request.id = id
        case .approve(let id):
            request = CoreRequest(.approve)
            request.id = id
        case .deny(let id):
            request = CoreRequest(.deny)
            request.id = id
        case .lifecycle(let name, let verb):
            request = CoreRequest(.lifecycle, name: name)
            request.verb = verb
        }
        return request
    }

    /// What was written, and which of the offered answers was pressed. Nil: neither.
    private static func answer(_ form: Form) -> (text: String, option: Int?)? {
        // (Forms end lines in CR LF, whatever was typed.)
        let text = (form["text"] ?? "").replacingLineEnds
        let option = form["option"].flatMap { (1...2).contains($0.utf8.count) ? Int($0) : nil }
        let isEmpty = text.allSatisfy(\.isWhitespace)
        guard option != nil || !isEmpty else { return nil }
        return (isEmpty ? "" : text, option)
    }

    /// An offered answer goes by its number, and its words are the agent's own; what was written besides follows them.
    private static func words(
        _ answer: (text: String, option: Int?), for id: Int, _ connection: CoreConnection
    ) throws(CoreTrouble) -> String {
        guard let option = answer.option else { return answer.text }
        let questions = try connection.ask(CoreRequest(.questions)).questions ?? []
        guard let question = questions.first(where: { $0.id == id }),
            question.options.indices.contains(option)
        else {
            throw .refused("There is no question \(id) with such an answer")
        }
        return answer.text.isEmpty
            ? question.options[option] : "\(question.options[option])\n\n\(answer.text)"
    }
}

extension String {
    fileprivate var replacingLineEnds: String {
        var result = String.UnicodeScalarView()
        var wasReturn = false
        for scalar in unicodeScalars {
            if scalar == "\r" || scalar == "\n" && !wasReturn { result.append("\n") }
            if scalar != "\r", scalar != "\n" { result.append(scalar) }
            wasReturn = scalar == "\r"
        }
        return String(result)
    }
}
