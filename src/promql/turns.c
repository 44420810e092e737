/* turns.c - lines of waiters, each on a condition of its own. */
#include "promql/turns.h"

#include "base/check.h"

#include <stddef.h>

#define LOOK_NS    INT64_C(1000000) /* between two looks at the lines */
#define LAST_EVERY 8                /* turns: then the last line is served first */

/* How long a turn lasts while others of the same level wait, and of an earlier one. Shorter slices
 * would cost in caches, longer ones would be felt. */
static const int64_t slices_ns[TURN_LEVELS] = { 5000000, 10000000, 100000000 };
static const int64_t least_ns[TURN_LEVELS] = { 0, 0, 10000000 };

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
    for (size_t i = 0; i < TURN_LEVELS; i++) CHECK(turns->lines[i].first == NULL);
    mutex_release(&turns->mutex);
}

static void leave_line(struct turn_line *line, const struct turn_waiter *waiter)
{
    struct turn_waiter *before = NULL;
    struct turn_waiter *at = line->first;
    while (at != waiter) {
        before = at;
        at = at->next;
    }
    if (before == NULL) {
        line->first = waiter->next;
    } else {
        before->next = waiter->next;
    }
    if (line->last == waiter) line->last = before;
}

static void join_line(struct turn_line *line, struct turn_waiter *waiter)
{
    if (line->last == NULL) {
        line->first = waiter;
    } else {
        line->last->next = waiter;
    }
    line->last = waiter;
}

/* The line that is served next; NULL: nobody waits. */
static struct turn_line *next_line(struct turns *turns)
{
    struct turn_line *earliest = NULL;
    struct turn_line *last = NULL;
    for (size_t i = 0; i < TURN_LEVELS; i++) {
        if (turns->lines[i].first == NULL) continue;
        if (earliest == NULL) earliest = &turns->lines[i];
        last = &turns->lines[i];
    }
    return turns->given % LAST_EVERY == LAST_EVERY - 1 ? last : earliest;
}

static bool take(struct turn *turn)
{
    struct turns *turns = turn->turns;
    mutex_lock(&turns->mutex);
    bool has_turn = turns->free > 0;
    if (has_turn) {
        turns->free--;
        mutex_unlock(&turns->mutex);
        return true;
    }
    struct turn_line *line = &turns->lines[turn->level];
    struct turn_waiter waiter = { .next = NULL };
    condition_init(&waiter.is_on);
    join_line(line, &waiter);
    while (!waiter.has_turn) {
        int64_t left_ms = (turn->deadline_ns - clock_monotonic_ns(turn->clock)) / 1000000;
        if (left_ms <= 0) break;
        (void)condition_wait_ms(&waiter.is_on, &turns->mutex, left_ms);
    }
    if (!waiter.has_turn) leave_line(line, &waiter);
    mutex_unlock(&turns->mutex);
    condition_release(&waiter.is_on);
    return waiter.has_turn;
}

static void give(struct turns *turns)
{
    mutex_lock(&turns->mutex);
    struct turn_line *line = next_line(turns);
    if (line == NULL) {
        turns->free++;
    } else {
        struct turn_waiter *next = line->first;
        leave_line(line, next);
        turns->given++;
        next->has_turn = true;
        condition_signal(&next->is_on);
    }
    mutex_unlock(&turns->mutex);
}

static bool take_turn(struct turn *turn)
{
    turn->is_taken = take(turn);
    turn->start_ns = clock_monotonic_ns(turn->clock);
    turn->look_ns = turn->start_ns + LOOK_NS;
    return turn->is_taken;
}

bool turn_begin(struct turn *turn, struct turns *turns, const struct clock *clock,
                int64_t deadline_ns)
{
    *turn = (struct turn){ .turns = turns,
                           .clock = clock,
                           .deadline_ns = deadline_ns,
                           .cpu_start_ns = clock_thread_cpu_ns() };
    return take_turn(turn);
}

void turn_measure(struct turn *turn)
{
    int64_t used_ns = clock_thread_cpu_ns() - turn->cpu_start_ns;
    if (used_ns >= TURN_LONG_NS) {
        turn->level = TURN_LONG;
    } else if (used_ns >= TURN_KNOWN_NS) {
        turn->level = TURN_KNOWN;
    }
}

/* Whether somebody waits who should be let on after a turn of so long. */
static bool is_over(struct turn *turn, int64_t had_ns)
{
    struct turns *turns = turn->turns;
    bool is_over = false;
    mutex_lock(&turns->mutex);
    for (size_t i = 0; i <= (size_t)turn->level && !is_over; i++) {
        int64_t most_ns = i < turn->level ? least_ns[turn->level] : slices_ns[turn->level];
        is_over = turns->lines[i].first != NULL && had_ns >= most_ns;
    }
    mutex_unlock(&turns->mutex);
    return is_over;
}

bool turn_look(struct turn *turn, int64_t now_ns)
{
    turn->look_ns = now_ns + LOOK_NS;
    if (turn->turns == NULL || !is_over(turn, now_ns - turn->start_ns)) return true;
    give(turn->turns);
    return take_turn(turn);
}

void turn_end(struct turn *turn)
{
    if (turn->is_taken) give(turn->turns);
    turn->is_taken = false;
}
