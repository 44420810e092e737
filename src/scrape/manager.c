/* manager.c - when targets are due, the workers that scrape them, and reloads.
 *
 * THREADS  Due targets wait in a heap by time. Idle workers sleep: one until the next target is
 *          due, a second until the one after it, the others until they are woken. So while targets
 *          answer quickly the two take turns, and nobody wakes anybody. Whoever takes a target
 *          when nobody sleeps until the next one wakes or starts another worker, up to
 *          worker_max, so that slow targets do not hold up the rest.
 *          One more thread looks at target files every few seconds.
 * LOCK     `mutex` guards everything here; a target that a worker has is the worker's alone, but
 *          for the fields that target.h names.
 */
#include "scrape/target.h"

#include "base/check.h"
#include "base/file.h"
#include "base/vec.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKERS_DEFAULT      128
#define FILES_INTERVAL_MS    5000
#define DISCOVERY_ARENA_SIZE (256u << 20)
#define TARGET_ARENA_SIZE    (4u << 20)
#define DROPPED_MAX          10000

VEC_TYPE(target_list, struct scrape_target *);

/* An idle worker that sleeps until a target is due; on its stack. */
struct sleeper {
    int64_t until_ns; /* monotonic */
    struct sleeper *next;
};

struct scrape_manager {
    struct scrape_setup setup;
    struct scrape_tools tools;
    struct scrape_spares spares;
    struct scrape_counters counters;
    char folder[FILE_PATH_SIZE];

    struct mutex mutex;
    struct condition wakes_worker;
    struct condition wakes_files;
    bool is_stopping;
    struct sleeper *sleepers; /* idle workers that wake by themselves */
    unsigned idle_count;
    VEC(pthread_t) workers;
    pthread_t files_thread;
    bool has_files_thread;

    struct scrape_generation *generation; /* in force; NULL before the first apply */
    uint32_t generation_number;
    uint64_t files_state;
    struct target_list targets; /* all, in order of discovery */
    struct target_list heap;    /* those that wait for their time; heap.items[0] is next */
    struct arena dropped_arena;
    VEC(struct scrape_target_view) dropped;
};

/* ---- heap ---- */

static bool is_before(const struct scrape_target *a, const struct scrape_target *b)
{
    return a->due_ns < b->due_ns;
}

static void swap(struct scrape_target **a, struct scrape_target **b)
{
    struct scrape_target *held = *a;
    *a = *b;
    *b = held;
}

static void heap_push_locked(struct scrape_manager *manager, struct scrape_target *target)
{
    CHECK(VEC_PUSH(&manager->heap, target)); /* room was reserved when the target was made */
    struct scrape_target **items = manager->heap.items;
    size_t at = manager->heap.count - 1;
    while (at > 0 && is_before(items[at], items[(at - 1) / 2])) {
        swap(&items[at], &items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void heap_sink_locked(struct scrape_manager *manager, size_t at)
{
    struct scrape_target **items = manager->heap.items;
    size_t count = manager->heap.count;
    for (;;) {
        size_t least = at;
        size_t left = 2 * at + 1;
        size_t right = left + 1;
        if (left < count && is_before(items[left], items[least])) least = left;
        if (right < count && is_before(items[right], items[least])) least = right;
        if (least == at) return;
        swap(&items[at], &items[least]);
        at = least;
    }
}

static struct scrape_target *heap_pop_locked(struct scrape_manager *manager)
{
    struct scrape_target *first = manager->heap.items[0];
    manager->heap.items[0] = VEC_LAST(&manager->heap);
    manager->heap.count--;
    heap_sink_locked(manager, 0);
    return first;
}

static void heap_rebuild_locked(struct scrape_manager *manager)
{
    for (size_t i = manager->heap.count / 2; i > 0; i--) heap_sink_locked(manager, i - 1);
}

/* ---- generations ---- */

static void generation_unref_locked(struct scrape_generation *generation)
{
    if (generation == NULL || --generation->ref_count > 0) return;
    scrape_config_release(&generation->config);
    free(generation);
}

/* ---- times ---- */

/* Each target has its own phase of the interval, the same after every start, so that targets are
 * spread out. */
static int64_t first_due_ms(const struct scrape_target *target, int64_t now_ms)
{
    int64_t phase_ms = (int64_t)(str_hash(target->key, 0) % (uint64_t)target->interval_ms);
    int64_t due_ms = now_ms - now_ms % target->interval_ms + phase_ms;
    return due_ms < now_ms ? due_ms + target->interval_ms : due_ms;
}

static void plan_locked(struct scrape_manager *manager, struct scrape_target *target)
{
    const struct clock *clock = manager->setup.clock;
    int64_t now_ms = clock_realtime_ms(clock);
    int64_t next_ms = target->planned_ms + target->interval_ms;
    bool is_fresh = target->planned_ms == 0;
    /* Too late for the next beat, or the clock was set: back to the phase. */
    if (is_fresh || next_ms < now_ms || next_ms > now_ms + target->interval_ms) {
        next_ms = first_due_ms(target, now_ms);
    }
    target->planned_ms = next_ms;
    target->due_ns = clock_monotonic_ns(clock) + (next_ms - now_ms) * 1000000;
    heap_push_locked(manager, target);
}

/* ---- workers ---- */

static void *work(void *argument);

/* How many idle workers will be awake at the time. */
static unsigned count_awake_locked(const struct scrape_manager *manager, int64_t time_ns)
{
    unsigned count = 0;
    for (const struct sleeper *one = manager->sleepers; one != NULL; one = one->next) {
        count += one->until_ns <= time_ns;
    }
    return count;
}

/* Sees to it that somebody waits for the next target. */
static void wake_worker_locked(struct scrape_manager *manager)
{
    if (manager->heap.count == 0) return;
    if (count_awake_locked(manager, manager->heap.items[0]->due_ns) > 0) return;
    if (manager->idle_count > 0) {
        condition_signal(&manager->wakes_worker);
        return;
    }
    if (manager->workers.count >= manager->setup.worker_max || manager->is_stopping) return;
    pthread_t thread;
    if (!VEC_RESERVE(&manager->workers, 1)) return;
    if (thread_start(&thread, "scrape", work, manager, NULL) == 0) {
        manager->workers.items[manager->workers.count++] = thread;
    }
}

/* When an idle worker has to wake: for the next target, or for the one behind it when another
 * worker sees to the next. INT64_MAX: when it is told to. */
static int64_t wake_time_locked(const struct scrape_manager *manager)
{
    struct scrape_target *const *items = manager->heap.items;
    size_t count = manager->heap.count;
    if (count == 0) return INT64_MAX;
    if (count_awake_locked(manager, items[0]->due_ns) == 0) return items[0]->due_ns;
    if (count == 1) return INT64_MAX;
    size_t second = count > 2 && is_before(items[2], items[1]) ? 2 : 1;
    int64_t due_ns = items[second]->due_ns;
    return count_awake_locked(manager, due_ns) < 2 ? due_ns : INT64_MAX;
}

static void sleep_locked(struct scrape_manager *manager) REQUIRES(manager->mutex)
{
    struct sleeper self = { .until_ns = wake_time_locked(manager) };
    manager->idle_count++;
    if (self.until_ns == INT64_MAX) {
        condition_wait(&manager->wakes_worker, &manager->mutex);
    } else {
        int64_t wait_ns = self.until_ns - clock_monotonic_ns(manager->setup.clock);
        self.next = manager->sleepers;
        manager->sleepers = &self;
        (void)condition_wait_ms(&manager->wakes_worker, &manager->mutex, wait_ns / 1000000 + 1);
        struct sleeper **place = &manager->sleepers;
        while (*place != &self) place = &(*place)->next;
        *place = self.next;
    }
    manager->idle_count--;
}

/* Waits until a target is due and takes it; NULL when the manager stops. */
static struct scrape_target *take_due_locked(struct scrape_manager *manager)
    REQUIRES(manager->mutex)
{
    while (!manager->is_stopping) {
        if (manager->heap.count > 0) {
            int64_t now_ns = clock_monotonic_ns(manager->setup.clock);
            if (manager->heap.items[0]->due_ns <= now_ns) return heap_pop_locked(manager);
        }
        sleep_locked(manager);
    }
    return NULL;
}

static void finish_locked(struct scrape_manager *manager, struct scrape_target *target)
{
    target->is_busy = false;
    if (!target->is_removed) {
        plan_locked(manager, target);
        return;
    }
    generation_unref_locked(target->generation);
    scrape_target_free(target);
}

static void *work(void *argument)
{
    struct scrape_manager *manager = argument;
    struct scrape_target *target;
    mutex_lock(&manager->mutex);
    while ((target = take_due_locked(manager)) != NULL) {
        target->is_busy = true;
        bool is_last = target->is_removed;
        struct scrape_generation *generation = target->generation;
        const struct scrape_job *job = target->job;
        generation->ref_count++;
        wake_worker_locked(manager);
        mutex_unlock(&manager->mutex);
        if (is_last) {
            scrape_target_end(target, &manager->tools);
        } else {
            scrape_target_scrape(target, job, &manager->tools);
        }
        mutex_lock(&manager->mutex);
        generation_unref_locked(generation);
        /* Removed while it was scraped: once more through the heap, to be ended. */
        if (target->is_removed && !is_last) {
            target->due_ns = 0;
            heap_push_locked(manager, target);
            continue;
        }
        finish_locked(manager, target);
    }
    mutex_unlock(&manager->mutex);
    return NULL;
}

/* ---- which targets there are ---- */

static struct scrape_target *target_new(const struct scrape_found *found)
{
    struct scrape_target *target = calloc(1, sizeof(*target));
    if (target == NULL) return NULL;
    arena_init(&target->arena, TARGET_ARENA_SIZE);
    mutex_init(&target->mutex);
    target->key = arena_copy(&target->arena, found->key);
    target->url = arena_copy(&target->arena, found->url);
    target->interval_ms = found->interval_ms;
    target->timeout_ms = found->timeout_ms;
    if (target->key.data == NULL || target->url.data == NULL ||
        labels_copy(&target->arena, found->labels, &target->labels) != 0 ||
        labels_copy(&target->arena, found->discovered, &target->discovered) != 0) {
        scrape_target_free(target);
        return NULL;
    }
    return target;
}

static int add_target_locked(struct scrape_manager *manager, const struct scrape_found *found,
                             struct error *error)
{
    struct scrape_target *target = target_new(found);
    if (target == NULL || !VEC_RESERVE(&manager->targets, 1) ||
        !VEC_RESERVE(&manager->heap, manager->targets.count + 1)) {
        scrape_target_free(target);
        return error_set(error, -ENOMEM, "no memory for a target");
    }
    target->job = found->job;
    target->generation = manager->generation;
    target->generation_number = manager->generation_number;
    manager->generation->ref_count++;
    manager->targets.items[manager->targets.count++] = target;
    plan_locked(manager, target);
    return 0;
}

static struct scrape_target *find_target(const struct target_list *list, struct str key)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i] != NULL && str_equal(list->items[i]->key, key)) return list->items[i];
    }
    return NULL;
}

/* Goes on with a target that is still there, under the configuration in force. */
static void keep_target_locked(struct scrape_manager *manager, struct scrape_target *target,
                               const struct scrape_found *found)
{
    generation_unref_locked(target->generation);
    target->generation = manager->generation;
    manager->generation->ref_count++;
    target->job = found->job;
    target->generation_number = manager->generation_number;
    CHECK(VEC_PUSH(&manager->targets, target)); /* reserved by sync_locked */
}

/* A removed target is due at once: the worker that gets it writes its stale markers. */
static void remove_target_locked(struct scrape_target *target)
{
    target->is_removed = true;
    target->due_ns = 0;
}

static void note_dropped_locked(struct scrape_manager *manager, const struct scrape_found *found)
{
    struct scrape_target_view view = { .is_dropped = true };
    if (manager->dropped.count >= DROPPED_MAX) return;
    if (labels_copy(&manager->dropped_arena, found->discovered, &view.discovered) != 0) return;
    view.job = arena_copy(&manager->dropped_arena, found->job->name);
    (void)VEC_PUSH(&manager->dropped, view);
}

/* Goes on with what a file named before it broke. */
static void keep_file_locked(struct scrape_manager *manager, struct target_list *before,
                             const struct scrape_found *broken)
{
    for (size_t i = 0; i < before->count; i++) {
        struct scrape_target *target = before->items[i];
        if (target == NULL || !str_equal(target->job->name, broken->job->name)) continue;
        struct str path = labels_get(target->discovered, STR("__meta_filepath"));
        if (!str_equal(path, broken->url)) continue;
        keep_target_locked(manager, target, broken);
        before->items[i] = NULL;
    }
}

static int sync_job_locked(struct scrape_manager *manager, const struct scrape_job *job,
                           struct target_list *before, struct arena *arena, struct error *error)
{
    const struct scrape_found *found = NULL;
    size_t count = 0;
    int code =
        scrape_discover(job, manager->folder, arena, manager->setup.log, &found, &count, error);
    if (code != 0) return code;
    uint64_t limit = job->limits.target_count;
    if (limit > 0 && count > limit) {
        sl_error(manager->setup.log, "target limit exceeded, no target of the job is scraped",
                 "job", sl_strn(job->name.data, job->name.size), "targets", count, "limit", limit);
        count = 0;
    }
    for (size_t i = 0; i < count && code == 0; i++) {
        if (found[i].is_broken) {
            keep_file_locked(manager, before, &found[i]);
            continue;
        }
        if (found[i].is_dropped) {
            note_dropped_locked(manager, &found[i]);
            continue;
        }
        struct scrape_target *known = find_target(before, found[i].key);
        if (known == NULL) {
            code = add_target_locked(manager, &found[i], error);
            continue;
        }
        keep_target_locked(manager, known, &found[i]);
        for (size_t j = 0; j < before->count; j++) {
            if (before->items[j] == known) before->items[j] = NULL;
        }
    }
    return code;
}

/* Makes the targets those that the configuration in force and its files name. */
static int sync_locked(struct scrape_manager *manager, struct error *error)
{
    struct target_list before = manager->targets;
    manager->targets = (struct target_list){ 0 };
    if (!VEC_RESERVE(&manager->targets, before.count)) {
        manager->targets = before;
        return error_set(error, -ENOMEM, "no memory for targets");
    }
    arena_reset(&manager->dropped_arena);
    manager->dropped.count = 0;
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, DISCOVERY_ARENA_SIZE);
    const struct scrape_config *config = &manager->generation->config;
    int code = 0;
    manager->files_state = 0;
    for (size_t i = 0; i < config->job_count && code == 0; i++) {
        manager->files_state += scrape_files_state(&config->jobs[i], manager->folder);
        code = sync_job_locked(manager, &config->jobs[i], &before, &arena, error);
        arena_reset(&arena);
    }
    for (size_t i = 0; i < before.count; i++) {
        if (before.items[i] != NULL) remove_target_locked(before.items[i]);
    }
    heap_rebuild_locked(manager);
    VEC_RELEASE(&before);
    wake_worker_locked(manager);
    condition_broadcast(&manager->wakes_worker);
    return code;
}

int scrape_manager_apply(struct scrape_manager *manager, struct scrape_config *config,
                         struct error *error)
{
    struct scrape_generation *generation = calloc(1, sizeof(*generation));
    if (generation == NULL) return error_set(error, -ENOMEM, "no memory for a configuration");
    generation->config = *config;
    generation->ref_count = 1;
    *config = (struct scrape_config){ 0 };

    mutex_lock(&manager->mutex);
    struct scrape_generation *before = manager->generation;
    manager->generation = generation;
    manager->generation_number++;
    const char *folder = generation->config.folder == NULL ? "." : generation->config.folder;
    if (!str_to_cstr(str_from(folder), manager->folder, sizeof(manager->folder))) {
        manager->folder[0] = '\0';
    }
    int code = sync_locked(manager, error);
    generation_unref_locked(before);
    mutex_unlock(&manager->mutex);
    return code;
}

/* Looks every few seconds whether a target file has changed. */
static void *watch_files(void *argument)
{
    struct scrape_manager *manager = argument;
    mutex_lock(&manager->mutex);
    while (!manager->is_stopping) {
        (void)condition_wait_ms(&manager->wakes_files, &manager->mutex, FILES_INTERVAL_MS);
        if (manager->is_stopping || manager->generation == NULL) continue;
        const struct scrape_config *config = &manager->generation->config;
        uint64_t state = 0;
        for (size_t i = 0; i < config->job_count; i++) {
            state += scrape_files_state(&config->jobs[i], manager->folder);
        }
        struct error error = { 0 };
        if (state != manager->files_state && sync_locked(manager, &error) != 0) {
            sl_error(manager->setup.log, "targets could not be renewed", "error.message",
                     error.text);
        }
    }
    mutex_unlock(&manager->mutex);
    return NULL;
}

/* ---- life ---- */

static void make_counters(struct scrape_counters *counters, struct pm_registry *registry)
{
    counters->out_of_order =
        pm_counter_new(registry, "prometheus_target_scrapes_sample_out_of_order_total",
                       "Samples rejected because they were older than their series' last.");
    counters->duplicate =
        pm_counter_new(registry, "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                       "Samples rejected because another value has their timestamp.");
    counters->out_of_bounds =
        pm_counter_new(registry, "prometheus_target_scrapes_sample_out_of_bounds_total",
                       "Samples rejected because their timestamp is outside the accepted range.");
    counters->over_sample_limit =
        pm_counter_new(registry, "prometheus_target_scrapes_exceeded_sample_limit_total",
                       "Scrapes that hit the sample limit and were rejected.");
    counters->over_body_limit =
        pm_counter_new(registry, "prometheus_target_scrapes_exceeded_body_size_limit_total",
                       "Scrapes that hit the body size limit.");
    counters->interval_length = pm_summary_new(
        registry, "prometheus_target_interval_length_seconds", "Actual intervals between scrapes.");
    counters->failed_commits = pm_counter_new(registry, "barograph_scrape_commits_failed_total",
                                              "Scrapes whose result could not be stored.");
}

static void collect(struct pm_emit *emit, void *argument)
{
    struct scrape_manager *manager = argument;
    mutex_lock(&manager->mutex);
    size_t targets = manager->targets.count;
    size_t workers = manager->workers.count;
    size_t jobs = manager->generation == NULL ? 0 : manager->generation->config.job_count;
    mutex_unlock(&manager->mutex);
    pm_emit_one(emit, PM_GAUGE, "barograph_scrape_targets", "Targets that are scraped.",
                (double)targets);
    pm_emit_one(emit, PM_GAUGE, "barograph_scrape_workers", "Threads that scrape.",
                (double)workers);
    pm_emit_one(emit, PM_GAUGE, "barograph_scrape_pools", "Scrape configurations in force.",
                (double)jobs);
}

int scrape_manager_start(struct scrape_manager **manager_out, const struct scrape_setup *setup,
                         struct error *error)
{
    struct scrape_manager *manager = calloc(1, sizeof(*manager));
    if (manager == NULL) return error_set(error, -ENOMEM, "no memory for scraping");
    manager->setup = *setup;
    if (manager->setup.worker_max == 0) manager->setup.worker_max = WORKERS_DEFAULT;
    mutex_init(&manager->mutex);
    condition_init(&manager->wakes_worker);
    condition_init(&manager->wakes_files);
    arena_init(&manager->dropped_arena, DISCOVERY_ARENA_SIZE);
    make_counters(&manager->counters, setup->registry);
    manager->tools = (struct scrape_tools){ .setup = &manager->setup,
                                            .counters = &manager->counters,
                                            .folder = manager->folder,
                                            .spares = &manager->spares };
    mutex_init(&manager->spares.mutex);
    struct http_client_options options = {
        .resolve = setup->resolve,
        .user_agent = setup->user_agent == NULL ? "Prometheus/3" : setup->user_agent,
        .connection_max = 1024,
    };
    struct pm_error cause = { 0 };
    int code = http_client_new(&manager->tools.client, &options, error);
    if (code == 0 && pm_register_collector(setup->registry, collect, manager, &cause) != 0) {
        code = error_set(error, -ENOMEM, "%s", cause.text);
    }
    if (code == 0) {
        code = thread_start(&manager->files_thread, "scrape-files", watch_files, manager, error);
        manager->has_files_thread = code == 0;
    }
    if (code != 0) {
        scrape_manager_stop(manager);
        return code;
    }
    *manager_out = manager;
    return 0;
}

void scrape_manager_stop(struct scrape_manager *manager)
{
    if (manager == NULL) return;
    mutex_lock(&manager->mutex);
    manager->is_stopping = true;
    condition_broadcast(&manager->wakes_worker);
    condition_broadcast(&manager->wakes_files);
    mutex_unlock(&manager->mutex);
    if (manager->tools.client != NULL) http_client_cancel(manager->tools.client);
    if (manager->has_files_thread) thread_join(manager->files_thread);
    for (size_t i = 0; i < manager->workers.count; i++) thread_join(manager->workers.items[i]);
    (void)pm_unregister_collector(manager->setup.registry, collect, manager);

    /* Removed targets that no worker ended are in the heap alone. */
    for (size_t i = 0; i < manager->heap.count; i++) {
        struct scrape_target *target = manager->heap.items[i];
        if (!target->is_removed) continue;
        generation_unref_locked(target->generation);
        scrape_target_free(target);
    }
    for (size_t i = 0; i < manager->targets.count; i++) {
        generation_unref_locked(manager->targets.items[i]->generation);
        scrape_target_free(manager->targets.items[i]);
    }
    generation_unref_locked(manager->generation);
    VEC_RELEASE(&manager->workers);
    VEC_RELEASE(&manager->heap);
    VEC_RELEASE(&manager->targets);
    VEC_RELEASE(&manager->dropped);
    arena_release(&manager->dropped_arena);
    for (size_t i = 0; i < manager->spares.count; i++) {
        http_answer_release(&manager->spares.items[i]);
    }
    mutex_release(&manager->spares.mutex);
    http_client_free(manager->tools.client);
    condition_release(&manager->wakes_worker);
    condition_release(&manager->wakes_files);
    mutex_release(&manager->mutex);
    free(manager);
}

/* ---- looking ---- */

static int view_target(struct scrape_target *target, struct arena *arena,
                       struct scrape_target_view *view)
{
    *view = (struct scrape_target_view){ .interval_ms = target->interval_ms,
                                         .timeout_ms = target->timeout_ms };
    view->job = arena_copy(arena, target->job->name);
    view->url = arena_copy(arena, target->url);
    int code = labels_copy(arena, target->labels, &view->labels);
    if (code == 0) code = labels_copy(arena, target->discovered, &view->discovered);
    mutex_lock(&target->mutex);
    view->health = target->health;
    view->last_error = arena_copy(arena, str_from(target->last_error));
    view->last_scrape_ms = target->last_scrape_ms;
    view->last_duration_s = target->last_duration_s;
    mutex_unlock(&target->mutex);
    return view->last_error.data == NULL ? -ENOMEM : code;
}

int scrape_targets(struct scrape_manager *manager, struct arena *arena,
                   const struct scrape_target_view **targets, size_t *count, struct error *error)
{
    mutex_lock(&manager->mutex);
    size_t active = manager->targets.count;
    size_t total = active + manager->dropped.count;
    struct scrape_target_view *views = ARENA_ARRAY(arena, struct scrape_target_view, total);
    int code = views == NULL && total > 0 ? -ENOMEM : 0;
    for (size_t i = 0; i < active && code == 0; i++) {
        code = view_target(manager->targets.items[i], arena, &views[i]);
    }
    for (size_t i = active; i < total && code == 0; i++) {
        views[i] = manager->dropped.items[i - active];
        views[i].job = arena_copy(arena, views[i].job);
        code = labels_copy(arena, views[i].discovered, &views[i].discovered);
    }
    mutex_unlock(&manager->mutex);
    if (code != 0) return error_set(error, ERROR_LIMIT, "too many targets for one answer");
    *targets = views;
    *count = total;
    return 0;
}

int scrape_jobs(struct scrape_manager *manager, struct arena *arena, const struct str **names,
                size_t *count, struct error *error)
{
    mutex_lock(&manager->mutex);
    size_t total = manager->generation == NULL ? 0 : manager->generation->config.job_count;
    struct str *copies = ARENA_ARRAY(arena, struct str, total);
    for (size_t i = 0; copies != NULL && i < total; i++) {
        copies[i] = arena_copy(arena, manager->generation->config.jobs[i].name);
    }
    mutex_unlock(&manager->mutex);
    if (copies == NULL && total > 0) return error_set(error, -ENOMEM, "no memory");
    *names = copies;
    *count = total;
    return 0;
}

VEC_TYPE(metadata_list, struct scrape_metadata);

static int view_family(struct metadata_list *list, struct arena *arena, struct str name,
                       const struct scrape_family *family, struct labels target)
{
    struct scrape_metadata item = { .metric = arena_copy(arena, name),
                                    .type = arena_copy(arena, family->type),
                                    .help = arena_copy(arena, family->help),
                                    .unit = arena_copy(arena, family->unit),
                                    .target = target };
    if (item.type.size == 0 || str_equal(item.type, STR("untyped"))) item.type = STR("unknown");
    return VEC_PUSH(list, item) ? 0 : -ENOMEM;
}

static int view_families(struct metadata_list *list, struct arena *arena,
                         struct scrape_target *target, struct str metric)
{
    struct labels labels;
    int code = labels_copy(arena, target->labels, &labels);
    size_t position = 0;
    struct str name;
    void *family;
    mutex_lock(&target->mutex);
    while (code == 0 && map_next(&target->families, &position, &name, &family)) {
        if (metric.size > 0 && !str_equal(metric, name)) continue;
        code = view_family(list, arena, name, family, labels);
    }
    mutex_unlock(&target->mutex);
    return code;
}

int scrape_metadata(struct scrape_manager *manager, struct str metric, struct arena *arena,
                    const struct scrape_metadata **items, size_t *count, struct error *error)
{
    struct metadata_list list = { 0 };
    int code = 0;
    mutex_lock(&manager->mutex);
    for (size_t i = 0; i < manager->targets.count && code == 0; i++) {
        code = view_families(&list, arena, manager->targets.items[i], metric);
    }
    mutex_unlock(&manager->mutex);
    struct scrape_metadata *copies = ARENA_ARRAY(arena, struct scrape_metadata, list.count);
    if (copies == NULL && list.count > 0) code = -ENOMEM;
    if (code == 0) {
        if (list.count > 0) memcpy(copies, list.items, list.count * sizeof(*copies));
        *items = copies;
        *count = list.count;
    }
    VEC_RELEASE(&list);
    return code == 0 ? 0 : error_set(error, ERROR_LIMIT, "too much metadata for one answer");
}
