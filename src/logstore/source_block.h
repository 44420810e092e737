/* source_block.h - a run of documents, packed by columns and given back byte for byte.
 *
 * Log lines of one program look alike: the same keys in the same order, and values that differ. A
 * document is split into a shape, which is its bytes with holes where the values stood, and the
 * values; each shape is kept once, and the values of one path stand together in the form that
 * suits them. What was split is joined again by printing the pieces, so no byte is lost whatever
 * the document looks like; a block in which too few documents are alike is kept whole.
 *
 * FORMAT   u8 kind: 0 whole, 1 columns
 *          whole:    varint raw size, varint stored size (equal: not packed), zstd of: u32 count,
 *                    u32 end of each document, the documents
 *          columns:  varint raw size, varint stored size of the head, the head; then for each
 *                    column with text of its own in turn: those bytes
 *          head:     varint documents, u8 flags (1: a key has escapes, paths are not to be trusted)
 *                    varint shapes; each: varint holes; for each hole: varint column, and its text
 *                    in front; the text behind the last hole
 *                    ints: the shape of each document
 *                    varint columns; each: path, u8 form, varint count, and by form
 *            constant  text
 *            few       varint count of texts, the texts; u8 which, for each value
 *            integers  ints
 *            times     u8 separator, u8 point, u8 digits, zone text; ints
 *            texts     ints: sizes; varint raw size, varint stored size; stored size 0: the bytes
 *                      follow, else they stand behind the head (equal: not packed)
 *          What is packed is a zstd frame, or hexed (hexed.h).
 *          ints as in ints.h, texts as varint size and bytes. Values are as they stand in the
 *          document, without the quotes, which belong to the shape.
 *
 * Threads: a packer and a block belong to one thread.
 */
#ifndef LOGSTORE_SOURCE_BLOCK_H
#define LOGSTORE_SOURCE_BLOCK_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "logstore/literal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_LEVEL_FAST 1 /* zstd's */

enum source_kind { SOURCE_WHOLE, SOURCE_COLUMNS, SOURCE_KIND_COUNT };

enum source_form {
    SOURCE_CONSTANT,
    SOURCE_FEW,
    SOURCE_INTEGERS,
    SOURCE_TIMES,
    SOURCE_TEXTS,
    SOURCE_FORM_COUNT,
};

#define SOURCE_FEW_MAX     256  /* texts of a column of few */
#define SOURCE_OWN_SIZE    4096 /* bytes of texts from which they stand behind the head */
#define SOURCE_SHAPES_MAX  256
#define SOURCE_COLUMNS_MAX 4096
#define SOURCE_HEAD_MAX    ((size_t)1 << 30)

/* Packing --------------------------------------------------------------------------------- */

struct source_packer; /* scratch that is kept from block to block */

int source_packer_new(struct source_packer **packer_out, int level) MUST_CHECK;
void source_packer_free(struct source_packer *packer);           /* NULL is fine */
size_t source_packer_memory(const struct source_packer *packer); /* bytes of its scratch, about */

/* Appends the block of `count` documents, each one valid JSON value, at least one. */
int source_block_pack(struct source_packer *packer, const struct str *documents, size_t count,
                      struct buf *out, struct error *error) MUST_CHECK;

/* Reading --------------------------------------------------------------------------------- */

struct source_block;

int source_block_new(struct source_block **block_out) MUST_CHECK;
void source_block_free(struct source_block *block); /* NULL is fine */

/* Opens stored bytes, which must stay until the next call; texts are unpacked when asked for. */
int source_block_open(struct source_block *block, struct str stored,
                      struct error *error) MUST_CHECK;
uint32_t source_block_count(const struct source_block *block);

/* A document of a block that is kept whole, in the block's bytes; false: it is of another kind. */
bool source_block_whole(const struct source_block *block, uint32_t document, struct str *source);

/* Appends all documents to `raw`, and to `ends` (a uint32_t each) where they end in it. */
int source_block_documents(struct source_block *block, struct buf *raw, struct buf *ends,
                           struct error *error) MUST_CHECK;

/* What source_block_values tells of one value. */
struct source_value {
    uint32_t document; /* in the block; rising */
    bool is_text;      /* stood in quotes; else a number, true, false or null */
    struct str raw;    /* as it stands in the document, escapes and all */
};

/*
 * Calls visit for every value at a dotted path, in order; stops at its first code that is not 0.
 * With a literal (NULL: none) texts in which it is not found, escapes minded, may be left out.
 *
 * Returns that code, or 0, or ERROR_UNSUPPORTED when the block has no columns, or keys that make
 * paths doubtful: then the documents must be read instead; or ERROR_CORRUPT.
 */
int source_block_values(struct source_block *block, struct str path, const struct literal *literal,
                        int (*visit)(void *argument, const struct source_value *value),
                        void *argument, struct error *error) MUST_CHECK;

#endif
