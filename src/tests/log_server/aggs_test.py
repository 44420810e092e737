#!/usr/bin/env python3
# aggs_test.py - composite and pipeline aggregations against the same figures worked out here.
# Usage: aggs_test.py PROGRAM
import math, os, random, shutil, sys, tempfile, threading
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
            ("what is not here", {"x": {"significant_terms": {"field": "host"}}}),
            ("what is nowhere", {"x": {"sum_of_all": {"field": "host"}}}),
            ("a rate without a histogram", {"x": {"rate": {"unit": "day"}}}),
            ("a rate of fixed months", {"m": {**base["m"], "aggs": {"r": {"rate": {"unit": "month"}}}}}),
            ("one term of many", {"x": {"multi_terms": {"terms": [{"field": "n"}]}}}),
            ("ranks of nothing", {"x": {"percentile_ranks": {"field": "n"}}}),
            ("percentiles of words", {"x": {"percentiles": {"field": "host.keyword"}}}),
            ("lengths of numbers", {"x": {"string_stats": {"field": "n"}}}),
            ("addresses of numbers", {"x": {"ip_range": {"field": "n", "ranges": [{"to": "10.0.0.1"}]}}}),
            ("a mask of 33 bits", {"x": {"ip_range": {"field": "ip", "ranges": [{"mask": "10.0.0.0/33"}]}}}),
            ("eleven top metrics", {"x": {"top_metrics": {"metrics": {"field": "n"}, "sort": "n", "size": 11}}}),
            ("a method that is none", {"m": {**base["m"], "aggs": {"r": {"normalize": {"buckets_path": "_count", "method": "x"}}}}}),
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


def percentile(values, percent):
    values = sorted(values)
    place = percent / 100 * len(values) - 0.5
    below = max(0, min(int(place), len(values) - 1))
    if place <= 0 or below + 1 >= len(values):
        return values[0 if place <= 0 else -1]
    return values[below] + (values[below + 1] - values[below]) * (place - below)


def near(name, want, got):
    expect(name, True, got is not None and math.isclose(want, got, rel_tol=1e-9) or (want, got))


def combinations(role):
    want = {}
    for d in documents:
        want[(d["host"], d["ok"])] = want.get((d["host"], d["ok"]), 0) + 1
    ranked = sorted(want.items(), key=lambda x: (-x[1], x[0]))
    answer = search(role, {"m": {"multi_terms": {"terms": [{"field": "host.keyword"}, {"field": "ok"}], "size": 3},
                                 "aggs": {"s": {"sum": {"field": "n"}}}}})["m"]
    expect("multi_terms", [([h, ok], f"{h}|{str(ok).lower()}", count) for (h, ok), count in ranked[:3]],
           [(b["key"], b["key_as_string"], b["doc_count"]) for b in answer["buckets"]])
    expect("multi_terms: the others", sum(want.values()) - sum(count for _, count in ranked[:3]), answer["sum_other_doc_count"])
    expect("multi_terms: below", [float(sum(d["n"] for d in documents if (d["host"], d["ok"]) == key)) for key, _ in ranked[:3]],
           numbers(answer["buckets"], "s"))
    answer = search(role, {"m": {"multi_terms": {"terms": [{"field": "host.keyword"}, {"field": "nope", "missing": "none"}],
                                                 "order": {"_key": "asc"}}}})["m"]
    expect("multi_terms: missing, by key", [["h0", "none"], ["h1", "none"], ["h2", "none"]], [b["key"] for b in answer["buckets"]])
    answer = search(role, {"m": {"multi_terms": {"terms": [{"field": "host.keyword"}, {"field": "nope"}]}}})["m"]
    expect("multi_terms: nothing missing", [], answer["buckets"])
    counts = {}
    for d in documents:
        counts[d["n"]] = counts.get(d["n"], 0) + 1
    answer = search(role, {"r": {"rare_terms": {"field": "n", "max_doc_count": 1}}})["r"]
    expect("rare_terms", sorted(n for n, c in counts.items() if c == 1), [b["key"] for b in answer["buckets"]])
    filters = {"big": {"range": {"n": {"gte": 30}}}, "h1": {"term": {"host.keyword": "h1"}}, "even": {"term": {"ok": True}}}
    tests = {"big": lambda d: d["n"] >= 30, "h1": lambda d: d["host"] == "h1", "even": lambda d: d["ok"]}
    want = {}
    for a in tests:
        for b in tests:
            count = sum(tests[a](d) and tests[b](d) for d in documents)
            if a <= b and count:
                want[a if a == b else f"{a}&{b}"] = count
    answer = search(role, {"x": {"adjacency_matrix": {"filters": filters}}})["x"]
    expect("adjacency_matrix", sorted(want.items()), [(b["key"], b["doc_count"]) for b in answer["buckets"]])


def figures(role):
    values = [d["n"] for d in documents]
    answer = search(role, {
        "ranks": {"percentile_ranks": {"field": "n", "values": [-1, 30, 500]}},
        "list": {"percentile_ranks": {"field": "n", "values": [30], "keyed": False}},
        "mad": {"median_absolute_deviation": {"field": "n"}}, "box": {"boxplot": {"field": "n"}},
        "weighted": {"weighted_avg": {"value": {"field": "n"}, "weight": {"field": "nope", "missing": 3}}},
        "squares": {"weighted_avg": {"value": {"field": "n"}, "weight": {"field": "n"}}},
        "nothing": {"weighted_avg": {"value": {"field": "nope"}, "weight": {"field": "n"}}},
        "text": {"string_stats": {"field": "host.keyword", "show_distribution": True}},
        "none": {"string_stats": {"field": "nope"}},
        "top": {"top_metrics": {"metrics": [{"field": "n"}, {"field": "host.keyword"}, {"field": "nope"}],
                                "sort": {"@timestamp": "desc"}, "size": 2}}})
    expect("percentile_ranks at the ends", (0.0, 100.0), (answer["ranks"]["values"]["-1.0"], answer["ranks"]["values"]["500.0"]))
    rank = answer["ranks"]["values"]["30.0"]
    near("a rank is a percentile", 30, percentile(values, rank))
    expect("ranks as a list", [{"key": 30.0, "value": rank}], answer["list"]["values"])
    median = percentile(values, 50)
    near("median_absolute_deviation", percentile([abs(v - median) for v in values], 50), answer["mad"]["value"])
    low, high = percentile(values, 25), percentile(values, 75)
    within = [v for v in values if low - 1.5 * (high - low) <= v <= high + 1.5 * (high - low)]
    expect("boxplot", {"min": float(min(values)), "max": float(max(values)), "q1": low, "q2": median, "q3": high,
                       "lower": float(min(within)), "upper": float(max(within))}, answer["box"])
    near("weighted_avg of equals", sum(values) / len(values), answer["weighted"]["value"])
    near("weighted_avg", sum(v * v for v in values) / sum(values), answer["squares"]["value"])
    expect("weighted_avg of nothing", None, answer["nothing"]["value"])
    text = "".join(d["host"] for d in documents)
    shares = {c: text.count(c) / len(text) for c in set(text)}
    stats = answer["text"]
    expect("string_stats", (len(documents), 2, 2, 2.0), (stats["count"], stats["min_length"], stats["max_length"], stats["avg_length"]))
    near("entropy", -sum(p * math.log2(p) for p in shares.values()), stats["entropy"])
    expect("distribution", sorted(shares.items(), key=lambda x: (-x[1], x[0])), list(stats["distribution"].items()))
    expect("string_stats of nothing", {"count": 0, "min_length": None, "max_length": None, "avg_length": None, "entropy": 0.0}, answer["none"])
    last = sorted(documents, key=lambda d: -d["@timestamp"])[:2]
    expect("top_metrics", [{"n": d["n"], "host.keyword": d["host"], "nope": None} for d in last],
           [t["metrics"] for t in answer["top"]["top"]])
    expect("top_metrics sorts by times in words", True, answer["top"]["top"][0]["sort"][0].endswith("Z"))
    answer = search(role, {"h": {"terms": {"field": "host.keyword", "order": {"t.n": "desc"}}, "aggs": {
        "t": {"top_metrics": {"metrics": {"field": "n"}, "sort": {"n": "desc"}}}}},
        "most": {"max_bucket": {"buckets_path": "h>t[n]"}}})
    want = sorted(((max(d["n"] for d in documents if d["host"] == h), h) for h in ("h0", "h1", "h2")), reverse=True)
    expect("ordered by top_metrics", [h for _, h in want], [b["key"] for b in answer["h"]["buckets"]])
    expect("a pipeline over top_metrics", want[0][0], answer["most"]["value"])


def rates(role):
    in_minute = lambda m: [d["n"] for d in documents if (d["@timestamp"] - BASE) // 60000 == m]
    answer = search(role, {"m": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}, "aggs": {
        "r": {"rate": {"unit": "hour"}}, "s": {"rate": {"unit": "second", "field": "n"}},
        "c": {"rate": {"unit": "minute", "field": "n", "mode": "value_count"}},
        "z": {"normalize": {"buckets_path": "_count", "method": "percent_of_sum"}},
        "o": {"normalize": {"buckets_path": "_count", "method": "rescale_0_1"}}}}})["m"]["buckets"]
    expect("rate of documents", [len(in_minute(m)) * 60.0 for m in range(12)], numbers(answer, "r"))
    expect("rate of a sum", [sum(in_minute(m)) / 60 for m in range(12)], numbers(answer, "s"))
    expect("rate of values", [float(len(in_minute(m))) for m in range(12)], numbers(answer, "c"))
    expect("normalize: shares", [len(in_minute(m)) / len(documents) for m in range(12)], numbers(answer, "z"))
    expect("normalize: to one", [len(in_minute(m)) / 4 for m in range(12)], numbers(answer, "o"))
    per_month = lambda unit: search(role, {"m": {"date_histogram": {"field": "@timestamp", "calendar_interval": "month"}, "aggs": {
        "r": {"rate": {"unit": unit}}}}})["m"]["buckets"][0]["r"]["value"]
    near("months by days", len(documents) / 30, per_month("day"))  # November
    near("months by years", len(documents) * 12, per_month("year"))


def addresses(role):
    ips = [f"10.0.{i // 8}.{i}" for i in range(32)] + ["2001:db8::1", "9.255.255.255"]
    role.call("PUT", "/i", {"mappings": {"properties": {"ip": {"type": "ip"}}}})
    role.call("POST", "/_bulk", bulk(*[x for ip in ips for x in ({"index": {"_index": "i"}}, {"ip": ip})]))
    answer = role.call("POST", "/i/_search", {"size": 0, "aggs": {"r": {"ip_range": {"field": "ip", "ranges": [
        {"to": "10.0.0.5"}, {"from": "10.0.1.9", "to": "10.0.2.0"}, {"mask": "10.0.2.0/24"}, {"from": "2001:db8::", "key": "six"},
        {"mask": "2001:db8::/127"}]}}}})[1]["aggregations"]["r"]["buckets"]
    want = [{"key": "*-10.0.0.5", "to": "10.0.0.5", "doc_count": 6},
            {"key": "10.0.1.9-10.0.2.0", "from": "10.0.1.9", "to": "10.0.2.0", "doc_count": 7},
            {"key": "10.0.2.0/24", "from": "10.0.2.0", "to": "10.0.3.0", "doc_count": 8},
            {"key": "2001:db8::/127", "from": "2001:db8::", "to": "2001:db8::2", "doc_count": 1},
            {"key": "six", "from": "2001:db8::", "doc_count": 1}]
    expect("ip_range", want, answer)
    def found(query):
        status, answer = role.call("POST", "/i/_search", {"size": 100, "query": query})
        return sorted(h["_source"]["ip"] for h in answer["hits"]["hits"]) if status == 200 else answer["error"]["root_cause"][0]["reason"]
    in_third = sorted(ip for ip in ips if ip.startswith("10.0.2."))
    expect("a term that is a mask", in_third, found({"term": {"ip": "10.0.2.0/24"}}))
    expect("terms: a mask and an address", sorted(in_third + ["10.0.0.1"]), found({"terms": {"ip": ["10.0.2.0/24", "10.0.0.1"]}}))
    expect("an address written otherwise", ["2001:db8::1"], found({"term": {"ip": "2001:0DB8:0:0::1"}}))
    expect("a range is of addresses, not of texts", sorted(f"10.0.1.{i}" for i in range(9, 13)), found({"range": {"ip": {"gte": "10.0.1.9", "lte": "10.0.1.12"}}}))
    expect("its edges", sorted(f"10.0.1.{i}" for i in (10, 11)), found({"range": {"ip": {"gt": "10.0.1.9", "lt": "10.0.1.12"}}}))
    expect("an open range", ["2001:db8::1"], found({"range": {"ip": {"gte": "::ffff:11.0.0.0"}}}))
    expect("masks in query strings", in_third, found({"query_string": {"query": 'ip:"10.0.2.0/24"'}}))
    expect("no address", "'10.0.0.x' is not an IP string literal.", found({"range": {"ip": {"gte": "10.0.0.x"}}}))
    expect("no mask", "'10.0.0.0/40' is not an IP string literal.", found({"term": {"ip": "10.0.0.0/40"}}))
    keyed = role.call("POST", "/i/_search", {"size": 0, "aggs": {"r": {"ip_range": {"field": "ip", "keyed": True, "ranges": [
        {"mask": "0.0.0.0/0"}]}}}})[1]["aggregations"]["r"]["buckets"]
    expect("ip_range: keyed, all of version 4", {"0.0.0.0/0": {"from": "0.0.0.0", "to": "::1:0:0:0", "doc_count": 33}}, keyed)


def many_terms(role):
    """Terms that are too many for buckets, in segments of many and of few, against a count made here."""
    dice = random.Random(7)
    counts, of_part = {}, {}
    for part, different in enumerate((9000, 20000, 50, 10**6, 9000)):
        lines, seen = [], set()
        for i in range(12000):
            words = {f"w{int(different * dice.random() ** 2):06d}" for _ in range(1 + i % 2)}
            for word in words:
                counts[word] = counts.get(word, 0) + 1
            seen |= words
            lines += [{"index": {"_index": "many"}}, {"w": sorted(words), "part": part}]
        role.call("POST", "/_bulk", bulk(*lines))
        role.call("POST", "/many/_flush")
        of_part[part] = len(seen)
    distinct = role.call("POST", "/many/_search", {"size": 0, "aggs": {"c": {"cardinality": {"field": "w.keyword"}}, "x": {
        "cardinality": {"field": "w.keyword", "precision_threshold": -1}}}})
    expect("a threshold below 0", 400, distinct[0])
    for threshold in (0, 40000):
        distinct = role.call("POST", "/many/_search", {"size": 0, "aggs": {"c": {"cardinality": {
            "field": "w.keyword", "precision_threshold": threshold}}}})[1]["aggregations"]["c"]["value"]
        expect(f"about as many as there are, {threshold}", True, abs(distinct / len(counts) - 1) < 0.03)
    parts = role.call("POST", "/many/_search", {"size": 0, "aggs": {"p": {"terms": {"field": "part"}, "aggs": {
        "c": {"cardinality": {"field": "w.keyword"}}}}}})[1]["aggregations"]["p"]["buckets"]
    expect("of each part, exactly", of_part, {b["key"]: b["c"]["value"] for b in parts})
    orders = {"count": ({"_count": "desc"}, lambda t: (-t[1], t[0])), "rarest": ({"_count": "asc"}, lambda t: (t[1], t[0])),
              "key": ({"_key": "asc"}, lambda t: t[0]), "last key": ({"_key": "desc"}, lambda t: [-ord(c) for c in t[0]]),
              "both": ([{"_count": "desc"}, {"_key": "desc"}], lambda t: (-t[1], [-ord(c) for c in t[0]]))}
    for name, (order, key) in orders.items():
        for size in (1, 10, 700, 30000):
            for more, wanted in (({}, lambda t: True), ({"include": "w0.*7", "min_doc_count": 3},
                                                        lambda t: t[0].startswith("w0") and t[0].endswith("7") and t[1] >= 3)):
                ranked = sorted(filter(wanted, counts.items()), key=key)
                status, answer = role.call("POST", "/many/_search", {"size": 0, "aggs": {"t": {"terms": {
                    "field": "w.keyword", "size": size, "order": order, **more}}}})
                terms = answer["aggregations"]["t"]
                expect(f"many terms by {name}, {size} of {sorted(more)}",
                       (ranked[:size], sum(count for _, count in ranked[size:])),
                       ([(b["key"], b["doc_count"]) for b in terms["buckets"]], terms["sum_other_doc_count"]))


def scans(role):
    """What is read block by block, in segments enough for a helper, from several sides at once."""
    dice = random.Random(9)
    hits = [0] * 4
    for part in range(4):
        lines = []
        for i in range(9000):
            kind = int(dice.random() * 9)
            hits[part] += kind == 0
            middle = "Plain words" if kind == 0 else "plain-words" if kind == 1 else "words plain"
            if kind == 1:
                hits[part] += 1
            lines += [{"index": {"_index": f"scan{part}"}},
                      {"message": f"{dice.random()} {dice.getrandbits(8000):x} ({middle}) {i}", f"k{i % 700}": i}]
            if len(lines) > 4000:
                role.call("POST", "/_bulk", bulk(*lines))
                lines = []
        role.call("POST", "/_bulk", bulk(*lines))
        role.call("POST", f"/scan{part}/_flush")
    failures = []

    def ask(query, sort):
        for _ in range(3):
            status, answer = role.call("POST", "/scan*/_search", {"size": 3, "track_total_hits": True, "query": query, "sort": sort,
                                                                 "aggs": {"i": {"terms": {"field": "_index"}}}})
            got = {b["key"]: b["doc_count"] for b in answer["aggregations"]["i"]["buckets"]} if status == 200 else status
            if got != {f"scan{part}": count for part, count in enumerate(hits)}:
                failures.append(got)
    asked = [({"match_phrase": {"message": "plain words"}}, ["_doc"]),
             ({"bool": {"filter": [{"wildcard": {"message": "*lai*"}}, {"match_phrase": {"message": "plain words"}}]}}, [{"_doc": "desc"}])]
    threads = [threading.Thread(target=ask, args=arguments) for arguments in asked * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect("scans find the same from all sides", [], failures)

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
    combinations(role)
    figures(role)
    rates(role)
    addresses(role)
    many_terms(role)
    scans(role)
    role.stop()
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(tap.end())
