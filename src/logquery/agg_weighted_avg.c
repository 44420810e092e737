/* agg_weighted_avg.c - the average of one field, weighted by another. */
#include "logquery/agg.h"

struct side {
    struct agg agg; /* field, missing */
    struct agg_numbers numbers;
    bool has_values; /* in the segment at hand */
};

struct options {
    struct side value, weight;
};

struct state {
    uint64_t count;
    double sum, weights;
};

static int read_side(struct search *search, const struct agg *agg, const struct json *body,
                     const char *name, struct side *side)
{
    const struct json *json = json_get(body, str_from(name));
    side->agg = *agg;
    side->agg.field = json_text(json_get(json, STR("field")), STR(""));
    side->agg.missing = json_get(json, STR("missing"));
    if (side->agg.field.size > 0 && json_get(json, STR("script")) == NULL) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "[%s] of [" STR_FMT "] needs a [field]; scripts are not supported", name,
                      STR_ARG(agg->name));
}

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    int code = read_side(search, agg, body, "value", &options->value);
    return code < 0 ? code : read_side(search, agg, body, "weight", &options->weight);
}

static int open_side(struct search *search, struct side *side, size_t segment)
{
    const struct logstore_column *column;
    int code = agg_column(search, &side->agg, segment, &column);
    side->has_values = code == 0 && column != NULL;
    if (!side->has_values || agg_numbers_open(&side->numbers, column)) return code;
    return agg_refuse_field(search, &side->agg);
}

static size_t seek(struct side *side, uint32_t document, size_t *first)
{
    return side->has_values ? logstore_cursor_seek(&side->numbers.cursor, document, first) : 0;
}

static double at(const struct side *side, size_t value, size_t count)
{
    return count == 0 ? parse_number(side->agg.missing, 0) : agg_number_at(&side->numbers, value);
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    struct options *options = agg->options;
    int code = open_side(search, &options->value, documents->segment);
    if (code == 0) code = open_side(search, &options->weight, documents->segment);
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        size_t first = 0;
        size_t weight_first = 0;
        size_t count = seek(&options->value, documents->documents[i], &first);
        size_t weight_count = seek(&options->weight, documents->documents[i], &weight_first);
        if (weight_count > 1) {
            return parse_fail_shard(&search->parse, "aggregation_execution_exception",
                                    "Encountered more than one weight for a single document. Use a "
                                    "script to combine multiple weights-per-doc into a single "
                                    "value.");
        }
        bool has_both = (count > 0 || options->value.agg.missing != NULL) &&
                        (weight_count > 0 || options->weight.agg.missing != NULL);
        if (!has_both) continue;
        double weight = at(&options->weight, weight_first, weight_count);
        for (size_t k = 0; k < (count == 0 ? 1 : count); k++) {
            state->sum += at(&options->value, first + k, count) * weight;
            state->weights += weight;
            state->count++;
        }
    }
    return code;
}

static bool number(const struct agg *agg, const void *raw, struct str path, double *value)
{
    (void)agg;
    (void)path;
    const struct state *state = raw;
    if (state->count == 0 || !(state->weights > 0 || state->weights < 0)) return false;
    *value = state->sum / state->weights;
    return true;
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    (void)search;
    double value;
    json_key(json, STR("value"));
    if (number(agg, raw, STR(""), &value))
        put_double(json, value);
    else
        json_put_null(json);
    return 0;
}

const struct agg_kind agg_weighted_avg = {
    .name = STR_INIT("weighted_avg"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
    .number = number,
};
