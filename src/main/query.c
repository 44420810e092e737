/* query.c - `barograph query`: asks a server that speaks Prometheus' API and shows the answer.
 *
 *     barograph query 'sum by (job) (up)'                        now, as a table
 *     barograph query 'rate(http_requests_total[5m])' --start -1h --step 30s
 *     barograph query 'up' --start -6h --format csv > up.csv
 *     barograph query 'node_load1' --start -1h --format plot --url http://other:9090
 *
 * Times are `now`, a duration before now (`-1h`), seconds since 1970 or RFC 3339. A range is asked
 * when --start is given. Warnings of the server go to standard error. The exit status is 0, 1 when
 * the server refuses or cannot be reached, 2 for a wrong command line.
 */
#include "main/main.h"
#include "main/query_print.h"

#include "base/clock.h"
#include "codec/json.h"
#include "codec/number.h"
#include "http/client.h"
#include "role/role.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_SIZE_MAX ((size_t)1 << 30)
#define TREE_SIZE_MAX   ((size_t)4 << 30)
#define FORM_SIZE_MAX   ((size_t)4 << 20)
#define STEPS_WANTED    120 /* of a range without --step */

struct flags {
    const char *url;
    const char *time;
    const char *start;
    const char *end;
    const char *format;
    int64_t step_ms;
    int64_t timeout_ms;
    bool wants_help;
};

#define FLAG(member) offsetof(struct flags, member)

static const struct option options[] = {
    { "url", "URL", OPTION_TEXT, FLAG(url), "http://127.0.0.1:9090", "The server to ask." },
    { "time", "TIME", OPTION_TEXT, FLAG(time), "now", "When an instant query is evaluated." },
    { "start", "TIME", OPTION_TEXT, FLAG(start), NULL, "Ask a range, from here." },
    { "end", "TIME", OPTION_TEXT, FLAG(end), "now", "To here." },
    { "step", "DURATION", OPTION_DURATION, FLAG(step_ms), NULL,
      "Between two points; the default makes some 120." },
    { "format", "FORMAT", OPTION_TEXT, FLAG(format), "table", "table, json, csv or plot." },
    { "timeout", "DURATION", OPTION_DURATION, FLAG(timeout_ms), "2m", "How long to wait." },
    { "help", NULL, OPTION_FLAG, FLAG(wants_help), NULL, "Show this text." },
};

static int fail(const char *what, const char *text)
{
    (void)fprintf(stderr, "barograph query: %s%s\n", what, text);
    return ROLE_EXIT_USAGE;
}

/* "now", "-1h30m", "1700000000.5", "2026-01-01T00:00:00Z". */
static bool read_time(const char *text, int64_t now_ms, int64_t *time_ms)
{
    struct str word = str_from(text);
    double seconds;
    int64_t time_ns;
    int64_t before_ms;
    if (str_equal(word, STR("now"))) {
        *time_ms = now_ms;
        return true;
    }
    if (clock_rfc3339_parse(word, &time_ns)) {
        *time_ms = time_ns / 1000000;
        return true;
    }
    if (number_parse(word, &seconds) && fabs(seconds) < 9e15) {
        *time_ms = (int64_t)llround(seconds * 1000);
        return true;
    }
    if (word.size < 2 || word.data[0] != '-') return false;
    if (query_duration(str_skip(word, 1), &before_ms) < 0) return false;
    *time_ms = now_ms - before_ms;
    return true;
}

static void append_escaped(struct buf *form, struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (is_plain) {
            buf_append_char(form, (char)c);
        } else {
            buf_printf(form, "%%%02X", c);
        }
    }
}

static void append_seconds(struct buf *form, const char *key, int64_t time_ms)
{
    buf_printf(form, "&%s=%s%lld.%03d", key, time_ms < 0 ? "-" : "",
               (long long)(time_ms < 0 ? -time_ms : time_ms) / 1000,
               (int)((time_ms < 0 ? -time_ms : time_ms) % 1000));
}

/* What to post; the exit status, or -1 to go on. */
static int write_form(const struct flags *flags, struct str expression, struct buf *form)
{
    int64_t now_ms = clock_realtime_ms(&clock_system);
    int64_t start_ms = 0;
    int64_t end_ms = 0;
    buf_append_str(form, STR("query="));
    append_escaped(form, expression);
    if (flags->start == NULL) {
        if (!read_time(flags->time, now_ms, &end_ms)) return fail("no time: ", flags->time);
        append_seconds(form, "time", end_ms);
        return -1;
    }
    if (!read_time(flags->start, now_ms, &start_ms)) return fail("no time: ", flags->start);
    if (!read_time(flags->end, now_ms, &end_ms)) return fail("no time: ", flags->end);
    if (end_ms < start_ms) return fail("--end is before --start", "");
    int64_t step_ms = flags->step_ms;
    if (step_ms <= 0) step_ms = (end_ms - start_ms) / STEPS_WANTED / 1000 * 1000;
    if (step_ms <= 0) step_ms = 1000;
    append_seconds(form, "start", start_ms);
    append_seconds(form, "end", end_ms);
    append_seconds(form, "step", step_ms);
    return -1;
}

static int ask(const struct flags *flags, struct str form, struct http_answer *answer,
               struct error *error)
{
    char url[2048];
    size_t size = strlen(flags->url);
    while (size > 0 && flags->url[size - 1] == '/') size--;
    (void)snprintf(url, sizeof(url), "%.*s/api/v1/%s", (int)size, flags->url,
                   flags->start == NULL ? "query" : "query_range");
    struct http_client *client = NULL;
    int code = http_client_new(&client, &(struct http_client_options){ 0 }, error);
    if (code != 0) return code;
    struct http_call call = { .method = HTTP_POST,
                              .url = str_from(url),
                              .body = form,
                              .content_type = "application/x-www-form-urlencoded",
                              .timeout_ms = flags->timeout_ms,
                              .body_size_max = ANSWER_SIZE_MAX };
    code = http_client_send(client, &call, answer, error);
    http_client_free(client);
    return code;
}

static void tell_notes(const struct json *root, const char *key)
{
    const struct json *notes = json_get(root, str_from(key));
    for (size_t i = 0; json_is(notes, JSON_ARRAY) && i < notes->array.count; i++) {
        struct str text = json_text(&notes->array.items[i], STR(""));
        (void)fprintf(stderr, STR_FMT "\n", STR_ARG(text));
    }
}

static int show(const struct flags *flags, const struct http_answer *answer)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, TREE_SIZE_MAX);
    const struct json *root = NULL;
    struct error error = { 0 };
    if (json_parse(NULL, &arena, buf_str(&answer->body), &root, &error) != 0) {
        (void)fprintf(stderr, "barograph query: status %d, and no JSON: %s\n", answer->status,
                      error.text);
        return ROLE_EXIT_FAILED;
    }
    tell_notes(root, "warnings");
    tell_notes(root, "infos");
    if (!str_equal(json_text(json_get(root, STR("status")), STR("")), STR("success"))) {
        struct str kind = json_text(json_get(root, STR("errorType")), STR("error"));
        struct str text = json_text(json_get(root, STR("error")), STR("no reason given"));
        (void)fprintf(stderr, "barograph query: " STR_FMT ": " STR_FMT "\n", STR_ARG(kind),
                      STR_ARG(text));
        return ROLE_EXIT_FAILED;
    }
    const struct json *data = json_get(root, STR("data"));
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, ANSWER_SIZE_MAX);
    int code = query_print(&out, str_from(flags->format), data, isatty(STDOUT_FILENO) == 1);
    (void)fwrite(out.data, 1, out.size, stdout);
    if (code < 0 || out.has_failed) return fail("the answer cannot be shown", "");
    return ROLE_EXIT_OK;
}

int query_main(int argc, char **argv)
{
    struct flags flags = { 0 };
    struct option_table table = { options, ARRAY_LENGTH(options), &flags };
    struct option_list words = { 0 };
    struct error error = { 0 };
    if (options_parse(&table, 1, argc, argv, &words, &error) != 0) return fail(error.text, "");
    if (flags.wants_help) {
        return show_help(&table, "barograph query EXPRESSION [OPTIONS]");
    }
    if (words.count != 1) return fail("one expression is wanted, in quotes", "");
    if (!query_format_is_known(str_from(flags.format))) {
        return fail("--format is table, json, csv or plot, not ", flags.format);
    }
    CLEANUP(buf_release) struct buf form;
    buf_init(&form, FORM_SIZE_MAX);
    int status = write_form(&flags, str_from(words.items[0]), &form);
    if (status >= 0) return status;
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    if (ask(&flags, buf_str(&form), &answer, &error) < 0) {
        (void)fprintf(stderr, "barograph query: %s\n", error.text);
        return ROLE_EXIT_FAILED;
    }
    return show(&flags, &answer);
}
