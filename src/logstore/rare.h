/* rare.h - terms that hardly any document holds: a hash of each, and the block that may hold it.
 *
 * Most different terms of logs are numbers, addresses and ids that come once. A dictionary of them
 * would be larger than the lines. So such a term leaves only 32 bits of its hash here, with the
 * number of the source block that its document is in; who looks for a term reads the blocks that
 * are named and sees for himself. Two terms with one hash cost a block more to read, no more.
 *
 * FORMAT   u32 count, u32 groups; for each group of 64 entries: u32 hash of its first, u32 where it
 *          begins behind the groups; then the entries in order of (hash, block): varint hash less
 *          the one before (0 for the first of a group), varint block
 */
#ifndef LOGSTORE_RARE_H
#define LOGSTORE_RARE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RARE_ENTRY(hash, block) ((uint64_t)(hash) << 32 | (uint32_t)(block))

/* The hash, which is part of the format: eight bytes at a time. */
uint32_t rare_hash(struct str term);

/* Puts entries in order. False: no memory. */
bool rare_sort(uint64_t *entries, size_t count) MUST_CHECK;

/* Writes entries that come in order; those that are there twice are dropped. */
struct rare_writer {
    struct buf *out;
    size_t start; /* in out: where all begins, and the entries while they are written */
    VEC(uint64_t) groups;
    uint32_t count;
    uint64_t last;
    bool has_failed; /* out of memory */
};

void rare_writer_begin(struct rare_writer *writer, struct buf *out);
void rare_writer_add(struct rare_writer *writer, uint64_t entry);
bool rare_writer_end(struct rare_writer *writer) MUST_CHECK; /* false: out of memory */

/* Sorts the entries and appends them. False: no memory. */
bool rare_write(uint64_t *entries, size_t count, struct buf *out);

struct rare {
    uint32_t count;
    uint32_t group_count;
    struct str groups;
    struct str entries;
};

bool rare_open(struct str bytes, struct rare *rare); /* false when the bytes are none */

/* Calls visit for each block that may hold a term of this hash. False when the bytes are broken. */
bool rare_find(const struct rare *rare, uint32_t hash,
               void (*visit)(void *argument, uint32_t block), void *argument);

/* Walks over the entries in order. */
struct rare_cursor {
    const struct rare *rare;
    struct str rest;
    uint32_t read; /* entries */
    uint32_t hash;
    uint64_t entry; /* at hand */
};

void rare_cursor_init(struct rare_cursor *cursor, const struct rare *rare);
/* 1 with an entry, 0 behind the last, ERROR_CORRUPT. */
int rare_cursor_next(struct rare_cursor *cursor) MUST_CHECK;

#endif
