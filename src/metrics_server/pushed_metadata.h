/* pushed_metadata.h - what senders of remote write told of their metrics: type, help, unit.
 *
 * Kept in memory, the last word of each metric; senders say it again every minute.
 *
 * Threads: any.
 */
#ifndef METRICS_SERVER_PUSHED_METADATA_H
#define METRICS_SERVER_PUSHED_METADATA_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/map.h"
#include "base/str.h"
#include "base/thread.h"
#include "scrape/scrape.h"

#include <stddef.h>

#define PUSHED_METADATA_COUNT_MAX 50000 /* metrics; more are not kept */
#define PUSHED_METADATA_TEXT_MAX                                                                   \
    4096 /* bytes of a metric's name, help or unit; longer is not kept */

struct pushed_metadata {
    struct mutex mutex;
    struct map metrics; /* name: struct pushed_metric; mutex */
};

void pushed_metadata_init(struct pushed_metadata *metadata);
void pushed_metadata_release(struct pushed_metadata *metadata);

/* One MetricMetadata message of remote write 1.0. ERROR_CORRUPT: it is none. metadata NULL: it is
 * looked at, not kept. */
int pushed_metadata_take(struct pushed_metadata *metadata, struct str message,
                         struct error *error) MUST_CHECK;

/* What is known, behind the `count` items there are; metric empty: of all. Everything lives in the
 * arena; `target` is empty. */
int pushed_metadata_add(struct pushed_metadata *metadata, struct str metric, struct arena *arena,
                        const struct scrape_metadata **items, size_t *count,
                        struct error *error) MUST_CHECK;

#endif
