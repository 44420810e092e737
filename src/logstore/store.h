/* store.h - the insides of the store that its files share; see logstore.h for the picture.
 *
 * Locks, in the order in which they are taken:
 *   maintenance  one flush, merge or retention at a time
 *   writer       one change at a time: commits, catalog, swapping segments; held over the fsync
 *   state        what readers look at: indices, segments, buffers, mappings; held briefly
 *   queue        commits that wait
 *   keeping      the list of kept snapshots; none of the others is taken under it
 */
#ifndef LOGSTORE_STORE_H
#define LOGSTORE_STORE_H

#include "base/map.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/vec.h"
#include "codec/json.h"
#include "logstore/builder.h"
#include "logstore/document.h"
#include "logstore/log.h"
#include "logstore/logstore.h"
#include "logstore/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of live documents, shared with snapshots; replaced, not changed, while others hold it. */
struct store_live {
    unsigned ref_count;
    uint32_t live_count;
    size_t word_count;
    uint64_t bits[];
};

struct store_segment {
    struct logstore_segment *segment;
    struct store_live *live; /* NULL: all live */
};

VEC_TYPE(store_segment_vec, struct store_segment);

struct store_index {
    struct str name;
    struct str uuid;
    int64_t created_ms;
    struct str settings;    /* JSON object */
    struct str data_stream; /* empty: none */
    struct logstore_mapping *mapping;
    struct buf mapping_text; /* a large one as the catalog has it; empty: none kept */
    uint64_t mapping_text_serial, mapping_text_changes; /* the state that it is of */
    struct store_segment_vec segments;                  /* oldest first */
    struct builder *builder;                            /* NULL: empty */
    struct builder *spare;                              /* the builder before, empty; NULL: none */
    size_t spare_size;                                  /* bytes that it holds */
    int64_t seq_no_next;
    bool is_strict;        /* mapping refuses misfits: by setting or option */
    uint64_t indexed_size; /* source bytes since open; for the size of what is not on disk yet */
};

struct store_alias {
    struct str name;
    struct str index;
    struct str filter; /* a query's JSON; empty: none */
    bool is_write_index;
};

void store_alias_release(struct store_alias *alias);

struct store_stream {
    struct str name;
    uint64_t generation;
    struct str template_name;
};

struct store_object {
    enum logstore_object_kind kind;
    struct str name;
    struct str json;
    int64_t version;
    int64_t changed_ms;
};

VEC_TYPE(store_index_vec, struct store_index *);

/* A snapshot kept between requests; see kept.c. Guarded by keeping. */
struct store_kept {
    char id[LOGSTORE_KEPT_ID_SIZE];
    int kind;
    int64_t end_ms; /* monotonic */
    size_t user_count;
    bool is_dropped; /* out of the list; goes with its last user */
    void *state;
    void (*state_free)(void *state);
    struct logstore_snapshot *snapshot;
};

struct commit;

#define STORE_PARSERS_MAX 8

/* What a call that writes reads documents with; kept from call to call. */
struct store_parser {
    struct json_parser *json;
    struct known_shapes known;
};

struct store_spare {
    size_t builders_size;         /* of all spare builders of indices */
    struct source_packer *packer; /* NULL: none */
    char *bytes;                  /* of a segment that was in memory; malloc'ed; NULL: none */
};

struct logstore {
    struct logstore_options options;
    const struct disk *disk;
    const struct clock *clock;
    char folder[FILE_PATH_SIZE];
    char segments_folder[FILE_PATH_SIZE];
    int lock; /* descriptor of the folder's lock; -1: none */

    struct mutex maintenance;
    struct mutex writer;
    struct mutex state;

    /* Guarded by state for reading; changed with writer and state held. The figures of the store's
     * own thread are changed with state alone. */
    struct store_index_vec indices; /* by name */
    VEC(struct store_alias) aliases;
    VEC(struct store_stream) streams;
    VEC(struct store_object) objects;
    uint64_t segment_id_next;
    struct store_spare spare;
    size_t fields_size; /* what the fields of the buffer written to last weigh, as source bytes */
    struct logstore_stats stats;

    /* Guarded by writer. */
    struct log log;
    struct buf records;              /* of the group that is committed */
    struct document_leaf_vec leaves; /* the same */
    uint64_t indexed_before;         /* documents taken when maintenance looked last */
    uint64_t log_first;              /* oldest file that is still needed */
    bool is_catalog_owed;            /* a save failed: none is acknowledged before one has worked */
    struct random dice;
    char id_next[ID_MADE_SIZE]; /* the id that is made next */

    /* Guarded by queue. */
    struct mutex queue;
    struct condition queue_changed;
    struct commit *commits;
    struct commit **commits_end;
    bool has_leader;
    struct store_parser *parsers[STORE_PARSERS_MAX];
    size_t parser_count;
    bool is_closing;
    bool wants_maintenance;
    struct condition maintenance_wanted;
    bool has_thread;
    pthread_t thread;

    struct mutex keeping;
    VEC(struct store_kept *) kept;

    /* Guarded by maintenance. */
    int64_t policies_ms;        /* monotonic, when policies were looked at last; 0: never */
    uint64_t flush_fail_streak; /* flushes that failed since one went well */
    uint64_t merge_fail_streak;
};

/* index.c ------------------------------------------------------------------------------------ */

struct store_index *store_index_find(const struct logstore *store, struct str name);
struct store_index *store_index_find_uuid(const struct logstore *store, struct str uuid);
void store_index_free(struct logstore *store, struct store_index *index);

struct store_place {
    bool is_found;
    bool is_in_builder;
    size_t segment; /* index in segments */
    uint32_t document;
    int64_t version;
    int64_t seq_no;
};

/* Where the live document with that id is. */
struct store_place store_index_lookup(const struct store_index *index, struct str id);

/* Clears its bit. The state lock must be held. */
int store_index_kill(struct store_index *index, const struct store_place *place,
                     struct error *error) MUST_CHECK;

/* Clears the bit of a segment's document. */
int store_segment_kill(struct store_segment *segment, uint32_t document,
                       struct error *error) MUST_CHECK;
void store_live_unref(struct store_live *live);
uint32_t store_segment_live_count(const struct store_segment *segment);
bool store_segment_is_live(const struct store_segment *segment, uint32_t document);

/* Takes a reference away; frees with the last. The state lock must be held. */
void store_segment_unref(struct logstore *store, struct logstore_segment *segment);

/* Freezes the buffer into a segment in memory. Writer and state held. */
int store_index_refresh(struct logstore *store, struct store_index *index,
                        struct error *error) MUST_CHECK;

/* The buffer that documents go to, made when there is none. Writer and state held. NULL: no
 * memory. */
struct builder *store_index_builder(struct logstore *store, struct store_index *index,
                                    struct error *error);

/* Memory for what comes next; spare.c. Writer and state held, for store_spare_keep_bytes state. */
void store_spare_keep_builder(struct logstore *store, struct store_index *index,
                              struct builder *builder); /* takes it over */
struct builder *store_spare_builder(struct logstore *store,
                                    struct store_index *index); /* NULL: there is none */
void store_spare_free_builder(struct logstore *store, struct store_index *index);
struct source_packer *store_spare_packer(struct logstore *store); /* NULL: no memory */
void store_spare_keep_packer(struct logstore *store, struct source_packer *packer);
void store_spare_bytes(struct logstore *store, size_t size, struct buf *bytes); /* an empty one */
void store_spare_keep_bytes(struct logstore *store, struct logstore_segment *segment);
bool store_spare_free(struct logstore *store);
/* all of it; whether there was any */ /* the same held */

/* A mapping that may be changed: a copy when others look at it. Writer and state held. */
int store_index_own_mapping(struct store_index *index, struct error *error) MUST_CHECK;

/* Names (names.c). Both with the state lock held. ------------------------------------------- */

/* Whether an alias or a data stream has that name. State or writer held. */
bool store_name_is_taken(const struct logstore *store, struct str name);

/* The index that writes to `name` go to: itself, an alias's write index, a stream's newest. */
struct store_index *store_write_index(const struct logstore *store, struct str name,
                                      bool *is_stream);

/* catalog.c ---------------------------------------------------------------------------------- */

/* Writes the catalog; writer held. */
int store_catalog_save(struct logstore *store, struct error *error) MUST_CHECK;
/* Saves what a failed save owes; 0 when nothing is owed any more. Writer held. */
int store_catalog_settle(struct logstore *store, struct error *error) MUST_CHECK;
/* Reads it and opens the segments it names; at open only. */
int store_catalog_load(struct logstore *store, struct error *error) MUST_CHECK;

/* create.c ------------------------------------------------------------------------------------ */

/* Creates an index, by templates and body; writer held, state not. */
int store_index_create(struct logstore *store, struct str name, struct str body,
                       struct str data_stream, struct store_index **index_out,
                       struct error *error) MUST_CHECK;
/* A stream with its first index when a template says so, else an index. Writer held. */
int store_auto_create(struct logstore *store, struct str name, struct store_index **index_out,
                      struct error *error) MUST_CHECK;

/* snapshot.c ---------------------------------------------------------------------------------- */

/* Several threads may read it from now on. */
void snapshot_is_shared(struct logstore_snapshot *snapshot);

/* kept.c -------------------------------------------------------------------------------------- */

void store_kept_expire(struct logstore *store); /* no lock held */
void store_kept_release(struct logstore *store);

/* flush.c ------------------------------------------------------------------------------------- */

void store_check_space(struct logstore *store);
int store_segment_path(const struct logstore *store, uint64_t id, char *path,
                       struct error *error) MUST_CHECK;
int store_flush(struct logstore *store, struct error *error) MUST_CHECK; /* maintenance held */

/* Whether all of its documents have a time and that lies before end_ms, and it is on disk. */
bool store_segment_is_older(const struct store_segment *segment, int64_t end_ms);
/* Takes a segment with its documents away; writer held. Whether the catalog says so. */
bool store_segment_drop(struct logstore *store, struct store_index *index, size_t at);

/* scrub.c ------------------------------------------------------------------------------------- */

void store_scrub(struct logstore *store); /* one round; maintenance held */
/* Whether a segment may be read and merged: checks it unless that was done, and sets a damaged one
 * aside. The caller holds maintenance and a reference. */
bool store_segment_holds(struct logstore *store, struct logstore_segment *segment);
/* Renames the file of a damaged segment and tells the owner. */
void store_tell_set_aside(struct logstore *store, const char *path, const char *reason);

/* lifecycle.c --------------------------------------------------------------------------------- */

void store_run_policies(struct logstore *store); /* maintenance held */

/* store.c ------------------------------------------------------------------------------------- */

/* What is in memory only, as source bytes; thousands of fields weigh, too. */
static inline uint64_t store_buffered(const struct logstore *store)
{
    return store->stats.buffer_size + store->fields_size;
}

void store_count(struct logstore *store, uint64_t *figure); /* one more, of store->stats */
void store_tell(const struct logstore *store, const struct logstore_event *event);

/* commit.c ------------------------------------------------------------------------------------ */

/* Applies one record of the log at open. */
int store_replay_record(void *argument, struct str payload, struct error *error) MUST_CHECK;
struct store_parser *store_parser_take(struct logstore *store); /* NULL: out of memory */
void store_parser_give(struct logstore *store, struct store_parser *parser);
void store_parser_free(struct store_parser *parser); /* NULL is fine */

#endif
