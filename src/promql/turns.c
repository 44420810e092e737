/* turns.c - a line of waiters, each on a condition of its own. */
#include "promql/turns.h"

#include "base/check.h"

#include <stddef.h>

struct turn_waiter {
    struct turn_waiter *next;
    struct condition is_on;
    bool has_turn;
};

void turns_init(struct turns *turns, unsigned count)
{
    *turns = (struct turns){ .free = count };
    mutex_init(&turns->mutex);
}

void turns_release(struct turns *turns)
{
    CHECK(turns->first == NULL);
    mutex_release(&turns->mutex);
}

static void leave_line(struct turns *turns, const struct turn_waiter *waiter)
{
    struct turn_waiter *before = NULL;
    struct turn_waiter *at = turns->first;
    while (at != waiter) {
        before = at;
        at = at->next;
    }
    if (before == NULL) {
        turns->first = waiter->next;
    } else {
        before->next = waiter->next;
    }
    if (turns->last == waiter) turns->last = before;
}

bool turns_take(struct turns *turns, const struct clock *clock, int64_t deadline_ns)
{
    mutex_lock(&turns->mutex);
    if (turns->free > 0) {
        turns->free--;
        mutex_unlock(&turns->mutex);
        return true;
    }
    struct turn_waiter waiter = { .next = NULL };
    condition_init(&waiter.is_on);
    if (turns->last == NULL) {
        turns->first = &waiter;
    } else {
        turns->last->next = &waiter;
    }
    turns->last = &waiter;
    while (!waiter.has_turn) {
        int64_t left_ms = (deadline_ns - clock_monotonic_ns(clock)) / 1000000;
        if (left_ms <= 0) break;
        (void)condition_wait_ms(&waiter.is_on, &turns->mutex, left_ms);
    }
    if (!waiter.has_turn) leave_line(turns, &waiter);
    mutex_unlock(&turns->mutex);
    condition_release(&waiter.is_on);
    return waiter.has_turn;
}

void turns_give(struct turns *turns)
{
    mutex_lock(&turns->mutex);
    struct turn_waiter *next = turns->first;
    if (next == NULL) {
        turns->free++;
    } else {
        leave_line(turns, next);
        next->has_turn = true;
        condition_signal(&next->is_on);
    }
    mutex_unlock(&turns->mutex);
}

bool turns_is_waited_for(struct turns *turns)
{
    mutex_lock(&turns->mutex);
    bool is_waited_for = turns->first != NULL;
    mutex_unlock(&turns->mutex);
    return is_waited_for;
}
