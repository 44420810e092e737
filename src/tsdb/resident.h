/* resident.h - which parts of a mapped file have lately been looked at.
 *
 * Pages of a mapped file count as the process's memory from when they are looked at until they are
 * unloaded, though the system keeps them either way. So it is noted what is looked at, and who
 * finds that all files together have more than they should unloads those at hand.
 *
 * Threads: any; noting is atomic. What is noted while a file is unloaded may count once too much.
 */
#ifndef TSDB_RESIDENT_H
#define TSDB_RESIDENT_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Around a page that is looked at, the kernel maps what it has of these many bytes. */
#define RESIDENT_WINDOW_SHIFT 16

/* All zero: nothing is noted. */
struct resident {
    atomic_size_t *total;      /* bytes of all files */
    _Atomic uint64_t *windows; /* a bit each: looked at since the last resident_forget */
    size_t word_count;
};

/* False: no memory; nothing is noted then. */
bool resident_init(struct resident *resident, size_t file_size, atomic_size_t *total) MUST_CHECK;
void resident_release(struct resident *resident);

/* Notes that [offset, offset + size) is looked at; size > 0, inside the file. */
void resident_note(const struct resident *resident, size_t offset, size_t size);

size_t resident_size(const struct resident *resident); /* bytes noted */

/* The file is unloaded, or is going to be. */
void resident_forget(const struct resident *resident);

#endif
