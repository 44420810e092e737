#!/usr/bin/env python3
"""cardinality_bomb.py - what do millions of new series through one target do to a server with a memory limit?

    bench/cardinality_bomb.py [--series 5000000] [--memory 256MB]

Starts `barograph metrics --memory.max`, pushes 1,000 good series, then new series by remote write, 5,000 a
request, each with labels of its own; meanwhile the good series go on. Prints how many new ones were taken
and refused, the refusal's words, the most memory the process had, and whether the good series, old and new
samples, can be read at the end.
"""
import argparse, http.client, os, re, shutil, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kill_loop import Server, field, snappy, varint, SERVERS
import struct

PER_REQUEST = 5000


def series_bytes(labels, time_ms, value):
    head = b"".join(field(1, field(1, k) + field(2, v)) for k, v in labels)
    return field(1, head + field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time_ms)))


def good(i):
    return [(b"__name__", b"good"), (b"instance", b"target-1"), (b"job", b"bomb"), (b"number", b"%d" % i)]


def bad(i):
    return [(b"__name__", b"bomb_requests_total"), (b"id", b"%032x" % (i * 0x9E3779B97F4A7C15 % (1 << 128))),
            (b"instance", b"target-1"), (b"job", b"bomb"), (b"path", b"/user/%d" % i)]


def memory(pid, what):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(what + r":\s+(\d+)", f.read()).group(1)) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--series", type=int, default=5000000)
    parser.add_argument("--memory", default="256MB")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="cardinality-bomb-")
    SERVERS["barograph"].append("--memory.max=" + options.memory)
    server = Server("barograph", folder)
    server.start()
    server.wait_ready(time.time())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    words, taken, refused, good_refused, good_steps = {}, 0, 0, 0, 0
    start = time.time()

    def write(body):
        connection.request("POST", "/api/v1/write", snappy(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")

    first_ms = int(start * 1000)
    for at in range(0, options.series, PER_REQUEST):
        now_ms = int(time.time() * 1000)
        if at % (PER_REQUEST * 10) == 0:
            status, _ = write(b"".join(series_bytes(good(i), now_ms, 1) for i in range(1000)))
            good_steps += 1
            good_refused += status // 100 != 2
        status, text = write(b"".join(series_bytes(bad(i), now_ms, 1) for i in range(at, at + PER_REQUEST)))
        if status // 100 == 2:
            taken += PER_REQUEST
        else:
            refused += PER_REQUEST
            key = "%d %s" % (status, re.sub(r"\d+", "N", text.strip()))
            words[key] = words.get(key, 0) + 1
    peak, now = memory(server.process.pid, "VmHWM"), memory(server.process.pid, "VmRSS")
    seen = server.ask("count(count_over_time(good[%ds]))" % (time.time() - start + 60), time.time())
    steps = server.ask("min(count_over_time(good[%ds]))" % (time.time() - start + 60), time.time())
    print("new series pushed %d: taken %d, refused %d; %.0f s" % (options.series, taken, refused, time.time() - start))
    print("memory limit %s: most %.0f MiB, now %.0f MiB" % (options.memory, peak, now))
    print("good series readable %d of 1000, with %d of %d steps (%d refused)" % (seen, steps, good_steps, good_refused))
    for text, count in sorted(words.items(), key=lambda x: -x[1])[:4]:
        print("refused %d times: %s" % (count, text))
    server.process.terminate()
    server.process.wait()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
