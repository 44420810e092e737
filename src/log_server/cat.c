/* cat.c - _cat: small tables for people, as text or JSON. */
#include "log_server/server.h"

#include <stdio.h>
#include <stdlib.h>

#define COLUMNS_MAX 16

struct table {
    const char *const *names;
    size_t column_count;
    struct str *cells; /* rows one behind the other */
    size_t row_count;
};

static size_t column_by_name(const struct table *table, struct str name)
{
    for (size_t i = 0; i < table->column_count; i++) {
        if (str_equal(str_from(table->names[i]), name)) return i;
    }
    return STR_NONE;
}

static size_t chosen_columns(const struct call *call, const struct table *table, size_t *columns)
{
    struct str wanted = call_parameter(call, "h");
    size_t count = 0;
    if (wanted.size == 0) {
        for (size_t i = 0; i < table->column_count; i++) columns[count++] = i;
        return count;
    }
    while (wanted.size > 0 && count < COLUMNS_MAX) {
        size_t column = column_by_name(table, str_trim(str_cut(&wanted, ',')));
        if (column != STR_NONE) columns[count++] = column;
    }
    return count;
}

struct row_order {
    const struct table *table;
    size_t column;
    bool is_descending;
};

static int by_cell(const void *a, const void *b, void *argument)
{
    const struct row_order *order = argument;
    struct str left =
        order->table->cells[*(const size_t *)a * order->table->column_count + order->column];
    struct str right =
        order->table->cells[*(const size_t *)b * order->table->column_count + order->column];
    int64_t x;
    int64_t y;
    int result;
    if (str_to_int64(left, &x) && str_to_int64(right, &y))
        result = x < y ? -1 : x > y;
    else
        result = str_compare(left, right);
    return order->is_descending ? -result : result;
}

static void sort_rows(const struct call *call, const struct table *table, size_t *rows)
{
    struct str rest = call_parameter(call, "s");
    struct str first = str_cut(&rest, ',');
    struct str direction = first;
    struct str name = str_cut(&direction, ':');
    size_t column = name.size == 0 ? STR_NONE : column_by_name(table, name);
    if (column == STR_NONE) return;
    struct row_order order = { table, column, str_equal(direction, STR("desc")) };
    qsort_r(rows, table->row_count, sizeof(*rows), by_cell, &order);
}

static void print_json(const struct table *table, const size_t *columns, size_t column_count,
                       const size_t *rows, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_array_begin(&json);
    for (size_t i = 0; i < table->row_count; i++) {
        json_object_begin(&json);
        for (size_t k = 0; k < column_count; k++) {
            json_member_text(&json, table->names[columns[k]],
                             table->cells[rows[i] * table->column_count + columns[k]]);
        }
        json_object_end(&json);
    }
    json_array_end(&json);
}

static void print_cell(struct buf *out, struct str text, size_t width, bool is_last)
{
    buf_append_str(out, text);
    if (is_last) {
        buf_append_char(out, '\n');
        return;
    }
    for (size_t i = text.size; i < width + 1; i++) buf_append_char(out, ' ');
}

static void print_text(const struct call *call, const struct table *table, const size_t *columns,
                       size_t column_count, const size_t *rows, struct buf *out)
{
    bool has_header = call_flag(call, "v", false);
    size_t widths[COLUMNS_MAX] = { 0 };
    for (size_t k = 0; k < column_count; k++) {
        if (has_header) widths[k] = strlen(table->names[columns[k]]);
        for (size_t i = 0; i < table->row_count; i++) {
            size_t size = table->cells[i * table->column_count + columns[k]].size;
            if (size > widths[k]) widths[k] = size;
        }
    }
    for (size_t k = 0; has_header && k < column_count; k++) {
        print_cell(out, str_from(table->names[columns[k]]), widths[k], k + 1 == column_count);
    }
    for (size_t i = 0; i < table->row_count; i++) {
        for (size_t k = 0; k < column_count; k++) {
            print_cell(out, table->cells[rows[i] * table->column_count + columns[k]], widths[k],
                       k + 1 == column_count);
        }
    }
}

static int answer_table(struct call *call, const struct table *table)
{
    size_t columns[COLUMNS_MAX];
    size_t column_count = chosen_columns(call, table, columns);
    size_t *rows = ARENA_ARRAY(call->arena, size_t, table->row_count + 1);
    if (rows == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < table->row_count; i++) rows[i] = i;
    sort_rows(call, table, rows);
    bool is_json = str_equal(call_parameter(call, "format"), STR("json"));
    struct str accept = http_request_header(call->request, "Accept");
    if (call_parameter(call, "format").size == 0) {
        is_json |= str_starts_with(accept, STR("application/json"));
    }
    if (is_json) {
        print_json(table, columns, column_count, rows, &call->response->body);
        return 0;
    }
    call->response->content_type = "text/plain; charset=UTF-8";
    print_text(call, table, columns, column_count, rows, &call->response->body);
    return 0;
}

static struct str print_size(struct call *call, uint64_t size)
{
    static const char *const units[] = { "b", "kb", "mb", "gb", "tb" };
    if (str_equal(call_parameter(call, "bytes"), STR("b"))) {
        return arena_printf(call->arena, "%llu", (unsigned long long)size);
    }
    double value = (double)size;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < ARRAY_LENGTH(units)) {
        value /= 1024;
        unit++;
    }
    int tenths = (int)(value * 10);
    if (tenths % 10 == 0) return arena_printf(call->arena, "%d%s", tenths / 10, units[unit]);
    return arena_printf(call->arena, "%d.%d%s", tenths / 10, tenths % 10, units[unit]);
}

static struct str print_count(struct call *call, uint64_t count)
{
    return arena_printf(call->arena, "%llu", (unsigned long long)count);
}

static int handle_indices(struct call *call)
{
    static const char *const names[] = { "health",        "status",       "index",
                                         "uuid",          "pri",          "rep",
                                         "docs.count",    "docs.deleted", "store.size",
                                         "pri.store.size" };
    const struct str *indices;
    size_t count;
    struct str missing;
    struct str expression = call->value_count > 0 ? call->values[0] : STR("");
    struct logstore *store = call->server->store;
    if (logstore_resolve(store, expression, call->arena, &indices, &count, &missing) < 0) {
        return ERROR_LIMIT;
    }
    if (missing.data != NULL) return answer_index_missing(call, missing);
    size_t width = ARRAY_LENGTH(names);
    struct table table = { names, width, ARENA_ARRAY(call->arena, struct str, count * width + 1),
                           0 };
    if (table.cells == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        struct logstore_index_info info;
        if (logstore_index_info(store, indices[i], false, call->arena, &info) < 0) continue;
        struct str *cells = &table.cells[table.row_count++ * width];
        const struct str row[] = {
            STR("green"),
            STR("open"),
            info.name,
            info.uuid,
            STR("1"),
            STR("0"),
            print_count(call, info.documents),
            print_count(call, info.deleted_documents),
            print_size(call, info.store_size),
            print_size(call, info.store_size),
        };
        for (size_t k = 0; k < width; k++) cells[k] = row[k];
    }
    return answer_table(call, &table);
}

static int handle_health(struct call *call)
{
    static const char *const names[] = { "epoch",      "timestamp", "cluster", "status",
                                         "node.total", "node.data", "shards",  "pri" };
    int64_t now_ms = clock_realtime_ms(call->server->clock);
    struct utc utc = clock_utc_from_ms(now_ms);
    struct logstore_stats stats;
    logstore_stats(call->server->store, &stats);
    struct str cells[] = {
        print_count(call, (uint64_t)now_ms / 1000),
        arena_printf(call->arena, "%02d:%02d:%02d", utc.hour, utc.minute, utc.second),
        str_from(call->server->flags.cluster_name),
        stats.is_read_only ? STR("red") : STR("green"),
        STR("1"),
        STR("1"),
        STR("1"),
        STR("1"),
    };
    struct table table = { names, ARRAY_LENGTH(names), cells, 1 };
    return answer_table(call, &table);
}

static int handle_count(struct call *call)
{
    static const char *const names[] = { "epoch", "timestamp", "count" };
    int64_t now_ms = clock_realtime_ms(call->server->clock);
    struct utc utc = clock_utc_from_ms(now_ms);
    struct logstore_stats stats;
    logstore_stats(call->server->store, &stats);
    struct str cells[] = {
        print_count(call, (uint64_t)now_ms / 1000),
        arena_printf(call->arena, "%02d:%02d:%02d", utc.hour, utc.minute, utc.second),
        print_count(call, stats.documents),
    };
    struct table table = { names, ARRAY_LENGTH(names), cells, 1 };
    return answer_table(call, &table);
}

static int handle_nodes(struct call *call)
{
    static const char *const names[] = { "ip", "node.role", "master", "name" };
    struct str cells[] = { STR("127.0.0.1"), STR("dim"), STR("*"),
                           str_from(call->server->flags.node_name) };
    struct table table = { names, ARRAY_LENGTH(names), cells, 1 };
    return answer_table(call, &table);
}

static int handle_templates(struct call *call)
{
    static const char *const names[] = { "name", "index_patterns", "order", "version",
                                         "composed_of" };
    const struct logstore_object *lists[2];
    size_t counts[2] = { 0, 0 };
    struct str pattern = call->value_count > 0 ? call->values[0] : STR("*");
    struct logstore *store = call->server->store;
    static const enum logstore_object_kind kinds[] = { LOGSTORE_TEMPLATE, LOGSTORE_INDEX_TEMPLATE };
    for (size_t i = 0; i < 2; i++) {
        if (logstore_object_list(store, kinds[i], pattern, call->arena, &lists[i], &counts[i]) <
            0) {
            return ERROR_LIMIT;
        }
    }
    size_t width = ARRAY_LENGTH(names);
    size_t total = counts[0] + counts[1];
    struct table table = { names, width, ARENA_ARRAY(call->arena, struct str, total * width + 1),
                           0 };
    if (table.cells == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < counts[i]; k++) {
            struct str *cells = &table.cells[table.row_count++ * width];
            cells[0] = lists[i][k].name;
            for (size_t c = 1; c < width; c++) cells[c] = STR("");
        }
    }
    return answer_table(call, &table);
}

static int handle_aliases(struct call *call)
{
    static const char *const names[] = { "alias",         "index",          "filter",
                                         "routing.index", "routing.search", "is_write_index" };
    const struct logstore_alias *aliases;
    size_t count;
    if (logstore_alias_list(call->server->store, call->arena, &aliases, &count) < 0) {
        return ERROR_LIMIT;
    }
    size_t width = ARRAY_LENGTH(names);
    struct table table = { names, width, ARENA_ARRAY(call->arena, struct str, count * width + 1),
                           count };
    if (table.cells == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        struct str *cells = &table.cells[i * width];
        cells[0] = aliases[i].name;
        cells[1] = aliases[i].index;
        for (size_t c = 2; c < 5; c++) cells[c] = STR("-");
        cells[5] = aliases[i].is_write_index ? STR("true") : STR("-");
    }
    return answer_table(call, &table);
}

#define CAT_PARAMETERS                                                                             \
    INDICES_PARAMETERS " h s v bytes time ts help size health pri include_unloaded_segments"

static const struct route rows[] = {
    { HTTP_GET, "/_cat/indices", handle_indices, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/indices/:index", handle_indices, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/health", handle_health, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/count", handle_count, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/nodes", handle_nodes, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/templates", handle_templates, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/templates/:name", handle_templates, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/aliases", handle_aliases, CAT_PARAMETERS },
};

const struct route_table cat_routes = { rows, ARRAY_LENGTH(rows) };
