/* settings.h - the settings of an index: one flat JSON object, "index.lifecycle.name":"p".
 *
 * Elasticsearch takes them nested, flat or half and half, with "index." in front or without, and
 * gives every value back as a text. Here they are kept as it keeps them: flat, with the prefix, the
 * last word for each key.
 *
 * Threads: pure.
 */
#ifndef LOGSTORE_SETTINGS_H
#define LOGSTORE_SETTINGS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/vec.h"
#include "codec/json.h"

struct setting {
    struct str key;   /* "index.number_of_replicas" */
    struct str value; /* JSON: a text, or a list of texts */
};
VEC_TYPE(setting_vec, struct setting);

/* Adds what an object says to `settings`, over what is there; null takes a key away. Keys and
 * values live in the arena. -ENOMEM or ERROR_LIMIT. */
int settings_add(struct setting_vec *settings, struct arena *arena,
                 const struct json *given) MUST_CHECK;

/* The object of all, as it is kept. */
void settings_print(const struct setting_vec *settings, struct buf *out);

/* The text of one; empty: not there, or a list. */
struct str settings_text(const struct json *settings, struct str key);

/* Whether an index may have these: ERROR_INVALID with Elasticsearch's sentence for one that there
 * is not, or with ours for one that has no effect here and must have it. */
int settings_check(const struct setting_vec *settings, struct error *error) MUST_CHECK;

/* Whether a setting of an index that is there may change; the same errors. */
int settings_check_change(const struct setting_vec *settings, struct error *error) MUST_CHECK;

#endif
