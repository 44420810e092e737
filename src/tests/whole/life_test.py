"""life_test - starting, looking and stopping the whole system from scripts."""
import os
import subprocess
import time

from harness import (EXECUTABLE, PORTS, ROLES, ROOT, Whole, ask, check, exposition, has,
                     known_roles, need, note, run, same, until)


def command(*words, env=None, timeout=60):
    return subprocess.run([EXECUTABLE, *words], capture_output=True, text=True, timeout=timeout,
                          env=env, stdin=subprocess.DEVNULL)


def detached(whole):
    began = time.monotonic()
    got = subprocess.run(whole.line + ["--detach"], capture_output=True, text=True, timeout=60,
                         env=whole.env, stdin=subprocess.DEVNULL)
    return got, time.monotonic() - began


def test_round():
    """up --detach, status, down: exit codes, endpoints, nothing left; a second start, too"""
    need()
    whole = Whole()
    for turn in ("first", "second"):
        got, took = detached(whole)
        same(0, got.returncode, f"up --detach: {got.stderr}")
        try:
            note(f"{turn} start: ready after {took:.3f} s")
            for role in ("dashboards", "metrics", "logs", "driver", "explore"):
                has(got.stdout, rf"http://{whole.host}:{PORTS[role]}")
            status = command("status", "--supervisor", whole.supervisor)
            same(0, status.returncode, "status: " + status.stdout + status.stderr)
            for role in ROLES:
                has(status.stdout, rf"(?m)^{role} +ready ")
            as_json = command("status", "--supervisor", whole.supervisor, "--json")
            has(as_json.stdout, '"roles"')
            same(7, len(whole.processes()), "processes")
        finally:
            down = command("down", "--data", whole.data)
        same(0, down.returncode, "down: " + down.stderr)
        until(lambda: not whole.processes(), "no process left", 3)
    again = command("down", "--data", whole.data)
    same(1, again.returncode, "a second down")
    has(again.stderr, "nothing runs on data folder '" + whole.data)
    none = command("status", "--supervisor", whole.supervisor)
    same(3, none.returncode, "status of nothing")
    has(none.stderr, "nothing answers at " + whole.supervisor)


def test_answers():
    """each role answers /-/healthy, /-/ready and a /metrics that parses"""
    need()
    whole = Whole()
    whole.start()
    for role in [*ROLES, "up"]:
        url = whole.url(role)
        for path in ("/-/healthy", "/-/ready"):
            same(200, ask(url + path).status, url + path)
        got = ask(url + "/metrics")
        same(200, got.status, url + "/metrics")
        names = {name for name, _, _ in exposition(got.text)}
        for name in ("process_resident_memory_bytes", "process_start_time_seconds"):
            check(name in names, f"{role} has no {name}")
        unknown = 400 if role == "logs" else 404  # Elasticsearch has its own mind about it
        same(unknown, ask(url + "/no/such/thing").status, url + "/no/such/thing")
    page = ask(whole.url("dashboards") + "/")
    same(200, page.status, "the dashboards' page")
    has(page.headers.get("Content-Security-Policy", ""), "default-src")

    # The metrics role scrapes them all.
    def all_up():
        got = ask(whole.url("metrics") + "/api/v1/query?query=up").json
        return {r["metric"]["job"]: r["value"][1] for r in got["data"]["result"]}
    jobs = {"driver", "metrics", "dashboards", "logs", "explore", "ship", "up"}
    until(lambda: {j for j, v in all_up().items() if v == "1"} == jobs, "seven targets up", 20, 0.2)
    whole.stop()
    same([], whole.processes(), "processes left")


def test_second_instance():
    """a second instance on the same data folder is refused and names folder and process"""
    need("driver", "dashboards")
    whole = Whole()
    whole.start(wait=False)
    until(lambda: ask(whole.supervisor + "/-/ready").status == 200, "supervisor")
    other = Whole()
    line = [word.replace(other.data, whole.data) for word in other.line]
    got = subprocess.run(line, capture_output=True, text=True, timeout=20, env=other.env)
    same(1, got.returncode, "exit status")
    has(got.stderr, whole.data, f"process {whole.process.pid}")
    check(whole.process.poll() is None, "the first goes on")
    whole.stop()


def test_signal():
    """SIGTERM to the supervisor ends all roles; killed hard, it takes them with it"""
    need("driver", "dashboards")
    for is_hard in (False, True):
        whole = Whole()
        whole.start(wait=False)
        until(lambda: whole.roles()["driver"]["state"] == "ready", "driver")
        check(len(whole.processes()) >= 3, "roles run")
        if is_hard:
            whole.process.kill()
            whole.process.wait()
        else:
            whole.stop()
        until(lambda: not whole.processes(), "no process left", 20)


def test_version():
    """version, help and unknown words"""
    same(0, command("version").returncode)
    same(0, command("--help").returncode)
    got = command("verison")
    same(2, got.returncode)
    has(got.stderr, "verison")
    for role in known_roles():
        got = command(role, "--help")
        same(0, got.returncode, role)
        has(got.stdout, "--web.listen-address")
        config = ["-c", os.path.join(ROOT, "config/filebeat.yml")] if role == "ship" else []
        got = command(role, *config, "--web.listen-adress=1")
        same(2, got.returncode, role)
        has(got.stderr, "did you mean '--web.listen-address'")


run([test_version, test_signal, test_second_instance, test_round, test_answers])
