/* agg_include.c - which terms an aggregation takes: a pattern, a list, or a part of all. */
#include "logquery/agg_include.h"

#include "codec/number.h"
#include "codec/regex.h"

#include <math.h>
#include <string.h>

#define HASH_SEED 31 /* Elasticsearch's */

/* The values of a list as numbers; what is none is equal to none. */
static int read_numbers(struct search *search, struct agg_include_list *list)
{
    double *numbers = ARENA_ARRAY(search->arena, double, list->count + 1);
    if (numbers == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < list->count; i++) {
        bool is_true = str_equal(list->values[i], STR("true"));
        if (is_true || str_equal(list->values[i], STR("false"))) {
            numbers[i] = is_true;
        } else if (!number_parse(list->values[i], &numbers[i])) {
            numbers[i] = (double)NAN;
        }
    }
    list->numbers = numbers;
    return 0;
}

static int read_list(struct search *search, const struct json *value, struct agg_include_list *list)
{
    if (value == NULL || value->kind == JSON_NULL) return 0;
    if (value->kind == JSON_ARRAY) {
        list->is_list = true;
        int code = parse_texts(&search->parse, value, false, &list->values, &list->count);
        return code < 0 ? code : read_numbers(search, list);
    }
    struct error error = { 0 };
    if (regex_new(&list->pattern, parse_scalar(value), REGEX_DOT_NEWLINE, &error) < 0) {
        list->pattern = NULL;
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "failed to parse include or exclude: %s", error.text);
    }
    return search_keep_regex(search, list->pattern);
}

/* {"partition":0,"num_partitions":20} */
static int read_partition(struct search *search, const struct json *value,
                          struct agg_include *include)
{
    int64_t partition = parse_integer_of(&search->parse, value, "partition", -1);
    int64_t count = parse_integer_of(&search->parse, value, "num_partitions", 0);
    if (count < 1 || count > INT32_MAX || partition < 0 || partition >= count) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[include] needs a [partition] of 0 to num_partitions-1");
    }
    include->partition = (uint32_t)partition;
    include->partition_count = (uint32_t)count;
    return 0;
}

int agg_include_read(struct search *search, const struct json *body, struct agg_include *include)
{
    const struct json *value = json_get(body, STR("include"));
    if (json_is(value, JSON_OBJECT)) return read_partition(search, value, include);
    int code = read_list(search, value, &include->include);
    return code < 0 ? code : read_list(search, json_get(body, STR("exclude")), &include->exclude);
}

static uint32_t rotate_left(uint32_t value, int count)
{
    return value << count | value >> (32 - count);
}

/* MurmurHash3, x86, 32 bits: what Lucene's StringHelper computes of a term's bytes. */
static uint32_t murmur3(struct str bytes, uint32_t hash)
{
    size_t size = bytes.size;
    const char *data = bytes.data;
    for (; size >= 4; size -= 4, data += 4) {
        uint32_t block;
        memcpy(&block, data, sizeof(block));
        block = rotate_left(block * 0xcc9e2d51u, 15) * 0x1b873593u;
        hash = rotate_left(hash ^ block, 13) * 5 + 0xe6546b64u;
    }
    uint32_t tail = 0;
    for (size_t i = size; i > 0; i--) tail = tail << 8 | (unsigned char)data[i - 1];
    hash ^= rotate_left(tail * 0xcc9e2d51u, 15) * 0x1b873593u;
    hash ^= (uint32_t)bytes.size;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}

/* The mixing of 64 bits by which Elasticsearch spreads numbers (HPPC's). */
static int64_t mix64(uint64_t bits)
{
    bits = (bits ^ bits >> 32) * UINT64_C(0x4cd6944c5cc20b6d);
    bits = (bits ^ bits >> 29) * UINT64_C(0xfc12c5b19d3259e9);
    return (int64_t)(bits ^ bits >> 32);
}

static bool is_own_part(const struct agg_include *include, int64_t hash)
{
    int64_t count = include->partition_count;
    return (hash % count + count) % count == include->partition;
}

static bool has_text(const struct agg_include_list *list, struct str term)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_equal(list->values[i], term)) return true;
    }
    return false;
}

bool agg_include_takes(const struct agg_include *include, struct str term)
{
    const struct agg_include_list *in = &include->include;
    const struct agg_include_list *out = &include->exclude;
    if (include->partition_count > 0) {
        return is_own_part(include, (int32_t)murmur3(term, HASH_SEED));
    }
    if (in->pattern != NULL && !regex_matches(in->pattern, term)) return false;
    if (out->pattern != NULL && regex_matches(out->pattern, term)) return false;
    if (in->is_list && !has_text(in, term)) return false;
    return !has_text(out, term);
}

static bool has_number(const struct agg_include_list *list, double value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->numbers[i] >= value && list->numbers[i] <= value) return true;
    }
    return false;
}

bool agg_include_takes_number(const struct agg_include *include, double value, int64_t bits)
{
    if (include->partition_count > 0) return is_own_part(include, mix64((uint64_t)bits));
    if (include->include.is_list && !has_number(&include->include, value)) return false;
    return !has_number(&include->exclude, value);
}

int agg_include_check_number(struct search *search, const struct agg_include *include,
                             struct str name)
{
    if (include->include.pattern == NULL && include->exclude.pattern == NULL) return 0;
    return parse_fail_shard(&search->parse, "illegal_argument_exception",
                            "Aggregation [" STR_FMT "] cannot support regular expression style "
                            "include/exclude settings as they can only be applied to string "
                            "fields. Use an array of values for include/exclude clauses",
                            STR_ARG(name));
}
