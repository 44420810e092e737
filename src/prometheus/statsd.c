/* statsd.c - StatsD's lines, read and applied to a registry. */
#include "prometheus/statsd.h"

#include "prometheus/fail.h"
#include "prometheus/line.h"
#include "prometheus/name.h"
#include "prometheus/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading ---- */

static const struct type_row {
    const char *text;
    enum statsd_type type;
} statsd_types[] = {
    { "c", STATSD_COUNTER },   { "g", STATSD_GAUGE },     { "ms", STATSD_TIMER },
    { "h", STATSD_HISTOGRAM }, { "d", STATSD_HISTOGRAM }, { "s", STATSD_SET },
};

static int refuse(struct pm_error *error, const char *what, const char *text)
{
    return pm_fail(error, PM_ERROR_PARSE, "StatsD: %s '%.60s'", what, text);
}

static bool is_name_byte(char byte, bool is_metric)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           (byte >= '0' && byte <= '9') || (is_metric && byte == ':');
}

/* Makes a name of what is there. The byte before a name is free: '_' goes there before a digit. */
static char *make_name(char *name, bool is_metric)
{
    for (char *at = name; *at != '\0'; at++) {
        if (!is_name_byte(*at, is_metric)) *at = '_';
    }
    if (*name >= '0' && *name <= '9') *--name = '_';
    return name;
}

/* Cuts the text at its first such byte; the rest, or NULL when there is none. */
static char *cut(char *text, char byte)
{
    char *found = strchr(text, byte);
    if (found == NULL) return NULL;
    *found = '\0';
    return found + 1;
}

/* "a:b,c:d"; a tag without value is the empty value, and none. */
static int read_tags(struct statsd_line *line, char *tags, struct pm_error *error)
{
    while (tags != NULL && *tags != '\0') {
        char *next = cut(tags, ',');
        char *value = cut(tags, ':');
        if (*tags == '\0') return refuse(error, "a tag without a name before", value);
        if (value != NULL && *value != '\0') {
            if (line->label_count == PM_LABELS_MAX) {
                return pm_fail(error, PM_ERROR_FULL, "StatsD: over %d tags", PM_LABELS_MAX);
            }
            struct pm_label *label = &line->labels[line->label_count++];
            label->name = make_name(tags, false);
            label->value = value;
        }
        tags = next;
    }
    return PM_OK;
}

static int read_fields(struct statsd_line *line, char *fields, struct pm_error *error)
{
    while (fields != NULL) {
        char *field = fields;
        fields = cut(field, '|');
        int code = PM_OK;
        if (field[0] == '@') {
            size_t size = strlen(field + 1);
            if (!pm_line_number(field + 1, size, &line->rate) || !(line->rate > 0) ||
                line->rate > 1) {
                code = refuse(error, "the rate must be over 0 and at most 1, not", field + 1);
            }
        } else if (field[0] == '#') {
            code = read_tags(line, field + 1, error);
        } else if (field[0] != 'T' && strncmp(field, "c:", 2) != 0 &&
                   strncmp(field, "e:", 2) != 0 && strncmp(field, "card:", 5) != 0) {
            code = refuse(error, "unknown field", field);
        }
        if (code < 0) return code;
    }
    return PM_OK;
}

static int read_values(struct statsd_line *line, char *values, struct pm_error *error)
{
    while (values != NULL) {
        char *next = line->type == STATSD_SET ? NULL : cut(values, ':');
        if (line->value_count == STATSD_VALUES_MAX) {
            return pm_fail(error, PM_ERROR_FULL, "StatsD: over %d values in a line",
                           STATSD_VALUES_MAX);
        }
        struct statsd_value *value = &line->values[line->value_count++];
        value->text = values;
        value->is_signed = values[0] == '+' || values[0] == '-';
        value->number = 0;
        if (line->type != STATSD_SET && (!pm_line_number(values, strlen(values), &value->number) ||
                                         isnan(value->number) || isinf(value->number))) {
            return refuse(error, "expected a number, not", values);
        }
        values = next;
    }
    return PM_OK;
}

int statsd_parse(struct statsd_line *line, const char *text, size_t size, struct pm_error *error)
{
    line->value_count = 0;
    line->label_count = 0;
    line->rate = 1;
    while (size > 0 && (text[size - 1] == '\r' || text[size - 1] == ' ')) size--;
    if (size > STATSD_LINE_SIZE_MAX) {
        return pm_fail(error, PM_ERROR_FULL, "StatsD: a line of %zu bytes, limit is %d", size,
                       STATSD_LINE_SIZE_MAX);
    }
    if (memchr(text, '\0', size) != NULL) return refuse(error, "a byte of zero in", text);
    char *name = line->text + 1;
    memcpy(name, text, size);
    name[size] = '\0';
    if (strncmp(name, "_e{", 3) == 0 || strncmp(name, "_sc|", 4) == 0) {
        return refuse(error, "events and service checks are not taken:", name);
    }
    char *type = cut(name, '|');
    char *values = cut(name, ':');
    if (type == NULL || values == NULL || *name == '\0') {
        return refuse(error, "expected name:value|type, not", name);
    }
    char *fields = cut(type, '|');
    size_t row = 0;
    while (row < sizeof(statsd_types) / sizeof(statsd_types[0]) &&
           strcmp(statsd_types[row].text, type) != 0)
        row++;
    if (row == sizeof(statsd_types) / sizeof(statsd_types[0]))
        return refuse(error, "unknown type", type);
    line->type = statsd_types[row].type;
    line->name = make_name(name, true);
    int code = read_values(line, values, error);
    return code < 0 ? code : read_fields(line, fields, error);
}

/* ---- Sets ---- */

struct set { /* of one series */
    struct set *next;
    struct pm_command command; /* sets the gauge; points to own memory behind the struct */
    uint64_t *members;         /* hashes, 0 = free; at most half full */
    size_t capacity;
    size_t count;
};

struct statsd {
    struct pm_registry *registry;
    struct set *sets;
    size_t set_count;
};

int statsd_new(struct statsd **statsd, struct pm_registry *registry, struct pm_error *error)
{
    struct statsd *made = calloc(1, sizeof(*made));
    if (made == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for StatsD");
    made->registry = registry;
    *statsd = made;
    return PM_OK;
}

void statsd_free(struct statsd *statsd)
{
    if (statsd == NULL) return;
    while (statsd->sets != NULL) {
        struct set *next = statsd->sets->next;
        free(statsd->sets->members);
        free(statsd->sets);
        statsd->sets = next;
    }
    free(statsd);
}

/* FNV-1a, folded; two of 65,536 values meet once in 8 billion intervals. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    hash ^= hash >> 29;
    return hash == 0 ? 1 : hash;
}

static bool put_member(uint64_t *members, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)(hash * 0x9e3779b97f4a7c15u >> 32) & (capacity - 1);
    while (members[at] != 0 && members[at] != hash) at = (at + 1) & (capacity - 1);
    if (members[at] == hash) return false;
    members[at] = hash;
    return true;
}

static int add_member(struct set *set, const char *text, struct pm_error *error)
{
    if (set->count >= STATSD_MEMBERS_MAX) {
        return pm_fail(error, PM_ERROR_FULL, "StatsD: the set has %zu values, its limit",
                       set->count);
    }
    if (set->count * 2 >= set->capacity) {
        size_t capacity = set->capacity == 0 ? 64 : set->capacity * 2;
        uint64_t *members = calloc(capacity, sizeof(*members));
        if (members == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a set");
        for (size_t i = 0; i < set->capacity; i++) {
            if (set->members[i] != 0) (void)put_member(members, capacity, set->members[i]);
        }
        free(set->members);
        set->members = members;
        set->capacity = capacity;
    }
    if (put_member(set->members, set->capacity, hash_text(text))) set->count++;
    return PM_OK;
}

static bool has_labels(const struct pm_command *command, const struct statsd_line *line)
{
    if (command->label_count != line->label_count) return false;
    for (size_t i = 0; i < line->label_count; i++) {
        if (strcmp(command->labels[i].name, line->labels[i].name) != 0) return false;
        if (strcmp(command->labels[i].value, line->labels[i].value) != 0) return false;
    }
    return true;
}

static char *keep_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *kept = memcpy(*at, text, size);
    *at += size;
    return kept;
}

static struct set *new_set(const struct statsd_line *line)
{
    size_t size = strlen(line->name) + 1 + line->label_count * sizeof(struct pm_label);
    for (size_t i = 0; i < line->label_count; i++) {
        size += strlen(line->labels[i].name) + strlen(line->labels[i].value) + 2;
    }
    struct set *set = calloc(1, sizeof(*set) + size);
    if (set == NULL) return NULL;
    struct pm_label *labels = (struct pm_label *)(void *)(set + 1);
    char *at = (char *)(labels + line->label_count);
    set->command.name = keep_text(&at, line->name);
    for (size_t i = 0; i < line->label_count; i++) {
        labels[i].name = keep_text(&at, line->labels[i].name);
        labels[i].value = keep_text(&at, line->labels[i].value);
    }
    set->command.labels = labels;
    set->command.label_count = line->label_count;
    set->command.help = "Different values a StatsD client sent in the last interval.";
    set->command.action = PM_DO_SET;
    set->command.has_value = true;
    set->command.fills_labels = true;
    return set;
}

static int apply_set(struct statsd *statsd, const struct statsd_line *line, struct pm_error *error)
{
    struct set *set = statsd->sets;
    while (set != NULL &&
           (strcmp(set->command.name, line->name) != 0 || !has_labels(&set->command, line))) {
        set = set->next;
    }
    if (set != NULL) return add_member(set, line->values[0].text, error);
    if (statsd->set_count >= STATSD_SETS_MAX) {
        return pm_fail(error, PM_ERROR_FULL, "StatsD: %d sets, the limit", STATSD_SETS_MAX);
    }
    set = new_set(line);
    if (set == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a set");
    int code = pm_registry_command(statsd->registry, &set->command, error); /* makes the gauge */
    if (code == PM_OK) code = add_member(set, line->values[0].text, error);
    if (code < 0) {
        free(set->members);
        free(set);
        return code;
    }
    set->next = statsd->sets;
    statsd->sets = set;
    statsd->set_count++;
    return PM_OK;
}

void statsd_end_interval(struct statsd *statsd)
{
    for (struct set *set = statsd->sets; set != NULL; set = set->next) {
        set->command.value = (double)set->count;
        (void)pm_registry_command(statsd->registry, &set->command, NULL);
        if (set->count == 0) continue;
        memset(set->members, 0, set->capacity * sizeof(*set->members));
        set->count = 0;
    }
}

/* ---- Applying ---- */

/* Bounds of histograms that are made for StatsD: milliseconds to minutes; powers of ten. */
static const double timer_bounds[] = { .001, .0025, .005, .01, .025, .05, .1, .25,
                                       .5,   1,     2.5,  5,   10,   30,  60 };
static const double value_bounds[] = { .001, .01, .1, 1, 10, 100, 1000, 10000, 100000, 1000000 };

/* The timer's name with the unit it is given here. */
static const char *timer_name(const char *name, char *with_unit)
{
    if (pm_name_ends_in(name, "_seconds") || strlen(name) + 9 > PM_NAME_SIZE_MAX) return name;
    memcpy(with_unit, name, strlen(name));
    memcpy(with_unit + strlen(name), "_seconds", 9);
    return with_unit;
}

static int observe(const struct statsd *statsd, const struct statsd_line *line,
                   struct pm_command *command, struct pm_error *error)
{
    char name[PM_NAME_SIZE_MAX + 1];
    bool is_timer = line->type == STATSD_TIMER;
    double times = round(1 / line->rate);
    if (times > STATSD_REPEAT_MAX) {
        return pm_fail(error, PM_ERROR_VALUE, "StatsD: a rate below 1/%d for what is observed",
                       STATSD_REPEAT_MAX);
    }
    command->action = PM_DO_OBSERVE;
    if (is_timer) command->name = timer_name(line->name, name);
    command->help = is_timer ? "Timed by a StatsD client." : "Observed by a StatsD client.";
    command->bounds = is_timer ? timer_bounds : value_bounds;
    command->bound_count = sizeof(timer_bounds) / sizeof(timer_bounds[0]);
    if (!is_timer) command->bound_count = sizeof(value_bounds) / sizeof(value_bounds[0]);
    int code = PM_OK;
    for (size_t i = 0; i < line->value_count && code == PM_OK; i++) {
        command->value = is_timer ? line->values[i].number / 1000 : line->values[i].number;
        for (double done = 0; done < times && code == PM_OK; done++) {
            code = pm_registry_command(statsd->registry, command, error);
        }
    }
    return code;
}

static int count_up(const struct statsd *statsd, const struct statsd_line *line,
                    struct pm_command *command, struct pm_error *error)
{
    command->action = PM_DO_INC;
    command->help = "Counted by a StatsD client.";
    int code = PM_OK;
    for (size_t i = 0; i < line->value_count && code == PM_OK; i++) {
        command->value = line->values[i].number / line->rate;
        code = pm_registry_command(statsd->registry, command, error);
    }
    return code;
}

static int move_gauge(const struct statsd *statsd, const struct statsd_line *line,
                      struct pm_command *command, struct pm_error *error)
{
    command->help = "Set by a StatsD client.";
    int code = PM_OK;
    for (size_t i = 0; i < line->value_count && code == PM_OK; i++) {
        command->action = line->values[i].is_signed ? PM_DO_DEC : PM_DO_SET;
        command->value =
            line->values[i].is_signed ? -line->values[i].number : line->values[i].number;
        code = pm_registry_command(statsd->registry, command, error);
    }
    return code;
}

/* A counter of this name is a counter, a gauge is not: "inc" would do on both. */
static int check_type(const struct statsd *statsd, const struct statsd_line *line,
                      struct pm_error *error)
{
    struct family *family = NULL;
    if (line->type != STATSD_COUNTER) return PM_OK;
    if (pm_store_find_family(statsd->registry, line->name, &family, NULL) < 0) return PM_OK;
    if (family->type == PM_COUNTER) return PM_OK;
    (void)pm_store_count_error(statsd->registry, PM_ERROR_TYPE);
    return pm_fail(error, PM_ERROR_TYPE, "metric '%s' is no counter", line->name);
}

int statsd_apply(struct statsd *statsd, const struct statsd_line *line, struct pm_error *error)
{
    struct pm_command command = { .name = line->name,
                                  .labels = line->labels,
                                  .label_count = line->label_count,
                                  .has_value = true,
                                  .fills_labels = true };
    int code = check_type(statsd, line, error);
    if (code < 0) return code;
    switch (line->type) {
    case STATSD_COUNTER: return count_up(statsd, line, &command, error);
    case STATSD_GAUGE: return move_gauge(statsd, line, &command, error);
    case STATSD_TIMER:
    case STATSD_HISTOGRAM: return observe(statsd, line, &command, error);
    case STATSD_SET: return apply_set(statsd, line, error);
    }
    return pm_fail(error, PM_ERROR_TYPE, "StatsD: unknown type");
}
