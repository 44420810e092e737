/* merge.h - several segments as one, without reading their documents again.
 *
 * Blocks of sources are copied as they are when they are large and alive; dictionaries are merged
 * term by term, columns put one behind the other. So a merge costs a small part of what it cost to
 * write the documents, and no memory for them.
 *
 * Threads: the inputs are only read; the merge belongs to one thread.
 */
#ifndef LOGSTORE_MERGE_H
#define LOGSTORE_MERGE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "logstore/segment.h"
#include "logstore/segment_writer.h"

#include <stddef.h>
#include <stdint.h>

struct merge_input {
    struct logstore_segment *segment;
    const uint64_t *live;  /* a bit a document; NULL: all live */
    uint32_t *new_numbers; /* out: of each document, UINT32_MAX for dead ones; malloc'ed */
};

struct merge_options {
    size_t rare_documents_min; /* as of builders */
    int level;                 /* zstd's, for blocks that are packed anew */
};

/* Gives the segment's bytes to the sink; none when no document is alive. Numbers are to be freed by
 * the caller, also on failure. ERROR_CORRUPT when an input is damaged, or the sink's own code. */
int segments_merge(struct merge_input *inputs, size_t count, const struct merge_options *options,
                   const struct segment_sink *sink, struct error *error) MUST_CHECK;

#endif
