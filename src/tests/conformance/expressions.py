"""expressions.py - random data and random PromQL over it, from a seed.

Counters with resets, gauges, a table to join with and a classic histogram, every 15 s for 30 minutes
from time 0, with gaps. Times of evaluation lie beside the samples and windows never end on one, so that
the left-open windows of 3.x and the closed ones of 2.x see the same; so do steps of subqueries, which are
multiples of primes of milliseconds.
"""
import random

STEP = 15
POINTS = 120
INSTANT = {"time": "1200.5"}
RANGE = {"start": "600.5", "end": "1500.5", "step": "100"}


def data(seed):
    """[({label: value}, [(time_ms, number)])]"""
    r = random.Random(seed)

    def gap():
        return r.random() < 0.06

    def counter():
        """Resets go down in tenths: near zero 2.42 extrapolates otherwise than 2.51 and later."""
        value, floor, points = 1e6, 1e5, []
        for _ in range(POINTS):
            if floor >= 1e3 and r.random() < 0.03:
                value, floor = floor, floor / 10
            value += round(r.random() * 10, 3)
            points.append(None if gap() else value)
        return points

    series = []
    for name in ("c_total", "d_total"):
        series += [(name, {"a": a, "b": b}, counter()) for a in "xyz" for b in "123"]
    for name in ("g", "h"):
        series += [(name, {"a": a, "b": b},
                    [None if gap() else round(r.gauss(50, 30), 4) for _ in range(POINTS)])
                   for a in "xyz" for b in "12"]
    series += [("one", {"a": a, "extra": "e" + a}, [1.0] * POINTS) for a in "xyz"]
    for a in "xy":
        bounds, counts = ["0.1", "0.5", "1.0", "5.0", "+Inf"], [1000.0 * k for k in range(1, 6)]
        columns = [[] for _ in bounds]
        for _ in range(POINTS):
            added = 0
            for k, column in enumerate(columns):
                added += r.randint(0, 5)
                counts[k] += added
                column.append(counts[k])
        series += [("lat_bucket", {"a": a, "le": le}, column) for le, column in zip(bounds, columns)]
    return [({"__name__": name, **labels},
             [(i * STEP * 1000, value) for i, value in enumerate(points) if value is not None])
            for name, labels, points in series]


SPANS = ["1m", "2m", "5m", "150s", "10m"]
WINDOWS = ["rate", "increase", "delta", "irate", "idelta", "sum_over_time", "avg_over_time", "max_over_time",
           "min_over_time", "count_over_time", "stddev_over_time", "stdvar_over_time", "last_over_time",
           "present_over_time", "changes", "resets", "deriv"]
OF_COUNTERS = ("rate", "increase", "irate", "resets")
MATH = ["abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "round", "-", "timestamp", "sin", "cos",
        "tan", "atan", "sinh", "asinh", "deg", "rad", "day_of_week", "hour", "minute"]
COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
SETS = ("and", "or", "unless")


class Generator:
    """vector(depth) gives an expression; each use of the same seed the same ones."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, *items):
        return self.r.choice(items)

    def selector(self, *names):
        return self.pick(*(names or ("c_total", "d_total", "g", "h"))) + self.pick(
            "", "", '{a="x"}', '{a=~"x|y"}', '{b!="1"}', '{a!~"z.*",b="2"}')

    def modifier(self):
        return self.pick("", "", "", "", " offset 1m", " offset -30s", " @ 900.5", " offset 2m @ 1200.5", " @ end()",
                         " @ start()")

    def window(self, depth):
        name = self.pick(*WINDOWS)
        if self.r.random() < 0.2 and depth > 1:
            inner = "(%s)[%s:%s]%s" % (self.vector(depth - 2), self.pick(*SPANS), self.pick("37123ms", "61123ms", "43123ms"),
                                       self.pick("", " offset 1m", " @ 1000.5"))
        else:
            names = ("c_total", "d_total") if name in OF_COUNTERS else ()
            inner = "%s[%s]%s" % (self.selector(*names), self.pick(*SPANS), self.modifier())
        if name == "deriv" and self.r.random() < 0.5:
            return "predict_linear(%s, %d)" % (inner, self.r.randint(1, 600))
        if self.r.random() < 0.1:
            return "quantile_over_time(%.2f, %s)" % (self.r.random(), inner)
        return "%s(%s)" % (name, inner)

    def aggregation(self, depth):
        by = self.pick("", " by (a)", " by (b)", " by (a, b)", " without (a)", " without (b)", " by (nope)")
        kind = self.r.random()
        if kind < 0.25:
            return "%s%s(%d, %s)" % (self.pick("topk", "bottomk"), by, self.r.randint(1, 3), self.vector(depth - 1))
        if kind < 0.4:
            return "quantile%s(%.2f, %s)" % (by, self.r.random(), self.vector(depth - 1))
        return "%s%s(%s)" % (self.pick("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"), by,
                             self.vector(depth - 1))

    def binary(self, depth):
        op = self.pick("+", "-", "*", "/", "%", "^", *COMPARISONS, *SETS)
        full = op + (self.pick("", " bool") if op in COMPARISONS else "")
        left = self.vector(depth - 1)
        if self.r.random() < 0.35 and op not in SETS:
            number = self.pick("2", "0.5", "100", 'scalar(one{a="x"})', "time() / 1000", "-3")
            return "(%s %s %s)" % ((left, full, number) if self.r.random() < 0.6 else (number, full, left))
        match = self.pick("", "", "on(a, b)", "ignoring(a)", "on(a)", "ignoring(b)")
        if match and op not in SETS and self.r.random() < 0.5:
            match += self.pick(" group_left", " group_right", " group_left(extra)")
        if "group_left" in match and self.r.random() < 0.6:
            return "(%s %s on(a) group_left(extra) one)" % (left, full)
        return "(%s %s %s %s)" % (left, full, match, self.vector(depth - 1))

    def function(self, depth):
        inner = self.vector(depth - 1)
        kind = self.r.random()
        if kind < 0.12:
            return "clamp(%s, %d, %d)" % (inner, self.r.randint(0, 30), self.r.randint(31, 80))
        if kind < 0.2:
            return "round(%s, %.1f)" % (inner, self.r.random() + 0.1)
        if kind < 0.28:
            return 'label_replace(%s, "%s", "$1-q", "a", "(x|y)")' % (inner, self.pick("a", "b", "n"))
        if kind < 0.36:
            return 'label_join(%s, "%s", "-", "a", "b")' % (inner, self.pick("a", "n"))
        if kind < 0.4:
            return "absent(%s)" % inner
        name = self.pick(*MATH)
        return "(-%s)" % inner if name == "-" else "%s(%s)" % (name, inner)

    def broken(self, depth):
        """What the parser or its checks refuse."""
        inner = self.vector(depth - 1)
        return self.pick("sum(%s", "rate(%s)", "%s + ", "%s and 1", 'label_replace(%s, "a")', "nonsense(%s)", "%s[5m]",
                         "topk(%s)", "%s offset", "1 + bool %s", "sum by (a (%s)", "%s on(a) %s", "{a=~\"(\"} or %s",
                         "%s @ x", "vector(%s)", "time(%s)", "sum(%s)) ", '"text" + %s', "-\"t\" or %s").replace("%s", inner)

    def vector(self, depth):
        kind = self.r.random()
        if depth <= 0 or kind < 0.15:
            return self.selector() + self.modifier()
        if kind < 0.4:
            return self.window(depth)
        if kind < 0.6:
            return self.aggregation(depth)
        if kind < 0.8:
            return self.binary(depth)
        if kind < 0.93:
            return self.function(depth)
        if kind < 0.97:
            return "histogram_quantile(%.2f, %s)" % (self.r.random(), self.pick(
                "lat_bucket", "rate(lat_bucket[5m])", "sum by (le) (rate(lat_bucket[2m]))",
                "sum by (a, le) (increase(lat_bucket[10m]))"))
        return self.pick("sort(%s)", "sort_desc(%s)", "vector(scalar(%s))", 'absent_over_time(nope{a="x"}[5m]) or %s',
                         'count_values("v", round(%s))') % self.vector(depth - 1)

    def expression(self):
        depth = self.r.randint(1, 4)
        return self.broken(depth) if self.r.random() < 0.05 else self.vector(depth)
