/* contexts.c - the table of open scrolls and points in time. */
#include "log_server/contexts.h"

#include "base/check.h"
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void contexts_init(struct contexts *contexts, const struct clock *clock)
{
    *contexts = (struct contexts){ .clock = clock };
    mutex_init(&contexts->mutex);
}

static void context_free(struct context *context)
{
    logstore_snapshot_free(context->snapshot);
    arena_release(&context->arena);
    buf_release(&context->after);
    mutex_release(&context->mutex);
    free(context);
}

/* Takes it out of the table; the last holder frees it. */
static void close_locked(struct contexts *contexts, struct context *context)
{
    (void)map_remove(&contexts->by_id, str_from(context->id));
    context->is_closed = true;
    if (context->ref_count == 0) context_free(context);
}

void contexts_release(struct contexts *contexts)
{
    if (contexts->clock == NULL) return;
    (void)contexts_close_all(contexts, false);
    (void)contexts_close_all(contexts, true);
    map_release(&contexts->by_id);
    mutex_release(&contexts->mutex);
}

static struct context *any_locked(struct contexts *contexts, bool is_scroll, int64_t dead_ms)
{
    size_t position = 0;
    struct str id;
    void *value;
    while (map_next(&contexts->by_id, &position, &id, &value)) {
        struct context *context = value;
        bool is_used = dead_ms != INT64_MAX && context->ref_count > 0;
        bool is_meant = dead_ms != INT64_MAX || context->is_scroll == is_scroll;
        if (is_meant && !is_used && context->expires_ms <= dead_ms) return context;
    }
    return NULL;
}

static void reap_locked(struct contexts *contexts)
{
    int64_t now_ms = clock_monotonic_ms(contexts->clock);
    struct context *dead;
    while ((dead = any_locked(contexts, false, now_ms)) != NULL) {
        contexts->expired_total++;
        close_locked(contexts, dead);
    }
}

void contexts_reap(struct contexts *contexts)
{
    mutex_lock(&contexts->mutex);
    reap_locked(contexts);
    mutex_unlock(&contexts->mutex);
}

static void make_id(struct context *context)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    random_secret(context->id, CONTEXT_ID_SIZE);
    for (size_t i = 0; i < CONTEXT_ID_SIZE; i++) {
        context->id[i] = alphabet[(unsigned char)context->id[i] % 64];
    }
}

int contexts_open(struct contexts *contexts, struct logstore_snapshot *snapshot, bool is_scroll,
                  int64_t keep_alive_ms, struct context **out, struct error *error)
{
    struct context *context = calloc(1, sizeof(*context));
    if (context == NULL) {
        logstore_snapshot_free(snapshot);
        return error_set(error, -ENOMEM, "open a search context: out of memory");
    }
    mutex_init(&context->mutex);
    arena_init(&context->arena, CONTEXT_MEMORY_MAX);
    buf_init(&context->after, CONTEXT_MEMORY_MAX);
    context->snapshot = snapshot;
    context->is_scroll = is_scroll;
    context->keep_alive_ms = keep_alive_ms;
    context->ref_count = 1;
    make_id(context);
    mutex_lock(&contexts->mutex);
    reap_locked(contexts);
    int code = 0;
    if (contexts->by_id.count >= CONTEXTS_MAX) {
        code = error_set(error, ERROR_REFUSED,
                         "Trying to create too many scroll or point in time contexts. Must be "
                         "less than or equal to: [%d].",
                         CONTEXTS_MAX);
    } else if (map_put(&contexts->by_id, str_from(context->id), context) < 0) {
        code = error_set(error, -ENOMEM, "open a search context: out of memory");
    }
    context->expires_ms = clock_monotonic_ms(contexts->clock) + keep_alive_ms;
    if (code == 0) contexts->opened_total[is_scroll]++;
    mutex_unlock(&contexts->mutex);
    if (code < 0) {
        context_free(context);
        return code;
    }
    *out = context;
    return 0;
}

struct context *contexts_find(struct contexts *contexts, struct str id, bool is_scroll,
                              int64_t keep_alive_ms)
{
    mutex_lock(&contexts->mutex);
    reap_locked(contexts);
    struct context *context = map_get(&contexts->by_id, id);
    if (context != NULL && context->is_scroll != is_scroll) context = NULL;
    if (context != NULL) {
        if (keep_alive_ms > 0) context->keep_alive_ms = keep_alive_ms;
        context->ref_count++;
    }
    mutex_unlock(&contexts->mutex);
    return context;
}

void contexts_put(struct contexts *contexts, struct context *context)
{
    mutex_lock(&contexts->mutex);
    CHECK(context->ref_count > 0);
    context->expires_ms = clock_monotonic_ms(contexts->clock) + context->keep_alive_ms;
    if (--context->ref_count == 0 && context->is_closed) context_free(context);
    mutex_unlock(&contexts->mutex);
}

bool contexts_close(struct contexts *contexts, struct str id, bool is_scroll)
{
    mutex_lock(&contexts->mutex);
    struct context *context = map_get(&contexts->by_id, id);
    if (context != NULL && context->is_scroll != is_scroll) context = NULL;
    if (context != NULL) close_locked(contexts, context);
    mutex_unlock(&contexts->mutex);
    return context != NULL;
}

size_t contexts_close_all(struct contexts *contexts, bool is_scroll)
{
    size_t count = 0;
    struct context *context;
    mutex_lock(&contexts->mutex);
    while ((context = any_locked(contexts, is_scroll, INT64_MAX)) != NULL) {
        close_locked(contexts, context);
        count++;
    }
    mutex_unlock(&contexts->mutex);
    return count;
}

size_t contexts_count(struct contexts *contexts, bool is_scroll)
{
    size_t count = 0;
    size_t position = 0;
    struct str id;
    void *value;
    mutex_lock(&contexts->mutex);
    while (map_next(&contexts->by_id, &position, &id, &value)) {
        count += ((const struct context *)value)->is_scroll == is_scroll;
    }
    mutex_unlock(&contexts->mutex);
    return count;
}

struct time_unit {
    struct str name;
    double ms;
};

static const struct time_unit time_units[] = {
    { STR_INIT("nanos"), 1e-6 }, { STR_INIT("micros"), 1e-3 }, { STR_INIT("ms"), 1 },
    { STR_INIT("s"), 1e3 },      { STR_INIT("m"), 60e3 },      { STR_INIT("h"), 3600e3 },
    { STR_INIT("d"), 86400e3 },
};

bool time_value_parse(struct str text, int64_t *ms)
{
    int64_t number;
    size_t digits = 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
    if (str_equal(text, STR("-1")) || str_equal(text, STR("0"))) {
        *ms = text.size == 2 ? -1 : 0;
        return true;
    }
    if (digits == 0 || digits > 12 || !str_to_int64(str_first(text, digits), &number)) return false;
    for (size_t i = 0; i < ARRAY_LENGTH(time_units); i++) {
        if (!str_equal(time_units[i].name, str_skip(text, digits))) continue;
        *ms = (int64_t)((double)number * time_units[i].ms);
        return true;
    }
    return false;
}
