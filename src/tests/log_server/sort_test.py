#!/usr/bin/env python3
"""sort_test.py PROGRAM - orders of hits: by _id, by modes of several values, by times of two resolutions."""
import random, shutil, sys, tempfile
import logs_role
from logs_role import bulk

tap = logs_role.Tap()
expect = tap.expect
dice = random.Random(3)


def search(role, index, sort, **body):
    status, answer = role.call("POST", f"/{index}/_search", {"sort": sort, "_source": False, **body})
    return answer["hits"]["hits"] if status == 200 else answer["error"]["type"]


def ids(hits):
    return [hit["_id"] for hit in hits] if isinstance(hits, list) else hits


def by_id(role):
    names = [f"{dice.randrange(10**6)}-é{i}" for i in range(300)]
    for part in range(0, 300, 50):
        role.call("POST", "/i/_bulk", bulk(*[x for name in names[part:part + 50] for x in (
            {"index": {"_id": name}}, {"n": len(name) % 2, "g": name[:1]})]))
        role.call("POST", "/i/_flush")
    by_bytes = sorted(names, key=lambda name: name.encode())
    expect("by _id", by_bytes[:40], ids(search(role, "i", ["_id"], size=40)))
    expect("from the last", by_bytes[::-1][:40], ids(search(role, "i", [{"_id": "desc"}], size=40)))
    expect("its value", [by_bytes[0]], search(role, "i", ["_id"], size=1)[0]["sort"])
    both = sorted(names, key=lambda name: (len(name) % 2, name.encode()))
    seen, after = [], None
    while True:
        page = search(role, "i", [{"n": "asc"}, {"_id": "asc"}], size=37, **({"search_after": after} if after else {}))
        if not page:
            break
        seen += ids(page)
        after = page[-1]["sort"]
    expect("pages behind a tie by _id", both, seen)
    expect("collapsed", sorted({name[:1] for name in names}), sorted(hit["_id"][:1] for hit in search(
        role, "i", ["_id"], collapse={"field": "g.keyword"}, size=20)))
    top = role.call("POST", "/i/_search", {"size": 0, "aggs": {"a": {"top_hits": {"size": 3, "sort": [{"_id": "desc"}]}}}})[1]
    expect("in top_hits", by_bytes[::-1][:3], ids(top["aggregations"]["a"]["hits"]["hits"]))
    seen, page = [], role.call("POST", "/i/_search?scroll=1m", {"size": 70, "sort": ["_id"]})[1]
    while page["hits"]["hits"]:
        seen += ids(page["hits"]["hits"])
        page = role.call("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})[1]
    expect("pages of a scroll", by_bytes, seen)


def modes(role):
    role.call("PUT", "/m", {"mappings": {"properties": {"n": {"type": "long"}, "f": {"type": "double"}, "k": {"type": "keyword"}}}})
    values = {"a": [9, 1, 5], "b": [4, 2], "c": [7], "d": [8, 0, 0, 0], "e": [3, 3, 3, 3, 3]}
    role.call("POST", "/m/_bulk", bulk(*[x for name, list_ in values.items() for x in (
        {"index": {"_id": name}}, {"n": list_, "f": [v / 4 for v in list_], "k": [str(v) for v in list_]})]))
    median = lambda v: (sorted(v)[(len(v) - 1) // 2] + sorted(v)[len(v) // 2]) / 2
    for mode, of in (("min", min), ("max", max), ("sum", sum), ("avg", lambda v: sum(v) / len(v)), ("median", median)):
        for field, unit in (("n", 1), ("f", 4)):
            want = sorted(((name, of(v) / unit) for name, v in values.items()), key=lambda p: p[1])
            hits = search(role, "m", [{field: {"order": "asc", "mode": mode}}])
            got = [hit["sort"][0] for hit in hits]
            rounded = [int(value + 0.5) if field == "n" else value for _, value in want]
            expect(f"{mode} of {field}", rounded, got)
    expect("the most of words", ["8", "9"], [h["sort"][0] for h in search(role, "m", [{"k": {"order": "asc", "mode": "max"}}])][-2:])
    expect("no sum of words", "search_phase_execution_exception", search(role, "m", [{"k": {"mode": "sum"}}]))
    expect("no such mode", "illegal_argument_exception", search(role, "m", [{"n": {"mode": "mean"}}]))
    expect("no such option", "x_content_parse_exception", search(role, "m", [{"n": {"missin": 1}}]))


def resolutions(role):
    for name, kind in (("ms", "date"), ("ns", "date_nanos")):
        role.call("PUT", "/r-" + name, {"mappings": {"properties": {"t": {"type": kind}}}})
    for i in range(6):
        role.call("PUT", f"/r-{'ms' if i % 2 else 'ns'}/_doc/{i}", {"t": f"2024-01-01T00:00:0{i}.5Z"})
    hits = search(role, "r-*", [{"t": {"order": "desc", "numeric_type": "date"}}])
    expect("two resolutions in one order", ["5", "4", "3", "2", "1", "0"], ids(hits))
    expect("in milliseconds", [1704067205500, 1704067204500], [hit["sort"][0] for hit in hits[:2]])
    hits = search(role, "r-*", [{"t": {"order": "asc", "numeric_type": "date_nanos"}}])
    expect("in nanoseconds", [("0", 1704067200500000000), ("1", 1704067201500000000)], [(h["_id"], h["sort"][0]) for h in hits[:2]])


def main():
    scratch = tempfile.mkdtemp(prefix="logs-sort-")
    try:
        role = logs_role.Role(sys.argv[1], scratch)
        for group in (by_id, modes, resolutions):
            group(role)
        role.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tap.end()


sys.exit(main())
