"""api_test - the HTTP API of the metrics role has Prometheus' shape, also for mistakes.

Samples come in by remote write, made here: protobuf by hand, packed as snappy literals.
"""
import gzip
import json
import os
import struct
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "whole"))
from harness import Role, ask, check, folder, has, run, same, write  # noqa: E402

NOW = int(time.time()) // 60 * 60
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
role = None


# ---- remote write ----

def varint(number):
    number &= (1 << 64) - 1
    got = b""
    while number > 127:
        got += bytes([number & 127 | 128])
        number >>= 7
    return got + bytes([number])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def series(labels, *samples):
    body = b"".join(field(1, field(1, n.encode()) + field(2, v.encode())) for n, v in labels)
    for value, time_s in samples:
        body += field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(int(time_s * 1000)))
    return field(1, body)


def snappy(data):
    got = varint(len(data))
    for i in range(0, len(data), 60):
        piece = data[i:i + 60]
        got += bytes([len(piece) - 1 << 2]) + piece
    return got


def push(*items, packed=None, headers=None, url=None):
    body = snappy(b"".join(items)) if packed is None else packed
    head = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", **(headers or {})}
    return ask((url or role.url) + "/api/v1/write", "POST", body, head)


# ---- asking ----

def api(path, *pairs, method=None, body=None, headers=None):
    query = urllib.parse.urlencode(list(pairs))
    return ask(f"{role.url}/api/v1/{path}" + ("?" + query if query else ""), method, body, headers)


def good(path, *pairs, **more):
    got = api(path, *pairs, **more)
    same(200, got.status, f"{path} {pairs}: {got.text[:300]}")
    same("application/json", got.headers["Content-Type"])
    same("success", got.json["status"])
    return got.json["data"]


def bad(status, kind, path, *pairs, text="", **more):
    got = api(path, *pairs, **more)
    same(status, got.status, f"{path} {pairs}: {got.text[:300]}")
    same("error", got.json["status"])
    same(kind, got.json["errorType"], got.text)
    has(got.json["error"], text)


def begin():
    """starts; nothing is scraped"""
    global role
    path = write(os.path.join(folder("config"), "prometheus.yml"),
                 "global: {external_labels: {site: home}}\n"
                 "scrape_configs:\n- job_name: j\n  scrape_interval: 1h\n"
                 "  static_configs: [{targets: ['127.0.0.1:1']}]\n"
                 "  basic_auth: {username: u, password: geheim}\n")
    role = Role("metrics", "--config.file=" + path, "--web.enable-remote-write-receiver",
                "--web.enable-admin-api", "--web.enable-lifecycle",
                "--enable-feature=promql-per-step-stats").ready()




def write_and_read():
    """remote write: stored, the same again fine, refused whole when one sample is bad"""
    m = [("__name__", "m"), ("a", "x")]
    same(204, push(series(m, (1, NOW - 60), (2, NOW)), series([("__name__", "m"), ("a", "y")], (7, NOW))).status)
    same(204, push(series(m, (2, NOW))).status, "the same again")
    got = push(series([("__name__", "n")], (1, NOW)), series(m, (3, NOW)))
    same(400, got.status, "duplicate")
    has(got.text, "(?i)duplicate")
    same(400, push(series([("__name__", "n")], (1, NOW)), series(m, (3, NOW - 30))).status, "order")
    same([], good("query", ("query", "n"), ("time", NOW))["result"])
    same(204, push(series([("a", "z")], (1, NOW))).status, "no name: left out")
    same(204, push(series([("__name__", "twice"), ("a", "1"), ("a", "2")], (1, NOW))).status, "left out")
    same([], good("query", ("query", "twice"), ("time", NOW))["result"])
    same(204, push(series([("__name__", "long"), ("d", "x" * 300), ("e", "")], (1, NOW))).status)
    same({"__name__": "long", "d": "x" * 300}, good("query", ("query", "long"), ("time", NOW))["result"][0]["metric"])
    same(204, push(series([("b", "2"), ("__name__", "u"), ("a", "1")], (1, NOW))).status, "unsorted")
    same({"__name__": "u", "a": "1", "b": "2"}, good("query", ("query", "u"), ("time", NOW))["result"][0]["metric"])
    same(400, push(packed=b"\xff\xff\xff garbage").status, "corrupt")
    same(415, push(packed=b"", headers={"Content-Encoding": "zstd"}).status)
    same(415, push(packed=b"", headers={"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}).status)
    stale = struct.unpack("<d", struct.pack("<Q", 0x7ff0000000000002))[0]
    same(204, push(series([("__name__", "gone")], (1, NOW - 10), (stale, NOW))).status)


def metadata():
    """remote write: what senders say of their metrics is shown, the last word counts"""
    def said(name, kind, text, unit=b""):
        return field(3, b"\x08" + varint(kind) + field(2, name) + field(4, text) + field(5, unit))
    same(204, push(said(b"pushed_total", 1, b"What was said first."), said(b"pushed_bytes", 2, "Gr\u00f6\u00dfe".encode(), b"bytes")).status)
    same(204, push(said(b"pushed_total", 3, b"And then."), series([("__name__", "m"), ("a", "x")], (2, NOW))).status)
    got = good("metadata")
    same([{"type": "histogram", "help": "And then.", "unit": ""}], got["pushed_total"])
    same([{"type": "gauge", "help": "Gr\u00f6\u00dfe", "unit": "bytes"}], got["pushed_bytes"])
    same(["pushed_bytes"], list(good("metadata", ("metric", "pushed_bytes"))))
    same({}, good("metadata", ("metric", "pushed")))
    same(400, push(field(3, b"\xff")).status, "corrupt")


def instant():
    """query: types, times, POST forms, mistakes"""
    same({"resultType": "scalar", "result": [NOW, "2"]}, good("query", ("query", "1+1"), ("time", NOW)))
    same([4, "2"], good("query", ("query", "1+1"), ("time", 4))["result"])
    same([1.2, "2"], good("query", ("query", "1+1"), ("time", "1.2"))["result"])
    same([-5, "1"], good("query", ("query", "1"), ("time", "-5"))["result"])
    same([1600000000, "1"], good("query", ("query", "1"), ("time", "2020-09-13T12:26:40Z"))["result"])
    same("string", good("query", ("query", '"x"'), ("time", 1))["resultType"])
    got = good("query", ("query", "m"), ("time", NOW))
    same("vector", got["resultType"])
    same([[NOW, "2"], [NOW, "7"]], sorted(item["value"] for item in got["result"]))
    same([[NOW - 60, "1"], [NOW, "2"]], good("query", ("query", 'm{a="x"}[5m]'), ("time", NOW))["result"][0]["values"])
    same([], good("query", ("query", "gone"), ("time", NOW))["result"])
    form = urllib.parse.urlencode({"query": "m", "time": NOW}).encode()
    same(2, len(good("query", body=form, headers=FORM)["result"]))
    bad(400, "bad_data", "query", body=form, method="POST", headers={"Content-Type": "text/plain"}, text="query")
    bad(400, "bad_data", "query", ("query", "1 +"), text='invalid parameter "query": 1:4: parse error')
    bad(400, "bad_data", "query", ("query", "1"), ("time", "soon"), text='invalid parameter "time"')
    bad(400, "bad_data", "query", ("query", "1"), ("timeout", "PT1S"), text="timeout")
    bad(400, "bad_data", "query", ("query", "1"), ("limit", "-1"), text="limit")
    bad(422, "execution", "query", ("query", "m + on() m"), ("time", NOW))
    for value, want in (("1e-7", "1e-07"), ("1e21", "1e+21"), ("1e20", "100000000000000000000"), ("1/0", "+Inf"), ("-0", "-0")):
        same(want, good("query", ("query", value))["result"][1], value)
    got = api("query", ("query", "m"), ("time", NOW), ("limit", 1)).json
    same(1, len(got["data"]["result"]))
    same(["results truncated due to limit"], got["warnings"])
    got = good("query_range", ("query", "m"), ("start", NOW - 60), ("end", NOW), ("step", 60), ("stats", "all"))["stats"]
    same(3, got["samples"]["totalQueryableSamples"])
    same([[NOW - 60, 1], [NOW, 2]], got["samples"]["totalQueryableSamplesPerStep"])
    check("totalQueryableSamplesPerStep" not in good("query", ("query", "m"), ("stats", "true"))["stats"]["samples"], "all")


def range_query():
    """query_range: steps, limits, types"""
    at = (("start", NOW - 60), ("end", NOW))
    got = good("query_range", ("query", 'm{a="x"}'), *at, ("step", "30s"))
    same("matrix", got["resultType"])
    same([[NOW - 60, "1"], [NOW - 30, "1"], [NOW, "2"]], got["result"][0]["values"])
    same({}, good("query_range", ("query", "1"), *at, ("step", 60))["result"][0]["metric"])
    bad(400, "bad_data", "query_range", ("query", "m"), *at, ("step", 0), text="step")
    bad(400, "bad_data", "query_range", ("query", "m"), *at, text='invalid parameter "step"')
    bad(400, "bad_data", "query_range", ("query", "m"), ("start", 2), ("end", 1), ("step", 1), text="end")
    bad(400, "bad_data", "query_range", ("query", "m[5m]"), *at, ("step", 1), text="range vector")
    bad(400, "bad_data", "query_range", ("query", "1"), ("start", 0), ("end", 11001), ("step", 1), text="11,000")
    same(11001, len(good("query_range", ("query", "1"), ("start", 0), ("end", 11000), ("step", 1))["result"][0]["values"]))


def names():
    """series, labels, values: match[], limits, empty answers"""
    same(2, len(good("series", ("match[]", "m"))))
    same(3, len(good("series", ("match[]", "m"), ("match[]", "u"), ("match[]", '{a="x"}'))))
    bad(400, "bad_data", "series", text="match")
    bad(400, "bad_data", "series", ("match[]", '{a=~".*"}'))
    bad(400, "bad_data", "series", ("match[]", "m["))
    got = api("series", ("match[]", "m"), ("limit", 1)).json
    same((1, ["results truncated due to limit"]), (len(got["data"]), got["warnings"]))
    same(["__name__", "a"], good("labels", ("match[]", "m")))
    check("b" in good("labels"), "all labels")
    same(["x", "y"], good("label/a/values", ("match[]", "m")))
    same(["1", "x", "y"], good("label/a/values"))
    same(["1", "x"], good("label/a/values", ("limit", 2)))
    same([], good("label/nope/values"))
    low, high = "-292273086-05-16T16:47:06Z", "292277025-08-18T07:12:54.999999999Z"
    same(["x", "y"], good("label/a/values", ("match[]", "m"), ("start", low), ("end", high)))
    same([], good("label/a/values", ("start", 1), ("end", 2)))


def status():
    """targets, metadata, status/*, rules: their shapes"""
    got = good("targets")
    same(1, len(got["activeTargets"]))
    target = got["activeTargets"][0]
    for name in ("discoveredLabels", "labels", "scrapePool", "scrapeUrl", "globalUrl", "lastError", "lastScrape",
                 "lastScrapeDuration", "health", "scrapeInterval", "scrapeTimeout"):
        check(name in target, f"{name} in {target}")
    same(("1h", "10s"), (target["scrapeInterval"], target["scrapeTimeout"]))
    same({"instance": "127.0.0.1:1", "job": "j"}, target["labels"])
    same([], good("targets", ("state", "bogus"))["activeTargets"])
    same({"scrapePools": ["j"]}, good("scrape_pools"))
    same({}, good("metadata", ("metric", "none")))
    same({"groups": []}, good("rules"))
    same({"alerts": []}, good("alerts"))
    check("activeAlertmanagers" in good("alertmanagers"), "alertmanagers")
    yaml = good("status/config")["yaml"]
    check("geheim" not in yaml and "<secret>" in yaml, yaml)
    check(good("status/flags")["config.file"].endswith("prometheus.yml"), "flags")
    has(good("status/buildinfo")["version"], r"^\d+\.\d+\.\d+")
    check(good("status/runtimeinfo")["reloadConfigSuccess"], "runtimeinfo")
    check(good("status/tsdb")["headStats"]["numSeries"] >= 3, "tsdb")
    same([], good("query_exemplars", ("query", "test")))
    has(good("format_query", ("query", "sum(m)by(a)")), r"sum by \(a\) \(")
    tree = good("parse_query", ("query", "sum by (a) (rate(m{b=~'c'}[5m] offset 1m)) > bool 2"))
    same(("binaryExpr", ">", True, None), (tree["type"], tree["op"], tree["bool"], tree["matching"]))
    same(("aggregation", "sum", ["a"]), (tree["lhs"]["type"], tree["lhs"]["op"], tree["lhs"]["grouping"]))
    selector = tree["lhs"]["expr"]["args"][0]
    same(("matrixSelector", "m", 300000, 60000), tuple(selector[key] for key in ("type", "name", "range", "offset")))
    check({"name": "b", "value": "c", "type": "=~"} in selector["matchers"], "matchers")
    bad(400, "bad_data", "parse_query", ("query", "sum("), text="parse error")


def federate():
    """federate: text, timestamps, external labels, instance"""
    got = ask(f"{role.url}/federate?" + urllib.parse.urlencode({"match[]": 'u'}))
    same(200, got.status)
    has(got.text, r"(?m)^# TYPE u untyped$", r'(?m)^u\{.*a="1".*\} 1 \d{13}$', 'site="home"', 'instance=""')
    same("", ask(f"{role.url}/federate").text)


def command_line():
    """barograph query and promql: formats, mistakes, exit statuses"""
    def say(*words, status=0, text=""):
        got = subprocess.run([sys.argv[1], *words], input=text, capture_output=True, text=True, timeout=30)
        same(status, got.returncode, " ".join(words))
        return got.stdout if status == 0 else got.stderr
    ask_here = ("--url", role.url)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW))
    same(f'series,time,value\n"m{{a=""x""}}",{stamp},2\n',
         say("query", 'm{a="x"}', "--time", str(NOW), "--format", "csv", *ask_here))
    same('m{a="x"}  2\nm{a="y"}  7\n', say("query", "m", "--time", str(NOW), *ask_here))
    same("3\n", say("query", "1+2", *ask_here))
    same("matrix", json.loads(say("query", "m", "--start", str(NOW - 60), "--end", str(NOW), "--step", "1m",
                                  "--format", "json", *ask_here))["resultType"])
    has(say("query", "m", "--start", str(NOW - 60), "--end", str(NOW), "--step", "1m", "--format", "plot", *ask_here),
        "[\u2801-\u28ff]")
    has(say("query", "1 +", *ask_here, status=1), "1:4: parse error")
    has(say("query", "m", "--format", "xml", *ask_here, status=2), "table, json, csv or plot")
    same("sum by (a) (m)\n", say("promql", "fmt", "sum(m)by(a)"))
    same("sum by (a) (m)\n", say("promql", "fmt", text="sum(m)by(a)\n"))
    has(say("promql", "check", "sum(", status=1), "parse error")
    same("vectorSelector", json.loads(say("promql", "tree", "m"))["type"])


def manners():
    """methods, encodings, unknown paths, life cycle"""
    same(405, api("query", ("query", "1"), method="PUT").status)
    same(405, api("query", ("query", "1"), method="DELETE").status)
    same(404, api("nope").status)
    same(204, api("query", method="OPTIONS").status, "OPTIONS")
    got = api("query_range", ("query", "1"), ("start", 0), ("end", 9000), ("step", 1), headers={"Accept-Encoding": "gzip"})
    same("gzip", got.headers["Content-Encoding"])
    same(9001, len(json.loads(gzip.decompress(got.body))["data"]["result"][0]["values"]))
    same(200, ask(role.url + "/-/healthy").status)
    same(200, ask(role.url + "/-/reload", "POST", b"").status)
    same(405, ask(role.url + "/-/reload").status)


def admin():
    """delete_series: 204, and the samples are gone"""
    same(204, api("admin/tsdb/delete_series", ("match[]", 'm{a="y"}'), method="POST", body=b"").status)
    same(1, len(good("query", ("query", "m"), ("time", NOW))["result"]))
    bad(400, "bad_data", "admin/tsdb/delete_series", method="POST", body=b"", text="match")
    same(204, api("admin/tsdb/clean_tombstones", method="PUT", body=b"").status)


def switched_off():
    """without flags: remote write 404, admin unavailable, life cycle 403"""
    path = write(os.path.join(folder("config"), "prometheus.yml"), "")
    plain = Role("metrics", "--config.file=" + path).ready()
    same(404, push(series([("__name__", "n")], (1, NOW)), url=plain.url).status)
    got = ask(plain.url + "/api/v1/admin/tsdb/delete_series?match[]=m", "POST", b"")
    same((500, "unavailable"), (got.status, got.json["errorType"]))
    same(403, ask(plain.url + "/-/reload", "POST", b"").status)


# One instance serves all: run() stops processes behind each test, so they are one test with steps.
def whole():
    """the API, step by step"""
    begin()
    failures = []
    for step in (write_and_read, metadata, instant, range_query, names, status, command_line, federate, manners, admin):
        try:
            step()
        except AssertionError as problem:
            line = problem.__traceback__
            while line.tb_next is not None and line.tb_next.tb_frame.f_code.co_filename == __file__:
                line = line.tb_next
            failures.append(f"{step.__doc__}: line {line.tb_lineno}: {problem}")
    check(not failures, "\n".join(failures))


run([whole, switched_off])
