/* bitpack.h - numbers of a fixed width in a row of bits, low bits first.
 *
 * Threads: pure functions; any thread.
 */
#ifndef TSDB_BITPACK_H
#define TSDB_BITPACK_H

#include <stddef.h>
#include <stdint.h>

#define BITPACK_PADDING 8  /* bytes that a reader may load, and a writer change, past the last */
#define BITPACK_GROUP   8  /* numbers are written to `numbers` in groups of so many */
#define BITPACK_MAX     64 /* numbers a call takes: the arrays are this long */

static inline size_t bitpack_size(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}

/* Bytes a reader loads: whole groups, and the padding. */
static inline size_t bitpack_loaded_size(size_t count, unsigned width)
{
    return (count + BITPACK_GROUP - 1) / BITPACK_GROUP * width + BITPACK_PADDING;
}

void bitpack_write(unsigned char *bytes, const uint64_t *numbers, size_t count, unsigned width);

/* Fills `numbers` up to the end of the last group. width <= 64. */
void bitpack_read(const unsigned char *bytes, uint64_t *numbers, size_t count, unsigned width);

#endif
