/* exposition.c - a cursor over lines; each kind of line has its reader. */
#include "scrape/exposition.h"

#include "base/check.h"
#include "codec/number.h"
#include "codec/utf8.h"
#include "model/sample.h"

#include <errno.h>
#include <math.h>
#include <string.h>

void exposition_init(struct exposition *exposition, struct str text, enum exposition_format format)
{
    *exposition = (struct exposition){ .text = text, .format = format };
}

static int fail(const struct exposition *exposition, struct error *error, const char *what)
{
    if (error != NULL) error->offset = exposition->offset;
    return error_set(error, ERROR_PARSE, "line %zu: %s", exposition->line, what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct str skip_blanks(struct str text)
{
    while (text.size > 0 && is_blank(text.data[0])) text = str_skip(text, 1);
    return text;
}

/* Size of a quoted text at the front, quotes included; 0 when it does not end. */
static size_t quoted_size(struct str text)
{
    for (size_t i = 1; i < text.size; i++) {
        if (text.data[i] == '\\') {
            i++;
        } else if (text.data[i] == '"') {
            return i + 1;
        }
    }
    return 0;
}

/* Size of name and braces at the front of a sample's line; 0 when they are broken. */
static size_t series_size(struct str line)
{
    size_t i = 0;
    while (i < line.size && line.data[i] != '{' && !is_blank(line.data[i])) i++;
    size_t name_size = i;
    /* Blanks may stand between a name and its brace. */
    size_t brace = i;
    while (brace < line.size && is_blank(line.data[brace])) brace++;
    if (brace >= line.size || line.data[brace] != '{') return name_size;
    for (i = brace + 1; i < line.size; i++) {
        if (line.data[i] == '}') return i + 1;
        if (line.data[i] != '"') continue;
        size_t size = quoted_size(str_skip(line, i));
        if (size == 0) return 0;
        i += size - 1;
    }
    return 0;
}

static struct str take_word(struct str *rest)
{
    *rest = skip_blanks(*rest);
    size_t size = 0;
    while (size < rest->size && !is_blank(rest->data[size])) size++;
    struct str word = str_first(*rest, size);
    *rest = str_skip(*rest, size);
    return word;
}

static bool read_time(const struct exposition *exposition, struct str word, int64_t *time_ms)
{
    if (exposition->format == EXPOSITION_TEXT) {
        return word.data[0] != '-' && word.data[0] != '+' && str_to_int64(word, time_ms);
    }
    double seconds;
    if (!number_parse(word, &seconds) || !isfinite(seconds)) return false;
    if (fabs(seconds) > 9e15) return false;
    *time_ms = (int64_t)llround(seconds * 1000);
    return true;
}

/* Go's float syntax but no hexadecimal: as the real parser. */
static bool read_value(struct str word, double *value)
{
    for (size_t i = 0; i < word.size; i++) {
        if (word.data[i] == 'x' || word.data[i] == 'X' || word.data[i] == '_') return false;
    }
    if (!number_parse(word, value)) return false;
    if (isnan(*value)) *value = sample_from_bits(SAMPLE_NORMAL_BITS); /* one NaN for all */
    return true;
}

static int read_sample(struct exposition *exposition, struct str line,
                       struct exposition_entry *entry, struct error *error)
{
    size_t size = series_size(line);
    if (size == 0) return fail(exposition, error, "expected a metric name or a closed '{...}'");
    struct str rest = str_skip(line, size);
    struct exposition_entry sample = { .kind = EXPOSITION_SERIES, .series = str_first(line, size) };
    struct str word = take_word(&rest);
    if (!read_value(word, &sample.value)) {
        return fail(exposition, error, "expected a number behind the series");
    }
    word = take_word(&rest);
    if (word.size > 0 && word.data[0] != '#') {
        if (!read_time(exposition, word, &sample.time_ms)) {
            return fail(exposition, error, "expected a timestamp behind the value");
        }
        sample.has_time = true;
        word = take_word(&rest);
    }
    /* An exemplar may follow in OpenMetrics. */
    bool is_exemplar =
        exposition->format == EXPOSITION_OPENMETRICS && word.size > 0 && word.data[0] == '#';
    if (is_exemplar) sample.exemplar = str_skip(line, (size_t)(word.data + 1 - line.data));
    if (word.size > 0 && !is_exemplar) {
        return fail(exposition, error, "unexpected text behind the sample");
    }
    *entry = sample;
    return 1;
}

struct str exposition_rest(const struct exposition *exposition)
{
    return str_skip(exposition->text, exposition->offset);
}

void exposition_skip(struct exposition *exposition, size_t line_size)
{
    struct str rest = exposition_rest(exposition);
    exposition->line++;
    exposition->offset += line_size < rest.size ? line_size + 1 : line_size;
}

/* The digits of a power of ten, "e+06" or "e-3"; returns how many bytes it has, 0: it is none. */
static size_t plain_exponent(struct str text, int *exponent)
{
    enum { DIGITS_MAX = 2 };
    size_t i = 1;
    if (text.size < 2 || (text.data[0] != 'e' && text.data[0] != 'E')) return 0;
    bool is_negative = text.data[i] == '-';
    if (is_negative || text.data[i] == '+') i++;
    size_t start = i;
    int number = 0;
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        if (i - start == DIGITS_MAX) return 0;
        number = number * 10 + (text.data[i] - '0');
    }
    if (i == start) return 0;
    *exponent = is_negative ? -number : number;
    return i;
}

/* Where the digits at `at` end. They are put behind the number, which more than 19 overflow. */
static size_t skip_digits(struct str text, size_t at, uint64_t *number)
{
    for (; at < text.size; at++) {
        unsigned digit = (unsigned)(unsigned char)text.data[at] - '0';
        if (digit > 9) break;
        *number = *number * 10 + digit;
    }
    return at;
}

/* A decimal of at most 15 digits, with an exponent or without: integer and power of ten are exact,
 * so their quotient or product is the nearest double. Returns how many bytes it has; 0: it is
 * something else. */
static size_t plain_number(struct str text, double *value)
{
    static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    enum { DIGITS_MAX = 15, POWER_MAX = 22 };
    uint64_t digits = 0;
    bool is_negative = text.size > 0 && text.data[0] == '-';
    size_t start = is_negative;
    size_t i = skip_digits(text, start, &digits);
    size_t count = i - start;
    size_t decimals = 0;
    if (count == 0) return 0;
    if (i < text.size && text.data[i] == '.') {
        start = i + 1;
        i = skip_digits(text, start, &digits);
        decimals = i - start;
        if (decimals == 0) return 0;
    }
    if (count + decimals > DIGITS_MAX) return 0;
    int power = 0;
    if (i < text.size && (text.data[i] == 'e' || text.data[i] == 'E')) {
        size_t size = plain_exponent(str_skip(text, i), &power);
        if (size == 0) return 0;
        i += size;
    }
    power -= (int)decimals;
    if (power < -POWER_MAX || power > POWER_MAX) return 0;
    double number = (double)digits;
    number = power < 0 ? number / powers[-power] : number * powers[power];
    *value = is_negative ? -number : number;
    return i;
}

bool exposition_take_known(struct exposition *exposition, size_t series_size,
                           struct exposition_entry *entry)
{
    struct str rest = exposition_rest(exposition);
    if (series_size + 2 >= rest.size || rest.data[series_size] != ' ') return false;
    double value;
    struct str behind = str_skip(rest, series_size + 1);
    /* What begins with a digit or a sign is no brace of this series. */
    size_t size = plain_number(behind, &value);
    if (size == 0 || size >= behind.size || behind.data[size] != '\n') {
        const char *end = memchr(behind.data, '\n', behind.size);
        if (end == NULL) return false;
        size = (size_t)(end - behind.data);
        struct str word = str_first(behind, size);
        if (size == 0 || word.data[0] == '{' || memchr(word.data, ' ', size) != NULL ||
            memchr(word.data, '\t', size) != NULL || !read_value(word, &value)) {
            return false;
        }
    }
    *entry = (struct exposition_entry){ .kind = EXPOSITION_SERIES,
                                        .series = str_first(rest, series_size),
                                        .value = value };
    exposition_skip(exposition, series_size + 1 + size);
    return true;
}

static const struct {
    struct str word;
    enum exposition_kind kind;
} comments[] = {
    { STR_INIT("TYPE"), EXPOSITION_TYPE },
    { STR_INIT("HELP"), EXPOSITION_HELP },
    { STR_INIT("UNIT"), EXPOSITION_UNIT },
};

static bool is_type(struct str word, enum exposition_format format)
{
    static const struct str both[] = { STR_INIT("counter"), STR_INIT("gauge"),
                                       STR_INIT("histogram"), STR_INIT("summary") };
    static const struct str open[] = { STR_INIT("info"), STR_INIT("stateset"), STR_INIT("unknown"),
                                       STR_INIT("gaugehistogram") };
    for (size_t i = 0; i < ARRAY_LENGTH(both); i++) {
        if (str_equal(word, both[i])) return true;
    }
    if (format == EXPOSITION_TEXT) return str_equal(word, STR("untyped"));
    for (size_t i = 0; i < ARRAY_LENGTH(open); i++) {
        if (str_equal(word, open[i])) return true;
    }
    return false;
}

/* 1 with an entry, 2 for a comment that says nothing. */
static int read_comment(struct exposition *exposition, struct str line,
                        struct exposition_entry *entry, struct error *error)
{
    struct str rest = str_skip(line, 1);
    struct str word = take_word(&rest);
    if (exposition->format == EXPOSITION_OPENMETRICS && str_equal(line, STR("# EOF"))) {
        exposition->has_ended = true;
        return 2;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(comments); i++) {
        if (!str_equal(word, comments[i].word)) continue;
        rest = skip_blanks(rest);
        size_t size = rest.size > 0 && rest.data[0] == '"' ? quoted_size(rest) : 0;
        struct str name = size > 0 ? str_first(rest, size) : take_word(&rest);
        if (size > 0) rest = str_skip(rest, size);
        if (name.size == 0) return fail(exposition, error, "expected a metric name");
        *entry = (struct exposition_entry){ .kind = comments[i].kind, .name = name };
        entry->detail = rest.size > 0 ? str_skip(rest, 1) : rest;
        if (entry->kind != EXPOSITION_TYPE) return 1;
        entry->detail = str_trim(entry->detail);
        if (is_type(entry->detail, exposition->format)) return 1;
        return fail(exposition, error, "expected a metric type such as 'counter'");
    }
    if (exposition->format == EXPOSITION_OPENMETRICS) {
        return fail(exposition, error, "expected TYPE, HELP, UNIT or EOF behind '#'");
    }
    return 2;
}

int exposition_next(struct exposition *exposition, struct exposition_entry *entry,
                    struct error *error)
{
    for (;;) {
        if (exposition->offset >= exposition->text.size) break;
        struct str rest = str_skip(exposition->text, exposition->offset);
        size_t size = str_find_char(rest, '\n');
        struct str line = str_first(rest, size == STR_NONE ? rest.size : size);
        exposition->line++;
        if (exposition->has_ended) return fail(exposition, error, "text behind '# EOF'");
        int code = 2;
        if (exposition->format == EXPOSITION_TEXT) line = skip_blanks(line);
        if (line.size > 0 && line.data[0] == '#') {
            code = read_comment(exposition, line, entry, error);
        } else if (line.size > 0) {
            code = read_sample(exposition, line, entry, error);
        } else if (exposition->format == EXPOSITION_OPENMETRICS) {
            code = fail(exposition, error, "empty line");
        }
        if (code < 0) return code;
        exposition->offset += size == STR_NONE ? rest.size : size + 1;
        if (code == 1) return 1;
    }
    if (exposition->format == EXPOSITION_OPENMETRICS && !exposition->has_ended) {
        return fail(exposition, error, "does not end in '# EOF'");
    }
    return 0;
}

struct str exposition_unescape(struct str text, struct arena *arena)
{
    if (str_find_char(text, '\\') == STR_NONE) return text.size == 0 ? STR("") : text;
    char *plain = arena_alloc(arena, text.size, 1);
    if (plain == NULL) return (struct str){ 0 };
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        char next = i + 1 < text.size ? text.data[i + 1] : '\0';
        if (c == '\\' && (next == '\\' || next == '"' || next == 'n')) {
            c = next == 'n' ? '\n' : next;
            i++;
        }
        plain[size++] = c;
    }
    return (struct str){ plain, size };
}

static int fail_labels(struct error *error, struct str series, const char *what)
{
    struct str shown = str_first(series, series.size > 120 ? 120 : series.size);
    return error_set(error, ERROR_PARSE, "%s in '" STR_FMT "'", what, STR_ARG(shown));
}

/* Takes a quoted text off the front and undoes its escapes. */
static bool take_quoted(struct str *rest, struct arena *arena, struct str *text)
{
    size_t size = rest->size > 0 && rest->data[0] == '"' ? quoted_size(*rest) : 0;
    if (size == 0) return false;
    *text = exposition_unescape(str_skip(str_first(*rest, size - 1), 1), arena);
    *rest = str_skip(*rest, size);
    return text->data != NULL && utf8_is_valid(*text);
}

static struct str take_name(struct str *rest)
{
    size_t size = 0;
    while (size < rest->size && !is_blank(rest->data[size]) && rest->data[size] != '=' &&
           rest->data[size] != '{' && rest->data[size] != '}' && rest->data[size] != ',') {
        size++;
    }
    struct str name = str_first(*rest, size);
    *rest = str_skip(*rest, size);
    return name;
}

/* One `name="value"`, `"name"="value"`, or a quoted text alone: the metric's name. */
static int take_label(struct str *rest, struct arena *arena, struct labels_builder *builder,
                      struct str *metric)
{
    struct str name;
    struct str value;
    bool is_quoted = rest->data[0] == '"';
    if (is_quoted && !take_quoted(rest, arena, &name)) return ERROR_PARSE;
    if (!is_quoted) name = take_name(rest);
    if (!is_quoted && !label_name_is_legacy(name)) return ERROR_PARSE;
    *rest = skip_blanks(*rest);
    if (rest->size == 0 || rest->data[0] != '=') {
        if (!is_quoted || metric->size > 0) return ERROR_PARSE;
        *metric = name;
        return 0;
    }
    *rest = skip_blanks(str_skip(*rest, 1));
    if (!take_quoted(rest, arena, &value)) return ERROR_PARSE;
    if (labels_builder_get(builder, name).size > 0) return ERROR_DUPLICATE;
    labels_builder_set(builder, name, value);
    return 0;
}

/* What stands in braces, up to the closing one; `text` is what an error shows. */
static int take_braces(struct str *rest, struct str text, struct arena *arena,
                       struct labels_builder *builder, struct str *metric, struct error *error)
{
    if (rest->size > 0 && rest->data[0] != '{') return fail_labels(error, text, "expected '{'");
    if (rest->size > 0) *rest = skip_blanks(str_skip(*rest, 1));
    while (rest->size > 0 && rest->data[0] != '}') {
        int code = take_label(rest, arena, builder, metric);
        if (code == ERROR_DUPLICATE) return fail_labels(error, text, "a label stands twice");
        if (code != 0) return fail_labels(error, text, "bad label");
        *rest = skip_blanks(*rest);
        if (rest->size > 0 && rest->data[0] == ',') {
            *rest = skip_blanks(str_skip(*rest, 1));
        } else if (rest->size == 0 || rest->data[0] != '}') {
            return fail_labels(error, text, "expected ',' or '}'");
        }
    }
    return 0;
}

int exposition_labels(struct str series, struct arena *arena, struct labels_builder *builder,
                      struct error *error)
{
    struct str rest = series;
    struct str metric = take_name(&rest);
    if (metric.size > 0 && !metric_name_is_legacy(metric)) {
        return fail_labels(error, series, "bad metric name");
    }
    rest = skip_blanks(rest);
    int code = take_braces(&rest, series, arena, builder, &metric, error);
    if (code != 0) return code;
    if (metric.size == 0) return fail_labels(error, series, "no metric name");
    labels_builder_set(builder, LABEL_METRIC_NAME, metric);
    if (builder->has_failed) return error_set(error, -ENOMEM, "no memory for labels");
    return 0;
}

/* Characters of all names and values; what counts for the limit. */
static size_t text_length(struct labels labels)
{
    size_t length = 0;
    for (size_t i = 0; i < labels.count; i++) {
        struct str texts[] = { labels.items[i].name, labels.items[i].value };
        for (size_t k = 0; k < ARRAY_LENGTH(texts); k++) {
            for (size_t c = 0; c < texts[k].size; c++) {
                length += ((unsigned char)texts[k].data[c] & 0xc0) != 0x80;
            }
        }
    }
    return length;
}

static int read_exemplar(struct str text, int64_t time_ms, struct arena *arena,
                         struct labels_builder *builder, struct exemplar *exemplar,
                         struct error *error)
{
    struct str rest = skip_blanks(text);
    struct str metric = { 0 };
    if (rest.size == 0) return fail_labels(error, text, "expected '{' behind the exemplar's '#'");
    int code = take_braces(&rest, text, arena, builder, &metric, error);
    if (code != 0) return code;
    if (rest.size == 0 || metric.size > 0) return fail_labels(error, text, "bad exemplar");
    rest = str_skip(rest, 1);
    struct exposition seconds = { .format = EXPOSITION_OPENMETRICS };
    struct str word = take_word(&rest);
    struct exemplar found = { .time_ms = time_ms };
    if (!read_value(word, &found.value)) {
        return fail_labels(error, text, "expected the exemplar's value");
    }
    word = take_word(&rest);
    if (word.size > 0 && !read_time(&seconds, word, &found.time_ms)) {
        return fail_labels(error, text, "bad time of an exemplar");
    }
    if (skip_blanks(rest).size > 0) return fail_labels(error, text, "text behind an exemplar");
    struct labels labels = labels_builder_labels(builder);
    if (text_length(labels) > EXEMPLAR_LABELS_SIZE_MAX) {
        return error_set(error, ERROR_INVALID, "an exemplar has more than %d characters of labels",
                         EXEMPLAR_LABELS_SIZE_MAX);
    }
    if (builder->has_failed || labels_copy(arena, labels, &found.labels) != 0) {
        return error_set(error, -ENOMEM, "no memory for an exemplar");
    }
    *exemplar = found;
    return 0;
}

int exposition_exemplar(struct str text, int64_t time_ms, struct arena *arena,
                        struct exemplar *exemplar, struct error *error)
{
    CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
    return read_exemplar(text, time_ms, arena, &builder, exemplar, error);
}

bool exposition_format_find(struct str content_type, enum exposition_format *format)
{
    struct str rest = content_type;
    struct str type = str_trim(str_cut(&rest, ';'));
    if (str_equal_nocase(type, STR("application/openmetrics-text"))) {
        *format = EXPOSITION_OPENMETRICS;
        return true;
    }
    *format = EXPOSITION_TEXT;
    return str_equal_nocase(type, STR("text/plain"));
}
