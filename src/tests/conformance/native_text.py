"""native_text.py - native histograms of .test scripts in Python, for over_http.py: reading their notation,
adding them up, writing them for remote write, and comparing them with an answer's.
"""
import math
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "whole"))

from harness import _field as field, _varint as varint
from write_format import double, spans, zigzag

CUSTOM = -53
HINTS = {"unknown": 0, "reset": 1, "not_reset": 2, "gauge": 3}
WITHIN = 1e-6


def number(text):
    return float(text.replace("Inf", "inf").replace("NaN", "nan"))


def is_near(wanted, got):
    if math.isnan(wanted) or math.isnan(got):
        return math.isnan(wanted) and math.isnan(got)
    return wanted == got or abs(wanted - got) <= WITHIN * max(abs(wanted), abs(got))


class Native:
    """One histogram; buckets are {index: count}."""

    def __init__(self, schema=0, total=0.0, count=0.0, zero=0.0, width=0.0, hint="unknown", bounds=()):
        self.schema, self.sum, self.count, self.zero, self.width = schema, total, count, zero, width
        self.hint, self.bounds, self.positive, self.negative = hint, tuple(bounds), {}, {}

    def at_schema(self, schema):
        """With fewer buckets, each of which holds two of the schema above, and so on."""
        made = Native(schema, self.sum, self.count, self.zero, self.width, self.hint, self.bounds)
        for mine, to in ((self.positive, made.positive), (self.negative, made.negative)):
            for index, count in mine.items():
                index = ((index - 1) >> (self.schema - schema)) + 1
                to[index] = to.get(index, 0.0) + count
        return made

    def plus(self, other, times):
        if self.schema != other.schema:
            schema = min(self.schema, other.schema)
            return self.at_schema(schema).plus(other.at_schema(schema), times)
        made = Native(self.schema, self.sum + times * other.sum, self.count + times * other.count,
                      self.zero + times * other.zero, self.width, self.hint, self.bounds)
        for mine, theirs, to in ((self.positive, other.positive, made.positive),
                                 (self.negative, other.negative, made.negative)):
            for index in mine.keys() | theirs.keys():
                to[index] = mine.get(index, 0.0) + times * theirs.get(index, 0.0)
        return made

    def message(self, time_ms):
        """As remote write carries it, with counts that need not be whole."""
        body = double(2, self.count) + double(3, self.sum) + b"\x20" + zigzag(self.schema)
        if self.schema != CUSTOM:
            body += double(5, self.width) + double(7, self.zero)
        for first, buckets in ((8, self.negative), (11, self.positive)):
            runs, end = [], 0
            for index in sorted(buckets):
                if not runs or index != end:
                    runs.append([index - end, 0])
                runs[-1][1] += 1
                end = index + 1
            body += spans(first, runs)
            body += field(first + 2, b"".join(struct.pack("<d", buckets[i]) for i in sorted(buckets)))
        body += b"\x70" + varint(HINTS[self.hint]) + b"\x78" + varint(time_ms)
        if self.schema == CUSTOM:
            body += field(16, b"".join(struct.pack("<d", bound) for bound in self.bounds))
        return body

    def bound(self, index):
        if self.schema == CUSTOM:
            return -math.inf if index < 0 else math.inf if index >= len(self.bounds) else self.bounds[index]
        return math.exp2(index * math.exp2(-self.schema))

    def ranges(self):
        """[(lower, upper, count)] of the buckets with something in them, ascending."""
        found = [(-self.bound(i), -self.bound(i - 1), n) for i, n in self.negative.items() if n != 0]
        found += [(self.bound(i - 1), self.bound(i), n) for i, n in self.positive.items() if n != 0]
        if self.zero != 0:
            found.append((-self.width, self.width, self.zero))
        return sorted(found)

    def difference(self, answer):
        """Why the answer's histogram is not this one; "" when it is."""
        for name, wanted in (("count", self.count), ("sum", self.sum)):
            if not is_near(wanted, number(answer[name])):
                return "%s %s, wanted %r" % (name, answer[name], wanted)
        got = sorted(tuple(number(x) for x in bucket[1:]) for bucket in answer.get("buckets", ())
                     if number(bucket[3]) != 0)
        wanted = self.ranges()
        if len(got) != len(wanted) or not all(is_near(a, b) for x, y in zip(wanted, got) for a, b in zip(x, y)):
            return "buckets %r, wanted %r" % (got, wanted)
        return ""


def native(text):
    """What stands between {{ and }}."""
    found = dict(re.findall(r"(\w+):(\[[^\]]*\]|\S+)", text))
    numbers = {k: [number(x) for x in v.strip("[]").split()] for k, v in found.items()
               if v.startswith("[")}
    made = Native(int(found.get("schema", 0)), number(found.get("sum", "0")), number(found.get("count", "0")),
                  number(found.get("z_bucket", "0")), number(found.get("z_bucket_w", "0")),
                  found.get("counter_reset_hint", "unknown"), numbers.get("custom_values", ()))
    for key, start, buckets in (("buckets", "offset", made.positive), ("n_buckets", "n_offset", made.negative)):
        for i, count in enumerate(numbers.get(key, ())):
            buckets[int(found.get(start, 0)) + i] = count
    return made


def natives(word):
    """`{{...}}`, `{{...}}xN`, `{{...}}+{{...}}xN`: a list of them; None when it is no such word."""
    found = re.fullmatch(r"\{\{(.*?)\}\}(?:([+-])\{\{(.*?)\}\})?(?:x(\d+))?", word, re.S)
    if not found:
        return None
    first, sign, more, many = found.groups()
    start = native(first)
    if many is None:
        return [start]
    if more is None:
        return [start] * (int(many) + 1)
    return [start.plus(native(more), i if sign == "+" else -i) for i in range(int(many) + 1)]


def from_classic(series):
    """Native histograms with custom buckets of what `series`, [(labels, {time_ms: number})], says in
    _bucket, _sum and _count: [(labels, {time_ms: Native})]."""
    found = {}
    for suffix in ("_bucket", "_sum", "_count"):
        for labels, points in series:
            name = labels.get("__name__", "")
            if not name.endswith(suffix):
                continue
            base = {k: v for k, v in labels.items() if k != "le"}
            base["__name__"] = name[:-len(suffix)]
            key = tuple(sorted(base.items()))
            if suffix == "_bucket" and "le" in labels:
                found.setdefault(key, {"columns": []})["columns"].append((number(labels["le"]), points))
            elif key in found:
                found[key][suffix] = points
    for key, parts in found.items():
        columns = sorted(parts["columns"], key=lambda column: column[0])
        times = sorted({time for _, points in columns for time in points})
        yield dict(key), {time: _at(columns, parts, time) for time in times}


def _at(columns, parts, time):
    made, bounds, before = Native(CUSTOM), [], 0.0
    for upper, points in columns:
        if time not in points or (bounds and upper <= bounds[-1]):
            continue
        if points[time] != before:
            made.positive[len(bounds)] = points[time] - before
        before = points[time]
        if math.isinf(upper):
            break
        bounds.append(upper)
    total = parts.get("_count", {}).get(time, before)
    if total > before:
        made.positive[len(bounds)] = made.positive.get(len(bounds), 0.0) + total - before
    made.bounds, made.count, made.sum = tuple(bounds), total, parts.get("_sum", {}).get(time, 0.0)
    return made
