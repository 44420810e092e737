/* agg_auto_histogram.c - auto_date_histogram: at most so many buckets, of an interval it finds.
 *
 * Which interval it is depends on the least and the most time of all documents, which are known at
 * the end. Until then documents are remembered, a bit each or by number where they are few, and
 * sorted into buckets when the answer is written.
 *
 * The intervals are Elasticsearch's: a unit of the calendar, and some whole numbers of it. The
 * first unit is taken whose buckets, joined by its largest number, are few enough; then the least
 * number.
 */
#include "logquery/agg.h"
#include "logquery/zone.h"

#include <stdlib.h>
#include <string.h>

#define NUMBERS_MAX  6
#define TARGET_MAX   10000
#define BUCKETS_MAX_ (TARGET_MAX + 1)

struct unit_row {
    struct str name; /* of minimum_interval */
    char letter;     /* of "interval" */
    enum date_unit unit;
    int numbers[NUMBERS_MAX]; /* rising; 0 ends them */
};

static const struct unit_row units[] = {
    { STR_INIT("second"), 's', DATE_SECOND, { 1, 5, 10, 30 } },
    { STR_INIT("minute"), 'm', DATE_MINUTE, { 1, 5, 10, 30 } },
    { STR_INIT("hour"), 'h', DATE_HOUR, { 1, 3, 12 } },
    { STR_INIT("day"), 'd', DATE_DAY, { 1, 7 } },
    { STR_INIT("month"), 'M', DATE_MONTH, { 1, 3 } },
    { STR_INIT("year"), 'y', DATE_YEAR, { 1, 5, 10, 20, 50, 100 } },
};

struct options {
    struct zone *zone;
    size_t target;
    size_t first_unit;
    bool has_missing;
    int64_t missing_ms;
};

/* The documents of one segment. */
struct part {
    size_t segment;
    uint64_t *bits;      /* one a document of the segment; NULL: */
    uint32_t *documents; /* their numbers */
    size_t count;
    struct part *next;
};

struct state {
    struct part *first, *last;
    bool has_times;
    int64_t least, most;
    struct bucket_table table;
};

struct interval {
    const struct unit_row *unit;
    int number;
    int64_t *starts; /* of the buckets, rising */
    size_t count;
};

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    struct str zone = json_text(json_get(body, STR("time_zone")), STR(""));
    struct str least = json_text(json_get(body, STR("minimum_interval")), STR("second"));
    int64_t target = parse_integer_of(&search->parse, body, "buckets", 10);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    if (target < 1 || target > TARGET_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "buckets must be between 1 and %d for [" STR_FMT "]", TARGET_MAX,
                          STR_ARG(agg->name));
    }
    options->target = (size_t)target;
    while (options->first_unit < ARRAY_LENGTH(units) &&
           !str_equal(units[options->first_unit].name, least)) {
        options->first_unit++;
    }
    if (options->first_unit == ARRAY_LENGTH(units)) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "minimum_interval must be one of [year, month, day, hour, minute, "
                          "second]");
    }
    if (zone.size > 0 && zone_find(search->arena, zone, &options->zone) < 0) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "Unknown time-zone ID: " STR_FMT, STR_ARG(zone));
    }
    options->has_missing = agg->missing != NULL;
    if (agg->missing == NULL) return 0;
    struct date_options date = { .format = agg->format, .now_ms = search->context.now_ms };
    struct error error = { 0 };
    if (date_parse_ms(parse_scalar(agg->missing), &date, &options->missing_ms, &error) < 0) {
        return parse_fail(&search->parse, "parse_exception", "%s", error.text);
    }
    return 0;
}

static int keep_documents(struct search *search, struct state *state,
                          const struct agg_documents *documents)
{
    struct part *part = ARENA_NEW(search->arena, struct part);
    if (part == NULL) return parse_out_of_memory(&search->parse);
    uint32_t total = search->snapshot->segments[documents->segment].document_count;
    part->segment = documents->segment;
    part->count = documents->count;
    if (documents->count < total / 32) {
        part->documents = ARENA_ARRAY(search->arena, uint32_t, documents->count);
        if (part->documents == NULL) return parse_out_of_memory(&search->parse);
        memcpy(part->documents, documents->documents, documents->count * sizeof(uint32_t));
    } else {
        part->bits = ARENA_ARRAY(search->arena, uint64_t, LOGSTORE_BITS_WORDS(total));
        if (part->bits == NULL) return parse_out_of_memory(&search->parse);
        for (size_t i = 0; i < documents->count; i++) {
            uint32_t document = documents->documents[i];
            part->bits[document / 64] |= UINT64_C(1) << (document % 64);
        }
    }
    *(state->last == NULL ? &state->first : &state->last->next) = part;
    state->last = part;
    return 0;
}

/* The times of one segment's documents, one after the other. */
struct times {
    const struct options *options;
    const struct logstore_column *column;
    struct agg_numbers numbers;
    size_t first, count;
    bool is_missing;
};

static int open_times(struct search *search, const struct agg *agg, size_t segment,
                      struct times *times)
{
    *times = (struct times){ .options = agg->options };
    int code = agg_column(search, agg, segment, &times->column);
    bool is_number =
        code < 0 || times->column == NULL || agg_numbers_open(&times->numbers, times->column);
    return is_number ? code : agg_refuse_field(search, agg);
}

static size_t seek_times(struct times *times, uint32_t document)
{
    times->first = 0;
    times->count = times->column == NULL
                       ? 0
                       : logstore_cursor_seek(&times->numbers.cursor, document, &times->first);
    times->is_missing = times->count == 0 && times->options->has_missing;
    return times->is_missing ? 1 : times->count;
}

static int64_t time_at(const struct times *times, size_t i)
{
    return times->is_missing ? times->options->missing_ms
                             : agg_integer_at(&times->numbers, times->first + i);
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    struct times times;
    int code = open_times(search, agg, documents->segment, &times);
    if (code < 0) return code;
    for (size_t i = 0; i < documents->count; i++) {
        size_t count = seek_times(&times, documents->documents[i]);
        for (size_t k = 0; k < count; k++) {
            int64_t time_ms = time_at(&times, k);
            if (!state->has_times || time_ms < state->least) state->least = time_ms;
            if (!state->has_times || time_ms > state->most) state->most = time_ms;
            state->has_times = true;
        }
    }
    return keep_documents(search, state, documents);
}

static int64_t unit_start(const struct options *options, const struct unit_row *unit,
                          int64_t time_ms)
{
    int64_t local_ms = time_ms + (int64_t)zone_offset_at(options->zone, time_ms) * 1000;
    return zone_from_local(options->zone, date_floor_ms(local_ms, unit->unit));
}

static int64_t unit_next(const struct options *options, const struct unit_row *unit,
                         int64_t start_ms)
{
    int64_t local_ms = start_ms + (int64_t)zone_offset_at(options->zone, start_ms) * 1000;
    int64_t next_ms = zone_from_local(options->zone, date_add_ms(local_ms, unit->unit, 1));
    return next_ms > start_ms ? next_ms : start_ms + 1;
}

/* How many buckets of one unit there are, up to one more than `most`. */
static size_t count_units(const struct options *options, const struct unit_row *unit,
                          const struct state *state, size_t most)
{
    size_t count = 0;
    for (int64_t at = unit_start(options, unit, state->least); at <= state->most && count <= most;
         at = unit_next(options, unit, at)) {
        count++;
    }
    return count;
}

static int largest_number(const struct unit_row *unit)
{
    int largest = 1;
    for (size_t i = 0; i < NUMBERS_MAX && unit->numbers[i] > 0; i++) largest = unit->numbers[i];
    return largest;
}

static int choose(struct search *search, const struct options *options, const struct state *state,
                  struct interval *interval)
{
    size_t at = options->first_unit;
    size_t count = 0;
    for (; at < ARRAY_LENGTH(units); at++) {
        size_t most = options->target * (size_t)largest_number(&units[at]);
        count = state->has_times ? count_units(options, &units[at], state, most) : 0;
        if (count <= most || at + 1 == ARRAY_LENGTH(units)) break;
    }
    interval->unit = &units[at];
    interval->number = 1;
    for (size_t i = 0; i < NUMBERS_MAX && units[at].numbers[i] > 0; i++) {
        interval->number = units[at].numbers[i];
        size_t number = (size_t)interval->number;
        if ((count + number - 1) / number <= options->target) break;
    }
    interval->count = (count + (size_t)interval->number - 1) / (size_t)interval->number;
    if (interval->count > BUCKETS_MAX_) return agg_too_many_buckets(search);
    interval->starts = ARENA_ARRAY(search->arena, int64_t, interval->count + 1);
    if (interval->starts == NULL) return parse_out_of_memory(&search->parse);
    int64_t start = state->has_times ? unit_start(options, interval->unit, state->least) : 0;
    for (size_t i = 0; i < interval->count; i++) {
        interval->starts[i] = start;
        for (int k = 0; k < interval->number; k++)
            start = unit_next(options, interval->unit, start);
    }
    return 0;
}

static uint32_t bucket_of(const struct interval *interval, int64_t time_ms)
{
    size_t low = 0;
    size_t high = interval->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (interval->starts[middle] <= time_ms)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

static int sort_document(struct search *search, const struct interval *interval,
                         struct times *times, uint32_t document, struct bucket_pair_vec *pairs)
{
    size_t count = seek_times(times, document);
    uint32_t before = UINT32_MAX;
    for (size_t k = 0; k < count; k++) {
        uint32_t bucket = bucket_of(interval, time_at(times, k));
        if (bucket == before) continue;
        before = bucket;
        if (!VEC_PUSH(pairs, (struct bucket_pair){ bucket, document })) {
            return parse_out_of_memory(&search->parse);
        }
    }
    return 0;
}

static int sort_part(struct search *search, struct agg *agg, struct state *state,
                     const struct interval *interval, const struct part *part)
{
    struct bucket_pair_vec pairs = { 0 };
    struct times times;
    uint32_t total = search->snapshot->segments[part->segment].document_count;
    int code = open_times(search, agg, part->segment, &times);
    for (size_t i = 0; code == 0 && part->documents != NULL && i < part->count; i++) {
        code = sort_document(search, interval, &times, part->documents[i], &pairs);
    }
    for (size_t word = 0; part->bits != NULL && word < LOGSTORE_BITS_WORDS(total); word++) {
        for (uint64_t left = part->bits[word]; code == 0 && left != 0; left &= left - 1) {
            uint32_t document = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(left);
            code = sort_document(search, interval, &times, document, &pairs);
        }
    }
    if (code == 0) code = buckets_collect(search, agg, &state->table, part->segment, &pairs);
    VEC_RELEASE(&pairs);
    return code;
}

static int write_bucket(struct search *search, struct agg *agg, const struct bucket *bucket,
                        int64_t start_ms, struct json_writer *json)
{
    const struct options *options = agg->options;
    CLEANUP(buf_release) struct buf text = { 0 };
    buf_init(&text, 256);
    date_print_ms(start_ms, agg->format, zone_offset_at(options->zone, start_ms), &text);
    json_object_begin(json);
    json_member_text(json, "key_as_string", buf_str(&text));
    json_member_int(json, "key", start_ms);
    json_member_int(json, "doc_count", (int64_t)bucket->count);
    int code = bucket_write_subs(search, agg, bucket, json);
    json_object_end(json);
    return code;
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    struct state *state = raw;
    struct interval interval = { 0 };
    int code = choose(search, agg->options, state, &interval);
    state->table = (struct bucket_table){ 0 };
    if (code == 0) code = buckets_prepare(search, &state->table, interval.count);
    for (const struct part *part = state->first; code == 0 && part != NULL; part = part->next) {
        code = sort_part(search, agg, state, &interval, part);
    }
    if (code < 0) return code;
    buckets_begin(false, json);
    for (size_t i = 0; code == 0 && i < interval.count; i++) {
        code = write_bucket(search, agg, &state->table.buckets[i], interval.starts[i], json);
    }
    buckets_end(false, json);
    CLEANUP(buf_release) struct buf name = { 0 };
    buf_init(&name, 64);
    buf_printf(&name, "%d%c", interval.number, interval.unit->letter);
    json_member_text(json, "interval", buf_str(&name));
    return code;
}

const struct agg_kind agg_auto_date_histogram = {
    .name = STR_INIT("auto_date_histogram"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
};
