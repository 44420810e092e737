/* tally.c - terms written down by their hash, and counted part by part.
 *
 * A term is u32 hash, varint count, varint size, its bytes.
 */
#include "logquery/tally.h"

#include "base/check.h"
#include "base/vec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PART_BITS   8
#define PART_COUNT  (1u << PART_BITS)
#define CHUNK_SHIFT 13 /* of the least size of a chunk: powers of two */
#define SIZE_COUNT  16 /* of their sizes; a term has at most 32,766 bytes */
#define VARINT_SIZE 10
#define HEAD_SIZE   (4 + 2 * VARINT_SIZE)

struct chunk {
    struct chunk *next; /* older, of the same part; or unused */
    unsigned shift;     /* of its size */
    size_t used;
    char bytes[];
};

struct part {
    struct chunk *chunks; /* the newest first */
};

struct tally {
    struct arena *arena;
    size_t size_max;
    bool has_passes;
    uint32_t first, end; /* parts of this pass */
    uint32_t part_count; /* of all passes */
    size_t size;         /* of chunks with terms */
    size_t compact_size; /* after terms were last written once */
    struct chunk *unused[SIZE_COUNT];
    struct part parts[];
};

/* Different terms of a part. */
struct entry {
    struct str term;
    uint32_t hash;
    uint64_t count;
};

struct table {
    VEC(struct entry) entries;
    uint32_t *slots; /* index plus one */
    size_t slot_count;
};

struct tally *tally_new(struct arena *arena, size_t size_max, bool has_passes)
{
    uint32_t part_count = has_passes ? PART_COUNT : 1;
    struct tally *tally = arena_alloc(arena, 1, sizeof(*tally) + part_count * sizeof(struct part));
    if (tally == NULL) return NULL;
    tally->arena = arena;
    tally->size_max = size_max;
    tally->has_passes = has_passes;
    tally->part_count = tally->end = part_count;
    return tally;
}

static size_t chunk_size(const struct chunk *chunk)
{
    return (size_t)1 << chunk->shift;
}

static void put_chunks_aside(struct tally *tally, struct part *part, struct chunk *chunks)
{
    if (part->chunks == chunks) part->chunks = NULL;
    while (chunks != NULL) {
        struct chunk *next = chunks->next;
        struct chunk **unused = &tally->unused[chunks->shift - CHUNK_SHIFT];
        tally->size -= chunk_size(chunks);
        chunks->used = 0;
        chunks->next = *unused;
        *unused = chunks;
        chunks = next;
    }
}

static struct chunk *add_chunk(struct tally *tally, struct part *part, size_t size)
{
    unsigned shift = CHUNK_SHIFT;
    while (((size_t)1 << shift) < size) shift++;
    if (shift - CHUNK_SHIFT >= SIZE_COUNT) return NULL;
    struct chunk **unused = &tally->unused[shift - CHUNK_SHIFT];
    struct chunk *chunk = *unused;
    if (chunk != NULL) {
        *unused = chunk->next;
    } else {
        chunk = arena_alloc(tally->arena, 1, sizeof(*chunk) + ((size_t)1 << shift));
        if (chunk == NULL) return NULL;
        chunk->shift = shift;
    }
    chunk->next = part->chunks;
    part->chunks = chunk;
    tally->size += chunk_size(chunk);
    return chunk;
}

static char *put_varint(char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}

static const char *take_varint(const char *at, uint64_t *value)
{
    uint64_t number = 0;
    unsigned shift = 0;
    for (; (unsigned char)*at >= 0x80; shift += 7) {
        number |= (uint64_t)((unsigned char)*at++ & 0x7f) << shift;
    }
    *value = number | (uint64_t)(unsigned char)*at++ << shift;
    return at;
}

static bool write_term(struct tally *tally, struct part *part, const struct entry *entry)
{
    struct chunk *chunk = part->chunks;
    size_t most = HEAD_SIZE + entry->term.size;
    if (chunk == NULL || chunk_size(chunk) - chunk->used < most)
        chunk = add_chunk(tally, part, most);
    if (chunk == NULL) return false;
    char *start = chunk->bytes + chunk->used;
    memcpy(start, &entry->hash, sizeof(entry->hash));
    char *at = put_varint(start + sizeof(entry->hash), entry->count);
    at = put_varint(at, entry->term.size);
    if (entry->term.size > 0) memcpy(at, entry->term.data, entry->term.size);
    chunk->used += (size_t)(at - start) + entry->term.size;
    CHECK(chunk->used <= chunk_size(chunk));
    return true;
}

/* Counting ------------------------------------------------------------------------------------ */

static void table_release(struct table *table)
{
    VEC_RELEASE(&table->entries);
    free(table->slots);
    *table = (struct table){ 0 };
}

static bool table_grow(struct table *table)
{
    size_t slot_count = table->slot_count == 0 ? 1024 : table->slot_count * 2;
    uint32_t *slots = calloc(slot_count, sizeof(*slots));
    if (slots == NULL) return false;
    for (size_t i = 0; i < table->entries.count; i++) {
        size_t at = table->entries.items[i].hash & (slot_count - 1);
        while (slots[at] != 0) at = (at + 1) & (slot_count - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    return true;
}

static bool table_add(struct table *table, const struct entry *entry)
{
    if (table->entries.count * 2 >= table->slot_count && !table_grow(table)) return false;
    size_t mask = table->slot_count - 1;
    size_t at = entry->hash & mask;
    for (; table->slots[at] != 0; at = (at + 1) & mask) {
        struct entry *found = &table->entries.items[table->slots[at] - 1];
        if (found->hash != entry->hash || !str_equal(found->term, entry->term)) continue;
        found->count += entry->count;
        return true;
    }
    if (!VEC_PUSH(&table->entries, *entry)) return false;
    table->slots[at] = (uint32_t)table->entries.count;
    return true;
}

/* Empties the table and counts a part into it. */
static bool count_part(const struct part *part, struct table *table)
{
    table->entries.count = 0;
    if (table->slots != NULL) memset(table->slots, 0, table->slot_count * sizeof(*table->slots));
    for (const struct chunk *chunk = part->chunks; chunk != NULL; chunk = chunk->next) {
        const char *end = chunk->bytes + chunk->used;
        for (const char *at = chunk->bytes; at < end;) {
            struct entry entry;
            uint64_t size;
            memcpy(&entry.hash, at, sizeof(entry.hash));
            at = take_varint(at + sizeof(entry.hash), &entry.count);
            at = take_varint(at, &size);
            entry.term = (struct str){ at, (size_t)size };
            at += size;
            if (!table_add(table, &entry)) return false;
        }
    }
    return true;
}

int tally_each(struct tally *tally, int (*visit)(void *argument, struct str term, uint64_t count),
               void *argument)
{
    struct table table = { 0 };
    int code = 0;
    for (uint32_t i = tally->first; code == 0 && i < tally->end; i++) {
        if (tally->parts[i].chunks == NULL) continue;
        if (!count_part(&tally->parts[i], &table)) code = -ENOMEM;
        for (size_t k = 0; code == 0 && k < table.entries.count; k++) {
            code = visit(argument, table.entries.items[k].term, table.entries.items[k].count);
        }
    }
    table_release(&table);
    return code;
}

/* Room ---------------------------------------------------------------------------------------- */

/* Writes down each term of each part once. */
static bool compact(struct tally *tally)
{
    struct table table = { 0 };
    bool is_done = true;
    for (uint32_t i = tally->first; is_done && i < tally->end; i++) {
        struct part *part = &tally->parts[i];
        struct chunk *before = part->chunks;
        is_done = count_part(part, &table);
        if (!is_done) break;
        part->chunks = NULL;
        for (size_t k = 0; is_done && k < table.entries.count; k++) {
            is_done = write_term(tally, part, &table.entries.items[k]);
        }
        put_chunks_aside(tally, part, before);
    }
    table_release(&table);
    tally->compact_size = tally->size;
    return is_done;
}

/* When the terms fill the room: they are written once when that may help, and if it did not, half
 * of the parts is left to another pass. */
static bool make_room(struct tally *tally)
{
    bool is_grown = tally->size >= 2 * tally->compact_size;
    if (is_grown && !compact(tally)) return false;
    while (tally->size > tally->size_max / 2 && tally->end - tally->first > 1) {
        uint32_t end = tally->first + (tally->end - tally->first) / 2;
        for (uint32_t i = end; i < tally->end; i++) {
            put_chunks_aside(tally, &tally->parts[i], tally->parts[i].chunks);
        }
        tally->end = end;
        tally->compact_size = tally->size;
    }
    return tally->size < tally->size_max;
}

int tally_add(struct tally *tally, struct str term, uint64_t hash, uint64_t count)
{
    uint32_t number = tally->has_passes ? (uint32_t)(hash >> (64 - PART_BITS)) : 0;
    if (number < tally->first || number >= tally->end) return 0;
    struct entry entry = { term, (uint32_t)hash, count };
    if (!write_term(tally, &tally->parts[number], &entry)) return -ENOMEM;
    return tally->size < tally->size_max || make_room(tally) ? 0 : -ENOMEM;
}

bool tally_next_pass(struct tally *tally)
{
    for (uint32_t i = tally->first; i < tally->end; i++) {
        put_chunks_aside(tally, &tally->parts[i], tally->parts[i].chunks);
    }
    tally->first = tally->end;
    tally->end = tally->part_count;
    tally->compact_size = 0;
    return tally->first < tally->part_count;
}
