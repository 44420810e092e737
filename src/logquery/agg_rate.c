/* agg_rate.c - documents, or a field's sum, a unit of time; inside of a date_histogram.
 *
 * A bucket's length is that of its interval: of calendar months, quarters and years by their days
 * when the unit is shorter, by their number of months when the unit is one of them.
 */
#include "logquery/agg.h"

struct options {
    enum date_unit unit;
    bool counts_values;
    const struct agg *histogram;
};

struct state {
    double sum;
    uint64_t count; /* documents, or values of the field */
};

static const struct unit_row {
    struct str name;
    enum date_unit unit;
} units[] = {
    { STR_INIT("second"), DATE_SECOND },   { STR_INIT("minute"), DATE_MINUTE },
    { STR_INIT("hour"), DATE_HOUR },       { STR_INIT("day"), DATE_DAY },
    { STR_INIT("week"), DATE_WEEK },       { STR_INIT("month"), DATE_MONTH },
    { STR_INIT("quarter"), DATE_QUARTER }, { STR_INIT("year"), DATE_YEAR },
};

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    options->histogram = search->date_histogram;
    if (options->histogram == NULL) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "The rate aggregation can only be used inside a date histogram "
                          "aggregation");
    }
    struct str mode = json_text(json_get(body, STR("mode")), STR("sum"));
    options->counts_values = str_equal(mode, STR("value_count"));
    bool is_mode = options->counts_values || str_equal(mode, STR("sum"));
    if (!is_mode || (json_get(body, STR("mode")) != NULL && agg->field.size == 0)) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[mode] of [" STR_FMT "] must be sum or value_count and needs a [field]",
                          STR_ARG(agg->name));
    }
    struct str unit = json_text(json_get(body, STR("unit")), STR(""));
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (!str_equal(units[i].name, unit)) continue;
        options->unit = units[i].unit;
        return 0;
    }
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "Unsupported unit " STR_FMT ": [unit] of [" STR_FMT
                      "] must be second, minute, hour, day, week, month, "
                      "quarter or year",
                      STR_ARG(unit), STR_ARG(agg->name));
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    if (agg->field.size == 0) {
        state->count += documents->count;
        return 0;
    }
    const struct logstore_column *column;
    int code = agg_column(search, agg, documents->segment, &column);
    if (code < 0 || column == NULL) return code;
    struct agg_numbers numbers;
    bool is_number = agg_numbers_open(&numbers, column);
    if (!is_number && !options->counts_values) return agg_refuse_field(search, agg);
    for (size_t i = 0; i < documents->count; i++) {
        size_t first;
        size_t count = logstore_cursor_seek(&numbers.cursor, documents->documents[i], &first);
        state->count += count;
        for (size_t k = 0; is_number && k < count; k++) {
            state->sum += agg_number_at(&numbers, first + k);
        }
    }
    return 0;
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    const struct state *state = raw;
    const struct options *options = agg->options;
    double size;
    if (!agg_date_size(options->histogram, search->date_start_ms, options->unit, &size)) {
        return parse_fail_shard(&search->parse, "illegal_argument_exception",
                                "Cannot use month-based rate unit with a histogram of shorter or "
                                "fixed intervals, only week, day, hour, minute and second are "
                                "supported for this histogram");
    }
    bool is_sum = agg->field.size > 0 && !options->counts_values;
    json_key(json, STR("value"));
    put_double(json, (is_sum ? state->sum : (double)state->count) / size);
    return 0;
}

const struct agg_kind agg_rate = {
    .name = STR_INIT("rate"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
};
