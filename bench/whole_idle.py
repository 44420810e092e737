#!/usr/bin/env python3
"""whole_idle - what the whole system costs when nobody asks: start time and resident memory.

    whole_idle [--quick] [--minutes N] [--executable FILE]

Prints a line a figure: name ours peer ratio unit. Peer: Debian's Prometheus alone, scraping our
driver as our metrics role does, measured in the same run; `-` when it is not installed, or has no
like. --quick waits 10 seconds in place of five minutes.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
STARTS = 5


def root():
    """The folder with config/ and grafana/: above bench/, or above build/bench/."""
    place = HERE
    while not os.path.exists(os.path.join(place, "config/prometheus.yml")):
        place = os.path.dirname(place)
        if place == "/":
            sys.exit("whole_idle: config/prometheus.yml is not above this file")
    return place


def address(number):
    pid = os.getpid()
    return f"127.{200 + number}.{pid >> 8 & 255}.{pid % 254 + 1}"


def get(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as answer:
        return answer.read()


def wait(probe, what, process):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"whole_idle: {what} ended with {process.returncode}")
        try:
            if probe():
                return
        except OSError:
            pass
        time.sleep(0.003)
    sys.exit(f"whole_idle: {what} is not ready")


def status_of(pid, name):
    """A size of /proc/PID/status in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return 0


def private_of(pid):
    """Memory that is this process's alone: shared pages of the executable counted in shares."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Ours:
    def __init__(self, executable, base):
        self.host = address(0)
        self.env = dict(os.environ, BAROGRAPH_METRICS=os.path.join(base, "region"))
        self.line = [executable, "up", "--address", self.host, "--data", base + "/data",
                     "--logs", base + "/logs", "--config", root() + "/config",
                     "--grafana", root() + "/grafana"]
        self.process = None

    def roles(self):
        return json.loads(get(f"http://{self.host}:8080/status"))["roles"]

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(self.line, env=self.env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(lambda: all(role["state"] == "ready" for role in self.roles()), "up", self.process)
        return time.monotonic() - began

    def stop(self):
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(60)
        return time.monotonic() - began

    def pids(self):
        return {"supervisor": self.process.pid, **{role["name"]: role["pid"] for role in self.roles()}}


class Peer:
    """Debian's Prometheus."""

    def __init__(self, program, base, driver):
        self.host = address(1)
        config = base + "/peer.yml"
        with open(config, "w", encoding="utf-8") as file:
            file.write("global: { scrape_interval: 5s }\nscrape_configs:\n"
                       f"  - {{ job_name: driver, static_configs: [ {{ targets: ['{driver}:8081'] }} ] }}\n")
        self.line = [program, "--config.file", config, "--storage.tsdb.path", base + "/peer",
                     f"--web.listen-address={self.host}:9090", "--log.level=error"]
        self.process = None

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(self.line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait(lambda: get(f"http://{self.host}:9090/-/ready"), "prometheus", self.process)
        return time.monotonic() - began

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def line(name, ours, peer, unit):
    both = ours and peer
    print(f"{name} {ours:.4g} {f'{peer:.4g}' if peer else '-'} {f'{ours / peer:.3f}' if both else '-'} {unit}",
          flush=True)


def measure_starts(thing):
    times = []
    for turn in range(STARTS):
        times.append(thing.start())
        if turn + 1 < STARTS:
            thing.stop()
    return statistics.median(times)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--quick", action="store_true")
    options.add_argument("--minutes", type=float, default=5)
    options.add_argument("--executable", default=root() + "/build/barograph")
    options = options.parse_args()
    seconds = 10 if options.quick else options.minutes * 60
    base = tempfile.mkdtemp(prefix="barograph-idle-")
    ours, peer = Ours(os.path.abspath(options.executable), base), None
    program = shutil.which("prometheus")
    try:
        start = measure_starts(ours)
        peer_start = None
        if program:
            peer = Peer(program, base, ours.host)
            peer_start = measure_starts(peer)
        line("whole/start/all_ready", start, None, "s")
        line("whole/start/metrics_beside_prometheus", start, peer_start, "s")
        cpu = sum(cpu_of(pid) for pid in ours.pids().values())
        peer_cpu = cpu_of(peer.process.pid) if peer else 0
        time.sleep(seconds)
        pids = ours.pids()
        used = sum(cpu_of(pid) for pid in pids.values()) - cpu
        peer_used = cpu_of(peer.process.pid) - peer_cpu if peer else None
        resident = {name: status_of(pid, "VmRSS") for name, pid in pids.items()}
        line("whole/idle/resident_all", sum(resident.values()) / 2**20, None, "MiB")
        line("whole/idle/resident_roles",
             sum(size for name, size in resident.items() if name != "supervisor") / 2**20, None, "MiB")
        line("whole/idle/proportional_all", sum(map(private_of, pids.values())) / 2**20, None, "MiB")
        for name, size in sorted(resident.items()):
            other = status_of(peer.process.pid, "VmRSS") / 2**20 if peer and name == "metrics" else None
            line(f"whole/idle/resident/{name}", size / 2**20, other, "MiB")
        line("whole/idle/cpu_all", 100 * used / seconds, None, "percent")
        if peer:
            line("whole/idle/cpu_all_beside_prometheus", 100 * used / seconds,
                 100 * peer_used / seconds, "percent")
        line("whole/stop/all_gone", ours.stop(), None, "s")
    finally:
        for thing in (ours, peer):
            if thing and thing.process and thing.process.poll() is None:
                thing.stop()
        shutil.rmtree(base, ignore_errors=True)


main()
