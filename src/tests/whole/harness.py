"""harness.py - what the end-to-end tests share: TAP, instances on addresses of their own, HTTP.

A test is a module with functions in a list; `run(tests)` numbers and runs them and prints TAP. The
first word of the command line is the executable. Each instance gets an address of 127.0.0.0/8, a
folder below the temporary one and a region of its own, so that tests disturb neither one another
nor a system that runs on the machine.
"""
import atexit
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
EXECUTABLE = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(ROOT, "build/barograph")
ROLES = ["dashboards", "driver", "logs", "metrics", "ship", "explore"]
PORTS = {"dashboards": 3000, "driver": 8081, "logs": 9200, "metrics": 9090, "ship": 5066,
         "explore": 5601, "up": 8080}

_processes = []
_folders = []
_kept, _kept_folders = [], []
_addresses = 0


# ---- TAP ----

class Skip(Exception):
    """What a test needs is missing here."""


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def same(wanted, got, text="values differ"):
    check(wanted == got, f"{text}: wanted {wanted!r}, got {got!r}")


def has(text, *parts):
    """Each part, a regular expression, is found in the text."""
    for part in parts:
        check(re.search(part, text), f"no /{part}/ in: {text[-1500:]}")


def note(text):
    print("# " + str(text).replace("\n", "\n# "), flush=True)


def run(tests):
    """Runs the functions, a line each; a docstring is the name. Ends the process."""
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        name = (test.__doc__ or test.__name__).strip().split("\n")[0]
        began = time.monotonic()
        try:
            test()
            line = f"ok {number} - {name}"
        except Skip as reason:
            line = f"ok {number} - {name} # SKIP {reason}"
        except Exception as problem:  # a test may fail in any way; the others still run
            failed += 1
            where = problem.__traceback__
            while where.tb_next is not None:
                where = where.tb_next
            line = f"not ok {number} - {name}"
            note(f"line {where.tb_lineno}: {type(problem).__name__}: {problem}")
        clean()
        note(f"{time.monotonic() - began:.1f} s")
        print(line, flush=True)
    sys.exit(1 if failed else 0)


# ---- what there is ----

def known_roles():
    text = subprocess.run([EXECUTABLE, "--help"], capture_output=True, text=True).stdout
    return [role for role in ROLES if re.search(rf"^  {role} ", text, re.M)]


def need(*roles):
    missing = [role for role in (roles or ROLES) if role not in known_roles()]
    if missing:
        raise Skip("not in this executable: " + ", ".join(missing))


def need_program(name):
    path = shutil.which(name)
    if path is None:
        raise Skip(f"no {name} on this machine")
    return path


# ---- folders, addresses, processes ----

def folder(name="f"):
    path = tempfile.mkdtemp(prefix=f"barograph-{name}-")
    _folders.append(path)
    return path


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def address():
    """A loopback address that no other process uses."""
    global _addresses
    _addresses += 1
    pid = os.getpid()
    return f"127.{64 + _addresses % 128}.{pid >> 8 & 255}.{pid % 254 + 1}"


def environment(**more):
    env = dict(os.environ, **more)
    env.setdefault("BAROGRAPH_METRICS", f"/dev/shm/barograph-whole-{os.getpid()}")
    return env


def start(words, **options):
    """A process of ours that is gone when the test is."""
    options.setdefault("env", environment())
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, **options)
    _processes.append(process)
    return process


def stop(process, timeout=20):
    """Asks it to end and gives its exit status."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"process {process.pid} does not stop within {timeout} s") from None


def keep():
    """What has been started and made until now stays for the next tests."""
    _kept.extend(_processes)
    _kept_folders.extend(_folders)
    _processes.clear()
    _folders.clear()


@atexit.register
def clean_all():
    _processes.extend(_kept)
    _folders.extend(_kept_folders)
    clean()


def clean():
    for process in _processes:
        if process.poll() is None:
            process.terminate()
    for process in _processes:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _processes.clear()
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)
    region = environment()["BAROGRAPH_METRICS"]
    if "whole" in region and os.path.exists(region):
        os.remove(region)


def until(probe, text, timeout=10, pause=0.02):
    """Waits for the probe to give something true; gives that."""
    end = time.monotonic() + timeout
    last = None
    while True:
        try:
            last = probe()
        except (OSError, ValueError, AssertionError) as problem:
            last = None
            text_now = f"{text} ({problem})"
        else:
            text_now = f"{text} (last: {str(last)[:300]})"
            if last:
                return last
        check(time.monotonic() < end, f"{text_now}: not within {timeout} s")
        time.sleep(pause)


# ---- HTTP ----

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url, method=None, body=None, headers=None, timeout=20):
    """One request; every status is an answer. Bodies that are not bytes are sent as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with _opener.open(request, timeout=timeout) as got:
            return Answer(got.status, got.headers, got.read())
    except urllib.error.HTTPError as problem:
        return Answer(problem.code, problem.headers, problem.read())


def raw(host, port, text, timeout=10):
    """Sends the bytes, gives all that comes back."""
    with socket.create_connection((host, port), timeout=timeout) as connection:
        connection.sendall(text)
        got = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                return got
            got += piece


def query(url, expression, **more):
    """An instant query, or with start a range query: the API's whole answer."""
    kind = "query_range" if "start" in more else "query"
    return ask(f"{url}/api/v1/{kind}?" + urllib.parse.urlencode({"query": expression, **more})).json


# ---- one role ----

class Role:
    """`barograph NAME ...` on its own, with stderr kept in a file."""

    def __init__(self, name, *words, data=None, listen=True, env=None, command=None):
        self.name, self.host, self.port = name, address(), PORTS.get(name, 0)
        self.url = f"http://{self.host}:{self.port}"
        self.folder = folder(name)
        self.data = data or os.path.join(self.folder, "data")
        self.error_path = os.path.join(self.folder, "stderr")
        line = [EXECUTABLE, name, *words]
        if listen:
            line.append(f"--listen={self.host}:{self.port}")
        if name in ("metrics", "logs"):
            line.append(f"--data={self.data}")
        if name == "ship":
            line.append(f"--path.data={self.data}")
        self.line = line if command is None else command(line)
        self.env = environment(**(env or {}))
        self.process = None
        self.begin()

    def begin(self):
        with open(self.error_path, "a", encoding="utf-8") as errors:
            self.process = start(self.line, stderr=errors, stdout=subprocess.DEVNULL, env=self.env)

    @property
    def errors(self):
        with open(self.error_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def ready(self, timeout=20):
        def probe():
            status = self.process.poll()
            if status is not None:
                raise RuntimeError(f"{self.name} ended with {status}: {self.errors[-800:]}")
            return ask(self.url + "/-/ready", timeout=2).status == 200
        until(probe, f"{self.name} ready", timeout)
        return self

    def ends(self, timeout=15):
        """Waits for its end: the exit status and what it said."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end; said: {self.errors[-500:]}") from None
        return status, self.errors

    def check_alive(self):
        check(self.process.poll() is None, f"{self.name} ended: {self.errors[-800:]}")
        same(200, ask(self.url + "/-/healthy").status, f"{self.name} healthy")

    def stop(self):
        same(0, stop(self.process), f"exit status of {self.name}; said {self.errors[-800:]}")


# ---- the whole ----

def config_copy(path):
    """A copy of the repository's config/, with short intervals."""
    shutil.copytree(os.path.join(ROOT, "config"), path)
    return path


class Whole:
    """`barograph up` with everything of its own."""

    def __init__(self, *words, config=None, grafana=None):
        self.host = address()
        self.folder = folder("whole")
        self.data = os.path.join(self.folder, "data")
        self.logs = os.path.join(self.folder, "logs")
        self.config = config or os.path.join(ROOT, "config")
        self.grafana = grafana or os.path.join(ROOT, "grafana")
        self.supervisor = f"http://{self.host}:8080"
        self.env = environment(BAROGRAPH_METRICS=os.path.join(self.folder, "region"))
        self.line = [EXECUTABLE, "up", "--address", self.host, "--data", self.data, "--logs",
                     self.logs, "--config", self.config, "--grafana", self.grafana, *words]
        self.process = None
        self.error_path = os.path.join(self.folder, "stderr")

    def url(self, role):
        return f"http://{self.host}:{PORTS[role]}"

    def start(self, timeout=30, wait=True):
        began = time.monotonic()
        with open(self.error_path, "a", encoding="utf-8") as errors:
            self.process = start(self.line, stderr=errors, stdout=subprocess.DEVNULL, env=self.env)
        if wait:
            until(self.is_ready, "all roles ready", timeout)
        return time.monotonic() - began

    def roles(self):
        return {role["name"]: role for role in ask(self.supervisor + "/status", timeout=5).json["roles"]}

    def is_ready(self):
        status = self.process.poll() if self.process else None
        if status is not None:
            raise RuntimeError(f"up ended with {status}: {self.errors[-800:]}")
        return all(role["state"] == "ready" for role in self.roles().values())

    @property
    def errors(self):
        with open(self.error_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        same(0, stop(self.process, 40), f"exit status of up; said {self.errors[-800:]}")

    def processes(self):
        """Pids of all processes of this instance: their words name its folder or its address."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            mine = self.host.encode() in b" ".join(words) and b"barograph" in words[0]
            if mine and int(pid) != os.getpid():
                found.append(int(pid))
        return found


# ---- remote write ----

def _varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number, bytes_):
    return _varint(number << 3 | 2) + _varint(len(bytes_)) + bytes_


def snappy(plain):
    """The block format with literals only."""
    out = bytearray(_varint(len(plain)))
    for start_ in range(0, len(plain), 65536):
        piece = plain[start_:start_ + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece
    return bytes(out)


def write_request(series):
    """[({name: value}, [(time_ms, number)])] as the body of a remote write."""
    out = bytearray()
    for labels, samples in series:
        one = bytearray()
        for name, value in sorted(labels.items()):
            one += _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for time_ms, number in samples:
            one += _field(2, b"\x09" + struct.pack("<d", number) + b"\x10" + _varint(time_ms))
        out += _field(1, bytes(one))
    return snappy(bytes(out))


def remote_write(url, series, timeout=20):
    return ask(url + "/api/v1/write", "POST", write_request(series), {
        "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0"}, timeout)


# ---- exposition ----

_LINE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$')
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def exposition(text):
    """[(name, {label: value}, number)]; a line that does not parse is an error."""
    samples = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        check(match, f"line {number} of the exposition: {line}")
        inside = match.group(2) or ""
        labels = {}
        at = 0
        while at < len(inside):
            pair = _LABEL.match(inside, at)
            check(pair, f"labels in line {number} of the exposition: {line}")
            labels[pair.group(1)] = re.sub(r'\\[\\"n]', lambda m: _ESCAPES[m.group()], pair.group(2))
            at = pair.end()
        samples.append((match.group(1), labels, float(match.group(3))))
    return samples


def kill_9(pid):
    os.kill(pid, signal.SIGKILL)
