/* catalog.h - what the store knows besides documents: indices, aliases, data streams, and named
 * objects (templates, policies, pipelines), all kept in one file that is replaced whole.
 */
#ifndef LOGSTORE_CATALOG_H
#define LOGSTORE_CATALOG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logstore;

struct logstore_index_info {
    struct str name;
    struct str uuid;
    int64_t created_ms;
    uint64_t documents;
    uint64_t deleted_documents;
    uint64_t store_size; /* bytes in segments; documents still in the log count by source size */
    struct str settings; /* JSON object: "index.number_of_replicas":"0", flat, all values texts */
    struct str mapping;  /* JSON object; empty unless asked for */
    struct str data_stream; /* the stream it backs; empty: none */
    int64_t seq_no_max;     /* -1: none yet */
    uint64_t segment_count;
};

struct logstore_alias {
    struct str name;
    struct str index;
    struct str filter; /* a query's JSON, that chooses documents of the index; empty: all */
    bool is_write_index;
};

struct logstore_stream {
    struct str name;
    uint64_t generation;
    const struct str *indices; /* oldest first; the last takes the writes */
    size_t index_count;
    struct str template_name; /* empty: none */
};

/* Creates an index. `body` is Elasticsearch's {settings, mappings, aliases} or empty; templates
 * that match the name are applied beneath it. -EEXIST when it is there; ERROR_INVALID with
 * Elasticsearch's sentence for a bad name or mapping. */
int logstore_index_create(struct logstore *store, struct str name, struct str body,
                          struct error *error) MUST_CHECK;

/* Deletes an index and its documents. -ENOENT when it is not there. */
int logstore_index_delete(struct logstore *store, struct str name, struct error *error) MUST_CHECK;

/* Adds to the mapping of an index. */
int logstore_index_put_mapping(struct logstore *store, struct str name, struct str mapping,
                               struct error *error) MUST_CHECK;

/* Changes settings of an index: {"index":{...}}, {"settings":{...}} or flat; null takes one back.
 *
 *   keeps_existing  leaves alone what is set
 */
int logstore_index_put_settings(struct logstore *store, struct str name, struct str settings,
                                bool keeps_existing, struct error *error) MUST_CHECK;

/* 0 with *info filled (texts in the arena), or -ENOENT. */
int logstore_index_info(struct logstore *store, struct str name, bool with_mapping,
                        struct arena *arena, struct logstore_index_info *info) MUST_CHECK;

/* The names that an expression means: "a,b*,-b1", "_all", "", aliases, data streams.
 *
 *   names       out: concrete index names in byte order, in the arena
 *   missing     out: the first name without '*' that is not there; data NULL when all are
 */
int logstore_resolve(struct logstore *store, struct str expression, struct arena *arena,
                     const struct str **names, size_t *count, struct str *missing) MUST_CHECK;

/* The same of indices alone: a pattern does not mean what has them as an alias or a data stream.
 *
 *   refused  out: the first name that is an alias or a data stream, or the index that takes the
 *            writes of a data stream; data NULL when there is none
 */
int logstore_resolve_indices(struct logstore *store, struct str expression, struct arena *arena,
                             const struct str **names, size_t *count, struct str *missing,
                             struct str *refused) MUST_CHECK;

/* Which documents of an index an expression means: a filter of an alias, when the index is reached
 * by such aliases alone.
 *
 *   filters     out: for each of the names, the JSON of queries of which one must match, in the
 *               arena; count 0: every document
 */
struct logstore_alias_filters {
    const struct str *queries;
    size_t count;
};
int logstore_resolve_filters(struct logstore *store, struct str expression, struct arena *arena,
                             const struct str *names, size_t count,
                             struct logstore_alias_filters **filters) MUST_CHECK;

/* Aliases: removing one that is not there is -ENOENT. */
int logstore_alias_put(struct logstore *store, const struct logstore_alias *alias,
                       struct error *error) MUST_CHECK;
int logstore_alias_remove(struct logstore *store, struct str name, struct str index,
                          struct error *error) MUST_CHECK;
int logstore_alias_list(struct logstore *store, struct arena *arena,
                        const struct logstore_alias **aliases, size_t *count) MUST_CHECK;

/* Data streams. */
int logstore_stream_create(struct logstore *store, struct str name, struct error *error) MUST_CHECK;
int logstore_stream_delete(struct logstore *store, struct str name, struct error *error) MUST_CHECK;
int logstore_stream_list(struct logstore *store, struct arena *arena,
                         const struct logstore_stream **streams, size_t *count) MUST_CHECK;

/* Named JSON objects, given back as they were put. */
enum logstore_object_kind {
    LOGSTORE_TEMPLATE,       /* legacy index template */
    LOGSTORE_INDEX_TEMPLATE, /* composable */
    LOGSTORE_COMPONENT_TEMPLATE,
    LOGSTORE_POLICY, /* ILM */
    LOGSTORE_API_KEY,
    LOGSTORE_OBJECT_KIND_COUNT,
};

struct logstore_object {
    struct str name;
    struct str json;
    int64_t version; /* counts the puts */
    int64_t changed_ms;
};

int logstore_object_put(struct logstore *store, enum logstore_object_kind kind, struct str name,
                        struct str json, struct error *error) MUST_CHECK;
int logstore_object_delete(struct logstore *store, enum logstore_object_kind kind, struct str name,
                           struct error *error) MUST_CHECK; /* or -ENOENT */

/* Those whose name matches the pattern ("*", "a*", "name"), in byte order. */
int logstore_object_list(struct logstore *store, enum logstore_object_kind kind, struct str pattern,
                         struct arena *arena, const struct logstore_object **objects,
                         size_t *count) MUST_CHECK;

/* Whether `text` matches `pattern`, in which '*' stands for anything. */
bool logstore_name_matches(struct str pattern, struct str text);

/* True when `name` may be the name of an index; otherwise `reason` (static) says why not. */
bool logstore_name_is_valid(struct str name, const char **reason);

/* Replaces <logs-{now/d}> by today's name; other text comes back as it is. */
int logstore_name_expand(struct str name, int64_t now_ms, struct arena *arena, struct str *expanded,
                         struct error *error) MUST_CHECK;

#endif
