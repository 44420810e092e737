/* field.h - a document while it is put together: objects that change, values as JSON text.
 *
 * Ownership: everything lives in the arena of the line.
 * Limits:    FIELD_COUNT_MAX members in one object: more stay one value.
 * Threads:   one thread.
 */
#ifndef SHIPPER_FIELD_H
#define SHIPPER_FIELD_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/json.h"
#include "codec/json_writer.h"

#include <stdbool.h>
#include <stddef.h>

#define FIELD_COUNT_MAX 2000 /* members are looked up one by one; a sane document has dozens */

struct field {
    struct str key;
    struct field *next;
    bool is_object;
    enum json_kind kind; /* of a value that is no object */
    struct str raw;      /* its JSON text */
    struct str text;     /* of a JSON_TEXT, without quotes */
    struct field *first; /* members of an object, in order */
    struct field *last;
    size_t count;
};

/* What goes wrong here is memory alone: the arena is full. Functions answer NULL or false then. */

struct field *field_object(struct arena *arena) MUST_CHECK;
struct field *field_find(const struct field *object, struct str key);
void field_remove(struct field *object, struct str key);

/* The member, new or emptied to null. */
struct field *field_put(struct arena *arena, struct field *object, struct str key) MUST_CHECK;
/* The member as an object, new or made one from what it was. */
struct field *field_put_object(struct arena *arena, struct field *object,
                               struct str key) MUST_CHECK;
bool field_put_text(struct arena *arena, struct field *object, struct str key,
                    struct str text) MUST_CHECK;
bool field_put_int(struct arena *arena, struct field *object, struct str key,
                   int64_t number) MUST_CHECK;
bool field_put_raw(struct arena *arena, struct field *object, struct str key,
                   struct str raw) MUST_CHECK;

/* A parsed object with its objects, deep; the last of equal keys stays. NULL when the arena is full
 * or the object has more than FIELD_COUNT_MAX members. */
struct field *field_from_json(struct arena *arena, const struct json *object) MUST_CHECK;

/* Moves the members of `source` into `target`, deep. */
bool field_merge(struct arena *arena, struct field *target, struct field *source,
                 bool overwrite) MUST_CHECK;

/*
 * Takes "a.b.c" keys apart into objects, deep.
 *
 *   conflict  out: the dotted key that met something else in its place; data NULL: none did
 *
 * NULL when the arena is full, or on a conflict.
 */
struct field *field_expand(struct arena *arena, const struct field *object,
                           struct str *conflict) MUST_CHECK;

/* Members only, without brackets; members that are null are left out. */
void field_print_members(struct json_writer *json, const struct field *object);

#endif
