#!/usr/bin/env python3
"""hostile_bodies_test.py PROGRAM - request bodies that ask for too much, or for what cannot be: each is answered, an
error in Elasticsearch's shape with a reason that names what is wrong; the role goes on, with memory that stays bounded.
hostile_test.py has what no parser should be given, hostile_wire_test.py what no server should.
"""
import concurrent.futures, json, os, re, shutil, sys, tempfile
import logs_role
from logs_role import bulk

tap = logs_role.Tap()
expect = tap.expect
MIB = 1 << 20
ANYTHING = "."  # an error, or an answer
# A search may hold 256 MiB, beside its body, which is read into a tree, and its answer: 448 were measured.
MEMORY_MIB, CROWD_MIB = 600, 1400


def error_of(status, data):
    """What is wrong with the shape of an error, or None; and its reasons."""
    try:
        answer = json.loads(data)
    except ValueError:
        return "no JSON", ""
    error = answer.get("error")
    if isinstance(error, str):
        return (None, error) if error else ("empty", "")
    if not isinstance(error, dict):
        return "no error", ""
    roots = error.get("root_cause")
    if answer.get("status") != status or not error.get("type") or not isinstance(roots, list) or not roots:
        return "not Elasticsearch's shape", str(answer)[:200]
    reasons = " | ".join(str(part.get("reason")) for part in [error, *roots])
    return (None if error.get("reason") and roots[0].get("reason") else "no reason"), reasons


def ask(role, name, body, names=None, path="/h/_search", method="POST", headers=None):
    """`names`: what the reason of the error has to hold, a pattern; None: an answer is as good."""
    try:
        status, _, data = role.raw(method, path, body, headers)
    except OSError as error:
        status, data = type(error).__name__, b""
    if status in (200, 201):
        expect(name, True, names is None or names == ANYTHING)
        return
    wrong, reasons = error_of(status, data)
    fits = names is None or re.search(names, reasons, re.I) is not None
    expect(name, (True, None, True), (status in (400, 404, 405, 406, 413, 415, 429), wrong, fits))
    if status not in (400, 404, 405, 406, 413, 415, 429) or wrong or not fits:
        print(f"# status {status}: {reasons or data[:200]}")


def deep(levels, kind):
    query = {"match_all": {}}
    for _ in range(levels):
        query = {"bool": {kind: [query]}} if kind != "constant_score" else {"constant_score": {"filter": query}}
    return json.dumps({"query": query}) if levels < 300 else (
        '{"query":' + ('{"bool":{"%s":[' % kind) * levels + '{"match_all":{}}' + "]}}" * levels + "}")


def searches(role):
    query = lambda name, query, names=None: ask(role, name, {"query": query}, names)
    for levels in (19, 100, 3000):
        for kind in ("must", "should", "must_not"):
            ask(role, f"{levels} bools in {kind}", deep(levels, kind), None if levels == 19 else "deep|nest|level")
    ask(role, "100 constant scores", deep(100, "constant_score"), "deep|nest|level")
    for key in ("size", "from"):
        for value in (-1, 2**31, 2**63, 2**64, 1e300, "many", [1], {"a": 1}, True, "1e99", ""):
            ask(role, f"{key}: {value}", {key: value}, key + "|window|number|integer")
    ask(role, "from and size too deep together", {"from": 9999, "size": 2}, "window")
    ask(role, "terms of a million values", json.dumps({"query": {"terms": {"n": list(range(1000000))}}}), "terms|clause|65536")
    ask(role, "a million ids", json.dumps({"query": {"ids": {"values": [str(i) for i in range(1000000)]}}}))
    query("an unknown query", {"x" * 1000: {}}, "unknown query")
    query("a field of a megabyte", {"term": {"f" * MIB: 1}})
    query("no query at all", {}, "query")
    query("two queries in one", {"term": {"n": 1}, "match_all": {}}, "query|END_OBJECT|term")
    query("a slop below nothing", {"match_phrase": {"message": {"query": "a b", "slop": -1}}}, "slop")
    query("a slop too large", {"match_phrase": {"message": {"query": "a b", "slop": 2**40}}})
    query("fuzziness of a thousand", {"match": {"message": {"query": "a", "fuzziness": 1000}}}, "fuzz")
    query("expansions without end", {"fuzzy": {"message": {"value": "aaaa", "max_expansions": 2**40}}})
    query("a minimum that is none", {"bool": {"should": [{"match_all": {}}], "minimum_should_match": "3<x%"}}, "minimum_should_match")
    query("a range from a list", {"range": {"n": {"gte": [1, 2]}}}, "range|gte|array|n")
    query("a range of times that are none", {"range": {"@timestamp": {"gte": "now-999999999999999999y"}}}, "date")
    query("date math without end", {"range": {"@timestamp": {"gte": "now" + "-1d" * 100000}}})
    query("a zone that is none", {"range": {"@timestamp": {"gte": "2024-01-01", "time_zone": "+99:99"}}}, "zone")
    query("a format of a megabyte", {"range": {"@timestamp": {"gte": "1", "format": "y" * MIB}}})
    query("10,000 stars", {"wildcard": {"message": "*" * 10000 + "a"}})
    query("a wildcard of a megabyte", {"wildcard": {"message": "?" * MIB}})
    query("10,000 fields by name", {"multi_match": {"query": "a", "fields": [f"f{i}" for i in range(10000)]}})
    query("a boost beyond all", {"match": {"message": {"query": "a", "boost": "1e999"}}})
    query("nested", {"nested": {"query": {"match_all": {}}}}, "nested")
    query("query_string of nothing", {"query_string": {}}, "query")
    query("a query_string with 100,000 fields", {"query_string": {"query": "a", "fields": [f"f{i}" for i in range(100000)]}})
    ask(role, "1,000 highlights", {"highlight": {"fields": {f"f{i}": {} for i in range(1000)}}, "query": {"match": {"message": "a"}}})
    ask(role, "fragments of nothing", {"highlight": {"fields": {"*": {"fragment_size": -5, "number_of_fragments": 2**40}}}})
    ask(role, "10,000 docvalue fields", {"docvalue_fields": [f"f{i}" for i in range(10000)]})
    ask(role, "10,000 patterns of sources", {"_source": [f"*{i}*" for i in range(10000)]})
    ask(role, "a timeout that is none", {"timeout": "soon"}, "timeout|soon")
    ask(role, "a sort of a script", {"sort": {"_script": {"script": "1", "type": "number"}}}, "script")
    ask(role, "an unknown key", {"queri": {}}, "queri")
    ask(role, "a search of a list", [1], "object|START_ARRAY")
    ask(role, "a search of a text", '"x"', "object|VALUE_STRING")
    ask(role, "the same key 100,000 times", "{" + '"size":1,' * 100000 + '"size":2}')
    ask(role, "100,000 unknown keys", "{" + ",".join(f'"k{i}":1' for i in range(100000)) + "}", "k0")


def pages(role):
    after = lambda name, after, sort, names=None: ask(role, "search_after: " + name, {"search_after": after, "sort": sort}, names)
    after("more values than keys", [1, 2, 3], ["n"], "search_after|sort")
    after("fewer", [], ["n"], "search_after")
    after("without a sort", [1], [], "search_after|sort")
    after("no list", "x", ["n"], "search_after")
    after("text for a number", ["abc"], ["n"], "abc|n|search_after")
    after("an object", [{"a": 1}], ["n"], "search_after|object")
    after("a list", [[[]]], ["n"], "search_after|array|list")
    after("a time that is none", ["yesterday"], ["@timestamp"], "yesterday|date|search_after")
    after("a number beyond all", [2**70], ["n"])
    after("a megabyte", ["x" * MIB], ["level.keyword"])
    ask(role, "search_after and from", {"search_after": [1], "sort": ["n"], "from": 1}, "from")
    scroll = role.call("POST", "/h/_search?scroll=1m", {"size": 1})[1]["_scroll_id"]
    pit = role.call("POST", "/h/_pit?keep_alive=1m")[1]["id"]
    for kind, wrong in (("empty", ""), ("garbage", "x" * 50), ("huge", "A" * MIB), ("one too long", scroll + "A"), ("NUL", "\0"),
                        ("turned", scroll[::-1]), ("another's", None), ("not ASCII", "é" * 30), ("a path", "../../" * 20)):
        ask(role, f"scroll id: {kind}", {"scroll_id": wrong or pit}, ".", "/_search/scroll")
        ask(role, f"pit id: {kind}", {"pit": {"id": wrong or scroll}}, ".", "/_search")
        status, answer = role.call("DELETE", "/_search/scroll", {"scroll_id": [pit if wrong is None else wrong]})
        expect(f"delete scroll id: {kind}", (404, {"succeeded": True, "num_freed": 0}), (status, answer))
    ask(role, "a pit of a number", {"pit": 7}, "pit", "/_search")
    ask(role, "a pit with an index", {"pit": {"id": pit}}, "point in time|pit|index", "/h/_search")
    for keep in ("99999999999d", "-1m", "x", "1" * 1000 + "s"):
        ask(role, f"keep_alive={keep[:12]}", None, "keep.alive|time|duration", f"/h/_pit?keep_alive={keep}")
        ask(role, f"scroll={keep[:12]}", {}, "scroll|time|keep.alive|duration", f"/h/_search?scroll={keep}")
    for name in ("x" * 20000, "%00", "%2e%2e%2f", "_all,*,-x" * 1000):
        ask(role, f"async id {name[:9]}", None, ".", f"/_async_search/{name}", "GET")
    ask(role, "a page of slices", {"slice": {"id": 5, "max": 2}}, "slice|id|max", "/h/_search?scroll=1m")
    ask(role, "two million slices", {"slice": {"id": 0, "max": 2000000}}, "slice|max|1024", "/h/_search?scroll=1m")


def aggregations(role):
    aggs = lambda name, agg, names=None: ask(role, "aggregation: " + name, {"size": 0, "aggs": {"a": agg}}, names)
    aggs("terms of a thousand million", {"terms": {"field": "n", "size": 10**9}})
    aggs("terms of fewer than none", {"terms": {"field": "n", "size": -1}}, "size")
    aggs("terms with a megabyte of pattern", {"terms": {"field": "level.keyword", "include": "(a|b)" * 200000}})
    aggs("100,000 ranges", {"range": {"field": "n", "ranges": [{"to": i} for i in range(100000)]}}, "buckets|ranges")
    aggs("100,000 filters", {"filters": {"filters": [{"match_all": {}}] * 100000}}, "bucket|filters|clause")
    aggs("100,000 percentiles", {"percentiles": {"field": "n", "percents": [i / 1001 for i in range(100000)]}})
    aggs("a percentile of 200", {"percentiles": {"field": "n", "percents": [200]}}, "percent|100")
    aggs("a precision beyond all", {"cardinality": {"field": "n", "precision_threshold": 10**12}})
    aggs("an interval of nothing", {"histogram": {"field": "n", "interval": 0}}, "interval")
    aggs("an interval below nothing", {"date_histogram": {"field": "@timestamp", "fixed_interval": "-1s"}}, "interval")
    aggs("an interval beyond all", {"date_histogram": {"field": "@timestamp", "fixed_interval": "9" * 30 + "d"}}, "interval")
    aggs("a bucket a millisecond", {"date_histogram": {"field": "@timestamp", "fixed_interval": "1ms"}}, "bucket")
    aggs("bounds the wrong way round", {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d", "extended_bounds": {
        "min": 10**13, "max": 0}}}, "bounds|min")
    aggs("top_hits of too many", {"top_hits": {"size": 10**6}}, "size|window|top")
    aggs("a name with brackets", {"terms": {"field": "n"}, "aggs": {"x[>y]": {"max": {"field": "n"}}}}, "name")
    aggs("of an unknown kind", {"x" * 100: {}}, "x")
    aggs("of two kinds", {"terms": {"field": "n"}, "max": {"field": "n"}}, "two|found|aggregation")
    aggs("a script", {"max": {"script": {"source": "while(true){}"}}}, "script")
    aggs("a path to itself", {"terms": {"field": "n"}, "aggs": {"d": {"derivative": {"buckets_path": "d"}}}}, ANYTHING)
    ask(role, "65 levels of terms", json.dumps({"size": 0}).rstrip("}") + ',"aggs":' + '{"a":{"terms":{"field":"n"},"aggs":' * 65 +
        '{"a":{"max":{"field":"n"}}}' + "}}" * 65 + "}", "deep|level|nest")
    ask(role, "10,000 aggregations beside each other", {"size": 0, "aggs": {f"a{i}": {"terms": {"field": "n"}} for i in range(10000)}},
        "bucket|aggregations|too many|memory")
    # Terms below terms below terms of 500 values each.
    ask(role, "buckets that multiply", {"size": 0, "aggs": {"a": {"terms": {"field": "n", "size": 10**6}, "aggs": {"b": {
        "terms": {"field": "level.keyword", "size": 10**6, "min_doc_count": 0}, "aggs": {"c": {"terms": {
            "field": "level.keyword", "size": 10**6, "min_doc_count": 0}}}}}}}}, "bucket")


def crowd(role):
    """Searches that want all the memory, at once: what all may hold together is 512 MiB (--query.max-memory)."""
    body = json.dumps({"size": 0, "aggs": {"a": {"range": {"field": "n", "ranges": [{"to": k} for k in range(60000)]}}}})

    def send(_):
        status, _, data = role.raw("POST", "/h/_search", body)
        return status, error_of(status, data)[0] if status != 200 else None

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(send, range(48)))
    expect("48 large searches from 16 clients: answered, refused, or told to come again", True, answers <= {(200, None), (400, None), (429, None)})
    print(f"# {sorted(answers)}")


def mappings(role):
    put = lambda name, body, names=None, path="/m": ask(role, "mapping: " + name, body, names, path, "PUT")
    properties = lambda count: {f"f{i}": {"type": "long"} for i in range(count)}
    put("20,000 fields", {"mappings": {"properties": properties(20000)}}, "fields")
    tree = {"type": "long"}
    for _ in range(200):
        tree = {"properties": {"a": tree}}
    put("200 levels", {"mappings": tree}, "depth|deep|level|nest", "/m6")
    put("a name of a megabyte", {"mappings": {"properties": {"f" * MIB: {"type": "long"}}}}, None, "/m1")
    put("an unknown type", {"mappings": {"properties": {"f": {"type": "x" * 1000}}}}, "type", "/m2")
    put("no object", {"mappings": {"properties": []}}, "propert|object", "/m3")
    put("10,000 aliases", {"aliases": {f"a{i}": {} for i in range(10000)}}, None, "/m4")
    put("settings of a list", {"settings": [1]}, "settings|object", "/m5")
    ask(role, "a template of 1,000 patterns", {"index_patterns": ["*" * 100 + str(i) for i in range(1000)]}, None, "/_template/p", "PUT")
    ask(role, "a template without patterns", {"settings": {}}, "index patterns", "/_template/q", "PUT")
    ask(role, "an analysis of a megabyte", {"analyzer": "standard", "text": "word " * (MIB // 5)}, None, "/_analyze")
    ask(role, "an unknown analyzer", {"analyzer": "x" * 1000, "text": "a"}, "analyzer", "/_analyze")
    ask(role, "1,000 names in a path", None, None, "/" + ",".join(f"n{i}*" for i in range(1000)) + "/_search", "GET")
    ask(role, "100,000 actions on aliases", {"actions": [{"add": {"index": "h", "alias": f"x{i}"}} for i in range(2000)]}, None, "/_aliases")
    for i in range(200):  # each document has fields that none before had
        role.raw("POST", "/explode/_doc", {f"k{i}_{k}": k for k in range(200)})
    mapping = role.call("GET", "/explode/_mapping")[1]["explode"]["mappings"]["properties"]
    expect("a mapping that explodes: its documents are kept, its fields bounded", (200, True), (
        role.call("GET", "/explode/_count")[1]["count"], len(mapping) <= 10000))


def memory(role, name):
    with open(f"/proc/{role.process.pid}/status") as file:
        return int(re.search(name + r":\s+(\d+)", file.read())[1]) // 1024


if __name__ == "__main__":
    os.environ.pop("MALLOC_PERTURB_", None)  # which meson sets: it writes into memory that nobody else would touch
    folder = tempfile.mkdtemp(prefix="logs-hostile-")
    try:
        role = logs_role.Role(sys.argv[1], folder)
        role.call("PUT", "/h", {"mappings": {"properties": {"@timestamp": {"type": "date"}}}})
        role.call("POST", "/_bulk", bulk(*[part for i in range(500) for part in ({"index": {"_index": "h"}}, {
            "@timestamp": 1700000000000 + i * 1000, "n": i * 1.5, "level": f"l{i}", "message": "aaaa xxxx " + str(i)})]))
        searches(role)
        pages(role)
        aggregations(role)
        most = memory(role, "VmHWM")
        crowd(role)
        crowded = memory(role, "VmHWM")
        mappings(role)
        print(f"# at most {most} MiB for searches one by one, {crowded} for many, {memory(role, 'VmHWM')} MiB with mappings")
        is_sanitized = memory(role, "VmSize") > 1 << 20
        expect("memory stays bounded", True, (most < MEMORY_MIB and crowded < CROWD_MIB) or is_sanitized)
        expect("it goes on", (200, 500), (lambda s, a: (s, a["hits"]["total"]["value"]))(*role.call("GET", "/h/_search")))
        role.stop()
        expect("and ends well", 0, role.process.returncode)
        role = logs_role.Role(sys.argv[1], folder, "--query.max-memory", "4MB")
        ask(role, "more than all searches may hold", {"size": 0, "aggs": {"a": {"range": {
            "field": "n", "ranges": [{"to": k} for k in range(60000)]}}}}, "Data too large")
        ask(role, "and a small one beside it", {"size": 0})
        role.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(tap.end())
