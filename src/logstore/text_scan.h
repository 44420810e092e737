/* text_scan.h - looking for terms in the sources themselves: those that a dictionary does not hold.
 *
 * Owned by: the filter that runs.
 */
#ifndef LOGSTORE_TEXT_SCAN_H
#define LOGSTORE_TEXT_SCAN_H

#include "logstore/filter_run.h"

/* What a value is asked. Exactly one of the three. */
struct scan_test {
    struct str term;                     /* data not NULL: equal to it */
    struct term_test *test;              /* not NULL: passes it */
    const struct logstore_filter *range; /* not NULL: lies in it */
    struct str literal; /* every match holds these bytes, in any case; size 0: not known */
};

/* Adds to `bits` the documents of a text column of which a term passes, looking only into the
 * blocks that `blocks` names (a bit each; NULL: all). */
int scan_terms(struct filter_run *run, const struct logstore_column *column, const uint64_t *blocks,
               const struct scan_test *test, uint64_t *bits, struct error *error) MUST_CHECK;

/* The same for the values of a sourced keyword column. */
int scan_keywords(struct filter_run *run, const struct logstore_column *column,
                  const uint64_t *blocks, const struct scan_test *test, uint64_t *bits,
                  struct error *error) MUST_CHECK;

/* Sets the bits of the blocks that may hold a rare term; false when the bytes are broken. */
bool scan_rare_blocks(const struct logstore_column *column, struct str term, uint64_t *blocks);
/* The same of every rare term, one after the other. */
bool scan_every_rare(const struct logstore_column *column, uint64_t *blocks);
uint64_t *scan_blocks_new(const struct logstore_column *column); /* all zero; NULL: no memory */

bool scan_in_range(const struct logstore_filter *filter, struct str term);

#endif
