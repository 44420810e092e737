/* parse_line.h - one line of an exposition taken apart: names, labels, numbers, exemplars. */
#ifndef PROMETHEUS_PARSE_LINE_H
#define PROMETHEUS_PARSE_LINE_H

#include "prometheus/parse.h"

#include <stdbool.h>

/* A document is one allocation an array; their sizes are bounds counted before. The text's copy
 * is unescaped in place, for that only shrinks; the NULs behind the texts are written last. */
struct pm_document {
    bool is_openmetrics;
    char *text;
    size_t size;
    struct pm_parsed_family *families;
    size_t family_count;
    struct pm_parsed_sample *samples;
    size_t sample_count;
    struct pm_parsed_label *labels;
    size_t label_count;
    struct pm_parsed_exemplar *exemplars;
    size_t exemplar_count;
};

/* Where the reading is, within one line. Owned by: pm_parse(). */
struct parse_cursor {
    struct pm_document *document;
    char *at;
    char *end; /* of the line */
    bool is_openmetrics;
    bool has_quoted_names;
    size_t line;
    struct pm_parse_error *error;
};

int pm_parse_fail(struct parse_cursor *cursor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* All return PM_OK or PM_ERROR_PARSE with the error filled. */

/* Between two parts: one blank in OpenMetrics, blanks and tabs in text. */
int pm_parse_blank(struct parse_cursor *cursor, const char *before);
/* A metric's name as metadata has it, quoted where the format may. */
int pm_parse_name(struct parse_cursor *cursor, struct pm_text *name);
/* The rest of the line, unescaped. */
int pm_parse_rest(struct parse_cursor *cursor, struct pm_text *rest);
/* A whole sample's line: into the document's next sample, not counted yet. */
int pm_parse_sample(struct parse_cursor *cursor, struct pm_parsed_sample *sample);
/* A number of the text formats, whole text; false when it is none. */
bool pm_parse_number(const char *text, size_t size, double *value);

#endif
