/* buf.c - doubling growth up to the maximum. */
#include "base/buf.h"

#include "base/budget.h"
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CAPACITY_MIN 64

void buf_init(struct buf *buf, size_t size_max)
{
    CHECK(size_max > 0);
    *buf = (struct buf){ .size_max = size_max };
}

void buf_reset(struct buf *buf)
{
    buf->size = 0;
    buf->has_failed = false;
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    budget_give(buf->budget, buf->capacity);
    *buf = (struct buf){ .size_max = buf->size_max, .budget = buf->budget };
}

char *buf_grow(struct buf *buf, size_t size)
{
    if (buf->has_failed) return NULL;
    if (size <= buf->capacity - buf->size)
        return buf->size == 0 ? buf->data : buf->data + buf->size;
    if (size > buf->size_max || buf->size > buf->size_max - size) {
        buf->has_failed = true;
        return NULL;
    }
    size_t capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
    while (capacity < buf->size + size) {
        if (__builtin_mul_overflow(capacity, (size_t)2, &capacity)) capacity = buf->size_max;
    }
    if (capacity > buf->size_max && buf->size + size <= buf->size_max) capacity = buf->size_max;
    size_t more = capacity - buf->capacity;
    if (!budget_take(buf->budget, more, buf->capacity)) {
        buf->has_failed = true;
        return NULL;
    }
    char *data = realloc(buf->data, capacity);
    if (data == NULL) {
        budget_give(buf->budget, more);
        buf->has_failed = true;
        return NULL;
    }
    buf->data = data;
    buf->capacity = capacity;
    CHECK(buf->capacity - buf->size >= size);
    return buf->data + buf->size;
}

void buf_append_str(struct buf *buf, struct str text)
{
    buf_append(buf, text.data, text.size);
}

void buf_append_cstr(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if (wanted < 0) {
        buf->has_failed = true;
        return;
    }
    if ((size_t)wanted < sizeof(small)) {
        buf_append(buf, small, (size_t)wanted);
        return;
    }
    /* One byte more, for the NUL that vsnprintf puts behind. */
    char *room = buf_reserve(buf, (size_t)wanted + 1);
    if (room == NULL) return;
    va_start(args, format);
    (void)vsnprintf(room, (size_t)wanted + 1, format, args);
    va_end(args);
    buf->size += (size_t)wanted;
}

void buf_truncate(struct buf *buf, size_t size)
{
    CHECK(size <= buf->size);
    buf->size = size;
}

void buf_drop_front(struct buf *buf, size_t size)
{
    CHECK(size <= buf->size);
    buf->size -= size;
    if (buf->size > 0) memmove(buf->data, buf->data + size, buf->size);
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){ buf->data, buf->size };
}

const char *buf_cstr(struct buf *buf)
{
    char *end = buf_reserve(buf, 1);
    if (end == NULL) return "";
    *end = '\0';
    return buf->data;
}

char *buf_take(struct buf *buf, size_t *size_out)
{
    char *data = buf->data;
    *size_out = buf->size;
    budget_give(buf->budget, buf->capacity);
    *buf = (struct buf){ .size_max = buf->size_max, .budget = buf->budget };
    return data;
}
