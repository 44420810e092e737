#!/usr/bin/env python3
# cat_test.py - the tables of _cat: columns by name, order, units, formats, help. Usage: cat_test.py PROGRAM
import json, re, shutil, sys, tempfile
import logs_role
from logs_role import bulk

tap = logs_role.Tap()
expect = tap.expect

# Those that Elasticsearch 7.17 shows without h=.
COLUMNS = {
    "aliases": "alias index filter routing.index routing.search is_write_index",
    "allocation": "shards disk.indices disk.used disk.avail disk.total disk.percent host ip node",
    "count": "epoch timestamp count",
    "fielddata": "id host ip node field size",
    "health": "epoch timestamp cluster status node.total node.data shards pri relo init unassign pending_tasks "
              "max_task_wait_time active_shards_percent",
    "indices": "health status index uuid pri rep docs.count docs.deleted store.size pri.store.size",
    "master": "id host ip node",
    "nodeattrs": "node host ip attr value",
    "nodes": "ip heap.percent ram.percent cpu load_1m load_5m load_15m node.role master name",
    "pending_tasks": "insertOrder timeInQueue priority source",
    "plugins": "name component version",
    "recovery": "index shard time type stage source_host source_node target_host target_node repository snapshot files "
                "files_recovered files_percent files_total bytes bytes_recovered bytes_percent bytes_total translog_ops "
                "translog_ops_recovered translog_ops_percent",
    "repositories": "id type",
    "segments": "index shard prirep ip segment generation docs.count docs.deleted size size.memory committed searchable "
                "version compound",
    "shards": "index shard prirep state docs store ip node",
    "tasks": "action task_id parent_task_id type start_time timestamp running_time ip node",
    "templates": "name index_patterns order version composed_of",
    "thread_pool": "node_name name active queue rejected",
}
EMPTY = {"fielddata", "nodeattrs", "pending_tasks", "plugins", "repositories", "tasks"}


def text(role, path):
    status, headers, data = role.raw("GET", "/_cat/" + path)
    return data.decode() if status == 200 and headers["Content-Type"].startswith("text/plain") else (status, data)


def rows(role, path):
    return role.call("GET", f"/_cat/{path}{'&' if '?' in path else '?'}format=json")[1]


def shapes(role):
    listed = text(role, "")
    expect("the list", True, listed.startswith("=^.^=\n/_cat/allocation\n"))
    for name, columns in COLUMNS.items():
        expect(f"{name}: listed", True, f"/_cat/{name}\n" in listed)
        expect(f"{name}: header", columns.split(), text(role, name + "?v").split("\n")[0].split())
        got = rows(role, name)
        expect(f"{name}: rows", name in EMPTY, got == [])
        if got:
            expect(f"{name}: as JSON", (columns.split(), True), (
                list(got[0]), all(value is None or isinstance(value, str) for row in got for value in row.values())))
        help_lines = text(role, name + "?help").splitlines()
        shown = [line.split("|")[0].strip() for line in help_lines]
        expect(f"{name}: help", True, all(c in shown for c in columns.split()) and all(l.count("|") == 2 for l in help_lines))


def choices(role):
    expect("h by other names, in that order", "3 c-b\n", text(role, "indices/c-b?h=dc,i"))
    expect("h by pattern", "docs.count docs.deleted\n", text(role, "indices/c-a?v&h=docs*").splitlines(True)[0])
    expect("h: unknown names are passed over", "c-a\n", text(role, "indices/c-a?h=nope,index"))
    expect("s by number, descending", ["c-c", "c-a", "c-b"], text(role, "indices/c-*?h=index&s=docs.count:desc").split())
    expect("s by two", ["c-a", "c-b", "c-c"], text(role, "indices/c-*?h=index&s=health,index:asc").split())
    expect("sizes sort as sizes", ["c-c"], text(role, "indices/c-*?h=index&s=store.size:desc").split()[:1])
    expect("s: an unknown name", (400, "unsupported_operation_exception"), (
        lambda s, a: (s, a["error"]["type"]))(*role.call("GET", "/_cat/indices?s=nope")))
    expect("numbers stand at the right", ["docs.count", "        12", "         3", "       300"],
           text(role, "indices/c-*?v&h=docs.count&s=index").splitlines())
    size = int(text(role, "indices/c-c?h=store.size&bytes=b"))
    expect("bytes=kb", size // 1024, int(text(role, "indices/c-c?h=store.size&bytes=kb")))
    expect("sizes in units", True, bool(re.fullmatch(r"\d+(\.\d)?(b|kb|mb)\n", text(role, "indices/c-c?h=store.size"))))
    up = text(role, "nodes?h=uptime&time=ms")
    expect("time=ms", True, up.strip().isdigit())
    expect("what is not there", 404, role.call("GET", "/_cat/indices/nope")[0])
    expect("a pattern of nothing", "", text(role, "indices/nope*"))
    expect("yaml", 400, role.call("GET", "/_cat/indices?format=yaml")[0])
    status, headers, data = role.raw("GET", "/_cat/count", headers={"Accept": "application/json"})
    expect("JSON by Accept", "315", json.loads(data)[0]["count"])
    expect("an unknown parameter", 400, role.call("GET", "/_cat/indices?nope=1")[0])
    expect("no such table", 400, role.raw("GET", "/_cat/nope")[0])


def contents(role):
    expect("count of one", "12", text(role, "count/c-a?h=count").strip())
    expect("count of all", "315", text(role, "count?h=dc").strip())
    expect("health", ["green", "3", "3", "100.0%"], text(role, "health?h=status,shards,pri,active_shards_percent").split())
    shards = rows(role, "shards/c-*?s=index")
    expect("shards", [("c-a", "0", "p", "STARTED", "12"), ("c-b", "0", "p", "STARTED", "3"), ("c-c", "0", "p", "STARTED", "300")],
           [(s["index"], s["shard"], s["prirep"], s["state"], s["docs"]) for s in shards])
    segments = rows(role, "segments/c-a")
    expect("segments add up", (12, 1), (sum(int(s["docs.count"]) for s in segments), sum(int(s["docs.deleted"]) for s in segments)))
    role.call("POST", "/_flush")
    expect("flushed ones are committed", {"true"}, {s["committed"] for s in rows(role, "segments/c-*")})
    expect("recovery", {("done", "100.0%")}, {(r["stage"], r["files_percent"]) for r in rows(role, "recovery")})
    expect("no active recovery", [], rows(role, "recovery?active_only=true"))
    expect("templates", [{"name": "t1", "index_patterns": "[x-*, y-*]", "order": "7", "version": "3", "composed_of": ""},
                         {"name": "t2", "index_patterns": "[z-*]", "order": "5", "version": None, "composed_of": "[p]"}],
           rows(role, "templates?s=name"))
    expect("aliases", [("all", "c-a", "true"), ("all", "c-b", "-")],
           [(a["alias"], a["index"], a["is_write_index"]) for a in rows(role, "aliases/al*?s=index")])
    expect("aliases: none", [], rows(role, "aliases/nope"))
    node = rows(role, "nodes?h=*")[0]
    expect("nodes", ("127.0.0.1", "*", "dim", str(role.process.pid)), (node["ip"], node["master"], node["node.role"], node["pid"]))
    expect("nodes: shares", True, all(0 <= int(node[c]) <= 100 for c in ("heap.percent", "ram.percent", "cpu")))
    allocation = rows(role, "allocation?bytes=b")[0]
    expect("allocation", int(allocation["disk.total"]), int(allocation["disk.used"]) + int(allocation["disk.avail"]))
    expect("thread pools", ["search", "write"], [p["name"] for p in rows(role, "thread_pool")])
    expect("one thread pool", ["write"], [p["name"] for p in rows(role, "thread_pool/write,get")])


folder = tempfile.mkdtemp(prefix="logs-cat-")
try:
    role = logs_role.Role(sys.argv[1], folder)
    for name, count in (("c-a", 13), ("c-b", 3), ("c-c", 300)):
        role.call("POST", "/_bulk", bulk(*[x for i in range(count) for x in (
            {"index": {"_index": name, "_id": str(i)}}, {"message": f"line {i} " + "x" * 50, "n": i})]))
    role.call("DELETE", "/c-a/_doc/5")
    role.call("POST", "/_aliases", {"actions": [{"add": {"index": "c-a", "alias": "all", "is_write_index": True}},
                                                {"add": {"index": "c-b", "alias": "all"}}]})
    role.call("PUT", "/_template/t1", {"index_patterns": ["x-*", "y-*"], "order": 7, "version": 3})
    role.call("PUT", "/_component_template/p", {"template": {}})
    role.call("PUT", "/_index_template/t2", {"index_patterns": "z-*", "priority": 5, "composed_of": ["p"]})
    shapes(role)
    choices(role)
    contents(role)
    role.stop()
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(tap.end())
