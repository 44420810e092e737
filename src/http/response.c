/* response.c - from what a handler said to what libmicrohttpd sends. */
#include "http/response.h"

#include "base/budget.h"
#include "http/pack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PACK_SIZE_MIN 1024 /* smaller bodies fit in one packet anyway */
#define TEXT_SIZE_MAX 2048

static const char text_type[] = "text/plain; charset=utf-8";

void response_begin(struct http_response *response, struct arena *arena, size_t body_size_max)
{
    response->status = 200;
    response->content_type = text_type;
    buf_init(&response->body, body_size_max);
    response->header_count = 0;
    response->static_body = (struct str){ NULL, 0 };
    response->static_gzip = (struct str){ NULL, 0 };
    response->etag = NULL;
    response->waker = NULL;
    response->arena = arena;
    response->must_close = false;
    response->is_plain = false;
}

void response_discard(struct http_response *response)
{
    size_t body_size_max = response->body.size_max;
    if (response->waker != NULL) stream_discard(response->waker);
    buf_release(&response->body);
    response_begin(response, response->arena, body_size_max);
}

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
        if (!is_good) return false;
    }
    return text.size > 0;
}

static bool is_line(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

void http_response_header(struct http_response *response, const char *name, struct str value)
{
    struct str key = str_from(name);
    bool fits =
        is_token(key) && is_line(value) && response->header_count < HTTP_RESPONSE_HEADERS_MAX;
    struct http_field field = { { NULL, 0 }, { NULL, 0 } };
    if (fits) {
        field.name = arena_copy(response->arena, key);
        field.value = arena_copy(response->arena, value);
    }
    if (field.name.data == NULL || field.value.data == NULL) {
        response->body.has_failed = true;
        return;
    }
    response->headers[response->header_count++] = field;
}

void http_response_text(struct http_response *response, unsigned status, const char *format, ...)
{
    char text[TEXT_SIZE_MAX];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (size >= (int)sizeof(text)) size = (int)sizeof(text) - 1;

    response->status = status;
    response->content_type = text_type;
    response->static_body = (struct str){ NULL, 0 };
    buf_reset(&response->body);
    if (size > 0) buf_append(&response->body, text, (size_t)size);
    buf_append_char(&response->body, '\n');
}

void http_response_redirect(struct http_response *response, unsigned status, struct str location)
{
    http_response_text(response, status, "%s", http_status_text(status));
    http_response_header(response, "Location", location);
}

void http_response_static(struct http_response *response, const char *content_type,
                          struct str bytes, struct str gzip, const char *etag)
{
    response->content_type = content_type;
    response->static_body = bytes.data == NULL ? STR("") : bytes;
    response->static_gzip = gzip;
    response->etag = etag;
}

struct http_waker *http_response_stream(struct http_response *response,
                                        const struct http_stream *stream)
{
    struct http_waker *waker = stream_waker_new(stream);
    if (waker == NULL) {
        stream->close(stream->context);
        return NULL;
    }
    response->waker = waker;
    return waker;
}

/* Whether Accept-Encoding allows gzip: named, or "*", and not with q=0. */
static bool accepts_gzip(const struct http_request *request)
{
    struct str rest = http_request_header(request, "Accept-Encoding");
    while (rest.data != NULL && rest.size > 0) {
        struct str quality = str_trim(str_cut(&rest, ','));
        struct str name = str_trim(str_cut(&quality, ';'));
        if (!str_equal_nocase(name, STR("gzip")) && !str_equal(name, STR("*"))) continue;
        quality = str_trim(quality);
        bool is_zero =
            str_starts_with(quality, STR("q=0")) && str_find(quality, STR(".")) == STR_NONE;
        if (str_starts_with(quality, STR("q=0."))) {
            is_zero = true;
            for (size_t i = 4; i < quality.size; i++) is_zero &= quality.data[i] == '0';
        }
        return !is_zero;
    }
    return false;
}

static bool etag_matches(const struct http_request *request, const char *etag)
{
    struct str rest = http_request_header(request, "If-None-Match");
    while (rest.data != NULL && rest.size > 0) {
        struct str one = str_trim(str_cut(&rest, ','));
        if (str_starts_with(one, STR("W/"))) one = str_skip(one, 2);
        if (str_equal(one, STR("*")) || str_equal(one, str_from(etag))) return true;
    }
    return false;
}

static bool is_worth_packing(const char *content_type)
{
    static const struct str types[] = {
        STR_INIT("text/"),
        STR_INIT("application/json"),
        STR_INIT("application/xml"),
        STR_INIT("application/javascript"),
        STR_INIT("image/svg"),
        STR_INIT("application/openmetrics-text"),
        STR_INIT("application/x-ndjson"),
        STR_INIT("application/vnd.elasticsearch"),
    };
    struct str type = str_from(content_type);
    if (str_starts_with(type, STR("text/event-stream"))) return false;
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (str_starts_with(type, types[i])) return true;
    }
    return false;
}

/* A body that is sent, with what its budget gets back afterwards. */
struct sent_body {
    char *bytes;
    size_t capacity;
    struct budget *budget;
};

static void free_sent_body(void *cls)
{
    struct sent_body *sent = cls;
    budget_give(sent->budget, sent->capacity);
    free(sent->bytes);
    free(sent);
}

/* The body counts for its budget until it is sent. */
static struct MHD_Response *answer_with_budget(struct buf *body, uint64_t *body_size)
{
    struct sent_body *sent = malloc(sizeof(*sent));
    if (sent == NULL) {
        buf_release(body);
        return NULL;
    }
    size_t size = body->size;
    *sent = (struct sent_body){ body->data, body->capacity, body->budget };
    *body = (struct buf){ .size_max = body->size_max };
    struct MHD_Response *answer = MHD_create_response_from_buffer_with_free_callback_cls(
        size, sent->bytes, free_sent_body, sent);
    if (answer == NULL) {
        free_sent_body(sent);
        return NULL;
    }
    *body_size = size;
    return answer;
}

static struct MHD_Response *answer_of_buf(struct buf *body, uint64_t *body_size)
{
    if (body->budget != NULL && body->size > 0) return answer_with_budget(body, body_size);
    size_t size = 0;
    char *bytes = buf_take(body, &size);
    *body_size = size;
    if (bytes == NULL || size == 0) {
        free(bytes);
        static char nothing[1] = "";
        return MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    }
    struct MHD_Response *answer =
        MHD_create_response_from_buffer_with_free_callback(size, bytes, free);
    if (answer == NULL) free(bytes);
    return answer;
}

static struct MHD_Response *answer_of_static(struct str bytes, uint64_t *body_size)
{
    *body_size = bytes.size;
    return MHD_create_response_from_buffer(bytes.size, (void *)(uintptr_t)bytes.data,
                                           MHD_RESPMEM_PERSISTENT);
}

static bool has_header(const struct http_response *response, const char *name)
{
    struct http_fields fields = { (struct http_field *)(uintptr_t)response->headers,
                                  response->header_count };
    return http_fields_get_nocase(&fields, str_from(name)).data != NULL;
}

/* The body, packed where that is asked for and worth it. */
static struct MHD_Response *make_body(struct http_response *response,
                                      const struct http_request *request, bool *is_packed,
                                      uint64_t *body_size)
{
    *is_packed = false;
    if (response->static_body.data != NULL) {
        *is_packed = response->static_gzip.size > 0 && accepts_gzip(request);
        return answer_of_static(*is_packed ? response->static_gzip : response->static_body,
                                body_size);
    }
    bool may_pack = response->body.size >= PACK_SIZE_MIN && !response->is_plain &&
                    is_worth_packing(response->content_type) &&
                    !has_header(response, "Content-Encoding") && accepts_gzip(request);
    if (!may_pack) return answer_of_buf(&response->body, body_size);

    CLEANUP(buf_release) struct buf packed;
    buf_init(&packed, response->body.size + response->body.size / 16 + PACK_SIZE_MIN);
    packed.budget = response->body.budget;
    if (!pack_gzip_encode(buf_str(&response->body), &packed)) {
        return answer_of_buf(&response->body, body_size);
    }
    *is_packed = true;
    buf_release(&response->body);
    return answer_of_buf(&packed, body_size);
}

/* Header lines that keep a page to itself; those of all answers, then those of pages. */
static const struct {
    const char *name;
    const char *value;
    bool is_for_pages;
} security_headers[] = {
    { "X-Content-Type-Options", "nosniff", false },
    { "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
      "font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
      "form-action 'self'",
      true },
    { "Referrer-Policy", "no-referrer", true },
    { "X-Frame-Options", "DENY", true },
    { "Cross-Origin-Opener-Policy", "same-origin", true },
    { "Cross-Origin-Resource-Policy", "same-origin", true },
};

static void add_headers(struct MHD_Response *answer, const struct http_response *response,
                        bool is_packed, bool may_vary)
{
    bool is_page = str_starts_with(str_from(response->content_type), STR("text/html"));
    if (response->content_type != NULL && !has_header(response, "Content-Type")) {
        (void)MHD_add_response_header(answer, "Content-Type", response->content_type);
    }
    for (size_t i = 0; i < response->header_count; i++) {
        (void)MHD_add_response_header(answer, response->headers[i].name.data,
                                      response->headers[i].value.data);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(security_headers); i++) {
        if (security_headers[i].is_for_pages && !is_page) continue;
        if (response->header_count > 0 && has_header(response, security_headers[i].name)) continue;
        (void)MHD_add_response_header(answer, security_headers[i].name, security_headers[i].value);
    }
    if (is_packed) (void)MHD_add_response_header(answer, "Content-Encoding", "gzip");
    if (may_vary) (void)MHD_add_response_header(answer, "Vary", "Accept-Encoding");
    if (response->etag != NULL) {
        (void)MHD_add_response_header(answer, "ETag", response->etag);
        if (!has_header(response, "Cache-Control")) {
            (void)MHD_add_response_header(answer, "Cache-Control", "no-cache");
        }
    }
    if (response->must_close) (void)MHD_add_response_header(answer, "Connection", "close");
}

struct MHD_Response *response_finish(struct http_response *response,
                                     const struct http_request *request,
                                     struct MHD_Connection *connection, struct stream_list *streams,
                                     uint64_t *body_size)
{
    bool is_packed = false;
    if (response->waker == NULL && response->body.has_failed) {
        response_discard(response);
        http_response_text(response, 500, "the answer is larger than its limit of %zu bytes",
                           response->body.size_max);
    }
    bool is_unchanged = response->etag != NULL && response->static_body.data != NULL &&
                        etag_matches(request, response->etag);
    if (is_unchanged) {
        response->status = 304;
        response->static_body = STR("");
        response->static_gzip = (struct str){ NULL, 0 };
    }

    struct MHD_Response *answer = NULL;
    *body_size = 0;
    bool may_vary = response->static_gzip.size > 0;
    if (response->waker != NULL) {
        answer = stream_answer(response->waker, connection, streams);
        if (answer != NULL) response->waker = NULL;
    } else {
        answer = make_body(response, request, &is_packed, body_size);
        may_vary |= is_packed;
    }
    if (answer != NULL) add_headers(answer, response, is_packed, may_vary);
    return answer;
}
