/* import_text.h - inside metrics_server/: samples of an OpenMetrics text into a store. */
#ifndef METRICS_SERVER_IMPORT_TEXT_H
#define METRICS_SERVER_IMPORT_TEXT_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "tsdb/tsdb.h"

#include <stdint.h>

struct import_text {
    struct tsdb_exchanged totals;
    uint64_t duplicates; /* samples whose series and time were there before in the text */
};

/*
 * Imports all samples of the text, each of which must have a time. Written in blocks of a bounded
 * count of samples, as the text comes, so memory does not grow with it.
 *
 * Returns 0, ERROR_PARSE ("line 7: ..."), or what the store says. Blocks written before a failure
 * stay.
 */
int import_text(struct tsdb *db, struct str text, struct import_text *result,
                struct error *error) MUST_CHECK;

#endif
