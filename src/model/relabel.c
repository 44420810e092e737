/* relabel.c - one function an action. */
#include "model/relabel.h"

#include "codec/md5.h"
#include "codec/regex.h"
#include "codec/utf8.h"

#include <errno.h>

#define VALUE_SIZE_MAX (1u << 20) /* bytes of a joined or expanded value */

static const char *const action_names[RELABEL_ACTION_COUNT] = {
    [RELABEL_REPLACE] = "replace",
    [RELABEL_KEEP] = "keep",
    [RELABEL_DROP] = "drop",
    [RELABEL_KEEP_EQUAL] = "keepequal",
    [RELABEL_DROP_EQUAL] = "dropequal",
    [RELABEL_HASHMOD] = "hashmod",
    [RELABEL_LABEL_MAP] = "labelmap",
    [RELABEL_LABEL_DROP] = "labeldrop",
    [RELABEL_LABEL_KEEP] = "labelkeep",
    [RELABEL_LOWERCASE] = "lowercase",
    [RELABEL_UPPERCASE] = "uppercase",
};

const char *relabel_action_name(enum relabel_action action)
{
    return action_names[action];
}

bool relabel_action_find(struct str name, enum relabel_action *action)
{
    for (int i = 0; i < RELABEL_ACTION_COUNT; i++) {
        if (!str_equal_nocase(name, str_from(action_names[i]))) continue;
        *action = (enum relabel_action)i;
        return true;
    }
    return false;
}

void relabel_rule_init(struct relabel_rule *rule)
{
    *rule = (struct relabel_rule){ .separator = STR(";"),
                                   .regex_text = STR("(.*)"),
                                   .replacement = STR("$1") };
}

void relabel_rule_release(struct relabel_rule *rule)
{
    regex_free(rule->regex);
    rule->regex = NULL;
}

static bool has_defaults(const struct relabel_rule *rule, bool also_sources)
{
    bool same = str_equal(rule->regex_text, STR("(.*)")) &&
                str_equal(rule->replacement, STR("$1")) && str_equal(rule->separator, STR(";")) &&
                rule->modulus == 0;
    if (also_sources) same = same && rule->source_count == 0 && rule->target_label.size == 0;
    return same;
}

static int check_target(const struct relabel_rule *rule, struct error *error)
{
    const char *name = action_names[rule->action];
    bool may_expand = rule->action == RELABEL_REPLACE;
    bool has_dollar = str_find_char(rule->target_label, '$') != STR_NONE;
    if (rule->target_label.size == 0) {
        return error_set(error, ERROR_INVALID, "relabel action '%s' needs target_label", name);
    }
    if (!utf8_is_valid(rule->target_label) || (has_dollar && !may_expand)) {
        return error_set(error, ERROR_INVALID,
                         "'" STR_FMT "' is not a target_label for action '%s'",
                         STR_ARG(rule->target_label), name);
    }
    return 0;
}

static int check_rule(const struct relabel_rule *rule, struct error *error)
{
    const char *name = action_names[rule->action];
    switch (rule->action) {
    case RELABEL_REPLACE: return check_target(rule, error);
    case RELABEL_KEEP:
    case RELABEL_DROP: return 0;
    case RELABEL_KEEP_EQUAL:
    case RELABEL_DROP_EQUAL:
        if (!has_defaults(rule, false)) {
            return error_set(error, ERROR_INVALID,
                             "relabel action '%s' takes source_labels and target_label only", name);
        }
        return check_target(rule, error);
    case RELABEL_HASHMOD:
        if (rule->modulus == 0) {
            return error_set(error, ERROR_INVALID,
                             "relabel action 'hashmod' needs modulus above 0");
        }
        return check_target(rule, error);
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE:
        if (!str_equal(rule->replacement, STR("$1"))) {
            return error_set(error, ERROR_INVALID, "relabel action '%s' takes no replacement",
                             name);
        }
        return check_target(rule, error);
    case RELABEL_LABEL_MAP:
        if (rule->replacement.size == 0) {
            return error_set(error, ERROR_INVALID, "relabel action 'labelmap' needs a replacement");
        }
        return 0;
    case RELABEL_LABEL_DROP:
    case RELABEL_LABEL_KEEP: {
        struct relabel_rule bare = *rule;
        bare.regex_text = STR("(.*)");
        if (!has_defaults(&bare, true)) {
            return error_set(error, ERROR_INVALID, "relabel action '%s' takes regex only", name);
        }
        return 0;
    }
    case RELABEL_ACTION_COUNT: break;
    }
    return error_set(error, ERROR_INVALID, "unknown relabel action");
}

int relabel_rule_finish(struct relabel_rule *rule, struct error *error)
{
    int code = check_rule(rule, error);
    if (code != 0) return code;
    return regex_new(&rule->regex, rule->regex_text, REGEX_DOT_NEWLINE, error);
}

/* One rule on its way: what it changes, and where texts go. */
struct application {
    const struct relabel_rule *rule;
    struct labels_builder *builder;
    struct arena *arena;
    struct buf scratch;
    struct str joined;
};

static int join(struct application *application)
{
    const struct relabel_rule *rule = application->rule;
    struct buf *scratch = &application->scratch;
    buf_reset(scratch);
    for (size_t i = 0; i < rule->source_count; i++) {
        if (i > 0) buf_append_str(scratch, rule->separator);
        buf_append_str(scratch, labels_builder_get(application->builder, rule->source_labels[i]));
    }
    application->joined = arena_copy(application->arena, buf_str(scratch));
    return scratch->has_failed || application->joined.data == NULL ? ERROR_LIMIT : 0;
}

/* The pattern filled from groups, in the arena. */
static int expand(struct application *application, struct str pattern, const struct str *groups,
                  struct str *out)
{
    const struct regex *regex = application->rule->regex;
    buf_reset(&application->scratch);
    regex_expand(regex, pattern, groups, regex_group_count(regex) + 1, &application->scratch);
    *out = arena_copy(application->arena, buf_str(&application->scratch));
    return application->scratch.has_failed || out->data == NULL ? ERROR_LIMIT : 0;
}

static bool is_label_name(struct str name)
{
    return name.size > 0 && utf8_is_valid(name);
}

static int replace(struct application *application)
{
    struct str groups[REGEX_GROUPS_MAX] = { 0 };
    const struct relabel_rule *rule = application->rule;
    if (!regex_groups(rule->regex, application->joined, groups, REGEX_GROUPS_MAX)) return 1;
    struct str target;
    struct str value;
    int code = expand(application, rule->target_label, groups, &target);
    if (code == 0) code = expand(application, rule->replacement, groups, &value);
    if (code != 0) return code;
    if (is_label_name(target)) labels_builder_set(application->builder, target, value);
    return 1;
}

static int hashmod(struct application *application)
{
    unsigned char digest[MD5_SIZE];
    md5(application->joined, digest);
    uint64_t number = 0;
    for (size_t i = 8; i < MD5_SIZE; i++) number = number << 8 | digest[i];
    struct str value = arena_printf(application->arena, "%llu",
                                    (unsigned long long)(number % application->rule->modulus));
    if (value.data == NULL) return ERROR_LIMIT;
    labels_builder_set(application->builder, application->rule->target_label, value);
    return 1;
}

static int map_labels(struct application *application)
{
    /* The set as it was: names made by the rule are not mapped again. */
    struct labels labels = labels_builder_labels(application->builder);
    struct label *before = ARENA_ARRAY(application->arena, struct label, labels.count);
    if (before == NULL && labels.count > 0) return ERROR_LIMIT;
    if (labels.count > 0) memcpy(before, labels.items, labels.count * sizeof(*before));
    size_t count = labels.count;
    for (size_t i = 0; i < count; i++) {
        struct str groups[REGEX_GROUPS_MAX] = { 0 };
        if (!regex_groups(application->rule->regex, before[i].name, groups, REGEX_GROUPS_MAX)) {
            continue;
        }
        struct str name;
        int code = expand(application, application->rule->replacement, groups, &name);
        if (code != 0) return code;
        if (is_label_name(name)) labels_builder_set(application->builder, name, before[i].value);
    }
    return 1;
}

static int filter_labels(struct application *application, bool keeps_matching)
{
    struct labels_builder *builder = application->builder;
    for (size_t i = builder->items.count; i > 0; i--) {
        struct str name = builder->items.items[i - 1].name;
        if (regex_matches(application->rule->regex, name) == keeps_matching) continue;
        labels_builder_remove(builder, name);
    }
    return 1;
}

static int change_case(struct application *application, char first, char last)
{
    struct str value = arena_copy(application->arena, application->joined);
    if (value.data == NULL) return ERROR_LIMIT;
    char *bytes = (char *)(uintptr_t)value.data;
    for (size_t i = 0; i < value.size; i++) {
        if (bytes[i] >= first && bytes[i] <= last) bytes[i] = (char)(bytes[i] ^ 0x20);
    }
    labels_builder_set(application->builder, application->rule->target_label, value);
    return 1;
}

static int apply_rule(struct application *application)
{
    const struct relabel_rule *rule = application->rule;
    struct str joined = application->joined;
    struct str target = labels_builder_get(application->builder, rule->target_label);
    switch (rule->action) {
    case RELABEL_REPLACE: return replace(application);
    case RELABEL_KEEP: return regex_matches(rule->regex, joined);
    case RELABEL_DROP: return !regex_matches(rule->regex, joined);
    case RELABEL_KEEP_EQUAL: return str_equal(joined, target);
    case RELABEL_DROP_EQUAL: return !str_equal(joined, target);
    case RELABEL_HASHMOD: return hashmod(application);
    case RELABEL_LABEL_MAP: return map_labels(application);
    case RELABEL_LABEL_DROP: return filter_labels(application, false);
    case RELABEL_LABEL_KEEP: return filter_labels(application, true);
    case RELABEL_LOWERCASE: return change_case(application, 'A', 'Z');
    case RELABEL_UPPERCASE: return change_case(application, 'a', 'z');
    case RELABEL_ACTION_COUNT: break;
    }
    return 1;
}

int relabel_apply(const struct relabel_rule *rules, size_t count, struct labels_builder *builder,
                  struct arena *arena, struct error *error)
{
    if (count == 0) return 1;
    struct application application = { .builder = builder, .arena = arena };
    buf_init(&application.scratch, VALUE_SIZE_MAX);
    int code = 1;
    for (size_t i = 0; i < count && code == 1; i++) {
        application.rule = &rules[i];
        code = join(&application);
        if (code == 0) code = apply_rule(&application);
    }
    buf_release(&application.scratch);
    if (code < 0 || builder->has_failed) {
        return error_set(error, ERROR_LIMIT, "relabelling needs more memory than it may have");
    }
    return code;
}
