/* result.c - answers as the API's JSON. */
#include "base/clock.h"
#include "codec/json_writer.h"
#include "codec/number.h"
#include "model/histogram.h"
#include "promql/promql.h"
#include "promql/turns.h"

#include <stdlib.h>

#define TIME_SIZE_MAX  32                                    /* of a time's text */
#define POINT_SIZE_MAX (TIME_SIZE_MAX + NUMBER_SIZE_MAX + 8) /* of "[time,value]" and a comma */

static const char digit_pairs[] = "000102030405060708091011121314151617181920212223242526272829"
                                  "303132333435363738394041424344454647484950515253545556575859"
                                  "606162636465666768697071727374757677787980818283848586878889"
                                  "90919293949596979899";

/* The digits of a number that is not negative, two at a time; returns where they end. */
static char *put_digits(char *out, uint64_t number)
{
    char reversed[20];
    char *at = reversed + sizeof(reversed);
    while (number >= 100) {
        memcpy(at -= 2, digit_pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10) {
        memcpy(at -= 2, digit_pairs + number * 2, 2);
    } else {
        *--at = (char)('0' + number);
    }
    size_t size = (size_t)(reversed + sizeof(reversed) - at);
    memcpy(out, at, size);
    return out + size;
}

/* Whole seconds as an integer, else exactly three decimals. */
static char *put_time(char *out, int64_t time_ms)
{
    uint64_t ms = time_ms < 0 ? 0 - (uint64_t)time_ms : (uint64_t)time_ms;
    if (time_ms < 0) *out++ = '-';
    out = put_digits(out, ms / 1000);
    unsigned part = (unsigned)(ms % 1000);
    if (part == 0) return out;
    *out++ = '.';
    *out++ = (char)('0' + part / 100);
    *out++ = (char)('0' + part / 10 % 10);
    *out++ = (char)('0' + part % 10);
    return out;
}

static char *put_value(char *out, double value)
{
    *out++ = '"';
    out += number_print_api(value, out);
    *out++ = '"';
    return out;
}

/* Takes what was put at the buffer's end. */
static void put_end(struct buf *buf, const char *end)
{
    buf->size = (size_t)(end - buf->data);
}

void promql_value_print(struct buf *buf, double value)
{
    char text[NUMBER_SIZE_MAX];
    buf_append(buf, text, number_print_api(value, text));
}

static void write_time(struct buf *buf, int64_t time_ms)
{
    char *room = buf_reserve(buf, TIME_SIZE_MAX);
    if (room != NULL) put_end(buf, put_time(room, time_ms));
}

static void write_value(struct buf *buf, double value)
{
    char *room = buf_reserve(buf, NUMBER_SIZE_MAX + 2);
    if (room != NULL) put_end(buf, put_value(room, value));
}

static void write_histogram(struct buf *buf, const struct histogram *histogram)
{
    buf_append_str(buf, STR("{\"count\":"));
    write_value(buf, histogram->count);
    buf_append_str(buf, STR(",\"sum\":"));
    write_value(buf, histogram->sum);
    size_t position = 0;
    struct histogram_range range;
    bool is_first = true;
    while (histogram_next(histogram, &position, &range)) {
        int rule = range.is_lower_closed ? (range.is_upper_closed ? 3 : 1)
                                         : (range.is_upper_closed ? 0 : 2);
        buf_append_str(buf, is_first ? STR(",\"buckets\":[") : STR(","));
        is_first = false;
        buf_printf(buf, "[%d,", rule);
        write_value(buf, range.lower);
        buf_append_char(buf, ',');
        write_value(buf, range.upper);
        buf_append_char(buf, ',');
        write_value(buf, range.count);
        buf_append_char(buf, ']');
    }
    buf_append_str(buf, is_first ? STR("}") : STR("]}"));
}

static void write_labels(struct buf *buf, struct labels labels)
{
    buf_append_str(buf, STR("\"metric\":{"));
    for (size_t i = 0; i < labels.count; i++) {
        if (i > 0) buf_append_char(buf, ',');
        json_escape(buf, labels.items[i].name);
        buf_append_char(buf, ':');
        json_escape(buf, labels.items[i].value);
    }
    buf_append_char(buf, '}');
}

static const struct histogram *histogram_of(const struct promql_series *series, size_t i)
{
    return series->histograms == NULL ? NULL : series->histograms[i];
}

/* Texts of times: all series of a range have the same, so each is made once, for the first series
 * mostly. */
#define TIMES_KEPT 512

struct times_kept {
    struct {
        int64_t time_ms;
        size_t size; /* 0: nothing yet */
        char text[TIME_SIZE_MAX];
    } items[TIMES_KEPT];
};

static char *put_time_kept(char *out, int64_t time_ms, size_t i, struct times_kept *kept)
{
    if (kept == NULL) return put_time(out, time_ms);
    size_t at = i % TIMES_KEPT;
    if (kept->items[at].size == 0 || kept->items[at].time_ms != time_ms) {
        kept->items[at].time_ms = time_ms;
        kept->items[at].size =
            (size_t)(put_time(kept->items[at].text, time_ms) - kept->items[at].text);
    }
    memcpy(out, kept->items[at].text, TIME_SIZE_MAX); /* one size: quicker than the right one */
    return out + kept->items[at].size;
}

static void write_point(struct buf *buf, const struct promql_series *series, size_t i,
                        struct times_kept *kept)
{
    const struct histogram *histogram = histogram_of(series, i);
    if (histogram != NULL) {
        buf_append_char(buf, '[');
        write_time(buf, series->times_ms[i]);
        buf_append_char(buf, ',');
        write_histogram(buf, histogram);
        buf_append_char(buf, ']');
        return;
    }
    char *out = buf_reserve(buf, POINT_SIZE_MAX);
    if (out == NULL) return;
    *out++ = '[';
    out = put_time_kept(out, series->times_ms[i], i, kept);
    *out++ = ',';
    out = put_value(out, series->values[i]);
    *out++ = ']';
    put_end(buf, out);
}

/* The points of one kind under their key; nothing when there are none. */
static void write_points(struct buf *buf, const struct promql_series *series, bool of_histograms,
                         struct times_kept *kept)
{
    const char *separator = of_histograms ? ",\"histograms\":[" : ",\"values\":[";
    bool is_any = false;
    for (size_t i = 0; i < series->count; i++) {
        if ((histogram_of(series, i) != NULL) != of_histograms) continue;
        buf_append_cstr(buf, separator);
        separator = ",";
        is_any = true;
        write_point(buf, series, i, kept);
    }
    if (is_any) buf_append_char(buf, ']');
}

/* About how long the answer gets, so that the buffer need not move while it grows. */
static size_t expected_size(const struct promql_result *result)
{
    size_t size = 0;
    for (size_t s = 0; s < result->series_count; s++) {
        const struct promql_series *series = &result->series[s];
        size += 32 + series->count * 32;
        for (size_t i = 0; i < series->labels.count; i++) {
            size += series->labels.items[i].name.size + series->labels.items[i].value.size + 6;
        }
    }
    return size;
}

/* Looks at the clock, and lets others on whose turn it is. */
static bool is_too_late(const struct promql_result *result)
{
    if (result->deadline_ns == 0) return false;
    int64_t now_ns = clock_monotonic_ns(&clock_system);
    struct turn *turn = result->turn;
    if (turn != NULL && now_ns >= turn->look_ns && !turn_look(turn, now_ns)) return true;
    return now_ns > result->deadline_ns;
}

static void write_series(struct buf *buf, const struct promql_result *result)
{
    /* Too much for the buffer shows when it is written; a guess may be above it. */
    size_t room = expected_size(result);
    if (room < buf->size_max / 2) (void)!buf_reserve(buf, room);
    struct times_kept *kept =
        result->series_count > 1 && result->type == PROMQL_MATRIX ? calloc(1, sizeof(*kept)) : NULL;
    buf_append_char(buf, '[');
    for (size_t s = 0; s < result->series_count; s++) {
        const struct promql_series *series = &result->series[s];
        if (s % 16 == 15 && is_too_late(result)) buf->has_failed = true;
        if (buf->has_failed) break;
        buf_append_str(buf, s == 0 ? STR("{") : STR(",{"));
        write_labels(buf, series->labels);
        if (result->type == PROMQL_VECTOR) {
            buf_append_str(buf, histogram_of(series, 0) != NULL ? STR(",\"histogram\":")
                                                                : STR(",\"value\":"));
            write_point(buf, series, 0, NULL);
        } else {
            write_points(buf, series, false, kept);
            if (series->histograms != NULL) write_points(buf, series, true, kept);
        }
        buf_append_char(buf, '}');
    }
    buf_append_char(buf, ']');
    free(kept);
}

void promql_result_write_json(struct buf *buf, const struct promql_result *result)
{
    buf_printf(buf, "\"resultType\":\"%s\",\"result\":", promql_type_code(result->type));
    switch (result->type) {
    case PROMQL_NONE: buf_append_str(buf, STR("null")); return;
    case PROMQL_SCALAR:
        buf_append_char(buf, '[');
        write_time(buf, result->time_ms);
        buf_append_char(buf, ',');
        write_value(buf, result->scalar);
        buf_append_char(buf, ']');
        return;
    case PROMQL_STRING:
        buf_append_char(buf, '[');
        promql_value_print(buf, (double)result->time_ms / 1000);
        buf_append_char(buf, ',');
        json_escape(buf, result->string);
        buf_append_char(buf, ']');
        return;
    case PROMQL_VECTOR:
    case PROMQL_MATRIX: write_series(buf, result); return;
    }
}
