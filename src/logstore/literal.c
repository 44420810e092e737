/* literal.c - where a text may hold some bytes: the first and the last of them are compared
 * sixteen places at a time. */
#include "logstore/literal.h"

#include "base/check.h"
#include "codec/utf8.h"
#include "logstore/analyzer.h"

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* A character and its other cases as bytes. */
struct forms {
    char bytes[LITERAL_FORMS_MAX][4];
    size_t count;
    size_t size; /* of each */
    struct literal_odd odd[LITERAL_FORMS_MAX];
    size_t odd_count;
};

static bool read_forms(struct str text, size_t at, struct forms *forms)
{
    struct str rest = str_skip(text, at);
    uint32_t cases[LITERAL_FORMS_MAX];
    uint32_t character = utf8_take(&rest);
    *forms = (struct forms){ .size = text.size - at - rest.size };
    if (forms->size == 0 || (forms->size == 1 && character >= 0x80)) return false; /* broken */
    forms->count = utf8_encode(character, forms->bytes[0]) > 0 ? 1 : 0;
    if (character < 0x80) character = (unsigned char)lower((char)character);
    size_t count = analyzer_cases(character, cases, LITERAL_FORMS_MAX);
    if (forms->count == 0 || count > LITERAL_FORMS_MAX) return false;
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        size_t size = utf8_encode(cases[i], bytes);
        if (cases[i] < 0x80) continue; /* ASCII is compared in lower case */
        if (size != forms->size) {
            struct literal_odd *odd = &forms->odd[forms->odd_count++];
            odd->size = size;
            memcpy(odd->bytes, bytes, sizeof(bytes));
        } else if (forms->count < LITERAL_FORMS_MAX) {
            memcpy(forms->bytes[forms->count++], bytes, sizeof(bytes));
        } else {
            return false;
        }
    }
    return true;
}

size_t literal_character(struct str text, size_t at)
{
    struct forms forms;
    return at < text.size && read_forms(text, at, &forms) ? forms.size : 0;
}

/* False: there is no room for its odd cases. */
static bool add_odd(struct literal *literal, const struct forms *forms)
{
    for (size_t i = 0; i < forms->odd_count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < literal->odd_count; k++) {
            is_known |= memcmp(&literal->odd[k], &forms->odd[i], sizeof(forms->odd[i])) == 0;
        }
        if (is_known) continue;
        if (literal->odd_count == LITERAL_ODD_MAX) return false;
        literal->odd[literal->odd_count++] = forms->odd[i];
    }
    return true;
}

void literal_init(struct literal *literal, struct str bytes, bool minds_escapes)
{
    *literal = (struct literal){ .minds_escapes = minds_escapes };
    struct forms forms;
    while (literal->size < bytes.size && read_forms(bytes, literal->size, &forms)) {
        if (literal->size + forms.size > LITERAL_SIZE_MAX || !add_odd(literal, &forms)) break;
        for (size_t i = 0; i < forms.size; i++, literal->size++) {
            char c = lower(forms.bytes[0][i]);
            literal->bytes[literal->size] = c;
            for (size_t k = 1; k < LITERAL_FORMS_MAX; k++) {
                char other = k < forms.count ? forms.bytes[k][i] : c;
                literal->others[k - 1][literal->size] = other;
                literal->has_others |= other != c;
            }
        }
    }
}

static bool is_odd(const struct literal *literal, struct str rest)
{
    for (size_t i = 0; i < literal->odd_count; i++) {
        struct str odd = { literal->odd[i].bytes, literal->odd[i].size };
        if (str_starts_with(rest, odd)) return true;
    }
    return false;
}

static bool has_form(const struct literal *literal, size_t at, char c)
{
    return c == literal->bytes[at] ||
           (literal->has_others && (c == literal->others[0][at] || c == literal->others[1][at]));
}

/* Whether the search stops at that place; there is room for the bytes, or not. */
static bool stops_at(const struct literal *literal, struct str text, size_t at)
{
    char c = text.data[at];
    if (literal->minds_escapes && c == '\\') return true;
    if ((unsigned char)c >= 0x80 && is_odd(literal, str_skip(text, at))) return true;
    if (text.size - at < literal->size) return false;
    for (size_t i = 0; i < literal->size; i++) {
        if (!has_form(literal, i, lower(text.data[at + i]))) return false;
    }
    return true;
}

#if defined(__SSE2__)

/* A letter is compared with its bit of case set, which makes letters of a few marks as well. */
static char case_bit(char c)
{
    return c >= 'a' && c <= 'z' ? 0x20 : 0;
}

static __m128i in_forms(const struct literal *literal, size_t at, __m128i bytes)
{
    return _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(literal->others[0][at])),
                        _mm_cmpeq_epi8(bytes, _mm_set1_epi8(literal->others[1][at])));
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
    __m128i odds[LITERAL_ODD_MAX];
    for (size_t i = 0; i < literal->odd_count; i++) {
        odds[i] = _mm_set1_epi8(literal->odd[i].bytes[0]);
    }
    unsigned slash_mask = literal->minds_escapes ? 0xffff : 0;
    for (; text.size - at >= 16 + reach; at += 16) {
        __m128i here = _mm_loadu_si128((const __m128i *)(const void *)(text.data + at));
        __m128i there = _mm_loadu_si128((const __m128i *)(const void *)(text.data + at + reach));
        __m128i begins = _mm_cmpeq_epi8(_mm_or_si128(here, first_case), firsts);
        __m128i ends = _mm_cmpeq_epi8(_mm_or_si128(there, last_case), lasts);
        if (literal->has_others) {
            begins = _mm_or_si128(begins, in_forms(literal, 0, here));
            ends = _mm_or_si128(ends, in_forms(literal, reach, there));
        }
        __m128i same = _mm_and_si128(begins, ends);
        unsigned found = (unsigned)_mm_movemask_epi8(same);
        for (size_t i = 0; i < literal->odd_count; i++) {
            found |= (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(here, odds[i]));
        }
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
