/* exposition.h - reads what a target exposes: the text format 0.0.4 and 1.0.0, and OpenMetrics.
 *
 *     struct exposition exposition;
 *     exposition_init(&exposition, body, EXPOSITION_TEXT);
 *     struct exposition_entry entry;
 *     while ((code = exposition_next(&exposition, &entry, error)) == 1) ...
 *
 * Reads a line at a time and allocates nothing: a series is handed out as its raw text, which a
 * cache of known series can look up without parsing; exposition_labels takes it apart.
 * As lenient as Prometheus: consistency between lines is not checked.
 *
 * Source:  "Exposition formats" of the Prometheus documentation, OpenMetrics 1.0, and what the real
 *          parsers accept.
 * Threads: one thread.
 */
#ifndef SCRAPE_EXPOSITION_H
#define SCRAPE_EXPOSITION_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "model/exemplar.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

struct exposition {
    struct str text; /* all of it */
    size_t offset;   /* of the next line */
    size_t line;     /* from 1: the line that was handed out last */
    enum exposition_format format;
    bool has_ended; /* "# EOF" was read */
};

enum exposition_kind {
    EXPOSITION_SERIES,
    EXPOSITION_TYPE,
    EXPOSITION_HELP,
    EXPOSITION_UNIT,
};

struct exposition_entry {
    enum exposition_kind kind;
    struct str series;   /* SERIES: raw text of name and labels, as it stands in the line */
    double value;        /* SERIES */
    bool has_time;       /* SERIES */
    int64_t time_ms;     /* SERIES */
    struct str exemplar; /* SERIES of OpenMetrics: what stands behind the '#'; else empty */
    struct str name;     /* others: the metric, still escaped when quoted */
    struct str detail;   /* others: type, help or unit, still escaped */
};

void exposition_init(struct exposition *exposition, struct str text, enum exposition_format format);

/* The text at the cursor: where a line begins. Empty at the end. */
struct str exposition_rest(const struct exposition *exposition);

/*
 * Takes a line that begins with a series of which the caller knows the text's size, when the line
 * is a plain one: a blank, a decimal number, the end of the line. False (and nothing is taken) for
 * all others, which exposition_next reads.
 */
bool exposition_take_known(struct exposition *exposition, size_t series_size,
                           struct exposition_entry *entry);

/* Passes over a line of that size and the end behind it. */
void exposition_skip(struct exposition *exposition, size_t line_size);

/* 1 with *entry, 0 at the end, or ERROR_PARSE ("line 3: expected ..."; error->offset). */
int exposition_next(struct exposition *exposition, struct exposition_entry *entry,
                    struct error *error) MUST_CHECK;

/* Puts the labels of a raw series text, its name as __name__, into the builder; unescaped texts
 * live in the arena. ERROR_PARSE also for a label that stands twice. */
int exposition_labels(struct str series, struct arena *arena, struct labels_builder *builder,
                      struct error *error) MUST_CHECK;

/* Reads an entry's exemplar: labels in braces, a value, perhaps a time in seconds; without one it
 * is of `time_ms`. Its labels live in the arena. ERROR_PARSE, ERROR_INVALID (too much text). */
int exposition_exemplar(struct str text, int64_t time_ms, struct arena *arena,
                        struct exemplar *exemplar, struct error *error) MUST_CHECK;

/* Undoes \\ and \n (and \", where quotes are escaped) of a help text; data NULL without memory. */
struct str exposition_unescape(struct str text, struct arena *arena) MUST_CHECK;

/* The format for a Content-Type. False: not one that can be read (then a scrape fails). */
bool exposition_format_find(struct str content_type, enum exposition_format *format);

#endif
