/* filter_number.c - filters over numbers, dates and booleans: a range of values, scanned. */
#include "base/check.h"
#include "codec/number.h"
#include "logstore/date.h"
#include "logstore/filter_run.h"

#include <math.h>

struct integer_range {
    int64_t least, most; /* both inclusive; least > most: nothing */
};

struct real_range {
    double least, most;
};

static int bad_number(struct error *error, struct str text)
{
    return error_set(error, ERROR_INVALID,
                     "failed to create query: For input string: \"" STR_FMT "\"",
                     STR_ARG(str_first(text, text.size < 80 ? text.size : 80)));
}

/* The whole numbers between two bounds; fractions round inward. */
static int integer_bound(struct str text, bool is_lower, bool is_inclusive, int64_t *out,
                         struct error *error)
{
    int64_t number;
    double real;
    if (!str_to_int64(text, &number)) {
        if (!number_parse(text, &real) || isnan(real)) return bad_number(error, text);
        double inward = is_lower ? ceil(real) : floor(real);
        if (inward >= 0x1p63)
            number = INT64_MAX;
        else if (inward < -0x1p63)
            number = INT64_MIN;
        else
            number = (int64_t)inward;
        /* Beyond all numbers on its own side: nothing passes. */
        if ((is_lower && inward >= 0x1p63) || (!is_lower && inward < -0x1p63)) return 1;
        if (inward > real || inward < real) is_inclusive = true;
    }
    if (!is_inclusive) {
        if (is_lower ? number == INT64_MAX : number == INT64_MIN) return 1;
        number += is_lower ? 1 : -1;
    }
    *out = number;
    return 0;
}

static int date_bound(struct filter_run *run, const struct logstore_filter *filter,
                      const struct logstore_field *field, struct str text, bool rounds_up,
                      int64_t *out, struct error *error)
{
    struct date_options options = {
        .format = filter->format.size > 0 ? filter->format
                  : field != NULL         ? field->format
                                          : STR(""),
        .now_ms = run->context->now_ms,
        .zone = filter->zone,
        .rounds_up = rounds_up,
        .allows_math = true,
    };
    bool is_nanos = field != NULL && field->type == LOGSTORE_DATE_NANOS;
    int code = is_nanos ? date_parse_ns(text, &options, out, error)
                        : date_parse_ms(text, &options, out, error);
    return code < 0 ? ERROR_INVALID : 0;
}

static int boolean_value(struct str text, int64_t *out, struct error *error)
{
    if (str_equal(text, STR("true")))
        *out = 1;
    else if (text.size == 0 || str_equal(text, STR("false")))
        *out = 0;
    else {
        return error_set(error, ERROR_INVALID,
                         "failed to create query: Can't parse boolean value [" STR_FMT
                         "], expected [true] or [false]",
                         STR_ARG(text));
    }
    return 0;
}

static bool is_date(enum logstore_type type)
{
    return type == LOGSTORE_DATE || type == LOGSTORE_DATE_NANOS;
}

/* gte and lt round down, gt and lte round up: "lte 2024-01-01" holds the whole day. */
static int range_of_bounds(struct filter_run *run, const struct logstore_filter *filter,
                           const struct logstore_field *field, enum logstore_type type,
                           struct integer_range *range, struct error *error)
{
    const struct logstore_bound *lower = &filter->lower;
    const struct logstore_bound *upper = &filter->upper;
    *range = (struct integer_range){ INT64_MIN, INT64_MAX };
    int code = 0;
    if (is_date(type)) {
        if (lower->is_set) {
            code = date_bound(run, filter, field, lower->text, !lower->is_inclusive, &range->least,
                              error);
            if (code == 0 && !lower->is_inclusive) range->least++;
        }
        if (code == 0 && upper->is_set) {
            code = date_bound(run, filter, field, upper->text, upper->is_inclusive, &range->most,
                              error);
            if (code == 0 && !upper->is_inclusive) range->most--;
        }
        return code;
    }
    if (type == LOGSTORE_BOOLEAN) {
        if (lower->is_set) code = boolean_value(lower->text, &range->least, error);
        if (code == 0 && upper->is_set) code = boolean_value(upper->text, &range->most, error);
        range->least += lower->is_set && !lower->is_inclusive;
        range->most -= upper->is_set && !upper->is_inclusive;
        return code;
    }
    if (lower->is_set) {
        code = integer_bound(lower->text, true, lower->is_inclusive, &range->least, error);
    }
    if (code == 0 && upper->is_set) {
        code = integer_bound(upper->text, false, upper->is_inclusive, &range->most, error);
    }
    if (code == 1) *range = (struct integer_range){ 1, 0 };
    return code < 0 ? code : 0;
}

static int range_of_value(struct filter_run *run, const struct logstore_filter *filter,
                          const struct logstore_field *field, enum logstore_type type,
                          struct str value, struct integer_range *range, struct error *error)
{
    if (is_date(type)) {
        int code = date_bound(run, filter, field, value, false, &range->least, error);
        if (code < 0) return code;
        return date_bound(run, filter, field, value, true, &range->most, error);
    }
    if (type == LOGSTORE_BOOLEAN) {
        int code = boolean_value(value, &range->least, error);
        range->most = range->least;
        return code;
    }
    int64_t number;
    double real;
    if (!str_to_int64(value, &number)) {
        if (!number_parse(value, &real) || isnan(real)) return bad_number(error, value);
        bool is_whole = real >= -0x1p63 && real < 0x1p63 && floor(real) >= real;
        if (!is_whole) {
            *range = (struct integer_range){ 1, 0 }; /* 5.5 is no whole number's value */
            return 0;
        }
        number = (int64_t)real;
    }
    *range = (struct integer_range){ number, number };
    return 0;
}

static void scan_integers(const struct logstore_column *column, const struct integer_range *range,
                          uint64_t *bits)
{
    if (range->least > range->most) return;
    int64_t least;
    int64_t most;
    if (logstore_column_integer_range(column, &least, &most)) {
        if (range->least > most || range->most < least) return;
    }
    uint64_t width = (uint64_t)range->most - (uint64_t)range->least;
    const struct packed *values = &column->values_packed;
    for (uint32_t i = 0; i < values->count; i++) {
        uint64_t above = (uint64_t)packed_get(values, i) - (uint64_t)range->least;
        if (above > width) continue;
        uint32_t document =
            column->is_dense ? i : (uint32_t)packed_get(&column->presence_packed, i);
        bits[document / 64] |= UINT64_C(1) << (document % 64);
    }
}

static int run_integers(struct filter_run *run, const struct logstore_filter *filter,
                        const struct logstore_field *field, enum logstore_type type,
                        const struct logstore_column *column, uint64_t *bits, struct error *error)
{
    struct integer_range range = { 1, 0 };
    int code = 0;
    if (filter->kind == LOGSTORE_FILTER_RANGE) {
        code = range_of_bounds(run, filter, field, type, &range, error);
        if (code == 0 && column != NULL) scan_integers(column, &range, bits);
        return code;
    }
    for (size_t i = 0; code == 0 && i < filter->value_count; i++) {
        code = range_of_value(run, filter, field, type, filter->values[i], &range, error);
        if (code == 0 && column != NULL) scan_integers(column, &range, bits);
    }
    return code;
}

static void scan_reals(const struct logstore_column *column, const struct real_range *range,
                       uint64_t *bits)
{
    for (uint32_t i = 0; i < column->value_count; i++) {
        double value = logstore_column_real(column, i);
        if (!(value >= range->least && value <= range->most)) continue;
        uint32_t document =
            column->is_dense ? i : (uint32_t)packed_get(&column->presence_packed, i);
        bits[document / 64] |= UINT64_C(1) << (document % 64);
    }
}

/* A float field holds values rounded to float, so what it is asked for is rounded too. */
static int real_value(struct str text, enum logstore_type type, double *out, struct error *error)
{
    double real;
    if (!number_parse(text, &real) || isnan(real)) return bad_number(error, text);
    if (type == LOGSTORE_FLOAT) {
        float narrow = (float)real;
        real = (double)narrow;
    }
    *out = real;
    return 0;
}

static int run_reals(const struct logstore_filter *filter, enum logstore_type type,
                     const struct logstore_column *column, uint64_t *bits, struct error *error)
{
    struct real_range range = { -(double)INFINITY, (double)INFINITY };
    int code = 0;
    if (filter->kind == LOGSTORE_FILTER_RANGE) {
        if (filter->lower.is_set) {
            code = real_value(filter->lower.text, type, &range.least, error);
            if (!filter->lower.is_inclusive) range.least = nextafter(range.least, (double)INFINITY);
        }
        if (code == 0 && filter->upper.is_set) {
            code = real_value(filter->upper.text, type, &range.most, error);
            if (!filter->upper.is_inclusive) range.most = nextafter(range.most, -(double)INFINITY);
        }
        if (code == 0 && column != NULL) scan_reals(column, &range, bits);
        return code;
    }
    for (size_t i = 0; code == 0 && i < filter->value_count; i++) {
        code = real_value(filter->values[i], type, &range.least, error);
        range.most = range.least;
        if (code == 0 && column != NULL) scan_reals(column, &range, bits);
    }
    return code;
}

static int refuse_kind(const struct logstore_filter *filter, enum logstore_type type,
                       struct error *error)
{
    const char *name = filter->kind == LOGSTORE_FILTER_PREFIX     ? "prefix"
                       : filter->kind == LOGSTORE_FILTER_WILDCARD ? "wildcard"
                       : filter->kind == LOGSTORE_FILTER_REGEXP   ? "regexp"
                                                                  : "fuzzy";
    return error_set(
        error, ERROR_INVALID,
        "Can only use %s queries on keyword, text and wildcard fields - not on a field "
        "which is of type [%s]",
        name, logstore_type_name(type));
}

int filter_number(struct filter_run *run, const struct logstore_filter *filter,
                  const struct logstore_field *field, const struct logstore_column *column,
                  uint64_t *bits, struct error *error)
{
    CHECK(field != NULL || column != NULL);
    enum logstore_type type = column != NULL ? column->type : field->type;
    int code;
    if (filter->kind == LOGSTORE_FILTER_PREFIX || filter->kind == LOGSTORE_FILTER_WILDCARD ||
        filter->kind == LOGSTORE_FILTER_REGEXP || filter->kind == LOGSTORE_FILTER_FUZZY) {
        code = refuse_kind(filter, type, error);
    } else if (logstore_type_column(type) == LOGSTORE_COLUMN_REAL) {
        code = run_reals(filter, type, column, bits, error);
    } else {
        code = run_integers(run, filter, field, type, column, bits, error);
    }
    return code == ERROR_INVALID && filter->is_lenient ? 0 : code;
}
