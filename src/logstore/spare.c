/* spare.c - memory that a store keeps while somebody writes, for what it is about to make again.
 *
 * A buffer that was frozen, the scratch of its sources' packer and the bytes of a segment that went
 * to disk are megabytes each, and new pages cost more than what is written into them. All of it is
 * given back when a second passes without a write.
 */
#include "logstore/source_block.h"
#include "logstore/store.h"

#include <malloc.h>
#include <stdlib.h>

#define BUILDERS_SIZE_MAX ((size_t)40 << 20) /* of all empty buffers together */
#define PACKER_SIZE_MAX   ((size_t)4 << 20)
#define BYTES_SIZE_MAX    ((size_t)4 << 20)

void store_spare_keep_builder(struct logstore *store, struct store_index *index,
                              struct builder *builder)
{
    size_t size = builder_memory(builder);
    if (index->spare != NULL || store->spare.builders_size + size > BUILDERS_SIZE_MAX) {
        builder_free(builder);
        return;
    }
    builder_reset(builder, 0);
    index->spare = builder;
    index->spare_size = size;
    store->spare.builders_size += size;
}

struct builder *store_spare_builder(struct logstore *store, struct store_index *index)
{
    struct builder *builder = index->spare;
    store->spare.builders_size -= index->spare_size;
    index->spare_size = 0;
    index->spare = NULL;
    return builder;
}

void store_spare_free_builder(struct logstore *store, struct store_index *index)
{
    builder_free(store_spare_builder(store, index));
}

struct source_packer *store_spare_packer(struct logstore *store)
{
    struct source_packer *packer = store->spare.packer;
    store->spare.packer = NULL;
    if (packer == NULL && source_packer_new(&packer, SOURCE_LEVEL_FAST) < 0) return NULL;
    return packer;
}

void store_spare_keep_packer(struct logstore *store, struct source_packer *packer)
{
    bool is_kept = store->spare.packer == NULL && source_packer_memory(packer) <= PACKER_SIZE_MAX;
    if (is_kept)
        store->spare.packer = packer;
    else
        source_packer_free(packer);
}

void store_spare_bytes(struct logstore *store, size_t size, struct buf *bytes)
{
    buf_init(bytes, SIZE_MAX);
    if (store->spare.bytes == NULL) {
        (void)!buf_reserve(bytes, size);
        return;
    }
    bytes->data = store->spare.bytes;
    bytes->capacity = malloc_usable_size(bytes->data);
    store->spare.bytes = NULL;
}

void store_spare_keep_bytes(struct logstore *store, struct logstore_segment *segment)
{
    char *bytes = (char *)(uintptr_t)segment->bytes.data;
    if (segment->is_mapped || bytes == NULL || store->spare.bytes != NULL) return;
    if (malloc_usable_size(bytes) > BYTES_SIZE_MAX) return;
    store->spare.bytes = bytes;
    segment->bytes = (struct str){ NULL, 0 };
}

bool store_spare_free(struct logstore *store)
{
    bool had_any =
        store->spare.builders_size > 0 || store->spare.packer != NULL || store->spare.bytes != NULL;
    for (size_t i = 0; i < store->indices.count; i++) {
        store_spare_free_builder(store, store->indices.items[i]);
    }
    source_packer_free(store->spare.packer);
    store->spare.packer = NULL;
    free(store->spare.bytes);
    store->spare.bytes = NULL;
    return had_any;
}
