"""compare_test - our metrics role beside Debian's Prometheus: the same samples, the same answers.

Scrapes of two servers never fall on the same instant, so the driver's exposition is read here and
sent to both by remote write, under times of our own. Queries look at times that fall on no sample
and on no window's edge, and at windows that the samples fill: elsewhere 2.42 and 3.x (and we) count
differently on purpose. A second comparison lets
both scrape the driver and asks only for what does not change.
"""
import json
import math
import os
import subprocess
import time

from harness import (Role, address, ask, check, exposition, folder, has, keep, need, need_program, note,
                     query, remote_write, run, same, start, until, write)

STEP_MS = 15000
SCRAPES = 36
WITHIN = 1e-9

INSTANT = [
    'node_boot_time_seconds',
    'sum by (mode) (rate(node_cpu_seconds_total[2m]))',
    '100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)',
    'topk(3, node_filesystem_size_bytes)',
    'histogram_quantile(0.9, sum by (le, handler) (rate(http_request_duration_seconds_bucket[3m])))',
    'count by (job) ({__name__=~"node_.+"})',
    'group by (device) (node_network_up) * on (device) group_left sum by (device) (rate(node_network_receive_bytes_total[1m]))',
    'quantile(0.5, node_load1) or vector(7)',
    'label_replace(node_uname_info, "os", "$1", "sysname", "(.).*")',
    'max_over_time(node_load1[3m]) - min_over_time(node_load1[3m])',
    'absent(node_no_such_thing{job="driver"})',
    'avg_over_time(node_procs_running[2m:20s])',
    'stddev(node_vmstat_pgfault) + count(node_cpu_seconds_total) % 7',
    'increase(promhttp_metric_handler_requests_total[5m]) or increase(process_cpu_seconds_total[5m])',
    'sort_desc(node_memory_Cached_bytes > bool 1)',
]
RANGE = [
    'node_load1',
    'rate(node_cpu_seconds_total{mode="user"}[1m])',
    'irate(node_context_switches_total[1m])',
    'sum(rate(node_cpu_seconds_total[2m])) without (cpu)',
    'histogram_quantile(0.5, rate(http_request_duration_seconds_bucket[2m]))',
    'delta(node_memory_MemFree_bytes[2m])',
    'deriv(node_memory_MemFree_bytes[2m])',
    'node_time_seconds - node_boot_time_seconds',
    'topk(2, node_filesystem_size_bytes * 2)',
    'count_values("value", node_procs_running)',
    'changes(node_time_seconds[2m]) and on () node_load5 >= 0',
    'predict_linear(node_time_seconds[3m], 60)',
    'quantile_over_time(0.75, node_load1[2m])',
    'node_memory_MemTotal_bytes offset 1m',
]


class Peer:
    """Debian's Prometheus on an address of its own."""

    def __init__(self, config):
        program = need_program("prometheus")
        self.host = address()
        self.url = f"http://{self.host}:9090"
        self.process = start([
            program, "--config.file", config, "--storage.tsdb.path", folder("peer"),
            "--web.listen-address", f"{self.host}:9090", "--web.enable-remote-write-receiver",
            "--log.level=error"], stdout=subprocess.DEVNULL)
        until(lambda: ask(self.url + "/-/ready").status == 200, "prometheus ready", 30)


def both(config_text):
    need("metrics", "driver")
    need_program("prometheus")
    config = write(os.path.join(folder("config"), "prometheus.yml"), config_text)
    ours = Role("metrics", "--config.file", config, "--web.enable-remote-write-receiver").ready()
    return ours, Peer(config)


def driver():
    config = write(os.path.join(folder("driver"), "driver.yml"), "probes: {}\n")
    return Role("driver", "--config", config, "--metrics.region-off").ready()


# ---- comparing ----

def near(one, other):
    one, other = float(one), float(other)
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or abs(one - other) <= WITHIN * max(abs(one), abs(other))


def key(metric):
    """Bounds are written 1.0 since 3.0 and 1 before; both mean the same bucket."""
    return json.dumps({k: str(float(v)) if k == "le" else v for k, v in metric.items()}, sort_keys=True)


def series_of(answer, text):
    same("success", answer["status"], f"{text}: {answer.get('error')}")
    data = answer["data"]
    if data["resultType"] == "scalar":
        return data["resultType"], {"": [data["result"]]}
    return data["resultType"], {key(one["metric"]): one.get("values") or [one["value"]]
                                for one in data["result"]}


def compare(text, ours, peer):
    our_type, our_series = series_of(ours, "ours, " + text)
    peer_type, peer_series = series_of(peer, "prometheus, " + text)
    same(peer_type, our_type, f"{text}: type")
    missing, more = set(peer_series) - set(our_series), set(our_series) - set(peer_series)
    check(not missing and not more, f"{text}: missing {sorted(missing)[:3]}, more {sorted(more)[:3]}")
    points = 0
    for name, wanted in peer_series.items():
        got = our_series[name]
        same([t for t, _ in wanted], [t for t, _ in got], f"{text}: times of {name}")
        for (time_, one), (_, other) in zip(wanted, got):
            check(near(one, other), f"{text}: {name} at {time_}: wanted {one}, got {other}")
        points += len(wanted)
    return points


class Fed:
    """Both servers holding the same scrapes of the driver; made once."""
    pair = None

    @classmethod
    def get(cls):
        if cls.pair is None:
            cls.pair = cls()
        return cls.pair

    def __init__(self):
        self.ours, self.peer = both("global: { scrape_interval: 1h }\nscrape_configs: []\n")
        self.driver = driver()
        self.first_ms = int(time.time()) // 60 * 60000 - SCRAPES * STEP_MS
        for turn in range(SCRAPES):
            for _ in range(turn % 3):
                ask(self.driver.url + "/")
            samples = exposition(ask(self.driver.url + "/metrics").text)
            time_ms = self.first_ms + turn * STEP_MS
            body = [({"__name__": name, "job": "driver", "instance": "one:8081", **labels},
                     [(time_ms, number)]) for name, labels, number in samples]
            for server in (self.ours, self.peer):
                got = remote_write(server.url, body)
                same(204, got.status, f"remote write: {got.text}")
            time.sleep(0.05)
        self.last_ms = self.first_ms + (SCRAPES - 1) * STEP_MS
        self.driver.stop()
        keep()
        note(f"{len(samples)} series, {SCRAPES} scrapes")


def fed():
    return Fed.get()


def compared(expressions, **times):
    pair, points, bad = fed(), 0, []
    empty = []
    for expression in expressions:
        try:
            count = compare(expression, query(pair.ours.url, expression, **times),
                            query(pair.peer.url, expression, **times))
            if count == 0:
                empty.append(expression)
            points += count
        except AssertionError as problem:
            bad.append(str(problem))
    check(not bad, f"{len(bad)} of {len(expressions)} differ:\n" + "\n".join(bad))
    note(f"{len(expressions)} queries, {points} points within {WITHIN:g}"
         + (f"; empty: {empty}" if empty else ""))
    check(len(expressions) - len(empty) >= 10, "at least ten queries with a result")


def test_instant():
    """instant queries over the driver's metrics give what Prometheus gives"""
    compared(INSTANT, time=(fed().last_ms + 3137) / 1000)


def test_range():
    """range queries over the driver's metrics give what Prometheus gives"""
    begin = (fed().first_ms + 180000 + 3137) / 1000
    compared(RANGE, start=begin, end=(fed().last_ms + 20000) / 1000, step=10)


def test_lists():
    """series, labels and label values are the same lists"""
    pair = fed()
    window = f"start={pair.first_ms / 1000}&end={pair.last_ms / 1000}"
    for path in ('labels?', 'label/__name__/values?', 'label/mode/values?',
                 'label/device/values?match[]=node_network_up&',
                 'series?match[]={__name__=~"node_(load1|uname_info|cpu_seconds_total)"}&',
                 'labels?match[]=node_uname_info&'):
        url = "/api/v1/" + path.replace("{", "%7B").replace("}", "%7D").replace('"', "%22") + window
        mine, theirs = ask(pair.ours.url + url).json, ask(pair.peer.url + url).json
        same("success", mine["status"], f"{path}: {mine.get('error')}")
        if path.startswith("series"):
            same(sorted(map(key, theirs["data"])), sorted(map(key, mine["data"])), path)
        else:
            same(theirs["data"], mine["data"], path)


def test_errors():
    """queries that cannot be answered fail with the same status and kind"""
    pair = fed()
    for expression in ("sum(", "rate(node_load1)", "node_load1[5m", "1 + on (x", "no_function(x)",
                       'x{a=~"("}', "x offset", "sum by (a node_load1", "{}", "a and 1", "topk(x)",
                       "count_values(1, x)", "'\\q'", "x[5m:", "5m"):
        url = "/api/v1/query?" + "query=" + "".join(f"%{b:02x}" for b in expression.encode())
        mine, theirs = ask(pair.ours.url + url), ask(pair.peer.url + url)
        if theirs.status == 200 or expression == "5m":  # a number since 2.54
            continue
        same(theirs.status, mine.status, f"status of {expression}: {mine.text[:300]}")
        same(theirs.json["errorType"], mine.json["errorType"], expression)
        has(mine.json["error"], r"parse error|invalid|unknown")


def test_promtool():
    """promtool query instant, range, series and labels work against ours"""
    promtool = need_program("promtool")
    pair = fed()
    first, last = pair.first_ms // 1000 + 63, pair.last_ms // 1000
    for words, wanted in (
            (["instant", pair.ours.url, f"--time={last + 3}", "count(node_cpu_seconds_total) by (job)"],
             r'\{job="driver"\} => \d+ @'),
            (["range", pair.ours.url, f"--start={first}", f"--end={last}", "--step=15s", "node_load1"],
             r'node_load1\{.*\} =>\n\d'),
            (["series", pair.ours.url, "--match=node_load1", f"--start={first}", f"--end={last}"],
             r'__name__="node_load1"'),
            (["labels", pair.ours.url, "mode"], "(?m)^idle$")):
        words = [w for w in words if not w.startswith("--")] + [w for w in words if w.startswith("--")]
        got = subprocess.run([promtool, "query", *words], capture_output=True, text=True, timeout=20)
        same(0, got.returncode, f"promtool query {words[0]}: {got.stdout}{got.stderr}")
        has(got.stdout, wanted)
    bad = subprocess.run([promtool, "query", "instant", pair.ours.url, "sum("], capture_output=True,
                         text=True, timeout=20)
    check(bad.returncode != 0, "a bad query fails")
    has(bad.stdout + bad.stderr, "parse error")


def test_scraping():
    """both scraping the same driver: the same series, and equal values of what does not change"""
    target = driver()
    ours, peer = both(f"""
global: {{ scrape_interval: 1s, external_labels: {{ monitor: both }} }}
scrape_configs:
  - job_name: driver
    static_configs: [ {{ targets: ["{target.host}:{target.port}"], labels: {{ zone: a }} }} ]
    metric_relabel_configs:
      - {{ source_labels: [__name__], regex: "node_disk_.*", action: drop }}
  - job_name: nobody
    static_configs: [ {{ targets: ["{address()}:1"] }} ]
""")
    for server in (ours, peer):
        until(lambda s=server: query(s.url, "count_over_time(up[1m]) > 3")["data"]["result"][1:],
              "some scrapes", 20, 0.2)
    now = round(time.time(), 3)
    constant = ["node_boot_time_seconds", "node_uname_info", "node_filesystem_size_bytes", "up",
                "count by (__name__) ({__name__=~'node_.*', __name__!='node_processes_state'})", "node_memory_MemTotal_bytes",
                "group by (job, instance, zone) ({job='driver'})", "scrape_samples_scraped > bool 100",
                "scrape_samples_post_metric_relabeling > bool 100", "count(node_cpu_seconds_total) by (mode)"]
    points = 0
    for expression in constant:
        points += compare(expression, query(ours.url, expression, time=now),
                          query(peer.url, expression, time=now))
    note(f"{len(constant)} queries, {points} points")
    mine, theirs = (ask(s.url + "/api/v1/targets").json["data"]["activeTargets"] for s in (ours, peer))
    for one, other in zip(*(sorted(x, key=lambda t: t["scrapePool"]) for x in (mine, theirs))):
        for field in ("scrapePool", "scrapeUrl", "labels", "health", "scrapeInterval",
                      "scrapeTimeout", "discoveredLabels"):
            same(other[field], one[field], f"target {one['scrapePool']}: {field}")
        if one["health"] == "down":
            has(one["lastError"], "(?i)connection refused")
    # A target that goes is stale at once.
    target.stop()
    for server in (ours, peer):
        until(lambda s=server: query(s.url, "node_boot_time_seconds")["data"]["result"] == []
              and query(s.url, "up{job='driver'}")["data"]["result"][0]["value"][1] == "0",
              "stale series", 10, 0.2)
    ours.stop()


run([test_instant, test_range, test_lists, test_errors, test_promtool, test_scraping])
