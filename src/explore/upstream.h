/* upstream.h - inside explore/: which addresses of the log store may be asked from the page. */
#ifndef EXPLORE_UPSTREAM_H
#define EXPLORE_UPSTREAM_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>

/*
 * Makes the store's path of a decoded path behind /api/es/: "" stays, "_search" becomes
 * "INDEX/_search" unless the index is "*", "logs-a/_count" stays. It needs no escapes.
 *
 *   may_post  out: whether it may be asked by POST, too
 *
 * Returns false, outputs untouched, when it may not be asked or there is no memory. Threads: pure.
 */
bool upstream_path(struct arena *arena, struct str path, struct str index, struct str *target,
                   bool *may_post) MUST_CHECK;

/* Whether the text is an index, a pattern or a list of them: letters, digits and ".-_*,+:", not
 * beginning with an underscore but for "_all". */
bool upstream_is_index(struct str text);

#endif
