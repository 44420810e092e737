/* index.c - one index: where its documents are, which are alive, and its buffer. */
#include "base/check.h"
#include "logstore/store.h"

#include <errno.h>
#include <stdlib.h>

struct store_index *store_index_find(const struct logstore *store, struct str name)
{
    size_t low = 0;
    size_t high = store->indices.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_compare(store->indices.items[middle]->name, name);
        if (order == 0) return store->indices.items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct store_index *store_index_find_uuid(const struct logstore *store, struct str uuid)
{
    for (size_t i = 0; i < store->indices.count; i++) {
        if (str_equal(store->indices.items[i]->uuid, uuid)) return store->indices.items[i];
    }
    return NULL;
}

void store_live_unref(struct store_live *live)
{
    if (live == NULL) return;
    CHECK(live->ref_count > 0);
    if (--live->ref_count == 0) free(live);
}

void store_segment_unref(struct logstore *store, struct logstore_segment *segment)
{
    if (segment == NULL) return;
    CHECK(segment->ref_count > 0);
    if (--segment->ref_count > 0) return;
    store_spare_keep_bytes(store, segment);
    segment_free(segment);
}

struct builder *store_index_builder(struct logstore *store, struct store_index *index,
                                    struct error *error)
{
    if (index->builder != NULL) return index->builder;
    uint64_t id = store->segment_id_next++;
    index->builder = store_spare_builder(store, index);
    if (index->builder == NULL && builder_new(&index->builder, id, error) < 0) return NULL;
    index->builder->segment_id = id;
    builder_begin(index->builder, index->mapping);
    index->builder->rare_documents_min = store->options.rare_documents_min;
    return index->builder;
}

void store_index_free(struct logstore *store, struct store_index *index)
{
    if (index == NULL) return;
    VEC_FOR_EACH (&index->segments, item) {
        store_live_unref(item->live);
        store_segment_unref(store, item->segment);
    }
    VEC_RELEASE(&index->segments);
    builder_free(index->builder);
    buf_release(&index->mapping_text);
    store_spare_free_builder(store, index);
    if (index->mapping != NULL && --index->mapping->ref_count == 0) {
        logstore_mapping_free(index->mapping);
    }
    const struct str texts[] = { index->name, index->uuid, index->settings, index->data_stream };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) free((char *)(uintptr_t)texts[i].data);
    free(index);
}

uint32_t store_segment_live_count(const struct store_segment *segment)
{
    return segment->live == NULL ? segment->segment->document_count : segment->live->live_count;
}

bool store_segment_is_live(const struct store_segment *segment, uint32_t document)
{
    if (segment->live == NULL) return true;
    return (segment->live->bits[document / 64] >> (document % 64) & 1) != 0;
}

static struct store_live *live_new(uint32_t document_count)
{
    size_t words = LOGSTORE_BITS_WORDS(document_count);
    struct store_live *live = calloc(1, sizeof(*live) + words * sizeof(uint64_t));
    if (live == NULL) return NULL;
    live->ref_count = 1;
    live->word_count = words;
    live->live_count = document_count;
    for (uint32_t i = 0; i < document_count; i++) live->bits[i / 64] |= UINT64_C(1) << (i % 64);
    return live;
}

int store_segment_kill(struct store_segment *segment, uint32_t document, struct error *error)
{
    CHECK(document < segment->segment->document_count);
    if (!store_segment_is_live(segment, document)) return 0;
    struct store_live *live = segment->live;
    if (live == NULL || live->ref_count > 1) {
        struct store_live *own = live_new(segment->segment->document_count);
        if (own == NULL) return error_set(error, -ENOMEM, "delete a document: out of memory");
        if (live != NULL) {
            for (size_t i = 0; i < live->word_count; i++) own->bits[i] = live->bits[i];
            own->live_count = live->live_count;
            store_live_unref(live);
        }
        segment->live = own;
    }
    segment->live->bits[document / 64] &= ~(UINT64_C(1) << (document % 64));
    segment->live->live_count--;
    return 0;
}

struct lookup {
    const struct store_segment *segment;
    uint32_t document;
    bool is_found;
};

static bool visit_id(void *argument, uint32_t document)
{
    struct lookup *lookup = argument;
    if (!store_segment_is_live(lookup->segment, document)) return true;
    lookup->document = document;
    lookup->is_found = true;
    return false;
}

struct store_place store_index_lookup(const struct store_index *index, struct str id)
{
    struct store_place place = { 0 };
    if (index->builder != NULL) {
        uint32_t document = builder_find(index->builder, id);
        if (document != UINT32_MAX) {
            const struct builder_document *found = &index->builder->documents.items[document];
            place = (struct store_place){ true, true, 0, document, found->version, found->seq_no };
            return place;
        }
    }
    for (size_t i = index->segments.count; i > 0; i--) {
        const struct store_segment *segment = &index->segments.items[i - 1];
        struct lookup lookup = { .segment = segment };
        segment_find_id(segment->segment, id, visit_id, &lookup);
        if (!lookup.is_found) continue;
        place = (struct store_place){
            true,
            false,
            i - 1,
            lookup.document,
            packed_get(&segment->segment->versions, lookup.document),
            segment_seq_no(segment->segment, lookup.document),
        };
        return place;
    }
    return place;
}

int store_index_kill(struct store_index *index, const struct store_place *place,
                     struct error *error)
{
    if (!place->is_found) return 0;
    if (place->is_in_builder) {
        builder_kill(index->builder, place->document);
        return 0;
    }
    return store_segment_kill(&index->segments.items[place->segment], place->document, error);
}

int store_index_refresh(struct logstore *store, struct store_index *index, struct error *error)
{
    struct builder *builder = index->builder;
    if (builder == NULL || builder->documents.count == 0) return 0;
    if (!VEC_RESERVE(&index->segments, 1)) {
        return error_set(error, -ENOMEM, "refresh: out of memory");
    }
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct source_packer *packer = store_spare_packer(store);
    if (packer == NULL) return error_set(error, -ENOMEM, "refresh: out of memory");
    store_spare_bytes(store, builder->sources.size / 3, &bytes); /* what becomes of log lines */
    builder_sort_fields(builder);
    int code = builder_encode(builder, packer, &bytes, error);
    store_spare_keep_packer(store, packer);
    if (code < 0)
        return error_wrap(error, code, "refresh index '" STR_FMT "'", STR_ARG(index->name));
    size_t size;
    char *taken = buf_take(&bytes, &size);
    struct store_segment fresh = { 0 };
    code = segment_open_memory(&fresh.segment, builder->segment_id, taken, size, error);
    if (code < 0) return code;
    for (uint32_t i = 0; i < builder->documents.count; i++) {
        if (!builder_is_dead(builder, i)) continue;
        code = store_segment_kill(&fresh, i, error);
        if (code < 0) {
            store_live_unref(fresh.live);
            segment_free(fresh.segment);
            return code;
        }
    }
    (void)VEC_PUSH(&index->segments, fresh);
    index->builder = NULL;
    store_spare_keep_builder(store, index, builder);
    return 0;
}

int store_index_own_mapping(struct store_index *index, struct error *error)
{
    if (index->mapping->ref_count == 1) return 0;
    struct logstore_mapping *own = logstore_mapping_copy(index->mapping);
    if (own == NULL) return error_set(error, -ENOMEM, "change a mapping: out of memory");
    index->mapping->ref_count--;
    index->mapping = own;
    return 0;
}
