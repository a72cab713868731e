"""The measuring part of scripts/bench-cni: prints the page. In namespaces that its caller made."""
import json, os, platform, statistics, subprocess, sys, time

programs, scratch, counts = os.path.abspath(sys.argv[1]), sys.argv[2], [int(n) for n in sys.argv[3:]]
ROUNDS = 30
PLACE = ["--config", f"{scratch}/hive.json", "--state", f"{scratch}/state", "--socket", f"{scratch}/net.sock"]


def run(*words, **options):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, **options)


def hive(*words):
    return run(f"{programs}/hivectl", *PLACE, *words)


def call(plugin, verb, network, name):
    """Seconds that one call takes, as the runtime waits for it."""
    env = {"CNI_COMMAND": verb, "CNI_CONTAINERID": name, "CNI_NETNS": f"/run/netns/{name}", "CNI_IFNAME": "eth0",
           "CNI_PATH": "/usr/lib/cni", "PATH": os.environ["PATH"]}
    begin = time.perf_counter()
    run(plugin, input=json.dumps(network).encode(), env=env)
    return time.perf_counter() - begin


ours = {"cniVersion": "1.0.0", "name": "agents", "type": "hive-cni", "config": f"{scratch}/hive.json",
        "state": f"{scratch}/state", "socket": f"{scratch}/net.sock"}
theirs = {"cniVersion": "1.0.0", "name": "plain", "type": "bridge", "bridge": "plain0", "isGateway": True,
          "ipam": {"type": "host-local", "dataDir": f"{scratch}/host-local",
                   "ranges": [[{"subnet": "10.99.0.0/16"}], [{"subnet": "fd99::/64"}]]}}


def measure():
    """Medians of ADD and DEL, in milliseconds: both plugins take turns within each round."""
    times = {}
    for index in range(ROUNDS):
        for label, plugin, network in [("ours", f"{programs}/hive-cni", ours), ("theirs", "/usr/lib/cni/bridge", theirs)]:
            name = f"{label}{index}"
            run("ip", "netns", "add", name)
            for verb in ("ADD", "DEL"):
                times.setdefault((label, verb), []).append(1000 * call(plugin, verb, network, name))
            run("ip", "netns", "del", name)
    return {key: statistics.median(values) for key, values in times.items()}


def row(what, medians, verb):
    return f"| {what}, {verb} | {medians['ours', verb]:.1f} ms | {medians['theirs', verb]:.1f} ms | {medians['ours', verb] / medians['theirs', verb]:.2f} |"


rows = []
for count in counts:
    with open(f"{scratch}/hive.json", "w") as file:
        json.dump({"agents": {f"a{index}": {} for index in range(count)}}, file)
    hive("net", "apply")
    alone = measure()
    watcher = subprocess.Popen([f"{programs}/hivectl", *PLACE, "net", "watch"], stderr=subprocess.DEVNULL)
    try:
        # Until it has put everything right.
        for _ in range(300):
            if not subprocess.run([f"{programs}/hivectl", *PLACE, "net", "show", "--check"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
                break
            time.sleep(0.1)
        hive("net", "show", "--check")
        watched = measure()
    finally:
        watcher.terminate()
        watcher.wait()
    for verb in ("ADD", "DEL"):
        rows.append(row(f"beside {count} agents", alone, verb))
        rows.append(row(f"beside {count} agents, with a watcher", watched, verb))
    hive("net", "down")

processor = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
print(f"""# What a container runtime waits for

{time.strftime('%Y-%m-%d', time.gmtime())}, Linux {platform.release()}, {os.cpu_count()} CPUs ({processor}). Made by `sudo scripts/bench --cni {' '.join(sys.argv[3:])}`.

Medians of {ROUNDS}; the two plugins take turns within each round. Of each call the whole process is measured, from its start to its end, as the
runtime waits for it. *bridge* is the plugin of that name of Debian's containernetworking-plugins, with host-local addresses of both
families: a pair of links and a bridge, and no boundary at all. hive-cni makes the same links, and rules; it looks at all that there is before
and after.

| | hive-cni | bridge | hive-cni ÷ bridge |
|---|---:|---:|---:|""")
print("\n".join(rows))
