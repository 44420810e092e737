/* kept.c - the pool, and one exchange: a request in one piece, an answer read where its body stays.
 *
 * The head of an answer stands in front of its body. It is read into memory of its own when it is
 * as long as the last one; else it is taken off the body's front, which moves the body.
 */
#include "http/kept.h"

#include "base/clock.h"
#include "codec/compress.h"
#include "http/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LEFT = 1, FIELDS_MAX = 256, HEAD_SIZE_MAX = 64 << 10, HEAD_ROOM = 1024 };

#define REQUEST_SIZE_MAX 8192
#define READ_SIZE        ((size_t)64 << 10)
#define TIMEOUT_MS       30000
#define SLICE_MS         500 /* how long a cancelled call may go on */

int kept_init(struct kept_pool *pool, unsigned count_max)
{
    mutex_init(&pool->mutex);
    pool->count = 0;
    pool->count_max = count_max;
    pool->items = calloc(count_max, sizeof(pool->items[0]));
    return pool->items == NULL ? -ENOMEM : 0;
}

void kept_release(struct kept_pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) (void)close(pool->items[i].descriptor);
    free(pool->items);
    if (pool->count_max > 0) mutex_release(&pool->mutex);
    *pool = (struct kept_pool){ 0 };
}

/* ---- the pool ---- */

static bool take(struct kept_pool *pool, struct str place, struct kept_connection *taken)
{
    bool is_found = false;
    mutex_lock(&pool->mutex);
    for (unsigned i = pool->count; i > 0 && !is_found; i--) {
        struct kept_connection *item = &pool->items[i - 1];
        if (strncmp(item->place, place.data, place.size) != 0 || item->place[place.size] != '\0')
            continue;
        *taken = *item;
        pool->count--;
        memmove(item, item + 1, (pool->count - (i - 1)) * sizeof(*item));
        is_found = true;
    }
    mutex_unlock(&pool->mutex);
    return is_found;
}

static void give(struct kept_pool *pool, const struct kept_connection *connection)
{
    int closed = -1;
    mutex_lock(&pool->mutex);
    if (pool->count == pool->count_max) { /* the one used longest ago makes room */
        closed = pool->items[0].descriptor;
        pool->count--;
        memmove(pool->items, pool->items + 1, pool->count * sizeof(pool->items[0]));
    }
    pool->items[pool->count++] = *connection;
    mutex_unlock(&pool->mutex);
    if (closed >= 0) (void)close(closed);
}

/* ---- the call ---- */

/* "http://host:port/path" in two; false when it is not as plain as that. */
static bool split_url(struct str url, struct str *place, struct str *path)
{
    struct str scheme = STR("http://");
    if (!str_starts_with(url, scheme)) return false;
    for (size_t i = 0; i < url.size; i++) {
        if (url.data[i] <= ' ' || url.data[i] > '~' || url.data[i] == '#') return false;
    }
    struct str rest = str_skip(url, scheme.size);
    size_t size = str_find_char(rest, '/');
    *place = size == STR_NONE ? rest : str_first(rest, size);
    *path = size == STR_NONE ? STR("/") : str_skip(rest, size);
    /* Names in other letters, a query without a path, and dots that a path is to lose are
     * libcurl's. */
    return place->size > 0 && place->size < KEPT_PLACE_SIZE &&
           str_find_char(*place, '@') == STR_NONE && str_find_char(*place, '?') == STR_NONE &&
           str_find_char(*place, '%') == STR_NONE && str_find(*path, STR("/.")) == STR_NONE;
}

static bool is_plain_field(const struct http_field *field)
{
    static const struct str special[] = {
        STR_INIT("Host"),       STR_INIT("Connection"),     STR_INIT("Accept-Encoding"),
        STR_INIT("User-Agent"), STR_INIT("Content-Length"), STR_INIT("Transfer-Encoding")
    };
    if (field->name.size == 0 || field->value.size == 0) return false;
    for (size_t i = 0; i < ARRAY_LENGTH(special); i++) {
        if (str_equal_nocase(field->name, special[i])) return false;
    }
    for (size_t i = 0; i < field->value.size; i++) {
        char c = field->value.data[i];
        if (c == '\r' || c == '\n' || c == '\0') return false;
    }
    return true;
}

bool kept_fits(const struct http_call *call)
{
    struct str place;
    struct str path;
    if (!call->needs_no_facts || call->wants_fresh || call->tls != NULL ||
        call->body.data != NULL || call->family != HTTP_FAMILY_ANY ||
        (call->method != 0 && call->method != HTTP_GET) || call->basic_user.size > 0 ||
        call->basic_password.size > 0 || call->bearer.size > 0 ||
        !split_url(call->url, &place, &path)) {
        return false;
    }
    for (size_t i = 0; i < call->header_count; i++) {
        if (!is_plain_field(&call->headers[i])) return false;
    }
    return true;
}

void kept_adopt(struct kept_pool *pool, const struct http_call *call, int descriptor)
{
    struct str place;
    struct str path;
    struct kept_connection connection = { .descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0) };
    if (connection.descriptor < 0) return;
    if (!split_url(call->url, &place, &path)) {
        (void)close(connection.descriptor);
        return;
    }
    memcpy(connection.place, place.data, place.size);
    give(pool, &connection);
}

/* ---- one exchange ---- */

/* Owned by: the calling thread. */
struct exchange {
    struct kept_connection connection;
    const struct http_call *call;
    const struct kept_context *context;
    struct http_answer *answer;
    int64_t timeout_ms;
    int64_t end_ms; /* monotonic */
    struct reply reply;
    char head[HEAD_ROOM]; /* the head, when it has the size of the last */
};

static bool send_request(const struct exchange *exchange, struct str place, struct str path)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, REQUEST_SIZE_MAX);
    const struct http_call *call = exchange->call;
    buf_printf(&out, "GET " STR_FMT " HTTP/1.1\r\nHost: " STR_FMT "\r\nUser-Agent: %s\r\n",
               STR_ARG(path), STR_ARG(place), exchange->context->user_agent);
    bool has_accept = false;
    for (size_t i = 0; i < call->header_count; i++) {
        const struct http_field *field = &call->headers[i];
        if (str_equal_nocase(field->name, STR("Accept"))) has_accept = true;
        buf_append_str(&out, field->name);
        buf_append_cstr(&out, ": ");
        buf_append_str(&out, field->value);
        buf_append_cstr(&out, "\r\n");
    }
    if (!has_accept) buf_append_cstr(&out, "Accept: */*\r\n");
    if (!call->refuses_gzip) buf_append_cstr(&out, "Accept-Encoding: gzip\r\n");
    buf_append_cstr(&out, "\r\n");
    if (out.has_failed) return false;
    ssize_t sent =
        send(exchange->connection.descriptor, out.data, out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent == (ssize_t)out.size;
}

/* 0 when there is something to read, else what kept_send returns. */
static int wait_readable(struct exchange *exchange, struct error *error)
{
    struct http_answer *answer = exchange->answer;
    for (;;) {
        int64_t left_ms = exchange->end_ms - clock_monotonic_ms(&clock_system);
        if (left_ms <= 0) {
            answer->failure = HTTP_FAILURE_TIMEOUT;
            return error_set(error, ERROR_TIMEOUT, "timeout: no whole answer in %lld ms",
                             (long long)exchange->timeout_ms);
        }
        struct pollfd look = { .fd = exchange->connection.descriptor, .events = POLLIN };
        int ready = poll(&look, 1, (int)(left_ms < SLICE_MS ? left_ms : SLICE_MS));
        if (atomic_load(exchange->context->is_cancelled)) {
            answer->failure = HTTP_FAILURE_CANCEL;
            return error_set(error, ERROR_CLOSED, "cancelled");
        }
        if (ready > 0) return 0;
        if (ready < 0 && errno != EINTR) return LEFT;
    }
}

/* Reads what there is behind the body's bytes, at most `most`; waits when there is nothing. */
static int receive(struct exchange *exchange, size_t most, struct error *error)
{
    struct buf *body = &exchange->answer->body;
    char *room = buf_reserve(body, most);
    if (room == NULL) return LEFT;
    for (;;) {
        ssize_t got = recv(exchange->connection.descriptor, room, most, MSG_DONTWAIT);
        if (got > 0) {
            body->size += (size_t)got;
            return 0;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) return LEFT;
        int code = wait_readable(exchange, error);
        if (code != 0) return code;
    }
}

static int read_head_from(struct exchange *exchange, struct str bytes)
{
    struct http_answer *answer = exchange->answer;
    enum reply_state state =
        reply_read(bytes, &answer->arena, &answer->headers, FIELDS_MAX, &exchange->reply);
    return state == REPLY_WHOLE ? 0 : state == REPLY_SHORT ? EAGAIN : LEFT;
}

/* The first piece: a head of the size of the last beside the body, else all in the body. Returns 0
 * when the head is whole and off the body, EAGAIN when it is not whole. */
static int receive_first(struct exchange *exchange, struct error *error)
{
    struct buf *body = &exchange->answer->body;
    size_t head_size = exchange->connection.head_size;
    size_t room_size = body->capacity > READ_SIZE ? body->capacity - 1 : READ_SIZE;
    if (room_size > body->size_max) room_size = body->size_max;
    if (head_size == 0 || head_size > HEAD_ROOM || room_size <= head_size) return EAGAIN;
    char *room = buf_reserve(body, room_size);
    if (room == NULL) return LEFT;
    int code = wait_readable(exchange, error);
    if (code != 0) return code;
    struct iovec places[2] = { { exchange->head, head_size }, { room, room_size - head_size } };
    ssize_t got = readv(exchange->connection.descriptor, places, ARRAY_LENGTH(places));
    if (got <= 0) return LEFT;
    size_t in_head = (size_t)got < head_size ? (size_t)got : head_size;
    if (in_head == head_size) {
        code = read_head_from(exchange, (struct str){ exchange->head, in_head });
        if (code != 0 && code != EAGAIN) return code;
        if (code == 0 && exchange->reply.head_size == head_size) {
            body->size = (size_t)got - head_size;
            return 0;
        }
    }
    /* It was another: the pieces are put together. */
    memmove(room + in_head, room, (size_t)got - in_head);
    memcpy(room, exchange->head, in_head);
    body->size = (size_t)got;
    return EAGAIN;
}

static int receive_head(struct exchange *exchange, struct error *error)
{
    struct buf *body = &exchange->answer->body;
    int code = receive_first(exchange, error);
    while (code == EAGAIN) {
        code = body->size == 0 ? EAGAIN : read_head_from(exchange, buf_str(body));
        if (code == 0) buf_drop_front(body, exchange->reply.head_size);
        if (code != EAGAIN) return code;
        if (body->size > HEAD_SIZE_MAX) return LEFT;
        size_t room = body->size_max - body->size;
        code = room == 0 ? LEFT : receive(exchange, room < READ_SIZE ? room : READ_SIZE, error);
        if (code == 0) code = EAGAIN;
    }
    return code;
}

static int receive_sized(struct exchange *exchange, struct error *error)
{
    struct buf *body = &exchange->answer->body;
    size_t size = exchange->reply.body_size;
    if (size > exchange->context->body_size_max || body->size > size) return LEFT;
    int code = 0;
    while (code == 0 && body->size < size) code = receive(exchange, size - body->size, error);
    exchange->answer->received_size = size;
    return code;
}

static int receive_chunks(struct exchange *exchange, struct error *error)
{
    struct buf *body = &exchange->answer->body;
    struct reply_chunks chunks = { 0 };
    for (;;) {
        enum reply_state state = reply_join(&chunks, body->data, body->size);
        if (state == REPLY_REFUSED || chunks.joined > exchange->context->body_size_max) return LEFT;
        if (state == REPLY_WHOLE) break;
        size_t room = body->size_max - body->size;
        int code = room == 0 ? LEFT : receive(exchange, room < READ_SIZE ? room : READ_SIZE, error);
        if (code != 0) return code;
    }
    if (chunks.taken != body->size) return LEFT; /* nobody asked for more */
    buf_truncate(body, chunks.joined);
    exchange->answer->received_size = chunks.joined;
    return 0;
}

static int unpack(struct exchange *exchange)
{
    struct http_answer *answer = exchange->answer;
    struct buf plain;
    buf_init(&plain, exchange->context->body_size_max);
    if (gzip_unpack(buf_str(&answer->body), &plain, NULL) != 0) {
        buf_release(&plain);
        return LEFT;
    }
    buf_release(&answer->body);
    answer->body = plain;
    return 0;
}

static int exchange_once(struct exchange *exchange, struct error *error)
{
    struct str place;
    struct str path;
    struct http_answer *answer = exchange->answer;
    if (!split_url(exchange->call->url, &place, &path) || !send_request(exchange, place, path)) {
        return LEFT;
    }
    int code = receive_head(exchange, error);
    if (code != 0) return code;
    code = exchange->reply.is_chunked ? receive_chunks(exchange, error)
                                      : receive_sized(exchange, error);
    if (code == 0 && exchange->reply.is_gzip) code = unpack(exchange);
    if (code != 0) return code;
    answer->status = 200;
    answer->version = 11;
    answer->was_kept = true;
    return 0;
}

int kept_send(struct kept_pool *pool, const struct http_call *call,
              const struct kept_context *context, struct http_answer *answer, struct error *error)
{
    struct str place;
    struct str path;
    struct exchange exchange = { .call = call, .context = context, .answer = answer };
    if (!split_url(call->url, &place, &path) || !take(pool, place, &exchange.connection)) {
        return LEFT;
    }
    exchange.timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : TIMEOUT_MS;
    exchange.end_ms = clock_monotonic_ms(&clock_system) + exchange.timeout_ms;
    /* Head and chunks' sizes stand in the body's memory for a while. */
    answer->body.size_max = context->body_size_max + HEAD_SIZE_MAX;
    int code = exchange_once(&exchange, error);
    answer->body.size_max = context->body_size_max;
    if (code == 0 && !exchange.reply.is_last) {
        exchange.connection.head_size = exchange.reply.head_size;
        give(pool, &exchange.connection);
    } else {
        (void)close(exchange.connection.descriptor);
    }
    return code;
}
