/* status.c - what the store says of itself. */
#include "base/check.h"
#include "tsdb/db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void tsdb_stats(struct tsdb *db, struct tsdb_stats *stats)
{
    mutex_lock(&db->mutex);
    const struct head *head = &db->head;
    struct tsdb_stats now = db->stats;
    now.head_series = head->totals.series_count;
    now.head_chunks = head->totals.chunk_count;
    now.head_samples = head->totals.sample_count;
    now.head_chunk_size = head->totals.chunk_size;
    now.head_size = head->totals.chunk_size + head->totals.series_size +
                    (head->series_table.capacity + head->pair_table.capacity) * sizeof(uint64_t) +
                    head->totals.series_count * sizeof(void *);
    now.head_label_pairs = head->totals.pair_count;
    now.symbol_size = head->totals.symbol_size;
    now.series_created = head->totals.series_created;
    now.series_removed = head->totals.series_removed;
    bool has_samples = head->totals.sample_count > 0;
    now.head_min_time_ms = has_samples ? head->min_ms : INT64_MAX;
    if (db->frozen_count > 0 && db->frozen_min_ms < now.head_min_time_ms) {
        now.head_min_time_ms = db->frozen_min_ms;
    }
    now.head_max_time_ms = has_samples ? head->max_ms : INT64_MIN;
    now.min_time_ms = now.head_min_time_ms;
    now.max_time_ms = now.head_max_time_ms;
    now.blocks = db->blocks.count;
    now.block_size = 0;
    now.block_samples = 0;
    for (size_t i = 0; i < db->blocks.count; i++) {
        const struct block *block = db->blocks.items[i];
        now.block_size += block->size;
        now.block_samples += block->meta.samples;
        if (block->meta.min_time_ms < now.min_time_ms) now.min_time_ms = block->meta.min_time_ms;
        if (block->meta.max_time_ms > now.max_time_ms) now.max_time_ms = block->meta.max_time_ms;
    }
    const struct wal_totals *log = &db->log_totals;
    now.exemplars = db->exemplars.count;
    now.exemplar_series = db->exemplars.series.count;
    now.exemplars_appended = db->exemplars.appended;
    now.exemplars_out_of_order = db->exemplars.out_of_order;
    now.log_syncs = log->syncs;
    now.log_sync_ns = log->sync_ns;
    now.log_sync_max_ns = log->sync_max_ns;
    now.log_write_size = log->write_size;
    now.log_failures = log->failures;
    now.log_corruptions += log->corruptions;
    now.log_records_replayed = log->records_replayed;
    mutex_unlock(&db->mutex);
    *stats = now;
}

int tsdb_blocks(struct tsdb *db, struct arena *arena, const struct tsdb_block_info **items_out,
                size_t *count, struct error *error)
{
    mutex_lock(&db->mutex);
    struct tsdb_block_info *items =
        ARENA_ARRAY(arena, struct tsdb_block_info, db->blocks.count + 1);
    for (size_t i = 0; items != NULL && i < db->blocks.count; i++) {
        const struct block *block = db->blocks.items[i];
        items[i] = (struct tsdb_block_info){
            .id = block->meta.id,
            .min_time_ms = block->meta.min_time_ms,
            .max_time_ms = block->meta.max_time_ms,
            .series = block->meta.series,
            .samples = block->meta.samples,
            .chunks = block->meta.chunks,
            .size = block->size,
            .level = (int)block->meta.level,
        };
    }
    size_t found = db->blocks.count;
    mutex_unlock(&db->mutex);
    if (items == NULL) return error_set(error, ERROR_LIMIT, "no memory for the list of blocks");
    *items_out = items;
    *count = found;
    return 0;
}

/* The `limit` largest of what is offered, kept as a heap with the least on top. */
struct top {
    struct entry {
        uint64_t value;
        uint32_t number;
    } * entries;
    size_t count;
    size_t limit;
};

static void sink(struct top *top, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = at * 2 + 1; child <= at * 2 + 2 && child < top->count; child++) {
            if (top->entries[child].value < top->entries[least].value) least = child;
        }
        if (least == at) return;
        struct entry swap = top->entries[at];
        top->entries[at] = top->entries[least];
        top->entries[least] = swap;
        at = least;
    }
}

static void offer(struct top *top, uint64_t value, uint32_t number)
{
    if (top->limit == 0 || value == 0) return;
    if (top->count < top->limit) {
        size_t at = top->count++;
        top->entries[at] = (struct entry){ value, number };
        while (at > 0 && top->entries[(at - 1) / 2].value > value) {
            top->entries[at] = top->entries[(at - 1) / 2];
            at = (at - 1) / 2;
            top->entries[at] = (struct entry){ value, number };
        }
        return;
    }
    if (value <= top->entries[0].value) return;
    top->entries[0] = (struct entry){ value, number };
    sink(top, 0);
}

static int by_value(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

enum subject { SUBJECT_METRIC, SUBJECT_NAME, SUBJECT_MEMORY, SUBJECT_PAIR };

static void offer_all(const struct head *head, enum subject subject, struct top *top)
{
    if (subject == SUBJECT_NAME || subject == SUBJECT_MEMORY) {
        for (size_t i = 0; i < head->names.count; i++) {
            const struct head_name *name = &head->names.items[i];
            offer(top, subject == SUBJECT_NAME ? name->pairs.count : name->text_size, (uint32_t)i);
        }
        return;
    }
    for (uint32_t number = 0; number < head->pair_end; number++) {
        const struct head_pair *pair = head_pair_at(head, number);
        if (pair == NULL) continue;
        bool is_metric = str_equal(head_pair_name(head, pair), LABEL_METRIC_NAME);
        if (subject == SUBJECT_METRIC && !is_metric) continue;
        offer(top, pair->count, number);
    }
}

static struct str entry_text(const struct head *head, enum subject subject, uint32_t number,
                             struct arena *arena)
{
    if (subject == SUBJECT_NAME || subject == SUBJECT_MEMORY) {
        return arena_copy(arena, head->names.items[number].text);
    }
    const struct head_pair *pair = head_pair_at(head, number);
    struct str value = head_pair_value(pair);
    if (subject == SUBJECT_METRIC) return arena_copy(arena, value);
    struct str name = head_pair_name(head, pair);
    return arena_printf(arena, STR_FMT "=" STR_FMT, STR_ARG(name), STR_ARG(value));
}

static bool fill_list(const struct head *head, enum subject subject, size_t limit,
                      struct arena *arena, struct tsdb_top_list *list)
{
    size_t most = head->totals.pair_count + head->names.count;
    if (limit > most) limit = most;
    struct top top = { .limit = limit };
    top.entries = ARENA_ARRAY(arena, struct entry, limit + 1);
    if (top.entries == NULL) return false;
    offer_all(head, subject, &top);
    qsort(top.entries, top.count, sizeof(top.entries[0]), by_value);
    struct tsdb_top_entry *items = ARENA_ARRAY(arena, struct tsdb_top_entry, top.count + 1);
    if (items == NULL) return false;
    for (size_t i = 0; i < top.count; i++) {
        items[i].value = top.entries[i].value;
        items[i].name = entry_text(head, subject, top.entries[i].number, arena);
        if (items[i].name.data == NULL) return false;
    }
    *list = (struct tsdb_top_list){ items, top.count };
    return true;
}

int tsdb_top(struct tsdb *db, size_t limit, struct arena *arena, struct tsdb_top *top,
             struct error *error)
{
    struct tsdb_top found;
    mutex_lock(&db->mutex);
    const struct head *head = &db->head;
    bool is_good = fill_list(head, SUBJECT_METRIC, limit, arena, &found.series_by_metric) &&
                   fill_list(head, SUBJECT_NAME, limit, arena, &found.values_by_label) &&
                   fill_list(head, SUBJECT_MEMORY, limit, arena, &found.memory_by_label) &&
                   fill_list(head, SUBJECT_PAIR, limit, arena, &found.series_by_label_pair);
    mutex_unlock(&db->mutex);
    if (!is_good) return error_set(error, ERROR_LIMIT, "no memory for the head's statistics");
    *top = found;
    return 0;
}

int tsdb_exemplars(struct tsdb *db, const struct exemplar_query *query, struct arena *arena,
                   struct exemplar_list **lists, size_t *count, struct error *error)
{
    mutex_lock(&db->mutex);
    int code = exemplars_select(&db->exemplars, query, arena, lists, count, error);
    mutex_unlock(&db->mutex);
    return code;
}
