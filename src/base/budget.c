/* budget.c - one counter. Its order against other memory does not matter: relaxed throughout. */
#include "base/budget.h"

#include "base/check.h"

bool budget_take(struct budget *budget, size_t size, size_t held)
{
    if (budget == NULL) return true;
    bool is_small = held <= budget->size_max / 64 && size <= budget->size_max / 64;
    size_t most = is_small ? budget->size_max : budget->size_max - budget->size_max / 8;
    size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    do {
        if (size > most || used > most - size) return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + size,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void budget_give(struct budget *budget, size_t size)
{
    if (budget == NULL) return;
    size_t before = atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
    CHECK(before >= size);
}

size_t budget_used(const struct budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}
