#!/usr/bin/env python3
"""settings_test.py PROGRAM - settings of indices: in every form, from several templates, changed, refused."""
import shutil, sys, tempfile
import logs_role

tap = logs_role.Tap()
expect = tap.expect


def settings(role, index, more=""):
    status, answer = role.call("GET", f"/{index}/_settings{more}")
    return list(answer.values())[0]["settings"] if status == 200 and answer else (status, answer)


def given(role, index):
    """What was set by somebody."""
    flat = settings(role, index, "?flat_settings=true")
    own = ("creation_date", "uuid", "provided_name", "version.created")
    return {key[6:]: value for key, value in flat.items() if key[6:] not in own}


def put(role, index, body, more=""):
    status, answer = role.call("PUT", f"/{index}/_settings{more}", body)
    return "done" if status == 200 else answer["error"]["type"]


def forms(role):
    want = {"number_of_shards": "1", "number_of_replicas": "0", "refresh_interval": "5s", "mapping.total_fields.limit": "5000"}
    for i, body in enumerate((
            {"index": {"refresh_interval": "5s", "mapping": {"total_fields": {"limit": 5000}}}},
            {"refresh_interval": "5s", "mapping.total_fields.limit": "5000"},
            {"index.refresh_interval": "5s", "index": {"mapping.total_fields": {"limit": 5000}}},
            {"index": {"index.refresh_interval": "5s"}, "mapping": {"total_fields.limit": 5000}})):
        expect(f"made, form {i}", 200, role.call("PUT", f"/form{i}", {"settings": body})[0])
        expect(f"form {i}", want, given(role, f"form{i}"))
    nested = settings(role, "form1")["index"]
    expect("nested again", ("5s", "5000"), (nested["refresh_interval"], nested["mapping"]["total_fields"]["limit"]))
    expect("one of them", {"index": {"number_of_shards": "1", "number_of_replicas": "0"}}, settings(role, "form1", "/index.number*"))
    expect("lists", ["a", "b"], (role.call("PUT", "/list", {"settings": {"query": {"default_field": ["a", "b"]}}}),
                                 settings(role, "list"))[1]["index"]["query"]["default_field"])


def templates(role):
    role.call("PUT", "/_ilm/policy/p", {"policy": {"phases": {"delete": {"min_age": "1h", "actions": {"delete": {}}}}}})
    for name, template in (("one", {"settings": {"index": {"lifecycle": {"name": "p"}, "refresh_interval": "1s"}}, "mappings": {
            "dynamic_templates": [{"ints": {"match": "i_*", "mapping": {"type": "keyword"}}}, {"both": {"match": "b_*", "mapping": {"type": "long"}}}]}}),
                           ("two", {"settings": {"index": {"refresh_interval": "2s"}}, "mappings": {
            "dynamic_templates": [{"both": {"match": "b_*", "mapping": {"type": "keyword"}}}, {"dates": {"match": "d_*", "mapping": {"type": "keyword"}}}]}})):
        role.call("PUT", f"/_component_template/{name}", {"template": template})
    role.call("PUT", "/_index_template/all", {"index_patterns": ["made-*"], "composed_of": ["one", "two"], "priority": 5,
                                              "template": {"settings": {"number_of_shards": 3}}})
    role.call("PUT", "/made-1/_doc/1", {"i_a": 1, "b_a": "x", "d_a": "2024-01-01", "other": 1})
    expect("of all templates, the last word counts", {"lifecycle.name": "p", "refresh_interval": "2s", "number_of_shards": "3",
                                                      "number_of_replicas": "0"}, given(role, "made-1"))
    expect("so its policy is found", "p", role.call("GET", "/made-1/_ilm/explain")[1]["indices"]["made-1"].get("policy"))
    fields = role.call("GET", "/made-1/_mapping")[1]["made-1"]["mappings"]["properties"]
    expect("dynamic templates are joined", ["keyword", "keyword", "keyword", "long"],
           [fields[name]["type"] for name in ("i_a", "b_a", "d_a", "other")])
    role.call("PUT", "/made-1/_mapping", {"dynamic_templates": [{"new": {"match": "n_*", "mapping": {"type": "keyword"}}}]})
    rules = role.call("GET", "/made-1/_mapping")[1]["made-1"]["mappings"]["dynamic_templates"]
    expect("a mapping that is put replaces them", [["new"]], [list(rule) for rule in rules])


def changes(role):
    role.call("PUT", "/c", {})
    expect("changed", "done", put(role, "c", {"index": {"refresh_interval": "30s", "number_of_replicas": 2}}))
    expect("shown", ("30s", "2"), tuple(given(role, "c")[k] for k in ("refresh_interval", "number_of_replicas")))
    expect("kept when it is there", "done", put(role, "c", {"refresh_interval": "9s", "priority": 7}, "?preserve_existing=true"))
    expect("shown again", ("30s", "7"), tuple(given(role, "c")[k] for k in ("refresh_interval", "priority")))
    expect("taken back", "done", put(role, "c", {"index.refresh_interval": None, "settings": {}}) and put(
        role, "c", {"index.refresh_interval": None}))
    expect("gone", False, "refresh_interval" in given(role, "c"))
    expect("of all", "done", put(role, "_all", {"index.blocks.read_only_allow_delete": None}))
    expect("no such index", "index_not_found_exception", put(role, "nope", {"priority": 1}))
    for name, body in (("no such setting", {"refresh_intervall": "1s"}), ("fixed", {"number_of_shards": 2}), ("a block", {"blocks.write": True}),
                       ("a pipeline", {"default_pipeline": "geo"})):
        expect(name, "illegal_argument_exception", put(role, "c", body))
    expect("no pipeline", "done", put(role, "c", {"default_pipeline": "_none", "blocks.write": False}))
    for name, body, want in (("an index without such a setting", {"settings": {"refresh_intervall": "1s"}}, "illegal_argument_exception"),
                             ("without such a key", {"setings": {}}, "parse_exception")):
        expect(name, (400, want), (lambda s, a: (s, a["error"]["type"]))(*role.call("PUT", "/c2", body)))
    expect("nothing was made", 404, role.call("GET", "/c2")[0])


def main():
    scratch = tempfile.mkdtemp(prefix="logs-settings-")
    try:
        role = logs_role.Role(sys.argv[1], scratch)
        for group in (forms, templates, changes):
            group(role)
        before = [given(role, name) for name in ("form2", "made-1", "c")]
        role.stop()
        role.start()
        expect("after a start", before, [given(role, name) for name in ("form2", "made-1", "c")])
        role.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tap.end()


sys.exit(main())
