/* sample.c - for tests: one sample, found in the exposition itself. */
#include "prometheus/fail.h"
#include "prometheus/prometheus.h"

#include <locale.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Whether text starts with the label's escaped value and its closing quote. */
static bool value_is(const char *text, const char *value)
{
    for (; *value != '\0'; value++) {
        char byte = *value;
        if (byte == '\\' || byte == '"' || byte == '\n') {
            if (*text++ != '\\') return false;
            if (byte == '\n') byte = 'n';
        }
        if (*text++ != byte) return false;
    }
    return *text == '"';
}

/* From one label's name to the next one's, or to the brace. */
static const char *next_label(const char *at)
{
    at = strchr(at, '"');
    if (at == NULL) return NULL;
    for (at++; *at != '"'; at++) {
        if (*at == '\0' || (*at == '\\' && *++at == '\0')) return NULL;
    }
    return at[1] == ',' ? at + 2 : at + 1;
}

/* The value's text when the line is a sample of this name with just these labels, else NULL. */
static const char *match_line(const char *line, const char *name, const struct pm_label *labels,
                              size_t count)
{
    size_t size = strlen(name);
    if (strncmp(line, name, size) != 0) return NULL;
    const char *at = line + size;
    if (*at == ' ') return count == 0 ? at + 1 : NULL;
    if (*at++ != '{') return NULL;
    size_t found = 0;
    while (at != NULL && *at != '}') {
        bool is_there = false;
        for (size_t i = 0; i < count && !is_there; i++) {
            size = strlen(labels[i].name);
            is_there = strncmp(at, labels[i].name, size) == 0 &&
                       strncmp(at + size, "=\"", 2) == 0 &&
                       value_is(at + size + 2, labels[i].value);
        }
        if (!is_there) return NULL;
        found++;
        at = next_label(at);
    }
    return at != NULL && found == count && at[1] == ' ' ? at + 2 : NULL;
}

static double read_value(const char *text)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0) return strtod(text, NULL);
    double value = strtod_l(text, NULL, plain);
    freelocale(plain);
    return value;
}

int pm_sample_(struct pm_registry *registry, double *value, const char *name, ...)
{
    struct pm_label labels[PM_LABELS_MAX];
    size_t count = 0;
    va_list arguments;
    va_start(arguments, name);
    for (; count < PM_LABELS_MAX; count++) {
        labels[count].name = va_arg(arguments, const char *);
        if (labels[count].name == NULL) break;
        labels[count].value = va_arg(arguments, const char *);
        if (labels[count].value == NULL) break;
    }
    va_end(arguments);
    char *text = pm_render_text(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, NULL);
    if (text == NULL) return PM_ERROR_MEMORY;
    const char *found = NULL;
    for (const char *line = text; line != NULL && *line != '\0' && found == NULL;) {
        found = match_line(line, name, labels, count);
        line = strchr(line, '\n');
        if (line != NULL) line++;
    }
    if (found != NULL) *value = read_value(found);
    free(text);
    return found != NULL ? PM_OK : PM_ERROR_UNKNOWN;
}
