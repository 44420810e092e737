/* target.h - inside scrape/: one target, its known series, and one scrape of it.
 *
 * Owned by: the manager, which frees a target when it is removed and no worker has it. While a
 * worker has it (is_busy) the worker alone touches cache and batch; what views read is guarded by
 * the target's mutex.
 */
#ifndef SCRAPE_TARGET_H
#define SCRAPE_TARGET_H

#include "base/hash.h"
#include "base/map.h"
#include "base/thread.h"
#include "base/vec.h"
#include "http/client.h"
#include "prometheus/prometheus.h"
#include "scrape/scrape.h"
#include "scrape/series_cache.h"
#include "structlog/structlog.h"

/* One configuration in force; targets point into it. Guarded by the manager's mutex. */
struct scrape_generation {
    struct scrape_config config;
    size_t ref_count;
};

/* What scrapes count; one for all. */
struct scrape_counters {
    struct pm_counter *out_of_order;
    struct pm_counter *duplicate;
    struct pm_counter *out_of_bounds;
    struct pm_counter *over_sample_limit;
    struct pm_counter *over_body_limit;
    struct pm_summary *interval_length;
    struct pm_counter *failed_commits;
};

/* What the target told of a metric. One allocation with its texts. */
struct scrape_family {
    struct str type;
    struct str help;
    struct str unit;
    uint64_t seen;
};

#define SCRAPE_FAMILIES_MAX 50000

/* A line of TYPE, HELP or UNIT that the answer before had at this place: what it says is known. */
struct scrape_comment {
    struct hash_key key; /* of the whole line */
    uint32_t size;
    bool is_type;
    struct scrape_family *family;
};

VEC_TYPE(scrape_comments, struct scrape_comment);

struct scrape_target {
    struct arena arena; /* of the texts below */
    struct str key;     /* identity: job, labels and URL */
    struct labels discovered;
    struct labels labels;
    struct str url;
    int64_t interval_ms;
    int64_t timeout_ms;

    struct scrape_generation *generation; /* manager's mutex; a worker keeps its own reference */
    const struct scrape_job *job;
    bool is_removed;    /* manager's mutex */
    bool is_busy;       /* manager's mutex: a worker has it, or it is in the heap no more */
    int64_t due_ns;     /* monotonic; manager's mutex */
    int64_t planned_ms; /* the sample time of the next scrape, when it is on time */

    uint32_t generation_number; /* grows with every apply: known series are relabelled again */
    uint64_t scrape_number;
    struct series_cache series;
    struct scrape_comments comments; /* in the order of the answer */
    size_t comment_next;             /* place of the one to try first */
    uint64_t comments_changed;       /* number of the scrape that did not show just those */
    uint64_t report_refs[10];
    int64_t last_start_ms; /* of the scrape before; 0: none */

    struct mutex mutex;  /* guards what follows */
    struct map families; /* metric to struct scrape_family */
    enum scrape_health health;
    char last_error[ERROR_TEXT_SIZE_MAX];
    int64_t last_scrape_ms;
    double last_duration_s;
};

#define SCRAPE_SPARES_MAX     4
#define SCRAPE_SPARE_SIZE_MAX (1 << 20) /* bytes of a body; larger ones are freed */

/* Answers whose memory the next scrapes use again: a few for all workers. */
struct scrape_spares {
    struct mutex mutex;
    struct http_answer items[SCRAPE_SPARES_MAX];
    size_t count;
};

/* What a scrape needs beside its target. */
struct scrape_tools {
    const struct scrape_setup *setup;
    struct http_client *client;
    const struct scrape_counters *counters;
    const char *folder;           /* for credentials in files */
    struct scrape_spares *spares; /* NULL: none are kept */
};

void scrape_target_free(struct scrape_target *target); /* NULL is fine */

/* Scrapes once and writes the batch. */
void scrape_target_scrape(struct scrape_target *target, const struct scrape_job *job,
                          const struct scrape_tools *tools);

/* Writes stale markers for everything the target has shown. */
void scrape_target_end(struct scrape_target *target, const struct scrape_tools *tools);

/* ---- discovery.c ---- */

/* A target as relabelling made it, or dropped. */
struct scrape_found {
    const struct scrape_job *job;
    struct labels discovered;
    struct labels labels; /* final; empty when dropped */
    struct str url;
    struct str key;
    int64_t interval_ms;
    int64_t timeout_ms;
    bool is_dropped;
    bool is_broken; /* no target, but a file that cannot be read: url is its path */
};

/* All targets of a job from its static groups and its files; a file that cannot be read is
 * logged and stands in the list as broken: what it named before goes on. Everything lives in the
 * arena. */
int scrape_discover(const struct scrape_job *job, const char *folder, struct arena *arena,
                    struct sl_logger *log, const struct scrape_found **found, size_t *count,
                    struct error *error) MUST_CHECK;

/* Changes whenever one of the job's files does. */
uint64_t scrape_files_state(const struct scrape_job *job, const char *folder);

#endif
