/* compare.c - for tests: an exposition against the one wanted, whatever their order.
 *
 * Both are cut into lines, each line of a sample given the place of its family, and sorted; then
 * they must be the same, but for help texts that were not asked about.
 */
#include "prometheus/expose.h"

#include "prometheus/fail.h"

#include <stdlib.h>
#include <string.h>

struct line {
    const char *text;
    size_t size;
};

struct lines {
    struct line *items;
    size_t count;
};

static int compare_lines(const void *a, const void *b)
{
    const struct line *one = a;
    const struct line *other = b;
    size_t size = one->size < other->size ? one->size : other->size;
    int order = memcmp(one->text, other->text, size);
    return order != 0 ? order : (one->size > other->size) - (one->size < other->size);
}

static bool is_help(const struct line *line)
{
    return line->size > 6 && memcmp(line->text, "# HELP", 6) == 0;
}

static int cut(struct lines *lines, const char *text)
{
    size_t most = 1;
    for (const char *at = text; *at != '\0'; at++) most += *at == '\n';
    lines->items = calloc(most, sizeof(*lines->items));
    lines->count = 0;
    if (lines->items == NULL) return PM_ERROR_MEMORY;
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");
        const char *next = text + size + (text[size] == '\n');
        for (; size > 0 && (*text == ' ' || *text == '\t'); size--) text++;
        if (size > 0) lines->items[lines->count++] = (struct line){ text, size };
        text = next;
    }
    qsort(lines->items, lines->count, sizeof(*lines->items), compare_lines);
    return PM_OK;
}

static int tell(struct pm_error *error, const char *what, const struct line *line)
{
    int size = line->size > 150 ? 150 : (int)line->size;
    return pm_fail(error, PM_ERROR_VALUE, "%s: %.*s", what, size, line->text);
}

static int merge(const struct lines *want, const struct lines *got, struct pm_error *error)
{
    size_t i = 0;
    size_t j = 0;
    while (i < want->count || j < got->count) {
        int order = i == want->count  ? 1
                    : j == got->count ? -1
                                      : compare_lines(&want->items[i], &got->items[j]);
        if (order < 0) return tell(error, "not shown", &want->items[i]);
        if (order == 0) i++;
        if (order > 0 && !is_help(&got->items[j])) {
            return tell(error, "not wanted", &got->items[j]);
        }
        j++;
    }
    return PM_OK;
}

struct shown {
    char *data;
    size_t size;
};

static int append_shown(void *arg, const char *data, size_t size)
{
    struct shown *text = arg;
    char *bigger = realloc(text->data, text->size + size + 1);
    if (bigger == NULL) return -1;
    memcpy(bigger + text->size, data, size);
    text->data = bigger;
    text->size += size;
    text->data[text->size] = '\0';
    return 0;
}

int pm_compare(struct pm_registry *registry, const char *want, const char *const *names,
               struct pm_error *error)
{
    size_t name_count = 0;
    while (names != NULL && names[name_count] != NULL) name_count++;
    struct shown text = { 0 };
    struct lines wanted = { 0 };
    struct lines got = { 0 };
    struct pm_format format = { .kind = PM_TEXT_0_0_4 };
    int code = pm_render_names(registry, format, names, name_count, append_shown, &text);
    if (code == PM_OK) code = cut(&wanted, want);
    if (code == PM_OK) code = cut(&got, text.data == NULL ? "" : text.data);
    code =
        code == PM_OK ? merge(&wanted, &got, error) : pm_fail(error, code, "no memory to compare");
    free(text.data);
    free(wanted.items);
    free(got.items);
    return code;
}
