"""store_test - what the metrics role keeps besides floats, from outside: native histograms and exemplars by
remote write, late samples, snapshots; and that data go to Prometheus and come from it.

Where Debian's prometheus and promtool are installed the same requests go to the real server, whose
blocks are imported, and what we export is read by the real promtool.
"""
import os
import shutil
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "whole"))
from harness import Role, address, ask, check, folder, has, note, run, same, start, until, write  # noqa: E402
from harness import snappy  # noqa: E402
from write_format import STALE, histogram, series  # noqa: E402

NOW = int(time.time()) // 60 * 60 - 600
BAROGRAPH = sys.argv[1]
def push(url, *items):
    return ask(url + "/api/v1/write", "POST", snappy(b"".join(items)),
               {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"})


def good(url, path, *pairs, **more):
    got = ask(f"{url}/api/v1/{path}?" + urllib.parse.urlencode(pairs), **more)
    same(200, got.status, got.text[:300])
    return got.json["data"]


def started(*words, data=None):
    path = write(os.path.join(folder("config"), "prometheus.yml"), "")
    return Role("metrics", "--config.file=" + path, "--web.enable-remote-write-receiver", "--web.enable-admin-api",
                *words, data=data).ready()


def tool(*words):
    return subprocess.run([BAROGRAPH, "tsdb", *words], capture_output=True, text=True, timeout=60)


def lines(store):
    got = tool("dump", store)
    same(0, got.returncode, got.stderr)
    return sorted(got.stdout.splitlines())


def same_lines(wanted, got):
    """Compares lists of lines, and shows of a difference only some."""
    missing = [line for line in wanted if line not in set(got)]
    more = [line for line in got if line not in set(wanted)]
    check(wanted == got, f"{len(wanted)} lines wanted, {len(got)} got; missing {missing[:3]}, more {more[:3]}")


def requests():
    """Histograms of both kinds that grow, change their buckets and go stale; floats of all sorts."""
    items = []
    for i in range(200):
        at = NOW - 6000 + i * 15
        runs, counts = [(0, 2), (1, 1)], [i, 2 * i + 1, 3]
        if i >= 100:
            runs, counts = [(0, 4)], [i, 2 * i + 1, i, 3]
        items.append(series([("__name__", "whole")], histograms=[
            histogram(at, sum(counts) + 2, i * 1.5, positive=(runs, counts), negative=([(-3, 1)], [1]), zero=1)]))
        items.append(series([("__name__", "floating")], histograms=[
            histogram(at, sum(counts) / 2, STALE if i == 150 else i * 0.1, schema=3, hint=3, floats=True,
                      positive=(runs, [c / 2 for c in counts]))]))
        items.append(series([("__name__", "plain"), ("a", "x\"\\y")], [((i * 7919 % 1000) / 8, at)]))
        items.append(series([("__name__", "ends")], [(STALE if i == 60 else -0.0 if i % 9 else 1e300, at)]))
    return items


def histograms_are_kept():
    """native histograms: written, answered, there after a restart, refused when they make no sense"""
    role = started()
    same(204, push(role.url, *requests()).status)
    same(204, push(role.url, *requests()[-4:]).status, "the same again")
    got = good(role.url, "query", ("query", "whole"), ("time", NOW - 6000 + 99 * 15))["result"][0]["histogram"][1]
    same({"count": "303", "sum": "148.5", "buckets": [
        [1, "-0.125", "-0.0625", "1"], [3, "-0.001", "0.001", "1"],
        [0, "0.5", "1", "99"], [0, "1", "2", "199"], [0, "4", "8", "3"]]}, got)
    got = push(role.url, series([("__name__", "bad")], histograms=[histogram(NOW, 1, 1, positive=([(0, 2)], [1]))]))
    same(400, got.status)
    has(got.text, "2 buckets")
    got = push(role.url, series([("__name__", "bad")], histograms=[histogram(NOW, 1, 1, schema=9)]))
    same(400, got.status)
    has(got.text, "schema 9")
    same(204, push(role.url, series([("__name__", "own")], histograms=[
        histogram(NOW, 3, 1, schema=-53, bounds=(0.5, 1.0), positive=([(0, 3)], [1, 1, 1]))])).status)
    got = good(role.url, "query", ("query", "own"), ("time", NOW))["result"][0]["histogram"][1]
    same([[0, "-Inf", "0.5", "1"], [0, "0.5", "1", "1"], [0, "1", "+Inf", "1"]], got["buckets"])
    role.stop()
    store = role.data
    same(801, len(lines(store)))
    same(0, tool("verify", store).returncode)


def exemplars_are_kept():
    """exemplars: a ring by feature flag, asked for by an expression"""
    role = started("--enable-feature=exemplar-storage", "--storage.exemplars.exemplars-limit=3")
    for i in range(4):
        same(204, push(role.url, series([("__name__", "c_total"), ("job", "a")], [(i, NOW + i)], exemplars=[
            ([("trace_id", f"t{i}")], i / 2, NOW + i + 0.5)])).status)
    got = good(role.url, "query_exemplars", ("query", "rate(c_total[5m]) > 0"), ("start", NOW), ("end", NOW + 60))
    same([{"seriesLabels": {"__name__": "c_total", "job": "a"}, "exemplars": [
        {"labels": {"trace_id": f"t{i}"}, "value": f"{i / 2:g}", "timestamp": NOW + i + 0.5} for i in (1, 2, 3)]}], got)
    same([], good(role.url, "query_exemplars", ("query", "nothing"), ("start", NOW), ("end", NOW + 60)))
    same(204, ask(role.url + "/api/v1/query_exemplars?query=1").status, "no selector")
    same(204, push(role.url, series([("__name__", "c_total"), ("job", "a")], [(9, NOW + 9)], exemplars=[
        ([("trace_id", "x" * 200)], 1, NOW + 9)])).status, "an exemplar that is too long is left out")
    got = good(role.url, "query_exemplars", ("query", "c_total"), ("start", NOW), ("end", NOW + 60))
    same(3, len(got[0]["exemplars"]))
    role.stop()
    plain = started()
    same([], good(plain.url, "query_exemplars", ("query", "c_total")))


def late_samples_are_taken():
    """out-of-order window: late samples are taken inside it, and refused without it"""
    m = [("__name__", "m")]
    role = started("--storage.tsdb.out-of-order-time-window=30m")
    same(204, push(role.url, series(m, [(1, NOW)])).status)
    same(204, push(role.url, series(m, [(2, NOW - 1200), (3, NOW - 600)])).status)
    same(204, push(role.url, series(m, [(2, NOW - 1200)])).status, "the same again")
    same(400, push(role.url, series(m, [(2.5, NOW - 1200)])).status, "another value")
    same(400, push(role.url, series(m, [(4, NOW - 7200)])).status, "older than the window")
    got = good(role.url, "query", ("query", "m[1h]"), ("time", NOW))["result"][0]["values"]
    same([[NOW - 1200, "2"], [NOW - 600, "3"], [NOW, "1"]], got)
    role.stop()
    same(3, len(lines(role.data)))
    strict = started()
    same(204, push(strict.url, series(m, [(1, NOW)])).status)
    got = push(strict.url, series(m, [(3, NOW - 600)]))
    same(400, got.status)
    has(got.text, "out of order")
    crowded = started("--storage.tsdb.metric-series-max=2")
    for i in range(2):
        same(204, push(crowded.url, series(m + [("z", str(i))], [(1, NOW)])).status)
    got = push(crowded.url, series(m + [("z", "2")], [(1, NOW)]))
    same(400, got.status)
    has(got.text, "'m' has 2 series")


def snapshots_are_stores():
    """snapshot: a folder that can be opened, with or without what is in memory"""
    role = started()
    same(204, push(role.url, *requests()).status)
    empty = good(role.url, "admin/tsdb/snapshot", ("skip_head", "true"), method="POST", body=b"")["name"]
    name = good(role.url, "admin/tsdb/snapshot", method="POST", body=b"")["name"]
    same(400, ask(role.url + "/api/v1/admin/tsdb/snapshot?skip_head=perhaps", "POST", b"").status)
    same(800, len(lines(os.path.join(role.data, "snapshots", name))))
    same([], lines(os.path.join(role.data, "snapshots", empty)))
    same(204, ask(role.url + "/api/v1/admin/tsdb/delete_series?match[]=plain", "POST", b"").status)
    same(204, ask(role.url + "/api/v1/admin/tsdb/clean_tombstones", "POST", b"").status)
    same(800, len(lines(os.path.join(role.data, "snapshots", name))), "a snapshot does not change")
    again = started(data=os.path.join(role.data, "snapshots", name))
    same(1, len(good(again.url, "query", ("query", "plain"), ("time", NOW - 3100))["result"]))
    role.stop()
    same(600, len(lines(role.data)))


def text_is_imported():
    """import openmetrics: with times, or refused with the line"""
    place = folder("text")
    good_text = write(os.path.join(place, "good.om"), "# TYPE a counter\na_total{b=\"c\"} 1 1600000000\n"
                      "a_total{b=\"c\"} 2 1600000060.5\na_total{b=\"c\"} 3 1600000060.5\n# EOF\n")
    store = os.path.join(place, "store")
    got = tool("import", "openmetrics", good_text, store)
    same(0, got.returncode, got.stderr)
    has(got.stdout, "2 samples in 1 series", "1 samples stood twice")
    same(['{__name__="a_total", b="c"} 1 1600000000000', '{__name__="a_total", b="c"} 2 1600000060500'], lines(store))
    got = tool("import", "openmetrics", write(os.path.join(place, "bad.om"), "a 1 1600000000\na 2\n# EOF\n"), store)
    same(1, got.returncode)
    has(got.stderr, "line 2", "timestamp")
    same(1, tool("dump", os.path.join(place, "nowhere")).returncode)
    same(2, tool("export", store, "--match", "{").returncode)
    has(tool("analyze", store).stdout, "00000001")


def peer(data):
    """Debian's Prometheus on a folder."""
    listen = address() + ":9090"
    process = start(["prometheus", "--config.file=" + write(os.path.join(folder("config"), "p.yml"), "global: {}\n"),
                     "--storage.tsdb.path=" + data, "--web.listen-address=" + listen,
                     "--web.enable-remote-write-receiver", "--web.enable-admin-api",
                     "--enable-feature=native-histograms", "--log.level=error"])
    until(lambda: ask("http://" + listen + "/-/ready").status == 200, "Prometheus is not ready", 30)
    return process, "http://" + listen


def goes_to_prometheus_and_back():
    """Debian's Prometheus: we read its blocks, its promtool reads ours"""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        note("skipped: Debian's prometheus is not installed")
        return
    place = folder("peer")
    process, url = peer(os.path.join(place, "data"))
    role = started()
    same(204, push(role.url, *requests()).status)
    same(204, push(url, *requests()).status)
    same(204, ask(url + "/api/v1/admin/tsdb/delete_series?match[]=plain&end=" + str(NOW - 5000), "POST", b"").status)
    same(204, ask(role.url + "/api/v1/admin/tsdb/delete_series?match[]=plain&end=" + str(NOW - 5000), "POST",
                  b"").status)
    name = good(url, "admin/tsdb/snapshot", method="POST", body=b"")["name"]
    process.terminate()
    asked = (("query", '{__name__=~"whole|plain"}[2h]'), ("time", NOW))
    answer = good(role.url, "query", *asked)["result"]
    role.stop()
    got = tool("import", "prometheus", os.path.join(place, "data", "snapshots", name), os.path.join(place, "ours"))
    same(0, got.returncode, got.stderr)
    same_lines(sorted(map(plain, lines(role.data))), sorted(map(plain, lines(os.path.join(place, "ours")))))
    out = os.path.join(place, "out")
    same(0, tool("export", role.data, "--output", out).returncode)
    os.makedirs(os.path.join(out, "wal"))
    theirs = subprocess.run(["promtool", "tsdb", "dump", out], capture_output=True, text=True, timeout=60)
    same(0, theirs.returncode, theirs.stderr)
    ours = [line for line in lines(role.data) if "{{" not in line]
    real = sorted(theirs.stdout.splitlines())
    same_lines(ours_floats(ours), real)  # this promtool leaves histograms out
    process, url = peer(out)
    same(2, len(answer))
    check(answer == good(url, "query", *asked)["result"], "Prometheus answers otherwise from our export")
    process.terminate()
    for words in (["list"], ["analyze"]):
        got = subprocess.run(["promtool", "tsdb", *words, out], capture_output=True, text=True, timeout=60)
        same(0, got.returncode, got.stderr)


def ours_floats(found):
    """A NaN of any bits is NaN in promtool's dump."""
    return sorted(line.replace("NaN(7ff0000000000002)", "NaN") for line in found)


def plain(line):
    """What the real server forgets: a stale histogram's buckets, and hints behind it; and finds out: resets."""
    for hint in (" hint:not_reset", " hint:reset", " hint:gauge"):
        line = line.replace(hint, "")
    if "{{" in line and "sum:NaN(" in line:
        return line.split("{{")[0] + "stale " + line.split()[-1]
    return line


run([histograms_are_kept, exemplars_are_kept, late_samples_are_taken, snapshots_are_stores, text_is_imported,
     goes_to_prometheus_and_back])
