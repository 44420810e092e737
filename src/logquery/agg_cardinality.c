/* agg_cardinality.c - how many different values: exact up to EXACT_MAX, then by HyperLogLog. */
#include "logquery/agg.h"
#include "logquery/agg_counts.h"

#include <math.h>
#include <string.h>

#define EXACT_MAX     40000 /* Elasticsearch is exact up to precision_threshold, 3,000 by default */
#define REGISTER_BITS 14
#define REGISTERS     (1u << REGISTER_BITS)

struct state {
    uint64_t *hashes; /* a set of them; 0 is empty */
    size_t count, capacity;
    bool has_zero;
    uint8_t *registers; /* from the moment that there are too many */
};

static void add_register(struct state *state, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash >> (64 - REGISTER_BITS));
    uint64_t rest = hash << REGISTER_BITS | (uint64_t)1 << (REGISTER_BITS - 1);
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
        state->registers = ARENA_ARRAY(search->arena, uint8_t, REGISTERS);
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

static uint64_t hash_of(struct str text)
{
    uint64_t hash = str_hash(text, UINT64_C(0x63617264));
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    return hash;
}

struct naming {
    struct search *search;
    struct state *state;
};

static int add_term(void *argument, size_t i, struct str term)
{
    (void)i;
    struct naming *naming = argument;
    return add_hash(naming->search, naming->state, hash_of(term));
}

static int collect_keywords(struct search *search, struct state *state,
                            const struct logstore_column *column,
                            const struct agg_documents *documents)
{
    uint32_t term_count = logstore_column_term_count(column);
    uint32_t *counts = ARENA_ARRAY(search->arena, uint32_t, term_count + (size_t)1);
    uint32_t *ordinals = ARENA_ARRAY(search->arena, uint32_t, term_count + (size_t)1);
    if (counts == NULL || ordinals == NULL) return parse_out_of_memory(&search->parse);
    size_t count = agg_list_ordinals(column, documents, counts, ordinals);
    struct naming naming = { search, state };
    return logstore_column_terms(column, ordinals, count, add_term, &naming, search->parse.error);
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    const struct logstore_column *column;
    int code = agg_column(search, agg, documents->segment, &column);
    if (code < 0 || column == NULL) return code;
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
            code = add_hash(search, state, hash_of(bytes));
        }
    }
    return code;
}

static uint64_t estimate(const struct state *state)
{
    if (state->registers == NULL) return state->count;
    double sum = 0;
    uint32_t empty = 0;
    for (uint32_t i = 0; i < REGISTERS; i++) {
        sum += ldexp(1, -(int)state->registers[i]);
        empty += state->registers[i] == 0;
    }
    double registers = (double)REGISTERS;
    double raw = 0.7213 / (1 + 1.079 / registers) * registers * registers / sum;
    if (raw <= 2.5 * registers && empty > 0) raw = registers * log(registers / (double)empty);
    return (uint64_t)llround(raw);
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
    .collect = collect,
    .write = write,
    .number = number,
};
