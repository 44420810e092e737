/* line.c - one update as a line of text, read and written. */
#include "prometheus/line.h"

#include "prometheus/fail.h"
#include "prometheus/name.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const struct verb {
    const char *name;
    enum pm_action action;
} verbs[] = {
    { "inc", PM_DO_INC },         { "dec", PM_DO_DEC },       { "set", PM_DO_SET },
    { "observe", PM_DO_OBSERVE }, { "info", PM_DO_INFO },     { "state", PM_DO_STATE },
    { "remove", PM_DO_REMOVE },   { "create", PM_DO_CREATE },
};

static const char *const type_names[] = {
    [PM_UNTYPED] = "untyped",     [PM_COUNTER] = "counter", [PM_GAUGE] = "gauge",
    [PM_HISTOGRAM] = "histogram", [PM_SUMMARY] = "summary", [PM_INFO] = "info",
    [PM_ENUM] = "enum",
};

enum { VERBS = sizeof(verbs) / sizeof(verbs[0]), TYPES = sizeof(type_names) / sizeof(char *) };

/* ---- Numbers ---- */

bool pm_line_number(const char *text, size_t size, double *value)
{
    char copy[64];
    if (size == 0 || size >= sizeof(copy)) return false;
    for (size_t i = 0; i < size; i++) { /* strtod knows blanks and hexadecimals, too */
        if (strchr("0123456789+-.eEinfatyINFATY", text[i]) == NULL || text[i] == '\0') return false;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *end = copy;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double read = plain == (locale_t)0 ? strtod(copy, &end) : strtod_l(copy, &end, plain);
    if (plain != (locale_t)0) freelocale(plain);
    if (end != copy + size) return false;
    *value = read;
    return true;
}

/* ---- Reading: words are cut and unescaped where they stand ---- */

struct cursor {
    char *at;
    char *begin;
    struct pm_error *error;
};

static int stop(const struct cursor *cursor, const char *what)
{
    return pm_fail(cursor->error, PM_ERROR_PARSE, "byte %zu: expected %s",
                   (size_t)(cursor->at - cursor->begin), what);
}

static void skip_blanks(struct cursor *cursor)
{
    while (*cursor->at == ' ' || *cursor->at == '\t') cursor->at++;
}

/* A quoted text, the cursor on its first quote; ends behind the second. NULL: never closed. */
static char *read_quoted(struct cursor *cursor)
{
    char *text = cursor->at + 1;
    char *to = text;
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '"') {
            *to = '\0';
            cursor->at = at + 1;
            return text;
        }
        if (*at == '\\' && (at[1] == '\\' || at[1] == '"' || at[1] == 'n')) {
            at++;
            *to++ = *at == 'n' ? '\n' : *at;
        } else {
            *to++ = *at;
        }
    }
    return NULL;
}

/* The text up to one of the bytes in `ends`, which stays. May be empty. */
static char *read_until(struct cursor *cursor, const char *ends, size_t *size)
{
    char *text = cursor->at;
    *size = strcspn(text, ends);
    cursor->at += *size;
    return text;
}

/* Cuts the word at the cursor off and moves behind the blank that ends it. */
static void cut_word(struct cursor *cursor)
{
    char byte = *cursor->at;
    if (byte != ' ' && byte != '\t') return;
    *cursor->at++ = '\0';
    skip_blanks(cursor);
}

static int read_label(struct cursor *cursor, struct pm_label *label, bool is_create)
{
    size_t size = 0;
    label->name = read_until(cursor, "=,} \t\"", &size);
    label->value = "";
    char *end = cursor->at;
    if (size == 0) return stop(cursor, "the name of a label");
    if (*cursor->at == '=') {
        cursor->at++;
        if (*cursor->at != '"') return stop(cursor, "a value in quotes");
        label->value = read_quoted(cursor);
        if (label->value == NULL) return stop(cursor, "a quote that ends the value");
    } else if (!is_create) {
        return stop(cursor, "'=' behind the name of the label");
    }
    skip_blanks(cursor);
    if (*cursor->at != ',' && *cursor->at != '}') return stop(cursor, "',' or '}'");
    bool is_last = *cursor->at == '}';
    *cursor->at++ = '\0';
    *end = '\0';
    if (is_last) return 1;
    skip_blanks(cursor);
    if (*cursor->at != '}') return 0;
    cursor->at++;
    return 1;
}

/* '{a="b",...}', the cursor on the brace. */
static int read_labels(struct cursor *cursor, struct pm_line *line)
{
    struct pm_command *command = &line->command;
    cursor->at++;
    skip_blanks(cursor);
    if (*cursor->at == '}') {
        cursor->at++;
        return PM_OK;
    }
    for (int code = 0; code == 0;) {
        if (command->label_count == PM_LABELS_MAX) return stop(cursor, "fewer labels");
        struct pm_label *label = &line->labels[command->label_count++];
        code = read_label(cursor, label, command->action == PM_DO_CREATE);
        if (code < 0) return code;
    }
    return PM_OK;
}

/* The verb, the type behind "create", the name and the labels. */
static int read_subject(struct cursor *cursor, struct pm_line *line)
{
    struct pm_command *command = &line->command;
    size_t size = 0;
    const char *word = read_until(cursor, " \t", &size);
    size_t verb = 0;
    while (verb < VERBS &&
           (strlen(verbs[verb].name) != size || memcmp(verbs[verb].name, word, size) != 0)) {
        verb++;
    }
    if (verb == VERBS) {
        cursor->at = cursor->begin;
        return stop(cursor, "inc, dec, set, observe, info, state, remove or create");
    }
    command->action = verbs[verb].action;
    skip_blanks(cursor);
    if (command->action == PM_DO_CREATE) {
        word = read_until(cursor, " \t", &size);
        size_t type = 0;
        while (type < TYPES &&
               (strlen(type_names[type]) != size || memcmp(type_names[type], word, size) != 0)) {
            type++;
        }
        if (type == TYPES) return stop(cursor, "counter, gauge, histogram, summary, info or enum");
        command->type = (enum pm_type)type;
        skip_blanks(cursor);
    }
    char *name = read_until(cursor, "{ \t", &size);
    if (size == 0) return stop(cursor, "the name of a metric");
    command->name = name;
    bool has_labels = *cursor->at == '{';
    int code = has_labels ? read_labels(cursor, line) : PM_OK;
    if (code < 0) return code;
    if (*cursor->at != '\0' && *cursor->at != ' ' && *cursor->at != '\t') {
        return stop(cursor, "a blank");
    }
    if (!has_labels) {
        cut_word(cursor);
    } else {
        name[size] = '\0'; /* only now: it was the brace */
        skip_blanks(cursor);
    }
    return PM_OK;
}

static int read_bounds(const struct cursor *cursor, struct pm_line *line, const char *list)
{
    struct pm_command *command = &line->command;
    for (;; list++) {
        size_t size = strcspn(list, ",");
        if (command->bound_count == PM_BOUNDS_MAX ||
            !pm_line_number(list, size, &line->bounds[command->bound_count])) {
            return stop(cursor, "bounds such as 0.1,1,10");
        }
        command->bound_count++;
        list += size;
        if (*list == '\0') return PM_OK;
    }
}

static int read_states(const struct cursor *cursor, struct pm_line *line, char *list)
{
    struct pm_command *command = &line->command;
    for (;; list++) {
        if (command->state_count == PM_STATES_MAX) return stop(cursor, "fewer states");
        line->states[command->state_count++] = list;
        list += strcspn(list, ",");
        if (*list == '\0') return PM_OK;
        *list = '\0';
    }
}

static int take_option(const struct cursor *cursor, struct pm_line *line, const char *name,
                       char *value)
{
    struct pm_command *command = &line->command;
    if (strcmp(name, "bounds") == 0) return read_bounds(cursor, line, value);
    if (strcmp(name, "states") == 0) return read_states(cursor, line, value);
    if (strcmp(name, "help") == 0) {
        command->help = value;
        return PM_OK;
    }
    if (strcmp(name, "unit") == 0) {
        command->unit = value;
        return PM_OK;
    }
    if (strcmp(name, "exist") == 0 && strcmp(value, "must") == 0) {
        command->must_exist = true;
        return PM_OK;
    }
    return stop(cursor, "help=, unit=, bounds=, states= or exist=must");
}

static int take_value(const struct cursor *cursor, struct pm_line *line, const char *value)
{
    struct pm_command *command = &line->command;
    if (command->action == PM_DO_STATE && command->state == NULL) {
        command->state = value;
        return PM_OK;
    }
    if (command->action > PM_DO_OBSERVE || command->has_value) {
        return stop(cursor, "no further value");
    }
    command->has_value = true;
    if (pm_line_number(value, strlen(value), &command->value)) return PM_OK;
    return stop(cursor, "a number before this");
}

/* One word behind the subject: a value, or name=value. */
static int read_word(struct cursor *cursor, struct pm_line *line)
{
    char *name = NULL;
    char *value = cursor->at;
    size_t size = strcspn(value, "= \t\"");
    if (value[size] == '=') {
        name = value;
        name[size] = '\0';
        cursor->at = value + size + 1;
        value = cursor->at;
    }
    if (*value == '"') {
        value = read_quoted(cursor);
        if (value == NULL) return stop(cursor, "a quote that ends the text");
        if (*cursor->at != '\0' && *cursor->at != ' ' && *cursor->at != '\t') {
            return stop(cursor, "a blank");
        }
    } else {
        cursor->at += strcspn(value, " \t");
    }
    cut_word(cursor);
    return name == NULL ? take_value(cursor, line, value) : take_option(cursor, line, name, value);
}

int pm_line_parse(struct pm_line *line, const char *text, size_t size, struct pm_error *error)
{
    memset(&line->command, 0, sizeof(line->command));
    while (size > 0 && (text[size - 1] == '\r' || text[size - 1] == ' ')) size--;
    if (size > PM_LINE_SIZE_MAX) {
        return pm_fail(error, PM_ERROR_FULL, "a line of %zu bytes, limit is %d", size,
                       PM_LINE_SIZE_MAX);
    }
    if (memchr(text, '\0', size) != NULL) {
        return pm_fail(error, PM_ERROR_PARSE, "a line with a byte of zero in it");
    }
    memcpy(line->text, text, size);
    line->text[size] = '\0';
    struct cursor cursor = { line->text, line->text, error };
    skip_blanks(&cursor);
    int code = read_subject(&cursor, line);
    while (code == PM_OK && *cursor.at != '\0') code = read_word(&cursor, line);
    line->command.labels = line->labels;
    line->command.states = line->states;
    line->command.bounds = line->command.bound_count > 0 ? line->bounds : NULL;
    return code;
}

/* ---- Writing ---- */

struct line_writer {
    char *to;
    size_t used;
    size_t size; /* one byte is kept for the NUL */
    bool is_full;
};

static void put(struct line_writer *writer, const char *text, size_t size)
{
    if (size >= writer->size - writer->used) writer->is_full = true;
    if (writer->is_full) return;
    memcpy(writer->to + writer->used, text, size);
    writer->used += size;
}

static void put_text(struct line_writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

/* 'before"text"', escaped. */
static void put_quoted(struct line_writer *writer, const char *before, const char *text)
{
    put_text(writer, before);
    put_text(writer, "\"");
    if (pm_name_escape(NULL, text, true) >= writer->size - writer->used) writer->is_full = true;
    if (!writer->is_full) {
        writer->used += pm_name_escape(writer->to + writer->used, text, true);
    }
    put_text(writer, "\"");
}

static void put_number(struct line_writer *writer, const char *before, double value)
{
    char text[PM_DOUBLE_SIZE_MAX];
    put_text(writer, before);
    put(writer, text, pm_print_double(text, value));
}

static void put_options(struct line_writer *writer, const struct pm_command *command)
{
    for (size_t i = 0; i < command->bound_count; i++) {
        put_number(writer, i == 0 ? " bounds=" : ",", command->bounds[i]);
    }
    for (size_t i = 0; i < command->state_count; i++) {
        if (strpbrk(command->states[i], ",\"\\\n") != NULL) writer->is_full = true;
        put_text(writer, i == 0 ? " states=\"" : ",");
        put_text(writer, command->states[i]);
    }
    if (command->state_count > 0) put_text(writer, "\"");
    if (command->help != NULL) put_quoted(writer, " help=", command->help);
    if (command->unit != NULL) put_quoted(writer, " unit=", command->unit);
    if (command->must_exist) put_text(writer, " exist=must");
}

size_t pm_line_print(char *to, size_t size, const struct pm_command *command)
{
    struct line_writer writer = { .to = to, .size = size };
    size_t verb = 0;
    while (verb < VERBS && verbs[verb].action != command->action) verb++;
    if (verb == VERBS || command->name == NULL || size == 0) return 0;
    bool is_create = command->action == PM_DO_CREATE;
    if (is_create && (unsigned)command->type >= TYPES) return 0;
    put_text(&writer, verbs[verb].name);
    put_text(&writer, " ");
    if (is_create) {
        put_text(&writer, type_names[command->type]);
        put_text(&writer, " ");
    }
    /* The name and the labels' stand bare: what would end them is not for the wire. */
    if (strpbrk(command->name, " \t\r\n{") != NULL) return 0;
    put_text(&writer, command->name);
    for (size_t i = 0; i < command->label_count; i++) {
        const struct pm_label *label = &command->labels[i];
        if (label->name == NULL || strpbrk(label->name, "=,} \t\r\n\"") != NULL) return 0;
        put_text(&writer, i == 0 ? "{" : ",");
        put_text(&writer, label->name);
        if (!is_create) put_quoted(&writer, "=", label->value == NULL ? "" : label->value);
    }
    if (command->label_count > 0) put_text(&writer, "}");
    if (command->has_value) put_number(&writer, " ", command->value);
    if (command->action == PM_DO_STATE && command->state != NULL) {
        put_quoted(&writer, " ", command->state);
    }
    put_options(&writer, command);
    put_text(&writer, "\n");
    if (writer.is_full) return 0;
    to[writer.used] = '\0';
    return writer.used;
}
