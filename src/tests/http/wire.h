/* wire.h - for tests: a server of a few routes, raw sockets to it, and small bad servers. */
#ifndef TESTS_HTTP_WIRE_H
#define TESTS_HTTP_WIRE_H

#include "base/buf.h"
#include "http/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Connects to loopback; the descriptor, or -1. */
int wire_connect(uint16_t port);

bool wire_send(int descriptor, struct str text);

/* Reads until the peer closes or `timeout_ms` pass without a byte; appends to out. True: closed. */
bool wire_read(int descriptor, struct buf *out, int64_t timeout_ms);

/* One exchange: connect, send, read until closed or 300 ms of silence. */
struct str wire_ask(uint16_t port, struct str text, struct buf *out);

/* A server that answers every connection with the same bytes. */
struct wire_peer {
    struct str answer; /* sent once the request's headers have come */
    int64_t pause_ms;  /* between its bytes in steps of step_size; 0: all at once */
    size_t step_size;
    bool is_reset;  /* cut with RST afterwards */
    bool is_silent; /* never answer */
    /* Not empty: what is asked for as /first, with this answer, leaves the connection open. */
    struct str first;
    uint16_t port;
    int listening;
    atomic_uint accepted; /* connections so far */
    atomic_uint asked;    /* requests so far */
    atomic_bool must_end;
    pthread_t thread;
};

bool wire_peer_start(struct wire_peer *peer);
void wire_peer_stop(struct wire_peer *peer);

#endif
