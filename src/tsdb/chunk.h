/* chunk.h - reads chunks of blocks, and remembers what chunks share.
 *
 * The series of one target share their times, and the buckets of a histogram are written relative
 * to its count: who reads one series after the other decodes those once.
 *
 * Threads: one at a time for a memory.
 */
#ifndef TSDB_CHUNK_H
#define TSDB_CHUNK_H

#include "base/compiler.h"
#include "tsdb/block.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_MEMORY_COUNT 8

struct chunk_times {
    const char *column; /* where it stands in its block; NULL: free */
    uint32_t count;
    uint32_t capacity;
    uint32_t sum;   /* CRC-32C of the column: the chunk's goes on from it */
    int64_t *times; /* malloc'ed, as many as `capacity` */
};

/* The integers of a column that others are relative to, the newest first. */
struct chunk_reference {
    const char *column;
    uint32_t wanted; /* so many of them */
    uint32_t capacity;
    int64_t *numbers;
};

/* Zeroed at first. Blocks that were read through it stay open as long. */
struct chunk_memory {
    struct chunk_times times[CHUNK_MEMORY_COUNT]; /* by the column's place */
    struct chunk_reference references[CHUNK_MEMORY_COUNT];
};

void chunk_memory_release(struct chunk_memory *memory);

/* The times of a chunk, which stay until the next call. NULL: damaged, or no memory. */
const struct chunk_times *chunk_take_times(struct chunk_memory *memory,
                                           const struct block_chunk *chunk);

/* Whether its values' column, whose times these are, holds its checksum. */
bool chunk_is_whole(const struct block_chunk *chunk, const struct chunk_times *times) MUST_CHECK;

/* The last `wanted` values of a chunk whose times these are; room for all. False: damaged. */
bool chunk_take_values(struct chunk_memory *memory, const struct block_chunk *chunk,
                       const struct chunk_times *times, double *values, size_t wanted) MUST_CHECK;

/* The whole chunk; room for chunk->count entries each. False: damaged. */
bool chunk_decode(struct chunk_memory *memory, const struct block_chunk *chunk, int64_t *times,
                  double *values) MUST_CHECK;

#endif
