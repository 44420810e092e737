/* source_text.h - texts that are kept as numbers because they can be printed again to the byte.
 *
 * Threads: pure.
 */
#ifndef LOGSTORE_SOURCE_TEXT_H
#define LOGSTORE_SOURCE_TEXT_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* "-17": a decimal integer as it would be printed, of at most 18 digits. */
bool source_integer_read(struct str text, int64_t *value);
void source_integer_print(int64_t value, struct buf *out);

#define SOURCE_ZONE_SIZE 6

/* What the times of a column have in common: "2024-02-08T11:00:00.123Z". */
struct source_time_form {
    char separator;              /* 'T' or ' ' */
    char point;                  /* '.', ',' or 0 for none */
    uint8_t digit_count;         /* of the fraction, 0 to 9 */
    uint8_t zone_size;           /* of what stands behind it: "Z", "+01:00" */
    char zone[SOURCE_ZONE_SIZE]; /* kept as it is */
};

/* Reads a time of the years 1900 to 2199 with its form; the value counts units of the last digit
 * since 1970, as if the zone were none. */
bool source_time_read(struct str text, struct source_time_form *form, int64_t *value);
void source_time_print(const struct source_time_form *form, int64_t value, struct buf *out);

#endif
