/* match.c - from matchers to the numbers of the series that satisfy them, over any index.
 *
 * A matcher that no empty value satisfies selects: the union of the postings of the values it
 * matches. One that an empty value satisfies removes: the postings of the values it does not
 * match, for series without the label stay. Values are looked at once each, never per series.
 * What one value names outright comes first, so that long unions are cut down to what is left.
 */
#include "tsdb/match.h"

#include "base/error.h"
#include "codec/regex.h"

#define VALUES_BETWEEN_LOOKS 64 /* at the clock */
#define LISTED_VALUES_MIN    64 /* fewer are tried under the lock: that is less than taking it */

/* The series of any of the values; only those of `within` (NULL: of all). */
static int union_of(const struct index *index, const struct index_value *values, size_t count,
                    const struct postings *within, struct arena *arena, struct postings *out)
{
    struct postings *lists = ARENA_ARRAY(arena, struct postings, count + 1);
    if (lists == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        int code = index->postings(index->state, &values[i], arena, &lists[i]);
        if (code == 0 && within != NULL) {
            code = postings_intersect(arena, *within, lists[i], &lists[i]);
        }
        if (code != 0) return code;
    }
    return postings_union(arena, lists, count, out);
}

/* The values a pattern of plain alternatives names; false when it is no such pattern. */
static bool find_literals(const struct index *index, const struct matcher *matcher,
                          struct arena *arena, struct index_value **values, size_t *count)
{
    struct str *literals;
    size_t literal_count;
    if (!regex_literals(arena, matcher->value, &literals, &literal_count)) return false;
    struct index_value *found = ARENA_ARRAY(arena, struct index_value, literal_count + 1);
    if (found == NULL) return false;
    size_t used = 0;
    for (size_t i = 0; i < literal_count; i++) {
        bool is_double = false;
        for (size_t k = 0; k < i && !is_double; k++)
            is_double = str_equal(literals[i], literals[k]);
        if (is_double || literals[i].size == 0) continue;
        used += index->find(index->state, matcher->name, literals[i], &found[used]);
    }
    *values = found;
    *count = used;
    return true;
}

static bool is_late(const struct clock *clock, int64_t deadline_ns)
{
    return clock != NULL && deadline_ns != 0 && clock_monotonic_ns(clock) >= deadline_ns;
}

static const struct match_verdicts *find_verdicts(const struct index *index,
                                                  const struct matcher *matcher)
{
    for (size_t i = 0; i < index->verdict_count; i++) {
        if (index->verdicts[i].matcher == matcher) return &index->verdicts[i];
    }
    return NULL;
}

static bool fits(const struct match_verdicts *verdicts, const struct matcher *matcher,
                 const struct index_value *value)
{
    if (verdicts != NULL && value->number < verdicts->pair_count) {
        unsigned char verdict = verdicts->of_pairs[value->number];
        if (verdict != MATCH_NOT_KNOWN) return verdict == MATCH_FITS;
    }
    return matcher_matches(matcher, value->text);
}

/* The values that satisfy the matcher (wanted) or that do not. */
static int filter_values(const struct index *index, const struct matcher *matcher, bool wanted,
                         struct arena *arena, struct index_value **values, size_t *count)
{
    int code = index->values(index->state, matcher->name, arena, values, count);
    if (code != 0) return code;
    const struct match_verdicts *verdicts = find_verdicts(index, matcher);
    size_t used = 0;
    for (size_t i = 0; i < *count; i++) {
        if (i % VALUES_BETWEEN_LOOKS == 0 && is_late(index->clock, index->deadline_ns)) {
            return ERROR_TIMEOUT;
        }
        if (fits(verdicts, matcher, &(*values)[i]) != wanted) continue;
        (*values)[used++] = (*values)[i];
    }
    *count = used;
    return 0;
}

static bool is_literal_kind(const struct matcher *matcher, bool selects)
{
    return selects ? matcher->kind == MATCHER_EQUAL : matcher->kind == MATCHER_NOT_EQUAL;
}

/* What the matcher selects, or what it removes; of `within` at least. */
static int resolve(const struct index *index, const struct matcher *matcher,
                   const struct postings *within, struct arena *arena, struct postings *out)
{
    bool selects = !matcher_matches_empty(matcher);
    struct index_value *values = NULL;
    size_t count = 0;
    if (is_literal_kind(matcher, selects) && matcher->value.size > 0) {
        struct index_value value;
        *out = (struct postings){ 0 };
        if (!index->find(index->state, matcher->name, matcher->value, &value)) return 0;
        return index->postings(index->state, &value, arena, out);
    }
    bool is_pattern = matcher->kind == (selects ? MATCHER_REGEX : MATCHER_NOT_REGEX);
    if (!is_pattern || !find_literals(index, matcher, arena, &values, &count)) {
        int code = filter_values(index, matcher, selects, arena, &values, &count);
        if (code != 0) return code;
    }
    return union_of(index, values, count, within, arena, out);
}

struct matching {
    const struct index *index;
    struct arena *arena;
    struct postings result;
    bool has_result;
};

static int apply(struct matching *matching, const struct matcher *matcher)
{
    struct postings *result = &matching->result;
    struct postings list;
    int code = resolve(matching->index, matcher, matching->has_result ? result : NULL,
                       matching->arena, &list);
    if (code != 0) return code;
    if (matcher_matches_empty(matcher)) {
        return postings_subtract(matching->arena, *result, list, result);
    }
    if (matching->has_result) return postings_intersect(matching->arena, *result, list, result);
    *result = list;
    matching->has_result = true;
    return 0;
}

static bool is_literal(const struct matcher *matcher)
{
    return matcher->kind == MATCHER_EQUAL && !matcher_matches_empty(matcher);
}

int match(const struct index *index, const struct matcher *matchers, size_t count,
          struct arena *arena, struct postings *out)
{
    struct matching matching = { .index = index, .arena = arena };
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        if (is_literal(&matchers[i])) code = apply(&matching, &matchers[i]);
    }
    for (size_t i = 0; i < count && code == 0; i++) {
        if (is_literal(&matchers[i]) || matcher_matches_empty(&matchers[i])) continue;
        if (matching.has_result && matching.result.count == 0) break;
        code = apply(&matching, &matchers[i]);
    }
    if (code == 0 && !matching.has_result) {
        code = index->all(index->state, arena, &matching.result);
        matching.has_result = true;
    }
    for (size_t i = 0; i < count && code == 0 && matching.result.count > 0; i++) {
        if (matcher_matches_empty(&matchers[i])) code = apply(&matching, &matchers[i]);
    }
    *out = matching.result;
    return code;
}

int match_list_pairs(const struct head *head, const struct matcher *matcher, struct arena *arena,
                     struct match_verdicts *out)
{
    *out = (struct match_verdicts){ 0 };
    const struct head_name *name = head_name_find(head, matcher->name);
    if (name == NULL || name->pairs.count < LISTED_VALUES_MIN) return 0;
    uint32_t *numbers = ARENA_ARRAY(arena, uint32_t, name->pairs.count);
    unsigned char *verdicts = ARENA_ARRAY(arena, unsigned char, (size_t)head->pair_end);
    if (numbers == NULL || verdicts == NULL) return ERROR_LIMIT;
    memcpy(numbers, name->pairs.items, name->pairs.count * sizeof(numbers[0]));
    *out = (struct match_verdicts){ .matcher = matcher,
                                    .numbers = numbers,
                                    .number_count = name->pairs.count,
                                    .of_pairs = verdicts,
                                    .pair_count = head->pair_end };
    return 0;
}

int match_try_pairs(const struct head *head, struct match_verdicts *verdicts,
                    const struct clock *clock, int64_t deadline_ns)
{
    for (size_t i = 0; i < verdicts->number_count; i++) {
        if (i % VALUES_BETWEEN_LOOKS == 0 && is_late(clock, deadline_ns)) return ERROR_TIMEOUT;
        uint32_t number = verdicts->numbers[i];
        struct str value = head_pair_value(head_pair_at(head, number));
        verdicts->of_pairs[number] =
            matcher_matches(verdicts->matcher, value) ? MATCH_FITS : MATCH_FITS_NOT;
    }
    return 0;
}

static int head_values(const void *state, struct str name, struct arena *arena,
                       struct index_value **items_out, size_t *count)
{
    const struct head *head = state;
    const struct head_name *found = head_name_find(head, name);
    size_t size = found == NULL ? 0 : found->pairs.count;
    struct index_value *items = ARENA_ARRAY(arena, struct index_value, size + 1);
    if (items == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < size; i++) {
        const struct head_pair *pair = head_pair_at(head, found->pairs.items[i]);
        items[i] = (struct index_value){ head_pair_value(pair), pair->count, found->pairs.items[i],
                                         (uintptr_t)pair };
    }
    *items_out = items;
    *count = size;
    return 0;
}

static bool head_find_value(const void *state, struct str name, struct str text,
                            struct index_value *value)
{
    const struct head_pair *pair = head_pair_find(state, name, text);
    if (pair == NULL) return false;
    *value = (struct index_value){ head_pair_value(pair), pair->count, 0, (uintptr_t)pair };
    return true;
}

static int head_postings(const void *state, const struct index_value *value, struct arena *arena,
                         struct postings *out)
{
    (void)state;
    (void)arena;
    *out = head_pair_postings((const struct head_pair *)(uintptr_t)value->handle);
    return 0;
}

static int head_all(const void *state, struct arena *arena, struct postings *out)
{
    const struct head *head = state;
    uint32_t *items = ARENA_ARRAY(arena, uint32_t, head->totals.series_count + 1);
    if (items == NULL) return ERROR_LIMIT;
    size_t count = 0;
    for (size_t page = 0; page <= head->series_end / HEAD_PAGE_SIZE; page++) {
        if (head->series[page] == NULL) continue;
        for (size_t i = 0; i < HEAD_PAGE_SIZE; i++) {
            if (head->series[page][i] != NULL) items[count++] = head->series[page][i]->number;
        }
    }
    *out = (struct postings){ items, count };
    return 0;
}

struct index head_index(const struct head *head)
{
    return (struct index){ .state = head,
                           .values = head_values,
                           .find = head_find_value,
                           .postings = head_postings,
                           .all = head_all };
}

static int block_values(const void *state, struct str name, struct arena *arena,
                        struct index_value **items_out, size_t *count)
{
    const struct block *block = state;
    struct block_name found = { 0 };
    (void)block_name_find(block, name, &found);
    struct index_value *items = ARENA_ARRAY(arena, struct index_value, (size_t)found.count + 1);
    if (items == NULL) return ERROR_LIMIT;
    for (uint32_t i = 0; i < found.count; i++) {
        struct block_pair pair = block_pair_at(block, found.first + i);
        items[i] = (struct index_value){ pair.value, pair.count, 0, pair.place };
    }
    *items_out = items;
    *count = found.count;
    return 0;
}

static bool block_find_value(const void *state, struct str name, struct str text,
                             struct index_value *value)
{
    const struct block *block = state;
    struct block_name found;
    struct block_pair pair;
    if (!block_name_find(block, name, &found)) return false;
    if (!block_pair_find(block, &found, text, &pair)) return false;
    *value = (struct index_value){ pair.value, pair.count, 0, pair.place };
    return true;
}

static int block_postings(const void *state, const struct index_value *value, struct arena *arena,
                          struct postings *out)
{
    struct block_pair pair = { value->text, value->count, (uint32_t)value->handle };
    return block_pair_postings(state, &pair, arena, out);
}

static int block_all(const void *state, struct arena *arena, struct postings *out)
{
    const struct block *block = state;
    uint32_t *items = ARENA_ARRAY(arena, uint32_t, (size_t)block->meta.series + 1);
    if (items == NULL) return ERROR_LIMIT;
    for (uint32_t i = 0; i < block->meta.series; i++) items[i] = i;
    *out = (struct postings){ items, (size_t)block->meta.series };
    return 0;
}

struct index block_index(const struct block *block)
{
    return (struct index){ .state = block,
                           .values = block_values,
                           .find = block_find_value,
                           .postings = block_postings,
                           .all = block_all };
}
