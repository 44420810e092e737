/* agg_string_stats.c - lengths and characters of a keyword's values.
 *
 * Characters are UTF-16 units, as Java counts them; the entropy is Shannon's, in bits a character.
 */
#include "codec/utf8.h"
#include "logquery/agg.h"

#include <math.h>
#include <stdlib.h>

#define UNITS 65536

struct state {
    uint64_t count; /* values, empty ones too */
    uint64_t length_sum;
    uint64_t least, most;
    bool has_length;
    uint64_t *units; /* how often each came */
};

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    bool *shows_distribution = ARENA_NEW(search->arena, bool);
    if (shows_distribution == NULL) return parse_out_of_memory(&search->parse);
    *shows_distribution = parse_flag_of(&search->parse, body, "show_distribution", false);
    agg->options = shows_distribution;
    return 0;
}

/* The UTF-16 units of the next character, one or two; broken bytes are U+FFFD. */
static size_t take_units(struct str *rest, uint32_t units[2])
{
    uint32_t character = utf8_take(rest);
    units[0] = character;
    if (character < 0x10000) return 1;
    units[0] = 0xd800 + ((character - 0x10000) >> 10);
    units[1] = 0xdc00 + ((character - 0x10000) & 0x3ff);
    return 2;
}

struct adding {
    struct state *state;
    const uint64_t *times; /* by ordinal */
    const uint32_t *ordinals;
};

static void add_text(struct state *state, struct str text, uint64_t times)
{
    uint64_t length = 0;
    state->count += times;
    while (text.size > 0) {
        uint32_t units[2];
        size_t count = take_units(&text, units);
        for (size_t i = 0; i < count; i++) state->units[units[i]] += times;
        length += count;
    }
    if (length == 0) return;
    state->length_sum += length * times;
    if (!state->has_length || length < state->least) state->least = length;
    if (!state->has_length || length > state->most) state->most = length;
    state->has_length = true;
}

static int add_term(void *argument, size_t i, struct str term)
{
    const struct adding *adding = argument;
    add_text(adding->state, term, adding->times[adding->ordinals[i]]);
    return 0;
}

static int collect_column(struct search *search, struct state *state,
                          const struct logstore_column *column,
                          const struct agg_documents *documents, uint64_t *missing_count)
{
    uint32_t term_count = logstore_column_term_count(column);
    uint64_t *times = calloc(term_count + 1, sizeof(*times));
    uint32_t *ordinals = calloc(term_count + 1, sizeof(*ordinals));
    int code = times == NULL || ordinals == NULL ? parse_out_of_memory(&search->parse) : 0;
    struct logstore_cursor cursor = { .column = column };
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        size_t first;
        size_t count = logstore_cursor_seek(&cursor, documents->documents[i], &first);
        *missing_count += count == 0;
        for (size_t k = 0; k < count; k++) times[logstore_column_ordinal(column, first + k)]++;
    }
    size_t seen = 0;
    for (uint32_t i = 0; code == 0 && i < term_count; i++) {
        if (times[i] > 0) ordinals[seen++] = i;
    }
    struct adding adding = { state, times, ordinals };
    if (code == 0) {
        code =
            logstore_column_terms(column, ordinals, seen, add_term, &adding, search->parse.error);
    }
    free(times);
    free(ordinals);
    return code;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    const struct logstore_column *column;
    int code = agg_column(search, agg, documents->segment, &column);
    if (code < 0) return code;
    if (state->units == NULL) state->units = ARENA_ARRAY(search->arena, uint64_t, UNITS);
    if (state->units == NULL) return parse_out_of_memory(&search->parse);
    uint64_t missing_count = column == NULL ? documents->count : 0;
    if (column != NULL && logstore_column_kind(column) != LOGSTORE_COLUMN_KEYWORD) {
        return agg_refuse_field(search, agg);
    }
    if (column != NULL) code = collect_column(search, state, column, documents, &missing_count);
    if (code == 0 && agg->missing != NULL && missing_count > 0) {
        add_text(state, parse_scalar(agg->missing), missing_count);
    }
    return code;
}

struct share {
    uint32_t unit;
    uint64_t count;
};

static int by_share(const void *a, const void *b)
{
    const struct share *left = a;
    const struct share *right = b;
    if (left->count != right->count) return left->count > right->count ? -1 : 1;
    return left->unit < right->unit ? -1 : 1;
}

static void put_unit_key(uint32_t unit, struct json_writer *json)
{
    char bytes[4];
    bool is_half = unit >= 0xd800 && unit < 0xe000; /* of a pair: it has no bytes */
    json_key(json, (struct str){ bytes, utf8_encode(is_half ? 0xfffd : unit, bytes) });
}

static int put_distribution(struct search *search, const struct state *state,
                            struct json_writer *json)
{
    struct share *shares = ARENA_ARRAY(search->arena, struct share, UNITS);
    size_t count = 0;
    if (shares == NULL) return parse_out_of_memory(&search->parse);
    for (uint32_t i = 0; state->units != NULL && i < UNITS; i++) {
        if (state->units[i] > 0) shares[count++] = (struct share){ i, state->units[i] };
    }
    qsort(shares, count, sizeof(*shares), by_share);
    json_key(json, STR("distribution"));
    json_object_begin(json);
    for (size_t i = 0; i < count; i++) {
        put_unit_key(shares[i].unit, json);
        put_double(json, (double)shares[i].count / (double)state->length_sum);
    }
    json_object_end(json);
    return 0;
}

static double entropy(const struct state *state)
{
    double sum = 0;
    for (size_t i = 0; state->units != NULL && i < UNITS; i++) {
        if (state->units[i] == 0) continue;
        double share = (double)state->units[i] / (double)state->length_sum;
        sum -= share * log2(share);
    }
    return sum;
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    const struct state *state = raw;
    const bool *shows_distribution = agg->options;
    json_member_int(json, "count", (int64_t)state->count);
    if (state->count > 0) {
        json_member_int(json, "min_length", (int64_t)state->least);
        json_member_int(json, "max_length", (int64_t)state->most);
        json_key(json, STR("avg_length"));
        put_double(json, (double)state->length_sum / (double)state->count);
    } else {
        json_key(json, STR("min_length"));
        json_put_null(json);
        json_key(json, STR("max_length"));
        json_put_null(json);
        json_key(json, STR("avg_length"));
        json_put_null(json);
    }
    json_key(json, STR("entropy"));
    put_double(json, entropy(state));
    return *shows_distribution ? put_distribution(search, state, json) : 0;
}

static bool number(const struct agg *agg, const void *raw, struct str path, double *value)
{
    (void)agg;
    const struct state *state = raw;
    if (str_equal(path, STR("count")))
        *value = (double)state->count;
    else if (str_equal(path, STR("entropy")))
        *value = entropy(state);
    else if (state->count == 0)
        return false;
    else if (str_equal(path, STR("min_length")))
        *value = (double)state->least;
    else if (str_equal(path, STR("max_length")))
        *value = (double)state->most;
    else if (str_equal(path, STR("avg_length")))
        *value = (double)state->length_sum / (double)state->count;
    else
        return false;
    return true;
}

const struct agg_kind agg_string_stats = {
    .name = STR_INIT("string_stats"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
    .number = number,
};
