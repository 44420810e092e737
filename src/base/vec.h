/* vec.h - typed growing arrays.
 *
 *     VEC(int64_t) times = { 0 };
 *     if (!VEC_PUSH(&times, now_ms)) return -ENOMEM;
 *     for (size_t i = 0; i < times.count; i++) use(times.items[i]);
 *     VEC_RELEASE(&times);
 *
 * Ownership: the vector owns `items`, not what they point to. Zeroed is empty.
 * Limits:    none of its own; the caller knows how many its input may hold.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t count;                                                                              \
        size_t capacity;                                                                           \
    }

/* A vector type that can be named in several places: VEC_TYPE(int64_vec, int64_t); */
#define VEC_TYPE(name, type)                                                                       \
    struct name {                                                                                  \
        type *items;                                                                               \
        size_t count;                                                                              \
        size_t capacity;                                                                           \
    }

/* Room for `more` items behind the last. False when out of memory; the vector is unchanged. */
#define VEC_RESERVE(vec, more)                                                                     \
    vec_grow((void **)&(vec)->items, (vec)->count, (more), &(vec)->capacity, sizeof(*(vec)->items))

/* Appends a copy of `item`. False when out of memory; the vector is unchanged. */
#define VEC_PUSH(vec, ...)                                                                         \
    (VEC_RESERVE((vec), 1) && ((vec)->items[(vec)->count++] = (__VA_ARGS__), true))

#define VEC_LAST(vec) ((vec)->items[(vec)->count - 1])

/* Takes out the item at `index`; the order of the others stays. */
#define VEC_REMOVE(vec, index)                                                                     \
    ((void)__builtin_memmove(&(vec)->items[(index)], &(vec)->items[(index) + 1],                   \
                             ((vec)->count - (index)-1) * sizeof(*(vec)->items)),                  \
     (vec)->count--)

#define VEC_RELEASE(vec)                                                                           \
    (free((vec)->items), (vec)->items = NULL, (vec)->count = 0, (vec)->capacity = 0)

#define VEC_FOR_EACH(vec, pointer)                                                                 \
    for (__typeof__((vec)->items) pointer = (vec)->items;                                          \
         pointer != NULL && pointer < (vec)->items + (vec)->count; (pointer)++)

static inline bool vec_grow(void **items, size_t count, size_t more, size_t *capacity,
                            size_t item_size)
{
    if (more <= *capacity - count) return true;
    size_t wanted;
    if (__builtin_add_overflow(count, more, &wanted)) return false;
    size_t doubled = *capacity < 4 ? 8 : *capacity * 2;
    if (wanted < doubled) wanted = doubled;
    size_t size;
    if (__builtin_mul_overflow(wanted, item_size, &size)) return false;
    void *grown = realloc(*items, size);
    if (grown == NULL) return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

#endif
