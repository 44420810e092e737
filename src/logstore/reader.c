/* reader.c - documents out of a segment; the last unpacked block is kept. */
#include "logstore/reader.h"
#include "base/check.h"
#include "codec/crc32c.h"
#include "logstore/bytes.h"
#include "logstore/source_block.h"

#include <errno.h>
#include <stdlib.h>

#define BLOCK_SIZE_MAX ((size_t)1 << 31)

struct logstore_reader {
    uint64_t segment_id;                    /* of the block */
    const struct logstore_segment *segment; /* a name only, never followed */
    uint32_t block;
    bool has_block;     /* it is open */
    bool has_documents; /* they are in raw */
    struct source_block *sources;
    struct buf raw;
    struct buf ends;
    char id[SEGMENT_ID_BUFFER];
};

int logstore_reader_new(struct logstore_reader **reader_out)
{
    struct logstore_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) return -ENOMEM;
    buf_init(&reader->raw, BLOCK_SIZE_MAX);
    buf_init(&reader->ends, BLOCK_SIZE_MAX);
    if (source_block_new(&reader->sources) < 0) {
        free(reader);
        return -ENOMEM;
    }
    *reader_out = reader;
    return 0;
}

void logstore_reader_free(struct logstore_reader *reader)
{
    if (reader == NULL) return;
    source_block_free(reader->sources);
    buf_release(&reader->raw);
    buf_release(&reader->ends);
    free(reader);
}

_Static_assert(LOGSTORE_ID_BUFFER >= SEGMENT_ID_BUFFER, "an id fits into a buffer");

int logstore_document_id(const struct logstore_segment *segment, uint32_t document, char *buffer,
                         struct str *id, struct error *error)
{
    CHECK(document < segment->document_count);
    int code = segment_open_ids(segment, error);
    if (code == 0) *id = segment_id_at(segment, document, buffer);
    return code;
}

int logstore_reader_get_meta(struct logstore_reader *reader, const struct logstore_segment *segment,
                             uint32_t document, struct logstore_hit *hit, struct error *error)
{
    CHECK(document < segment->document_count);
    int code = segment_open_ids(segment, error);
    if (code < 0) return code;
    *hit = (struct logstore_hit){
        .id = segment_id_at(segment, document, reader->id),
        .version = packed_get(&segment->versions, document),
        .seq_no = segment_seq_no(segment, document),
    };
    return 0;
}

int reader_open_block(struct logstore_reader *reader, const struct logstore_segment *segment,
                      uint32_t block, struct source_block **sources, struct error *error)
{
    *sources = reader->sources;
    if (reader->has_block && reader->segment == segment && reader->segment_id == segment->id &&
        reader->block == block) {
        return 0;
    }
    reader->has_block = false;
    reader->has_documents = false;
    size_t start = (size_t)packed_get(&segment->block_offset, block);
    size_t end = (size_t)packed_get(&segment->block_offset, block + 1);
    struct str stored = { segment->sections[SEGMENT_SOURCE].bytes.data + start, end - start };
    if (crc32c(stored.data, stored.size) != (uint32_t)packed_get(&segment->block_crc, block)) {
        segment_set_damaged(segment, true);
        return error_set(error, ERROR_CORRUPT, "block %u of a segment fails its checksum",
                         (unsigned)block);
    }
    int code = source_block_open(reader->sources, stored, error);
    if (code < 0) return code;
    int64_t count =
        packed_get(&segment->block_first, block + 1) - packed_get(&segment->block_first, block);
    if (count != source_block_count(reader->sources)) {
        return error_set(error, ERROR_CORRUPT, "block %u of a segment is broken", (unsigned)block);
    }
    reader->has_block = true;
    reader->segment = segment;
    reader->segment_id = segment->id;
    reader->block = block;
    return 0;
}

int reader_document(struct logstore_reader *reader, const struct logstore_segment *segment,
                    uint32_t document, struct str *source, struct error *error)
{
    uint32_t block = segment_block_of(segment, document);
    struct source_block *sources;
    int code = reader_open_block(reader, segment, block, &sources, error);
    if (code == 0 && !reader->has_documents) {
        buf_reset(&reader->raw);
        buf_reset(&reader->ends);
        code = source_block_documents(sources, &reader->raw, &reader->ends, error);
        reader->has_documents = code == 0;
    }
    if (code < 0) return code;
    size_t index = document - (size_t)packed_get(&segment->block_first, block);
    CHECK((index + 1) * 4 <= reader->ends.size);
    uint32_t start = index == 0 ? 0 : bytes_get32(reader->ends.data + (index - 1) * 4);
    uint32_t end = bytes_get32(reader->ends.data + index * 4);
    *source = (struct str){ reader->raw.data + start, end - start };
    return 0;
}

int logstore_reader_get(struct logstore_reader *reader, const struct logstore_segment *segment,
                        uint32_t document, struct logstore_hit *hit, struct error *error)
{
    struct logstore_hit found;
    int code = logstore_reader_get_meta(reader, segment, document, &found, error);
    if (code == 0) code = reader_document(reader, segment, document, &found.source, error);
    if (code == 0) *hit = found;
    return code;
}
