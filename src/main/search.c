/* search.c - `barograph search` and `barograph tail`: log lines in the terminal, from the role
 * logs, any Elasticsearch from 7 on, or OpenSearch.
 *
 *     barograph search 'level:error AND "timeout"' --since 1h
 *     barograph search 'level:error and not service:web' --kql --limit 20
 *     barograph search timeout --since 2026-11-29T10:00:00Z --until 2026-11-29T11:00:00Z
 *     barograph tail                                            the newest lines, then what comes
 *     barograph search timeout --url https://elasticsearch:9200 --index 'filebeat-*' \
 *                      --user elastic:secret --cacert http_ca.crt
 *
 * What is asked is plain _search, so any Elasticsearch answers; --kql asks for the kind of query
 * that the role logs and Elasticsearch 8.16 know. Lines come oldest first, the newest at the
 * bottom. The exit status is 0, 1 when the server refuses, cannot be reached or could give a part
 * only, 2 for a wrong command line.
 */
#include "main/search.h"

#include "main/main.h"
#include "main/query_print.h"

#include "base/arena.h"
#include "base/clock.h"
#include "role/role.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TREE_SIZE_MAX  ((size_t)1 << 30)
#define FOLLOW_LATE_MS 10000 /* how late a line may come and still be shown */

#define FLAG(member) offsetof(struct search_flags, member)

static const struct option options[] = {
    { "since", "TIME", OPTION_TEXT, FLAG(since), "1h",
      "How far to look back: a duration like 90s, 1h30m or 7d, a day, or a time (RFC 3339)." },
    { "until", "TIME", OPTION_TEXT, FLAG(until), NULL, "Nothing newer; likewise." },
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
    { "api-key", "KEY", OPTION_TEXT, FLAG(api_key), NULL,
      "An API key: id:key, or both in base64, as Elasticsearch gives them." },
    { "cacert", "FILE", OPTION_TEXT, FLAG(authority_path), NULL,
      "The authority of the server's certificate (PEM); the system's when not given." },
    { "insecure", NULL, OPTION_FLAG, FLAG(is_unchecked), NULL,
      "Do not check the server's certificate." },
    { "help", NULL, OPTION_FLAG, FLAG(wants_help), NULL, "Show this text." },
};

int search_fail(const struct search_session *session, const char *text)
{
    (void)fprintf(stderr, "barograph %s: %s\n", session->name, text);
    return ROLE_EXIT_FAILED;
}

/* "1h30m" before now, "2026-11-29", "2026-11-29T10:00:00Z"; a day ends with its last
 * millisecond. */
static bool read_time(const char *text, int64_t now_ms, bool is_end, int64_t *time_ms)
{
    struct str word = str_from(text);
    int64_t time_ns;
    int64_t before_ms;
    if (query_duration(word, &before_ms) == 0) {
        *time_ms = now_ms - before_ms;
        return true;
    }
    char full[CLOCK_RFC3339_SIZE];
    bool is_day = word.size == 10;
    (void)snprintf(full, sizeof(full), is_day && is_end ? "%.10sT23:59:59.999Z" : "%.10sT00:00:00Z",
                   text);
    if (!clock_rfc3339_parse(is_day ? str_from(full) : word, &time_ns)) return false;
    *time_ms = time_ns / 1000000;
    return true;
}

static int round_trip(struct search_session *session, const struct search_page *page,
                      bool skips_old, size_t *count)
{
    CLEANUP(arena_release) struct arena arena;
    const struct json *root = NULL;
    arena_init(&arena, TREE_SIZE_MAX);
    *count = 0;
    int status = search_ask(session, page, &arena, &root);
    if (root == NULL) return status;
    int shown = search_show(session, root, page, skips_old, count);
    return status == ROLE_EXIT_OK ? shown : status;
}

/* What came since, page by page. When more lines come than one may be shown in a row, those that
 * are late are waited for no more. */
static int follow(struct search_session *session, int64_t start_ms, bool is_first, bool *is_full)
{
    int64_t newest_ms = session->newest_ms > 0 ? session->newest_ms : start_ms;
    bool skips_old = is_first && session->newest_ms > 0;
    struct search_page page = {
        .from_ms = *is_full ? newest_ms : newest_ms - FOLLOW_LATE_MS,
        .to_ms = INT64_MAX,
        .is_following = true,
    };
    int status = ROLE_EXIT_OK;
    size_t count = SEARCH_FOLLOW_SIZE;
    while (status == ROLE_EXIT_OK && count == SEARCH_FOLLOW_SIZE &&
           page.skipped + SEARCH_FOLLOW_SIZE <= SEARCH_LIMIT_MAX) {
        status = round_trip(session, &page, skips_old, &count);
        page.skipped += count;
    }
    *is_full = count == SEARCH_FOLLOW_SIZE;
    return status;
}

static int run(struct search_session *session)
{
    const struct search_flags *flags = session->flags;
    int64_t start_ms = clock_realtime_ms(&clock_system);
    struct search_page page = { .to_ms = INT64_MAX };
    bool is_time = read_time(flags->since, start_ms, false, &page.from_ms) &&
                   (flags->until == NULL || read_time(flags->until, start_ms, true, &page.to_ms));
    if (!is_time || page.from_ms > page.to_ms) {
        (void)search_fail(session, is_time ? "--until is before --since"
                                           : "--since and --until are a duration like 1h30m, a day "
                                             "like 2026-11-29 or a time like 2026-11-29T10:00:00Z");
        return ROLE_EXIT_USAGE;
    }
    size_t count = 0;
    int status = round_trip(session, &page, false, &count);
    session->is_following = true;
    bool is_full = false;
    for (bool is_first = true; status == ROLE_EXIT_OK && flags->follows; is_first = false) {
        clock_wait_ms(&clock_system, flags->every_ms > 0 ? flags->every_ms : 1);
        status = follow(session, start_ms, is_first, &is_full);
    }
    return status;
}

static int start(struct search_flags *flags, const char *name, int argc, char **argv)
{
    struct option_table table = { options, ARRAY_LENGTH(options), flags };
    struct option_list words = { 0 };
    struct error error = { 0 };
    struct search_session session = { .flags = flags, .name = name, .query = STR("") };
    bool is_tail = flags->follows;
    if (options_parse(&table, 1, argc, argv, &words, &error) != 0) {
        (void)search_fail(&session, error.text);
        return ROLE_EXIT_USAGE;
    }
    if (flags->wants_help) {
        return show_help(&table, is_tail ? "barograph tail [QUERY] [OPTIONS]"
                                         : "barograph search [QUERY] [OPTIONS]");
    }
    const char *both =
        flags->user != NULL && flags->api_key != NULL ? "--user and --api-key exclude each other"
        : flags->until != NULL && flags->follows      ? "--until and --follow exclude each other"
                                                      : NULL;
    if (both != NULL) {
        (void)search_fail(&session, both);
        return ROLE_EXIT_USAGE;
    }
    bool is_known = strcmp(flags->color, "auto") == 0 || strcmp(flags->color, "always") == 0 ||
                    strcmp(flags->color, "never") == 0;
    if (words.count > 1 || flags->limit < 1 || flags->limit > SEARCH_LIMIT_MAX || !is_known) {
        (void)search_fail(&session, words.count > 1 ? "one query is wanted, in quotes"
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
        return search_fail(&session, error.text);
    }
    session.client = client;
    int status = run(&session);
    map_release(&session.seen);
    map_release(&session.before);
    return status;
}

int search_main(int argc, char **argv)
{
    struct search_flags flags = { .has_histogram = true };
    return start(&flags, "search", argc, argv);
}

int tail_main(int argc, char **argv)
{
    struct search_flags flags = { .follows = true };
    return start(&flags, "tail", argc, argv);
}
