#!/usr/bin/env python3
"""traps_test.py PROGRAM - where imitations of Elasticsearch go wrong: one small expectation each, of the wire, of mappings
and of searches. What each client needs beside is in conversations_test.py.
"""
import datetime, json, os, shutil, signal, sys, tempfile
import logs_role
from logs_role import bulk

tap = logs_role.Tap()
expect = tap.expect


def fill(role, index, *documents):
    answer = role.call("POST", "/_bulk", bulk(*[x for i, d in enumerate(documents) for x in (
        {"index": {"_index": index, "_id": str(i)}}, d)]))[1]
    return [item["index"]["status"] for item in answer["items"]]


def hits(role, index, query, **body):
    status, answer = role.call("POST", f"/{index}/_search", {"query": query, **body})
    return sorted(h["_id"] for h in answer["hits"]["hits"]) if status == 200 else answer["error"]["type"]


def aggregate(role, index, aggs, **body):
    status, answer = role.call("POST", f"/{index}/_search", {"size": 0, "aggs": aggs, **body})
    return answer["aggregations"] if status == 200 else (status, answer["error"]["type"])


def wire(role):
    data = role.raw("POST", "/_bulk", '{"create":{"_index":"w"}}\n{"a":1}\n')[2]
    expect("compact, and errors before items", True, b'"errors":false,"items":[' in data)
    answer = role.call("POST", "/_bulk", '{"create":{"_index":"w","_id":"1"}}\n{"a":1}\n{"create":{"_index":"w","_id":"1"}}\n{"a":2}\n'
                       '{"delete":{"_index":"w","_id":"nope"}}\n{"index":{"_index":"W"}}\n{"a":1}\n')[1]
    expect("an item an action, in order, by its name", [("create", 201), ("create", 409), ("delete", 404), ("index", 400)],
           [(k, v["status"]) for item in answer["items"] for k, v in item.items()])
    answer = role.call("POST", "/w/_bulk", b'{"create":{}}\r\n{"a":1}\r\n\n{"create":{}}\n{"a":2}\n')[1]
    expect("blank lines and \\r\\n", 2, len(answer["items"]))
    before = role.call("GET", "/w/_count")[1]["count"]
    status, answer = role.call("POST", "/w/_bulk", '{"create":{}}\n{"a":1}')
    expect("no last newline", (400, "The bulk request must be terminated by a newline [\\n]", before), (
        status, answer["error"]["reason"], role.call("GET", "/w/_count")[1]["count"]))
    answer = role.call("POST", "/_bulk", '{"create":{"_index":"w","_type":"_doc"}}\n{"a":1}\n')[1]
    expect("a type is taken, 7.x gives it back", (201, "_doc"), (
        answer["items"][0]["create"]["status"], answer["items"][0]["create"].get("_type")))
    data = role.raw("POST", "/w/_bulk?filter_path=errors,items.*.error,items.*.status", '{"create":{}}\n{"a":1}\n' * 2)[2]
    expect("filter_path", b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}', data)
    answer = role.call("POST", "/w/_bulk?filter_path=-took,-items.*._shards", '{"create":{}}\n{"a":1}\n')[1]
    expect("filter_path that takes away", (False, False), ("took" in answer, "_shards" in answer["items"][0]["create"]))
    expect("filter_path of nothing", {}, role.call("GET", "/w/_search?filter_path=nope.nope")[1])
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y.%m.%d")
    role.call("PUT", "/logs-" + today, None)
    expect("date math in a path is one name", (200, 0), (lambda s, a: (s, a["hits"]["total"]["value"]))(
        *role.call("GET", "/%3Clogs-%7Bnow%2Fd%7D%3E/_search")))
    for method, path, want in (("HEAD", "/nope", 404), ("GET", "/nope", 404), ("POST", "/_search?q=(", 400), ("GET", "/", 200)):
        status, headers, data = role.raw(method, path)
        expect(f"the product's name on {method} {path}", (want, "Elasticsearch"), (status, headers["X-elastic-product"]))
    status, headers, data = role.raw("HEAD", "/nope")
    expect("HEAD: a length and no body", (b"", headers["Content-Length"]), (data, str(len(role.raw("GET", "/nope")[2]))))
    role.call("PUT", "/_index_template/stream", {"index_patterns": ["stream*"], "data_stream": {}})
    items = role.call("POST", "/stream/_bulk", '{"index":{}}\n{"@timestamp":1}\n{"create":{}}\n{"@timestamp":1}\n')[1]["items"]
    name = items[1]["create"]["_index"]
    expect("a stream takes create alone", (400, 201, True), (
        items[0]["index"]["status"], items[1]["create"]["status"], name.startswith(".ds-stream-") and name.endswith("-000001")))
    items = role.call("POST", "/w/_bulk", '{"create":{"_id":"twice"}}\n{"a":1}\n{"create":{"_id":"twice"}}\n{"a":2}\n')[1]["items"]
    expect("twice in one body", [201, 409], [i["create"]["status"] for i in items])


def mappings(role):
    types = lambda index: {k: v.get("type") for k, v in role.call("GET", f"/{index}/_mapping")[1][index]["mappings"]["properties"].items()}
    fill(role, "m", {"digits": "20240208", "day": "2024-02-08", "d": 0.1, "n": 5, "long": "x" * 300, "a.b": 1})
    expect("digits are no date, a day is", ("text", "date", "float"), (lambda t: (t["digits"], t["day"], t["d"]))(types("m")))
    expect("what is no date", [201, ["day"]], [fill(role, "m2", {"day": "2024-02-08"}, {"day": "n/a"})[1],
                                             role.call("GET", "/m2/_search?q=_id:1")[1]["hits"]["hits"][0]["_ignored"]])
    expect("0.1 is a float of 32 bits", 0.10000000149011612, aggregate(role, "m", {"a": {"avg": {"field": "d"}}})["a"]["value"])
    expect("and 0.1 in the source", b'"d":0.1' in role.raw("GET", "/m/_doc/0")[2].replace(b" ", b""), True)
    role.call("PUT", "/c", {"mappings": {"properties": {"n": {"type": "long"}}}})
    fill(role, "c", {"n": 1.7})
    expect("coercion", (["0"], 1.7), (hits(role, "c", {"term": {"n": 1}}), role.call("GET", "/c/_doc/0")[1]["_source"]["n"]))
    fill(role, "o", {"a.b": 1}, {"a": {"b": 1}})
    expect("dots are objects, sources differ", (["0", "1"], {"a.b": 1}, {"a": {"b": 1}}), (
        hits(role, "o", {"term": {"a.b": 1}}), *(role.call("GET", f"/o/_doc/{i}")[1]["_source"] for i in (0, 1))))
    expect("ignore_above", ([], ["0"], [], ["long.keyword"]), (
        hits(role, "m", {"exists": {"field": "long.keyword"}}), hits(role, "m", {"match": {"long": "x" * 255}}),
        aggregate(role, "m", {"t": {"terms": {"field": "long.keyword"}}})["t"]["buckets"],
        role.call("GET", "/m/_search")[1]["hits"]["hits"][0].get("_ignored")))


def dates(role):
    fill(role, "t", *[{"@timestamp": t} for t in ("2024-02-07T12:00:00Z", "2024-02-08T00:00:00Z", "2024-02-08T23:59:59.999Z",
                                                  "2024-02-09T00:00:00Z", "2023-06-01T00:00:00Z")])
    between = lambda **edges: hits(role, "t", {"range": {"@timestamp": edges}})
    expect("lte takes the day", ["0", "1", "2", "4"], between(lte="2024-02-08"))
    expect("lt leaves it", ["0", "4"], between(lt="2024-02-08"))
    expect("gt begins behind it", ["3"], between(gt="2024-02-08"))
    expect("gte with it", ["1", "2", "3"], between(gte="2024-02-08"))
    expect("milliseconds, named and not", (["2", "3"], ["2", "3"]), (
        between(gte=1707436799999, format="epoch_millis"), between(gte=1707436799999)))
    expect("2024 is a year", (["0", "1", "2", "3"], ["0", "1", "2", "3"]), (between(gte="2024"), between(gte=2024)))
    expect("from and to", ["1", "2", "3"], between(**{"from": "2024-02-08", "to": "2024-02-09"}))
    answer = role.call("POST", "/t/_search", {"sort": {"@timestamp": {"order": "desc"}, "_doc": {"order": "desc"}}, "size": 1})[1]
    expect("two keys, two values, times in milliseconds", (2, 1707436800000), (lambda s: (len(s), s[0]))(answer["hits"]["hits"][0]["sort"]))
    gaps = lambda **more: [b["doc_count"] for b in aggregate(role, "t", {"h": {"date_histogram": {
        "field": "@timestamp", "calendar_interval": "day", **more}}}, query={"range": {"@timestamp": {"gte": "2024-02-07"}}})["h"]["buckets"]]
    expect("gaps are filled", ([1, 2, 1], 6), (gaps(), len(aggregate(role, "t", {"h": {"histogram": {
        "field": "@timestamp", "interval": 3600000 * 12, "min_doc_count": 0}}}, query={"range": {"@timestamp": {"gte": "2024-02-07"}}})["h"]["buckets"]) + 2))
    fill(role, "dst", {"@timestamp": "2024-03-30T12:00:00Z"}, {"@timestamp": "2024-04-01T12:00:00Z"})
    days = aggregate(role, "dst", {"h": {"date_histogram": {"field": "@timestamp", "calendar_interval": "day",
                                                           "time_zone": "Europe/Berlin"}}})["h"]["buckets"]
    expect("a day of 23 hours", (23, "2024-03-31T00:00:00.000+01:00", "2024-04-01T00:00:00.000+02:00"), (
        (days[2]["key"] - days[1]["key"]) / 3600000, days[1]["key_as_string"], days[2]["key_as_string"]))
    week = aggregate(role, "dst", {"h": {"date_histogram": {"field": "@timestamp", "calendar_interval": "week"}}})["h"]["buckets"]
    expect("weeks begin on Mondays", 0, datetime.datetime.fromtimestamp(week[0]["key"] / 1000, datetime.timezone.utc).weekday())


def terms(role):
    fill(role, "s", {"message": "error:timeout", "level": "error"}, {"message": "java.lang.NullPointerException at x", "level": "ERROR"},
         {"message": "from 10.0.0.1:8080", "level": "info", "path": "/var/log/x"}, {"message": "an error", "level": "warn"})
    q = lambda text, **more: hits(role, "s", {"query_string": {"query": text, **more}})
    expect("a colon is inside of a term", ([], ["0"]), (q("message:timeout"), q('message:"error:timeout"')))
    expect("names of classes", ([], ["1"], ["1"]), (q("message:NullPointerException"), q("message:java.lang.NullPointerException"),
                                                    q("message:*NullPointerException")))
    expect("addresses", ([], ["2"]), (q("message:10.0.0"), q('message:"10.0.0.1:8080"')))
    fill(role, "b", {"m": "a b"}, {"m": "c"}, {"m": "a b c"})
    expect("AND and OR have no precedence", ["0", "2"], hits(role, "b", {"query_string": {"query": "m:a AND m:b OR m:c"}}))
    expect("patterns are for the whole term", (["3"], ["0", "3"], []), (q("message:/error/"), q("message:/err.*/"), q("message:/^error$/")))
    expect("a slash begins a pattern", (["2"], "search_phase_execution_exception"), (q("path:/var/log"), q("path:/var")))
    kql = lambda text: hits(role, "s", {"kql": {"query": text}})
    expect("KQL: words without an operator are an error here, one value in quotes", ("parsing_exception", ["3"]), (
        kql("an error: x y: z"), kql('message: "an error"')))
    expect("KQL: a star in quotes is a star", ([], ["1"]), (kql('level.keyword: "ERR*"'), kql("level.keyword: ERR*")))
    answer = role.call("POST", "/s/_search", {"query": {"query_string": {"query": "level.keyword:error"}}, "highlight": {
        "pre_tags": ["@k@"], "post_tags": ["@/k@"], "fields": {"*": {}}}})[1]["hits"]["hits"][0]
    expect("highlights of all fields: those that matched", {"level.keyword": ["@k@error@/k@"]}, answer["highlight"])


def searches(role):
    for part in range(0, 25000, 5000):
        role.call("POST", "/_bulk", bulk(*[x for i in range(part, part + 5000) for x in ({"index": {"_index": "big"}}, {"n": i})]))
    total = lambda **body: role.call("POST", "/big/_search", {"size": 0, **body})[1]["hits"].get("total")
    expect("totals", ({"value": 10000, "relation": "gte"}, {"value": 25000, "relation": "eq"}, None), (
        total(), total(track_total_hits=True), total(track_total_hits=False)))
    expect("a pattern of no index, a name of none", (200, 404), (role.call("GET", "/nope*/_search")[0], role.call("GET", "/nope/_search")[0]))
    answer = role.call("POST", "/_msearch", '{"index":"nope"}\n{}\n{"index":"big"}\n{"size":0}\n')[1]["responses"]
    expect("and among several", [404, 200], [a["status"] for a in answer])
    none = aggregate(role, "big", {"a": {"avg": {"field": "n"}}, "s": {"sum": {"field": "n"}}, "p": {"percentiles": {"field": "n"}},
                                   "st": {"stats": {"field": "n"}}}, query={"match_none": {}})
    expect("of nothing", (None, 0.0, {None}, None, None), (none["a"]["value"], none["s"]["value"], set(none["p"]["values"].values()),
                                                          none["st"]["min"], none["st"]["max"]))
    expect("what is not mapped", ([], [], "search_phase_execution_exception", 3), (
        aggregate(role, "s", {"t": {"terms": {"field": "zz"}}})["t"]["buckets"], hits(role, "s", {"exists": {"field": "zz"}}),
        hits(role, "s", {"match_all": {}}, sort=["zz"]), len(hits(role, "s", {"match_all": {}}, size=3, sort=[{"zz": {"unmapped_type": "long"}}]))))
    answer = role.call("POST", "/s/_search", {"size": "2", "track_total_hits": "true", "aggs": {"t": {"terms": {"field": "level.keyword", "min_doc_count": "1"}}},
                                             "fields": [{"field": "zz", "include_unmapped": "true"}]})
    expect("texts for numbers and flags", (200, 2), (answer[0], len(answer[1]["hits"]["hits"])))
    names = [f"f{i}" for i in range(1100)] + ["message"]
    expect("a thousand default fields", ["3"], hits(role, "s", {"query_string": {"query": "an", "fields": names}}))
    expect("no waiting for a refresh", (201, 1), (
        role.call("PUT", "/fresh/_doc/1?refresh=wait_for", {"a": 1})[0], role.call("GET", "/fresh/_search")[1]["hits"]["total"]["value"]))
    status, answer = role.call("GET", "/big/_search?from=9999&size=2")
    expect("a page too deep", (400, True), (status, "Result window is too large" in answer["error"]["root_cause"][0]["reason"]))
    expect("an index has a shard", 1, role.call("GET", "/fresh/_search")[1]["_shards"]["total"])


def durable(role):
    role.call("POST", "/_bulk", '{"create":{"_index":"kept","_id":"1"}}\n{"a":1}\n')
    role.stop(signal.SIGKILL)
    role.start()
    expect("acknowledged, killed, there", True, role.call("GET", "/kept/_doc/1")[1]["found"])


folder = tempfile.mkdtemp(prefix="logs-traps-")
try:
    role = logs_role.Role(sys.argv[1], folder)
    for part in (wire, mappings, dates, terms, searches, durable):
        part(role)
    role.stop()
    role = logs_role.Role(sys.argv[1], os.path.join(folder, "strict"), "--mapping.strict")
    expect("strict: what is no date is refused", [201, 400], fill(role, "m", {"day": "2024-02-08"}, {"day": "n/a"}))
    role.stop()
    role = logs_role.Role(sys.argv[1], os.path.join(folder, "eight"), "--es.version", "8.11.0")
    item = role.call("POST", "/_bulk", '{"create":{"_index":"w"}}\n{"a":1}\n')[1]["items"][0]["create"]
    expect("8.x gives no type", False, "_type" in item)
    role.stop()
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(tap.end())
