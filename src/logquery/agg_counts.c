/* agg_counts.c - documents counted by ordinal, and dictionaries merged by a heap of what each of
 * them says next.
 */
#include "logquery/agg_counts.h"

#include <stdlib.h>

#define TERMS_MIN 4096 /* below it buckets are few */
#define SHARE_MAX 8    /* places that may be empty for each document */

struct agg_counts_part {
    struct agg_counts_part *next;
    size_t segment;
    struct str dictionary; /* the column may be gone by then */
    uint32_t *counts;      /* one a term */
};

void agg_count_ordinals(const struct logstore_column *column, const struct agg_documents *documents,
                        uint32_t *counts)
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

size_t agg_list_ordinals(const struct logstore_column *column,
                         const struct agg_documents *documents, uint32_t *counts,
                         uint32_t *ordinals)
{
    agg_count_ordinals(column, documents, counts);
    size_t count = 0;
    for (uint32_t i = 0; i < logstore_column_term_count(column); i++) {
        if (counts[i] > 0) ordinals[count++] = i;
    }
    return count;
}

bool agg_counts_pays(const struct logstore_column *column, const struct agg_documents *documents)
{
    uint32_t terms = logstore_column_term_count(column);
    return terms >= TERMS_MIN && terms / SHARE_MAX <= documents->count;
}

static struct agg_counts_part *part_of(struct search *search, struct agg_counts *counts,
                                       const struct logstore_column *column, size_t segment)
{
    if (counts->parts != NULL && counts->parts->segment == segment) return counts->parts;
    struct agg_counts_part *part = ARENA_NEW(search->arena, struct agg_counts_part);
    if (part == NULL) return NULL;
    bool lasts;
    part->segment = segment;
    part->dictionary = logstore_column_dictionary(column, &lasts);
    if (!lasts) part->dictionary = arena_copy(search->arena, part->dictionary);
    if (part->dictionary.data == NULL) return NULL;
    part->counts =
        ARENA_ARRAY(search->arena, uint32_t, (size_t)logstore_column_term_count(column) + 1);
    if (part->counts == NULL) return NULL;
    part->next = counts->parts;
    counts->parts = part;
    counts->part_count++;
    return part;
}

int agg_counts_add(struct search *search, struct agg_counts *counts,
                   const struct logstore_column *column, const struct agg_documents *documents)
{
    struct agg_counts_part *part = part_of(search, counts, column, documents->segment);
    if (part == NULL) return parse_out_of_memory(&search->parse);
    agg_count_ordinals(column, documents, part->counts);
    return 0;
}

/* Merging --------------------------------------------------------------------------------- */

/* One of what is merged: a segment's terms, or the buckets of a table. */
struct stream {
    struct logstore_terms *terms; /* NULL: buckets */
    const uint32_t *counts;       /* of the term that comes next */
    const struct bucket *const *bucket;
    const struct bucket *const *bucket_end;
    struct str term; /* at hand */
    uint64_t count;
};

/* 1 with the stream's next term that a document holds, 0 behind the last. */
static int advance(struct search *search, struct stream *stream)
{
    if (stream->terms == NULL) {
        if (stream->bucket == stream->bucket_end) return 0;
        stream->term = (*stream->bucket)->key;
        stream->count = (*stream->bucket++)->count;
        return 1;
    }
    int code;
    do {
        code = logstore_terms_next(stream->terms, &stream->term, search->parse.error);
        if (code == 1) stream->count = *stream->counts++;
    } while (code == 1 && stream->count == 0);
    return code;
}

struct merge {
    struct stream *streams;
    size_t stream_count;
    struct stream **heap; /* those that have a term, the least first */
    size_t heap_count;
    const struct bucket **buckets; /* of the table, by key */
};

static void sink(struct merge *merge, size_t at)
{
    struct stream **heap = merge->heap;
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < merge->heap_count; child++) {
            if (str_compare(heap[child]->term, heap[least]->term) < 0) least = child;
        }
        if (least == at) return;
        struct stream *moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

static int by_key(const void *a, const void *b)
{
    const struct bucket *left = *(const struct bucket *const *)a;
    const struct bucket *right = *(const struct bucket *const *)b;
    return str_compare(left->key, right->key);
}

static int open_streams(struct search *search, const struct agg_counts *counts,
                        const struct bucket_table *table, struct merge *merge)
{
    merge->streams = calloc(counts->part_count + 1, sizeof(*merge->streams));
    merge->heap = calloc(counts->part_count + 1, sizeof(struct stream *));
    merge->buckets = calloc(table->count + 1, sizeof(const struct bucket *));
    if (merge->streams == NULL || merge->heap == NULL || merge->buckets == NULL) {
        return parse_out_of_memory(&search->parse);
    }
    for (size_t i = 0; i < table->count; i++) merge->buckets[i] = &table->buckets[i];
    qsort(merge->buckets, table->count, sizeof(const struct bucket *), by_key);
    merge->streams[merge->stream_count++] =
        (struct stream){ .bucket = merge->buckets, .bucket_end = merge->buckets + table->count };
    for (const struct agg_counts_part *part = counts->parts; part != NULL; part = part->next) {
        struct stream *stream = &merge->streams[merge->stream_count];
        stream->counts = part->counts;
        int code = logstore_terms_new(&stream->terms, part->dictionary, search->parse.error);
        if (code < 0) return code;
        merge->stream_count++;
    }
    for (size_t i = 0; i < merge->stream_count; i++) {
        int code = advance(search, &merge->streams[i]);
        if (code < 0) return code;
        if (code == 1) merge->heap[merge->heap_count++] = &merge->streams[i];
    }
    for (size_t i = merge->heap_count; i > 0; i--) sink(merge, i - 1);
    return 0;
}

static int each(struct search *search, struct merge *merge, struct buf *term,
                int (*visit)(void *argument, struct str term, uint64_t count), void *argument)
{
    while (merge->heap_count > 0) {
        uint64_t count = 0;
        buf_reset(term);
        buf_append_str(term, merge->heap[0]->term);
        if (term->has_failed) return parse_out_of_memory(&search->parse);
        while (merge->heap_count > 0 && str_equal(merge->heap[0]->term, buf_str(term))) {
            count += merge->heap[0]->count;
            int code = advance(search, merge->heap[0]);
            if (code < 0) return code;
            if (code == 0) merge->heap[0] = merge->heap[--merge->heap_count];
            sink(merge, 0);
        }
        int code = visit(argument, buf_str(term), count);
        if (code != 0) return code;
    }
    return 0;
}

int agg_counts_each(struct search *search, const struct agg_counts *counts,
                    const struct bucket_table *table,
                    int (*visit)(void *argument, struct str term, uint64_t count), void *argument)
{
    struct merge merge = { 0 };
    CLEANUP(buf_release) struct buf term = { 0 };
    buf_init(&term, SIZE_MAX);
    int code = open_streams(search, counts, table, &merge);
    if (code == 0) code = each(search, &merge, &term, visit, argument);
    for (size_t i = 0; i < merge.stream_count; i++) logstore_terms_free(merge.streams[i].terms);
    free(merge.streams);
    free(merge.heap);
    free((void *)merge.buckets);
    return code;
}
