/* format.h - format strings over a document: "filebeat-%{[agent.version]}-%{+yyyy.MM.dd}".
 *
 * %{[field]} and %{[field]:otherwise} are values of the document, %{+yyyy.MM.dd HH:mm:ss} is its
 * time in UTC; a letter stands once for each digit, other characters for themselves.
 */
#ifndef SHIPPER_FORMAT_H
#define SHIPPER_FORMAT_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "shipper/field.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether the format can be read at all. */
bool format_is_valid(struct str format);

/* Appends the text. False when a field is missing and has no default, or the format is broken; out
 * may hold a part then. */
bool format_print(struct str format, const struct field *document, int64_t time_ns,
                  struct buf *out) MUST_CHECK;

#endif
