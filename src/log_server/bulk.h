/* bulk.h - the lines of a _bulk body. */
#ifndef LOG_SERVER_BULK_H
#define LOG_SERVER_BULK_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

struct call;
struct logstore_operation;

enum bulk_action { BULK_INDEX, BULK_CREATE, BULK_DELETE, BULK_UPDATE };

struct bulk_item {
    enum bulk_action action;
    struct str index;
    struct str id;
    struct str source; /* of the body; the update's object for updates */
    struct str pipeline;
    struct str version;
    struct str version_type;
    bool has_if_seq_no;
    int64_t if_seq_no;
    bool requires_alias;
    const char *unsupported; /* a parameter of the action that we cannot follow; NULL: none */
};

VEC_TYPE(bulk_items, struct bulk_item);

/* Reads all lines. ERROR_INVALID with Elasticsearch's sentence refuses the whole request. */
int bulk_parse(struct str body, struct str default_index, struct arena *arena,
               struct bulk_items *items, struct error *error) MUST_CHECK;

/* An operation that is not carried out. */
void bulk_refuse(struct logstore_operation *operation, int status, const char *type,
                 struct str reason);

/* updates.c: reads, merges and writes one document; tries again when somebody was faster. What it
 * reads and makes is in the arena; operation->source is then what the document is. An error of the
 * store when the document could neither be read nor written: then the operation has no outcome. */
int bulk_update(struct call *call, struct str body, struct arena *arena,
                struct logstore_operation *operation, struct error *error) MUST_CHECK;

/* Takes over what version and version_type say; NULL, or why they cannot be. */
const char *bulk_read_version(struct str version, struct str type,
                              struct logstore_operation *operation) MUST_CHECK;

#endif
