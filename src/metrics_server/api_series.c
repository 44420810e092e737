/* api_series.c - /api/v1/series, labels, label/<name>/values and /federate. */
#include "metrics_server/server.h"

#include "base/vec.h"
#include "codec/number.h"
#include "codec/utf8.h"

#include <errno.h>
#include <stdlib.h>

#define SELECT_ARENA_SIZE (512u << 20)
#define QUICK_SERIES      500 /* more than these go to a worker */

static int read_span(const struct http_request *request, struct series_query *query,
                     struct error *error)
{
    query->start_ms = INT64_MIN / 2;
    query->end_ms = INT64_MAX / 2;
    query->want = SERIES_WANT_LABELS;
    query->deadline_ns = request->deadline_ns;
    query->match_max = request->is_on_network_thread ? QUICK_SERIES : 0;
    int code = api_time(request, "start", &query->start_ms, error);
    if (code == 0) code = api_time(request, "end", &query->end_ms, error);
    if (code == 0 && query->end_ms < query->start_ms) {
        code = error_set(error, ERROR_INVALID,
                         "invalid parameter \"end\": end timestamp must not be before start time");
    }
    return code;
}

static void write_limit_warning(struct json_writer *json, bool is_cut)
{
    if (!is_cut) return;
    json_key(json, STR("warnings"));
    json_array_begin(json);
    json_put_cstr(json, "results truncated due to limit");
    json_array_end(json);
}

/* ---- series ---- */

VEC_TYPE(labels_list, struct labels);

static int compare_labels(const void *a, const void *b)
{
    return labels_compare(*(const struct labels *)a, *(const struct labels *)b);
}

static int collect_series(struct metrics_server *server, const struct series_query *query,
                          struct arena *arena, struct labels_list *list, struct error *error)
{
    struct series_cursor *cursor = NULL;
    struct series_source *source = &server->source;
    int code = source->select(source->state, query, arena, &cursor, error);
    if (code != 0) return code;
    struct series_columns series;
    while ((code = cursor->next(cursor, &series, error)) == 1) {
        struct labels copy;
        if (labels_copy(arena, series.labels, &copy) != 0 || !VEC_PUSH(list, copy)) {
            code = error_set(error, ERROR_LIMIT, "too many series for one answer");
            break;
        }
    }
    cursor->close(cursor);
    return code;
}

static void write_series(struct http_response *response, const struct labels_list *list,
                         size_t limit)
{
    struct json_writer json;
    bool is_cut = false;
    size_t written = 0;
    api_begin(response, &json);
    json_array_begin(&json);
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0 && labels_equal(list->items[i], list->items[i - 1])) continue;
        if (limit > 0 && written == limit) {
            is_cut = true;
            break;
        }
        api_write_labels(&json, list->items[i]);
        written++;
    }
    json_array_end(&json);
    write_limit_warning(&json, is_cut);
    api_end(response, &json);
}

/* One selector's series come sorted, each once: they are written as they come. */
static int stream_series(struct metrics_server *server, const struct series_query *query,
                         struct http_response *response, size_t limit, struct error *error)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init_within(&arena, SELECT_ARENA_SIZE, &server->query_budget);
    struct series_cursor *cursor = NULL;
    struct series_source *source = &server->source;
    int code = source->select(source->state, query, &arena, &cursor, error);
    if (code != 0) return code;
    struct json_writer json;
    struct series_columns series;
    size_t written = 0;
    bool is_cut = false;
    api_begin(response, &json);
    json_array_begin(&json);
    while (!is_cut && (code = cursor->next(cursor, &series, error)) == 1) {
        is_cut = limit > 0 && written == limit;
        if (is_cut) break;
        api_write_labels(&json, series.labels);
        written++;
    }
    json_array_end(&json);
    write_limit_warning(&json, is_cut);
    api_end(response, &json);
    cursor->close(cursor);
    return code < 0 ? code : api_check_body(response, error);
}

API_HANDLER(api_series)
{
    struct metrics_server *server = context;
    CLEANUP(api_matches_release) struct api_matches matches = { 0 };
    struct series_query query = { 0 };
    size_t limit = 0;
    response->body.budget = &server->query_budget;
    int code = read_span(request, &query, error);
    if (code == 0) code = api_limit(request, &limit, error);
    if (code == 0) code = api_matches_read(server, request, &matches, error);
    if (code != 0) return code;
    if (matches.count == 0) {
        return error_set(error, ERROR_INVALID, "no match[] parameter provided");
    }
    if (matches.count == 1 &&
        promql_expr_selector(matches.exprs[0], &query.matchers, &query.matcher_count)) {
        code = stream_series(server, &query, response, limit, error);
        return code == -EAGAIN ? HTTP_LATER : code;
    }
    CLEANUP(arena_release) struct arena arena;
    arena_init_within(&arena, SELECT_ARENA_SIZE, &server->query_budget);
    struct labels_list list = { 0 };
    for (size_t i = 0; i < matches.count && code == 0; i++) {
        if (promql_expr_selector(matches.exprs[i], &query.matchers, &query.matcher_count)) {
            code = collect_series(server, &query, &arena, &list, error);
        }
    }
    if (code == 0) {
        if (list.count > 1) qsort(list.items, list.count, sizeof(list.items[0]), compare_labels);
        write_series(response, &list, limit);
        code = api_check_body(response, error);
    }
    VEC_RELEASE(&list);
    return code == -EAGAIN ? HTTP_LATER : code;
}

/* ---- names and values ---- */

VEC_TYPE(text_list, struct str);

static int compare_texts(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* Asks once a selector, or once without any. `name` empty: names, else values of that label. */
static int collect_texts(struct metrics_server *server, const struct api_matches *matches,
                         struct series_query *query, struct str name, struct arena *arena,
                         struct text_list *list, struct error *error)
{
    struct series_source *source = &server->source;
    size_t rounds = matches->count == 0 ? 1 : matches->count;
    for (size_t i = 0; i < rounds; i++) {
        struct str_list found = { 0 };
        if (matches->count > 0 &&
            !promql_expr_selector(matches->exprs[i], &query->matchers, &query->matcher_count)) {
            continue;
        }
        int code = name.size == 0
                       ? source->label_names(source->state, query, arena, &found, error)
                       : source->label_values(source->state, name, query, arena, &found, error);
        if (code != 0) return code;
        if (!VEC_RESERVE(list, found.count)) return error_set(error, -ENOMEM, "no memory");
        for (size_t j = 0; j < found.count; j++) list->items[list->count++] = found.items[j];
    }
    /* What one round finds is sorted. */
    if (rounds > 1 && list->count > 1) {
        qsort(list->items, list->count, sizeof(list->items[0]), compare_texts);
    }
    return 0;
}

static int answer_texts(struct metrics_server *server, const struct http_request *request,
                        struct http_response *response, struct str name, struct error *error)
{
    CLEANUP(api_matches_release) struct api_matches matches = { 0 };
    struct series_query query = { 0 };
    size_t limit = 0;
    response->body.budget = &server->query_budget;
    int code = read_span(request, &query, error);
    if (code == 0) code = api_limit(request, &limit, error);
    if (code == 0) code = api_matches_read(server, request, &matches, error);
    if (code != 0) return code;
    CLEANUP(arena_release) struct arena arena;
    arena_init_within(&arena, SELECT_ARENA_SIZE, &server->query_budget);
    struct text_list list = { 0 };
    code = collect_texts(server, &matches, &query, name, &arena, &list, error);
    if (code == 0) {
        struct json_writer json;
        size_t written = 0;
        bool is_cut = false;
        api_begin(response, &json);
        json_array_begin(&json);
        for (size_t i = 0; i < list.count; i++) {
            if (i > 0 && str_equal(list.items[i], list.items[i - 1])) continue;
            is_cut = limit > 0 && written == limit;
            if (is_cut) break;
            json_put_text(&json, list.items[i]);
            written++;
        }
        json_array_end(&json);
        write_limit_warning(&json, is_cut);
        api_end(response, &json);
        code = api_check_body(response, error);
    }
    VEC_RELEASE(&list);
    return code == -EAGAIN ? HTTP_LATER : code;
}

API_HANDLER(api_labels)
{
    return answer_texts(context, request, response, (struct str){ 0 }, error);
}

static bool parse_hex(struct str digits, uint32_t *number)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits.size; i++) {
        char c = digits.data[i];
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t)(c - 'a') + 10;
        } else {
            return false;
        }
        value = value << 4 | digit;
    }
    *number = value;
    return digits.size > 0 && digits.size <= 6;
}

/* "U__my_2e_metric" is how clients write names that are not legacy ones into paths. */
static struct str unescape_name(struct str name, struct arena *arena)
{
    if (!str_starts_with(name, STR("U__"))) return name;
    struct str rest = str_skip(name, 3);
    CLEANUP(buf_release) struct buf plain;
    buf_init(&plain, 64 << 10);
    while (rest.size > 0) {
        if (rest.data[0] != '_') {
            buf_append(&plain, rest.data, 1);
            rest = str_skip(rest, 1);
            continue;
        }
        rest = str_skip(rest, 1);
        struct str code = str_cut(&rest, '_');
        if (code.size == 0) {
            buf_append_char(&plain, '_');
            continue;
        }
        uint32_t character;
        if (!parse_hex(code, &character)) return name;
        utf8_append(&plain, character);
    }
    struct str copy = arena_copy(arena, buf_str(&plain));
    return copy.data == NULL ? name : copy;
}

API_HANDLER(api_label_values)
{
    struct str name = unescape_name(http_request_path_value(request, "name"), request->arena);
    if (!utf8_is_valid(name) || name.size == 0) {
        return error_set(error, ERROR_INVALID, "invalid label name: \"" STR_FMT "\"",
                         STR_ARG(name));
    }
    return answer_texts(context, request, response, name, error);
}

/* ---- federation ---- */

struct federated {
    struct str name;
    const struct promql_series *series;
};

static int compare_federated(const void *a, const void *b)
{
    const struct federated *left = a;
    const struct federated *right = b;
    int order = str_compare(left->name, right->name);
    return order != 0 ? order : labels_compare(left->series->labels, right->series->labels);
}

static void append_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '\\' || c == '"') buf_append_char(out, '\\');
        if (c == '\n') {
            buf_append_str(out, STR("\\n"));
        } else {
            buf_append_char(out, c);
        }
    }
}

static void write_federated(struct buf *out, const struct federated *item, struct labels external)
{
    CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
    labels_builder_start(&builder, item->series->labels);
    labels_builder_remove(&builder, LABEL_METRIC_NAME);
    for (size_t i = 0; i < external.count; i++) {
        if (labels_builder_get(&builder, external.items[i].name).size > 0) continue;
        labels_builder_set(&builder, external.items[i].name, external.items[i].value);
    }
    struct labels labels = labels_builder_labels(&builder);
    buf_append_str(out, item->name);
    buf_append_char(out, '{');
    bool has_instance = labels_get(labels, STR("instance")).size > 0;
    for (size_t i = 0; i < labels.count; i++) {
        buf_append_str(out, labels.items[i].name);
        buf_append_str(out, STR("=\""));
        append_escaped(out, labels.items[i].value);
        buf_append_str(out, i + 1 < labels.count || !has_instance ? STR("\",") : STR("\""));
    }
    if (!has_instance) buf_append_str(out, STR("instance=\"\""));
    buf_append_str(out, STR("} "));
    char *room = buf_reserve(out, NUMBER_SIZE_MAX);
    if (room != NULL) out->size += number_print_go(item->series->values[0], room);
    buf_printf(out, " %lld\n", (long long)item->series->times_ms[0]);
}

VEC_TYPE(federated_list, struct federated);

static void write_federation(struct metrics_server *server, struct http_response *response,
                             const struct federated_list *list)
{
    mutex_lock(&server->mutex);
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    for (size_t i = 0; i < list->count; i++) {
        const struct federated *item = &list->items[i];
        bool is_new = i == 0 || !str_equal(item->name, list->items[i - 1].name);
        bool is_again =
            i > 0 && labels_equal(item->series->labels, list->items[i - 1].series->labels);
        if (is_again) continue;
        if (is_new) {
            buf_append_str(&response->body, STR("# TYPE "));
            buf_append_str(&response->body, item->name);
            buf_append_str(&response->body, STR(" untyped\n"));
        }
        write_federated(&response->body, item, server->external_labels);
    }
    mutex_unlock(&server->mutex);
}

API_HANDLER(federate)
{
    struct metrics_server *server = context;
    CLEANUP(api_matches_release) struct api_matches matches = { 0 };
    response->body.budget = &server->query_budget;
    int code = api_matches_read(server, request, &matches, error);
    if (code != 0) return code;
    struct promql_result **results =
        ARENA_ARRAY(request->arena, struct promql_result *, matches.count);
    if (results == NULL && matches.count > 0) return error_set(error, -ENOMEM, "no memory");
    struct federated_list list = { 0 };
    int64_t now_ms = clock_realtime_ms(role_clock(server->role));
    for (size_t i = 0; i < matches.count && code == 0; i++) {
        code = promql_query_instant(server->engine, &server->source, matches.exprs[i], now_ms, NULL,
                                    &results[i], error);
        for (size_t j = 0; code == 0 && j < results[i]->series_count; j++) {
            const struct promql_series *series = &results[i]->series[j];
            struct federated item = { labels_get(series->labels, LABEL_METRIC_NAME), series };
            if (item.name.size == 0 || series->histograms != NULL) continue;
            if (!VEC_PUSH(&list, item)) code = error_set(error, -ENOMEM, "no memory");
        }
    }
    if (list.count > 1) qsort(list.items, list.count, sizeof(list.items[0]), compare_federated);
    if (code == 0) {
        write_federation(server, response, &list);
        code = api_check_body(response, error);
    }
    for (size_t i = 0; i < matches.count; i++) promql_result_free(results[i]);
    VEC_RELEASE(&list);
    return code;
}
