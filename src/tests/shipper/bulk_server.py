"""bulk_server.py - a stand-in for an output: takes _bulk, and misbehaves when told to."""
import http.server
import json
import threading


class Bulk:
    """What was delivered, and how to answer. Owned by all threads; lock guards everything."""

    def __init__(self, port):
        self.lock = threading.Lock()
        self.documents = []  # taken, in order
        self.actions = []
        self.requests = []  # documents of each request
        self.misbehave = None  # function(bulk, count) -> None, or (status, body), or statuses
        self.answer_root = (200, {"version": {"number": "7.17.18"}})
        self.server = None
        self.port = port

    def start(self):
        bulk = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *unused):
                pass

            def answer(self, status, body):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                self.answer(*bulk.answer_root)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip
                    body = gzip.decompress(body)
                status, answer = bulk.take(body)
                if status == 0:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.answer(status, answer)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *unused):
                pass  # a peer that was killed

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.server = None

    def take(self, body):
        lines = body.decode("utf-8").split("\n")
        assert lines[-1] == "", "a bulk body ends with a newline"
        lines = lines[:-1]
        actions = [json.loads(line) for line in lines[0::2]]
        documents = [json.loads(line) for line in lines[1::2]]
        with self.lock:
            self.requests.append(len(documents))
            statuses = [201] * len(documents)
            if self.misbehave is not None:
                result = self.misbehave(self, documents)
                if isinstance(result, tuple):
                    return result
                if result is not None:
                    statuses = result
            items = []
            for action, document, status in zip(actions, documents, statuses):
                item = {"_index": action["create"]["_index"], "status": status}
                if status >= 300 and status != 409:
                    item["error"] = {"type": "some_exception", "reason": "told to"}
                else:
                    self.documents.append(document)
                    self.actions.append(action["create"])
                items.append({"create": item})
            return 200, {"took": 1, "errors": any(s >= 300 for s in statuses), "items": items}

    def messages(self):
        with self.lock:
            return [document.get("message") for document in self.documents]
