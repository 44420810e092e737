/* glob.h - file name patterns as Go's filepath.Match: * ? [a-z] [^a-z] and \ to quote.
 *
 * By characters and never across a slash. As Filebeat reads them, the rightmost part "**" stands
 * for none up to eight folders; those before it are a plain "*".
 *
 * Threads: pure.
 */
#ifndef CODEC_GLOB_H
#define CODEC_GLOB_H

#include "base/str.h"

#include <stdbool.h>

bool glob_matches(struct str pattern,
                  struct str path); /* the whole path; a broken pattern: false */
bool glob_is_valid(struct str pattern);
bool glob_has_wildcard(struct str pattern);

#endif
