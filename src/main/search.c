/* search.c - `barograph search` and `barograph tail`: log lines in the terminal, from the role logs
 * or from any Elasticsearch.
 *
 *     barograph search 'level:error AND "timeout"' --since 1h
 *     barograph search 'level:error and not service:web' --kql --limit 20
 *     barograph tail                                            the newest lines, then what comes
 *     barograph search timeout --url http://elasticsearch:9200 --index 'filebeat-*'
 *
 * What is asked is plain _search, so any Elasticsearch answers; --kql asks for the kind of query
 * that the role logs and Elasticsearch 8.16 know. Lines come oldest first, the newest at the
 * bottom. What a line holds is shown, never carried out: control characters become '?'.
 */
#include "main/main.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "http/client.h"
#include "role/role.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_SIZE_MAX ((size_t)256 << 20)
#define TREE_SIZE_MAX   ((size_t)1 << 30)
#define BODY_SIZE_MAX   ((size_t)1 << 20)
#define LIMIT_MAX       10000
#define BARS            60
#define FOLLOW_SIZE     1000
#define FOLLOW_LATE_MS  10000 /* how late a line may come and still be shown */
#define SEEN_MAX        50000
#define DAY_MS          86400000

struct flags {
    const char *url, *index, *user, *color;
    int64_t since_ms, limit, every_ms;
    bool follows, is_kql, is_json, has_histogram, wants_help;
};

#define FLAG(member) offsetof(struct flags, member)

static const struct option options[] = {
    { "since", "DURATION", OPTION_DURATION, FLAG(since_ms), "1h", "How far to look back." },
    { "limit", "COUNT", OPTION_COUNT, FLAG(limit), "100", "Show the newest lines up to so many." },
    { "follow", NULL, OPTION_FLAG, FLAG(follows), NULL, "Go on with the lines that come." },
    { "every", "DURATION", OPTION_DURATION, FLAG(every_ms), "1s", "How often --follow asks." },
    { "kql", NULL, OPTION_FLAG, FLAG(is_kql), NULL, "The query is Kibana's, not Lucene's." },
    { "histogram", NULL, OPTION_FLAG, FLAG(has_histogram), NULL,
      "Show when the lines were written; on by default for search." },
    { "json", NULL, OPTION_FLAG, FLAG(is_json), NULL, "Print the documents, one a line." },
    { "color", "WHEN", OPTION_TEXT, FLAG(color), "auto",
      "auto, always or never; NO_COLOR is heeded." },
    { "index", "NAMES", OPTION_TEXT, FLAG(index), "*", "Indices, aliases and patterns of them." },
    { "url", "URL", OPTION_TEXT, FLAG(url), "http://127.0.0.1:9200", "The server to ask." },
    { "user", "NAME:PASSWORD", OPTION_TEXT, FLAG(user), NULL, "Basic authentication." },
    { "help", NULL, OPTION_FLAG, FLAG(wants_help), NULL, "Show this text." },
};

struct session {
    const struct flags *flags;
    const char *name; /* of the command */
    struct str query;
    struct http_client *client;
    bool has_color;
    bool is_following;
    bool is_down;    /* the server did not answer when it was asked last */
    struct map seen; /* ids shown while following */
    int64_t newest_ms;
};

static int fail(const struct session *session, const char *text)
{
    (void)fprintf(stderr, "barograph %s: %s\n", session->name, text);
    return ROLE_EXIT_FAILED;
}

/* Asking -------------------------------------------------------------------------------------- */

static void put_range(struct json_writer *json, int64_t from_ms)
{
    json_object_begin(json);
    json_key(json, STR("range"));
    json_object_begin(json);
    json_key(json, STR("@timestamp"));
    json_object_begin(json);
    json_member_int(json, "gte", from_ms);
    json_member_cstr(json, "format", "epoch_millis");
    json_object_end(json);
    json_object_end(json);
    json_object_end(json);
}

static void put_query(const struct session *session, int64_t from_ms, struct json_writer *json)
{
    json_key(json, STR("query"));
    json_object_begin(json);
    json_key(json, STR("bool"));
    json_object_begin(json);
    json_key(json, STR("filter"));
    json_array_begin(json);
    put_range(json, from_ms);
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

static void put_histogram(int64_t from_ms, int64_t to_ms, struct json_writer *json)
{
    int64_t step_ms = (to_ms - from_ms) / BARS;
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
    json_key(json, STR("extended_bounds"));
    json_object_begin(json);
    json_member_int(json, "min", from_ms);
    json_member_int(json, "max", to_ms);
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

static void write_body(const struct session *session, int64_t from_ms, int64_t to_ms,
                       bool is_following, struct buf *body)
{
    struct json_writer json;
    json_writer_init(&json, body);
    json_object_begin(&json);
    json_member_int(&json, "size", is_following ? FOLLOW_SIZE : session->flags->limit);
    json_key(&json, STR("sort"));
    json_put_raw(&json,
                 is_following
                     ? STR("[{\"@timestamp\":{\"order\":\"asc\",\"unmapped_type\":\"date\"}}]")
                     : STR("[{\"@timestamp\":{\"order\":\"desc\",\"unmapped_type\":\"date\"}}]"));
    json_member_bool(&json, "track_total_hits", !is_following);
    put_query(session, from_ms, &json);
    if (session->flags->has_histogram && !is_following) put_histogram(from_ms, to_ms, &json);
    json_object_end(&json);
}

/* While following a server may be away for a while: told of once. True: go on asking. */
static bool waits_for_server(struct session *session, const char *why)
{
    if (!session->is_following) return false;
    if (!session->is_down) (void)fprintf(stderr, "barograph %s: %s; waiting\n", session->name, why);
    session->is_down = true;
    return true;
}

static void note_answer(struct session *session)
{
    if (session->is_down) (void)fprintf(stderr, "barograph %s: it answers again\n", session->name);
    session->is_down = false;
}

/* *root stays NULL when there is nothing to show this time. */
static int ask(struct session *session, struct str body, struct http_answer *answer,
               struct arena *arena, const struct json **root)
{
    struct error error = { 0 };
    CLEANUP(buf_release) struct buf url = { 0 };
    buf_init(&url, 65536);
    struct str base = str_from(session->flags->url);
    while (str_ends_with(base, STR("/"))) base.size--;
    buf_printf(&url, STR_FMT "/%s/_search?ignore_unavailable=true", STR_ARG(base),
               session->flags->index);
    struct str user = str_from(session->flags->user);
    struct http_call call = {
        .url = buf_str(&url),
        .body = body,
        .content_type = "application/json",
        .body_size_max = ANSWER_SIZE_MAX,
        .basic_user = str_cut(&user, ':'),
        .basic_password = user,
    };
    if (http_client_send(session->client, &call, answer, &error) < 0) {
        return waits_for_server(session, error.text) ? ROLE_EXIT_OK : fail(session, error.text);
    }
    bool is_busy = answer->status == 429 || answer->status >= 502;
    if (is_busy && waits_for_server(session, "the server is busy or away")) return ROLE_EXIT_OK;
    note_answer(session);
    if (json_parse(NULL, arena, buf_str(&answer->body), root, &error) < 0) {
        (void)fprintf(stderr, "barograph %s: status %u, and no JSON\n", session->name,
                      answer->status);
        return ROLE_EXIT_FAILED;
    }
    if (answer->status == 200) return ROLE_EXIT_OK;
    const struct json *cause = json_get(*root, STR("error"));
    struct str reason = json_text(json_get(cause, STR("reason")), json_text(cause, STR("?")));
    const struct json *roots = json_get(cause, STR("root_cause"));
    if (json_is(roots, JSON_ARRAY) && roots->array.count > 0) {
        reason = json_text(json_get(&roots->array.items[0], STR("reason")), reason);
    }
    (void)fprintf(stderr, "barograph %s: status %u: " STR_FMT "\n", session->name, answer->status,
                  STR_ARG(reason));
    return ROLE_EXIT_FAILED;
}

/* Showing ------------------------------------------------------------------------------------- */

struct level {
    struct str name;
    const char *color;
};

static const struct level levels[] = {
    { STR_INIT("fatal"), "\033[1;31m" }, { STR_INIT("critical"), "\033[1;31m" },
    { STR_INIT("error"), "\033[31m" },   { STR_INIT("err"), "\033[31m" },
    { STR_INIT("warn"), "\033[33m" },    { STR_INIT("warning"), "\033[33m" },
    { STR_INIT("info"), "\033[32m" },    { STR_INIT("debug"), "\033[90m" },
    { STR_INIT("trace"), "\033[90m" },
};

static const char *level_color(struct str name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++) {
        if (str_equal_nocase(levels[i].name, str_trim(name))) return levels[i].color;
    }
    return "";
}

/* Text of a log: what would move the cursor or change the screen becomes '?'. */
static void put_clean(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_c1 = c == 0xc2 && i + 1 < text.size && (unsigned char)text.data[i + 1] < 0xa0;
        if (is_c1) i++;
        bool is_control = (c < 0x20 && c != '\t') || c == 0x7f || is_c1;
        buf_append_char(out, c == '\n' && i + 1 < text.size ? '\n' : is_control ? '?' : (char)c);
    }
}

static struct str field_text(const struct json *source, const char *path)
{
    const struct json *value = json_get_path(source, str_from(path));
    if (json_is(value, JSON_TEXT)) return value->text;
    return value == NULL || value->kind == JSON_OBJECT ? STR("") : value->raw;
}

static void put_line(const struct session *session, const struct json *hit, struct buf *out)
{
    const struct json *source = json_get(hit, STR("_source"));
    if (session->flags->is_json) {
        if (source != NULL) buf_append_str(out, source->raw);
        buf_append_char(out, '\n');
        return;
    }
    static const char *const messages[] = { "message", "event.original", "log", "msg" };
    struct str time = field_text(source, "@timestamp");
    struct str level = field_text(source, "log.level");
    if (level.size == 0) level = field_text(source, "level");
    struct str message = STR("");
    for (size_t i = 0; message.size == 0 && i < ARRAY_LENGTH(messages); i++) {
        message = field_text(source, messages[i]);
    }
    if (message.size == 0 && source != NULL) message = source->raw;
    const char *color = session->has_color ? level_color(level) : "";
    const char *dim = session->has_color ? "\033[90m" : "";
    const char *plain = session->has_color ? "\033[0m" : "";
    buf_append_cstr(out, dim);
    put_clean(out, time);
    buf_append_cstr(out, plain);
    buf_append_char(out, ' ');
    buf_append_cstr(out, color);
    put_clean(out, level);
    for (size_t i = level.size; i < 5; i++) buf_append_char(out, ' ');
    buf_append_cstr(out, color[0] == 0 ? "" : plain);
    buf_append_char(out, ' ');
    put_clean(out, message);
    buf_append_char(out, '\n');
}

/* "10:05", or with the day when the bars span more than one; UTC as the lines are. */
static void put_bar_time(int64_t time_ms, bool has_day, struct buf *out)
{
    struct utc utc = clock_utc_from_ms(time_ms);
    if (has_day) buf_printf(out, "%02d-%02d ", utc.month, utc.day);
    buf_printf(out, "%02d:%02d", utc.hour, utc.minute);
}

static int64_t bar_start(const struct json *list, size_t i)
{
    return json_integer(json_get(&list->array.items[i], STR("key")), 0);
}

/* One row of bars, those with many errors in red, between the times that they span. */
static void put_bars(const struct session *session, const struct json *root, struct buf *out)
{
    static const char *const bars[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    const struct json *list = json_get_path(root, STR("aggregations.bars.buckets"));
    int64_t most = 0;
    size_t count = json_is(list, JSON_ARRAY) ? list->array.count : 0;
    for (size_t i = 0; i < count; i++) {
        int64_t lines = json_integer(json_get(&list->array.items[i], STR("doc_count")), 0);
        if (lines > most) most = lines;
    }
    if (count == 0 || most == 0) return;
    bool has_days = bar_start(list, count - 1) - bar_start(list, 0) >= DAY_MS;
    put_bar_time(bar_start(list, 0), has_days, out);
    buf_append_char(out, ' ');
    for (size_t i = 0; i < count; i++) {
        const struct json *bucket = &list->array.items[i];
        int64_t lines = json_integer(json_get(bucket, STR("doc_count")), 0);
        int64_t bad = json_integer(json_get_path(bucket, STR("bad.doc_count")), 0);
        size_t height = lines == 0 ? 0 : (size_t)(1 + lines * 7 / most);
        bool is_red = session->has_color && bad * 4 > lines && lines > 0;
        if (is_red) buf_append_cstr(out, "\033[31m");
        buf_append_cstr(out, bars[height > 8 ? 8 : height]);
        if (is_red) buf_append_cstr(out, "\033[0m");
    }
    int64_t total = json_integer(json_get_path(root, STR("hits.total.value")), 0);
    buf_append_char(out, ' ');
    put_bar_time(bar_start(list, count - 1), has_days, out);
    buf_printf(out, "  %lld lines, %lld at most a bar\n", (long long)total, (long long)most);
}

static void remember(struct session *session, const struct json *hit)
{
    struct str id = json_text(json_get(hit, STR("_id")), STR(""));
    const struct json *sort = json_get(hit, STR("sort"));
    int64_t time_ms = json_is(sort, JSON_ARRAY) && sort->array.count > 0
                          ? json_integer(&sort->array.items[0], 0)
                          : 0;
    if (time_ms > session->newest_ms) session->newest_ms = time_ms;
    if (session->seen.count >= SEEN_MAX) map_release(&session->seen);
    if (id.size > 0 && map_put(&session->seen, id, session) < 0) map_release(&session->seen);
}

static int show(struct session *session, const struct json *root, bool is_following)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    buf_init(&out, ANSWER_SIZE_MAX);
    const struct json *hits = json_get_path(root, STR("hits.hits"));
    size_t count = json_is(hits, JSON_ARRAY) ? hits->array.count : 0;
    for (size_t i = 0; i < count; i++) {
        /* The first answer has the newest first; what follows comes in order. */
        const struct json *hit = &hits->array.items[is_following ? i : count - 1 - i];
        struct str id = json_text(json_get(hit, STR("_id")), STR(""));
        if (is_following && map_has(&session->seen, id)) continue;
        put_line(session, hit, &out);
        remember(session, hit);
    }
    if (!is_following && !session->flags->is_json) put_bars(session, root, &out);
    if (out.has_failed) return fail(session, "the answer is too large to be shown");
    if (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0) {
        return ROLE_EXIT_FAILED; /* nobody reads on */
    }
    return ROLE_EXIT_OK;
}

static int round_trip(struct session *session, int64_t from_ms, bool is_following)
{
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    CLEANUP(arena_release) struct arena arena;
    CLEANUP(buf_release) struct buf body = { 0 };
    const struct json *root = NULL;
    arena_init(&arena, TREE_SIZE_MAX);
    buf_init(&body, BODY_SIZE_MAX);
    write_body(session, from_ms, clock_realtime_ms(&clock_system), is_following, &body);
    if (body.has_failed) return fail(session, "the query is too long");
    int status = ask(session, buf_str(&body), &answer, &arena, &root);
    return status == ROLE_EXIT_OK && root != NULL ? show(session, root, is_following) : status;
}

static int run(struct session *session)
{
    const struct flags *flags = session->flags;
    int64_t start_ms = clock_realtime_ms(&clock_system);
    int status = round_trip(session, start_ms - flags->since_ms, false);
    session->is_following = true;
    while (status == ROLE_EXIT_OK && flags->follows) {
        clock_wait_ms(&clock_system, flags->every_ms > 0 ? flags->every_ms : 1);
        int64_t from_ms = session->newest_ms > 0 ? session->newest_ms : start_ms;
        status = round_trip(session, from_ms - FOLLOW_LATE_MS, true);
    }
    return status;
}

static int start(struct flags *flags, const char *name, int argc, char **argv)
{
    struct option_table table = { options, ARRAY_LENGTH(options), flags };
    struct option_list words = { 0 };
    struct error error = { 0 };
    struct session session = { .flags = flags, .name = name, .query = STR("") };
    bool is_tail = flags->follows;
    if (options_parse(&table, 1, argc, argv, &words, &error) != 0) {
        (void)fail(&session, error.text);
        return ROLE_EXIT_USAGE;
    }
    if (flags->wants_help) {
        return show_help(&table, is_tail ? "barograph tail [QUERY] [OPTIONS]"
                                         : "barograph search [QUERY] [OPTIONS]");
    }
    bool is_known = strcmp(flags->color, "auto") == 0 || strcmp(flags->color, "always") == 0 ||
                    strcmp(flags->color, "never") == 0;
    if (words.count > 1 || flags->limit < 1 || flags->limit > LIMIT_MAX || !is_known) {
        (void)fail(&session, words.count > 1 ? "one query is wanted, in quotes"
                             : !is_known     ? "--color is auto, always or never"
                                             : "--limit is 1 to 10000");
        return ROLE_EXIT_USAGE;
    }
    if (words.count == 1) session.query = str_trim(str_from(words.items[0]));
    if (str_equal(session.query, STR("*"))) session.query = STR("");
    const char *no_color = getenv("NO_COLOR");
    bool may_color = isatty(STDOUT_FILENO) == 1 && (no_color == NULL || no_color[0] == 0);
    session.has_color =
        strcmp(flags->color, "always") == 0 || (strcmp(flags->color, "auto") == 0 && may_color);
    CLEANUP(http_client_cleanup) struct http_client *client = NULL;
    if (http_client_new(&client, &(struct http_client_options){ 0 }, &error) < 0) {
        return fail(&session, error.text);
    }
    session.client = client;
    int status = run(&session);
    map_release(&session.seen);
    return status;
}

int search_main(int argc, char **argv)
{
    struct flags flags = { .has_histogram = true };
    return start(&flags, "search", argc, argv);
}

int tail_main(int argc, char **argv)
{
    struct flags flags = { .follows = true };
    return start(&flags, "tail", argc, argv);
}
