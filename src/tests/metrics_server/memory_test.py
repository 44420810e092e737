"""memory_test - with --memory.max the metrics role stays below it, whatever is asked and written: what
needs more is refused with a text that says so, and what needs little is answered all the while.
"""
import os
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "whole"))
from harness import Role, ask, check, folder, has, note, remote_write, run, same, write  # noqa: E402

MEMORY_MAX = 192 << 20
SERIES, SAMPLES, STEP_S = 3000, 120, 15
NOW = int(time.time()) // 60 * 60
THREADS = 6
ALL = '{__name__=~"memory.*"}'


def started():
    path = write(os.path.join(folder("config"), "prometheus.yml"), "")
    return Role("metrics", "--config.file=" + path, "--web.enable-remote-write-receiver",
                "--memory.max=%d" % MEMORY_MAX).ready()


def resident(role, key):
    with open("/proc/%d/status" % role.process.pid, encoding="utf-8") as file:
        for line in file:
            if line.startswith(key):
                return int(line.split()[1]) << 10
    raise AssertionError(key)


def labels_of(i, name="memory_total"):
    return {"__name__": name, "instance": "instance-%05d" % i, "group": "group-%d" % (i % 50), "job": "memory"}


def fill(role):
    times = [(NOW - (SAMPLES - k) * STEP_S) * 1000 for k in range(SAMPLES)]
    for first in range(0, SERIES, 500):
        got = remote_write(role.url, [(labels_of(i), [(t, float(i * k)) for k, t in enumerate(times)])
                                      for i in range(first, first + 500)])
        check(got.status in (200, 204), got.text)


def get(role, path, **form):
    return ask(role.url + path + "?" + urllib.parse.urlencode(form), timeout=120)


def in_range(role, expression, steps):
    return get(role, "/api/v1/query_range", query=expression, start=NOW - steps, end=NOW, step=1)


HUNGRY = [
    lambda role: in_range(role, "topk(100000, %s)" % ALL, 10000),
    lambda role: in_range(role, "sort(%s)" % ALL, 8000),
    lambda role: in_range(role, "%s * on() group_left() %s" % (ALL, ALL), 5000),
    lambda role: in_range(role, 'count_values("v", %s)' % ALL, 3000),
    lambda role: in_range(role, "rate(%s[5m]) or %s" % (ALL, ALL), 10000),
    lambda role: get(role, "/api/v1/query", query="max_over_time((%s)[1h:100ms])" % ALL, time=NOW),
    lambda role: get(role, "/api/v1/query", query=ALL + "[1h]", time=NOW),
    lambda role: get(role, "/api/v1/series", **{"match[]": ALL}),
    lambda role: get(role, "/federate", **{"match[]": ALL}),
]


def ask_hungry(role, seen, lock):
    for _ in range(2):
        for hungry in HUNGRY:
            got = hungry(role)
            with lock:
                seen.append((got.status, got.text[:200]))


def queries_stay_below():
    """hungry queries, six at a time: some refused, the others answered, small ones too, memory below"""
    role = started()
    fill(role)
    seen, lock = [], threading.Lock()
    threads = [threading.Thread(target=ask_hungry, args=(role, seen, lock)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    small = 0
    while any(thread.is_alive() for thread in threads):
        got = get(role, "/api/v1/query", query="sum(rate(%s[5m]))" % 'memory_total{group="group-7"}', time=NOW)
        same(200, got.status, got.text[:300])
        same(1, len(got.json["data"]["result"]))
        small += 1
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    refused = [text for status, text in seen if status == 422]
    note("%d hungry ones, %d refused, %d small ones, peak %.0f of %d MiB, then %.0f" %
         (len(seen), len(refused), small, resident(role, "VmHWM") / 2 ** 20, MEMORY_MAX >> 20,
          resident(role, "VmRSS") / 2 ** 20))
    check({status for status, _ in seen} <= {200, 422, 503}, sorted({status for status, _ in seen}))
    check(refused and len(refused) < len(seen), "%d of %d refused" % (len(refused), len(seen)))
    for text in refused:
        has(text, "memory|queries may hold|points|more than")
    check(resident(role, "VmHWM") < MEMORY_MAX, "peak %d bytes" % resident(role, "VmHWM"))
    role.check_alive()
    role.stop()


def writes_stay_below():
    """new series until they are refused: memory below, those that are there go on"""
    role = started()
    fill(role)
    status = 204
    made = 0
    while status in (200, 204) and made < 2000000:
        got = remote_write(role.url, [(labels_of(i, "memory_new"), [(NOW * 1000, 1.0)])
                                      for i in range(made, made + 5000)], timeout=60)
        status, made = got.status, made + 5000
    note("%d new series, then %d: %s; peak %.0f MiB" % (made, status, got.text[:120].strip(),
                                                       resident(role, "VmHWM") / 2 ** 20))
    check(status in (400, 503), "%d series and none refused" % made)
    has(got.text, "series in memory|memory")
    check(resident(role, "VmHWM") < MEMORY_MAX, "peak %d bytes" % resident(role, "VmHWM"))
    got = remote_write(role.url, [(labels_of(i), [(NOW * 1000 + 1000, 5.0)]) for i in range(100)])
    check(got.status in (200, 204), got.text)
    got = get(role, "/api/v1/query", query="count(%s)" % "memory_total", time=NOW + 1)
    same(str(SERIES), got.json["data"]["result"][0]["value"][1])
    role.stop()


run([queries_stay_below, writes_stay_below])
