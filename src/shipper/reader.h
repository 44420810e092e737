/* reader.h - the thread that finds files, follows them and fills the queue. */
#ifndef SHIPPER_READER_H
#define SHIPPER_READER_H

#include "base/compiler.h"
#include "base/error.h"
#include "shipper/config.h"
#include "shipper/decode.h"
#include "shipper/pipe.h"
#include "shipper/registry.h"

#include <stdbool.h>

struct pm_counter;
struct reader;
struct sl_logger;

/* Everything is borrowed. */
struct reader_setup {
    const struct ship_config *config;
    const struct ship_agent *agent;
    struct registry *registry;
    struct ship_pipe *pipe;
    struct sl_logger *log;
    struct pm_counter *lines;
    struct pm_counter *bytes;
    bool is_once; /* end at the end of all files */
    /* Called once on the thread: when all files were looked at for the first time, and, with
     * is_once, when everything is read. */
    void (*on_running)(void *argument);
    void (*on_done)(void *argument);
    void *argument;
};

int reader_start(struct reader **reader, const struct reader_setup *setup,
                 struct error *error) MUST_CHECK;
void reader_stop(struct reader *reader); /* close the queue first; joins and frees; NULL is fine */

size_t reader_open_count(const struct reader *reader); /* any thread */

#endif
