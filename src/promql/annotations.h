/* annotations.h - what a query has to tell about its answer: warnings and infos, each once. */
#ifndef PROMQL_ANNOTATIONS_H
#define PROMQL_ANNOTATIONS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/map.h"
#include "base/str.h"
#include "promql/expr.h"

#include <stdbool.h>

enum annotation_level { ANNOTATION_INFO, ANNOTATION_WARNING };

/* Most different ones that a query collects. */
#define ANNOTATIONS_MAX 1000

struct annotations {
    struct map texts[2]; /* by level; keys only */
};

/* Adds "PromQL warning: text (line:column)". Out of memory loses the annotation. */
void annotations_add(struct annotations *annotations, const struct promql_expr *expr,
                     enum annotation_level level, struct place place, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* ` for metric name "m"`, or nothing when there is none. */
struct str annotation_metric(char *buffer, size_t size, struct labels labels);

/* All texts of a level, sorted, in the arena. -ENOMEM. */
int annotations_list(const struct annotations *annotations, enum annotation_level level,
                     struct arena *arena, const struct str **texts, size_t *count) MUST_CHECK;
void annotations_release(struct annotations *annotations);

#endif
