/* query_print.h - inside main/: the answer of a query as a table, CSV, JSON or a plot. */
#ifndef MAIN_QUERY_PRINT_H
#define MAIN_QUERY_PRINT_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "codec/json.h"

#include <stdbool.h>
#include <stdint.h>

bool query_format_is_known(struct str format);

/*
 * Prints the `data` of an API's answer.
 *
 *   format       "table", "json", "csv" or "plot"
 *   is_terminal  the plot may use colours
 *
 * Returns 0, or ERROR_INVALID when the data have no shape that is known.
 */
int query_print(struct buf *out, struct str format, const struct json *data,
                bool is_terminal) MUST_CHECK;

/* "1h30m" or plain seconds; a negative code when it is neither. */
int query_duration(struct str text, int64_t *duration_ms) MUST_CHECK;

#endif
