/* search_ask.c - the requests of `barograph search`: plain _search, as any Elasticsearch from 7 on
 * and OpenSearch answer it, and what they answer when they do not.
 */
#include "main/search.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "codec/base64.h"
#include "codec/json_writer.h"
#include "role/role.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_SIZE_MAX ((size_t)1 << 20)
#define URL_SIZE_MAX  65536
#define BARS          60

static void put_range(const struct search_page *page, struct json_writer *json)
{
    json_object_begin(json);
    json_key(json, STR("range"));
    json_object_begin(json);
    json_key(json, STR("@timestamp"));
    json_object_begin(json);
    json_member_int(json, "gte", page->from_ms);
    if (page->to_ms != INT64_MAX) json_member_int(json, "lte", page->to_ms);
    json_member_cstr(json, "format", "epoch_millis");
    json_object_end(json);
    json_object_end(json);
    json_object_end(json);
}

static void put_query(const struct search_session *session, const struct search_page *page,
                      struct json_writer *json)
{
    json_key(json, STR("query"));
    json_object_begin(json);
    json_key(json, STR("bool"));
    json_object_begin(json);
    json_key(json, STR("filter"));
    json_array_begin(json);
    put_range(page, json);
    if (session->query.size > 0) {
        json_object_begin(json);
        json_key(json, session->flags->is_kql ? STR("kql") : STR("query_string"));
        json_object_begin(json);
        json_member_text(json, "query", session->query);
        json_object_end(json);
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
    json_object_end(json);
}

static void put_histogram(const struct search_page *page, struct json_writer *json)
{
    int64_t now_ms = clock_realtime_ms(&clock_system);
    int64_t to_ms = page->to_ms < now_ms ? page->to_ms : now_ms;
    int64_t step_ms = to_ms > page->from_ms ? (to_ms - page->from_ms) / BARS : 1;
    if (step_ms < 1) step_ms = 1;
    json_key(json, STR("aggs"));
    json_object_begin(json);
    json_key(json, STR("bars"));
    json_object_begin(json);
    json_key(json, STR("date_histogram"));
    json_object_begin(json);
    json_member_cstr(json, "field", "@timestamp");
    json_key(json, STR("fixed_interval"));
    char interval[32];
    (void)snprintf(interval, sizeof(interval), "%lldms", (long long)step_ms);
    json_put_cstr(json, interval);
    json_member_int(json, "min_doc_count", 0);
    json_member_cstr(json, "format", "epoch_millis"); /* of the bounds, whatever the mapping says */
    json_key(json, STR("extended_bounds"));
    json_object_begin(json);
    json_member_int(json, "min", page->from_ms);
    json_member_int(json, "max", to_ms > page->from_ms ? to_ms : page->from_ms);
    json_object_end(json);
    json_object_end(json);
    json_key(json, STR("aggs"));
    json_put_raw(json,
                 STR("{\"bad\":{\"filter\":{\"query_string\":{\"query\":\"log.level:(error OR "
                     "ERROR OR fatal OR FATAL OR critical OR CRITICAL) level:(error OR ERROR "
                     "OR fatal OR FATAL OR critical OR CRITICAL)\",\"lenient\":true}}}}"));
    json_object_end(json);
    json_object_end(json);
}

static void write_body(const struct search_session *session, const struct search_page *page,
                       struct buf *body)
{
    struct json_writer json;
    json_writer_init(&json, body);
    json_object_begin(&json);
    json_member_int(&json, "size", page->is_following ? SEARCH_FOLLOW_SIZE : session->flags->limit);
    if (page->skipped > 0) json_member_int(&json, "from", (int64_t)page->skipped);
    json_key(&json, STR("sort"));
    json_put_raw(&json,
                 page->is_following
                     ? STR("[{\"@timestamp\":{\"order\":\"asc\",\"unmapped_type\":\"date\"}}]")
                     : STR("[{\"@timestamp\":{\"order\":\"desc\",\"unmapped_type\":\"date\"}}]"));
    json_member_bool(&json, "track_total_hits", !page->is_following);
    put_query(session, page, &json);
    if (session->flags->has_histogram && !session->flags->is_json && !page->is_following) {
        put_histogram(page, &json);
    }
    json_object_end(&json);
}

/* While following a server may be away for a while: told of once. True: go on asking. */
static bool waits_for_server(struct search_session *session, const char *why)
{
    if (!session->is_following) return false;
    if (!session->is_down) (void)fprintf(stderr, "barograph %s: %s; waiting\n", session->name, why);
    session->is_down = true;
    return true;
}

static void note_answer(struct search_session *session)
{
    if (session->is_down) (void)fprintf(stderr, "barograph %s: it answers again\n", session->name);
    session->is_down = false;
}

/* The root cause of an error, which may also be a text; else why the answer is none. */
static int tell_refusal(const struct search_session *session, unsigned status,
                        const struct json *root)
{
    const struct json *cause = json_get(root, STR("error"));
    struct str reason = json_text(json_get(cause, STR("reason")), json_text(cause, STR("")));
    const struct json *roots = json_get(cause, STR("root_cause"));
    if (json_is(roots, JSON_ARRAY) && roots->array.count > 0) {
        reason = json_text(json_get(&roots->array.items[0], STR("reason")), reason);
    }
    bool needs_kql = session->flags->is_kql && str_find(reason, STR("[kql]")) != STR_NONE;
    const char *hint =
        needs_kql       ? "; this server has no KQL (Elasticsearch has from 8.16 on): leave --kql"
        : status == 401 ? "; --user NAME:PASSWORD or --api-key KEY say who asks"
        : status == 403 ? "; this user may not read there"
                        : "";
    if (reason.size == 0) {
        reason = root == NULL ? STR("the answer is no JSON") : STR("no reason is given");
    }
    (void)fprintf(stderr, "barograph %s: status %u: " STR_FMT "%s\n", session->name, status,
                  STR_ARG(reason), hint);
    return ROLE_EXIT_FAILED;
}

/* Lines may be missing: shards that failed, or a time that ran out. */
static bool is_whole(struct search_session *session, const struct json *root)
{
    const struct json *shards = json_get(root, STR("_shards"));
    int64_t failed = json_integer(json_get(shards, STR("failed")), 0);
    bool is_late = json_boolean(json_get(root, STR("timed_out")), false);
    if (failed == 0 && !is_late) return true;
    if (session->has_warned) return false;
    session->has_warned = true;
    const struct json *failures = json_get(shards, STR("failures"));
    struct str reason = STR("no reason is given");
    if (json_is(failures, JSON_ARRAY) && failures->array.count > 0) {
        const struct json *first = json_get(&failures->array.items[0], STR("reason"));
        reason = json_text(json_get(first, STR("reason")), reason);
    }
    if (failed > 0) {
        (void)fprintf(
            stderr, "barograph %s: lines may be missing: %lld of %lld shards failed: " STR_FMT "\n",
            session->name, (long long)failed,
            (long long)json_integer(json_get(shards, STR("total")), 0), STR_ARG(reason));
    } else {
        (void)fprintf(stderr, "barograph %s: lines may be missing: the search timed out\n",
                      session->name);
    }
    return false;
}

/* Names of indices in a path: what would end it or is no ASCII is escaped, commas and stars are
 * not. */
static void put_index(struct buf *url, struct str names)
{
    for (size_t i = 0; i < names.size; i++) {
        unsigned char c = (unsigned char)names.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (is_plain || (c != 0 && str_find_char(STR("-_.,*:"), (char)c) != STR_NONE)) {
            buf_append_char(url, (char)c);
        } else {
            buf_printf(url, "%%%02X", c);
        }
    }
}

static int write_url(const struct search_session *session, struct buf *url)
{
    struct str base = str_from(session->flags->url);
    while (str_ends_with(base, STR("/"))) base.size--;
    if (str_find(base, STR("://")) == STR_NONE) buf_append_cstr(url, "http://");
    buf_append_str(url, base);
    buf_append_char(url, '/');
    put_index(url, str_from(session->flags->index));
    buf_append_cstr(url, "/_search");
    return url->has_failed ? search_fail(session, "--url or --index is too long") : ROLE_EXIT_OK;
}

/* "ApiKey " and id:key in base64; a key without a colon is in base64 already. */
static void write_key(struct str key, struct buf *out)
{
    buf_append_cstr(out, "ApiKey ");
    if (str_find_char(key, ':') == STR_NONE) {
        buf_append_str(out, key);
    } else {
        base64_encode(out, key);
    }
}

static int send(struct search_session *session, struct str body, struct http_answer *answer,
                struct error *error)
{
    const struct search_flags *flags = session->flags;
    CLEANUP(buf_release) struct buf url = { 0 };
    CLEANUP(buf_release) struct buf key = { 0 };
    buf_init(&url, URL_SIZE_MAX);
    buf_init(&key, URL_SIZE_MAX);
    if (write_url(session, &url) != ROLE_EXIT_OK) return ERROR_INVALID;
    write_key(str_from(flags->api_key), &key);
    struct http_field authorization = { STR("Authorization"), buf_str(&key) };
    struct http_tls tls = { .authority_path = flags->authority_path,
                            .is_unchecked = flags->is_unchecked };
    struct str user = str_from(flags->user);
    struct http_call call = {
        .url = buf_str(&url),
        .body = body,
        .content_type = "application/json",
        .body_size_max = SEARCH_ANSWER_SIZE_MAX,
        .basic_user = str_cut(&user, ':'),
        .headers = &authorization,
        .header_count = flags->api_key == NULL ? 0 : 1,
        .tls = &tls,
    };
    call.basic_password = user;
    return http_client_send(session->client, &call, answer, error);
}

int search_ask(struct search_session *session, const struct search_page *page, struct arena *arena,
               const struct json **root)
{
    struct error error = { 0 };
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    CLEANUP(buf_release) struct buf body = { 0 };
    *root = NULL;
    buf_init(&body, BODY_SIZE_MAX);
    write_body(session, page, &body);
    if (body.has_failed) return search_fail(session, "the query is too long");
    if (send(session, buf_str(&body), &answer, &error) < 0) {
        if (error.text[0] == 0) return ROLE_EXIT_FAILED; /* told already */
        return waits_for_server(session, error.text) ? ROLE_EXIT_OK
                                                     : search_fail(session, error.text);
    }
    bool is_busy = answer.status == 429 || answer.status >= 502;
    if (is_busy && waits_for_server(session, "the server is busy or away")) return ROLE_EXIT_OK;
    note_answer(session);
    struct str text = arena_copy(arena, buf_str(&answer.body)); /* the tree refers to it */
    const struct json *tree = NULL;
    if (text.data == NULL) return search_fail(session, "the answer is too large");
    if (json_parse(NULL, arena, text, &tree, &error) < 0) tree = NULL;
    if (answer.status != 200 || tree == NULL) return tell_refusal(session, answer.status, tree);
    if (!json_is(json_get_path(tree, STR("hits.hits")), JSON_ARRAY)) {
        return search_fail(session, "the answer has no hits: is --url an Elasticsearch?");
    }
    *root = tree;
    return is_whole(session, tree) || session->flags->follows ? ROLE_EXIT_OK : ROLE_EXIT_FAILED;
}
