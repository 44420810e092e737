#!/usr/bin/env python3
"""names_test.py PROGRAM - what names mean: aliases with filters and without, what a deletion takes, who takes writes."""
import shutil, sys, tempfile
import logs_role
from logs_role import bulk

tap = logs_role.Tap()
expect = tap.expect


def fill(role, *names):
    for name in names:
        role.call("POST", f"/{name}/_bulk", bulk(*[x for i, q in enumerate("xxy") for x in (
            {"index": {"_id": str(i)}}, {"q": q, "n": i})]))


def count(role, expression):
    status, answer = role.call("GET", f"/{expression}/_count")
    return answer["count"] if status == 200 else answer["error"]["type"]


def total(role, path, body):
    status, answer = role.call("POST", path, body)
    return answer["hits"]["total"]["value"] if status == 200 else answer["error"]["type"]


def filters(role):
    fill(role, "f-1", "f-2")
    expect("a filter", True, role.call("PUT", "/f-1/_alias/xs", {"filter": {"term": {"q.keyword": "x"}}})[1]["acknowledged"])
    role.call("POST", "/_aliases", {"actions": [
        {"add": {"indices": ["f-1", "f-2"], "alias": "plain"}},
        {"add": {"index": "f-*", "aliases": ["last", "also"], "filter": {"range": {"n": {"gte": 2}}}}}]})
    for expression, want in (("xs", 2), ("last", 2), ("xs,last", 4), ("plain", 6), ("f-1,xs", 3), ("xs,plain", 6), ("x*", 2),
                             ("als*", 2), ("f-*", 6), ("_all", 6)):
        expect(f"documents of {expression}", want, count(role, expression))
    answer = role.call("POST", "/xs/_search", {"aggs": {
        "all": {"global": {}}, "t": {"terms": {"field": "q.keyword"}}}, "query": {"match": {"n": 1}}})[1]
    expect("with a query", 1, answer["hits"]["total"]["value"])
    expect("a global aggregation stays in the alias", 2, answer["aggregations"]["all"]["doc_count"])
    pit = role.call("POST", "/xs/_pit?keep_alive=1m")[1]["id"]
    expect("a point in time", 2, total(role, "/_search", {"pit": {"id": pit}}))
    page = role.call("POST", "/xs/_search?scroll=1m", {"size": 1})[1]
    seen = len(page["hits"]["hits"])
    while page["hits"]["hits"]:
        page = role.call("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})[1]
        seen += len(page["hits"]["hits"])
    expect("a scroll", 2, seen)
    answer = role.call("POST", "/_msearch", '{"index":"xs"}\n{"size":0}\n')[1]
    expect("among several", 2, answer["responses"][0]["hits"]["total"]["value"])
    answer = role.call("POST", "/xs/_async_search?wait_for_completion_timeout=10s", {"size": 0})[1]
    expect("in the background", 2, answer["response"]["hits"]["total"]["value"])
    expect("deletes no more than it shows", 1, role.call("POST", "/last/_delete_by_query", {
        "query": {"term": {"_index": "f-1"}}})[1]["deleted"])
    expect("which is gone", (2, 3), (count(role, "f-1"), count(role, "f-2")))
    expect("a filter that is no query", (400, "parsing_exception"), (lambda s, a: (s, a["error"]["type"]))(
        *role.call("PUT", "/f-1/_alias/bad", {"filter": {"foo": {}}})))
    role.call("PUT", "/_index_template/made", {"index_patterns": ["made-*"], "template": {"aliases": {
        "made-x": {"filter": {"term": {"q.keyword": "x"}}}}}})
    fill(role, "made-1")
    expect("of a template", 2, count(role, "made-x"))
    role.call("PUT", "/f-1/_alias/xs", {})
    expect("put again without", 2, count(role, "xs"))


def listed(role):
    names = lambda path: {k: sorted(v["aliases"]) for k, v in role.call("GET", path)[1].items()}
    expect("of an index", {"f-2": ["also", "last", "plain"]}, names("/f-2/_alias"))
    expect("all, with those of none", [], names("/_alias").get("lone", "not there"))
    expect("by a pattern", {"f-1": ["plain"], "f-2": ["plain"]}, names("/_alias/pl*"))
    expect("of one of them", {"f-1": ["xs"]}, names("/f-1/_alias/xs"))
    expect("not of the other", 404, role.call("GET", "/f-2/_alias/xs")[0])
    expect("HEAD", [200, 404], [role.raw("HEAD", f"/{name}/_alias/xs")[0] for name in ("f-1", "f-2")])
    expect("the old path", names("/_alias"), names("/_aliases"))
    answer = role.call("GET", "/_resolve/index/*")[1]
    expect("resolved", ["also", "last", "made-x", "plain", "xs"], sorted(a["name"] for a in answer["aliases"]))
    expect("with their indices", ["f-1", "f-2"], [a for a in answer["aliases"] if a["name"] == "plain"][0]["indices"])


def changes(role):
    status, answer = role.call("POST", "/_aliases", {"actions": [
        {"add": {"index": "f-1", "alias": "half"}}, {"remove": {"index": "f-1", "alias": "nope"}}]})
    expect("all or nothing", (404, "aliases_not_found_exception", 404), (
        status, answer["error"]["type"], role.call("GET", "/_alias/half")[0]))
    expect("unless it need not be there", 200, role.call("POST", "/_aliases", {"actions": [
        {"remove": {"index": "f-1", "alias": "nope", "must_exist": False}}]})[0])
    for name, action in (("no index", {"add": {"alias": "a"}}), ("no alias", {"add": {"index": "f-1"}}), ("no action", {"ad": {}})):
        expect(name, 400, role.call("POST", "/_aliases", {"actions": [action]})[0])
    expect("a name in capitals", 400, role.call("PUT", "/f-1/_alias/Upper")[0])
    expect("several at once", (200, 404), (role.call("DELETE", "/f-*/_alias/last,also")[0], role.call("GET", "/_alias/last")[0]))


def writes(role):
    status, answer = role.call("POST", "/plain/_doc", {"a": 1})
    expect("an alias of two takes no writes", (400, "illegal_argument_exception"), (status, answer["error"]["type"]))
    item = role.call("POST", "/_bulk", bulk({"create": {"_index": "plain"}}, {"a": 1}))[1]["items"][0]["create"]
    expect("nor in bulk", (400, "illegal_argument_exception"), (item["status"], item["error"]["type"]))
    role.call("PUT", "/f-2/_alias/plain", {"is_write_index": True})
    expect("but its write index does", "f-2", role.call("POST", "/plain/_doc", {"a": 1})[1]["_index"])
    expect("no index of that name", 400, role.call("PUT", "/plain")[0])


def deletions(role):
    role.call("PUT", "/_index_template/s", {"index_patterns": ["f-stream*"], "data_stream": {}})
    role.call("POST", "/f-stream/_bulk", bulk({"create": {}}, {"@timestamp": 1}))
    backing = role.call("GET", "/_data_stream/f-stream")[1]["data_streams"][0]["indices"][0]["index_name"]
    for name in ("plain", "f-stream", backing):
        status, answer = role.call("DELETE", "/" + name)
        expect(f"no deletion by {name}", (400, "illegal_argument_exception"), (status, answer["error"]["type"]))
    role.call("DELETE", "/pl*")
    expect("nor by a pattern of aliases", (2, 4), (count(role, "f-1"), count(role, "f-2")))
    role.call("DELETE", "/f-*")
    expect("a pattern deletes indices, no data stream", ("index_not_found_exception", 1), (count(role, "f-1"), count(role, "f-stream")))
    fill(role, "old", "new")
    role.call("POST", "/_aliases", {"actions": [{"remove_index": {"index": "old"}}, {"add": {"index": "new", "alias": "old"}}]})
    expect("an alias takes the place of its index", 3, count(role, "old"))


def main():
    scratch = tempfile.mkdtemp(prefix="logs-names-")
    try:
        role = logs_role.Role(sys.argv[1], scratch)
        role.call("PUT", "/lone", {})
        for group in (filters, listed, changes, writes):
            group(role)
        role.stop()
        role.start()
        expect("after a start", "f-2", role.call("POST", "/plain/_doc", {"a": 1})[1]["_index"])
        role.call("DELETE", "/f-2/_doc/x")
        expect("filters too", 2, count(role, "made-x"))
        role.call("POST", "/f-2/_delete_by_query", {"query": {"exists": {"field": "a"}}})
        role.call("POST", "/plain/_doc", {"a": 1})
        deletions(role)
        role.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tap.end()


sys.exit(main())
