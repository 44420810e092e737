/* pipeline.c - the tree of the finished aggregations, paths into it, and the order of pipelines. */
#include "logquery/pipeline.h"

#include "base/check.h"
#include "codec/number.h"

#include <math.h>
#include <string.h>

#define LEVELS_MAX 64

/* The tree ------------------------------------------------------------------------------------ */

static struct result *result_new(struct search *search, enum result_kind kind)
{
    struct result *result = ARENA_NEW(search->arena, struct result);
    if (result != NULL) result->kind = kind;
    return result;
}

struct result *result_raw(struct search *search, struct str json)
{
    struct result *result = result_new(search, RESULT_RAW);
    if (result == NULL) return NULL;
    result->raw = arena_copy(search->arena, json);
    return result->raw.data == NULL ? NULL : result;
}

/* Depth: JSON_DEPTH_MAX. */
static struct result *result_from(struct search *search, const struct json *json)
{
    bool is_object = json->kind == JSON_OBJECT;
    if (!is_object && json->kind != JSON_ARRAY) {
        struct result *leaf = result_new(search, RESULT_RAW);
        if (leaf != NULL) leaf->raw = json->raw;
        return leaf;
    }
    struct result *result = result_new(search, is_object ? RESULT_OBJECT : RESULT_ARRAY);
    if (result == NULL) return NULL;
    size_t count = is_object ? json->object.count : json->array.count;
    result->members = ARENA_ARRAY(search->arena, struct result_member, count + 1);
    if (result->members == NULL) return NULL;
    result->count = result->capacity = count;
    for (size_t i = 0; i < count; i++) {
        const struct json *item =
            is_object ? &json->object.members[i].value : &json->array.items[i];
        if (is_object) result->members[i].key = json->object.members[i].key;
        result->members[i].value = result_from(search, item);
        if (result->members[i].value == NULL) return NULL;
    }
    return result;
}

static void result_print(const struct result *result, struct json_writer *json)
{
    if (result->kind == RESULT_RAW) {
        json_put_raw(json, result->raw);
        return;
    }
    bool is_object = result->kind == RESULT_OBJECT;
    if (is_object)
        json_object_begin(json);
    else
        json_array_begin(json);
    for (size_t i = 0; i < result->count; i++) {
        if (is_object) json_key(json, result->members[i].key);
        result_print(result->members[i].value, json);
    }
    if (is_object)
        json_object_end(json);
    else
        json_array_end(json);
}

/* By its name, or "type#name" of typed_keys. */
struct result *result_find(const struct result *object, struct str name)
{
    if (object == NULL || object->kind != RESULT_OBJECT) return NULL;
    for (size_t i = 0; i < object->count; i++) {
        struct str key = object->members[i].key;
        bool is_typed = key.size > name.size && str_ends_with(key, name) &&
                        key.data[key.size - name.size - 1] == '#';
        if (is_typed || str_equal(key, name)) return object->members[i].value;
    }
    return NULL;
}

int result_add(struct search *search, struct result *object, struct str name, struct result *value)
{
    if (value == NULL) return parse_out_of_memory(&search->parse);
    if (object->count == object->capacity) {
        size_t capacity = object->capacity * 2 + 4;
        struct result_member *grown = ARENA_ARRAY(search->arena, struct result_member, capacity);
        if (grown == NULL) return parse_out_of_memory(&search->parse);
        if (object->count > 0) {
            memcpy(grown, object->members, object->count * sizeof(*grown));
        }
        object->members = grown;
        object->capacity = capacity;
    }
    object->members[object->count++] = (struct result_member){ name, value };
    return 0;
}

int pipeline_put(struct search *search, const struct agg *agg, struct result *object, double value)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct json_writer json;
    buf_init(&text, 1024);
    json_writer_init(&json, &text);
    json_object_begin(&json);
    json_key(&json, STR("value"));
    if (isfinite(value))
        put_double(&json, value);
    else
        json_put_null(&json);
    json_object_end(&json);
    const struct json *root = NULL;
    if (json_parse(NULL, search->arena, buf_str(&text), &root, NULL) < 0) {
        return parse_out_of_memory(&search->parse);
    }
    return result_add(search, object, agg->name, result_from(search, root));
}

/* Paths --------------------------------------------------------------------------------------- */

static double raw_number(const struct result *value)
{
    double number;
    if (value == NULL || value->kind != RESULT_RAW) return (double)NAN;
    return number_parse(value->raw, &number) ? number : (double)NAN;
}

static bool is_end(struct str path, size_t at)
{
    return at == path.size || strchr(".>[", path.data[at]) != NULL;
}

/* A metric's number: "", "value", a part of it, a percentile as "50", "50.0"; of top_metrics that
 * of the first document. */
static double metric_number(const struct result *object, struct str part)
{
    if (object == NULL) return (double)NAN;
    const struct result *top = result_find(object, STR("top"));
    if (top != NULL && top->kind == RESULT_ARRAY && top->count > 0) {
        return raw_number(result_find(result_find(top->members[0].value, STR("metrics")), part));
    }
    if (part.size == 0) return raw_number(result_find(object, STR("value")));
    const struct result *found = result_find(object, part);
    if (found != NULL && found->kind == RESULT_RAW) return raw_number(found);
    const struct result *values = result_find(object, STR("values"));
    double wanted;
    if (values == NULL || !number_parse(part, &wanted)) return (double)NAN;
    for (size_t i = 0; i < values->count; i++) {
        double key;
        if (values->kind == RESULT_OBJECT && number_parse(values->members[i].key, &key) &&
            key >= wanted && key <= wanted) {
            return raw_number(values->members[i].value);
        }
    }
    return (double)NAN;
}

/* ['key'] of an aggregation with buckets. */
static const struct result *keyed_bucket(const struct result *object, struct str key)
{
    const struct result *buckets = result_find(object, STR("buckets"));
    if (key.size >= 2 && (key.data[0] == '\'' || key.data[0] == '"')) {
        key = str_first(str_skip(key, 1), key.size - 2);
    }
    if (buckets == NULL || buckets->kind == RESULT_RAW) return NULL;
    if (buckets->kind == RESULT_OBJECT) return result_find(buckets, key);
    for (size_t i = 0; i < buckets->count; i++) {
        const struct result *name = result_find(buckets->members[i].value, STR("key"));
        if (name == NULL || name->kind != RESULT_RAW) continue;
        struct str raw = name->raw;
        if (raw.size >= 2 && raw.data[0] == '"') raw = str_first(str_skip(raw, 1), raw.size - 2);
        if (str_equal(raw, key)) return buckets->members[i].value;
    }
    return NULL;
}

double result_number(const struct result *bucket, struct str path)
{
    const struct result *object = bucket;
    while (path.size > 0) {
        if (str_equal(path, STR("_count")))
            return raw_number(result_find(object, STR("doc_count")));
        if (str_equal(path, STR("_key"))) return raw_number(result_find(object, STR("key")));
        if (str_equal(path, STR("_bucket_count"))) {
            const struct result *buckets = result_find(object, STR("buckets"));
            return buckets == NULL ? (double)NAN : (double)buckets->count;
        }
        size_t end = 0;
        while (!is_end(path, end)) end++;
        object = result_find(object, str_first(path, end));
        path = str_skip(path, end);
        if (object == NULL) return (double)NAN;
        if (str_starts_with(path, STR("["))) {
            size_t close = str_find_char(path, ']');
            if (close == STR_NONE) return (double)NAN;
            struct str key = str_first(str_skip(path, 1), close - 1);
            path = str_skip(path, close + 1);
            const struct result *inner = keyed_bucket(object, key);
            if (inner == NULL) return metric_number(object, key);
            object = inner;
        }
        if (str_starts_with(path, STR("."))) {
            struct str part = str_skip(path, 1);
            return part.size > 0 && part.data[0] == '_' ? result_number(object, part)
                                                        : metric_number(object, part);
        }
        if (path.size > 0) path = str_skip(path, 1); /* '>' */
    }
    return metric_number(object, STR(""));
}

double pipeline_value(const struct pipeline *pipeline, const struct result *bucket, struct str path)
{
    double value = result_number(bucket, path);
    bool is_count = str_ends_with(path, STR("_count"));
    double count = raw_number(result_find(bucket, STR("doc_count")));
    bool is_gap = !isfinite(value) || (!(count > 0) && !is_count);
    if (!is_gap) return value;
    if (pipeline->gaps == GAP_ZERO) return 0;
    return pipeline->gaps == GAP_KEEP && isfinite(value) ? value : (double)NAN;
}

/* Reading ------------------------------------------------------------------------------------- */

int pipeline_read(struct search *search, struct agg *agg, const struct json *body,
                  size_t options_size)
{
    struct pipeline *pipeline = arena_alloc(search->arena, 1, options_size);
    if (pipeline == NULL) return parse_out_of_memory(&search->parse);
    agg->options = pipeline;
    if (agg->sub_count > 0) {
        return parse_fail(&search->parse, "parsing_exception",
                          "Aggregation [" STR_FMT "] cannot define sub-aggregations",
                          STR_ARG(agg->name));
    }
    const struct json *paths = json_get(body, STR("buckets_path"));
    if (!json_is(paths, JSON_OBJECT)) {
        int code =
            parse_texts(&search->parse, paths, false, &pipeline->paths, &pipeline->path_count);
        if (code < 0) return code;
    }
    struct str gaps = json_text(json_get(body, STR("gap_policy")), STR("skip"));
    if (str_equal(gaps, STR("insert_zeros")))
        pipeline->gaps = GAP_ZERO;
    else if (str_equal(gaps, STR("keep_values")))
        pipeline->gaps = GAP_KEEP;
    else if (!str_equal(gaps, STR("skip"))) {
        return parse_fail(&search->parse, "parsing_exception",
                          "[gap_policy] of [" STR_FMT "] must be skip, insert_zeros or keep_values",
                          STR_ARG(agg->name));
    }
    return 0;
}

/* Order --------------------------------------------------------------------------------------- */

static bool depends_on(const struct agg *agg, const struct agg *other)
{
    const struct pipeline *pipeline = agg->options;
    for (size_t i = 0; i < pipeline->path_count; i++) {
        struct str path = pipeline->paths[i];
        size_t end = 0;
        while (!is_end(path, end)) end++;
        if (str_equal(str_first(path, end), other->name)) return true;
    }
    return false;
}

/* Runs the pipelines of one level of the kind asked for, each after those that it looks at. */
static int run_in_order(struct search *search, struct agg **aggs, size_t count, bool is_parent,
                        struct result *result)
{
    bool *is_done = ARENA_ARRAY(search->arena, bool, count + 1);
    if (is_done == NULL) return parse_out_of_memory(&search->parse);
    for (size_t round = 0; round <= count; round++) {
        bool is_waiting = false;
        for (size_t i = 0; i < count; i++) {
            const struct agg *agg = aggs[i];
            if (agg->kind->run == NULL || agg->kind->is_parent != is_parent || is_done[i]) continue;
            bool is_blocked = false;
            for (size_t k = 0; k < count; k++) {
                bool is_open = aggs[k]->kind->run != NULL && !is_done[k] && k != i &&
                               aggs[k]->kind->is_parent == is_parent;
                is_blocked |= is_open && depends_on(agg, aggs[k]);
            }
            is_waiting |= is_blocked;
            if (is_blocked) continue;
            is_done[i] = true;
            int code = agg->kind->run(search, agg, result);
            if (code < 0) return code;
        }
        if (!is_waiting) return 0;
    }
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "the pipeline aggregations look at each other in a circle");
}

static bool has_parents(const struct agg *agg)
{
    for (size_t i = 0; i < agg->sub_count; i++) {
        if (agg->subs[i]->kind->run != NULL && agg->subs[i]->kind->is_parent) return true;
    }
    return false;
}

/* Below before above: what a bucket holds is finished before its siblings are compared. */
static int run_level(struct search *search, struct agg **aggs, size_t count, unsigned depth,
                     struct result *level)
{
    CHECK(depth <= LEVELS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct agg *agg = aggs[i];
        struct result *object = result_find(level, agg->name);
        if (agg->sub_count == 0 || object == NULL) continue;
        struct result *buckets = result_find(object, STR("buckets"));
        bool is_many = buckets != NULL && buckets->kind != RESULT_RAW;
        if (!is_many && has_parents(agg)) {
            return parse_fail(&search->parse, "action_request_validation_exception",
                              "Validation Failed: 1: [" STR_FMT "] has no buckets in an order for "
                              "a pipeline aggregation below it;",
                              STR_ARG(agg->name));
        }
        int code = is_many ? 0 : run_level(search, agg->subs, agg->sub_count, depth + 1, object);
        for (size_t k = 0; code == 0 && is_many && k < buckets->count; k++) {
            code =
                run_level(search, agg->subs, agg->sub_count, depth + 1, buckets->members[k].value);
        }
        if (code == 0 && is_many) {
            code = run_in_order(search, agg->subs, agg->sub_count, true, buckets);
        }
        if (code < 0) return code;
    }
    return run_in_order(search, aggs, count, false, level);
}

int pipelines_apply(struct search *search, struct str text, struct buf *out)
{
    const struct json *root = NULL;
    if (json_parse(NULL, search->arena, text, &root, NULL) < 0) {
        return parse_out_of_memory(&search->parse);
    }
    for (size_t i = 0; i < search->agg_count; i++) {
        const struct agg_kind *kind = search->aggs[i]->kind;
        if (kind->run == NULL || !kind->is_parent) continue;
        return parse_fail(&search->parse, "action_request_validation_exception",
                          "Validation Failed: 1: [" STR_FMT "] aggregation [" STR_FMT
                          "] must be declared inside of another aggregation;",
                          STR_ARG(kind->name), STR_ARG(search->aggs[i]->name));
    }
    struct result *tree = result_from(search, root);
    if (tree == NULL) return parse_out_of_memory(&search->parse);
    int code = run_level(search, search->aggs, search->agg_count, 0, tree);
    if (code < 0) return code;
    struct json_writer json;
    json_writer_init(&json, out);
    result_print(tree, &json);
    return 0;
}
