/* json_writer.h - writing JSON onto a struct buf: commas and nesting are taken care of.
 *
 *     struct json_writer json;
 *     json_writer_init(&json, &response->body);
 *     json_object_begin(&json);
 *     json_key(&json, STR("status"));
 *     json_put_text(&json, STR("success"));
 *     json_object_end(&json);
 *
 * Out of memory and over the maximum stay in the buffer's has_failed. Texts are made valid UTF-8:
 * each broken byte becomes U+FFFD.
 * Threads: one thread.
 */
#ifndef CODEC_JSON_WRITER_H
#define CODEC_JSON_WRITER_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct json_writer {
    struct buf *out;
    bool needs_comma; /* before the next value or key */
};

void json_writer_init(struct json_writer *json, struct buf *out);

void json_object_begin(struct json_writer *json);
void json_object_end(struct json_writer *json);
void json_array_begin(struct json_writer *json);
void json_array_end(struct json_writer *json);
void json_key(struct json_writer *json, struct str key);

void json_put_text(struct json_writer *json, struct str text);
void json_put_cstr(struct json_writer *json, const char *text); /* NULL: null */
void json_put_int(struct json_writer *json, int64_t number);
void json_put_uint(struct json_writer *json, uint64_t number);
void json_put_double(struct json_writer *json, double number); /* NaN and infinities: null */
void json_put_bool(struct json_writer *json, bool value);
void json_put_null(struct json_writer *json);
void json_put_raw(struct json_writer *json, struct str value); /* JSON already */

/* Key and value at once. */
void json_member_text(struct json_writer *json, const char *key, struct str text);
void json_member_cstr(struct json_writer *json, const char *key, const char *text);
void json_member_int(struct json_writer *json, const char *key, int64_t number);
void json_member_double(struct json_writer *json, const char *key, double number);
void json_member_bool(struct json_writer *json, const char *key, bool value);

/* The text with its quotes, escaped. */
void json_escape(struct buf *out, struct str text);

#endif
