/* cat_table.c - columns chosen, rows sorted, cells printed, as Elasticsearch's RestTable does. */
#include "log_server/cat_table.h"

#include "base/check.h"
#include "codec/utf8.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 64
#define SORTS_MAX   8

bool cat_begin(struct cat_table *table, struct call *call, const struct cat_column *columns,
               size_t column_count, size_t row_capacity)
{
    CHECK(column_count <= COLUMNS_MAX);
    *table = (struct cat_table){
        .call = call,
        .columns = columns,
        .column_count = column_count,
        .row_capacity = row_capacity,
        .cells = ARENA_ARRAY(call->arena, struct cat_cell, column_count * (row_capacity + 1)),
    };
    return table->cells != NULL;
}

struct cat_cell *cat_row(struct cat_table *table)
{
    CHECK(table->row_count < table->row_capacity);
    return &table->cells[table->row_count++ * table->column_count];
}

struct cat_cell cat_text(struct str text)
{
    return (struct cat_cell){ .kind = CAT_TEXT, .text = text };
}

struct cat_cell cat_cstr(const char *text)
{
    return cat_text(str_from(text));
}

struct cat_cell cat_count(uint64_t count)
{
    return (struct cat_cell){ .kind = CAT_COUNT, .number = count };
}

struct cat_cell cat_size(uint64_t size)
{
    return (struct cat_cell){ .kind = CAT_SIZE, .number = size };
}

struct cat_cell cat_duration(uint64_t ms)
{
    return (struct cat_cell){ .kind = CAT_DURATION, .number = ms };
}

struct cat_cell cat_real(double value)
{
    return (struct cat_cell){ .kind = CAT_REAL, .real = value };
}

/* Columns ------------------------------------------------------------------------------------- */

static bool has_name(const struct cat_column *column, struct str name)
{
    if (str_equal(str_from(column->name), name)) return true;
    for (struct str rest = str_from(column->others); rest.size > 0;) {
        if (str_equal(str_cut(&rest, ','), name)) return true;
    }
    return false;
}

static size_t choose_columns(const struct cat_table *table, size_t *chosen)
{
    struct str wanted = call_parameter(table->call, "h");
    size_t count = 0;
    for (size_t i = 0; wanted.size == 0 && i < table->column_count; i++) {
        if ((table->columns[i].flags & CAT_HIDDEN) == 0) chosen[count++] = i;
    }
    while (wanted.size > 0 && count < COLUMNS_MAX) {
        struct str name = str_trim(str_cut(&wanted, ','));
        bool is_pattern = str_find_char(name, '*') != STR_NONE;
        for (size_t i = 0; i < table->column_count && count < COLUMNS_MAX; i++) {
            const struct cat_column *column = &table->columns[i];
            if (is_pattern ? logstore_name_matches(name, str_from(column->name))
                           : has_name(column, name)) {
                chosen[count++] = i;
            }
        }
    }
    return count;
}

/* Rows ---------------------------------------------------------------------------------------- */

struct sort {
    size_t column;
    bool is_descending;
};

struct row_order {
    const struct cat_table *table;
    struct sort sorts[SORTS_MAX];
    size_t count;
};

static double number_of(const struct cat_cell *cell)
{
    return cell->kind == CAT_REAL ? cell->real : (double)cell->number;
}

static int compare_cells(const struct cat_cell *a, const struct cat_cell *b)
{
    if (a->kind == CAT_NONE || b->kind == CAT_NONE)
        return (b->kind == CAT_NONE) - (a->kind == CAT_NONE);
    if (a->kind == CAT_TEXT) return str_compare(a->text, b->text);
    double x = number_of(a);
    double y = number_of(b);
    return x < y ? -1 : x > y;
}

static int by_cells(const void *a, const void *b, void *argument)
{
    const struct row_order *order = argument;
    size_t left = *(const size_t *)a;
    size_t right = *(const size_t *)b;
    for (size_t i = 0; i < order->count; i++) {
        const struct cat_table *table = order->table;
        size_t column = order->sorts[i].column;
        int result = compare_cells(&table->cells[left * table->column_count + column],
                                   &table->cells[right * table->column_count + column]);
        if (result != 0) return order->sorts[i].is_descending ? -result : result;
    }
    return left < right ? -1 : left > right;
}

/* 1: the answer is given, for a name is unknown. */
static int sort_rows(const struct cat_table *table, size_t *rows)
{
    struct str rest = call_parameter(table->call, "s");
    struct row_order order = { .table = table };
    while (rest.size > 0 && order.count < SORTS_MAX) {
        struct str direction = str_trim(str_cut(&rest, ','));
        struct str name = str_cut(&direction, ':');
        struct sort *sort = &order.sorts[order.count];
        sort->column = table->column_count;
        sort->is_descending = str_equal(direction, STR("desc"));
        for (size_t i = 0; i < table->column_count; i++) {
            if (has_name(&table->columns[i], name)) sort->column = i;
        }
        if (sort->column == table->column_count) {
            (void)answer_error(table->call, 400, "unsupported_operation_exception",
                               arena_printf(table->call->arena,
                                            "Unable to sort by unknown sort key `" STR_FMT "`",
                                            STR_ARG(name)));
            return 1;
        }
        order.count++;
    }
    qsort_r(rows, table->row_count, sizeof(*rows), by_cells, &order);
    return 0;
}

/* Cells --------------------------------------------------------------------------------------- */

struct unit {
    const char *name;
    uint64_t size;
};

static const struct unit sizes[] = {
    { "b", 1 },
    { "k", 1 << 10 },
    { "kb", 1 << 10 },
    { "m", 1 << 20 },
    { "mb", 1 << 20 },
    { "g", 1 << 30 },
    { "gb", 1 << 30 },
    { "t", (uint64_t)1 << 40 },
    { "tb", (uint64_t)1 << 40 },
    { "p", (uint64_t)1 << 50 },
    { "pb", (uint64_t)1 << 50 },
};

static const struct unit durations[] = {
    { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
};

static uint64_t unit_size(const struct unit *units, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equal(str_from(units[i].name), name)) return units[i].size;
    }
    return 0;
}

/* In the largest of `steps` units that leaves a whole part, with one digit behind it, cut off. */
static struct str in_units(const struct cat_table *table, uint64_t number, const struct unit *steps,
                           size_t count)
{
    size_t at = 0;
    while (at + 1 < count && number >= steps[at + 1].size) at++;
    uint64_t whole = number / steps[at].size;
    unsigned tenth = (unsigned)(number % steps[at].size * 10 / steps[at].size);
    struct arena *arena = table->call->arena;
    if (tenth == 0) {
        return arena_printf(arena, "%llu%s", (unsigned long long)whole, steps[at].name);
    }
    return arena_printf(arena, "%llu.%u%s", (unsigned long long)whole, tenth, steps[at].name);
}

static struct str print_size(const struct cat_table *table, uint64_t size)
{
    static const struct unit steps[] = {
        { "b", 1 },        { "kb", 1 << 10 },           { "mb", 1 << 20 },
        { "gb", 1 << 30 }, { "tb", (uint64_t)1 << 40 }, { "pb", (uint64_t)1 << 50 },
    };
    uint64_t unit = unit_size(sizes, ARRAY_LENGTH(sizes), call_parameter(table->call, "bytes"));
    if (unit == 0) return in_units(table, size, steps, ARRAY_LENGTH(steps));
    return arena_printf(table->call->arena, "%llu", (unsigned long long)(size / unit));
}

static struct str print_duration(const struct cat_table *table, uint64_t ms)
{
    struct str name = call_parameter(table->call, "time");
    uint64_t finer = str_equal(name, STR("nanos"))    ? 1000000
                     : str_equal(name, STR("micros")) ? 1000
                                                      : 0;
    uint64_t unit = unit_size(durations, ARRAY_LENGTH(durations), name);
    if (finer == 0 && unit == 0) return in_units(table, ms, durations, ARRAY_LENGTH(durations));
    return arena_printf(table->call->arena, "%llu",
                        (unsigned long long)(finer > 0 ? ms * finer : ms / unit));
}

static struct str print_cell(const struct cat_table *table, const struct cat_cell *cell)
{
    struct arena *arena = table->call->arena;
    switch (cell->kind) {
    case CAT_NONE: return STR("");
    case CAT_TEXT: return cell->text;
    case CAT_COUNT: return arena_printf(arena, "%llu", (unsigned long long)cell->number);
    case CAT_SIZE: return print_size(table, cell->number);
    case CAT_DURATION: return print_duration(table, cell->number);
    case CAT_REAL: return arena_printf(arena, "%.2f", cell->real);
    }
    return STR("");
}

/* Answers ------------------------------------------------------------------------------------- */

struct view {
    const struct cat_table *table;
    size_t columns[COLUMNS_MAX];
    size_t column_count;
    const size_t *rows;
};

static const struct cat_cell *cell_at(const struct view *view, size_t row, size_t column)
{
    const struct cat_table *table = view->table;
    return &table->cells[view->rows[row] * table->column_count + view->columns[column]];
}

static void print_json(const struct view *view, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_array_begin(&json);
    for (size_t i = 0; i < view->table->row_count; i++) {
        json_object_begin(&json);
        for (size_t k = 0; k < view->column_count; k++) {
            const struct cat_cell *cell = cell_at(view, i, k);
            json_key(&json, str_from(view->table->columns[view->columns[k]].name));
            if (cell->kind == CAT_NONE)
                json_put_null(&json);
            else
                json_put_text(&json, print_cell(view->table, cell));
        }
        json_object_end(&json);
    }
    json_array_end(&json);
}

static void put_padded(struct buf *out, struct str text, size_t width, bool is_right, bool is_last)
{
    size_t size = utf8_valid_count(text);
    for (size_t i = size; is_right && i < width; i++) buf_append_char(out, ' ');
    buf_append_str(out, text);
    for (size_t i = size; !is_right && !is_last && i < width; i++) buf_append_char(out, ' ');
    buf_append_char(out, is_last ? '\n' : ' ');
}

static int print_text(const struct view *view, struct buf *out)
{
    const struct cat_table *table = view->table;
    bool has_header = call_flag(table->call, "v", false);
    size_t widths[COLUMNS_MAX] = { 0 };
    size_t count = view->column_count;
    struct str *texts = ARENA_ARRAY(table->call->arena, struct str, table->row_count * count + 1);
    if (texts == NULL) return ERROR_LIMIT;
    for (size_t k = 0; k < count; k++) {
        const char *name = table->columns[view->columns[k]].name;
        if (has_header) widths[k] = strlen(name);
        for (size_t i = 0; i < table->row_count; i++) {
            texts[i * count + k] = print_cell(table, cell_at(view, i, k));
            size_t width = utf8_valid_count(texts[i * count + k]);
            if (width > widths[k]) widths[k] = width;
        }
    }
    for (size_t i = has_header ? 0 : 1; i <= table->row_count; i++) {
        for (size_t k = 0; k < count; k++) {
            const struct cat_column *column = &table->columns[view->columns[k]];
            struct str text = i == 0 ? str_from(column->name) : texts[(i - 1) * count + k];
            put_padded(out, text, widths[k], (column->flags & CAT_RIGHT) != 0, k + 1 == count);
        }
    }
    return 0;
}

static int print_help(const struct cat_table *table)
{
    struct buf *out = &table->call->response->body;
    size_t widths[2] = { 0, 0 };
    for (size_t i = 0; i < table->column_count; i++) {
        size_t name = strlen(table->columns[i].name);
        size_t others = strlen(table->columns[i].others);
        if (name > widths[0]) widths[0] = name;
        if (others > widths[1]) widths[1] = others;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        const struct cat_column *column = &table->columns[i];
        put_padded(out, str_from(column->name), widths[0], false, false);
        buf_append_cstr(out, "| ");
        put_padded(out, str_from(column->others), widths[1], false, false);
        buf_append_cstr(out, "| ");
        put_padded(out, str_from(column->meaning), 0, false, true);
    }
    return 0;
}

int cat_answer(struct cat_table *table)
{
    struct call *call = table->call;
    struct str format = call_parameter(call, "format");
    struct str accept = http_request_header(call->request, "Accept");
    bool is_json = format.size > 0 ? str_equal(format, STR("json"))
                                   : str_starts_with(accept, STR("application/json")) ||
                                         str_starts_with(accept, STR("application/vnd.elastic"));
    if (format.size > 0 && !is_json && !str_equal(format, STR("text")) &&
        !str_equal(format, STR("txt"))) {
        return answer_error(call, 400, "illegal_argument_exception",
                            STR("[format] must be text or json; yaml, cbor and smile are not "
                                "supported"));
    }
    const char *text_type = "text/plain; charset=UTF-8";
    if (call_flag(call, "help", false)) {
        call->response->content_type = text_type;
        return print_help(table);
    }
    struct view view = { .table = table };
    size_t *rows = ARENA_ARRAY(call->arena, size_t, table->row_count + 1);
    if (rows == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < table->row_count; i++) rows[i] = i;
    if (sort_rows(table, rows) != 0) return 0;
    view.rows = rows;
    view.column_count = choose_columns(table, view.columns);
    if (is_json) {
        print_json(&view, &call->response->body);
        return 0;
    }
    call->response->content_type = text_type;
    return print_text(&view, &call->response->body);
}
