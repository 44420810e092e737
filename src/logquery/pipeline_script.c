/* pipeline_script.c - buckets by an expression or an order: bucket_script, bucket_selector,
 * bucket_sort.
 */
#include "logquery/expression.h"
#include "logquery/pipeline.h"

#include "codec/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLES_MAX 64
#define SORTS_MAX     8

struct options {
    struct pipeline shared; /* first; paths in the order of the names */
    struct str names[VARIABLES_MAX];
    struct expression_variable constants[VARIABLES_MAX]; /* the script's params */
    size_t constant_count;
    struct str script;

    /* bucket_sort */
    struct str sort_paths[SORTS_MAX];
    bool is_descending[SORTS_MAX];
    size_t sort_count;
    int64_t from, size; /* size < 0: all */
};

static int read_variables(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = agg->options;
    const struct json *paths = json_get(body, STR("buckets_path"));
    size_t count = json_is(paths, JSON_OBJECT) ? paths->object.count : options->shared.path_count;
    if (count == 0 || count > VARIABLES_MAX) {
        return parse_fail(&search->parse, "parsing_exception",
                          "[" STR_FMT "] needs a [buckets_path] of 1 to %d variables",
                          STR_ARG(agg->name), VARIABLES_MAX);
    }
    if (!json_is(paths, JSON_OBJECT)) {
        for (size_t i = 0; i < count; i++) {
            options->names[i] =
                count == 1 ? STR("_value") : arena_printf(search->arena, "_value%zu", i);
        }
        return 0;
    }
    struct str *list = ARENA_ARRAY(search->arena, struct str, count);
    if (list == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < count; i++) {
        options->names[i] = paths->object.members[i].key;
        list[i] = json_text(&paths->object.members[i].value, STR(""));
    }
    options->shared.paths = list;
    options->shared.path_count = count;
    return 0;
}

static int read_script(struct search *search, struct agg *agg, const struct json *body)
{
    int code = pipeline_read(search, agg, body, sizeof(struct options));
    if (code == 0) code = read_variables(search, agg, body);
    if (code < 0) return code;
    struct options *options = agg->options;
    const struct json *script = json_get(body, STR("script"));
    struct str source = json_text(json_get(script, STR("source")), STR(""));
    if (source.size == 0) source = json_text(json_get(script, STR("inline")), STR(""));
    options->script = json_text(script, source);
    if (options->script.size == 0) {
        return parse_fail(&search->parse, "parsing_exception", "[" STR_FMT "] needs a [script]",
                          STR_ARG(agg->name));
    }
    const struct json *params = json_get(script, STR("params"));
    for (size_t i = 0; json_is(params, JSON_OBJECT) && i < params->object.count; i++) {
        if (options->constant_count == VARIABLES_MAX) break;
        options->constants[options->constant_count++] =
            (struct expression_variable){ params->object.members[i].key,
                                          parse_number(&params->object.members[i].value, 0) };
    }
    return 0;
}

/* The script's value for a bucket; *is_gap when a variable has none. */
static int evaluate(struct search *search, const struct agg *agg, const struct result *bucket,
                    double *value, bool *is_gap)
{
    const struct options *options = agg->options;
    struct expression_variable variables[VARIABLES_MAX * 2];
    size_t count = 0;
    *is_gap = false;
    for (size_t i = 0; i < options->shared.path_count; i++) {
        double number = pipeline_value(&options->shared, bucket, options->shared.paths[i]);
        *is_gap |= !isfinite(number);
        variables[count++] = (struct expression_variable){ options->names[i], number };
    }
    for (size_t i = 0; i < options->constant_count; i++) variables[count++] = options->constants[i];
    struct error error = { 0 };
    if (expression_evaluate(options->script, variables, count, value, &error) == 0) return 0;
    return parse_fail(&search->parse, "script_exception",
                      "script of [" STR_FMT "] is not supported: %s; arithmetic, comparisons and "
                      "Math functions over params are",
                      STR_ARG(agg->name), error.text);
}

static int run_script(struct search *search, const struct agg *agg, struct result *buckets)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < buckets->count; i++) {
        double value = 0;
        bool is_gap;
        code = evaluate(search, agg, buckets->members[i].value, &value, &is_gap);
        if (code == 0 && !is_gap) {
            code = pipeline_put(search, agg, buckets->members[i].value, value);
        }
    }
    return code;
}

static int run_selector(struct search *search, const struct agg *agg, struct result *buckets)
{
    size_t kept = 0;
    for (size_t i = 0; i < buckets->count; i++) {
        double value = 0;
        bool is_gap;
        int code = evaluate(search, agg, buckets->members[i].value, &value, &is_gap);
        if (code < 0) return code;
        if (!is_gap && value != 0) buckets->members[kept++] = buckets->members[i];
    }
    buckets->count = kept;
    return 0;
}

/* bucket_sort --------------------------------------------------------------------------------- */

static int read_sort_item(struct search *search, struct options *options, const struct json *item)
{
    if (options->sort_count == SORTS_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "more than %d sorts of [bucket_sort] are not supported", SORTS_MAX);
    }
    struct str path = json_text(item, STR(""));
    bool is_descending = false;
    if (json_is(item, JSON_OBJECT) && item->object.count > 0) {
        const struct json_member *member = &item->object.members[0];
        struct str order = json_text(json_get(&member->value, STR("order")), STR("asc"));
        path = member->key;
        is_descending = str_equal_nocase(json_text(&member->value, order), STR("desc"));
    }
    options->sort_paths[options->sort_count] = path;
    options->is_descending[options->sort_count++] = is_descending;
    return 0;
}

static int read_sort(struct search *search, struct agg *agg, const struct json *body)
{
    int code = pipeline_read(search, agg, body, sizeof(struct options));
    if (code < 0) return code;
    struct options *options = agg->options;
    const struct json *sort = json_get(body, STR("sort"));
    options->from = parse_integer_of(&search->parse, body, "from", 0);
    options->size = parse_integer_of(&search->parse, body, "size", -1);
    if (options->from < 0 || (json_get(body, STR("size")) != NULL && options->size < 1)) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[from] must be a non-negative and [size] a positive integer");
    }
    bool is_list = json_is(sort, JSON_ARRAY);
    size_t count = sort == NULL ? 0 : is_list ? sort->array.count : 1;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = read_sort_item(search, options, is_list ? &sort->array.items[i] : sort);
    }
    options->shared.paths = options->sort_paths;
    options->shared.path_count = options->sort_count;
    return code;
}

struct sorted {
    struct result_member member;
    double numbers[SORTS_MAX];
    size_t place;
    const struct options *options;
};

/* Buckets without a number come last. */
static int by_numbers(const void *a, const void *b)
{
    const struct sorted *left = a;
    const struct sorted *right = b;
    for (size_t i = 0; i < left->options->sort_count; i++) {
        bool left_gap = !isfinite(left->numbers[i]);
        bool right_gap = !isfinite(right->numbers[i]);
        if (left_gap || right_gap) {
            if (left_gap != right_gap) return left_gap ? 1 : -1;
            continue;
        }
        int order =
            left->numbers[i] < right->numbers[i] ? -1 : left->numbers[i] > right->numbers[i];
        if (order != 0) return left->options->is_descending[i] ? -order : order;
    }
    return left->place < right->place ? -1 : left->place > right->place;
}

static int run_sort(struct search *search, const struct agg *agg, struct result *buckets)
{
    const struct options *options = agg->options;
    struct sorted *list = ARENA_ARRAY(search->arena, struct sorted, buckets->count + 1);
    if (list == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < buckets->count; i++) {
        list[i] = (struct sorted){ .member = buckets->members[i], .place = i, .options = options };
        for (size_t k = 0; k < options->sort_count; k++) {
            list[i].numbers[k] = result_number(buckets->members[i].value, options->sort_paths[k]);
        }
    }
    if (options->sort_count > 0) qsort(list, buckets->count, sizeof(*list), by_numbers);
    size_t from = (size_t)options->from < buckets->count ? (size_t)options->from : buckets->count;
    size_t count = buckets->count - from;
    if (options->size >= 0 && (size_t)options->size < count) count = (size_t)options->size;
    for (size_t i = 0; i < count; i++) buckets->members[i] = list[from + i].member;
    buckets->count = count;
    return 0;
}

const struct agg_kind agg_bucket_script = {
    .name = STR_INIT("bucket_script"), .read = read_script, .run = run_script, .is_parent = true
};
const struct agg_kind agg_bucket_selector = {
    .name = STR_INIT("bucket_selector"), .read = read_script, .run = run_selector, .is_parent = true
};
const struct agg_kind agg_bucket_sort = {
    .name = STR_INIT("bucket_sort"), .read = read_sort, .run = run_sort, .is_parent = true
};
