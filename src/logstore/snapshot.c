/* snapshot.c - a frozen set of segments, and single documents by id. */
#include "base/check.h"
#include "logstore/catalog_text.h"
#include "logstore/filter_run.h"
#include "logstore/store.h"

#include <errno.h>

#define RESULT_WINDOW 10000

struct owned_snapshot {
    struct logstore_snapshot public; /* first: the pointers are the same */
    struct logstore *store;
    struct store_live **lives; /* one a segment, may be NULL */
    size_t segment_at;         /* that a filter was run over last */
    bool is_shared;            /* kept: several threads may read it */
};

/* Gives back what the columns have made when no other snapshot looks at the segment. */
static void forget_columns(struct owned_snapshot *owned, size_t at)
{
    struct logstore_segment *segment =
        (struct logstore_segment *)(uintptr_t)owned->public.segments[at].segment;
    mutex_lock(&owned->store->state);
    bool is_ours = segment->snapshot_count == 1;
    /* Under the lock, so that no new snapshot reads them meanwhile. */
    if (is_ours) segment_columns_forget(segment);
    mutex_unlock(&owned->store->state);
}

void logstore_snapshot_moves_on(const struct logstore_snapshot *snapshot, size_t segment_index)
{
    struct owned_snapshot *owned = (struct owned_snapshot *)(uintptr_t)snapshot;
    if (owned->is_shared || owned->segment_at == segment_index) return;
    forget_columns(owned, owned->segment_at);
    owned->segment_at = segment_index;
}

void snapshot_is_shared(struct logstore_snapshot *snapshot)
{
    ((struct owned_snapshot *)(void *)snapshot)->is_shared = true;
}

static int freeze_index(struct owned_snapshot *owned, struct store_index *index,
                        struct logstore_index_view *view)
{
    if (!text_set(&view->name, index->name) || !text_set(&view->uuid, index->uuid)) return -ENOMEM;
    view->mapping = index->mapping;
    index->mapping->ref_count++;
    view->result_window = RESULT_WINDOW;
    for (size_t i = 0; i < index->segments.count; i++) {
        const struct store_segment *segment = &index->segments.items[i];
        uint32_t live_count = store_segment_live_count(segment);
        if (live_count == 0) continue;
        size_t at = owned->public.segment_count++;
        segment->segment->ref_count++;
        segment->segment->snapshot_count++;
        if (segment->live != NULL) segment->live->ref_count++;
        owned->lives[at] = segment->live;
        owned->public.segments[at] = (struct logstore_segment_view){
            .segment = segment->segment,
            .index = view,
            .live = segment->live == NULL ? NULL : segment->live->bits,
            .document_count = segment->segment->document_count,
            .live_count = live_count,
        };
    }
    return 0;
}

static int freeze(struct owned_snapshot *owned, const struct str *names, size_t count)
{
    struct logstore *store = owned->store;
    size_t segment_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct store_index *index = store_index_find(store, names[i]);
        if (index != NULL) segment_count += index->segments.count;
    }
    owned->public.indices = calloc(count + 1, sizeof(*owned->public.indices));
    owned->public.segments = calloc(segment_count + 1, sizeof(*owned->public.segments));
    owned->lives = calloc(segment_count + 1, sizeof(struct store_live *));
    if (owned->public.indices == NULL || owned->public.segments == NULL || owned->lives == NULL) {
        return -ENOMEM;
    }
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        struct store_index *index = store_index_find(store, names[i]);
        if (index == NULL) continue;
        code = freeze_index(owned, index, &owned->public.indices[owned->public.index_count++]);
    }
    return code;
}

int logstore_snapshot_take(struct logstore *store, const struct str *names, size_t count,
                           struct logstore_snapshot **snapshot_out, struct error *error)
{
    struct owned_snapshot *owned = calloc(1, sizeof(*owned));
    if (owned == NULL) return error_set(error, -ENOMEM, "take a snapshot: out of memory");
    owned->store = store;
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        struct store_index *index = store_index_find(store, names[i]);
        if (index != NULL) code = store_index_refresh(store, index, error);
    }
    if (code == 0) {
        code = freeze(owned, names, count);
        if (code < 0) (void)error_set(error, code, "take a snapshot: out of memory");
    }
    mutex_unlock(&store->state);
    mutex_unlock(&store->writer);
    if (code < 0) {
        logstore_snapshot_free(&owned->public);
        return code;
    }
    *snapshot_out = &owned->public;
    return 0;
}

int logstore_snapshot_set_filter(struct logstore_snapshot *snapshot, size_t index,
                                 struct str filter)
{
    return text_set(&snapshot->indices[index].filter, filter) ? 0 : -ENOMEM;
}

void logstore_segment_info(const struct logstore_segment *segment,
                           struct logstore_segment_info *info)
{
    *info = (struct logstore_segment_info){
        .id = segment->id,
        .size = segment->bytes.size,
        .is_in_memory = !segment->is_mapped,
    };
}

void logstore_snapshot_free(struct logstore_snapshot *snapshot)
{
    if (snapshot == NULL) return;
    struct owned_snapshot *owned = (struct owned_snapshot *)(void *)snapshot;
    mutex_lock(&owned->store->state);
    for (size_t i = 0; i < snapshot->segment_count; i++) {
        store_live_unref(owned->lives[i]);
        /* The segments were taken from the store's own, which are not constant. */
        struct logstore_segment *segment =
            (struct logstore_segment *)(uintptr_t)snapshot->segments[i].segment;
        if (--segment->snapshot_count == 0) segment_columns_forget(segment);
        store_segment_unref(owned->store, segment);
    }
    for (size_t i = 0; i < snapshot->index_count; i++) {
        struct logstore_mapping *mapping =
            (struct logstore_mapping *)(uintptr_t)snapshot->indices[i].mapping;
        if (mapping != NULL && --mapping->ref_count == 0) logstore_mapping_free(mapping);
        text_free(snapshot->indices[i].name);
        text_free(snapshot->indices[i].uuid);
        text_free(snapshot->indices[i].filter);
    }
    mutex_unlock(&owned->store->state);
    free(snapshot->indices);
    free(snapshot->segments);
    free(owned->lives);
    free(owned);
}

static int copy_document(struct arena *arena, struct str id, struct str source,
                         struct logstore_document *document, struct error *error)
{
    document->id = arena_copy(arena, id);
    document->source = arena_copy(arena, source);
    if (document->id.data != NULL && document->source.data != NULL) return 1;
    return error_set(error, -ENOMEM,
                     "a document of %zu bytes does not fit into the memory of its "
                     "request",
                     source.size);
}

static int get_from_segment(const struct logstore_segment *segment, uint32_t number,
                            struct arena *arena, struct logstore_document *document,
                            struct error *error)
{
    struct logstore_reader *reader = NULL;
    if (logstore_reader_new(&reader) < 0) return -ENOMEM;
    struct logstore_hit hit;
    int code = logstore_reader_get(reader, segment, number, &hit, error);
    if (code == 0) code = copy_document(arena, hit.id, hit.source, document, error);
    logstore_reader_free(reader);
    return code;
}

int logstore_get(struct logstore *store, struct str index_name, struct str id, struct arena *arena,
                 struct logstore_document *document, struct error *error)
{
    mutex_lock(&store->state);
    bool is_stream;
    const struct store_index *index = store_write_index(store, index_name, &is_stream);
    if (index == NULL) {
        mutex_unlock(&store->state);
        return error_set(error, -ENOENT, "no such index [" STR_FMT "]", STR_ARG(index_name));
    }
    struct store_place place = store_index_lookup(index, id);
    struct logstore_document found = {
        .index = arena_copy(arena, index->name),
        .version = place.version,
        .seq_no = place.seq_no,
    };
    int code = 0;
    struct logstore_segment *segment = NULL;
    if (place.is_found && place.is_in_builder) {
        const struct builder_document *item = &index->builder->documents.items[place.document];
        struct str source = { index->builder->sources.data + item->source_offset,
                              item->source_size };
        code = copy_document(arena, id, source, &found, error);
    } else if (place.is_found) {
        segment = index->segments.items[place.segment].segment;
        segment->ref_count++;
    }
    mutex_unlock(&store->state);
    if (segment != NULL) {
        /* A large document takes a while to unpack; nobody waits for that. */
        code = get_from_segment(segment, place.document, arena, &found, error);
        mutex_lock(&store->state);
        store_segment_unref(store, segment);
        mutex_unlock(&store->state);
    }
    if (code == 1) *document = found;
    return code;
}
