/* analyzer.c - cuts text into terms by the word boundary rules of UAX #29.
 *
 * ALGORITHM  Walk the characters; each has a class. A token starts at the first character of a
 *            class that words are made of, and goes on while the rule for the last and the next
 *            character says "do not break". Two rules look one character further: a mid letter or
 *            mid number joins only what stands on both its sides. Classes EXTEND (marks, joiners)
 *            belong to the character before them and are looked through.
 * SPEED      Plain ASCII is most of every log: its classes and lower case come from one table of
 *            128 bytes each.
 */
#include "logstore/analyzer.h"

#include "base/check.h"
#include "logstore/bytes.h"
#include "logstore/word_break.h"

#include <pthread.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define WINDOW_SIZE (ANALYZER_TERM_CHARS_MAX * 4 + 64) /* bytes */

#define O  WORD_BREAK_OTHER
#define L  WORD_BREAK_LETTER
#define N  WORD_BREAK_NUMERIC
#define E  WORD_BREAK_EXTEND_NUM_LET
#define ML WORD_BREAK_MID_LETTER
#define MN WORD_BREAK_MID_NUM
#define MB WORD_BREAK_MID_NUM_LET
#define SQ WORD_BREAK_SINGLE_QUOTE
#define DQ WORD_BREAK_DOUBLE_QUOTE

static const uint8_t ascii_classes[128] = {
    /* clang-format off */
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, DQ, O, O, O, O, SQ, O, O, O, O, MN, O, MB, O,
    N, N, N, N, N, N, N, N, N, N, ML, MN, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, E,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
    /* clang-format on */
};

struct character {
    uint32_t code;
    uint32_t size; /* bytes; 0 at the end of the text */
    enum word_break_class class;
};

/* The first of `count` ranges that ends at or behind the code; each of `size` bytes, with its first
 * and its last code in front. */
static size_t find_range(const void *ranges, size_t size, size_t count, uint32_t code)
{
    const char *bytes = ranges;
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bytes_get32(bytes + middle * size + sizeof(uint32_t)) < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum word_break_class find_class(uint32_t code)
{
    const size_t size = sizeof(word_break_ranges[0]);
    size_t at = find_range(word_break_ranges, size, word_break_range_count, code);
    if (at == word_break_range_count || word_break_ranges[at].first > code) return WORD_BREAK_OTHER;
    return (enum word_break_class)word_break_ranges[at].class;
}

static uint32_t find_lower_case(uint32_t code)
{
    const size_t size = sizeof(lower_case_ranges[0]);
    size_t at = find_range(lower_case_ranges, size, lower_case_range_count, code);
    if (at == lower_case_range_count) return code;
    const struct lower_case_range *range = &lower_case_ranges[at];
    if (range->first > code || (code - range->first) % range->stride != 0) return code;
    return (uint32_t)((int32_t)code + range->delta);
}

/* The scripts of most texts, kana included, looked up instead of searched for; filled when the
 * first character of theirs comes, for most logs have none. */
#define NEAR_COUNT 0x3100

static uint8_t near_classes[NEAR_COUNT];
static uint16_t near_lower_cases[NEAR_COUNT];
static pthread_once_t near_once = PTHREAD_ONCE_INIT;

static void fill_near(void)
{
    for (uint32_t code = 0; code < NEAR_COUNT; code++) {
        uint32_t lower = find_lower_case(code);
        CHECK(lower <= UINT16_MAX);
        near_classes[code] = (uint8_t)find_class(code);
        near_lower_cases[code] = (uint16_t)lower;
    }
}

static enum word_break_class class_of(uint32_t code)
{
    if (code >= NEAR_COUNT) return find_class(code);
    (void)pthread_once(&near_once, fill_near);
    return (enum word_break_class)near_classes[code];
}

static uint32_t lower_case(uint32_t code)
{
    if (code >= NEAR_COUNT) return find_lower_case(code);
    (void)pthread_once(&near_once, fill_near);
    return near_lower_cases[code];
}

/* Decodes one character; bytes that are not UTF-8 come one at a time as class OTHER. */
static struct character character_at(struct str text, size_t offset)
{
    if (offset >= text.size) return (struct character){ 0 };
    const unsigned char *bytes = (const unsigned char *)text.data + offset;
    size_t left = text.size - offset;
    unsigned char first = bytes[0];
    if (first < 0x80) {
        return (struct character){ first, 1, (enum word_break_class)ascii_classes[first] };
    }
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    struct character broken = { 0xfffd, 1, WORD_BREAK_OTHER };
    if (first < 0xc2 || first > 0xf4 || size > left) return broken;
    uint32_t code = first & (0xffu >> (size + 1));
    for (uint32_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80) return broken;
        code = code << 6 | (bytes[i] & 0x3f);
    }
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return broken;
    return (struct character){ code, size, class_of(code) };
}

static size_t encode(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

void analyzer_init(struct analyzer *analyzer, struct str text)
{
    analyzer->text = text;
    analyzer->offset = 0;
    analyzer->position = 0;
    analyzer->tail_start = text.size > ANALYZER_STEP ? text.size - ANALYZER_STEP : 0;
    memset(analyzer->tail, 0, sizeof(analyzer->tail));
    if (text.size >= ANALYZER_STEP)
        memcpy(analyzer->tail, text.data + analyzer->tail_start, ANALYZER_STEP);
    else if (text.size > 0)
        memcpy(analyzer->tail, text.data, text.size);
}

static bool is_letter(enum word_break_class class)
{
    return class == WORD_BREAK_LETTER || class == WORD_BREAK_HEBREW || class == WORD_BREAK_HANGUL ||
           class == WORD_BREAK_EMOJI_LETTER;
}

static bool is_mid_letter(enum word_break_class class)
{
    return class == WORD_BREAK_MID_LETTER || class == WORD_BREAK_MID_NUM_LET ||
           class == WORD_BREAK_SINGLE_QUOTE;
}

static bool is_mid_number(enum word_break_class class)
{
    return class == WORD_BREAK_MID_NUM || class == WORD_BREAK_MID_NUM_LET ||
           class == WORD_BREAK_SINGLE_QUOTE;
}

/* Whether two neighbours belong together without looking further. */
static bool joins(enum word_break_class left, enum word_break_class right)
{
    bool left_word = is_letter(left) || left == WORD_BREAK_NUMERIC;
    bool right_word = is_letter(right) || right == WORD_BREAK_NUMERIC;
    if (left_word && right_word) return true;
    if (left == WORD_BREAK_KATAKANA && right == WORD_BREAK_KATAKANA) return true;
    if (right == WORD_BREAK_EXTEND_NUM_LET) {
        return left_word || left == WORD_BREAK_KATAKANA || left == WORD_BREAK_EXTEND_NUM_LET;
    }
    if (left == WORD_BREAK_EXTEND_NUM_LET) return right_word || right == WORD_BREAK_KATAKANA;
    return left == WORD_BREAK_SOUTHEAST && right == WORD_BREAK_SOUTHEAST;
}

static bool is_mark(enum word_break_class class)
{
    return class == WORD_BREAK_EXTEND || class == WORD_BREAK_SOUTHEAST_MARK;
}

/* The end of the marks that belong to what ends at `offset`. */
static size_t skip_marks(struct str text, size_t offset)
{
    for (;;) {
        if (offset < text.size && (unsigned char)text.data[offset] < 0x80) return offset;
        struct character mark = character_at(text, offset);
        if (mark.size == 0 || !is_mark(mark.class)) return offset;
        offset += mark.size;
    }
}

struct run {
    size_t end;
    bool has_letter, has_number;
    enum word_break_class last;
};

/* The ASCII letters, digits and underscores from `offset` on: all of them join each other. */
static struct run ascii_run(struct str text, size_t offset, enum word_break_class last)
{
    struct run run = { offset, false, false, last };
    while (run.end < text.size) {
        unsigned char byte = (unsigned char)text.data[run.end];
        uint8_t class = byte < 0x80 ? ascii_classes[byte] : O;
        if (class != L && class != N && class != E) break;
        run.has_letter |= class == L;
        run.has_number |= class == N;
        run.last = (enum word_break_class) class;
        run.end++;
    }
    return run;
}

/* Where the word that starts with `first` ends; *kind tells what it is made of. */
static size_t word_end(struct str text, size_t offset, struct character first,
                       enum analyzer_token_kind *kind)
{
    enum word_break_class last = first.class;
    bool has_letter = is_letter(last);
    bool has_number = last == WORD_BREAK_NUMERIC;
    bool has_katakana = last == WORD_BREAK_KATAKANA;
    bool is_hangul = last == WORD_BREAK_HANGUL;
    bool has_low_line = last == WORD_BREAK_EXTEND_NUM_LET;
    bool is_closed = false; /* behind a Hebrew quote no mid letter joins */
    size_t end = skip_marks(text, offset + first.size);
    for (;;) {
        if (last != WORD_BREAK_KATAKANA) {
            struct run run = ascii_run(text, end, last);
            has_letter |= run.has_letter;
            has_number |= run.has_number;
            is_hangul &= run.end == end;
            has_low_line |= run.last == WORD_BREAK_EXTEND_NUM_LET;
            is_closed &= run.end == end;
            last = run.last;
            end = run.end == end ? end : skip_marks(text, run.end);
            bool is_ascii = end < text.size && (unsigned char)text.data[end] < 0x80;
            if (is_ascii && ascii_classes[(unsigned char)text.data[end]] == O) break;
        }
        struct character next = character_at(text, end);
        if (next.size == 0) break;
        size_t next_end = end + next.size;
        enum word_break_class class = next.class;
        if (!joins(last, class)) {
            struct character after = character_at(text, skip_marks(text, next_end));
            bool letters =
                !is_closed && is_letter(last) && is_mid_letter(class) && is_letter(after.class);
            bool numbers = last == WORD_BREAK_NUMERIC && is_mid_number(class) &&
                           after.class == WORD_BREAK_NUMERIC;
            bool hebrew = !is_closed && last == WORD_BREAK_HEBREW &&
                          class == WORD_BREAK_DOUBLE_QUOTE && after.class == WORD_BREAK_HEBREW;
            bool apostrophe =
                !is_closed && last == WORD_BREAK_HEBREW && class == WORD_BREAK_SINGLE_QUOTE;
            if (apostrophe && !letters) {
                end = skip_marks(text, next_end);
                is_closed = true;
                continue;
            }
            if (!letters && !numbers && !hebrew) break;
            is_closed = hebrew;
            is_hangul = false;
            next_end = skip_marks(text, next_end) + after.size;
            class = after.class;
        } else {
            is_closed = false;
        }
        has_letter |= is_letter(class);
        has_low_line |= class == WORD_BREAK_EXTEND_NUM_LET;
        has_number |= class == WORD_BREAK_NUMERIC;
        has_katakana |= class == WORD_BREAK_KATAKANA;
        is_hangul &= class == WORD_BREAK_HANGUL;
        last = class;
        end = skip_marks(text, next_end);
    }
    *kind = is_hangul                                      ? ANALYZER_HANGUL
            : has_letter                                   ? ANALYZER_ALPHANUM
            : has_katakana && (has_number || has_low_line) ? ANALYZER_ALPHANUM
            : has_katakana                                 ? ANALYZER_KATAKANA
                                                           : ANALYZER_NUMBER;
    return has_letter || has_number || has_katakana ? end : offset;
}

/* Emoji, as UTS #51 puts them together --------------------------------------------------------- */

#define JOINER       0x200d
#define JOINER_SIZE  3 /* bytes */
#define TEXT_LOOK    0xfe0e
#define PICTURE_LOOK 0xfe0f
#define KEYCAP       0x20e3

/* The end of the marks but those that choose a look; whether a keycap was among them. */
static size_t skip_plain_marks(struct str text, size_t offset, bool *has_keycap, bool *ends_joined)
{
    for (;;) {
        struct character mark = character_at(text, offset);
        bool is_look = mark.code == TEXT_LOOK || mark.code == PICTURE_LOOK;
        if (mark.size == 0 || !is_mark(mark.class) || is_look) return offset;
        *has_keycap |= mark.code == KEYCAP;
        *ends_joined = mark.code == JOINER;
        offset += mark.size;
    }
}

/* The end of one picture with its modifier and look; `offset` when there is none. */
static size_t picture_end(struct str text, size_t offset, bool *ends_joined)
{
    bool unused = false;
    struct character picture = character_at(text, offset);
    bool is_base = picture.class == WORD_BREAK_EMOJI_BASE;
    bool is_modifier = picture.class == WORD_BREAK_EMOJI_MODIFIER;
    *ends_joined = false;
    bool is_picture = picture.class == WORD_BREAK_EMOJI || picture.class == WORD_BREAK_EMOJI_LETTER;
    if (!is_base && !is_modifier && !is_picture) return offset;
    size_t end = skip_plain_marks(text, offset + picture.size, &unused, ends_joined);
    struct character next = character_at(text, end);
    if (is_base && next.class == WORD_BREAK_EMOJI_MODIFIER) {
        *ends_joined = false;
        return skip_plain_marks(text, end + next.size, &unused, ends_joined);
    }
    if (is_modifier || next.code != PICTURE_LOOK) return end;
    *ends_joined = false;
    return end + next.size;
}

static size_t skip_joiners(struct str text, size_t offset)
{
    for (struct character next; (next = character_at(text, offset)).code == JOINER;) {
        offset += next.size;
    }
    return offset;
}

static bool is_modifier_at(struct str text, size_t offset)
{
    return character_at(text, offset).class == WORD_BREAK_EMOJI_MODIFIER;
}

/* Joiners in front belong to a picture, but not to a modifier that has no base; one between two
 * joins them. */
static size_t emoji_end(struct str text, size_t offset)
{
    bool is_joined;
    size_t first = skip_joiners(text, offset);
    if (first > offset && is_modifier_at(text, first)) return offset;
    size_t end = picture_end(text, first, &is_joined);
    if (end == first) return offset;
    for (;;) {
        size_t start = skip_joiners(text, end);
        if (start == end && !is_joined) return end;
        if (start > end + JOINER_SIZE && is_modifier_at(text, start)) return end;
        size_t next_end = picture_end(text, start, &is_joined);
        if (next_end == start) return end;
        end = next_end;
    }
}

static size_t flag_end(struct str text, size_t offset, struct character first)
{
    size_t middle = skip_marks(text, offset + first.size);
    struct character second = character_at(text, middle);
    bool is_pair = second.class == WORD_BREAK_REGIONAL;
    return is_pair ? skip_marks(text, middle + second.size) : offset;
}

/* A digit, # or * on a key; `offset` when it is none. */
static size_t keycap_end(struct str text, size_t offset)
{
    bool is_key = false;
    bool unused = false;
    size_t end = skip_plain_marks(text, offset + 1, &is_key, &unused);
    if (is_key) return end;
    struct character look = character_at(text, end);
    if (look.code != PICTURE_LOOK) return offset;
    struct character key = character_at(text, end + look.size);
    if (key.code != KEYCAP) return offset;
    return skip_plain_marks(text, end + look.size + key.size, &is_key, &unused);
}

/* Characters of South East Asia, marks of theirs that stand alone too. */
static size_t southeast_end(struct str text, size_t offset)
{
    for (;;) {
        struct character next = character_at(text, offset);
        if (next.class != WORD_BREAK_SOUTHEAST && next.class != WORD_BREAK_SOUTHEAST_MARK) {
            return offset;
        }
        offset = skip_marks(text, offset + next.size);
    }
}

/* Where the token that may start here ends; `offset` itself when none does. */
static size_t token_end(struct str text, size_t offset, struct character first,
                        enum analyzer_token_kind *kind)
{
    switch (first.class) {
    case WORD_BREAK_HAN: *kind = ANALYZER_IDEOGRAPHIC; return skip_marks(text, offset + first.size);
    case WORD_BREAK_HIRAGANA:
        *kind = ANALYZER_HIRAGANA;
        return skip_marks(text, offset + first.size);
    case WORD_BREAK_SOUTHEAST:
    case WORD_BREAK_SOUTHEAST_MARK:
        *kind = ANALYZER_SOUTHEAST_ASIAN;
        return southeast_end(text, offset);
    case WORD_BREAK_REGIONAL: *kind = ANALYZER_EMOJI; return flag_end(text, offset, first);
    case WORD_BREAK_EXTEND:
        if (first.code != JOINER) return offset;
        *kind = ANALYZER_EMOJI;
        return emoji_end(text, offset);
    case WORD_BREAK_EMOJI:
    case WORD_BREAK_EMOJI_BASE:
    case WORD_BREAK_EMOJI_MODIFIER: *kind = ANALYZER_EMOJI; return emoji_end(text, offset);
    case WORD_BREAK_EMOJI_LETTER: {
        size_t end = word_end(text, offset, first, kind);
        size_t picture = emoji_end(text, offset);
        if (picture < end) return end;
        *kind = ANALYZER_EMOJI;
        return picture;
    }
    case WORD_BREAK_NUMERIC: {
        size_t end = word_end(text, offset, first, kind);
        size_t key_end = first.size == 1 ? keycap_end(text, offset) : offset;
        if (key_end == offset || key_end < end) return end;
        *kind = ANALYZER_EMOJI;
        return key_end;
    }
    case WORD_BREAK_HEBREW:
    case WORD_BREAK_HANGUL:
    case WORD_BREAK_LETTER:
    case WORD_BREAK_KATAKANA:
    case WORD_BREAK_EXTEND_NUM_LET: return word_end(text, offset, first, kind);
    case WORD_BREAK_OTHER:
        *kind = ANALYZER_EMOJI;
        return first.code == '#' || first.code == '*' ? keycap_end(text, offset) : offset;
    case WORD_BREAK_MID_LETTER:
    case WORD_BREAK_MID_NUM:
    case WORD_BREAK_MID_NUM_LET:
    case WORD_BREAK_SINGLE_QUOTE:
    case WORD_BREAK_DOUBLE_QUOTE: break;
    }
    return offset;
}

/* The end of at most ANALYZER_TERM_CHARS_MAX UTF-16 units of the token, for long ones are cut. */
static size_t piece_end(struct str text, size_t start, size_t end)
{
    if (end - start <= ANALYZER_TERM_CHARS_MAX) return end;
    size_t units = 0;
    size_t offset = start;
    while (offset < end) {
        struct character character = character_at(text, offset);
        units += character.code >= 0x10000 ? 2 : 1;
        if (units > ANALYZER_TERM_CHARS_MAX) break;
        offset += character.size;
    }
    return offset;
}

static size_t write_term(struct str text, size_t start, size_t end, char *term)
{
    size_t size = 0;
    size_t offset = start;
    while (offset < end) {
        unsigned char byte = (unsigned char)text.data[offset];
        if (byte < 0x80) {
            term[size++] = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
            offset++;
            continue;
        }
        struct character character = character_at(text, offset);
        size += encode(lower_case(character.code), term + size);
        offset += character.size;
    }
    return size;
}

/* Letters and digits of ASCII as they are in a term, letters with PLAIN_LETTER; 0: no such byte. */
#define PLAIN_LETTER 0x80
#ifndef __SSE2__
#define PLAIN_BYTE 0x7f
#endif

static const uint8_t plain_bytes[256] = {
    ['0'] = 0x30, ['1'] = 0x31, ['2'] = 0x32, ['3'] = 0x33, ['4'] = 0x34, ['5'] = 0x35,
    ['6'] = 0x36, ['7'] = 0x37, ['8'] = 0x38, ['9'] = 0x39, ['A'] = 0xe1, ['B'] = 0xe2,
    ['C'] = 0xe3, ['D'] = 0xe4, ['E'] = 0xe5, ['F'] = 0xe6, ['G'] = 0xe7, ['H'] = 0xe8,
    ['I'] = 0xe9, ['J'] = 0xea, ['K'] = 0xeb, ['L'] = 0xec, ['M'] = 0xed, ['N'] = 0xee,
    ['O'] = 0xef, ['P'] = 0xf0, ['Q'] = 0xf1, ['R'] = 0xf2, ['S'] = 0xf3, ['T'] = 0xf4,
    ['U'] = 0xf5, ['V'] = 0xf6, ['W'] = 0xf7, ['X'] = 0xf8, ['Y'] = 0xf9, ['Z'] = 0xfa,
    ['a'] = 0xe1, ['b'] = 0xe2, ['c'] = 0xe3, ['d'] = 0xe4, ['e'] = 0xe5, ['f'] = 0xe6,
    ['g'] = 0xe7, ['h'] = 0xe8, ['i'] = 0xe9, ['j'] = 0xea, ['k'] = 0xeb, ['l'] = 0xec,
    ['m'] = 0xed, ['n'] = 0xee, ['o'] = 0xef, ['p'] = 0xf0, ['q'] = 0xf1, ['r'] = 0xf2,
    ['s'] = 0xf3, ['t'] = 0xf4, ['u'] = 0xf5, ['v'] = 0xf6, ['w'] = 0xf7, ['x'] = 0xf8,
    ['y'] = 0xf9, ['z'] = 0xfa,
};

/* As much of the text as can matter to the token at `offset`: what is longer is cut before, and a
 * word of a megabyte must not be walked over once for each of its pieces. */
static struct str window_at(struct str text, size_t offset)
{
    return text.size - offset > WINDOW_SIZE ? str_first(text, offset + WINDOW_SIZE) : text;
}

/* Whether a mark inside a word of ASCII joins what stands on its sides: letters by : . ', digits by
 * , ; . '. */
static bool joins_plain(enum word_break_class mark, bool is_letter, uint8_t next)
{
    if (next == 0 || ((next & PLAIN_LETTER) != 0) != is_letter) return false;
    if (mark == MB || mark == SQ) return true;
    return mark == (is_letter ? ML : MN);
}

/* Letters and digits of ASCII that follow each other. */
struct plain_run {
    unsigned size;
    bool has_letter;
    bool ends_in_letter;
};

#ifdef __SSE2__
static __m128i within(__m128i bytes, char first, char count)
{
    __m128i distance = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(distance, _mm_set1_epi8((char)(count - 1))), distance);
}

/* Those among the next ANALYZER_STEP bytes, all of which are written to `term` in lower case. */
static inline struct plain_run plain_step(const unsigned char *bytes, char *term)
{
    __m128i word = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    __m128i big = _mm_and_si128(within(word, 'A', 26), _mm_set1_epi8(0x20));
    __m128i lower = _mm_or_si128(word, big);
    unsigned letters = (unsigned)_mm_movemask_epi8(within(lower, 'a', 26));
    unsigned digits = (unsigned)_mm_movemask_epi8(within(lower, '0', 10));
    unsigned size = (unsigned)__builtin_ctz(~(letters | digits) | 1u << ANALYZER_STEP);
    _mm_storeu_si128((__m128i *)(void *)term, lower);
    letters &= (1u << size) - 1;
    return (struct plain_run){ size, letters != 0, size > 0 && (letters >> (size - 1)) != 0 };
}
#else
static inline struct plain_run plain_step(const unsigned char *bytes, char *term)
{
    struct plain_run run = { 0 };
    for (uint8_t byte; run.size < ANALYZER_STEP && (byte = plain_bytes[bytes[run.size]]) != 0;
         run.size++) {
        run.ends_in_letter = (byte & PLAIN_LETTER) != 0;
        run.has_letter |= run.ends_in_letter;
        term[run.size] = (char)(byte & PLAIN_BYTE);
    }
    return run;
}
#endif

/* ANALYZER_STEP bytes of the text from `offset` on, with zeros behind its end. */
static const unsigned char *step_at(const struct analyzer *analyzer, size_t offset)
{
    const char *bytes = analyzer->text.size - offset >= ANALYZER_STEP
                            ? analyzer->text.data + offset
                            : analyzer->tail + (offset - analyzer->tail_start);
    return (const unsigned char *)bytes;
}

/* The letters and digits from `offset` on in lower case, `most` of them; `term` has room for one
 * step more. */
static struct plain_run take_plain(const struct analyzer *analyzer, size_t offset, size_t most,
                                   char *term)
{
    struct plain_run all = { 0 };
    while (all.size < most && offset + all.size < analyzer->text.size) {
        struct plain_run run = plain_step(step_at(analyzer, offset + all.size), term + all.size);
        all.size += run.size;
        all.has_letter |= run.has_letter;
        if (run.size > 0) all.ends_in_letter = run.ends_in_letter;
        if (run.size < ANALYZER_STEP) break;
    }
    if (all.size > most) all.size = (unsigned)most; /* so long that the rules look at it */
    return all;
}

_Static_assert(ANALYZER_TERM_SIZE_MAX >= ANALYZER_TERM_CHARS_MAX + 2 * ANALYZER_STEP,
               "steps write on");

/* The size of a word of ASCII and its bytes in lower case; 0: the rules have to look at it. */
static size_t plain_word(struct analyzer *analyzer, size_t offset, bool *has_letter)
{
    char *term = analyzer->term;
    const unsigned char *bytes = step_at(analyzer, offset);
    struct plain_run first = plain_step(bytes, term);
    *has_letter = first.has_letter;
    /* Most words end within one step, in front of a blank or the like. */
    bool is_whole = first.size < ANALYZER_STEP && bytes[first.size] < 0x80;
    if (is_whole && ascii_classes[bytes[first.size]] == O) return first.size;
    bytes = (const unsigned char *)analyzer->text.data + offset;
    size_t size = analyzer->text.size - offset;
    size_t end = 0;
    for (;;) {
        struct plain_run run =
            take_plain(analyzer, offset + end, ANALYZER_TERM_CHARS_MAX - end, term + end);
        *has_letter |= run.has_letter;
        end += run.size;
        /* Cut here whatever follows; without a letter that may say what kind of token it is. */
        if (end == ANALYZER_TERM_CHARS_MAX) return *has_letter ? end : 0;
        if (end == size) return end;
        if (bytes[end] >= 0x80) return 0;
        enum word_break_class mark = (enum word_break_class)ascii_classes[bytes[end]];
        if (mark == O) return end;
        if (mark != E) {
            if (end + 1 == size) return end;
            if (bytes[end + 1] >= 0x80) return 0;
            bool joins =
                run.size > 0 && joins_plain(mark, run.ends_in_letter, plain_bytes[bytes[end + 1]]);
            if (!joins) return end;
        }
        term[end] = (char)bytes[end];
        end++;
    }
}

/* A word of ASCII that nothing else can go on: most words of logs. False leaves it to the rules. */
static bool take_plain_word(struct analyzer *analyzer, size_t offset, struct analyzer_token *token)
{
    bool has_letter = false;
    size_t size = plain_word(analyzer, offset, &has_letter);
    if (size == 0) return false;
    *token = (struct analyzer_token){
        .term = { analyzer->term, size },
        .start = offset,
        .end = offset + size,
        .position = analyzer->position++,
        .kind = has_letter ? ANALYZER_ALPHANUM : ANALYZER_NUMBER,
    };
    analyzer->offset = offset + size;
    return true;
}

bool analyzer_next(struct analyzer *analyzer, struct analyzer_token *token)
{
    struct str text = analyzer->text;
    size_t offset = analyzer->offset;
    while (offset < text.size) {
        unsigned char byte = (unsigned char)text.data[offset];
        if (plain_bytes[byte] != 0) {
            if (take_plain_word(analyzer, offset, token)) return true;
        } else if (byte < 0x80 && ascii_classes[byte] == O) {
            bool may_be_key = (byte == '#' || byte == '*') && offset + 1 < text.size &&
                              (unsigned char)text.data[offset + 1] >= 0x80;
            if (!may_be_key) {
                offset++;
                continue;
            }
        }
        struct character first = character_at(text, offset);
        enum analyzer_token_kind kind = ANALYZER_ALPHANUM;
        size_t end = token_end(window_at(text, offset), offset, first, &kind);
        if (end == offset) {
            offset += first.size;
            continue;
        }
        end = piece_end(text, offset, end);
        size_t size = write_term(text, offset, end, analyzer->term);
        CHECK(size <= ANALYZER_TERM_SIZE_MAX);
        *token = (struct analyzer_token){
            .term = { analyzer->term, size },
            .start = offset,
            .end = end,
            .position = analyzer->position++,
            .kind = kind,
        };
        analyzer->offset = end;
        return true;
    }
    analyzer->offset = text.size;
    return false;
}

void analyzer_lowercase(struct str text, struct buf *out)
{
    for (size_t offset = 0; offset < text.size;) {
        struct character character = character_at(text, offset);
        if (character.code == 0xfffd && character.size == 1) {
            buf_append_char(out, text.data[offset]);
        } else {
            char bytes[4];
            uint32_t code = character.code;
            if (code < 0x80)
                code = code >= 'A' && code <= 'Z' ? code + 32 : code;
            else
                code = lower_case(code);
            buf_append(out, bytes, encode(code, bytes));
        }
        offset += character.size;
    }
}

size_t analyzer_cases(uint32_t lower, uint32_t *cases, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < lower_case_range_count; i++) {
        const struct lower_case_range *range = &lower_case_ranges[i];
        int64_t code = (int64_t)lower - range->delta;
        bool is_in = code >= range->first && code <= range->last &&
                     (code - range->first) % range->stride == 0;
        if (!is_in) continue;
        if (count < most) cases[count] = (uint32_t)code;
        count++;
    }
    return count;
}

const char *analyzer_token_kind_name(enum analyzer_token_kind kind)
{
    static const char *const names[] = {
        [ANALYZER_ALPHANUM] = "<ALPHANUM>",
        [ANALYZER_NUMBER] = "<NUM>",
        [ANALYZER_SOUTHEAST_ASIAN] = "<SOUTHEAST_ASIAN>",
        [ANALYZER_IDEOGRAPHIC] = "<IDEOGRAPHIC>",
        [ANALYZER_HIRAGANA] = "<HIRAGANA>",
        [ANALYZER_KATAKANA] = "<KATAKANA>",
        [ANALYZER_HANGUL] = "<HANGUL>",
        [ANALYZER_EMOJI] = "<EMOJI>",
    };
    CHECK((size_t)kind < ARRAY_LENGTH(names));
    return names[kind];
}

bool analyzer_breaks(char c)
{
    /* Of class Other or Newline, and in no emoji, as # and * are in keycaps. */
    static const bool breaks[128] = {
        [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, ['!'] = true, ['$'] = true,
        ['%'] = true, ['&'] = true,  ['('] = true,  [')'] = true,  ['+'] = true, ['-'] = true,
        ['/'] = true, ['<'] = true,  ['='] = true,  ['>'] = true,  ['?'] = true, ['@'] = true,
        ['['] = true, ['\\'] = true, [']'] = true,  ['^'] = true,  ['`'] = true, ['{'] = true,
        ['|'] = true, ['}'] = true,  ['~'] = true,
    };
    return (unsigned char)c < sizeof(breaks) && breaks[(unsigned char)c];
}
