/* terms.c - a sorted dictionary of terms, packed in small compressed blocks (format: terms.h). */
#include "logstore/terms.h"

#include "base/check.h"
#include "logstore/block.h"
#include "logstore/bytes.h"

#include <errno.h>
#include <stdlib.h>

#define BLOCK_RAW_SIZE_MAX ((size_t)64 << 20)
#define TERM_RAW_SIZE_MIN  2 /* two varints */

static size_t shared_size(struct str a, struct str b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    size_t i = 0;
    while (i < size && a.data[i] == b.data[i]) i++;
    return i;
}

static size_t block_end(const struct terms_entry *entries, size_t start, size_t count)
{
    size_t size = 0;
    size_t end = start;
    while (end < count && end - start < TERMS_BLOCK_COUNT && size < TERMS_BLOCK_RAW_SIZE) {
        size += entries[end].term.size;
        end++;
    }
    return end;
}

static void write_raw_block(const struct terms_entry *entries, size_t start, size_t end,
                            bool has_postings, struct buf *raw)
{
    struct str before = { NULL, 0 };
    for (size_t i = start; i < end; i++) {
        struct str term = entries[i].term;
        size_t shared = shared_size(before, term);
        bytes_put_varint(raw, shared);
        bytes_put_text(raw, str_skip(term, shared));
        if (has_postings) {
            bytes_put_varint(raw, entries[i].document_count);
            bytes_put_varint(raw, entries[i].postings_size);
        }
        before = term;
    }
}

int terms_write(const struct terms_entry *entries, size_t count, bool has_postings, struct buf *out,
                struct error *error)
{
    CLEANUP(buf_release) struct buf table = { 0 };
    CLEANUP(buf_release) struct buf blocks = { 0 };
    CLEANUP(buf_release) struct buf raw = { 0 };
    buf_init(&table, SIZE_MAX);
    buf_init(&blocks, SIZE_MAX);
    buf_init(&raw, SIZE_MAX);
    uint32_t block_count = 0;
    uint64_t postings_offset = 0;
    for (size_t start = 0; start < count;) {
        size_t end = block_end(entries, start, count);
        buf_reset(&raw);
        write_raw_block(entries, start, end, has_postings, &raw);
        struct str separator = { NULL, 0 };
        if (start > 0) {
            struct str first = entries[start].term;
            separator = str_first(first, shared_size(entries[start - 1].term, first) + 1);
        }
        size_t stored_before = blocks.size;
        int code = block_compress(buf_str(&raw), &blocks, error);
        if (code < 0) return code;
        bytes_put_text(&table, separator);
        bytes_put_varint(&table, start);
        bytes_put_varint(&table, raw.size);
        bytes_put_varint(&table, blocks.size - stored_before);
        if (has_postings) bytes_put_varint(&table, postings_offset);
        for (size_t i = start; i < end; i++) postings_offset += entries[i].postings_size;
        block_count++;
        start = end;
    }
    bytes_put32(out, (uint32_t)count);
    bytes_put32(out, block_count);
    buf_append_str(out, buf_str(&table));
    buf_append_str(out, buf_str(&blocks));
    if (table.has_failed || blocks.has_failed || raw.has_failed || out->has_failed) {
        return error_set(error, -ENOMEM, "pack %zu terms: out of memory", count);
    }
    return 0;
}

static bool read_block_row(struct str *rest, bool has_postings, struct terms_block *block)
{
    uint64_t ordinal;
    uint64_t raw_size;
    uint64_t stored_size;
    uint64_t postings_offset = 0;
    if (!bytes_take_text(rest, &block->separator) || !bytes_take_varint(rest, &ordinal) ||
        !bytes_take_varint(rest, &raw_size) || !bytes_take_varint(rest, &stored_size) ||
        (has_postings && !bytes_take_varint(rest, &postings_offset))) {
        return false;
    }
    if (ordinal > UINT32_MAX || raw_size > BLOCK_RAW_SIZE_MAX || stored_size > raw_size)
        return false;
    block->first_ordinal = (uint32_t)ordinal;
    block->raw_size = (uint32_t)raw_size;
    block->stored_size = (uint32_t)stored_size;
    block->postings_offset = postings_offset;
    return true;
}

/* Each block has terms, and not more than its bytes can be: readers make room by these counts. */
static bool ordinals_fit(const struct terms *terms)
{
    if (terms->block_count == 0) return terms->term_count == 0;
    if (terms->blocks[0].first_ordinal != 0) return false;
    for (uint32_t i = 0; i < terms->block_count; i++) {
        const struct terms_block *block = &terms->blocks[i];
        if (block[1].first_ordinal <= block->first_ordinal) return false;
        uint32_t count = block[1].first_ordinal - block->first_ordinal;
        if (count > TERMS_BLOCK_COUNT || count > block->raw_size / TERM_RAW_SIZE_MIN) return false;
    }
    return true;
}

int terms_open(struct str bytes, bool has_postings, struct terms *terms, struct error *error)
{
    CLEANUP(terms_release) struct terms opened = { .has_postings = has_postings };
    if (!bytes_take32(&bytes, &opened.term_count) || !bytes_take32(&bytes, &opened.block_count) ||
        opened.block_count > bytes.size) {
        return error_set(error, ERROR_CORRUPT, "dictionary is cut short");
    }
    opened.blocks = calloc(opened.block_count + 1, sizeof(*opened.blocks));
    if (opened.blocks == NULL) return error_set(error, -ENOMEM, "open dictionary: out of memory");
    uint64_t offset = 0;
    for (uint32_t i = 0; i < opened.block_count; i++) {
        struct terms_block *block = &opened.blocks[i];
        if (!read_block_row(&bytes, has_postings, block)) {
            return error_set(error, ERROR_CORRUPT, "dictionary block %u is broken", (unsigned)i);
        }
        block->offset = offset;
        offset += block->stored_size;
    }
    if (offset > bytes.size)
        return error_set(error, ERROR_CORRUPT, "dictionary blocks are cut short");
    opened.blocks[opened.block_count].first_ordinal = opened.term_count;
    if (!ordinals_fit(&opened)) {
        return error_set(error, ERROR_CORRUPT, "dictionary counts other terms than it has");
    }
    opened.blocks_bytes = bytes;
    *terms = opened;
    opened.blocks = NULL;
    return 0;
}

void terms_release(struct terms *terms)
{
    free(terms->blocks);
    *terms = (struct terms){ 0 };
}

void terms_cursor_init(struct terms_cursor *cursor, const struct terms *terms)
{
    *cursor = (struct terms_cursor){ .terms = terms, .ordinal = UINT32_MAX };
    buf_init(&cursor->block, BLOCK_RAW_SIZE_MAX);
    buf_init(&cursor->term, BLOCK_RAW_SIZE_MAX);
}

void terms_cursor_release(struct terms_cursor *cursor)
{
    buf_release(&cursor->block);
    buf_release(&cursor->term);
}

static int load_block(struct terms_cursor *cursor, uint32_t index, struct error *error)
{
    const struct terms_block *block = &cursor->terms->blocks[index];
    struct str stored = { cursor->terms->blocks_bytes.data + block->offset, block->stored_size };
    buf_reset(&cursor->block);
    int code = block_expand(stored, block->raw_size, &cursor->block, error);
    if (code < 0) return code;
    cursor->rest = buf_str(&cursor->block);
    cursor->block_index = index;
    cursor->ordinal = block->first_ordinal - 1;
    cursor->postings_offset = block->postings_offset;
    cursor->postings_size = 0;
    buf_reset(&cursor->term);
    return 0;
}

int terms_cursor_next(struct terms_cursor *cursor, struct error *error)
{
    const struct terms *terms = cursor->terms;
    if (cursor->ordinal + 1 >= terms->term_count) return 0;
    bool is_new = cursor->ordinal == UINT32_MAX && cursor->block.size == 0;
    if (is_new || cursor->ordinal + 1 == terms->blocks[cursor->block_index + 1].first_ordinal) {
        int code = load_block(cursor, is_new ? 0 : cursor->block_index + 1, error);
        if (code < 0) return code;
    }
    uint64_t shared;
    struct str rest;
    uint64_t documents = 0;
    uint64_t postings = 0;
    if (!bytes_take_varint(&cursor->rest, &shared) || shared > cursor->term.size ||
        !bytes_take_text(&cursor->rest, &rest) ||
        (terms->has_postings && (!bytes_take_varint(&cursor->rest, &documents) ||
                                 !bytes_take_varint(&cursor->rest, &postings)))) {
        return error_set(error, ERROR_CORRUPT, "dictionary block %u is broken",
                         (unsigned)cursor->block_index);
    }
    buf_truncate(&cursor->term, (size_t)shared);
    buf_append_str(&cursor->term, rest);
    if (cursor->term.has_failed) return error_set(error, -ENOMEM, "read dictionary: out of memory");
    cursor->postings_offset += cursor->postings_size;
    cursor->document_count = (uint32_t)documents;
    cursor->postings_size = (uint32_t)postings;
    cursor->ordinal++;
    return 1;
}

int terms_cursor_seek(struct terms_cursor *cursor, struct str term, struct error *error)
{
    const struct terms *terms = cursor->terms;
    if (terms->term_count == 0) return 0;
    uint32_t low = 0;
    uint32_t high = terms->block_count;
    while (low + 1 < high) {
        uint32_t middle = (low + high) / 2;
        if (str_compare(terms->blocks[middle].separator, term) <= 0)
            low = middle;
        else
            high = middle;
    }
    int code = load_block(cursor, low, error);
    while (code >= 0) {
        code = terms_cursor_next(cursor, error);
        if (code <= 0 || str_compare(buf_str(&cursor->term), term) >= 0) return code;
    }
    return code;
}

int terms_cursor_seek_ordinal(struct terms_cursor *cursor, uint32_t ordinal, struct error *error)
{
    const struct terms *terms = cursor->terms;
    if (ordinal >= terms->term_count) return 0;
    bool is_ahead = cursor->block.size > 0 && cursor->ordinal != UINT32_MAX &&
                    ordinal > cursor->ordinal &&
                    ordinal < terms->blocks[cursor->block_index + 1].first_ordinal;
    if (cursor->ordinal == ordinal && cursor->block.size > 0) return 1;
    if (!is_ahead) {
        uint32_t low = 0;
        uint32_t high = terms->block_count;
        while (low + 1 < high) {
            uint32_t middle = (low + high) / 2;
            if (terms->blocks[middle].first_ordinal <= ordinal)
                low = middle;
            else
                high = middle;
        }
        int code = load_block(cursor, low, error);
        if (code < 0) return code;
    }
    int code = 1;
    do {
        code = terms_cursor_next(cursor, error);
    } while (code == 1 && cursor->ordinal != ordinal);
    return code;
}
