#!/usr/bin/env python3
"""logs_bench - what the log store costs, over HTTP and fsynced, beside SQLite FTS5, zstd and ripgrep.

    logs_bench [--quick] [--lines N] [--kinds service,access,hostile] [--executable FILE]
               [--folder FOLDER] [--runs N] [--stored FOLDER]

Prints a line a figure: name ours peer ratio unit. Lines are made by logs_lines; the same lines go to
every peer in the same run. Speeds are bytes of documents a second of processor time of the process
that stores them, so that a busy machine does not decide; the least busy figure is the one of a quiet
machine. With --stored the lines are in the index bench of that folder already and are only searched,
as the first of the kinds. The peer of ingest is SQLite FTS5 (one transaction a body, synchronous); zstd -1 of the lines
stands beside as the floor. The peer of a query is the floor: zstd -dc of all lines and ripgrep over
them, by the clock and by processor time. Peers that are not installed are `-`.
"""
import argparse
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")
BODY = 2 << 20
ACTION = b'{"create":{}}\n'
LINES = {"service": 6_600_000, "access": 4_200_000, "hostile": 400_000}
QUICK = {"service": 60_000, "access": 40_000, "hostile": 6_000}
NEEDLE = "needle5"

FTS = r"""
import json, os, resource, sqlite3, sys
con = sqlite3.connect(sys.argv[1])
con.execute("pragma journal_mode=wal"); con.execute("pragma synchronous=full")
con.execute("create virtual table f using fts5(line)")
batch, size = [], 0
def commit():
    con.execute("begin"); con.executemany("insert into f(line) values(?)", batch); con.commit()
con.isolation_level = None
for line in sys.stdin:
    if line.startswith('{"create"'): continue
    batch.append((line,)); size += len(line)
    if size >= 2 << 20: commit(); batch, size = [], 0
if batch: commit()
con.execute("pragma wal_checkpoint(truncate)"); con.close()
use = resource.getrusage(resource.RUSAGE_SELF)
print(use.ru_utime + use.ru_stime)
"""


def row(name, ours, peer, unit):
    ratio = f"{ours / peer:9.3f}" if peer else f"{'-':>9}"
    print(f"{name:<34} {ours:11.3f} {(f'{peer:11.3f}' if peer else f'{chr(45):>11}')} {ratio} {unit}",
          flush=True)


def find(name, *places):
    for place in places:
        path = os.path.join(place, name)
        if os.path.exists(path):
            return path
    sys.exit(f"logs_bench: {name} is not built")


class Server:
    def __init__(self, executable, folder):
        self.folder = folder
        self.port = free_port()
        self.start = time.monotonic()
        self.process = subprocess.Popen([executable, "logs", f"--data={folder}",
                                         f"--web.listen-address=127.0.0.1:{self.port}",
                                         f"--log.file={folder}.log"])
        self.connection = None
        while True:
            try:
                if self.call("GET", "/")[0] == 200:
                    break
            except OSError:
                pass
            if self.process.poll() is not None:
                sys.exit("logs_bench: the server ended")
            time.sleep(0.002)
        self.ready = time.monotonic() - self.start

    def call(self, method, path, body=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            self.connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            self.connection = None
            raise

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self, name):
        with open(f"/proc/{self.process.pid}/status") as file:
            for line in file:
                if line.startswith(name + ":"):
                    return int(line.split()[1]) / 1024
        return 0

    def stop(self, sign=signal.SIGTERM):
        self.process.send_signal(sign)
        self.process.wait()


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def size_of(folder):
    return sum(os.path.getsize(os.path.join(place, name))
               for place, _, names in os.walk(folder) for name in names)


def bodies(file):
    while True:
        body = file.read(BODY)
        if not body:
            return
        body += file.readline()
        if body.count(b"\n") % 2:
            body += file.readline()
        yield body


def ingest(server, path):
    size = count = 0
    before = server.cpu()
    start = time.monotonic()
    with open(path, "rb") as file:
        for body in bodies(file):
            lines = body.count(b"\n") // 2
            count += lines
            size += len(body) - lines * len(ACTION)
            status, answer = server.call(
                "POST", "/bench/_bulk?filter_path=errors,items.*.error,items.*.status", body)
            if status != 200 or b'"errors":false' not in answer[:200]:
                sys.exit(f"logs_bench: bulk answered {status} {answer[:300]}")
    wall = time.monotonic() - start
    server.call("POST", "/bench/_flush")
    while True:  # merges belong to what the lines cost
        used = server.cpu()
        time.sleep(2)
        if server.cpu() - used < 0.1:
            break
    return size, count, server.cpu() - before, wall


def command_cpu(command, **options):
    before = os.times()
    start = time.monotonic()
    subprocess.run(command, shell=True, check=False, stdout=subprocess.DEVNULL, **options)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, time.monotonic() - start


def fts(path, folder, count_max):
    database = os.path.join(folder, "fts.db")
    with subprocess.Popen(["head", "-n", str(2 * count_max), path],
                          stdout=subprocess.PIPE) as lines:
        done = subprocess.run([sys.executable, "-c", FTS, database], stdin=lines.stdout,
                              capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None, None
    size = os.path.getsize(database)
    os.remove(database)
    return float(done.stdout), size


def histogram(interval, below=None):
    body = {"date_histogram": {"field": "@timestamp", "fixed_interval": interval}}
    if below:
        body["aggs"] = {"by": {"terms": {"field": below}}}
    return {"size": 0, "aggs": {"h": body}}


def queries(kind):
    keyword = {"service": "log.logger.keyword", "access": "client.ip.keyword",
               "hostile": "message.keyword"}[kind]
    level = "log.level.keyword" if kind == "service" else "http.request.method.keyword"
    word = {"service": ("connection refused", "time", "imeou", "time[a-z]+"),
            "access": ("GET login", "sess", "ogi", "48\\.1.*"),
            "hostile": ("базой", "σύν", "データ", "naï.*")}[kind]
    message = "message"
    return [
        ("needle", {"query": {"match": {message: NEEDLE}}}),
        ("phrase", {"size": 0, "track_total_hits": True,
                    "query": {"match_phrase": {message: word[0]}}}),
        ("prefix", {"size": 0, "track_total_hits": True, "query": {"prefix": {message: word[1]}}}),
        ("substring", {"size": 0, "track_total_hits": True,
                       "query": {"wildcard": {message: f"*{word[2]}*"}}}),
        ("regex", {"size": 0, "track_total_hits": True, "query": {"regexp": {message: word[3]}}}),
        ("top_terms", {"size": 0, "aggs": {"t": {"terms": {"field": keyword, "size": 10}}}}),
        ("histogram", histogram("1m")),
        ("histogram_by_level", histogram("1m", level)),
        ("cardinality", {"size": 0, "aggs": {"c": {"cardinality": {"field": keyword}}}}),
        ("latest_100", {"size": 100, "sort": [{"@timestamp": "desc"}]}),
        ("deep_page", {"from": 9000, "size": 100, "sort": [{"@timestamp": "asc"}]}),
        ("match_nothing", {"query": {"match": {message: "nowhere4711"}}}),
        ("match_all", {"size": 0, "track_total_hits": True}),
    ]


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def search_all(server, kind, runs, floor_ms, floor_cpu_ms):
    for name, body in queries(kind):
        text = json.dumps(body)
        took = []
        used = server.cpu()
        end = time.monotonic() + 20
        while len(took) < runs and (len(took) < 3 or time.monotonic() < end):
            start = time.monotonic()
            status, answer = server.call("POST", "/bench/_search", text)
            took.append((time.monotonic() - start) * 1000)
            if status != 200 or json.loads(answer).get("timed_out"):
                print(f"# {kind}_{name}: {status} {answer[:200]}")
                break
        row(f"{kind}_{name}_processor", (server.cpu() - used) * 1000 / len(took), floor_cpu_ms,
            "ms of processor")
        row(f"{kind}_{name}_p50", quantile(took, 0.5), floor_ms, "ms")
        row(f"{kind}_{name}_p99", quantile(took, 0.99), floor_ms, "ms")


def measure(kind, count, args, executable, folder):
    path = os.path.join(folder, f"{kind}.bulk")
    packed = os.path.join(folder, f"{kind}.zst")
    lines = find("logs_lines", HERE, os.path.join(HERE, "../build/bench"))
    with open(path, "wb") as file:
        subprocess.run([lines, kind, str(count)], stdout=file, check=True)
    data = os.path.join(folder, "data")
    server = Server(executable, data)
    time.sleep(4 if not args.quick else 0.5)
    row(f"{kind}_idle_memory", server.memory("VmRSS"), None, "MiB")
    size, count, cpu, wall = ingest(server, path)
    floor_cpu, _ = command_cpu(f"grep -v '^{{\"create' {path} | zstd -1 -q -f -o {packed}")
    fts_count = min(count, args.fts_lines)
    fts_cpu, fts_size = fts(path, folder, fts_count)
    share = fts_count / count
    row(f"{kind}_lines", count / 1e6, None, "million")
    row(f"{kind}_ingest", size / 1e6 / cpu, fts_cpu and size * share / 1e6 / fts_cpu,
        "MB/s of processor; peer FTS5")
    row(f"{kind}_ingest_of_zstd", size / 1e6 / cpu, size / 1e6 / floor_cpu,
        "MB/s of processor; peer zstd -1")
    row(f"{kind}_ingest_wall", size / 1e6 / wall, None, "MB/s")
    row(f"{kind}_disk", size_of(data) / size, fts_size and fts_size / (size * share),
        "bytes a byte; peer FTS5")
    row(f"{kind}_disk_of_zstd", size_of(data) / size, os.path.getsize(packed) / size,
        "bytes a byte; peer zstd -1")
    row(f"{kind}_peak_memory", server.memory("VmHWM"), None, "MiB")
    floor_ms = floor_cpu_ms = None
    if shutil.which("rg"):
        runs = [command_cpu(f"zstd -dcq {packed} | rg -c {NEEDLE}") for _ in range(2)]
        floor_cpu_ms = min(run[0] for run in runs) * 1000
        floor_ms = min(run[1] for run in runs) * 1000
    os.remove(path)
    server.stop()
    server = Server(executable, data)
    row(f"{kind}_ready", server.ready * 1000, None, "ms after the start")
    search_all(server, kind, args.runs, floor_ms, floor_cpu_ms)
    row(f"{kind}_memory_after_searches", server.memory("VmHWM"), None, "MiB")
    server.stop(signal.SIGKILL)
    os.remove(packed)
    shutil.rmtree(data)


def search_stored(kind, args, executable):
    server = Server(executable, args.stored)
    try:
        row(f"{kind}_ready", server.ready * 1000, None, "ms after the start")
        search_all(server, kind, args.runs, None, None)
        row(f"{kind}_memory_after_searches", server.memory("VmHWM"), None, "MiB")
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--lines", type=int, help="of each kind; without it about 2 GB")
    parser.add_argument("--kinds", default="service,access,hostile")
    parser.add_argument("--executable")
    parser.add_argument("--folder")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--stored", help="a folder of the role logs that has the index bench")
    parser.add_argument("--fts-lines", type=int, default=300_000, help="that FTS5 is given at most")
    args = parser.parse_args()
    executable = args.executable or find("barograph", os.path.join(HERE, ".."),
                                         os.path.join(HERE, "../build"))
    if args.quick:
        args.runs = 3
    if args.stored:
        search_stored(args.kinds.split(",")[0], args, executable)
        return
    folder = tempfile.mkdtemp(prefix="logs_bench.", dir=args.folder)
    try:
        for kind in args.kinds.split(","):
            count = args.lines or (QUICK if args.quick else LINES)[kind]
            measure(kind, count, args, executable, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
