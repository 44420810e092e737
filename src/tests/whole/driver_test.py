"""driver_test - what the driver serves at :8081: Debian's promtool reads it, and scripts add to it."""
import os
import re
import socket
import subprocess

from harness import (EXECUTABLE, ROOT, Role, address, ask, check, environment, exposition, folder, has,
                     need, need_program, note, run, same, until, write)

# node_exporter takes these names from the kernel's own files, so promtool's linter complains of the
# real one in the same words. Nothing else is allowed.
KERNEL_NAME = re.compile(r"(node_(memory|netstat|sockstat|vmstat)_\w+ metric names should be written in "
                         r"'snake_case' not 'camelCase'"
                         r"|node_entropy_available_bits use base unit \"bytes\" instead of \"bits\")$")


def driver(*words, config=None):
    need("driver")
    path = config or write(os.path.join(folder("driver"), "driver.yml"), "probes: {}\n")
    return Role("driver", "--config", path, *words).ready()


def metric(*words):
    return subprocess.run([EXECUTABLE, "metric", *words], capture_output=True, text=True, timeout=10,
                          env=environment())


def test_promtool():
    """promtool check metrics complains only of names that are the kernel's own"""
    promtool = need_program("promtool")
    role = driver()
    text = ask(role.url + "/metrics").text
    got = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    check(got.returncode in (0, 3), f"promtool: {got.returncode} {got.stderr}")  # 3: linter only
    complaints = (got.stdout + got.stderr).splitlines()
    others = [line for line in complaints if not KERNEL_NAME.match(line)]
    same([], others, "complaints beyond the kernel's names")
    note(f"{len(complaints)} complaints of kernel names, {len(text.splitlines())} lines")
    role.stop()


def test_values():
    """holds real values of this host under node_exporter's names"""
    role = driver()
    samples = exposition(ask(role.url + "/metrics").text)
    by_name = {}
    for name, labels, number in samples:
        by_name.setdefault(name, []).append((labels, number))
    same(len(samples), len({(n, tuple(sorted(l.items()))) for n, l, _ in samples}), "doubled series")
    with open("/proc/meminfo", encoding="ascii") as file:
        total = int(re.search(r"MemTotal:\s+(\d+)", file.read()).group(1)) * 1024
    same(total, by_name["node_memory_MemTotal_bytes"][0][1], "memory")
    cpus = {labels["cpu"] for labels, _ in by_name["node_cpu_seconds_total"]}
    same(os.cpu_count(), len(cpus), "processors")
    same(os.uname().nodename, by_name["node_uname_info"][0][0]["nodename"], "node name")
    for name in ("node_load1", "node_boot_time_seconds", "node_time_seconds",
                 "node_filesystem_size_bytes", "node_network_receive_bytes_total",
                 "node_vmstat_pgfault", "node_disk_read_bytes_total", "process_cpu_seconds_total",
                 "node_procs_running"):
        check(name in by_name or name.startswith("node_disk"), f"no {name}")
    role.stop()


def test_scripts():
    """`barograph metric` counts, sets, observes and states; it appears on :8081"""
    role = driver()
    commands = [
        ("inc", "whole_jobs_total", "--label", "ok=true"),
        ("inc", "whole_jobs_total", "24", "--label", "ok=true"),
        ("set", "whole_queue", "17"),
        ("dec", "whole_queue", "19"),
        ("observe", "whole_seconds", "0.5", "--bounds", "0.1,1,10"),
        ("observe", "whole_seconds", "5", "--bounds", "0.1,1,10"),
        ("observe", "whole_bytes", "12.5"),
        ("state", "whole_backup", "running", "--states", "idle,running"),
        ("info", "whole_build", "--label", "version=1\\2\"3\n4<b>"),
    ]
    for words in commands:
        got = metric(*words)
        same(0, got.returncode, f"metric {' '.join(words)}: {got.stderr}")
    samples = {}
    for name, labels, number in exposition(ask(role.url + "/metrics").text):
        if name.startswith("whole_"):
            samples[name, tuple(sorted(labels.items()))] = number
    same(25, samples["whole_jobs_total", (("ok", "true"),)], "counter")
    same(-2, samples["whole_queue", ()], "gauge")
    buckets = {labels[0][1]: n for (name, labels), n in samples.items() if name == "whole_seconds_bucket"}
    same([0, 1, 2, 2], [buckets[bound] for bound in sorted(buckets, key=float)], "buckets")
    same(2, samples["whole_seconds_count", ()], "count")
    same(5.5, samples["whole_seconds_sum", ()], "sum")
    same(1, samples["whole_bytes_count", ()], "summary")
    same(1, samples["whole_backup", (("whole_backup", "running"),)], "state")
    same(0, samples["whole_backup", (("whole_backup", "idle"),)], "other state")
    same(1, samples["whole_build_info", (("version", "1\\2\"3\n4<b>"),)], "info, escapes")
    bad = metric("set", "whole_jobs_total", "3", "--label", "ok=true")
    check(bad.returncode != 0, "a counter cannot be set")
    has(bad.stderr, "whole_jobs_total")
    promtool = need_program("promtool")
    text = "\n".join(l for l in ask(role.url + "/metrics").text.splitlines() if "whole_" in l) + "\n"
    got = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    check(got.returncode in (0, 3), "promtool reads it: " + got.stderr)
    role.stop()


def shown(role):
    """All samples of the driver's page, by name and labels."""
    text = ask(role.url + "/metrics").text
    return {(name, tuple(sorted(labels.items()))): number for name, labels, number in exposition(text)}


def test_shells():
    """ten shells that count in a loop, half of them by datagrams, lose nothing"""
    shells, rounds = 10, 12
    role = driver()
    loop = f'i=0; while [ $i -lt {rounds} ]; do "$0" metric inc whole_shells_total $1 || exit 1; i=$((i+1)); done'
    running = [subprocess.Popen(["sh", "-c", loop, EXECUTABLE, "--use-socket" if i % 2 else "--must-exist=false"],
                                env=environment()) for i in range(shells)]
    same([0] * shells, [shell.wait(120) for shell in running], "exit statuses")
    samples = shown(role)
    same(shells * rounds, samples["whole_shells_total", ()], "counter")
    same(shells // 2 * rounds, samples["pm_receiver_lines_total", (("input", "socket"),)], "datagrams")
    role.stop()


def test_datagrams():
    """lines by socket and StatsD by UDP are counted, what is wrong is an answer and a count"""
    role = driver("--statsd.listen-udp", "127.0.0.1:0", "--statsd.interval", "100ms")
    lines = ["inc whole_jobs_total", "inc whole_jobs_total 24", "dec whole_balance", "dec whole_balance",
             'observe whole_seconds{q="a b"} 0.5 bounds=1,2', "set whole_jobs_total 3", "what is this"]
    path = environment()["BAROGRAPH_METRICS"] + ".sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.bind("")  # Linux gives a name, so that there is an answer
        client.settimeout(10)
        client.sendto("\n".join(lines).encode(), path)
        answer = client.recv(65536).decode()
    has(answer, r"^failed 2\n", "error 6 type .*whole_jobs_total", "error 7 parse byte 0: expected inc")
    samples = shown(role)
    same(25, samples["whole_jobs_total", ()], "counter")
    same(-2, samples["whole_balance", ()], "gauge")
    same(1, samples["whole_seconds_count", (("q", "a b"),)], "histogram")
    same(1, samples["pm_receiver_errors_total", (("input", "socket"), ("reason", "type"))], "type")
    port = re.search(r'statsd.port\D+(\d+)', role.errors)
    check(port, "the log names the port: " + role.errors)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"whole.hits:3|c|#ok:yes\nbad", ("127.0.0.1", int(port.group(1))))
    until(lambda: shown(role).get(("whole_hits_total", (("ok", "yes"),))) == 3, "StatsD's counter")
    role.stop()


def test_cut_region():
    """a region cut short under the driver does not end it"""
    role = driver()
    same(0, metric("inc", "whole_jobs_total").returncode, "before")
    os.truncate(environment()["BAROGRAPH_METRICS"], 5000)
    same(1, shown(role)["pm_region_cut", ()], "is told")
    metric("inc", "whole_jobs_total")
    metric("inc", "whole_jobs_total", "--use-socket")
    role.check_alive()
    check(shown(role), "still answers")
    role.stop()
    role = driver()
    same(0, metric("inc", "whole_jobs_total").returncode, "after a restart")
    same(1, shown(role)["whole_jobs_total", ()], "counter")
    role.stop()


def test_probes():
    """probes: success, failure and unreachable under blackbox_exporter's names"""
    need("driver")
    target = driver()
    nobody = address()
    path = write(os.path.join(folder("probe"), "driver.yml"), f"""
probes:
  interval: 500ms
  timeout: 400ms
  targets:
    - {{ name: good, kind: http, url: "{target.url}/-/healthy" }}
    - {{ name: bad, kind: http, url: "{target.url}/none" }}
    - {{ name: port, kind: tcp, address: "{target.host}:{target.port}" }}
    - {{ name: nobody, kind: tcp, address: "{nobody}:81" }}
""")
    prober = Role("driver", "--config", path, "--metrics.region-off").ready()

    def success():
        got = {}
        for name, labels, number in exposition(ask(prober.url + "/metrics").text):
            if name == "probe_success":
                got["|".join(labels.values())] = number
        return got
    wanted = {"good": 1, "bad": 0, "port": 1, "nobody": 0}

    def are_right():
        got = success()
        return all(any(k in key and v == number for key, number in got.items())
                   for k, v in wanted.items()) and len(got) == 4
    until(are_right, "probe_success of all four", 10, 0.1)
    prober.check_alive()
    prober.stop()
    target.stop()


def test_config():
    """promtool check config passes config/prometheus.yml"""
    promtool = need_program("promtool")
    got = subprocess.run([promtool, "check", "config", os.path.join(ROOT, "config/prometheus.yml")],
                         capture_output=True, text=True)
    same(0, got.returncode, got.stdout + got.stderr)


run([test_promtool, test_values, test_scripts, test_shells, test_datagrams, test_cut_region, test_probes,
     test_config])
