/* expand.h - variables in the texts of a configuration: ${NAME}, ${NAME:default}, ${NAME:?message}.
 *
 * Names may hold variables themselves, defaults too. "$${" stands for "${".
 */
#ifndef SHIPPER_EXPAND_H
#define SHIPPER_EXPAND_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

#define EXPAND_DEPTH_MAX 8

struct expand_source {
    /* The variable's value, or data NULL when there is none. */
    struct str (*get)(void *argument, struct str name);
    void *argument;
};

extern const struct expand_source expand_environment;

bool expand_is_needed(struct str text);

/* Appends the text with its variables put in. ERROR_PARSE (grammar), ERROR_INVALID (no value and no
 * default, or :?), ERROR_LIMIT (depth, or the buffer's). */
int expand_text(struct str text, const struct expand_source *source, struct buf *out,
                struct error *error) MUST_CHECK;

#endif
