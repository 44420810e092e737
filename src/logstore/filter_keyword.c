/* filter_keyword.c - filters over keywords: which terms pass, then which documents hold them. */
#include "base/check.h"
#include "logstore/filter_run.h"
#include "logstore/text_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Terms that passed, by ordinal. One is held as a number, more as bits. */
struct term_set {
    uint64_t *bits;
    uint32_t least, most; /* least > most: none */
};

static void term_set_add(struct term_set *set, uint32_t ordinal)
{
    set->bits[ordinal / 64] |= UINT64_C(1) << (ordinal % 64);
    if (set->least > set->most || ordinal < set->least) set->least = ordinal;
    if (ordinal > set->most) set->most = ordinal;
}

static void add_documents(const struct logstore_column *column, const struct term_set *set,
                          uint64_t *bits)
{
    if (set->least > set->most) return;
    const struct packed *values = &column->values_packed;
    for (uint32_t i = 0; i < values->count; i++) {
        uint32_t ordinal = (uint32_t)packed_get(values, i);
        if (ordinal < set->least || ordinal > set->most) continue;
        if ((set->bits[ordinal / 64] >> (ordinal % 64) & 1) == 0) continue;
        uint32_t document =
            column->is_dense ? i : (uint32_t)packed_get(&column->presence_packed, i);
        bits[document / 64] |= UINT64_C(1) << (document % 64);
    }
}

static int add_exact(const struct logstore_filter *filter, struct terms_cursor *cursor,
                     struct term_set *set, struct error *error)
{
    for (size_t i = 0; i < filter->value_count; i++) {
        int code = terms_cursor_seek(cursor, filter->values[i], error);
        if (code < 0) return code;
        bool is_there = code == 1 && str_equal(buf_str(&cursor->term), filter->values[i]);
        if (is_there) term_set_add(set, cursor->ordinal);
    }
    return 0;
}

/* Adds the terms that pass; the test is freed. */
static int add_passing(struct term_test *test, struct terms_cursor *cursor, struct term_set *set,
                       struct error *error)
{
    struct str prefix = term_test_prefix(test);
    int code = terms_cursor_seek(cursor, prefix, error);
    while (code == 1 && str_starts_with(buf_str(&cursor->term), prefix)) {
        if (term_test_matches(test, buf_str(&cursor->term))) term_set_add(set, cursor->ordinal);
        code = terms_cursor_next(cursor, error);
    }
    term_test_free(test);
    return code < 0 ? code : 0;
}

static int add_tested(const struct logstore_filter *filter, struct str value,
                      struct terms_cursor *cursor, struct term_set *set, struct error *error)
{
    struct term_test *test = NULL;
    int code = term_test_new(&test, filter, value, false, error);
    return code < 0 ? code : add_passing(test, cursor, set, error);
}

static int add_range(const struct logstore_filter *filter, struct terms_cursor *cursor,
                     struct term_set *set, struct error *error)
{
    struct str from = filter->lower.is_set ? filter->lower.text : STR("");
    int code = terms_cursor_seek(cursor, from, error);
    while (code == 1) {
        struct str term = buf_str(&cursor->term);
        int above = filter->upper.is_set ? str_compare(term, filter->upper.text) : -1;
        if (above > 0 || (above == 0 && !filter->upper.is_inclusive)) break;
        bool is_bound = filter->lower.is_set && str_equal(term, from);
        if (!is_bound || filter->lower.is_inclusive) term_set_add(set, cursor->ordinal);
        code = terms_cursor_next(cursor, error);
    }
    return code < 0 ? code : 0;
}

static bool is_exact_filter(const struct logstore_filter *filter)
{
    bool is_fuzzy = filter->kind == LOGSTORE_FILTER_MATCH && filter->fuzziness != 0;
    bool is_exact = filter->kind == LOGSTORE_FILTER_TERM || filter->kind == LOGSTORE_FILTER_MATCH ||
                    filter->kind == LOGSTORE_FILTER_PHRASE;
    return is_exact && !is_fuzzy && !filter->is_case_insensitive;
}

static int add_terms(const struct logstore_filter *filter, struct terms_cursor *cursor,
                     struct term_set *set, struct error *error)
{
    if (filter->kind == LOGSTORE_FILTER_RANGE) return add_range(filter, cursor, set, error);
    if (is_exact_filter(filter)) return add_exact(filter, cursor, set, error);
    int code = 0;
    for (size_t i = 0; code == 0 && i < filter->value_count; i++) {
        code = add_tested(filter, filter->values[i], cursor, set, error);
    }
    return code;
}

/* The blocks that may hold a value: by its hash, or by the terms of the text beside. */
static int name_blocks(struct filter_run *run, const struct logstore_column *column,
                       struct str value, uint64_t *blocks, struct error *error)
{
    const struct logstore_segment *segment = column->segment;
    uint32_t count = segment_block_count(segment);
    if (column->has_rare) {
        bool is_sound = scan_rare_blocks(column, value, blocks);
        return is_sound ? 0 : error_set(error, ERROR_CORRUPT, "segment: rare terms are broken");
    }
    const struct logstore_column *text = segment_column(segment, column->source_path, false);
    bool has_text = text != NULL && logstore_column_kind(text) == LOGSTORE_COLUMN_TEXT;
    uint64_t *bits = calloc(run->word_count + 1, sizeof(*bits));
    if (bits == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    int code = 0;
    if (has_text) code = filter_text_candidates(run, text, value, bits, error);
    for (uint32_t i = 0; code == 0 && i < count; i++) {
        uint32_t first = (uint32_t)packed_get(&segment->block_first, i);
        uint32_t end = (uint32_t)packed_get(&segment->block_first, i + 1);
        if (!has_text || bits_have_any(bits, first, end)) blocks[i / 64] |= UINT64_C(1) << (i % 64);
    }
    free(bits);
    return code;
}

/* A column without a dictionary. A value that is asked for exactly is looked for in the blocks that
 * its hash names; for the others all blocks are read. */
static int scan_exact(struct filter_run *run, const struct logstore_filter *filter,
                      const struct logstore_column *column, uint64_t *bits, struct error *error)
{
    uint64_t *blocks = scan_blocks_new(column);
    if (blocks == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    size_t word_count = LOGSTORE_BITS_WORDS(segment_block_count(column->segment));
    int code = 0;
    for (size_t i = 0; code == 0 && i < filter->value_count; i++) {
        struct str value = filter->values[i].data == NULL ? STR("") : filter->values[i];
        struct scan_test test = { .term = value };
        memset(blocks, 0, word_count * sizeof(*blocks));
        code = name_blocks(run, column, value, blocks, error);
        if (code == 0) code = scan_keywords(run, column, blocks, &test, bits, error);
    }
    free(blocks);
    return code;
}

static int scan_tested(struct filter_run *run, const struct logstore_filter *filter,
                       const struct logstore_column *column, uint64_t *bits, struct error *error)
{
    if (filter->kind == LOGSTORE_FILTER_RANGE) {
        struct scan_test test = { .range = filter };
        return scan_keywords(run, column, NULL, &test, bits, error);
    }
    int code = 0;
    for (size_t i = 0; code == 0 && i < filter->value_count; i++) {
        struct term_test *test = NULL;
        code = term_test_new(&test, filter, filter->values[i], false, error);
        if (code < 0) break;
        struct scan_test scan = { .test = test, .literal = term_test_literal(test) };
        code = scan_keywords(run, column, NULL, &scan, bits, error);
        term_test_free(test);
    }
    return code;
}

/* Addresses ----------------------------------------------------------------------------------- */

static int no_address(struct str text, struct error *error)
{
    return error_set(error, ERROR_INVALID, "'" STR_FMT "' is not an IP string literal.",
                     STR_ARG(str_first(text, text.size < 100 ? text.size : 100)));
}

/* The addresses between the bounds. *is_empty: there are none. */
static int range_of_bounds(const struct logstore_filter *filter, struct address_range *range,
                           bool *is_empty, struct error *error)
{
    *range =
        (struct address_range){ filter->lower.is_set, filter->upper.is_set, { { 0 } }, { { 0 } } };
    *is_empty = false;
    if (range->has_from && !address_parse(filter->lower.text, &range->from)) {
        return no_address(filter->lower.text, error);
    }
    if (range->has_to && !address_parse(filter->upper.text, &range->to)) {
        return no_address(filter->upper.text, error);
    }
    if (range->has_from && !filter->lower.is_inclusive) *is_empty = !address_next(&range->from);
    if (range->has_to && filter->upper.is_inclusive) range->has_to = address_next(&range->to);
    return 0;
}

/* One address in whatever way it is written, or a mask. */
static int range_of_value(struct str value, struct address_range *range, struct error *error)
{
    if (str_find_char(value, '/') != STR_NONE) {
        return address_range_parse(value, range) ? 0 : no_address(value, error);
    }
    if (!address_parse(value, &range->from)) return no_address(value, error);
    range->has_from = true;
    range->to = range->from;
    range->has_to = address_next(&range->to);
    return 0;
}

/* Whether the order of texts, or their equality, is not that of the addresses. */
static bool asks_addresses(const struct logstore_filter *filter,
                           const struct logstore_column *column)
{
    if (logstore_column_type(column) != LOGSTORE_IP) return false;
    if (filter->kind == LOGSTORE_FILTER_RANGE) return true;
    for (size_t i = 0; i < filter->value_count; i++) {
        bool is_other = str_find_char(filter->values[i], '/') != STR_NONE ||
                        str_find_char(filter->values[i], ':') != STR_NONE;
        if (is_other && is_exact_filter(filter)) return true;
    }
    return false;
}

static int add_addresses(struct filter_run *run, const struct address_range *range,
                         const struct logstore_column *column, struct term_set *set, uint64_t *bits,
                         struct error *error)
{
    struct term_test *test = NULL;
    int code = term_test_new_address(&test, range, error);
    if (code < 0) return code;
    if ((column->flags & SEGMENT_COLUMN_SOURCED) != 0) {
        struct scan_test scan = { .test = test, .literal = STR("") };
        code = scan_keywords(run, column, NULL, &scan, bits, error);
        term_test_free(test);
        return code;
    }
    struct terms_cursor cursor;
    terms_cursor_init(&cursor, &column->terms);
    code = add_passing(test, &cursor, set, error);
    terms_cursor_release(&cursor);
    return code;
}

static int filter_addresses(struct filter_run *run, const struct logstore_filter *filter,
                            const struct logstore_column *column, uint64_t *bits,
                            struct error *error)
{
    struct term_set set = { .least = 1, .most = 0 };
    set.bits = calloc(LOGSTORE_BITS_WORDS(column->terms.term_count) + 1, sizeof(uint64_t));
    if (set.bits == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    int code = 0;
    bool is_range = filter->kind == LOGSTORE_FILTER_RANGE;
    for (size_t i = 0; code == 0 && i < (is_range ? 1 : filter->value_count); i++) {
        struct address_range range = { 0 };
        bool is_empty = false;
        code = is_range ? range_of_bounds(filter, &range, &is_empty, error)
                        : range_of_value(filter->values[i], &range, error);
        if (code == 0 && !is_empty) code = add_addresses(run, &range, column, &set, bits, error);
    }
    if (code == 0) add_documents(column, &set, bits);
    free(set.bits);
    return code == ERROR_INVALID && filter->is_lenient ? 0 : code;
}

int filter_keyword(struct filter_run *run, const struct logstore_filter *filter,
                   const struct logstore_column *column, uint64_t *bits, struct error *error)
{
    if (asks_addresses(filter, column)) {
        return filter_addresses(run, filter, column, bits, error);
    }
    if ((column->flags & SEGMENT_COLUMN_SOURCED) != 0) {
        int code = is_exact_filter(filter) ? scan_exact(run, filter, column, bits, error)
                                           : scan_tested(run, filter, column, bits, error);
        return code == ERROR_INVALID && filter->is_lenient ? 0 : code;
    }
    struct term_set set = { .least = 1, .most = 0 };
    set.bits = calloc(LOGSTORE_BITS_WORDS(column->terms.term_count) + 1, sizeof(uint64_t));
    if (set.bits == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    struct terms_cursor cursor;
    terms_cursor_init(&cursor, &column->terms);
    int code = add_terms(filter, &cursor, &set, error);
    terms_cursor_release(&cursor);
    if (code == 0) add_documents(column, &set, bits);
    free(set.bits);
    return code == ERROR_INVALID && filter->is_lenient ? 0 : code;
}
