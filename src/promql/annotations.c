/* annotations.c - two sets of texts. */
#include "promql/annotations.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ANNOTATION_SIZE_MAX 1024

void annotations_add(struct annotations *annotations, const struct promql_expr *expr,
                     enum annotation_level level, struct place place, const char *format, ...)
{
    static const char *const prefixes[] = { "PromQL info: ", "PromQL warning: " };
    struct map *texts = &annotations->texts[level];
    if (texts->count >= ANNOTATIONS_MAX) return;
    char body[ANNOTATION_SIZE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(body, sizeof(body), format, arguments);
    va_end(arguments);
    char position[POSITION_SIZE];
    position_print(expr->text, place.start, position);
    char text[ANNOTATION_SIZE_MAX + 64];
    (void)snprintf(text, sizeof(text), "%s%s (%s)", prefixes[level], body, position);
    if (map_has(texts, str_from(text))) return;
    if (map_put(texts, str_from(text), NULL) != 0) return; /* no memory: told less, not wrong */
}

struct str annotation_metric(char *buffer, size_t size, struct labels labels)
{
    struct str name = labels_get(labels, LABEL_METRIC_NAME);
    if (name.size == 0) return (struct str){ buffer, 0 };
    int written = snprintf(buffer, size, " for metric name \"" STR_FMT "\"", STR_ARG(name));
    size_t length = written < 0 ? 0 : (size_t)written < size ? (size_t)written : size - 1;
    return (struct str){ buffer, length };
}

static int compare_texts(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

int annotations_list(const struct annotations *annotations, enum annotation_level level,
                     struct arena *arena, const struct str **texts, size_t *count)
{
    const struct map *map = &annotations->texts[level];
    struct str *list = ARENA_ARRAY(arena, struct str, map->count + 1);
    if (list == NULL) return -ENOMEM;
    size_t found = 0;
    size_t position = 0;
    struct str key;
    void *value;
    while (map_next(map, &position, &key, &value)) {
        list[found] = arena_copy(arena, key);
        if (list[found++].data == NULL) return -ENOMEM;
    }
    qsort(list, found, sizeof(list[0]), compare_texts);
    *texts = list;
    *count = found;
    return 0;
}

void annotations_release(struct annotations *annotations)
{
    map_release(&annotations->texts[0]);
    map_release(&annotations->texts[1]);
}
