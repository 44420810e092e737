/* hexed.c - long runs of hexadecimal digits, two a byte; eight bytes are looked at in one step. */
#include "logstore/hexed.h"

#include "logstore/bytes.h"

#include <errno.h>
#include <stdlib.h>

#define RUN_SIZE_MIN 32   /* shorter ones are not worth their place in the table */
#define SIZE_MIN     4096 /* of all bytes */
#define PROBE_COUNT  32   /* looks at bytes, of PROBE_SIZE each, before all are looked at */
#define PROBE_SIZE   64
#define ONES         UINT64_C(0x0101010101010101)
#define HIGHS        UINT64_C(0x8080808080808080)

void hexed_init(struct hexed *hexed)
{
    *hexed = (struct hexed){ .runs = { 0 } };
    buf_init(&hexed->rest, (size_t)1 << 32);
    buf_init(&hexed->packed, (size_t)1 << 32);
}

void hexed_release(struct hexed *hexed)
{
    VEC_RELEASE(&hexed->runs);
    buf_release(&hexed->rest);
    buf_release(&hexed->packed);
}

/* Of each byte the highest bit: whether it is one of 'a' to 'f'. */
static uint64_t letters_of(uint64_t word)
{
    uint64_t low = (word ^ ONES * 0x60) & ~HIGHS; /* 1 to 6 */
    return (low + ONES * 0x7f) & ~(low + ONES * 0x79) & ~word & HIGHS;
}

/* The same: one of '0' to '9'. */
static uint64_t digits_of(uint64_t word)
{
    uint64_t low = (word ^ ONES * 0x30) & ~HIGHS; /* 0 to 9 */
    return ~(low + ONES * 0x76) & ~word & HIGHS;
}

/* Finding runs ---------------------------------------------------------------------------- */

struct finder {
    struct hexed *hexed;
    size_t start;     /* of the run at hand; SIZE_MAX: none */
    size_t words;     /* of it, whole ones */
    size_t lettered;  /* of those, with a letter in it */
    size_t run_bytes; /* of all runs that were kept */
};

/* A run ends at `end`. False: no memory. */
static bool end_run(struct finder *finder, size_t end)
{
    size_t start = finder->start;
    finder->start = SIZE_MAX;
    if (start == SIZE_MAX) return true;
    size_t size = (end - start) & ~(size_t)1;
    /* Of words of random digits one in 43 has no letter. */
    if (size < RUN_SIZE_MIN || finder->lettered * 5 < finder->words * 4) return true;
    finder->run_bytes += size;
    return VEC_PUSH(&finder->hexed->runs, (struct hexed_run){ (uint32_t)start, (uint32_t)size });
}

/* Runs of which a whole word at a multiple of eight is a part, which all long ones have. */
static bool find_runs(struct finder *finder, struct str bytes)
{
    uint64_t before = HIGHS; /* of the word in front: bytes that are no digits */
    size_t i = 0;
    for (; i + 8 <= bytes.size; i += 8) {
        uint64_t word = bytes_get64(bytes.data + i);
        uint64_t letters = letters_of(word);
        uint64_t others = ~(letters | digits_of(word)) & HIGHS;
        if (others != 0) {
            size_t first = (size_t)__builtin_ctzll(others) / 8;
            if (finder->start != SIZE_MAX && !end_run(finder, i + first)) return false;
        } else {
            if (finder->start == SIZE_MAX) {
                finder->start = before == 0 ? i : i - (size_t)__builtin_clzll(before) / 8;
                finder->words = finder->lettered = 0;
            }
            finder->words++;
            finder->lettered += letters != 0;
        }
        before = others;
    }
    return end_run(finder, i);
}

/* Whether an eighth of the words that are looked at, here and there, are digits with a letter. */
static bool looks_hexed(struct str bytes)
{
    size_t found = 0;
    for (size_t k = 0; k < PROBE_COUNT; k++) {
        const char *at = bytes.data + (bytes.size - PROBE_SIZE) / PROBE_COUNT * k;
        for (size_t i = 0; i < PROBE_SIZE; i += 8) {
            uint64_t word = bytes_get64(at + i);
            uint64_t letters = letters_of(word);
            found += letters != 0 && (letters | digits_of(word)) == HIGHS;
        }
    }
    return found * 8 >= (size_t)PROBE_COUNT * (PROBE_SIZE / 8);
}

/* Whether digits come again: eight behind each "a7", which are one place in 256, are looked for in
 * a table of those before. */
static bool has_repeats(const struct hexed *hexed, struct str bytes)
{
    enum { SEEN_COUNT = 4096 };
    uint32_t seen[SEEN_COUNT] = { 0 };
    size_t looked_at = 0;
    size_t repeated = 0;
    for (size_t k = 0; k < hexed->runs.count; k++) {
        const struct hexed_run *run = &hexed->runs.items[k];
        const char *at = bytes.data + run->start;
        for (size_t i = 0; i + 16 <= run->size; i += 8) {
            uint64_t first = bytes_get64(at + i) ^ ONES * 'a';
            uint64_t pair = first | (bytes_get64(at + i + 1) ^ ONES * '7');
            uint64_t zeros = (pair - ONES) & ~pair & HIGHS;
            if (zeros == 0) continue;
            size_t place = i + (size_t)__builtin_ctzll(zeros) / 8;
            if (place + 10 > run->size) continue;
            uint64_t hash = bytes_get64(at + place + 2) * UINT64_C(0x9e3779b97f4a7c15);
            uint32_t mark = (uint32_t)(hash >> 20) | 1;
            uint32_t *slot = &seen[hash >> 52];
            looked_at++;
            repeated += *slot == mark;
            *slot = mark;
        }
    }
    return repeated * 16 > looked_at;
}

/* Packing --------------------------------------------------------------------------------- */

/* Eight digits as four bytes. */
static uint32_t pack_word(uint64_t word)
{
    uint64_t values = (word & ONES * 0x0f) + (word >> 6 & ONES) * 9;
    uint64_t pairs = (values << 4 | values >> 8) & UINT64_C(0x00ff00ff00ff00ff);
    pairs = (pairs | pairs >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(pairs | pairs >> 16);
}

static unsigned value_of(char digit)
{
    return ((unsigned char)digit & 0x0f) + ((unsigned char)digit >> 6) * 9U;
}

/* Appends the pairs of a run to `to`, which has room. */
static char *pack_run(const char *digits, size_t size, char *to)
{
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint32_t four = pack_word(bytes_get64(digits + i));
        memcpy(to, &four, sizeof(four));
        to += 4;
    }
    for (; i < size; i += 2) *to++ = (char)(value_of(digits[i]) << 4 | value_of(digits[i + 1]));
    return to;
}

/* The table of runs, and what stands in none. */
static bool write_rest(struct hexed *hexed, struct str bytes)
{
    struct buf *rest = &hexed->rest;
    buf_reset(rest);
    bytes_put_varint(rest, hexed->runs.count);
    size_t at = 0;
    VEC_FOR_EACH (&hexed->runs, run) {
        bytes_put_varint(rest, run->start - at);
        bytes_put_varint(rest, run->size / 2);
        at = run->start + run->size;
    }
    at = 0;
    VEC_FOR_EACH (&hexed->runs, run) {
        buf_append(rest, bytes.data + at, run->start - at);
        at = run->start + run->size;
    }
    buf_append(rest, bytes.data + at, bytes.size - at);
    return !rest->has_failed;
}

static int write_frame(struct hexed *hexed, struct zstd_packer *zstd, struct str bytes,
                       size_t run_bytes, struct buf *out, struct error *error)
{
    struct str rest = buf_str(&hexed->rest);
    buf_reset(&hexed->packed);
    int code = zstd_packer_pack(zstd, rest, &hexed->packed, error);
    if (code < 0) return code;
    if (hexed->packed.size < rest.size) rest = buf_str(&hexed->packed);
    bytes_put32(out, HEXED_MAGIC);
    bytes_put_varint(out, hexed->rest.size);
    bytes_put_varint(out, rest.size);
    buf_append_str(out, rest);
    char *to = buf_reserve(out, run_bytes / 2);
    if (to == NULL) return -ENOMEM;
    VEC_FOR_EACH (&hexed->runs, run) to = pack_run(bytes.data + run->start, run->size, to);
    out->size += run_bytes / 2;
    return 0;
}

int hexed_pack(struct hexed *hexed, struct zstd_packer *zstd, struct str bytes, struct buf *out,
               struct error *error)
{
    if (bytes.size < SIZE_MIN || bytes.size > UINT32_MAX / 2) return 0;
    if (!looks_hexed(bytes)) return 0;
    struct finder finder = { .hexed = hexed, .start = SIZE_MAX };
    hexed->runs.count = 0;
    if (!find_runs(&finder, bytes)) return error_set(error, -ENOMEM, "pack sources: out of memory");
    if (finder.run_bytes * 4 < bytes.size || has_repeats(hexed, bytes)) return 0;
    size_t start = out->size;
    int code = write_rest(hexed, bytes) ? 0 : -ENOMEM;
    if (code == 0) code = write_frame(hexed, zstd, bytes, finder.run_bytes, out, error);
    if (code == 0 && !out->has_failed && out->size - start < bytes.size) return 1;
    if (code == 0 && out->has_failed) code = -ENOMEM;
    buf_truncate(out, start);
    return code == -ENOMEM ? error_set(error, code, "pack sources: out of memory") : code;
}

/* Unpacking ------------------------------------------------------------------------------- */

bool hexed_is(struct str stored)
{
    return stored.size >= 4 && bytes_get32(stored.data) == HEXED_MAGIC;
}

static void unpack_run(const unsigned char *pairs, size_t count, char *to)
{
    for (size_t i = 0; i < count; i++) {
        unsigned both = (unsigned)pairs[i] >> 4 | ((unsigned)pairs[i] & 0x0f) << 8;
        unsigned over = (both + 0x0606) >> 4 & 0x0101; /* ten and more */
        unsigned digits = both + 0x3030 + over * ('a' - '0' - 10);
        to[2 * i] = (char)digits;
        to[2 * i + 1] = (char)(digits >> 8);
    }
}

static int broken(struct error *error)
{
    return error_set(error, ERROR_CORRUPT, "block of sources: digits are broken");
}

/* Puts the runs between the bytes of the rest. */
static bool join(struct str rest, struct str pairs, size_t size, struct buf *out)
{
    uint64_t runs;
    if (!bytes_take_varint(&rest, &runs) || runs > rest.size / 2) return false;
    struct str table = rest;
    for (uint64_t i = 0; i < runs * 2; i++) {
        uint64_t ignored;
        if (!bytes_take_varint(&rest, &ignored)) return false;
    }
    if (pairs.size > size / 2 || rest.size != size - pairs.size * 2) return false;
    for (uint64_t i = 0; i < runs; i++) {
        uint64_t gap;
        uint64_t count;
        if (!bytes_take_varint(&table, &gap) || !bytes_take_varint(&table, &count) ||
            gap > rest.size || count > pairs.size) {
            return false;
        }
        buf_append_str(out, str_first(rest, (size_t)gap));
        rest = str_skip(rest, (size_t)gap);
        char *to = buf_reserve(out, (size_t)count * 2);
        if (to == NULL) return true; /* it has failed */
        unpack_run((const unsigned char *)pairs.data, (size_t)count, to);
        out->size += (size_t)count * 2;
        pairs = str_skip(pairs, (size_t)count);
    }
    buf_append_str(out, rest);
    return pairs.size == 0;
}

int hexed_unpack(struct hexed *hexed, struct zstd_unpacker *zstd, struct str stored, size_t size,
                 struct buf *out, struct error *error)
{
    uint64_t rest_size;
    uint64_t packed_size;
    struct str rest;
    stored = str_skip(stored, 4);
    if (!bytes_take_varint(&stored, &rest_size) || !bytes_take_varint(&stored, &packed_size) ||
        packed_size > stored.size || !bytes_take(&stored, (size_t)packed_size, &rest) ||
        rest_size > size + stored.size * 20 + 10) {
        return broken(error);
    }
    if (packed_size != rest_size) {
        buf_reset(&hexed->rest);
        int code = zstd_unpacker_unpack(zstd, rest, (size_t)rest_size, &hexed->rest, error);
        if (code < 0) return code;
        rest = buf_str(&hexed->rest);
    }
    size_t start = out->size;
    if (!join(rest, stored, size, out) || (!out->has_failed && out->size - start != size)) {
        buf_truncate(out, start);
        return broken(error);
    }
    return out->has_failed ? error_set(error, -ENOMEM, "unpack sources: out of memory") : 0;
}
