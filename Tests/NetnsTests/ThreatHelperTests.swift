import CNetlink
import Glibc
import HiveNet
import Testing

/// Threat 22: connection tracking's helpers, which read what is said in a connection and expect further ones.
///
/// None is assigned by Hive, and by Linux only where a rule says so (`ct helper set`). The control is somebody else's table that
/// does: then there are expectations, and still nothing gets in, since `related` counts for nothing.
@Suite struct ThreatHelperTests {
    private static let helpers = """
        add table ip foreign;
        add ct helper ip foreign ftp { type "ftp" protocol tcp; l3proto ip; };
        add ct helper ip foreign sip { type "sip" protocol udp; l3proto ip; };
        add chain ip foreign pre { type filter hook prerouting priority 0; };
        add chain ip foreign out { type filter hook output priority 0; };
        add rule ip foreign pre tcp dport 21 ct helper set "ftp";
        add rule ip foreign pre udp dport 5060 ct helper set "sip";
        add rule ip foreign out tcp dport 21 ct helper set "ftp"
        """

    /// An FTP client in an agent asks the server outside to connect to it.
    @Test func ftpThroughMasquerade() throws {
        let hive = try TwoAgents(outside: true)
        let lab = hive.lab
        let server = try lab.outside {
            try Socket.tcpListener(Endpoint(address: Lab.publicAddress4, port: 21))
        }
        let data = try lab.agent("alpha") { try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 9099)) }
        // - Returns: where the server is told to connect to.
        func ask() throws -> (told: Endpoint, control: [Stream]) {
            let client = try lab.agent("alpha") {
                try Stream.connect(Endpoint(address: Lab.publicAddress4, port: 21))
            }
            let serving = try Stream.accept(server)
            // Of each side the first line only tells the helper where lines begin (find_nl_seq()).
            client.say("USER agent\r\n")
            _ = try serving.hear("\r\n")
            client.say("PORT 10,77,0,2,\(9099 / 256),\(9099 % 256)\r\n")
            let numbers = try serving.hear("\r\n").split { !$0.isNumber }.compactMap { UInt16($0) }
            guard numbers.count == 6 else { throw LabError("PORT: \(numbers)") }
            let address = numbers[..<4].map(String.init).joined(separator: ".")
            return (Endpoint(address: address, port: numbers[4] * 256 + numbers[5]), [client, serving])
        }
        func connect(_ endpoint: Endpoint) throws -> Socket.Connection {
            // The helper expects it from the server's address.
            try lab.outside {
                try Socket.connect(endpoint, from: Endpoint(address: Lab.publicAddress4, port: 0))
            }
        }
        let plain = try ask()
        #expect(plain.told.address == "10.77.0.2" && plain.told.port == 9099, "nobody reads along")
        #expect(try lab.expectations() == [])
        for address in ["10.77.0.2", "11.0.0.1"] {
            #expect(try connect(Endpoint(address: address, port: 9099)) != .connected)
        }
        try lab.nft(Self.helpers)
        // By the helper the server is told an address that it can reach, and the connection is expected there.
        let helped = try ask()
        #expect(helped.told.address == "11.0.0.1", "control")
        #expect(try lab.expectations().contains { $0.contains("ftp") }, "control")
        #expect(try connect(helped.told) == .timedOut)
        #expect(!data.isReadable(milliseconds: 0))
        // What is expected is used up by the first packet that connection tracking sees, so it is asked for again.
        try hive.disable(.forward)
        let again = try ask()
        #expect(try connects { try connect(again.told) }, "control")
        withExtendedLifetime([plain, helped, again].map(\.control)) {}
    }

    /// An FTP client of the host's asks an agent to connect to it: what the agent begins then is `related`.
    @Test func ftpByTheHost() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let server = try lab.agent("alpha") { try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 21)) }
        var streams: [Stream] = [], listeners: [Socket] = []
        /// The agent connects where it was asked to, to another port each time: an expectation that is there already is not
        /// made twice, and the first packet that connection tracking sees uses it up.
        func askAndConnect() throws -> Socket.Connection {
            let port = 9000 + UInt16(listeners.count)
            listeners.append(
                try lab.host { try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: port)) })
            let client = try lab.host { try Stream.connect(hive.alpha.endpoint4(21)) }
            let serving = try Stream.accept(server)
            streams += [client, serving]
            for line in ["USER host", "PORT 10,77,0,1,\(port / 256),\(port % 256)"] {
                client.say(line + "\r\n")
                _ = try serving.hear("\r\n")
            }
            let isExpected = try lab.expectations().contains { $0.contains("dport=\(port)") }
            #expect(isExpected == isHelped)
            return try lab.agent("alpha") {
                try Socket.connect(Endpoint(address: "\(TwoAgents.gateway4)", port: port))
            }
        }
        var isHelped = false
        #expect(try askAndConnect() == .timedOut)
        try lab.nft(Self.helpers)
        isHelped = true
        #expect(try askAndConnect() == .timedOut)
        let layers: [TwoAgents.Layer] = [.early, .tracked, .input]
        for layer in layers {
            for other in layers where other != layer { try hive.disable(other) }
            #expect(try askAndConnect() == .timedOut, "\(layer) alone")
            try lab.apply()
        }
        #expect(listeners.allSatisfy { !$0.isReadable(milliseconds: 0) })
        for layer in layers { try hive.disable(layer) }
        try lab.nft("add chain ip foreign in { type filter hook input priority 10; }")
        try lab.nft("add rule ip foreign in ct state related counter accept")
        #expect(try connects { try askAndConnect() }, "control")
        #expect(
            try !lab.nft("list chain ip foreign in").stdout.contains("packets 0"), "control: it was related")
        withExtendedLifetime(streams) {}
    }

    /// A SIP client in an agent registers outside, and would be called.
    @Test func sipThroughMasquerade() throws {
        let hive = try TwoAgents(outside: true)
        let lab = hive.lab
        let server = try lab.outside { try Socket.udp(Endpoint(address: Lab.publicAddress4, port: 5060)) }
        func register(_ port: UInt16) throws -> String {
            let client = try lab.agent("alpha") { try Socket.udp(Endpoint(address: "10.77.0.2", port: port)) }
            let text = [
                "REGISTER sip:\(Lab.publicAddress4) SIP/2.0",
                "Via: SIP/2.0/UDP 10.77.0.2:\(port);branch=z9hG4bK1",
                "From: <sip:alpha@\(Lab.publicAddress4)>;tag=1", "To: <sip:alpha@\(Lab.publicAddress4)>",
                "Call-ID: \(port)", "CSeq: 1 REGISTER", "Contact: <sip:alpha@10.77.0.2:\(port)>",
                "Expires: 3600",
                "Content-Length: 0", "", "",
            ].joined(separator: "\r\n")
            client.send(Array(text.utf8), to: Endpoint(address: Lab.publicAddress4, port: 5060))
            guard let heard = server.receive(milliseconds: 5000) else { throw LabError("no SIP came") }
            return String(decoding: heard, as: UTF8.self)
        }
        #expect(try register(5061).contains("Contact: <sip:alpha@10.77.0.2:5061>"), "nobody reads along")
        #expect(try lab.expectations() == [])
        try lab.nft(Self.helpers)
        #expect(try !register(5062).contains("@10.77.0.2:5062>"), "control: the contact is rewritten")
        let expected = try lab.expectations().filter { $0.contains("sip") }
        #expect(!expected.isEmpty, "control")
    }
}

/// A TCP connection in which lines are said and heard.
private final class Stream {
    private let descriptor: Int32
    private init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    /// From the calling thread's namespace.
    static func connect(_ endpoint: Endpoint) throws -> Stream {
        let stream = Stream(
            socket(endpoint.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        guard endpoint.withSockaddr({ Glibc.connect(stream.descriptor, $0, $1) }) == 0 else {
            throw LabError.last("connect to \(endpoint)")
        }
        return stream
    }

    static func accept(_ listener: Socket) throws -> Stream {
        guard listener.isReadable(milliseconds: 5000) else { throw LabError("nobody connects") }
        return Stream(Glibc.accept(listener.descriptor, nil, nil))
    }

    func say(_ text: String) { _ = write(descriptor, text, text.utf8.count) }

    func hear(_ end: String) throws -> String {
        var text = ""
        var bytes = [UInt8](repeating: 0, count: 1024)
        while !text.hasSuffix(end) {
            var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&poll, 1, 5000) > 0 else { throw LabError("heard only '\(text)'") }
            let count = read(descriptor, &bytes, bytes.count)
            guard count > 0 else { throw LabError("heard only '\(text)'") }
            text += String(decoding: bytes[..<count], as: UTF8.self)
        }
        return text
    }
}

extension Lab {
    /// What connection tracking expects in this namespace.
    fileprivate func expectations() throws -> [String] {
        try must("cat /proc/thread-self/net/nf_conntrack_expect").stdout.split(separator: "\n").map(
            String.init)
    }
}
