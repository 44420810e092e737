"""guard_test - who may ask what: foreign names, foreign pages, writes through the way through, markup."""
import http.client
import json
import os
import shutil

from harness import (PORTS, ROLES, ROOT, Role, Whole, ask, check, folder, has, keep, need, run, same, until,
                     write)

MARKUP = "</script><img src=x onerror=alert(1)>\"'&\n<b>"


class One:
    """One whole for all tests."""
    whole = None

    @classmethod
    def get(cls):
        if cls.whole is None:
            need()
            config = os.path.join(folder("config"), "grafana")
            shutil.copytree(os.path.join(ROOT, "grafana"), config)
            write(os.path.join(config, "dashboards/markup.json"), json.dumps(
                {"uid": "markup", "title": MARKUP, "tags": [MARKUP], "panels": []}))
            cls.whole = Whole("--arg", "metrics=--web.enable-lifecycle", grafana=config)
            cls.whole.start()
            keep()
        return cls.whole


def send(role, method, path, headers, body=None):
    """Exactly these headers: a Host of None is left out."""
    connection = http.client.HTTPConnection(One.get().host, PORTS[role], timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    got = connection.getresponse()
    text = got.read().decode("utf-8", "replace")
    connection.close()
    return got.status, got.headers, text


def test_host():
    """a foreign Host header (DNS rebinding) is refused by every role"""
    whole = One.get()
    for role in [*ROLES, "up"]:
        for path in ("/", "/metrics", "/-/healthy"):
            status, _, text = send(role, "GET", path, [("Host", f"evil.example:{PORTS[role]}")])
            same(421, status, f"{role} {path} as evil.example: {text[:100]}")
        has(text, "not known by the name")
        for name in ("localhost", "127.0.0.1", whole.host):
            status, _, _ = send(role, "GET", "/-/healthy", [("Host", f"{name}:{PORTS[role]}")])
            same(200, status, f"{role} as {name}")
        same(400, send(role, "GET", "/-/healthy", [])[0], f"{role} without Host")
        two = [("Host", "localhost"), ("Host", "evil.example")]
        same(400, send(role, "GET", "/-/healthy", two)[0], f"{role} with two Hosts")
        for tricky in ("localhost.evil.example", "127.0.0.1.evil.example", "localhost@evil.example",
                       "evil.example#localhost", "169.254.169.254", "[::ffff:1.2.3.4]"):
            status = send(role, "GET", "/metrics", [("Host", tricky)])[0]
            check(status in (400, 421), f"{role} as {tricky}: {status}")


def test_origin():
    """a page of another origin can change nothing, and is told nothing"""
    whole = One.get()
    requests = {"metrics": [("POST", "/-/reload", b""), ("POST", "/-/quit", b""),
                            ("POST", "/api/v1/write", b""), ("POST", "/api/v1/query", b"query=1")],
                "logs": [("POST", "/_bulk", b'{"index":{"_index":"evil"}}\n{"a":1}\n'),
                         ("PUT", "/evil/_doc/1", b"{}"), ("DELETE", "/filebeat-x", None)],
                "dashboards": [("POST", "/api/datasources/proxy/uid/prometheus/api/v1/query", b"query=1")]}
    for role, rows in requests.items():
        host = f"{whole.host}:{PORTS[role]}"
        for method, path, body in rows:
            for origin in ("http://evil.example", "null", f"http://{whole.host}:1", "https://" + host + ".evil"):
                status, headers, text = send(role, method, path, [
                    ("Host", host), ("Origin", origin), ("Content-Type", "text/plain")], body)
                same(403, status, f"{role} {method} {path} from {origin}: {text[:100]}")
                same(None, headers.get("Access-Control-Allow-Origin"), "no CORS")
            status = send(role, method, path, [("Host", host), ("Sec-Fetch-Site", "cross-site")], body)[0]
            same(403, status, f"{role} {method} {path} cross-site")
        # Reading is answered, but no foreign page may look at it.
        _, headers, _ = send(role, "GET", "/metrics", [("Host", host), ("Origin", "http://evil.example")])
        same(None, headers.get("Access-Control-Allow-Origin"), "no CORS for reading")
    same(404, ask(whole.url("logs") + "/evil/_count").status, "nothing was written")
    check(whole.is_ready(), "all go on")


def test_proxy():
    """the dashboards' way through to the data sources is for reading only"""
    whole = One.get()
    base = whole.url("dashboards") + "/api/datasources/proxy/uid"
    got = ask(base + "/prometheus/api/v1/query?query=1")
    same(200, got.status, got.text)
    for path in ("_search", "filebeat-*/_search", "filebeat-*/_count", "_mapping"):
        same(200, ask(f"{base}/elasticsearch/{path}").status, path)
    same(200, ask(base + "/prometheus/api/v1/query", "POST", b"query=up",
                  {"Content-Type": "application/x-www-form-urlencoded"}).status)
    for method, path in (("POST", "prometheus/-/reload"), ("POST", "prometheus/-/quit"),
                         ("POST", "prometheus/api/v1/write"), ("PUT", "prometheus/-/quit"),
                         ("POST", "prometheus/api/v1/admin/tsdb/delete_series?match[]=up"),
                         ("GET", "prometheus/metrics"), ("GET", "prometheus/api/v1/query/../../../metrics"),
                         ("GET", "prometheus/api/v1/query/%2e%2e/%2e%2e/%2e%2e/metrics"),
                         ("GET", "prometheus/api/v1/query%2f..%2f..%2f..%2fmetrics"),
                         ("POST", "elasticsearch/_bulk"), ("PUT", "elasticsearch/evil/_doc/1"),
                         ("DELETE", "elasticsearch/filebeat-x"), ("POST", "elasticsearch/evil/_doc"),
                         ("POST", "elasticsearch/evil/_doc/a_search"),
                         ("PUT", "elasticsearch/evil/_doc/_search"), ("POST", "elasticsearch/evil/_doc/_search"),
                         ("PUT", "elasticsearch/evil/_create/_count"), ("PUT", "elasticsearch/evil_search"),
                         ("PUT", "elasticsearch/_search"), ("POST", "elasticsearch/_bulk?x=_search"),
                         ("POST", "elasticsearch/_bulk%3f/_search"), ("POST", "elasticsearch/_bulk%23_search"),
                         ("GET", "nobody/api/v1/query?query=1")):
        got = ask(f"{base}/{path}", method, b"{}" if method != "GET" else None)
        check(400 <= got.status < 500, f"{method} {path}: {got.status} {got.text[:100]}")
    same(404, ask(whole.url("logs") + "/evil/_count").status, "nothing was written")
    same(404, ask(whole.url("logs") + "/evil_search/_count").status, "nothing was written")
    check(whole.is_ready(), "all go on")


def test_explore_proxy():
    """explore's way through to the logs is for reading only"""
    whole = One.get()
    base = whole.url("explore")
    for prefix in ("", "/api/es"):
        for method, path in (("POST", "/_bulk"), ("PUT", "/evil/_doc/1"), ("DELETE", "/filebeat-x"),
                             ("POST", "/evil/_doc/a_search"), ("POST", "/evil/_doc/_search"), ("PUT", "/evil/_doc/_search"),
                             ("PUT", "/evil_search"), ("POST", "/_bulk%3f/_search")):
            got = ask(base + prefix + path, method, b'{"index":{"_index":"evil"}}\n{"a":1}\n')
            check(400 <= got.status < 500, f"{method} {prefix}{path}: {got.status}")
    got = ask(base + "/api/es/_search", "POST", {"query": {"match_all": {}}})
    same(200, got.status, got.text[:200])
    same(404, ask(whole.url("logs") + "/evil/_count").status, "nothing was written")
    same(404, ask(whole.url("logs") + "/evil_search/_count").status, "nothing was written")


def test_pages():
    """pages run under a strict policy and hold no text of the data"""
    whole = One.get()
    for role, path in (("dashboards", "/"), ("dashboards", "/d/markup/x"), ("metrics", "/query"),
                       ("explore", "/")):
        got = ask(whole.url(role) + path)
        same(200, got.status, role + path)
        policy = got.headers.get("Content-Security-Policy", "")
        has(policy, "default-src '(none|self)'")
        script = [part for part in policy.split(";") if part.strip().startswith("script-src")]
        check(not any("unsafe" in part for part in script), f"{role}: {policy}")
        check("'unsafe-eval'" not in policy, policy)
        has(policy, "frame-ancestors")
        same("nosniff", got.headers.get("X-Content-Type-Options"), role)
        check(MARKUP not in got.text and "onerror" not in got.text, f"{role}: markup in the page")


def test_markup():
    """labels, titles, log lines and queries with markup come back as JSON data only"""
    whole = One.get()
    got = ask(whole.url("dashboards") + "/api/search")
    has(got.headers["Content-Type"], "application/json")
    check(MARKUP in [one["title"] for one in got.json], "the title, whole")
    url = whole.url("metrics") + "/api/v1/query?query=" + "".join(f"%{b:02x}" for b in b"<script>alert(1)</script>")
    got = ask(url)
    same(400, got.status)
    has(got.headers["Content-Type"], "application/json")
    for path in ("/%3Cscript%3Ealert(1)%3C/script%3E", "/api/v1/label/%3Cb%3E/values"):
        for role in ROLES:
            got = ask(whole.url(role) + path)
            kind = got.headers.get("Content-Type", "")
            check("html" not in kind or "<script>alert" not in got.text, f"{role} {path}: {kind}")
            same("nosniff", got.headers.get("X-Content-Type-Options"), f"{role} {path}")
    line = json.dumps({"@timestamp": "2026-01-01T00:00:00.000Z", "message": MARKUP})
    write(os.path.join(whole.logs, "markup.json"), line + "\n")
    body = {"query": {"match": {"message": "onerror"}}}

    def found():
        got = ask(whole.url("logs") + "/filebeat-*/_search", "POST", body)
        return got if got.json["hits"]["total"]["value"] == 1 else None
    got = until(found, "the line", 10)
    same(MARKUP, got.json["hits"]["hits"][0]["_source"]["message"])
    has(got.headers["Content-Type"], "application/json")


def test_loopback():
    """all roles listen on the given loopback address only"""
    whole = One.get()
    pids = set(whole.processes())
    inodes = set()
    for pid in pids:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as file:
            for line in file.readlines()[1:]:
                words = line.split()
                if words[3] == "0A" and words[9] in inodes:
                    listening.append(words[1])
    packed = "".join(f"{int(part):02X}" for part in reversed(whole.host.split(".")))
    same(sorted(f"{packed}:{port:04X}" for port in PORTS.values()), sorted(listening), "listening sockets")


def test_files():
    """data folders, logs and the shared region cannot be read or changed by other users"""
    whole = One.get()
    for base, folders, files in os.walk(whole.data):
        for name in folders + files:
            mode = os.stat(os.path.join(base, name)).st_mode & 0o777
            check(mode & 0o022 == 0, f"{name} can be written by others: {mode:o}")
            check(mode & 0o004 == 0 or os.path.isdir(os.path.join(base, name)), f"{name}: {mode:o}")
    mode = os.stat(whole.env["BAROGRAPH_METRICS"]).st_mode & 0o777
    same(0, mode & 0o077, f"the region: {mode:o}")


def test_allowed_host():
    """--web.allowed-host lets a name in, and that name only"""
    need("metrics")
    config = write(os.path.join(folder("c"), "prometheus.yml"), "scrape_configs: []\n")
    role = Role("metrics", "--config.file", config, "--web.allowed-host=shop.example").ready()
    for name, wanted in (("shop.example", 200), ("SHOP.example:9090", 200), ("other.example", 421)):
        same(wanted, ask(role.url + "/-/healthy", headers={"Host": name}).status, name)
    role.stop()


run([test_host, test_origin, test_proxy, test_explore_proxy, test_pages, test_markup, test_loopback,
     test_files, test_allowed_host])
