#!/usr/bin/env python3
# search_command_test.py - `barograph search` and `barograph tail` against the role logs.
# Usage: search_command_test.py BAROGRAPH
import json, os, re, shutil, subprocess, sys, tempfile, time
import logs_role
from logs_role import bulk

barograph = os.path.abspath(sys.argv[1])
tap = logs_role.Tap()
expect = tap.expect


def stamp(ago):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - ago)) + ".000Z"


def command(role, *words):
    done = subprocess.run([barograph, *words, "--url", f"http://127.0.0.1:{role.port}"], capture_output=True,
                          text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def search(role):
    code, out, err = command(role, "search", 'log.level:error AND "timed out"', "--since", "1h")
    lines = out.splitlines()
    expect("lines, oldest first, and bars", (0, 6, True, True), (
        code, len(lines), "request 20 timed out" in lines[0], "5 lines" in lines[-1]))
    code, out, err = command(role, "search", "--limit", "3", "--no-histogram")
    expect("the newest three", ["request 2 done", "request 1 done", "request 0 timed out"],
           [line[line.index("request"):] for line in out.splitlines()])
    code, out, err = command(role, "search", "log.level:error and not message:timed", "--kql", "--no-histogram")
    expect("KQL", (0, ""), (code, out))
    code, out, err = command(role, "search", "--json", "--limit", "2")
    expect("documents", [1, 0], [json.loads(line)["n"] for line in out.splitlines()])
    code, out, err = command(role, "search", "request", "--color", "always", "--limit", "1")
    expect("colors", True, "\033[31merror" in out)
    code, out, err = command(role, "search", "evil", "--color", "never", "--no-histogram")
    expect("control characters are shown, not carried out", (False, True), ("\033" in out, "?[2J" in out))
    code, out, err = command(role, "search", "--limit", "1")
    expect("bars between two times, levels that are numbers too", True, bool(re.search(
        r"^\d\d:\d\d [ ▁▂▃▄▅▆▇█]+ \d\d:\d\d  28 lines, \d+ at most a bar$", out.splitlines()[-1])))
    expect("days when there are several", True, bool(re.match(r"\d\d-\d\d \d\d:\d\d ", command(
        role, "search", "--since", "48h", "--limit", "1")[1].splitlines()[-1])))
    code, out, err = command(role, "search", "foo AND (")
    expect("a broken query", (1, True), (code, "Failed to parse query" in err))
    expect("a wrong flag", 2, command(role, "search", "--limit", "0")[0])
    done = subprocess.run([barograph, "search", "--url", "http://127.0.0.1:1"], capture_output=True, text=True)
    expect("nobody there", (1, True), (done.returncode, "barograph search: " in done.stderr))


def tail(role):
    process = subprocess.Popen([barograph, "tail", "message:request", "--every", "50ms", "--limit", "2", "--url",
                                f"http://127.0.0.1:{role.port}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = [process.stdout.readline() for _ in range(2)]
    expect("tail begins with the newest", True, "request 0" in first[1])
    for i in (100, 101, 102):
        role.call("POST", "/_bulk", bulk({"index": {"_index": "s"}}, {
            "@timestamp": stamp(0), "message": f"request {i} came", "log.level": "info"}))
    came = [process.stdout.readline().strip().split("request ")[-1] for _ in range(3)]
    expect("and goes on, each line once", ["100 came", "101 came", "102 came"], came)
    role.stop()
    time.sleep(0.5)
    role.start()
    role.call("POST", "/_bulk", bulk({"index": {"_index": "s"}}, {"@timestamp": stamp(0), "message": "request 103 came"}))
    expect("a server that comes back is followed on", "103 came", process.stdout.readline().strip().split("request ")[-1])
    process.terminate()
    said = process.communicate(timeout=10)[1]
    expect("told of once, and that it is back", (1, 1), (said.count("; waiting"), said.count("answers again")))


folder = tempfile.mkdtemp(prefix="logs-command-")
try:
    role = logs_role.Role([barograph, "logs"], folder)
    lines = []
    for i in range(25):
        lines += [{"index": {"_index": "s"}}, {"@timestamp": stamp(i * 60 + 5), "n": i, "log": {
            "level": "error" if i % 5 == 0 else "info"}, "message": f"request {i} " + (
                "timed out" if i % 5 == 0 else "done")}]
    lines += [{"index": {"_index": "s"}}, {"@timestamp": stamp(3000), "message": "evil \x1b[2J text", "n": 99}]
    lines += [x for i in (30, 50) for x in ({"index": {"_index": "numbers"}}, {
        "@timestamp": stamp(3100), "message": "by number", "level": i})]
    role.call("POST", "/_bulk", bulk(*lines))
    search(role)
    tail(role)
    role.stop()
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(tap.end())
