/* reader.c - documents out of a segment; the last unpacked block is kept. */
#include "base/check.h"
#include "codec/crc32c.h"
#include "logstore/block.h"
#include "logstore/bytes.h"
#include "logstore/segment.h"

#include <errno.h>
#include <stdlib.h>

#define BLOCK_SIZE_MAX ((size_t)1 << 31)

struct logstore_reader {
    const struct logstore_segment *segment; /* of the block; a name only, never followed */
    uint64_t segment_id;
    uint32_t block;
    struct buf raw;
    char id[SEGMENT_ID_BUFFER];
};

int logstore_reader_new(struct logstore_reader **reader_out)
{
    struct logstore_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) return -ENOMEM;
    buf_init(&reader->raw, BLOCK_SIZE_MAX);
    *reader_out = reader;
    return 0;
}

void logstore_reader_free(struct logstore_reader *reader)
{
    if (reader == NULL) return;
    buf_release(&reader->raw);
    free(reader);
}

int logstore_reader_get_meta(struct logstore_reader *reader, const struct logstore_segment *segment,
                             uint32_t document, struct logstore_hit *hit, struct error *error)
{
    (void)error;
    CHECK(document < segment->document_count);
    *hit = (struct logstore_hit){
        .id = segment_id_at(segment, document, reader->id),
        .version = packed_get(&segment->versions, document),
        .seq_no = packed_get(&segment->seq_nos, document),
    };
    return 0;
}

static int load_block(struct logstore_reader *reader, const struct logstore_segment *segment,
                      uint32_t block, struct error *error)
{
    if (reader->segment == segment && reader->segment_id == segment->id && reader->block == block &&
        reader->raw.size > 0) {
        return 0;
    }
    size_t start = (size_t)packed_get(&segment->block_offset, block);
    size_t end = (size_t)packed_get(&segment->block_offset, block + 1);
    struct str stored = { segment->sections[SEGMENT_SOURCE].bytes.data + start, end - start };
    int64_t raw_size = packed_get(&segment->block_size, block);
    buf_reset(&reader->raw);
    reader->segment = NULL;
    if (raw_size < 4 || raw_size > (int64_t)BLOCK_SIZE_MAX ||
        crc32c(stored.data, stored.size) != (uint32_t)packed_get(&segment->block_crc, block)) {
        return error_set(error, ERROR_CORRUPT, "block %u of a segment fails its checksum",
                         (unsigned)block);
    }
    int code = block_expand_source(stored, (size_t)raw_size, &reader->raw, error);
    if (code < 0) return code;
    reader->segment = segment;
    reader->segment_id = segment->id;
    reader->block = block;
    return 0;
}

int logstore_reader_get(struct logstore_reader *reader, const struct logstore_segment *segment,
                        uint32_t document, struct logstore_hit *hit, struct error *error)
{
    struct logstore_hit found;
    int code = logstore_reader_get_meta(reader, segment, document, &found, error);
    if (code < 0) return code;
    size_t above = packed_lower_bound(&segment->block_first, 0, (int64_t)document + 1);
    CHECK(above > 0 && above < segment->block_first.count);
    uint32_t block = (uint32_t)above - 1;
    code = load_block(reader, segment, block, error);
    if (code < 0) return code;
    uint32_t index = document - (uint32_t)packed_get(&segment->block_first, block);
    struct str raw = buf_str(&reader->raw);
    uint32_t count = bytes_get32(raw.data);
    if (index >= count || raw.size < 4 + (size_t)count * 4) {
        return error_set(error, ERROR_CORRUPT, "block %u of a segment is cut short",
                         (unsigned)block);
    }
    struct str sources = str_skip(raw, 4 + (size_t)count * 4);
    uint32_t start = index == 0 ? 0 : bytes_get32(raw.data + (size_t)index * 4);
    uint32_t end = bytes_get32(raw.data + 4 + (size_t)index * 4);
    if (end < start || end > sources.size) {
        return error_set(error, ERROR_CORRUPT, "block %u of a segment is broken", (unsigned)block);
    }
    found.source = (struct str){ sources.data + start, end - start };
    *hit = found;
    return 0;
}
