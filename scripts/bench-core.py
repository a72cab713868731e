"""What agents, an operator and browsers say, for scripts/bench-core, and how long it takes them."""
import json, os, select, socket, statistics, subprocess, sys, time

kept, agents, browsers, web, hived, web_pid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]
names = ["a%03d" % i for i in range(agents)]
text = "May I delete the branch that nobody has looked at for half a year? " * 3


class Line:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.rest = b""

    def send(self, request):
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def hear(self):
        while b"\n" not in self.rest:
            part = self.socket.recv(1 << 16)
            assert part, "hung up"
            self.rest += part
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def ask(self, request):
        self.send(request)
        answer = self.hear()
        assert answer["ok"], answer
        return answer


class Stream:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(web)
        fields = {"CONTENT_LENGTH": "0", "SCGI": "1", "REQUEST_METHOD": "GET", "REQUEST_URI": "/api/stream", "DOCUMENT_URI": "/api/stream"}
        head = b"".join(b"%s\0%s\0" % (key.encode(), value.encode()) for key, value in fields.items())
        self.socket.sendall(b"%d:%s," % (len(head), head))
        self.questions = 0
        self.tail = b""

    def read(self):
        data = self.tail + self.socket.recv(1 << 16)
        self.questions += data.count(b"event: question\n")
        assert b"event: reset\n" not in data, "events were missed"
        self.tail = data[-15:] if not data.endswith(b"\n") else b""


def all_have(streams, count):
    waiting = {stream.socket.fileno(): stream for stream in streams if stream.questions < count}
    while waiting:
        for number in select.select(list(waiting), [], [], 30)[0]:
            waiting[number].read()
            if waiting[number].questions >= count:
                del waiting[number]


def host(request):
    return Line("/run/hive/host.sock").ask(request)


def milliseconds(start):
    return (time.perf_counter() - start) * 1000


# --- What it is compared with

file = os.open(kept + "/append", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def append():
    start = time.perf_counter()
    os.write(file, b"x" * 400)
    os.fdatasync(file)
    return milliseconds(start)


here, there = socket.socketpair(socket.AF_UNIX)
if os.fork() == 0:
    here.close()
    while True:
        got = there.recv(1 << 16)
        if not got:
            os._exit(0)
        there.sendall(got)
there.close()


def echo():
    start = time.perf_counter()
    here.sendall(b"x" * 300)
    here.recv(1 << 16)
    return milliseconds(start)


# --- What is measured

streams = [Stream() for _ in range(browsers)]
lines = [Line(f"/run/hive/agents/{name}/agent.sock") for name in names]
asked, shown, answered, appended, echoed = [], [], [], [], []
total = 0
time.sleep(0.5)
for number, line in enumerate(lines):
    start = time.perf_counter()
    line.ask({"cmd": "ask", "text": text, "wait": True})
    asked.append(milliseconds(start))
    total += 1
    all_have(streams, total)
    shown.append(milliseconds(start))
    appended.append(append())
    echoed.append(echo())
for question in host({"cmd": "questions"})["questions"]:
    line = lines[names.index(question["agent"])]
    start = time.perf_counter()
    answer = Line("/run/hive/host.sock")
    answer.send({"cmd": "answer", "id": question["id"], "text": "Yes."})
    assert line.hear()["text"] == "Yes."
    answered.append(milliseconds(start))
    assert answer.hear()["ok"]
    appended.append(append())
    echoed.append(echo())
    total += 1  # (An answer is an event, too.)

# All at once: by when each has its acknowledgement.
together = []
start = time.perf_counter()
for line in lines:
    line.send({"cmd": "ask", "text": text, "wait": True})
waiting = {line.socket.fileno(): line for line in lines}
while waiting:
    for ready in select.select(list(waiting), [], [], 30)[0]:
        assert waiting.pop(ready).hear()["ok"]
        together.append(milliseconds(start))
whole = milliseconds(start)
all_have(streams, total + agents)
last = milliseconds(start)

base = statistics.median(appended) + statistics.median(echoed)


def p95(values):
    return sorted(values)[int(len(values) * 0.95)]


for words, values in [
    ("append", appended), ("echo", echoed), ("an agent asks, until it is acknowledged", asked),
    (f"and until all {browsers} streams have it", shown), ("the operator answers, until the agent has it", answered),
    (f"all {agents} ask at once: until one is acknowledged", together),
]:
    print(f"| {words} | {statistics.median(values):.2f} ms | {p95(values):.2f} ms | {statistics.median(values) / base:.1f} |")

# Without writing: as many as are granted at once.
rounds = 40
start = time.perf_counter()
for line in lines:
    line.socket.sendall(b'{"cmd":"loose_ends"}\n' * rounds)
for line in lines:
    for _ in range(rounds):
        assert line.hear()["ok"]
rate = agents * rounds / (time.perf_counter() - start)

# (strace slows it down: nothing else is measured meanwhile.)
host({"cmd": "list"})
for question in host({"cmd": "questions"})["questions"]:
    host({"cmd": "answer", "id": question["id"], "text": "Yes."})
for line in lines:
    line.hear()
trace = subprocess.Popen(["strace", "-cf", "-p", hived, "-o", kept + "/calls"], stderr=subprocess.PIPE)
trace.stderr.readline()
time.sleep(0.5)
for line in lines:
    line.ask({"cmd": "ask", "text": text})
trace.terminate()
trace.wait()
calls = {}
for row in open(kept + "/calls").read().splitlines()[2:]:
    words = row.split()
    if len(words) > 3 and words[3].isdigit() and words[-1] != "total":
        calls[words[-1]] = int(words[3])


def memory(process):
    for row in open(f"/proc/{process}/status"):
        if row.startswith("VmRSS:"):
            return int(row.split()[1]) / 1024


most = ", ".join(f"{count / agents:.1f} {name}" for name, count in sorted(calls.items(), key=lambda one: -one[1])[:6])
print(
    f"""
All {agents} at once were acknowledged after {whole:.0f} ms ({whole / agents:.2f} ms each: what comes together is on disk by one
fdatasync), and the last of {browsers} streams had all of it after {last:.0f} ms. Requests that write nothing: {rate:.0f} a second.

Asking one after another takes hived {sum(calls.values()) / agents:.1f} system calls each: {most}.

Memory then: hived {memory(hived):.1f} MiB resident, hive-web {memory(web_pid):.1f} MiB."""
)
