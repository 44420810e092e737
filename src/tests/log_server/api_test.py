#!/usr/bin/env python3
# api_test.py - what a search leaves open (scroll, point in time, async), tasks, collapse, and the
# answers that administrators' clients ask for, at the HTTP boundary. Usage: api_test.py PROGRAM
import os, shutil, sys, tempfile, time
import logs_role
from logs_role import bulk

tap = logs_role.Tap()
expect = tap.expect


def fill(role, count=2500):
    lines = []
    for i in range(count):
        lines += [{"index": {"_index": "p", "_id": str(i)}},
                  {"@timestamp": 1700000000000 + i % 100 * 1000, "n": i, "k": f"k{i % 7}",
                   **({"rare": i} if i % 10 == 0 else {})}]
    expect("filled", False, role.call("POST", "/_bulk", bulk(*lines))[1]["errors"])


def ids_of(answer):
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def read_scroll(role, path, body):
    status, answer = role.call("POST", path, body)
    seen, totals, pages = [], set(), 0
    while status == 200 and answer["hits"]["hits"]:
        seen += ids_of(answer)
        totals.add(answer["hits"]["total"]["value"])
        pages += 1
        status, answer = role.call("POST", "/_search/scroll",
                                   {"scroll": "1m", "scroll_id": answer["_scroll_id"]})
    return status, seen, totals, pages, answer


def scroll(role):
    everything = {str(i) for i in range(2500)}
    for name, body in [("no order", {"size": 700}), ("_doc", {"size": 400, "sort": ["_doc"]}),
                       ("by time", {"size": 999, "sort": [{"@timestamp": "desc"}]}),
                       ("by a field few have", {"size": 500, "sort": [{"rare": "asc"}]}),
                       ("by keyword", {"size": 1000, "sort": ["k.keyword"]})]:
        status, seen, totals, pages, answer = read_scroll(role, "/p/_search?scroll=1m", body)
        expect(f"scroll, {name}", (200, 2500, everything, {2500}),
               (status, len(seen), set(seen), totals))
        freed = role.call("DELETE", "/_search/scroll", {"scroll_id": [answer["_scroll_id"]]})
        expect(f"scroll is closed, {name}", (200, {"succeeded": True, "num_freed": 1}), freed)
    status, answer = role.call("POST", "/p/_search?scroll=1m", {"size": 1000, "sort": ["n"]})
    expect("a scroll's sort hides its tie-breaker", [1], [len(h["sort"]) for h in answer["hits"]["hits"][:1]])
    scroll_id = answer["_scroll_id"]
    role.call("POST", "/_bulk?refresh=true", bulk(
        *[x for i in range(2500) for x in [{"delete": {"_index": "p", "_id": str(i)}}]]))
    status, answer = role.call("GET", f"/_search/scroll?scroll=1m&scroll_id={scroll_id}")
    expect("what was deleted since is still on the pages", [str(i) for i in range(1000, 2000)],
           ids_of(answer))
    fill(role)
    slices = []
    for i in range(3):
        slices += read_scroll(role, "/p/_search?scroll=1m",
                              {"size": 600, "slice": {"id": i, "max": 3}})[1]
    expect("slices are the whole", (2500, everything), (len(slices), set(slices)))
    expect("clear all", 200, role.call("DELETE", "/_search/scroll/_all")[0])
    status, answer = role.call("POST", "/_search/scroll", {"scroll_id": scroll_id})
    expect("an unknown scroll", (404, "search_context_missing_exception"),
           (status, answer["error"]["root_cause"][0]["type"]))
    expect("nothing to clear", 404,
           role.call("DELETE", "/_search/scroll", {"scroll_id": scroll_id})[0])
    for path in ["scroll=nonsense", "scroll=2d"]:
        expect(f"refused: {path}", 400, role.call("POST", f"/p/_search?{path}", {})[0])
    expect("refused: from in a scroll", 400,
           role.call("POST", "/p/_search?scroll=1m", {"from": 5})[0])
    role.call("POST", "/p/_search?scroll=1ms", {"size": 1})
    time.sleep(0.05)
    metrics = role.raw("GET", "/metrics")[2].decode()
    expect("a dead scroll is gone", True, "barograph_logs_scrolls 0" in metrics)


def point_in_time(role):
    status, answer = role.call("POST", "/p/_pit?keep_alive=1m")
    pit = {"id": answer["id"], "keep_alive": "1m"}
    role.call("PUT", "/p/_doc/new?refresh=true", {"n": -1})
    seen, after = [], None
    while True:
        body = {"size": 800, "pit": pit, "sort": [{"@timestamp": "asc"}], "track_total_hits": False}
        if after is not None:
            body["search_after"] = after
        answer = role.call("POST", "/_search", body)[1]
        if not answer["hits"]["hits"]:
            break
        seen += ids_of(answer)
        after = answer["hits"]["hits"][-1]["sort"]
        pit["id"] = answer["pit_id"]
    expect("pages of a point in time", (2500, False, 2), (len(set(seen)), "new" in seen, len(after)))
    expect("an index beside a pit", 400, role.call("POST", "/p/_search", {"pit": pit})[0])
    expect("closed", (200, {"succeeded": True, "num_freed": 1}), role.call("DELETE", "/_pit", {"id": pit["id"]}))
    expect("gone", 404, role.call("POST", "/_search", {"pit": pit})[0])
    expect("no keep_alive", 400, role.call("POST", "/p/_pit")[0])
    expect("a missing index", 404, role.call("POST", "/nope/_pit?keep_alive=1m")[0])
    status, answer = role.call("POST", "/p/_search/point_in_time?keep_alive=1m")
    expect("OpenSearch's path", True, len(answer["pit_id"]) > 20)
    expect("OpenSearch's close", True, role.call("DELETE", "/_search/point_in_time", {
        "pit_id": [answer["pit_id"]]})[1]["pits"][0]["successful"])
    role.call("DELETE", "/p/_doc/new")
    opened = [role.call("POST", "/p/_pit?keep_alive=1m") for _ in range(501)]
    expect("bounded", [200, 429], [opened[0][0], opened[500][0]])
    for status, answer in opened[:500]:
        role.call("DELETE", "/_pit", {"id": answer["id"]})


def asynchronous(role):
    status, answer = role.call("POST", "/p/_async_search", {"size": 1})
    expect("done at once, no id", (200, False, False, 2500), (
        status, answer["is_running"], "id" in answer, answer["response"]["hits"]["total"]["value"]))
    status, answer = role.call("POST", "/p/_async_search?keep_on_completion=true", {"size": 1})
    name = answer["id"]
    expect("kept", 1, len(role.call("GET", f"/_async_search/{name}")[1]["response"]["hits"]["hits"]))
    expect("status", (False, 200), (lambda a: (a["is_running"], a["completion_status"]))(
        role.call("GET", f"/_async_search/status/{name}")[1]))
    expect("deleted", {"acknowledged": True}, role.call("DELETE", f"/_async_search/{name}")[1])
    expect("not there", 404, role.call("GET", f"/_async_search/{name}")[0])
    expect("an error is an error", 404, role.call("POST", "/nope/_async_search", {})[0])
    status, answer = role.call("POST", "/p/_async_search?wait_for_completion_timeout=0ms", {
        "query": {"regexp": {"k": "(k|.)*[0-5]"}}, "size": 0})
    name = answer.get("id")
    if name is not None:
        status, answer = role.call("GET", f"/_async_search/{name}?wait_for_completion_timeout=10s")
    expect("waited for", False, answer["is_running"])
    expect("tasks", True, "tasks" in list(role.call("GET", "/_tasks")[1]["nodes"].values())[0])
    expect("no such task", 404, role.call("POST", "/_tasks/x:99999/_cancel")[0])
    expect("no such task to see", 404, role.call("GET", "/_tasks/x:99999")[0])


def highlight(role):
    long = "begin " + "filler words here " * 20 + "needle one " + "and more of them " * 20 + "needle two <b>&amp;</b> end"
    role.call("POST", "/_bulk", bulk({"index": {"_index": "hl", "_id": "1"}}, {"m": "connection timed out", "l": long, "k": ["alpha", "beta"]}))

    def marks(query, fields, **options):
        status, answer = role.call("POST", "/hl/_search", {"query": query, "highlight": {
            "pre_tags": "<", "post_tags": ">", "fields": fields, **options}})
        return answer["hits"]["hits"][0].get("highlight") if status == 200 else answer["error"]["root_cause"][0]["reason"]
    text = lambda q: {"query_string": {"query": q, "fields": ["m", "l", "k.keyword"]}}
    expect("marks of patterns and near words", {"m": ["<connection> <timed> <out>"]}, marks(text("/conn.*/ timd~1 o*t"), {"m": {}}))
    expect("marks of a match with edits", {"m": ["<connection> timed out"]}, marks(
        {"match": {"m": {"query": "conection", "fuzziness": "AUTO"}}}, {"m": {}}))
    expect("marks of keywords, those of the values that match", {"k.keyword": ["<beta>"]}, marks(text("k.keyword:b*"), {"*": {}}))
    got = marks(text("needle"), {"l": {"fragment_size": 30}})["l"]
    expect("two fragments", (2, True), (len(got), all("<needle>" in f and len(f) < 70 and f in long.replace("needle", "<needle>") for f in got)))
    expect("one fragment", 1, len(marks(text("needle"), {"l": {"fragment_size": 30, "number_of_fragments": 1}})["l"]))
    expect("the whole", [long.replace("needle", "<needle>")], marks(text("needle"), {"l": {}}, number_of_fragments=0)["l"])
    expect("HTML", True, marks(text("two"), {"l": {"fragment_size": 60}}, encoder="html")["l"][0].endswith("<two> &lt;b&gt;&amp;amp;&lt;&#x2F;b&gt; end"))
    expect("without a mark its beginning", {"l": ["begin filler"], "m": ["connection timed <out>"]}, marks(
        text("out"), {"l": {"no_match_size": 8}, "m": {}}))
    expect("a query of its own", {"m": ["<connection> timed out"]}, marks(text("out"), {"m": {"highlight_query": {"term": {"m": "connection"}}}}))
    expect("for all fields", {"m": ["<connection> timed out"]}, marks(text("out"), {"m": {}}, highlight_query={"match": {"m": "connection"}}))
    expect("other fields' words", (None, {"m": ["connection timed <out>"]}), (
        marks({"match": {"l": "needle out"}}, {"m": {}}), marks({"match": {"l": "needle out"}}, {"m": {}}, require_field_match=False)))
    expect("fields as a list, tags of a schema", {"m": ['connection timed <em class="hlt1">out</em>']}, role.call("POST", "/hl/_search", {
        "query": text("out"), "highlight": {"tags_schema": "styled", "fields": [{"m": {}}]}})[1]["hits"]["hits"][0]["highlight"])
    for kind in ("plain", "unified", "fvh"):
        expect("type " + kind, {"m": ["connection timed <out>"]}, marks(text("out"), {"m": {"type": kind}}))
    expect("no such type", "unknown highlighter type [nope] for the field [m]", marks(text("out"), {"m": {"type": "nope"}}))


def collapse(role):
    answer = role.call("POST", "/p/_search", {"collapse": {"field": "k.keyword"}, "sort": [{"n": "desc"}]})[1]
    expect("collapse", [("k0", 2499), ("k6", 2498), ("k5", 2497), ("k4", 2496), ("k3", 2495), ("k2", 2494),
                        ("k1", 2493)],
           [(h["fields"]["k.keyword"][0], h["sort"][0]) for h in answer["hits"]["hits"]])
    expect("collapse counts all", 2500, answer["hits"]["total"]["value"])
    answer = role.call("POST", "/p/_search", {"collapse": {"field": "rare"}, "sort": ["n"], "from": 2, "size": 2,
                                             "_source": False})[1]
    expect("collapse on a number, from 2", [10, 20], [h["sort"][0] for h in answer["hits"]["hits"]])
    expect("collapse on text", 400, role.call("POST", "/p/_search", {"collapse": {"field": "k"}})[0])
    expect("collapse on nothing", 400, role.call("POST", "/p/_search", {"collapse": {"field": "zz"}})[0])
    profile = role.call("POST", "/p/_search", {"profile": True, "size": 0, "query": {"bool": {
        "filter": [{"term": {"k.keyword": "k1"}}], "must_not": [{"range": {"n": {"gte": 700}}}]}}})[1]
    clause = profile["profile"]["shards"][0]["searches"][0]["query"][0]
    expect("profile", ("BooleanQuery", 100, [357, 1800]), (
        clause["type"], clause["breakdown"]["match"], [c["breakdown"]["match"] for c in clause["children"]]))


folder = tempfile.mkdtemp(prefix="logs-api-")
try:
    role = logs_role.Role(sys.argv[1], folder)
    fill(role)
    scroll(role)
    point_in_time(role)
    asynchronous(role)
    collapse(role)
    highlight(role)
    role.call("POST", "/p/_pit?keep_alive=10m")
    role.call("POST", "/p/_search?scroll=10m", {})
    role.stop()
    expect("ends well with contexts open", 0, role.process.returncode)
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(tap.end())
