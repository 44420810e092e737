/* reply.h - answers of HTTP/1.1 servers that need nothing special, read from their bytes. For http/
 * alone.
 *
 * The plain case is a status of 200 with Content-Length or chunks, as it is or in gzip. All else is
 * refused, and kept.c leaves the call to libcurl: nothing is guessed here.
 *
 * Threads: pure.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"
#include "http/message.h"

#include <stdbool.h>
#include <stddef.h>

enum reply_state {
    REPLY_REFUSED, /* not the plain case, or broken */
    REPLY_SHORT,   /* more bytes have to come */
    REPLY_WHOLE,
};

struct reply {
    size_t head_size; /* status line, headers and the empty line */
    size_t body_size; /* as sent; 0 for chunks */
    bool is_chunked;
    bool is_gzip;
    bool is_last; /* the peer closes the connection behind it */
};

/*
 * Reads the head of an answer.
 *
 *   bytes       what has come so far, from the status line on
 *   fields      items has room for `field_max`; filled when WHOLE, texts in `arena`
 *   reply       filled when WHOLE
 */
enum reply_state reply_read(struct str bytes, struct arena *arena, struct http_fields *fields,
                            size_t field_max, struct reply *reply) MUST_CHECK;

/* A body of chunks, joined where it stands. Begin with { 0 }. */
struct reply_chunks {
    size_t joined; /* bytes of the body, at the front */
    size_t taken;  /* bytes as sent that were looked at */
    size_t left;   /* of the chunk that was begun */
    int stage;
};

/*
 * Joins the chunks in data[taken..size): their bytes go behind data[joined]. Called again when more
 * has come; what stands between joined and taken is nobody's. Lines of size and trailers longer
 * than 1 KiB are refused, trailers are not kept.
 */
enum reply_state reply_join(struct reply_chunks *chunks, char *data, size_t size) MUST_CHECK;

#endif
