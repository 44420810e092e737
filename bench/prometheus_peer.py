"""The work of prometheus_bench, done by the official Python client: 'name ns' lines."""
import time
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

COUNT = 200000


def measure(name, run):
    least = 1e18
    for _ in range(5):
        before = time.process_time()
        run()
        least = min(least, (time.process_time() - before) * 1e9 / COUNT)
    print(name, round(least, 1), flush=True)


registry = CollectorRegistry()
counter = Counter("bench_total", "B.", registry=registry)
gauge = Gauge("bench", "B.", registry=registry)
histogram = Histogram("bench_seconds", "B.", registry=registry)
labels = Counter("http_total", "B.", ["m", "c"], registry=registry)


def inc():
    for _ in range(COUNT):
        counter.inc()


def gauge_add():
    for _ in range(COUNT):
        gauge.inc(1.5)


def gauge_set():
    for i in range(COUNT):
        gauge.set(i)


def observe():
    for i in range(COUNT):
        histogram.observe(i % 100 * 0.1)


def inc_labels():
    for i in range(COUNT):
        labels.labels("GET", "200").inc()


measure("inc", inc)
measure("gauge-add", gauge_add)
measure("gauge-set", gauge_set)
measure("observe", observe)
measure("inc-2-labels", inc_labels)
