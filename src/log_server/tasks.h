/* tasks.h - the searches that run now: listed by _tasks, ended by _tasks/ID/_cancel.
 *
 * A task lends its search a clock whose deadline-time jumps to the end when the task is cancelled,
 * so that the search stops at its next look at its deadline and answers with what it has.
 *
 * Owned by: the request that runs the search; the table only points to it while it runs.
 */
#ifndef LOG_SERVER_TASKS_H
#define LOG_SERVER_TASKS_H

#include "base/clock.h"
#include "base/str.h"
#include "base/thread.h"

#include <stdbool.h>
#include <stdint.h>

struct task {
    uint64_t id;
    const char *action;     /* "indices:data/read/search" */
    struct str description; /* borrowed while the task runs */
    int64_t start_ms;       /* since the epoch */
    int64_t start_ns;
    struct clock clock; /* what the search shall use */
    struct tasks *tasks;
    struct task *next, **link;
    bool is_cancelled; /* guarded by the table's mutex */
};

struct tasks {
    struct mutex mutex; /* guards the list and the tasks' is_cancelled */
    struct task *first;
    uint64_t last_id;
    const struct clock *clock;
};

void tasks_init(struct tasks *tasks, const struct clock *clock);
void tasks_release(struct tasks *tasks);
void task_begin(struct tasks *tasks, struct task *task, const char *action, struct str description);
void task_end(struct task *task);
bool task_is_cancelled(struct task *task);
void task_cancel(struct task *task);
bool tasks_cancel(struct tasks *tasks, uint64_t id); /* whether it runs */
size_t tasks_cancel_all(struct tasks *tasks);

#endif
