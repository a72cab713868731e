import Foundation
import Testing

/// Namespaces that are named by a process's number, when the number becomes another process's.
struct ProcessNamespaceTests {
    /// Functions of scripts, which run in a namespace of process ids: there the kernel can be told which number is next.
    private static let functions = """
        hive() { "$1" --config /run/lab/hive.json --state /run/lab/state net "$2" $3 $4 $5; }
        # A process with a network namespace of its own: $process.
        begin() {
            unshare -n sleep 600 &
            process=$!
            settle
        }
        settle() {
            while [ "$(readlink /proc/$process/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
        }
        # Ends it, and has another one get its number.
        replace() {
            kill -KILL $process
            wait $process
            for attempt in 1 2 3 4 5 6 7 8 9 10; do
                echo $((process - 1)) >/proc/sys/kernel/ns_last_pid
                unshare -n sleep 600 &
                if [ $! = $process ]; then settle; return; fi
            done
            echo "nobody got the number $process"
            exit 9
        }
        has_link() { nsenter -t $process -n ip -o link show eth0 >/dev/null 2>&1 && echo "$1: a link" || echo "$1: none"; }

        """

    /// - Returns: what a script printed.
    private func run(_ lab: Lab, _ script: String, _ programs: String...) throws -> String {
        try lab.write(Self.functions + script, to: "/run/lab/script")
        let result = try lab.run(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "/run/lab/script"] + programs
        )
        guard result.status == 0 else { throw LabError("\(result)") }
        return result.stdout
    }

    /// A runtime names its container by a process, and forgets it. Whoever has the number next gets nothing of the container's.
    @Test(arguments: [(false, "ns/net"), (true, "ns/net"), (false, "task/$process/ns/net")])
    func aContainersNumberIsUsedAgain(isWatched: Bool, path: String) throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        let network = RuntimeLab.network(with: isWatched ? ["socket": "/run/hive/net.sock"] : [:])
        let input = try JSONSerialization.data(withJSONObject: network)
        try lab.write(String(decoding: input, as: UTF8.self), to: "/run/lab/network.json")
        let watcher = """
            hive "$1" watch >/run/lab/watch.log 2>&1 &
            while [ ! -S /run/hive/net.sock ]; do sleep 0.01; done

            """
        let seen = try run(
            lab,
            (isWatched ? watcher : "") + """
                begin
                CNI_COMMAND=ADD CNI_CONTAINERID=one CNI_NETNS=/proc/$process/\(path) CNI_IFNAME=eth0 "$2" </run/lab/network.json
                has_link "the container"
                replace
                hive "$1" apply || [ $? = 78 ]
                has_link "another process"
                # The control: when it was started is not known.
                sed -i 's/, "started": [0-9]*//' /run/lab/state/agents.d/one-*.json
                hive "$1" apply
                has_link "the control"
                """, Lab.hivectlPath, RuntimeLab.cni)
        for line in ["the container: a link", "another process: none", "the control: a link"] {
            #expect(seen.contains(line), "\(seen)")
        }
    }

    /// An operator's agent: the operator hears of it.
    @Test(arguments: ["--pid $process", "--namespace /proc/$process/ns/net"])
    func anAgentsNumberIsUsedAgain(option: String) throws {
        let lab = try Lab()
        try lab.write(configuration: "{}")
        try lab.must("mkdir -p \(Lab.state)")
        let seen = try run(
            lab,
            """
            begin
            hive "$1" add alpha \(option)
            hive "$1" apply && echo "applied"
            replace
            hive "$1" apply 2>&1 || echo "refused with $?"
            has_link "another process"
            """, Lab.hivectlPath)
        for line in ["applied", "has ended, and another one has its number", "another process: none"] {
            #expect(seen.contains(line), "\(seen)")
        }
    }
}
