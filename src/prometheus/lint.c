/* lint.c - what a well-formed exposition still does wrong.
 *
 * Each rule is a function of one family and a row in the table at the end.
 */
#include "prometheus/lint.h"

#include "prometheus/name.h"
#include "prometheus/parse.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE_MAX = 512, LABELS_SEEN_MAX = 64 };

struct lint {
    const struct pm_lint_options *options;
    pm_finding_function *tell;
    void *arg;
    const char *rule;
    const struct pm_parsed_family *family;
    char name[NAME_SIZE_MAX]; /* of the family, for findings and for comparisons of lower case */
    char lower[NAME_SIZE_MAX];
    int count;
    bool has_failed; /* no memory */
};

__attribute__((format(printf, 3, 4))) static void find(struct lint *lint, size_t line,
                                                       const char *format, ...)
{
    struct pm_finding finding = { .line = line, .rule = lint->rule, .metric = lint->name };
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding.text, sizeof(finding.text), format, arguments);
    va_end(arguments);
    lint->count++;
    lint->tell(lint->arg, &finding);
}

/* Where the name stands: its TYPE line, if there is one. */
static size_t name_line(const struct lint *lint)
{
    return lint->family->type_line != 0 ? lint->family->type_line : lint->family->line;
}

static bool is_text(struct pm_text text, const char *other)
{
    return text.size == strlen(other) && memcmp(text.data, other, text.size) == 0;
}

/* Whether the name has the word between underscores, or at its end behind one. */
static bool has_inner_word(const char *name, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = strchr(name, '_'); at != NULL; at = strchr(at + 1, '_')) {
        if (strncmp(at + 1, word, size) == 0 && (at[1 + size] == '_' || at[1 + size] == '\0')) {
            return true;
        }
    }
    return false;
}

/* ---- Names ---- */

static void check_help(struct lint *lint)
{
    const struct pm_parsed_family *family = lint->family;
    if (family->help.size == 0) find(lint, name_line(lint), "no help text: say what is measured");
}

/* "Jobs total" for jobs_total: the same letters, whatever stands between them. */
static void check_help_repeats(struct lint *lint)
{
    const struct pm_parsed_family *family = lint->family;
    const char *name = lint->lower;
    size_t at = 0;
    if (family->help.size == 0) return;
    for (size_t i = 0; i < family->help.size; i++) {
        char byte = family->help.data[i];
        if (byte >= 'A' && byte <= 'Z') byte = (char)(byte + 'a' - 'A');
        if ((byte < 'a' || byte > 'z') && (byte < '0' || byte > '9')) continue;
        while (name[at] == '_' || name[at] == ':') at++;
        if (name[at] != byte) return;
        at++;
    }
    while (name[at] == '_') at++;
    if (name[at] == '\0') find(lint, family->help_line, "the help text only repeats the name");
}

static void check_type(struct lint *lint)
{
    if (lint->family->type_line != 0) return;
    find(lint, lint->family->line, "no TYPE line: it is taken for untyped");
}

static const struct unit {
    const char *name;
    const char *base;
} units[] = {
    { "amperes", "amperes" },    { "bytes", "bytes" },     { "celsius", "celsius" },
    { "grams", "grams" },        { "joules", "joules" },   { "kelvin", "kelvin" },
    { "meters", "meters" },      { "metres", "metres" },   { "seconds", "seconds" },
    { "volts", "volts" },        { "minutes", "seconds" }, { "hours", "seconds" },
    { "days", "seconds" },       { "weeks", "seconds" },   { "kelvins", "kelvin" },
    { "fahrenheit", "celsius" }, { "rankine", "celsius" }, { "inches", "meters" },
    { "yards", "meters" },       { "miles", "meters" },    { "bits", "bytes" },
    { "calories", "joules" },    { "pounds", "grams" },    { "ounces", "grams" },
};

static const char *const prefixes[] = { "",     "pico",  "nano", "micro", "milli", "centi", "deci",
                                        "deca", "hecto", "kilo", "kibi",  "mega",  "mibi",  "giga",
                                        "gibi", "tera",  "tebi", "peta",  "pebi" };

/* The base unit of a word that is a unit, with or without prefix; NULL: it is none. */
static const char *base_of(const char *word, size_t size)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t unit_size = strlen(units[i].name);
        if (size < unit_size) continue;
        size_t rest = size - unit_size;
        if (memcmp(word + rest, units[i].name, unit_size) != 0) continue;
        for (size_t j = 0; j < sizeof(prefixes) / sizeof(prefixes[0]); j++) {
            if (strlen(prefixes[j]) == rest && memcmp(word, prefixes[j], rest) == 0) {
                return units[i].base;
            }
        }
    }
    return NULL;
}

static void check_unit(struct lint *lint)
{
    for (const char *word = lint->name; *word != '\0';) {
        size_t size = strcspn(word, "_");
        const char *base = base_of(word, size);
        if (base != NULL && (strlen(base) != size || memcmp(base, word, size) != 0)) {
            find(lint, name_line(lint), "count in %s, the base unit, instead of %.*s", base,
                 (int)size, word);
            return;
        }
        word += size + (word[size] == '_');
    }
}

static void check_abbreviation(struct lint *lint)
{
    static const char *const words[] = { "s",  "ms", "us", "ns", "sec", "b", "kb",
                                         "mb", "gb", "tb", "pb", "m",   "h", "d" };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!has_inner_word(lint->lower, words[i])) continue;
        find(lint, name_line(lint), "write the unit out instead of '_%s'", words[i]);
        return;
    }
}

static void check_percent(struct lint *lint)
{
    static const char *const words[] = { "percent", "percentage", "pct" };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!has_inner_word(lint->lower, words[i])) continue;
        find(lint, name_line(lint), "give a ratio from 0 to 1, '_ratio', instead of '_%s'",
             words[i]);
    }
}

/* OpenMetrics' parser gives counters without the ending. */
static void check_total(struct lint *lint)
{
    const struct pm_parsed_family *family = lint->family;
    bool has_total = pm_name_ends_in(lint->name, "_total");
    if (family->type == PM_UNTYPED) return;
    if (family->type != PM_COUNTER) {
        if (has_total) find(lint, name_line(lint), "'_total' is the ending of counters");
        return;
    }
    for (size_t i = 0; i < family->sample_count && !has_total; i++) {
        const struct pm_text *name = &family->samples[i].name;
        has_total = name->size > 6 && memcmp(name->data + name->size - 6, "_total", 6) == 0;
    }
    if (!has_total) find(lint, name_line(lint), "a counter's name ends in '_total'");
}

static void check_reserved(struct lint *lint)
{
    const struct pm_parsed_family *family = lint->family;
    bool is_histogram = family->type == PM_HISTOGRAM || family->type == PM_GAUGE_HISTOGRAM;
    bool is_summary = family->type == PM_SUMMARY;
    if (family->type == PM_UNTYPED) return;
    if (!is_histogram && pm_name_ends_in(lint->name, "_bucket")) {
        find(lint, name_line(lint), "'_bucket' is the ending of a histogram's samples");
    }
    if (!is_histogram && !is_summary && pm_name_ends_in(lint->name, "_count")) {
        find(lint, name_line(lint), "'_count' is the ending of a histogram's or summary's sample");
    }
    if (!is_histogram && !is_summary && pm_name_ends_in(lint->name, "_sum")) {
        find(lint, name_line(lint), "'_sum' is the ending of a histogram's or summary's sample");
    }
    bool is_le_told = is_histogram;
    bool is_quantile_told = is_summary;
    for (size_t i = 0; i < family->sample_count; i++) {
        const struct pm_parsed_sample *sample = &family->samples[i];
        for (size_t j = 0; j < sample->label_count; j++) {
            if (!is_le_told && is_text(sample->labels[j].name, "le")) {
                find(lint, sample->line, "the label 'le' is for a histogram's buckets");
                is_le_told = true;
            }
            if (!is_quantile_told && is_text(sample->labels[j].name, "quantile")) {
                find(lint, sample->line, "the label 'quantile' is for summaries");
                is_quantile_told = true;
            }
        }
    }
}

static void check_type_name(struct lint *lint)
{
    static const char *const words[] = { "counter", "gauge", "summary", "histogram",
                                         "gauge_histogram" };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!has_inner_word(lint->lower, words[i])) continue;
        find(lint, name_line(lint), "leave the type '%s' out of the name", words[i]);
    }
}

static void check_colon(struct lint *lint)
{
    if (strchr(lint->name, ':') == NULL) return;
    find(lint, name_line(lint), "':' is kept for the names of recording rules");
}

static bool has_camel_case(const char *text, size_t size)
{
    for (size_t i = 1; i < size; i++) {
        if (text[i - 1] >= 'a' && text[i - 1] <= 'z' && text[i] >= 'A' && text[i] <= 'Z') {
            return true;
        }
    }
    return false;
}

static void check_timestamp_name(struct lint *lint)
{
    if (lint->family->type != PM_GAUGE || !pm_name_ends_in(lint->lower, "_timestamp")) return;
    find(lint, name_line(lint), "end it in '_timestamp_seconds': times are Unix seconds");
}

/* ---- Labels ---- */

struct seen { /* labels a rule has spoken of in this family */
    struct pm_text names[LABELS_SEEN_MAX];
    size_t count;
};

/* True the first time. A family of very many labels is not spoken of for ever. */
static bool is_new(struct seen *seen, struct pm_text name)
{
    for (size_t i = 0; i < seen->count; i++) {
        if (seen->names[i].size == name.size &&
            memcmp(seen->names[i].data, name.data, name.size) == 0) {
            return false;
        }
    }
    if (seen->count == LABELS_SEEN_MAX) return false;
    seen->names[seen->count++] = name;
    return true;
}

/* Calls look for each label; where it says yes, the finding is made once a label name. */
static void check_labels(struct lint *lint, bool (*look)(const struct pm_parsed_label *label),
                         const char *text)
{
    struct seen seen = { .count = 0 };
    for (size_t i = 0; i < lint->family->sample_count; i++) {
        const struct pm_parsed_sample *sample = &lint->family->samples[i];
        for (size_t j = 0; j < sample->label_count; j++) {
            const struct pm_parsed_label *label = &sample->labels[j];
            if (!look(label) || !is_new(&seen, label->name)) continue;
            int size = label->name.size > 60 ? 60 : (int)label->name.size;
            find(lint, sample->line, "label '%.*s' %s", size, label->name.data, text);
        }
    }
}

static bool is_camel_label(const struct pm_parsed_label *label)
{
    return has_camel_case(label->name.data, label->name.size);
}

static void check_case(struct lint *lint)
{
    if (has_camel_case(lint->name, strlen(lint->name))) {
        find(lint, name_line(lint), "write the name in snake_case, not in camelCase");
    }
    check_labels(lint, is_camel_label, "is in camelCase, write it in snake_case");
}

static bool is_server_label(const struct pm_parsed_label *label)
{
    return is_text(label->name, "job") || is_text(label->name, "instance");
}

static void check_server_label(struct lint *lint)
{
    check_labels(lint, is_server_label, "is set by the server, which renames this one");
}

static bool has_blanks_around(const struct pm_parsed_label *label)
{
    const struct pm_text *value = &label->value;
    if (value->size == 0) return false;
    return strchr(" \t\n", value->data[0]) != NULL ||
           strchr(" \t\n", value->data[value->size - 1]) != NULL;
}

static void check_blank(struct lint *lint)
{
    check_labels(lint, has_blanks_around, "has a value with blanks around it");
}

static bool is_empty_label(const struct pm_parsed_label *label)
{
    return label->value.size == 0;
}

static void check_empty(struct lint *lint)
{
    check_labels(lint, is_empty_label, "has an empty value, which is no label");
}

static int compare_texts(const void *a, const void *b)
{
    const struct pm_text *one = a;
    const struct pm_text *other = b;
    size_t size = one->size < other->size ? one->size : other->size;
    int order = memcmp(one->data, other->data, size);
    return order != 0 ? order : (one->size > other->size) - (one->size < other->size);
}

static size_t count_values(const struct pm_parsed_family *family, struct pm_text name,
                           struct pm_text *values)
{
    size_t count = 0;
    for (size_t i = 0; i < family->sample_count; i++) {
        const struct pm_parsed_sample *sample = &family->samples[i];
        for (size_t j = 0; j < sample->label_count; j++) {
            if (compare_texts(&sample->labels[j].name, &name) != 0) continue;
            values[count++] = sample->labels[j].value;
            break;
        }
    }
    qsort(values, count, sizeof(*values), compare_texts);
    size_t different = count == 0 ? 0 : 1;
    for (size_t i = 1; i < count; i++) different += compare_texts(&values[i - 1], &values[i]) != 0;
    return different;
}

static void check_many(struct lint *lint)
{
    const struct pm_parsed_family *family = lint->family;
    size_t most = lint->options == NULL ? 0 : lint->options->values_max;
    if (most == 0) most = PM_LINT_VALUES_MAX;
    if (family->sample_count <= most) return;
    struct pm_text *values = calloc(family->sample_count, sizeof(*values));
    if (values == NULL) lint->has_failed = true;
    struct seen seen = { .count = 0 };
    for (size_t i = 0; values != NULL && i < family->sample_count; i++) {
        const struct pm_parsed_sample *sample = &family->samples[i];
        for (size_t j = 0; j < sample->label_count; j++) {
            struct pm_text name = sample->labels[j].name;
            if (!is_new(&seen, name)) continue;
            size_t count = count_values(family, name, values);
            if (count <= most) continue;
            find(lint, sample->line, "label '%.*s' has %zu values, over %zu: is it an identifier?",
                 name.size > 60 ? 60 : (int)name.size, name.data, count, most);
        }
    }
    free(values);
}

/* ---- Values ---- */

static void check_sample_time(struct lint *lint)
{
    for (size_t i = 0; i < lint->family->sample_count; i++) {
        if (!lint->family->samples[i].has_timestamp) continue;
        find(lint, lint->family->samples[i].line,
             "a timestamp keeps the series from going stale when it ends");
        return;
    }
}

static void check_negative(struct lint *lint)
{
    if (lint->family->type != PM_COUNTER) return;
    for (size_t i = 0; i < lint->family->sample_count; i++) {
        if (lint->family->samples[i].value >= 0) continue;
        find(lint, lint->family->samples[i].line, "a counter is 0 or more, not %g",
             lint->family->samples[i].value);
        return;
    }
}

static void check_info_value(struct lint *lint)
{
    const struct pm_parsed_family *family = lint->family;
    bool is_info = family->type == PM_INFO ||
                   (family->type == PM_GAUGE && pm_name_ends_in(lint->name, "_info"));
    for (size_t i = 0; is_info && i < family->sample_count; i++) {
        double value = family->samples[i].value;
        if (value >= 1 && value <= 1) continue;
        find(lint, family->samples[i].line, "an info is 1, not %g", value);
        return;
    }
}

/* Whether the two have the same labels but for `le`. A family writes them in one order. */
static bool is_same_group(const struct pm_parsed_sample *a, const struct pm_parsed_sample *b)
{
    size_t i = 0;
    size_t j = 0;
    for (;;) {
        if (i < a->label_count && is_text(a->labels[i].name, "le")) i++;
        if (j < b->label_count && is_text(b->labels[j].name, "le")) j++;
        if (i == a->label_count || j == b->label_count) break;
        if (compare_texts(&a->labels[i].name, &b->labels[j].name) != 0) return false;
        if (compare_texts(&a->labels[i].value, &b->labels[j].value) != 0) return false;
        i++;
        j++;
    }
    return i == a->label_count && j == b->label_count;
}

static const struct pm_text *bound_of(const struct pm_parsed_sample *sample)
{
    for (size_t i = 0; i < sample->label_count; i++) {
        if (is_text(sample->labels[i].name, "le")) return &sample->labels[i].value;
    }
    return NULL;
}

static bool ends_in(const struct pm_parsed_sample *sample, const char *ending)
{
    size_t size = strlen(ending);
    return sample->name.size > size &&
           memcmp(sample->name.data + sample->name.size - size, ending, size) == 0;
}

/* One run of buckets that stand together, which the parser knows to rise; gives the index behind
 * it. */
static size_t check_buckets(struct lint *lint, size_t from, bool *is_good)
{
    const struct pm_parsed_sample *samples = lint->family->samples;
    const struct pm_parsed_sample *first = &samples[from];
    bool has_rest = false;
    double last = 0;
    size_t i = from;
    for (; i < lint->family->sample_count; i++) {
        const struct pm_text *bound = bound_of(&samples[i]);
        if (bound == NULL || !is_same_group(first, &samples[i])) break;
        last = samples[i].value;
        has_rest |= is_text(*bound, "+Inf");
    }
    if (!has_rest) {
        find(lint, first->line, "the buckets have no le=\"+Inf\"");
        *is_good = false;
        return i;
    }
    for (size_t j = i; j < lint->family->sample_count; j++) {
        if (!is_same_group(first, &samples[j]) || bound_of(&samples[j]) != NULL) break;
        bool is_other = samples[j].value < last || samples[j].value > last;
        if (!ends_in(&samples[j], "_count") || !is_other) continue;
        find(lint, samples[j].line, "the count is %g, the +Inf bucket %g", samples[j].value, last);
        *is_good = false;
    }
    return i;
}

static void check_bucket(struct lint *lint)
{
    bool is_good = lint->family->type == PM_HISTOGRAM;
    for (size_t i = 0; is_good && i < lint->family->sample_count;) {
        i = bound_of(&lint->family->samples[i]) == NULL ? i + 1 : check_buckets(lint, i, &is_good);
    }
}

/* ---- The table ---- */

static const struct rule {
    const char *name;
    void (*check)(struct lint *lint);
} rules[] = {
    { "help", check_help },
    { "help-repeats", check_help_repeats },
    { "type", check_type },
    { "unit", check_unit },
    { "abbreviation", check_abbreviation },
    { "percent", check_percent },
    { "total", check_total },
    { "reserved", check_reserved },
    { "type-name", check_type_name },
    { "colon", check_colon },
    { "case", check_case },
    { "timestamp-name", check_timestamp_name },
    { "server-label", check_server_label },
    { "blank", check_blank },
    { "empty", check_empty },
    { "many", check_many },
    { "sample-time", check_sample_time },
    { "bucket", check_bucket },
    { "negative", check_negative },
    { "info-value", check_info_value },
};

/* The name as C text, cut where it is too long or has a byte of zero; and in lower case. */
static void take_name(struct lint *lint)
{
    struct pm_text name = lint->family->name;
    size_t size = name.size < NAME_SIZE_MAX ? name.size : NAME_SIZE_MAX - 1;
    memcpy(lint->name, name.data, size);
    lint->name[size] = '\0';
    for (size_t i = 0; i <= size; i++) {
        char byte = lint->name[i];
        lint->lower[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte + 'a' - 'A') : byte;
    }
}

int pm_lint(const struct pm_document *document, const struct pm_lint_options *options,
            pm_finding_function *tell, void *arg)
{
    size_t count = 0;
    const struct pm_parsed_family *families = pm_document_families(document, &count);
    struct lint lint = { .options = options, .tell = tell, .arg = arg };
    for (size_t i = 0; i < count; i++) {
        lint.family = &families[i];
        take_name(&lint);
        for (size_t j = 0; j < sizeof(rules) / sizeof(rules[0]); j++) {
            lint.rule = rules[j].name;
            rules[j].check(&lint);
        }
    }
    return lint.has_failed ? PM_ERROR_MEMORY : lint.count;
}
