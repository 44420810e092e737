/* turns.h - queries take turns on the processors. For promql/ alone.
 *
 * As many queries run at a time as there are processors, but for those so quick that they are
 * answered where they came in; the others stand in line. There is a line for each level: who has
 * used the processor for a few milliseconds comes behind those who are new, and who has used it for
 * long behind both. A turn lasts for a slice, and shorter when somebody of an earlier level waits.
 * Every so many turns the last line is served first, so that no query waits for ever.
 *
 * So a short query waits for slices, not for ends, however many long ones there are; and since no
 * more threads want to run than can, one that holds a lock is not kept from giving it back.
 *
 *     struct turn turn;
 *     if (!turn_begin(&turn, &turns, clock, deadline_ns)) return late;
 *     while (work is left) {
 *         ... some of it ...
 *         if (now_ns >= turn.look_ns && !turn_look(&turn, now_ns)) return late;
 *     }
 *     turn_end(&turn);
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

enum turn_level {
    TURN_NEW,
    TURN_KNOWN, /* has used the processor for TURN_KNOWN_NS */
    TURN_LONG,  /* for TURN_LONG_NS */
    TURN_LEVELS,
};

#define TURN_KNOWN_NS INT64_C(5000000)
#define TURN_LONG_NS  INT64_C(50000000)

struct turn_waiter;

struct turn_line {
    struct turn_waiter *first;
    struct turn_waiter *last;
};

struct turns {
    struct mutex mutex;
    unsigned free;                       /* GUARDED_BY(mutex) turns that nobody has; 0 while some
                                            wait */
    unsigned given;                      /* GUARDED_BY(mutex) turns that were handed on */
    struct turn_line lines[TURN_LEVELS]; /* GUARDED_BY(mutex) */
};

void turns_init(struct turns *turns, unsigned count);
void turns_release(struct turns *turns);

/* What a query has of the processor. Belongs to the thread that evaluates it. */
struct turn {
    struct turns *turns; /* NULL: it takes none */
    const struct clock *clock;
    int64_t deadline_ns;
    int64_t cpu_start_ns; /* of the thread, when it began */
    int64_t start_ns;     /* of the turn */
    int64_t look_ns;      /* when turn_look has something to do */
    enum turn_level level;
    bool is_taken;
};

/* Waits for the first turn. False: the deadline came first. */
bool turn_begin(struct turn *turn, struct turns *turns, const struct clock *clock,
                int64_t deadline_ns) MUST_CHECK;

/* Finds out to which level it belongs by now. */
void turn_measure(struct turn *turn);

/* Lets others on when it is their time, and waits for the next turn then. False: the deadline came
 * first; then there is no turn. */
bool turn_look(struct turn *turn, int64_t now_ns) MUST_CHECK;

void turn_end(struct turn *turn); /* accepts a zeroed one and one that has no turn */

#endif
