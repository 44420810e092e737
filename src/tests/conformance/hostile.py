#!/usr/bin/env python3
"""hostile.py - asks a running server what nobody should ask, and watches whether others notice.

    hostile.py URL PID [COUNT] [SEED]

COUNT (10000) queries made from a seed: deep nesting, giant ranges and steps, cross products, patterns
made to explode, huge numbers, broken text, joins of everything with everything. Each must be answered
or refused, with JSON, before its deadline; the process must stay below 2 GiB; and an ordinary query
asked all the while must not take more than twice as long in the median as it did before.
Prints one line a figure; the exit status is 1 when a promise was broken.
"""
import http.client
import json
import random
import statistics
import sys
import threading
import time
import urllib.parse

HOST = urllib.parse.urlsplit(sys.argv[1]).netloc
PID = int(sys.argv[2])
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 10000
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1
THREADS = 4
TIMEOUT_S = 10  # asked of the server with each query
GRACE_S = 5     # and what an answer may come late
MEMORY_MAX = 2 << 30

R = random.Random(SEED)
ALL = '{__name__=~".+"}'


def selector():
    return R.choice([
        ALL, "{__name__!=\"\"}", "node_cpu_seconds_total", "up", "http_request_duration_seconds_bucket",
        '{__name__=~"node.*",host=~".*0.*"}', '{host=~"(a|b|host).*"}', "nothing_at_all",
        '{__name__=~"%s"}' % ("(.*)*" * R.randint(1, 30)),
        '{__name__=~"%s"}' % ("(a?){%d}a{%d}" % (R.randint(10, 900), R.randint(10, 900))),
        '{__name__=~"%s"}' % ("(x+x+)+y" * R.randint(1, 40)),
        '{__name__=~".+",host!~"%s"}' % "|".join("h%d.*" % i for i in range(R.randint(1, 400))),
    ])


def wide(depth):
    return R.choice([
        lambda: "%s * on() group_left() %s" % (selector(), selector()),
        lambda: "%s + ignoring(host) group_right %s" % (selector(), selector()),
        lambda: "%s or %s unless %s" % (selector(), expression(depth - 1), selector()),
        lambda: "count_values(\"v\", %s)" % expression(depth - 1),
        lambda: "topk(%s, %s)" % (R.choice(["1e9", "NaN", "-1", "1e300", "5"]), expression(depth - 1)),
        lambda: "quantile(%s, %s)" % (R.choice(["2", "NaN", "0.5"]), selector()),
        lambda: "label_replace(%s, \"x\", \"%s\", \"host\", \"%s\")" % (
            selector(), "$1" * R.randint(1, 200), "(.*)" * R.randint(1, 60)),
        lambda: "label_join(%s, \"x\", \"%s\", \"host\", \"host\")" % (selector(), "," * R.randint(1, 999)),
        lambda: "sort(%s)" % selector(),
        lambda: "absent(%s)" % expression(depth - 1),
        lambda: "sum without (host) (%s)" % expression(depth - 1),
    ])()


def over_time(depth):
    function = R.choice(["rate", "increase", "quantile_over_time", "stddev_over_time", "max_over_time",
                         "predict_linear", "changes", "deriv", "absent_over_time"])
    span = R.choice(["1s", "5m", "6h", "1d", "10y", "290y", "1ms", "999999999999s"])
    step = R.choice(["", "1ms", "1s", "15s", "1y"])
    inner = expression(depth - 1)
    matrix = "%s[%s]" % (selector(), span) if R.random() < 0.5 else "(%s)[%s:%s]" % (inner, span, step)
    if function == "quantile_over_time":
        return "quantile_over_time(0.9, %s)" % matrix
    if function == "predict_linear":
        return "predict_linear(%s, 1e18)" % matrix
    return "%s(%s)" % (function, matrix)


def deep():
    n = R.choice([10, 100, 900, 1100, 5000, 100000])
    return R.choice(["(" * n + "up" + ")" * n, "-" * n + "1", "1" + "+1" * n, "sum(" * n + "up" + ")" * n,
                     "up" + "[5m:1m]" * min(n, 50), "((((" * n, "1^" * n + "1", "{" * n,
                     "max_over_time(" * min(n, 300) + "up" + "[1h:1m])" * min(n, 300)])


def broken():
    return R.choice(["", "sum(", "\x00", "\xff\xfe", "up{", "up[5m", "1 and 2", "rate(up)", "up offset",
                     "\"" + "a" * 50000, "1e999999", "0x" + "f" * 5000, "#" * 10000, "up @ 1e400",
                     "up offset 99999y", "sum by (" + ",".join("l%d" % i for i in range(5000)) + ") (up)",
                     "".join(chr(R.randint(32, 0x2fff)) for _ in range(R.randint(1, 300)))])


def expression(depth):
    if depth <= 0:
        return selector()
    return R.choice([wide, over_time, lambda d: selector(),
                     lambda d: "(%s) %s (%s)" % (expression(d - 1),
                                                 R.choice(["+", "*", "/", "and", "or", ">", "== bool"]),
                                                 expression(d - 1))])(depth)


def request():
    kind = R.random()
    text = deep() if kind < 0.15 else broken() if kind < 0.3 else expression(R.randint(1, 4))
    form = {"query": text, "timeout": "%ds" % TIMEOUT_S}
    now = time.time()
    if R.random() < 0.5:
        step = R.choice([1, 15, 60, 3600, 0.001, 1e9])
        steps = R.choice([1, 60, 1000, 11000, 11001, 10 ** 9])
        form.update(start=now - step * steps, end=now, step=step)
        path = "/api/v1/query_range"
    else:
        form["time"] = R.choice([now, 0, -1e10, 1e15, now - 3600])
        path = "/api/v1/query"
    body = urllib.parse.urlencode(form, errors="replace")
    return path, body, text


def resident():
    with open("/proc/%d/status" % PID) as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
    return 0


def ask(connection, path, body):
    connection.request("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def main():
    requests = [request() for _ in range(COUNT)]
    lock = threading.Lock()
    state = {"next": 0, "bad": [], "statuses": {}, "slowest": 0.0, "text": "", "memory": resident()}
    stop = threading.Event()

    def hostile():
        connection = http.client.HTTPConnection(HOST, timeout=TIMEOUT_S + GRACE_S)
        while True:
            with lock:
                i = state["next"]
                state["next"] += 1
            if i >= COUNT:
                return
            path, body, text = requests[i]
            begin = time.monotonic()
            try:
                status, answer = ask(connection, path, body)
                if status != 400 and len(answer) < 1 << 20:  # 400 may come from below the API
                    json.loads(answer)
            except Exception as error:  # a connection that was cut, a late answer, no JSON
                status, connection = type(error).__name__, http.client.HTTPConnection(
                    HOST, timeout=TIMEOUT_S + GRACE_S)
                with lock:
                    state["bad"].append((text[:200], repr(error)[:200]))
            took = time.monotonic() - begin
            with lock:
                state["statuses"][status] = state["statuses"].get(status, 0) + 1
                if took > state["slowest"]:
                    state["slowest"], state["text"] = took, text[:200]

    def ordinary(seconds, until):
        connection = http.client.HTTPConnection(HOST, timeout=60)
        times, begin = [], time.monotonic()
        body = urllib.parse.urlencode({"query": "sum(rate(node_load1[5m]))"})
        while not until.is_set() and time.monotonic() - begin < seconds:
            t = time.perf_counter()
            ask(connection, "/api/v1/query", body)
            times.append(time.perf_counter() - t)
            state["memory"] = max(state["memory"], resident())
            time.sleep(0.02)
        return times

    before = ordinary(5, threading.Event())
    threads = [threading.Thread(target=hostile) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    meanwhile = []
    watcher = threading.Thread(target=lambda: meanwhile.extend(ordinary(1e9, stop)))
    watcher.start()
    for thread in threads:
        thread.join()
    stop.set()
    watcher.join()
    quiet, loud = statistics.median(before) * 1e3, statistics.median(meanwhile) * 1e3
    print("queries", COUNT, "seed", SEED, "statuses", dict(sorted(state["statuses"].items(), key=str)))
    print("slowest %.2f s: %r" % (state["slowest"], state["text"]))
    print("peak resident %.0f MiB" % (state["memory"] / 2 ** 20))
    print("an ordinary query: %.3f ms before, %.3f ms meanwhile (median of %d)" % (quiet, loud, len(meanwhile)))
    for text, error in state["bad"][:20]:
        print("bad:", error, repr(text))
    is_good = not state["bad"] and state["memory"] < MEMORY_MAX and loud < 2 * max(quiet, 0.2)
    print("good" if is_good else "NOT GOOD")
    sys.exit(0 if is_good else 1)


main()
