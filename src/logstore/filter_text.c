/* filter_text.c - filters over analyzed text: terms, their documents, phrases. */
#include "base/check.h"
#include "base/vec.h"
#include "logstore/analyzer.h"
#include "logstore/filter_run.h"
#include "logstore/text_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TERMS_MAX 1024

struct analyzed {
    struct buf bytes;
    struct str terms[TERMS_MAX];
    size_t count;
};

static int analyze(struct analyzed *analyzed, struct str text, struct error *error)
{
    size_t starts[TERMS_MAX + 1];
    struct analyzer analyzer;
    struct analyzer_token token;
    analyzed->count = 0;
    buf_init(&analyzed->bytes, SIZE_MAX);
    analyzer_init(&analyzer, text);
    while (analyzer_next(&analyzer, &token)) {
        if (analyzed->count == TERMS_MAX) {
            return error_set(error, ERROR_INVALID,
                             "field expansion matches too many terms, limit is "
                             "%d",
                             TERMS_MAX);
        }
        starts[analyzed->count++] = analyzed->bytes.size;
        buf_append_str(&analyzed->bytes, token.term);
    }
    if (analyzed->bytes.has_failed) return error_set(error, -ENOMEM, "filter: out of memory");
    starts[analyzed->count] = analyzed->bytes.size;
    for (size_t i = 0; i < analyzed->count; i++) {
        analyzed->terms[i] =
            (struct str){ analyzed->bytes.data + starts[i], starts[i + 1] - starts[i] };
    }
    return 0;
}

/* What the filters over one column share. */
struct text_run {
    struct filter_run *run;
    const struct logstore_column *column;
    struct terms_cursor cursor;
};

static int add_listed(struct text_run *text, struct str term, uint64_t *bits, struct error *error)
{
    int code = terms_cursor_seek(&text->cursor, term, error);
    if (code <= 0) return code;
    if (!str_equal(buf_str(&text->cursor.term), term)) return 0;
    return segment_postings(text->column, &text->cursor, bits, error);
}

/* Documents of a term: those that the dictionary lists, and of the blocks that may hold it among
 * their rare terms those that do. */
static int add_exact(struct text_run *text, struct str term, uint64_t *bits, struct error *error)
{
    int code = add_listed(text, term, bits, error);
    if (code < 0 || !text->column->has_rare) return code;
    uint64_t *blocks = scan_blocks_new(text->column);
    if (blocks == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    struct scan_test test = { .term = term, .literal = term };
    code = scan_rare_blocks(text->column, term, blocks)
               ? scan_terms(text->run, text->column, blocks, &test, bits, error)
               : error_set(error, ERROR_CORRUPT, "segment: rare terms are broken");
    free(blocks);
    return code;
}

static int add_tested_listed(struct text_run *text, struct term_test *test, uint64_t *bits,
                             struct error *error)
{
    struct str prefix = term_test_prefix(test);
    int code = terms_cursor_seek(&text->cursor, prefix, error);
    while (code == 1 && str_starts_with(buf_str(&text->cursor.term), prefix)) {
        if (term_test_matches(test, buf_str(&text->cursor.term))) {
            code = segment_postings(text->column, &text->cursor, bits, error);
            if (code < 0) break;
        }
        code = terms_cursor_next(&text->cursor, error);
    }
    return code < 0 ? code : 0;
}

/* Rare terms a block: where there are more, hardly a block would be left out. */
#define RARE_A_BLOCK_MAX 8

/* Of rare terms those that pass the test: in the blocks that any of them names. */
static int scan_rare(struct text_run *text, const struct scan_test *test, uint64_t *bits,
                     struct error *error)
{
    const struct logstore_column *column = text->column;
    if (!column->has_rare) return 0;
    if (column->rare.count / RARE_A_BLOCK_MAX >= segment_block_count(column->segment)) {
        return scan_terms(text->run, column, NULL, test, bits, error);
    }
    uint64_t *blocks = scan_blocks_new(column);
    if (blocks == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    int code = scan_every_rare(column, blocks)
                   ? scan_terms(text->run, column, blocks, test, bits, error)
                   : error_set(error, ERROR_CORRUPT, "segment: rare terms are broken");
    free(blocks);
    return code;
}

static int add_tested(struct text_run *text, const struct logstore_filter *filter, struct str value,
                      uint64_t *bits, struct error *error)
{
    struct term_test *test = NULL;
    int code = term_test_new(&test, filter, value, true, error);
    if (code < 0) return code;
    code = add_tested_listed(text, test, bits, error);
    struct scan_test scan = { .test = test, .literal = term_test_literal(test) };
    if (code == 0) code = scan_rare(text, &scan, bits, error);
    term_test_free(test);
    return code;
}

/* One term of a match: exact, or within the fuzziness. */
static int add_term(struct text_run *text, const struct logstore_filter *filter, struct str term,
                    uint64_t *bits, struct error *error)
{
    if (filter->fuzziness == 0) return add_exact(text, term, bits, error);
    struct logstore_filter fuzzy = *filter;
    fuzzy.kind = LOGSTORE_FILTER_FUZZY;
    return add_tested(text, &fuzzy, term, bits, error);
}

/* A single term is no list of clauses, of which a minimum could be asked. */
static size_t terms_needed(const struct logstore_filter *filter, size_t count)
{
    if (count < 2) return 1;
    if (filter->needs_all_terms) return count;
    return filter->minimum.size == 0 ? 1 : (size_t)logstore_minimum(filter->minimum, count);
}

/* Documents that hold at least `minimum` of the terms. */
static int add_some(struct text_run *text, const struct logstore_filter *filter,
                    const struct analyzed *analyzed, uint64_t *bits, struct error *error)
{
    const struct filter_run *run = text->run;
    size_t minimum = terms_needed(filter, analyzed->count);
    uint32_t document_count = run->segment->document_count;
    uint64_t *one = calloc(run->word_count + 1, sizeof(*one));
    uint16_t *counts = calloc(document_count + 1, sizeof(*counts));
    int code =
        one == NULL || counts == NULL ? error_set(error, -ENOMEM, "filter: out of memory") : 0;
    for (size_t i = 0; code == 0 && i < analyzed->count; i++) {
        memset(one, 0, run->word_count * sizeof(*one));
        code = add_term(text, filter, analyzed->terms[i], one, error);
        for (size_t word = 0; code == 0 && word < run->word_count; word++) {
            for (uint64_t left = one[word]; left != 0; left &= left - 1) {
                counts[word * 64 + (size_t)__builtin_ctzll(left)]++;
            }
        }
    }
    for (uint32_t i = 0; code == 0 && i < document_count; i++) {
        if (counts[i] >= minimum) bits[i / 64] |= UINT64_C(1) << (i % 64);
    }
    free(one);
    free(counts);
    return code;
}

static int run_match(struct text_run *text, const struct logstore_filter *filter, uint64_t *bits,
                     struct error *error)
{
    const struct filter_run *run = text->run;
    struct analyzed *analyzed = calloc(1, sizeof(*analyzed));
    if (analyzed == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    int code = analyze(analyzed, filter->values[0], error);
    bool is_any = terms_needed(filter, analyzed->count) <= 1;
    if (code == 0 && analyzed->count == 0) {
        uint32_t count = filter->matches_all_when_empty ? run->segment->document_count : 0;
        for (uint32_t i = 0; i < count; i++) bits[i / 64] |= UINT64_C(1) << (i % 64);
    } else if (code == 0 && is_any) {
        for (size_t i = 0; code == 0 && i < analyzed->count; i++) {
            code = add_term(text, filter, analyzed->terms[i], bits, error);
        }
    } else if (code == 0) {
        code = add_some(text, filter, analyzed, bits, error);
    }
    buf_release(&analyzed->bytes);
    free(analyzed);
    return code;
}

/* Documents that may hold a term: those listed, and all of the blocks that name it as rare. */
static int add_possible(struct text_run *text, struct str term, uint64_t *bits, struct error *error)
{
    int code = add_listed(text, term, bits, error);
    if (code < 0 || !text->column->has_rare) return code;
    const struct logstore_segment *segment = text->column->segment;
    uint64_t *blocks = scan_blocks_new(text->column);
    if (blocks == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    bool is_sound = scan_rare_blocks(text->column, term, blocks);
    for (uint32_t i = 0; is_sound && i < segment_block_count(segment); i++) {
        if ((blocks[i / 64] >> (i % 64) & 1) == 0) continue;
        uint32_t end = (uint32_t)packed_get(&segment->block_first, i + 1);
        for (uint32_t k = (uint32_t)packed_get(&segment->block_first, i); k < end; k++) {
            bits[k / 64] |= UINT64_C(1) << (k % 64);
        }
    }
    free(blocks);
    return is_sound ? 0 : error_set(error, ERROR_CORRUPT, "segment: rare terms are broken");
}

/* Documents that may hold all the terms. A last term that may go on is left to the second look when
 * others have been looked for. */
static int phrase_candidates(struct text_run *text, const struct phrase *phrase, uint64_t *bits,
                             struct error *error)
{
    size_t word_count = text->run->word_count;
    uint64_t *one = calloc(word_count + 1, sizeof(*one));
    if (one == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    size_t count = phrase->is_prefix && phrase->count > 1 ? phrase->count - 1 : phrase->count;
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        memset(one, 0, word_count * sizeof(*one));
        if (phrase->is_prefix && phrase->count == 1) {
            struct logstore_filter prefix = { .kind = LOGSTORE_FILTER_PREFIX };
            code = add_tested(text, &prefix, phrase->terms[i], one, error);
        } else if (phrase->count == 1) {
            code = add_exact(text, phrase->terms[i], one, error);
        } else {
            code = add_possible(text, phrase->terms[i], one, error);
        }
        for (size_t word = 0; word < word_count; word++) {
            bits[word] = i == 0 ? one[word] : bits[word] & one[word];
        }
    }
    free(one);
    return code;
}

int filter_text_candidates(struct filter_run *run, const struct logstore_column *column,
                           struct str value, uint64_t *bits, struct error *error)
{
    struct text_run text = { .run = run, .column = column };
    uint64_t *one = calloc(run->word_count + 1, sizeof(*one));
    struct analyzed *analyzed = calloc(1, sizeof(*analyzed));
    int code = one == NULL || analyzed == NULL ? error_set(error, -ENOMEM, "filter: out of memory")
                                               : analyze(analyzed, value, error);
    if (code == ERROR_INVALID) {
        code = 0; /* more terms than a query may have: any document may hold it */
        analyzed->count = 0;
    }
    terms_cursor_init(&text.cursor, &column->terms);
    memset(bits, 0xff, run->word_count * sizeof(*bits));
    for (size_t i = 0; code == 0 && i < analyzed->count; i++) {
        memset(one, 0, run->word_count * sizeof(*one));
        code = add_possible(&text, analyzed->terms[i], one, error);
        for (size_t word = 0; word < run->word_count; word++) bits[word] &= one[word];
    }
    terms_cursor_release(&text.cursor);
    if (analyzed != NULL) buf_release(&analyzed->bytes);
    free(analyzed);
    free(one);
    return code;
}

static int run_phrase(struct text_run *text, const struct logstore_filter *filter, uint64_t *bits,
                      struct error *error)
{
    struct filter_run *run = text->run;
    struct analyzed *analyzed = calloc(1, sizeof(*analyzed));
    uint64_t *candidates = calloc(run->word_count + 1, sizeof(*candidates));
    int code = analyzed == NULL || candidates == NULL
                   ? error_set(error, -ENOMEM, "filter: out of memory")
                   : analyze(analyzed, filter->values[0], error);
    if (code == 0 && analyzed->count > 0) {
        struct phrase phrase = {
            .terms = analyzed->terms,
            .count = analyzed->count,
            .slop = filter->slop,
            .is_prefix = filter->kind == LOGSTORE_FILTER_PHRASE_PREFIX,
        };
        code = phrase_candidates(text, &phrase, candidates, error);
        /* Deleted documents need no second look. */
        for (size_t i = 0; run->view->live != NULL && i < run->word_count; i++) {
            candidates[i] &= run->view->live[i];
        }
        if (code == 0 && phrase.count > 1) {
            code = filter_phrase_verify(run, text->column, &phrase, candidates, error);
        }
        for (size_t i = 0; code == 0 && i < run->word_count; i++) bits[i] |= candidates[i];
    }
    if (analyzed != NULL) buf_release(&analyzed->bytes);
    free(analyzed);
    free(candidates);
    return code;
}

/* A bound of the range as terms are: in lower case, when it comes from a query string. */
static struct str bound_term(const struct logstore_filter *filter,
                             const struct logstore_bound *bound, struct buf *lower)
{
    buf_init(lower, SIZE_MAX);
    if (!bound->is_set || !filter->is_normalized) return bound->is_set ? bound->text : STR("");
    analyzer_lowercase(bound->text, lower);
    return buf_str(lower);
}

static int run_range(struct text_run *text, const struct logstore_filter *filter, uint64_t *bits,
                     struct error *error)
{
    CLEANUP(buf_release) struct buf lower_bytes = { 0 };
    CLEANUP(buf_release) struct buf upper_bytes = { 0 };
    struct logstore_filter bounds = *filter; /* with the bounds as terms are */
    bounds.lower.text = bound_term(filter, &filter->lower, &lower_bytes);
    bounds.upper.text = bound_term(filter, &filter->upper, &upper_bytes);
    int code = terms_cursor_seek(&text->cursor, bounds.lower.text, error);
    while (code == 1) {
        struct str term = buf_str(&text->cursor.term);
        int above = filter->upper.is_set ? str_compare(term, bounds.upper.text) : -1;
        if (above > 0) break;
        if (scan_in_range(&bounds, term)) {
            code = segment_postings(text->column, &text->cursor, bits, error);
            if (code < 0) return code;
        }
        code = terms_cursor_next(&text->cursor, error);
    }
    struct scan_test test = { .range = &bounds };
    return code < 0 ? code : scan_rare(text, &test, bits, error);
}

static int run_values(struct text_run *text, const struct logstore_filter *filter, uint64_t *bits,
                      struct error *error)
{
    int code = 0;
    bool is_exact = filter->kind == LOGSTORE_FILTER_TERM && !filter->is_case_insensitive;
    for (size_t i = 0; code == 0 && i < filter->value_count; i++) {
        if (is_exact)
            code = add_exact(text, filter->values[i], bits, error);
        else
            code = add_tested(text, filter, filter->values[i], bits, error);
    }
    return code;
}

int filter_text(struct filter_run *run, const struct logstore_filter *filter,
                const struct logstore_column *column, uint64_t *bits, struct error *error)
{
    struct text_run text = { .run = run, .column = column };
    terms_cursor_init(&text.cursor, &column->terms);
    int code;
    if (filter->kind == LOGSTORE_FILTER_MATCH) {
        code = run_match(&text, filter, bits, error);
    } else if (filter->kind == LOGSTORE_FILTER_PHRASE ||
               filter->kind == LOGSTORE_FILTER_PHRASE_PREFIX) {
        code = run_phrase(&text, filter, bits, error);
    } else if (filter->kind == LOGSTORE_FILTER_RANGE) {
        code = run_range(&text, filter, bits, error);
    } else {
        code = run_values(&text, filter, bits, error);
    }
    terms_cursor_release(&text.cursor);
    return code == ERROR_INVALID && filter->is_lenient ? 0 : code;
}
