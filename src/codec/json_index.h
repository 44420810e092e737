/* json_index.h - where JSON's marks stand: the first of two steps, done by simdjson.
 *
 * The index holds the offset of every bracket, comma and colon outside texts, of every quote that
 * opens a text, and of the first byte of everything else that is not blank. For json_read.c alone.
 *
 * Threads: an index belongs to one thread.
 */
#ifndef CODEC_JSON_INDEX_H
#define CODEC_JSON_INDEX_H

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

#define JSON_INDEX_SIZE_MAX UINT32_C(0xFFFFFF00) /* bytes of a document: offsets have 32 bits */

struct json_index;

enum json_index_result {
    JSON_INDEX_GOOD,
    JSON_INDEX_EMPTY,
    JSON_INDEX_NOT_UTF8,
    JSON_INDEX_OPEN_TEXT, /* a text without its closing quote */
    JSON_INDEX_CONTROL,   /* a control character inside a text */
    JSON_INDEX_NO_MEMORY,
};

struct json_index *json_index_new(void); /* NULL: no memory */
void json_index_free(struct json_index *index);

/*
 * Indexes `size` bytes, at most JSON_INDEX_SIZE_MAX. Texts are well-formed UTF-8 then and hold no
 * control characters.
 *
 *   offsets, count  out: ascending; valid until the next run; untouched when not GOOD
 */
enum json_index_result json_index_run(struct json_index *index, const char *bytes, size_t size,
                                      const uint32_t **offsets, size_t *count) MUST_CHECK;

#endif
