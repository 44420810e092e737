/* ahead.c - filters of the segments that come next, by two threads. */
#include "logquery/ahead.h"

#include "base/check.h"
#include "base/thread.h"
#include "logquery/crew.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    uint64_t *bits;
    int code;
    struct error error;
    bool is_done;
};

struct ahead {
    struct search *search;
    struct logstore_filter_context context; /* as it was, for all */
    const size_t *segments;
    size_t count;
    pthread_t helper;

    /* Lock: guards what follows; a slot that is claimed and not done is its claimer's. */
    struct mutex mutex;
    struct condition changed;
    size_t claimed; /* those before are somebody's */
    size_t taken;   /* those before are over */
    bool is_over;
    uint64_t scanned_documents, scanned_blocks;
    struct slot slots[AHEAD_MAX]; /* of the i-th: i % AHEAD_MAX */
};

/* A place that nobody has and there is room for; SIZE_MAX: there is none. */
static size_t claim_locked(struct ahead *ahead) REQUIRES(ahead->mutex)
{
    bool has_room = ahead->claimed < ahead->count && ahead->claimed < ahead->taken + AHEAD_MAX;
    return has_room ? ahead->claimed++ : SIZE_MAX;
}

/* Carries out the filter over the i-th segment, which the caller has claimed. */
static void run_one(struct ahead *ahead, size_t i)
{
    const struct search *search = ahead->search;
    struct slot *slot = &ahead->slots[i % AHEAD_MAX];
    size_t segment = ahead->segments[i];
    size_t words = LOGSTORE_BITS_WORDS(search->snapshot->segments[segment].document_count);
    struct logstore_filter_context context = ahead->context;
    slot->error = (struct error){ 0 };
    slot->bits = calloc(words + 1, sizeof(*slot->bits));
    slot->code = slot->bits == NULL ? error_set(&slot->error, -ENOMEM, "filter: out of memory")
                                    : logstore_filter_run_ahead(search->snapshot, segment,
                                                                search_filter(search, segment),
                                                                &context, slot->bits, &slot->error);
    mutex_lock(&ahead->mutex);
    slot->is_done = true;
    ahead->scanned_documents += context.scanned_documents;
    ahead->scanned_blocks += context.scanned_blocks;
    condition_broadcast(&ahead->changed);
    mutex_unlock(&ahead->mutex);
}

/* Waits until there is something to do; SIZE_MAX: there is nothing more. */
static size_t next_of_helper(struct ahead *ahead)
{
    mutex_lock(&ahead->mutex);
    size_t i = SIZE_MAX;
    while (!ahead->is_over && ahead->claimed < ahead->count) {
        i = claim_locked(ahead);
        if (i != SIZE_MAX) break;
        condition_wait(&ahead->changed, &ahead->mutex);
    }
    mutex_unlock(&ahead->mutex);
    return i;
}

static void *help(void *argument)
{
    struct ahead *ahead = argument;
    struct logquery_crew *crew = ahead->search->options->crew;
    while (!crew_has_too_many(crew)) {
        size_t i = next_of_helper(ahead);
        if (i == SIZE_MAX) break;
        run_one(ahead, i);
    }
    crew_helper_ends(crew);
    return NULL;
}

struct ahead *ahead_new(struct search *search, const size_t *segments, size_t count)
{
    struct logquery_crew *crew = search->options->crew;
    struct ahead *ahead = calloc(1, sizeof(*ahead));
    if (ahead == NULL || !crew_takes_helper(crew)) {
        free(ahead);
        return NULL;
    }
    ahead->search = search;
    ahead->context = search->context;
    ahead->context.scanned_documents = ahead->context.scanned_blocks = 0;
    ahead->segments = segments;
    ahead->count = count;
    mutex_init(&ahead->mutex);
    condition_init(&ahead->changed);
    if (thread_start(&ahead->helper, "logs search", help, ahead, NULL) < 0) {
        crew_helper_ends(crew);
        mutex_release(&ahead->mutex);
        condition_release(&ahead->changed);
        free(ahead);
        return NULL;
    }
    return ahead;
}

int ahead_take(struct ahead *ahead, size_t i, uint64_t *bits)
{
    const struct search *search = ahead->search;
    size_t segment = ahead->segments[i];
    struct slot *slot = &ahead->slots[i % AHEAD_MAX];
    mutex_lock(&ahead->mutex);
    CHECK(i == ahead->taken);
    while (!slot->is_done) {
        size_t mine = claim_locked(ahead);
        if (mine == SIZE_MAX) {
            condition_wait(&ahead->changed, &ahead->mutex);
            continue;
        }
        mutex_unlock(&ahead->mutex);
        run_one(ahead, mine);
        mutex_lock(&ahead->mutex);
    }
    int code = slot->code;
    size_t words = LOGSTORE_BITS_WORDS(search->snapshot->segments[segment].document_count);
    if (code == 0) memcpy(bits, slot->bits, words * sizeof(*bits));
    if (code < 0 && search->parse.error != NULL) *search->parse.error = slot->error;
    free(slot->bits);
    *slot = (struct slot){ 0 };
    ahead->taken++;
    condition_broadcast(&ahead->changed);
    mutex_unlock(&ahead->mutex);
    logstore_snapshot_moves_on(search->snapshot, segment);
    return code;
}

void ahead_free(struct ahead *ahead)
{
    if (ahead == NULL) return;
    mutex_lock(&ahead->mutex);
    ahead->is_over = true;
    condition_broadcast(&ahead->changed);
    mutex_unlock(&ahead->mutex);
    thread_join(ahead->helper);
    ahead->search->context.scanned_documents += ahead->scanned_documents;
    ahead->search->context.scanned_blocks += ahead->scanned_blocks;
    for (size_t i = 0; i < AHEAD_MAX; i++) free(ahead->slots[i].bits);
    mutex_release(&ahead->mutex);
    condition_release(&ahead->changed);
    free(ahead);
}
