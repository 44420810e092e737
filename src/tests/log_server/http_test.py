#!/usr/bin/env python3
# http_test.py - the role logs at its HTTP boundary: the wire and search traps of Elasticsearch's
# clients, refusals, and kill -9 under load. Usage: http_test.py PROGRAM [KILLS]
import json, os, shutil, signal, subprocess, sys, tempfile, threading, time
import gzip, http.client
import logs_role
from logs_role import bulk

program = sys.argv[1]
kills = int(sys.argv[2]) if len(sys.argv) > 2 else 3
tap = logs_role.Tap()
expect = tap.expect


def Role(folder, *flags):
    return logs_role.Role(program, folder, *flags)


def wire(role):
    status, headers, data = role.raw("HEAD", "/nope")
    expect("HEAD of a missing index", (404, "Elasticsearch", b""),
           (status, headers.get("X-elastic-product"), data))
    expect("no last newline", (400, "The bulk request must be terminated by a newline [\\n]"),
           (lambda s, a: (s, a["error"]["reason"]))(
               *role.call("POST", "/_bulk", '{"index":{"_index":"w"}}\n{"a":1}')))
    expect("empty bulk", 400, role.call("POST", "/_bulk", "")[0])
    expect("unknown action", 400, role.call("POST", "/_bulk", '{"upsert":{}}\n{}\n')[0])
    expect("index is missing", "Validation Failed: 1: index is missing;",
           role.call("POST", "/_bulk", '{"index":{}}\n{}\n')[1]["error"]["reason"])
    body = '{"create":{}}\r\n{"a":1}\r\n\n{"create":{"_type":"_doc"}}\n{"a":2}\n'
    status, answer = role.call("POST", "/w/_bulk", body)
    expect("blank and CRLF lines", (200, False, [201, 201]),
           (status, answer["errors"], [i["create"]["status"] for i in answer["items"]]))
    raw = role.raw("POST", "/w/_bulk", body)[2]
    expect("compact, in order", True, b'"errors":false,"items":[' in raw)
    status, answer = role.call("POST", "/w/_bulk?filter_path=errors%2Citems.%2A.error"
                               "%2Citems.%2A.status", body)
    expect("filter_path", {"errors": False, "items": [{"create": {"status": 201}}] * 2}, answer)
    mixed = bulk({"create": {"_id": "m"}}, {"a": 1}, {"create": {}}, {"a": 1}, {"create": {}}, {"a": 1},
                 {"index": {}}, "{broken", {"create": {"_id": "m"}}, {"a": 1}, {"index": {}}, {"a": 1})
    role.call("POST", "/w/_bulk", mixed)
    for paths in ("errors", "items.*.status", "items.*.error", "errors,items.*.error", "items.*.error,items.*.status"):
        for text in (body, mixed):  # what is filtered while it is written equals what is filtered later
            written, filtered = (role.raw("POST", "/w/_bulk?filter_path=" + more + paths, text)[2] for more in ("", "no,"))
            expect(f"filter_path {paths} as it is written", filtered, written)
    status, answer = role.call("POST", "/_bulk", bulk(
        {"create": {"_index": "w", "_id": "1"}}, {"a": 1}, {"create": {"_index": "w", "_id": "1"}},
        {"a": 2}, {"index": {"_index": "w", "_id": "1"}}, {"a": 3}, {"index": {"_index": "w"}},
        "{broken", {"delete": {"_index": "w", "_id": "none"}},
        {"update": {"_index": "w", "_id": "1"}}, {"doc": {"b": 4}},
        {"update": {"_index": "w", "_id": "2"}}, {"doc": {"b": 4}},
        {"index": {"_index": "Upper"}}, {"a": 1}))
    expect("statuses item by item", [201, 409, 200, 400, 404, 200, 404, 400],
           [list(i.values())[0]["status"] for i in answer["items"]])
    expect("the update", {"a": 3, "b": 4}, role.call("GET", "/w/_doc/1")[1]["_source"])
    status, answer = role.call("POST", "/_bulk", bulk(
        {"index": {"_index": "w", "pipeline": "geo"}}, {"a": 1}, {"index": {"_index": "w"}}, {"a": 1}))
    expect("a pipeline is refused", [400, 201], [i["index"]["status"] for i in answer["items"]])
    role.call("POST", "/long/_bulk", bulk(*[x for i in range(3) for x in ({"create": {}}, {"m": "x" * 300, "i": i})]))
    expect("a value that is ignored is named in each document", 3,
           role.call("POST", "/long/_search", {"query": {"exists": {"field": "_ignored"}}})[1]["hits"]["total"]["value"])
    packed = gzip.compress(bulk({"index": {"_index": "w", "_id": "z"}}, {"z": 1}).encode())
    expect("gzip", 200, role.raw("POST", "/_bulk", packed, {"Content-Encoding": "gzip"})[0])
    expect("after gzip", True, role.call("GET", "/w/_doc/z")[1]["found"])
    expect("no handler", "no handler found for uri [/_nope/x] and method [GET]",
           role.call("GET", "/_nope/x")[1]["error"])
    expect("wrong method", 405, role.call("PUT", "/_search")[0])
    name = "/%3Cday-%7Bnow%2Fd%7D-000001%3E"
    status, answer = role.call("PUT", name, {"aliases": {"day": {"is_write_index": True}}})
    expect("date math in a name", (200, True), (status, answer["index"].startswith("day-20")))
    expect("exists already", 400, role.call("PUT", name)[0])
    status, answer = role.call("POST", "/_bulk", bulk({"create": {"_index": "day"}}, {"a": 1}))
    expect("through the alias", True,
           answer["items"][0]["create"]["_index"].startswith("day-20"))
    expect("alias exists", 200, role.raw("HEAD", "/_alias/day")[0])
    expect("missing alias", 404, role.call("GET", "/_alias/nope")[0])
    expect("policy is missing", 404, role.call("GET", "/_ilm/policy/filebeat")[0])
    expect("policy", True,
           role.call("PUT", "/_ilm/policy/filebeat", {"policy": {"phases": {}}})[1]["acknowledged"])
    expect("policy is there", {"phases": {}},
           role.call("GET", "/_ilm/policy/filebeat")[1]["filebeat"]["policy"])
    expect("no template yet", b"", role.raw("GET", "/_cat/templates/filebeat-7.17.18")[2])
    role.call("PUT", "/_index_template/ds", {"index_patterns": ["ds-*"], "data_stream": {},
                                            "template": {"mappings": {"date_detection": False}}})
    status, answer = role.call("POST", "/_bulk", bulk(
        {"create": {"_index": "ds-1"}}, {"@timestamp": "2024-02-08", "d": "2024-02-08"},
        {"index": {"_index": "ds-1"}}, {"@timestamp": "2024-02-08"}))
    items = [list(i.values())[0] for i in answer["items"]]
    expect("data stream", (True, [201, 400]),
           (items[0]["_index"].startswith(".ds-ds-1-"), [i["status"] for i in items]))
    expect("template is applied", "text",
           list(role.call("GET", "/ds-1/_mapping")[1].values())[0]["mappings"]["properties"]["d"]["type"])
    expect("a foreign page", 403, role.raw("POST", "/w/_doc", {}, {"Origin": "http://evil"})[0])


def effects(role):
    """Nothing is taken without effect: it works or it is refused."""
    status, answer = role.call("GET", "/w/_search?sizee=1&zz")
    expect("unknown parameters", (400, "request [/w/_search] contains unrecognized parameters: "
                                  "[sizee], [zz]"), (status, answer["error"]["reason"]))
    expect("known parameters", 200, role.call(
        "GET", "/w/_search?max_concurrent_shard_requests=5&preference=x&batched_reduce_size=64&"
        "ccs_minimize_roundtrips=true&expand_wildcards=open&request_cache=true&search_type="
        "query_then_fetch&error_trace&human=false&ignore_throttled=true")[0])
    versioned = lambda path, body={"v": 1}: (lambda s, a: (s, a.get("_version")))(
        *role.call("PUT", "/x/_doc/1" + path, body))
    expect("external version", (201, 7), versioned("?version=7&version_type=external"))
    expect("same external version", (409, None), versioned("?version=7&version_type=external"))
    expect("external_gte", (200, 7), versioned("?version=7&version_type=external_gte"))
    expect("internal version", (400, None), versioned("?version=7"))
    expect("counted on", (200, 8), versioned(""))
    status, answer = role.call("POST", "/_bulk", bulk(
        {"index": {"_index": "x", "_id": "1", "version": 3, "version_type": "external"}}, {"a": 1},
        {"index": {"_index": "x", "routing": "r"}}, {"a": 1}, {"index": {"_index": "x"}}, {"a": 1}))
    expect("in bulk", [409, 400, 201], [i["index"]["status"] for i in answer["items"]])
    search = lambda **body: role.call("POST", "/w/_search", body)
    total = search()[1]["hits"]["total"]["value"]
    answer = search(terminate_after=2)[1]
    expect("terminate_after", (True, 2, 2),
           (answer["terminated_early"], answer["hits"]["total"]["value"], len(answer["hits"]["hits"])))
    expect("terminate_after not met", False, search(terminate_after=9999)[1]["terminated_early"])
    expect("min_score", (total, 0), tuple(search(min_score=score)[1]["hits"]["total"]["value"]
                                          for score in (1, 1.5)))
    expect("profile", True, "shards" in search(profile=True)[1]["profile"])
    for key, value in [("explain", True), ("rescore", {"a": 1}), ("indices_boost", [{"w": 2}]),
                       ("stats", ["a"]), ("ext", {"a": {}})]:
        expect(f"{key} is refused", 400, search(**{key: value})[0])
    expect("explain off", 200, search(explain=False)[0])
    expect("url version", True, all("_version" in hit and "_seq_no" in hit for hit in role.call(
        "GET", "/w/_search?version=true&seq_no_primary_term=true")[1]["hits"]["hits"]))
    role.call("PUT", "/m", {"mappings": {"properties": {"a": {"type": "text"}, "b": {"type": "long"}}}})
    expect("late multi-field", 400, role.call("PUT", "/m/_mapping", {"properties": {
        "a": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}})[0])
    uuid = role.call("GET", "/")[1]["cluster_uuid"]
    delete = {"min_age": "0ms", "actions": {"delete": {}}}
    role.call("PUT", "/_ilm/policy/gone", {"policy": {"phases": {
        "warm": {"actions": {"shrink": {}}}, "delete": delete}}})
    for name, settings in [("aged", {"index": {"lifecycle": {"name": "gone"}}}),
                           ("aged2", {"index.lifecycle.name": "gone"}), ("kept", {})]:
        role.call("PUT", "/" + name, {"settings": settings})
    role.stop()
    role.start()
    time.sleep(2.5)
    expect("policy deletes", [404, 404, 200],
           [role.raw("HEAD", "/" + name)[0] for name in ("aged", "aged2", "kept")])
    expect("cluster_uuid stays", (uuid, 22), (role.call("GET", "/")[1]["cluster_uuid"], len(uuid)))


def damaged_catalog(folder):
    role = Role(folder)
    role.call("PUT", "/d/_doc/1", {"a": 1})
    role.stop()
    path = os.path.join(folder, "catalog.json")
    for offset in (-20, 40):  # in the second copy, then in the first too
        with open(path, "r+b") as file:
            file.seek(offset, 2 if offset < 0 else 0)
            file.write(b"!")
        if offset == 40:
            break
        role = Role(folder)
        expect("one damaged copy of the catalog", 1, role.call("GET", "/d/_count")[1]["count"])
        role.stop()
        expect("is told of", True, "catalog damaged, its other copy is used" in role.said())
        with open(path, "r+b") as file:  # it was written anew, so this damages one again
            file.seek(-20, 2)
            file.write(b"!")
    again = subprocess.run([program, "--listen", "127.0.0.1:0", "--data", folder],
                           capture_output=True, text=True, timeout=20)
    said = again.stdout + again.stderr
    expect("a damaged catalog is named", (True, True, True),
           (again.returncode != 0, path in said, "checksum" in said))


def full_disk(folder):
    os.makedirs(folder)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder],
                                           capture_output=True).returncode != 0:
        print("# a full disk needs root and tmpfs")
        return
    try:
        role = Role(os.path.join(folder, "data"), "--disk.reserve", "4MB", "--buffer.size", "1MB")
        ballast = os.path.join(folder, "ballast")
        lines = [part for i in range(200) for part in ({"index": {"_index": "f"}}, {"t": "x" * 900})]
        statuses = lambda: {list(i.values())[0]["status"] for i in
                            role.call("POST", "/_bulk", bulk(*lines))[1]["items"]}
        expect("room", {201}, statuses())
        space = os.statvfs(folder)
        with open(ballast, "wb") as file:
            file.write(b"b" * (space.f_bavail * space.f_frsize - (3 << 20)))
        time.sleep(1.5)
        taken, seen = 200, statuses()
        expect("full", {429}, seen)
        item = list(role.call("POST", "/_bulk", bulk(*lines))[1]["items"][0].values())[0]
        expect("the reason", True, "disk" in item["error"]["reason"])
        expect("search goes on", taken, role.call("GET", "/f/_count")[1]["count"])
        expect("health is red", "red", role.call("GET", "/_cluster/health")[1]["status"])
        os.remove(ballast)
        time.sleep(2.5)
        expect("room again", {201}, statuses())
        expect("all there", taken + 200, role.call("GET", "/f/_count")[1]["count"])
        role.stop()
        said = role.said()
        expect("said so", (True, True), ("disk below its reserve" in said, "disk has room" in said))
    finally:
        subprocess.run(["umount", folder], capture_output=True)


documents = [
    {"@timestamp": "2024-02-08T00:00:00Z", "message": "error:timeout", "level": "ERROR", "d": 0.1,
     "s": "20240208", "day": "2024-02-08", "n": 1},
    {"@timestamp": "2024-02-08T23:59:59.999Z", "message": "java.lang.NullPointerException",
     "level": "INFO", "n": 1.7, "day": "n/a"},
    {"@timestamp": "2024-02-09T00:00:00Z", "message": "from 10.0.0.1:8080 a b", "n": "3"},
    {"@timestamp": "2024-02-13T12:00:00Z", "message": "a c", "long": "x" * 300, "n": 4},
    {"@timestamp": "2024-02-13T12:00:01Z", "message": "c", "list": ["p", "q"], "o.p": 1},
    {"@timestamp": "2024-02-13T12:00:02Z", "message": "foo-bar wi-fi", "o": {"p": 2}},
]


def at(bounds):
    return {"range": {"@timestamp": bounds}}


def string(query, **more):
    return {"query_string": dict(query=query, **more)}


queries = [
    (string("message:timeout"), 0), ({"match_phrase": {"message": "error:timeout"}}, 1),
    (string("message:NullPointerException"), 0), (string("message:*NullPointerException"), 1),
    (string("message:10.0.0"), 0), (string('message:"10.0.0.1:8080"'), 1),
    (string("message:a AND message:b OR message:c"), 1), (string("a AND c"), 1),
    (string("message:(a OR c)"), 3), (string("NOT level:error"), 5), (string("-level:error"), 5),
    (string("message:/a/"), 2), (string("message:/err/"), 0), (string("message:/err.*/"), 1),
    (string("n:>=3"), 2), (string("n:[1 TO 3}"), 2), (string("_exists_:level"), 2),
    (string("level:*"), 2), (string("*:*"), 6), (string("level:ERR*"), 1),
    (string("level.keyword:err*"), 0), (string("message:foo-b*"), 0), (string("message:wi-fi"), 1),
    (string("foo AND"), "search_phase_execution_exception"),
    (string('"unclosed'), "search_phase_execution_exception"),
    (at({"lte": "2024-02-08"}), 2), (at({"lt": "2024-02-08"}), 0), (at({"gt": "2024-02-08"}), 4),
    (at({"gte": 1707436800000}), 4), (at({"from": "2024-02-09", "to": "2024-02-13"}), 4),
    (at({"gte": "2024-02-13||/d", "lt": "2024-02-13||+1d/d"}), 3),
    (at({"gte": "2024-02-08T01:00:00", "time_zone": "+01:00"}), 6),
    (at({"gte": "nonsense"}), "search_phase_execution_exception"),
    ({"term": {"n": 1}}, 2), ({"term": {"n": "3"}}, 1), ({"term": {"day": "n/a"}}, 1),
    ({"terms": {"list.keyword": ["q", "z"]}}, 1), ({"term": {"s": "20240208"}}, 1),
    ({"exists": {"field": "long.keyword"}}, 0), ({"exists": {"field": "long"}}, 1),
    ({"term": {"_ignored": "long.keyword"}}, 1), ({"range": {"o.p": {"gte": 1}}}, 2),
    ({"bool": {"must_not": {"match": {"message": "c"}}}}, 4),
    ({"bool": {"filter": {"match_all": {}}, "should": [{"match": {"message": "nothing"}}]}}, 6),
    ({"bool": {"should": [{"match": {"message": "a"}}, {"match": {"message": "b"}}],
               "minimum_should_match": 2}}, 1),
    ({"multi_match": {"query": "foo", "lenient": True}}, 1), ({"ids": {"values": ["0", "9"]}}, 1),
    ({"match": {"message": {"query": "a b", "operator": "and"}}}, 1),
    ({"match_phrase_prefix": {"message": "10.0.0.1 80"}}, 1),
    ({"fuzzy": {"message": "tineout"}}, 0), ({"wildcard": {"message": "err?r*"}}, 1),
    ({"simple_query_string": {"query": "a + c", "fields": ["message"]}}, 1),
    ({"simple_query_string": {"query": "\0\0", "fields": ["message"]}}, 0),
    ({"simple_query_string": {"query": "nothing " * 900 + "c", "fields": ["message"]}}, 2),
    ({"simple_query_string": {"query": "nothing " * 1100}}, "search_phase_execution_exception"),
    ({"nope": {}}, "parsing_exception"), ({"term": {"n": "abc"}}, "search_phase_execution_exception"),
]


def searches(role):
    role.call("PUT", "/t", {})
    role.call("POST", "/_bulk?refresh=true", bulk(*[part for i, document in enumerate(documents) for part in
              ({"index": {"_index": "t", "_id": str(i)}}, document)]))
    for round in range(2):
        for query, want in queries:
            expect(f"round {round} {json.dumps(query)}", want, role.total("t", query))
        role.call("POST", "/_flush")
    search = lambda body, path="/t/_search": role.call("POST", path, body)[1]
    expect("source is the same bytes", True,
           json.dumps(documents[0]).encode() in role.raw("GET", "/t/_search?q=level:error")[2])
    answer = search({"sort": [{"@timestamp": "desc"}, "_doc"], "size": 2})
    expect("sort values", [1707825602000, 1707825601000],
           [hit["sort"][0] for hit in answer["hits"]["hits"]])
    answer = search({"sort": [{"@timestamp": "desc"}, "_doc"], "size": 2,
                     "search_after": answer["hits"]["hits"][1]["sort"]})
    expect("search_after", ["3", "2"], [hit["_id"] for hit in answer["hits"]["hits"]])
    expect("unmapped sort", 400, role.call("POST", "/t/_search", {"sort": ["nope"]})[0])
    expect("unmapped_type", 200, role.call("POST", "/t/_search", {
        "sort": [{"nope": {"order": "asc", "unmapped_type": "long"}}]})[0])
    expect("sort on text", 400, role.call("POST", "/t/_search", {"sort": ["message"]})[0])
    expect("deep page", 400, role.call("POST", "/t/_search", {"from": 9999, "size": 2})[0])
    expect("no total", False, "total" in search({"track_total_hits": False})["hits"])
    expect("source filter", {"o": {"p": 2}},
           search({"_source": ["o"], "query": {"ids": {"values": ["5"]}}})["hits"]["hits"][0]["_source"])
    answer = search({"query": {"match": {"level": "error"}}, "highlight": {
        "fields": {"*": {}}, "pre_tags": ["<<"], "post_tags": [">>"]}})
    expect("highlight", {"level": ["<<ERROR>>"]}, answer["hits"]["hits"][0]["highlight"])
    answer = search({"size": 0, "aggs": {
        "days": {"date_histogram": {"field": "@timestamp", "calendar_interval": "day",
                                    "min_doc_count": 0}},
        "weeks": {"date_histogram": {"field": "@timestamp", "calendar_interval": "week"}},
        "zone": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d",
                                    "time_zone": "+01:00", "min_doc_count": 1}},
        "levels": {"terms": {"field": "level.keyword", "missing": "none", "size": "10"},
                   "aggs": {"n": {"max": {"field": "n"}}}},
        "d": {"avg": {"field": "d"}}, "none": {"avg": {"field": "nope"}},
        "sum": {"sum": {"field": "nope"}}, "stats": {"stats": {"field": "n"}},
        "card": {"cardinality": {"field": "level.keyword"}},
        "pct": {"percentiles": {"field": "n", "percents": ["50"]}},
        "filters": {"filters": {"filters": {"a": string("message:a"), "all": {"match_all": {}}}}},
        "hist": {"histogram": {"field": "n", "interval": 2}},
        "range": {"range": {"field": "n", "ranges": [{"to": 2}, {"from": 2}]}},
        "miss": {"missing": {"field": "level.keyword"}}}})["aggregations"]
    expect("gaps", [2, 1, 0, 0, 0, 3], [b["doc_count"] for b in answer["days"]["buckets"]])
    expect("monday", "2024-02-05T00:00:00.000Z", answer["weeks"]["buckets"][0]["key_as_string"])
    expect("time zone", ["2024-02-08T00:00:00.000+01:00", "2024-02-09T00:00:00.000+01:00"],
           [b["key_as_string"] for b in answer["zone"]["buckets"]][:2])
    expect("terms", [("none", 4, 4.0), ("ERROR", 1, 1.0), ("INFO", 1, 1.0)],
           [(b["key"], b["doc_count"], b["n"]["value"]) for b in answer["levels"]["buckets"]])
    expect("float32", 0.10000000149011612, answer["d"]["value"])
    expect("nothing", (None, 0.0), (answer["none"]["value"], answer["sum"]["value"]))
    expect("stats", {"count": 4, "min": 1.0, "max": 4.0, "avg": 2.25, "sum": 9.0}, answer["stats"])
    expect("cardinality", 2, answer["card"]["value"])
    expect("percentiles", {"50.0": 2.0}, answer["pct"]["values"])
    expect("filters", {"a": {"doc_count": 2}, "all": {"doc_count": 6}}, answer["filters"]["buckets"])
    expect("histogram", [(0.0, 2), (2.0, 1), (4.0, 1)],
           [(b["key"], b["doc_count"]) for b in answer["hist"]["buckets"]])
    expect("range", [("*-2.0", 2), ("2.0-*", 2)],
           [(b["key"], b["doc_count"]) for b in answer["range"]["buckets"]])
    expect("missing", 4, answer["miss"]["doc_count"])
    expect("agg on text", 400, role.call("POST", "/t/_search", {
        "aggs": {"x": {"terms": {"field": "message"}}}})[0])
    expect("missing index", 404, role.call("GET", "/absent/_search")[0])
    expect("empty wildcard", (200, 0), (lambda s, a: (s, a["_shards"]["total"]))(
        *role.call("GET", "/absent*/_search")))
    status, answer = role.call("POST", "/_msearch", '{"index":"t","ignore_unavailable":true}\n'
                               '{"size":0}\n{"index":"absent"}\n{}\n{}\n{"size":0}\n')
    expect("msearch", [200, 404, 200], [r["status"] for r in answer["responses"]])
    expect("field_caps", (False, True), (lambda a: (
        a["fields"]["message"]["text"]["aggregatable"],
        a["fields"]["@timestamp"]["date"]["aggregatable"]))(
            role.call("GET", "/t/_field_caps?fields=*")[1]))
    expect("count", 6, role.call("GET", "/t/_count")[1]["count"])
    expect("cat", "6", role.call("GET", "/_cat/indices/t?format=json")[1][0]["docs.count"])
    expect("bad JSON", 400, role.call("POST", "/t/_search", "{\"query\":")[0])
    expect("unknown key", 400, role.call("POST", "/t/_search", {"foo": {}})[0])
    status, answer = role.call("POST", "/_analyze", {"analyzer": "standard", "text": "Foo.bar X_1"})
    expect("analyze", ["foo.bar", "x_1"], [t["token"] for t in answer["tokens"]])


def strict(folder):
    role = Role(folder, "--mapping.strict")
    role.call("PUT", "/s/_doc/1", {"n": 1, "o": {"p": 1}})
    expect("strict", (400, "mapper_parsing_exception"), (lambda s, a: (s, a["error"]["type"]))(
        *role.call("PUT", "/s/_doc/2", {"n": "abc"})))
    expect("strict object", 400, role.call("PUT", "/s/_doc/3", {"o": "text"})[0])
    role.stop()


def killed(folder):
    role = Role(folder, "--buffer.size", "200KB")
    acknowledged, stop = set(), False

    def write(name):
        number = 0
        while not stop:
            ids = [f"{name}-{number + i}" for i in range(20)]
            body = bulk(*[p for i in ids for p in
                          ({"create": {"_index": "k", "_id": i}}, {"id": i, "text": "line " + i * 9})])
            try:
                status, answer = role.call("POST", "/_bulk", body)
                if status != 200:
                    continue
                acknowledged.update(list(i.values())[0]["_id"] for i in answer["items"]
                                    if list(i.values())[0]["status"] in (200, 201, 409))
                number += 20
            except OSError:
                time.sleep(0.01)
            except (http.client.HTTPException, ValueError):
                pass

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for writer in writers:
        writer.start()
    for i in range(kills):
        time.sleep(0.4 + 0.13 * i)
        role.stop(signal.SIGKILL)
        role.start()
    time.sleep(0.3)
    stop = True
    for writer in writers:
        writer.join()
    count = role.call("GET", "/k/_count")[1]["count"]
    ids = sorted(acknowledged)
    lost = [document["_id"] for start in range(0, len(ids), 1000) for document in
            role.call("POST", "/k/_mget", {"ids": ids[start:start + 1000]})[1]["docs"]
            if not document["found"]][:5]
    expect(f"nothing lost of {len(acknowledged)} in {kills} kills", [], lost)
    expect("nothing twice", True, count >= len(acknowledged) and count <= len(acknowledged) + 40)
    role.stop()


scratch = tempfile.mkdtemp(prefix="logs-http-")
try:
    role = Role(os.path.join(scratch, "a"))
    wire(role)
    effects(role)
    searches(role)
    role.stop()
    expect("ends well", 0, role.process.returncode)
    role.start()
    expect("all there again", 6, role.call("GET", "/t/_count")[1]["count"])
    second = subprocess.run([program, "--listen", "127.0.0.1:0", "--data", role.folder],
                            capture_output=True, text=True, timeout=20)
    expect("a locked folder", True, second.returncode != 0 and str(role.process.pid) in
           second.stdout + second.stderr)
    role.stop()
    strict(os.path.join(scratch, "b"))
    damaged_catalog(os.path.join(scratch, "e"))
    full_disk(os.path.join(scratch, "f"))
    killed(os.path.join(scratch, "c"))
finally:
    shutil.rmtree(scratch, ignore_errors=True)
sys.exit(tap.end())
