#!/usr/bin/env python3
"""clients_test.py PROGRAM MODULES - real clients, unchanged, against the role logs.

npm's @elastic/elasticsearch 7, 8 and 9, @opensearch-project/opensearch and elasticdump (installed into
MODULES by npm ci, once), Debian's python3-elasticsearch, rsyslog-elasticsearch and syslog-ng-mod-http:
each writes; those that can search, scroll and aggregate do. What is not installed, or cannot be fetched,
is skipped by name. Set BAROGRAPH_SYSLOG_NG to the root of an unpacked syslog-ng, which Debian does not
install beside rsyslog.
"""
import glob, json, os, shutil, signal, subprocess, sys, tempfile, time
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(here))
import logs_role
import npm_modules

program, modules = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
tap = logs_role.Tap()
expect = tap.expect


def skip(name, reason):
    tap.passed += 1
    print(f"ok {tap.passed + tap.failed} - {name} # SKIP {reason}", flush=True)


def npm_clients(role, names):
    url = f"http://127.0.0.1:{role.port}"
    done = subprocess.run(["node", "clients.mjs", url, *names], cwd=modules, capture_output=True, text=True,
                          timeout=120)
    results = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    for name in names:
        got = dict(results.get(name, {"failed": done.stderr[-500:]}))
        got.pop("name", None), got.pop("version", None)
        want = {"written": 250, "errors": False, "found": [20, ["95", "90", "85"]], "scrolled": 250, "paged": 250,
                "levels": [["info", 200, 249], ["error", 50, 245]], "minutes": 250, "updated": 5000, "counted": 250,
                "missing": [True, 404, "index_not_found_exception"], "helped": 250}
        if "opensearch" in name:
            del want["paged"]
        expect(f"{name} writes, searches, scrolls, aggregates", want, got)


def elasticdump(role, scratch):
    url = f"http://127.0.0.1:{role.port}"
    lines = [part for i in range(1234) for part in
             ({"index": {"_index": "dumped", "_id": str(i)}}, {"n": i, "message": f"line {i} «ü»"})]
    role.call("POST", "/_bulk?refresh=true", logs_role.bulk(*lines))
    dump = os.path.join(modules, "node_modules", "elasticdump", "bin", "elasticdump")

    def run(source, target, *more):
        return subprocess.run(["node", dump, f"--input={source}", f"--output={target}", "--limit=500", "--quiet",
                               *more], capture_output=True, text=True, timeout=120)

    mapping, data = os.path.join(scratch, "mapping.json"), os.path.join(scratch, "data.json")
    steps = [run(f"{url}/dumped", mapping, "--type=mapping"), run(f"{url}/dumped", data, "--type=data"),
             run(mapping, f"{url}/restored", "--type=mapping"), run(data, f"{url}/restored", "--type=data"),
             run(f"{url}/dumped", f"{url}/copied", "--type=data", "--searchAfter=true", "--pit=true")]
    expect("elasticdump ends well", [0] * 5, [step.returncode for step in steps])
    for step in steps:
        if step.returncode != 0:
            print("# " + (step.stdout + step.stderr)[-800:].replace("\n", "\n# "))
    expect("elasticdump's file has every document", 1234, sum(1 for _ in open(data)))
    role.call("POST", "/_refresh")
    for index in ("restored", "copied"):
        expect(f"elasticdump: {index}", 1234, role.call("GET", f"/{index}/_count")[1]["count"])
    answer = role.call("POST", "/restored/_search", {"query": {"ids": {"values": ["77"]}}})[1]
    expect("elasticdump keeps the documents", [{"n": 77, "message": "line 77 «ü»"}],
           [hit["_source"] for hit in answer["hits"]["hits"]])


PYTHON_CLIENT = """
import json, sys, elasticsearch, elasticsearch.helpers
client = elasticsearch.Elasticsearch([sys.argv[1]], timeout=20)
made = ({"_index": "py", "_id": str(i), "n": i, "level": "error" if i % 4 == 0 else "info"} for i in range(600))
written, errors = elasticsearch.helpers.bulk(client, made, chunk_size=200, refresh=True)
found = client.search(index="py", body={"query": {"term": {"level.keyword": "error"}}, "sort": [{"n": "desc"}],
                      "size": 2})["hits"]
scanned = len({hit["_id"] for hit in elasticsearch.helpers.scan(client, index="py", size=150)})
levels = client.search(index="py", size=0, body={"aggs": {"l": {"terms": {"field": "level.keyword"},
                       "aggs": {"a": {"avg": {"field": "n"}}}}}})["aggregations"]["l"]["buckets"]
pit = client.open_point_in_time(index="py", keep_alive="1m")["id"]
paged = client.search(body={"pit": {"id": pit}, "size": 5, "sort": ["n"]})
client.close_point_in_time(body={"id": pit})
client.delete_by_query(index="py", body={"query": {"range": {"n": {"gte": 500}}}}, refresh=True)
try:
    client.get(index="py", id="599"); missing = None
except elasticsearch.NotFoundError as error:
    missing = error.status_code
exists = [client.indices.exists(index="py"), client.indices.exists(index="nope"), client.ping()]
print(json.dumps({"written": written, "errors": errors, "total": found["total"]["value"],
                  "first": [hit["_id"] for hit in found["hits"]], "scanned": scanned,
                  "levels": [[b["key"], b["doc_count"], b["a"]["value"]] for b in levels],
                  "paged": [hit["sort"][0] for hit in paged["hits"]["hits"]],
                  "left": client.count(index="py")["count"], "missing": missing, "exists": exists,
                  "cat": client.cat.indices(index="py", format="json")[0]["docs.count"]}))
"""


def python_client(role):
    if subprocess.run(["/usr/bin/python3", "-c", "import elasticsearch"], capture_output=True).returncode != 0:
        return skip("python3-elasticsearch", "not installed")
    done = subprocess.run(["/usr/bin/python3", "-W", "ignore", "-c", PYTHON_CLIENT, f"http://127.0.0.1:{role.port}"],
                          capture_output=True, text=True, timeout=120)
    got = json.loads(done.stdout) if done.returncode == 0 else done.stderr[-600:]
    expect("python3-elasticsearch writes, searches, scrolls, aggregates, deletes", {
        "written": 600, "errors": [], "total": 150, "first": ["596", "592"], "scanned": 600,
        "levels": [["info", 450, 300.0], ["error", 150, 298.0]], "paged": [0, 1, 2, 3, 4], "left": 500,
        "missing": 404, "exists": [True, False, True], "cat": "500"}, got)


def wait_for(role, index, count, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status, answer = role.call("GET", f"/{index}/_count")
        if status == 200 and answer["count"] >= count:
            return answer["count"]
        time.sleep(0.1)
    return answer


def shipped(role, name, index, process, field):
    expect(f"{name} ships every line", 300, wait_for(role, index, 300))
    answer = role.call("POST", f"/{index}/_search", {"query": {"match_phrase": {field: "line 123 of"}}})[1]
    expect(f"{name}'s lines are found", 1, answer["hits"]["total"]["value"])
    process.send_signal(signal.SIGTERM)
    process.wait(20)


def rsyslog(role, scratch):
    daemon = "/usr/sbin/rsyslogd"
    if not os.path.exists(daemon) or not glob.glob("/usr/lib/*/rsyslog/omelasticsearch.so"):
        return skip("rsyslog-elasticsearch", "not installed")
    lines, config = os.path.join(scratch, "lines.log"), os.path.join(scratch, "rsyslog.conf")
    with open(lines, "w") as file:
        file.writelines(f"line {i} of rsyslog, \"quoted\"\n" for i in range(300))
    with open(config, "w") as file:
        file.write(f"""
global(workDirectory="{scratch}")
module(load="imfile" PollingInterval="1")
module(load="omelasticsearch")
template(name="document" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
input(type="imfile" File="{lines}" Tag="test:" reopenOnTruncate="on")
action(type="omelasticsearch" server="127.0.0.1" serverport="{role.port}" template="document"
       searchIndex="rsyslog" searchType="events" bulkmode="on" errorfile="{scratch}/rsyslog.errors")
""")
    process = subprocess.Popen([daemon, "-n", "-f", config, "-i", os.path.join(scratch, "rsyslog.pid")],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shipped(role, "rsyslog", "rsyslog", process, "message")
    errors = os.path.join(scratch, "rsyslog.errors")
    expect("rsyslog saw no error", "", open(errors).read() if os.path.exists(errors) else "")


def syslog_ng(role, scratch):
    root = os.environ.get("BAROGRAPH_SYSLOG_NG", "")
    daemon = root + "/usr/sbin/syslog-ng"
    plugins = glob.glob(root + "/usr/lib/syslog-ng/*/libhttp.so")
    if not os.path.exists(daemon) or not plugins:
        return skip("syslog-ng-mod-http", "not installed")
    lines, config = os.path.join(scratch, "ng.log"), os.path.join(scratch, "syslog-ng.conf")
    with open(lines, "w") as file:
        file.writelines(f"line {i} of syslog-ng, \"quoted\"\n" for i in range(300))
    share = root + "/usr/share/syslog-ng"
    with open(config, "w") as file:
        file.write(f"""@version: 3.38
@include "{share}/include/scl/elasticsearch/elastic-http.conf"
source s {{ file("{lines}" flags(no-parse) follow-freq(1)); }};
destination d {{ elasticsearch-http(url("http://127.0.0.1:{role.port}/_bulk") index("syslog-ng") type("")
  batch-lines(50) template("$(format-json @timestamp=$ISODATE message=$MSG host=$HOST)")); }};
log {{ source(s); destination(d); }};
""")
    environment = dict(os.environ)
    environment["LD_LIBRARY_PATH"] = ":".join(glob.glob(root + "/usr/lib/syslog-ng") +
                                              glob.glob(root + "/usr/lib/x86_64-linux-gnu"))
    process = subprocess.Popen(
        [daemon, "-F", "--no-caps", "-f", config, "-R", f"{scratch}/ng.persist", "-p", f"{scratch}/ng.pid", "-c",
         f"{scratch}/ng.ctl", f"--module-path={os.path.dirname(plugins[0])}"],
        stdout=subprocess.DEVNULL, stderr=open(os.path.join(scratch, "ng.err"), "w"), env=environment)
    shipped(role, "syslog-ng", "syslog-ng", process, "message")
    said = open(os.path.join(scratch, "ng.err")).read()
    if "rror" in said:
        print("# " + said[-800:].replace("\n", "\n# "))


scratch = tempfile.mkdtemp(prefix="logs-clients-")
try:
    role = logs_role.Role(program, os.path.join(scratch, "data"))
    python_client(role)
    rsyslog(role, scratch)
    syslog_ng(role, scratch)
    if npm_modules.install(here, modules):
        npm_clients(role, ["@elastic/elasticsearch-7", "@elastic/elasticsearch-8", "@elastic/elasticsearch-9",
                           "@opensearch-project/opensearch"])
        elasticdump(role, scratch)
        role.stop()
        role = logs_role.Role(program, os.path.join(scratch, "data8"), "--es.version", "8.15.0")
        npm_clients(role, ["@elastic/elasticsearch-8", "@elastic/elasticsearch-9"])
    else:
        skip("npm's clients", "npm cannot install them here")
    role.stop()
finally:
    shutil.rmtree(scratch, ignore_errors=True)
sys.exit(tap.end())
