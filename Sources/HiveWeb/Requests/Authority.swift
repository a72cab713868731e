internal import HiveWire

/// Whether a POST is the operator's, made on a page of ours.
enum Authority {
    /// - Returns: why not: a sentence for the audit. The origin is looked at before anything that the page could have chosen.
    static func obstacle(to request: SCGIRequest) -> String? {
        let own = "\(request["REQUEST_SCHEME"])://\(request["HTTP_HOST"])"
        guard ["http", "https"].contains(request["REQUEST_SCHEME"]), !request["HTTP_HOST"].isEmpty else {
            return "the gateway does not say which origin is its own"
        }
        guard let origin = request.headers["HTTP_ORIGIN"] else { return "it names no origin" }
        guard origin == own else { return "it is of the origin \(quoted(origin)), and not of \(quoted(own))" }
        if let site = request.headers["HTTP_SEC_FETCH_SITE"], site != "same-origin" {
            return "the browser says that its site is \(quoted(site)), and not \"same-origin\""
        }
        let type = request["CONTENT_TYPE"].split(separator: ";", omittingEmptySubsequences: false).first ?? ""
        let media = type.filter { $0 != " " && $0 != "\t" }.lowercased()
        guard media == "application/x-www-form-urlencoded" else {
            return "its content is \(quoted(request["CONTENT_TYPE"])), and not a form's"
        }
        return nil
    }
}
