import Glibc
import Testing

@Suite struct LabTests {
    @Test func labsAreApart() throws {
        let (one, two) = (try Lab(), try Lab())
        try one.ip("link add here type bridge")
        #expect(try one.run(["ip", "link", "show", "here"]).status == 0)
        #expect(try two.run(["ip", "link", "show", "here"]).status != 0)
    }
}
