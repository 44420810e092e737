/* mapping.h - which type each field of an index has.
 *
 * A mapping is a list of fields by dotted path; "a.b" and {"a":{"b":..}} are the same field. It
 * grows as documents bring new fields (dynamic mapping), by Elasticsearch's rules:
 *
 *   first value met                       becomes
 *   text that is a date                   date (unless date_detection is off)
 *   other text                            text, with a keyword sub-field that ignores > 256
 *   whole number / other number           long / float
 *   true, false                           boolean
 *   object                                nothing itself; its members become fields
 *   null, []                              nothing
 *   array                                 as its first value that is not null
 *
 * Lock: the store's; a snapshot holds a copy that never changes.
 */
#ifndef LOGSTORE_MAPPING_H
#define LOGSTORE_MAPPING_H

#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum logstore_type {
    LOGSTORE_TEXT,
    LOGSTORE_KEYWORD,
    LOGSTORE_IP,
    LOGSTORE_LONG,
    LOGSTORE_INTEGER,
    LOGSTORE_SHORT,
    LOGSTORE_BYTE,
    LOGSTORE_DOUBLE,
    LOGSTORE_FLOAT,
    LOGSTORE_DATE,       /* milliseconds since the epoch */
    LOGSTORE_DATE_NANOS, /* nanoseconds since the epoch */
    LOGSTORE_BOOLEAN,    /* 0 or 1 */
    LOGSTORE_OBJECT,
    LOGSTORE_UNINDEXED, /* kept in the source only: "enabled": false, "index": false, geo types */
    LOGSTORE_TYPE_COUNT,
};

/* How a type is stored. */
enum logstore_column_kind {
    LOGSTORE_COLUMN_NONE,
    LOGSTORE_COLUMN_TEXT,    /* terms and their documents */
    LOGSTORE_COLUMN_KEYWORD, /* sorted terms, one ordinal a value */
    LOGSTORE_COLUMN_INTEGER, /* int64_t a value */
    LOGSTORE_COLUMN_REAL,    /* double a value */
};

const char *logstore_type_name(enum logstore_type type); /* "keyword" */
enum logstore_column_kind logstore_type_column(enum logstore_type type);

/* Also the names whose values we keep in a wider type: match_only_text, wildcard, half_float ... */
bool logstore_type_from_name(struct str name, enum logstore_type *type) MUST_CHECK;

#define LOGSTORE_PATH_OBJECTS_MAX 20 /* above a field */

struct logstore_field {
    struct str path;
    enum logstore_type type;
    uint32_t ignore_above; /* bytes of a keyword; longer values are not indexed; 0: no limit */
    bool is_sub_field;     /* "message.keyword" of "message" */
    bool has_no_coerce;
    bool ignores_malformed;
    struct str format;     /* of dates; empty: the default */
    struct str alias_of;   /* "type":"alias": the path meant; such a field has no values */
    struct str definition; /* JSON object as given by the user; empty for dynamic fields */
};

VEC_TYPE(logstore_field_vec, struct logstore_field);

enum logstore_dynamic {
    LOGSTORE_DYNAMIC_TRUE,
    LOGSTORE_DYNAMIC_FALSE,  /* unknown fields stay in the source only */
    LOGSTORE_DYNAMIC_STRICT, /* unknown fields refuse the document */
};

struct logstore_dynamic_template; /* one rule of "dynamic_templates" */

struct logstore_mapping {
    uint64_t serial; /* the same for copies, else by chance; with `changes` it names a state */
    uint64_t changes;
    unsigned ref_count; /* guarded by the store's lock; one that others hold is not changed */
    struct logstore_field_vec fields; /* in order of arrival */
    struct map by_path;               /* path to index in fields, plus one */
    struct map objects;               /* paths that have fields below them */
    enum logstore_dynamic dynamic;
    bool has_no_date_detection;
    bool is_being_made; /* of several templates: dynamic templates are joined, and a field that is
                           there stays as it is */
    bool has_numeric_detection;
    struct logstore_dynamic_template *templates; /* in order */
    size_t template_count;
    struct str templates_json; /* as given */
    struct str meta_json;      /* "_meta", as given */
};

struct logstore_mapping *logstore_mapping_new(void) MUST_CHECK; /* NULL: out of memory */
void logstore_mapping_free(struct logstore_mapping *mapping);   /* NULL is fine */
struct logstore_mapping *logstore_mapping_copy(const struct logstore_mapping *mapping) MUST_CHECK;

/* Whether a path has more parts than a mapping takes. What is printed is
 * read again at the next start, and JSON has its own limit. */
bool logstore_path_is_too_deep(struct str path);

/* Adds a field; its texts are copied. The path must be new. */
int logstore_mapping_add(struct logstore_mapping *mapping, const struct logstore_field *field,
                         struct error *error) MUST_CHECK;

/* What dynamic mapping makes of a value met first at `path`; `kind` is "string", "long", "double",
 * "boolean", "date" or "object". Adds the field and its sub-fields. 0, or 1 when a template or
 * `dynamic` says that it shall not be indexed. */
int logstore_mapping_add_dynamic(struct logstore_mapping *mapping, struct str path, struct str kind,
                                 struct error *error) MUST_CHECK;

/* The field, or NULL. */
const struct logstore_field *logstore_mapping_find(const struct logstore_mapping *mapping,
                                                   struct str path);

/* Whether some field's path lies below `path` ("log" when there is "log.level"). */
bool logstore_mapping_is_object(const struct logstore_mapping *mapping, struct str path);

/* Takes over what a JSON object {"properties":..,"dynamic":..} says; later calls add to it and may
 * not change the type of a field. ERROR_INVALID with Elasticsearch's sentence otherwise. */
int logstore_mapping_merge_json(struct logstore_mapping *mapping, struct str json,
                                struct error *error) MUST_CHECK;

/* Whether it has no more fields than that; else ERROR_INVALID with Elasticsearch's sentence. */
int logstore_mapping_check(const struct logstore_mapping *mapping, size_t count_max,
                           struct error *error) MUST_CHECK;

/* Fills an empty mapping from the mappings of several templates, weakest first: a field is what the
 * strongest that has it says, rules of the same name too. */
int logstore_mapping_make(struct logstore_mapping *mapping, const struct str *parts, size_t count,
                          struct error *error) MUST_CHECK;

/* Prints {"properties":{...}} with what was given beside it. */
void logstore_mapping_print(const struct logstore_mapping *mapping, struct buf *out);

#endif
