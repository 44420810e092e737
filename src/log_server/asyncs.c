/* asyncs.c - _async_search: submit, fetch, status, delete. */
#include "log_server/asyncs.h"

#include "base/random.h"
#include "log_server/contexts.h"
#include "log_server/searching.h"
#include "log_server/tasks.h"

#include <errno.h>
#include <stdlib.h>

#define ID_SIZE               40
#define WAIT_DEFAULT_MS       1000
#define WAIT_MAX_MS           60000
#define KEEP_ALIVE_DEFAULT_MS ((int64_t)5 * 86400000)
#define KEEP_ALIVE_LONGEST_MS ((int64_t)7 * 86400000)
#define REQUEST_SIZE_MAX      ((size_t)16 << 20)

struct async {
    char id[ID_SIZE + 1];
    struct asyncs *asyncs;
    struct arena arena;
    struct logquery_request request;
    struct task task;
    pthread_t thread;
    int64_t start_ms, end_ms, expires_ms; /* since the epoch */
    bool is_done;
    bool is_closed; /* deleted while it ran; freed when it is done */
    bool is_fetched;
    int code;
    struct buf answer;
    struct logquery_failure failure;
};

void asyncs_init(struct asyncs *asyncs, struct log_server *server)
{
    *asyncs = (struct asyncs){ .server = server };
    mutex_init(&asyncs->mutex);
    condition_init(&asyncs->changed);
}

/* Out of the table and gone; it is done. */
static void free_locked(struct asyncs *asyncs, struct async *async) REQUIRES(asyncs->mutex)
{
    (void)map_remove(&asyncs->by_id, str_from(async->id));
    asyncs->answers_size -= async->answer.size;
    thread_join(async->thread); /* its last act was to say that it is done */
    arena_release(&async->arena);
    buf_release(&async->answer);
    free(async);
}

/* The finished one that would be missed least: dead, deleted, or the oldest. NULL: none. */
static struct async *victim_locked(struct asyncs *asyncs, bool takes_living) REQUIRES(asyncs->mutex)
{
    int64_t now_ms = clock_realtime_ms(asyncs->server->clock);
    struct async *oldest = NULL;
    size_t position = 0;
    struct str id;
    void *value;
    while (map_next(&asyncs->by_id, &position, &id, &value)) {
        struct async *async = value;
        if (!async->is_done) continue;
        if (async->is_closed || async->expires_ms <= now_ms) return async;
        if (takes_living && (oldest == NULL || async->start_ms < oldest->start_ms)) oldest = async;
    }
    return oldest;
}

static void reap_locked(struct asyncs *asyncs) REQUIRES(asyncs->mutex)
{
    struct async *victim;
    while ((victim = victim_locked(asyncs, false)) != NULL) free_locked(asyncs, victim);
    while (asyncs->by_id.count >= ASYNC_MAX || asyncs->answers_size > ASYNC_SIZE_MAX) {
        victim = victim_locked(asyncs, true);
        if (victim == NULL) return;
        free_locked(asyncs, victim);
    }
}

void asyncs_release(struct asyncs *asyncs)
{
    if (asyncs->server == NULL) return;
    mutex_lock(&asyncs->mutex);
    (void)tasks_cancel_all(&asyncs->server->tasks);
    while (asyncs->running_count > 0) condition_wait(&asyncs->changed, &asyncs->mutex);
    struct async *victim;
    while ((victim = victim_locked(asyncs, true)) != NULL) free_locked(asyncs, victim);
    mutex_unlock(&asyncs->mutex);
    map_release(&asyncs->by_id);
    condition_release(&asyncs->changed);
    mutex_release(&asyncs->mutex);
}

static void *run(void *argument)
{
    struct async *async = argument;
    struct asyncs *asyncs = async->asyncs;
    struct log_server *server = asyncs->server;
    struct logquery_options options = server->query_options;
    struct arena arena;
    struct error error = { 0 };
    options.clock = &async->task.clock;
    arena_init_within(&arena, LOGQUERY_MEMORY_MAX, &server->query_budget);
    int code =
        logquery_search(&options, &async->request, &arena, &async->answer, &async->failure, &error);
    arena_release(&arena);
    task_end(&async->task);
    mutex_lock(&asyncs->mutex);
    async->code = code;
    async->end_ms = clock_realtime_ms(server->clock);
    async->is_done = true;
    asyncs->answers_size += async->answer.size;
    asyncs->running_count--;
    condition_broadcast(&asyncs->changed);
    mutex_unlock(&asyncs->mutex);
    return NULL;
}

static void make_id(struct async *async)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    random_secret(async->id, ID_SIZE);
    for (size_t i = 0; i < ID_SIZE; i++) async->id[i] = alphabet[(unsigned char)async->id[i] % 64];
}

static struct async *async_new(struct asyncs *asyncs, const struct logquery_request *request,
                               int64_t keep_alive_ms)
{
    struct async *async = calloc(1, sizeof(*async));
    if (async == NULL) return NULL;
    arena_init(&async->arena, REQUEST_SIZE_MAX);
    buf_init(&async->answer, ASYNC_SIZE_MAX);
    make_id(async);
    async->asyncs = asyncs;
    async->start_ms = clock_realtime_ms(asyncs->server->clock);
    async->expires_ms = async->start_ms + keep_alive_ms;
    if (request_copy(&async->arena, request, &async->request)) return async;
    arena_release(&async->arena);
    free(async);
    return NULL;
}

/* Starts it; NULL when the answer is given. */
static struct async *submit(struct call *call, const struct logquery_request *request,
                            int64_t keep_alive_ms)
{
    struct asyncs *asyncs = &call->server->asyncs;
    struct async *async = async_new(asyncs, request, keep_alive_ms);
    if (async == NULL) {
        (void)answer_error(call, 400, "illegal_argument_exception",
                           STR("the body of an async search is limited to 16 MiB"));
        return NULL;
    }
    struct error error = { 0 };
    mutex_lock(&asyncs->mutex);
    reap_locked(asyncs);
    bool is_busy = asyncs->running_count >= ASYNC_RUNNING_MAX ||
                   map_put(&asyncs->by_id, str_from(async->id), async) < 0;
    int code = is_busy ? ERROR_REFUSED : 0;
    if (!is_busy) {
        task_begin(&call->server->tasks, &async->task, "indices:data/read/async_search/submit",
                   async->request.body);
        code = thread_start(&async->thread, "async-search", run, async, &error);
        if (code == 0) asyncs->running_count++;
        if (code < 0) {
            task_end(&async->task);
            (void)map_remove(&asyncs->by_id, str_from(async->id));
        }
    }
    mutex_unlock(&asyncs->mutex);
    if (code == 0) return async;
    arena_release(&async->arena);
    free(async);
    (void)answer_error(call, 429, "es_rejected_execution_exception",
                       is_busy ? STR("too many async searches run at the moment, try again later")
                               : str_from(error.text));
    return NULL;
}

static void put_state(const struct async *async, bool has_id, struct json_writer *json)
{
    if (has_id) json_member_cstr(json, "id", async->id);
    json_member_bool(json, "is_partial", !async->is_done || async->code < 0);
    json_member_bool(json, "is_running", !async->is_done);
    json_member_int(json, "start_time_in_millis", async->start_ms);
    json_member_int(json, "expiration_time_in_millis", async->expires_ms);
    if (async->is_done) json_member_int(json, "completion_time_in_millis", async->end_ms);
}

static const char empty_response[] =
    "{\"took\":0,\"timed_out\":false,\"_shards\":{\"total\":1,\"successful\":0,\"skipped\":0,"
    "\"failed\":0},\"hits\":{\"total\":{\"value\":0,\"relation\":\"gte\"},\"max_score\":null,"
    "\"hits\":[]}}";

static int answer_locked(struct call *call, struct async *async, bool has_id)
{
    if (async->is_done && async->code < 0) return answer_failure(call, &async->failure);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    put_state(async, has_id, &json);
    json_key(&json, STR("response"));
    json_put_raw(&json, async->is_done ? buf_str(&async->answer) : str_from(empty_response));
    json_object_end(&json);
    return 0;
}

/* By its id, while the caller waits for its end no longer than wait_ms; NULL: not there. */
static struct async *wait_locked(struct asyncs *asyncs, struct str id, int64_t wait_ms)
    REQUIRES(asyncs->mutex)
{
    const struct clock *clock = asyncs->server->clock;
    int64_t end_ms = clock_monotonic_ms(clock) + wait_ms;
    for (;;) {
        struct async *async = map_get(&asyncs->by_id, id);
        int64_t left_ms = end_ms - clock_monotonic_ms(clock);
        if (async == NULL || async->is_closed) return NULL;
        if (async->is_done || left_ms <= 0) return async;
        (void)condition_wait_ms(&asyncs->changed, &asyncs->mutex, left_ms);
    }
}

static int64_t time_parameter(const struct call *call, const char *name, int64_t otherwise,
                              int64_t most)
{
    int64_t ms;
    if (!time_value_parse(call_parameter(call, name), &ms) || ms < 0) return otherwise;
    return ms > most ? most : ms;
}

static int answer_missing(struct call *call, struct str id)
{
    return answer_error(call, 404, "resource_not_found_exception", id);
}

static int handle_submit(struct call *call)
{
    struct logquery_request request = { .body = call->request->body };
    request_read(call, &request);
    request.indices = call->value_count > 0 ? call->values[0] : STR("");
    int64_t keep_alive_ms =
        time_parameter(call, "keep_alive", KEEP_ALIVE_DEFAULT_MS, KEEP_ALIVE_LONGEST_MS);
    int64_t wait_ms =
        time_parameter(call, "wait_for_completion_timeout", WAIT_DEFAULT_MS, WAIT_MAX_MS);
    bool is_kept = call_flag(call, "keep_on_completion", false);
    struct async *started = submit(call, &request, keep_alive_ms);
    if (started == NULL) return 0;
    struct asyncs *asyncs = &call->server->asyncs;
    mutex_lock(&asyncs->mutex);
    struct str id = arena_copy(call->arena, str_from(started->id));
    struct async *async = wait_locked(asyncs, id, wait_ms);
    int code = 0;
    if (async == NULL) {
        code = answer_missing(call, id);
    } else {
        bool is_over = async->is_done && !is_kept;
        code = answer_locked(call, async, !is_over);
        if (is_over) free_locked(asyncs, async);
    }
    mutex_unlock(&asyncs->mutex);
    return code;
}

static int handle_get(struct call *call)
{
    struct asyncs *asyncs = &call->server->asyncs;
    int64_t wait_ms = time_parameter(call, "wait_for_completion_timeout", 0, WAIT_MAX_MS);
    int64_t keep_alive_ms = time_parameter(call, "keep_alive", 0, KEEP_ALIVE_LONGEST_MS);
    mutex_lock(&asyncs->mutex);
    reap_locked(asyncs);
    struct async *async = wait_locked(asyncs, call->values[0], wait_ms);
    if (async != NULL && keep_alive_ms > 0) {
        async->expires_ms = clock_realtime_ms(call->server->clock) + keep_alive_ms;
    }
    int code =
        async == NULL ? answer_missing(call, call->values[0]) : answer_locked(call, async, true);
    mutex_unlock(&asyncs->mutex);
    return code;
}

static int handle_status(struct call *call)
{
    struct asyncs *asyncs = &call->server->asyncs;
    mutex_lock(&asyncs->mutex);
    reap_locked(asyncs);
    const struct async *async = wait_locked(asyncs, call->values[0], 0);
    if (async != NULL) {
        struct json_writer json;
        json_writer_init(&json, &call->response->body);
        json_object_begin(&json);
        put_state(async, true, &json);
        json_key(&json, STR("_shards"));
        json_put_raw(&json, async->is_done && async->code == 0
                                ? STR("{\"total\":1,\"successful\":1,\"skipped\":0,\"failed\":0}")
                                : STR("{\"total\":1,\"successful\":0,\"skipped\":0,\"failed\":0}"));
        if (async->is_done) {
            json_member_int(&json, "completion_status",
                            async->code == 0 ? 200 : async->failure.status);
        }
        json_object_end(&json);
    }
    mutex_unlock(&asyncs->mutex);
    return async == NULL ? answer_missing(call, call->values[0]) : 0;
}

static int handle_delete(struct call *call)
{
    struct asyncs *asyncs = &call->server->asyncs;
    mutex_lock(&asyncs->mutex);
    struct async *async = wait_locked(asyncs, call->values[0], 0);
    if (async != NULL && async->is_done)
        free_locked(asyncs, async);
    else if (async != NULL) {
        async->is_closed = true;
        task_cancel(&async->task);
        condition_broadcast(&asyncs->changed);
    }
    mutex_unlock(&asyncs->mutex);
    return async == NULL ? answer_missing(call, call->values[0]) : answer_acknowledged(call);
}

#define ASYNC_PARAMETERS                                                                           \
    SEARCH_PARAMETERS " wait_for_completion_timeout keep_on_completion keep_alive"

static const struct route rows[] = {
    { HTTP_POST, "/_async_search", handle_submit, ASYNC_PARAMETERS },
    { HTTP_POST, "/:index/_async_search", handle_submit, ASYNC_PARAMETERS },
    { HTTP_GET, "/_async_search/status/:id", handle_status, " keep_alive" },
    { HTTP_GET, "/_async_search/:id", handle_get,
      " wait_for_completion_timeout keep_alive typed_keys" },
    { HTTP_DELETE, "/_async_search/:id", handle_delete, NULL },
};

const struct route_table async_routes = { rows, ARRAY_LENGTH(rows) };
