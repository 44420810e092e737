/* base64.h - RFC 4648: standard and URL alphabets. Threads: pure. */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>

void base64_encode(struct buf *out, struct str bytes);     /* padded */
void base64_url_encode(struct buf *out, struct str bytes); /* '-' and '_', not padded */

/* Either alphabet, padded or not, nothing else. False, with the bytes of out as before: it is none,
 * or it did not fit (has_failed). */
bool base64_decode(struct buf *out, struct str text) MUST_CHECK;

#endif
