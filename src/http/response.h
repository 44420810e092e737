/* response.h - from what a handler said to what libmicrohttpd sends. For http/ alone. */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "http/server.h"
#include "http/stream.h"

#include <microhttpd.h>

void response_begin(struct http_response *response, struct arena *arena, size_t body_size_max);

/* Forgets everything that was said; a stream is closed. */
void response_discard(struct http_response *response);

/*
 * Makes the answer; the response is empty afterwards.
 *
 *   body_size  out: bytes that will be sent
 *
 * NULL: no memory.
 */
struct MHD_Response *response_finish(struct http_response *response,
                                     const struct http_request *request,
                                     struct MHD_Connection *connection, struct stream_list *streams,
                                     uint64_t *body_size) MUST_CHECK;

#endif
