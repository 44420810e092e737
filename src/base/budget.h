/* budget.h - bytes that many owners may hold all together: arenas and buffers take from it what
 * they allocate and give it back when they are released.
 *
 *     struct budget budget = { .size_max = 1 << 30 };
 *     arena_init_within(&arena, 1 << 28, &budget);
 *
 * An eighth is kept for those that hold little: who holds more than 1/64 is refused there. So few
 * who want everything cannot starve the many who want next to nothing.
 *
 * Threads: any; counting is atomic.
 */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
    atomic_size_t used; /* bytes */
    size_t size_max;    /* bytes */
};

/* Takes `size` bytes more for one who holds `held`. False: they are not there, nothing was taken.
 * NULL: a budget without end. */
bool budget_take(struct budget *budget, size_t size, size_t held) MUST_CHECK;
void budget_give(struct budget *budget, size_t size);
size_t budget_used(const struct budget *budget);

#endif
