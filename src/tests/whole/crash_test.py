"""crash_test - ship, logs and metrics killed at random moments under load; nothing acknowledged is lost.

How often each is killed: the word behind the executable, or $WHOLE_KILLS, or 5; the full proof takes 20.
"""
import json
import os
import random
import sys
import threading
import time

from harness import Whole, ask, check, keep, kill_9, need, note, query, remote_write, run, same, until

KILLS = int(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("WHOLE_KILLS", "5"))
LINES_PER_S = 500
SERIES = 20
VICTIMS = ("ship", "logs", "metrics")
random.seed(int(os.environ.get("WHOLE_SEED", time.time_ns() % 1000000)))


class Load:
    """Threads that write until stopped: lines into a file, samples and documents over HTTP."""

    def __init__(self, whole):
        self.whole, self.over = whole, threading.Event()
        self.lines = 0
        self.samples = {}  # sequence number: time_ms, of acknowledged writes
        self.samples_asked = 0
        self.documents = set()  # acknowledged
        self.documents_asked = 0
        self.problems = []
        self.threads = [threading.Thread(target=self.guarded, args=(work,), daemon=True)
                        for work in (self.write_lines, self.write_samples, self.write_documents)]
        for thread in self.threads:
            thread.start()

    def guarded(self, work):
        try:
            work()
        except Exception as problem:  # shown by the test
            self.problems.append(f"{work.__name__}: {problem!r}")

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
        same([], self.problems, "problems of the load")

    def write_lines(self):
        with open(os.path.join(self.whole.logs, "numbered.json"), "a", encoding="utf-8") as file:
            began = time.monotonic()
            while not self.over.is_set():
                due = int((time.monotonic() - began) * LINES_PER_S)
                for number in range(self.lines, due):
                    file.write(json.dumps({
                        "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
                        "log.level": "info", "message": f"line {number} of the load",
                        "ecs.version": "1.6.0", "proof": {"line": number}}) + "\n")
                self.lines = max(self.lines, due)
                file.flush()
                time.sleep(0.02)

    def write_samples(self):
        url, last_ms = self.whole.url("metrics"), 0
        while not self.over.is_set():
            last_ms = max(last_ms + 1, int(time.time() * 1000))
            number = self.samples_asked
            self.samples_asked += 1
            body = [({"__name__": "proof_samples", "series": str(i)}, [(last_ms, number + i / 32)])
                    for i in range(SERIES)]
            try:
                if remote_write(url, body, 10).status == 204:
                    self.samples[number] = last_ms
            except OSError:
                time.sleep(0.02)
            time.sleep(0.02)

    def write_documents(self):
        url = self.whole.url("logs") + "/proof-bulk/_bulk"
        while not self.over.is_set():
            number = self.documents_asked
            self.documents_asked += 10
            body = "".join(json.dumps({"create": {"_id": str(number + i)}}) + "\n"
                           + json.dumps({"proof": {"document": number + i}}) + "\n" for i in range(10))
            try:
                got = ask(url, "POST", body.encode(), {"Content-Type": "application/x-ndjson"}, 10)
                if got.status == 200:
                    for i, item in enumerate(got.json["items"]):
                        if item["create"]["status"] in (200, 201):
                            self.documents.add(number + i)
            except OSError:
                time.sleep(0.02)
            time.sleep(0.05)


def kill_all(whole):
    """Kills each victim KILLS times in random order; the seconds until each was ready again."""
    order = [victim for victim in VICTIMS for _ in range(KILLS)]
    random.shuffle(order)
    took = {victim: [] for victim in VICTIMS}
    for victim in order:
        time.sleep(random.uniform(0.05, 1.0))
        before = whole.roles()[victim]
        check(before["pid"] > 0, f"{victim} runs")
        began = time.monotonic()
        kill_9(before["pid"])

        def is_back():
            now = whole.roles()[victim]
            return now["state"] == "ready" and now["pid"] not in (0, before["pid"])
        until(is_back, f"{victim} ready again", 30, 0.01)
        took[victim].append(time.monotonic() - began)
    return took


def numbers_in_index(whole, index, field, limit):
    """How often each number is in the index: {number: count}."""
    url = f"{whole.url('logs')}/{index}/_search"
    found, step = {}, 2000
    for first in range(0, limit, step):
        body = {"size": 10000, "_source": [field], "track_total_hits": True,
                "query": {"range": {field: {"gte": first, "lt": first + step}}}}
        got = ask(url, "POST", body, timeout=60)
        same(200, got.status, f"search: {got.text[:300]}")
        hits = got.json["hits"]
        check(hits["total"]["value"] <= 10000, f"at most four copies of each: {hits['total']}")
        for hit in hits["hits"]:
            source = hit["_source"]
            number = source.get(field)
            if number is None:
                number = source[field.split(".")[0]][field.split(".")[1]]
            found[number] = found.get(number, 0) + 1
    return found


class Crashed:
    """The load and the kills, run once; the tests look at what is left."""
    one = None

    @classmethod
    def get(cls):
        if isinstance(cls.one, Exception):
            raise cls.one
        if cls.one is None:
            need()
            try:
                cls.one = cls()
            except Exception as problem:
                cls.one = problem
                raise
        return cls.one

    def __init__(self):
        self.whole = Whole("--arg", "metrics=--web.enable-remote-write-receiver")
        self.whole.start()
        self.load = Load(self.whole)
        began = time.monotonic()
        try:
            self.took = kill_all(self.whole)
        finally:
            self.load.stop()
        self.seconds = time.monotonic() - began
        keep()


def test_recovery():
    """each killed role is ready again"""
    one = Crashed.get()
    for victim, times in one.took.items():
        times.sort()
        note(f"{victim}: killed {len(times)} times, ready again after "
             f"{times[len(times) // 2]:.2f} s (median), {times[-1]:.2f} s (worst)")
        same(KILLS, len(times), victim)
    note(f"{one.seconds:.0f} s of load: {one.load.lines} lines, {len(one.load.samples) * SERIES} of "
         f"{one.load.samples_asked * SERIES} samples acknowledged, {len(one.load.documents)} of "
         f"{one.load.documents_asked} documents")
    roles = one.whole.roles()
    for victim in VICTIMS:
        same(KILLS, roles[victim]["restarts"], f"restarts of {victim}")
    for other in ("driver", "dashboards", "explore"):
        same(0, roles[other]["restarts"], f"restarts of {other}")


def test_samples():
    """no acknowledged sample is lost when metrics is killed"""
    one = Crashed.get()
    check(len(one.load.samples) > 20, "samples were acknowledged")
    window = int(one.seconds) + 120
    got = query(one.whole.url("metrics"), f"proof_samples[{window}s]")
    same("success", got["status"], got.get("error"))
    kept = {}
    for series in got["data"]["result"]:
        for time_s, number in series["values"]:
            kept[series["metric"]["series"], round(float(time_s) * 1000)] = float(number)
    lost = [(number, i) for number, time_ms in one.load.samples.items() for i in range(SERIES)
            if kept.get((str(i), time_ms)) != number + i / 32]
    same([], lost[:5], f"{len(lost)} acknowledged samples lost or changed")
    note(f"{len(one.load.samples) * SERIES} acknowledged, {len(kept)} kept")


def test_documents():
    """no acknowledged document is lost when logs is killed, and none is there twice"""
    one = Crashed.get()
    check(len(one.load.documents) > 20, "documents were acknowledged")
    ask(one.whole.url("logs") + "/proof-bulk/_refresh", "POST")
    found = numbers_in_index(one.whole, "proof-bulk", "proof.document", one.load.documents_asked)
    lost = sorted(one.load.documents - set(found))
    same([], lost[:5], f"{len(lost)} acknowledged documents lost")
    same([], [n for n, count in found.items() if count > 1][:5], "documents with one id twice")
    note(f"{len(one.load.documents)} acknowledged, {len(found)} kept")


def test_lines():
    """no line of a followed file is lost when ship or logs is killed; copies are counted"""
    one = Crashed.get()
    wanted = one.load.lines
    check(wanted > 100, "lines were written")
    last = {"query": {"term": {"proof.line": wanted - 1}}}
    until(lambda: ask(one.whole.url("logs") + "/filebeat-*/_count", "POST", last).json["count"] > 0,
          "the last line delivered", 60, 0.2)
    time.sleep(2)  # an earlier batch may be on its second try
    found = numbers_in_index(one.whole, "filebeat-*", "proof.line", wanted)
    lost = [number for number in range(wanted) if number not in found]
    same([], lost[:5], f"{len(lost)} of {wanted} lines lost")
    copies = sum(found.values()) - len(found)
    note(f"{wanted} lines written, all found, {copies} delivered twice")


def test_two_seconds():
    """a line written to logs/*.json is found by _search within two seconds"""
    one = Crashed.get()
    took = []
    for turn in range(5):
        mark = f"mark{os.getpid()}x{turn}"
        with open(os.path.join(one.whole.logs, "marks.json"), "a", encoding="utf-8") as file:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            file.write(f'{{"@timestamp":"{stamp}","message":"{mark} <b>bold</b>","log.level":"error"}}\n')
        began = time.monotonic()
        body = {"query": {"match": {"message": mark}}}
        until(lambda: ask(one.whole.url("logs") + "/filebeat-*/_search", "POST",
                          body).json["hits"]["total"]["value"] == 1, f"line {mark} found", 10, 0.02)
        took.append(time.monotonic() - began)
        time.sleep(0.3)
    note("found after " + ", ".join(f"{t:.2f}" for t in took) + " s")
    check(max(took) < 2, f"within two seconds: {took}")


def test_stop():
    """the whole then stops cleanly and a new start has everything"""
    one = Crashed.get()
    one.whole.stop()
    same([], one.whole.processes(), "processes left")
    one.whole.start()
    got = ask(one.whole.url("logs") + "/filebeat-*/_count", "POST",
              {"query": {"range": {"proof.line": {"gte": 0}}}}).json["count"]
    check(got >= one.load.lines, f"{one.load.lines} lines written, {got} there after a new start")
    window = int(time.time() - min(one.load.samples.values()) / 1000) + 60
    got = query(one.whole.url("metrics"), f"sum(count_over_time(proof_samples[{window}s]))")
    check(float(got["data"]["result"][0]["value"][1]) >= len(one.load.samples) * SERIES, "samples kept")
    one.whole.stop()


note(f"each of {', '.join(VICTIMS)} is killed {KILLS} times")
run([test_recovery, test_samples, test_documents, test_lines, test_two_seconds, test_stop])
