/* crew.c - searches and their helpers, counted. */
#include "logquery/crew.h"

#include "base/check.h"
#include "base/thread.h"

#include <stdlib.h>

struct logquery_crew {
    struct mutex mutex;
    unsigned processors; /* Lock: mutex guards these */
    unsigned searching;
    unsigned helping;
};

struct logquery_crew *logquery_crew_new(unsigned processors)
{
    struct logquery_crew *crew = calloc(1, sizeof(*crew));
    if (crew == NULL) return NULL;
    crew->processors = processors;
    mutex_init(&crew->mutex);
    return crew;
}

void logquery_crew_free(struct logquery_crew *crew)
{
    if (crew == NULL) return;
    mutex_release(&crew->mutex);
    free(crew);
}

void crew_begin(struct logquery_crew *crew)
{
    if (crew == NULL) return;
    mutex_lock(&crew->mutex);
    crew->searching++;
    mutex_unlock(&crew->mutex);
}

void crew_end(struct logquery_crew *crew)
{
    if (crew == NULL) return;
    mutex_lock(&crew->mutex);
    CHECK(crew->searching > 0);
    crew->searching--;
    mutex_unlock(&crew->mutex);
}

bool crew_takes_helper(struct logquery_crew *crew)
{
    if (crew == NULL) return false;
    mutex_lock(&crew->mutex);
    bool is_taken = crew->searching + crew->helping < crew->processors;
    if (is_taken) crew->helping++;
    mutex_unlock(&crew->mutex);
    return is_taken;
}

bool crew_has_too_many(struct logquery_crew *crew)
{
    mutex_lock(&crew->mutex);
    bool has_too_many = crew->searching + crew->helping > crew->processors;
    mutex_unlock(&crew->mutex);
    return has_too_many;
}

void crew_helper_ends(struct logquery_crew *crew)
{
    mutex_lock(&crew->mutex);
    CHECK(crew->helping > 0);
    crew->helping--;
    mutex_unlock(&crew->mutex);
}
