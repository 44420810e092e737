#!/usr/bin/env python3
"""kill_loop.py - is everything there that was acknowledged, when a server is killed while it takes samples?

    bench/kill_loop.py [--kills 200] [--series 2000] [--peers]

Starts `barograph metrics` (with --peers also prometheus and victoria-metrics, when they are installed),
pushes steps of --series samples by remote write over one connection, kills it with signal 9 at a random
moment, starts it again on the same data and counts: every step that was answered with 2xx must be there
in all series. Prints kills, steps lost, how long it took until the server was ready, that is /-/ready
answered 200 and a query for the newest sample of one series was answered, by the clock, which other work
on the machine makes longer, and of the server's own processor time; how long the counting of all samples
took then, which may wait until the server has read all; and memory: before the kill, when it was ready
again, and after the counting.
"""
import argparse, http.client, json, os, random, shutil, signal, socket, statistics, struct, subprocess
import sys, tempfile, threading, time, urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.environ.get("BAROGRAPH", os.path.join(ROOT, "build", "barograph"))
SERVERS = {
    "barograph": [BINARY, "metrics", "--config.file={config}", "--storage.tsdb.path={data}",
                  "--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"],
    "prometheus": ["prometheus", "--config.file={config}", "--storage.tsdb.path={data}", "--log.level=error",
                   "--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"],
    "victoria-metrics": ["victoria-metrics", "-storageDataPath={data}", "-httpListenAddr=127.0.0.1:{port}",
                         "-search.latencyOffset=0s", "-loggerLevel=ERROR", "-retentionPeriod=12"],
}
READY = {"barograph": "/-/ready", "prometheus": "/-/ready", "victoria-metrics": "/health"}


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def snappy(raw):
    """A block of literals alone: what any reader of the format takes."""
    out = bytearray(varint(len(raw)))
    for at in range(0, len(raw), 65536):
        part = raw[at:at + 65536]
        out += struct.pack("<BH", 61 << 2, len(part) - 1) + part
    return bytes(out)


def label_bytes(series):
    labels = {"__name__": "kill_loop_step", "instance": "host-%d" % (series % 50), "series": str(series)}
    return b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in sorted(labels.items()))


def request(labels, time_ms, value):
    sample = field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time_ms))
    return snappy(b"".join(field(1, l + sample) for l in labels))


class Server:
    def __init__(self, name, folder):
        self.name, self.data = name, os.path.join(folder, "data")
        self.config = os.path.join(folder, "empty.yml")
        with open(self.config, "w") as f:
            f.write("global:\n  scrape_interval: 15s\n")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]

    def start(self):
        args = [a.format(config=self.config, data=self.data, port=self.port) for a in SERVERS[self.name]]
        self.process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def get(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        c.request("GET", path)
        r = c.getresponse()
        body = r.read()
        c.close()
        if r.status != 200:
            raise OSError(r.status)
        return body

    def ask(self, query, at):
        body = self.get("/api/v1/query?nocache=1&" + urllib.parse.urlencode({"query": query, "time": at}))
        result = json.loads(body)["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0

    def wait_ready(self, at):
        """Seconds until it says that it is ready and answers an ordinary query."""
        start = time.perf_counter()
        while time.perf_counter() - start < 60:
            try:
                self.get(READY[self.name])
                self.ask('kill_loop_step{instance="host-7",series="7"}', at)
                break
            except (OSError, http.client.HTTPException):
                time.sleep(0.002)
        return time.perf_counter() - start

    def count(self, query, at, wanted):
        """Seconds until the query gives the number wanted, ten at the most, and the number."""
        start = time.perf_counter()
        got = self.ask(query, at)
        while got < wanted and time.perf_counter() - start < 10:
            time.sleep(0.002)
            got = self.ask(query, at)
        return time.perf_counter() - start, got

    def memory_mib(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS"))

    def processor_s(self):
        return time.clock_gettime((~self.process.pid << 3) | 2)


def push(server, state, labels, stop):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    while not stop.is_set():
        time_ms = state["start_ms"] + state["sent"] * 1000
        state["sent"] += 1
        try:
            connection.request("POST", "/api/v1/write", request(labels, time_ms, state["sent"]), headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status // 100 == 2:
                state["acknowledged"] += 1
        except (OSError, http.client.HTTPException):
            return


def run(name, options):
    folder = tempfile.mkdtemp(prefix="kill-loop-")
    server = Server(name, folder)
    labels = [label_bytes(i) for i in range(options.series)]
    state = {"start_ms": int(time.time() * 1000) - 3600 * 1000, "sent": 0, "acknowledged": 0}
    dice, lost_kills, lost_steps = random.Random(options.seed), 0, 0
    rows = []  # of each kill: ready s, of processor time, counting s, MiB before, ready, counted
    base = 0
    server.start()
    server.wait_ready(time.time())
    for kill in range(options.kills):
        stop = threading.Event()
        state["acknowledged"] = 0
        first = state["sent"]
        pusher = threading.Thread(target=push, args=(server, state, labels, stop))
        pusher.start()
        time.sleep(dice.uniform(0.02, options.seconds))
        before = server.memory_mib()
        server.kill()
        stop.set()
        pusher.join()
        server.start()
        # Samples of this round alone: the range ends at the last step sent and begins before the first.
        span = state["sent"] - first
        at = (state["start_ms"] + (state["sent"] - 1) * 1000) / 1000
        query = "min(count_over_time(kill_loop_step[%ds]))" % max(span, 1)
        wanted = state["acknowledged"]
        ready = server.wait_ready(at)
        processor, memory = server.processor_s(), server.memory_mib()
        counting, got = server.count(query, at + 0.5, wanted)
        whole = server.ask("count(count_over_time(kill_loop_step[%ds]) >= %d)" % (max(span, 1), max(wanted, 1)), at + 0.5)
        missing = wanted - got
        if wanted and whole < options.series:
            missing = max(missing, 1)
        if missing > 0:
            lost_kills += 1
            lost_steps += int(missing)
        rows.append((ready, processor, counting, before, memory, server.memory_mib()))
        state["sent"] += 1          # the step under way may be there or not: its time is not used again
        base += wanted
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)
    median = [statistics.median(row[i] for row in rows) for i in range(6)]
    longest = [max(row[i] for row in rows) for i in range(6)]
    print("%-17s %d kills, %d steps of %d samples acknowledged; kills that lost some: %d, steps lost: %d\n"
          "    ready again after ms: median %.0f, longest %.0f; of processor time: median %.0f, longest %.0f\n"
          "    counting all then, ms: median %.0f, longest %.0f\n"
          "    MiB, median and most: before the kill %.0f, %.0f; ready %.0f, %.0f; counted %.0f, %.0f" % (
              name, options.kills, base, options.series, lost_kills, lost_steps,
              median[0] * 1000, longest[0] * 1000, median[1] * 1000, longest[1] * 1000,
              median[2] * 1000, longest[2] * 1000,
              median[3], longest[3], median[4], longest[4], median[5], longest[5]), flush=True)
    return lost_kills


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=0.5, help="a kill comes at most this long after the start")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    failed = run("barograph", options)
    for name in ("prometheus", "victoria-metrics") if options.peers else ():
        if shutil.which(name) is None:
            print("%-17s not installed: left out" % name)
            continue
        run(name, options)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
