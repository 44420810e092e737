#!/usr/bin/env python3
"""dates_test.py PROGRAM - dates in the forms that mappings name: read, shown again, sorted, bucketed; others are refused."""
import shutil, sys, tempfile
import logs_role

tap = logs_role.Tap()
expect = tap.expect

# format, what a document says, milliseconds, how it is shown (None: as it was said)
ROWS = [
    ("dd/MMM/yyyy:HH:mm:ss Z", "10/Oct/2023:13:55:36 -0700", 1696971336000, "10/Oct/2023:20:55:36 +0000"),
    ("EEE, dd MMM yyyy HH:mm:ss z", "Tue, 03 Jun 2008 11:05:30 GMT", 1212491130000, "Tue, 03 Jun 2008 11:05:30 UTC"),
    ("EEEE d MMMM yyyy", "Saturday 2 March 2024", 1709337600000, None),
    ("MM/dd/yyyy hh:mm:ss a", "01/02/2024 03:04:05 PM", 1704207845000, None),
    ("MM/dd/yyyy hh:mm:ss a", "01/02/2024 12:04:05 AM", 1704153845000, None),
    ("yyyy-DDD", "2024-060", 1709164800000, None),
    ("MMM d HH:mm:ss yyyy", "Feb 29 23:59:59 2024", 1709251199000, None),
    ("yyyy-MM-dd HH:mm:ss,SSS", "2024-02-29 23:59:59,123", 1709251199123, None),
    ("yyyy.MM.dd'T'HH'h'mm", "2024.02.29T23h59", 1709251140000, None),
    ("epoch_second", "1709251199", 1709251199000, None),
    ("strict_date_hour_minute_second", "2024-02-29T23:59:59", 1709251199000, None),
    ("date_hour_minute_second_millis", "2024-02-29T23:59:59.123", 1709251199123, None),
    ("basic_date_time_no_millis", "20240229T235959Z", 1709251199000, None),
    ("ordinal_date", "2024-060", 1709164800000, None),
    ("year_month", "2024-02", 1706745600000, None),
    ("strict_date_optional_time", "2024-02-29T23:59:59.123Z", 1709251199123, None),
]


def main():
    scratch = tempfile.mkdtemp(prefix="logs-dates-")
    try:
        role = logs_role.Role(sys.argv[1], scratch)
        for i, (form, text, ms, shown) in enumerate(ROWS):
            index = f"d{i}"
            role.call("PUT", "/" + index, {"mappings": {"properties": {"d": {"type": "date", "format": form}}}})
            role.call("PUT", f"/{index}/_doc/1", {"d": text})
            status, answer = role.call("POST", f"/{index}/_search", {
                "sort": ["d"], "docvalue_fields": ["d"], "query": {"term": {"d": text}}, "aggs": {"m": {"max": {"field": "d"}}, "h": {
                    "date_histogram": {"field": "d", "fixed_interval": "1ms"}}, "r": {"date_range": {"field": "d", "ranges": [{"from": text}]}}}})
            want = (ms, [shown or text], shown or text, shown or text, 1)
            if status != 200 or not answer["hits"]["hits"]:
                expect(f"{text} as {form}", want, answer)
                continue
            hit, aggs = answer["hits"]["hits"][0], answer["aggregations"]
            expect(f"{text} as {form}", want, (hit["sort"][0], hit["fields"]["d"], aggs["m"]["value_as_string"],
                                               aggs["h"]["buckets"][0]["key_as_string"], aggs["r"]["buckets"][0]["doc_count"]))
        expect("search_after in the field's form", [], role.call("POST", "/d0/_search", {
            "sort": ["d"], "search_after": [ROWS[0][1]]})[1]["hits"]["hits"])
        for form in ("xxxx-ww-e", "banana", "week_date", "yyyy-MM-dd||foo"):
            status, answer = role.call("PUT", "/bad", {"mappings": {"properties": {"d": {"type": "date", "format": form}}}})
            expect(f"no format {form}", (400, "mapper_parsing_exception"), (status, answer["error"]["type"]))
            status, answer = role.call("POST", "/d0/_search", {"query": {"range": {"d": {"gte": "1", "format": form}}}})
            expect(f"nor of a range {form}", (400, "illegal_argument_exception"), (status, answer["error"]["type"]))
        for text in ("31/Feb/2024:00:00:00 +0000", "10/Okt/2023:00:00:00 +0000", "10/Oct/2023:25:00:00 +0000"):
            role.call("PUT", "/d0/_doc/2", {"d": text})
            expect(f"no date: {text}", ["d"], role.call("POST", "/d0/_search", {"query": {"ids": {"values": ["2"]}}})[1]["hits"]["hits"][0].get("_ignored"))
        role.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tap.end()


sys.exit(main())
