"""bad_input_test - what a person gets to read when something is wrong, and that the rest goes on."""
import contextlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time

from harness import (ROOT, Role, Skip, Whole, address, ask, check, config_copy, folder, has,
                     need, note, query, raw, remote_write, run, same, until, write)

NDJSON = {"Content-Type": "application/x-ndjson"}


def text_file(name, text):
    return write(os.path.join(folder("bad"), name), text)


def metrics(text, *words, **more):
    need("metrics")
    return Role("metrics", "--config.file", text_file("prometheus.yml", text), *words, **more)


def logs(*words, **more):
    need("logs")
    return Role("logs", *words, **more)


# ---- configuration ----

def test_metrics_config():
    """metrics: broken YAML, unknown field, bad value: file, line and column"""
    for text, *parts in (
            ("global:\n  scrape_interval: 15s\n bad: [\n", r"prometheus\.yml:3:\d+"),
            ("global:\n  scrape_intervall: 15s\n", r"prometheus\.yml:2:3", "scrape_intervall"),
            ("global:\n  scrape_interval: fast\n", r"prometheus\.yml:2:20", "fast"),
            ("scrape_configs:\n  - job_name: a\n  - job_name: a\n", r"prometheus\.yml:3:\d+", "a"),
            ("scrape_configs:\n  - job_name: a\n    relabel_configs:\n      - regex: '('\n",
             r"prometheus\.yml:4:\d+"),
            ("- a\n- b\n", r"prometheus\.yml:1:1"),
            ("scrape_configs: [ {job_name: a, static_configs: [{targets: ['http://x:1/y']}]} ]\n",
             r"prometheus\.yml:1:\d+", "http://x:1/y")):
        status, said = metrics(text).ends()
        check(status in (1, 2), f"exit status {status} for {text!r}")
        has(said, *parts)
    need("metrics")
    status, said = Role("metrics", "--config.file", "/no/such/file.yml").ends()
    check(status in (1, 2), f"exit status {status}")
    has(said, "/no/such/file.yml", "No such file")


def test_driver_config():
    """driver: broken YAML, unknown field, bad value: file, line and column"""
    need("driver")
    for text, *parts in (
            ("probes:\n  targets: [\n", r"driver\.yml:\d+:\d+"),
            ("probe:\n  interval: 5s\n", r"driver\.yml:1:1", "'probe'"),
            ("probes:\n  interval: soon\n", r"driver\.yml:2:13", "'soon'"),
            ("probes:\n  targets:\n    - { name: x, kind: icmp }\n", r"driver\.yml:3:\d+", "icmp")):
        role = Role("driver", "--metrics.region-off", "--config", text_file("driver.yml", text))
        status, said = role.ends()
        same(1, status, text)
        has(said, *parts)


def test_ship_config():
    """ship: broken YAML and bad values: file, line and column"""
    need("ship")
    for text, *parts in (
            ("filebeat.inputs:\n  - type: log\n   paths: [\n", r"filebeat\.yml:3:\d+"),
            ("filebeat.inputs:\n  - type: log\n    paths: ['/x']\n    close_inactive: never\n"
             "output.elasticsearch: { hosts: ['localhost:9200'] }\n", r"filebeat\.yml:4:\d+", "never"),
            ("filebeat.inputs:\n  - type: punch_card\n    paths: ['/x']\n"
             "output.elasticsearch: { hosts: ['localhost:9200'] }\n", r"filebeat\.yml:2:\d+",
             "punch_card")):
        status, said = Role("ship", "-c", text_file("filebeat.yml", text)).ends()
        check(status in (1, 2), f"exit status {status} for {text!r}")
        has(said, *parts)


def test_dashboards_config():
    """dashboards: a broken dashboard is named and the others are shown"""
    need("dashboards")
    config = os.path.join(folder("grafana"), "grafana")
    shutil.copytree(os.path.join(ROOT, "grafana"), config)
    write(os.path.join(config, "dashboards/broken.json"), '{\n  "title": "Broken",\n  "panels": [ }\n')
    role = Role("dashboards", "--config", config).ready()
    has(role.errors, r"broken\.json")
    titles = [one["title"] for one in ask(role.url + "/api/search").json]
    check(len(titles) >= 3 and "Broken" not in titles, f"the good ones are there: {titles}")
    role.check_alive()
    role.stop()
    write(os.path.join(config, "provisioning/datasources/datasources.yml"), "datasources:\n  - name: [\n")
    role = Role("dashboards", "--config", config)
    status, said = role.ends()
    same(1, status)
    has(said, r"datasources\.yml:\d+:\d+")


def test_reload():
    """metrics: a broken file at reload is an error with its place; the old one stays in force"""
    role = metrics("scrape_configs: [ { job_name: good } ]\n", "--web.enable-lifecycle").ready()
    path = next(w for w in role.line if w.endswith("prometheus.yml"))
    write(path, "scrape_configs:\n  - job_nam: x\n")
    got = ask(role.url + "/-/reload", "POST", b"")
    same(500, got.status)
    has(got.text, r"prometheus\.yml:2:5", "job_nam")
    has(ask(role.url + "/api/v1/status/config").text, "good")
    write(path, "scrape_configs: [ { job_name: better } ]\n")
    same(200, ask(role.url + "/-/reload", "POST", b"").status)
    has(ask(role.url + "/api/v1/status/config").text, "better")
    role.stop()


# ---- targets ----

class Target(http.server.ThreadingHTTPServer):
    """Answers each path in its own bad way."""
    daemon_threads = True

    def __init__(self):
        super().__init__((address(), 8099), Bad)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Bad(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def give(self, body, kind="text/plain; version=0.0.4", status=200):
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        with contextlib.suppress(OSError):
            self.answer()

    def answer(self):
        if self.path == "/good":
            self.give(b"good 1\n")
        elif self.path == "/garbage":
            self.give(b"good 1\nthis is { not an exposition\n")
        elif self.path == "/binary":
            self.give(bytes(range(256)) * 40)
        elif self.path == "/html":
            self.give(b"<html>good 1</html>\n", "text/html")
        elif self.path == "/notype":
            self.give(b"good 1\n", None)
        elif self.path == "/huge":
            self.give(b"".join(b"huge{n=\"%d\"} 1\n" % n for n in range(40000)))
        elif self.path == "/slow":
            time.sleep(3)
            self.give(b"good 1\n")
        elif self.path == "/teapot":
            self.give(b"good 1\n", status=418)
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"good 1\n")
        elif self.path == "/twice":
            self.give(b'twice{a="1"} 1\ntwice{a="1"} 2\n')


def test_targets():
    """metrics: targets that are unreachable, slow, huge or answer garbage: up 0 and the reason"""
    target = Target()
    host = f"{target.server_address[0]}:8099"
    paths = ["good", "garbage", "binary", "html", "notype", "huge", "slow", "teapot", "cut"]
    jobs = "".join(f"  - {{ job_name: {p}, metrics_path: /{p}, body_size_limit: 200KB, "
                   f"static_configs: [ {{ targets: ['{host}'] }} ] }}\n" for p in paths)
    jobs += f"  - {{ job_name: nobody, static_configs: [ {{ targets: ['{address()}:1'] }} ] }}\n"
    jobs += "  - { job_name: nowhere, static_configs: [ { targets: ['no-such-host.invalid:1'] } ] }\n"
    role = metrics(f"global: {{ scrape_interval: 1s, scrape_timeout: 800ms }}\nscrape_configs:\n{jobs}")
    role.ready()

    def state():
        got = ask(role.url + "/api/v1/targets").json["data"]["activeTargets"]
        return {one["scrapePool"]: one for one in got}
    until(lambda: all(one["health"] != "unknown" for one in state().values()), "all were tried", 20, 0.2)
    wanted = {"garbage": r"line 2|:2:|2:\d", "binary": ".", "html": "text/html|[Cc]ontent.[Tt]ype",
              "notype": "[Cc]ontent.[Tt]ype", "huge": "200|limit|larger", "slow": "time|deadline",
              "teapot": "418", "cut": ".", "nobody": "(?i)refused", "nowhere": "no-such-host.invalid"}
    now = state()
    same("up", now["good"]["health"], "the good one: " + now["good"]["lastError"])
    for name, text in wanted.items():
        same("down", now[name]["health"], name)
        has(now[name]["lastError"], text)
        note(f"{name}: {now[name]['lastError']}")
    up = {r["metric"]["job"]: r["value"][1] for r in query(role.url, "up")["data"]["result"]}
    same({"good"}, {job for job, number in up.items() if number == "1"}, "up 1")
    same([], [r["metric"] for r in query(role.url, '{__name__=~"good|huge",job!="good"}')["data"]["result"]],
         "nothing of a bad answer is kept")
    role.check_alive()
    role.stop()
    target.shutdown()


# ---- requests ----

def test_query_errors():
    """metrics: a query with a syntax error: 400, what and where"""
    role = metrics("scrape_configs: []\n", "--web.enable-remote-write-receiver").ready()
    for expression, *parts in (("sum(rate(x[5m])", "1:16", "parse error"),
                               ("1 +\n +* 2", "2:", "parse error"),
                               ("no_such(x)", "1:1", "unknown function"),
                               ("rate(x)", "1:6", "range vector"),
                               ("x{a='1'", "1:8")):
        got = query(role.url, expression)
        same("bad_data", got["errorType"], expression)
        has(got["error"], *parts)
    got = ask(role.url + "/api/v1/query_range?query=x&start=1&end=100000&step=1")
    same(400, got.status)
    has(got.json["error"], "11,000")
    got = ask(role.url + "/api/v1/query?query=1&time=yesterday")
    same(400, got.status)
    has(got.json["error"], '"time"', "yesterday")
    for body in (b"", b"\xff" * 100, b"not snappy at all", b"\x05\x10hello"):
        got = ask(role.url + "/api/v1/write", "POST", body, {"Content-Encoding": "snappy"})
        check(got.status in (204, 400), f"remote write of {body!r}: {got.status} {got.text}")
    same(400, ask(role.url + "/api/v1/write", "POST", b"\xff" * 100).status)
    role.check_alive()
    role.stop()


def test_bulk():
    """logs: a bulk body with a broken line: that line's error, the others stored"""
    role = logs().ready()
    body = (b'{"index":{"_index":"a","_id":"1"}}\n{"n":1}\n'
            b'{"index":{"_index":"a","_id":"2"}}\n{"n": tru\n'
            b'{"index":{"_index":"a","_id":"3"}}\n{"n":3}\n')
    got = ask(role.url + "/_bulk?refresh=true", "POST", body, NDJSON)
    same(200, got.status, got.text)
    same([201, 400, 201], [item["index"]["status"] for item in got.json["items"]], got.text)
    same(True, got.json["errors"])
    bad = got.json["items"][1]["index"]["error"]
    same("mapper_parsing_exception", bad["type"])
    check(bad["reason"], "a reason")
    note(f"document: {bad}")
    same(2, ask(role.url + "/a/_count").json["count"], "stored")
    # A broken action line cannot be stepped over: nobody knows where the next one is.
    got = ask(role.url + "/_bulk", "POST", b'{"index":{"_index":"a"}}\n{"n":4}\n{"oops"\n{"n":5}\n', NDJSON)
    same(400, got.status, got.text)
    has(json.dumps(got.json["error"]), r"line \[3\]|line 3")
    note(f"action: {got.json['error']['reason']}")
    for body in (b"", b"\n", b"\0\xff\xfe\n", b'{"index":{}}\n{"n":1}\n', b'{"index":{"_index":"a"}}'):
        got = ask(role.url + "/_bulk", "POST", body, NDJSON)
        check(got.status in (200, 400), f"bulk of {body!r}: {got.status}")
        check(got.status == 400 or got.json["errors"], f"bulk of {body!r}: {got.text[:200]}")
    role.check_alive()
    role.stop()


def test_search_errors():
    """logs: searches that cannot be understood: 400, what and where"""
    role = logs().ready()
    ask(role.url + "/a/_doc/1?refresh=true", "PUT", {"message": "one two", "n": 1})
    for body, *parts in ((b'{"query": {"match": ', "."),
                         (b'{"query": {"matches": {"a": 1}}}', "matches"),
                         (b'{"query": {"query_string": {"query": "message:(one AND"}}}', "message:\\(one AND"),
                         (b'{"quary": {}}', "quary"),
                         (b'{"size": -1}', "size"),
                         (b'{"aggs": {"x": {"no_such_agg": {"field": "n"}}}}', "no_such_agg"),
                         (b'{"size": 20000}', "10000")):
        got = ask(role.url + "/a/_search", "POST", body, {"Content-Type": "application/json"})
        same(400, got.status, f"{body!r}: {got.text[:300]}")
        has(json.dumps(got.json["error"]), *parts)
    got = ask(role.url + "/none/_search")
    same(404, got.status)
    same("index_not_found_exception", got.json["error"]["type"])
    role.check_alive()
    role.stop()


def test_wire():
    """every kind of HTTP rubbish is answered or cut, and the server goes on"""
    role = metrics("scrape_configs: []\n").ready()
    for text in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                 b"GET / HTTP/1.1\r\n\r\n", b"G" * 100000 + b"\r\n\r\n",
                 b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
                 b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with contextlib.suppress(OSError):
            answer = raw(role.host, role.port, text + b"GET / HTTP/1.0\r\n\r\n", 15)
            check(not re.match(rb"HTTP/1.1 2", answer) or b"GET" not in text, f"{text[:40]!r}: {answer[:60]!r}")
        role.check_alive()
    role.stop()


# ---- ports, folders, disks ----

def test_port():
    """each role: a port in use: the error names the address and the process that has it"""
    need()
    config = {"driver": ["--config", text_file("driver.yml", "probes: {}\n"), "--metrics.region-off"],
              "metrics": ["--config.file", text_file("prometheus.yml", "scrape_configs: []\n")],
              "dashboards": ["--config", os.path.join(ROOT, "grafana")],
              "ship": ["-c", text_file("filebeat.yml", "filebeat.inputs: [ { type: log, paths: ['/none'] } ]\n"
                                         "output.elasticsearch: { hosts: ['127.0.0.1:1'] }\n")],
              "logs": [], "explore": []}
    for name, words in config.items():
        with socket.create_server((address(), 7999)) as taken:
            place = f"{taken.getsockname()[0]}:7999"
            role = Role(name, *words, f"--listen={place}", listen=False)
            status, said = role.ends()
            same(1, status, f"{name}: {said}")
            has(said, place.replace(".", r"\."), "in use", f"process {os.getpid()}")


def test_locked():
    """metrics, logs and ship: a data folder in use names the folder and the process"""
    need("metrics", "logs", "ship")
    config = {"metrics": ["--config.file", text_file("prometheus.yml", "scrape_configs: []\n")],
              "logs": [], "ship": ["-c", os.path.join(ROOT, "config/filebeat.yml")]}
    for name, words in config.items():
        first = Role(name, *words).ready()
        second = Role(name, *words, data=first.data)
        status, said = second.ends()
        same(1, status, f"{name}: {said}")
        has(said, first.data, f"process {first.process.pid}")
        first.check_alive()
        first.stop()


@contextlib.contextmanager
def small_disk(size):
    """A tmpfs of so many bytes."""
    path = folder("disk")
    if os.geteuid() != 0:
        raise Skip("mounting needs root")
    got = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
                         capture_output=True, text=True)
    if got.returncode != 0:
        raise Skip("mount: " + got.stderr.strip())
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=False)


def fill(path):
    """Takes all the room that is left; gives the file that has it."""
    name = os.path.join(path, "filler")
    with open(name, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 65536)
    return name


def full_metrics(disk, reserve, reason):
    role = metrics("scrape_configs: []\n", "--web.enable-remote-write-receiver",
                   f"--storage.tsdb.reserve-size={reserve}", data=os.path.join(disk, "data")).ready()
    kept, refused, number = {}, None, 0
    first_ms = int(time.time() * 1000) - 1000000
    filler = None
    while refused is None and number < 3000:
        number += 1
        if number == 20:
            filler = fill(disk)
            time.sleep(1.2)  # the room is looked at once a second
        body = [({"__name__": "full", "n": str(i)}, [(first_ms + number, float(number))])
                for i in range(100)]
        got = remote_write(role.url, body)
        if got.status == 204:
            kept[first_ms + number] = number
        else:
            refused = got
    check(refused is not None, "a write was refused")
    check(refused.status >= 500, f"the sender should try again: {refused.status} {refused.text}")
    note(f"after {number} writes: {refused.status} {refused.text.strip()}")
    has(refused.text, reason)
    role.check_alive()
    same("success", query(role.url, "count(full)")["status"])
    os.remove(filler)

    def goes_on():
        stamp = first_ms + 900000 + int(time.monotonic() * 1000) % 50000
        return remote_write(role.url, [({"__name__": "full", "n": "0"}, [(stamp, 1.0)])]).status == 204
    until(goes_on, "writes are taken again", 15, 0.2)
    role.stop()
    role.begin()
    role.ready()
    got = query(role.url, 'full{n="7"}[1h]', time=(first_ms + 5000) / 1000)["data"]["result"]
    found = {round(float(t) * 1000): float(v) for t, v in got[0]["values"]}
    same([], [t for t, v in kept.items() if found.get(t) != v][:3], "acknowledged samples are kept")
    role.stop()


def test_full_disk_metrics():
    """metrics on a full disk: writes are refused with the reason, queries go on, nothing is lost"""
    need("metrics")
    with small_disk("12m") as disk:
        full_metrics(disk, "0", "(?i)no space left")


def test_reserve_metrics():
    """metrics below the disk's reserve: the same, before the disk is full"""
    need("metrics")
    with small_disk("80m") as disk:
        full_metrics(disk, "64MB", "bytes left")


def full_logs(disk, reserve, reason):
    role = logs(f"--disk.reserve={reserve}", data=os.path.join(disk, "data")).ready()
    kept, refused, filler = 0, None, None
    for turn in range(400):
        if turn == 10:
            filler = fill(disk)
            time.sleep(1.2)
        body = b"".join(b'{"index":{"_index":"full"}}\n{"message":"line %d of %d %s"}\n'
                        % (i, turn, b"x" * 200) for i in range(50))
        got = ask(role.url + "/_bulk", "POST", body, NDJSON)
        if got.status == 200 and not got.json["errors"]:
            kept += 50
            continue
        refused = got
        break
    check(refused is not None, "a write was refused")
    note(f"{kept} kept, then {refused.status} {refused.text[:220]}")
    has(refused.text, reason)
    statuses = {refused.status} | ({item["index"]["status"] for item in refused.json["items"]}
                                   if refused.status == 200 else set())
    check(statuses & {429, 500, 503, 507}, f"the sender should try again: {statuses}")
    role.check_alive()
    same(200, ask(role.url + "/full/_search").status)
    os.remove(filler)

    def goes_on():
        return ask(role.url + "/full/_doc/again", "PUT", {"message": "again"}).status in (200, 201)
    until(goes_on, "writes are taken again", 15, 0.2)
    role.stop()
    role.begin()
    role.ready()
    count = ask(role.url + "/full/_count").json["count"]
    check(count >= kept + 1, f"{kept} acknowledged, {count} kept")
    role.stop()


def test_full_disk_logs():
    """logs on a full disk: writes are refused with the reason, searches go on, nothing is lost"""
    need("logs")
    with small_disk("16m") as disk:
        full_logs(disk, "1KB", "(?i)no space left|reserve")


def test_reserve_logs():
    """logs below the disk's reserve: the same, before the disk is full"""
    need("logs")
    with small_disk("80m") as disk:
        full_logs(disk, "64MB", "reserve")


# ---- the whole ----

def test_whole():
    """up: one role with a broken file is shown with the reason, the others go on and it recovers"""
    need()
    config = config_copy(os.path.join(folder("config"), "config"))
    good = open(os.path.join(config, "prometheus.yml"), encoding="utf-8").read()
    write(os.path.join(config, "prometheus.yml"), "global:\n  scrape_intervall: 5s\n")
    whole = Whole(config=config)
    whole.start(wait=False)
    others = ("dashboards", "driver", "logs", "ship", "explore")
    until(lambda: all(whole.roles()[name]["state"] == "ready" for name in others), "the others", 20)
    until(lambda: whole.roles()["metrics"]["last_error"], "the reason", 10)
    metrics_role = whole.roles()["metrics"]
    has(metrics_role["last_error"], r"prometheus\.yml:2:3", "scrape_intervall")
    got = subprocess.run([whole.line[0], "status", "--supervisor", whole.supervisor],
                         capture_output=True, text=True)
    same(1, got.returncode, "status")
    has(got.stdout, r"(?m)^metrics +(restarting|starting)\b.*prometheus\.yml:2:3")
    write(os.path.join(config, "prometheus.yml"), good)
    until(whole.is_ready, "all ready once the file is good", 30, 0.1)
    whole.stop()


def test_ship_waits():
    """ship: nobody at the output, it waits and delivers every line once there is somebody"""
    need("ship", "logs")
    place, lines = address(), 300
    base = folder("lines")
    write(os.path.join(base, "a.json"), "".join(
        f'{{"@timestamp":"2026-01-02T03:04:05Z","message":"m","n":{n}}}\n' if n != 7 else "broken { line\n"
        for n in range(lines)))
    config = text_file("filebeat.yml", f"""
filebeat.inputs:
  - {{ type: log, paths: ["{base}/*.json"], scan_frequency: 200ms, json.keys_under_root: true,
      json.add_error_key: true, json.message_key: message }}
setup.template.enabled: false
setup.ilm.enabled: false
output.elasticsearch: {{ hosts: ["http://{place}:9200"], index: "waiting", backoff.init: 200ms, backoff.max: 500ms }}
""")
    role = Role("ship", "-c", config).ready()
    time.sleep(1)
    role.check_alive()
    until(lambda: re.search("(?i)refused|no connection", role.errors), "it says why it waits", 10)
    store = Role("logs", f"--listen={place}:9200", listen=False)
    url = f"http://{place}:9200"
    until(lambda: ask(url + "/waiting/_count").json.get("count") == lines, "all lines", 20, 0.1)
    role.stop()
    got = ask(url + "/waiting/_search", "POST", {"query": {"exists": {"field": "error.message"}}}).json
    same(1, got["hits"]["total"]["value"], "the broken line is there with its error")
    store.stop()


run([test_metrics_config, test_driver_config, test_ship_config, test_dashboards_config, test_reload,
     test_targets, test_query_errors, test_bulk, test_search_errors, test_wire, test_port, test_locked,
     test_full_disk_metrics, test_reserve_metrics, test_full_disk_logs,
     test_reserve_logs, test_ship_waits, test_whole])
