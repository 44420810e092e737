/* relabel.h - Prometheus' relabelling: rules that rewrite, keep or drop a label set.
 *
 * Source:  Prometheus configuration, "relabel_config"; regular expressions match the whole joined
 *          value and '.' matches newlines, as since 3.0.
 * Threads: finished rules may be applied by any number of threads.
 */
#ifndef MODEL_RELABEL_H
#define MODEL_RELABEL_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum relabel_action {
    RELABEL_REPLACE,
    RELABEL_KEEP,
    RELABEL_DROP,
    RELABEL_KEEP_EQUAL,
    RELABEL_DROP_EQUAL,
    RELABEL_HASHMOD,
    RELABEL_LABEL_MAP,
    RELABEL_LABEL_DROP,
    RELABEL_LABEL_KEEP,
    RELABEL_LOWERCASE,
    RELABEL_UPPERCASE,
    RELABEL_ACTION_COUNT
};

const char *relabel_action_name(enum relabel_action action);            /* "replace"; static */
bool relabel_action_find(struct str name, enum relabel_action *action); /* letters of any case */

struct regex; /* codec/regex.h */

/* One rule. The texts are borrowed; they live as long as whoever made the rule says. */
struct relabel_rule {
    const struct str *source_labels;
    size_t source_count;
    struct str separator;  /* ";" */
    struct str regex_text; /* "(.*)" */
    struct str target_label;
    struct str replacement; /* "$1" */
    uint64_t modulus;
    enum relabel_action action;
    struct regex *regex; /* owned: relabel_rule_release */
};

/* Fills the defaults. */
void relabel_rule_init(struct relabel_rule *rule);

/* Compiles the pattern and checks that the rule makes sense; the text says what would be right. */
int relabel_rule_finish(struct relabel_rule *rule, struct error *error) MUST_CHECK;
void relabel_rule_release(struct relabel_rule *rule); /* accepts a zeroed one */

/*
 * Applies the rules in order.
 *
 *   builder  in and out; new texts live in the arena
 *
 * Returns 1 to keep the set, 0 to drop it, or ERROR_LIMIT when the arena is full.
 */
int relabel_apply(const struct relabel_rule *rules, size_t count, struct labels_builder *builder,
                  struct arena *arena, struct error *error) MUST_CHECK;

#endif
