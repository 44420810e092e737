/* snapshot.h - reading: a frozen set of segments, filters over them, columns, documents.
 *
 *     struct logstore_snapshot *snapshot;
 *     code = logstore_snapshot_take(store, names, count, &snapshot, error);
 *     for (size_t i = 0; i < snapshot->segment_count; i++) {
 *         const struct logstore_segment *segment = snapshot->segments[i].segment;
 *         code = logstore_filter_run(snapshot, i, filter, &context, bits, error);
 *         ...
 *     }
 *     logstore_snapshot_free(snapshot);
 *
 * Documents of a segment are numbered 0 .. document_count-1 in order of arrival. Columns answer
 * for documents in rising order through a cursor.
 *
 * Threads: a snapshot may be read by several threads; a cursor and a reader belong to one.
 */
#ifndef LOGSTORE_SNAPSHOT_H
#define LOGSTORE_SNAPSHOT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "logstore/filter.h"
#include "logstore/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logstore;
struct logstore_segment;

struct logstore_index_view {
    struct str name;
    struct str uuid;
    const struct logstore_mapping *mapping;
    uint32_t result_window; /* largest from + size */
    struct str filter;      /* a query's JSON that was set for the snapshot; empty: all documents */
};

struct logstore_segment_view {
    const struct logstore_segment *segment;
    const struct logstore_index_view *index;
    const uint64_t *live; /* one bit a document; NULL: all live */
    uint32_t document_count;
    uint32_t live_count;
};

struct logstore_snapshot {
    struct logstore_index_view *indices;
    size_t index_count;
    struct logstore_segment_view *segments; /* of each index in turn, oldest first */
    size_t segment_count;
};

/* A snapshot of the named concrete indices; unknown names are left out. */
int logstore_snapshot_take(struct logstore *store, const struct str *names, size_t count,
                           struct logstore_snapshot **snapshot_out, struct error *error) MUST_CHECK;
void logstore_snapshot_free(struct logstore_snapshot *snapshot); /* NULL is fine */

/* Notes which documents of an index are meant, for whoever searches the snapshot: the snapshot's
 * owner carries it out. Before others have the snapshot. */
int logstore_snapshot_set_filter(struct logstore_snapshot *snapshot, size_t index,
                                 struct str filter) MUST_CHECK;

struct logstore_segment_info {
    uint64_t id;
    uint64_t size;     /* bytes */
    bool is_in_memory; /* not flushed yet */
};
void logstore_segment_info(const struct logstore_segment *segment,
                           struct logstore_segment_info *info);

/* Snapshots that are kept between requests ---------------------------------------------------
 *
 *     struct logstore_keep_options keep = { .kind = KIND_SCROLL, .keep_ms = 60000,
 *                                           .state = scroll, .state_free = scroll_free };
 *     char id[LOGSTORE_KEPT_ID_SIZE];
 *     code = logstore_snapshot_keep(store, snapshot, &keep, id, error);     // owns both from now
 *     ...
 *     struct logstore_kept kept;
 *     code = logstore_snapshot_borrow(store, given_id, 60000, &kept, error);  // 60 s more
 *     ... read kept.snapshot; kept.state is the caller's, with whatever lock it needs ...
 *     logstore_snapshot_return(store, &kept);
 *
 * A kept snapshot does not change: its segments stay, also when they are merged, deleted or
 * dropped by retention meanwhile. So (segment's place in it, document) is a key by which a later
 * request can go on behind the last hit; `_shard_doc` is the two in one number. It goes when its
 * time is over and nobody has it in hand, when it is dropped, or when the store closes. */

#define LOGSTORE_KEPT_ID_SIZE 33 /* with its NUL; hexadecimal, not to be guessed */

struct logstore_keep_options {
    int kind;                        /* the caller's own: scroll, point in time */
    int64_t keep_ms;                 /* from now; from each borrowing anew */
    void *state;                     /* the caller's; freed with the snapshot */
    void (*state_free)(void *state); /* NULL: nothing to free. No lock of the store is held. */
};

struct store_kept;

struct logstore_kept {
    const struct logstore_snapshot *snapshot;
    void *state; /* shared by all who borrow it at the same time */
    int kind;
    struct store_kept *inside;
};

/* Takes over snapshot and state. ERROR_LIMIT when as many are kept as may be
 * (options.kept_snapshots_max); then both are still the caller's. */
int logstore_snapshot_keep(struct logstore *store, struct logstore_snapshot *snapshot,
                           const struct logstore_keep_options *options, char *id,
                           struct error *error) MUST_CHECK;

/* -ENOENT when there is none with that id, or no more. It ends no sooner than keep_ms from now. */
int logstore_snapshot_borrow(struct logstore *store, struct str id, int64_t keep_ms,
                             struct logstore_kept *kept_out, struct error *error) MUST_CHECK;
void logstore_snapshot_return(struct logstore *store, struct logstore_kept *borrowed);

bool logstore_snapshot_drop(struct logstore *store, struct str id); /* whether it was there */
size_t logstore_snapshot_drop_all(struct logstore *store, int kind);
size_t logstore_snapshot_kept_count(struct logstore *store, int kind);

static inline int64_t logstore_shard_doc(size_t segment_index, uint32_t document)
{
    return (int64_t)((uint64_t)segment_index << 32 | document);
}

/* Filters ---------------------------------------------------------------------------------- */

struct logstore_filter_context {
    int64_t now_ms;      /* what "now" means in date math */
    int64_t deadline_ns; /* monotonic; 0: none */
    const struct clock *clock;
    uint64_t scanned_documents; /* out: adds up */
    uint64_t scanned_blocks;    /* out: blocks of sources that were unpacked and looked through */
};

#define LOGSTORE_BITS_WORDS(count) (((size_t)(count) + 63) / 64)

/* Sets in `bits` (LOGSTORE_BITS_WORDS(document_count) words) the live documents of one segment that
 * pass. ERROR_INVALID when a value cannot be of its field's type and the leaf is not lenient. */
int logstore_filter_run(const struct logstore_snapshot *snapshot, size_t segment_index,
                        const struct logstore_filter *filter,
                        struct logstore_filter_context *context, uint64_t *bits,
                        struct error *error) MUST_CHECK;

/* The same, ahead of the segment that the search is at: columns that were found stay good, and any
 * thread may do it. logstore_snapshot_moves_on says then that the search is at a segment: what was
 * read of the columns of the one before can be given back. */
int logstore_filter_run_ahead(const struct logstore_snapshot *snapshot, size_t segment_index,
                              const struct logstore_filter *filter,
                              struct logstore_filter_context *context, uint64_t *bits,
                              struct error *error) MUST_CHECK;
void logstore_snapshot_moves_on(const struct logstore_snapshot *snapshot, size_t segment_index);

/* Whether all values of the filter can be of their fields' types, in the index of that segment:
 * carrying it out may pass over clauses that cannot matter. 0 or ERROR_INVALID. */
int logstore_filter_check(const struct logstore_snapshot *snapshot, size_t segment_index,
                          const struct logstore_filter *filter,
                          struct logstore_filter_context *context, struct error *error) MUST_CHECK;

/* Columns ---------------------------------------------------------------------------------- */

/* One field in one segment. Good until a filter is run over another segment of the same snapshot;
 * of a kept one, until the snapshot goes. */
struct logstore_column;

/* NULL when no document of the segment has the field. */
const struct logstore_column *logstore_column_find(const struct logstore_segment *segment,
                                                   struct str path);

/* The same, but a keyword column whose values stand in the sources alone (it is "sourced") is not
 * read: it may have neither terms nor ordinals, but logstore_values. */
const struct logstore_column *logstore_column_find_unread(const struct logstore_segment *segment,
                                                          struct str path);
bool logstore_column_is_sourced(const struct logstore_column *column);

/* What is done with each value: the code that is not 0 ends the walk. The hash is that of
 * logstore_term_hash; the text lasts until visit returns. */
struct logstore_value_visitor {
    int (*visit)(void *argument, struct str text, uint64_t hash);
    void *argument;
};

/* Reads the values that the documents (rising) have in a sourced column from the sources, each
 * once a document, in order of documents. Reads the blocks alone that hold them.
 * Returns visit's code, or ERROR_TIMEOUT, ERROR_CORRUPT, -ENOMEM. */
int logstore_values(const struct logstore_column *column, const uint32_t *documents, size_t count,
                    struct logstore_filter_context *context,
                    const struct logstore_value_visitor *visitor, struct error *error) MUST_CHECK;

/* A hash of a term, all of whose bits are good. */
uint64_t logstore_term_hash(struct str term);

size_t logstore_column_count(const struct logstore_segment *segment);
struct str logstore_column_path(const struct logstore_segment *segment, size_t i);
enum logstore_type logstore_column_type(const struct logstore_column *column);
enum logstore_column_kind logstore_column_kind(const struct logstore_column *column);
uint32_t logstore_column_document_count(const struct logstore_column *column);
bool logstore_column_integer_range(const struct logstore_column *column, int64_t *least,
                                   int64_t *most);

/* Whether value i is document i's, for all documents of the segment. */
bool logstore_column_has_one_each(const struct logstore_column *column);

struct logstore_cursor {
    const struct logstore_column *column;
    size_t position;
};

/* The values of a document: their count, and in *first the number of the first (they follow each
 * other). Documents must be asked for in rising order; a new cursor starts over. */
size_t logstore_cursor_seek(struct logstore_cursor *cursor, uint32_t document, size_t *first);

/* Many at once, integers or ordinals, of a column with one value for each document; documents
 * rise. */
void logstore_column_gather(const struct logstore_column *column, const uint32_t *documents,
                            size_t count, int64_t *values);
int64_t logstore_column_integer(const struct logstore_column *column, size_t value);
double logstore_column_real(const struct logstore_column *column, size_t value);
uint32_t logstore_column_ordinal(const struct logstore_column *column, size_t value);

/* Terms of a keyword or text column, in byte order. */
uint32_t logstore_column_term_count(const struct logstore_column *column);
int logstore_column_term(const struct logstore_column *column, uint32_t ordinal,
                         struct buf *scratch,
                         struct str *term) MUST_CHECK; /* valid until scratch changes */

/* Calls visit with the term of each ordinal of a rising list; stops at its first non-zero code. */
int logstore_column_terms(const struct logstore_column *column, const uint32_t *ordinals,
                          size_t count, int (*visit)(void *argument, size_t i, struct str term),
                          void *argument, struct error *error) MUST_CHECK;

/* Documents -------------------------------------------------------------------------------- */

struct logstore_hit {
    struct str id;
    struct str source;
    int64_t version;
    int64_t seq_no;
};

struct logstore_reader; /* keeps the last block it unpacked */

int logstore_reader_new(struct logstore_reader **reader_out) MUST_CHECK;
void logstore_reader_free(struct logstore_reader *reader);

/* Texts are valid until the reader's next call. ERROR_CORRUPT when a checksum fails. */
int logstore_reader_get(struct logstore_reader *reader, const struct logstore_segment *segment,
                        uint32_t document, struct logstore_hit *hit,
                        struct error *error) MUST_CHECK;

#define LOGSTORE_ID_BUFFER 64 /* what an id that was made by the store is written into */

/* The id alone. It stands in the buffer or in the segment. */
int logstore_document_id(const struct logstore_segment *segment, uint32_t document, char *buffer,
                         struct str *id, struct error *error) MUST_CHECK;

/* Id and numbers alone, without unpacking the source. */
int logstore_reader_get_meta(struct logstore_reader *reader, const struct logstore_segment *segment,
                             uint32_t document, struct logstore_hit *hit,
                             struct error *error) MUST_CHECK;

#endif
