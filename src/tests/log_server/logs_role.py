"""logs_role.py - for the tests of the role logs: a process of it on a free port, and TAP."""
import http.client, json, re, signal, subprocess, threading


class Tap:
    """Counts expectations and prints them."""

    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, name, want, got):
        number = self.passed + self.failed + 1
        if want == got:
            self.passed += 1
            print(f"ok {number} - {name}", flush=True)
        else:
            self.failed += 1
            print(f"not ok {number} - {name}\n# want {want!r}\n# got  {got!r}", flush=True)

    def end(self):
        print(f"1..{self.passed + self.failed}")
        return 1 if self.failed else 0


class Role:
    def __init__(self, program, folder, *flags):
        self.program = program if isinstance(program, list) else [program]
        self.folder, self.flags = folder, flags
        self.port = 0
        self.start()

    def start(self):
        listen = f"127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [*self.program, "--listen", listen, "--data", self.folder, "--log.format", "json", *self.flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line)
            found = re.search(r'"listen":"http://127.0.0.1:(\d+)', line)
            if found:
                self.port = int(found[1])
            if "role ready" in line:
                break
        self.reader = threading.Thread(target=self.lines.extend, args=(self.process.stdout,),
                                       daemon=True)
        self.reader.start()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(30)

    def said(self):
        self.reader.join(10)
        return "".join(self.lines)

    def raw(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        all_headers = {"Content-Type": "application/json"}
        all_headers.update(headers or {})
        connection.request(method, path, body, all_headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, response.headers, data

    def call(self, method, path, body=None, headers=None):
        status, _, data = self.raw(method, path, body, headers)
        return status, json.loads(data) if data else None

    def total(self, index, query):
        status, answer = self.call("POST", f"/{index}/_search", {"query": query})
        return answer["hits"]["total"]["value"] if status == 200 else answer["error"]["type"]


def bulk(*pairs):
    return "".join(json.dumps(part) + "\n" if not isinstance(part, str) else part + "\n"
                   for part in pairs)
