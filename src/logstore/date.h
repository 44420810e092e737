/* date.h - dates as Elasticsearch reads and writes them: formats, date math, calendar rounding. */
#ifndef LOGSTORE_DATE_H
#define LOGSTORE_DATE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether dynamic mapping takes the text for a date: strict_date_optional_time, or
 * yyyy/MM/dd with an optional time. */
bool date_is_detected(struct str text);

/* A time zone whose offset changes in the year: seconds east of UTC at a time. */
struct date_zone {
    int32_t (*offset_at)(const void *rules, int64_t time_ms);
    const void *rules;
};

struct date_options {
    struct str format; /* formats separated by ||; empty: strict_date_optional_time||epoch_millis */
    int64_t now_ms;    /* what "now" means */
    int32_t zone_offset_s;        /* of texts that have no zone of their own */
    const struct date_zone *zone; /* instead of the offset; NULL: none */
    bool rounds_up;   /* missing parts and "/d" go to the last millisecond, not the first */
    bool allows_math; /* "now-1h/d", "2024-01-01||+1M" */
};

/* Whether all of several formats, separated by ||, can be read; else the first that cannot. */
bool date_format_is_known(struct str formats, struct str *unknown) MUST_CHECK;

/* Milliseconds since the epoch, or nanoseconds. ERROR_PARSE with Elasticsearch's sentence. */
int date_parse_ms(struct str text, const struct date_options *options, int64_t *time_ms,
                  struct error *error) MUST_CHECK;
int date_parse_ns(struct str text, const struct date_options *options, int64_t *time_ns,
                  struct error *error) MUST_CHECK;

/* Appends the time in a format; empty: strict_date_optional_time. Only the first of several. */
void date_print_ms(int64_t time_ms, struct str format, int32_t zone_offset_s, struct buf *out);
void date_print_ns(int64_t time_ns, struct str format, int32_t zone_offset_s, struct buf *out);

/* "+01:00", "-0500", "Z", "UTC": seconds east. Names of regions need the zone rules: date_zone. */
bool date_offset_parse(struct str text, int32_t *offset_s) MUST_CHECK;

enum date_unit {
    DATE_SECOND,
    DATE_MINUTE,
    DATE_HOUR,
    DATE_DAY,
    DATE_WEEK, /* Monday */
    DATE_MONTH,
    DATE_QUARTER,
    DATE_YEAR,
};

int64_t date_floor_ms(int64_t time_ms, enum date_unit unit);              /* in UTC */
int64_t date_add_ms(int64_t time_ms, enum date_unit unit, int64_t count); /* clamps the day */

#endif
