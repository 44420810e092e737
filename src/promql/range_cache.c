/* range_cache.c - one slot a key, as in expr_cache.c. */
#include "promql/range_cache.h"

#include "base/check.h"
#include "promql/function_list.h"

#include <errno.h>
#include <stdlib.h>

static size_t slot_of(const struct range_key *key)
{
    uint64_t hash = str_hash(key->text, (uint64_t)key->step_ms);
    return (size_t)(hash % RANGE_CACHE_SLOTS);
}

static bool is_same_key(const struct range_key *a, const struct range_key *b)
{
    return str_equal(a->text, b->text) && a->source == b->source && a->step_ms == b->step_ms &&
           a->phase_ms == b->phase_ms && a->lookback_ms == b->lookback_ms &&
           a->default_step_ms == b->default_step_ms;
}

void range_cache_init(struct range_cache *cache)
{
    *cache = (struct range_cache){ 0 };
    mutex_init(&cache->mutex);
}

void range_cache_release(struct range_cache *cache)
{
    for (size_t i = 0; i < RANGE_CACHE_SLOTS; i++) range_answer_free(cache->slots[i]);
    mutex_release(&cache->mutex);
}

struct range_answer *range_cache_take(struct range_cache *cache, const struct range_key *key)
{
    size_t slot = slot_of(key);
    mutex_lock(&cache->mutex);
    struct range_answer *answer = cache->slots[slot];
    if (answer != NULL && !is_same_key(&answer->key, key)) answer = NULL;
    if (answer != NULL) cache->slots[slot] = NULL;
    mutex_unlock(&cache->mutex);
    return answer;
}

void range_cache_put(struct range_cache *cache, struct range_answer *answer)
{
    size_t slot = slot_of(&answer->key);
    mutex_lock(&cache->mutex);
    struct range_answer *old = cache->slots[slot];
    cache->slots[slot] = answer;
    mutex_unlock(&cache->mutex);
    range_answer_free(old);
}

void range_answer_free(struct range_answer *answer)
{
    if (answer == NULL) return;
    arena_release(&answer->arena);
    free(answer);
}

/* --- which expressions --- */

static bool is_fixed(const struct duration *duration)
{
    return duration == NULL || !duration->needs_query;
}

/* Looks at no time but the step's own and what is before it. */
static bool looks_back(const struct modifiers *modifiers)
{
    return modifiers->at == AT_NONE && !modifiers->is_smoothed && is_fixed(modifiers->offset) &&
           (modifiers->offset == NULL || modifiers->offset->seconds >= 0);
}

/* Whether rows come in an order that does not depend on the range: sorted, as selectors give
 * them. Groups come as they are first seen, which does. */
static bool is_sorted(const struct node *node)
{
    switch (node->kind) {
    case NODE_SELECTOR:
    case NODE_MATRIX: return true;
    case NODE_PAREN: return is_sorted(node->paren);
    case NODE_UNARY: return is_sorted(node->unary.inner);
    case NODE_SUBQUERY: return is_sorted(node->subquery.inner);
    case NODE_CALL:
        if (node->call.function->shape == FUNCTION_SPECIAL) return false;
        for (size_t i = 0; i < node->call.count; i++) {
            enum promql_type type = node->call.arguments[i]->type;
            bool has_rows = type == PROMQL_VECTOR || type == PROMQL_MATRIX;
            if (has_rows && !is_sorted(node->call.arguments[i])) return false;
        }
        return true;
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_AGGREGATE:
    case NODE_BINARY: return false;
    }
    CHECK(false);
}

/* Sums are rounded in the order of their rows, ties are broken by it. */
static bool needs_order(enum aggregation op)
{
    return op == AGGREGATE_SUM || op == AGGREGATE_AVG || op == AGGREGATE_STDDEV ||
           op == AGGREGATE_STDVAR || op == AGGREGATE_TOPK || op == AGGREGATE_BOTTOMK ||
           op == AGGREGATE_LIMITK;
}

static bool takes_function(const struct promql_function *function)
{
    /* These tell of the query itself, or look at all steps at once. */
    static const struct str others[] = { STR_INIT("start"),
                                         STR_INIT("end"),
                                         STR_INIT("range"),
                                         STR_INIT("info"),
                                         STR_INIT("histogram_quantiles"),
                                         STR_INIT("sort"),
                                         STR_INIT("sort_desc"),
                                         STR_INIT("sort_by_label"),
                                         STR_INIT("sort_by_label_desc") };
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        if (str_equal(function->name, others[i])) return false;
    }
    return true;
}

bool range_cache_takes(const struct node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_STRING: return true;
    case NODE_SELECTOR: return looks_back(&node->selector.modifiers);
    case NODE_MATRIX:
        return is_fixed(node->matrix.range) && range_cache_takes(node->matrix.selector);
    case NODE_SUBQUERY:
        return is_fixed(node->subquery.range) && is_fixed(node->subquery.step) &&
               looks_back(&node->subquery.modifiers) && range_cache_takes(node->subquery.inner);
    case NODE_CALL:
        if (!takes_function(node->call.function)) return false;
        for (size_t i = 0; i < node->call.count; i++) {
            if (!range_cache_takes(node->call.arguments[i])) return false;
        }
        return true;
    case NODE_AGGREGATE:
        if (node->aggregate.parameter != NULL && !range_cache_takes(node->aggregate.parameter)) {
            return false;
        }
        if (needs_order(node->aggregate.op) && !is_sorted(node->aggregate.inner)) return false;
        return range_cache_takes(node->aggregate.inner);
    case NODE_BINARY:
        return range_cache_takes(node->binary.left) && range_cache_takes(node->binary.right);
    case NODE_UNARY: return range_cache_takes(node->unary.inner);
    case NODE_PAREN: return range_cache_takes(node->paren);
    }
    CHECK(false);
}

/* --- answers --- */

static double *new_values(struct arena *arena, size_t count)
{
    double *values = ARENA_ARRAY(arena, double, count);
    double absent = ROW_ABSENT;
    for (size_t i = 0; values != NULL && i < count; i++) values[i] = absent;
    return values;
}

static bool fill_answer(struct range_answer *answer, const struct promql_result *result)
{
    answer->rows = ARENA_ARRAY(&answer->arena, struct range_row, result->series_count + 1);
    if (answer->rows == NULL) return false;
    for (size_t s = 0; s < result->series_count; s++) {
        const struct promql_series *series = &result->series[s];
        struct range_row *row = &answer->rows[answer->count++];
        row->values = new_values(&answer->arena, answer->steps.count);
        if (series->histograms != NULL || row->values == NULL ||
            labels_copy(&answer->arena, series->labels, &row->labels) < 0) {
            return false;
        }
        for (size_t i = 0; i < series->count; i++) {
            int64_t behind_ms = series->times_ms[i] - answer->steps.start_ms;
            row->values[behind_ms / answer->steps.step_ms] = series->values[i];
        }
    }
    return true;
}

struct range_answer *range_answer_new(const struct range_key *key, uint64_t position,
                                      const struct steps *steps, const struct promql_result *result)
{
    if (result->warning_count > 0 || result->info_count > 0) return NULL;
    if (result->series_count > RANGE_ANSWER_SIZE_MAX / (steps->count * sizeof(double))) return NULL;
    struct range_answer *answer = calloc(1, sizeof(*answer));
    if (answer == NULL) return NULL;
    arena_init(&answer->arena, RANGE_ANSWER_SIZE_MAX);
    answer->key = *key;
    answer->key.text = arena_copy(&answer->arena, key->text);
    answer->position = position;
    answer->steps = *steps;
    if (answer->key.text.data != NULL && fill_answer(answer, result)) return answer;
    range_answer_free(answer);
    return NULL;
}

/* A series of the joined result, filled step by step. */
struct joined {
    struct arena *arena;
    const struct steps *steps;
    struct promql_series *series;
    size_t count;
};

static int add_joined(struct joined *joined, struct labels labels, const double *kept,
                      size_t kept_count, const struct promql_series *fresh)
{
    size_t most = kept_count + (fresh == NULL ? 0 : fresh->count);
    int64_t *times = ARENA_ARRAY(joined->arena, int64_t, most + 1);
    double *values = ARENA_ARRAY(joined->arena, double, most + 1);
    if (times == NULL || values == NULL) return -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; kept != NULL && i < kept_count; i++) {
        if (!ROW_IS_THERE(kept[i])) continue;
        times[count] = steps_time(joined->steps, i);
        values[count++] = kept[i];
    }
    for (size_t i = 0; fresh != NULL && i < fresh->count; i++) {
        times[count] = fresh->times_ms[i];
        values[count++] = fresh->values[i];
    }
    if (count == 0) return 0;
    joined->series[joined->count++] = (struct promql_series){
        .labels = labels, .count = count, .times_ms = times, .values = values
    };
    return 0;
}

int range_answer_join(const struct range_answer *answer, size_t from, size_t kept,
                      const struct steps *steps, struct arena *arena,
                      const struct promql_result *fresh, const struct promql_series **series,
                      size_t *count)
{
    struct joined joined = { .arena = arena, .steps = steps };
    size_t fresh_count = fresh == NULL ? 0 : fresh->series_count;
    joined.series = ARENA_ARRAY(arena, struct promql_series, answer->count + fresh_count + 1);
    if (joined.series == NULL) return -ENOMEM;
    size_t a = 0;
    size_t f = 0;
    while (a < answer->count || f < fresh_count) {
        int order = a == answer->count ? 1
                    : f == fresh_count
                        ? -1
                        : labels_compare(answer->rows[a].labels, fresh->series[f].labels);
        struct labels labels;
        if (order <= 0) {
            if (labels_copy(arena, answer->rows[a].labels, &labels) < 0) return -ENOMEM;
        } else {
            labels = fresh->series[f].labels;
        }
        int code = add_joined(&joined, labels, order <= 0 ? answer->rows[a].values + from : NULL,
                              kept, order >= 0 ? &fresh->series[f] : NULL);
        if (code < 0) return code;
        if (order <= 0) a++;
        if (order >= 0) f++;
    }
    *series = joined.series;
    *count = joined.count;
    return 0;
}
