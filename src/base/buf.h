/* buf.h - growing bytes with a maximum.
 *
 * A write that does not fit sets `has_failed` and changes nothing more; every later write is
 * ignored. So a writer appends without looking and asks once at the end:
 *
 *     CLEANUP(buf_release) struct buf body;
 *     buf_init(&body, BODY_SIZE_MAX);
 *     buf_append_str(&body, STR("{\"status\":"));
 *     ...
 *     if (body.has_failed) return error_set(error, ERROR_LIMIT, ...);
 *
 * Ownership: the buffer owns its bytes until buf_release or buf_take.
 * Threads:   one thread at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct budget; /* base/budget.h */

struct buf {
    char *data;            /* not NUL-terminated; see buf_cstr */
    size_t size;           /* bytes written */
    size_t capacity;       /* bytes allocated */
    size_t size_max;       /* bytes it may hold */
    bool has_failed;       /* out of memory or over size_max since init or reset */
    struct budget *budget; /* that memory is taken from; NULL: none. May be set while empty */
};

void buf_init(struct buf *buf, size_t size_max); /* allocates nothing */
void buf_reset(struct buf *buf);                 /* empty, keeps its memory, has_failed cleared */
void buf_release(struct buf *buf);               /* accepts a zeroed or released buffer */

/* Makes room where there is too little; for buf_reserve alone. */
char *buf_grow(struct buf *buf, size_t size) MUST_CHECK;

/* Room for `size` more bytes at buf->data + buf->size, which the caller fills and then adds to
 * buf->size; NULL (and has_failed) when there is none. */
MUST_CHECK static inline char *buf_reserve(struct buf *buf, size_t size)
{
    if (!buf->has_failed && size <= buf->capacity - buf->size) return buf->data + buf->size;
    return buf_grow(buf, size);
}

static inline void buf_append(struct buf *buf, const void *data, size_t size)
{
    if (size == 0) return;
    char *room = buf_reserve(buf, size);
    if (room == NULL) return;
    memcpy(room, data, size);
    buf->size += size;
}

static inline void buf_append_char(struct buf *buf, char c)
{
    buf_append(buf, &c, 1);
}

void buf_append_str(struct buf *buf, struct str text);
void buf_append_cstr(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

void buf_truncate(struct buf *buf, size_t size);   /* size <= buf->size */
void buf_drop_front(struct buf *buf, size_t size); /* moves the rest to the front */
struct str buf_str(const struct buf *buf);         /* valid until the next write */
const char *buf_cstr(struct buf *buf);             /* NUL put behind; "" when it has failed */
char *buf_take(struct buf *buf, size_t *size_out) MUST_CHECK; /* malloc'ed bytes, buffer empty;
                                                                 they left the budget */

#endif
