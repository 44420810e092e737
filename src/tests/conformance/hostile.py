#!/usr/bin/env python3
"""hostile.py - asks a running server what nobody should ask, and watches whether others notice.

    hostile.py URL PID [COUNT] [SEED] [MEMORY_MIB]

COUNT (10000) queries made from a seed, eight at a time: deep nesting, giant ranges and steps, cross
products, patterns made to explode, chains of thousands of vectors, huge numbers, long addresses, broken
text, joins of everything with everything. Each must be answered or refused, with JSON, before its
deadline; the process must stay below MEMORY_MIB (1536: what queries may hold by default, and half as
much again for the rest); and an ordinary query, asked all the while by another process, must not take
more than twice as long in the median as it did before. Deadlines are held against the time until an
answer begins: how quickly it is read is up to the reader. Prints one line a figure; the exit status is 1
when a promise was broken.
"""
import http.client
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse

HOST = urllib.parse.urlsplit(sys.argv[1]).netloc
PID = int(sys.argv[2])
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 10000
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1
MEMORY_MAX = (int(sys.argv[5]) if len(sys.argv) > 5 else 1536) << 20
THREADS = 8
TIMEOUT_S = 10  # asked of the server with each query
GRACE_S = 1     # and what an answer may come late: this is a busy machine
QUIET_S = 10    # how long the ordinary query is asked before

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


def chain():
    """Many vectors in a row, of one sample each or of all there are."""
    n = R.choice([50, 500, 5000])
    some = R.choice(["vector(%d)", "up * %d", ALL + " * %d", "label_replace(vector(1), \"a\", \"%d\", \"\", \"\")"])
    return R.choice([" or ", " + ", " and ", " unless ", " == "]).join(some % i for i in range(n))


def everything():
    """The costly aggregations and functions over all series."""
    inner = R.choice([ALL, "rate(%s[5m])" % ALL, "max_over_time(rate(%s[1m])[1h:1s])" % ALL,
                      "last_over_time(%s[6h])" % ALL, "quantile_over_time(0.9, %s[6h])" % ALL])
    return R.choice(["topk(100000, %s)", "quantile by (host) (0.99, %s)", "sort_desc(%s)", "count_values(\"v\", %s)",
                     "sort_by_label(%s, \"host\")", "histogram_quantile(0.9, %s)", "sum by (__name__, host) (%s)",
                     "stddev without (host) (%s)", "limitk(100000, %s)", "(%s)", "absent(%s)"]) % inner


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


def newest():
    """When the server's newest sample is: nobody asks for where nothing is."""
    connection = http.client.HTTPConnection(HOST, timeout=60)
    head = json.loads(ask(connection, "GET", "/api/v1/status/tsdb", None)[1])["data"]["headStats"]
    blocks = json.loads(ask(connection, "GET", "/api/v1/status/tsdb/blocks", None)[1])["data"]["blocks"]
    return max([head["maxTime"]] + [block["maxTime"] for block in blocks]) / 1000


def request(now):
    kind = R.random()
    text = (deep() if kind < 0.15 else broken() if kind < 0.3 else chain() if kind < 0.38 else
            everything() if kind < 0.5 else expression(R.randint(1, 4)))
    form = {"query": text, "timeout": "%ds" % TIMEOUT_S}
    if R.random() < 0.5:
        step = R.choice([1, 15, 60, 3600, 0.001, 1e9])
        steps = R.choice([1, 60, 1000, 11000, 11001, 10 ** 9])
        form.update(start=now - step * steps, end=now, step=step)
        path = "/api/v1/query_range"
    else:
        form["time"] = R.choice([now, 0, -1e10, 1e15, now - 3600])
        path = "/api/v1/query"
    body = urllib.parse.urlencode(form, errors="replace")
    if R.random() < 0.1:
        return "GET", path + "?" + body, None, text
    return "POST", path, body, text


def resident(key):
    with open("/proc/%d/status" % PID) as f:
        for line in f:
            if line.startswith(key):
                return int(line.split()[1]) << 10
    return 0


def ask(connection, method, path, body):
    """Status, answer and when it began."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    began = time.monotonic()
    return answer.status, answer.read(), began


def ordinary(seconds, name, now):
    """Asks a query of a dashboard again and again and writes how long each took to a file."""
    connection = http.client.HTTPConnection(HOST, timeout=60)
    body = urllib.parse.urlencode({"query": "sum(rate(node_load1[5m]))", "time": now})
    end = time.monotonic() + seconds
    with open(name, "w") as file:
        while time.monotonic() < end and os.getppid() == PARENT:
            begin = time.perf_counter()
            ask(connection, "POST", "/api/v1/query", body)
            file.write("%f\n" % ((time.perf_counter() - begin) * 1e3))
            file.flush()
            time.sleep(0.02)


def watch(seconds, name, now):
    """Starts `ordinary` in a process of its own: this one will be too busy to keep time."""
    pid = os.fork()
    if pid == 0:
        ordinary(seconds, name, now)
        os._exit(0)
    return pid


def times_in(name):
    with open(name) as file:
        return sorted(float(line) for line in file if line.endswith("\n"))


def hostile(requests, state, lock):
    connection = http.client.HTTPConnection(HOST, timeout=6 * TIMEOUT_S)
    while True:
        with lock:
            i = state["next"]
            state["next"] += 1
        if i >= len(requests):
            return
        method, path, body, text = requests[i]
        begin = time.monotonic()
        try:
            status, answer, began = ask(connection, method, path, body)
            if status not in (400, 414, 431) and len(answer) < 1 << 20:  # those may come from below the API
                json.loads(answer)
        except Exception as error:  # a connection that was cut, no answer, no JSON
            status, began = type(error).__name__, time.monotonic()
            connection = http.client.HTTPConnection(HOST, timeout=6 * TIMEOUT_S)
            with lock:
                state["bad"].append((repr(error)[:200], text[:200]))
        took = began - begin
        with lock:
            state["statuses"][status] = state["statuses"].get(status, 0) + 1
            state["slowest"] = max(state["slowest"], (took, text[:200]))
            if took > TIMEOUT_S + GRACE_S:
                state["late"].append((took, status, text[:300]))


def main():
    now = newest()
    requests = [request(now) for _ in range(COUNT)]
    folder = tempfile.mkdtemp(prefix="hostile-")
    quiet_name, loud_name = folder + "/quiet", folder + "/loud"
    os.waitpid(watch(QUIET_S, quiet_name, now), 0)
    watcher = watch(1e9, loud_name, now)
    os.nice(5)  # in life they are other machines
    lock = threading.Lock()
    state = {"next": 0, "bad": [], "late": [], "statuses": {}, "slowest": (0.0, "")}
    threads = [threading.Thread(target=hostile, args=(requests, state, lock)) for _ in range(THREADS)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.kill(watcher, 9)
    os.waitpid(watcher, 0)
    quiet, loud = times_in(quiet_name), times_in(loud_name)
    for name in (quiet_name, loud_name):
        os.unlink(name)
    os.rmdir(folder)
    peak = resident("VmHWM")
    print("queries %d seed %d in %.0f s; statuses" % (COUNT, SEED, time.monotonic() - begin),
          dict(sorted(state["statuses"].items(), key=str)))
    print("late %d; slowest %.2f s: %r" % (len(state["late"]), *state["slowest"]))
    print("peak resident %.0f MiB, now %.0f MiB" % (peak / 2 ** 20, resident("VmRSS") / 2 ** 20))
    for name, times in (("before", quiet), ("meanwhile", loud)):
        print("an ordinary query %s: median %.3f ms, 99 of 100 within %.3f ms, most %.3f ms (%d)" %
              (name, statistics.median(times), times[len(times) * 99 // 100], times[-1], len(times)))
    for took, status, text in state["late"][:20]:
        print("late: %.2f s, %s, %r" % (took, status, text))
    for error, text in state["bad"][:20]:
        print("bad:", error, repr(text))
    is_good = (not state["bad"] and not state["late"] and peak < MEMORY_MAX and
               statistics.median(loud) < 2 * max(statistics.median(quiet), 0.2))
    print("good" if is_good else "NOT GOOD")
    sys.exit(0 if is_good else 1)


PARENT = os.getpid()
main()
