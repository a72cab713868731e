internal import HiveWire

/// What is said where there is nothing else to show: a page, or an object of JSON under `/api`.
enum ErrorPage {
    static func response(_ status: Int, _ request: SCGIRequest, _ sentence: String? = nil) -> Response {
        let words = sentence ?? self.sentence(status)
        guard !isForPrograms(request) else { return .json(status, Failure(error: words)) }
        return .page(status, page(title(status), words))
    }

    /// - Parameter text: what somebody wrote and would have to write again.
    static func response(_ trouble: CoreTrouble, _ request: SCGIRequest, text: String? = nil) -> Response {
        let (status, title, words): (Int, String, String)
        switch trouble {
        case .down(let sentence): (status, title, words) = (503, "The core is not there", sentence)
        case .late:
            (status, title, words) = (504, "The core takes too long", "The core did not answer in time.")
        case .refused(let sentence): (status, title, words) = (503, "The core refuses", sentence)
        }
        guard !isForPrograms(request) else { return .json(status, Failure(error: words)) }
        var more = "The agents and their boundary go on without it. This page looks again every five seconds."
        if request["REQUEST_METHOD"] == "POST" {
            more = "Whether it was done is not known: look at the dashboard before you do it again."
        }
        var response = Response.page(status, page(title, words, more: more, text: text))
        response.headers.append(("Retry-After", "5"))
        // (What was posted is not posted again by itself.)
        if request["REQUEST_METHOD"] != "POST" { response.headers.append(("Refresh", "5")) }
        return response
    }

    /// The form is of a page that is too old, of another process, or of somebody else.
    static func stale(_ request: SCGIRequest, text: String?) -> Response {
        let words =
            "This page was made for somebody else, or is too old. Nothing was done. Open the dashboard anew and do it there."
        return .page(403, page("Not done", words, text: text))
    }

    static func conflict(_ request: SCGIRequest, _ sentence: String, text: String?, back: Link) -> Response {
        .page(409, page("Not done", sentence, text: text, back: back))
    }

    static let busy = Response.page(
        503, page("Busy", "There are too many connections. Try again in a moment."))

    private static func isForPrograms(_ request: SCGIRequest) -> Bool {
        request["REQUEST_URI"].hasPrefix("/api/")
    }

    private static func page(
        _ title: String, _ sentence: String, more: String? = nil, text: String? = nil, back: Link = .dashboard
    ) -> HTML {
        Layout(title: "\(title) · Hive").document { html in
            html.put(.section, .class("notice")) { html in
                html.put(.h1, text: title)
                html.put(.p, .id("error"), text: sentence.hasSuffix(".") ? sentence : sentence + ".")
                if let more { html.put(.p, .class("aside"), text: more) }
                if let text, !text.isEmpty {
                    html.put(.label, .is(.for, "lost"), text: "What you wrote")
                    html.put(.textarea, .id("lost"), .is(.rows, "8"), .readonly, text: text)
                }
                html.put(.p) { $0.put(.a, .class("button"), .href(back), text: "Back") }
            }
        }
    }

    private static func title(_ status: Int) -> String {
        switch status {
        case 400, 413, 431: "Not understood"
        case 403: "Not done"
        case 404: "Not here"
        case 405: "Not in this way"
        default: "Not now"
        }
    }

    private static func sentence(_ status: Int) -> String {
        switch status {
        case 404: "There is nothing at this address."
        case 405: "This address is asked in another way."
        default: "The request cannot be understood."
        }
    }
}
