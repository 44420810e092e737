/* hexed.h - bytes with long runs of hexadecimal digits, packed.
 *
 * Trace ids, digests and dumps are as random as digits can be: zstd finds nothing in them but that
 * four bits of each byte are used, and takes a good part of a writer's time to say so. Such runs
 * are lifted out, two digits a byte, and zstd has the rest. Runs that repeat, or that are decimal
 * numbers in truth, are zstd's business, which is better at both.
 *
 * FORMAT   u32 HEXED_MAGIC (no zstd frame begins with it), varint bytes of the rest, varint bytes
 *          of the rest as stored (equal: as it is, else a zstd frame), the rest; behind it the
 *          digits of all runs, two a byte, the first above. The rest: varint runs; of each varint
 *          bytes before it (behind the run before), varint bytes of its digits; then all bytes
 *          that stand in no run.
 *
 * Threads: a scratch belongs to one thread.
 */
#ifndef LOGSTORE_HEXED_H
#define LOGSTORE_HEXED_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"
#include "codec/compress.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEXED_MAGIC UINT32_C(0x31786548) /* "Hex1" */

struct hexed_run {
    uint32_t start; /* in the bytes */
    uint32_t size;  /* even */
};

struct hexed {
    VEC(struct hexed_run) runs;
    struct buf rest;   /* what stands in no run, behind the table of runs */
    struct buf packed; /* the same by zstd */
};

void hexed_init(struct hexed *hexed);
void hexed_release(struct hexed *hexed);

/* Appends the packed bytes. 1; 0 when they are better left to zstd, and nothing is appended; or an
 * error. */
int hexed_pack(struct hexed *hexed, struct zstd_packer *zstd, struct str bytes, struct buf *out,
               struct error *error) MUST_CHECK;

bool hexed_is(struct str stored);

/* Appends the `size` bytes that were packed, or ERROR_CORRUPT. */
int hexed_unpack(struct hexed *hexed, struct zstd_unpacker *zstd, struct str stored, size_t size,
                 struct buf *out, struct error *error) MUST_CHECK;

#endif
