/* variables.h - $NAME and ${NAME} in a text, as Prometheus and Grafana read them in their files.
 *
 * $$ is a dollar; a name is letters, digits and underscores, not a digit first; a name that means
 * nothing is empty; a dollar before anything else stands for itself. Source: Go's os.Expand.
 * Threads: pure but for the look-up.
 */
#ifndef CODEC_VARIABLES_H
#define CODEC_VARIABLES_H

#include "base/buf.h"
#include "base/str.h"

/* Appends the text with each variable replaced by what `look_up` gives for its name (at most 255
 * bytes, NUL-terminated), NULL being empty. getenv has this shape. */
void variables_expand(struct buf *out, struct str text, char *(*look_up)(const char *name));

#endif
