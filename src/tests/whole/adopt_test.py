"""adopt_test - a program that adopts the logging library, built in both ways, and a script: what
they log is delivered by ship and shown by explore."""
import json
import os
import subprocess
import time

from harness import EXECUTABLE, ROOT, Whole, ask, check, environment, folder, has, need, need_program, note, run, same, until

APP = """#include <structlog/structlog.h>
int main(int argc, char **argv)
{
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = argv[argc - 1] };
    struct sl_config config = { .service_name = "adopter", .sinks = &sink, .sink_count = 1 };
    if (argc < 2 || sl_configure(&config) < 0) return 1;
    for (int i = 0; i < 10; i++) sl_info(NULL, "adopted", "n", i, "half", i / 2.0, "way", argv[0]);
    sl_error(NULL, "it \\"failed\\"\\n", "path", "/etc/none", "error", sl_errno(2));
    return 0;
}
"""


def command(*words, **options):
    got = subprocess.run(words, capture_output=True, text=True, timeout=120, **options)
    check(got.returncode == 0, f"{' '.join(words)}: {got.stdout[-800:]} {got.stderr[-800:]}")
    return got.stdout


def installed():
    """The library as `meson install` leaves it, in a folder of the test's own."""
    need_program("meson")
    root = folder("installed")
    command("meson", "install", "-C", os.path.dirname(EXECUTABLE), "--no-rebuild", "--destdir", root)
    found = [where for where, _, files in os.walk(root) if "structlog.pc" in files]
    same(1, len(found), "structlog.pc")
    # Beside the system's own: what structlog needs (zlib) is found there.
    places = command("pkg-config", "--variable", "pc_path", "pkg-config").strip()
    return root, environment(PKG_CONFIG_LIBDIR=f"{found[0]}:{places}", PKG_CONFIG_SYSROOT_DIR=root)


def build_installed(work):
    """cc app.c $(pkg-config --cflags --libs structlog)"""
    _, env = installed()
    flags = command("pkg-config", "--cflags", "--libs", "structlog", env=env).split()
    out = os.path.join(work, "by_package")
    command("cc", "-Wall", "-Werror", os.path.join(work, "app.c"), *flags, "-o", out)
    return out


def build_amalgamated(work):
    """cc app.c structlog.c"""
    include = os.path.join(work, "structlog")
    command(os.path.join(ROOT, "tools/amalgamate"), "structlog", include)
    out = os.path.join(work, "by_amalgamation")
    command("cc", "-Wall", "-Werror", "-I", work, os.path.join(work, "app.c"), os.path.join(include, "structlog.c"),
            "-o", out, "-lpthread", "-lm")
    return out


def hits(whole, way):
    body = {"size": 50, "query": {"bool": {"filter": [{"match_phrase": {"way": way}}]}}, "sort": [{"n": "asc"}]}
    got = ask(whole.url("explore") + "/api/es/filebeat-*/_search", "POST", body)
    return got.json["hits"]["hits"] if got.status == 200 else []


def test_adoption():
    """ten lines of C, by pkg-config and by amalgamation, and `barograph log`: explore shows the lines"""
    need()
    work = folder("adopt")
    with open(os.path.join(work, "app.c"), "w", encoding="utf-8") as file:
        file.write(APP)
    ways = {way: build(work) for way, build in (("package", build_installed), ("amalgamation", build_amalgamated))}
    whole = Whole()
    whole.start()
    began = time.monotonic()
    for way, path in ways.items():
        command(path, os.path.join(whole.logs, way + ".json"))
    script = os.path.join(whole.logs, "script.json")
    command(EXECUTABLE, "log", "warning", "backup done", "way=script", "n=0", "size=123", "--service", "backup",
            "--file", script)
    for way, path in ways.items():
        found = until(lambda path=path: len(hits(whole, path)) == 10 and hits(whole, path), f"lines of {way}", 20)
        same(list(range(10)), [hit["_source"]["n"] for hit in found], way)
        source = found[3]["_source"]
        same(["adopted", "info", "adopter", 1.5],
             [source["message"], source["log"]["level"], source["service"]["name"], source["half"]], way)
    found = until(lambda: hits(whole, "script"), "the script's line", 20)
    same(["backup done", 123, "backup"], [found[0]["_source"]["message"], found[0]["_source"]["size"],
                                          found[0]["_source"]["service"]["name"]], "script")
    note(f"shown {time.monotonic() - began:.2f} s after the first line")
    errors = ask(whole.url("explore") + "/api/es/filebeat-*/_search", "POST",
                 {"query": {"bool": {"filter": [{"term": {"service.name": "adopter"}}, {"term": {"log.level": "error"}}]}}})
    same(2, errors.json["hits"]["total"]["value"], "errors")
    same("ENOENT", errors.json["hits"]["hits"][0]["_source"]["error"]["type"], "error.type")
    got = command(EXECUTABLE, "check", "ecs", *(os.path.join(whole.logs, way + ".json") for way in ways), script)
    has(got, "^23 lines, 0 with findings$")
    whole.stop()


def test_log_command():
    """`barograph log` reads values by their look, text by --text, JSON by :=, events by --lines"""
    path = os.path.join(folder("log"), "log.json")
    command(EXECUTABLE, "log", "info", "typed", "i=5", "f=0.10", "t=true", "n=null", "s=5 apples", "e=", "big=1e999",
            "raw:={\"a\":[1,\"x\"]}", "--text", "zip=00501", "--text", "yes=true", "--file", path)
    command(EXECUTABLE, "log", "30", "--lines", "job=7", "--file", path, input="one\r\n\ntwo\nthree")
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    same(["typed", "one", "two", "three"], [line["message"] for line in lines])
    for key in ("@timestamp", "log.level", "message", "ecs.version"):
        del lines[0][key]
    same({"i": 5, "f": 0.1, "t": True, "n": None, "s": "5 apples", "e": "", "big": "1e999",
          "raw": {"a": [1, "x"]}, "zip": "00501", "yes": "true"}, lines[0])
    same([7, "warning"], [lines[3]["job"], lines[3]["log.level"]])
    for words, text in ((["nope", "x"], "expected a level"), (["info"], "an event is missing"), (["info", "x", "y"], "KEY=VALUE"),
                        (["info", "x", "k:={"], "is no JSON"), (["info", "x", "--format", "xml"], "--format wants"),
                        (["info", "x", "=1"], "a key is missing")):
        got = subprocess.run([EXECUTABLE, "log", *words], capture_output=True, text=True, timeout=10)
        same(2, got.returncode, f"{words}: {got.stderr}")
        has(got.stderr, text)
    got = subprocess.run([EXECUTABLE, "log", "info", "x", "--file", "/dev/full"], capture_output=True, text=True, timeout=10)
    same(1, got.returncode, got.stderr)
    has(got.stderr, "could not be written")


def test_check_ecs():
    """`barograph check ecs` names file, line, byte and rule"""
    path = os.path.join(folder("check"), "bad.json")
    good = '{"@timestamp":"2026-01-02T03:04:05Z","log.level":"info","message":"x","ecs.version":"1.6.0"}'
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([good, good.replace('"x"', '"x","log":1'), "not json", good.replace("05Z", "05")]) + "\n")
    got = subprocess.run([EXECUTABLE, "check", "ecs", path], capture_output=True, text=True, timeout=10)
    same(1, got.returncode, got.stderr)
    for number, rule in ((2, "type"), (3, "json"), (4, "timestamp")):
        has(got.stdout, rf"(?m)^{path}:{number}:\d+: {rule}: ")
    has(got.stdout, "4 lines, 3 with findings")
    got = subprocess.run([EXECUTABLE, "check", "ecs", "/no/such/file"], capture_output=True, text=True, timeout=10)
    same(1, got.returncode, got.stdout)
    has(got.stderr, "cannot open '/no/such/file': No such file or directory")


run([test_adoption, test_log_command, test_check_ecs])
