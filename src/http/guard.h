/* guard.h - who may ask: the Host header, the Origin, basic authentication. For http/ alone.
 *
 * A page of a foreign site in the user's browser is the main threat to a server on loopback. It can
 * send requests here, and by DNS rebinding it can read the answers unless Host is checked.
 */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include "base/error.h"
#include "http/server.h"

#define GUARD_CREDENTIALS_SIZE 512

struct guard {
    const struct http_server_options *options;
    struct str listen_host; /* of options->listen */
    bool allows_all;        /* "*" among the names */
    bool allows_addresses;  /* listens on all addresses: any IP address is a name of ours */
    char credentials[GUARD_CREDENTIALS_SIZE]; /* "Basic ...", or empty: nobody is asked */
};

int guard_init(struct guard *guard, const struct http_server_options *options,
               struct error *error) MUST_CHECK;

/* 0, or the status with which to refuse; *text says why. */
unsigned guard_check(const struct guard *guard, const struct http_request *request,
                     bool is_http_1_0, const char **text) MUST_CHECK;

bool guard_knows_user(const struct guard *guard, const struct http_request *request) MUST_CHECK;

#endif
