/* parse.h - reads an exposition, strictly: what is not in its format is refused, with its line.
 *
 *     struct pm_document *document;
 *     struct pm_parse_error error;
 *     struct pm_parse_options options = { .kind = PM_OPENMETRICS_1_0_0 };
 *     int code = pm_parse(&document, text, size, &options, &error);
 *     if (code < 0) fprintf(stderr, "line %zu: %s\n", error.line, error.text);
 *
 * PICTURE  A document is families in the order of the text, each with its metadata and samples.
 *          All texts lie in the document's own copy: unescaped, followed by a NUL, possibly with
 *          NULs inside (both formats allow them in label values and help texts).
 * STRICT   OpenMetrics as its specification says, rules for whole families included (a histogram
 *          has its +Inf bucket, a counter is not negative, series are not interleaved nor there
 *          twice). Text 0.0.4 and 1.0.0: blanks may be many, comments are passed over, samples of
 *          a family stand together, no series is there twice. A scraper has to be more lenient
 *          than this; this is for tests, for checking what others write, and for passing it on.
 * LIMITS   Memory is a small multiple of the text's size, and size_max bounds that.
 * THREADS  A document is read-only after parsing; any thread.
 */
#ifndef PROMETHEUS_PARSE_H
#define PROMETHEUS_PARSE_H

#include "prometheus/prometheus.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PM_PARSE_SIZE_MAX = 1 << 30, PM_EXEMPLAR_CHARACTERS_MAX = 128 };

struct pm_text { /* data[size] is NUL */
    const char *data;
    size_t size;
};

struct pm_parsed_label {
    struct pm_text name;
    struct pm_text value;
};

struct pm_parsed_exemplar {
    const struct pm_parsed_label *labels;
    size_t label_count;
    double value;
    double timestamp_s; /* Unix seconds, when has_timestamp */
    int has_timestamp;
};

struct pm_parsed_sample {
    struct pm_text name; /* as it stands there, e.g. x_bucket */
    const struct pm_parsed_label *labels;
    size_t label_count;
    double value;
    struct pm_text value_text; /* as it stands there: whole numbers above 2^53 keep their digits */
    double timestamp_s;        /* Unix seconds, when has_timestamp; text 0.0.4 has milliseconds */
    int has_timestamp;
    const struct pm_parsed_exemplar *exemplar; /* NULL: none */
    size_t line;                               /* from 1 */
};

struct pm_parsed_family {
    struct pm_text name; /* as in TYPE; without metadata, that of its samples */
    struct pm_text help; /* unescaped */
    struct pm_text unit;
    enum pm_type type; /* PM_UNTYPED when there is no TYPE line */
    size_t line;       /* of the family's first line, whatever it is */
    size_t help_line;  /* 0: no such line */
    size_t type_line;
    size_t unit_line;
    const struct pm_parsed_sample *samples;
    size_t sample_count;
};

struct pm_parse_options {
    enum pm_exposition kind; /* text 0.0.4, text 1.0.0, OpenMetrics */
    size_t size_max;         /* 0 = PM_PARSE_SIZE_MAX */
};

struct pm_parse_error {
    int code;    /* PM_ERROR_PARSE, PM_ERROR_FULL (size_max), PM_ERROR_MEMORY */
    size_t line; /* from 1; 0 when no line is to blame */
    char text[200];
};

struct pm_document;

/* document out: untouched on failure. error may be NULL. text is borrowed for the call. */
int pm_parse(struct pm_document **document, const char *text, size_t size,
             const struct pm_parse_options *options, struct pm_parse_error *error);
void pm_document_free(struct pm_document *document); /* NULL is fine */
const struct pm_parsed_family *pm_document_families(const struct pm_document *document,
                                                    size_t *count);

/* Writes the document in any text format, its own or another: what the other cannot say (exemplars,
 * units, OpenMetrics' types in text) is left out or said in its way. Protobuf: PM_ERROR_TYPE. */
int pm_document_render(const struct pm_document *document, struct pm_format format,
                       pm_write_function *write, void *arg);

#ifdef __cplusplus
}
#endif

#endif
