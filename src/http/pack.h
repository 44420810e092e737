/* pack.h - gzip of whole bodies, with limits, over zlib. For http/ alone. */
#ifndef HTTP_PACK_H
#define HTTP_PACK_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

/* Appends the unpacked bytes (all gzip members) to out. ERROR_LIMIT when they do not fit in its
 * maximum, ERROR_PARSE when it is not gzip, or cut short. */
int pack_gzip_decode(struct str packed, struct buf *out, struct error *error) MUST_CHECK;

/* Appends the packed bytes, at zlib's fastest level; false when there is no memory. */
bool pack_gzip_encode(struct str plain, struct buf *out) MUST_CHECK;

#endif
