"""check_test - `barograph check metrics`: each rule with its line, and Debian's promtool of one mind."""
import os
import random
import re
import subprocess

from harness import EXECUTABLE, ROOT, Role, ask, check, folder, has, need, need_program, note, run, same, write

# What promtool says, as our rules: each message is one rule and one metric.
PROMTOOL = [
    (r"no help text", "help"),
    (r"use base unit", "unit"),
    (r"counter metrics should have|non-counter metrics should not have", "total"),
    (r"metrics should not have \"(_bucket|_count|_sum|le|quantile)\"", "reserved"),
    (r"metric name should not include type", "type-name"),
    (r"should not contain ':'", "colon"),
    (r"names should be written in 'snake_case'", "case"),
    (r"should not contain abbreviated units", "abbreviation"),
]
WORDS = ["http", "request", "job", "queue", "seconds", "milliseconds", "bytes", "kilobytes", "bits", "ms", "s", "kb",
         "counter", "gauge", "histogram", "summary", "total", "count", "sum", "bucket", "celsius", "fahrenheit",
         "hours", "sizeBytes", "reqCount", "meters", "thermometers", "days", "h", "d", "Kelvin", "info", "a:b",
         "kilometers", "mibibytes", "m", "sec", "untyped"]
UNITS = {"seconds", "milliseconds", "bytes", "kilobytes", "bits", "celsius", "fahrenheit", "hours", "meters", "days",
         "kilometers", "mibibytes"}


def checked(text, *words):
    got = subprocess.run([EXECUTABLE, "check", "metrics", *words], input=text, capture_output=True, text=True,
                         timeout=60)
    findings = re.findall(r"^[^:]+:(\d+): ([a-z-]+): (?:(\S+): )?(.*)$", got.stdout, re.M)
    return got, [(int(line), rule, metric, said) for line, rule, metric, said in findings]


def family(dice, number):
    """One well-formed family of a random name, type, help and label."""
    words = dice.sample(WORDS, dice.randrange(1, 4))
    while sum(word in UNITS for word in words) > 1:  # promtool looks at one of them, by chance
        words.pop()
    name = "_".join([f"x{number}"] + words)
    kind = dice.choice(["counter", "gauge", "histogram", "summary", "untyped"])
    if kind in ("gauge", "counter", "untyped") and name.endswith("_info"):
        name += "s"
    lines = []
    if dice.randrange(4):
        lines.append(f"# HELP {name} What {number} of them mean.")
    lines.append(f"# TYPE {name} {kind}")
    label = dice.choice(["", 'code="1"', 'statusCode="1"', 'le="1"', 'quantile="0.5"'])
    if kind == "histogram":
        label = "" if "le=" in label else label
        comma = label + "," if label else ""
        lines += [f'{name}_bucket{{{comma}le="1"}} 1', f'{name}_bucket{{{comma}le="+Inf"}} 2',
                  f"{name}_sum{{{label}}} 2", f"{name}_count{{{label}}} 2"]
    elif kind == "summary":
        label = "" if "quantile" in label else label
        lines += [f"{name}_sum{{{label}}} 2", f"{name}_count{{{label}}} 2"]
    else:
        lines.append(f"{name}{{{label}}} 1")
    return name, "\n".join(lines) + "\n"


def test_promtool():
    """2,000 random families: the rules that promtool has find what promtool finds"""
    promtool = need_program("promtool")
    dice = random.Random(4)
    families = [family(dice, number) for number in range(2000)]
    text = "".join(text for _, text in families)
    theirs = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    check(theirs.returncode == 3, f"promtool: {theirs.returncode} {theirs.stderr[-500:]}")
    wanted = set()
    for line in theirs.stderr.splitlines() + theirs.stdout.splitlines():
        metric, said = line.split(" ", 1)
        rule = next((rule for pattern, rule in PROMTOOL if re.search(pattern, said)), None)
        check(rule, "what promtool says is known: " + line)
        wanted.add((metric, rule))
    _, findings = checked(text, "--max-findings", "0")
    rules = {rule for _, rule in PROMTOOL}
    got = {(metric, rule) for _, rule, metric, _ in findings if rule in rules}
    same([], sorted(wanted - got)[:5], "only promtool")
    same([], sorted(got - wanted)[:5], "only ours")
    note(f"{len(wanted)} findings of {len(families)} families alike")


def test_rules():
    """each rule of our own names line, rule and metric"""
    rows = [
        ("help-repeats", 1, "# HELP jobs_total Jobs total.\n# TYPE jobs_total counter\njobs_total 1\n"),
        ("type", 1, "up 1\n"),
        ("percent", 2, "# HELP load_percent How busy it is.\n# TYPE load_percent gauge\nload_percent 1\n"),
        ("timestamp-name", 2, "# HELP end_timestamp When it ended.\n# TYPE end_timestamp gauge\nend_timestamp 1\n"),
        ("server-label", 3, '# HELP a What it is.\n# TYPE a gauge\na{job="x"} 1\n'),
        ("blank", 4, '# HELP a What it is.\n# TYPE a gauge\na{b="x"} 1\na{b="y "} 1\n'),
        ("empty", 3, '# HELP a What it is.\n# TYPE a gauge\na{b=""} 1\n'),
        ("sample-time", 3, "# HELP a What it is.\n# TYPE a gauge\na 1 1700000000000\n"),
        ("negative", 3, "# HELP a_total What it is.\n# TYPE a_total counter\na_total -1\n"),
        ("info-value", 3, '# HELP a_info What it is.\n# TYPE a_info gauge\na_info{b="c"} 2\n'),
        ("bucket", 3, '# HELP a What it is.\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n'),
        ("parse", 4, '# HELP a What it is.\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\n'
                      "a_sum 1\na_count 1\n"),
        ("bucket", 5, '# HELP a What it is.\n# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n'),
        ("many", 3, "# HELP a What it is.\n# TYPE a gauge\n" + "".join(f'a{{id="{i}"}} 1\n' for i in range(1001))),
        ("parse", 3, "# HELP a What it is.\n# TYPE a gauge\na one\n"),
        ("parse", 1, "# TYPE a gauge\na 1\n# EOF\nb 1\n# EOF\n"),
    ]
    for rule, line, text in rows:
        got, findings = checked(text)
        same(1, got.returncode, f"exit status at {rule}: {got.stdout}{got.stderr}")
        if rule == "parse":
            same("parse", findings[0][1], text + got.stdout)
            continue
        check(any(r == rule and l == line for l, r, _, _ in findings), f"{rule} at line {line}: {got.stdout}")
        skipped, findings = checked(text, "--skip", rule)
        check(all(r != rule for _, r, _, _ in findings), f"--skip {rule}: {skipped.stdout}")


def test_clean():
    """what is right is silent, in both formats; what cannot be read is said"""
    good = "# HELP jobs_total What was done.\n# TYPE jobs_total counter\njobs_total{ok=\"true\"} 1\n"
    got, findings = checked(good)
    same((0, []), (got.returncode, findings), got.stdout)
    has(got.stdout, "1 metrics, 0 findings")
    openmetrics = ("# TYPE jobs counter\n# HELP jobs What was done.\njobs_total 1\n# TYPE build info\n"
                   "# HELP build What runs.\nbuild_info{version=\"1\"} 1\n# EOF\n")
    got, findings = checked(openmetrics)
    same((0, []), (got.returncode, findings), got.stdout)
    got, _ = checked(openmetrics, "--format", "text")
    same(1, got.returncode, "an info is no type of the text format: " + got.stdout)
    path = write(os.path.join(folder("check"), "a.prom"), "a 1\n")
    got = subprocess.run([EXECUTABLE, "check", "metrics", path, path + ".none"], capture_output=True, text=True)
    same(1, got.returncode)
    has(got.stdout, re.escape(path) + ":1: type: a: ")
    has(got.stderr, re.escape(path) + r"\.none")
    same(2, subprocess.run([EXECUTABLE, "check", "metrics", "--format", "x"], capture_output=True).returncode)


def test_url():
    """the driver's own page has findings of the kernel's names alone"""
    need("driver")
    path = write(os.path.join(folder("driver"), "driver.yml"), "probes: {}\n")
    role = Role("driver", "--config", path).ready()
    got, findings = checked("", "--max-findings", "0", role.url + "/metrics")
    check(not got.stderr, got.stderr)
    # node_exporter's names for what the kernel calls so.
    others = [f for f in findings if not f[2].startswith("node_")]
    same([], others, "findings of metrics that are ours")
    got = subprocess.run([EXECUTABLE, "check", "metrics", role.url + "/none"], capture_output=True, text=True)
    same(1, got.returncode)
    has(got.stderr, "404")
    role.stop()


def test_roles():
    """the own metrics of every role are as their library writes them, and lint-clean"""
    need()
    words = {"driver": ["--config", write(os.path.join(folder("driver"), "driver.yml"), "probes: {}\n")],
             "dashboards": ["--config", os.path.join(ROOT, "grafana")], "explore": [], "logs": [], "metrics": [], "ship": []}
    config = folder("config")
    words["metrics"] = ["--config.file=" + write(os.path.join(config, "prometheus.yml"), "scrape_configs: []\n")]
    words["ship"] = ["-c", write(os.path.join(config, "filebeat.yml"), f"""
filebeat.inputs: [{{ type: filestream, id: a, paths: ["{config}/none/*.json"] }}]
output.elasticsearch: {{ hosts: ["http://127.0.0.1:9"] }}
""")]
    for name, more in words.items():
        role = Role(name, *more).ready()
        for accept in ("", "application/openmetrics-text;version=1.0.0"):
            text = ask(role.url + "/metrics", headers={"Accept": accept}).text
            _, findings = checked(text, "--max-findings", "0")
            same([], [f for f in findings if not f[2].startswith("node_")], f"findings of {name}, {accept or 'text'}")
            for metric in ("process_cpu_seconds", "pm_errors", "barograph_build_info"):
                check(metric in text, f"no {metric} in {name}")
        role.stop()


run([test_promtool, test_rules, test_clean, test_url, test_roles])
