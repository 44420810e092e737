#!/usr/bin/env python3
"""agg_options_test.py PROGRAM - options of aggregations: which terms, in which order, where, and what is refused.

The documents come in several segments, of which one has no values at all.
"""
import calendar, datetime, json, shutil, sys, tempfile
import logs_role
from logs_role import bulk

tap = logs_role.Tap()
expect = tap.expect
DAY = 86400000
START = calendar.timegm((2024, 3, 20, 0, 0, 0)) * 1000  # eleven days before summer time
LEVELS = ["info", "warn", "error"]
DOCUMENTS = [{"t": START + i * DAY + 3600000, "level": LEVELS[i % 3], "n": i, "f": i / 2, "ok": i % 2 == 0} for i in range(20)]
PARSE, ILLEGAL, PHASE = "parsing_exception", "illegal_argument_exception", "search_phase_execution_exception"


def ask(role, aggs, query=None, index="a"):
    body = {"size": 0, "aggs": {"a": aggs}, "query": query or {"match_all": {}}}
    status, answer = role.call("POST", f"/{index}/_search", body)
    return answer["aggregations"]["a"] if status == 200 else answer["error"]["type"]


def keys(answer):
    return [b["key"] for b in answer["buckets"]] if isinstance(answer, dict) else answer


def counts(answer):
    return [(b["key"], b["doc_count"]) for b in answer["buckets"]] if isinstance(answer, dict) else answer


def days(answer):
    return [((b["key"] - START) // DAY, b["doc_count"]) for b in answer["buckets"]]


def which_terms(role):
    terms = lambda field, **more: ask(role, {"terms": {"field": field, "size": 50, **more}})
    expect("numbers of a list", [2, 5], keys(terms("n", include=[2, "5", 99])))
    expect("but not those", [0, 1, 2], keys(terms("n", exclude=list(range(3, 20)))))
    expect("reals", [1.0, 2.5], keys(terms("f", include=[1, 2.5])))
    expect("truths", [1], keys(terms("ok", include=[True])))
    expect("no pattern of numbers", PHASE, terms("n", include="1.*"))
    for field, want in (("level", LEVELS), ("n", list(range(20)))):
        parts = [keys(terms(field, include={"partition": i, "num_partitions": 3})) for i in range(3)]
        expect(f"parts of {field} are disjoint and all", sorted(want), sorted(sum(parts, [])))
    # MurmurHash3 with the seed 31, as Lucene's StringHelper has it.
    expect("Elasticsearch's parts", ["error"], keys(terms("level", include={"partition": 3, "num_partitions": 4})))
    expect("no such part", ILLEGAL, terms("level", include={"partition": 4, "num_partitions": 4}))
    expect("the missing of a number is a number", [(7, 2), (0, 1)], counts(terms("n", missing=7, size=2)))


def order(role):
    filtered = {"f": {"filter": {"term": {"ok": True}}, "aggs": {"m": {"max": {"field": "n"}}}}}
    by = lambda path, way="desc": keys(ask(role, {"terms": {"field": "level", "order": {path: way}}, "aggs": filtered}))
    expect("through a filter", ["info", "warn", "error"], by("f>m"))
    expect("by its documents", ["info", "error", "warn"], by("f"))
    expect("no such path", PHASE, by("f>x"))
    expect("no way", PARSE, keys(ask(role, {"terms": {"field": "level", "order": {"_key": "down"}}})))
    histogram = lambda **more: ask(role, {"histogram": {"field": "n", "interval": 8, **more}})
    expect("a histogram by count, ties by key", [(0.0, 8), (8.0, 8), (16.0, 4)], counts(histogram(order={"_count": "desc"})))
    expect("backwards", [16.0, 8.0, 0.0], keys(histogram(order={"_key": "desc"})))
    weeks = {"field": "t", "calendar_interval": "week"}
    expect("weeks by count, ties by key", [(5, 7), (12, 7), (-2, 5), (19, 1)],
           days(ask(role, {"date_histogram": {**weeks, "order": {"_count": "desc"}}})))
    expect("weeks by a number", [(19, 1), (12, 7), (5, 7), (-2, 5)],
           days(ask(role, {"date_histogram": {**weeks, "order": {"m": "desc"}}, "aggs": {"m": {"max": {"field": "n"}}}})))


def where(role):
    histogram = lambda **more: ask(role, {"histogram": {"field": "n", "interval": 10, **more}})
    expect("without a value", [(-10.0, 1), (0.0, 10), (10.0, 10)], counts(histogram(missing=-5)))
    expect("hard bounds", [(0.0, 7), (10.0, 5)], counts(histogram(hard_bounds={"min": 3, "max": 14})))
    ranges = {"field": "n", "ranges": [{"to": 5}, {"from": 5}]}
    expect("missing in ranges", [6, 15], [b["doc_count"] for b in ask(role, {"range": {**ranges, "missing": 1}})["buckets"]])
    local = ask(role, {"date_range": {"field": "t", "time_zone": "Europe/Berlin", "format": "yyyy-MM-dd",
                                      "ranges": [{"from": "2024-03-25", "to": "2024-04-02"}]}})["buckets"][0]
    expect("dates of a zone, winter and summer", (START + 5 * DAY - 3600000, START + 13 * DAY - 7200000, "2024-04-02"),
           (local["from"], local["to"], local["to_as_string"]))
    for zone, day, want in (("Europe/Berlin", "2024-03-25", 1), ("Europe/Berlin", "2024-04-02", 2), ("+05:30", "2024-04-02", 5.5)):
        # A document at the first and the last moment of the local day, and one outside at either side.
        first = calendar.timegm(datetime.date.fromisoformat(day).timetuple()) * 1000 - int(want * 3600000)
        role.call("POST", "/z/_delete_by_query", {"query": {"match_all": {}}})
        role.call("POST", "/z/_bulk", bulk(*[x for i, at in enumerate((first - 1, first, first + DAY - 1, first + DAY)) for x in (
            {"index": {"_id": str(i)}}, {"t": at})]))
        for name, query in (("range", {"range": {"t": {"gte": day, "lte": day, "time_zone": zone}}}),
                            ("query_string", {"query_string": {"query": "t:" + day, "time_zone": zone}})):
            hits = role.call("POST", "/z/_search", {"query": query})[1]["hits"]["hits"]
            expect(f"{name}: the day {day} of {zone}", ["1", "2"], sorted(h["_id"] for h in hits))


def found_intervals(role):
    auto = lambda query=None, **more: ask(role, {"auto_date_histogram": {"field": "t", **more}}, query)
    answer = auto(buckets=5)
    expect("weeks from the first day", ("7d", [(0, 7), (7, 7), (14, 6)]), (answer["interval"], days(answer)))
    answer = auto(buckets=20)
    expect("days", ("1d", [(i, 1) for i in range(20)]), (answer["interval"], days(answer)))
    answer = auto({"range": {"n": {"lt": 2}}}, buckets=10)
    expect("of what was found, not of the field", ("3h", 9, 2),
           (answer["interval"], len(answer["buckets"]), sum(b["doc_count"] for b in answer["buckets"])))
    answer = auto({"range": {"n": {"lt": 2}}}, buckets=10, minimum_interval="day")
    expect("a least interval", ("1d", [(0, 1), (1, 1)]), (answer["interval"], days(answer)))
    expect("an interval that is none", ILLEGAL, auto(minimum_interval="fortnight"))
    answer = auto({"match_none": {}})
    expect("of nothing", ("1s", []), (answer["interval"], answer["buckets"]))
    answer = ask(role, {"terms": {"field": "level"}, "aggs": {"d": {
        "auto_date_histogram": {"field": "t", "buckets": 3}, "aggs": {"s": {"sum": {"field": "n"}}}}}})
    below = answer["buckets"][0]["d"]
    expect("below other buckets, with others below", (["7d"] * 3, [9.0, 21.0, 33.0]),
           ([b["d"]["interval"] for b in answer["buckets"]], [b["s"]["value"] for b in below["buckets"]]))


def refused(role):
    for name, aggs, want in [
            ("an unknown option", {"terms": {"field": "level", "sizee": 1}}, "x_content_parse_exception"),
            ("of a metric", {"avg": {"field": "n", "x": 1}}, "x_content_parse_exception"),
            ("no field", {"terms": {}}, ILLEGAL), ("no field of a metric", {"max": {}}, ILLEGAL),
            ("two kinds", {"max": {"field": "n"}, "min": {"field": "n"}}, PARSE),
            ("two intervals", {"date_histogram": {"field": "t", "fixed_interval": "1d", "calendar_interval": "day"}}, ILLEGAL),
            ("dates of a keyword", {"date_histogram": {"field": "level", "fixed_interval": "1d"}}, PHASE),
            ("numbers of a keyword", {"histogram": {"field": "level", "interval": 1}}, PHASE),
            ("ranges of a keyword", {"range": {"field": "level", "ranges": [{"to": 1}]}}, PHASE)]:
        expect(name, want, ask(role, aggs))
    status, answer = role.call("POST", "/a/_search", {"aggs": {"a>b": {"max": {"field": "n"}}}})
    expect("a name with a sign of paths", (400, PARSE), (status, answer["error"]["type"]))
    bounds = ask(role, {"extended_stats": {"field": "n"}})["std_deviation_bounds"]
    expect("bounds of the population and the sample", (True, True), (
        bounds["upper"] == bounds["upper_population"], bounds["upper_sampling"] > bounds["upper"]))


def mixed(role):
    """A field that has another type in another index."""
    for index, kind, values in (("m1", "long", [1, 2, 2]), ("m2", "double", [2, 2.5]), ("m3", "keyword", ["a", "2"])):
        role.call("PUT", "/" + index, {"mappings": {"properties": {"v": {"type": kind}}}})
        role.call("POST", f"/{index}/_bulk?refresh=true", bulk(*[x for value in values for x in ({"index": {}}, {"v": value})]))
        role.call("POST", f"/{index}/_bulk?refresh=true", bulk({"index": {}}, {"other": 1}))
    body = {"size": 0, "aggs": {"x": {"terms": {"field": "v"}}}}
    for name, path, missing, want in (
            ("integers and reals are reals", "/m1,m2", None, [(2.0, 3), (1.0, 1), (2.5, 1)]),
            ("and so are those that lack one", "/m1,m2", 2, [(2.0, 5), (1.0, 1), (2.5, 1)]),
            ("integers alone", "/m1", None, [(2, 2), (1, 1)]), ("words alone", "/m3", None, [("2", 1), ("a", 1)])):
        body["aggs"]["x"]["terms"] = {"field": "v", **({} if missing is None else {"missing": missing})}
        answer = role.call("POST", path + "/_search", body)[1]
        expect(name, want, [(b["key"], b["doc_count"]) for b in answer["aggregations"]["x"]["buckets"]])
    for path in ("/m1,m3", "/m3,m1", "/m2,m3", "/m1,m2,m3"):
        status, answer = role.call("POST", path + "/_search", {"size": 0, "aggs": {"x": {"terms": {"field": "v"}}}})
        expect("words and numbers: " + path, (400, "aggregation_execution_exception", True), (
            status, answer["error"]["root_cause"][0]["type"], "two different types" in json.dumps(answer)))


def main():
    scratch = tempfile.mkdtemp(prefix="logs-agg-options-")
    try:
        role = logs_role.Role(sys.argv[1], scratch)
        mapping = {"properties": {"t": {"type": "date"}, "level": {"type": "keyword"}, "n": {"type": "long"}, "f": {"type": "double"}}}
        role.call("PUT", "/a", {"mappings": mapping})
        role.call("PUT", "/z", {"mappings": mapping})
        for part in ([{"other": 1}], DOCUMENTS[:9], DOCUMENTS[9:]):
            role.call("POST", "/a/_bulk", bulk(*[x for made in part for x in ({"index": {}}, made)]))
            role.call("GET", "/a/_count")
        for group in (which_terms, order, where, found_intervals, refused, mixed):
            group(role)
        role.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tap.end()


sys.exit(main())
