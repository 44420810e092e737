/* agg_counts.c - documents counted by the ordinals of their terms. */
#include "logquery/agg_counts.h"

#include <stdlib.h>

#define SHARE_MAX 8 /* terms for each document, from which on sorting is cheaper than counting */

/* Adds to counts[ordinal], of which there is one for each term. */
static void count_ordinals(const struct logstore_column *column,
                           const struct agg_documents *documents, uint32_t *counts)
{
    if (logstore_column_has_one_each(column)) {
        int64_t ordinals[AGG_GATHER_COUNT];
        for (size_t start = 0; start < documents->count; start += AGG_GATHER_COUNT) {
            size_t left = documents->count - start;
            size_t count = left < AGG_GATHER_COUNT ? left : AGG_GATHER_COUNT;
            logstore_column_gather(column, documents->documents + start, count, ordinals);
            for (size_t i = 0; i < count; i++) counts[ordinals[i]]++;
        }
        return;
    }
    struct logstore_cursor cursor = { .column = column };
    for (size_t i = 0; i < documents->count; i++) {
        size_t first;
        size_t count = logstore_cursor_seek(&cursor, documents->documents[i], &first);
        for (size_t k = 0; k < count; k++) counts[logstore_column_ordinal(column, first + k)]++;
    }
}

static int by_ordinal(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static bool gather_ordinals(struct agg_ordinals *found, const struct logstore_column *column,
                            const struct agg_documents *documents)
{
    VEC(uint32_t) ordinals = { 0 };
    struct logstore_cursor cursor = { .column = column };
    bool is_done = VEC_RESERVE(&ordinals, documents->count + 1);
    for (size_t i = 0; is_done && i < documents->count; i++) {
        size_t first;
        size_t count = logstore_cursor_seek(&cursor, documents->documents[i], &first);
        for (size_t k = 0; is_done && k < count; k++) {
            is_done = VEC_PUSH(&ordinals, logstore_column_ordinal(column, first + k));
        }
    }
    found->ordinals = ordinals.items;
    found->count = ordinals.count;
    return is_done;
}

/* Few documents of many terms: their ordinals are sorted, so that the terms cost nothing. */
static bool sort_ordinals(struct agg_ordinals *found, const struct logstore_column *column,
                          const struct agg_documents *documents)
{
    if (!gather_ordinals(found, column, documents)) return false;
    size_t count = found->count;
    found->count = 0;
    found->counts = calloc(count + 1, sizeof(*found->counts));
    if (found->counts == NULL) return false;
    qsort(found->ordinals, count, sizeof(*found->ordinals), by_ordinal);
    for (size_t i = 0; i < count; i++) {
        uint32_t ordinal = found->ordinals[i];
        bool is_new = found->count == 0 || found->ordinals[found->count - 1] != ordinal;
        if (is_new) found->ordinals[found->count++] = ordinal;
        found->counts[found->count - 1]++;
    }
    return true;
}

static bool count_all(struct agg_ordinals *found, const struct logstore_column *column,
                      const struct agg_documents *documents, bool wants_all)
{
    size_t term_count = logstore_column_term_count(column);
    found->ordinals = malloc((term_count + 1) * sizeof(*found->ordinals));
    found->counts = calloc(term_count + 1, sizeof(*found->counts));
    if (found->ordinals == NULL || found->counts == NULL) return false;
    count_ordinals(column, documents, found->counts);
    for (size_t i = 0; i < term_count; i++) {
        if (found->counts[i] == 0 && !wants_all) continue;
        found->counts[found->count] = found->counts[i];
        found->ordinals[found->count++] = (uint32_t)i;
    }
    return true;
}

bool agg_ordinals_read(struct agg_ordinals *found, const struct logstore_column *column,
                       const struct agg_documents *documents, bool wants_all)
{
    bool are_few = documents->count < logstore_column_term_count(column) / SHARE_MAX;
    *found = (struct agg_ordinals){ 0 };
    bool is_read = are_few && !wants_all ? sort_ordinals(found, column, documents)
                                         : count_all(found, column, documents, wants_all);
    if (!is_read) agg_ordinals_release(found);
    return is_read;
}

void agg_ordinals_release(struct agg_ordinals *found)
{
    free(found->ordinals);
    free(found->counts);
    *found = (struct agg_ordinals){ 0 };
}
