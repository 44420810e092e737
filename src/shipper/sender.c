/* sender.c - one request at a time, so that the acknowledgements keep the order of the files. */
#include "shipper/sender.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "codec/base64.h"
#include "codec/compress.h"
#include "codec/json.h"
#include "http/client.h"
#include "prometheus/prometheus.h"
#include "shipper/bulk.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_SIZE_MAX  ((size_t)8 << 20) /* documents of one request; one alone may be larger */
#define BODY_LIMIT     ((size_t)2 << 30) /* of that one */
#define ANSWER_MAX     ((size_t)64 << 20)
#define ARENA_SIZE_MAX ((size_t)512 << 20)
#define LINGER_MS      200 /* wait so long for company: latency against requests */
#define WAIT_MS        250
#define SAVE_MS        250 /* the registry is written at most so often */
#define HEADERS_MAX    32

/* Lock: mutex guards what is marked. The rest is owned by the sender thread. */
struct sender {
    struct sender_setup setup;
    struct http_client *client;
    struct http_field headers[HEADERS_MAX];
    size_t header_count;
    struct buf authorization;
    struct buf url;
    struct http_tls tls;
    size_t host_index;
    bool is_connected;  /* the host's version was read */
    bool is_failing;    /* told, and not over */
    int64_t pause_ms;   /* the next back-off */
    size_t request_max; /* documents a request: halved when the server says 413 */
    uint64_t dropped_count;
    struct random random;
    struct ship_event *events;
    struct bulk_item *items;
    bool *is_done;
    size_t *sent; /* indexes of the events in the request */
    struct buf body;
    struct buf packed;
    struct arena arena;
    int64_t saved_ms;
    bool has_save_failed;
    pthread_t thread;
    struct mutex mutex;
    struct condition wake;
    bool is_draining;  /* GUARDED_BY(mutex) */
    bool is_abandoned; /* GUARDED_BY(mutex) */
    bool has_ended;    /* GUARDED_BY(mutex) */
};

/* ---- state of the way ---- */

static bool is_abandoned(struct sender *sender)
{
    mutex_lock(&sender->mutex);
    bool is_over = sender->is_abandoned || (sender->is_draining && sender->is_failing);
    mutex_unlock(&sender->mutex);
    return is_over;
}

static void pause(struct sender *sender)
{
    int64_t half_ms = sender->pause_ms / 2;
    int64_t wait_ms = half_ms + (int64_t)random_below(&sender->random, (uint64_t)half_ms + 1);
    int64_t end_ms = clock_monotonic_ms(&clock_system) + wait_ms;
    mutex_lock(&sender->mutex);
    while (!sender->is_draining && !sender->is_abandoned) {
        int64_t left_ms = end_ms - clock_monotonic_ms(&clock_system);
        if (left_ms <= 0) break;
        (void)condition_wait_ms(&sender->wake, &sender->mutex, left_ms);
    }
    mutex_unlock(&sender->mutex);
    sender->pause_ms *= 2;
    int64_t max_ms = sender->setup.config->output.backoff_max_ms;
    if (sender->pause_ms > max_ms) sender->pause_ms = max_ms;
}

static struct str host_url(const struct sender *sender)
{
    return sender->setup.config->output.urls.items[sender->host_index];
}

/* Says it once, tries the next host, waits. */
static void fail(struct sender *sender, const struct error *error)
{
    struct str url = host_url(sender);
    if (!sender->is_failing && !is_abandoned(sender)) {
        sl_warn(sender->setup.log, "output failed: retried until it works", "url.full",
                sl_strn(url.data, url.size), "error.message", error->text);
    }
    sender->is_failing = true;
    sender->is_connected = false;
    sender->host_index = (sender->host_index + 1) % sender->setup.config->output.urls.count;
    pm_inc(sender->setup.retries);
    pause(sender);
}

static void succeed(struct sender *sender)
{
    struct str url = host_url(sender);
    if (sender->is_failing) {
        sl_info(sender->setup.log, "output works again", "url.full", sl_strn(url.data, url.size));
    }
    sender->is_failing = false;
    sender->pause_ms = sender->setup.config->output.backoff_first_ms;
}

/* ---- requests ---- */

static void build_url(struct sender *sender, const char *path)
{
    const struct ship_output *output = &sender->setup.config->output;
    buf_reset(&sender->url);
    buf_append_str(&sender->url, host_url(sender));
    buf_append_cstr(&sender->url, path);
    for (size_t i = 0; i < output->parameter_count; i++) {
        buf_append_char(&sender->url, i == 0 ? '?' : '&');
        buf_append_str(&sender->url, output->parameters[i].name);
        buf_append_char(&sender->url, '=');
        buf_append_str(&sender->url, output->parameters[i].value);
    }
}

static int send_call(struct sender *sender, struct http_call *call, struct http_answer *answer,
                     struct error *error)
{
    const struct ship_output *output = &sender->setup.config->output;
    if (sender->url.has_failed) return error_set(error, ERROR_LIMIT, "the url is too long");
    call->url = buf_str(&sender->url);
    call->headers = sender->headers;
    call->header_count = sender->header_count - (call->body.size == 0 ? 1 : 0);
    if (output->compression_level == 0) call->header_count = sender->header_count;
    call->timeout_ms = output->timeout_ms;
    call->body_size_max = ANSWER_MAX;
    call->basic_user = output->username;
    call->basic_password = output->password;
    call->tls = &sender->tls;
    return http_client_send(sender->client, call, answer, error);
}

/* Asks who is there. False: not to be used now. */
static bool connect_host(struct sender *sender)
{
    if (sender->is_connected) return true;
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    struct error error = { 0 };
    struct http_call call = { .method = HTTP_GET };
    build_url(sender, "/");
    int code = send_call(sender, &call, &answer, &error);
    if (code == 0 && answer.status != 200) {
        code = error_set(&error, ERROR_REFUSED, "answered %u to the question for its version",
                         answer.status);
    }
    struct str version = STR("");
    arena_reset(&sender->arena);
    if (code == 0) {
        const struct json *root = NULL;
        code = json_parse(NULL, &sender->arena, buf_str(&answer.body), &root, &error);
        if (code == 0) version = json_text(json_get_path(root, STR("version.number")), version);
        if (code == 0 && version.size == 0) {
            code = error_set(&error, ERROR_PARSE, "the answer names no version");
        }
    }
    if (code != 0) {
        fail(sender, &error);
        return false;
    }
    struct str url = host_url(sender);
    if (!sender->is_failing) {
        sl_info(sender->setup.log, "output connected", "url.full", sl_strn(url.data, url.size),
                "version", sl_strn(version.data, version.size));
    }
    sender->is_connected = true;
    return true;
}

static void drop_event(struct sender *sender, size_t index, unsigned status, struct str reason)
{
    sender->is_done[index] = true;
    sender->dropped_count++;
    pm_inc(sender->setup.failed);
    /* Said at 1, 2, 4, 8, ...: this log may be shipped, too. */
    if ((sender->dropped_count & (sender->dropped_count - 1)) != 0) return;
    const struct ship_event *event = &sender->events[index];
    struct ship_state state = registry_read(sender->setup.registry, event->state);
    if (reason.size > 1000) reason.size = 1000;
    sl_warn(sender->setup.log, "document refused by the output and dropped", "http.status", status,
            "reason", sl_strn(reason.data, reason.size), "inode", state.inode, "offset",
            event->offset, "dropped_total", sender->dropped_count);
}

/* Which events go into the next request; 0: all are done. */
static size_t collect(struct sender *sender, size_t count)
{
    size_t sent = 0;
    buf_reset(&sender->body);
    for (size_t i = 0; i < count && sent < sender->request_max; i++) {
        if (sender->is_done[i]) continue;
        const struct ship_event *event = &sender->events[i];
        buf_append(&sender->body, event->text, event->size);
        sender->sent[sent++] = i;
    }
    return sent;
}

/* 413: fewer at a time; one that is too large alone is dropped. */
static void take_too_large(struct sender *sender, size_t sent)
{
    if (sent == 1) {
        drop_event(sender, sender->sent[0], 413, STR("\"request entity too large\""));
        return;
    }
    sender->request_max = sent / 2;
    pm_inc(sender->setup.retries);
}

static int take_answer(struct sender *sender, const struct http_answer *answer, size_t sent,
                       struct error *error)
{
    arena_reset(&sender->arena);
    int code = bulk_read(buf_str(&answer->body), &sender->arena, sender->items, sent, error);
    if (code != 0) return code;
    size_t again = 0;
    unsigned status = 0;
    for (size_t i = 0; i < sent; i++) {
        const struct bulk_item *item = &sender->items[i];
        size_t index = sender->sent[i];
        switch (item->verdict) {
        case BULK_TAKEN:
            sender->is_done[index] = true;
            pm_inc(sender->setup.acknowledged);
            break;
        case BULK_AGAIN:
            again++;
            status = item->status;
            break;
        case BULK_REFUSED: drop_event(sender, index, item->status, item->reason); break;
        }
    }
    if (again == 0) return 0;
    return error_set(error, ERROR_REFUSED, "%zu of %zu documents to be sent again, status %u",
                     again, sent, status);
}

static void send_request(struct sender *sender, size_t sent)
{
    const struct ship_output *output = &sender->setup.config->output;
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    struct error error = { 0 };
    struct http_call call = { .method = HTTP_POST,
                              .content_type = "application/json; charset=UTF-8",
                              .body = buf_str(&sender->body) };
    int code = sender->body.has_failed ? error_set(&error, -ENOMEM, "no memory for a request") : 0;
    if (code == 0 && output->compression_level > 0) {
        buf_reset(&sender->packed);
        code = gzip_pack(call.body, (int)output->compression_level, &sender->packed, &error);
        call.body = buf_str(&sender->packed);
    }
    build_url(sender, "/_bulk");
    if (code == 0) code = send_call(sender, &call, &answer, &error);
    if (code == 0 && answer.status == 413) {
        take_too_large(sender, sent);
        return;
    }
    if (code == 0 && answer.status != 200) {
        struct str body = buf_str(&answer.body);
        code = error_set(&error, ERROR_REFUSED, "answered %u: %.*s", answer.status,
                         (int)(body.size < 160 ? body.size : 160), body.data);
    }
    if (code == 0) code = take_answer(sender, &answer, sent, &error);
    if (code == 0) {
        succeed(sender);
    } else {
        fail(sender, &error);
    }
}

/* ---- batches ---- */

/* False: given up because of the end. */
static bool deliver(struct sender *sender, size_t count)
{
    for (size_t i = 0; i < count; i++) sender->is_done[i] = sender->events[i].size == 0;
    for (;;) {
        size_t sent = collect(sender, count);
        if (sent == 0) break;
        if (is_abandoned(sender)) return false;
        if (connect_host(sender)) send_request(sender, sent);
    }
    if (sender->request_max < sender->setup.config->output.bulk_size_max) sender->request_max *= 2;
    if (sender->body.capacity > 2 * BODY_SIZE_MAX) {
        buf_release(&sender->body);
        buf_init(&sender->body, BODY_LIMIT);
    }
    return true;
}

static bool print(struct sender *sender, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct ship_event *event = &sender->events[i];
        if (event->size == 0) continue;
        if (fwrite(event->text, 1, event->size, stdout) != event->size) return false;
        pm_inc(sender->setup.acknowledged);
    }
    return fflush(stdout) == 0;
}

static void save(struct sender *sender, bool is_last)
{
    struct error error = { 0 };
    int64_t now_ms = clock_monotonic_ms(&clock_system);
    if (!is_last && now_ms - sender->saved_ms < SAVE_MS) return;
    sender->saved_ms = now_ms;
    int code = registry_save(sender->setup.registry, &error);
    if (code != 0 && !sender->has_save_failed) {
        sl_error(sender->setup.log, "registry not written: after a crash lines may come twice",
                 "error.message", error.text);
    } else if (code == 0 && sender->has_save_failed) {
        sl_info(sender->setup.log, "registry written again");
    }
    sender->has_save_failed = code != 0;
}

static void acknowledge(struct sender *sender, size_t count)
{
    int64_t now_ms = clock_realtime_ms(&clock_system);
    for (size_t i = 0; i < count; i++) {
        registry_acknowledge(sender->setup.registry, sender->events[i].state,
                             sender->events[i].offset, now_ms);
    }
    pipe_drop(sender->setup.pipe, count, sender->setup.registry);
}

static void *run(void *argument)
{
    struct sender *sender = argument;
    const struct ship_config *config = sender->setup.config;
    struct pipe_wish wish = { .count_max = (size_t)config->output.bulk_size_max,
                              .size_max = BODY_SIZE_MAX,
                              .linger_ms =
                                  config->flush_ms < LINGER_MS ? config->flush_ms : LINGER_MS,
                              .wait_ms = WAIT_MS };
    bool is_elastic = config->output.kind == SHIP_OUTPUT_ELASTIC;
    for (;;) {
        size_t count = pipe_peek(sender->setup.pipe, &wish, sender->events);
        if (count == 0 && pipe_is_closed(sender->setup.pipe)) {
            if (sender->setup.on_drained != NULL) sender->setup.on_drained(sender->setup.argument);
            break;
        }
        if (count > 0) {
            bool is_delivered = is_elastic ? deliver(sender, count) : print(sender, count);
            if (!is_delivered) break;
            acknowledge(sender, count);
        }
        save(sender, false);
    }
    mutex_lock(&sender->mutex);
    sender->has_ended = true;
    condition_broadcast(&sender->wake);
    mutex_unlock(&sender->mutex);
    return NULL;
}

/* ---- life ---- */

static void release(struct sender *sender)
{
    http_client_free(sender->client);
    buf_release(&sender->authorization);
    buf_release(&sender->url);
    buf_release(&sender->body);
    buf_release(&sender->packed);
    arena_release(&sender->arena);
    free(sender->events);
    free(sender->items);
    free(sender->is_done);
    free(sender->sent);
    condition_release(&sender->wake);
    mutex_release(&sender->mutex);
    free(sender);
}

/* The headers of every request; Content-Encoding last, for requests without a body leave it out. */
static void build_headers(struct sender *sender)
{
    const struct ship_output *output = &sender->setup.config->output;
    sender->headers[sender->header_count++] =
        (struct http_field){ STR("Accept"), STR("application/json") };
    if (output->api_key.size > 0) {
        buf_append_cstr(&sender->authorization, "ApiKey ");
        base64_encode(&sender->authorization, output->api_key);
        sender->headers[sender->header_count++] =
            (struct http_field){ STR("Authorization"), buf_str(&sender->authorization) };
    }
    for (size_t i = 0; i < output->header_count && i + 4 < HEADERS_MAX; i++) {
        sender->headers[sender->header_count++] =
            (struct http_field){ output->headers[i].name, output->headers[i].value };
    }
    if (output->compression_level > 0) {
        sender->headers[sender->header_count++] =
            (struct http_field){ STR("Content-Encoding"), STR("gzip") };
    }
}

static const char *path_or_null(struct str text)
{
    return text.size == 0 ? NULL : text.data;
}

static int init(struct sender *sender, struct error *error)
{
    const struct ship_output *output = &sender->setup.config->output;
    size_t count = (size_t)output->bulk_size_max;
    uint64_t seed;
    random_secret(&seed, sizeof(seed));
    random_init(&sender->random, seed);
    mutex_init(&sender->mutex);
    condition_init(&sender->wake);
    buf_init(&sender->authorization, 4096);
    buf_init(&sender->url, 8192);
    buf_init(&sender->body, BODY_LIMIT);
    buf_init(&sender->packed, BODY_LIMIT);
    arena_init(&sender->arena, ARENA_SIZE_MAX);
    build_headers(sender);
    sender->pause_ms = output->backoff_first_ms;
    sender->request_max = count;
    sender->tls = (struct http_tls){ .authority_path = path_or_null(output->tls_authority),
                                     .certificate_path = path_or_null(output->tls_certificate),
                                     .key_path = path_or_null(output->tls_key),
                                     .is_unchecked = output->tls_unchecked };
    sender->events = calloc(count, sizeof(*sender->events));
    sender->items = calloc(count, sizeof(*sender->items));
    sender->is_done = calloc(count, sizeof(*sender->is_done));
    sender->sent = calloc(count, sizeof(*sender->sent));
    if (sender->events == NULL || sender->items == NULL || sender->is_done == NULL ||
        sender->sent == NULL) {
        return error_set(error, -ENOMEM, "no memory for batches of %zu documents", count);
    }
    struct http_client_options options = { .resolve = sender->setup.resolve,
                                           .user_agent =
                                               "Filebeat/" SHIP_AGENT_VERSION " (barograph)" };
    return http_client_new(&sender->client, &options, error);
}

int sender_start(struct sender **sender_out, const struct sender_setup *setup, struct error *error)
{
    struct sender *sender = calloc(1, sizeof(*sender));
    if (sender == NULL) return error_set(error, -ENOMEM, "no memory for the sender");
    sender->setup = *setup;
    int code = init(sender, error);
    if (code == 0) code = thread_start(&sender->thread, "ship-sender", run, sender, error);
    if (code != 0) {
        release(sender);
        return code;
    }
    *sender_out = sender;
    return 0;
}

void sender_stop(struct sender *sender, int64_t timeout_ms)
{
    if (sender == NULL) return;
    int64_t end_ms = clock_monotonic_ms(&clock_system) + timeout_ms;
    mutex_lock(&sender->mutex);
    sender->is_draining = true;
    condition_broadcast(&sender->wake);
    while (!sender->has_ended) {
        int64_t left_ms = end_ms - clock_monotonic_ms(&clock_system);
        if (left_ms <= 0) break;
        (void)condition_wait_ms(&sender->wake, &sender->mutex, left_ms);
    }
    sender->is_abandoned = true;
    mutex_unlock(&sender->mutex);
    http_client_cancel(sender->client);
    thread_join(sender->thread);
    save(sender, true);
    release(sender);
}
