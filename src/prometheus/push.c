/* push.c - metrics sent to a Pushgateway.
 *
 * PATH  /metrics/job/JOB{/LABEL/VALUE}, values escaped; LABEL@base64/VALUE in the URL alphabet
 *       where a value holds '/' or is empty ("=" then).
 * Source: Pushgateway's README, "URL".
 */
#include "prometheus/push.h"

#include "base/compiler.h"
#include "codec/base64.h"
#include "http/client.h"
#include "prometheus/fail.h"
#include "prometheus/name.h"

#include <string.h>

enum { TIMEOUT_MS = 10000, URL_SIZE_MAX = 16 * 1024, BODY_SIZE_MAX = 256 << 20, REASON_SIZE = 101 };

static void put_part(struct buf *url, const char *name, const char *value)
{
    buf_append_str(url, STR("/"));
    buf_append_str(url, str_from(name));
    if (value[0] != '\0' && strchr(value, '/') == NULL) {
        buf_append_str(url, STR("/"));
        for (const char *at = value; *at != '\0'; at++) {
            bool is_plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                            (*at >= '0' && *at <= '9') || strchr("-._~", *at) != NULL;
            if (is_plain)
                buf_append(url, at, 1);
            else
                buf_printf(url, "%%%02X", (unsigned)(unsigned char)*at);
        }
        return;
    }
    buf_append_str(url, STR("@base64/"));
    if (value[0] == '\0') buf_append_str(url, STR("="));
    base64_url_encode(url, str_from(value));
}

static int check(const struct pm_push *push, struct pm_error *error)
{
    if (push->url == NULL || push->job == NULL || push->job[0] == '\0') {
        return pm_fail(error, PM_ERROR_VALUE, "a push needs a URL and a job");
    }
    for (size_t i = 0; i < push->grouping_count; i++) {
        const struct pm_label *label = &push->grouping[i];
        bool is_bad = !pm_name_is_label(label->name) || label->value == NULL ||
                      strcmp(label->name, "job") == 0;
        for (size_t j = 0; !is_bad && j < i; j++) {
            is_bad = strcmp(push->grouping[j].name, label->name) == 0;
        }
        if (is_bad) {
            return pm_fail(error, PM_ERROR_VALUE, "'%.60s' cannot be a grouping label, or is twice",
                           label->name == NULL ? "(null)" : label->name);
        }
    }
    return PM_OK;
}

static int make_url(const struct pm_push *push, struct buf *url, struct pm_error *error)
{
    int code = check(push, error);
    if (code < 0) return code;
    struct str base = str_from(push->url);
    while (base.size > 0 && base.data[base.size - 1] == '/') base.size--;
    buf_append_str(url, base);
    buf_append_str(url, STR("/metrics"));
    put_part(url, "job", push->job);
    for (size_t i = 0; i < push->grouping_count; i++) {
        put_part(url, push->grouping[i].name, push->grouping[i].value);
    }
    if (!url->has_failed) return PM_OK;
    return pm_fail(error, PM_ERROR_FULL, "the URL of the group is over %d bytes", URL_SIZE_MAX);
}

int pm_push_url(const struct pm_push *push, char *text, size_t size, struct pm_error *error)
{
    CLEANUP(buf_release) struct buf url;
    buf_init(&url, URL_SIZE_MAX);
    int code = make_url(push, &url, error);
    if (code < 0) return code;
    size_t kept = size == 0 ? 0 : url.size < size ? url.size : size - 1;
    memcpy(text, url.data, kept);
    if (size > 0) text[kept] = '\0';
    return (int)url.size;
}

static int write_piece(void *arg, const char *data, size_t size)
{
    struct buf *body = arg;
    buf_append(body, data, size);
    return body->has_failed ? -1 : 0;
}

/* The first line of what a gateway says, or what it begins with; only what may stand in a log. */
static void copy_reason(char text[REASON_SIZE], struct str answer)
{
    size_t size = 0;
    for (; size < answer.size && size < REASON_SIZE - 1; size++) {
        char c = answer.data[size];
        if (c == '\n' || c == '\r') break;
        text[size] = c >= ' ' && c <= '~' ? c : '?';
    }
    text[size] = '\0';
}

static int send(const struct pm_push *push, enum http_method method, struct str url,
                struct str body, struct pm_error *error)
{
    struct error cause = { 0 };
    CLEANUP(http_client_cleanup) struct http_client *client = NULL;
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    struct http_client_options options = { .connection_max = 1 };
    struct http_call call = {
        .method = method,
        .url = url,
        .body = body,
        .content_type = method == HTTP_DELETE ? NULL : pm_content_type(push->format),
        .basic_user = push->user == NULL ? STR("") : str_from(push->user),
        .basic_password = push->password == NULL ? STR("") : str_from(push->password),
        .bearer = push->bearer == NULL ? STR("") : str_from(push->bearer),
        .timeout_ms = push->timeout_ms > 0 ? push->timeout_ms : TIMEOUT_MS,
        .wants_fresh = true,
    };
    if (http_client_new(&client, &options, &cause) < 0 ||
        http_client_send(client, &call, &answer, &cause) < 0) {
        return pm_fail(error, PM_ERROR_SYSTEM, "push to '%.80s': %.100s", push->url, cause.text);
    }
    if (answer.status >= 200 && answer.status < 300) return PM_OK;
    char text[REASON_SIZE];
    copy_reason(text, str_trim(buf_str(&answer.body)));
    return pm_fail(error, PM_ERROR_SYSTEM, "push to '%.60s': status %u, %s", push->url,
                   answer.status, text[0] == '\0' ? "no text" : text);
}

int pm_push_send(const struct pm_push *push, enum pm_push_method method, struct pm_error *error)
{
    static const enum http_method methods[] = {
        [PM_PUSH_PUT] = HTTP_PUT, [PM_PUSH_POST] = HTTP_POST, [PM_PUSH_DELETE] = HTTP_DELETE
    };
    CLEANUP(buf_release) struct buf url;
    CLEANUP(buf_release) struct buf body;
    buf_init(&url, URL_SIZE_MAX);
    buf_init(&body, BODY_SIZE_MAX);
    if ((unsigned)method > PM_PUSH_DELETE) return pm_fail(error, PM_ERROR_VALUE, "no such push");
    int code = make_url(push, &url, error);
    if (code == PM_OK && method != PM_PUSH_DELETE) {
        code = pm_render(push->registry, push->format, write_piece, &body);
        if (code < 0) (void)pm_fail(error, code, "the metrics could not be written");
    }
    if (code < 0) return code;
    return send(push, methods[method], buf_str(&url), buf_str(&body), error);
}
