/* foreign_bits.h - bits one after another, the high ones first, and the codes that Prometheus' chunks
 * are made of.
 *
 * Source:  Prometheus, tsdb/docs/format/chunks.md.
 * Threads: pure; any thread.
 */
#ifndef TSDB_FOREIGN_BITS_H
#define TSDB_FOREIGN_BITS_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reading: past the end has_failed is set and zeros are given. */
struct foreign_reader {
    struct str bytes;
    size_t at; /* bit */
    bool has_failed;
};

uint64_t foreign_read_bits(struct foreign_reader *reader, unsigned count); /* at most 64 */
int64_t foreign_read_varint(struct foreign_reader *reader); /* zigzag in bytes of eight bits */
uint64_t foreign_read_uvarint(struct foreign_reader *reader);
int64_t foreign_read_varbit(struct foreign_reader *reader);
uint64_t foreign_read_varbit_uint(struct foreign_reader *reader);
int64_t foreign_read_time_step(struct foreign_reader *reader); /* of float chunks */

/* A value and the window in which its last difference had its bits. */
struct foreign_xor {
    uint64_t bits;
    unsigned leading; /* 255: there was none yet */
    unsigned trailing;
};

void foreign_read_xor(struct foreign_reader *reader, struct foreign_xor *value);

/* Writing, behind what is in the buffer. */
struct foreign_writer {
    struct buf *out;
    unsigned free_bits; /* of the last byte */
};

void foreign_write_bits(struct foreign_writer *writer, uint64_t bits, unsigned count);
void foreign_write_varint(struct foreign_writer *writer, int64_t value);
void foreign_write_uvarint(struct foreign_writer *writer, uint64_t value);
void foreign_write_varbit(struct foreign_writer *writer, int64_t value);
void foreign_write_varbit_uint(struct foreign_writer *writer, uint64_t value);
void foreign_write_time_step(struct foreign_writer *writer, int64_t value);
void foreign_write_xor(struct foreign_writer *writer, struct foreign_xor *value, uint64_t bits);

#endif
