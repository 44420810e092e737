/* client.c - asking other HTTP servers, over libcurl.
 *
 * A handle of libcurl belongs to one thread at a time and keeps its connections. The client holds a
 * stack of idle handles; a call takes the one that spoke to the same place last, else the one used
 * last of all, else a new one, so that a scrape loop finds its connection open each time. Plain
 * calls whose caller needs no facts go over sockets taken over from such handles: kept.h.
 */
#include "http/client.h"

#include "base/clock.h"
#include "base/thread.h"
#include "http/call.h"
#include "http/kept.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PLACE_SIZE           128 /* of "host:port" by which handles are told apart */
#define HEADERS_MAX          256
#define HEADERS_SIZE_MAX     ((size_t)256 * 1024)
#define TIMEOUT_MS           30000
#define BODY_SIZE_MAX        ((size_t)64 * 1024 * 1024)
#define CONNECTIONS_A_HANDLE 4

struct handle {
    CURL *easy;
    char place[PLACE_SIZE]; /* of the last call */
};

/* Lock: mutex guards idle and idle_count. */
struct http_client {
    struct mutex mutex;
    struct handle *idle; /* idle_max places */
    unsigned idle_count;
    unsigned idle_max;
    atomic_bool is_cancelled;
    struct curl_slist *connect_to;
    struct kept_pool kept;
    char user_agent[128];
};

int http_client_new(struct http_client **client_out, const struct http_client_options *options,
                    struct error *error)
{
    call_init_curl();
    CLEANUP(http_client_cleanup) struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL) return error_set(error, -ENOMEM, "no memory for a client");
    mutex_init(&client->mutex);
    client->idle_max = options->connection_max > 0 ? options->connection_max : 16;
    client->idle = calloc(client->idle_max, sizeof(*client->idle));
    if (client->idle == NULL || !call_connect_list(options->resolve, &client->connect_to) ||
        kept_init(&client->kept, client->idle_max) != 0) {
        return error_set(error, -ENOMEM, "no memory for a client");
    }
    const char *agent = options->user_agent;
    (void)snprintf(client->user_agent, sizeof(client->user_agent), "%s",
                   agent != NULL ? agent : "barograph/" BAROGRAPH_VERSION);
    *client_out = client;
    client = NULL;
    return 0;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL) return;
    for (unsigned i = 0; i < client->idle_count; i++) curl_easy_cleanup(client->idle[i].easy);
    free(client->idle);
    curl_slist_free_all(client->connect_to);
    kept_release(&client->kept);
    mutex_release(&client->mutex);
    free(client);
}

void http_client_cleanup(struct http_client **client)
{
    http_client_free(*client);
}

void http_client_cancel(struct http_client *client)
{
    atomic_store(&client->is_cancelled, true);
}

void http_answer_release(struct http_answer *answer)
{
    buf_release(&answer->body);
    arena_release(&answer->arena);
    answer->headers = (struct http_fields){ 0 };
}

struct str http_answer_header(const struct http_answer *answer, const char *name)
{
    return http_fields_get_nocase(&answer->headers, str_from(name));
}

/* ---- handles ---- */

/* "host:port" of a URL: enough to find a connection again; two places with one name only cost. */
static void print_place(struct str url, char *place)
{
    size_t start = str_find(url, STR("://"));
    struct str rest = start == STR_NONE ? url : str_skip(url, start + 3);
    size_t size = 0;
    while (size < rest.size && size < PLACE_SIZE - 1 && rest.data[size] != '/' &&
           rest.data[size] != '?') {
        place[size] = rest.data[size];
        size++;
    }
    place[size] = '\0';
}

static struct handle take_handle(struct http_client *client, const char *place)
{
    struct handle handle = { 0 };
    mutex_lock(&client->mutex);
    if (client->idle_count > 0) {
        unsigned chosen = client->idle_count - 1;
        bool is_known = false;
        for (unsigned i = client->idle_count; i > 0 && !is_known; i--) {
            is_known = strcmp(client->idle[i - 1].place, place) == 0;
            if (is_known) chosen = i - 1;
        }
        /* A handle that knows another place is better kept for it while there is room. */
        if (is_known || client->idle_count == client->idle_max) {
            if (!is_known) chosen = 0; /* used longest ago */
            handle = client->idle[chosen];
            client->idle_count--;
            memmove(&client->idle[chosen], &client->idle[chosen + 1],
                    (client->idle_count - chosen) * sizeof(*client->idle));
        }
    }
    mutex_unlock(&client->mutex);
    if (handle.easy == NULL) handle.easy = curl_easy_init();
    (void)snprintf(handle.place, sizeof(handle.place), "%s", place);
    return handle;
}

static void give_back(struct http_client *client, struct handle *handle, bool is_kept)
{
    mutex_lock(&client->mutex);
    bool fits = is_kept && client->idle_count < client->idle_max;
    if (fits) client->idle[client->idle_count++] = *handle;
    mutex_unlock(&client->mutex);
    if (!fits) curl_easy_cleanup(handle->easy);
}

/* ---- one call ---- */

/* What the callbacks of a running call need. Owned by: the calling thread. */
struct running {
    struct http_client *client;
    const struct http_call *call;
    struct http_answer *answer;
    CURL *easy;
    bool is_over_limit;
    struct curl_slist *headers;
    char *url;
    char *user;
    char *bearer;
    char detail[CURL_ERROR_SIZE];
};

static void running_release(struct running *running)
{
    curl_slist_free_all(running->headers);
    free(running->url);
    free(running->user);
    free(running->bearer);
}

static size_t take_body(char *bytes, size_t item_size, size_t count, void *argument)
{
    struct running *running = argument;
    size_t size = item_size * count;
    buf_append(&running->answer->body, bytes, size);
    if (!running->answer->body.has_failed) return size;
    running->is_over_limit = true;
    return 0;
}

static void note_tls(struct running *running)
{
    struct curl_tlssessioninfo *info = NULL;
    (void)curl_easy_getinfo(running->easy, CURLINFO_TLS_SSL_PTR, &info);
    if (info == NULL || info->backend != CURLSSLBACKEND_GNUTLS || info->internals == NULL) return;
    const char *name = gnutls_protocol_get_name(gnutls_protocol_get_version(info->internals));
    struct http_answer *answer = running->answer;
    answer->is_tls = true;
    if (name == NULL) return;
    bool is_plain = str_starts_with(str_from(name), STR("TLS"));
    (void)snprintf(answer->tls_version, sizeof(answer->tls_version), "%s%s", is_plain ? "TLS " : "",
                   is_plain ? name + 3 : name);
}

static size_t take_header(char *bytes, size_t item_size, size_t count, void *argument)
{
    struct running *running = argument;
    struct http_answer *answer = running->answer;
    size_t size = item_size * count;
    struct str line = str_trim((struct str){ bytes, size });
    if (str_starts_with(line, STR("HTTP/"))) { /* an answer begins: after a redirect anew */
        answer->headers.count = 0;
        note_tls(running);
        return size;
    }
    struct str value = line;
    struct str name = str_cut(&value, ':');
    if (line.size == 0 || value.data == NULL) return size;
    struct http_field field = { arena_copy(&answer->arena, str_trim(name)),
                                arena_copy(&answer->arena, str_trim(value)) };
    if (field.name.data == NULL || field.value.data == NULL ||
        answer->headers.count == HEADERS_MAX) {
        running->is_over_limit = true;
        return 0;
    }
    answer->headers.items[answer->headers.count++] = field;
    return size;
}

static int watch(void *argument, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                 curl_off_t up)
{
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    struct running *running = argument;
    return atomic_load(&running->client->is_cancelled) ? 1 : 0;
}

static bool add_header(struct running *running, struct str name, struct str value)
{
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] == '\r' || value.data[i] == '\n' || value.data[i] == '\0') return false;
    }
    CLEANUP(buf_release) struct buf line;
    buf_init(&line, HEADERS_SIZE_MAX);
    buf_append_str(&line, name);
    /* libcurl takes "Name:" as "do not send it"; an empty value is asked for with ';'. */
    buf_append_str(&line, value.size == 0 ? STR(";") : STR(": "));
    buf_append_str(&line, value);
    struct curl_slist *longer = curl_slist_append(running->headers, buf_cstr(&line));
    if (longer == NULL || line.has_failed) return false;
    running->headers = longer;
    return true;
}

static bool prepare_headers(struct running *running)
{
    const struct http_call *call = running->call;
    bool is_good = true;
    for (size_t i = 0; i < call->header_count; i++) {
        is_good = is_good && add_header(running, call->headers[i].name, call->headers[i].value);
    }
    if (call->content_type != NULL) {
        is_good = is_good && add_header(running, STR("Content-Type"), str_from(call->content_type));
    } else if (call->body.data != NULL) {
        struct curl_slist *longer = curl_slist_append(running->headers, "Content-Type:");
        is_good = is_good && longer != NULL;
        if (longer != NULL) running->headers = longer;
    }
    /* No Expect: a peer that does not know it would cost a second. */
    struct curl_slist *longer = curl_slist_append(running->headers, "Expect:");
    if (longer != NULL) running->headers = longer;
    return is_good && longer != NULL;
}

static bool prepare_texts(struct running *running)
{
    const struct http_call *call = running->call;
    running->url = str_copy(call->url);
    if (running->url == NULL) return false;
    if (call->basic_user.size > 0 || call->basic_password.size > 0) {
        CLEANUP(buf_release) struct buf user;
        buf_init(&user, 4096);
        buf_append_str(&user, call->basic_user);
        buf_append_char(&user, ':');
        buf_append_str(&user, call->basic_password);
        running->user = user.has_failed ? NULL : str_copy(buf_str(&user));
        if (running->user == NULL) return false;
    }
    if (call->bearer.size > 0) {
        running->bearer = str_copy(call->bearer);
        if (running->bearer == NULL) return false;
    }
    return true;
}

static void set_method(const struct running *running)
{
    const struct http_call *call = running->call;
    CURL *easy = running->easy;
    bool has_body = call->body.data != NULL;
    enum http_method method = call->method;
    if (method == 0) method = has_body ? HTTP_POST : HTTP_GET;
    if (has_body || method == HTTP_POST) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, has_body ? call->body.data : "");
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
    }
    if (method == HTTP_HEAD) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (method != HTTP_POST && (has_body || method != HTTP_GET)) {
        (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, http_method_name(method));
    }
}

static void set_tls(const struct running *running)
{
    CURL *easy = running->easy;
    const struct http_tls *tls = running->call->tls;
    (void)curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
    if (tls == NULL) return;
    if (tls->authority_path != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, tls->authority_path);
    }
    if (tls->certificate_path != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->certificate_path);
    }
    if (tls->key_path != NULL) (void)curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key_path);
    if (tls->is_unchecked) {
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_limits(const struct running *running)
{
    const struct http_call *call = running->call;
    CURL *easy = running->easy;
    long timeout_ms = call->timeout_ms > 0 ? (long)call->timeout_ms : TIMEOUT_MS;
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                           call->connect_timeout_ms > 0 ? (long)call->connect_timeout_ms
                                                        : timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, call->redirect_max > 0 ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)call->redirect_max);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, (long)CONNECTIONS_A_HANDLE);
    (void)curl_easy_setopt(easy, CURLOPT_IPRESOLVE, call_family(call->family));
    if (!call->wants_fresh) return;
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
}

static void set_everything(struct running *running)
{
    CURL *easy = running->easy;
    struct http_client *client = running->client;
    curl_easy_reset(easy);
    (void)curl_easy_setopt(easy, CURLOPT_URL, running->url);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECT_TO, client->connect_to);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, running->headers);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, running->detail);
    /* Answers of a scrape come to 100 KB and more: a call of the system for each 16 KB is dear. */
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 65536L);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, running);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, running);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, watch);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFODATA, running);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    if (!running->call->refuses_gzip) {
        (void)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    }
    if (running->user != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        (void)curl_easy_setopt(easy, CURLOPT_USERPWD, running->user);
    } else if (running->bearer != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        (void)curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, running->bearer);
    }
    set_method(running);
    set_limits(running);
    set_tls(running);
}

/* "Expire date:2026-12-31 23:59:59 GMT" of the certificate that ends first. */
static int64_t earliest_expiry_s(CURL *easy)
{
    struct curl_certinfo *chain = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL) return 0;
    int64_t earliest = 0;
    for (int i = 0; i < chain->num_of_certs; i++) {
        for (struct curl_slist *line = chain->certinfo[i]; line != NULL; line = line->next) {
            struct str text = str_from(line->data);
            struct str key = STR("Expire date:");
            if (!str_starts_with(text, key)) continue;
            char stamp[32];
            struct str when = str_first(str_skip(text, key.size),
                                        text.size - key.size < 19 ? text.size - key.size : 19);
            (void)snprintf(stamp, sizeof(stamp), STR_FMT "Z", STR_ARG(when));
            int64_t ns = 0;
            if (!clock_rfc3339_parse(str_from(stamp), &ns)) continue;
            int64_t s = ns / 1000000000;
            if (earliest == 0 || s < earliest) earliest = s;
        }
    }
    return earliest;
}

static void read_facts(struct running *running)
{
    struct http_answer *answer = running->answer;
    CURL *easy = running->easy;
    long number = 0;
    call_read_facts(easy, answer);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &number);
    answer->status = (unsigned)number;
    (void)curl_easy_getinfo(easy, CURLINFO_REDIRECT_COUNT, &number);
    answer->redirect_count = (unsigned)number;
    (void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &number);
    answer->was_kept = number == 0 && answer->status != 0;
    (void)curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &number);
    answer->version = number == CURL_HTTP_VERSION_1_0   ? 10
                      : number == CURL_HTTP_VERSION_1_1 ? 11
                      : number == CURL_HTTP_VERSION_2_0 ? 20
                                                        : 0;
    curl_off_t received = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    answer->received_size = (size_t)received;
    char *url = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
    (void)snprintf(answer->url, sizeof(answer->url), "%s", url == NULL ? "" : url);
    if (answer->is_tls) answer->certificate_expiry_s = earliest_expiry_s(easy);
}

/* An empty answer that keeps the memory of the one before. */
static bool begin_answer(struct http_answer *answer, size_t body_size_max)
{
    struct buf body = answer->body;
    struct arena arena = answer->arena;
    *answer = (struct http_answer){ .body = body, .arena = arena };
    buf_reset(&answer->body);
    answer->body.size_max = body_size_max;
    if (arena.size_max == 0) {
        arena_init(&answer->arena, HEADERS_SIZE_MAX);
    } else {
        arena_reset(&answer->arena);
    }
    answer->headers.items = ARENA_ARRAY(&answer->arena, struct http_field, HEADERS_MAX);
    return answer->headers.items != NULL;
}

/* Takes the socket of a plain answer over. True: the handle is to be closed. */
static bool adopt(const struct running *running)
{
    const struct http_answer *answer = running->answer;
    curl_socket_t open = CURL_SOCKET_BAD;
    bool is_plain = answer->status == 200 && answer->version == 11 && answer->redirect_count == 0;
    if (!is_plain || !kept_fits(running->call)) return false;
    (void)curl_easy_getinfo(running->easy, CURLINFO_ACTIVESOCKET, &open);
    if (open == CURL_SOCKET_BAD) return false;
    kept_adopt(&running->client->kept, running->call, open);
    return true;
}

static int send_by_curl(struct http_client *client, const struct http_call *call,
                        size_t body_size_max, struct http_answer *answer, struct error *error)
{
    CLEANUP(running_release)
    struct running running = { .client = client, .call = call, .answer = answer };
    if (!begin_answer(answer, body_size_max) || !prepare_texts(&running)) {
        return error_set(error, -ENOMEM, "no memory for a call");
    }
    if (!prepare_headers(&running)) {
        answer->failure = HTTP_FAILURE_CALL;
        return error_set(error, ERROR_INVALID, "a header of the call holds a line break");
    }
    char place[PLACE_SIZE];
    print_place(call->url, place);
    struct handle handle = take_handle(client, place);
    if (handle.easy == NULL) return error_set(error, -ENOMEM, "no memory for a call");
    running.easy = handle.easy;
    set_everything(&running);

    CURLcode result = curl_easy_perform(handle.easy);
    read_facts(&running);
    int code = 0;
    if (result != CURLE_OK) {
        answer->failure = running.is_over_limit ? HTTP_FAILURE_LIMIT : call_failure(result);
        bool is_garbage = result == CURLE_UNSUPPORTED_PROTOCOL && answer->address[0] != '\0';
        if (is_garbage) answer->failure = HTTP_FAILURE_PROTOCOL; /* HTTP/0.9 is refused so */
        code = running.is_over_limit
                   ? error_set(error, ERROR_LIMIT, "answer is larger than its limit of %zu bytes",
                               body_size_max)
                   : call_error(handle.easy, answer->failure, result, running.detail, error);
    }
    bool is_adopted = code == 0 && adopt(&running);
    give_back(client, &handle, !call->wants_fresh && !is_adopted);
    return code;
}

/* 1: it is for libcurl. */
static int send_by_kept(struct http_client *client, const struct http_call *call,
                        size_t body_size_max, struct http_answer *answer, struct error *error)
{
    struct kept_context context = { .user_agent = client->user_agent,
                                    .body_size_max = body_size_max,
                                    .is_cancelled = &client->is_cancelled };
    if (!kept_fits(call)) return 1;
    if (!begin_answer(answer, body_size_max)) {
        return error_set(error, -ENOMEM, "no memory for a call");
    }
    return kept_send(&client->kept, call, &context, answer, error);
}

int http_client_send(struct http_client *client, const struct http_call *call,
                     struct http_answer *answer, struct error *error)
{
    size_t body_size_max = call->body_size_max > 0 ? call->body_size_max : BODY_SIZE_MAX;
    if (atomic_load(&client->is_cancelled)) {
        answer->failure = HTTP_FAILURE_CANCEL;
        return error_set(error, ERROR_CLOSED, "cancelled");
    }
    int64_t start_ms = clock_monotonic_ms(&clock_system);
    int code = send_by_kept(client, call, body_size_max, answer, error);
    if (code <= 0) return code;
    /* What was tried over a kept connection is part of the call's time. */
    struct http_call rest = *call;
    rest.timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : TIMEOUT_MS;
    rest.timeout_ms -= clock_monotonic_ms(&clock_system) - start_ms;
    if (rest.timeout_ms < 1) rest.timeout_ms = 1;
    return send_by_curl(client, &rest, body_size_max, answer, error);
}
