/* chunk.c - reads chunks of blocks, and remembers what chunks share. */
#include "tsdb/chunk.h"

#include "base/check.h"
#include "codec/crc32c.h"
#include "tsdb/column.h"

#include <stdlib.h>
#include <string.h>

static size_t slot_of(const char *column)
{
    return ((uintptr_t)column ^ (uintptr_t)column >> 5 ^ (uintptr_t)column >> 10) %
           CHUNK_MEMORY_COUNT;
}

void chunk_memory_release(struct chunk_memory *memory)
{
    for (size_t i = 0; i < CHUNK_MEMORY_COUNT; i++) {
        free(memory->times[i].times);
        free(memory->references[i].numbers);
    }
}

/* Room for `count` numbers; what was in it may go. */
static bool make_room(int64_t **numbers, uint32_t *capacity, uint32_t count)
{
    if (*capacity >= count) return true;
    free(*numbers);
    *numbers = malloc(count * sizeof((*numbers)[0]));
    *capacity = *numbers == NULL ? 0 : count;
    return *numbers != NULL;
}

static bool decode_times(const struct block_chunk *chunk, int64_t *times)
{
    struct str rest = chunk->times;
    if (!column_decode_numbers(&rest, times, chunk->count) || rest.size != 0) return false;
    for (uint32_t i = 1; i < chunk->count; i++) {
        if (times[i] <= times[i - 1]) return false;
    }
    return times[0] == chunk->min_time_ms && times[chunk->count - 1] == chunk->max_time_ms;
}

const struct chunk_times *chunk_take_times(struct chunk_memory *memory,
                                           const struct block_chunk *chunk)
{
    struct chunk_times *times = &memory->times[slot_of(chunk->times.data)];
    if (times->column == chunk->times.data && times->count == chunk->count) return times;
    times->column = NULL;
    block_note(chunk->block, chunk->times);
    if (!make_room(&times->times, &times->capacity, chunk->count)) return NULL;
    if (!decode_times(chunk, times->times)) return NULL;
    times->column = chunk->times.data;
    times->count = chunk->count;
    times->sum = crc32c(chunk->times.data, chunk->times.size);
    return times;
}

/* The integers that the chunk is relative to; NULL: damaged, or no memory. */
static const struct chunk_reference *take_reference(struct chunk_memory *memory,
                                                    const struct block_chunk *chunk, uint32_t back,
                                                    uint32_t sum, size_t wanted)
{
    struct block_chunk other;
    if (!block_chunk_before(chunk, back, &other)) return NULL;
    struct chunk_reference *reference = &memory->references[slot_of(other.values.data)];
    if (reference->column == other.values.data && reference->wanted >= wanted) return reference;
    reference->column = NULL;
    block_note(chunk->block, other.values);
    if (!make_room(&reference->numbers, &reference->capacity, other.count)) return NULL;
    if (crc32c_add(sum, other.values.data, other.values.size) != other.sum) return NULL;
    if (!column_decode_integers(other.values, reference->numbers, other.count, wanted)) return NULL;
    reference->column = other.values.data;
    reference->wanted = (uint32_t)wanted;
    return reference;
}

bool chunk_is_whole(const struct block_chunk *chunk, const struct chunk_times *times)
{
    block_note(chunk->block, chunk->values);
    return crc32c_add(times->sum, chunk->values.data, chunk->values.size) == chunk->sum;
}

bool chunk_take_values(struct chunk_memory *memory, const struct block_chunk *chunk,
                       const struct chunk_times *times, double *values, size_t wanted)
{
    CHECK(wanted <= chunk->count);
    struct str rest = chunk->values;
    if (!chunk_is_whole(chunk, times)) return false;
    uint32_t back = column_reference(rest);
    if (back > 0) {
        const struct chunk_reference *reference =
            take_reference(memory, chunk, back, times->sum, wanted);
        return reference != NULL &&
               column_decode_relative(rest, reference->numbers, values, chunk->count, wanted);
    }
    if (wanted < chunk->count) {
        return column_decode_last_values(rest, values, chunk->count, wanted);
    }
    return column_decode_values(&rest, values, chunk->count) && rest.size == 0;
}

bool chunk_decode(struct chunk_memory *memory, const struct block_chunk *chunk, int64_t *times,
                  double *values)
{
    const struct chunk_times *shared = chunk_take_times(memory, chunk);
    if (shared == NULL) return false;
    memcpy(times, shared->times, chunk->count * sizeof(times[0]));
    return chunk_take_values(memory, chunk, shared, values, chunk->count);
}
