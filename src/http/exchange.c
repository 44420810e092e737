/* exchange.c - one connection, and the request and answer that are on it now.
 *
 * libmicrohttpd calls, on the network thread of the connection: exchange_see_uri at the request
 * line; exchange_step once when the headers are there, for each piece of the body, once at its end,
 * and again after a suspended connection was resumed; exchange_complete when the answer is out or
 * the connection broke.
 *
 * A refused request still has its body. Small ones are read and thrown away, so that the answer
 * arrives and the connection lives on; for large ones the answer goes out at once and the
 * connection ends.
 */
#include "http/exchange.h"

#include "base/check.h"
#include "base/clock.h"
#include "http/pack.h"
#include "http/response.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define HEADERS_MAX       128
#define ALWAYS_SIZE_MAX   ((size_t)64 * 1024) /* of a body that gets in however many there are */
#define RESERVED_SIZE_MAX ((size_t)16 * 1024 * 1024)

static void set_phase(struct exchange *x, enum exchange_phase phase, int64_t now_ns)
{
    atomic_store_explicit(&x->since_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&x->progress_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&x->phase, (int)phase, memory_order_relaxed);
}

static void print_remote(struct exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || info->client_addr == NULL) return;
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr *address = info->client_addr;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const void *)address;
        (void)inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
        (void)snprintf(x->remote, sizeof(x->remote), "%s:%u", text, ntohs(four->sin_port));
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)address;
        (void)inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
        (void)snprintf(x->remote, sizeof(x->remote), "[%s]:%u", text, ntohs(six->sin6_port));
    }
}

/* Counts `size` bytes as held by this exchange, in place of what was counted before. */
static void count_body(struct exchange *x, size_t size)
{
    if (size == x->counted_size) return;
    atomic_fetch_add_explicit(&x->server->bodies_size, size - x->counted_size,
                              memory_order_relaxed);
    x->counted_size = size;
}

/* Whether the body may grow to that size beside all others. */
static bool has_room(const struct exchange *x, uint64_t size)
{
    size_t all = atomic_load_explicit(&x->server->bodies_size, memory_order_relaxed);
    size_t others = all - x->counted_size;
    size_t most = x->server->options.bodies_size_max;
    return size <= ALWAYS_SIZE_MAX || (others <= most && size <= most - others);
}

static void disconnect(struct http_server *server, struct exchange *x)
{
    count_body(x, 0);
    mutex_lock(&server->peers_mutex);
    if (x->previous != NULL) x->previous->next = x->next;
    if (x->next != NULL) x->next->previous = x->previous;
    if (server->peers == x) server->peers = x->next;
    server->peer_count--;
    mutex_unlock(&server->peers_mutex);

    if (x->answer != NULL) MHD_destroy_response(x->answer);
    buf_release(&x->body);
    buf_release(&x->unpacked);
    buf_release(&x->response.body);
    arena_release(&x->arena);
    free(x);
}

void exchange_connect(void *cls, struct MHD_Connection *connection, void **socket_context,
                      enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = cls;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_context != NULL) disconnect(server, *socket_context);
        *socket_context = NULL;
        return;
    }
    struct exchange *x = calloc(1, sizeof(*x));
    *socket_context = x;
    if (x == NULL) return; /* exchange_step ends the connection */

    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    x->server = server;
    x->connection = connection;
    x->descriptor = info == NULL ? -1 : info->connect_fd;
    arena_init(&x->arena, server->options.arena_size_max);
    print_remote(x);
    set_phase(x, EXCHANGE_IDLE, clock_monotonic_ns(&clock_system));
    counters_add(&server->counters.connection_total, 1);

    mutex_lock(&server->peers_mutex);
    x->next = server->peers;
    if (x->next != NULL) x->next->previous = x;
    server->peers = x;
    server->peer_count++;
    mutex_unlock(&server->peers_mutex);
}

void *exchange_see_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct http_server *server = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct exchange *x = info == NULL ? NULL : info->socket_context;
    if (x == NULL) return NULL;
    x->is_on = true;
    x->start_ns = clock_monotonic_ns(&clock_system);
    x->uri = arena_copy(&x->arena, str_from(uri));
    counters_add(&server->counters.in_flight, 1);
    return x;
}

void exchange_complete(void *cls, struct MHD_Connection *connection, void **request_context,
                       enum MHD_RequestTerminationCode code)
{
    (void)connection;
    (void)code;
    struct http_server *server = cls;
    struct exchange *x = *request_context;
    *request_context = NULL;
    if (x == NULL || !x->is_on) return;

    counters_subtract(&server->counters.in_flight, 1);
    if (x->answer != NULL) MHD_destroy_response(x->answer);
    x->answer = NULL;
    x->is_on = false;
    x->has_begun = false;
    atomic_store_explicit(&x->has_answered, true, memory_order_relaxed);
    x->is_gzip = false;
    x->refusal = 0;
    x->allowed_methods = 0;
    x->swallowed_size = 0;
    x->match = (struct router_match){ 0 };
    x->request = (struct http_request){ 0 };
    int64_t now_ns = clock_monotonic_ns(&clock_system);
    count_body(x, 0);
    if (x->unpacked.capacity > 0) spares_give(&server->spares, &x->unpacked, now_ns);
    if (x->body.capacity >= SPARE_SIZE_MIN) spares_give(&server->spares, &x->body, now_ns);
    arena_reset(&x->arena);
    set_phase(x, EXCHANGE_IDLE, now_ns);
}

static void refuse(struct exchange *x, unsigned status, const char *text)
{
    if (x->refusal != 0) return;
    x->refusal = status;
    x->refusal_text = text;
}

static const char too_many_bodies[] =
    "the requests on their way hold as much as they may together, try again later";

static void refuse_size(struct exchange *x)
{
    struct str text =
        arena_printf(&x->arena, "the body is larger than %zu bytes, the limit", x->body_size_max);
    refuse(x, 413, text.data == NULL ? "the body is larger than the limit" : text.data);
}

/* ---- the headers ---- */

struct header_walk {
    struct http_fields fields;
    size_t size;
};

static enum MHD_Result collect_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                      size_t name_size, const char *value, size_t value_size)
{
    (void)kind;
    struct header_walk *walk = cls;
    walk->size += name_size + value_size + 4;
    if (walk->fields.count == HEADERS_MAX) {
        walk->size = SIZE_MAX;
        return MHD_NO;
    }
    struct http_field *field = &walk->fields.items[walk->fields.count++];
    field->name = (struct str){ name, name_size };
    field->value = (struct str){ value == NULL ? "" : value, value == NULL ? 0 : value_size };
    return MHD_YES;
}

static void read_headers(struct exchange *x)
{
    struct header_walk walk = { 0 };
    walk.fields.items = ARENA_ARRAY(&x->arena, struct http_field, HEADERS_MAX);
    if (walk.fields.items == NULL) {
        refuse(x, 503, "no memory for the request");
        return;
    }
    (void)MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, collect_header, &walk);
    x->request.headers = walk.fields;
    size_t size_max = x->server->options.head_size_max;
    if (walk.size > size_max || x->uri.size > size_max) {
        refuse(x, 431, "the request's headers are larger than this server takes");
    }
}

static size_t count_header(const struct http_request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->headers.count; i++) {
        count += str_equal_nocase(request->headers.items[i].name, str_from(name));
    }
    return count;
}

/* How the body comes. True: the connection must not be read any further. */
static bool read_framing(struct exchange *x, bool *has_body, uint64_t *length)
{
    const struct http_request *request = &x->request;
    struct str text = http_request_header(request, "Content-Length");
    struct str coding = http_request_header(request, "Transfer-Encoding");
    *length = 0;
    *has_body = text.data != NULL || coding.data != NULL;
    bool is_doubtful = (text.data != NULL && coding.data != NULL) ||
                       count_header(request, "Content-Length") > 1 ||
                       count_header(request, "Transfer-Encoding") > 1;
    if (is_doubtful) {
        refuse(x, 400, "the length of the body is given twice");
        return true;
    }
    if (text.data != NULL && !str_to_uint64(text, length)) {
        refuse(x, 400, "Content-Length is not a number");
        return true;
    }
    if (coding.data != NULL && !str_equal_nocase(coding, STR("chunked"))) {
        refuse(x, 501, "only the transfer encoding 'chunked' is understood");
        return true;
    }
    *has_body = coding.data != NULL || *length > 0;
    return false;
}

static void read_encoding(struct exchange *x)
{
    struct str encoding = http_request_header(&x->request, "Content-Encoding");
    if (encoding.size == 0 || str_equal_nocase(encoding, STR("identity"))) return;
    x->is_gzip =
        str_equal_nocase(encoding, STR("gzip")) || str_equal_nocase(encoding, STR("x-gzip"));
    /* Others (snappy of remote write, zstd) are the handler's: it sees the header. */
}

/* ---- the request line ---- */

/* Cuts "http://host" off; what is left begins with '/'. */
static struct str without_authority(struct str uri)
{
    struct str scheme = STR("http://");
    if (!str_starts_with(uri, scheme)) return uri;
    struct str rest = str_skip(uri, scheme.size);
    size_t slash = str_find_char(rest, '/');
    return slash == STR_NONE ? STR("/") : str_skip(rest, slash);
}

static void read_target(struct exchange *x)
{
    struct http_request *request = &x->request;
    struct str query = without_authority(x->uri);
    struct str path = str_cut(&query, '?');
    if (query.data == NULL) query = STR("");
    request->raw_path = path;
    request->query = query;
    if (path.size == 0 || path.data[0] != '/') {
        refuse(x, 400, "the path does not begin with '/'");
        return;
    }
    struct str prefix = x->server->prefix;
    if (prefix.size > 0) {
        struct str rest = str_starts_with(path, prefix) ? str_skip(path, prefix.size) : STR("");
        bool is_under = rest.size > 0 && rest.data[0] == '/';
        if (!is_under) {
            bool is_root = str_equal(path, STR("/")) || str_equal(path, prefix);
            refuse(x, is_root ? 302 : 404, "nothing here; the route prefix is missing");
            return;
        }
        request->raw_path = rest;
    }
    struct error error = { 0 };
    if (!http_unescape(&x->arena, request->raw_path, false, &request->path)) {
        refuse(x, 400, "the path has a broken escape");
    } else if (http_form_parse(&x->arena, query, &request->parameters, &error) < 0) {
        refuse(x, 400,
               error.code == ERROR_LIMIT ? "the query has too many parameters"
                                         : "the query has a broken escape");
    }
}

static void read_method(struct exchange *x, const char *method)
{
    unsigned parsed = http_method_parse(str_from(method));
    if (parsed == 0) {
        refuse(x, 501, "the method is not known");
        x->request.method = HTTP_GET;
        return;
    }
    x->request.is_head = parsed == HTTP_HEAD;
    x->request.method = parsed == HTTP_HEAD ? HTTP_GET : (enum http_method)parsed;
}

static void check_readiness(struct exchange *x, const struct http_route *route)
{
    struct http_server *server = x->server;
    unsigned flags = route == NULL ? 0 : route->flags;
    bool changes = x->request.method != HTTP_GET && x->request.method != HTTP_OPTIONS;
    if (!atomic_load_explicit(&server->is_ready, memory_order_acquire) &&
        (flags & HTTP_ROUTE_ALWAYS) == 0) {
        refuse(x, 503, "starting, not ready yet");
    } else if (server->options.is_read_only && changes && (flags & HTTP_ROUTE_READS) == 0) {
        refuse(x, 403, "this server is read-only");
    }
}

static void route(struct exchange *x)
{
    struct http_server *server = x->server;
    struct router_match *match = &x->match;
    if (!router_find(&server->router, &x->request, match)) {
        refuse(x, 400, "the path has a broken escape");
        return;
    }
    const struct http_route *found = match->row == NULL ? NULL : &match->row->route;
    if (found == NULL || (found->flags & HTTP_ROUTE_OPEN) == 0) {
        if (!guard_knows_user(&server->guard, &x->request)) {
            refuse(x, 401, "a user and a password are needed");
        }
    }
    if (found != NULL) {
        x->counters = match->row->counters;
        if (found->body_size_max > 0) x->body_size_max = found->body_size_max;
    } else if (match->mount != NULL) {
        x->allowed_methods = match->methods;
        refuse(x, x->request.method == HTTP_OPTIONS ? 204 : 405, "method not allowed");
    } else if (router_fallback(&server->router) != NULL) {
        match->mount = router_fallback(&server->router);
        x->counters = server->fallback;
    } else if (atomic_load_explicit(&server->is_ready, memory_order_acquire)) {
        refuse(x, 404, "404 page not found");
    }
    check_readiness(x, found);
}

/* Looks at the headers. True: answer now, do not read the body. */
static bool begin(struct exchange *x, const char *method, const char *version)
{
    struct http_server *server = x->server;
    struct http_request *request = &x->request;
    x->has_begun = true;
    x->counters = server->unmatched;
    x->body_size_max = server->options.body_size_max;
    x->is_http_1_0 = str_equal(str_from(version), STR("HTTP/1.0"));
    buf_reset(&x->body);
    buf_init(&x->unpacked, 1);
    response_begin(&x->response, &x->arena, server->options.answer_size_max);
    *request = (struct http_request){ .arena = &x->arena, .remote = str_from(x->remote) };
    request->start_ns = x->start_ns;
    request->deadline_ns = x->start_ns + server->options.request_timeout_ms * 1000000;

    read_method(x, method);
    if (x->uri.data == NULL) refuse(x, 503, "no memory for the request");
    read_headers(x);
    bool has_body = false;
    uint64_t length = 0;
    bool must_end = read_framing(x, &has_body, &length);
    request->host = http_request_header(request, "Host");
    const char *text = NULL;
    unsigned status = guard_check(&server->guard, request, x->is_http_1_0, &text);
    if (status != 0) {
        if (x->refusal == 0 && status != 400) counters_add(&server->counters.refused_hosts, 1);
        refuse(x, status, text);
    }
    if (x->refusal == 0) read_target(x);
    if (x->refusal == 0) route(x);
    read_encoding(x);
    if (length > x->body_size_max) refuse_size(x);
    if (!has_room(x, length)) refuse(x, 429, too_many_bodies);

    x->body.size_max = x->body_size_max;
    /* At once what is announced, for growing by steps costs up to half as much memory again. Memory
     * that never comes to be written is none. */
    bool is_large = x->refusal == 0 && length >= SPARE_SIZE_MIN && length <= RESERVED_SIZE_MAX;
    if (is_large) {
        spares_take(&server->spares, &x->body, x->start_ns);
        (void)!buf_reserve(&x->body, (size_t)length);
    }
    bool waits = http_request_header(request, "Expect").data != NULL;
    x->response.must_close = must_end;
    size_t swallow_max = server->options.swallow_size_max;
    return must_end || (x->refusal != 0 && has_body && (waits || length > swallow_max));
}

/* ---- the answer ---- */

static void add_allow(struct exchange *x)
{
    unsigned methods = x->allowed_methods | HTTP_OPTIONS;
    if ((methods & HTTP_GET) != 0) methods |= HTTP_HEAD;
    char text[80];
    size_t size = 0;
    for (unsigned bit = 1; bit <= HTTP_OPTIONS; bit <<= 1) {
        if ((methods & bit) == 0) continue;
        int added = snprintf(text + size, sizeof(text) - size, "%s%s", size > 0 ? ", " : "",
                             http_method_name((enum http_method)bit));
        if (added > 0) size += (size_t)added;
    }
    http_response_header(&x->response, "Allow", (struct str){ text, size });
}

static void write_refusal(struct exchange *x)
{
    struct http_response *response = &x->response;
    bool must_close =
        response->must_close || x->swallowed_size > x->server->options.swallow_size_max;
    response_discard(response);
    response->must_close = must_close;
    if (x->refusal == 302) {
        struct str target = arena_printf(&x->arena, STR_FMT "/", STR_ARG(x->server->prefix));
        http_response_redirect(response, 302, target);
        return;
    }
    if (x->server->options.write_refusal != NULL) {
        response->status = x->refusal;
        x->server->options.write_refusal(response, x->refusal_text);
    } else {
        http_response_text(response, x->refusal, "%s", x->refusal_text);
    }
    if (x->refusal == 503 || x->refusal == 429) {
        http_response_header(response, "Retry-After", STR("1"));
    }
    if (x->refusal == 401) {
        http_response_header(response, "WWW-Authenticate", STR("Basic realm=\"barograph\""));
    }
    if (x->allowed_methods != 0) add_allow(x);
    if (x->refusal == 204) buf_reset(&response->body);
}

static void observe(struct exchange *x, uint64_t body_size)
{
    struct http_server *server = x->server;
    int64_t duration_ns = clock_monotonic_ns(&clock_system) - x->start_ns;
    counters_observe(x->counters, x->answer_status, duration_ns);
    counters_add(&server->counters.sent_size, body_size);
    if (server->options.on_answer == NULL) return;
    struct http_answer_facts facts = {
        .label = x->counters->label,
        .method = x->request.is_head ? "HEAD" : http_method_name(x->request.method),
        .path = x->request.raw_path,
        .remote = x->request.remote,
        .status = x->answer_status,
        .body_size = body_size,
        .duration_ns = duration_ns,
    };
    server->options.on_answer(server->options.on_answer_context, &facts);
}

/* Turns x->response into x->answer; NULL when there is no memory. */
static void finish(struct exchange *x)
{
    uint64_t body_size = 0;
    if (atomic_load_explicit(&x->server->is_stopping, memory_order_relaxed)) {
        x->response.must_close = true;
    }
    x->answer =
        response_finish(&x->response, &x->request, x->connection, &x->server->streams, &body_size);
    x->answer_status = x->response.status;
    observe(x, body_size);
}

/* How large the packed body says that it is, in its last four bytes; more when it lies, or has
 * several members. */
static size_t told_size(struct str packed)
{
    if (packed.size < 18) return 1; /* an empty member */
    const unsigned char *end = (const unsigned char *)packed.data + packed.size - 4;
    size_t size =
        (size_t)end[0] | (size_t)end[1] << 8 | (size_t)end[2] << 16 | (size_t)end[3] << 24;
    return size == 0 ? 1 : size;
}

static int unpack_to(struct exchange *x, size_t size_max, struct error *error)
{
    if (!has_room(x, x->body.size + size_max)) {
        refuse(x, 429, too_many_bodies);
        return 0;
    }
    count_body(x, x->body.size + size_max);
    buf_release(&x->unpacked);
    buf_init(&x->unpacked, size_max);
    if (x->body.size >= SPARE_SIZE_MIN) {
        spares_take(&x->server->spares, &x->unpacked, x->start_ns);
    }
    return pack_gzip_decode(buf_str(&x->body), &x->unpacked, error);
}

static void unpack(struct exchange *x)
{
    struct error error = { 0 };
    size_t told = told_size(buf_str(&x->body));
    if (told > ALWAYS_SIZE_MAX && told < SPARE_SIZE_MAX) told = SPARE_SIZE_MAX;
    bool is_told = told < x->body_size_max;
    int code = unpack_to(x, is_told ? told : x->body_size_max, &error);
    if (code == ERROR_LIMIT && is_told) code = unpack_to(x, x->body_size_max, &error);
    count_body(x, x->body.size + x->unpacked.size);
    if (code == ERROR_LIMIT) refuse_size(x);
    if (code < 0) refuse(x, 400, "the body is not valid gzip");
    x->request.body = buf_str(&x->unpacked);
}

/* Unpacks and reads the body; refuses what is wrong with it. */
static void prepare_body(struct exchange *x)
{
    struct http_request *request = &x->request;
    struct error error = { 0 };
    request->body = buf_str(&x->body);
    if (request->body.size == 0) return;

    if (x->is_gzip) unpack(x);
    if (x->refusal == 0 && http_request_has_type(request, "application/x-www-form-urlencoded") &&
        http_form_parse(&x->arena, request->body, &request->parameters, &error) < 0) {
        refuse(x, 400,
               error.code == ERROR_LIMIT ? "the form has too many parameters"
                                         : "the form has a broken escape");
    }
}

static void write_failure(struct exchange *x, int code, const struct error *error)
{
    const struct http_mount *mount = &x->match.mount->mount;
    response_discard(&x->response);
    x->response.status = (unsigned)error_http_status(code);
    if (mount->write_error != NULL) {
        mount->write_error(mount->context, &x->request, &x->response, code, error);
        return;
    }
    http_response_text(&x->response, x->response.status, "%s",
                       error->text[0] == '\0' ? error_name(code) : error->text);
    if (x->response.status == 503) http_response_header(&x->response, "Retry-After", STR("1"));
}

/* Runs the handler and makes the answer. False: it wants a worker. */
static bool run(struct exchange *x, bool is_on_network_thread)
{
    if (x->request.body.data == NULL) prepare_body(x);
    if (x->refusal != 0) {
        write_refusal(x);
        finish(x);
        return true;
    }
    const struct http_mount *mount = &x->match.mount->mount;
    const struct router_row *row = x->match.row;
    struct error error = { 0 };
    x->request.is_on_network_thread = is_on_network_thread;
    int code = row != NULL ? row->route.handle(mount->context, &x->request, &x->response, &error)
                           : mount->fallback(mount->context, &x->request, &x->response, &error);
    if (code == HTTP_LATER) {
        response_discard(&x->response);
        if (is_on_network_thread) return false;
        code = error_set(&error, ERROR_UNSUPPORTED, "a worker's answer cannot wait");
    }
    if (code < 0) write_failure(x, code, &error);
    finish(x);
    return true;
}

static enum MHD_Result send_answer(struct exchange *x)
{
    if (x->answer == NULL) return MHD_NO; /* no memory: the connection ends */
    set_phase(x, EXCHANGE_SENDING, clock_monotonic_ns(&clock_system));
    struct MHD_Response *answer = x->answer;
    x->answer = NULL;
    enum MHD_Result result = MHD_queue_response(x->connection, x->answer_status, answer);
    MHD_destroy_response(answer);
    return result;
}

void exchange_work(void *exchange)
{
    struct exchange *x = exchange;
    (void)run(x, false);
    MHD_resume_connection(x->connection);
}

void http_request_step_aside(const struct http_request *request)
{
    const char *start = (const char *)request - offsetof(struct exchange, request);
    (void)workers_step_aside(&((const struct exchange *)(const void *)start)->server->workers);
}

static enum MHD_Result refuse_now(struct exchange *x)
{
    write_refusal(x);
    finish(x);
    return send_answer(x);
}

static enum MHD_Result hand_over(struct exchange *x)
{
    set_phase(x, EXCHANGE_RUNNING, clock_monotonic_ns(&clock_system));
    MHD_suspend_connection(x->connection);
    if (workers_try_put(&x->server->workers, x)) return MHD_YES;

    counters_add(&x->server->counters.queue_full, 1);
    refuse(x, 503, "too busy: all workers have work and the queue is full");
    write_refusal(x);
    finish(x);
    MHD_resume_connection(x->connection);
    return MHD_YES;
}

static enum MHD_Result take_body(struct exchange *x, const char *data, size_t *size)
{
    size_t count = *size;
    *size = 0;
    counters_add(&x->server->counters.received_size, count);
    atomic_store_explicit(&x->progress_ns, clock_monotonic_ns(&clock_system), memory_order_relaxed);
    if (x->refusal == 0 && count > x->body_size_max - x->body.size) refuse_size(x);
    if (x->refusal == 0 && !has_room(x, x->body.size + count)) refuse(x, 429, too_many_bodies);
    if (x->refusal == 0) {
        buf_append(&x->body, data, count);
        count_body(x, x->body.size);
        if (x->body.has_failed) refuse(x, 503, "no memory for the body");
        return MHD_YES;
    }
    if (x->counted_size > 0) {
        buf_release(&x->body);
        count_body(x, 0);
    }
    x->swallowed_size += count;
    /* The answer cannot be sent in the middle of a body: end it. */
    return x->swallowed_size > 4 * x->server->options.swallow_size_max ? MHD_NO : MHD_YES;
}

enum MHD_Result exchange_step(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **request_context)
{
    (void)cls;
    (void)connection;
    (void)url;
    struct exchange *x = *request_context;
    if (x == NULL) return MHD_NO;

    if (!x->has_begun) {
        set_phase(x, EXCHANGE_BODY, clock_monotonic_ns(&clock_system));
        return begin(x, method, version) ? refuse_now(x) : MHD_YES;
    }
    if (*upload_data_size > 0) return take_body(x, upload_data, upload_data_size);
    int phase = atomic_load_explicit(&x->phase, memory_order_relaxed);
    if (phase == EXCHANGE_RUNNING) return send_answer(x);
    if (x->refusal != 0) return refuse_now(x);

    const struct router_row *row = x->match.row;
    bool is_fast = row != NULL && (row->route.flags & HTTP_ROUTE_FAST) != 0;
    if (is_fast && run(x, true)) return send_answer(x);
    return hand_over(x);
}
