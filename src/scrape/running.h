/* running.h - inside scrape/: one scrape on its way, for the files that have a part in it.
 *
 * ask.c asks, relabel.c makes labels of what stands in an answer, loop.c does the rest.
 */
#ifndef SCRAPE_RUNNING_H
#define SCRAPE_RUNNING_H

#include "model/sample_sink.h"
#include "scrape/target.h"

#define SCRAPE_ROWS_MAX 256

/* Owned by: the worker that scrapes. */
struct scrape {
    struct scrape_target *target;
    const struct scrape_job *job;
    const struct scrape_tools *tools;
    struct sample_batch *batch;
    size_t row_count; /* samples of known series that wait to be appended */
    struct sample_row rows[SCRAPE_ROWS_MAX];
    struct str raws[SCRAPE_ROWS_MAX]; /* how they stand in the body; empty: a stale marker */
    struct arena arena;
    int64_t time_ms; /* of samples that bring none */
    double duration_s;
    size_t body_size;
    bool is_body_over;   /* body_size_limit was reached */
    uint64_t scraped;    /* samples in the body */
    uint64_t kept;       /* after relabelling */
    uint64_t added;      /* series not seen by the scrape before */
    uint64_t shown;      /* different series, dropped ones too */
    uint64_t refused[3]; /* out of order, duplicate, out of bounds */
    bool
        is_rolled_back; /* this scrape's samples were given up: what it showed first is not there */
    struct str type;    /* of the TYPE line last seen */
};

/* Asks the target. 0: a body has come, with status 200. */
int scrape_ask(struct scrape *scrape, struct http_answer *answer, struct error *error) MUST_CHECK;

/* The series as this configuration relabels it, in the builder; 0 when it is dropped, else 1 or
 * an error. */
int scrape_relabel(struct scrape *scrape, struct str raw, struct labels_builder *builder,
                   struct error *error) MUST_CHECK;

#endif
