/* listener.h - a bound socket, and who has the port when it cannot be bound. For http/ alone. */
#ifndef HTTP_LISTENER_H
#define HTTP_LISTENER_H

#include "base/error.h"

#include <stdint.h>

#define LISTENER_URL_SIZE 128

struct listener {
    int descriptor;
    uint16_t port;
    char url[LISTENER_URL_SIZE]; /* "http://127.0.0.1:9090" */
};

/* Binds and listens; -EADDRINUSE names the process that holds the port where that can be seen. */
int listener_open(struct listener *listener, const char *address, struct error *error) MUST_CHECK;

#endif
