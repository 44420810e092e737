/* merge_rare.c - the rare terms of several segments, side by side: each input has them in order,
 * and so has the output, without a list of all in memory, which was most of what a merge held.
 */
#include "base/check.h"
#include "logstore/merge_parts.h"

#include <stdlib.h>

#define NO_ENTRY UINT64_MAX /* no entry: that would be block UINT32_MAX */

struct stream {
    struct rare_cursor cursor;
    const uint32_t *new_blocks;
    uint32_t block_count;
    /* Or a sorted list. */
    const uint64_t *next;
    const uint64_t *end;
};

/* The stream's next entry under the number that its block has now. Blocks keep their order, so the
 * entries do. */
static int advance(struct stream *stream, uint64_t *head)
{
    *head = NO_ENTRY;
    if (stream->cursor.rare == NULL) {
        if (stream->next < stream->end) *head = *stream->next++;
        return 0;
    }
    for (;;) {
        int code = rare_cursor_next(&stream->cursor);
        if (code <= 0) return code;
        uint32_t block = (uint32_t)stream->cursor.entry;
        if (block >= stream->block_count) return ERROR_CORRUPT;
        if (stream->new_blocks[block] == UINT32_MAX) continue;
        *head = RARE_ENTRY(stream->cursor.entry >> 32, stream->new_blocks[block]);
        return 0;
    }
}

static size_t open_streams(const struct merge *merge, const struct merge_column *column,
                           const struct merge_rare_vec *more, struct stream *streams)
{
    size_t count = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct logstore_column *part = column->parts[i];
        if (part == NULL || !part->has_rare) continue;
        struct stream *stream = &streams[count++];
        *stream = (struct stream){ .new_blocks = merge->new_blocks[i],
                                   .block_count = segment_block_count(part->segment) };
        rare_cursor_init(&stream->cursor, &part->rare);
    }
    struct stream *list = &streams[count++];
    *list = (struct stream){ .next = more->items };
    list->end = more->count == 0 ? more->items : more->items + more->count;
    return count;
}

static int write_streams(struct stream *streams, uint64_t *heads, size_t count,
                         struct rare_writer *rare)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) code = advance(&streams[i], &heads[i]);
    while (code == 0) {
        size_t least = 0;
        for (size_t i = 1; i < count; i++) {
            if (heads[i] < heads[least]) least = i;
        }
        if (heads[least] == NO_ENTRY) break;
        rare_writer_add(rare, heads[least]);
        code = advance(&streams[least], &heads[least]);
    }
    return code;
}

int merge_rare(struct merge *merge, const struct merge_column *column, struct merge_rare_vec *more,
               bool is_always)
{
    struct segment_writer *writer = &merge->writer;
    struct stream *streams = calloc(merge->input_count + 1, sizeof(*streams));
    uint64_t *heads = calloc(merge->input_count + 1, sizeof(*heads));
    if (streams == NULL || heads == NULL || !rare_sort(more->items, more->count)) {
        free(streams);
        free(heads);
        return segment_out_of_memory(writer);
    }
    struct rare_writer rare;
    size_t before = writer->out->size;
    segment_section_begin(writer);
    rare_writer_begin(&rare, writer->out);
    size_t count = open_streams(merge, column, more, streams);
    int code = write_streams(streams, heads, count, &rare);
    if (!rare_writer_end(&rare) && code == 0) code = segment_out_of_memory(writer);
    free(streams);
    free(heads);
    if (code == ERROR_CORRUPT) {
        return error_set(merge->error, code, "segment: rare terms are broken");
    }
    if (code < 0) return code;
    if (rare.count == 0 && !is_always) {
        buf_truncate(writer->out, before);
        return 0;
    }
    return segment_section_end(writer, SEGMENT_RARE, column->number);
}
