#!/usr/bin/env python3
"""foreign_test.py BAROGRAPH - `barograph search` and `tail` against servers that are not ours: a stand-in that answers as
Elasticsearch 6, 7 and 8 and OpenSearch do, in shapes recorded in their documentation, and that takes nothing those would
refuse: each key of a request is held against what their parsers know.
"""
import base64, http.server, json, os, pty, re, select, shutil, ssl, subprocess, sys, tempfile, threading, time
import urllib.parse
import logs_role

barograph = os.path.abspath(sys.argv[1])
tap = logs_role.Tap()
expect = tap.expect

# What the parsers of the real ones know, of what a request of ours may have; a function checks a value.
INT, BOOL, TEXT = (lambda v: type(v) is int), (lambda v: type(v) is bool), (lambda v: type(v) is str)
FILTERS = {
    "range": {"@timestamp": {"gte": INT, "lte": INT, "format": lambda v: v == "epoch_millis"}},
    "query_string": {"query": TEXT, "lenient": BOOL},
    "kql": {"query": TEXT},
}
KNOWN = {
    "size": lambda v: INT(v) and 0 <= v <= 10000, "from": lambda v: INT(v) and v >= 0, "track_total_hits": BOOL,
    "sort": lambda v: v in ([{"@timestamp": {"order": order, "unmapped_type": "date"}}] for order in ("asc", "desc")),
    "query": {"bool": {"filter": [FILTERS]}},
    "aggs": {"bars": {"date_histogram": {"field": TEXT, "fixed_interval": lambda v: re.fullmatch(r"[1-9]\d*ms", v), "min_doc_count": INT,
                                         "format": TEXT, "extended_bounds": {"min": INT, "max": INT}},
                      "aggs": {"bad": {"filter": {"query_string": FILTERS["query_string"]}}}}},
}


def misfit(value, known, path=""):
    """The path of what is not known; None: all is."""
    if callable(known):
        return None if known(value) else path
    if isinstance(known, list):
        return path if not isinstance(value, list) else next((m for m in (misfit(v, known[0], path + "[]") for v in value) if m), None)
    if not isinstance(value, dict):
        return path
    return next((m for k, v in value.items() for m in [misfit(v, known[k], f"{path}.{k}") if k in known else f"{path}.{k}"] if m), None)


def error(status, kind, reason, **more):
    cause = {"type": kind, "reason": reason, **more}
    return status, json.dumps({"error": {"root_cause": [cause], **cause}, "status": status})


class Foreign(http.server.ThreadingHTTPServer):
    """`flavor`: "6.8", "7.17", "8.11", "opensearch". `refusal`: a function of a request, or None, that answers instead."""
    daemon_threads = True

    def __init__(self, flavor, documents=(), refusal=None, tls=None):
        super().__init__(("127.0.0.1", 0), Answer)
        self.flavor, self.documents, self.refusal = flavor, list(documents), refusal
        self.requests, self.odd, self.nanoseconds, self.shards, self.timed_out = [], [], False, None, False
        self.scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def handle_error(self, request, client_address):
        pass  # a client that does not trust us hangs up

    def url(self, host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.server_address[1]}"

    def search(self, body):
        bounds = next((f["range"]["@timestamp"] for f in body["query"]["bool"]["filter"] if "range" in f), {})
        words = next((f["query_string"]["query"] for f in body["query"]["bool"]["filter"] if "query_string" in f), "")
        fits = [d for d in self.documents if bounds.get("gte", 0) <= d[1] <= bounds.get("lte", 1 << 62) and words in d[3]["message"]]
        fits.sort(key=lambda d: d[1], reverse=body["sort"][0]["@timestamp"]["order"] == "desc")
        first = body.get("from", 0)
        shown = fits[first:first + body["size"]]
        total = len(fits)
        value = total if body["track_total_hits"] else 0
        hits = {"total": value if self.flavor == "6.8" else {"value": value, "relation": "eq"}, "max_score": None, "hits": [
            {"_index": index, "_id": name, "_score": None, "_source": source, "sort": [at * 1000000 if self.nanoseconds else at],
             **({"_type": "_doc"} if self.flavor in ("6.8", "7.17") else {})} for index, at, name, source in shown]}
        if not body["track_total_hits"]:
            del hits["total"]
        answer = {"took": 1, "timed_out": self.timed_out, "_shards": self.shards or {
            "total": 3, "successful": 3, "skipped": 0, "failed": 0}, "hits": hits}
        if "aggs" in body:
            bars = body["aggs"]["bars"]["date_histogram"]
            step, low, high = int(bars["fixed_interval"][:-2]), bars["extended_bounds"]["min"], bars["extended_bounds"]["max"]
            answer["aggregations"] = {"bars": {"buckets": [{"key_as_string": str(at), "key": at, "doc_count": sum(
                at <= d[1] < at + step for d in fits), "bad": {"doc_count": 0}} for at in range(low // step * step, high + 1, step)]}}
        return 200, json.dumps(answer)


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        server = self.server
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        parts = urllib.parse.urlsplit(self.path)
        path, parameters = parts.path.split("/"), urllib.parse.parse_qsl(parts.query)
        body = json.loads(raw)
        server.requests.append((self.path, dict(self.headers), body))
        odd = misfit(body, KNOWN)
        if len(path) != 3 or path[2] != "_search" or parameters or odd or self.headers["Content-Type"] != "application/json":
            server.odd.append((self.path, odd))
            return error(400, "parsing_exception", f"unknown key [{odd}]", line=1, col=1)
        refused = server.refusal(self) if server.refusal else None
        if refused:
            return refused
        if any("kql" in f for f in body["query"]["bool"]["filter"]):
            return error(400, "parsing_exception", "unknown query [kql] did you mean [knn]?", line=1, col=100)
        return server.search(body)

    def do_POST(self):
        status, text, *more = self.answer()
        data = text.encode()
        self.send_response(status)
        is_json = data[:1] == b"{"
        self.send_header("Content-Type", "application/json; charset=UTF-8" if is_json else "text/html")
        if self.server.flavor in ("7.17", "8.11"):
            self.send_header("X-elastic-product", "Elasticsearch")
        for name, value in more:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def line(at, text, index="logs", name=None, **more):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at / 1000)) + f".{int(at) % 1000:03}Z"
    return index, int(at), name or f"{index}{text}", {"@timestamp": stamp, "message": text, "log": {"level": "info"}, **more}


def now():
    return time.time() * 1000


def run(url, *words, command="search", env=None):
    done = subprocess.run([barograph, command, *words, "--url", url], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def messages(out):
    return [text.split(" ", 2)[-1].strip() for text in out.splitlines()]


def flavors():
    for flavor in ("6.8", "7.17", "8.11", "opensearch"):
        server = Foreign(flavor, [line(now() - 60000 * i, f"line {i}") for i in range(5)] + [line(now() - 9e6, "old line")])
        code, out, err = run(server.url(), "line")
        expect(f"{flavor}: lines and bars", (0, "", 6, True), (code, err, len(out.splitlines()), "5 lines" in out.splitlines()[-1]))
        expect(f"{flavor}: oldest first", ["line 4", "line 3", "line 2", "line 1", "line 0"],
               [text[text.index("line"):] for text in out.splitlines()[:-1]])
        code, out, err = run(server.url() + "///", "nothing like it", "--index", "logs-*,.ds-a,<x-{now/d}>")
        expect(f"{flavor}: nothing found is no error", (0, "", ""), (code, out, err))
        expect(f"{flavor}: names of indices in one piece of the path", "/logs-*,.ds-a,%3Cx-%7Bnow%2Fd%7D%3E/_search", server.requests[-1][0])
        expect(f"{flavor}: is asked nothing that it does not know", [], server.odd)
    code, out, err = run(server.url().replace("http://", ""))
    expect("an address without a scheme", 0, code)


def refusals():
    def says(name, refusal, want, *words, code=1):
        server = Foreign("8.11", [], refusal)
        got = run(server.url(), *words)
        expect(name, (code, "", True), (got[0], got[1], all(w in got[2] for w in want)))
        if not all(w in got[2] for w in want):
            print(f"# {got[2]!r}")
        return server
    says("Elasticsearch asks who it is", lambda r: (*error(401, "security_exception", "missing authentication credentials for REST request [/*/_search]"),
         ("WWW-Authenticate", 'Basic realm="security" charset="UTF-8"')), ["401", "missing authentication credentials", "--user"])
    says("OpenSearch asks who it is", lambda r: (401, "Unauthorized"), ["401", "--api-key"])
    says("who may not", lambda r: error(403, "security_exception", "action [indices:data/read/search] is unauthorized for user [joe]"), ["403", "joe"])
    says("no such index", lambda r: error(404, "index_not_found_exception", "no such index [nope]", index="nope"), ["404", "no such index [nope]"], "--index", "nope")
    says("too busy", lambda r: error(429, "circuit_breaking_exception", "[parent] Data too large, data for [<http_request>] would be"), ["429", "Data too large"])
    says("an error that is a text", lambda r: (400, '{"error":"no handler found for uri [/*/_search] and method [POST]","status":400}'), ["no handler found"])
    says("a proxy", lambda r: (502, "<html>Bad Gateway</html>"), ["502", "no JSON"])
    says("a page instead of a search", lambda r: (200, "<html>Kibana</html>"), ["no JSON"])
    says("another server", lambda r: (200, '{"status":"success","data":{}}'), ["is --url an Elasticsearch?"])
    says("somewhere else", lambda r: (301, "", ("Location", "https://x/")), ["301"])
    says("KQL where there is none", None, ["unknown query [kql]", "8.16"], "level:error", "--kql")
    server = Foreign("8.11", [line(now() - 1000, "hello")])
    server.shards = {"total": 5, "successful": 4, "skipped": 0, "failed": 1, "failures": [{"shard": 2, "index": "b", "node": "n", "reason": {
        "type": "query_shard_exception", "reason": "Cannot search on field [x] since it is not indexed."}}]}
    code, out, err = run(server.url(), "--no-histogram")
    expect("a shard that failed: its lines may be missing", (1, ["hello"], True, True), (
        code, messages(out), "1 of 5 shards failed" in err, "[x]" in err))
    server.shards, server.timed_out = None, True
    code, out, err = run(server.url(), "--no-histogram")
    expect("a time that ran out", (1, ["hello"], True), (code, messages(out), "timed out" in err))


def credentials():
    def knows(wanted):
        return lambda r: None if r.headers["Authorization"] == wanted else error(401, "security_exception", "unable to authenticate")
    basic = "Basic " + base64.b64encode(b"elastic:s:ecret").decode()
    expect("a user, a colon in the password", 0, run(Foreign("8.11", [], knows(basic)).url(), "--user", "elastic:s:ecret")[0])
    expect("another", 1, run(Foreign("8.11", [], knows(basic)).url(), "--user", "elastic:other")[0])
    key = "ApiKey " + base64.b64encode(b"id:key").decode()
    for given in ("id:key", key[7:]):
        expect(f"an API key, {given}", 0, run(Foreign("8.11", [], knows(key)).url(), "--api-key", given)[0])
    expect("both", 2, run("http://127.0.0.1:1", "--api-key", "a", "--user", "b:c")[0])


def encrypted(folder):
    files = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]
    made = shutil.which("openssl") and subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1]], capture_output=True).returncode == 0
    if not made:
        print("# TLS needs openssl to make a certificate")
        return
    server = Foreign("8.11", [line(now() - 1000, "secret")], tls=files)
    url = server.url("localhost")
    code, out, err = run(url)
    expect("a certificate that nobody vouches for", (1, "", True), (code, out, "certificate" in err.lower()))
    if "certificate" not in err.lower():
        print(f"# {err!r}")
    expect("its authority named", ["secret"], messages(run(url, "--cacert", files[0], "--no-histogram")[1]))
    expect("unchecked", ["secret"], messages(run(url, "--insecure", "--no-histogram")[1]))
    expect("another name than the certificate's", 1, run(server.url(), "--cacert", files[0])[0])
    code, out, err = run(url, "--cacert", folder + "/none.pem")
    expect("an authority that is not there", (1, True), (code, err != ""))
    expect("spoken to without TLS", 1, run(url.replace("https", "http"))[0])


def times():
    server = Foreign("7.17")
    bounds = lambda *words: (run(server.url(), *words)[0], server.requests[-1][2]["query"]["bool"]["filter"][0]["range"]["@timestamp"])[1]
    for text, seconds in (("90s", 90), ("1h30m", 5400), ("7d", 604800), ("500ms", 0.5)):
        ago = now() - bounds("--since", text)["gte"]
        expect(f"--since {text}", True, abs(ago - seconds * 1000) < 30000)
    expect("a day", 1707350400000, bounds("--since", "2024-02-08")["gte"])
    expect("a time with its zone", 1707382800000, bounds("--since", "2024-02-08T10:00:00+01:00")["gte"])
    expect("up to the end of a day", (1707350400000, 1707436799999), tuple(
        bounds("--since", "2024-02-08", "--until", "2024-02-08")[key] for key in ("gte", "lte")))
    bars = server.requests[-1][2]["aggs"]["bars"]["date_histogram"]["extended_bounds"]
    expect("and its bars", {"min": 1707350400000, "max": 1707436799999}, bars)
    for words in (("--since", "yesterday"), ("--since", ""), ("--since", "2024-13-01"), ("--until", "x"), ("--since", "1h", "--until", "2h"),
                  ("--limit", "0"), ("--limit", "10001"), ("--color", "pink"), ("a", "b"), ("--nope",), ("--follow", "--until", "1m")):
        code, out, err = run(server.url(), *words)
        expect(" ".join(words), (2, "", 1), (code, out, len(err.splitlines())))
    expect("the newest so many", 7, (run(server.url(), "--limit", "7"), server.requests[-1][2]["size"])[1])
    run(server.url(), "--json")
    expect("no bars are asked for where none are shown", False, "aggs" in server.requests[-1][2])


def on_terminal(url, *words, env=None):
    parent, child = pty.openpty()
    process = subprocess.Popen([barograph, "search", *words, "--url", url], stdout=child, stderr=subprocess.PIPE,
                               env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, **(env or {})})
    os.close(child)
    out = b""
    while select.select([parent], [], [], 10)[0]:
        try:
            got = os.read(parent, 65536)
        except OSError:
            break
        if not got:
            break
        out += got
    process.communicate(timeout=10)
    os.close(parent)
    return b"\033[" in out


def colors():
    url = Foreign("8.11", [line(now() - 1000, "hello", log={"level": "error"})]).url()
    expect("colors: on a terminal, not with NO_COLOR, not when told", (True, False, True, False), (
        on_terminal(url), on_terminal(url, env={"NO_COLOR": "1"}), on_terminal(url, env={"NO_COLOR": ""}), on_terminal(url, "--color", "never")))
    expect("colors: not into a pipe, unless told", (False, True), ("\033" in run(url)[1], "\033" in run(url, "--color", "always")[1]))


def tail_of(server, *words):
    return subprocess.Popen([barograph, "tail", "--every", "50ms", "--url", server.url(), *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, bufsize=1)


def follow():
    for flavor, nanoseconds in (("8.11", False), ("opensearch", True)):
        start = now()
        server = Foreign(flavor, [line(start - 100 * i, f"before {i}") for i in range(30)])
        server.nanoseconds = nanoseconds
        process = tail_of(server, "--limit", "3")
        read = lambda count: [process.stdout.readline().strip().split(" ", 2)[-1].strip() for _ in range(count)]
        expect(f"{flavor}: the newest three", ["before 2", "before 1", "before 0"], read(3))
        time.sleep(0.3)  # it has followed by now, and shown nothing older
        # More at once than a request brings, many at the same time, and the same ids in another index.
        burst = [line(start + 200 + i // 500, f"burst {i}", name=f"same {i % 2000}", index="ab"[i // 2000]) for i in range(3500)]
        server.documents = server.documents + burst
        got = read(3500)
        expect(f"{flavor}: a burst, each line once", (3500, True), (len(set(got)), all(text.startswith("burst") for text in got)))
        server.documents = server.documents + [line(start - 3000, "late"), line(start + 2000, "next")]
        expect(f"{flavor}: a line that comes late", ["late", "next"], sorted(read(2)))
        server.refusal = lambda r: error(429, "es_rejected_execution_exception", "rejected execution of org.elasticsearch")
        time.sleep(0.3)
        server.documents = server.documents + [line(start + 3000, "after")]
        server.refusal = None
        expect(f"{flavor}: goes on when the server is less busy", ["after"], read(1))
        server.shards = {"total": 2, "successful": 1, "failed": 1, "failures": [{"reason": {"type": "x", "reason": "a shard is away"}}]}
        time.sleep(0.3)
        server.documents = server.documents + [line(start + 4000, "in part")]
        expect(f"{flavor}: and with a part of the shards", ["in part"], read(1))
        process.terminate()
        said = process.communicate(timeout=10)[1]
        expect(f"{flavor}: each is told of once", (1, 1, 1), (said.count("busy"), said.count("answers again"), said.count("a shard is away")))
        expect(f"{flavor}: asked nothing odd", [], server.odd)
    server = Foreign("8.11", [], lambda r: error(401, "security_exception", "missing authentication credentials"))
    process = tail_of(server)
    expect("following ends where it may not read", 1, process.wait(10))


folder = tempfile.mkdtemp(prefix="logs-foreign-")
try:
    flavors()
    refusals()
    credentials()
    encrypted(folder)
    times()
    colors()
    follow()
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(tap.end())
