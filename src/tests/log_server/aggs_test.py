#!/usr/bin/env python3
# aggs_test.py - composite and pipeline aggregations against the same figures worked out here.
# Usage: aggs_test.py PROGRAM
import math, os, shutil, sys, tempfile
import logs_role
from logs_role import bulk

tap = logs_role.Tap()
expect = tap.expect
BASE = 1700000000000 // 60000 * 60000
# One document a minute and host; the sixth minute is empty.
documents = [{"@timestamp": BASE + m * 60000 + s, "host": f"h{s % 3}", "n": m * m + s, "ok": s % 2 == 0}
             for m in range(12) if m != 5 for s in range(1 + m % 4)]


def minutes(values):
    """A number for each minute, in order, None for one without documents."""
    return [values([d["n"] for d in documents if (d["@timestamp"] - BASE) // 60000 == m]) for m in range(12)]


def search(role, aggs):
    status, answer = role.call("POST", "/a/_search", {"size": 0, "aggs": aggs})
    return answer["aggregations"] if status == 200 else (status, answer["error"])


def numbers(buckets, name):
    return [bucket.get(name, {}).get("value") for bucket in buckets]


def parents(role):
    sums = minutes(lambda v: float(sum(v)) if v else None)
    per_minute = {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}}
    answer = search(role, {"m": {**per_minute, "aggs": {
        "s": {"sum": {"field": "n"}},
        "d": {"derivative": {"buckets_path": "s", "unit": "second"}},
        "dd": {"derivative": {"buckets_path": "d"}},
        "c": {"cumulative_sum": {"buckets_path": "s"}},
        "lag": {"serial_diff": {"buckets_path": "s", "lag": 2}},
        "avg": {"moving_avg": {"buckets_path": "s", "window": 3}},
        "fn": {"moving_fn": {"buckets_path": "s", "window": 3, "script": "MovingFunctions.max(values)"}},
        "ratio": {"bucket_script": {"buckets_path": {"a": "s", "b": "_count"}, "script": "params.a / params.b * 2"}}}}})
    buckets = answer["m"]["buckets"]
    expect("twelve minutes", 12, len(buckets))
    known = lambda i: sums[i] is not None
    expect("derivative", [None] + [sums[i] - sums[i - 1] if known(i) and known(i - 1) else None for i in range(1, 12)],
           numbers(buckets, "d"))
    expect("a derivative's unit", (sums[2] - sums[1]) / 60, buckets[2]["d"]["normalized_value"])
    expect("a derivative of a derivative", sums[3] - 2 * sums[2] + sums[1], buckets[3]["dd"]["value"])
    running, want = 0.0, []
    for value in sums:
        running += value or 0
        want.append(running)
    expect("cumulative_sum", want, numbers(buckets, "c"))
    expect("serial_diff", [None] * 2 + [sums[i] - sums[i - 2] if known(i) and known(i - 2) else None
                                        for i in range(2, 12)], numbers(buckets, "lag"))
    window = lambda i, end: [v for v in sums[max(0, end - 3):end] if v is not None]
    expect("moving_avg", [sum(window(i, i + 1)) / len(window(i, i + 1)) if known(i) else None for i in range(12)],
           numbers(buckets, "avg"))
    expect("moving_fn", [max(window(i, i), default=None) if known(i) else "none" for i in range(12)],
           [b["fn"]["value"] if "fn" in b else "none" for b in buckets])
    counts = minutes(len)
    expect("bucket_script", [sums[i] / counts[i] * 2 if known(i) else None for i in range(12)], numbers(buckets, "ratio"))
    answer = search(role, {"m": {**per_minute, "aggs": {
        "s": {"sum": {"field": "n"}},
        "keep": {"bucket_selector": {"buckets_path": {"s": "s"}, "script": "params.s > 50 && params.s < 300"}},
        "sort": {"bucket_sort": {"sort": [{"s": {"order": "desc"}}], "size": 3}}}}})
    expect("bucket_selector and bucket_sort", sorted([s for s in sums if s and 50 < s < 300])[::-1][:3],
           numbers(answer["m"]["buckets"], "s"))


def siblings(role):
    sums = [s for s in minutes(lambda v: float(sum(v)) if v else None) if s is not None]
    answer = search(role, {"m": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"},
                                 "aggs": {"s": {"sum": {"field": "n"}}}},
                           **{name: {f"{name}_bucket": {"buckets_path": "m>s"}}
                              for name in ("avg", "max", "min", "sum", "stats", "extended_stats", "percentiles")},
                           "most": {"max_bucket": {"buckets_path": "m._count"}}})
    expect("avg, max, min, sum", [sum(sums) / len(sums), max(sums), min(sums), sum(sums)],
           [answer[name]["value"] for name in ("avg", "max", "min", "sum")])
    expect("the key of the largest", 1, len(answer["max"]["keys"]))
    expect("stats", (11, max(sums)), (answer["stats"]["count"], answer["stats"]["max"]))
    mean = sum(sums) / len(sums)
    expect("extended", True, math.isclose(sum((s - mean) ** 2 for s in sums) / len(sums),
                                          answer["extended_stats"]["variance"], rel_tol=1e-9))
    expect("percentiles", sorted(sums)[5], answer["percentiles"]["values"]["50.0"])
    expect("by count", 4.0, answer["most"]["value"])
    answer = search(role, {"h": {"terms": {"field": "host.keyword"}, "aggs": {
        "m": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}, "aggs": {
            "c": {"cumulative_sum": {"buckets_path": "_count"}}}},
        "top": {"max_bucket": {"buckets_path": "m>c"}}}}})
    expect("a sibling below buckets", [(b["key"], float(b["doc_count"])) for b in answer["h"]["buckets"]],
           [(b["key"], b["top"]["value"]) for b in answer["h"]["buckets"]])


def refused(role):
    base = {"m": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}}}
    for name, aggs in [
            ("a parent at the top", {"d": {"derivative": {"buckets_path": "x"}}}),
            ("a parent below a metric's bucket", {"f": {"filter": {"match_all": {}}, "aggs": {
                "d": {"derivative": {"buckets_path": "_count"}}}}}),
            ("a sibling without its aggregation", {**base, "x": {"avg_bucket": {"buckets_path": "nope>s"}}}),
            ("a circle", {"m": {**base["m"], "aggs": {"a": {"derivative": {"buckets_path": "b"}},
                                                      "b": {"derivative": {"buckets_path": "a"}}}}}),
            ("a script that is a program", {"m": {**base["m"], "aggs": {"b": {"bucket_script": {
                "buckets_path": {"a": "_count"}, "script": "def x = 1; return x"}}}}}),
            ("an unknown moving function", {"m": {**base["m"], "aggs": {"b": {"moving_fn": {
                "buckets_path": "_count", "window": 3, "script": "MovingFunctions.holt(values, 1, 2)"}}}}}),
            ("no path", {"m": {**base["m"], "aggs": {"b": {"derivative": {}}}}}),
            ("an unknown kind", {"x": {"significant_terms": {"field": "host"}}}),
            ("a composite without sources", {"x": {"composite": {}}})]:
        expect("refused: " + name, 400, search(role, aggs)[0])


def composite(role):
    want = {}
    for d in documents:
        key = (d["host"], (d["@timestamp"] - BASE) // 180000 * 180000 + BASE // 180000 * 180000)
        key = (d["host"], d["@timestamp"] // 180000 * 180000)
        want[key] = want.get(key, 0) + 1
    for size in (1, 4, 100):
        got, after = [], None
        for _ in range(200):
            body = {"size": size, "sources": [
                {"h": {"terms": {"field": "host.keyword"}}},
                {"t": {"date_histogram": {"field": "@timestamp", "fixed_interval": "3m", "order": "desc"}}}]}
            if after:
                body["after"] = after
            answer = search(role, {"c": {"composite": body, "aggs": {"s": {"sum": {"field": "n"}}}}})["c"]
            got += [((b["key"]["h"], b["key"]["t"]), b["doc_count"]) for b in answer["buckets"]]
            after = answer.get("after_key")
            if not answer["buckets"]:
                break
        expect(f"composite, pages of {size}", sorted(want.items(), key=lambda x: (x[0][0], -x[0][1])), got)
    answer = search(role, {"c": {"composite": {"size": 50, "sources": [
        {"ok": {"terms": {"field": "ok"}}}, {"n": {"histogram": {"field": "n", "interval": 50}}},
        {"x": {"terms": {"field": "nope", "missing_bucket": True}}}]}}})["c"]
    want = {}
    for d in documents:
        key = (d["ok"], float(d["n"] // 50 * 50))
        want[key] = want.get(key, 0) + 1
    expect("composite of flags, steps and nothing", sorted(want.items()),
           [((b["key"]["ok"], b["key"]["n"]), b["doc_count"]) for b in answer["buckets"]])
    answer = search(role, {"c": {"composite": {"sources": [{"n": {"terms": {"field": "nope"}}}]}}})["c"]
    expect("composite of nothing", [], answer["buckets"])


folder = tempfile.mkdtemp(prefix="logs-aggs-")
try:
    role = logs_role.Role(sys.argv[1], folder)
    role.call("PUT", "/a", {"mappings": {"properties": {"@timestamp": {"type": "date"}}}})
    for part in range(0, len(documents), 7):
        role.call("POST", "/_bulk", bulk(*[x for d in documents[part:part + 7] for x in ({"index": {"_index": "a"}}, d)]))
        role.call("GET", "/a/_count")  # a segment each
    parents(role)
    siblings(role)
    refused(role)
    composite(role)
    role.stop()
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(tap.end())
