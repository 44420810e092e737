/* parse_check.c - the rules of an exposition that go over more than one line.
 *
 * GROUPS A family's samples of one label set are a group: of a histogram all buckets, its count and
 *        its sum; labels that tell a group's samples apart (le, quantile, a state set's own name)
 *        are not part of it. In OpenMetrics a group stands together; its timestamps never fall.
 * SOURCE OpenMetrics 1.0, sections "Metric types" and "Text format"; for text 0.0.4 the page
 *        "Exposition formats", which asks for less.
 */
#include "prometheus/parse_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void pm_check_release(struct parse_check *check)
{
    free(check->names.slots);
    free(check->groups.slots);
    free(check->series.slots);
}

/* ---- Sets ---- */

static bool put(uint64_t *slots, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)(hash ^ hash >> 32) & (capacity - 1);
    while (slots[at] != 0 && slots[at] != hash) at = (at + 1) & (capacity - 1);
    if (slots[at] == hash) return false;
    slots[at] = hash;
    return true;
}

/* PM_OK when it is new, PM_ERROR_NAME when it is there, PM_ERROR_MEMORY. */
static int add(struct parse_set *set, uint64_t hash)
{
    hash += hash == 0;
    if (set->count * 2 >= set->capacity) {
        size_t capacity = set->capacity == 0 ? 256 : set->capacity * 2;
        uint64_t *slots = calloc(capacity, sizeof(*slots));
        if (slots == NULL) return PM_ERROR_MEMORY;
        for (size_t i = 0; i < set->capacity; i++) {
            if (set->slots[i] != 0) (void)put(slots, capacity, set->slots[i]);
        }
        free(set->slots);
        set->slots = slots;
        set->capacity = capacity;
    }
    if (!put(set->slots, set->capacity, hash)) return PM_ERROR_NAME;
    set->count++;
    return PM_OK;
}

static uint64_t hash_bytes(uint64_t hash, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3u;
    hash ^= hash >> 29;
    return hash * 0xbf58476d1ce4e5b9u;
}

enum { HASH_SEED = 0x2545f491 };

/* ---- Names ---- */

struct ending {
    const char *text;
    enum pm_type type;
    bool only_openmetrics;
    bool is_counter; /* never NaN, never negative */
    bool is_whole;
    bool has_exemplars;
};

static const struct ending endings[] = {
    /* ending      type            only OM  counter whole  exemplars */
    { "", PM_UNTYPED, false, false, false, false },
    { "", PM_GAUGE, false, false, false, false },
    { "", PM_ENUM, true, false, false, false },
    { "", PM_SUMMARY, false, false, false, false },
    { "_total", PM_COUNTER, true, true, false, true },
    { "_created", PM_COUNTER, true, false, false, false },
    { "_count", PM_SUMMARY, false, true, true, false },
    { "_sum", PM_SUMMARY, false, true, false, false },
    { "_created", PM_SUMMARY, true, false, false, false },
    { "_bucket", PM_HISTOGRAM, false, true, true, true },
    { "_count", PM_HISTOGRAM, false, true, true, false },
    { "_sum", PM_HISTOGRAM, false, true, false, false },
    { "_created", PM_HISTOGRAM, true, false, false, false },
    { "_bucket", PM_GAUGE_HISTOGRAM, true, true, true, true },
    { "_gcount", PM_GAUGE_HISTOGRAM, true, true, true, false },
    { "_gsum", PM_GAUGE_HISTOGRAM, true, false, false, false },
    { "_info", PM_INFO, true, false, false, false },
};

/* Text has its counters under the whole name. */
static const struct ending text_counter = { "", PM_COUNTER, false, false, false, false };

enum { ENDING_COUNT = sizeof(endings) / sizeof(endings[0]) };

static const struct ending *find_ending(const struct parse_check *check,
                                        const struct pm_parsed_family *family, struct pm_text name)
{
    if (name.size < family->name.size ||
        memcmp(name.data, family->name.data, family->name.size) != 0) {
        return NULL;
    }
    const char *rest = name.data + family->name.size;
    size_t size = name.size - family->name.size;
    bool openmetrics = check->cursor->is_openmetrics;
    if (!openmetrics && family->type == PM_COUNTER) return size == 0 ? &text_counter : NULL;
    for (size_t i = 0; i < ENDING_COUNT; i++) {
        const struct ending *ending = &endings[i];
        if (ending->type == family->type && (openmetrics || !ending->only_openmetrics) &&
            strlen(ending->text) == size && memcmp(ending->text, rest, size) == 0) {
            return ending;
        }
    }
    return NULL;
}

bool pm_check_belongs(const struct parse_check *check, const struct pm_parsed_family *family,
                      struct pm_text name)
{
    return find_ending(check, family, name) != NULL;
}

int pm_check_names(struct parse_check *check, const struct pm_parsed_family *family)
{
    uint64_t base = hash_bytes(HASH_SEED, family->name.data, family->name.size);
    int code = add(&check->names, hash_bytes(base, "", 0));
    for (size_t i = 0; code == PM_OK && i < ENDING_COUNT; i++) {
        const char *text = endings[i].text;
        if (endings[i].type != family->type || text[0] == '\0') continue;
        if (endings[i].only_openmetrics && !check->cursor->is_openmetrics) continue;
        struct pm_text name = family->name;
        char whole[512];
        if (name.size + strlen(text) > sizeof(whole)) continue; /* longer than ours can be */
        memcpy(whole, name.data, name.size);
        memcpy(whole + name.size, text, strlen(text));
        uint64_t hash = hash_bytes(HASH_SEED, whole, name.size + strlen(text));
        code = add(&check->names, hash_bytes(hash, "", 0));
    }
    if (code != PM_ERROR_NAME) return code;
    return pm_parse_fail(check->cursor,
                         "metric '%.*s' was there before, or meets another's samples by its name",
                         (int)(family->name.size > 80 ? 80 : family->name.size), family->name.data);
}

/* ---- One sample ---- */

static const struct pm_parsed_label *find_label(const struct pm_parsed_sample *sample,
                                                struct pm_text name)
{
    for (size_t i = 0; i < sample->label_count; i++) {
        struct pm_text have = sample->labels[i].name;
        if (have.size == name.size && memcmp(have.data, name.data, name.size) == 0) {
            return &sample->labels[i];
        }
    }
    return NULL;
}

/* The label that tells samples of one group apart; size 0: there is none. */
static struct pm_text telling_label(const struct pm_parsed_family *family,
                                    const struct ending *ending)
{
    bool is_bucket = strcmp(ending->text, "_bucket") == 0;
    if (is_bucket) return (struct pm_text){ "le", 2 };
    if (family->type == PM_SUMMARY && ending->text[0] == '\0') {
        return (struct pm_text){ "quantile", 8 };
    }
    return family->type == PM_ENUM ? family->name : (struct pm_text){ "", 0 };
}

static int check_telling_label(struct parse_check *check, const struct pm_parsed_family *family,
                               const struct pm_parsed_sample *sample, struct pm_text name,
                               double *value)
{
    struct parse_cursor *cursor = check->cursor;
    const struct pm_parsed_label *label = find_label(sample, name);
    if (label == NULL) {
        return pm_parse_fail(cursor, "a sample of this %s needs the label '%.*s'",
                             family->type == PM_SUMMARY ? "summary"
                             : family->type == PM_ENUM  ? "state set"
                                                        : "histogram",
                             (int)name.size, name.data);
    }
    if (family->type == PM_ENUM) return PM_OK;
    if (!pm_parse_number(label->value.data, label->value.size, value) || isnan(*value) ||
        (family->type == PM_SUMMARY && !(*value >= 0 && *value <= 1))) {
        return pm_parse_fail(cursor, "label '%.*s' cannot be '%.*s'", (int)name.size, name.data,
                             (int)(label->value.size > 40 ? 40 : label->value.size),
                             label->value.data);
    }
    return PM_OK;
}

static int check_value(struct parse_check *check, const struct pm_parsed_family *family,
                       const struct ending *ending, double value)
{
    struct parse_cursor *cursor = check->cursor;
    if (!cursor->is_openmetrics) return PM_OK;
    if (ending->is_counter && !(value >= 0)) {
        return pm_parse_fail(cursor, "a '%s' is neither negative nor NaN", ending->text);
    }
    if (ending->is_whole && (isinf(value) || floor(value) < value)) {
        return pm_parse_fail(cursor, "a '%s' is a whole number", ending->text);
    }
    bool is_one = value >= 1 && value <= 1;
    bool is_zero = value >= 0 && value <= 0;
    if (family->type == PM_INFO && !is_one) return pm_parse_fail(cursor, "an info has the value 1");
    if (family->type == PM_ENUM && !is_one && !is_zero) {
        return pm_parse_fail(cursor, "a state set has values 0 and 1");
    }
    if (family->type == PM_SUMMARY && ending->text[0] == '\0' && value < 0) {
        return pm_parse_fail(cursor, "a quantile of a summary is not negative");
    }
    return PM_OK;
}

/* Order of the labels does not matter: they are the same series. */
static uint64_t hash_labels(const struct pm_parsed_sample *sample, struct pm_text but)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sample->label_count; i++) {
        const struct pm_parsed_label *label = &sample->labels[i];
        bool is_but = but.size == label->name.size && but.size > 0 &&
                      memcmp(but.data, label->name.data, but.size) == 0;
        if (is_but || label->value.size == 0) continue; /* an empty value is no label */
        uint64_t hash = hash_bytes(HASH_SEED, label->name.data, label->name.size);
        sum += hash_bytes(hash, label->value.data, label->value.size) | 1;
    }
    return sum;
}

static int check_new_series(struct parse_check *check, const struct pm_parsed_sample *sample)
{
    uint64_t hash = hash_bytes(HASH_SEED, sample->name.data, sample->name.size);
    hash = hash * 31 + hash_labels(sample, (struct pm_text){ "", 0 });
    if (sample->has_timestamp) {
        char bytes[sizeof(double)];
        memcpy(bytes, &sample->timestamp_s, sizeof(bytes));
        hash = hash_bytes(hash, bytes, sizeof(bytes));
    }
    int code = add(&check->series, hash);
    if (code != PM_ERROR_NAME) return code;
    return pm_parse_fail(check->cursor, "the series was there before%s",
                         sample->has_timestamp ? " at this time" : "");
}

/* ---- Groups ---- */

static int check_histogram(struct parse_check *check, const struct pm_parsed_family *family)
{
    struct parse_cursor *cursor = check->cursor;
    const struct parse_group *group = &check->group;
    bool is_gauge = family->type == PM_GAUGE_HISTOGRAM;
    if (!group->has_bucket || !isinf(group->last_bound)) {
        return pm_parse_fail(cursor, "the histogram above has no bucket le=\"+Inf\"");
    }
    if (group->has_count &&
        (group->count < group->last_count || group->count > group->last_count)) {
        return pm_parse_fail(cursor, "the histogram above counts %g, its +Inf bucket %g",
                             group->count, group->last_count);
    }
    if (group->has_negative_bucket && group->has_sum && !is_gauge) {
        return pm_parse_fail(cursor, "the histogram above has negative buckets, so it has no sum");
    }
    if (is_gauge && group->has_sum && !group->has_negative_bucket && !(group->sum >= 0)) {
        return pm_parse_fail(cursor, "the sum above needs a negative bucket to be negative or NaN");
    }
    if (group->has_sum && !group->has_count) {
        return pm_parse_fail(cursor, "the histogram above has a sum but no count");
    }
    if (group->has_count && !group->has_sum && (is_gauge || !group->has_negative_bucket)) {
        return pm_parse_fail(cursor, "the histogram above has a count but no sum");
    }
    return PM_OK;
}

static int end_group(struct parse_check *check, const struct pm_parsed_family *family)
{
    bool is_histogram = family->type == PM_HISTOGRAM || family->type == PM_GAUGE_HISTOGRAM;
    bool is_checked = check->group.is_open && is_histogram && check->cursor->is_openmetrics;
    int code = is_checked ? check_histogram(check, family) : PM_OK;
    memset(&check->group, 0, sizeof(check->group));
    return code;
}

static int begin_group(struct parse_check *check, const struct pm_parsed_family *family,
                       const struct pm_parsed_sample *sample, uint64_t hash)
{
    int code = end_group(check, family);
    if (code < 0) return code;
    check->group.is_open = true;
    check->group.hash = hash;
    check->group.has_timestamp = sample->has_timestamp;
    check->group.timestamp_s = sample->timestamp_s;
    if (!check->cursor->is_openmetrics) return PM_OK;
    code = add(&check->groups, hash);
    if (code != PM_ERROR_NAME) return code;
    return pm_parse_fail(check->cursor, "samples of this label set stand apart from each other");
}

/* The samples of a group have timestamps or have none, and never go back. A later one starts the
 * group anew: the same series at another time. */
static int check_time(struct parse_check *check, const struct pm_parsed_family *family,
                      const struct pm_parsed_sample *sample)
{
    struct parse_group *group = &check->group;
    if (!check->cursor->is_openmetrics) return PM_OK;
    if (group->has_timestamp != sample->has_timestamp) {
        return pm_parse_fail(check->cursor, "of one label set all samples have timestamps or none");
    }
    if (!sample->has_timestamp) return PM_OK;
    if (sample->timestamp_s < group->timestamp_s) {
        return pm_parse_fail(check->cursor, "the timestamp is before that of the sample above");
    }
    if (sample->timestamp_s > group->timestamp_s) {
        uint64_t hash = group->hash;
        int code = end_group(check, family);
        if (code < 0) return code;
        group->is_open = true;
        group->hash = hash;
        group->has_timestamp = true;
        group->timestamp_s = sample->timestamp_s;
    }
    return PM_OK;
}

static int add_to_group(struct parse_check *check, const struct ending *ending,
                        const struct pm_parsed_sample *sample, double bound)
{
    struct parse_group *group = &check->group;
    if (strcmp(ending->text, "_bucket") == 0) {
        bool falls = group->has_bucket && !(bound > group->last_bound);
        if (falls) return pm_parse_fail(check->cursor, "the bounds of the buckets do not rise");
        if (group->has_bucket && sample->value < group->last_count) {
            return pm_parse_fail(check->cursor, "the bucket counts less than the one below it");
        }
        group->has_bucket = true;
        group->has_negative_bucket = group->has_negative_bucket || bound < 0;
        group->last_bound = bound;
        group->last_count = sample->value;
    } else if (strcmp(ending->text, "_sum") == 0 || strcmp(ending->text, "_gsum") == 0) {
        group->has_sum = true;
        group->sum = sample->value;
    } else if (strcmp(ending->text, "_count") == 0 || strcmp(ending->text, "_gcount") == 0) {
        group->has_count = true;
        group->count = sample->value;
    }
    return PM_OK;
}

int pm_check_sample(struct parse_check *check, const struct pm_parsed_family *family,
                    const struct pm_parsed_sample *sample)
{
    const struct ending *ending = find_ending(check, family, sample->name);
    if (ending == NULL) return PM_OK; /* cannot be: the caller asked before */
    struct pm_text telling = telling_label(family, ending);
    double bound = 0;
    int code =
        telling.size == 0 ? PM_OK : check_telling_label(check, family, sample, telling, &bound);
    if (code == PM_OK) code = check_value(check, family, ending, sample->value);
    if (code == PM_OK && sample->exemplar != NULL && !ending->has_exemplars) {
        code = pm_parse_fail(check->cursor, "only counters and buckets have exemplars");
    }
    if (code == PM_OK) code = check_new_series(check, sample);
    if (code < 0) return code;
    uint64_t hash = hash_bytes(HASH_SEED, family->name.data, family->name.size);
    hash = hash * 31 + hash_labels(sample, telling);
    if (!check->group.is_open || check->group.hash != hash)
        code = begin_group(check, family, sample, hash);
    else
        code = check_time(check, family, sample);
    return code < 0 ? code : add_to_group(check, ending, sample, bound);
}

/* ---- The end of a family ---- */

int pm_check_end(struct parse_check *check, const struct pm_parsed_family *family)
{
    int code = end_group(check, family);
    if (code < 0 || family->unit.size == 0) return code;
    if (family->type == PM_INFO || family->type == PM_ENUM) {
        return pm_parse_fail(check->cursor, "metric '%.*s' has a unit, which its type cannot",
                             (int)(family->name.size > 80 ? 80 : family->name.size),
                             family->name.data);
    }
    size_t size = family->unit.size;
    bool fits = family->name.size > size + 1 &&
                family->name.data[family->name.size - size - 1] == '_' &&
                memcmp(family->name.data + family->name.size - size, family->unit.data, size) == 0;
    if (fits) return PM_OK;
    return pm_parse_fail(check->cursor, "metric '%.*s' does not end in its unit '%.*s'",
                         (int)(family->name.size > 80 ? 80 : family->name.size), family->name.data,
                         (int)(size > 40 ? 40 : size), family->unit.data);
}
