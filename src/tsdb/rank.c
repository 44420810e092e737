/* rank.c - the place of every series in the order of labels, so that a query need not sort by text
 * and a cut not at all.
 *
 * WHY      Texts are far away in memory and compared byte by byte, and series have far fewer pairs
 *          than labels: so the pairs are sorted, by their texts, and the series by the ranks of
 *          their pairs, which are numbers. Label by label, that is the order of labels_compare.
 */
#include "tsdb/db.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- by keys ---- */

enum { KEYS = 2, PAIRS_IN_KEYS = 4, DIGIT_BITS = 11, DIGIT_COUNT = 1 << DIGIT_BITS };

/* What is sorted, and what tells most of them apart beside it: the thing itself is looked at only
 * where keys are equal. */
struct ranked {
    uint64_t keys[KEYS];
    union {
        struct head_series *series;
        uint32_t pair;
    } item;
};

/* By one digit of a key, keeping the order of equal ones. False: all have the same, and nothing
 * moved. */
static bool sort_digit(const struct ranked *from, struct ranked *to, size_t count, size_t key,
                       unsigned shift)
{
    uint32_t starts[DIGIT_COUNT] = { 0 };
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) starts[from[i].keys[key] >> shift & (DIGIT_COUNT - 1)]++;
    if (starts[from[0].keys[key] >> shift & (DIGIT_COUNT - 1)] == count) return false;
    for (size_t i = 0; i < DIGIT_COUNT; i++) {
        uint32_t size = starts[i];
        starts[i] = sum;
        sum += size;
    }
    for (size_t i = 0; i < count; i++) {
        to[starts[from[i].keys[key] >> shift & (DIGIT_COUNT - 1)]++] = from[i];
    }
    return true;
}

static bool are_keys_equal(const struct ranked *a, const struct ranked *b)
{
    return a->keys[0] == b->keys[0] && a->keys[1] == b->keys[1];
}

/* Digit by digit from the last; those with equal keys then by `compare`. There is room for as many
 * behind the items; the result stands in one of the two places. */
static struct ranked *sort_ranked(struct ranked *items, size_t count,
                                  int (*compare)(const void *a, const void *b, void *argument),
                                  void *argument)
{
    struct ranked *other = items + count;
    if (count == 0) return items;
    for (size_t key = KEYS; key-- > 0;) {
        for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
            if (!sort_digit(items, other, count, key, shift)) continue;
            struct ranked *sorted = other;
            other = items;
            items = sorted;
        }
    }
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && are_keys_equal(&items[i], &items[end])) end++;
        if (end - i > 1) qsort_r(items + i, end - i, sizeof(items[0]), compare, argument);
        i = end;
    }
    return items;
}

/* ---- pairs ---- */

/* The first bytes of a text as a number, the first one highest. */
static uint64_t front_of(struct str text)
{
    uint64_t front = 0;
    memcpy(&front, text.data, text.size < sizeof(front) ? text.size : sizeof(front));
    return __builtin_bswap64(front);
}

static int by_value(const void *a, const void *b, void *argument)
{
    const struct head *head = argument;
    return str_compare(head_pair_value(head_pair_at(head, ((const struct ranked *)a)->item.pair)),
                       head_pair_value(head_pair_at(head, ((const struct ranked *)b)->item.pair)));
}

static int by_name(const void *a, const void *b, void *argument)
{
    const struct str *names = argument;
    return str_compare(names[*(const uint32_t *)a], names[*(const uint32_t *)b]);
}

/* The rank of each name, from 1; NULL without memory. */
static uint32_t *rank_names(const struct series_snapshot *snapshot)
{
    size_t count = snapshot->name_count;
    uint32_t *order = calloc(count + 1, sizeof(order[0]));
    uint32_t *ranks = calloc(count + 1, sizeof(ranks[0]));
    if (order != NULL && ranks != NULL) {
        for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
        if (count > 1) qsort_r(order, count, sizeof(order[0]), by_name, snapshot->names);
        for (size_t i = 0; i < count; i++) ranks[order[i]] = (uint32_t)i + 1;
        free(order);
        return ranks;
    }
    free(order);
    free(ranks);
    return NULL;
}

/* Marks the pairs in use; their number. */
static size_t mark_pairs(const struct series_snapshot *snapshot, uint32_t *marks)
{
    size_t count = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct head_series *series = snapshot->states[i].series;
        for (size_t k = 0; k < series->pair_count; k++) {
            count += marks[series->pairs[k]] == 0;
            marks[series->pairs[k]] = 1;
        }
    }
    return count;
}

/* Gives the pairs in use their ranks, from 1: ranks[number], zero before. */
static bool fill_pair_ranks(struct head *head, const struct series_snapshot *snapshot,
                            uint32_t *ranks, uint32_t pair_end)
{
    uint32_t *names = rank_names(snapshot);
    size_t count = mark_pairs(snapshot, ranks);
    struct ranked *pairs = malloc((count * 2 + 1) * sizeof(pairs[0]));
    bool is_good = names != NULL && pairs != NULL;
    size_t next = 0;
    for (uint32_t number = 0; is_good && number < pair_end; number++) {
        if (ranks[number] == 0) continue;
        const struct head_pair *pair = head_pair_at(head, number);
        pairs[next] = (struct ranked){ { names[pair->name], front_of(head_pair_value(pair)) },
                                       { .pair = number } };
        next++;
    }
    if (is_good) {
        const struct ranked *sorted = sort_ranked(pairs, count, by_value, head);
        for (size_t i = 0; i < count; i++) ranks[sorted[i].item.pair] = (uint32_t)i + 1;
    }
    free(pairs);
    free(names);
    return is_good;
}

/* ---- series ---- */

/* The order of two whose keys are equal: by the pairs behind. */
static int by_later_pairs(const void *a, const void *b, void *argument)
{
    const uint32_t *ranks = argument;
    const struct head_series *x = ((const struct ranked *)a)->item.series;
    const struct head_series *y = ((const struct ranked *)b)->item.series;
    size_t count = x->pair_count < y->pair_count ? x->pair_count : y->pair_count;
    for (size_t i = PAIRS_IN_KEYS; i < count; i++) {
        if (x->pairs[i] != y->pairs[i]) return ranks[x->pairs[i]] < ranks[y->pairs[i]] ? -1 : 1;
    }
    return (x->pair_count > y->pair_count) - (x->pair_count < y->pair_count);
}

/* The ranks of the first pairs, two a key. */
static void set_keys(struct ranked *item, struct head_series *series, const uint32_t *ranks)
{
    uint64_t found[PAIRS_IN_KEYS] = { 0 };
    for (size_t i = 0; i < PAIRS_IN_KEYS && i < series->pair_count; i++) {
        found[i] = ranks[series->pairs[i]];
    }
    *item = (struct ranked){ { found[0] << 32 | found[1], found[2] << 32 | found[3] },
                             { .series = series } };
}

/* Gives all of a snapshot the order of labels in `items`, with as much room behind it. */
static struct ranked *sort_series(struct head *head, const struct series_snapshot *snapshot,
                                  struct ranked *items)
{
    uint32_t pair_end = series_snapshot_pair_end(snapshot);
    uint32_t *ranks = calloc((size_t)pair_end + 1, sizeof(ranks[0]));
    struct ranked *sorted = NULL;
    if (ranks != NULL && fill_pair_ranks(head, snapshot, ranks, pair_end)) {
        for (size_t i = 0; i < snapshot->count; i++) {
            set_keys(&items[i], snapshot->states[i].series, ranks);
        }
        sorted = sort_ranked(items, snapshot->count, by_later_pairs, ranks);
    }
    free(ranks);
    return sorted;
}

int tsdb_rank_series(struct tsdb *db, uint64_t part, struct error *error)
{
    struct series_snapshot snapshot = { 0 };
    mutex_lock(&db->mutex);
    const struct head_totals *totals = &db->head.totals;
    bool is_due = totals->series_count > 0 &&
                  totals->series_created - totals->series_ranked > totals->series_count / part;
    uint64_t ranked = totals->series_created;
    int code = is_due ? series_snapshot_take(&snapshot, &db->head) : 0;
    mutex_unlock(&db->mutex);
    if (code == 0 && !is_due) return 0;
    struct ranked *items = code == 0 ? malloc(snapshot.count * 2 * sizeof(items[0])) : NULL;
    const struct ranked *sorted = items == NULL ? NULL : sort_series(&db->head, &snapshot, items);
    if (sorted != NULL) {
        mutex_lock(&db->mutex);
        for (size_t i = 0; i < snapshot.count; i++) sorted[i].item.series->rank = (uint32_t)i + 1;
        db->head.totals.series_ranked = ranked;
        mutex_unlock(&db->mutex);
    }
    free(items);
    series_snapshot_release(&snapshot);
    return sorted != NULL ? 0 : error_set(error, -ENOMEM, "no memory to sort the series");
}

/* ---- the order of some ---- */

struct sort_context {
    const struct head *head;
    const struct str *names;
};

/* labels_compare of two series, by their pairs: equal ones have the same number. */
static int compare_series(const struct sort_context *context, const struct head_series *x,
                          const struct head_series *y)
{
    size_t count = x->pair_count < y->pair_count ? x->pair_count : y->pair_count;
    for (size_t i = 0; i < count; i++) {
        if (x->pairs[i] == y->pairs[i]) continue;
        const struct head_pair *first = head_pair_at(context->head, x->pairs[i]);
        const struct head_pair *second = head_pair_at(context->head, y->pairs[i]);
        int order = 0;
        if (first->name != second->name) {
            order = str_compare(context->names[first->name], context->names[second->name]);
        }
        if (order == 0) order = str_compare(head_pair_value(first), head_pair_value(second));
        if (order != 0) return order;
    }
    return (x->pair_count > y->pair_count) - (x->pair_count < y->pair_count);
}

/* Ranks change under `work` alone, which the caller holds. */
static int by_labels(const void *a, const void *b, void *argument)
{
    const struct head_series *x = *(struct head_series *const *)a;
    const struct head_series *y = *(struct head_series *const *)b;
    if (x->rank > 0 && y->rank > 0) return x->rank < y->rank ? -1 : x->rank > y->rank;
    return compare_series(argument, x, y);
}

/* Series that all have a rank are in order without a comparison: each goes to its place. False:
 * some have none, or there is no memory; nothing has changed. */
static bool order_by_rank(struct head_series **series, size_t count)
{
    enum { SPARSE = 16 }; /* with fewer series than this part of the places, sorting is cheaper */
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        if (series[i]->rank == 0) return false;
        if (series[i]->rank > most) most = series[i]->rank;
    }
    if (count < most / SPARSE) return false;
    struct head_series **places = calloc((size_t)most + 1, sizeof(struct head_series *));
    if (places == NULL) return false;
    for (size_t i = 0; i < count; i++) places[series[i]->rank] = series[i];
    size_t next = 0;
    for (size_t rank = 1; rank <= most; rank++) {
        if (places[rank] != NULL) series[next++] = places[rank];
    }
    free(places);
    CHECK(next == count); /* no two have the same */
    return true;
}

void rank_order(const struct head *head, const struct series_snapshot *snapshot,
                struct head_series **series, size_t count)
{
    struct sort_context context = { head, snapshot->names };
    if (count < 2 || order_by_rank(series, count)) return;
    qsort_r(series, count, sizeof(struct head_series *), by_labels, &context);
}
