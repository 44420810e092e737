#!/usr/bin/env python3
"""delivery_test.py PROGRAM - the ship role as a process against an output that misbehaves; TAP.

Each case has a folder and an output of its own on a free loopback port.
"""
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bulk_server import Bulk  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1])

CONFIG = """
filebeat.inputs:
  - type: log
    paths: ["${FOLDER}/logs/*.log"]
    scan_frequency: 200ms
%s
output.elasticsearch:
  hosts: ["127.0.0.1:${PORT}"]
  backoff: { init: 50ms, max: 200ms }
%s
"""


class Case:
    def __init__(self, input_lines="", output_lines=""):
        self.folder = tempfile.mkdtemp(prefix="ship-test-")
        os.mkdir(self.folder + "/logs")
        self.bulk = Bulk(0)
        self.bulk.start()
        self.process = None
        self.log = open(self.folder + "/ship.log", "ab")
        self.write_config(CONFIG % (input_lines, output_lines))

    def write_config(self, text):
        with open(self.folder + "/filebeat.yml", "w") as file:
            file.write(text)

    def path(self, name):
        return self.folder + "/logs/" + name

    def start(self, *more):
        env = dict(os.environ, FOLDER=self.folder, PORT=str(self.bulk.port))
        self.process = subprocess.Popen(
            [PROGRAM, "-c", self.folder + "/filebeat.yml", "--path.data", self.folder + "/data",
             "--listen", "127.0.0.1:0", *more],
            env=env, stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                status = self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError("does not stop")
            assert status == 0, "status %d at the end" % status
        self.log.close()
        if self.bulk.server:
            self.bulk.stop()
        shutil.rmtree(self.folder)

    def log_text(self):
        with open(self.folder + "/ship.log", errors="replace") as file:
            return file.read()

    def append(self, name, text):
        with open(self.path(name), "ab") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def wait(self, what, seconds=10):
        end = time.time() + seconds
        while not what():
            assert time.time() < end, "waited in vain; delivered %r\n%s" % (
                self.bulk.messages()[-5:], self.log_text()[-2000:])
            time.sleep(0.02)

    def expect(self, *messages):
        """Exactly these, in this order."""
        self.wait(lambda: len(self.bulk.messages()) >= len(messages))
        time.sleep(0.3)
        assert self.bulk.messages() == list(messages), self.bulk.messages()

    def expect_all(self, wanted, seconds=30):
        """Each of these at least once; what came twice is counted."""
        wanted = set(wanted)
        self.wait(lambda: wanted <= set(self.bulk.messages()), seconds)
        extra = set(self.bulk.messages()) - wanted
        assert not extra, list(extra)[:3]
        return len(self.bulk.messages()) - len(wanted)


def follows_and_stops(case):
    case.append("a.log", "one\ntwo\n")
    case.start()
    case.expect("one", "two")
    begin = time.time()
    case.append("a.log", "three\n")
    case.wait(lambda: "three" in case.bulk.messages(), 2)
    assert time.time() - begin < 1.5, "later than a second and a half"
    offsets = [document["log"]["offset"] for document in case.bulk.documents]
    assert offsets == [0, 4, 8], offsets


def goes_on_after_restart(case):
    case.append("a.log", "one\n")
    case.start()
    case.expect("one")
    case.process.terminate()
    assert case.process.wait(10) == 0
    case.append("a.log", "two\n")
    case.start()
    case.expect("one", "two")


def partial_line_waits(case):
    case.append("a.log", "whole\npart")
    case.start()
    case.expect("whole")
    case.append("a.log", "ial\r\n")
    case.expect("whole", "partial")


def rotation_by_rename(case):
    case.append("a.log", "1\n2\n")
    case.start()
    case.expect("1", "2")
    case.append("a.log", "3\n")
    os.rename(case.path("a.log"), case.path("a.log.1"))
    case.append("a.log", "4\n")
    case.expect_all("1234")
    case.append("a.log.1", "5\n")  # a writer that holds the old file
    assert case.expect_all("12345") == 0, "a line came twice"


def rotation_while_down(case):
    case.append("a.log", "1\n2\n")
    case.start()
    case.expect("1", "2")
    case.kill()
    case.append("a.log", "3\n")
    os.rename(case.path("a.log"), case.path("a.log.1"))
    case.append("a.log", "4\n")
    case.start()
    case.expect_all("1234")


def copytruncate(case):
    case.append("a.log", "first line\nsecond line\n")
    case.start()
    case.expect("first line", "second line")
    shutil.copy(case.path("a.log"), case.path("a.log.1"))
    os.truncate(case.path("a.log"), 0)
    case.append("a.log", "new\n")
    case.expect("first line", "second line", "new")


def written_over_longer(case):
    case.append("a.log", "old one\n")
    case.start()
    case.expect("old one")
    with open(case.path("a.log"), "wb") as file:  # longer than before: only its head tells
        file.write(b"another text\nand more of it\n")
    case.expect("old one", "another text", "and more of it")


def removed_and_made_again(case):
    case.append("a.log", "one\n")
    case.start()
    case.expect("one")
    os.remove(case.path("a.log"))
    case.append("a.log", "other one, longer\n")  # often the same inode
    case.expect("one", "other one, longer")


def huge_and_broken_lines(case):
    case.append("a.log", b"x" * 3000000 + b"\n\n\xff\xfe bad\n" + b"y" * 999 + b"\nend\n")
    case.start()
    case.wait(lambda: "end" in case.bulk.messages())
    messages = case.bulk.messages()
    assert [len(m) for m in messages] == [1000000, 6, 999, 3], [len(m) for m in messages]
    assert messages[1] == "\ufffd\ufffd bad", messages[1]
    assert case.bulk.documents[0]["log"]["flags"] == ["truncated"]


def output_down(case):
    port = case.bulk.port
    case.bulk.stop()
    case.append("a.log", "1\n2\n")
    case.start()
    time.sleep(0.7)
    case.append("a.log", "3\n")
    time.sleep(0.5)
    assert case.process.poll() is None, "must not end"
    said = case.log_text().count("output failed")
    assert said == 1, "said %d times" % said
    case.bulk.port = port
    case.bulk.start()
    case.expect("1", "2", "3")
    assert "output works again" in case.log_text()


def items_again(case):
    seen = []

    def misbehave(bulk, documents):
        seen.append([d["message"] for d in documents])
        if len(seen) == 1:
            return [201, 429, 201, 503]
        return None

    case.bulk.misbehave = misbehave
    case.append("a.log", "1\n2\n3\n4\n")
    case.start()
    case.expect("1", "3", "2", "4")
    assert seen == [["1", "2", "3", "4"], ["2", "4"]], seen


def items_refused(case):
    case.bulk.misbehave = lambda bulk, documents: [
        400 if d["message"] == "2" else 409 if d["message"] == "3" else 201 for d in documents]
    case.append("a.log", "1\n2\n3\n4\n")
    case.start()
    case.expect("1", "3", "4")
    assert "refused by the output" in case.log_text()
    case.process.terminate()
    assert case.process.wait(10) == 0
    case.start()
    time.sleep(0.7)
    case.expect("1", "3", "4")  # the refused one is over


def bad_answers(case):
    answers = [(200, b"not json"), (200, {"took": 1}), (200, b""), (500, b"oops"), (401, {}),
               (200, {"items": [{"create": {"status": 201}}]}), (0, b""), (429, {}), (403, {})]
    case.bulk.misbehave = lambda bulk, documents: answers.pop(0) if answers else None
    case.append("a.log", "1\n2\n3\n")
    case.start()
    case.expect("1", "2", "3")
    assert not answers


def too_large_is_split(case):
    case.bulk.misbehave = lambda bulk, documents: (413, {}) if len(documents) > 2 or any(
        d["message"] == "big" for d in documents) else None
    case.append("a.log", "1\n2\nbig\n4\n5\n6\n7\n8\n")
    case.start()
    case.expect_all("1245678")


def registry_moves_behind(case):
    """A refused-for-now item keeps the place of its file where it is."""
    case.bulk.misbehave = lambda bulk, documents: [
        429 if d["message"] == "2" else 201 for d in documents]
    case.append("a.log", "1\n2\n3\n")
    case.start()
    case.wait(lambda: "3" in case.bulk.messages())
    time.sleep(0.6)
    case.kill()
    case.bulk.misbehave = None
    case.start()
    case.wait(lambda: "2" in case.bulk.messages())


def killed_at_random(case):
    dice = random.Random(7)
    wanted = []

    def misbehave(bulk, documents):
        kind = dice.random()
        if kind < 0.1:
            return [dice.choice([201, 429]) for _ in documents]
        if kind < 0.15:
            return 503, {}
        return None

    case.bulk.misbehave = misbehave
    number = 0
    for round_number in range(20):
        case.start()
        end = time.time() + 0.05 + dice.random() * 0.6
        while time.time() < end:
            text = ""
            for _ in range(dice.randrange(1, 200)):
                wanted.append("line %d" % number)
                text += "line %d\n" % number
                number += 1
            case.append("a.log", text)
            if dice.random() < 0.1:
                # Rotated faster than folders are scanned: the new names must match, too.
                os.rename(case.path("a.log"), case.path("a.%d.log" % number))
            time.sleep(0.01)
        case.kill()
    case.bulk.misbehave = None
    case.start()
    twice = case.expect_all(wanted)
    print("# %d lines, 20 kills, %d came twice" % (len(wanted), twice))


def broken_registry(case):
    case.append("a.log", "1\n")
    case.start()
    case.expect("1")
    case.process.terminate()
    assert case.process.wait(10) == 0
    with open(case.folder + "/data/registry.json", "r+b") as file:
        file.seek(20)
        file.write(b"####")
    case.start()
    case.expect("1", "1")
    assert glob.glob(case.folder + "/data/registry.json.broken-*")
    assert "registry is broken and was set aside" in case.log_text()


def second_instance(case):
    case.append("a.log", "1\n")
    case.start()
    case.expect("1")
    first = case.process
    case.start()
    status = case.process.wait(10)
    case.process = first
    assert status == 1, status
    assert "data" in case.log_text().splitlines()[-1], case.log_text()


def once(case):
    case.append("a.log", "1\n2\npartial")
    case.start("-once")
    assert case.process.wait(10) == 0
    assert case.bulk.messages() == ["1", "2"], case.bulk.messages()


def stop_with_output_down(case):
    case.bulk.stop()
    case.append("a.log", "1\n")
    case.start()
    time.sleep(0.8)
    begin = time.time()
    case.process.terminate()
    assert case.process.wait(10) == 0
    assert time.time() - begin < 3, "takes too long"


def back_pressure(case):
    case.bulk.misbehave = lambda bulk, documents: (503, {})
    case.append("a.log", "".join("line %d\n" % i for i in range(50000)))
    case.start()
    time.sleep(1)
    with open("/proc/%d/status" % case.process.pid) as file:
        resident = int([l for l in file if l.startswith("VmRSS")][0].split()[1])
    if "SKIP_MEMORY" not in os.environ:
        assert resident < 300000, "%d KiB" % resident
    case.bulk.misbehave = None
    case.expect_all("line %d" % i for i in range(50000))


def json_lines(case):
    case.append("a.log", '{"@timestamp":"2024-02-08T10:00:00.123999Z","log.level":"info",'
                '"message":"hi","n":1}\n')
    case.start()
    case.expect("hi")
    document = case.bulk.documents[0]
    assert document["@timestamp"] == "2024-02-08T10:00:00.123Z"
    assert document["log"]["level"] == "info" and document["log"]["offset"] == 0
    assert case.bulk.actions[0]["_index"] == "filebeat-7.17.18-2024.02.08", case.bulk.actions


def older_files(case):
    case.append("old.log", "old\n")
    long_ago = time.time() - 3 * 86400
    os.utime(case.path("old.log"), (long_ago, long_ago))
    case.start()
    case.append("new.log", "new\n")
    case.expect("new")
    case.append("old.log", "more\n")
    case.expect("new", "more")


def hosts_made_whole(case):
    case.append("a.log", "1\n")
    for host, url in (("127.0.65.77", "http://127.0.65.77:9200"), ("https://127.0.65.78", "https://127.0.65.78:9200"),
                      ("127.0.65.79:9243/path", "http://127.0.65.79:9243/path"), ("'[::1]'", "http://[::1]:9200")):
        case.write_config(CONFIG.replace('["127.0.0.1:${PORT}"]', "[%s]" % host) % ("", ""))
        case.start()
        case.wait(lambda: '"' + url in case.log_text() or "=" + url in case.log_text())
        case.process.terminate()
        case.process.wait(10)


def config_errors(case):
    rows = [
        ("filebeat.inputs:\n  - type: log\n    paths: [/x]\n    json.add_error_key: true\n    include_lines: [a]\n", 2,
         "include_lines and exclude_lines with JSON need message_key"),
        ("filebeat.inputs: [\n", 2, "filebeat.yml:"),
        ("filebeat.inputs:\n  - type: log\n    pahts: [a]\n", 2, ":3:5: field 'pahts'"),
        ("filebeat.inputs:\n  - type: nothing\n", 2, ":2:11: input type 'nothing'"),
        ("filebeat.inputs:\n  - type: log\n", 2, ":2:5: no paths"),
        ("filebeat.inputs:\n  - type: log\n    paths: [/x]\n    scan_frequency: soon\n", 2,
         ":4:21: expected a duration"),
        ("filebeat.inputs:\n  - type: log\n    paths: ['${NOT_THERE}']\n", 2,
         ":3:13: variable 'NOT_THERE' is not set"),
        ("filebeat.inputs:\n  - type: log\n    paths: [/x]\n    exclude_lines: ['(']\n", 2,
         ":4:21: not a regular expression"),
        ("filebeat.inputs:\n  - type: log\n    paths: [/x]\n", 2, "no output is enabled"),
        ("filebeat.inputs:\n  - type: log\n    paths: [/x]\noutput.elasticsearch.hosts: ['a b']\n",
         2, ":4:30: host 'a b'"),
        ("a.b: 1\n", 2, ":1:1: field 'a' is not known"),
    ]
    for text, status, message in rows:
        case.write_config(text)
        result = subprocess.run([PROGRAM, "-c", case.folder + "/filebeat.yml", "--path.data",
                                 case.folder + "/data", "--listen", "127.0.0.1:0"],
                                capture_output=True, text=True, timeout=10)
        assert result.returncode == status, (text, result.returncode, result.stderr)
        assert message in result.stderr, (text, result.stderr)


def config_warnings(case):
    case.start()
    case.wait(lambda: "is valid, but not supported here" in case.log_text())
    assert ":6:5: field 'multiline'" in case.log_text(), case.log_text()


def index_is_the_one_named(case):
    """Filebeat writes to its alias while a lifecycle is possible, whatever `index` says; here `index` counts, and a
    lifecycle that is asked for is warned of."""
    case.append("a.log", "1\n")
    case.start()
    case.expect("1")
    assert case.bulk.actions[0]["_index"] == time.strftime("foo-%Y", time.gmtime()), case.bulk.actions
    assert "setup is not done by this role" in case.log_text(), case.log_text()


JSON = """    json.keys_under_root: true
    json.overwrite_keys: true
    json.add_error_key: true
    json.expand_keys: true
    json.message_key: message
"""

CASES = [
    (follows_and_stops, {}), (goes_on_after_restart, {}), (partial_line_waits, {}),
    (rotation_by_rename, {}), (rotation_while_down, {}), (copytruncate, {}),
    (written_over_longer, {}), (removed_and_made_again, {}),
    (huge_and_broken_lines, {"input_lines": "    max_bytes: 1MB\n"}), (output_down, {}),
    (items_again, {}), (items_refused, {}), (bad_answers, {}), (too_large_is_split, {}),
    (registry_moves_behind, {}), (killed_at_random, {}), (broken_registry, {}),
    (second_instance, {}), (once, {}), (stop_with_output_down, {}),
    (back_pressure, {"output_lines": "  compression_level: 1\n"}),
    (json_lines, {"input_lines": JSON}), (config_errors, {}),
    (index_is_the_one_named, {"output_lines": "  index: 'Foo-%{+yyyy}'\nsetup.ilm.enabled: true\n"}),
    (older_files, {"input_lines": "    ignore_older: 24h\n"}), (hosts_made_whole, {}),
    (config_warnings, {"input_lines": "    multiline.pattern: '^x'\n"}),
]


def main():
    chosen = [c for c in CASES if len(sys.argv) < 3 or c[0].__name__ in sys.argv[2:]]
    print("1..%d" % len(chosen), flush=True)
    failed = 0
    for number, (function, settings) in enumerate(chosen, 1):
        case = Case(**settings)
        problem = None
        for step in (lambda: function(case), case.end):
            try:
                step()
            except Exception:
                problem = problem or traceback.format_exc()
        if case.process and case.process.poll() is None:
            case.kill()
        if problem:
            failed += 1
            print("\n".join("# " + line for line in problem.splitlines()))
        print("%s %d - %s" % ("not ok" if problem else "ok", number, function.__name__),
              flush=True)
    return 1 if failed else 0


sys.exit(main())
