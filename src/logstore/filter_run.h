/* filter_run.h - carrying out filters: what the files about each kind of column share. */
#ifndef LOGSTORE_FILTER_RUN_H
#define LOGSTORE_FILTER_RUN_H

#include "base/error.h"
#include "base/str.h"
#include "logstore/address.h"
#include "logstore/segment.h"
#include "logstore/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value_reader;

struct filter_run {
    const struct logstore_snapshot *snapshot;
    const struct logstore_segment_view *view;
    const struct logstore_segment *segment;
    struct logstore_filter_context *context;
    size_t word_count;
    struct value_reader *values; /* made when something is read from the sources */
};

/* 0, or ERROR_TIMEOUT once the context's time is over: asked between columns and blocks. */
int filter_check_deadline(const struct filter_run *run, struct error *error) MUST_CHECK;
int filter_context_check(const struct logstore_filter_context *context,
                         struct error *error) MUST_CHECK;

/* Each adds (never takes away) the documents of one column that pass one leaf. */
int filter_text(struct filter_run *run, const struct logstore_filter *filter,
                const struct logstore_column *column, uint64_t *bits,
                struct error *error) MUST_CHECK;
/* Documents that may hold all the terms of a value, or of no value more than all documents. */
int filter_text_candidates(struct filter_run *run, const struct logstore_column *column,
                           struct str value, uint64_t *bits, struct error *error) MUST_CHECK;
int filter_keyword(struct filter_run *run, const struct logstore_filter *filter,
                   const struct logstore_column *column, uint64_t *bits,
                   struct error *error) MUST_CHECK;
/* `column` may be NULL: then only the values are checked against the field's type. */
int filter_number(struct filter_run *run, const struct logstore_filter *filter,
                  const struct logstore_field *field, const struct logstore_column *column,
                  uint64_t *bits, struct error *error) MUST_CHECK;

/* Takes away the candidates whose text does not hold the phrase. */
struct phrase {
    const struct str *terms;
    size_t count;
    int32_t slop;
    bool is_prefix; /* the last term may go on */
};
int filter_phrase_verify(struct filter_run *run, const struct logstore_column *column,
                         const struct phrase *phrase, uint64_t *bits,
                         struct error *error) MUST_CHECK;

/* A test of one term: prefix, wildcard, regular expression, fuzzy, or any letters' case. */
struct term_test;
int term_test_new(struct term_test **test_out, const struct logstore_filter *filter,
                  struct str value, bool is_text, struct error *error) MUST_CHECK;
/* Whether a term is an address of the range. */
int term_test_new_address(struct term_test **test_out, const struct address_range *range,
                          struct error *error) MUST_CHECK;
void term_test_free(struct term_test *test);
bool term_test_matches(struct term_test *test, struct str term);
struct str term_test_prefix(const struct term_test *test); /* every match begins with it */
/* Bytes of ASCII that every match holds, whatever its letters' case; empty: none are known. */
struct str term_test_literal(const struct term_test *test);

/* Whether a bit from `start` on, before `end`, is set. */
bool bits_have_any(const uint64_t *bits, uint32_t start, uint32_t end);

#endif
