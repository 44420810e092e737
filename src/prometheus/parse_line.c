/* parse_line.c - one line of an exposition taken apart: names, labels, numbers, exemplars. */
#include "prometheus/parse_line.h"

#include "prometheus/name.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int pm_parse_fail(struct parse_cursor *cursor, const char *format, ...)
{
    if (cursor->error == NULL) return PM_ERROR_PARSE;
    cursor->error->code = PM_ERROR_PARSE;
    cursor->error->line = cursor->line;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(cursor->error->text, sizeof(cursor->error->text), format, arguments);
    va_end(arguments);
    return PM_ERROR_PARSE;
}

/* ---- Numbers ---- */

/* Digits and their decimal exponent; false when text is no decimal number from end to end. */
static bool read_decimal(const char *at, const char *end, uint64_t *digits, int *exponent)
{
    int count = 0;
    int scale = 0;
    bool has_digit = false;
    bool has_point = false;
    *digits = 0;
    for (; at < end && ((*at >= '0' && *at <= '9') || (*at == '.' && !has_point)); at++) {
        if (*at == '.') {
            has_point = true;
            continue;
        }
        has_digit = true;
        if (has_point && scale > -20000) scale--;
        if (count == 0 && *at == '0') continue;
        if (++count <= 19) *digits = *digits * 10 + (uint64_t)(*at - '0');
    }
    if (!has_digit) return false;
    int power = 0;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        bool is_negative = at < end && *at == '-';
        if (at < end && (*at == '-' || *at == '+')) at++;
        if (at == end) return false;
        for (; at < end && *at >= '0' && *at <= '9'; at++) {
            if (power < 20000) power = power * 10 + (*at - '0');
        }
        if (is_negative) power = -power;
    }
    *exponent = count > 19 ? INT32_MIN : scale + power;
    return at == end;
}

static locale_t plain_locale;
static pthread_once_t locale_once = PTHREAD_ONCE_INIT;

static void make_locale(void)
{
    plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Up to 2^53 times or over 10^22, both exact: one correct rounding. All else is libc's work. */
static double from_decimal(const char *text, size_t size, uint64_t digits, int exponent)
{
    static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    if (exponent >= -22 && exponent <= 22 && digits <= (uint64_t)1 << 53) {
        double value = (double)digits;
        return exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
    }
    (void)pthread_once(&locale_once, make_locale);
    char *copy = strndup(text, size); /* the text may go on with more digits */
    if (copy == NULL) return (double)NAN;
    double value =
        plain_locale == (locale_t)0 ? strtod(copy, NULL) : strtod_l(copy, NULL, plain_locale);
    free(copy);
    return value;
}

bool pm_parse_number(const char *text, size_t size, double *value)
{
    const char *at = text;
    const char *end = text + size;
    bool is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    size_t rest = (size_t)(end - at);
    uint64_t digits;
    int exponent;
    double found;
    if ((rest == 3 && strncasecmp(at, "inf", 3) == 0) ||
        (rest == 8 && strncasecmp(at, "infinity", 8) == 0)) {
        found = (double)INFINITY;
    } else if (rest == 3 && strncasecmp(at, "nan", 3) == 0 && at == text) {
        found = (double)NAN;
    } else if (read_decimal(at, end, &digits, &exponent)) {
        found = from_decimal(at, rest, digits, exponent);
    } else {
        return false;
    }
    *value = is_negative ? -found : found;
    return true;
}

/* ---- Parts ---- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Where text may have any number of blanks; OpenMetrics has none there. */
static void skip_blanks(struct parse_cursor *cursor)
{
    if (cursor->is_openmetrics) return;
    while (cursor->at < cursor->end && is_blank(*cursor->at)) cursor->at++;
}

int pm_parse_blank(struct parse_cursor *cursor, const char *before)
{
    bool is_there = cursor->at < cursor->end &&
                    (cursor->is_openmetrics ? *cursor->at == ' ' : is_blank(*cursor->at));
    if (!is_there) return pm_parse_fail(cursor, "expected a blank and %s", before);
    cursor->at++;
    skip_blanks(cursor);
    return PM_OK;
}

/* The byte an escape stands for, or -1: none of this format's. */
static int unescape(char byte, bool has_quotes)
{
    if (byte == 'n') return '\n';
    return byte == '\\' || (byte == '"' && has_quotes) ? byte : -1;
}

/* Unescapes in place up to an unescaped quote, or to the line's end without `quoted`. OpenMetrics
 * leaves a backslash before other bytes as it is; text knows no such. */
static int read_escaped(struct parse_cursor *cursor, bool quoted, struct pm_text *text)
{
    char *to = cursor->at;
    text->data = to;
    while (cursor->at < cursor->end && !(quoted && *cursor->at == '"')) {
        char byte = *cursor->at++;
        if (byte == '\\') {
            int meant = cursor->at < cursor->end
                            ? unescape(*cursor->at, quoted || cursor->is_openmetrics)
                            : -1;
            if (meant < 0 && !cursor->is_openmetrics) {
                return pm_parse_fail(cursor,
                                     "a backslash stands for nothing here: only \\\\, \\n%s",
                                     quoted ? " and \\\" do" : " do");
            }
            if (meant >= 0) {
                byte = (char)meant;
                cursor->at++;
            } else if (cursor->at < cursor->end) { /* both bytes as they are */
                *to++ = byte;
                byte = *cursor->at++;
            }
        }
        *to++ = byte;
    }
    text->size = (size_t)(to - text->data);
    if (quoted && cursor->at == cursor->end) {
        return pm_parse_fail(cursor, "a quoted text does not end on its line");
    }
    return PM_OK;
}

static int read_quoted(struct parse_cursor *cursor, const char *what, struct pm_text *text)
{
    if (cursor->at == cursor->end || *cursor->at != '"') {
        return pm_parse_fail(cursor, "expected %s in double quotes", what);
    }
    cursor->at++;
    int code = read_escaped(cursor, true, text);
    if (code == PM_OK) cursor->at++;
    return code;
}

/* What a plain name is made of; a colon belongs in metric names only. */
static void take_plain(struct parse_cursor *cursor, bool has_colons, struct pm_text *name)
{
    name->data = cursor->at;
    while (cursor->at < cursor->end) {
        char byte = *cursor->at;
        bool is_part = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       byte == '_' || (byte == ':' && has_colons) ||
                       (byte >= '0' && byte <= '9' && cursor->at > name->data);
        if (!is_part) break;
        cursor->at++;
    }
    name->size = (size_t)(cursor->at - name->data);
}

int pm_parse_name(struct parse_cursor *cursor, struct pm_text *name)
{
    if (cursor->has_quoted_names && cursor->at < cursor->end && *cursor->at == '"') {
        int code = read_quoted(cursor, "a name", name);
        if (code == PM_OK && name->size == 0) code = pm_parse_fail(cursor, "a name is empty");
        return code;
    }
    take_plain(cursor, true, name);
    return name->size > 0 ? PM_OK : pm_parse_fail(cursor, "expected the name of a metric");
}

int pm_parse_rest(struct parse_cursor *cursor, struct pm_text *rest)
{
    return read_escaped(cursor, false, rest);
}

/* ---- Labels ---- */

static bool same_text(struct pm_text a, struct pm_text b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* One 'name="value"'; or, as the first in braces, a quoted metric name, told by is_name. */
static int read_label(struct parse_cursor *cursor, bool may_be_name, struct pm_parsed_label *label,
                      bool *is_name)
{
    bool is_quoted = cursor->has_quoted_names && cursor->at < cursor->end && *cursor->at == '"';
    int code = PM_OK;
    if (is_quoted)
        code = read_quoted(cursor, "a name", &label->name);
    else
        take_plain(cursor, false, &label->name);
    if (code < 0) return code;
    if (label->name.size == 0) return pm_parse_fail(cursor, "expected the name of a label");
    skip_blanks(cursor);
    *is_name = may_be_name && is_quoted && (cursor->at == cursor->end || *cursor->at != '=');
    if (*is_name) return PM_OK;
    if (cursor->at == cursor->end || *cursor->at != '=') {
        return pm_parse_fail(cursor, "expected '=' behind label '%.*s'", (int)label->name.size,
                             label->name.data);
    }
    cursor->at++;
    skip_blanks(cursor);
    return read_quoted(cursor, "a label's value", &label->value);
}

static int check_new(struct parse_cursor *cursor, const struct pm_parsed_label *labels,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!same_text(labels[i].name, labels[count].name)) continue;
        return pm_parse_fail(cursor, "label '%.*s' is there twice", (int)labels[i].name.size,
                             labels[i].name.data);
    }
    return PM_OK;
}

/* From the opening brace past the closing one. metric: where a quoted name goes, or NULL. */
static int read_labels(struct parse_cursor *cursor, struct pm_text *metric,
                       const struct pm_parsed_label **labels_out, size_t *count_out)
{
    struct pm_document *document = cursor->document;
    struct pm_parsed_label *labels = document->labels + document->label_count;
    size_t count = 0;
    cursor->at++;
    skip_blanks(cursor);
    bool is_first = true;
    while (cursor->at < cursor->end && *cursor->at != '}') {
        bool is_name = false;
        int code = read_label(cursor, is_first && metric != NULL, &labels[count], &is_name);
        if (code == PM_OK && !is_name) code = check_new(cursor, labels, count);
        if (code < 0) return code;
        if (is_name)
            *metric = labels[count].name;
        else
            count++;
        is_first = false;
        skip_blanks(cursor);
        if (cursor->at == cursor->end || *cursor->at != ',') break;
        cursor->at++;
        skip_blanks(cursor);
        if (cursor->is_openmetrics && cursor->at < cursor->end && *cursor->at == '}') {
            return pm_parse_fail(cursor, "a comma before the closing brace");
        }
    }
    if (cursor->at == cursor->end || *cursor->at != '}') {
        return pm_parse_fail(cursor, "expected ',' or '}' behind a label");
    }
    cursor->at++;
    document->label_count += count;
    *labels_out = labels;
    *count_out = count;
    return PM_OK;
}

/* ---- Samples ---- */

static void take_word(struct parse_cursor *cursor, struct pm_text *word)
{
    word->data = cursor->at;
    while (cursor->at < cursor->end && !is_blank(*cursor->at)) cursor->at++;
    word->size = (size_t)(cursor->at - word->data);
}

static int read_number(struct parse_cursor *cursor, const char *what, struct pm_text *text,
                       double *value)
{
    take_word(cursor, text);
    if (pm_parse_number(text->data, text->size, value)) return PM_OK;
    return pm_parse_fail(cursor, "'%.*s' is no %s", (int)(text->size > 40 ? 40 : text->size),
                         text->data, what);
}

/* Seconds with a fraction in OpenMetrics, whole milliseconds in text. */
static int read_timestamp(struct parse_cursor *cursor, double *seconds)
{
    struct pm_text text;
    int code = read_number(cursor, "timestamp", &text, seconds);
    if (code < 0) return code;
    if (!isfinite(*seconds)) return pm_parse_fail(cursor, "a timestamp is a finite number");
    if (cursor->is_openmetrics) return PM_OK;
    for (size_t i = 0; i < text.size; i++) {
        if ((text.data[i] >= '0' && text.data[i] <= '9') || (i == 0 && text.data[0] == '-'))
            continue;
        return pm_parse_fail(cursor, "a timestamp of the text format is whole milliseconds");
    }
    *seconds /= 1000;
    return PM_OK;
}

static size_t count_characters(struct pm_text text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

static int read_exemplar(struct parse_cursor *cursor, struct pm_parsed_exemplar *exemplar)
{
    cursor->at++; /* the '#' */
    int code = pm_parse_blank(cursor, "an exemplar's labels");
    if (code < 0) return code;
    if (cursor->at == cursor->end || *cursor->at != '{') {
        return pm_parse_fail(cursor, "an exemplar starts with its labels in braces");
    }
    code = read_labels(cursor, NULL, &exemplar->labels, &exemplar->label_count);
    if (code < 0) return code;
    size_t characters = 0;
    for (size_t i = 0; i < exemplar->label_count; i++) {
        characters += count_characters(exemplar->labels[i].name);
        characters += count_characters(exemplar->labels[i].value);
    }
    if (characters > PM_EXEMPLAR_CHARACTERS_MAX) {
        return pm_parse_fail(cursor, "an exemplar's labels have %zu characters, limit is %d",
                             characters, PM_EXEMPLAR_CHARACTERS_MAX);
    }
    struct pm_text text;
    code = pm_parse_blank(cursor, "an exemplar's value");
    if (code == PM_OK) code = read_number(cursor, "exemplar's value", &text, &exemplar->value);
    if (code < 0 || cursor->at == cursor->end) return code;
    code = pm_parse_blank(cursor, "an exemplar's timestamp");
    if (code == PM_OK) code = read_timestamp(cursor, &exemplar->timestamp_s);
    exemplar->has_timestamp = code == PM_OK;
    return code;
}

/* 'name{labels}', or '{"name",labels}'. */
static int read_series(struct parse_cursor *cursor, struct pm_parsed_sample *sample)
{
    bool is_quoted = cursor->has_quoted_names && *cursor->at == '{';
    int code = is_quoted ? PM_OK : pm_parse_name(cursor, &sample->name);
    if (code < 0) return code;
    if (!cursor->is_openmetrics) skip_blanks(cursor);
    if (cursor->at == cursor->end || *cursor->at != '{') return PM_OK;
    code = read_labels(cursor, is_quoted ? &sample->name : NULL, &sample->labels,
                       &sample->label_count);
    if (code == PM_OK && sample->name.size == 0) {
        code = pm_parse_fail(cursor, "braces without a metric's name: expected it first, quoted");
    }
    return code;
}

int pm_parse_sample(struct parse_cursor *cursor, struct pm_parsed_sample *sample)
{
    struct pm_document *document = cursor->document;
    memset(sample, 0, sizeof(*sample));
    sample->line = cursor->line;
    int code = read_series(cursor, sample);
    bool is_parted = cursor->at > document->text && is_blank(cursor->at[-1]); /* by skipping */
    if (code == PM_OK && (cursor->is_openmetrics || !is_parted)) {
        bool may_touch = !cursor->is_openmetrics && cursor->at[-1] == '}';
        if (!may_touch)
            code = pm_parse_blank(cursor, "a value");
        else
            skip_blanks(cursor);
    }
    if (code == PM_OK) code = read_number(cursor, "value", &sample->value_text, &sample->value);
    if (code < 0) return code;
    skip_blanks(cursor);
    if (cursor->at == cursor->end) return PM_OK;
    if (cursor->is_openmetrics) code = pm_parse_blank(cursor, "a timestamp");
    if (code == PM_OK && cursor->at < cursor->end && *cursor->at != '#') {
        code = read_timestamp(cursor, &sample->timestamp_s);
        sample->has_timestamp = code == PM_OK;
        if (code < 0) return code;
        skip_blanks(cursor);
        if (cursor->at == cursor->end) return PM_OK;
        if (cursor->is_openmetrics) code = pm_parse_blank(cursor, "an exemplar");
    }
    if (code < 0) return code;
    if (!cursor->is_openmetrics || cursor->at == cursor->end || *cursor->at != '#') {
        return pm_parse_fail(cursor, "something stands behind the %s",
                             sample->has_timestamp ? "timestamp" : "value");
    }
    struct pm_parsed_exemplar *exemplar = document->exemplars + document->exemplar_count;
    code = read_exemplar(cursor, exemplar);
    if (code == PM_OK && cursor->at < cursor->end) {
        code = pm_parse_fail(cursor, "something stands behind the exemplar");
    }
    document->exemplar_count++;
    sample->exemplar = exemplar;
    return code;
}
