/* forward.h - a request handed on to another server, and its answer handed back. */
#ifndef HTTP_FORWARD_H
#define HTTP_FORWARD_H

#include "base/error.h"
#include "http/client.h"
#include "http/server.h"

/*
 * Sends the call and puts the answer's status and body into the response; its type is JSON or plain
 * text, never markup, whatever the other server says.
 *
 * Returns 0, or a code with the reason in `cause`: the server does not answer, and the response's
 * status is 504 (it took too long) or 502. Threads: any.
 */
int http_forward(struct http_client *client, const struct http_call *call,
                 struct http_response *response, struct error *cause) MUST_CHECK;

#endif
