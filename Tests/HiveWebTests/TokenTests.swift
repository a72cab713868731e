import HiveWire
import Testing

@testable import HiveWeb

@Suite(.timeLimit(.minutes(10))) struct TokenTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// Of FIPS 180-4's examples.
    @Test func digests() {
        #expect(
            hexadecimal(SHA256.digest([]))
                == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            hexadecimal(SHA256.digest(bytes("abc")))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            hexadecimal(SHA256.digest(bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")))
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    }

    /// RFC 4231, 4.2, 4.3, 4.4 and 4.7.
    @Test func authenticationCodes() {
        for (key, message, code) in [
            (
                [UInt8](repeating: 0x0b, count: 20), bytes("Hi There"),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                bytes("Jefe"), bytes("what do ya want for nothing?"),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [UInt8](repeating: 0xaa, count: 20), [UInt8](repeating: 0xdd, count: 50),
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
            ),
            (
                [UInt8](repeating: 0xaa, count: 131),
                bytes("Test Using Larger Than Block-Size Key - Hash Key First"),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
        ] { #expect(hexadecimal(SHA256.authenticate(message, key: key)) == code) }
    }

    @Test func aTokenIsForOneActionOfOneUserForSomeTime() {
        let tokens = PageTokens(key: [1])
        let action = Action.approve(7)
        let token = tokens.token(for: action, user: "alice", at: 1000)
        #expect(tokens.verify(token, for: action, user: "alice", at: 1000) == .good)
        // Used twice, it says no more than once: what is done already the core knows.
        #expect(tokens.verify(token, for: action, user: "alice", at: 1000 + PageTokens.validity - 1) == .good)
        #expect(tokens.verify(token, for: action, user: "alice", at: 1000 + PageTokens.validity) == .expired)
        #expect(tokens.verify(token, for: action, user: "alice", at: 999) == .wrong)
        for other in [.deny(7), .approve(70), .answer(7), .lifecycle("alpha", .stop)] as [Action] {
            #expect(tokens.verify(token, for: other, user: "alice", at: 1000) == .wrong)
        }
        for user in ["", "bob", "alice "] {
            #expect(tokens.verify(token, for: action, user: user, at: 1000) == .wrong)
        }
        #expect(PageTokens(key: [2]).verify(token, for: action, user: "alice", at: 1000) == .wrong)
    }

    @Test func whatIsChangedIsWrong() {
        let tokens = PageTokens(key: [1])
        let token = tokens.token(for: .approve(7), user: "a", at: 1000)
        for index in token.indices {
            var other = token
            other.replaceSubrange(index...index, with: token[index] == "1" ? "2" : "1")
            #expect(tokens.verify(other, for: .approve(7), user: "a", at: 1000) == .wrong, "\(other)")
        }
        for other in [
            "", ".", "1000", "1000.", token + "0", "0" + token, token.uppercased(), " " + token,
            "99999999999." + token,
        ] {
            #expect(tokens.verify(other, for: .approve(7), user: "a", at: 1000) == .wrong, "\(other)")
        }
    }

    /// No user's name and action together are another's.
    @Test func partsDoNotRunTogether() {
        let tokens = PageTokens(key: [1])
        let token = tokens.token(for: .approve(1), user: "a", at: 1)
        #expect(tokens.verify(token, for: .approve(1), user: "a,15:POST", at: 1) == .wrong)
    }

    @Test func equality() {
        #expect(PageTokens.areEqual([1, 2], [1, 2]))
        #expect(!PageTokens.areEqual([1, 2], [1, 3]))
        #expect(!PageTokens.areEqual([1, 2], [1]))
    }
}
