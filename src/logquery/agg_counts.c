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

/* Few documents of many terms: their ordinals are sorted, so that the terms cost nothing. */
static void sort_ordinals(struct agg_ordinals *found, const struct logstore_column *column,
                          const struct agg_documents *documents)
{
    int64_t ordinals[AGG_GATHER_COUNT];
    for (size_t start = 0; start < documents->count; start += AGG_GATHER_COUNT) {
        size_t left = documents->count - start;
        size_t count = left < AGG_GATHER_COUNT ? left : AGG_GATHER_COUNT;
        logstore_column_gather(column, documents->documents + start, count, ordinals);
        for (size_t i = 0; i < count; i++) found->ordinals[start + i] = (uint32_t)ordinals[i];
    }
    qsort(found->ordinals, documents->count, sizeof(*found->ordinals), by_ordinal);
    for (size_t i = 0; i < documents->count; i++) {
        uint32_t ordinal = found->ordinals[i];
        bool is_new = found->count == 0 || found->ordinals[found->count - 1] != ordinal;
        if (is_new) {
            found->counts[found->count] = 0;
            found->ordinals[found->count++] = ordinal;
        }
        found->counts[found->count - 1]++;
    }
}

bool agg_ordinals_read(struct agg_ordinals *found, const struct logstore_column *column,
                       const struct agg_documents *documents, bool wants_all)
{
    size_t term_count = logstore_column_term_count(column);
    bool is_sorted = !wants_all && logstore_column_has_one_each(column) &&
                     documents->count < term_count / SHARE_MAX;
    size_t room = is_sorted ? documents->count : term_count;
    *found = (struct agg_ordinals){
        .ordinals = malloc((room + 1) * sizeof(*found->ordinals)),
        .counts = calloc(room + 1, sizeof(*found->counts)),
    };
    if (found->ordinals == NULL || found->counts == NULL) {
        agg_ordinals_release(found);
        return false;
    }
    if (is_sorted) {
        sort_ordinals(found, column, documents);
        return true;
    }
    count_ordinals(column, documents, found->counts);
    for (size_t i = 0; i < term_count; i++) {
        if (found->counts[i] == 0 && !wants_all) continue;
        found->counts[found->count] = found->counts[i];
        found->ordinals[found->count++] = (uint32_t)i;
    }
    return true;
}

void agg_ordinals_release(struct agg_ordinals *found)
{
    free(found->ordinals);
    free(found->counts);
    *found = (struct agg_ordinals){ 0 };
}
