/* parse.c - reads an exposition, strictly: lines into families and samples. */
#include "prometheus/parse.h"

#include "prometheus/name.h"
#include "prometheus/parse_check.h"
#include "prometheus/parse_line.h"

#include <stdlib.h>
#include <string.h>

/* Owned by: pm_parse(). */
struct parser {
    struct parse_cursor cursor;
    struct parse_check check;
    struct pm_parsed_family *family; /* the open one, or NULL */
    bool is_sealed;                  /* its metadata is complete, its names are taken */
    bool has_ended;                  /* '# EOF' was read */
};

/* ---- Families ---- */

/* Names can only be judged when type and unit are known; what is wrong with them stands on the
 * family's first line. */
static int seal(struct parser *parser)
{
    if (parser->is_sealed) return PM_OK;
    parser->is_sealed = true;
    size_t line = parser->cursor.line;
    parser->cursor.line = parser->family->line;
    int code = pm_check_names(&parser->check, parser->family);
    parser->cursor.line = line;
    return code;
}

static int close_family(struct parser *parser)
{
    if (parser->family == NULL) return PM_OK;
    int code = seal(parser);
    if (code == PM_OK) code = pm_check_end(&parser->check, parser->family);
    parser->family = NULL;
    return code;
}

static int open_family(struct parser *parser, struct pm_text name)
{
    int code = close_family(parser);
    if (code < 0) return code;
    struct pm_document *document = parser->cursor.document;
    parser->family = &document->families[document->family_count++];
    parser->family->name = name;
    parser->family->line = parser->cursor.line;
    parser->family->samples = document->samples + document->sample_count;
    parser->is_sealed = false;
    return PM_OK;
}

/* ---- Metadata ---- */

static const struct {
    const char *text;
    enum pm_type type;
    bool in_text;
    bool in_openmetrics;
} types[] = {
    { "counter", PM_COUNTER, true, true },
    { "gauge", PM_GAUGE, true, true },
    { "histogram", PM_HISTOGRAM, true, true },
    { "summary", PM_SUMMARY, true, true },
    { "untyped", PM_UNTYPED, true, false },
    { "unknown", PM_UNTYPED, false, true },
    { "info", PM_INFO, false, true },
    { "stateset", PM_ENUM, false, true },
    { "gaugehistogram", PM_GAUGE_HISTOGRAM, false, true },
};

static int read_type(struct parser *parser)
{
    struct parse_cursor *cursor = &parser->cursor;
    const char *end = cursor->end;
    while (!cursor->is_openmetrics && end > cursor->at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t size = (size_t)(end - cursor->at);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (!(cursor->is_openmetrics ? types[i].in_openmetrics : types[i].in_text)) continue;
        if (strlen(types[i].text) != size || memcmp(types[i].text, cursor->at, size) != 0) continue;
        parser->family->type = types[i].type;
        return PM_OK;
    }
    return pm_parse_fail(cursor, "'%.*s' is no type of this format", (int)(size > 40 ? 40 : size),
                         cursor->at);
}

/* The family that the metadata of this name belongs to is open then. */
static int find_family(struct parser *parser, struct pm_text name)
{
    const struct pm_parsed_family *family = parser->family;
    bool is_open = family != NULL && family->name.size == name.size &&
                   memcmp(family->name.data, name.data, name.size) == 0;
    if (!is_open) return open_family(parser, name);
    if (!parser->is_sealed) return PM_OK;
    return pm_parse_fail(&parser->cursor, "metadata of '%.*s' stands behind its samples",
                         (int)(name.size > 80 ? 80 : name.size), name.data);
}

enum metadata_kind { METADATA_HELP, METADATA_TYPE, METADATA_UNIT };

static int read_metadata(struct parser *parser, enum metadata_kind kind)
{
    static const char *const names[] = { "HELP", "TYPE", "UNIT" };
    static const char *const befores[] = { "a help text", "a type", "a unit" };
    struct parse_cursor *cursor = &parser->cursor;
    struct pm_text name;
    int code = pm_parse_blank(cursor, "a metric's name");
    if (code == PM_OK) code = pm_parse_name(cursor, &name);
    if (code == PM_OK) code = find_family(parser, name);
    if (code < 0) return code;
    struct pm_parsed_family *family = parser->family;
    size_t *lines[] = { &family->help_line, &family->type_line, &family->unit_line };
    if (*lines[kind] != 0) {
        return pm_parse_fail(cursor, "a second %s of '%.*s', the first is on line %zu", names[kind],
                             (int)(name.size > 80 ? 80 : name.size), name.data, *lines[kind]);
    }
    *lines[kind] = cursor->line;
    bool may_end = !cursor->is_openmetrics && kind == METADATA_HELP;
    if (may_end && cursor->at == cursor->end) {
        family->help = (struct pm_text){ cursor->at, 0 };
        return PM_OK;
    }
    code = pm_parse_blank(cursor, befores[kind]);
    if (code < 0) return code;
    if (kind == METADATA_TYPE) return read_type(parser);
    if (kind == METADATA_HELP) return pm_parse_rest(cursor, &family->help);
    family->unit = (struct pm_text){ cursor->at, (size_t)(cursor->end - cursor->at) };
    return PM_OK;
}

static bool take_word(struct parse_cursor *cursor, const char *word)
{
    size_t size = strlen(word);
    size_t rest = (size_t)(cursor->end - cursor->at);
    if (rest < size || memcmp(cursor->at, word, size) != 0) return false;
    bool is_whole = rest == size || cursor->at[size] == ' ' || cursor->at[size] == '\t';
    if (is_whole) cursor->at += size;
    return is_whole;
}

static int read_comment(struct parser *parser)
{
    struct parse_cursor *cursor = &parser->cursor;
    cursor->at++;
    if (cursor->is_openmetrics) {
        if (cursor->end - cursor->at == 4 && memcmp(cursor->at, " EOF", 4) == 0) {
            parser->has_ended = true;
            return PM_OK;
        }
        if (cursor->at == cursor->end || *cursor->at++ != ' ') {
            return pm_parse_fail(cursor, "expected '# HELP', '# TYPE', '# UNIT' or '# EOF'");
        }
    } else {
        while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t'))
            cursor->at++;
    }
    if (take_word(cursor, "HELP")) return read_metadata(parser, METADATA_HELP);
    if (take_word(cursor, "TYPE")) return read_metadata(parser, METADATA_TYPE);
    if (!cursor->is_openmetrics) return PM_OK; /* a comment */
    if (take_word(cursor, "UNIT")) return read_metadata(parser, METADATA_UNIT);
    return pm_parse_fail(cursor, "expected '# HELP', '# TYPE', '# UNIT' or '# EOF'");
}

/* ---- Lines ---- */

static int read_sample(struct parser *parser)
{
    struct pm_document *document = parser->cursor.document;
    struct pm_parsed_sample *sample = &document->samples[document->sample_count];
    int code = pm_parse_sample(&parser->cursor, sample);
    if (code < 0) return code;
    bool is_its =
        parser->family != NULL && pm_check_belongs(&parser->check, parser->family, sample->name);
    if (!is_its) code = open_family(parser, sample->name);
    if (code == PM_OK) code = seal(parser);
    if (code == PM_OK) code = pm_check_sample(&parser->check, parser->family, sample);
    if (code != PM_OK) return code;
    document->sample_count++;
    parser->family->sample_count++;
    return PM_OK;
}

static int read_line(struct parser *parser)
{
    struct parse_cursor *cursor = &parser->cursor;
    if (parser->has_ended) return pm_parse_fail(cursor, "something stands behind '# EOF'");
    while (!cursor->is_openmetrics && cursor->at < cursor->end &&
           (*cursor->at == ' ' || *cursor->at == '\t')) {
        cursor->at++;
    }
    if (cursor->at == cursor->end) {
        return cursor->is_openmetrics ? pm_parse_fail(cursor, "OpenMetrics has no empty lines")
                                      : PM_OK;
    }
    return *cursor->at == '#' ? read_comment(parser) : read_sample(parser);
}

static int read_lines(struct parser *parser)
{
    struct parse_cursor *cursor = &parser->cursor;
    char *at = cursor->document->text;
    char *end = at + cursor->document->size;
    while (at < end) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        cursor->line++;
        cursor->at = at;
        cursor->end = stop == NULL ? end : stop;
        int code = read_line(parser);
        if (code < 0) return code;
        if (stop == NULL && !parser->has_ended) {
            return pm_parse_fail(cursor, "the last line does not end in a line feed");
        }
        at = stop == NULL ? end : stop + 1;
    }
    int code = close_family(parser);
    if (code == PM_OK && cursor->is_openmetrics && !parser->has_ended) {
        cursor->line++;
        code = pm_parse_fail(cursor, "expected '# EOF' at the end");
    }
    return code;
}

/* ---- Documents ---- */

/* The arrays are as long as the text can need at most: a sample takes a line of 4 bytes, a label
 * two quotes, an exemplar a '#'. Room for one more of each, tried and refused. */
static int make_room(struct pm_document *document)
{
    size_t lines = 1;
    size_t quotes = 0;
    size_t hashes = 0;
    for (size_t i = 0; i < document->size; i++) {
        lines += document->text[i] == '\n';
        quotes += document->text[i] == '"';
        hashes += document->text[i] == '#';
    }
    document->families = calloc(lines + 1, sizeof(*document->families));
    document->samples = calloc(lines + 1, sizeof(*document->samples));
    document->labels = calloc(quotes / 2 + 2, sizeof(*document->labels));
    document->exemplars = calloc(hashes + 1, sizeof(*document->exemplars));
    bool is_whole = document->families != NULL && document->samples != NULL &&
                    document->labels != NULL && document->exemplars != NULL;
    return is_whole ? PM_OK : PM_ERROR_MEMORY;
}

static int check_utf8(struct parse_cursor *cursor)
{
    const char *at = cursor->document->text;
    const char *end = at + cursor->document->size;
    cursor->line = 1;
    while (at < end) {
        int size = pm_name_character_size(at);
        if (size < 0) return pm_parse_fail(cursor, "the line is no valid UTF-8");
        cursor->line += *at == '\n';
        at += size;
    }
    cursor->line = 0;
    return PM_OK;
}

static void end_text(const struct pm_document *document, struct pm_text text)
{
    if (text.data != NULL) document->text[text.data - document->text + (ptrdiff_t)text.size] = '\0';
}

/* Behind each text is a delimiter that has been read. */
static void end_texts(const struct pm_document *document)
{
    for (size_t i = 0; i < document->family_count; i++) {
        end_text(document, document->families[i].name);
        end_text(document, document->families[i].help);
        end_text(document, document->families[i].unit);
    }
    for (size_t i = 0; i < document->sample_count; i++) {
        end_text(document, document->samples[i].name);
        end_text(document, document->samples[i].value_text);
    }
    for (size_t i = 0; i < document->label_count; i++) {
        end_text(document, document->labels[i].name);
        end_text(document, document->labels[i].value);
    }
}

static int parse(struct pm_document *document, enum pm_exposition kind,
                 struct pm_parse_error *error)
{
    struct parser parser;
    memset(&parser, 0, sizeof(parser));
    parser.cursor.document = document;
    parser.cursor.error = error;
    parser.cursor.is_openmetrics = kind == PM_OPENMETRICS_1_0_0 || kind == PM_OPENMETRICS_0_0_1;
    document->is_openmetrics = parser.cursor.is_openmetrics;
    parser.cursor.has_quoted_names = kind != PM_TEXT_0_0_4;
    parser.check.cursor = &parser.cursor;
    int code = make_room(document);
    if (code == PM_OK) code = check_utf8(&parser.cursor);
    if (code == PM_OK) code = read_lines(&parser);
    pm_check_release(&parser.check);
    if (code == PM_OK) end_texts(document);
    return code;
}

static int fail_whole(struct pm_parse_error *error, int code, const char *text)
{
    if (error == NULL) return code;
    memset(error, 0, sizeof(*error));
    error->code = code;
    memcpy(error->text, text, strlen(text));
    return code;
}

int pm_parse(struct pm_document **document_out, const char *text, size_t size,
             const struct pm_parse_options *options, struct pm_parse_error *error)
{
    size_t size_max = options->size_max == 0 ? PM_PARSE_SIZE_MAX : options->size_max;
    if (size > size_max) return fail_whole(error, PM_ERROR_FULL, "the text is over the size limit");
    if (options->kind == PM_PROTOBUF) {
        return fail_whole(error, PM_ERROR_TYPE, "only text is parsed, not protobuf");
    }
    struct pm_document *document = calloc(1, sizeof(*document));
    if (document != NULL) document->text = malloc(size + 1);
    int code = document == NULL || document->text == NULL ? PM_ERROR_MEMORY : PM_OK;
    if (code == PM_OK) {
        if (size > 0) memcpy(document->text, text, size);
        document->text[size] = '\0';
        document->size = size;
        code = parse(document, options->kind, error);
    }
    if (code == PM_ERROR_MEMORY) (void)fail_whole(error, code, "no memory for the document");
    if (code < 0)
        pm_document_free(document);
    else
        *document_out = document;
    return code;
}

void pm_document_free(struct pm_document *document)
{
    if (document == NULL) return;
    free(document->text);
    free(document->families);
    free(document->samples);
    free(document->labels);
    free(document->exemplars);
    free(document);
}

const struct pm_parsed_family *pm_document_families(const struct pm_document *document,
                                                    size_t *count)
{
    *count = document->family_count;
    return document->families;
}
