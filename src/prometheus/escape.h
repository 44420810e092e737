/* escape.h - names beyond [a-zA-Z_:][a-zA-Z0-9_:]*, for scrapers that know them and for those that
 * do not. */
#ifndef PROMETHEUS_ESCAPE_H
#define PROMETHEUS_ESCAPE_H

#include "prometheus/prometheus.h"

#include <stdbool.h>

enum { ESCAPE_GROWTH = 8, ESCAPE_MORE = 8 }; /* a name needs at most GROWTH * size + MORE bytes */

/* Whether the name is plain: in no need of quotes nor escaping. A colon is not plain in a label. */
bool pm_escape_is_plain(const char *name, size_t size, bool is_label);

/* The name as `escaping` wants it, without quotes; plain ones as they are. PM_ESCAPE_NONE: with
 * backslashes before quotes, backslashes and as \n, to stand in quotes. Returns the size. */
size_t pm_escape_name(char *to, const char *name, size_t size, enum pm_escaping escaping,
                      bool is_label);

/* The escaping that holds for a format: formats older than UTF-8 names always escape. */
enum pm_escaping pm_escape_of(struct pm_format format);

#endif
