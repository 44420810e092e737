/* terms.h - a sorted dictionary of terms, packed in small compressed blocks.
 *
 * FORMAT   u32 term count, u32 block count, then the block table and the blocks:
 *          block table, one row a block:
 *            varint length and bytes of the separator: more than every term of the block before,
 *            not more than the first of its own
 *            varint first ordinal, varint raw size, varint stored size (equal: not compressed)
 *          blocks, one behind the other, each raw as:
 *            for each term: varint bytes shared with the term before (0 for the first), varint
 *            length of the rest, the rest; and with postings: varint document count, then varint
 *            size of its postings
 *          Postings stand in a section of their own, in the order of the terms; the block table
 *          has, with postings, one varint more a row: where those of its first term begin.
 */
#ifndef LOGSTORE_TERMS_H
#define LOGSTORE_TERMS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TERMS_BLOCK_COUNT    64 /* terms at most */
#define TERMS_BLOCK_RAW_SIZE 8192

struct terms_entry { /* what the writer is given, sorted, no two alike */
    struct str term;
    uint32_t document_count; /* with postings */
    uint32_t postings_size;
};

int terms_write(const struct terms_entry *entries, size_t count, bool has_postings, struct buf *out,
                struct error *error) MUST_CHECK;

struct terms_block {
    struct str separator;
    uint32_t first_ordinal;
    uint32_t raw_size;
    uint32_t stored_size;
    uint64_t offset; /* of the stored bytes */
    uint64_t postings_offset;
};

struct terms {
    struct str blocks_bytes;
    struct terms_block *blocks; /* owned */
    uint32_t block_count;
    uint32_t term_count;
    bool has_postings;
};

int terms_open(struct str bytes, bool has_postings, struct terms *terms,
               struct error *error) MUST_CHECK;
void terms_release(struct terms *terms);

/* Walks terms in order. Owned by one thread. */
struct terms_cursor {
    const struct terms *terms;
    struct buf block; /* raw bytes of the block at hand */
    struct str rest;  /* of it */
    uint32_t block_index;
    uint32_t ordinal; /* of the term at hand; UINT32_MAX before the first */
    struct buf term;
    uint32_t document_count;
    uint32_t postings_size;
    uint64_t postings_offset;
};

void terms_cursor_init(struct terms_cursor *cursor, const struct terms *terms);
void terms_cursor_release(struct terms_cursor *cursor);

/* Next term: 1, or 0 behind the last, or an error. */
int terms_cursor_next(struct terms_cursor *cursor, struct error *error) MUST_CHECK;

/* Moves to the first term that is not less than `term`: 1, 0 when there is none, or an error. */
int terms_cursor_seek(struct terms_cursor *cursor, struct str term, struct error *error) MUST_CHECK;

/* Moves to the term with that ordinal. */
int terms_cursor_seek_ordinal(struct terms_cursor *cursor, uint32_t ordinal,
                              struct error *error) MUST_CHECK;

#endif
