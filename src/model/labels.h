/* labels.h - label sets: what names a series.
 *
 * A label set is sorted by the bytes of its names, each name once, and holds no empty value: an
 * empty value is the same as no label. The metric name is the label "__name__".
 *
 * Ownership: struct labels borrows; labels_copy makes a set that lives in an arena.
 * Threads:   pure functions; a builder belongs to one thread.
 */
#ifndef MODEL_LABELS_H
#define MODEL_LABELS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABEL_METRIC_NAME STR("__name__")

struct label {
    struct str name;
    struct str value;
};

struct labels {
    const struct label *items; /* sorted by name, names unique, values not empty */
    size_t count;
};

struct str labels_get(struct labels labels, struct str name); /* empty when not there */
bool labels_equal(struct labels a, struct labels b);
int labels_compare(struct labels a, struct labels b); /* Prometheus' order: pair by pair */
uint64_t labels_hash(struct labels labels);           /* stable on one machine, not for disk */

/* Deep copy: items and bytes in the arena. -ENOMEM when it is full; out untouched. */
int labels_copy(struct arena *arena, struct labels labels, struct labels *out) MUST_CHECK;

/* Writes `name{a="x",b="y"}` as Prometheus prints a series; `{}` for the empty set. */
void labels_print(struct buf *buf, struct labels labels);

/* Legacy names: [a-zA-Z_][a-zA-Z0-9_]* for labels, with ':' too for metrics. */
bool label_name_is_legacy(struct str name);
bool metric_name_is_legacy(struct str name);

/*
 * Collects labels in any order and makes a set of them.
 *
 *     struct labels_builder builder = { 0 };
 *     labels_builder_start(&builder, base);
 *     labels_builder_set(&builder, STR("job"), STR("driver"));     an empty value deletes
 *     struct labels labels = labels_builder_labels(&builder);       borrowed from the builder
 *     labels_builder_release(&builder);
 *
 * Names and values are borrowed, not copied. Out of memory is remembered in `has_failed`, and
 * labels_builder_labels gives the empty set then.
 */
struct labels_builder {
    VEC(struct label) items; /* sorted by name */
    bool has_failed;
};

void labels_builder_start(struct labels_builder *builder, struct labels base); /* replaces all */
void labels_builder_set(struct labels_builder *builder, struct str name, struct str value);
struct str labels_builder_get(const struct labels_builder *builder, struct str name);
void labels_builder_remove(struct labels_builder *builder, struct str name);
struct labels labels_builder_labels(const struct labels_builder *builder);
void labels_builder_release(struct labels_builder *builder);

#endif
