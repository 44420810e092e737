/* name.h - what may be a metric or label name, and text made valid UTF-8 and escaped. */
#ifndef PROMETHEUS_NAME_H
#define PROMETHEUS_NAME_H

#include "prometheus/prometheus.h"

#include <stdbool.h>

bool pm_name_is_metric(const char *name); /* [a-zA-Z_:][a-zA-Z0-9_:]*, at most PM_NAME_SIZE_MAX */
bool pm_name_is_label(const char *name);  /* [a-zA-Z_][a-zA-Z0-9_]*, not starting with "__" */
/* The same where names may be any UTF-8: not empty, valid, no label starting with "__". */
bool pm_name_is_metric_in(const char *name, bool has_utf8);
bool pm_name_is_label_in(const char *name, bool has_utf8);
bool pm_name_ends_in(const char *name, const char *suffix);

/* Bytes of the character at text: > 0 valid, < 0 minus the bytes of a bad prefix. Text ends in a
 * NUL, which is no continuation, so it is never read past. Source: Unicode 15, table 3-7. */
int pm_name_character_size(const char *at);

/* Writes text escaped: backslash and line feed, with `quotes` also the quote; bytes that are not
 * UTF-8 become U+FFFD, one a maximal bad prefix. Returns the size; to NULL only counts.
 * Needs at most 3 times strlen(text). */
size_t pm_name_escape(char *to, const char *text, bool quotes);
/* The same without escaping: only made valid UTF-8. */
size_t pm_name_mend(char *to, const char *text);

#endif
