/* reader.h - what the store asks of a reader beyond snapshot.h: blocks, and the values of one path
 * without the rest of the document.
 */
#ifndef LOGSTORE_READER_H
#define LOGSTORE_READER_H

#include "base/error.h"
#include "logstore/segment.h"
#include "logstore/source_block.h"

#include <stdbool.h>
#include <stdint.h>

/* Opens a block of the segment, checked. It is the reader's, until its next call. */
int reader_open_block(struct logstore_reader *reader, const struct logstore_segment *segment,
                      uint32_t block, struct source_block **sources,
                      struct error *error) MUST_CHECK;

/* The source alone, valid until the reader's next call. */
int reader_document(struct logstore_reader *reader, const struct logstore_segment *segment,
                    uint32_t document, struct str *source, struct error *error) MUST_CHECK;

/* Reads values of one path, block by block; values.c. Owned by one thread. */
struct value_reader;

int value_reader_new(struct value_reader **reader_out) MUST_CHECK;
void value_reader_free(struct value_reader *reader); /* NULL is fine */

/*
 * Calls visit for every value at the column's place in the sources of one block, in order of
 * documents; null, objects and what is no value of a document in `wanted` (a bit a document of the
 * segment; NULL: all) are left out, and texts without the literal (NULL: none) may be. Texts are
 * without escapes and last until visit returns.
 * Stops at visit's first code that is not 0, and returns it.
 */
int value_reader_block(struct value_reader *reader, const struct logstore_column *column,
                       uint32_t block, const uint64_t *wanted, const struct literal *literal,
                       int (*visit)(void *argument, uint32_t document, struct str text),
                       void *argument, struct error *error) MUST_CHECK;

/* Whether a keyword field keeps such a value. */
bool keyword_is_kept(struct str text, uint32_t ignore_above);

#endif
