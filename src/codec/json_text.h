/* json_text.h - the texts and numbers inside JSON. For json_read.c alone.
 *
 * Threads: pure.
 */
#ifndef CODEC_JSON_TEXT_H
#define CODEC_JSON_TEXT_H

#include "base/compiler.h"
#include "codec/json.h"

/* Bytes behind a document that may be read (never used): readers look at whole words. */
#define JSON_PADDING 64

/* Size of the text from its opening quote to its closing one, both counted. `bytes` stands on the
 * opening quote of a text that is known to be closed. has_escape: a backslash is in it. */
size_t json_text_size(const char *bytes, bool *has_escape);

/* Undoes the escapes of the bytes between the quotes into `out`, which has room for as many.
 * True with the size; false with *mistake, the offset of the escape that is none. */
bool json_text_unescape(struct str inner, char *out, size_t *size, size_t *mistake) MUST_CHECK;

enum json_number_result { JSON_NUMBER_GOOD, JSON_NUMBER_BROKEN, JSON_NUMBER_TOO_LARGE };

/* Reads the number at the front of `bytes`, which ends in something that is none. Sets kind, the
 * value and raw of *value; when BROKEN, raw ends where a number could not go on. */
enum json_number_result json_number_read(const char *bytes, struct json *value) MUST_CHECK;

#endif
