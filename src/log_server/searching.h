/* searching.h - what the handlers of searches share: running one, and keeping one for later. */
#ifndef LOG_SERVER_SEARCHING_H
#define LOG_SERVER_SEARCHING_H

#include "codec/json.h"
#include "log_server/server.h"

#include <stdbool.h>

typedef int logquery_function(const struct logquery_options *options,
                              const struct logquery_request *request, struct arena *arena,
                              struct buf *out, struct logquery_failure *failure,
                              struct error *error);

/* Runs it as a task, with an arena of its own, and takes its time. */
int run_query(struct call *call, logquery_function *function,
              const struct logquery_request *request, struct buf *out,
              struct logquery_failure *failure) MUST_CHECK;

/* Copies a request with all its texts; false when the arena is full. */
bool request_copy(struct arena *arena, const struct logquery_request *from,
                  struct logquery_request *to) MUST_CHECK;

/* What the URL says of a search. */
void request_read(const struct call *call, struct logquery_request *request);

/* scrolls.c */

/* Opens a scroll and answers its first page. */
int scroll_begin(struct call *call, const struct logquery_request *request);

/* A search over the point in time that its body names. */
int pit_search(struct call *call, struct logquery_request *request, const struct json *pit,
               struct buf *out, struct logquery_failure *failure) MUST_CHECK;

#endif
