/* id_list.h - the ids of a segment in the making. The store makes most ids itself, counting on, so
 * runs of them are kept as where they begin.
 *
 * Owned by: the builder, or the merge that made it.
 */
#ifndef LOGSTORE_ID_LIST_H
#define LOGSTORE_ID_LIST_H

#include "base/buf.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_MADE_SIZE   20 /* characters of an id that we make: base64 for URLs */
#define ID_PACKED_SIZE 15 /* the same as bytes: 9 of the store's, 6 that count */

bool id_pack(struct str id, char *packed); /* false when it is not of that kind */
void id_unpack(const char *packed, char *id);
uint64_t id_counter(const char *packed); /* its last 6 bytes, the highest first */
void id_set_counter(char *packed, uint64_t counter);

bool id_step(char *id); /* to the one that counts on; false: behind the last comes the first */

struct id_run {
    char packed[ID_PACKED_SIZE + 1]; /* of the first */
    uint32_t first;                  /* document */
    uint32_t count;
};

struct id_list {
    struct buf bytes; /* ids that are in no run */
    VEC(uint32_t)
    starts; /* one a document: where its id begins in bytes; in a run: where it would */
    VEC(struct id_run) runs;
    uint32_t run_documents; /* that are in runs */
    bool has_next;          /* the last document is in a run, which this goes on: */
    char next[ID_MADE_SIZE];
};

void id_list_init(struct id_list *list);
void id_list_release(struct id_list *list);

/* Adds the id of the next document. *demoted is UINT32_MAX, or the document before, which is in no
 * run any more: a run of one is none. False when out of memory. */
bool id_list_add(struct id_list *list, struct str id, uint32_t *demoted);

/* `buffer` has ID_MADE_SIZE bytes. */
struct str id_list_at(const struct id_list *list, uint32_t document, char *buffer);

/* The document of a run whose id that is; UINT32_MAX when there is none. */
uint32_t id_list_find_in_runs(const struct id_list *list, struct str id);

#endif
