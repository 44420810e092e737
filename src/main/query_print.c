/* query_print.c - answers for people and spreadsheets.
 *
 * A plot is a canvas of braille characters, two dots wide and four high each, so that a terminal of
 * 80 columns has 140 dots; each series has a colour of its own and a line in the legend.
 */
#include "main/query_print.h"

#include "base/clock.h"
#include "base/error.h"
#include "codec/number.h"
#include "codec/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLOT_COLUMNS 70
#define PLOT_ROWS    16
#define PLOT_SERIES  12 /* more are counted, not drawn */

/* --- what an answer holds --- */

/* A point of `[time, "value"]`; false when it is none, as a histogram. */
static bool read_point(const struct json *point, double *time_s, double *value)
{
    if (!json_is(point, JSON_ARRAY) || point->array.count != 2) return false;
    *time_s = json_number(&point->array.items[0], 0);
    return number_parse(json_text(&point->array.items[1], STR("")), value);
}

static struct str value_text(const struct json *point)
{
    if (!json_is(point, JSON_ARRAY) || point->array.count != 2) return STR("?");
    const struct json *value = &point->array.items[1];
    return value->kind == JSON_TEXT ? value->text : value->raw; /* a histogram as it came */
}

static void put_time(struct buf *out, const struct json *point)
{
    char text[CLOCK_RFC3339_SIZE];
    double time_s = 0;
    if (json_is(point, JSON_ARRAY) && point->array.count > 0) {
        time_s = json_number(&point->array.items[0], 0);
    }
    int64_t time_ns = fabs(time_s) < 9e9 ? (int64_t)llround(time_s * 1000) * 1000000 : 0;
    buf_append(out, text, clock_rfc3339_print(time_ns, time_ns % 1000000000 == 0 ? 0 : 3, text));
}

/* name{label="value"} */
static void put_labels(struct buf *out, const struct json *metric)
{
    struct str name = json_text(json_get(metric, STR("__name__")), STR(""));
    buf_append_str(out, name);
    bool is_any = false;
    for (size_t i = 0; json_is(metric, JSON_OBJECT) && i < metric->object.count; i++) {
        const struct json_member *member = &metric->object.members[i];
        if (str_equal(member->key, STR("__name__"))) continue;
        buf_append_str(out, is_any ? STR(", ") : STR("{"));
        buf_append_str(out, member->key);
        buf_append_char(out, '=');
        buf_append_str(out, member->value.raw);
        is_any = true;
    }
    if (is_any) buf_append_char(out, '}');
    if (!is_any && name.size == 0) buf_append_str(out, STR("{}"));
}

/* Calls visit for each point of each series of a vector or matrix. */
typedef void point_visit(struct buf *out, const struct json *metric, const struct json *point);

static void visit_points(struct buf *out, const struct json *result, point_visit *visit)
{
    static const struct str lists[] = { STR_INIT("values"), STR_INIT("histograms") };
    static const struct str singles[] = { STR_INIT("value"), STR_INIT("histogram") };
    for (size_t s = 0; s < result->array.count; s++) {
        const struct json *series = &result->array.items[s];
        const struct json *metric = json_get(series, STR("metric"));
        for (size_t k = 0; k < ARRAY_LENGTH(lists); k++) {
            const struct json *single = json_get(series, singles[k]);
            const struct json *list = json_get(series, lists[k]);
            if (single != NULL) visit(out, metric, single);
            for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->array.count; i++) {
                visit(out, metric, &list->array.items[i]);
            }
        }
    }
}

/* --- table --- */

static size_t width_of(struct str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.size; i++) width += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return width;
}

static void pad(struct buf *out, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) buf_append_char(out, ' ');
}

static void put_table_line(struct buf *out, const struct json *metric, const struct json *point)
{
    (void)metric;
    buf_append_str(out, STR("  "));
    put_time(out, point);
    buf_append_str(out, STR("  "));
    buf_append_str(out, value_text(point));
    buf_append_char(out, '\n');
}

/* Labels in one column, values in another. */
static void print_vector(struct buf *out, const struct json *result)
{
    size_t widest = 0;
    CLEANUP(buf_release) struct buf labels;
    buf_init(&labels, (size_t)1 << 20);
    for (int is_printing = 0; is_printing < 2; is_printing++) {
        for (size_t s = 0; s < result->array.count; s++) {
            const struct json *series = &result->array.items[s];
            const struct json *point = json_get(series, STR("value"));
            if (point == NULL) point = json_get(series, STR("histogram"));
            buf_reset(&labels);
            put_labels(&labels, json_get(series, STR("metric")));
            size_t width = width_of(buf_str(&labels));
            if (width > widest) widest = width;
            if (is_printing == 0) continue;
            buf_append_str(out, buf_str(&labels));
            pad(out, width, widest + 2);
            buf_append_str(out, value_text(point));
            buf_append_char(out, '\n');
        }
    }
}

static void print_matrix(struct buf *out, const struct json *result)
{
    for (size_t s = 0; s < result->array.count; s++) {
        struct json one = *result;
        one.array.items = &result->array.items[s];
        one.array.count = 1;
        put_labels(out, json_get(&result->array.items[s], STR("metric")));
        buf_append_char(out, '\n');
        visit_points(out, &one, put_table_line);
    }
}

static void print_table(struct buf *out, const struct json *result, bool is_matrix,
                        bool is_terminal)
{
    (void)is_terminal;
    if (is_matrix) {
        print_matrix(out, result);
    } else {
        print_vector(out, result);
    }
}

/* --- CSV, as RFC 4180 has it --- */

static void put_csv(struct buf *out, struct str text)
{
    bool is_plain = true;
    for (size_t i = 0; i < text.size && is_plain; i++) {
        is_plain = strchr("\",\r\n", text.data[i]) == NULL || text.data[i] == '\0';
    }
    if (is_plain) {
        buf_append_str(out, text);
        return;
    }
    buf_append_char(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') buf_append_char(out, '"');
        buf_append_char(out, text.data[i]);
    }
    buf_append_char(out, '"');
}

static void put_csv_line(struct buf *out, const struct json *metric, const struct json *point)
{
    CLEANUP(buf_release) struct buf labels;
    buf_init(&labels, (size_t)1 << 20);
    put_labels(&labels, metric);
    put_csv(out, buf_str(&labels));
    buf_append_char(out, ',');
    put_time(out, point);
    buf_append_char(out, ',');
    put_csv(out, value_text(point));
    buf_append_str(out, STR("\r\n"));
}

static void print_csv(struct buf *out, const struct json *result, bool is_matrix, bool is_terminal)
{
    (void)is_matrix;
    (void)is_terminal;
    buf_append_str(out, STR("series,time,value\r\n"));
    visit_points(out, result, put_csv_line);
}

/* --- plot --- */

struct plot {
    double first_s;
    double last_s;
    double least;
    double most;
    size_t points;
    unsigned char dots[PLOT_ROWS][PLOT_COLUMNS];  /* of a braille character */
    unsigned char owner[PLOT_ROWS][PLOT_COLUMNS]; /* series + 1 that drew last */
};

static const struct json *values_of(const struct json *series)
{
    const struct json *values = json_get(series, STR("values"));
    return json_is(values, JSON_ARRAY) ? values : NULL;
}

static void measure(struct plot *plot, const struct json *values)
{
    for (size_t i = 0; values != NULL && i < values->array.count; i++) {
        double time_s;
        double value;
        if (!read_point(&values->array.items[i], &time_s, &value) || !isfinite(value)) continue;
        bool is_first = plot->points++ == 0;
        if (is_first || time_s < plot->first_s) plot->first_s = time_s;
        if (is_first || time_s > plot->last_s) plot->last_s = time_s;
        if (is_first || value < plot->least) plot->least = value;
        if (is_first || value > plot->most) plot->most = value;
    }
}

static void draw_dot(struct plot *plot, double x, double y, size_t series)
{
    static const unsigned char bits[4][2] = {
        { 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 }
    };
    size_t column = (size_t)(x * (PLOT_COLUMNS * 2 - 1) + 0.5);
    size_t row = (size_t)((1 - y) * (PLOT_ROWS * 4 - 1) + 0.5);
    plot->dots[row / 4][column / 2] |= bits[row % 4][column % 2];
    plot->owner[row / 4][column / 2] = (unsigned char)(series + 1);
}

/* Dots along the line from one point to the next. */
static void draw_series(struct plot *plot, const struct json *values, size_t series)
{
    double span_s = plot->last_s > plot->first_s ? plot->last_s - plot->first_s : 1;
    double height = plot->most > plot->least ? plot->most - plot->least : 1;
    double before_x = -1;
    double before_y = 0;
    for (size_t i = 0; values != NULL && i < values->array.count; i++) {
        double time_s;
        double value;
        if (!read_point(&values->array.items[i], &time_s, &value) || !isfinite(value)) {
            before_x = -1;
            continue;
        }
        double x = (time_s - plot->first_s) / span_s;
        double y = (value - plot->least) / height;
        int dots = before_x < 0 ? 1 : (int)ceil((x - before_x) * PLOT_COLUMNS * 2) + 1;
        if (before_x >= 0 && fabs(y - before_y) * PLOT_ROWS * 4 > dots) {
            dots = (int)ceil(fabs(y - before_y) * PLOT_ROWS * 4) + 1;
        }
        for (int d = 1; d <= dots; d++) {
            double part = (double)d / dots;
            double from_x = before_x < 0 ? x : before_x;
            double from_y = before_x < 0 ? y : before_y;
            draw_dot(plot, from_x + (x - from_x) * part, from_y + (y - from_y) * part, series);
        }
        before_x = x;
        before_y = y;
    }
}

static void put_colour(struct buf *out, size_t series, bool is_terminal)
{
    if (is_terminal) buf_printf(out, "\033[3%dm", (int)(series % 6) + 1);
}

static void put_plain(struct buf *out, bool is_terminal)
{
    if (is_terminal) buf_append_str(out, STR("\033[0m"));
}

static void put_canvas(struct buf *out, const struct plot *plot, bool is_terminal)
{
    for (size_t row = 0; row < PLOT_ROWS; row++) {
        double value = plot->most - (plot->most - plot->least) * (double)row / (PLOT_ROWS - 1);
        if (row == 0 || row == PLOT_ROWS - 1 || row == PLOT_ROWS / 2) {
            buf_printf(out, "%10.4g ", value);
        } else {
            buf_printf(out, "%10s ", "");
        }
        buf_append_str(out, STR("\u2502"));
        for (size_t column = 0; column < PLOT_COLUMNS; column++) {
            if (plot->dots[row][column] == 0) {
                buf_append_char(out, ' ');
                continue;
            }
            put_colour(out, plot->owner[row][column] - 1u, is_terminal);
            utf8_append(out, 0x2800u + plot->dots[row][column]);
            put_plain(out, is_terminal);
        }
        buf_append_char(out, '\n');
    }
}

static void put_axis(struct buf *out, const struct plot *plot)
{
    char first[CLOCK_RFC3339_SIZE];
    char last[CLOCK_RFC3339_SIZE];
    size_t first_size = clock_rfc3339_print((int64_t)plot->first_s * 1000000000, 0, first);
    size_t last_size = clock_rfc3339_print((int64_t)plot->last_s * 1000000000, 0, last);
    pad(out, 0, 12);
    buf_append(out, first, first_size);
    pad(out, first_size + last_size, PLOT_COLUMNS);
    buf_append(out, last, last_size);
    buf_append_char(out, '\n');
}

static void print_plot(struct buf *out, const struct json *result, bool is_matrix, bool is_terminal)
{
    if (!is_matrix) {
        print_table(out, result, is_matrix, is_terminal); /* a moment has no curve */
        return;
    }
    struct plot plot = { 0 };
    size_t drawn = result->array.count < PLOT_SERIES ? result->array.count : PLOT_SERIES;
    for (size_t s = 0; s < drawn; s++) measure(&plot, values_of(&result->array.items[s]));
    if (plot.points == 0) return;
    for (size_t s = 0; s < drawn; s++) draw_series(&plot, values_of(&result->array.items[s]), s);
    put_canvas(out, &plot, is_terminal);
    put_axis(out, &plot);
    for (size_t s = 0; s < drawn; s++) {
        put_colour(out, s, is_terminal);
        buf_append_str(out, STR("  \u2015 "));
        put_plain(out, is_terminal);
        put_labels(out, json_get(&result->array.items[s], STR("metric")));
        buf_append_char(out, '\n');
    }
    if (drawn < result->array.count) {
        buf_printf(out, "  and %zu more series\n", result->array.count - drawn);
    }
}

/* --- all of them --- */

static const struct format {
    struct str name;
    void (*print)(struct buf *out, const struct json *result, bool is_matrix, bool is_terminal);
} formats[] = {
    { STR_INIT("table"), print_table },
    { STR_INIT("csv"), print_csv },
    { STR_INIT("plot"), print_plot },
    { STR_INIT("json"), NULL }, /* as it came */
};

bool query_format_is_known(struct str format)
{
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        if (str_equal(formats[i].name, format)) return true;
    }
    return false;
}

int query_print(struct buf *out, struct str format, const struct json *data, bool is_terminal)
{
    const struct json *result = json_get(data, STR("result"));
    struct str type = json_text(json_get(data, STR("resultType")), STR(""));
    if (result == NULL) return ERROR_INVALID;
    if (str_equal(format, STR("json"))) {
        buf_append_str(out, data->raw);
        buf_append_char(out, '\n');
        return 0;
    }
    if (str_equal(type, STR("scalar")) || str_equal(type, STR("string"))) {
        buf_append_str(out, value_text(result));
        buf_append_char(out, '\n');
        return 0;
    }
    if (!json_is(result, JSON_ARRAY)) return ERROR_INVALID;
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        if (!str_equal(formats[i].name, format)) continue;
        formats[i].print(out, result, str_equal(type, STR("matrix")), is_terminal);
        return 0;
    }
    return ERROR_INVALID;
}

/* Units from weeks to milliseconds, as PromQL writes them. */
int query_duration(struct str text, int64_t *duration_ms)
{
    static const struct {
        struct str name;
        double ms;
    } units[] = { { STR_INIT("ms"), 1 },         { STR_INIT("s"), 1000 },
                  { STR_INIT("m"), 60000 },      { STR_INIT("h"), 3600000 },
                  { STR_INIT("d"), 86400000 },   { STR_INIT("w"), 604800000 },
                  { STR_INIT("y"), 31536000000 } };
    double total = 0;
    if (text.size == 0) return ERROR_INVALID;
    while (text.size > 0) {
        size_t digits = 0;
        double count;
        while (digits < text.size && (text.data[digits] == '.' ||
                                      (text.data[digits] >= '0' && text.data[digits] <= '9'))) {
            digits++;
        }
        if (!number_parse(str_first(text, digits), &count)) return ERROR_INVALID;
        text = str_skip(text, digits);
        size_t u = 0;
        while (u < ARRAY_LENGTH(units) && !str_starts_with(text, units[u].name)) u++;
        if (u == ARRAY_LENGTH(units) && text.size > 0) return ERROR_INVALID;
        total += u == ARRAY_LENGTH(units) ? count * 1000 : count * units[u].ms;
        if (u < ARRAY_LENGTH(units)) text = str_skip(text, units[u].name.size);
    }
    if (!(total < 9e15)) return ERROR_INVALID;
    *duration_ms = (int64_t)total;
    return 0;
}
