import Foundation
import Glibc

/// Somebody who says whatever there is to say at one of hived's sockets: requests of all three vocabularies, whole, broken and out of
/// place, one on each connection. By a seed, so that it can be said again.
struct Babbler {
    struct Request: Decodable {
        var request, cmd, relPath: String?
        var id: Int?

        enum CodingKeys: String, CodingKey {
            case request, cmd, id
            case relPath = "rel_path"
        }
    }

    struct Exchange {
        let said: [UInt8]
        let heard: String

        /// As hived reads it: with the same decoder, since some say a key twice.
        var request: Request? { try? JSONDecoder().decode(Request.self, from: Data(said)) }
        var answers: [[String: Any]] {
            heard.split(separator: "\n").compactMap {
                try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
            }
        }
        var isGranted: Bool { answers.contains { $0["ok"] as? Bool == true } }
    }

    /// - Parameters:
    ///   - user: whom it is; nil: root.
    ///   - requests: JSON that is said as it is, and in many other ways.
    ///   - count: how many of these.
    ///   - again: whether everything that was granted is said once more, by eight at once.
    static func say(
        _ lab: Lab, at path: String, as user: uid_t?, seed: Int, requests: [[String: Any]], count: Int,
        again: Bool = false
    ) throws -> [Exchange] {
        let lines = try requests.map {
            String(
                decoding: try JSONSerialization.data(withJSONObject: $0, options: .sortedKeys), as: UTF8.self)
        }
        try lab.write(lines.joined(separator: "\n"), to: "/run/lab/requests")
        try lab.must("chmod 644 /run/lab/requests")
        let result = try lab.run(
            [
                "/usr/bin/python3", "-c", program, path, user.map { "\($0)" } ?? "", "\(seed)", "\(count)",
                again ? "again" : "",
            ],
            seconds: 120)
        guard result.status == 0 else { throw LabError("\(result)") }
        return try result.stdout.split(separator: "\n").map { line in
            guard let pair = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String],
                pair.count == 2,
                let said = Data(base64Encoded: pair[0]), let heard = Data(base64Encoded: pair[1])
            else { throw LabError("what was heard: \(line)") }
            return Exchange(said: [UInt8](said), heard: String(decoding: heard, as: UTF8.self))
        }
    }

    private static let program = #"""
        import base64, json, os, random, socket, sys, threading
        path, user, seed, count, again = sys.argv[1:6]
        if user: os.setgroups([]); os.setgid(int(user)); os.setuid(int(user))
        random.seed(int(seed))
        requests = [line for line in open("/run/lab/requests").read().splitlines()]
        words = [None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -2**63 - 1, 1e308, 0.5, "", "x" * 3000, "\u0000", "\ud800", [], {}, [[]],
            "..", "../../../../etc/shadow", "/etc/shadow", "alpha", "beta", "approve", "Approve", "start", {"agent_names": ["alpha"]}]
        def exchange(said):
            heard = b""
            s = socket.socket(socket.AF_UNIX); s.settimeout(20)
            s.connect(path)
            try:
                s.sendall(said); s.shutdown(socket.SHUT_WR)
                while True:
                    part = s.recv(1 << 16)
                    if not part: break
                    heard += part
            # (It need not hear all of it.)
            except (BrokenPipeError, ConnectionResetError): pass
            finally: s.close()
            return said, heard
        def edit(text):
            try: body = json.loads(text)
            except ValueError: return text
            for _ in range(random.randint(1, 3)):
                key = random.choice(list(body) + ["id", "name", "agent", "request", "cmd", "version", "user", "rel_path"])
                how = random.random()
                if how < .2: body.pop(key, None)
                elif how < .5: body[key] = random.choice(words)
                elif how < .8: body[key] = json.loads(random.choice(requests)).get(key, random.choice(words))
                else: body[random.choice(["zz", key.upper(), key + "\u0301"])] = body.get(key)
            return json.dumps(body)
        def mangle(line):
            line = bytearray(line)
            for _ in range(random.randint(1, 4)):
                at = random.randrange(len(line) + 1); upto = min(len(line), at + random.randint(1, 20))
                how = random.randrange(5)
                if how == 0: line[at:upto] = b""
                elif how == 1: line[at:at] = bytes(random.randrange(256) for _ in range(random.randint(1, 8)))
                elif how == 2: line[at:at] = line[at:upto]
                elif how == 3 and at < len(line): line[at] ^= 1 << random.randrange(8)
                else: line[at:at] = random.choice([b"{", b"}", b"[", b'"', b"\\u0000", b"\\", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"1e999", b"/*"])
            return bytes(line).replace(b"\n", b" ")
        def twice(text):
            # The same key two times.
            return text[:-1] + "," + random.choice(requests)[1:]
        fixed = [b"\n", b"\x00\n", b"{}\n", b"[]\n", b"null\n", b'"x"\n', b"{\n", b"x" * 70000 + b"\n", b"x" * 200000, b"[" * 60000 + b"\n",
            b'{"a":' * 10000 + b"\n", b'{"request":"Agents"', b"\xff" * 100 + b"\n", b"GET / HTTP/1.0\r\n\r\n"]
        heard = [exchange(line) for line in fixed]
        for _ in range(int(count)):
            text = random.choice(requests)
            how = random.random()
            if how < .25: line = text.encode()
            elif how < .55: line = edit(text).encode("utf-8", "surrogatepass")
            elif how < .65: line = twice(text).encode()
            elif how < .95: line = mangle(text.encode())
            else: line = bytes(random.randrange(256) for _ in range(random.randint(1, 300))).replace(b"\n", b"")
            heard.append(exchange(line + b"\n"))
        if again:
            good = [said for said, answer in heard if b'"ok":true' in answer]
            random.shuffle(good)
            parts = [[] for _ in range(8)]
            threads = [threading.Thread(target=lambda part: part.extend(exchange(said) for said in good), args=(part,)) for part in parts]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            for part in parts: heard += part
        for said, answer in heard:
            print(json.dumps([base64.b64encode(said).decode(), base64.b64encode(answer).decode()]))
        """#
}
