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
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RARE_ENTRY(hash, block) ((uint64_t)(hash) << 32 | (uint32_t)(block))

/* The hash, which is part of the format: eight bytes at a time. */
uint32_t rare_hash(struct str term);

/* Sorts the entries, drops those that are there twice, and appends them. False: no memory. */
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

/* Calls visit for each entry in order. False when the bytes are broken. */
bool rare_each(const struct rare *rare, bool (*visit)(void *argument, uint64_t entry),
               void *argument);

#endif
