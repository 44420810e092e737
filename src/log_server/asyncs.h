/* asyncs.h - searches that go on while nobody waits, and their answers until they are fetched.
 *
 * Each runs on a thread of its own. An answer is kept until its keep_alive is over, it is deleted,
 * or newer ones need the room.
 *
 * Limits:  ASYNC_RUNNING_MAX at a time (then 429), ASYNC_MAX kept, ASYNC_SIZE_MAX bytes of answers.
 * Threads: any; the table's mutex guards everything.
 */
#ifndef LOG_SERVER_ASYNCS_H
#define LOG_SERVER_ASYNCS_H

#include "base/map.h"
#include "base/thread.h"

#include <stdint.h>

#define ASYNC_RUNNING_MAX 8
#define ASYNC_MAX         256
#define ASYNC_SIZE_MAX    ((size_t)64 << 20)

struct async;
struct log_server;

struct asyncs {
    struct mutex mutex;
    struct condition changed; /* one of them is finished */
    struct map by_id;
    unsigned running_count;
    size_t answers_size;
    struct log_server *server;
};

void asyncs_init(struct asyncs *asyncs, struct log_server *server);
/* Cancels what runs and waits for it. Before the store is closed; no request runs any more. */
void asyncs_release(struct asyncs *asyncs);

#endif
