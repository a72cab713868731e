import HiveCore
import HiveNet
import Testing

@testable import HiveRuntime

struct CNINetworkTests {
    private func network(_ text: String, _ verb: CNICall.Verb = .add) throws -> CNINetwork {
        try CNINetwork(try JSONValue(Array(text.utf8)), for: verb)
    }

    /// What people and runtimes write besides what is ours does not disturb.
    @Test func whatRuntimesAdd() throws {
        let network = try network(
            """
            {"cniVersion":"1.1.0","cniVersions":["1.0.0","1.1.0"],"name":"red","type":"hive-cni","disableCheck":false,
             "capabilities":{"ips":true},"args":{"labels":[1]},"runtimeConfig":{"ips":[]},"ipam":{},"dns":{"nameservers":["9.9.9.9"]},
             "io.example/anything":{"x":1.5},"prevResult":null,"web":{"port":8080},
             "egress":{"allow":["203.0.113.0/24:443/tcp"],"rate":"10mbit"}}
            """)
        #expect(network.settings.webPort == 8080)
        #expect(network.settings.egress.allow.map(\.description) == ["203.0.113.0/24:443/tcp"])
        #expect(network.dns["nameservers"]?.array == [.string("9.9.9.9")])
        #expect(network.configPath == "/etc/hive/hive.json" && network.statePath == "/var/lib/hive")
    }

    /// The words for a policy that is wrong are those of hive.json.
    @Test func whatIsWrongWithAPolicy() {
        let fault = #expect(throws: RuntimeFault.self) {
            try network(#"{"cniVersion":"1.1.0","name":"red","egress":{"allow":["10.0.0.300"]}}"#)
        }
        #expect(fault?.code == .configuration)
        #expect(fault?.message.contains("egress.allow[0]") == true, "\(fault?.message ?? "")")
    }

    /// JSON that is handed on is as it came.
    @Test func handedOn() throws {
        let text = #"{"a":[1,-2,1.5,true,false,null,"x\"y",{}],"b":{"c":""}}"#
        #expect(JSONValue.text(try JSONValue(Array(text.utf8))) == text)
    }

    /// Standard input may be anything.
    @Test func anythingOnStandardInput() {
        for text in [
            "", "[]", "1", "null", "\"x\"", "{", "{\"name\":1}", "{\"cniVersion\":[]}",
            String(repeating: "[", count: 100_000),
        ] {
            for verb in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
                let variables = [
                    "CNI_COMMAND": verb, "CNI_CONTAINERID": "c", "CNI_IFNAME": "eth0", "CNI_NETNS": "/none",
                ]
                let (output, status) = CNIPlugin.run(variable: { variables[$0] }, input: Array(text.utf8)) {
                    _ in
                }
                #expect(status == 1, "\(verb) \(text.prefix(20))")
                #expect(
                    output.contains("\"cniVersion\":\"1.1.0\"") && output.contains("\"code\":"), "\(output)")
            }
        }
    }
}
