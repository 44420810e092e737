/* statsd.h - StatsD's lines, read and applied to a registry. For the receiver alone.
 *
 *     name:value[:value...]|type[|@rate][|#tag:value,tag:value]
 *
 * TYPES    c   counter `name_total`, 1/rate times the value
 *          g   gauge: "3" sets, "+3" and "-3" add
 *          ms  histogram `name_seconds`, the value divided by 1000, 1/rate times
 *          h d histogram `name` of the value as it is, 1/rate times
 *          s   gauge `name`: how many different values came in the last interval
 * NAMES    What may not stand in a metric's name becomes "_"; so do dots, dashes and slashes. A
 *          metric that exists is used as it is made, with its own bounds; an unknown one is made.
 * TAGS     DogStatsD's are labels. A tag the metric has no label for is an error; a label without
 *          a tag is empty, which is no label.
 * REFUSED  Events (_e{), service checks (_sc|), other types, counters that go down, rates outside
 *          (0, 1] or below 1/1000 for what is observed. Fields c:, T, e: and card: are skipped.
 */
#ifndef PROMETHEUS_STATSD_H
#define PROMETHEUS_STATSD_H

#include "prometheus/prometheus.h"

#include <stdbool.h>

enum {
    STATSD_VALUES_MAX = 64,        /* packed in one line */
    STATSD_LINE_SIZE_MAX = 8192,   /* as a datagram over loopback at most */
    STATSD_SETS_MAX = 1024,        /* series of type s */
    STATSD_MEMBERS_MAX = 1u << 16, /* different values of one set in one interval */
    STATSD_REPEAT_MAX = 1000       /* observations one value may stand for */
};

enum statsd_type { STATSD_COUNTER, STATSD_GAUGE, STATSD_TIMER, STATSD_HISTOGRAM, STATSD_SET };

struct statsd_value {
    const char *text; /* for sets; NUL-terminated */
    double number;
    bool is_signed; /* "+3", "-3" */
};

struct statsd_line { /* what it points to is within */
    enum statsd_type type;
    const char *name; /* as Prometheus writes it */
    struct statsd_value values[STATSD_VALUES_MAX];
    size_t value_count;
    double rate; /* 1: not sampled */
    struct pm_label labels[PM_LABELS_MAX];
    size_t label_count;
    char text[STATSD_LINE_SIZE_MAX + 8];
};

/* text without its line feed. PM_ERROR_PARSE (no such line) or PM_ERROR_FULL. */
int statsd_parse(struct statsd_line *line, const char *text, size_t size, struct pm_error *error);

/* Where lines go, and the sets of the interval. Owned by: the receiver's thread. */
struct statsd;
int statsd_new(struct statsd **statsd, struct pm_registry *registry, struct pm_error *error);
void statsd_free(struct statsd *statsd); /* NULL is fine */
int statsd_apply(struct statsd *statsd, const struct statsd_line *line, struct pm_error *error);
void statsd_end_interval(struct statsd *statsd); /* sets the gauges of the sets, empties them */

#endif
