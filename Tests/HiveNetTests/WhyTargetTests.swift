import Testing

@testable import HiveNet

/// How the target of `net why` is written.
@Suite struct WhyTargetTests {
    @Test(arguments: [
        ("10.0.0.5:443/tcp", "10.0.0.5:443/tcp"), ("10.0.0.5:443", "10.0.0.5:443/tcp"),
        ("10.0.0.5", "10.0.0.5"), ("[2001:db8::1]:53/udp", "[2001:db8::1]:53/udp"),
        ("2001:db8::1", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1"), ("host:7000", "host:7000/tcp"),
        ("host", "host"), ("beta", "beta"), ("beta:8080/udp", "beta:8080/udp"),
    ]) func isRead(text: String, again: String) {
        #expect(WhyTarget(text)?.description == again)
    }

    @Test(arguments: [
        "", "10.0.0.5:", "10.0.0.5:0", "10.0.0.5:65536/tcp", "10.0.0.5:80/sctp", "10.0.0.5:80-81/tcp",
        "10.0.0.0/8", "[10.0.0.5]:80", "[2001:db8::1", "[2001:db8::1]80", "2001:db8::1:443/tcp",
        "example.org:443/tcp", "1.2.3:80", "Beta", "beta:+80", "host:7000:1", ":80",
    ]) func isRefused(text: String) {
        #expect(WhyTarget(text) == nil)
    }

    /// Only the packet that carries the cookie is told of.
    @Test func cookieIsWhereTracesLookForIt() {
        let cookie = Cookie(magic: 0x0102_0304, index: 0x0506_0708)
        #expect(cookie.octets == [1, 2, 3, 4, 5, 6, 7, 8])
        let address = IPv4Address(bits: 0x0a4d_0001)
        for (content, place) in [(Frame.Content.syn(80), 4), (.udp(80), 8), (.echo, 8)] {
            var frame = Frame(to: .broadcast, from: .broadcast, type: Frame.ipv4Type)
            frame.probe(from: address, to: address, content, cookie)
            let start = Frame.headerLength + 20 + place
            #expect(Cookie.transportPlaces.contains(place))
            #expect(Array(frame.octets[start..<(start + 8)]) == cookie.octets)
        }
    }
}
