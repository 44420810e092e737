/* config_sections.c - sections of prometheus.yml that are not done here, checked all the same.
 *
 * A file that Prometheus refuses is refused; one that it takes is taken, with a warning for each
 * such section. Inside them only plain mistakes are found: unknown fields of short sections, what
 * is missing, twice, or out of range. */
#include "metrics_server/server.h"

#include "model/duration.h"

/* ---- small readers ---- */

static int fail_value(const struct yaml_node *node, struct error *error)
{
    return yaml_fail(node, ERROR_PARSE, error, "'" STR_FMT "' is not a value for this field",
                     STR_ARG(node->text));
}

static int check_one_of(const struct yaml_node *node, struct str words, struct error *error)
{
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    while (words.size > 0) {
        if (str_equal(str_cut(&words, ' '), text)) return 0;
    }
    return fail_value(node, error);
}

/* The item is a mapping; every list of rules in it is right. */
static int check_item(const struct yaml_node *item, const struct yaml_reading *reading,
                      struct error *error)
{
    static const struct str lists[] = { STR_INIT("write_relabel_configs"),
                                        STR_INIT("relabel_configs"),
                                        STR_INIT("alert_relabel_configs") };
    if (item->kind != YAML_MAPPING) {
        return yaml_fail(item, ERROR_PARSE, error, "empty or null section");
    }
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        const struct yaml_node *rules = yaml_get(item, lists[i]);
        int code = rules == NULL ? 0 : scrape_check_rules(rules, NULL, reading, error);
        if (code != 0) return code;
    }
    return scrape_check_discovery(item, error);
}

/* ---- remote_write and remote_read ---- */

static int check_queue(const struct yaml_node *item, struct error *error)
{
    static const struct str positive[] = { STR_INIT("capacity"), STR_INIT("max_shards"),
                                           STR_INIT("max_samples_per_send"),
                                           STR_INIT("min_shards") };
    int64_t values[ARRAY_LENGTH(positive)] = { 10000, 50, 2000, 1 };
    const struct yaml_node *queue = yaml_get(item, STR("queue_config"));
    if (queue == NULL || yaml_is_null(queue)) return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(positive); i++) {
        const struct yaml_node *value = yaml_get(queue, positive[i]);
        int code = value == NULL ? 0 : yaml_int(value, &values[i], error);
        if (code != 0) return code;
        if (values[i] <= 0) {
            return yaml_fail(value, ERROR_PARSE, error, STR_FMT " must be greater than 0",
                             STR_ARG(positive[i]));
        }
    }
    if (values[3] > values[1]) {
        return yaml_fail(queue, ERROR_PARSE, error, "min_shards is greater than max_shards");
    }
    return 0;
}

static int check_remotes(const struct yaml_node *node, const struct yaml_reading *reading,
                         struct error *error)
{
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_SEQUENCE) return yaml_fail(node, ERROR_PARSE, error, "expected a list");
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        int code = check_item(item, reading, error);
        if (code != 0) return code;
        const struct yaml_node *url = yaml_get(item, STR("url"));
        if (url == NULL || yaml_is_null(url)) {
            return yaml_fail(item, ERROR_PARSE, error, "field 'url' is missing");
        }
        const struct yaml_node *name = yaml_get(item, STR("name"));
        for (size_t j = 0; j < i && name != NULL && name->text.size > 0; j++) {
            const struct yaml_node *other = yaml_get(node->items[j], STR("name"));
            if (other == NULL || !str_equal(other->text, name->text)) continue;
            return yaml_fail(name, ERROR_PARSE, error, "the name '" STR_FMT "' stands twice",
                             STR_ARG(name->text));
        }
        code = check_queue(item, error);
        if (code != 0) return code;
    }
    return 0;
}

/* ---- alerting ---- */

static int check_alerting(const struct yaml_node *node, const struct yaml_reading *reading,
                          struct error *error)
{
    if (yaml_is_null(node)) return 0;
    int code = check_item(node, reading, error);
    const struct yaml_node *managers = code == 0 ? yaml_get(node, STR("alertmanagers")) : NULL;
    if (managers == NULL || yaml_is_null(managers)) return code;
    if (managers->kind != YAML_SEQUENCE) {
        return yaml_fail(managers, ERROR_PARSE, error, "expected a list");
    }
    for (size_t i = 0; i < managers->count && code == 0; i++) {
        code = check_item(managers->items[i], reading, error);
    }
    return code;
}

/* ---- storage ---- */

static int read_percentage(const struct yaml_node *node, void *field,
                           const struct yaml_reading *reading, struct error *error)
{
    (void)field;
    (void)reading;
    double value;
    int code = yaml_double(node, &value, error);
    if (code != 0) return code;
    return value >= 0 && value <= 100 ? 0 : fail_value(node, error);
}

static int read_duration(const struct yaml_node *node, void *field,
                         const struct yaml_reading *reading, struct error *error)
{
    (void)field;
    int64_t duration_ms;
    return scrape_read_duration(node, &duration_ms, reading, error);
}

static int read_encoding(const struct yaml_node *node, void *field,
                         const struct yaml_reading *reading, struct error *error)
{
    (void)field;
    (void)reading;
    return check_one_of(node, STR("xor xor2"), error);
}

static int read_encodings(const struct yaml_node *node, void *field,
                          const struct yaml_reading *reading, struct error *error)
{
    static const struct yaml_field fields[] = { { STR_INIT("floats"), 0, read_encoding } };
    return yaml_read_fields(node, fields, ARRAY_LENGTH(fields), field, reading, error);
}

static int read_retention(const struct yaml_node *node, void *field,
                          const struct yaml_reading *reading, struct error *error)
{
    static const struct yaml_field fields[] = {
        { STR_INIT("time"), 0, read_duration },
        { STR_INIT("size"), 0, yaml_read_ignored },
        { STR_INIT("percentage"), 0, read_percentage },
    };
    return yaml_read_fields(node, fields, ARRAY_LENGTH(fields), field, reading, error);
}

static int read_tsdb(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                     struct error *error)
{
    static const struct yaml_field fields[] = {
        { STR_INIT("out_of_order_time_window"), 0, read_duration },
        { STR_INIT("retention"), 0, read_retention },
        { STR_INIT("stale_series_compaction_threshold"), 0, read_percentage },
        { STR_INIT("chunk_encoding"), 0, read_encodings },
    };
    return yaml_read_fields(node, fields, ARRAY_LENGTH(fields), field, reading, error);
}

static int check_storage(const struct yaml_node *node, const struct yaml_reading *reading,
                         struct error *error)
{
    static const struct yaml_field fields[] = {
        { STR_INIT("tsdb"), 0, read_tsdb },
        { STR_INIT("exemplars"), 0, yaml_read_ignored },
    };
    char none = 0;
    return yaml_read_fields(node, fields, ARRAY_LENGTH(fields), &none, reading, error);
}

/* ---- tracing ---- */

static int check_tracing(const struct yaml_node *node, const struct yaml_reading *reading,
                         struct error *error)
{
    (void)reading;
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "expected a mapping of fields");
    }
    const struct yaml_node *endpoint = yaml_get(node, STR("endpoint"));
    if (endpoint == NULL || yaml_is_null(endpoint)) {
        return yaml_fail(node, ERROR_PARSE, error, "field 'endpoint' is missing");
    }
    const struct yaml_node *compression = yaml_get(node, STR("compression"));
    int code = compression == NULL ? 0 : check_one_of(compression, STR("gzip"), error);
    const struct yaml_node *headers = yaml_get(node, STR("headers"));
    bool has_headers = headers != NULL && headers->kind == YAML_MAPPING;
    for (size_t i = 0; has_headers && i < headers->count && code == 0; i++) {
        const struct yaml_node *key = headers->pairs[i].key;
        if (!str_equal_nocase(key->text, STR("authorization"))) continue;
        code = yaml_fail(key, ERROR_PARSE, error, "authorization is no header to set here");
    }
    return code;
}

/* ---- otlp ---- */

static int check_attributes(const struct yaml_node *node, struct str field, struct error *error)
{
    const struct yaml_node *list = yaml_get(node, field);
    if (list == NULL || yaml_is_null(list)) return 0;
    if (list->kind != YAML_SEQUENCE) return yaml_fail(list, ERROR_PARSE, error, "expected a list");
    for (size_t i = 0; i < list->count; i++) {
        struct str name = str_trim(list->items[i]->text);
        if (name.size == 0) {
            return yaml_fail(list->items[i], ERROR_PARSE, error, "an empty attribute name");
        }
        for (size_t j = 0; j < i; j++) {
            if (!str_equal(str_trim(list->items[j]->text), name)) continue;
            return yaml_fail(list->items[i], ERROR_PARSE, error,
                             "the attribute '" STR_FMT "' stands twice", STR_ARG(name));
        }
    }
    return 0;
}

static int check_otlp(const struct yaml_node *node, const struct yaml_reading *reading,
                      struct error *error)
{
    (void)reading;
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "expected a mapping of fields");
    }
    const struct yaml_node *strategy = yaml_get(node, STR("translation_strategy"));
    int code = strategy == NULL ? 0
                                : check_one_of(strategy,
                                               STR("UnderscoreEscapingWithSuffixes "
                                                   "UnderscoreEscapingWithoutSuffixes "
                                                   "NoUTF8EscapingWithSuffixes NoTranslation"),
                                               error);
    if (code == 0) code = check_attributes(node, STR("promote_resource_attributes"), error);
    if (code == 0) code = check_attributes(node, STR("ignore_resource_attributes"), error);
    if (code != 0) return code;
    const struct yaml_node *all = yaml_get(node, STR("promote_all_resource_attributes"));
    const struct yaml_node *some = yaml_get(node, STR("promote_resource_attributes"));
    const struct yaml_node *ignored = yaml_get(node, STR("ignore_resource_attributes"));
    bool promotes_all = false;
    code = all == NULL ? 0 : yaml_bool(all, &promotes_all, error);
    if (code != 0) return code;
    bool is_mixed =
        promotes_all ? some != NULL && some->count > 0 : ignored != NULL && ignored->count > 0;
    if (!is_mixed) return 0;
    return yaml_fail(node, ERROR_PARSE, error,
                     "promote_all_resource_attributes goes with ignore_resource_attributes only");
}

/* ---- all ---- */

int metrics_config_check_section(struct str name, const struct yaml_node *node,
                                 const struct yaml_reading *reading, struct error *error)
{
    static const struct {
        struct str name;
        int (*check)(const struct yaml_node *node, const struct yaml_reading *reading,
                     struct error *error);
    } sections[] = {
        { STR_INIT("remote_write"), check_remotes }, { STR_INIT("remote_read"), check_remotes },
        { STR_INIT("alerting"), check_alerting },    { STR_INIT("storage"), check_storage },
        { STR_INIT("tracing"), check_tracing },      { STR_INIT("otlp"), check_otlp },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(sections); i++) {
        if (str_equal(sections[i].name, name)) return sections[i].check(node, reading, error);
    }
    return 0;
}
