/* payload.h - the rarer sections of a batch in the log: extras of samples, exemplars, and that late
 * samples are taken. They stand behind the samples, each as tag u8, size (varint) and bytes; the
 * page docs/formats/tsdb-wal.md draws them.
 *
 * Threads: pure functions; any thread.
 */
#ifndef TSDB_PAYLOAD_H
#define TSDB_PAYLOAD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/exemplar.h"
#include "tsdb/extra.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the batch's sample of that index has besides its value; ascending by index. */
struct payload_extra {
    uint32_t sample;
    struct extra extra;
};

VEC_TYPE(payload_extras, struct payload_extra);

struct payload_exemplar {
    uint32_t series; /* number */
    struct exemplar exemplar;
};

VEC_TYPE(payload_exemplars, struct payload_exemplar);

struct payload_sections {
    struct payload_extras extras;
    struct payload_exemplars exemplars;
    bool takes_late;
};

/* Writes the sections that are not empty; `scratch` is used on the way. */
void payload_put_sections(struct buf *out, const struct payload_sections *sections,
                          struct buf *scratch);

/* Reads what stands behind the samples; times are those of the batch's samples. What is read lives
 * in the arena and the vectors, which the caller releases also on failure. 0, ERROR_CORRUPT,
 * ERROR_LIMIT or -ENOMEM. */
int payload_take_sections(struct str rest, const int64_t *times, size_t count, struct arena *arena,
                          struct payload_sections *sections) MUST_CHECK;
void payload_sections_release(struct payload_sections *sections);

/* The extra of that sample, or NULL. *next goes on from one call to the next: samples ascend. */
const struct extra *payload_extra_at(const struct payload_extras *extras, size_t *next,
                                     size_t sample);

#endif
