#!/usr/bin/env python3
"""documents_test.py PROGRAM - single documents: updates that change nothing, parts of sources, conditions, refusals."""
import shutil, sys, tempfile
import logs_role
from logs_role import bulk

tap = logs_role.Tap()
expect = tap.expect


def answer(role, *call):
    status, body = role.call(*call)
    return body["error"]["type"] if status >= 400 and "error" in body else body


def updates(role):
    role.call("PUT", "/d/_doc/1", {"a": 1, "o": {"x": 1, "l": [1, {"y": 2}]}, "t": "ü"})
    update = lambda body, more="": answer(role, "POST", "/d/_update/1" + more, body)
    for name, doc, want in (("the same", {"a": 1}, "noop"), ("a part of an object", {"o": {"x": 1}}, "noop"),
                            ("an equal list", {"o": {"l": [1, {"y": 2}]}}, "noop"), ("nothing", {}, "noop"),
                            ("a shorter list", {"o": {"l": [1]}}, "updated"), ("a new key", {"b": None}, "updated"),
                            ("another kind", {"a": "1"}, "updated"), ("an object instead", {"a": {}}, "updated")):
        expect(f"update: {name}", want, update({"doc": doc})["result"])
    version = role.call("GET", "/d/_doc/1")[1]["_version"]
    expect("no new version of nothing", version, update({"doc": {"a": {}}})["_version"])
    expect("unless asked", "updated", update({"doc": {"a": {}}, "detect_noop": False})["result"])
    items = role.call("POST", "/d/_bulk", bulk({"update": {"_id": "1"}}, {"doc": {"t": "ü"}}, {"update": {"_id": "1"}}, {
        "doc": {"t": "u"}}, {"update": {"_id": "1", "if_seq_no": 0, "if_primary_term": 1}}, {"doc": {"t": "v"}}))[1]["items"]
    expect("in bulk", [("noop", 200), ("updated", 200), (None, 409)], [(i["update"].get("result"), i["update"]["status"]) for i in items])
    expect("with the source", {"t": "u"}, update({"doc": {}}, "?_source=t")["get"]["_source"])
    expect("or asked in the body", True, "x" in update({"doc": {"q": 1}, "_source": ["o"]})["get"]["_source"]["o"])
    seq_no = role.call("GET", "/d/_doc/1")[1]["_seq_no"]
    expect("under a condition", "updated", update({"doc": {"q": 2}}, f"?if_seq_no={seq_no}&if_primary_term=1")["result"])
    expect("that does not hold", "version_conflict_engine_exception", update({"doc": {"q": 3}}, f"?if_seq_no={seq_no}&if_primary_term=1"))
    for body in ({"script": "x"}, {"script": {"source": "x"}, "upsert": {}}):
        expect("scripts", "illegal_argument_exception", update(body))
    expect("an unknown key", "x_content_parse_exception", update({"dock": {}}))
    expect("the old path", "noop", answer(role, "POST", "/d/_doc/1/_update", {"doc": {"q": 2}})["result"])


def sources(role):
    role.call("PUT", "/d/_doc/s", {"a": 1, "o": {"x": 1, "y": 2}})
    get = lambda more: answer(role, "GET", "/d/_doc/s" + more).get("_source", "none")
    for more, want in (("", {"a": 1, "o": {"x": 1, "y": 2}}), ("?_source=false", "none"), ("?_source=o.x", {"o": {"x": 1}}),
                       ("?_source_includes=o&_source_excludes=o.y", {"o": {"x": 1}}), ("?_source_excludes=o", {"a": 1}),
                       ("?stored_fields=a", "none"), ("?stored_fields=a&_source=true", {"a": 1, "o": {"x": 1, "y": 2}})):
        expect(f"GET{more}", want, get(more))
    expect("alone", {"a": 1}, role.call("GET", "/d/_source/s?_source_includes=a")[1])
    expect("of another version", "version_conflict_engine_exception", answer(role, "GET", "/d/_doc/s?version=7"))
    docs = role.call("POST", "/_mget?_source=a", {"docs": [{"_index": "d", "_id": "s"}, {"_index": "d", "_id": "s", "_source": False},
                                                           {"_index": "d", "_id": "s", "_source": {"excludes": ["o"]}},
                                                           {"_index": "d", "_id": "no"}, {"_index": "nope", "_id": "s"}]})[1]["docs"]
    expect("several", [{"a": 1}, None, {"a": 1}, None, None], [d.get("_source") for d in docs])
    expect("found, or why not", [True, True, True, False, "index_not_found_exception"], [d.get("found", d.get("error", {}).get("type")) for d in docs])
    expect("none", "action_request_validation_exception", answer(role, "POST", "/d/_mget", {"ids": []}))


def refusals(role):
    for name, method, path, body, want in (
            ("an op_type", "PUT", "/d/_doc/2?op_type=insert", {}, "illegal_argument_exception"),
            ("a refresh", "PUT", "/d/_doc/2?refresh=soon", {}, "illegal_argument_exception"),
            ("no alias", "PUT", "/d/_doc/2?require_alias=true", {}, "index_not_found_exception"),
            ("no alias in bulk", "POST", "/d/_bulk?refresh=soon", '{"index":{}}\n{}\n', "illegal_argument_exception")):
        expect(name, want, answer(role, method, path, body))
    broken = role.call("PUT", "/d/_doc/2", '{"a":')[1]["error"]
    expect("why it is none", ("mapper_parsing_exception", "json_parse_exception"), (broken["type"], broken["caused_by"]["type"]))
    conflict = role.call("PUT", "/d/_create/1", {})[1]["error"]
    expect("where the conflict is", "d", conflict["index"])
    role.call("PUT", "/d/_alias/da")
    items = role.call("POST", "/_bulk?require_alias=true", bulk({"index": {"_index": "da"}}, {}, {"index": {"_index": "d"}}, {},
                                                               {"index": {"_index": "new"}}, {}))[1]["items"]
    expect("aliases alone", [201, 404, 404], [i["index"]["status"] for i in items])
    expect("nothing was made", 404, role.raw("HEAD", "/new")[0])


def main():
    scratch = tempfile.mkdtemp(prefix="logs-documents-")
    try:
        role = logs_role.Role(sys.argv[1], scratch)
        for group in (updates, sources, refusals):
            group(role)
        role.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tap.end()


sys.exit(main())
