/* foreign.h - blocks of Prometheus: read to be imported, written to be exported.
 *
 *     <ULID>/ meta.json   what the block is
 *             index       symbols, series with the places of their chunks, postings; version 2
 *             chunks/     files 000001 and on
 *             tombstones  what was deleted
 *
 * Source: Prometheus, tsdb/docs/format/.
 */
#ifndef TSDB_FOREIGN_H
#define TSDB_FOREIGN_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/file.h"
#include "model/labels.h"
#include "tsdb/foreign_chunk.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads a block, series by series in the order of their labels. */
struct foreign_block;

/* 0, ERROR_CORRUPT, ERROR_UNSUPPORTED or an errno. */
int foreign_block_open(struct foreign_block **block, const struct disk *disk, const char *path,
                       struct error *error) MUST_CHECK;
void foreign_block_close(struct foreign_block *block); /* NULL is fine */

/* 1 with the next series and its samples, deleted ones left out, in order of time; 0 at the end, or
 * a negative code. Both live in the arena, which the caller resets, and the vector. */
int foreign_block_next(struct foreign_block *block, struct arena *arena, struct labels *labels,
                       struct foreign_samples *samples, struct error *error) MUST_CHECK;

/* Writes a block; series come in the order of labels_compare. */
struct foreign_writer_block;

int foreign_writer_new(struct foreign_writer_block **writer, const struct disk *disk,
                       const char *path, struct error *error) MUST_CHECK;
int foreign_writer_add(struct foreign_writer_block *writer, struct labels labels,
                       const struct foreign_sample *samples, size_t count,
                       struct error *error) MUST_CHECK;
/* `ulid` is the folder's name; times are the block's range, the last exclusive. */
int foreign_writer_finish(struct foreign_writer_block *writer, const char *ulid, int64_t min_ms,
                          int64_t end_ms, struct error *error) MUST_CHECK;
void foreign_writer_free(struct foreign_writer_block *writer); /* NULL is fine */

#endif
