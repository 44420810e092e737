/* literal.c - where a text may hold some bytes: the first and the last of them are compared
 * sixteen places at a time. */
#include "logstore/literal.h"

#include "base/check.h"

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* From Hebrew to Myanmar, and from the radicals of Han to Yi, and Hangul, no letter has a case. */
size_t literal_character(struct str text, size_t at)
{
    const unsigned char *bytes = (const unsigned char *)text.data + at;
    size_t left = text.size - at;
    if (left == 0) return 0;
    if (bytes[0] < 0x80) return 1;
    size_t size = bytes[0] >= 0xe0 ? 3 : 2;
    if (bytes[0] < 0xd6 || bytes[0] >= 0xf0 || size > left) return 0;
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80) return 0;
    }
    uint32_t code = size == 2
                        ? (bytes[0] & 0x1fu) << 6 | (bytes[1] & 0x3fu)
                        : (bytes[0] & 0x0fu) << 12 | (bytes[1] & 0x3fu) << 6 | (bytes[2] & 0x3fu);
    bool has_none = (code >= 0x590 && code < 0x10a0) || (code >= 0x2e80 && code < 0xa640) ||
                    (code >= 0xac00 && code < 0xd7a4);
    return has_none ? size : 0;
}

void literal_init(struct literal *literal, struct str bytes, bool minds_escapes)
{
    *literal = (struct literal){ .minds_escapes = minds_escapes };
    for (size_t size; (size = literal_character(bytes, literal->size)) > 0;) {
        if (literal->size + size > LITERAL_SIZE_MAX) break;
        for (size_t i = 0; i < size; i++) {
            char c = lower(bytes.data[literal->size]);
            literal->minds_more |= c == 'k' || c == 'i';
            literal->bytes[literal->size++] = c;
        }
    }
}

/* Whether the search stops at that place; there is room for the bytes, or not. */
static bool stops_at(const struct literal *literal, struct str text, size_t at)
{
    char c = text.data[at];
    if (literal->minds_escapes && c == '\\') return true;
    if (literal->minds_more && (unsigned char)c >= 0x80) return true;
    if (text.size - at < literal->size) return false;
    for (size_t i = 0; i < literal->size; i++) {
        if (lower(text.data[at + i]) != literal->bytes[i]) return false;
    }
    return true;
}

#if defined(__SSE2__)

/* A letter is compared with its bit of case set, which makes letters of a few marks as well. */
static char case_bit(char c)
{
    return c >= 'a' && c <= 'z' ? 0x20 : 0;
}

/* Goes on in steps of sixteen; the place where it stops, or where fewer than a step are left. */
static size_t find_in_steps(const struct literal *literal, struct str text, size_t at, bool *stops)
{
    size_t reach = literal->size - 1;
    char first = literal->bytes[0];
    char last = literal->bytes[reach];
    const __m128i firsts = _mm_set1_epi8(first);
    const __m128i lasts = _mm_set1_epi8(last);
    const __m128i first_case = _mm_set1_epi8(case_bit(first));
    const __m128i last_case = _mm_set1_epi8(case_bit(last));
    const __m128i slashes = _mm_set1_epi8('\\');
    unsigned more_mask = literal->minds_more ? 0xffff : 0;
    unsigned slash_mask = literal->minds_escapes ? 0xffff : 0;
    for (; text.size - at >= 16 + reach; at += 16) {
        __m128i here = _mm_loadu_si128((const __m128i *)(const void *)(text.data + at));
        __m128i there = _mm_loadu_si128((const __m128i *)(const void *)(text.data + at + reach));
        __m128i same = _mm_and_si128(_mm_cmpeq_epi8(_mm_or_si128(here, first_case), firsts),
                                     _mm_cmpeq_epi8(_mm_or_si128(there, last_case), lasts));
        unsigned found = (unsigned)_mm_movemask_epi8(same);
        found |= (unsigned)_mm_movemask_epi8(here) & more_mask;
        found |= (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(here, slashes)) & slash_mask;
        for (; found != 0; found &= found - 1) {
            size_t place = at + (size_t)__builtin_ctz(found);
            if (!stops_at(literal, text, place)) continue;
            *stops = true;
            return place;
        }
    }
    return at;
}

#endif

size_t literal_find(const struct literal *literal, struct str text, size_t from)
{
    CHECK(from <= text.size);
    if (literal->size == 0) return from < text.size ? from : STR_NONE;
#if defined(__SSE2__)
    bool stops = false;
    from = find_in_steps(literal, text, from, &stops);
    if (stops) return from;
#endif
    for (; from < text.size; from++) {
        if (stops_at(literal, text, from)) return from;
    }
    return STR_NONE;
}
