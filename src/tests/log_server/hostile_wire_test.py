#!/usr/bin/env python3
"""hostile_wire_test.py PROGRAM [MEGABYTES] - what no server should be sent: bodies that are too long, too many, never
end or say another length than they have, packed ones that lie, heads that are none. Each gets an error in Elasticsearch's
shape where an answer is possible, others are served meanwhile, and memory stays bounded. MEGABYTES is the longest line
and the largest body, 100, as http.max_content_length of Elasticsearch.
"""
import concurrent.futures, gzip, json, os, re, shutil, socket, sys, tempfile, threading, time, zlib
import logs_role
from hostile_bodies_test import error_of

tap = logs_role.Tap()
expect = tap.expect
MIB = 1 << 20
SIZE = (int(sys.argv[2]) if len(sys.argv) > 2 else 100) * MIB
# A line as long as a body may be is held as it came, parsed, in the buffer, in the log's record and as a segment:
# 407 to 492 MiB were measured with a line of 100. Bodies at once hold 256 MiB together (--http.max-content-in-flight).
LINE_MIB, CROWD_MIB = 700, 1200


class Prober(threading.Thread):
    """Somebody else, who searches and writes all the time."""

    def __init__(self, role):
        super().__init__(daemon=True)
        self.role, self.wrong, self.count, self.is_over = role, [], 0, False

    def run(self):
        while not self.is_over:
            for method, path, body in (("GET", "/other/_search?q=m:here", None), ("PUT", "/other/_doc/1", {"m": "here"}),
                                       ("GET", "/_cluster/health", None)):
                try:
                    status = self.role.raw(method, path, body)[0]
                except OSError as error:
                    status = type(error).__name__
                self.count += 1
                if status not in (200, 201):
                    self.wrong.append((method, path, status))
            time.sleep(0.02)


def memory(role, name):
    with open(f"/proc/{role.process.pid}/status") as file:
        return int(re.search(name + r":\s+(\d+)", file.read())[1]) // 1024


def forget_peak(role):
    with open(f"/proc/{role.process.pid}/clear_refs", "w") as file:
        file.write("5")


def bounded(role, name, most):
    peak = memory(role, "VmHWM")
    is_sanitized = memory(role, "VmSize") > 1 << 20
    print(f"# {name}: {peak} MiB at most")
    expect(f"{name}: memory stays below {most} MiB", True, peak < most or is_sanitized)
    forget_peak(role)


def head(path, *fields, method="POST"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode()


def talk(role, *pieces, ends=False, wait=30):
    """Sends the pieces as far as they are taken; all that comes back until the server hangs up, or its first answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", role.port), timeout=wait) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it does not read on; it may have answered all the same
        try:
            while True:
                got = connection.recv(65536)
                if not got:
                    break
                answer += got
                begin, _, rest = answer.partition(b"\r\n\r\n")
                length = re.search(rb"Content-Length: (\d+)", begin)
                if length and len(rest) >= int(length[1]):
                    break
        except OSError:
            pass
    return answer


def check(name, answer, want, names=""):
    """The status, and for what the server itself understands an error in Elasticsearch's shape."""
    begin, _, body = answer.partition(b"\r\n\r\n")
    status = int(begin[9:12]) if begin.startswith(b"HTTP/1.1 ") else 0
    is_ours = b"<html>" not in body  # what is no HTTP the library below answers by itself
    wrong, reason = error_of(status, body) if status >= 400 and body and is_ours else (None, "")
    has_name = status < 400 or not body or not is_ours or b"x-elastic-product" in begin.lower()
    fits = re.search(names, reason, re.I) is not None if names else True
    expect(name, (True, None, True, True), (status in want, wrong, has_name, fits))
    if status not in want or wrong or not fits:
        print(f"# {answer[:300]}")


def framing(role):
    ask = lambda name, data, want, names="", **how: check(name, talk(role, data, **how), want, names)
    ask("a length that is none", head("/_bulk", "Content-Length: 12x") + b"{}", (400,))
    ask("a length below nothing", head("/_bulk", "Content-Length: -5") + b"{}", (400,))
    ask("a length beyond all numbers", head("/_bulk", "Content-Length: " + "9" * 40) + b"{}", (400, 413))
    ask("two lengths", head("/_bulk", "Content-Length: 2", "Content-Length: 3") + b"{}\n", (400,), "length")
    ask("a length and chunks", head("/_bulk", "Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n", (400,), "length")
    ask("another transfer encoding", head("/_bulk", "Transfer-Encoding: gzip") + b"x", (501,), "chunked")
    ask("a body that ends early", head("/_bulk", "Content-Length: 100") + b"{}", (0, 400, 408), ends=True)
    before = role.call("GET", "/smuggled/_count")[0]
    body = b'{"index":{"_index":"smuggled"}}\n{"a":1}\n'
    talk(role, head("/_search", "Content-Length: 2") + b"{}" + b"POST /_bulk HTTP/1.1\r\nHost: evil.example\r\nContent-Length: "
         + str(len(body)).encode() + b"\r\n\r\n" + body, ends=True, wait=3)
    expect("what comes behind a body is a request of its own, asked as strictly", (404, 404), (
        before, role.call("GET", "/smuggled/_count")[0]))
    for name, chunk in (("no size", b"\r\n"), ("a size that is none", b"zz\r\nabc"), ("a size beyond all", b"F" * 17 + b"\r\nabc"),
                        ("a size below nothing", b"-1\r\nabc"), ("a chunk without its end", b"3\r\nabcdef\r\n")):
        ask(f"chunks: {name}", head("/_bulk", "Transfer-Encoding: chunked") + chunk, (0, 400, 413), ends=True)
    ask("chunks with a megabyte of extension", head("/_bulk", "Transfer-Encoding: chunked") + b"3;" + b"x" * MIB + b"\r\n{}\n\r\n0\r\n\r\n",
        (0, 200, 400, 413, 431, 500), ends=True)
    ask("an answer before the body is sent", head("/_bulk", "Expect: 100-continue", f"Content-Length: {SIZE * 10}"), (413,), str(SIZE))
    ask("a body of ten gigabytes", head("/_bulk", "Content-Length: 10000000000"), (413,), str(SIZE))
    for name, data in (("a greeting of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 300 + b"\r\n\r\n"),
                       ("zeros", b"\0" * 5000 + b"\r\n\r\n"), ("a line of a megabyte", b"A" * MIB + b"\r\n\r\n"),
                       ("HTTP of another kind", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n"), ("no version", b"GET /\r\n\r\n"),
                       ("a NUL in the head", b"GET / HTTP/1.1\r\nHost: local\0host\r\n\r\n")):
        ask(f"no request: {name}", data, (0, 200, 400, 414, 421, 431, 505), ends=True)
    ask("10,000 headers", head("/", *[f"X-{i}: {i}" for i in range(10000)], method="GET"), (0, 431))
    ask("a path of a megabyte", head("/" + "a" * MIB, method="GET"), (0, 414, 431))
    ask("a query of 5,000 parameters", head("/_search?" + "&".join(f"a{i}=1" for i in range(5000)), method="GET"), (0, 400, 431, 414))
    ask("another's name", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", (421,), "Host")
    pipelined = talk(role, head("/_cluster/health", method="GET") * 200 + head("/", "Connection: close", method="GET"))
    expect("200 requests in one go", True, b"HTTP/1.1 200" in pipelined)


def packed(role):
    send = lambda name, body, want, names="", **more: check(name, talk(role, head("/z/_bulk", "Content-Encoding: gzip",
        f"Content-Length: {len(body)}", *more.get("fields", ())), body), want, names)
    lines = b'{"index":{}}\n{"a":1}\n'
    send("two members are one body", gzip.compress(lines) + gzip.compress(lines), (200,))
    send("10,000 empty members", gzip.compress(b"") * 10000 + gzip.compress(lines), (200,))
    whole = gzip.compress(lines)
    send("a size that lies", whole[:-4] + b"\xff\xff\xff\x7f", (200, 400))
    send("a checksum that lies", whole[:-8] + b"abcd" + whole[-4:], (400,), "gzip")
    send("cut short", whole[:-9], (400,), "gzip")
    send("packed twice", gzip.compress(whole), (400,), ".")
    bomb = gzip.compress(b"\n" * SIZE + b"\n" * 10, 9)
    send("one byte too many inside", bomb, (413,), str(SIZE))
    send("a bomb in many members", gzip.compress(b"\n" * MIB, 9) * (SIZE // MIB + 1), (413,), str(SIZE))
    flate = zlib.compressobj(9, zlib.DEFLATED, 31)
    member = flate.compress(b"\0" * SIZE) + flate.flush(zlib.Z_FULL_FLUSH)
    send("a bomb that has no end", member, (400, 413), ".")
    check("an encoding that is not known", talk(role, head("/z/_bulk", "Content-Encoding: br", "Content-Length: 2"), b"{}"), (415,), "br")


def lines(role):
    """The longest line there can be, as Elasticsearch's http.max_content_length allows it."""
    for kind, path, begin in (("_bulk", "/long/_bulk", b'{"index":{"_id":"%d"}}\n{"message":"'), ("_doc", "/long/_doc/%d", b'{"message":"')):
        for is_packed in (False, True):
            number = 2 * (kind == "_doc") + is_packed
            start, end = begin % number if b"%d" in begin else begin, b'"}\n'
            room = SIZE - len(start) - len(end)
            body = start + (b"long line " * (room // 10 + 1))[:room] + end
            for more in (0, 1):
                data = body if more == 0 else body[:-3] + b"x" + end
                headers = {"Content-Encoding": "gzip"} if is_packed else {}
                data = gzip.compress(data, 1) if is_packed else data
                status, _, answer = role.raw("POST", path.replace("%d", str(number)), data, headers)
                name = f"{kind}{', packed' if is_packed else ''}: {SIZE}{' + 1' if more else ''} bytes"
                if more:
                    expect(name, (413, None), (status, error_of(status, answer)[0]))
                else:
                    item = json.loads(answer).get("items", [{"index": {"status": status}}])[0]["index"]["status"]
                    expect(name, 201, item)
            del body, data
            bounded(role, name, LINE_MIB)
            status, _, answer = role.raw("GET", f"/long/_source/{number}")
            expect("and comes back whole", (200, room), (status, len(answer) - len(b'{"message":""}')))
            answer = None
            bounded(role, "reading it", LINE_MIB)
    expect("its words are found", 4, role.call("POST", "/long/_count", {"query": {"match": {"message": "line"}}})[1]["count"])
    expect("updated", 200, role.call("POST", "/long/_update/0", {"doc": {"n": 1}})[0])
    bounded(role, "updating it", 900)


def many(role):
    """Large bodies at once: each is taken or told to come again; and what fits a request but not its answer."""
    body = b'{"index":{"_index":"crowd"}}\n{"m":"' + b"x" * (SIZE * 6 // 10) + b'"}\n'

    def send(_):
        status, _, answer = role.raw("POST", "/_bulk", body)
        wrong, reason = error_of(status, answer) if status != 200 else (None, "")
        return status, wrong, json.loads(answer)["items"][0]["index"]["status"] if status == 200 else "on their way" in reason

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(send, range(24)))
    taken = sum(answer == (200, None, 201) for answer in answers)
    expect("24 large bodies from 12 clients: taken, or 429", (True, True), (taken > 0, all(
        answer in ((200, None, 201), (429, None, True)) for answer in answers)))
    print(f"# {taken} of 24 taken at once")
    expect("what was taken is there, and nothing else", taken, role.call("GET", "/crowd/_count")[1]["count"])
    bounded(role, "many large bodies", CROWD_MIB)
    for name, line in (("empty documents", b'{"index":{}}\n{}\n'), ("deletes", b'{"delete":{"_id":"1"}}\n')):
        status, _, answer = role.raw("POST", "/tiny/_bulk", line * (SIZE // len(line)))
        expect(f"a body of {name}", (413, None), (status, error_of(status, answer)[0]))
    expect("of which none was written", 404, role.call("GET", "/tiny/_count")[0])
    bounded(role, "millions of items", LINE_MIB)
    role.call("PUT", "/u/_doc/1", {"m": "x" * MIB})
    pairs = b"".join(b'{"update":{"_index":"u","_id":"1"}}\n{"doc":{"n":%d}}\n' % i for i in range(60))
    expect("60 updates of a megabyte", [200] * 60, [i["update"]["status"] for i in role.call("POST", "/_bulk", pairs)[1]["items"]])
    pairs = pairs.replace(b"}}\n{\"update", b'},"doc_as_upsert":true}\n{"update')
    expect("and upserts", {200}, {i["update"]["status"] for i in role.call("POST", "/_bulk", pairs)[1]["items"]})
    status, _, answer = role.raw("POST", "/_mget", {"docs": [{"_index": "long", "_id": str(i % 4)} for i in range(8)]})
    expect("an answer too large", (400, None, True), (status, error_of(status, answer)[0], b"larger than" in answer))
    answer = role.call("POST", "/_mget", {"docs": [{"_index": "nope", "_id": "1"}, {"_index": "u", "_id": "1"}, {"_index": "u", "_id": "2"}]})[1]["docs"]
    expect("_mget: no index, found, not found", ("index_not_found_exception", True, False), (
        answer[0]["error"]["type"], answer[1]["found"], answer[2]["found"]))
    bounded(role, "many documents", 900)


def endless(role):
    chunk = b"%x\r\n" % 65536 + b"\n" * 65536 + b"\r\n"
    answer = talk(role, head("/_bulk", "Transfer-Encoding: chunked"), *[chunk] * (SIZE // 65536 + 2), b"0\r\n\r\n")
    check("chunks without end", answer, (413,), str(SIZE))
    answer = talk(role, head("/_bulk", "Transfer-Encoding: chunked"), *[chunk] * (SIZE * 12 // 65536))
    expect("and with no end at all: cut", True, answer == b"" or b" 413 " in answer[:20])
    bounded(role, "chunks without end", LINE_MIB)
    # Many who send a part of a body and then nothing: they are told, and let go.
    stalled = []
    for i in range(100):
        connection = socket.create_connection(("127.0.0.1", role.port), timeout=30)
        connection.sendall(head("/_bulk", "Content-Length: 1000000") + b"{" * 1000 if i % 2 else b"POST /_bulk HTTP/1.1\r\nHost: local")
        stalled.append(connection)
    ends = [connection.recv(100)[:12] for connection in stalled]
    expect("100 that fall silent", {b"", b"HTTP/1.1 408"}, set(ends))
    for connection in stalled:
        connection.close()
    bounded(role, "silence", LINE_MIB)


def short_of_memory(folder):
    """Back-pressure: each item gets 429, nothing is cut, and it is over when the memory is back."""
    role = logs_role.Role(sys.argv[1], folder, "--memory.max", "1MB")
    body = b'{"create":{"_index":"s"}}\n{"a":1}\n' * 3
    status, answer = role.call("POST", "/_bulk", body)
    items = [item["create"] for item in answer["items"]]
    expect("short of memory: 429 an item, with a reason", (200, True, [429] * 3, {"es_rejected_execution_exception"}, True), (
        status, answer["errors"], [item["status"] for item in items], {item["error"]["type"] for item in items},
        "--memory.max" in items[0]["error"]["reason"]))
    status, _, answer = role.raw("POST", "/_bulk?filter_path=errors,items.*.status", body)
    expect("as shippers ask", b'{"errors":true,"items":[' + b",".join([b'{"create":{"status":429}}'] * 3) + b"]}", answer)
    for method, path in (("PUT", "/s/_doc/1"), ("GET", "/_search"), ("POST", "/s/_update/1")):
        status, _, answer = role.raw(method, path, {})
        expect(f"{method} {path}", (429, None), (status, error_of(status, answer)[0]))
    expect("what costs nothing goes on", (200, 200), (role.call("GET", "/")[0], role.call("GET", "/_cluster/health")[0]))
    role.stop()
    role = logs_role.Role(sys.argv[1], folder)
    expect("with memory again", [201] * 3, [i["create"]["status"] for i in role.call("POST", "/_bulk", body)[1]["items"]])
    role.stop()


if __name__ == "__main__":
    os.environ.pop("MALLOC_PERTURB_", None)  # which meson sets: it writes into memory that nobody else would touch
    folder = tempfile.mkdtemp(prefix="logs-wire-")
    try:
        role = logs_role.Role(sys.argv[1], folder + "/a")
        role.call("PUT", "/other/_doc/1", {"m": "here"})
        prober = Prober(role)
        prober.start()
        for part in (framing, packed, lines, many, endless):
            part(role)
        prober.is_over = True
        prober.join()
        expect("others were served meanwhile", (True, []), (prober.count > 10, prober.wrong[:5]))
        print(f"# {prober.count} requests of somebody else")
        role.stop()
        expect("it ends well", 0, role.process.returncode)
        role.start()
        expect("and has all", (4, "here"), (role.call("GET", "/long/_count")[1]["count"], role.call("GET", "/other/_doc/1")[1]["_source"]["m"]))
        role.stop()
        short_of_memory(folder + "/b")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(tap.end())
