/* agg_cardinality.c - how many different values: exact up to EXACT_MAX, then by HyperLogLog.
 *
 * As many registers as Elasticsearch has for a precision_threshold, 2^14 at least. The estimate is
 * Ertl's, which needs no tables of corrections: "New cardinality estimation algorithms for
 * HyperLogLog sketches" (2017), algorithm 6.
 */
#include "logquery/agg.h"
#include "logquery/agg_counts.h"

#include <math.h>
#include <string.h>

#define EXACT_MAX         40000 /* Elasticsearch is exact up to precision_threshold at the most */
#define THRESHOLD_DEFAULT 3000
#define REGISTER_BITS_MIN 14
#define REGISTER_BITS_MAX 18

struct options {
    unsigned register_bits;
};

struct state {
    uint64_t *hashes; /* a set of them; 0 is empty */
    size_t count, capacity;
    uint8_t *registers; /* from the moment that there are too many */
    unsigned register_bits;
};

/* As HyperLogLogPlusPlus.precisionFromThreshold of Elasticsearch: a table of four bytes an entry,
 * three quarters full. */
static unsigned bits_for(int64_t threshold)
{
    uint64_t entries = (uint64_t)threshold > EXACT_MAX ? EXACT_MAX : (uint64_t)threshold;
    entries = (entries * 4 + 2) / 3;
    unsigned bits = entries == 0 ? 0 : 64 - (unsigned)__builtin_clzll(entries * 4);
    if (bits < REGISTER_BITS_MIN) return REGISTER_BITS_MIN;
    return bits > REGISTER_BITS_MAX ? REGISTER_BITS_MAX : bits;
}

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    int64_t threshold =
        parse_integer(json_get(body, STR("precision_threshold")), THRESHOLD_DEFAULT);
    if (threshold < 0) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[precisionThreshold] must be greater than or equal to 0. Found [%lld] "
                          "in [" STR_FMT "]",
                          (long long)threshold, STR_ARG(agg->name));
    }
    options->register_bits = bits_for(threshold);
    return 0;
}

static void add_register(struct state *state, uint64_t hash)
{
    unsigned bits = state->register_bits;
    uint32_t at = (uint32_t)(hash >> (64 - bits));
    uint64_t rest = hash << bits | (uint64_t)1 << (bits - 1);
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    if (rank > state->registers[at]) state->registers[at] = rank;
}

static void put_hash(uint64_t *hashes, size_t capacity, uint64_t hash, size_t *count)
{
    size_t at = hash & (capacity - 1);
    while (hashes[at] != 0 && hashes[at] != hash) at = (at + 1) & (capacity - 1);
    if (hashes[at] == 0) {
        hashes[at] = hash;
        (*count)++;
    }
}

static bool grow(struct search *search, struct state *state)
{
    size_t capacity = state->capacity == 0 ? 64 : state->capacity * 2;
    if (state->count >= EXACT_MAX) {
        state->registers = ARENA_ARRAY(search->arena, uint8_t, (size_t)1 << state->register_bits);
        if (state->registers == NULL) return false;
        for (size_t i = 0; i < state->capacity; i++) {
            if (state->hashes[i] != 0) add_register(state, state->hashes[i]);
        }
        return true;
    }
    uint64_t *hashes = ARENA_ARRAY(search->arena, uint64_t, capacity);
    if (hashes == NULL) return false;
    size_t count = 0;
    for (size_t i = 0; i < state->capacity; i++) {
        if (state->hashes[i] != 0) put_hash(hashes, capacity, state->hashes[i], &count);
    }
    state->hashes = hashes;
    state->capacity = capacity;
    return true;
}

static int add_hash(struct search *search, struct state *state, uint64_t hash)
{
    if (hash == 0) hash = 1;
    if (state->registers == NULL && state->count * 2 >= state->capacity && !grow(search, state)) {
        return parse_out_of_memory(&search->parse);
    }
    if (state->registers != NULL)
        add_register(state, hash);
    else
        put_hash(state->hashes, state->capacity, hash, &state->count);
    return 0;
}

struct naming {
    struct search *search;
    struct state *state;
};

static int add_term(void *argument, size_t i, struct str term)
{
    (void)i;
    struct naming *naming = argument;
    return add_hash(naming->search, naming->state, logstore_term_hash(term));
}

static int collect_keywords(struct search *search, struct state *state,
                            const struct logstore_column *column,
                            const struct agg_documents *documents)
{
    struct agg_ordinals found;
    if (!agg_ordinals_read(&found, column, documents, false)) {
        return parse_out_of_memory(&search->parse);
    }
    struct naming naming = { search, state };
    int code = logstore_column_terms(column, found.ordinals, found.count, add_term, &naming,
                                     search->parse.error);
    agg_ordinals_release(&found);
    return code;
}

static int add_value(void *argument, struct str text, uint64_t hash)
{
    (void)text;
    struct naming *naming = argument;
    return add_hash(naming->search, naming->state, hash);
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    const struct logstore_column *column;
    state->register_bits = options->register_bits;
    bool is_unread;
    int code = agg_column_unread(search, agg, documents, &column, &is_unread);
    if (code < 0 || column == NULL) return code;
    if (is_unread) {
        struct naming naming = { search, state };
        struct logstore_value_visitor visitor = { add_value, &naming };
        return logstore_values(column, documents->documents, documents->count, &search->context,
                               &visitor, search->parse.error);
    }
    if (logstore_column_kind(column) == LOGSTORE_COLUMN_KEYWORD) {
        return collect_keywords(search, state, column, documents);
    }
    struct agg_numbers numbers;
    if (!agg_numbers_open(&numbers, column)) return 0;
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        size_t first;
        size_t count = logstore_cursor_seek(&numbers.cursor, documents->documents[i], &first);
        for (size_t k = 0; code == 0 && k < count; k++) {
            double value = agg_number_at(&numbers, first + k);
            struct str bytes = { (const char *)&value, sizeof(value) };
            code = add_hash(search, state, logstore_term_hash(bytes));
        }
    }
    return code;
}

static double sigma(double x)
{
    if (x >= 1) return HUGE_VAL;
    double power = 1;
    double sum = x;
    double before;
    do {
        x *= x;
        before = sum;
        sum += x * power;
        power += power;
    } while (sum > before);
    return sum;
}

static double tau(double x)
{
    if (x <= 0 || x >= 1) return 0;
    double power = 1;
    double sum = 1 - x;
    double before;
    do {
        x = sqrt(x);
        before = sum;
        power *= 0.5;
        sum -= (1 - x) * (1 - x) * power;
    } while (sum < before);
    return sum / 3;
}

static uint64_t estimate(const struct state *state)
{
    if (state->registers == NULL) return state->count;
    size_t register_count = (size_t)1 << state->register_bits;
    unsigned most = 64 - state->register_bits + 1;
    uint32_t counts[64] = { 0 }; /* registers of each rank */
    for (size_t i = 0; i < register_count; i++) counts[state->registers[i]]++;
    double registers = (double)register_count;
    double sum = registers * tau(1 - (double)counts[most] / registers);
    for (unsigned rank = most - 1; rank > 0; rank--) sum = (sum + (double)counts[rank]) / 2;
    sum += registers * sigma((double)counts[0] / registers);
    return (uint64_t)llround(registers * registers / (2 * M_LN2 * sum));
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    (void)search;
    (void)agg;
    json_member_int(json, "value", (int64_t)estimate(raw));
    return 0;
}

static bool number(const struct agg *agg, const void *state, struct str path, double *value)
{
    (void)agg;
    (void)path;
    *value = (double)estimate(state);
    return true;
}

const struct agg_kind agg_cardinality = {
    .name = STR_INIT("cardinality"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
    .number = number,
};
