/* rare.c - hashes of rare terms and the blocks that may hold them. */
#include "logstore/rare.h"

#include "base/error.h"
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
bool rare_sort(uint64_t *entries, size_t count)
{
    if (count == 0) return true;
    uint64_t *spare = malloc(count * sizeof(*spare));
    if (spare == NULL) return false;
    uint64_t *from = entries;
    uint64_t *to = spare;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t starts[RADIX + 1] = { 0 };
        for (size_t i = 0; i < count; i++) starts[(from[i] >> shift & 0xff) + 1]++;
        if (starts[(from[0] >> shift & 0xff) + 1] == count) continue;
        for (size_t i = 0; i < RADIX; i++) starts[i + 1] += starts[i];
        for (size_t i = 0; i < count; i++) to[starts[from[i] >> shift & 0xff]++] = from[i];
        uint64_t *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != entries) memcpy(entries, from, count * sizeof(*entries));
    free(spare);
    return true;
}

void rare_writer_begin(struct rare_writer *writer, struct buf *out)
{
    *writer = (struct rare_writer){ .out = out, .start = out->size };
}

#define VARINT32_MAX 5 /* bytes */

static char *put_varint(char *at, uint32_t value)
{
    for (; value >= 0x80; value >>= 7) *at++ = (char)(value | 0x80);
    *at = (char)value;
    return at + 1;
}

void rare_writer_add(struct rare_writer *writer, uint64_t entry)
{
    if (writer->count > 0 && entry == writer->last) return;
    struct buf *out = writer->out;
    uint32_t hash = (uint32_t)(entry >> 32);
    uint32_t before = (uint32_t)(writer->last >> 32);
    if (writer->count % GROUP_COUNT == 0) {
        uint64_t offset = out->size - writer->start;
        if (!VEC_PUSH(&writer->groups, offset << 32 | hash)) writer->has_failed = true;
        before = hash;
    }
    char *room = buf_reserve(out, 2 * VARINT32_MAX);
    if (room == NULL) return;
    char *end = put_varint(put_varint(room, hash - before), (uint32_t)entry);
    out->size += (size_t)(end - room);
    writer->last = entry;
    writer->count++;
}

/* Puts counts and groups in front of the entries. */
bool rare_writer_end(struct rare_writer *writer)
{
    struct buf *out = writer->out;
    uint32_t head[2] = { writer->count, (uint32_t)writer->groups.count };
    size_t groups_size = writer->groups.count * GROUP_SIZE;
    size_t entries_size = out->size - writer->start;
    bool is_good = !writer->has_failed && buf_reserve(out, sizeof(head) + groups_size) != NULL;
    if (is_good) {
        char *start = out->data + writer->start;
        memmove(start + sizeof(head) + groups_size, start, entries_size);
        memcpy(start, head, sizeof(head));
        if (groups_size > 0) memcpy(start + sizeof(head), writer->groups.items, groups_size);
        out->size += sizeof(head) + groups_size;
    }
    VEC_RELEASE(&writer->groups);
    return is_good;
}

bool rare_write(uint64_t *entries, size_t count, struct buf *out)
{
    struct rare_writer writer;
    if (!rare_sort(entries, count)) return false;
    rare_writer_begin(&writer, out);
    for (size_t i = 0; i < count; i++) rare_writer_add(&writer, entries[i]);
    return rare_writer_end(&writer);
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

void rare_cursor_init(struct rare_cursor *cursor, const struct rare *rare)
{
    *cursor = (struct rare_cursor){ .rare = rare };
}

int rare_cursor_next(struct rare_cursor *cursor)
{
    const struct rare *rare = cursor->rare;
    if (cursor->read == rare->count) return 0;
    if (cursor->read % GROUP_COUNT == 0) {
        uint32_t group = cursor->read / GROUP_COUNT;
        uint32_t count;
        cursor->hash = group_hash(rare, group);
        if (!group_entries(rare, group, &cursor->rest, &count)) return ERROR_CORRUPT;
    }
    uint32_t block;
    if (!take_entry(&cursor->rest, &cursor->hash, &block)) return ERROR_CORRUPT;
    uint64_t entry = RARE_ENTRY(cursor->hash, block);
    if (entry < cursor->entry) return ERROR_CORRUPT;
    cursor->entry = entry;
    cursor->read++;
    return 1;
}
