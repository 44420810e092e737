/* bulk.h - what an answer of _bulk says of each document. */
#ifndef SHIPPER_BULK_H
#define SHIPPER_BULK_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"

#include <stddef.h>

enum bulk_verdict {
    BULK_TAKEN, /* 2xx, or 409: it is there already */
    BULK_AGAIN, /* 429 or 5xx */
    BULK_REFUSED,
};

struct bulk_item {
    enum bulk_verdict verdict;
    unsigned status;
    struct str reason; /* the server's words as JSON; in the arena */
};

/*
 * Reads the items of an answer.
 *
 * ERROR_PARSE when it is not a bulk answer for `count` documents: then nothing of it counts as
 * delivered.
 */
int bulk_read(struct str answer, struct arena *arena, struct bulk_item *items, size_t count,
              struct error *error) MUST_CHECK;

#endif
