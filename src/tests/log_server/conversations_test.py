#!/usr/bin/env python3
"""conversations_test.py PROGRAM - what shippers say, request by request, and what they need to hear.

Filebeat 7.17 and 8, Logstash 7 and 8, Fluent Bit and Vector: their start and their bulks with their own
paths, headers and bodies; each answer is looked at the way that client looks at it (for Fluent Bit and
Vector that is a search for literal bytes).
"""
import base64, gzip, json, re, shutil, sys, tempfile
import logs_role

program = sys.argv[1]
tap = logs_role.Tap()
expect = tap.expect
BASIC = {"Authorization": "Basic " + base64.b64encode(b"elastic:changeme").decode()}


def say(role, method, path, body=None, headers=None):
    status, answer_headers, data = role.raw(method, path, body, headers)
    expect(f"{method} {path[:60]}: the product", "Elasticsearch", answer_headers.get("X-elastic-product"))
    return status, data, (json.loads(data) if data[:1] in (b"{", b"[") else None)


def template(patterns, version):
    fields = {f"field{i}": {"type": "keyword", "ignore_above": 1024} for i in range(3000)}
    return {"index_patterns": patterns, "order": 1, "settings": {"index": {
        "lifecycle": {"name": "filebeat", "rollover_alias": f"filebeat-{version}"}, "codec": "best_compression",
        "mapping": {"total_fields": {"limit": 10000}}, "refresh_interval": "5s", "number_of_shards": 1,
        "query": {"default_field": ["message", "fields.*"]}, "max_docvalue_fields_search": 200}},
        "mappings": {"_meta": {"beat": "filebeat", "version": version}, "date_detection": False,
                     "dynamic_templates": [{"strings_as_keyword": {"match_mapping_type": "string", "mapping": {
                         "ignore_above": 1024, "type": "keyword"}}}],
                     "properties": {"@timestamp": {"type": "date"}, "message": {"type": "text"}, **fields}}}


def beat_event(i, version):
    return {"@timestamp": f"2024-02-08T10:00:{i:02d}.123Z", "message": f"line {i}", "log": {
        "offset": i * 10, "file": {"path": "/logs/a.json"}, "level": "info"}, "input": {"type": "log"},
        "agent": {"type": "filebeat", "version": version, "ephemeral_id": "e", "id": "i", "name": "h"},
        "ecs": {"version": "1.12.0"}, "host": {"name": "h"}}


def filebeat_7(role):
    headers = {**BASIC, "Accept": "application/json", "User-Agent": "Elastic-filebeat/7.17.18"}
    version = say(role, "GET", "/", headers=headers)[2]["version"]["number"]
    expect("Filebeat 7: the version is one", True, re.fullmatch(r"7\.\d+\.\d+", version) is not None)
    for _ in range(2):  # a reconnect says the first things again
        status, _, license = say(role, "GET", "/_license?human=false", headers=headers)
        expect("Filebeat 7: the license is active", (200, "active", "basic"),
               (status, license["license"]["status"], license["license"]["type"]))
        expect("Filebeat 7: ILM is there", {"available": True, "enabled": True},
               say(role, "GET", "/_xpack", headers=headers)[2]["features"]["ilm"])
    expect("Filebeat 7: no policy yet", 404, say(role, "GET", "/_ilm/policy/filebeat", headers=headers)[0])
    policy = {"policy": {"phases": {"hot": {"min_age": "0ms", "actions": {"rollover": {
        "max_age": "30d", "max_size": "50gb"}}}}}}
    expect("Filebeat 7: puts its policy", True,
           say(role, "PUT", "/_ilm/policy/filebeat", policy, headers)[2]["acknowledged"])
    status, raw, _ = say(role, "GET", "/_cat/templates/filebeat-7.17.18", headers=headers)
    expect("Filebeat 7: the template's name is not said", (200, False), (status, b"filebeat" in raw))
    expect("Filebeat 7: puts its template", True, say(
        role, "PUT", "/_template/filebeat-7.17.18", template(["filebeat-7.17.18-*"], "7.17.18"),
        headers)[2]["acknowledged"])
    expect("Filebeat 7: now it is said", True,
           b"filebeat-7.17.18" in say(role, "GET", "/_cat/templates/filebeat-7.17.18", headers=headers)[1])
    expect("Filebeat 7: no alias yet", (404, b""), say(role, "HEAD", "/_alias/filebeat-7.17.18", headers=headers)[:2])
    status, _, made = say(role, "PUT", "/%3Cfilebeat-7.17.18-%7Bnow%2Fd%7D-000001%3E", {
        "aliases": {"filebeat-7.17.18": {"is_write_index": True}}}, headers)
    expect("Filebeat 7: makes its index", (200, True, True),
           (status, made["shards_acknowledged"], made["index"].startswith("filebeat-7.17.18-20")))
    lines = [part for i in range(50) for part in
             ({"create": {"_index": "filebeat-7.17.18"}}, beat_event(i, "7.17.18"))]
    status, _, answer = say(role, "POST", "/_bulk", logs_role.bulk(*lines),
                            {**headers, "Content-Type": "application/json; charset=UTF-8"})
    items = [list(item.items())[0] for item in answer["items"]]
    expect("Filebeat 7: every event is created", (200, {("create", 201)}, 50),
           (status, {(kind, item["status"]) for kind, item in items}, len(items)))
    mapping = list(role.call("GET", "/filebeat-7.17.18/_mapping")[1].values())[0]["mappings"]["properties"]
    expect("Filebeat 7: its template is applied", ("text", "keyword"),
           (mapping["message"]["type"], mapping["log"]["properties"]["level"]["type"]))


def filebeat_8(role):
    headers = {**BASIC, "Accept": "application/json", "User-Agent": "Elastic-filebeat/8.15.0"}
    about = say(role, "GET", "/", headers=headers)[2]["version"]
    expect("Filebeat 8: not an older server", (8, "default"), (int(about["number"].split(".")[0]), about["build_flavor"]))
    expect("Filebeat 8: the license", 200, say(role, "GET", "/_license?human=false", headers=headers)[0])
    expect("Filebeat 8: no policy", 404, say(role, "GET", "/_ilm/policy/filebeat", headers=headers)[0])
    say(role, "PUT", "/_ilm/policy/filebeat", {"policy": {"phases": {"hot": {"actions": {}}}}}, headers)
    expect("Filebeat 8: no template", 404, say(role, "GET", "/_index_template/filebeat-8.15.0", headers=headers)[0])
    body = template(["filebeat-8.15.0"], "8.15.0")
    expect("Filebeat 8: puts its template", 200, say(role, "PUT", "/_index_template/filebeat-8.15.0", {
        "data_stream": {}, "index_patterns": ["filebeat-8.15.0"], "priority": 150,
        "template": {"settings": body["settings"], "mappings": body["mappings"]}}, headers)[0])
    expect("Filebeat 8: no stream", 404, say(role, "GET", "/_data_stream/filebeat-8.15.0", headers=headers)[0])
    expect("Filebeat 8: makes its stream", True,
           say(role, "PUT", "/_data_stream/filebeat-8.15.0", headers=headers)[2]["acknowledged"])
    lines = [part for i in range(60) for part in
             ({"create": {"_index": "filebeat-8.15.0"}}, beat_event(i, "8.15.0"))]
    lines[4:4] = [""]  # some releases put an empty line between items
    packed = gzip.compress(logs_role.bulk(*lines).encode(), 1)
    status, raw, answer = say(role, "POST", "/_bulk?filter_path=errors%2Citems.%2A.error%2Citems.%2A.status", packed,
                              {**headers, "Content-Type": "application/json", "Content-Encoding": "gzip"})
    expect("Filebeat 8: an item each, in brief", (200, {"errors": False, "items": [{"create": {"status": 201}}] * 60}),
           (status, answer))
    lines = [{"create": {"_index": "filebeat-8.15.0", "_id": "one"}}, beat_event(1, "8.15.0"),
             {"create": {"_index": "filebeat-8.15.0", "_id": "one"}}, beat_event(1, "8.15.0")]
    answer = say(role, "POST", "/_bulk", logs_role.bulk(*lines), headers)[2]
    expect("Filebeat 8: a duplicate is a 409", [201, 409], [i["create"]["status"] for i in answer["items"]])
    expect("Filebeat 8: the backing index", True, answer["items"][0]["create"]["_index"].startswith(".ds-filebeat-8.15.0-"))


def logstash(role, major):
    name = f"Logstash {major}"
    headers = {"User-Agent": f"logstash/{major}.17.0", "Content-Type": "application/json"}
    expect(f"{name}: is it there", (200, b""), say(role, "HEAD", "/", headers=headers)[:2])
    about = say(role, "GET", "/", headers=headers)[2]
    expect(f"{name}: tagline", "You Know, for Search", about["tagline"])
    expect(f"{name}: the license", "active", say(role, "GET", "/_license", headers=headers)[2]["license"]["status"])
    if major == 7:
        expect(f"{name}: no template", 404, say(role, "HEAD", "/_template/logstash", headers=headers)[0])
        expect(f"{name}: puts it", 200, say(role, "PUT", "/_template/logstash", {
            "index_patterns": ["logstash-*"], "version": 60001, "settings": {"index.refresh_interval": "5s"},
            "mappings": {"properties": {"@timestamp": {"type": "date"}, "@version": {"type": "keyword"}}}}, headers)[0])
        expect(f"{name}: no alias", 404, say(role, "HEAD", "/logstash", headers=headers)[0])
        expect(f"{name}: its policy", 404, say(role, "GET", "/_ilm/policy/logstash-policy", headers=headers)[0])
        say(role, "PUT", "/_ilm/policy/logstash-policy", {"policy": {"phases": {}}}, headers)
        expect(f"{name}: its index", 200, say(role, "PUT", "/%3Clogstash-%7Bnow%2Fd%7D-000001%3E", {
            "aliases": {"logstash": {"is_write_index": True}}}, headers)[0])
        action = lambda i: {"index": {"_index": "logstash", "_type": "_doc", "routing": None}}
    else:
        expect(f"{name}: puts the stream's template", 200, say(role, "PUT", "/_index_template/logs", {
            "index_patterns": ["logs-*-*"], "data_stream": {}, "priority": 100}, headers)[0])
        action = lambda i: {"create": {"_index": "logs-generic-default"}}
    expect(f"{name}: nodes", 1, len(say(role, "GET", "/_nodes/http", headers=headers)[2]["nodes"]))
    lines = [part for i in range(25) for part in (action(i), {
        "@timestamp": "2024-02-08T10:00:00.000Z", "@version": "1", "message": f"m {i}", "host": {"name": "x"}})]
    packed = gzip.compress(logs_role.bulk(*lines).encode())
    status, _, answer = say(role, "POST", "/_bulk?filter_path=errors,items.*.error,items.*.status", packed, {
        **headers, "Content-Encoding": "gzip", "X-Elastic-Event-Count": "25",
        "X-Elastic-Uncompressed-Request-Length": str(len(packed))})
    expect(f"{name}: as many items as actions", (200, False, 25), (status, answer["errors"], len(answer["items"])))


def fluent_bit(role):
    headers = {"User-Agent": "Fluent-Bit", "Content-Type": "application/x-ndjson"}
    lines = [part for i in range(5000) for part in ({"create": {"_index": "fluent-bit", "_type": "_doc"}}, {
        "@timestamp": "2024-02-08T10:00:00.123Z", "log": f"line {i}"})]
    status, raw, _ = say(role, "POST", "/_bulk", logs_role.bulk(*lines), headers)
    expect("Fluent Bit: more than its buffer holds", True, len(raw) > 512 * 1024)
    expect("Fluent Bit: finds its bytes", (200, True), (status, b'"errors":false,"items":[' in raw))
    # What it does with an answer that fits: each item one key, status a positive number.
    _, raw, answer = say(role, "POST", "/_bulk", logs_role.bulk(*lines[:6], {"create": {
        "_index": "fluent-bit", "_id": "a"}}, {"log": "x"}, {"create": {"_index": "fluent-bit", "_id": "a"}}, {"log": "x"}), headers)
    expect("Fluent Bit: one key an item", {1}, {len(item) for item in answer["items"]})
    expect("Fluent Bit: its errors", (True, 409), (answer["errors"], answer["items"][-1]["create"]["status"]))
    for operation, body in [("index", {"log": "y"}), ("update", {"doc": {"log": "z"}}),
                            ("update", {"doc": {"log": "z"}, "doc_as_upsert": True})]:
        answer = say(role, "POST", "/_bulk", logs_role.bulk({operation: {
            "_index": "fluent-bit", "_id": "b"}}, body), headers)[2]
        expect(f"Fluent Bit: Write_Operation {operation}", False, answer["errors"])


def vector(role):
    headers = {"Content-Type": "application/x-ndjson", "Accept": "*/*"}
    expect("Vector: the version", True, "number" in say(role, "GET", "/")[2]["version"])
    expect("Vector: healthy", 200, say(role, "GET", "/_cluster/health")[0])
    lines = [part for i in range(40) for part in ({"index": {"_index": "vector-2024.02.08"}}, {
        "timestamp": "2024-02-08T10:00:00.123456789Z", "message": f"line {i}", "source_type": "file"})]
    packed = gzip.compress(logs_role.bulk(*lines).encode())
    status, raw, answer = say(role, "POST", "/_bulk?timeout=60s", packed, {**headers, "Content-Encoding": "gzip"})
    expect("Vector: no error to look for", (200, False), (status, b'"errors":true' in raw))
    lines = [{"create": {"_index": "vector-x", "_id": "1"}}, {"a": 1}, {"create": {"_index": "vector-x", "_id": "1"}}, {"a": 1}]
    status, raw, answer = say(role, "POST", "/_bulk?timeout=60s", logs_role.bulk(*lines), headers)
    expect("Vector: finds its error's bytes", True, b'"errors":true' in raw)
    expect("Vector: type and reason", {"type", "reason"} & set(answer["items"][1]["create"]["error"]), {"type", "reason"})
    lines = [{"create": {"_index": "logs-vector-default"}}, {"@timestamp": "2024-02-08T10:00:00Z", "message": "m"}]
    expect("Vector: a data stream", 201,
           say(role, "POST", "/_bulk?timeout=60s", logs_role.bulk(*lines), headers)[2]["items"][0]["create"]["status"])


folder = tempfile.mkdtemp(prefix="logs-talk-")
try:
    role = logs_role.Role(program, folder + "/7")
    filebeat_7(role)
    logstash(role, 7)
    fluent_bit(role)
    vector(role)
    role.stop()
    role = logs_role.Role(program, folder + "/8", "--es.version", "8.15.0")
    filebeat_8(role)
    logstash(role, 8)
    role.stop()
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(tap.end())
