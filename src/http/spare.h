/* spare.h - large body buffers that wait for the next large body. For http/ alone.
 *
 * New pages for each body cost a tenth of what a busy _bulk costs; so a few buffers of up to
 * SPARE_SIZE_MAX are kept between requests, and go when none was used for a while.
 *
 * Lock: its own; any thread.
 */
#ifndef HTTP_SPARE_H
#define HTTP_SPARE_H

#include "base/buf.h"
#include "base/thread.h"

#include <stddef.h>
#include <stdint.h>

#define SPARE_COUNT    2
#define SPARE_SIZE_MIN ((size_t)64 << 10) /* smaller ones stay with their connection */
#define SPARE_SIZE_MAX ((size_t)4 << 20)
#define SPARE_KEPT_MS  1000

struct spares {
    struct mutex mutex;
    struct buf bufs[SPARE_COUNT]; /* GUARDED_BY(mutex) */
    size_t count;                 /* GUARDED_BY(mutex) */
    int64_t used_ns;              /* GUARDED_BY(mutex) when one was given or taken last */
};

void spares_init(struct spares *spares);
void spares_release(struct spares *spares);

/* Gives an empty buffer the memory of a spare one, when one is there; its size_max stays. */
void spares_take(struct spares *spares, struct buf *buf, int64_t now_ns);
/* Takes the memory of a buffer, which is released. */
void spares_give(struct spares *spares, struct buf *buf, int64_t now_ns);
/* Frees what was not used for SPARE_KEPT_MS. */
void spares_sweep(struct spares *spares, int64_t now_ns);

#endif
