#!/usr/bin/env python3
"""hostile_test.py PROGRAM [MEGABYTES] - what nobody should send: each gets a clear error or an answer, soon, and the
role goes on with memory that stays bounded. MEGABYTES is the size of the longest line: 20.
"""
import gzip, http.client, json, re, shutil, sys, tempfile, time
import logs_role
from logs_role import bulk

long_line = int(sys.argv[2]) if len(sys.argv) > 2 else 20
tap = logs_role.Tap()
expect = tap.expect
MIB = 1 << 20


def memory(role, name):
    with open(f"/proc/{role.process.pid}/status") as file:
        return int(re.search(name + r":\s+(\d+)", file.read())[1]) // 1024


def soon(role, name, want, method, path, body=None, headers=None, seconds=100):
    """The status is one of `want`, an error has a type and a reason, and it came in time."""
    start = time.monotonic()
    try:
        status, _, data = role.raw(method, path, body, headers)
    except (OSError, http.client.HTTPException) as error:
        status, data = type(error).__name__, b""
    took = time.monotonic() - start
    said = ""
    if status not in (200, 201) and data[:1] == b"{":
        error = json.loads(data).get("error")
        said = error if isinstance(error, str) else error.get("reason") if isinstance(error, dict) else ""
    if isinstance(status, str):
        said = status  # cut while it was still sending
    has_reason = status in (200, 201, 404, 413, 431) or bool(said) or data[:1] not in (b"", b"{")
    expect(name, (True, True, True), (status in want, took < seconds, has_reason))
    if status not in want or took >= seconds:
        print(f"# status {status} after {took:.1f} s: {said or data[:200]}")


def bodies(role):
    search = lambda name, body, want=(400,): soon(role, name, want, "POST", "/h/_search", body)
    search("10,000 brackets", "[" * 10000)
    search("10,000 objects", '{"query":' * 10000)
    nested = {"match_all": {}}
    for _ in range(100):
        nested = {"bool": {"must": [nested]}}
    search("100 bools", {"query": nested})
    search("20,000 clauses", {"query": {"bool": {"should": [{"term": {"a": "b"}}] * 20000}}})
    search("a key of a megabyte", {"query": {"term": {"k" * MIB: "v"}}}, (200,))
    search("not UTF-8", b'{"query":{"term":{"a":"\xff\xfe"}}}')
    search("NUL", b'{"query":{"term":{"a":"x\x00y"}}}')
    search("half a surrogate", b'{"query":{"term":{"a":"\\ud800"}}}', (200,))
    search("a number too large", b'{"size":1e999}')
    search("a size too large", {"size": 10**9})
    search("a size below nothing", {"size": -1})
    search("100 sort keys", {"sort": [f"f{i}" for i in range(100)]})
    search("a thousand fields wanted", {"fields": [f"f{i}*" for i in range(1000)]}, (200,))
    aggs = {"terms": {"field": "n"}}
    for _ in range(80):
        aggs = {"terms": {"field": "n"}, "aggs": {"a": aggs}}
    search("80 aggregations deep", {"aggs": {"a": aggs}})
    search("a bucket a millisecond for a century", {"size": 0, "aggs": {"a": {"date_histogram": {
        "field": "@timestamp", "fixed_interval": "1ms", "extended_bounds": {"min": 0, "max": 3 * 10**12}}}}})
    search("a histogram of steps too small", {"size": 0, "aggs": {"a": {"histogram": {
        "field": "n", "interval": 1e-9, "min_doc_count": 0}}}})
    search("a composite too large", {"aggs": {"a": {"composite": {"size": 10**9, "sources": [
        {"a": {"terms": {"field": "n"}}}]}}}})
    search("a script that nests", {"aggs": {"a": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d"},
           "aggs": {"s": {"bucket_script": {"buckets_path": {"c": "_count"}, "script": "(" * 5000 + "1"}}}}}})


def queries(role):
    string = lambda name, text, want=(200, 400): soon(
        role, name, want, "POST", "/h/_search", {"query": {"query_string": {"query": text}}})
    string("a million brackets", "(" * MIB, (400,))
    string("5,000 words", " ".join(f"w{i}" for i in range(5000)), (400,))
    for text in ['2x y"~2 OR z~', '"', "a /b", 'a "b', "f:[a TO", "\\", "a~", "^2"]:  # past crashes and their kin
        string(f"unclosed: {text}", text)
    string("a word of a megabyte", "x" * MIB)
    string("a megabyte of quotes", '"' * MIB)
    string("a megabyte of backslashes", "\\" * MIB)
    string("a megabyte of operators", "AND " * (MIB // 4), (400,))
    string("a phrase of 100,000 words", '"' + "a " * 100000 + '"')
    string("a wildcard of many stars", "message:" + "*a" * 500)
    for pattern in ["(a|a|aa)*b", "((a{1,100}){1,100}){1,100}", "(x+x+)+y", "~(~(~(.*)))&.*z", "(a&~(b|~(c&.*)))+",
                    "(.*)*(.*)*(.*)*c", "[a-", "(" * 2000, "a{1000}{1000}{1000}", "<1-99999999999999999999>", "a" * 100000]:
        soon(role, f"/{pattern[:30]}/", (200, 400), "POST", "/h/_search", {"query": {"regexp": {"message": pattern}}})
    string("a thousand large patterns", "/([a-z]{1,100}){1,9}/ " * 1000, (400,))
    kql = lambda name, text: soon(role, name, (400,), "POST", "/_barograph/kql", {"query": text})
    kql("KQL of brackets", "(" * 100000)
    kql("KQL of nots", "not " * 100000)
    kql("KQL of 5,000 clauses", " or ".join(f"a:{i}" for i in range(5000)))
    kql("KQL of braces", "a:{" * 10000)
    soon(role, "simple syntax of everything", (200, 400), "POST", "/h/_search", {"query": {"simple_query_string": {
        "query": "+-|\"*()~\\" * 10000}}})


def documents(role):
    def items(name, *lines, want):
        status, answer = role.call("POST", "/h/_bulk", b"\n".join(lines) + b"\n")
        got = [list(item.values())[0]["status"] for item in answer.get("items", [])] if status == 200 else status
        expect(name, want, got)
    action = b'{"index":{}}'
    items("NUL, not UTF-8, no object, twice the key", action, b'{"a":"x\x00"}', action, b'{"a":"\xff"}', action, b"[1]", action,
          b'{"a":1', action, b'{"a":1}', want=[400, 400, 400, 400, 201])
    items("200 deep", action, b'{"a":' * 200 + b"1" + b"}" * 200, want=[400])
    items("a key of a megabyte", action, b'{"' + b"k" * MIB + b'":1}', want=[201])
    items("a name beside an object's", action, b'{"b-c":1,"b":{"d":1},"b d.e":1}', want=[201])
    many = json.dumps({f"f{i}": i for i in range(20000)}).encode()
    items("20,000 fields are kept, not indexed all", action, many, want=[201])
    items("empty names and dots are kept", action, b'{"":1}', action, b'{"a..b":1}', action, b'{".":1}',
          want=[201, 201, 201])
    deep = lambda parts: json.dumps({".".join(["p"] * parts): 1}).encode()
    items("names of 21, 30 and 100 parts are kept", action, deep(21), action, deep(30), action, deep(100), want=[201] * 3)
    for name in ("p." * 29 + "p", "p..q", "p.", ""):
        soon(role, f"a mapping of the name {name[:5]}", (400,), "PUT", "/h/_mapping", {"properties": {name: {"type": "long"}}})
    soon(role, "a field with fields below it", (400,), "PUT", "/h/_mapping", {"properties": {
        "both": {"type": "long", "properties": {"p": {"type": "ip"}}}}})
    soon(role, "a field below a field", (400,), "PUT", "/h/_mapping", {"properties": {"n.below": {"type": "long"}}})
    off = {"properties": {"off": {"type": "object", "enabled": False, "properties": {"p": {"type": "long"}}}}}
    soon(role, "an object that is off", (200,), "PUT", "/off", {"mappings": off})
    soon(role, "the same once more", (200,), "PUT", "/off/_mapping", off)
    items("a name above 512 bytes", b'{"index":{"_id":"' + b"i" * 600 + b'"}}', b'{"a":1}', want=[400])
    words = " ".join(f"word{i}" for i in range(1000))
    for name, query in (("multi_match", {"multi_match": {"query": words, "fields": ["*"]}}),
                        ("phrase", {"multi_match": {"query": words, "fields": ["*"], "type": "phrase"}}),
                        ("query_string", {"query_string": {"query": words.replace(" ", "~2 ")}}),
                        ("kql", {"kql": {"query": " or ".join(f"f*: word{i}" for i in range(1000))}})):
        soon(role, f"{name} of 1,000 words over 10,000 fields", (200,), "POST", "/h/_search", {"query": query, "timeout": "300ms"}, seconds=4)
    soon(role, "an action line of garbage", (400,), "POST", "/_bulk", b"\x00\xff{}\n{}\n")
    soon(role, "an action of ten keys", (400,), "POST", "/_bulk", json.dumps({str(i): {} for i in range(10)}) + "\n{}\n")
    soon(role, f"a line of {long_line} MB", (200, 413), "POST", "/h/_bulk",
         action + b'\n{"message":"' + b"long line " * (long_line * MIB // 10) + b'"}\n')
    soon(role, "more than fits", (413, "ConnectionResetError", "BrokenPipeError"), "POST", "/h/_bulk", b"x" * (101 * MIB), seconds=100)
    bomb = gzip.compress(b"\0" * (300 * MIB), 9)
    soon(role, "a gzip bomb", (413, 400), "POST", "/h/_bulk", bomb, {"Content-Encoding": "gzip"}, seconds=100)
    soon(role, "broken gzip", (400,), "POST", "/h/_bulk", b"\x1f\x8b\x08broken", {"Content-Encoding": "gzip"})


def paths(role):
    soon(role, "a path of many pieces", (400,), "GET", "/" + "/".join("abcdefghijklmnop"))
    soon(role, "a NUL in the path", (400,), "GET", "/h%00/_search")
    soon(role, "an escape that is none", (400,), "GET", "/%zz/_search")
    soon(role, "dots", (400, 404), "GET", "/../../etc/passwd")
    soon(role, "names that are none", (400,), "PUT", "/UPPER")
    soon(role, "a name too long", (400,), "PUT", "/" + "n" * 300)
    soon(role, "date math that is none", (400,), "PUT", "/%3Cx-%7Bnow%2Fq%7D%3E")
    soon(role, "a garbage scroll", (404,), "POST", "/_search/scroll", {"scroll_id": "x" * 10000})
    soon(role, "a garbage async search", (404,), "GET", "/_async_search/%2e%2e")
    soon(role, "a header of 60 KB", (431, 400, "ConnectionResetError", "BrokenPipeError", "RemoteDisconnected"), "GET", "/",
         None, {"X-Long": "x" * 60000})
    soon(role, "filter_path of stars", (200,), "GET", "/h/_search?filter_path=" + ",".join(["**.**.**.a"] * 60))
    soon(role, "2,000 searches in one", (200,), "POST", "/_msearch", '{"index":"h"}\n{"size":0}\n' * 2000)


folder = tempfile.mkdtemp(prefix="logs-hostile-")
try:
    role = logs_role.Role(sys.argv[1], folder)
    lines = [part for i in range(500) for part in ({"index": {"_index": "h"}}, {
        "@timestamp": 1700000000000 + i * 1000, "n": i * 1.5, "message": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa xxxxxxxxxxxxxxxxx " + str(i)})]
    role.call("POST", "/_bulk", bulk(*lines))
    bodies(role)
    queries(role)
    paths(role)
    small = memory(role, "VmHWM")
    documents(role)
    large = memory(role, "VmHWM")
    print(f"# at most {small} MiB for bodies, queries and paths, {large} MiB with a line of {long_line} MB")
    expect("memory stays bounded", (True, True), (small < 700, large < 1600))
    expect("it goes on", 200, role.call("GET", "/h/_search")[0])
    role.stop()
    expect("and ends well", 0, role.process.returncode)
    role.start()
    properties = role.call("GET", "/h/_mapping")[1]["h"]["mappings"]["properties"]
    expect("and starts again with all names", (200, {"d": {"type": "long"}}, {"type": "long"}), (
        role.call("GET", "/h/_search")[0], properties["b"]["properties"], properties["b-c"]))
    expect("and with what was off", False, role.call("GET", "/off/_mapping")[1]["off"]["mappings"]["properties"]["off"]["enabled"])
    role.stop()
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(tap.end())
