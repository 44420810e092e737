/* turns.h - long queries take turns. For promql/ alone.
 *
 * As many long queries run at a time as there are processors; the others stand in line. After a
 * slice of time one lets the first in line go on and stands at its end. So a query of a second
 * waits for slices of those of a minute, not for their end, and short ones, which take no turns,
 * never have more than that few to share the processors with. Who stands in line knows his
 * deadline to the millisecond.
 *
 * Lock: its own mutex; nobody holds another one meanwhile.
 */
#ifndef PROMQL_TURNS_H
#define PROMQL_TURNS_H

#include "base/clock.h"
#include "base/compiler.h"
#include "base/thread.h"

#include <stdbool.h>
#include <stdint.h>

struct turn_waiter;

struct turns {
    struct mutex mutex;
    unsigned free;             /* GUARDED_BY(mutex) turns that nobody has; 0 while some wait */
    struct turn_waiter *first; /* GUARDED_BY(mutex) */
    struct turn_waiter *last;  /* GUARDED_BY(mutex) */
};

void turns_init(struct turns *turns, unsigned count);
void turns_release(struct turns *turns);

/* Waits for a turn. False: the deadline came first, and there is no turn to give back. */
bool turns_take(struct turns *turns, const struct clock *clock, int64_t deadline_ns) MUST_CHECK;
void turns_give(struct turns *turns);
bool turns_is_waited_for(struct turns *turns);

#endif
