/* reply_fuzz.c - any bytes as an answer: read in pieces it is what it is as a whole. The first byte
 * says how large the pieces are. */
#include "http/reply.h"

#include "base/buf.h"
#include "base/check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 16 };

/* Joins in memory of just the size that has come, so that a step beyond it is seen. */
static enum reply_state join(struct str bytes, size_t step, struct buf *out)
{
    struct reply_chunks chunks = { 0 };
    enum reply_state state = REPLY_SHORT;
    for (size_t come = 0; state == REPLY_SHORT && come < bytes.size;) {
        size_t count = step < bytes.size - come ? step : bytes.size - come;
        buf_append_str(out, str_first(str_skip(bytes, come), count));
        come += count;
        CHECK(!out->has_failed);
        state = reply_join(&chunks, out->data, out->size);
        CHECK(chunks.taken <= come);
    }
    buf_truncate(out, chunks.joined);
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    size_t step = data[0] % 64 + 1u;
    struct str bytes = { (const char *)data + 1, size - 1 };
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1 << 22);
    struct http_field items[FIELDS_MAX];
    struct http_fields fields = { items, 0 };
    struct reply reply = { 0 };
    enum reply_state state = reply_read(bytes, &arena, &fields, FIELDS_MAX, &reply);
    if (state == REPLY_WHOLE) {
        CHECK(reply.head_size <= bytes.size);
        CHECK(!reply.is_chunked || reply.body_size == 0);
        struct reply again = { 0 };
        struct str head = str_first(bytes, reply.head_size);
        CHECK(reply_read(head, &arena, &fields, FIELDS_MAX, &again) == REPLY_WHOLE);
        CHECK(again.body_size == reply.body_size);
        head.size--;
        CHECK(reply_read(head, &arena, &fields, FIELDS_MAX, &again) == REPLY_SHORT);
        bytes = str_skip(bytes, reply.head_size);
    }
    CLEANUP(buf_release) struct buf whole;
    CLEANUP(buf_release) struct buf pieces;
    buf_init(&whole, size + 1);
    buf_init(&pieces, size + 1);
    if (bytes.size == 0) return 0;
    enum reply_state at_once = join(bytes, bytes.size, &whole);
    enum reply_state by_pieces = join(bytes, step, &pieces);
    /* A line that is too long is refused as soon as it is seen. */
    if (at_once != by_pieces) return 0;
    if (at_once == REPLY_WHOLE) CHECK(str_equal(buf_str(&whole), buf_str(&pieces)));
    return 0;
}
