/* loop.c - one scrape: ask, parse, append, mark what has gone, report.
 *
 * A scrape is one batch: it is in the store whole or not at all. When the body turns out to be
 * broken half way, the batch is given up and a second one says up 0 and ends the known series. */
#include "scrape/running.h"

#include "base/check.h"
#include "base/vec.h"
#include "model/sample.h"
#include "scrape/exposition.h"

#include <errno.h>
#include <stdlib.h>

enum { FETCH_COMMENT = 4 };

#define SCRAPE_ARENA_MAX (64u << 20)
#define TOLERANCE_MAX_MS 2

/* ---- appending ---- */

/* Per-sample refusals are counted and forgotten; everything else fails the scrape. */
static int note_refusal(struct scrape *scrape, int code)
{
    if (code == ERROR_OUT_OF_ORDER) scrape->refused[0]++;
    if (code == ERROR_DUPLICATE) scrape->refused[1]++;
    if (code == ERROR_INVALID) scrape->refused[2]++;
    return code == ERROR_OUT_OF_ORDER || code == ERROR_DUPLICATE || code == ERROR_INVALID ? 0
                                                                                          : code;
}

/* Appends with the labels: the sink does not know the series, or not any more. */
static int append_with_labels(struct scrape *scrape, struct str raw, int64_t time_ms, double value,
                              struct error *error)
{
    CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
    int code = scrape_relabel(scrape, raw, &builder, error);
    struct scrape_series *series = series_cache_find(&scrape->target->series, raw);
    if (code <= 0 || series == NULL) return code < 0 ? code : 0;
    return note_refusal(scrape, scrape->batch->append(scrape->batch, &series->ref,
                                                      labels_builder_labels(&builder), time_ms,
                                                      value, error));
}

/* Appends the rows that wait, many at a time. */
static int append_rows(struct scrape *scrape, struct error *error)
{
    size_t count = scrape->row_count;
    scrape->row_count = 0;
    for (size_t i = 0; i < count;) {
        const struct sample_row *row = &scrape->rows[i];
        size_t taken = 0;
        int code = scrape->batch->append_rows(scrape->batch, row, count - i, &taken, error);
        i += taken;
        if (code == 0) continue;
        row = &scrape->rows[i];
        if (code == -ENOENT) {
            /* What has no text is a stale marker; a series that left the sink needs none. */
            bool has_text = scrape->raws[i].data != NULL;
            code = has_text ? append_with_labels(scrape, scrape->raws[i], row->time_ms, row->value,
                                                 error)
                            : 0;
        } else {
            code = note_refusal(scrape, code);
        }
        if (code != 0) return code;
        i++;
    }
    return 0;
}

/* raw: empty for a stale marker. */
static int append_row(struct scrape *scrape, struct str raw, struct sample_row row,
                      struct error *error)
{
    scrape->rows[scrape->row_count] = row;
    scrape->raws[scrape->row_count] = raw;
    if (++scrape->row_count < SCRAPE_ROWS_MAX) return 0;
    return append_rows(scrape, error);
}

/* Makes the series known, or known anew after a reload. */
static int learn_series(struct scrape *scrape, struct str raw, struct scrape_series **out,
                        struct error *error)
{
    CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
    struct scrape_series *series = *out;
    int code = scrape_relabel(scrape, raw, &builder, error);
    if (code < 0) return code;
    bool is_dropped = code == 0;
    uint64_t hash = is_dropped ? 0 : labels_hash(labels_builder_labels(&builder));
    bool is_same =
        series != NULL && series->is_dropped == is_dropped && series->labels_hash == hash;
    if (series != NULL && !is_same && series->ref != 0) {
        struct sample_row end = { series->ref, scrape->time_ms, sample_stale() };
        code = append_row(scrape, (struct str){ 0 }, end, NULL);
        if (code < 0) return code;
    }
    if (series == NULL) series = series_cache_add(&scrape->target->series, raw);
    if (series == NULL) return error_set(error, -ENOMEM, "no memory for a series");
    if (!is_same) {
        series->ref = 0;
        series->first = 0;
        series->seen = 0;
        series->labels_hash = hash;
        series->is_dropped = is_dropped;
    }
    series->generation = scrape->target->generation_number;
    *out = series;
    return 0;
}

/* series: as the cache has it, NULL when it does not. */
static int take_sample(struct scrape *scrape, const struct exposition_entry *entry,
                       struct scrape_series *series, struct error *error)
{
    struct scrape_target *target = scrape->target;
    uint32_t number = (uint32_t)target->scrape_number;
    scrape->scraped++;
    if (series == NULL || series->generation != target->generation_number) {
        int code = learn_series(scrape, entry->series, &series, error);
        if (code != 0) return code;
        CHECK(series != NULL);
    }
    bool was_there = series->seen != 0 && series->seen + 1 == number;
    bool is_second = series->seen == number;
    series->seen = number;
    scrape->shown += !is_second;
    if (series->is_dropped) return 0;
    scrape->kept++;
    if (is_second) {
        scrape->refused[1]++;
        return 0;
    }
    if (!was_there) scrape->added++;
    bool has_own_time = entry->has_time && scrape->job->honor_timestamps;
    series->has_own_time = has_own_time && !scrape->job->tracks_timestamp_staleness;
    if (series->first == 0) series->first = number;
    int64_t time_ms = has_own_time ? entry->time_ms : scrape->time_ms;
    if (series->ref != 0) {
        return append_row(scrape, entry->series,
                          (struct sample_row){ series->ref, time_ms, entry->value }, error);
    }
    int code = append_rows(scrape, error); /* samples go in as they came */
    if (code != 0) return code;
    return append_with_labels(scrape, entry->series, time_ms, entry->value, error);
}

/* Whether the line at the cursor is the comment that the answer before had here. */
static bool take_known_comment(struct scrape *scrape, struct exposition *exposition)
{
    struct scrape_target *target = scrape->target;
    if (target->comment_next >= target->comments.count) return false;
    const struct scrape_comment *comment = &target->comments.items[target->comment_next];
    struct str rest = exposition_rest(exposition);
    if (comment->size >= rest.size || rest.data[comment->size] != '\n') return false;
    struct hash_key key = hash_keyed(str_first(rest, comment->size), target->series.seeds);
    if (key.high != comment->key.high || key.low != comment->key.low) return false;
    target->comment_next++;
    /* Each family is elsewhere in memory: one that is needed soon is fetched now. */
    if (target->comment_next + FETCH_COMMENT < target->comments.count) {
        const struct scrape_family *ahead = comment[1 + FETCH_COMMENT].family;
        __builtin_prefetch(&ahead->type, 1);
        __builtin_prefetch(&ahead->seen, 1);
    }
    comment->family->seen = target->scrape_number;
    if (comment->is_type) scrape->type = comment->family->type;
    exposition_skip(exposition, comment->size);
    return true;
}

/* Remembers a comment for the next answer, in the place of what stood there. */
static void keep_comment(struct scrape *scrape, struct str line,
                         const struct exposition_entry *entry, struct scrape_family *family)
{
    struct scrape_target *target = scrape->target;
    /* The cache has its seeds with its first series. */
    if (family == NULL || target->series.count == 0 || line.size > UINT32_MAX) return;
    struct scrape_comment comment = { .key = hash_keyed(line, target->series.seeds),
                                      .size = (uint32_t)line.size,
                                      .is_type = entry->kind == EXPOSITION_TYPE,
                                      .family = family };
    size_t place = target->comment_next;
    if (place < target->comments.count) {
        target->comments.items[place] = comment;
    } else if (place >= SCRAPE_FAMILIES_MAX * 3 || !VEC_PUSH(&target->comments, comment)) {
        return;
    }
    target->comment_next++;
}

/* Returns the metric's family; NULL: there is no memory or there are too many. */
static struct scrape_family *take_metadata(struct scrape *scrape,
                                           const struct exposition_entry *entry)
{
    struct scrape_target *target = scrape->target;
    mutex_lock(&target->mutex);
    struct scrape_family *family = map_get(&target->families, entry->name);
    if (family == NULL && target->families.count < SCRAPE_FAMILIES_MAX) {
        family = calloc(1, sizeof(*family));
        if (family != NULL && map_put(&target->families, entry->name, family) != 0) {
            free(family);
            family = NULL;
        }
    }
    if (family != NULL) {
        struct str *field = &family->help;
        if (entry->kind == EXPOSITION_TYPE) field = &family->type;
        if (entry->kind == EXPOSITION_UNIT) field = &family->unit;
        family->seen = target->scrape_number;
        struct str text = entry->kind == EXPOSITION_HELP
                              ? exposition_unescape(entry->detail, &scrape->arena)
                              : entry->detail;
        if (!str_equal(*field, text)) {
            free((void *)(uintptr_t)field->data);
            *field = (struct str){ str_copy(text), text.size };
            if (field->data == NULL) field->size = 0;
        }
    }
    mutex_unlock(&target->mutex);
    return family;
}

/* One line, as the answer before had it at this place: a comment or a series. 1: it was taken; 0:
 * it is another. */
static int take_known(struct scrape *scrape, struct exposition *exposition, struct error *error)
{
    struct scrape_target *target = scrape->target;
    struct str rest = exposition_rest(exposition);
    struct exposition_entry entry;
    if (exposition->has_ended || rest.size == 0) return 0;
    if (rest.data[0] == '#') return take_known_comment(scrape, exposition);
    struct scrape_series *series = series_cache_next(&target->series, rest);
    if (series == NULL || !exposition_take_known(exposition, series->raw_size, &entry)) return 0;
    int code = take_sample(scrape, &entry, series, error);
    return code == 0 ? 1 : code;
}

/* Keeps what stands behind a sample, when the sink does. What it refuses is no fault of the
 * sample. */
static int take_exemplar(struct scrape *scrape, const struct exposition_entry *entry,
                         struct error *error)
{
    if (entry->exemplar.size == 0 || scrape->batch->append_exemplar == NULL) return 0;
    const struct scrape_series *series = series_cache_find(&scrape->target->series, entry->series);
    if (series == NULL || series->ref == 0) return 0;
    bool has_own_time = entry->has_time && scrape->job->honor_timestamps;
    int64_t time_ms = has_own_time ? entry->time_ms : scrape->time_ms;
    struct exemplar exemplar;
    int code = exposition_exemplar(entry->exemplar, time_ms, &scrape->arena, &exemplar, error);
    if (code == 0) {
        code = scrape->batch->append_exemplar(scrape->batch, series->ref, &exemplar, NULL);
        if (code == ERROR_OUT_OF_ORDER) code = 0; /* the store counts it */
    }
    return code == ERROR_INVALID ? 0 : code;
}

static int take_body(struct scrape *scrape, const struct http_answer *answer, struct error *error)
{
    enum exposition_format format;
    struct str type = http_answer_header(answer, "Content-Type");
    if (!exposition_format_find(type, &format) && !scrape->job->has_fallback_protocol) {
        return error_set(error, ERROR_PARSE,
                         "Content-Type '" STR_FMT "' is not one that can be read; "
                         "fallback_scrape_protocol would read it as text",
                         STR_ARG(type));
    }
    struct exposition exposition;
    struct exposition_entry entry;
    exposition_init(&exposition, buf_str(&answer->body), format);
    series_cache_start(&scrape->target->series);
    scrape->target->comment_next = 0;
    int code;
    for (;;) {
        code = take_known(scrape, &exposition, error);
        if (code < 0) return code;
        if (code == 1) continue;
        struct str rest = exposition_rest(&exposition);
        code = exposition_next(&exposition, &entry, error);
        if (code != 1) break;
        if (entry.kind == EXPOSITION_SERIES) {
            struct scrape_series *series = series_cache_find(&scrape->target->series, entry.series);
            code = take_sample(scrape, &entry, series, error);
            if (code == 0) code = take_exemplar(scrape, &entry, error);
            if (code != 0) return code;
            continue;
        }
        if (entry.kind == EXPOSITION_TYPE) scrape->type = entry.detail;
        scrape->target->comments_changed = scrape->target->scrape_number;
        struct scrape_family *family = take_metadata(scrape, &entry);
        size_t size = str_find_char(rest, '\n');
        /* Lines without a meaning may have been passed over: then it is not the first of these. */
        bool is_first = entry.name.data < rest.data + (size == STR_NONE ? rest.size : size);
        if (size != STR_NONE && is_first && rest.data[0] == '#') {
            keep_comment(scrape, str_first(rest, size), &entry, family);
        }
    }
    if (scrape->target->comment_next < scrape->target->comments.count) {
        scrape->target->comments_changed = scrape->target->scrape_number;
        scrape->target->comments.count = scrape->target->comment_next;
    }
    if (code == 0) code = append_rows(scrape, error);
    uint64_t limit = scrape->job->limits.sample_count;
    if (code == 0 && limit > 0 && scrape->kept > limit) {
        pm_inc(scrape->tools->counters->over_sample_limit);
        return error_set(error, ERROR_LIMIT, "sample limit exceeded: %llu samples, limit %llu",
                         (unsigned long long)scrape->kept, (unsigned long long)limit);
    }
    return code;
}

/* ---- what has gone ---- */

/* Ends the series that this scrape did not show (all: every one), and forgets them. */
static int end_series(struct scrape *scrape, bool all, struct error *error)
{
    struct series_cache *cache = &scrape->target->series;
    uint32_t number = (uint32_t)scrape->target->scrape_number;
    int code = 0;
    if (!all && scrape->shown == cache->count) return 0; /* nothing has gone */
    for (size_t i = 0; i < cache->count && code == 0; i++) {
        const struct scrape_series *series = &cache->items[i];
        if (!all && series->seen == number) continue;
        /* What is not in the store needs no end there. */
        bool is_lost = scrape->is_rolled_back && series->first == number;
        if (series->ref == 0 || series->has_own_time || is_lost) continue;
        struct sample_row row = { series->ref, scrape->time_ms, sample_stale() };
        code = append_row(scrape, (struct str){ 0 }, row, error);
    }
    if (code == 0) code = append_rows(scrape, error);
    if (all) {
        series_cache_release(cache);
    } else {
        series_cache_keep(cache, number);
    }
    return code;
}

static void forget_families(struct scrape_target *target)
{
    enum { KEPT_SCRAPES = 10 };
    VEC(struct str) gone = { 0 };
    size_t position = 0;
    struct str name;
    void *value;
    if (target->comments_changed + KEPT_SCRAPES + 1 < target->scrape_number)
        return; /* all are seen */
    mutex_lock(&target->mutex);
    while (map_next(&target->families, &position, &name, &value)) {
        const struct scrape_family *family = value;
        if (family->seen + KEPT_SCRAPES < target->scrape_number) (void)VEC_PUSH(&gone, name);
    }
    for (size_t i = 0; i < gone.count; i++) {
        struct scrape_family *family = map_remove(&target->families, gone.items[i]);
        free((void *)(uintptr_t)family->type.data);
        free((void *)(uintptr_t)family->help.data);
        free((void *)(uintptr_t)family->unit.data);
        free(family);
    }
    mutex_unlock(&target->mutex);
    if (gone.count > 0) target->comments.count = 0; /* some are of families that are no more */
    VEC_RELEASE(&gone);
}

/* ---- the report ---- */

/* Appends one series about the scrape; `slot` keeps its number. */
static int report_one(struct scrape *scrape, size_t slot, const char *name, double value,
                      struct error *error)
{
    CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
    labels_builder_start(&builder, scrape->target->labels);
    labels_builder_set(&builder, LABEL_METRIC_NAME, str_from(name));
    if (builder.has_failed) return error_set(error, -ENOMEM, "no memory for the report");
    CHECK(slot < ARRAY_LENGTH(scrape->target->report_refs));
    int code =
        scrape->batch->append(scrape->batch, &scrape->target->report_refs[slot],
                              labels_builder_labels(&builder), scrape->time_ms, value, error);
    bool is_refused =
        code == ERROR_OUT_OF_ORDER || code == ERROR_DUPLICATE || code == ERROR_INVALID;
    return is_refused ? 0 : code;
}

static int report(struct scrape *scrape, bool is_up, struct error *error)
{
    const struct scrape_limits *limits = &scrape->job->limits;
    const struct {
        const char *name;
        double value;
        bool is_extra;
    } rows[] = {
        { "up", is_up ? 1 : 0, false },
        { "scrape_duration_seconds", scrape->duration_s, false },
        { "scrape_samples_scraped", (double)scrape->scraped, false },
        { "scrape_samples_post_metric_relabeling", (double)scrape->kept, false },
        { "scrape_series_added", (double)scrape->added, false },
        { "scrape_timeout_seconds", (double)scrape->target->timeout_ms / 1000, true },
        { "scrape_sample_limit", (double)limits->sample_count, true },
        { "scrape_body_size_bytes", scrape->is_body_over ? -1 : (double)scrape->body_size, true },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].is_extra && !scrape->job->has_extra_metrics) continue;
        int code = report_one(scrape, i, rows[i].name, rows[i].value, error);
        if (code != 0) return code;
    }
    return 0;
}

static void count_refused(const struct scrape *scrape)
{
    const struct scrape_counters *counters = scrape->tools->counters;
    struct sl_logger *log = scrape->tools->setup->log;
    struct pm_counter *const by_reason[] = { counters->out_of_order, counters->duplicate,
                                             counters->out_of_bounds };
    uint64_t total = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(by_reason); i++) {
        if (scrape->refused[i] > 0) pm_add(by_reason[i], (double)scrape->refused[i]);
        total += scrape->refused[i];
    }
    if (total == 0) return;
    struct str target = scrape->target->url;
    sl_warn_every(log, 60000, "samples refused", "target", sl_strn(target.data, target.size),
                  "out_of_order", scrape->refused[0], "duplicate", scrape->refused[1],
                  "out_of_bounds", scrape->refused[2]);
}

static int commit(struct scrape *scrape, int code, struct error *error)
{
    if (code != 0) {
        scrape->batch->rollback(scrape->batch);
    } else {
        code = scrape->batch->commit(scrape->batch, error);
    }
    scrape->batch = NULL;
    scrape->row_count = 0;
    return code;
}

/* ---- all of it ---- */

static int begin(struct scrape *scrape, struct error *error)
{
    const struct sample_sink *sink = scrape->tools->setup->sink;
    int code = sink->begin(sink->state, &scrape->batch, error);
    if (code == 0) scrape->batch->may_sync_late = true; /* nobody is told that it is durable */
    return code;
}

/* Writes the answer as one batch. */
static int write_answer(struct scrape *scrape, const struct http_answer *answer,
                        struct error *error)
{
    int code = begin(scrape, error);
    if (code != 0) return code;
    code = take_body(scrape, answer, error);
    if (code == 0) code = end_series(scrape, false, error);
    if (code == 0) code = report(scrape, true, error);
    return commit(scrape, code, error);
}

static int write_failure(struct scrape *scrape, struct error *error)
{
    int code = begin(scrape, error);
    if (code != 0) return code;
    code = end_series(scrape, true, error);
    if (code == 0) code = report(scrape, false, error);
    return commit(scrape, code, error);
}

/* The planned time when the scrape is on time, so that samples of a series stand at even steps. */
static int64_t sample_time(const struct scrape_target *target, int64_t now_ms)
{
    int64_t tolerance_ms = target->interval_ms / 100;
    if (tolerance_ms > TOLERANCE_MAX_MS) tolerance_ms = TOLERANCE_MAX_MS;
    int64_t late_ms = now_ms - target->planned_ms;
    return late_ms >= -tolerance_ms && late_ms <= tolerance_ms ? target->planned_ms : now_ms;
}

/* Tells views and the log how it went. */
static void note(struct scrape *scrape, const struct error *failure)
{
    struct scrape_target *target = scrape->target;
    enum scrape_health health = failure == NULL ? SCRAPE_UP : SCRAPE_DOWN;
    mutex_lock(&target->mutex);
    bool has_changed = target->health != health;
    bool was_known = target->health != SCRAPE_UNKNOWN;
    target->health = health;
    target->last_scrape_ms = scrape->time_ms;
    target->last_duration_s = scrape->duration_s;
    memset(target->last_error, 0, sizeof(target->last_error));
    if (failure != NULL) memcpy(target->last_error, failure->text, sizeof(target->last_error));
    mutex_unlock(&target->mutex);

    struct sl_logger *log = scrape->tools->setup->log;
    struct str name = scrape->job->name;
    struct str url = target->url;
    if (has_changed && failure != NULL) {
        sl_warn(log, "scrape failed", "job", sl_strn(name.data, name.size), "url.full",
                sl_strn(url.data, url.size), "error.message", failure->text);
    } else if (has_changed && was_known) {
        sl_info(log, "scrape works again", "job", sl_strn(name.data, name.size), "url.full",
                sl_strn(url.data, url.size));
    }
}

static void scrape_start(struct scrape *scrape, struct scrape_target *target,
                         const struct scrape_tools *tools)
{
    *scrape = (struct scrape){ .target = target, .job = target->job, .tools = tools };
    arena_init(&scrape->arena, SCRAPE_ARENA_MAX);
    scrape->time_ms = clock_realtime_ms(tools->setup->clock);
}

static void take_spare(struct scrape_spares *spares, struct http_answer *answer)
{
    if (spares == NULL) return;
    mutex_lock(&spares->mutex);
    if (spares->count > 0) *answer = spares->items[--spares->count];
    mutex_unlock(&spares->mutex);
}

static void give_spare(struct scrape_spares *spares, struct http_answer *answer)
{
    if (spares != NULL && answer->body.capacity <= SCRAPE_SPARE_SIZE_MAX) {
        mutex_lock(&spares->mutex);
        if (spares->count < SCRAPE_SPARES_MAX) {
            spares->items[spares->count++] = *answer;
            *answer = (struct http_answer){ 0 };
        }
        mutex_unlock(&spares->mutex);
    }
    http_answer_release(answer);
}

void scrape_target_scrape(struct scrape_target *target, const struct scrape_job *job,
                          const struct scrape_tools *tools)
{
    struct scrape scrape;
    struct error error = { 0 };
    struct http_answer answer = { 0 };
    take_spare(tools->spares, &answer);
    const struct clock *clock = tools->setup->clock;
    scrape_start(&scrape, target, tools);
    scrape.job = job;
    scrape.time_ms = sample_time(target, scrape.time_ms);
    target->scrape_number++;
    if (target->last_start_ms != 0) {
        pm_observe(tools->counters->interval_length,
                   (double)(scrape.time_ms - target->last_start_ms) / 1000);
    }
    target->last_start_ms = scrape.time_ms;

    int64_t start_ns = clock_monotonic_ns(clock);
    int code = scrape_ask(&scrape, &answer, &error);
    scrape.duration_s = (double)(clock_monotonic_ns(clock) - start_ns) / 1e9;
    bool is_cancelled = code == ERROR_CLOSED;
    if (code == 0) code = write_answer(&scrape, &answer, &error);
    note(&scrape, code == 0 ? NULL : &error);
    if (code != 0) target->comments_changed = target->scrape_number;
    if (code != 0 && !is_cancelled) {
        struct error second = { 0 };
        scrape.is_rolled_back = true;
        if (write_failure(&scrape, &second) != 0) {
            pm_inc(tools->counters->failed_commits);
            sl_error_every(tools->setup->log, 10000, "scrape could not be stored", "error.message",
                           second.text);
        }
    }
    count_refused(&scrape);
    forget_families(target);
    arena_release(&scrape.arena);
    give_spare(tools->spares, &answer);
}

void scrape_target_end(struct scrape_target *target, const struct scrape_tools *tools)
{
    struct scrape scrape;
    scrape_start(&scrape, target, tools);
    if (begin(&scrape, NULL) == 0) {
        int code = end_series(&scrape, true, NULL);
        static const char *const names[] = { "up", "scrape_duration_seconds",
                                             "scrape_samples_scraped",
                                             "scrape_samples_post_metric_relabeling",
                                             "scrape_series_added" };
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
            (void)report_one(&scrape, i, names[i], sample_stale(), NULL);
        }
        (void)commit(&scrape, code, NULL);
    }
    arena_release(&scrape.arena);
}

void scrape_target_free(struct scrape_target *target)
{
    if (target == NULL) return;
    size_t position = 0;
    struct str name;
    void *value;
    while (map_next(&target->families, &position, &name, &value)) {
        struct scrape_family *family = value;
        free((void *)(uintptr_t)family->type.data);
        free((void *)(uintptr_t)family->help.data);
        free((void *)(uintptr_t)family->unit.data);
        free(family);
    }
    series_cache_release(&target->series);
    VEC_RELEASE(&target->comments);
    map_release(&target->families);
    mutex_release(&target->mutex);
    arena_release(&target->arena);
    free(target);
}
