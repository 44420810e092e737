/* spare.c - large body buffers that wait for the next large body. */
#include "http/spare.h"

void spares_init(struct spares *spares)
{
    *spares = (struct spares){ .count = 0 };
    mutex_init(&spares->mutex);
}

static void free_all(struct spares *spares)
{
    while (spares->count > 0) buf_release(&spares->bufs[--spares->count]);
}

void spares_release(struct spares *spares)
{
    free_all(spares);
    mutex_release(&spares->mutex);
}

void spares_take(struct spares *spares, struct buf *buf, int64_t now_ns)
{
    size_t size_max = buf->size_max;
    if (buf->capacity >= SPARE_SIZE_MIN) return;
    mutex_lock(&spares->mutex);
    bool is_there = spares->count > 0 && spares->bufs[spares->count - 1].capacity <= size_max;
    if (is_there) {
        buf_release(buf);
        *buf = spares->bufs[--spares->count];
        spares->used_ns = now_ns;
    }
    mutex_unlock(&spares->mutex);
    buf->size_max = size_max;
    buf_reset(buf);
}

void spares_give(struct spares *spares, struct buf *buf, int64_t now_ns)
{
    bool is_fit = buf->capacity >= SPARE_SIZE_MIN && buf->capacity <= SPARE_SIZE_MAX;
    mutex_lock(&spares->mutex);
    if (is_fit && spares->count < SPARE_COUNT) {
        spares->bufs[spares->count++] = *buf;
        spares->used_ns = now_ns;
        *buf = (struct buf){ .size_max = buf->size_max };
    }
    mutex_unlock(&spares->mutex);
    buf_release(buf);
}

void spares_sweep(struct spares *spares, int64_t now_ns)
{
    mutex_lock(&spares->mutex);
    if (now_ns - spares->used_ns > (int64_t)SPARE_KEPT_MS * 1000000) free_all(spares);
    mutex_unlock(&spares->mutex);
}
