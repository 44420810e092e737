#!/usr/bin/env python3
"""over_http.py - runs .test scripts over HTTP against any server that takes remote write.

    over_http.py FILE... -- COMMAND WITH {port} AND {data}

For each `clear` and each script COMMAND is started anew on a free port of the loopback with an empty
folder and stopped afterwards. `load` goes in by remote write, `eval` is asked through the API; what must
come is compared with 1e-6, order only where it is expected, errors and notes by whether there are any.
Remote write here carries numbers: what is loaded or expected as a native histogram is left out and
counted. Prints the cases that fail and a line of counts; the exit status is 1 when some did.

    over_http.py src/tests/promql/*.test -- build/barograph metrics --data={data} \\
        --listen=127.0.0.1:{port} --config.file=empty.yml --web.enable-remote-write-receiver
"""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "whole"))
FILES, COMMAND = [], []
if "--" in sys.argv:
    FILES, COMMAND = sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]
sys.argv[1:] = []

from harness import _field as field, snappy  # after the words of this program are out of its way
from native_text import Native, from_classic, is_near, natives, number
from write_format import double, label, varint

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000, "w": 604800000, "y": 31536000000}


class Unsupported(Exception):
    """A case that this way of asking cannot put."""


# ---- the notation ----

def milliseconds(text):
    if re.fullmatch(r"-?[\d.]+", text):
        return int(float(text) * 1000)
    sign = -1 if text.startswith("-") else 1
    parts = re.findall(r"(\d+)(ms|[smhdwy])", text)
    if not parts:
        raise Unsupported("duration " + text)
    return sign * sum(int(number) * UNITS[unit] for number, unit in parts)


def metric(text):
    """Labels and what stands behind them."""
    name = re.match(r"[a-zA-Z_:][\w:]*", text)
    labels = {"__name__": name.group()} if name else {}
    at = name.end() if name else 0
    if text[at:at + 1] != "{":
        return labels, text[at:]
    at += 1
    item = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([\w.]+))\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|`([^`]*)`))?\s*,?\s*')
    while text[at:at + 1] != "}":
        found = item.match(text, at)
        if not found:
            raise Unsupported("labels of " + text)
        key = found.group(2) if found.group(1) is None else json.loads('"%s"' % found.group(1))
        values = [v for v in found.groups()[2:] if v is not None]
        if not values:
            key, values = "__name__", [key]
        labels[key] = json.loads('"%s"' % values[0]) if found.group(3) is not None else values[0]
        at = found.end()
    return {k: v for k, v in labels.items() if v != ""}, text[at + 1:]


def sequence(text):
    """0+10x5 1 _ _x3 stale {{...}}: numbers and Natives, None where nothing is."""
    if "@st" in text:
        raise Unsupported("start times")
    out = []
    for word in re.findall(r"\{\{.*?\}\}(?:[+-]\{\{.*?\}\})?(?:x\d+)?|\S+", text):
        histograms = natives(word)
        if histograms is not None:
            out += histograms
            continue
        many = re.fullmatch(r"(.+?)(?:([+-])([\d.eE]+|0x[\da-f]+))?x(\d+)", word)
        if word == "_":
            out.append(None)
        elif word == "stale":
            out.append(STALE)
        elif many and many.group(1) == "_":
            out += [None] * int(many.group(4))
        elif many and not word.startswith("0x"):
            step = 0.0 if many.group(2) is None else number(many.group(2) + many.group(3))
            first = STALE if many.group(1) == "stale" else number(many.group(1))
            out += [first + step * i if step else first for i in range(int(many.group(4)) + 1)]
        else:
            out.append(number(word))
    return out


def message(one):
    """A series, (labels, [(time_ms, number or Native)]), as remote write carries it."""
    labels, points = one
    body = b"".join(field(1, label(*item)) for item in sorted(labels.items()))
    for time_ms, value in points:
        if isinstance(value, Native):
            body += field(4, value.message(time_ms))
        else:
            body += field(2, double(1, value) + b"\x10" + varint(time_ms))
    return field(1, body)


# ---- the server ----

class Server:
    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="over-http-")
        self.url = "http://127.0.0.1:%d" % port
        words = [w.replace("{port}", str(port)).replace("{data}", self.folder + "/data") for w in COMMAND]
        os.makedirs(self.folder + "/data")
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                if urllib.request.urlopen(self.url + "/-/ready", timeout=5).status == 200:
                    return
            except OSError:
                time.sleep(0.02)
        raise SystemExit("not ready: " + " ".join(words))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)

    def load(self, series):
        request = urllib.request.Request(self.url + "/api/v1/write", snappy(b"".join(map(message, series))), {
            "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0"})
        try:
            urllib.request.urlopen(request, timeout=60).read()
        except urllib.error.HTTPError as error:  # as samples that do not come in order
            raise Unsupported(error.read().decode()) from None

    def ask(self, path, form):
        try:
            answer = urllib.request.urlopen(self.url + path, urllib.parse.urlencode(form).encode(), timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        return json.loads(answer.read())


# ---- the cases ----

def key(labels):
    return tuple(sorted(labels.items()))


def expectations(lines):
    rules, rows, scalar = [], [], None
    for line in lines:
        if line.startswith("expect "):
            rules.append(line[7:])
        elif re.fullmatch(r"[-+]?([\d.]+([eE][-+]?\d+)?|Inf|NaN)", line):
            scalar = number(line)
        else:
            labels, rest = metric(line)
            rows.append((key(labels), sequence(rest)))
    return rules, rows, scalar


def failure(answer, head, lines, steps):
    """Why the answer is not what must come; "" when it is."""
    rules, rows, scalar = expectations(lines)
    must_fail = "eval_fail" in head or any(rule.startswith("fail") for rule in rules)
    if must_fail or answer["status"] != "success":
        return "" if must_fail == (answer["status"] != "success") else answer.get("error", "does not fail")
    for kind, level in (("warn", "warnings"), ("info", "infos")):
        wants = any(re.match(kind + r"\b", rule) for rule in rules)
        if any(rule.startswith("no_" + kind) for rule in rules) and answer.get(level):
            return "%s: %s" % (level, answer[level])
        if wants and not answer.get(level):
            return "no " + level
    data = answer["data"]
    strings = [rule[7:] for rule in rules if rule.startswith("string ")]
    if strings:
        return "" if data["result"][1] == json.loads(strings[0]) else "got " + data["result"][1]
    if scalar is not None and data["resultType"] == "scalar":
        return "" if is_near(scalar, number(data["result"][1])) else "got " + data["result"][1]
    got = [(key(one["metric"]), points_of(one)) for one in data["result"]]
    if scalar is not None and not rows:
        rows = [((), [scalar])]
    if "eval_ordered" in head or "ordered" in rules:
        if [labels for labels, _ in rows] != [labels for labels, _ in got]:
            return "order %r" % [labels for labels, _ in got]
    if sorted(labels for labels, _ in rows) != sorted(labels for labels, _ in got):
        return "series %r" % sorted(labels for labels, _ in got)
    for labels, values in rows:
        points = dict(got)[labels]
        wanted = {t: v for t, v in zip(steps, values) if v is not None}
        if steps is INSTANT:
            wanted, points = {0: values[0]}, {0: next(iter(points.values()))}
        if wanted.keys() != points.keys():
            return "%r: %r" % (dict(labels), points)
        for time_ms, value in wanted.items():
            why = difference(value, points[time_ms])
            if why:
                return "%r at %d: %s" % (dict(labels), time_ms, why)
    return ""


def points_of(one):
    """{time_ms: number, or a histogram as the answer has it} of a series of an answer."""
    points = {round(float(t) * 1000): number(v) for t, v in
              one.get("values", ()) or ([one["value"]] if "value" in one else ())}
    for t, v in one.get("histograms", ()) or ([one["histogram"]] if "histogram" in one else ()):
        points[round(float(t) * 1000)] = v
    return points


def difference(wanted, got):
    if isinstance(wanted, Native) != isinstance(got, dict):
        return "got %r" % (got,)
    if isinstance(wanted, Native):
        return wanted.difference(got)
    return "" if is_near(wanted, got) else "got %r, wanted %r" % (got, wanted)


INSTANT = ()
EVAL = re.compile(r"eval\w*\s+(?:instant at (\S+)|range from (\S+) to (\S+) step (\S+))\s+(.*)", re.S)


def evaluate(server, head, lines):
    found = EVAL.match(head)
    if not found:
        raise Unsupported(head)
    at, start, end, step, text = found.groups()
    if at is not None:
        answer = server.ask("/api/v1/query", {"query": text, "time": milliseconds(at) / 1000})
        return failure(answer, head, lines, INSTANT)
    start, end, step = milliseconds(start), milliseconds(end), milliseconds(step)
    answer = server.ask("/api/v1/query_range", {"query": text, "start": start / 1000, "end": end / 1000,
                                                "step": step / 1000})
    return failure(answer, head, lines, range(start, end + 1, step))


def series_of(head, lines):
    step = milliseconds(head.split()[1])
    loaded = []
    for line in lines:
        labels, rest = metric(line)
        loaded.append((labels, {i * step: v for i, v in enumerate(sequence(rest)) if v is not None}))
    if head.startswith("load_with_nhcb"):
        loaded += from_classic(loaded)
    return [(labels, sorted(points.items(), key=lambda point: point[0])) for labels, points in loaded]


def blocks_of(path):
    """A command and its lines; comments are out."""
    with open(path, encoding="utf-8") as file:
        for block in re.split(r"\n[ \t]*\n", re.sub(r"(?m)^\s*#.*\n?", "", file.read())):
            lines = [line.strip() for line in block.splitlines() if line.strip()]
            while lines:
                rest = [i for i, line in enumerate(lines) if i > 0 and re.match(r"(eval\w* |load\w* |clear$)", line)]
                end = rest[0] if rest else len(lines)
                yield lines[0], lines[1:end]
                lines = lines[end:]


def run_file(path, counts):
    server, is_lame = None, False
    for head, lines in blocks_of(path):
        if head == "clear" or server is None:
            if server is not None:
                server.stop()
            server, is_lame = Server(), False
            if head == "clear":
                continue
        try:
            if head.startswith("load"):
                server.load(series_of(head, lines))
                continue
            why = evaluate(server, head, lines)
            if why and is_lame:  # something that it needs could not be loaded
                raise Unsupported(why)
        except (Unsupported, ValueError) as reason:
            is_lame = is_lame or head.startswith("load")
            counts["left out"] += head.startswith("eval")
            del reason
            continue
        counts["failed" if why else "passed"] += 1
        if why:
            print("%s: %s\n    %s" % (path, head, why[:500]))
    if server is not None:
        server.stop()


def main():
    counts = {"passed": 0, "failed": 0, "left out": 0}
    for path in FILES:
        run_file(path, counts)
    print(", ".join("%d %s" % (count, name) for name, count in counts.items()))
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
