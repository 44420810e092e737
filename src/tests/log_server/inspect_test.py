#!/usr/bin/env python3
"""inspect_test.py PROGRAM - what clients look at before they ask: fields, terms, texts, queries, health; and templates'
and policies' words that are refused."""
import shutil, sys, tempfile
import logs_role
from logs_role import bulk

tap = logs_role.Tap()
expect = tap.expect


def kind(role, *call):
    status, answer = role.call(*call)
    return answer["error"]["type"] if status >= 400 else "done"


def fields(role):
    role.call("PUT", "/f-1", {"mappings": {"properties": {"a": {"type": "long"}, "k": {"type": "keyword"}, "al": {"type": "alias", "path": "k"},
                                                         "t": {"type": "text", "fields": {"raw": {"type": "keyword"}}}, "o": {"properties": {"x": {"type": "date"}}}}}})
    role.call("PUT", "/f-2", {"mappings": {"properties": {"a": {"type": "keyword"}, "k": {"type": "keyword"}}}})
    role.call("POST", "/f-1/_doc", {"k": "v", "a": 1})
    caps = lambda more, body=None: role.call("POST", f"/f-*/_field_caps?{more}", body)[1]
    both = caps("fields=a")["fields"]["a"]
    expect("a field of two types, and where", {"long": ["f-1"], "keyword": ["f-2"]}, {k: v["indices"] for k, v in both.items()})
    expect("of one", ("keyword", False), (lambda f: (list(f)[0], "indices" in f["keyword"]))(caps("fields=k")["fields"]["k"]))
    expect("an alias is what it means", {"keyword": True}, {k: v["aggregatable"] for k, v in caps("fields=al")["fields"]["al"].items()})
    expect("where it is not mapped", ["f-2"], caps("fields=t&include_unmapped=true")["fields"]["t"]["unmapped"]["indices"])
    expect("of some types", ["o.x"], list(caps("fields=*&types=date")["fields"]))
    names = lambda more: set(caps("fields=*&" + more)["fields"])
    expect("filters", ({"_id", "o", "t.raw"} - names("filters=-metadata,-parent,-multifield"), True),
           ({"_id", "o", "t.raw"}, "t" in names("filters=-metadata,-parent,-multifield")))
    expect("no such filter", 400, role.call("GET", "/f-*/_field_caps?fields=*&filters=banana")[0])
    expect("indices that hold something", ["f-1"], caps("fields=k", {"index_filter": {"term": {"k": "v"}}})["indices"])
    expect("no index, no field", {}, role.call("GET", "/none*/_field_caps?fields=*")[1]["fields"])


def texts(role):
    tokens = lambda path, body: [(t["token"], t["start_offset"], t["position"]) for t in role.call("POST", path, body)[1]["tokens"]]
    expect("several texts", [("foo", 0, 0), ("bar", 4, 1), ("baz", 8, 102)], tokens("/_analyze", {"text": ["Foo bar", "Baz"]}))
    expect("as a field is cut", [("Foo bar", 0, 0)], tokens("/f-1/_analyze", {"field": "k", "text": "Foo bar"}))
    expect("as a text", [("foo", 0, 0), ("bar", 4, 1)], tokens("/f-1/_analyze", {"field": "t", "text": "Foo bar"}))
    for body in ({"tokenizer": "keyword", "text": "a"}, {"analyzer": "english", "text": "a"}, {}):
        expect(f"refused {body}", 400, role.call("POST", "/_analyze", body)[0])
    role.call("POST", "/f-1/_bulk", bulk(*[x for word in ("alpha", "Alpine", "alto", "beta", "a.b") for x in ({"index": {}}, {"k": word})]))
    terms = lambda **body: role.call("POST", "/f-1/_terms_enum", {"field": "k", **body})[1]["terms"]
    expect("terms that begin so", ["alpha", "alto"], terms(string="al"))
    expect("in any case", ["Alpine", "alpha", "alto"], terms(string="AL", case_insensitive=True))
    expect("a sign is no pattern", ["a.b"], terms(string="a."))
    expect("so many", ["Alpine", "a.b"], terms(size=2))
    expect("after one", ["alto", "beta", "v"], terms(search_after="alpha"))
    expect("of some documents", ["v"], terms(index_filter={"exists": {"field": "a"}}))
    expect("of no field", 400, role.call("POST", "/f-1/_terms_enum", {})[0])
    valid = lambda more, body=None: role.call("POST", f"/f-1/_validate/query{more}", body)[1]["valid"]
    expect("queries", [True, False, True, False, False], [
        valid("", {"query": {"term": {"k": "x"}}}), valid("", {"query": {"foo": {}}}), valid("?q=k:x&explain=true"), valid("?q=k:x+AND"),
        valid("", {"query": {"query_string": {"query": "a AND"}}})])
    expect("why not", True, "foo" in role.call("POST", "/f-1/_validate/query?explain=true", {"query": {"foo": {}}})[1]["error"])


def states(role):
    expect("of one index", (200, 1), (lambda s, a: (s, a["active_shards"]))(*role.call("GET", "/_cluster/health/f-1")))
    expect("of none", (408, "red", True), (lambda s, a: (s, a["status"], a["timed_out"]))(*role.call("GET", "/_cluster/health/nope")))
    for path in ("/nope/_refresh", "/nope/_flush", "/nope/_forcemerge", "/nope/_cache/clear", "/nope/_open"):
        expect(path, 404, role.call("POST", path)[0])
    expect("figures by group", 2, role.call("GET", "/_stats/docs,store")[1]["_shards"]["total"])


def templates(role):
    put = lambda what, name, body, more="": kind(role, "PUT", f"/{what}/{name}{more}", body)
    template = lambda what, body: {"template": {what: body}}
    expect("no patterns", "action_request_validation_exception", put("_index_template", "a", {"template": {}}))
    expect("no component", "invalid_index_template_exception", put("_index_template", "a", {"index_patterns": ["a*"], "composed_of": ["x"]}))
    expect("an optional one", "done", put("_index_template", "opt", {
        "index_patterns": ["opt*"], "composed_of": ["x"], "ignore_missing_component_templates": ["x"], "priority": 3}))
    expect("a component", "done", put("_component_template", "x", template("mappings", {"properties": {
        "h": {"type": "keyword", "ignore_above": 5}, "m": {"type": "text", "fields": {"k": {"type": "keyword"}}}}})))
    expect("a template", "done", put("_index_template", "a", {"index_patterns": ["a*"], "composed_of": ["x"], "priority": 7, "template": {
        "mappings": {"properties": {"h": {"type": "text"}}}}}))
    role.call("PUT", "/a1/_doc/1", {"h": "some words", "m": "x"})
    got = role.call("GET", "/a1/_mapping")[1]["a1"]["mappings"]["properties"]
    expect("the stronger one's field counts", ("text", {"k": {"type": "keyword"}}), (got["h"]["type"], got["m"]["fields"]))
    expect("the same priority", "illegal_argument_exception", put("_index_template", "b", {"index_patterns": ["ab*"], "priority": 7}))
    expect("put again", "done", put("_index_template", "a", {"index_patterns": ["a*"], "composed_of": ["x"], "priority": 7}))
    expect("but not as a new one", "illegal_argument_exception", put("_index_template", "a", {"index_patterns": ["a*"]}, "?create=true"))
    expect("in use", "illegal_argument_exception", kind(role, "DELETE", "/_component_template/x"))
    expect("an unknown word", "x_content_parse_exception", put("_index_template", "c", {"index_patterns": ["c*"], "mappings": {}}))
    for name, field in (("a parameter", {"type": "keyword", "ignore_abov": 1}), ("another analyzer", {"type": "text", "analyzer": "english"}),
                        ("copies", {"type": "keyword", "copy_to": "all"}), ("a null", {"type": "keyword", "null_value": "-"})):
        for what, body in (("_component_template", template("mappings", {"properties": {"f": field}})),
                           ("_template", {"index_patterns": ["z*"], "mappings": {"properties": {"f": {"properties": {"g": field}}}}}),
                           ("_index_template", {"index_patterns": ["z*"], "template": {"mappings": {
                               "dynamic_templates": [{"r": {"match": "*", "mapping": field}}]}}})):
            expect(f"{name} in {what}", "mapper_parsing_exception", put(what, "z", body))
        expect(f"{name} in an index", "mapper_parsing_exception", kind(role, "PUT", "/z", {"mappings": {"properties": {"f": field}}}))
        expect(f"{name} later", "mapper_parsing_exception", kind(role, "PUT", "/f-1/_mapping", {"properties": {"f": field}}))
    expect("runtime fields", "mapper_parsing_exception", kind(role, "PUT", "/z", {"mappings": {"runtime": {"r": {"type": "long"}}}}))
    expect("the usual analyzer", "done", kind(role, "PUT", "/z", {"mappings": {"properties": {"f": {"type": "text", "analyzer": "standard"}}}}))


def policies(role):
    put = lambda phases: kind(role, "PUT", "/_ilm/policy/p", {"policy": {"phases": phases}})
    expect("a policy", "done", put({"hot": {"actions": {"rollover": {"max_age": "1d"}}}, "delete": {"min_age": "30d", "actions": {"delete": {}}}}))
    for name, phases in (("a phase", {"hott": {}}), ("an age", {"delete": {"min_age": "30 days", "actions": {"delete": {}}}}),
                         ("a deletion in the wrong phase", {"hot": {"actions": {"delete": {}}}}),
                         ("an age of the rollover", {"hot": {"actions": {"rollover": {"max_age": "1day"}}}})):
        expect(name, "illegal_argument_exception", put(phases))
    expect("an action", "x_content_parse_exception", put({"hot": {"actions": {"rolover": {}}}}))
    expect("the old one stays", "30d", role.call("GET", "/_ilm/policy/p")[1]["p"]["policy"]["phases"]["delete"]["min_age"])


def main():
    scratch = tempfile.mkdtemp(prefix="logs-inspect-")
    try:
        role = logs_role.Role(sys.argv[1], scratch)
        for group in (fields, texts, states, templates, policies):
            group(role)
        role.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tap.end()


sys.exit(main())
