"""promql_test - PromQL beside Debian's Prometheus: the same samples, the same answers, the same errors.

    promql_test.py EXECUTABLE [COUNT] [SEED]

Picked expressions (differential_picked.txt) and COUNT (300) generated ones, half of them instant, half
over a range, go to both servers. Series, their labels and their order where sort() asks for one must be
equal, numbers within 1e-12, and of refused ones the errorType and the class of what is wrong. Debian has
2.42, we answer as 3.x: KNOWN says where the two differ on purpose; what it does not explain fails.
"""
import math
import os
import re
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))

import expressions
from harness import (Role, address, ask, check, folder, need, need_program, note, remote_write, run, same, start,
                     until, write)

COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 300
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
WITHIN = 1e-12
# Means are summed otherwise since 2.49, and C's functions are not Go's: their last digit is another. What
# is left of a division, a spread or an angle of a large number makes it large.
ENLARGES = r"%|sin|cos|tan|std|deriv|predict_linear"
LOOSELY = 1e-9
PICKED = os.path.join(os.path.dirname(expressions.__file__), "differential_picked.txt")

# What an error is about, by the first pattern that is found in its text.
CLASSES = [
    ("duplicates on one side", r"found duplicate series for the match group"),
    ("ambiguous match", r"multiple matches for labels"),
    ("same labels twice", r"cannot contain metrics with the same labelset"),
    ("unknown function", r"unknown function"),
    ("number of arguments", r"expected (at least |at most )?\d* ?argument|wrong number of arguments"),
    ("type", r"expected type|must be Scalar or instant Vector|not allowed in|binary expression must contain only|"
             r"only (allowed|be used) (on|between|with)|comparisons between scalars|unary expression only allowed"),
    ("pattern", r"error parsing regexp|missing closing|bad pattern|missing \)"),
    ("parameter", r"invalid parameter|parameter value is NaN|overflows int64"),
    ("label name", r"invalid (destination )?label name"),
    ("syntax", r"parse error|unexpected|unclosed|bad number"),
]


class Peer:
    """Debian's Prometheus on an address of its own."""

    def __init__(self):
        program = need_program("prometheus")
        config = write(os.path.join(folder("config"), "prometheus.yml"), "global: {}\n")
        self.url = f"http://{address()}:9090"
        self.process = start([
            program, "--config.file", config, "--storage.tsdb.path", folder("peer"), "--web.listen-address",
            self.url[7:], "--web.enable-remote-write-receiver", "--log.level=error",
            "--storage.tsdb.retention.time=100y",
            "--enable-feature=promql-negative-offset,promql-at-modifier"], stdout=subprocess.DEVNULL)
        until(lambda: ask(self.url + "/-/ready").status == 200, "prometheus ready", 60)


def query(url, text, is_range):
    kind, more = ("query_range", expressions.RANGE) if is_range else ("query", expressions.INSTANT)
    body = urllib.parse.urlencode({"query": text, **more}).encode()
    return ask(f"{url}/api/v1/{kind}", "POST", body,
               {"Content-Type": "application/x-www-form-urlencoded"}, timeout=60).json


def points_of(data):
    """Of an answer: {labels: {time: number}}."""
    kind, result = data["resultType"], data["result"]
    if kind in ("scalar", "string"):
        return {(): {float(result[0]): result[1]}}
    return {tuple(sorted(one["metric"].items())): {float(t): v for t, v in one.get("values") or [one["value"]]}
            for one in result}


def is_near(a, b, within):
    if a == b:
        return True
    try:
        a, b = float(a), float(b)
    except ValueError:
        return False
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= within * max(abs(a), abs(b), 1 if within > WITHIN else 0)


def class_of(answer):
    text = answer["error"].removeprefix('invalid parameter "query": ')  # which 2.42 leaves out for ranges
    for name, pattern in CLASSES:
        if re.search(pattern, text):
            return answer["errorType"], name
    return answer["errorType"], text


def values_at(points):
    """{time: sorted numbers} of all series."""
    found = {}
    for series in points.values():
        for time, value in series.items():
            found.setdefault(time, []).append(value)
    return {time: sorted(values) for time, values in found.items()}


def difference(text, theirs, ours):
    """What differs, for a person; "" when nothing does."""
    if theirs["status"] != ours["status"]:
        return "theirs %s, ours %s" % tuple(
            "ok" if a["status"] == "success" else "fails: " + a["error"] for a in (theirs, ours))
    if theirs["status"] != "success":
        return "" if class_of(theirs) == class_of(ours) else "theirs %r %s, ours %r %s" % (
            class_of(theirs), theirs["error"], class_of(ours), ours["error"])
    if theirs["data"]["resultType"] != ours["data"]["resultType"]:
        return "theirs a %s, ours a %s" % (theirs["data"]["resultType"], ours["data"]["resultType"])
    left, right = points_of(theirs["data"]), points_of(ours["data"])
    if re.search("topk|bottomk", text) and values_at(left) == values_at(right):
        return ""  # of equal ones any may be chosen
    within = LOOSELY if re.search(ENLARGES, text) else WITHIN
    if left.keys() != right.keys():
        return "series: theirs alone %r, ours alone %r" % (sorted(left.keys() - right.keys())[:3],
                                                           sorted(right.keys() - left.keys())[:3])
    for labels, points in left.items():
        if points.keys() != right[labels].keys():
            return "times of %r: %r" % (labels, sorted(points.keys() ^ right[labels].keys())[:3])
        for time, value in points.items():
            if not is_near(value, right[labels][time], within):
                return "%r at %s: theirs %s, ours %s" % (labels, time, value, right[labels][time])
    return ""


# Where 3.x differs from 2.42 on purpose: (pattern of the expression, pattern of the difference, why).
KNOWN = [
    (r'"1bad"', r"invalid destination label name", "3.0: any UTF-8 text is a label's name"),
    (r"==|!=|<|>", r"theirs ok, ours fails: multiple matches",
     "3.9: two of one side are an error also where the comparison drops them"),
    (r"stddev|stdvar", r"ours NaN", "3.0: the deviation of a NaN is NaN, also of one alone"),
    (r"(minute|hour|day_of_\w+)\(.*(scalar|exp|log|ln|sqrt|\^|/)", r"at ",
     "what a NaN or an infinity comes to as a time is Go's affair"),
    (r"(topk|bottomk).*(round|count|present|changes|resets|sgn|group|bool|hour|minute|day_of|ceil|floor|clamp)",
     r"series|times of|at ", "of equal ones topk may choose any"),
    (r"count_values", r"series", "a number's last digit stands in a label"),
    (r"(sin|cos|tan)\(", r"at ", "the angle is so large that its last digit is all"),
    (r"(rate|increase)\(\(", r"at ", "2.51: near zero it is not extrapolated as far over a gap"),
    (r"", r"^theirs .*duplicates on one side.* ours .*ambiguous match",
     "of two errors of a join either may be told"),
    (r"predict_linear\(.*@", r"series|times of|at ", "2.42 forgets predict_linear with @ after two steps of a range"),
]


def reason_of(text, differs):
    for of_text, of_difference, why in KNOWN:
        if re.search(of_text, text) and re.search(of_difference, differs):
            return why
    return None


def same_answers():
    """picked and generated expressions, instant and over a range"""
    need("metrics")
    peer = Peer()
    config = write(os.path.join(folder("config"), "prometheus.yml"), "global: {}\n")
    ours = Role("metrics", "--config.file", config, "--web.enable-remote-write-receiver",
                "--storage.tsdb.retention.time=0").ready()
    series = expressions.data(SEED)
    for url in (peer.url, ours.url):
        answer = remote_write(url, series)
        check(answer.status in (200, 204), f"remote write to {url}: {answer.text}")
    with open(PICKED, encoding="utf-8") as file:
        picked = [(line, is_range) for line in file.read().splitlines() for is_range in (False, True)]
    generator = expressions.Generator(SEED)
    asked = picked + [(generator.expression(), generator.r.random() < 0.5) for _ in range(COUNT)]
    known, wrong, refused = {}, [], 0
    for text, is_range in asked:
        theirs, mine = query(peer.url, text, is_range), query(ours.url, text, is_range)
        refused += theirs["status"] != "success"
        differs = difference(text, theirs, mine)
        if not differs:
            continue
        why = reason_of(text, differs)
        if why is None:
            wrong.append((text, is_range, differs))
        else:
            known[why] = known.get(why, 0) + 1
    note("seed %d: %d asked, %d refused by both kinds, %d differ as they must" %
         (SEED, len(asked), refused, sum(known.values())))
    for why, count in sorted(known.items(), key=lambda item: -item[1]):
        note("%d: %s" % (count, why))
    for text, is_range, differs in wrong[:40]:
        note("%s %s\n    %s" % ("range" if is_range else "instant", text[:600], differs[:400]))
    same(0, len(wrong), "expressions that differ")
    ours.stop()


# All functions of the current 3.x line, from its documentation.
FUNCTIONS = """abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp
    clamp_max clamp_min cos cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv
    exp first_over_time floor histogram_avg histogram_count histogram_fraction histogram_quantile histogram_stddev
    histogram_stdvar histogram_sum hour idelta increase irate label_join label_replace last_over_time ln log10 log2
    max_over_time min_over_time minute month pi predict_linear present_over_time quantile_over_time rad rate resets
    round scalar sgn sin sinh sort sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time
    timestamp vector year""".split()
EXPERIMENTAL = """double_exponential_smoothing info mad_over_time sort_by_label sort_by_label_desc ts_of_first_over_time
    ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time histogram_quantiles start end range step max_of
    min_of start_timestamp""".split()
AGGREGATIONS = "sum avg min max count group stddev stdvar topk bottomk count_values quantile limitk limit_ratio".split()


def all_functions():
    """every function and aggregation of the language is there, experimental ones by flag"""
    need("metrics")
    config = write(os.path.join(folder("config"), "prometheus.yml"), "global: {}\n")
    plain = Role("metrics", "--config.file", config).ready()
    full = Role("metrics", "--config.file", config,
                "--enable-feature=promql-experimental-functions,use-start-timestamps").ready()
    lost = []
    for name in FUNCTIONS + EXPERIMENTAL + AGGREGATIONS:
        # Called wrongly, so that a known name complains of its arguments.
        text = name + '("a", "b", "c", "d", "e", "f", "g")'
        for role in (plain, full):
            said = query(role.url, text, False)["error"]
            wants_flag = role is plain and name in EXPERIMENTAL
            is_known = "unknown function" not in said and ("enabled" in said) == wants_flag
            if not is_known:
                lost.append((name, said))
    for name, said in lost:
        note("%s: %s" % (name, said))
    same([], [name for name, _ in lost], "functions that are not there")


run([same_answers, all_functions])
