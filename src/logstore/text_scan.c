/* text_scan.c - looking for terms in the sources themselves, block by block.
 *
 * Most values are passed over by looking for bytes that every match must hold (literal.h), in all
 * values of a block at once.
 */
#include "logstore/text_scan.h"

#include "base/check.h"
#include "logstore/analyzer.h"
#include "logstore/reader.h"

#include <errno.h>
#include <stdlib.h>

struct scan {
    const struct logstore_column *column;
    const struct scan_test *test;
    uint64_t *bits;
    uint64_t *wanted; /* documents that have the field and have not passed yet */
    bool is_keyword;
    struct literal in_source; /* the test's literal, as it may stand in the sources */
    struct literal in_text;   /* and in a text without escapes */
};

bool scan_in_range(const struct logstore_filter *filter, struct str term)
{
    if (filter->lower.is_set) {
        int below = str_compare(term, filter->lower.text);
        if (below < 0 || (below == 0 && !filter->lower.is_inclusive)) return false;
    }
    if (!filter->upper.is_set) return true;
    int above = str_compare(term, filter->upper.text);
    return above < 0 || (above == 0 && filter->upper.is_inclusive);
}

static bool passes(const struct scan *scan, struct str term)
{
    const struct scan_test *test = scan->test;
    if (test->term.data != NULL) return str_equal(term, test->term);
    if (test->test != NULL) return term_test_matches(test->test, term);
    return scan_in_range(test->range, term);
}

static void set(const struct scan *scan, uint32_t document)
{
    scan->bits[document / 64] |= UINT64_C(1) << (document % 64);
    scan->wanted[document / 64] &= ~(UINT64_C(1) << (document % 64));
}

static int visit(void *argument, uint32_t document, struct str text)
{
    const struct scan *scan = argument;
    if (scan->in_text.size > 0 && literal_find(&scan->in_text, text, 0) == STR_NONE) return 0;
    if (scan->is_keyword) {
        if (keyword_is_kept(text, scan->column->ignore_above) && passes(scan, text)) {
            set(scan, document);
        }
        return 0;
    }
    struct analyzer analyzer;
    struct analyzer_token token;
    analyzer_init(&analyzer, text);
    while (analyzer_next(&analyzer, &token)) {
        /* A term is in lower case and one piece of the text: it holds the bytes as well. */
        bool is_other =
            scan->in_text.size > 0 && (token.term.size < scan->in_text.size ||
                                       literal_find(&scan->in_text, token.term, 0) == STR_NONE);
        if (is_other || !passes(scan, token.term)) continue;
        set(scan, document);
        break;
    }
    return 0;
}

static int scan_blocks(struct filter_run *run, struct scan *scan, const uint64_t *blocks,
                       struct error *error)
{
    const struct logstore_segment *segment = scan->column->segment;
    if (run->values == NULL && value_reader_new(&run->values) < 0) {
        return error_set(error, -ENOMEM, "filter: out of memory");
    }
    const struct literal *literal = scan->in_source.size > 0 ? &scan->in_source : NULL;
    int code = 0;
    for (uint32_t block = 0; code == 0 && block < segment_block_count(segment); block++) {
        if (blocks != NULL && (blocks[block / 64] >> (block % 64) & 1) == 0) continue;
        uint32_t start = (uint32_t)packed_get(&segment->block_first, block);
        uint32_t end = (uint32_t)packed_get(&segment->block_first, block + 1);
        if (!bits_have_any(scan->wanted, start, end)) continue;
        code = value_reader_block(run->values, scan->column, block, scan->wanted, literal, visit,
                                  scan, error);
        run->context->scanned_blocks++;
        if (code == 0) code = filter_check_deadline(run, error);
    }
    return code;
}

/* Whether a term may hold the bytes that every match holds: smtp-1 is two terms. */
static bool is_possible(const struct scan *scan)
{
    struct str literal = scan->test->literal;
    bool is_possible = true;
    for (size_t i = 0; i < literal.size && !scan->is_keyword; i++) {
        is_possible &= !analyzer_breaks(literal.data[i]);
    }
    return is_possible;
}

static int scan_column(struct filter_run *run, struct scan *scan, const uint64_t *blocks,
                       struct error *error)
{
    if (!is_possible(scan)) return 0;
    scan->wanted = segment_presence_bits(scan->column);
    if (scan->wanted == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    for (size_t i = 0; i < run->word_count; i++) {
        scan->wanted[i] &= ~scan->bits[i];
        if (run->view->live != NULL) scan->wanted[i] &= run->view->live[i];
    }
    literal_init(&scan->in_source, scan->test->literal, true);
    literal_init(&scan->in_text, scan->test->literal, false);
    int code = scan_blocks(run, scan, blocks, error);
    free(scan->wanted);
    return code;
}

int scan_terms(struct filter_run *run, const struct logstore_column *column, const uint64_t *blocks,
               const struct scan_test *test, uint64_t *bits, struct error *error)
{
    struct scan scan = { .column = column, .test = test, .bits = bits };
    return scan_column(run, &scan, blocks, error);
}

int scan_keywords(struct filter_run *run, const struct logstore_column *column,
                  const uint64_t *blocks, const struct scan_test *test, uint64_t *bits,
                  struct error *error)
{
    struct scan scan = { .column = column, .test = test, .bits = bits, .is_keyword = true };
    return scan_column(run, &scan, blocks, error);
}

struct naming {
    uint64_t *blocks;
    uint32_t count;
};

static void name_block(void *argument, uint32_t block)
{
    const struct naming *naming = argument;
    if (block < naming->count) naming->blocks[block / 64] |= UINT64_C(1) << (block % 64);
}

bool scan_rare_blocks(const struct logstore_column *column, struct str term, uint64_t *blocks)
{
    struct naming naming = { blocks, segment_block_count(column->segment) };
    return !column->has_rare || rare_find(&column->rare, rare_hash(term), name_block, &naming);
}

bool scan_every_rare(const struct logstore_column *column, uint64_t *blocks)
{
    struct naming naming = { blocks, segment_block_count(column->segment) };
    struct rare_cursor cursor;
    int code;
    rare_cursor_init(&cursor, &column->rare);
    while ((code = rare_cursor_next(&cursor)) == 1) name_block(&naming, (uint32_t)cursor.entry);
    return code == 0;
}

uint64_t *scan_blocks_new(const struct logstore_column *column)
{
    return calloc(LOGSTORE_BITS_WORDS(segment_block_count(column->segment)) + 1, sizeof(uint64_t));
}
