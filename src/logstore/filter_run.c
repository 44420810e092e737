/* filter_run.c - carrying out a tree of filters over one segment, with one bit a document. */
#include "logstore/filter_run.h"

#include "base/check.h"
#include "base/clock.h"
#include "logstore/analyzer.h"
#include "logstore/catalog.h"
#include "logstore/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64

static uint64_t *bits_new(const struct filter_run *run)
{
    return calloc(run->word_count + 1, sizeof(uint64_t));
}

static void bits_fill(const struct filter_run *run, uint64_t *bits)
{
    uint32_t count = run->segment->document_count;
    memset(bits, 0xff, count / 64 * sizeof(uint64_t));
    if (count % 64 != 0) bits[count / 64] = (UINT64_C(1) << (count % 64)) - 1;
}

bool bits_have_any(const uint64_t *bits, uint32_t start, uint32_t end)
{
    for (uint32_t i = start; i < end;) {
        uint64_t word = bits[i / 64] >> (i % 64);
        uint32_t left = 64 - i % 64;
        if (end - i < left) word &= (UINT64_C(1) << (end - i)) - 1;
        if (word != 0) return true;
        i += left;
    }
    return false;
}

static bool set_bit(void *argument, uint32_t document)
{
    uint64_t *bits = argument;
    bits[document / 64] |= UINT64_C(1) << (document % 64);
    return true;
}

static int add_exists(struct filter_run *run, const struct logstore_column *column, uint64_t *bits)
{
    if (column->is_dense) {
        bits_fill(run, bits);
        return 0;
    }
    for (uint32_t i = 0; i < column->presence_packed.count; i++) {
        (void)set_bit(bits, (uint32_t)packed_get(&column->presence_packed, i));
    }
    return 0;
}

static int add_column(struct filter_run *run, const struct logstore_filter *filter,
                      const struct logstore_field *field, const struct logstore_column *column,
                      uint64_t *bits, struct error *error)
{
    if (filter->kind == LOGSTORE_FILTER_EXISTS) return add_exists(run, column, bits);
    bool is_text = logstore_column_kind(column) == LOGSTORE_COLUMN_TEXT;
    if (is_text ? filter->asks_unanalyzed : filter->asks_analyzed) return 0;
    switch (logstore_column_kind(column)) {
    case LOGSTORE_COLUMN_TEXT: return filter_text(run, filter, column, bits, error);
    case LOGSTORE_COLUMN_KEYWORD: return filter_keyword(run, filter, column, bits, error);
    case LOGSTORE_COLUMN_INTEGER:
    case LOGSTORE_COLUMN_REAL: return filter_number(run, filter, field, column, bits, error);
    case LOGSTORE_COLUMN_NONE: break;
    }
    return 0;
}

static bool is_meta_index(struct str path)
{
    return str_equal(path, STR("_index"));
}

/* `_index` is a field with one value, the same for all documents of a segment. */
static int add_index_name(struct filter_run *run, const struct logstore_filter *filter,
                          uint64_t *bits)
{
    struct str name = run->view->index->name;
    bool fits = filter->kind == LOGSTORE_FILTER_EXISTS;
    for (size_t i = 0; !fits && i < filter->value_count; i++) {
        bool is_pattern = filter->kind != LOGSTORE_FILTER_PREFIX;
        fits = is_pattern ? logstore_name_matches(filter->values[i], name)
               : filter->kind == LOGSTORE_FILTER_PREFIX ? str_starts_with(name, filter->values[i])
                                                        : str_equal(filter->values[i], name);
    }
    if (fits) bits_fill(run, bits);
    return 0;
}

static int add_ids(struct filter_run *run, const struct logstore_filter *filter, uint64_t *bits)
{
    for (size_t i = 0; i < filter->value_count; i++) {
        segment_find_id(run->segment, filter->values[i], set_bit, bits);
    }
    return 0;
}

/* Whether any segment of the index holds values that did not fit the field. */
static bool has_misfits(const struct filter_run *run, struct str path)
{
    const struct logstore_snapshot *snapshot = run->snapshot;
    for (size_t i = 0; i < snapshot->segment_count; i++) {
        const struct logstore_segment_view *view = &snapshot->segments[i];
        if (view->index != run->view->index) continue;
        if (segment_column(view->segment, path, true) != NULL) return true;
    }
    return false;
}

/* One field by its whole name: its column, and the values that did not fit it. */
int filter_context_check(const struct logstore_filter_context *context, struct error *error)
{
    if (context->deadline_ns == 0 || clock_monotonic_ns(context->clock) <= context->deadline_ns) {
        return 0;
    }
    return error_set(error, ERROR_TIMEOUT, "query took longer than its time limit");
}

int filter_check_deadline(const struct filter_run *run, struct error *error)
{
    return filter_context_check(run->context, error);
}

static int add_field(struct filter_run *run, const struct logstore_filter *filter, struct str path,
                     uint64_t *bits, struct error *error)
{
    if (is_meta_index(path)) return add_index_name(run, filter, bits);
    if (str_equal(path, STR("_id"))) return add_ids(run, filter, bits);
    const struct logstore_field *field = logstore_mapping_find(run->view->index->mapping, path);
    if (field != NULL && field->alias_of.size > 0) {
        path = field->alias_of;
        field = logstore_mapping_find(run->view->index->mapping, path);
    }
    const struct logstore_column *column = segment_column(run->segment, path, false);
    int code = 0;
    if (column != NULL)
        code = add_column(run, filter, field, column, bits, error);
    else if (field != NULL && filter->kind != LOGSTORE_FILTER_EXISTS && !filter->asks_analyzed) {
        enum logstore_column_kind kind = logstore_type_column(field->type);
        if (kind == LOGSTORE_COLUMN_INTEGER || kind == LOGSTORE_COLUMN_REAL) {
            code = filter_number(run, filter, field, NULL, bits, error);
        }
    }
    /* A misfit is found by what it is; a value that cannot be a number may still be one. */
    if (code == ERROR_INVALID && has_misfits(run, path)) code = 0;
    const struct logstore_column *misfits = segment_column(run->segment, path, true);
    if (misfits == NULL) return code;
    if (code == 0 && filter->kind != LOGSTORE_FILTER_RANGE) {
        code = add_column(run, filter, NULL, misfits, bits, error);
    }
    return code;
}

/* `exists` of an object: any field below it. */
static int add_below(struct filter_run *run, const struct logstore_filter *filter, struct str path,
                     uint64_t *bits, struct error *error)
{
    int code = 0;
    bool unused;
    for (size_t i = 0; code == 0 && i < run->segment->column_count; i++) {
        struct str below = segment_column_path(run->segment, i, &unused);
        if (below.size <= path.size || below.data[path.size] != '.' ||
            !str_starts_with(below, path)) {
            continue;
        }
        const struct logstore_column *opened =
            segment_column_open(segment_column_at(run->segment, i));
        if (opened != NULL) code = add_column(run, filter, NULL, opened, bits, error);
    }
    return code;
}

/* Every column whose path fits; what cannot be of a column's type finds nothing there. */
static int add_pattern(struct filter_run *run, const struct logstore_filter *filter,
                       struct str pattern, uint64_t *bits, struct error *error)
{
    struct logstore_filter lenient = *filter;
    lenient.is_lenient = true;
    int code = 0;
    bool unused;
    for (size_t i = 0; code == 0 && i < run->segment->column_count; i++) {
        struct str path = segment_column_path(run->segment, i, &unused);
        if (str_starts_with(path, STR("_")) && !str_equal(pattern, path)) continue;
        if (!logstore_name_matches(pattern, path)) continue;
        const struct logstore_column *opened =
            segment_column_open(segment_column_at(run->segment, i));
        const struct logstore_field *field = logstore_mapping_find(run->view->index->mapping, path);
        if (opened != NULL) code = add_column(run, &lenient, field, opened, bits, error);
        if (code == 0) code = filter_check_deadline(run, error);
    }
    return code;
}

static int run_leaf(struct filter_run *run, const struct logstore_filter *filter, uint64_t *bits,
                    struct error *error)
{
    if (filter->field_count == 0) return add_pattern(run, filter, STR("*"), bits, error);
    int code = 0;
    for (size_t i = 0; code == 0 && i < filter->field_count; i++) {
        struct str path = filter->fields[i];
        if (str_find_char(path, '*') != STR_NONE) {
            code = add_pattern(run, filter, path, bits, error);
            continue;
        }
        code = add_field(run, filter, path, bits, error);
        if (code == 0) code = filter_check_deadline(run, error);
        if (code == 0 && filter->kind == LOGSTORE_FILTER_EXISTS) {
            code = add_below(run, filter, path, bits, error);
        }
    }
    return code;
}

static int run_filter(struct filter_run *run, const struct logstore_filter *filter, unsigned depth,
                      uint64_t *bits, struct error *error);

static void and_bits(const struct filter_run *run, uint64_t *bits, const uint64_t *other)
{
    for (size_t i = 0; i < run->word_count; i++) bits[i] &= other[i];
}

static bool is_empty(const struct filter_run *run, const uint64_t *bits)
{
    uint64_t any = 0;
    for (size_t i = 0; i < run->word_count; i++) any |= bits[i];
    return any == 0;
}

static bool has_terms(struct str text)
{
    struct analyzer analyzer;
    struct analyzer_token token;
    analyzer_init(&analyzer, text);
    return analyzer_next(&analyzer, &token);
}

/* Whether a clause of a query string does not count here: its text holds no term for a field that
 * is analyzed. A group of such clauses alone does not count either. Depth: DEPTH_MAX. */
static bool is_void(const struct filter_run *run, const struct logstore_filter *filter)
{
    if (filter->kind == LOGSTORE_FILTER_BOOL) {
        size_t count = filter->must_count + filter->should_count + filter->must_not_count;
        for (size_t i = 0; i < filter->must_count; i++) {
            if (!is_void(run, filter->must[i])) return false;
        }
        for (size_t i = 0; i < filter->should_count; i++) {
            if (!is_void(run, filter->should[i])) return false;
        }
        for (size_t i = 0; i < filter->must_not_count; i++) {
            if (!is_void(run, filter->must_not[i])) return false;
        }
        return count > 0;
    }
    if (!filter->is_void_when_empty || filter->field_count == 0) return false;
    if (filter->kind != LOGSTORE_FILTER_MATCH && filter->kind != LOGSTORE_FILTER_PHRASE) {
        return false;
    }
    for (size_t i = 0; i < filter->field_count; i++) {
        const struct logstore_field *field =
            logstore_mapping_find(run->view->index->mapping, filter->fields[i]);
        if (field == NULL || field->type != LOGSTORE_TEXT) return false;
    }
    return !has_terms(filter->values[0]);
}

static size_t count_real(const struct filter_run *run, struct logstore_filter **clauses,
                         size_t count)
{
    size_t real = 0;
    for (size_t i = 0; i < count; i++) real += !is_void(run, clauses[i]);
    return real;
}

static int run_must(struct filter_run *run, const struct logstore_filter *filter, unsigned depth,
                    uint64_t *bits, struct error *error)
{
    uint64_t *clause = bits_new(run);
    if (clause == NULL) return error_set(error, -ENOMEM, "filter: out of memory");
    int code = 0;
    for (size_t i = 0; code == 0 && i < filter->must_count; i++) {
        if (is_void(run, filter->must[i])) continue;
        memset(clause, 0, run->word_count * sizeof(*clause));
        code = run_filter(run, filter->must[i], depth + 1, clause, error);
        and_bits(run, bits, clause);
        if (is_empty(run, bits)) break;
    }
    for (size_t i = 0; code == 0 && i < filter->must_not_count; i++) {
        if (is_empty(run, bits)) break;
        memset(clause, 0, run->word_count * sizeof(*clause));
        code = run_filter(run, filter->must_not[i], depth + 1, clause, error);
        for (size_t k = 0; k < run->word_count; k++) bits[k] &= ~clause[k];
    }
    free(clause);
    return code;
}

/* At least `minimum` of the clauses: counted document by document when it is more than one. */
static int run_should(struct filter_run *run, const struct logstore_filter *filter, int32_t minimum,
                      unsigned depth, uint64_t *bits, struct error *error)
{
    size_t count = run->segment->document_count;
    uint64_t *clause = bits_new(run);
    uint64_t *passed = bits_new(run);
    uint16_t *counts = minimum > 1 ? calloc(count + 1, sizeof(*counts)) : NULL;
    int code = clause == NULL || passed == NULL || (minimum > 1 && counts == NULL)
                   ? error_set(error, -ENOMEM, "filter: out of memory")
                   : 0;
    for (size_t i = 0; code == 0 && i < filter->should_count; i++) {
        memset(clause, 0, run->word_count * sizeof(*clause));
        code = run_filter(run, filter->should[i], depth + 1, clause, error);
        for (size_t k = 0; code == 0 && minimum <= 1 && k < run->word_count; k++) {
            passed[k] |= clause[k];
        }
        for (size_t k = 0; code == 0 && minimum > 1 && k < count; k++) {
            counts[k] = (uint16_t)(counts[k] + (clause[k / 64] >> (k % 64) & 1));
        }
    }
    for (size_t k = 0; code == 0 && minimum > 1 && k < count; k++) {
        if (counts[k] >= minimum) passed[k / 64] |= UINT64_C(1) << (k % 64);
    }
    if (code == 0) and_bits(run, bits, passed);
    free(clause);
    free(passed);
    free(counts);
    return code;
}

static int run_bool(struct filter_run *run, const struct logstore_filter *filter, unsigned depth,
                    uint64_t *bits, struct error *error)
{
    if (is_void(run, filter)) return 0;
    bits_fill(run, bits);
    int code = run_must(run, filter, depth, bits, error);
    size_t should_count = count_real(run, filter->should, filter->should_count);
    if (code < 0 || should_count == 0) {
        bool is_impossible = filter->minimum.size > 0 && filter->should_count == 0 &&
                             logstore_minimum(filter->minimum, 0) > 0;
        if (is_impossible) memset(bits, 0, run->word_count * sizeof(*bits));
        return code;
    }
    /* Without a clause that must match, one that should has to, whatever the minimum says. */
    bool is_alone = count_real(run, filter->must, filter->must_count) == 0;
    int32_t minimum =
        filter->minimum.size > 0 ? logstore_minimum(filter->minimum, should_count) : is_alone;
    if (is_alone && minimum < 1) minimum = 1;
    if (minimum <= 0 || is_empty(run, bits)) return code;
    return run_should(run, filter, minimum, depth, bits, error);
}

/* Adds to `bits`, which is all zero. Depth is bounded by DEPTH_MAX. */
static int run_filter(struct filter_run *run, const struct logstore_filter *filter, unsigned depth,
                      uint64_t *bits, struct error *error)
{
    if (depth > DEPTH_MAX) {
        return error_set(error, ERROR_LIMIT, "query is nested more than %d deep", DEPTH_MAX);
    }
    int code = filter_check_deadline(run, error);
    if (code < 0) return code;
    switch (filter->kind) {
    case LOGSTORE_FILTER_ALL: bits_fill(run, bits); return 0;
    case LOGSTORE_FILTER_NONE: return 0;
    case LOGSTORE_FILTER_BOOL: return run_bool(run, filter, depth, bits, error);
    case LOGSTORE_FILTER_IDS: return add_ids(run, filter, bits);
    case LOGSTORE_FILTER_TERM:
    case LOGSTORE_FILTER_MATCH:
    case LOGSTORE_FILTER_PHRASE:
    case LOGSTORE_FILTER_PHRASE_PREFIX:
    case LOGSTORE_FILTER_RANGE:
    case LOGSTORE_FILTER_EXISTS:
    case LOGSTORE_FILTER_PREFIX:
    case LOGSTORE_FILTER_WILDCARD:
    case LOGSTORE_FILTER_REGEXP:
    case LOGSTORE_FILTER_FUZZY: return run_leaf(run, filter, bits, error);
    case LOGSTORE_FILTER_KIND_COUNT: break;
    }
    check_failed("a filter of a known kind", __FILE__, __LINE__);
}

static int check_leaf(struct filter_run *run, const struct logstore_filter *filter,
                      struct error *error)
{
    for (size_t i = 0; i < filter->field_count; i++) {
        const struct logstore_field *field =
            logstore_mapping_find(run->view->index->mapping, filter->fields[i]);
        if (field == NULL || field->alias_of.size > 0 || has_misfits(run, field->path)) continue;
        enum logstore_column_kind kind = logstore_type_column(field->type);
        bool is_number = kind == LOGSTORE_COLUMN_INTEGER || kind == LOGSTORE_COLUMN_REAL;
        if (!is_number || filter->asks_analyzed) continue;
        int code = filter_number(run, filter, field, NULL, NULL, error);
        if (code < 0) return code;
    }
    return 0;
}

/* Depth: DEPTH_MAX, as when it is carried out. */
static int check_filter(struct filter_run *run, const struct logstore_filter *filter,
                        unsigned depth, struct error *error)
{
    if (depth > DEPTH_MAX || filter->is_lenient || filter->kind == LOGSTORE_FILTER_EXISTS) return 0;
    struct {
        struct logstore_filter **list;
        size_t count;
    } parts[] = {
        { filter->must, filter->must_count },
        { filter->should, filter->should_count },
        { filter->must_not, filter->must_not_count },
    };
    int code = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        for (size_t k = 0; code == 0 && k < parts[i].count; k++) {
            code = check_filter(run, parts[i].list[k], depth + 1, error);
        }
    }
    return code < 0 ? code : check_leaf(run, filter, error);
}

int logstore_filter_check(const struct logstore_snapshot *snapshot, size_t segment_index,
                          const struct logstore_filter *filter,
                          struct logstore_filter_context *context, struct error *error)
{
    const struct logstore_segment_view *view = &snapshot->segments[segment_index];
    struct filter_run run = {
        .snapshot = snapshot,
        .view = view,
        .segment = view->segment,
        .context = context,
    };
    return check_filter(&run, filter, 0, error);
}

int logstore_filter_run(const struct logstore_snapshot *snapshot, size_t segment_index,
                        const struct logstore_filter *filter,
                        struct logstore_filter_context *context, uint64_t *bits,
                        struct error *error)
{
    logstore_snapshot_moves_on(snapshot, segment_index);
    return logstore_filter_run_ahead(snapshot, segment_index, filter, context, bits, error);
}

int logstore_filter_run_ahead(const struct logstore_snapshot *snapshot, size_t segment_index,
                              const struct logstore_filter *filter,
                              struct logstore_filter_context *context, uint64_t *bits,
                              struct error *error)
{
    const struct logstore_segment_view *view = &snapshot->segments[segment_index];
    struct filter_run run = {
        .snapshot = snapshot,
        .view = view,
        .segment = view->segment,
        .context = context,
        .word_count = LOGSTORE_BITS_WORDS(view->document_count),
    };
    memset(bits, 0, run.word_count * sizeof(*bits));
    int code = run_filter(&run, filter, 0, bits, error);
    value_reader_free(run.values);
    context->scanned_documents += view->document_count;
    if (code == 0 && view->live != NULL) and_bits(&run, bits, view->live);
    return code;
}
