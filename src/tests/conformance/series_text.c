/* series_text.c - a hand-written reader of series and points. */
#include "tests/conformance/series_text.h"

#include "codec/number.h"
#include "model/duration.h"
#include "model/sample.h"

#include <math.h>
#include <string.h>

#define POINTS_MAX 1000000

static void skip_blanks(struct str *rest)
{
    while (rest->size > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t')) {
        *rest = str_skip(*rest, 1);
    }
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

static struct str take_name(struct str *rest)
{
    size_t size = 0;
    while (size < rest->size && is_name_char(rest->data[size])) size++;
    struct str name = str_first(*rest, size);
    *rest = str_skip(*rest, size);
    return name;
}

/* Letters and underscores: the keys of histograms. */
static struct str take_word(struct str *rest)
{
    size_t size = 0;
    while (size < rest->size && (rest->data[size] == '_' || ((rest->data[size] | 0x20) >= 'a' &&
                                                             (rest->data[size] | 0x20) <= 'z'))) {
        size++;
    }
    struct str word = str_first(*rest, size);
    *rest = str_skip(*rest, size);
    return word;
}

static bool take_char(struct str *rest, char c)
{
    skip_blanks(rest);
    if (rest->size == 0 || rest->data[0] != c) return false;
    *rest = str_skip(*rest, 1);
    return true;
}

bool series_text_string(struct arena *arena, struct str *rest, struct str *value)
{
    skip_blanks(rest);
    if (rest->size < 2) return false;
    char quote = rest->data[0];
    if (quote != '"' && quote != '\'' && quote != '`') return false;
    char *bytes = arena_alloc(arena, rest->size, 1);
    if (bytes == NULL) return false;
    size_t size = 0;
    for (size_t i = 1; i < rest->size; i++) {
        char c = rest->data[i];
        if (c == quote) {
            *rest = str_skip(*rest, i + 1);
            *value = (struct str){ bytes, size };
            return true;
        }
        if (c == '\\' && quote != '`' && i + 1 < rest->size) {
            c = rest->data[++i];
            if (c == 'n') c = '\n';
            if (c == 't') c = '\t';
        }
        bytes[size++] = c;
    }
    return false;
}

bool series_text_labels(struct arena *arena, struct str *rest, struct labels *labels)
{
    struct labels_builder builder = { 0 };
    skip_blanks(rest);
    struct str name = take_name(rest);
    labels_builder_set(&builder, LABEL_METRIC_NAME, name);
    bool is_good = true;
    if (rest->size > 0 && rest->data[0] == '{' && !(rest->size > 1 && rest->data[1] == '{')) {
        *rest = str_skip(*rest, 1);
        while (is_good && !take_char(rest, '}')) {
            struct str label;
            struct str value;
            skip_blanks(rest);
            bool is_quoted = rest->size > 0 && rest->data[0] == '"';
            if (is_quoted) {
                is_good = series_text_string(arena, rest, &label);
            } else {
                label = take_name(rest);
            }
            if (is_good && is_quoted && !take_char(rest, '=')) {
                labels_builder_set(&builder, LABEL_METRIC_NAME, label);
                (void)take_char(rest, ',');
                continue;
            }
            is_good = is_good && (is_quoted || take_char(rest, '=')) &&
                      series_text_string(arena, rest, &value);
            if (is_good) labels_builder_set(&builder, label, value);
            (void)take_char(rest, ',');
        }
    } else if (name.size == 0) {
        is_good = false;
    }
    is_good = is_good && labels_copy(arena, labels_builder_labels(&builder), labels) == 0;
    labels_builder_release(&builder);
    return is_good;
}

/* --- histograms --- */

struct draft {
    struct histogram histogram;
    bool has_hint;
};

static bool take_list(struct arena *arena, struct str *rest, double **items, size_t *count)
{
    if (!take_char(rest, '[')) return false;
    double *made = ARENA_ARRAY(arena, double, rest->size);
    if (made == NULL) return false;
    size_t found = 0;
    while (!take_char(rest, ']')) {
        size_t size = 0;
        while (size < rest->size && rest->data[size] != ' ' && rest->data[size] != ']' &&
               rest->data[size] != ',') {
            size++;
        }
        if (size == 0 || !number_parse(str_first(*rest, size), &made[found++])) return false;
        *rest = str_skip(*rest, size);
        (void)take_char(rest, ',');
    }
    *items = made;
    *count = found;
    return true;
}

static bool take_number(struct str *rest, double *value)
{
    skip_blanks(rest);
    size_t size = 0;
    while (size < rest->size && rest->data[size] != ' ' && rest->data[size] != '}') size++;
    if (!number_parse(str_first(*rest, size), value)) return false;
    *rest = str_skip(*rest, size);
    return true;
}

static bool take_hint(struct str *rest, struct draft *draft)
{
    static const struct str names[] = { STR_INIT("unknown"), STR_INIT("reset"),
                                        STR_INIT("not_reset"), STR_INIT("gauge") };
    skip_blanks(rest);
    struct str name = take_word(rest);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (!str_equal(name, names[i])) continue;
        draft->histogram.hint = (enum histogram_hint)i;
        draft->has_hint = true;
        return true;
    }
    return false;
}

struct raw_buckets {
    double *counts;
    size_t count;
    double offset;
};

static bool place(struct arena *arena, const struct raw_buckets *raw,
                  const struct histogram_bucket **buckets, size_t *count)
{
    struct histogram_bucket *made = ARENA_ARRAY(arena, struct histogram_bucket, raw->count + 1);
    if (made == NULL) return false;
    size_t kept = 0;
    for (size_t i = 0; i < raw->count; i++) {
        if (raw->counts[i] == 0) continue;
        made[kept++] =
            (struct histogram_bucket){ (int32_t)i + (int32_t)raw->offset, raw->counts[i] };
    }
    *buckets = made;
    *count = kept;
    return true;
}

static bool take_histogram(struct arena *arena, struct str *rest, struct draft *draft)
{
    *draft = (struct draft){ 0 };
    struct histogram *h = &draft->histogram;
    struct raw_buckets positive = { 0 };
    struct raw_buckets negative = { 0 };
    double schema = 0;
    if (!str_starts_with(*rest, STR("{{"))) return false;
    *rest = str_skip(*rest, 2);
    while (!take_char(rest, '}')) {
        struct str key = take_word(rest);
        if (key.size == 0 || !take_char(rest, ':')) return false;
        bool is_good = false;
        if (str_equal(key, STR("schema"))) is_good = take_number(rest, &schema);
        if (str_equal(key, STR("sum"))) is_good = take_number(rest, &h->sum);
        if (str_equal(key, STR("count"))) is_good = take_number(rest, &h->count);
        if (str_equal(key, STR("z_bucket"))) is_good = take_number(rest, &h->zero_count);
        if (str_equal(key, STR("z_bucket_w"))) is_good = take_number(rest, &h->zero_threshold);
        if (str_equal(key, STR("offset"))) is_good = take_number(rest, &positive.offset);
        if (str_equal(key, STR("n_offset"))) is_good = take_number(rest, &negative.offset);
        if (str_equal(key, STR("buckets"))) {
            is_good = take_list(arena, rest, &positive.counts, &positive.count);
        }
        if (str_equal(key, STR("n_buckets"))) {
            is_good = take_list(arena, rest, &negative.counts, &negative.count);
        }
        if (str_equal(key, STR("custom_values"))) {
            double *bounds;
            is_good = take_list(arena, rest, &bounds, &h->bound_count);
            if (is_good) h->bounds = bounds;
        }
        if (str_equal(key, STR("counter_reset_hint"))) is_good = take_hint(rest, draft);
        if (!is_good) return false;
        skip_blanks(rest);
    }
    h->schema = (int32_t)schema;
    return take_char(rest, '}') && place(arena, &positive, &h->positive, &h->positive_count) &&
           place(arena, &negative, &h->negative, &h->negative_count);
}

static bool take_times(struct str *rest, size_t *times)
{
    *times = 0;
    if (rest->size == 0 || rest->data[0] != 'x') return false;
    size_t size = 1;
    while (size < rest->size && rest->data[size] >= '0' && rest->data[size] <= '9') {
        *times = *times * 10 + (size_t)(rest->data[size++] - '0');
    }
    *rest = str_skip(*rest, size);
    return size > 1 && *times < POINTS_MAX;
}

static bool push_histogram(struct text_points *points, struct arena *arena,
                           const struct histogram *histogram, bool has_hint)
{
    const struct histogram *copy = histogram_copy(arena, histogram);
    struct text_point point = { true, copy == NULL ? 0 : copy->sum, copy, has_hint };
    return copy != NULL && VEC_PUSH(points, point);
}

static bool take_histogram_item(struct arena *arena, struct str *rest, struct text_points *points)
{
    struct draft first;
    if (!take_histogram(arena, rest, &first)) return false;
    size_t times = 0;
    if (take_times(rest, &times)) {
        for (size_t i = 0; i <= times; i++) {
            if (!push_histogram(points, arena, &first.histogram, first.has_hint)) return false;
        }
        return true;
    }
    if (rest->size < 3 || (rest->data[0] != '+' && rest->data[0] != '-')) {
        return push_histogram(points, arena, &first.histogram, first.has_hint);
    }
    double sign = rest->data[0] == '+' ? 1 : -1;
    *rest = str_skip(*rest, 1);
    struct draft step;
    if (!take_histogram(arena, rest, &step) || !take_times(rest, &times)) return false;
    const struct histogram *now = &first.histogram;
    for (size_t i = 0; i <= times; i++) {
        if (!push_histogram(points, arena, now, first.has_hint)) return false;
        struct histogram_sum sum = { 0 };
        unsigned events = 0;
        bool is_good = histogram_sum_start(&sum, now) == 0 &&
                       histogram_sum_add(&sum, &step.histogram, sign, &events) == 0;
        if (is_good) now = histogram_sum_finish(&sum, arena);
        histogram_sum_release(&sum);
        if (!is_good || now == NULL) return false;
    }
    return true;
}

/* --- numbers --- */

/* "10+5x3", "7x2", "-Inf", "1e-3". */
static bool take_number_item(struct str item, struct text_points *points)
{
    size_t times = 0;
    size_t x = item.size;
    while (x > 0 && item.data[x - 1] >= '0' && item.data[x - 1] <= '9') x--;
    bool repeats = x > 1 && x < item.size && item.data[x - 1] == 'x';
    if (repeats) {
        struct str tail = str_skip(item, x - 1);
        if (!take_times(&tail, &times)) return false;
        item = str_first(item, x - 1);
    }
    double step = 0;
    for (size_t i = 1; repeats && i < item.size; i++) {
        char c = item.data[i];
        char before = item.data[i - 1];
        if ((c != '+' && c != '-') || before == 'e' || before == 'E') continue;
        if (!number_parse(str_skip(item, i), &step)) return false;
        item = str_first(item, i);
        break;
    }
    double value;
    if (!number_parse(item, &value)) return false;
    for (size_t i = 0; i <= times; i++) {
        if (!VEC_PUSH(points, (struct text_point){ true, value, NULL, false })) return false;
        value += step;
    }
    return true;
}

static bool take_special(struct str item, struct text_points *points, bool *is_special)
{
    *is_special = true;
    bool is_gap = item.data[0] == '_';
    struct str tail = item;
    if (is_gap) {
        tail = str_skip(item, 1);
    } else if (str_starts_with(item, STR("stale"))) {
        tail = str_skip(item, 5);
    } else {
        *is_special = false;
        return true;
    }
    size_t times = 1;
    if (tail.size > 0 && !take_times(&tail, &times)) return false;
    if (tail.size == 0 && !is_gap && item.size > 5) times++;
    for (size_t i = 0; i < times; i++) {
        struct text_point point = { !is_gap, is_gap ? 0 : sample_stale(), NULL, false };
        if (!VEC_PUSH(points, point)) return false;
    }
    return tail.size == 0;
}

bool series_text_points(struct arena *arena, struct str text, struct text_points *points)
{
    for (;;) {
        skip_blanks(&text);
        if (text.size == 0) return true;
        if (points->count > POINTS_MAX) return false;
        if (text.data[0] == '{') {
            if (!take_histogram_item(arena, &text, points)) return false;
            continue;
        }
        size_t size = 0;
        while (size < text.size && text.data[size] != ' ' && text.data[size] != '\t') size++;
        struct str item = str_first(text, size);
        text = str_skip(text, size);
        bool is_special;
        if (!take_special(item, points, &is_special)) return false;
        if (!is_special && !take_number_item(item, points)) return false;
    }
}

/* --- start times --- */

/* "-1m30s", "+1ms", "0"; takes it off the front. */
static bool take_offset(struct str *rest, int64_t *offset_ms)
{
    int64_t sign = 1;
    if (rest->size > 0 && (rest->data[0] == '+' || rest->data[0] == '-')) {
        sign = rest->data[0] == '-' ? -1 : 1;
        *rest = str_skip(*rest, 1);
    }
    size_t size = 0;
    while (size < rest->size && strchr("0123456789mshdwy", rest->data[size]) != NULL) size++;
    struct str text = str_first(*rest, size);
    *rest = str_skip(*rest, size);
    if (str_equal(text, STR("0")) || str_equal(text, STR("0ms"))) {
        *offset_ms = 0;
        return true;
    }
    if (duration_parse(text, offset_ms, NULL) < 0) return false;
    *offset_ms *= sign;
    return true;
}

static bool take_start_item(struct str item, struct text_starts *starts)
{
    struct text_start start = { item.data[0] != '_', 0 };
    int64_t step_ms = 0;
    size_t times = 0;
    if (!start.is_there) {
        item = str_skip(item, 1);
        if (item.size > 0 && !take_times(&item, &times)) return false;
        if (times > 0) times--;
    } else {
        if (!take_offset(&item, &start.offset_ms)) return false;
        if (item.size > 0 && item.data[0] != 'x' && !take_offset(&item, &step_ms)) return false;
        if (item.size > 0 && !take_times(&item, &times)) return false;
    }
    for (size_t i = 0; i <= times; i++) {
        if (!VEC_PUSH(starts, start)) return false;
        start.offset_ms += step_ms;
    }
    return item.size == 0;
}

bool series_text_starts(struct str text, struct text_starts *starts)
{
    for (;;) {
        skip_blanks(&text);
        if (text.size == 0) return true;
        size_t size = 0;
        while (size < text.size && text.data[size] != ' ' && text.data[size] != '\t') size++;
        if (starts->count > POINTS_MAX || !take_start_item(str_first(text, size), starts)) {
            return false;
        }
        text = str_skip(text, size);
    }
}
