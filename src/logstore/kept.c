/* kept.c - snapshots that outlive a request: scrolls and points in time, counted and with an end.
 *
 * A kept snapshot holds its segments, so their files stay on disk until it goes; therefore there
 * are never more than kept_snapshots_max, and each goes when nobody has asked for it in time.
 */
#include "base/check.h"
#include "logstore/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void kept_free(struct store_kept *kept)
{
    if (kept == NULL) return;
    logstore_snapshot_free(kept->snapshot);
    if (kept->state_free != NULL) kept->state_free(kept->state);
    free(kept);
}

static int64_t now_ms(const struct logstore *store)
{
    return clock_monotonic_ns(store->clock) / 1000000;
}

/* Takes out one that is over and in nobody's hands; NULL when there is none. */
static struct store_kept *take_expired(struct logstore *store)
{
    int64_t now = now_ms(store);
    struct store_kept *found = NULL;
    mutex_lock(&store->keeping);
    for (size_t i = 0; found == NULL && i < store->kept.count; i++) {
        struct store_kept *kept = store->kept.items[i];
        if (kept->user_count > 0 || kept->end_ms > now) continue;
        found = kept;
        VEC_REMOVE(&store->kept, i);
    }
    mutex_unlock(&store->keeping);
    return found;
}

void store_kept_expire(struct logstore *store)
{
    struct store_kept *kept;
    while ((kept = take_expired(store)) != NULL) kept_free(kept);
}

void store_kept_release(struct logstore *store)
{
    for (size_t i = 0; i < store->kept.count; i++) kept_free(store->kept.items[i]);
    VEC_RELEASE(&store->kept);
}

static void print_id(char *id)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[(LOGSTORE_KEPT_ID_SIZE - 1) / 2];
    random_secret(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        id[2 * i] = digits[bytes[i] >> 4];
        id[2 * i + 1] = digits[bytes[i] & 15];
    }
    id[LOGSTORE_KEPT_ID_SIZE - 1] = 0;
}

int logstore_snapshot_keep(struct logstore *store, struct logstore_snapshot *snapshot,
                           const struct logstore_keep_options *options, char *id,
                           struct error *error)
{
    store_kept_expire(store);
    struct store_kept *kept = calloc(1, sizeof(*kept));
    if (kept == NULL) return error_set(error, -ENOMEM, "keep a snapshot: out of memory");
    *kept = (struct store_kept){
        .kind = options->kind,
        .end_ms = now_ms(store) + options->keep_ms,
        .state = options->state,
        .state_free = options->state_free,
        .snapshot = snapshot,
    };
    print_id(kept->id);
    memcpy(id, kept->id, sizeof(kept->id));
    int code = 0;
    mutex_lock(&store->keeping);
    if (store->kept.count >= store->options.kept_snapshots_max) {
        code = error_set(error, ERROR_LIMIT,
                         "%zu snapshots are kept open already, which is the limit; close one, or "
                         "wait until one is over",
                         store->kept.count);
    } else if (!VEC_PUSH(&store->kept, kept)) {
        code = error_set(error, -ENOMEM, "keep a snapshot: out of memory");
    }
    if (code == 0) snapshot_is_shared(snapshot);
    mutex_unlock(&store->keeping);
    if (code < 0) free(kept);
    return code;
}

/* The place in the list, or its count. Keeping held. */
static size_t find(const struct logstore *store, struct str id)
{
    size_t i = 0;
    while (i < store->kept.count && !str_equal(str_from(store->kept.items[i]->id), id)) i++;
    return i;
}

int logstore_snapshot_borrow(struct logstore *store, struct str id, int64_t keep_ms,
                             struct logstore_kept *kept_out, struct error *error)
{
    store_kept_expire(store);
    int64_t now = now_ms(store);
    mutex_lock(&store->keeping);
    size_t at = find(store, id);
    bool is_found = at < store->kept.count && !store->kept.items[at]->is_dropped;
    if (is_found) {
        struct store_kept *kept = store->kept.items[at];
        kept->user_count++;
        if (keep_ms > 0 && now + keep_ms > kept->end_ms) kept->end_ms = now + keep_ms;
        *kept_out = (struct logstore_kept){ kept->snapshot, kept->state, kept->kind, kept };
    }
    mutex_unlock(&store->keeping);
    if (is_found) return 0;
    return error_set(error, -ENOENT, "No search context found for id [" STR_FMT "]", STR_ARG(id));
}

void logstore_snapshot_return(struct logstore *store, struct logstore_kept *borrowed)
{
    struct store_kept *kept = borrowed->inside;
    mutex_lock(&store->keeping);
    CHECK(kept->user_count > 0);
    bool is_last = --kept->user_count == 0 && kept->is_dropped;
    mutex_unlock(&store->keeping);
    *borrowed = (struct logstore_kept){ 0 };
    if (is_last) kept_free(kept);
}

/* Takes it out of the list; it goes at once, or with its last user. Keeping held. */
static struct store_kept *drop_at(struct logstore *store, size_t at)
{
    struct store_kept *kept = store->kept.items[at];
    VEC_REMOVE(&store->kept, at);
    kept->is_dropped = true;
    return kept->user_count > 0 ? NULL : kept;
}

bool logstore_snapshot_drop(struct logstore *store, struct str id)
{
    struct store_kept *gone = NULL;
    mutex_lock(&store->keeping);
    size_t at = find(store, id);
    bool is_found = at < store->kept.count;
    if (is_found) gone = drop_at(store, at);
    mutex_unlock(&store->keeping);
    kept_free(gone);
    return is_found;
}

size_t logstore_snapshot_drop_all(struct logstore *store, int kind)
{
    size_t count = 0;
    for (bool is_found = true; is_found;) {
        struct store_kept *gone = NULL;
        is_found = false;
        mutex_lock(&store->keeping);
        for (size_t i = 0; !is_found && i < store->kept.count; i++) {
            if (store->kept.items[i]->kind != kind) continue;
            gone = drop_at(store, i);
            is_found = true;
        }
        mutex_unlock(&store->keeping);
        kept_free(gone);
        count += is_found;
    }
    return count;
}

size_t logstore_snapshot_kept_count(struct logstore *store, int kind)
{
    size_t count = 0;
    mutex_lock(&store->keeping);
    for (size_t i = 0; i < store->kept.count; i++) count += store->kept.items[i]->kind == kind;
    mutex_unlock(&store->keeping);
    return count;
}
