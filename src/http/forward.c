/* forward.c - answers of other servers, as our own. */
#include "http/forward.h"

static bool is_json(struct str type)
{
    return str_starts_with(type, STR("application/json")) ||
           str_starts_with(type, STR("application/vnd.elasticsearch+json"));
}

int http_forward(struct http_client *client, const struct http_call *call,
                 struct http_response *response, struct error *cause)
{
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    int code = http_client_send(client, call, &answer, cause);
    if (code != 0) {
        response->status = answer.failure == HTTP_FAILURE_TIMEOUT ? 504 : 502;
        return code;
    }
    response->status = answer.status;
    response->content_type = is_json(http_answer_header(&answer, "Content-Type"))
                                 ? "application/json; charset=utf-8"
                                 : "text/plain; charset=utf-8";
    buf_append_str(&response->body, buf_str(&answer.body));
    return 0;
}
