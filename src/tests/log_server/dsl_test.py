#!/usr/bin/env python3
"""dsl_test.py PROGRAM - the query DSL's options, one row each: what Elasticsearch finds, or that it refuses.

An option that is not known must refuse the query; passed over, it would give other hits than were asked for.
"""
import base64, json, shutil, sys, tempfile
import logs_role
from logs_role import bulk

tap = logs_role.Tap()

MAPPING = {"properties": {"m": {"type": "text"}, "t": {"type": "text"}, "k": {"type": "keyword"}, "n": {"type": "long"}}}
DOCUMENTS = [
    {"m": "connection timeout", "t": "alpha", "k": "info", "n": 1},
    {"m": "quick brown fox", "t": "timeout beta", "k": "warn", "n": 2},
    {"m": "quick timeout", "t": "gamma", "k": "timeout gamma", "n": 3},
    {"m": "brown bread", "t": "delta", "k": "info", "n": 4},
]
PARSE, ILLEGAL, PHASE = "parsing_exception", "illegal_argument_exception", "search_phase_execution_exception"


def match(text, **options):
    return {"match": {"m": {"query": text, **options}}}


def multi(text, fields, **options):
    return {"multi_match": {"query": text, "fields": fields, **options}}


def lucene(text, **options):
    return {"query_string": {"query": text, "default_field": "m", **options}}


def simple(text, **options):
    return {"simple_query_string": {"query": text, "fields": ["m"], **options}}


def should(minimum, *clauses, **more):
    return {"bool": {"should": [{"term": {"m": word}} for word in clauses], "minimum_should_match": minimum, **more}}


WRAPPED = base64.b64encode(json.dumps({"term": {"n": 4}}).encode()).decode()
ROWS = [
    # what is not there is refused
    ("an unknown clause", {"bool": {"musst": []}}, PARSE),
    ("mustNot is must_not", {"bool": {"mustNot": {"term": {"k": "info"}}}}, [1, 2]),
    ("an unknown option of match", match("fox", foo=1), PARSE),
    ("of range", {"range": {"n": {"gte": 1, "greater": 2}}}, PARSE),
    ("of query_string", lucene("fox", foo=1), PARSE),
    ("of simple_query_string", simple("fox", foo=1), PARSE),
    ("of match_all", {"match_all": {"x": 1}}, PARSE),
    ("of exists", {"exists": {"field": "k", "x": 1}}, PARSE),
    ("options beside a field", {"term": {"k": {"value": "info", "boost": 2, "_name": "a"}}}, [0, 3]),
    ("two fields", {"term": {"k": "info", "n": 1}}, PARSE),
    ("a boost beside terms", {"terms": {"k": ["info"], "boost": 2}}, [0, 3]),
    ("an unknown operator", match("fox", operator="xor"), ILLEGAL),
    ("an unknown type", multi("fox", ["m"], type="foo"), PARSE),
    ("an unknown query", {"foo": {}}, PARSE),
    ("scripts", {"script_score": {"query": {"match_all": {}}, "script": "1"}}, ILLEGAL),
    ("a script among functions", {"function_score": {"functions": [{"script_score": {"script": "1"}}]}}, ILLEGAL),
    ("functions give no scores", {"function_score": {"query": {"term": {"k": "warn"}}, "random_score": {}}}, [1]),
    ("nested", {"nested": {"path": "a", "query": {"match_all": {}}}}, ILLEGAL),
    ("spans", {"span_term": {"m": "fox"}}, ILLEGAL),
    # how many of the clauses
    ("two of three", match("quick brown timeout", minimum_should_match=2), [1, 2]),
    ("a share", match("quick brown timeout", minimum_should_match="70%"), [1, 2]),
    ("all but one", match("quick brown timeout", minimum_should_match="-1"), [1, 2]),
    ("all but a share", match("quick brown timeout", minimum_should_match="-40%"), [1, 2]),
    ("all, as there are no more than two", match("quick brown", minimum_should_match="2<10%"), [1]),
    ("one, as there are more than two", match("quick brown timeout", minimum_should_match="2<34%"), [0, 1, 2, 3]),
    ("of several conditions", match("quick brown timeout", minimum_should_match="1<-1 2<-2"), [0, 1, 2, 3]),
    ("no number", match("quick brown", minimum_should_match="two"), "number_format_exception"),
    ("a single word needs no minimum", match("fox", minimum_should_match=3), [1]),
    ("more than there are", match("quick fox", minimum_should_match=3), []),
    ("none, but clauses alone need one", should(0, "fox", "bread"), [1, 3]),
    ("none beside a filter", should(0, "fox", filter={"term": {"k": "info"}}), [0, 3]),
    ("two of bool", should(2, "quick", "brown", "timeout"), [1, 2]),
    ("of a query string", lucene("quick brown timeout", minimum_should_match=2), [1, 2]),
    ("of the simple syntax", simple("quick brown timeout", minimum_should_match="2"), [1, 2]),
    # fuzziness
    ("edits", match("timeot", fuzziness=1), [0, 2]),
    ("AUTO", match("timeut", fuzziness="AUTO"), [0, 2]),
    ("AUTO with bounds", match("timeut", fuzziness="AUTO:7,9"), []),
    ("no fuzziness", match("timeut", fuzziness="banana"), ILLEGAL),
    ("the first letters are equal", match("aimeout", fuzziness=1, prefix_length=1), []),
    ("and without that", match("aimeout", fuzziness=1), [0, 2]),
    ("swapped letters are one edit", {"fuzzy": {"k": {"value": "inof", "fuzziness": 1}}}, [0, 3]),
    ("or two", {"fuzzy": {"k": {"value": "inof", "fuzziness": 1, "transpositions": False}}}, []),
    ("fuzzy with a prefix", {"fuzzy": {"k": {"value": "jnfo", "fuzziness": 1, "prefix_length": 1}}}, []),
    # words
    ("the last word goes on", {"match_bool_prefix": {"m": "timeout qui"}}, [0, 1, 2]),
    ("all words", {"match_bool_prefix": {"m": {"query": "timeout qui", "operator": "and"}}}, [2]),
    ("not analyzed: a prefix", {"match_bool_prefix": {"k": "timeout ga"}}, [2]),
    ("bool_prefix of several fields", multi("brown fo", ["m", "t"], type="bool_prefix", operator="and"), [1]),
    ("each field by itself", multi("quick beta", ["m", "t"], operator="and"), []),
    ("across the fields", multi("quick beta", ["m", "t"], operator="and", type="cross_fields"), [1]),
    ("but not of another analyzer", multi("connection info", ["m", "k"], operator="and", type="cross_fields"), []),
    ("a whole keyword", multi("timeout gamma", ["m", "k"], operator="and", type="cross_fields"), [2]),
    ("combined_fields", {"combined_fields": {"query": "quick gamma", "fields": ["m", "t"], "operator": "and"}}, [2]),
    # values of another document
    ("a lookup", {"terms": {"k": {"index": "d", "id": "1", "path": "k"}}}, [1]),
    ("a lookup of nothing", {"terms": {"k": {"index": "d", "id": "nope", "path": "k"}}}, []),
    ("a lookup elsewhere", {"terms": {"k": {"index": "nope", "id": "1", "path": "k"}}}, "index_not_found_exception"),
    ("no list", {"terms": {"k": "info"}}, PARSE),
    ("wrapper", {"wrapper": {"query": WRAPPED}}, [3]),
    ("the type of old", {"type": {"value": "_doc"}}, [0, 1, 2, 3]),
    ("a pattern of _index", {"terms": {"_index": ["d*"]}}, [0, 1, 2, 3]),
    # query strings
    ("a leading wildcard", lucene("*out"), [0, 2]),
    ("which may be refused", lucene("*out", allow_leading_wildcard=False), PHASE),
    ("signs are words", lucene("quick (", escape=True), [1, 2]),
    ("and without that an error", lucene("quick ("), PHASE),
    ("a prefix", simple("time*"), [0, 2]),
    ("is a word without its flag", simple("time*", flags="NONE"), []),
    ("some flags", simple("quick -brown", flags="AND|WHITESPACE"), [1, 2, 3]),
    ("no flag", simple("fox", flags="BANANA"), ILLEGAL),
]


def main():
    scratch = tempfile.mkdtemp(prefix="logs-dsl-")
    try:
        role = logs_role.Role(sys.argv[1], scratch)
        role.call("PUT", "/d", {"mappings": MAPPING})
        role.call("POST", "/d/_bulk", bulk(*[line for i, made in enumerate(DOCUMENTS) for line in (
            {"index": {"_id": str(i)}}, made)]))
        for name, query, want in ROWS:
            status, answer = role.call("POST", "/d/_search", {"query": query})
            got = answer["error"]["type"] if status != 200 else sorted(int(h["_id"]) for h in answer["hits"]["hits"])
            tap.expect(name, want, got)
        role.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tap.end()


sys.exit(main())
