/* term_test.c - whether a term passes a prefix, a wildcard, a pattern or a fuzzy value. */
#include "base/check.h"
#include "logstore/analyzer.h"
#include "logstore/filter_run.h"
#include "logstore/literal.h"
#include "logstore/term_regex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FUZZY_CHARS_MAX 256

struct term_test {
    enum logstore_filter_kind kind;
    bool is_nocase;
    struct buf value;  /* as compared: lower case where case does not matter */
    struct buf folded; /* the term at hand in lower case */
    struct buf prefix;
    struct buf literal; /* every match holds it */
    struct term_regex *regex;
    struct str pattern; /* of the regular expression, while it is prepared */
    uint32_t *wanted;   /* characters of the value, for fuzzy */
    size_t wanted_count;
    size_t edits_max;
    size_t equal_count; /* of them, from the first, that must be equal */
    bool counts_swaps_twice;
    bool is_address;
    struct address_range addresses;
};

/* Reads one character; broken bytes stand for themselves. */
static uint32_t take_character(struct str *rest)
{
    unsigned char first = (unsigned char)rest->data[0];
    size_t size = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size > rest->size) size = 1;
    uint32_t code = size == 1 ? first : first & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) code = code << 6 | ((unsigned char)rest->data[i] & 0x3f);
    *rest = str_skip(*rest, size);
    return code;
}

static bool wildcard_matches(struct str pattern, struct str text)
{
    size_t star = STR_NONE;
    struct str mark = text;
    struct str p = pattern;
    while (text.size > 0) {
        bool is_star = p.size > 0 && p.data[0] == '*';
        bool is_any = p.size > 0 && p.data[0] == '?';
        if (is_star) {
            p = str_skip(p, 1);
            star = (size_t)(p.data - pattern.data);
            mark = text;
            continue;
        }
        struct str next = p;
        if (next.size > 1 && next.data[0] == '\\') next = str_skip(next, 1);
        if (is_any) {
            p = str_skip(p, 1);
            (void)take_character(&text);
        } else if (next.size > 0 && next.data[0] == text.data[0]) {
            p = str_skip(next, 1);
            text = str_skip(text, 1);
        } else if (star != STR_NONE) {
            p = str_skip(pattern, star);
            (void)take_character(&mark);
            text = mark;
        } else {
            return false;
        }
    }
    while (p.size > 0 && p.data[0] == '*') p = str_skip(p, 1);
    return p.size == 0;
}

static void wildcard_prefix(struct str pattern, struct buf *prefix)
{
    while (pattern.size > 0 && pattern.data[0] != '*' && pattern.data[0] != '?') {
        if (pattern.data[0] == '\\' && pattern.size > 1) pattern = str_skip(pattern, 1);
        buf_append_char(prefix, pattern.data[0]);
        pattern = str_skip(pattern, 1);
    }
}

/* The longest run of plain bytes of a wildcard. */
static void wildcard_literal(struct str pattern, struct buf *literal)
{
    size_t start = 0;
    size_t best = 0;
    size_t best_size = 0;
    for (size_t i = 0; i <= pattern.size; i++) {
        size_t size = literal_character(pattern, i);
        bool ends = size == 0 || pattern.data[i] == '*' || pattern.data[i] == '?' ||
                    pattern.data[i] == '\\';
        if (!ends) {
            i += size - 1;
            continue;
        }
        if (i - start > best_size) {
            best = start;
            best_size = i - start;
        }
        start = i + 1;
        if (i < pattern.size && pattern.data[i] == '\\') start = ++i + 1;
    }
    buf_append(literal, pattern.data + best, best_size);
}

static int prepare_regex(struct term_test *test, struct str value, struct error *error)
{
    test->pattern = value;
    int code = term_regex_new(&test->regex, value, test->is_nocase, error);
    if (code == 0) buf_append_str(&test->prefix, term_regex_prefix(test->regex));
    return code;
}

static int prepare_fuzzy(struct term_test *test, const struct logstore_filter *filter,
                         struct error *error)
{
    struct str rest = buf_str(&test->value);
    test->wanted = calloc(FUZZY_CHARS_MAX, sizeof(*test->wanted));
    if (test->wanted == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    while (rest.size > 0 && test->wanted_count < FUZZY_CHARS_MAX) {
        test->wanted[test->wanted_count++] = take_character(&rest);
    }
    size_t one = filter->auto_two > 0 ? filter->auto_one : 3;
    size_t two = filter->auto_two > 0 ? filter->auto_two : 6;
    if (filter->fuzziness >= 0)
        test->edits_max = filter->fuzziness > 2 ? 2 : (size_t)filter->fuzziness;
    else
        test->edits_max = test->wanted_count < one ? 0 : test->wanted_count < two ? 1 : 2;
    test->counts_swaps_twice = filter->counts_swaps_twice;
    test->equal_count =
        filter->prefix_length < test->wanted_count ? filter->prefix_length : test->wanted_count;
    return 0;
}

static int prepare(struct term_test *test, const struct logstore_filter *filter, struct str value,
                   bool is_text, struct error *error)
{
    bool lowers = test->is_nocase || (is_text && filter->is_normalized);
    /* A pattern's backslashes must not change with its letters, and lower case leaves them. */
    if (lowers)
        analyzer_lowercase(value, &test->value);
    else
        buf_append_str(&test->value, value);
    struct str kept = buf_str(&test->value);
    int code = 0;
    if (filter->kind == LOGSTORE_FILTER_REGEXP) {
        code = prepare_regex(test, is_text && filter->is_normalized ? kept : value, error);
    } else if (filter->kind == LOGSTORE_FILTER_FUZZY || filter->kind == LOGSTORE_FILTER_MATCH) {
        code = prepare_fuzzy(test, filter, error);
    } else if (filter->kind == LOGSTORE_FILTER_WILDCARD) {
        if (!test->is_nocase) wildcard_prefix(kept, &test->prefix);
    } else if (!test->is_nocase) {
        buf_append_str(&test->prefix, kept);
    }
    if (test->value.has_failed || test->prefix.has_failed) {
        return error_set(error, -ENOMEM, "filter: out of memory");
    }
    return code;
}

/* Where a group or a class that begins there ends; the end when it does not. */
static size_t regex_part_end(struct str pattern, size_t at)
{
    char open = pattern.data[at];
    char close = open == '(' ? ')' : ']';
    size_t depth = 0;
    for (; at < pattern.size; at++) {
        char c = pattern.data[at];
        if (c == '\\')
            at++;
        else if (c == open)
            depth++;
        else if (c == close && --depth == 0)
            return at + 1;
    }
    return pattern.size;
}

static bool is_repeated(struct str pattern, size_t at)
{
    return at < pattern.size && strchr("?*+{", pattern.data[at]) != NULL && pattern.data[at] != 0;
}

/* The longest run of plain characters that stands outside of all groups, when there is no choice
 * and no complement: every match holds it. Simple patterns are most; others have their prefix. */
static bool regex_literal(struct str pattern, struct buf *literal)
{
    size_t start = 0;
    struct str best = STR("");
    for (size_t i = 0; i < pattern.size; i++) {
        if (strchr("|&~\"<@#", pattern.data[i]) != NULL) return false;
    }
    for (size_t i = 0; i <= pattern.size;) {
        char c = i < pattern.size ? pattern.data[i] : 0;
        bool is_plain = i < pattern.size && strchr(".?+*{}[]()\\^$", c) == NULL && c != 0 &&
                        (unsigned char)c < 0x80 && !is_repeated(pattern, i + 1);
        if (is_plain) {
            i++;
            continue;
        }
        if (i - start > best.size) best = (struct str){ pattern.data + start, i - start };
        if (c == '(' || c == '[')
            i = regex_part_end(pattern, i);
        else if (c == '{')
            while (i < pattern.size && pattern.data[i++] != '}') continue;
        else
            i += c == '\\' ? 2 : 1;
        start = i;
    }
    buf_append_str(literal, best);
    return true;
}

static void find_literal(struct term_test *test)
{
    if (test->wanted != NULL) return; /* a fuzzy value need not be there at all */
    struct str prefix = buf_str(&test->prefix);
    if (test->kind == LOGSTORE_FILTER_WILDCARD)
        wildcard_literal(buf_str(&test->value), &test->literal);
    else if (test->regex != NULL && regex_literal(test->pattern, &test->literal) &&
             test->literal.size > prefix.size)
        return;
    else if (test->regex != NULL) {
        buf_reset(&test->literal);
        buf_append_str(&test->literal, prefix);
    } else
        buf_append_str(&test->literal, buf_str(&test->value));
    size_t end = 0;
    for (size_t size; (size = literal_character(buf_str(&test->literal), end)) > 0;) end += size;
    buf_truncate(&test->literal, end);
}

struct str term_test_literal(const struct term_test *test)
{
    return buf_str(&test->literal);
}

int term_test_new(struct term_test **test_out, const struct logstore_filter *filter,
                  struct str value, bool is_text, struct error *error)
{
    struct term_test *test = calloc(1, sizeof(*test));
    if (test == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    test->kind = filter->kind;
    test->is_nocase = filter->is_case_insensitive;
    buf_init(&test->value, SIZE_MAX);
    buf_init(&test->folded, SIZE_MAX);
    buf_init(&test->prefix, SIZE_MAX);
    buf_init(&test->literal, SIZE_MAX);
    int code = prepare(test, filter, value, is_text, error);
    if (code == 0) find_literal(test);
    if (code < 0) {
        term_test_free(test);
        return code;
    }
    *test_out = test;
    return 0;
}

int term_test_new_address(struct term_test **test_out, const struct address_range *range,
                          struct error *error)
{
    struct term_test *test = calloc(1, sizeof(*test));
    if (test == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    test->is_address = true;
    test->addresses = *range;
    *test_out = test;
    return 0;
}

void term_test_free(struct term_test *test)
{
    if (test == NULL) return;
    buf_release(&test->value);
    buf_release(&test->folded);
    buf_release(&test->prefix);
    buf_release(&test->literal);
    term_regex_free(test->regex);
    free(test->wanted);
    free(test);
}

struct str term_test_prefix(const struct term_test *test)
{
    return buf_str(&test->prefix);
}

static size_t least_of(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Edits between the wanted text and the term, swapped neighbours counting one; three rows of the
 * usual table. */
static bool is_near(const struct term_test *test, struct str term)
{
    size_t rows[3][FUZZY_CHARS_MAX + 1];
    size_t count = test->wanted_count;
    for (size_t i = 0; i <= count; i++) rows[1][i] = i;
    uint32_t before = 0;
    size_t row = 0;
    size_t *two_up = rows[0];
    size_t *up = rows[1];
    size_t *now = rows[2];
    while (term.size > 0) {
        uint32_t character = take_character(&term);
        if (++row > count + test->edits_max) return false;
        if (row <= test->equal_count && test->wanted[row - 1] != character) return false;
        now[0] = row;
        size_t least = row;
        for (size_t i = 1; i <= count; i++) {
            size_t differs = test->wanted[i - 1] == character ? 0 : 1;
            now[i] = least_of(up[i] + 1, now[i - 1] + 1, up[i - 1] + differs);
            bool is_swapped = !test->counts_swaps_twice && row > 1 && i > 1 &&
                              test->wanted[i - 1] == before && test->wanted[i - 2] == character;
            if (is_swapped && two_up[i - 2] + 1 < now[i]) now[i] = two_up[i - 2] + 1;
            if (now[i] < least) least = now[i];
        }
        if (least > test->edits_max) return false;
        size_t *spare = two_up;
        two_up = up;
        up = now;
        now = spare;
        before = character;
    }
    return row >= test->equal_count && up[count] <= test->edits_max;
}

bool term_test_matches(struct term_test *test, struct str term)
{
    struct address address;
    if (test->is_address) {
        return address_parse(term, &address) && address_range_holds(&test->addresses, &address);
    }
    if (test->regex != NULL) return term_regex_matches(test->regex, term);
    if (test->is_nocase) {
        buf_reset(&test->folded);
        analyzer_lowercase(term, &test->folded);
        term = buf_str(&test->folded);
    }
    struct str value = buf_str(&test->value);
    if (test->wanted != NULL) return is_near(test, term);
    if (test->kind == LOGSTORE_FILTER_WILDCARD) return wildcard_matches(value, term);
    if (test->kind == LOGSTORE_FILTER_PREFIX || test->kind == LOGSTORE_FILTER_PHRASE_PREFIX) {
        return str_starts_with(term, value);
    }
    return str_equal(term, value);
}

int logstore_term_test_new(struct term_test **test, const struct logstore_filter *filter,
                           struct str value, bool is_text, struct error *error)
{
    return term_test_new(test, filter, value, is_text, error);
}

bool logstore_term_test_matches(struct term_test *test, struct str term)
{
    return term_test_matches(test, term);
}

void logstore_term_test_free(struct term_test *test)
{
    term_test_free(test);
}
