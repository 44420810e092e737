/* agg_terms.c - documents by value: the most frequent terms of a field. */
#include "logquery/agg.h"
#include "logquery/agg_counts.h"
#include "logquery/agg_include.h"
#include "logquery/agg_many.h"
#include "logquery/agg_order.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_DEFAULT   10
#define SIZE_MAX_      65536
#define RARE_COUNT_MAX 100

struct options {
    int64_t size;
    int64_t min_doc_count, max_doc_count;
    struct agg_orders orders;
    struct agg_include include;
    bool shows_error;
};

struct state {
    struct bucket_table table;
    struct agg_many *many;               /* terms that are too many for buckets; NULL: none */
    bool has_values, is_number, is_real; /* is_real: in one index at least */
    enum logstore_type type;
    uint64_t other_documents;
};

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    options->size = parse_integer_of(&search->parse, body, "size", SIZE_DEFAULT);
    if (options->size < 1) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[size] must be greater than 0. Found [%lld] in [" STR_FMT "]",
                          (long long)options->size, STR_ARG(agg->name));
    }
    if (options->size > SIZE_MAX_) options->size = SIZE_MAX_;
    options->min_doc_count = parse_integer_of(&search->parse, body, "min_doc_count", 1);
    options->max_doc_count = INT64_MAX;
    options->shows_error = parse_flag_of(&search->parse, body, "show_term_doc_count_error", false);
    int code = agg_orders_read(search, agg, json_get(body, STR("order")), &options->orders);
    return code < 0 ? code : agg_include_read(search, body, &options->include);
}

/* rare_terms: those with few documents, the rarest first. */
static int read_rare(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    options->size = SIZE_MAX_;
    options->min_doc_count = 1;
    options->max_doc_count = parse_integer_of(&search->parse, body, "max_doc_count", 1);
    if (options->max_doc_count < 1 || options->max_doc_count > RARE_COUNT_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[max_doc_count] must be in [1,%d], found [%lld] in [" STR_FMT "]",
                          RARE_COUNT_MAX, (long long)options->max_doc_count, STR_ARG(agg->name));
    }
    options->orders.items[options->orders.count++] = (struct agg_order){ .is_descending = false };
    return agg_include_read(search, body, &options->include);
}

/* Keywords ------------------------------------------------------------------------------------ */

struct naming {
    struct search *search;
    const struct options *options;
    struct bucket_table *table;
    bool is_counting;    /* documents are counted, and not told their buckets */
    uint32_t *bucket_of; /* by ordinal; UINT32_MAX: not wanted; NULL: counting */
    const uint32_t *ordinals;
    const uint32_t *counts; /* of documents, beside the ordinals */
};

static int name_term(void *argument, size_t i, struct str term)
{
    struct naming *naming = argument;
    uint32_t ordinal = naming->ordinals[i];
    if (!naming->is_counting) naming->bucket_of[ordinal] = UINT32_MAX;
    if (!agg_include_takes(&naming->options->include, term)) return 0;
    uint32_t bucket = bucket_for_text(naming->search, naming->table, term);
    if (bucket == UINT32_MAX) return parse_out_of_memory(&naming->search->parse);
    if (naming->is_counting)
        naming->table->buckets[bucket].count += naming->counts[i];
    else
        naming->bucket_of[ordinal] = bucket;
    return 0;
}

/* The bucket of every ordinal that the documents hold (or of all, for min_doc_count 0). */
static int name_terms(struct naming *naming, const struct logstore_column *column,
                      const struct agg_documents *documents)
{
    struct agg_ordinals found;
    bool wants_all = naming->options->min_doc_count == 0;
    if (!agg_ordinals_read(&found, column, documents, wants_all)) {
        return parse_out_of_memory(&naming->search->parse);
    }
    naming->ordinals = found.ordinals;
    naming->counts = found.counts;
    int code = logstore_column_terms(column, found.ordinals, found.count, name_term, naming,
                                     naming->search->parse.error);
    agg_ordinals_release(&found);
    return code;
}

/* Of a column with one value for each document. */
static int add_ordinals(const struct naming *naming, const struct logstore_column *column,
                        const struct agg_documents *documents, struct bucket_pair_vec *pairs)
{
    if (!VEC_RESERVE(pairs, documents->count)) {
        return parse_out_of_memory(&naming->search->parse);
    }
    int64_t ordinals[AGG_GATHER_COUNT];
    for (size_t start = 0; start < documents->count; start += AGG_GATHER_COUNT) {
        size_t left = documents->count - start;
        size_t count = left < AGG_GATHER_COUNT ? left : AGG_GATHER_COUNT;
        const uint32_t *numbers = documents->documents + start;
        logstore_column_gather(column, numbers, count, ordinals);
        for (size_t i = 0; i < count; i++) {
            uint32_t bucket = naming->bucket_of[ordinals[i]];
            if (bucket == UINT32_MAX) continue;
            pairs->items[pairs->count++] = (struct bucket_pair){ bucket, numbers[i] };
        }
    }
    return 0;
}

static int collect_keywords(struct search *search, struct agg *agg, struct state *state,
                            const struct logstore_column *column,
                            const struct agg_documents *documents, struct bucket_pair_vec *pairs,
                            uint32_t missing_bucket)
{
    struct naming naming = { .search = search, .options = agg->options, .table = &state->table };
    naming.is_counting = agg->sub_count == 0 && missing_bucket == UINT32_MAX;
    if (naming.is_counting) return name_terms(&naming, column, documents);
    naming.bucket_of = calloc(logstore_column_term_count(column) + (size_t)1, sizeof(uint32_t));
    if (naming.bucket_of == NULL) return parse_out_of_memory(&search->parse);
    int code = name_terms(&naming, column, documents);
    bool is_plain = logstore_column_has_one_each(column);
    if (code == 0 && is_plain) code = add_ordinals(&naming, column, documents, pairs);
    struct logstore_cursor cursor = { .column = column };
    for (size_t i = 0; code == 0 && !is_plain && i < documents->count; i++) {
        uint32_t document = documents->documents[i];
        size_t first;
        size_t count = logstore_cursor_seek(&cursor, document, &first);
        for (size_t k = 0; code == 0 && k < count; k++) {
            uint32_t bucket = naming.bucket_of[logstore_column_ordinal(column, first + k)];
            if (bucket == UINT32_MAX) continue;
            if (!VEC_PUSH(pairs, (struct bucket_pair){ bucket, document })) {
                code = parse_out_of_memory(&search->parse);
            }
        }
        if (count == 0 && missing_bucket != UINT32_MAX && code == 0 &&
            !VEC_PUSH(pairs, (struct bucket_pair){ missing_bucket, document })) {
            code = parse_out_of_memory(&search->parse);
        }
    }
    free(naming.bucket_of);
    return code;
}

/* Numbers ------------------------------------------------------------------------------------- */

static int64_t number_key(const struct agg_numbers *numbers, bool is_real, size_t value)
{
    if (!is_real) return agg_integer_at(numbers, value);
    double real = agg_number_at(numbers, value);
    int64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    return bits;
}

static int collect_numbers(struct search *search, const struct agg *agg, struct state *state,
                           const struct logstore_column *column,
                           const struct agg_documents *documents, struct bucket_pair_vec *pairs,
                           uint32_t missing_bucket)
{
    struct agg_numbers numbers;
    const struct options *options = agg->options;
    int code = agg_include_check_number(search, &options->include, agg->name);
    if (code < 0) return code;
    (void)agg_numbers_open(&numbers, column);
    for (size_t i = 0; i < documents->count; i++) {
        uint32_t document = documents->documents[i];
        size_t first;
        size_t count = logstore_cursor_seek(&numbers.cursor, document, &first);
        size_t start = pairs->count;
        for (size_t k = 0; k < count; k++) {
            int64_t key = number_key(&numbers, state->is_real, first + k);
            double value = agg_number_at(&numbers, first + k);
            if (!agg_include_takes_number(&options->include, value, key)) continue;
            uint32_t bucket = bucket_for_number(search, &state->table, key);
            if (bucket == UINT32_MAX) return parse_out_of_memory(&search->parse);
            bool is_there = false;
            for (size_t at = start; at < pairs->count; at++) {
                is_there |= pairs->items[at].bucket == bucket;
            }
            if (!is_there && !VEC_PUSH(pairs, (struct bucket_pair){ bucket, document })) {
                return parse_out_of_memory(&search->parse);
            }
        }
        if (count == 0 && missing_bucket != UINT32_MAX &&
            !VEC_PUSH(pairs, (struct bucket_pair){ missing_bucket, document })) {
            return parse_out_of_memory(&search->parse);
        }
    }
    return 0;
}

static int all_missing(struct search *search, const struct agg_documents *documents,
                       struct bucket_pair_vec *pairs, uint32_t bucket)
{
    for (size_t i = 0; i < documents->count; i++) {
        struct bucket_pair pair = { bucket, documents->documents[i] };
        if (!VEC_PUSH(pairs, pair)) return parse_out_of_memory(&search->parse);
    }
    return 0;
}

static void find_reals(struct search *search, const struct agg *agg, struct state *state)
{
    for (size_t i = 0; !state->is_real && i < search->snapshot->segment_count; i++) {
        const struct logstore_column *column = search_column(search, i, agg->field);
        state->is_real = column != NULL && logstore_column_kind(column) == LOGSTORE_COLUMN_REAL;
        if (state->is_real) state->type = logstore_column_type(column);
    }
}

/* What the field holds, from its first column on: integers of one index and reals of another are
 * reals, words and numbers are not to be counted together. */
static int check_type(struct search *search, const struct agg *agg, struct state *state,
                      const struct logstore_column *column)
{
    enum logstore_column_kind kind = logstore_column_kind(column);
    bool is_number = kind == LOGSTORE_COLUMN_INTEGER || kind == LOGSTORE_COLUMN_REAL;
    if (state->has_values && is_number != state->is_number) {
        return parse_fail_shard(&search->parse, "aggregation_execution_exception",
                                "Merging/Reducing the aggregations failed when computing the "
                                "aggregation [" STR_FMT "] because the field you gave in the "
                                "aggregation query existed as two different types in two different "
                                "indices",
                                STR_ARG(agg->name));
    }
    if (state->has_values) return 0;
    state->has_values = true;
    state->is_number = is_number;
    state->type = logstore_column_type(column);
    if (is_number) find_reals(search, agg, state);
    return 0;
}

static uint32_t missing_bucket(struct search *search, const struct agg *agg, struct state *state)
{
    if (agg->missing == NULL) return UINT32_MAX;
    const struct logstore_field *field = search_field(search, agg->field);
    if (!state->has_values && field != NULL) {
        enum logstore_column_kind kind = logstore_type_column(field->type);
        state->is_real = kind == LOGSTORE_COLUMN_REAL;
        state->is_number = state->is_real || kind == LOGSTORE_COLUMN_INTEGER;
        state->type = field->type;
        if (state->is_number) find_reals(search, agg, state);
    }
    if (!state->is_number) {
        return bucket_for_text(search, &state->table, parse_scalar(agg->missing));
    }
    double real = parse_number(agg->missing, 0);
    int64_t number = parse_integer(agg->missing, 0);
    if (state->is_real) memcpy(&number, &real, sizeof(number));
    return bucket_for_number(search, &state->table, number);
}

/* `_index` has one value a segment. */
static int collect_index(struct search *search, struct state *state,
                         const struct agg_documents *documents, struct bucket_pair_vec *pairs)
{
    struct str name = search->snapshot->segments[documents->segment].index->name;
    uint32_t bucket = bucket_for_text(search, &state->table, name);
    if (bucket == UINT32_MAX) return parse_out_of_memory(&search->parse);
    return all_missing(search, documents, pairs, bucket);
}

/* Whether nothing but the counts is wanted. */
static bool wants_counts(const struct agg *agg, const struct state *state)
{
    const struct options *options = agg->options;
    return agg->kind == &agg_terms && agg->sub_count == 0 && agg->missing == NULL &&
           options->min_doc_count > 0 && !state->is_number;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    const struct logstore_column *column;
    int code = wants_counts(agg, state) ? agg_many_add(search, agg, &state->many, documents) : 0;
    state->has_values |= code > 0; /* words */
    if (code != 0) return code < 0 ? code : 0;
    code = agg_column(search, agg, documents->segment, &column);
    if (code == 0 && column != NULL) code = check_type(search, agg, state, column);
    if (code < 0) return code;
    struct bucket_pair_vec pairs = { 0 };
    bool is_index = str_equal(agg->field, STR("_index"));
    uint32_t missing = is_index ? UINT32_MAX : missing_bucket(search, agg, state);
    if (is_index)
        code = collect_index(search, state, documents, &pairs);
    else if (column == NULL) {
        if (missing != UINT32_MAX) code = all_missing(search, documents, &pairs, missing);
    } else if (logstore_column_kind(column) == LOGSTORE_COLUMN_KEYWORD) {
        code = collect_keywords(search, agg, state, column, documents, &pairs, missing);
    } else {
        code = collect_numbers(search, agg, state, column, documents, &pairs, missing);
    }
    if (code == 0) code = buckets_collect(search, agg, &state->table, documents->segment, &pairs);
    VEC_RELEASE(&pairs);
    return code;
}

/* Results ------------------------------------------------------------------------------------- */

static int compare_keys(const void *context, const struct bucket *a, const struct bucket *b)
{
    const struct state *state = context;
    if (!state->is_number) return str_compare(a->key, b->key);
    if (!state->is_real) return a->number < b->number ? -1 : a->number > b->number;
    double left;
    double right;
    memcpy(&left, &a->number, sizeof(left));
    memcpy(&right, &b->number, sizeof(right));
    return left < right ? -1 : left > right;
}

static int write_bucket(struct search *search, struct agg *agg, const struct state *state,
                        const struct bucket *bucket, struct json_writer *json)
{
    const struct options *options = agg->options;
    json_object_begin(json);
    if (state->is_number) {
        bucket_put_number_key(agg, state->type, bucket->number, state->is_real, json);
    } else {
        json_member_text(json, "key", bucket->key);
    }
    json_member_int(json, "doc_count", (int64_t)bucket->count);
    if (options->shows_error) json_member_int(json, "doc_count_error_upper_bound", 0);
    int code = bucket_write_subs(search, agg, bucket, json);
    json_object_end(json);
    return code;
}

static int write_ranking(struct search *search, struct agg *agg, const struct state *state,
                         const struct agg_ranking *ranking, uint64_t total,
                         struct json_writer *json)
{
    const struct options *options = agg->options;
    int code = 0;
    size_t shown = ranking->count < (size_t)options->size ? ranking->count : (size_t)options->size;
    uint64_t others = total;
    for (size_t i = 0; i < shown; i++) others -= ranking->items[i].bucket->count;
    if (options->max_doc_count == INT64_MAX) {
        json_member_int(json, "doc_count_error_upper_bound", 0);
        json_member_int(json, "sum_other_doc_count", (int64_t)others);
    }
    json_key(json, STR("buckets"));
    json_array_begin(json);
    for (size_t i = 0; code == 0 && i < shown; i++) {
        code = write_bucket(search, agg, state, ranking->items[i].bucket, json);
    }
    json_array_end(json);
    return code;
}

static bool is_wanted_term(const void *argument, struct str term)
{
    const struct options *options = argument;
    return agg_include_takes(&options->include, term);
}

static int finish(struct search *search, struct agg *agg, void *raw)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    if (state->many == NULL || agg_many_result(state->many) != NULL) return 0;
    struct agg_many_wish wish = {
        .size = (size_t)options->size,
        .counts = { options->min_doc_count, options->max_doc_count },
        .ranker = { &options->orders, compare_keys, state },
        .is_wanted = is_wanted_term,
        .argument = options,
    };
    return agg_many_finish(search, agg, state->many, &state->table, &wish);
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    struct agg_ranking ranking = { 0 };
    struct agg_range counts = { options->min_doc_count, options->max_doc_count };
    struct agg_ranker ranker = { &options->orders, compare_keys, state };
    int code = finish(search, agg, state);
    if (code < 0) return code;
    const struct agg_many_result *result = agg_many_result(state->many);
    const struct bucket_table *table = result != NULL ? &result->best : &state->table;
    code = agg_rank(search, table, counts, &ranker, &ranking);
    uint64_t total = result != NULL ? result->total : ranking.total;
    if (code == 0) code = write_ranking(search, agg, state, &ranking, total, json);
    agg_ranking_release(&ranking);
    return code;
}

const struct agg_kind agg_terms = {
    .name = STR_INIT("terms"),
    .typed_name = "sterms",
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .finish = finish,
    .write = write,
};

const struct agg_kind agg_rare_terms = {
    .name = STR_INIT("rare_terms"),
    .typed_name = "srareterms",
    .state_size = sizeof(struct state),
    .read = read_rare,
    .collect = collect,
    .write = write,
};
