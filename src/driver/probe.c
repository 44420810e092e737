/* probe.c - one thread a target, the last result of each behind a mutex. */
#include "driver/probe.h"

#include "base/check.h"
#include "base/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define REDIRECTS_MAX 10

enum phase { PHASE_RESOLVE, PHASE_CONNECT, PHASE_TLS, PHASE_PROCESSING, PHASE_TRANSFER, PHASES };
static const char *const phase_names[PHASES] = { "resolve", "connect", "tls", "processing",
                                                 "transfer" };

/* What one probe found. Everything is 0 until the first one has ended. */
struct result {
    bool is_there;
    bool is_success;
    bool has_address;
    bool is_ip6;
    double duration_s;
    double phases_s[PHASES];
    unsigned status;
    unsigned redirect_count;
    double http_version;
    double content_length; /* -1: not told */
    double body_size;
    bool is_tls;
    int64_t certificate_expiry_s;
    char tls_version[16];
};

/* Owned by: its thread, but for what mutex guards. */
struct probe {
    struct probe_set *set;
    struct probe_target target;
    pthread_t thread;
    bool is_running;
    struct mutex mutex;
    struct result last GUARDED_BY(mutex);
};

struct probe_set {
    struct probe_setup setup;
    struct http_client *client;
    struct mutex mutex;
    struct condition stopped;
    bool is_stopping GUARDED_BY(mutex);
    size_t count;
    struct probe probes[];
};

static void take_answer(const struct http_answer *answer, struct result *result)
{
    const struct http_timings *timings = &answer->timings;
    result->phases_s[PHASE_RESOLVE] = (double)timings->resolve_ns / 1e9;
    result->phases_s[PHASE_CONNECT] = (double)timings->connect_ns / 1e9;
    result->phases_s[PHASE_TLS] = (double)timings->tls_ns / 1e9;
    result->phases_s[PHASE_PROCESSING] = (double)timings->processing_ns / 1e9;
    result->phases_s[PHASE_TRANSFER] = (double)timings->transfer_ns / 1e9;
    result->status = answer->status;
    result->redirect_count = answer->redirect_count;
    result->http_version = answer->version / 10.0;
    result->body_size = (double)answer->body.size;
    result->is_tls = answer->is_tls;
    result->is_ip6 = answer->is_ip6;
    result->has_address = answer->address[0] != '\0';
    result->certificate_expiry_s = answer->certificate_expiry_s;
    memcpy(result->tls_version, answer->tls_version, sizeof(result->tls_version));

    uint64_t length;
    result->content_length = -1;
    if (str_to_uint64(http_answer_header(answer, "Content-Length"), &length)) {
        result->content_length = (double)length;
    }
}

static int probe_http(struct probe *probe, struct result *result, struct error *error)
{
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    struct http_call call = {
        .url = str_from(probe->target.address),
        .timeout_ms = probe->target.timeout_ms,
        .body_size_max = PROBE_BODY_SIZE_MAX,
        .redirect_max = REDIRECTS_MAX,
        .wants_fresh = true,
    };
    int code = http_client_send(probe->set->client, &call, &answer, error);
    take_answer(&answer, result);
    if (code < 0) return code;
    if (answer.status < 200 || answer.status > 299) {
        return error_set(error, ERROR_INVALID, "status %u is not from 200 to 299", answer.status);
    }
    return 0;
}

static int probe_tcp(struct probe *probe, struct result *result, struct error *error)
{
    struct http_dial dial = { .resolve = probe->set->setup.resolve,
                              .target = str_from(probe->target.address),
                              .timeout_ms = probe->target.timeout_ms };
    struct http_dial_facts facts = { 0 };
    int descriptor = -1;
    int code = http_dial(&dial, &descriptor, &facts, error);
    if (code == 0) (void)close(descriptor);
    result->phases_s[PHASE_RESOLVE] = (double)facts.resolve_ns / 1e9;
    result->phases_s[PHASE_CONNECT] = (double)facts.connect_ns / 1e9;
    result->is_ip6 = facts.is_ip6;
    result->has_address = facts.is_resolved;
    return code;
}

/* Each probe is an event; one that changes its mind says so louder. */
static void log_result(const struct probe *probe, const struct result *result, bool was_success,
                       const struct error *error)
{
    struct sl_logger *log = probe->set->setup.log;
    const char *name = probe->target.name;
    const char *target = probe->target.address;
    if (result->is_success && was_success) {
        sl_info(log, "probe succeeded", "probe", name, "url.full", target, "event.duration",
                (int64_t)(result->duration_s * 1e9), "http.response.status_code", result->status);
    } else if (result->is_success) {
        sl_info(log, "probe recovered", "probe", name, "url.full", target, "event.duration",
                (int64_t)(result->duration_s * 1e9), "http.response.status_code", result->status);
    } else {
        sl_warn(log, "probe failed", "probe", name, "url.full", target, "event.duration",
                (int64_t)(result->duration_s * 1e9), "error.message", error->text);
    }
}

static void probe_once(struct probe *probe)
{
    const struct clock *clock = probe->set->setup.clock;
    struct result result = { .is_there = true };
    struct error error = { 0 };
    int64_t start_ns = clock_monotonic_ns(clock);
    int code = probe->target.kind == PROBE_HTTP ? probe_http(probe, &result, &error)
                                                : probe_tcp(probe, &result, &error);
    result.is_success = code == 0;
    result.duration_s = (double)(clock_monotonic_ns(clock) - start_ns) / 1e9;

    mutex_lock(&probe->mutex);
    bool was_success = !probe->last.is_there || probe->last.is_success;
    probe->last = result;
    mutex_unlock(&probe->mutex);
    if (code != ERROR_CLOSED) log_result(probe, &result, was_success, &error);
}

/* Waits until it is time or the set stops; true: go on. */
static bool wait_until(struct probe_set *set, int64_t due_ms)
{
    mutex_lock(&set->mutex);
    while (!set->is_stopping) {
        int64_t left_ms = due_ms - clock_monotonic_ms(set->setup.clock);
        if (left_ms <= 0) break;
        (void)condition_wait_ms(&set->stopped, &set->mutex, left_ms);
    }
    bool goes_on = !set->is_stopping;
    mutex_unlock(&set->mutex);
    return goes_on;
}

/* Probes at a steady beat; a beat that passed during a slow probe is left out. */
static void *run(void *argument)
{
    struct probe *probe = argument;
    const struct clock *clock = probe->set->setup.clock;
    int64_t due_ms = clock_monotonic_ms(clock);
    while (wait_until(probe->set, due_ms)) {
        probe_once(probe);
        int64_t now_ms = clock_monotonic_ms(clock);
        due_ms += probe->target.interval_ms;
        if (due_ms < now_ms) due_ms = now_ms + probe->target.interval_ms;
    }
    return NULL;
}

void probe_set_free(struct probe_set *set)
{
    if (set == NULL) return;
    mutex_lock(&set->mutex);
    set->is_stopping = true;
    condition_broadcast(&set->stopped);
    mutex_unlock(&set->mutex);
    if (set->client != NULL) http_client_cancel(set->client);
    for (size_t i = 0; i < set->count; i++) {
        if (set->probes[i].is_running) thread_join(set->probes[i].thread);
        mutex_release(&set->probes[i].mutex);
    }
    http_client_free(set->client);
    condition_release(&set->stopped);
    mutex_release(&set->mutex);
    free(set);
}

void probe_set_cleanup(struct probe_set **set)
{
    probe_set_free(*set);
}

int probe_set_start(struct probe_set **set_out, const struct probe_setup *setup,
                    struct error *error)
{
    if (setup->target_count > PROBE_TARGETS_MAX) {
        return error_set(error, ERROR_LIMIT, "%zu probe targets, at most %d", setup->target_count,
                         PROBE_TARGETS_MAX);
    }
    CLEANUP(probe_set_cleanup)
    struct probe_set *set = calloc(1, sizeof(*set) + setup->target_count * sizeof(set->probes[0]));
    if (set == NULL) return error_set(error, -ENOMEM, "no memory for the probes");
    set->setup = *setup;
    set->count = setup->target_count;
    mutex_init(&set->mutex);
    condition_init(&set->stopped);
    for (size_t i = 0; i < set->count; i++) {
        set->probes[i].set = set;
        set->probes[i].target = setup->targets[i];
        mutex_init(&set->probes[i].mutex);
    }
    struct http_client_options options = { .resolve = setup->resolve };
    int code = http_client_new(&set->client, &options, error);
    for (size_t i = 0; i < set->count && code == 0; i++) {
        struct probe *probe = &set->probes[i];
        code = thread_start(&probe->thread, "probe", run, probe, error);
        probe->is_running = code == 0;
    }
    if (code != 0) return code;
    *set_out = set;
    set = NULL;
    return 0;
}

/* ---- what a scrape shows ---- */

/* Copies of all last results, so that no family sees one older than another. */
struct view {
    size_t count;
    const struct probe_target *targets[PROBE_TARGETS_MAX];
    struct result results[PROBE_TARGETS_MAX];
};

static const char *module_of(const struct probe_target *target)
{
    return target->kind == PROBE_HTTP ? "http" : "tcp";
}

/* What each gauge shows of a result. */
static double value_success(const struct result *r)
{
    return r->is_success ? 1 : 0;
}

static double value_duration(const struct result *r)
{
    return r->duration_s;
}

static double value_dns(const struct result *r)
{
    return r->phases_s[PHASE_RESOLVE];
}

static double value_protocol(const struct result *r)
{
    if (!r->has_address) return 0;
    return r->is_ip6 ? 6 : 4;
}

static double value_status(const struct result *r)
{
    return r->status;
}

static double value_version(const struct result *r)
{
    return r->http_version;
}

static double value_redirects(const struct result *r)
{
    return r->redirect_count;
}

static double value_ssl(const struct result *r)
{
    return r->is_tls ? 1 : 0;
}

static double value_length(const struct result *r)
{
    return r->content_length;
}

static double value_body(const struct result *r)
{
    return r->body_size;
}

static const struct {
    bool is_http_only;
    double (*value)(const struct result *result);
    const char *name;
    const char *help;
} gauges[] = {
    { false, value_success, "probe_success", "Displays whether or not the probe was a success." },
    { false, value_duration, "probe_duration_seconds",
      "Returns how long the probe took to complete in seconds." },
    { false, value_dns, "probe_dns_lookup_time_seconds",
      "Returns the time taken for probe dns lookup in seconds." },
    { false, value_protocol, "probe_ip_protocol",
      "Specifies whether probe ip protocol is IP4 or IP6." },
    { true, value_status, "probe_http_status_code", "Response HTTP status code." },
    { true, value_version, "probe_http_version",
      "Returns the version of HTTP of the probe response." },
    { true, value_redirects, "probe_http_redirects", "The number of redirects." },
    { true, value_ssl, "probe_http_ssl", "Indicates if SSL was used for the final redirect." },
    { true, value_length, "probe_http_content_length", "Length of http content response." },
    { true, value_body, "probe_http_uncompressed_body_length",
      "Length of uncompressed response body." },
};

static void emit_gauges(struct pm_emit *emit, const struct view *view)
{
    for (size_t gauge = 0; gauge < ARRAY_LENGTH(gauges); gauge++) {
        pm_emit_family(emit, PM_GAUGE, gauges[gauge].name, gauges[gauge].help);
        for (size_t i = 0; i < view->count; i++) {
            const struct probe_target *target = view->targets[i];
            if (gauges[gauge].is_http_only && target->kind != PROBE_HTTP) continue;
            pm_emit_value(emit, gauges[gauge].value(&view->results[i]), "module", module_of(target),
                          "probe", target->name, "target", target->address);
        }
    }
}

static void emit_phases(struct pm_emit *emit, const struct view *view)
{
    pm_emit_family(emit, PM_GAUGE, "probe_http_duration_seconds",
                   "Duration of http request by phase, summed over all redirects.");
    for (size_t i = 0; i < view->count; i++) {
        const struct probe_target *target = view->targets[i];
        if (target->kind != PROBE_HTTP) continue;
        for (size_t phase = 0; phase < PHASES; phase++) {
            pm_emit_value(emit, view->results[i].phases_s[phase], "module", module_of(target),
                          "phase", phase_names[phase], "probe", target->name, "target",
                          target->address);
        }
    }
}

static void emit_tls(struct pm_emit *emit, const struct view *view)
{
    pm_emit_family(emit, PM_GAUGE, "probe_ssl_earliest_cert_expiry",
                   "Returns earliest SSL cert expiry in unixtime.");
    for (size_t i = 0; i < view->count; i++) {
        if (view->results[i].certificate_expiry_s == 0) continue;
        const struct probe_target *target = view->targets[i];
        pm_emit_value(emit, (double)view->results[i].certificate_expiry_s, "module",
                      module_of(target), "probe", target->name, "target", target->address);
    }
    pm_emit_family(emit, PM_GAUGE, "probe_tls_version_info",
                   "Returns the TLS version used or NaN when unknown.");
    for (size_t i = 0; i < view->count; i++) {
        if (view->results[i].tls_version[0] == '\0') continue;
        const struct probe_target *target = view->targets[i];
        pm_emit_value(emit, 1, "module", module_of(target), "probe", target->name, "target",
                      target->address, "version", view->results[i].tls_version);
    }
}

void probe_collect(struct pm_emit *emit, void *arg)
{
    struct probe_set *set = arg;
    struct view *view = calloc(1, sizeof(*view));
    if (view == NULL) return;
    CHECK(set->count <= PROBE_TARGETS_MAX);
    for (size_t i = 0; i < set->count; i++) {
        struct probe *probe = &set->probes[i];
        mutex_lock(&probe->mutex);
        struct result result = probe->last;
        mutex_unlock(&probe->mutex);
        if (!result.is_there) continue;
        view->targets[view->count] = &probe->target;
        view->results[view->count++] = result;
    }
    emit_gauges(emit, view);
    emit_phases(emit, view);
    emit_tls(emit, view);
    free(view);
}
