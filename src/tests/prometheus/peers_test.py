#!/usr/bin/python3
"""peers_test.py SHOW

Goal:   other programs read what the library shows: promtool, the parsers of the official Python
        client, and a Prometheus server that scrapes text, OpenMetrics and protobuf.
Method: SHOW writes an exposition with one of everything; a server here hands it out, each format under
        its own path. What is not installed is skipped.
"""
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

SHOW = sys.argv[1]
TEXT = "text/plain;version=0.0.4"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PROTOBUF = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited")
number = 0
failures = 0


def report(name, good, note=""):
    global number, failures
    number += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {number} - {name}" + (f" # {note}" if note else ""),
          flush=True)


def skip(name, why):
    report(name, True, f"SKIP {why}")


def show(accept, *more):
    done = subprocess.run([SHOW, accept, *more], capture_output=True, check=True)
    return done.stdout, done.stderr.decode().strip()


def values_of(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s for f in families for s in f.samples}


def python_reads_both_formats():
    try:
        from prometheus_client import openmetrics, parser
        import prometheus_client.openmetrics.parser
    except ImportError:
        skip("python_client_reads_text", "python3-prometheus-client is not installed")
        skip("python_client_reads_openmetrics", "python3-prometheus-client is not installed")
        return
    text = show(TEXT)[0].decode()
    found = values_of(parser.text_string_to_metric_families(text))
    report("python_client_reads_text",
           found[("jobs_total", (("q", 'a"b\\c\nd\ufffd'),))].value == 1
           and found[("latency_seconds_bucket", (("le", "0.25"), ("m", "g")))].value == 1
           and found[("native_seconds_count", ())].value == 1001
           and abs(found[("window_seconds", (("quantile", "0.5"),))].value / 5 - 1) < 0.011)
    text = show(OPENMETRICS)[0].decode()
    families = list(openmetrics.parser.text_string_to_metric_families(text))
    found = values_of(families)
    types = {f.name: f.type for f in families}
    example = found[("jobs_total", (("q", "x"),))].exemplar
    report("python_client_reads_openmetrics",
           types["job_state"] == "stateset" and types["build"] == "info"
           and types["passed_on"] == "unknown"
           and ("jobs_created", (("q", "x"),)) in found
           and example.labels == {"trace_id": "4bf92f3577b34da6"} and example.value == 1e-5)


def promtool_has_no_complaint():
    if shutil.which("promtool") is None:
        skip("promtool_has_no_complaint", "promtool is not installed")
        return
    # Metrics of others, passed on with made-up names, are not ours to name.
    lines = [line for line in show(TEXT)[0].decode().splitlines(True) if "passed_on" not in line]
    done = subprocess.run(["promtool", "check", "metrics"], input="".join(lines).encode(),
                          capture_output=True, check=False)
    print("# " + done.stderr.decode().replace("\n", "\n# "))
    report("promtool_has_no_complaint", done.returncode == 0)


PATHS = {"/text": TEXT, "/openmetrics": OPENMETRICS, "/protobuf": PROTOBUF}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body, content_type = show(PATHS[self.path])
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(port, query):
    url = f"http://127.0.0.1:{port}/api/v1/query?query=" + urllib.parse.quote(query)
    with urllib.request.urlopen(url, timeout=5) as answer:
        result = json.load(answer)["data"]["result"]
    return {r["metric"].get("job"): float(r["value"][1]) for r in result if "value" in r}


def start(folder, target):
    jobs = "".join(f"- job_name: {path[1:]}\n  metrics_path: {path}\n"
                   f"  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n" for path in PATHS)
    with open(f"{folder}/prometheus.yml", "w", encoding="ascii") as file:
        file.write("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n" + jobs)
    port = free_port()
    server = subprocess.Popen(
        ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=native-histograms",
         "--log.level=error"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return server, port


def prometheus_scrapes_all_formats():
    name = "prometheus_scrapes_text_openmetrics_and_protobuf"
    if shutil.which("prometheus") is None:
        skip(name, "prometheus is not installed")
        return
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    folder = tempfile.mkdtemp()
    server, port = start(folder, web.server_address[1])
    found = {}
    try:
        for _ in range(200):
            try:
                found = ask(port, "up")
                native = ask(port, "histogram_quantile(0.5, native_seconds)")
                if len(found) == 3 and min(found.values()) == 1 and native:
                    break
            except (OSError, KeyError):
                pass
            time.sleep(0.2)
        counts = ask(port, "latency_seconds_count")
        report(name, found == {"text": 1, "openmetrics": 1, "protobuf": 1}
               and counts == {"text": 2, "openmetrics": 2, "protobuf": 2})
        median = ask(port, "histogram_quantile(0.5, native_seconds)").get("protobuf", 0)
        count = ask(port, "histogram_count(native_seconds)").get("protobuf", 0)
        low = ask(port, "histogram_quantile(0.1, both_seconds)").get("protobuf", 0)
        print(f"# median {median}, count {count}, 10 % {low}")
        report("prometheus_reads_native_histograms",
               abs(median / 5 - 1) < 0.05 and count == 1001 and abs(low / -8 - 1) < 0.05)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
        web.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


python_reads_both_formats()
promtool_has_no_complaint()
prometheus_scrapes_all_formats()
print(f"1..{number}")
sys.exit(failures > 0)
