/* rare.c - hashes of rare terms and the blocks that may hold them. */
#include "logstore/rare.h"

#include "logstore/bytes.h"

#include <stdlib.h>

#define GROUP_COUNT 64
#define GROUP_SIZE  8
#define RADIX       256

/* The last `size` bytes, fewer than eight, as a number; read in words that may overlap, for a copy
 * of a few bytes by their count is the dearest part of hashing a term. */
static uint64_t last_word(struct str term, size_t size)
{
    const char *bytes = term.data + (term.size - size);
    if (size == 0) return 0;
    if (term.size >= 8) return bytes_get64(term.data + term.size - 8) >> (64 - 8 * size);
    if (size >= 4) {
        uint64_t high = bytes_get32(bytes + size - 4);
        return bytes_get32(bytes) | high << (8 * (size - 4));
    }
    uint64_t word = (unsigned char)bytes[0];
    word |= (uint64_t)(unsigned char)bytes[size / 2] << (8 * (size / 2));
    return word | (uint64_t)(unsigned char)bytes[size - 1] << (8 * (size - 1));
}

uint32_t rare_hash(struct str term)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ term.size;
    size_t i = 0;
    for (; i + 8 <= term.size; i += 8) {
        hash = (hash ^ bytes_get64(term.data + i)) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    hash = (hash ^ last_word(term, term.size - i)) * UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(hash >> 32) ^ (uint32_t)hash;
}

/* Sorts by the eight bytes from the lowest on; bytes that all have alike cost one look. */
static uint64_t *radix_sort(uint64_t *entries, uint64_t *spare, size_t count)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t starts[RADIX + 1] = { 0 };
        for (size_t i = 0; i < count; i++) starts[(entries[i] >> shift & 0xff) + 1]++;
        if (starts[(entries[0] >> shift & 0xff) + 1] == count) continue;
        for (size_t i = 0; i < RADIX; i++) starts[i + 1] += starts[i];
        for (size_t i = 0; i < count; i++) spare[starts[entries[i] >> shift & 0xff]++] = entries[i];
        uint64_t *sorted = spare;
        spare = entries;
        entries = sorted;
    }
    return entries;
}

static void write_sorted(const uint64_t *entries, size_t count, struct buf *out)
{
    size_t group_count = (count + GROUP_COUNT - 1) / GROUP_COUNT;
    bytes_put32(out, (uint32_t)count);
    bytes_put32(out, (uint32_t)group_count);
    size_t groups = out->size;
    char *room = buf_reserve(out, group_count * GROUP_SIZE + 1);
    if (room == NULL) return;
    out->size += group_count * GROUP_SIZE;
    size_t start = out->size;
    uint32_t before = 0;
    for (size_t i = 0; i < count && !out->has_failed; i++) {
        uint32_t hash = (uint32_t)(entries[i] >> 32);
        if (i % GROUP_COUNT == 0) {
            uint32_t head[2] = { hash, (uint32_t)(out->size - start) };
            memcpy(out->data + groups + i / GROUP_COUNT * GROUP_SIZE, head, sizeof(head));
            before = hash;
        }
        bytes_put_varint(out, hash - before);
        bytes_put_varint(out, (uint32_t)entries[i]);
        before = hash;
    }
}

bool rare_write(uint64_t *entries, size_t count, struct buf *out)
{
    uint64_t *spare = malloc((count + 1) * sizeof(*spare));
    if (spare == NULL) return false;
    uint64_t *sorted = count > 0 ? radix_sort(entries, spare, count) : entries;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || sorted[i] != sorted[i - 1]) sorted[kept++] = sorted[i];
    }
    write_sorted(sorted, kept, out);
    free(spare);
    return !out->has_failed;
}

bool rare_open(struct str bytes, struct rare *rare)
{
    uint32_t count;
    uint32_t group_count;
    if (!bytes_take32(&bytes, &count) || !bytes_take32(&bytes, &group_count)) return false;
    if (group_count != ((uint64_t)count + GROUP_COUNT - 1) / GROUP_COUNT) return false;
    struct str groups;
    if (!bytes_take(&bytes, (size_t)group_count * GROUP_SIZE, &groups)) return false;
    *rare = (struct rare){ count, group_count, groups, bytes };
    return true;
}

static uint32_t group_hash(const struct rare *rare, uint32_t group)
{
    return bytes_get32(rare->groups.data + (size_t)group * GROUP_SIZE);
}

static bool group_entries(const struct rare *rare, uint32_t group, struct str *rest,
                          uint32_t *count)
{
    uint32_t offset = bytes_get32(rare->groups.data + (size_t)group * GROUP_SIZE + 4);
    if (offset > rare->entries.size) return false;
    *rest = str_skip(rare->entries, offset);
    uint32_t before = group * GROUP_COUNT;
    *count = rare->count - before < GROUP_COUNT ? rare->count - before : GROUP_COUNT;
    return true;
}

static bool take_entry(struct str *rest, uint32_t *hash, uint32_t *block)
{
    uint64_t gap;
    uint64_t number;
    if (!bytes_take_varint(rest, &gap) || !bytes_take_varint(rest, &number)) return false;
    if (gap > UINT32_MAX - *hash || number > UINT32_MAX) return false;
    *hash += (uint32_t)gap;
    *block = (uint32_t)number;
    return true;
}

bool rare_find(const struct rare *rare, uint32_t hash,
               void (*visit)(void *argument, uint32_t block), void *argument)
{
    /* The last group that begins below the hash; entries of it may go on in the next ones. */
    uint32_t low = 0;
    uint32_t high = rare->group_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (group_hash(rare, middle) < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (uint32_t group = low > 0 ? low - 1 : 0; group < rare->group_count; group++) {
        uint32_t at = group_hash(rare, group);
        struct str rest;
        uint32_t count;
        if (at > hash) return true;
        if (!group_entries(rare, group, &rest, &count)) return false;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t block;
            if (!take_entry(&rest, &at, &block)) return false;
            if (at > hash) return true;
            if (at == hash) visit(argument, block);
        }
    }
    return true;
}

bool rare_each(const struct rare *rare, bool (*visit)(void *argument, uint64_t entry),
               void *argument)
{
    for (uint32_t group = 0; group < rare->group_count; group++) {
        uint32_t hash = group_hash(rare, group);
        struct str rest;
        uint32_t count;
        if (!group_entries(rare, group, &rest, &count)) return false;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t block;
            if (!take_entry(&rest, &hash, &block)) return false;
            if (!visit(argument, RARE_ENTRY(hash, block))) return false;
        }
    }
    return true;
}
