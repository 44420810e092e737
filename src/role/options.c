/* options.c - the flags of a role from one table. */
#include "role/options.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE_MAX 63
#define HELP_WIDTH    80
#define HELP_INDENT   6

/* ---- values ---- */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    /* in milliseconds; Prometheus' */
    { "ms", 1 },       { "s", 1000 },      { "m", 60000 },       { "h", 3600000 },
    { "d", 86400000 }, { "w", 604800000 }, { "y", 31536000000 },
};

static const struct unit size_units[] = {
    { "", 1 },
    { "b", 1 },
    { "k", 1 << 10 },
    { "kb", 1 << 10 },
    { "kib", 1 << 10 },
    { "m", 1 << 20 },
    { "mb", 1 << 20 },
    { "mib", 1 << 20 },
    { "g", 1 << 30 },
    { "gb", 1 << 30 },
    { "gib", 1 << 30 },
    { "t", (int64_t)1 << 40 },
    { "tb", (int64_t)1 << 40 },
    { "tib", (int64_t)1 << 40 },
};

/* A number, whole or with one decimal point, at the front of *text; thousandths. */
static bool cut_number(struct str *text, int64_t *thousandths)
{
    int64_t value = 0;
    int64_t scale = 0; /* 0: before the point */
    size_t i = 0;
    bool has_digit = false;
    for (; i < text->size; i++) {
        char c = text->data[i];
        if (c == '.' && scale == 0) {
            scale = 1000;
            continue;
        }
        if (c < '0' || c > '9') break;
        has_digit = true;
        if (scale == 0) {
            if (__builtin_mul_overflow(value, 10, &value) ||
                __builtin_add_overflow(value, (c - '0') * 1000, &value)) {
                return false;
            }
        } else if (scale > 1) {
            scale /= 10;
            value += (c - '0') * scale;
        }
    }
    *text = str_skip(*text, i);
    *thousandths = value;
    return has_digit;
}

static const struct unit *find_unit(const struct unit *units, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equal_nocase(str_from(units[i].name), name)) return &units[i];
    }
    return NULL;
}

static bool apply_unit(int64_t thousandths, int64_t factor, int64_t *value)
{
    int64_t whole = 0;
    if (__builtin_mul_overflow(thousandths / 1000, factor, &whole)) return false;
    if (factor > INT64_MAX / 1000) return false;
    return !__builtin_add_overflow(whole, thousandths % 1000 * factor / 1000, value);
}

static bool read_duration(struct str text, int64_t *value)
{
    if (str_equal(text, STR("0"))) {
        *value = 0;
        return true;
    }
    int64_t sum = 0;
    if (text.size == 0) return false;
    while (text.size > 0) {
        int64_t number = 0;
        if (!cut_number(&text, &number)) return false;
        size_t size = 0;
        while (size < text.size && text.data[size] >= 'a' && text.data[size] <= 'z') size++;
        const struct unit *unit =
            find_unit(duration_units, ARRAY_LENGTH(duration_units), str_first(text, size));
        int64_t part = 0;
        if (unit == NULL || !apply_unit(number, unit->factor, &part) ||
            __builtin_add_overflow(sum, part, &sum)) {
            return false;
        }
        text = str_skip(text, size);
    }
    *value = sum;
    return true;
}

static bool read_size(struct str text, int64_t *value)
{
    int64_t number = 0;
    if (!cut_number(&text, &number)) return false;
    const struct unit *unit = find_unit(size_units, ARRAY_LENGTH(size_units), text);
    return unit != NULL && apply_unit(number, unit->factor, value);
}

static bool read_real(struct str text, double *value)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    if (is_negative) text = str_skip(text, 1);
    int64_t thousandths = 0;
    if (!cut_number(&text, &thousandths) || text.size > 0) return false;
    *value = (double)thousandths / (is_negative ? -1000.0 : 1000.0);
    return true;
}

static bool read_bool(struct str text, bool *value)
{
    bool is_true = str_equal(text, STR("true")) || str_equal(text, STR("1"));
    bool is_false = str_equal(text, STR("false")) || str_equal(text, STR("0"));
    if (is_true || is_false) *value = is_true;
    return is_true || is_false;
}

/* What each kind is called in an error. */
static const char *const kind_names[] = {
    [OPTION_TEXT] = "a text",
    [OPTION_FLAG] = "'true' or 'false'",
    [OPTION_INT] = "a whole number",
    [OPTION_COUNT] = "a whole number, not negative",
    [OPTION_SIZE] = "a size like 512MB",
    [OPTION_DURATION] = "a duration like 15d, 1h30m or 500ms",
    [OPTION_REAL] = "a number",
    [OPTION_LIST] = "a text",
    [OPTION_IGNORED] = "a text",
    [OPTION_IGNORED_FLAG] = "'true' or 'false'",
};

static bool store_list(struct option_list *list, const char *text)
{
    if (list->count == OPTION_LIST_MAX) return false;
    list->items[list->count++] = text;
    return true;
}

static bool store(const struct option *option, void *values, const char *text)
{
    void *field = (char *)values + option->offset;
    struct str value = str_from(text);
    bool ignored = false;
    switch (option->kind) {
    case OPTION_TEXT: *(const char **)field = text; return true;
    case OPTION_FLAG: return read_bool(value, field);
    case OPTION_INT: return str_to_int64(value, field);
    case OPTION_COUNT: {
        int64_t count = 0;
        if (!str_to_int64(value, &count) || count < 0) return false;
        *(int64_t *)field = count;
        return true;
    }
    case OPTION_SIZE: return read_size(value, field);
    case OPTION_DURATION: return read_duration(value, field);
    case OPTION_REAL: return read_real(value, field);
    case OPTION_LIST: return store_list(field, text);
    case OPTION_IGNORED: return true;
    case OPTION_IGNORED_FLAG: return read_bool(value, &ignored);
    }
    return false;
}

/* ---- names ---- */

/* An option and the table it stands in. */
struct found {
    const struct option *option;
    void *values;
};

static struct found find_option(const struct option_table *tables, size_t table_count,
                                struct str name)
{
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            const struct option *option = &tables[i].options[j];
            if (str_equal(str_from(option->name), name)) {
                return (struct found){ option, tables[i].values };
            }
        }
    }
    return (struct found){ NULL, NULL };
}

/* How many letters must change to make one of the other (Levenshtein). */
static size_t distance(struct str a, struct str b)
{
    size_t row[NAME_SIZE_MAX + 1];
    if (a.size > NAME_SIZE_MAX || b.size > NAME_SIZE_MAX) return SIZE_MAX;
    for (size_t j = 0; j <= b.size; j++) row[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t above = row[j];
            size_t best = corner + (a.data[i - 1] != b.data[j - 1]);
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            corner = above;
        }
    }
    return row[b.size];
}

static int unknown_option(const struct option_table *tables, size_t table_count, struct str name,
                          struct error *error)
{
    const char *nearest = NULL;
    size_t least = name.size / 3 + 1; /* further away is no help */
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            const struct option *option = &tables[i].options[j];
            size_t far = distance(name, str_from(option->name));
            if (far > least || (far == least && nearest != NULL)) continue;
            least = far;
            nearest = option->name;
        }
    }
    struct str shown = str_first(name, name.size < 80 ? name.size : 80);
    if (nearest == NULL || strlen(nearest) < 2) {
        return error_set(error, ERROR_INVALID, "unknown option '--" STR_FMT "'", STR_ARG(shown));
    }
    return error_set(error, ERROR_INVALID, "unknown option '--" STR_FMT "', did you mean '--%s'?",
                     STR_ARG(shown), nearest);
}

/* ---- parsing ---- */

static const char *dashes(const struct option *option)
{
    return option->name[1] == '\0' ? "-" : "--";
}

static int put_defaults(const struct option_table *tables, size_t table_count, struct error *error)
{
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            const struct option *option = &tables[i].options[j];
            if (option->initial == NULL || option->kind == OPTION_LIST) continue;
            if (store(option, tables[i].values, option->initial)) continue;
            return error_set(error, ERROR_INVALID, "default '%s' of option '--%s' is not %s",
                             option->initial, option->name, kind_names[option->kind]);
        }
    }
    return 0;
}

static bool is_flag(const struct option *option)
{
    return option->kind == OPTION_FLAG || option->kind == OPTION_IGNORED_FLAG;
}

/* Reads argv[*index], and the word behind it when that is its value. */
static int read_option(const struct option_table *tables, size_t table_count, char *const *argv,
                       int *index, struct error *error)
{
    struct str word = str_from(argv[*index]);
    struct str rest = str_skip(word, str_starts_with(word, STR("--")) ? 2 : 1);
    const char *text = NULL;
    struct str name = str_cut(&rest, '=');
    if (rest.data != NULL) text = rest.data; /* to the end of the word, so NUL-terminated */

    struct found found = find_option(tables, table_count, name);
    if (found.option == NULL && text == NULL && str_starts_with(name, STR("no-"))) {
        struct found negated = find_option(tables, table_count, str_skip(name, 3));
        if (negated.option != NULL && is_flag(negated.option)) {
            found = negated;
            text = "false";
        }
    }
    const struct option *option = found.option;
    if (option == NULL) return unknown_option(tables, table_count, name, error);
    if (text == NULL && is_flag(option)) text = "true";
    if (text == NULL) {
        text = argv[*index + 1];
        if (text == NULL) {
            return error_set(error, ERROR_INVALID, "option '%s%s' needs a value", dashes(option),
                             option->name);
        }
        (*index)++;
    }
    if (store(option, found.values, text)) return 0;
    if (option->kind == OPTION_LIST) {
        return error_set(error, ERROR_INVALID, "option '%s%s' is given more than %d times",
                         dashes(option), option->name, OPTION_LIST_MAX);
    }
    return error_set(error, ERROR_INVALID, "option '%s%s' needs %s, not '%.80s'", dashes(option),
                     option->name, kind_names[option->kind], text);
}

int options_parse(const struct option_table *tables, size_t table_count, int argc,
                  char *const *argv, struct option_list *rest, struct error *error)
{
    int code = put_defaults(tables, table_count, error);
    bool is_over = false;
    for (int i = 1; code == 0 && i < argc; i++) {
        struct str word = str_from(argv[i]);
        if (!is_over && str_equal(word, STR("--"))) {
            is_over = true;
        } else if (!is_over && word.size > 1 && word.data[0] == '-') {
            code = read_option(tables, table_count, argv, &i, error);
        } else if (rest == NULL || !store_list(rest, argv[i])) {
            code = error_set(error, ERROR_INVALID, "unexpected word '%.80s'", argv[i]);
        }
    }
    return code;
}

/* ---- showing ---- */

static void wrap(struct buf *out, struct str text)
{
    size_t column = 0;
    while (text.data != NULL) {
        struct str word = str_cut(&text, ' ');
        if (column == 0 || column + 1 + word.size > HELP_WIDTH) {
            buf_printf(out, "%s%*s", column == 0 ? "" : "\n", HELP_INDENT, "");
            column = HELP_INDENT;
        } else {
            buf_append_char(out, ' ');
            column++;
        }
        buf_append_str(out, word);
        column += word.size;
    }
    buf_append_char(out, '\n');
}

void options_help(const struct option_table *tables, size_t table_count, const char *usage,
                  struct buf *out)
{
    buf_printf(out, "Usage: %s\n\nOptions:\n", usage);
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            const struct option *option = &tables[i].options[j];
            if (option->help == NULL) continue;
            buf_printf(out, "  %s%s%s", dashes(option),
                       option->kind == OPTION_FLAG && option->name[1] != '\0' ? "[no-]" : "",
                       option->name);
            if (!is_flag(option)) {
                buf_printf(out, "%c%s", option->name[1] == '\0' ? ' ' : '=',
                           option->argument != NULL ? option->argument : "VALUE");
            }
            if (option->kind == OPTION_LIST) buf_append_cstr(out, " ...");
            if (option->initial != NULL && !is_flag(option)) {
                buf_printf(out, "  [%s]", option->initial);
            }
            buf_append_char(out, '\n');
            wrap(out, str_from(option->help));
        }
    }
}

static bool is_secret(const char *name)
{
    static const char *const words[] = { "password", "secret", "token" };
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (str_contains_nocase(str_from(name), str_from(words[i]))) return true;
    }
    return false;
}

static void print_duration(int64_t ms, struct buf *out)
{
    static const struct unit units[] = {
        { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
    };
    if (ms == 0) buf_append_cstr(out, "0s");
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (ms < units[i].factor) continue;
        buf_printf(out, "%" PRId64 "%s", ms / units[i].factor, units[i].name);
        ms %= units[i].factor;
    }
}

static void print_value(const struct option *option, const void *values, struct buf *out)
{
    const void *field = (const char *)values + option->offset;
    const char *text = NULL;
    const struct option_list *list = field;
    switch (option->kind) {
    case OPTION_TEXT:
        text = *(const char *const *)field;
        buf_append_cstr(out, text == NULL ? "" : text);
        break;
    case OPTION_FLAG: buf_append_cstr(out, *(const bool *)field ? "true" : "false"); break;
    case OPTION_INT:
    case OPTION_COUNT:
    case OPTION_SIZE: buf_printf(out, "%" PRId64, *(const int64_t *)field); break;
    case OPTION_DURATION: print_duration(*(const int64_t *)field, out); break;
    case OPTION_REAL: {
        int64_t thousandths = (int64_t)(*(const double *)field * 1000);
        buf_printf(out, "%" PRId64 ".%03" PRId64, thousandths / 1000,
                   (thousandths < 0 ? -thousandths : thousandths) % 1000);
        break;
    }
    case OPTION_LIST:
        for (size_t i = 0; i < list->count; i++) {
            buf_printf(out, "%s%s", i > 0 ? "," : "", list->items[i]);
        }
        break;
    case OPTION_IGNORED:
    case OPTION_IGNORED_FLAG: break;
    }
}

void options_visit(const struct option_table *tables, size_t table_count,
                   void (*visit)(void *argument, const char *name, const char *value),
                   void *argument)
{
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            const struct option *option = &tables[i].options[j];
            if (option->help == NULL) continue;
            CLEANUP(buf_release) struct buf value;
            buf_init(&value, 65536);
            if (is_secret(option->name)) {
                buf_append_cstr(&value, "<secret>");
            } else {
                print_value(option, tables[i].values, &value);
            }
            visit(argument, option->name, buf_cstr(&value));
        }
    }
}
