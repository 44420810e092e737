/* agg_top_metrics.c - some fields' values of the first documents by one sort key.
 *
 * The metrics are further sort keys behind the first, so that their values come with it.
 */
#include "logquery/agg.h"

#define TOP_MAX 10 /* of index.top_metrics_max_size */

struct options {
    struct search inner;
};

struct state {
    struct candidate hits[TOP_MAX]; /* best first */
    size_t count;
};

static int add_metric(struct search *search, const struct agg *agg, struct search *inner,
                      const struct json *metric)
{
    struct str field = json_text(json_get(metric, STR("field")), STR(""));
    if (field.size == 0 || inner->key_count + 1 >= SORT_KEYS_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[metrics] of [" STR_FMT "] must be one to %d of {\"field\":...}",
                          STR_ARG(agg->name), SORT_KEYS_MAX - 2);
    }
    inner->keys[inner->key_count++] =
        (struct sort_key){ .kind = SORT_FIELD, .field = field, .has_unmapped_type = true };
    return 0;
}

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    struct search *inner = &options->inner;
    search_inner_init(search, inner);
    inner->size = parse_integer_of(&search->parse, body, "size", 1);
    if (inner->size < 1 || inner->size > TOP_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[top_metrics.size] must not be more than [%d] but was [%lld]. This "
                          "limit can be set by changing the [index.top_metrics_max_size] index "
                          "level setting.",
                          TOP_MAX, (long long)inner->size);
    }
    int code = sort_read(inner, json_get(body, STR("sort")));
    if (code == 0 && inner->key_count != 1) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[sort] of [" STR_FMT "] must be one key", STR_ARG(agg->name));
    }
    const struct json *metrics = json_get(body, STR("metrics"));
    size_t count = json_is(metrics, JSON_ARRAY) ? metrics->array.count : 1;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = add_metric(search, agg, inner,
                          json_is(metrics, JSON_ARRAY) ? &metrics->array.items[i] : metrics);
    }
    if (code == 0 && inner->key_count == 1) code = add_metric(search, agg, inner, NULL);
    return code;
}

/* By the first key alone; of equals the earlier document stays. */
static int compare(struct search *inner, const struct candidate *a, const struct candidate *b)
{
    size_t key_count = inner->key_count;
    inner->key_count = 1;
    int order = sort_compare(inner, a, b);
    inner->key_count = key_count;
    return order;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    struct options *options = agg->options;
    struct search *inner = &options->inner;
    struct sort_segment *sort = NULL;
    int code = search_inner_begin(search, inner, documents->segment, &sort);
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        struct sort_value values[SORT_KEYS_MAX];
        struct candidate found = { documents->segment, documents->documents[i], values };
        code = sort_segment_values(inner, sort, found.document, values);
        if (code < 0 || values[0].type == SORT_TYPE_NONE) continue;
        size_t at = state->count;
        while (at > 0 && compare(inner, &found, &state->hits[at - 1]) < 0) at--;
        if (at >= (size_t)inner->size) continue;
        found.values = ARENA_ARRAY(search->arena, struct sort_value, inner->key_count);
        if (found.values == NULL) return parse_out_of_memory(&search->parse);
        for (size_t k = 0; k < inner->key_count; k++) found.values[k] = values[k];
        code = sort_keep_values(inner, found.values);
        if (state->count < (size_t)inner->size) state->count++;
        for (size_t k = state->count - 1; k > at; k--) state->hits[k] = state->hits[k - 1];
        state->hits[at] = found;
    }
    return code;
}

static void put_value(const struct sort_key *key, const struct sort_value *value,
                      struct json_writer *json)
{
    bool is_date = key->kind == SORT_FIELD &&
                   (key->field_type == LOGSTORE_DATE || key->field_type == LOGSTORE_DATE_NANOS);
    if (value->type == SORT_TYPE_NONE)
        json_put_null(json);
    else if (value->type == SORT_TYPE_TEXT)
        json_put_text(json, value->text);
    else if (value->type == SORT_TYPE_REAL || key->kind == SORT_SCORE)
        put_double(json, value->type == SORT_TYPE_REAL ? value->real : (double)value->integer);
    else if (is_date) {
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_init(&text, 256);
        if (key->field_type == LOGSTORE_DATE)
            date_print_ms(value->integer, key->format, 0, &text);
        else
            date_print_ns(value->integer, key->format, 0, &text);
        json_put_text(json, buf_str(&text));
    } else if (key->field_type == LOGSTORE_BOOLEAN)
        json_put_bool(json, value->integer != 0);
    else
        json_put_int(json, value->integer);
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    (void)search;
    const struct state *state = raw;
    const struct options *options = agg->options;
    const struct search *inner = &options->inner;
    json_key(json, STR("top"));
    json_array_begin(json);
    for (size_t i = 0; i < state->count; i++) {
        const struct sort_value *values = state->hits[i].values;
        json_object_begin(json);
        json_key(json, STR("sort"));
        json_array_begin(json);
        put_value(&inner->keys[0], &values[0], json);
        json_array_end(json);
        json_key(json, STR("metrics"));
        json_object_begin(json);
        for (size_t k = 1; k < inner->key_count; k++) {
            json_key(json, inner->keys[k].field);
            put_value(&inner->keys[k], &values[k], json);
        }
        json_object_end(json);
        json_object_end(json);
    }
    json_array_end(json);
    return 0;
}

/* A metric's number in the first document, by the field's name. */
static bool number(const struct agg *agg, const void *raw, struct str path, double *value)
{
    const struct state *state = raw;
    const struct options *options = agg->options;
    for (size_t k = 1; state->count > 0 && k < options->inner.key_count; k++) {
        const struct sort_value *found = &state->hits[0].values[k];
        if (path.size > 0 && !str_equal(path, options->inner.keys[k].field)) continue;
        if (found->type == SORT_TYPE_INTEGER) *value = (double)found->integer;
        if (found->type == SORT_TYPE_REAL) *value = found->real;
        return found->type == SORT_TYPE_INTEGER || found->type == SORT_TYPE_REAL;
    }
    return false;
}

const struct agg_kind agg_top_metrics = {
    .name = STR_INIT("top_metrics"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
    .number = number,
};
