/* settings.c - the settings of an index: flattened, merged, checked. */
#include "logstore/settings.h"

#include "codec/json_writer.h"

#include <errno.h>
#include <string.h>

#define PREFIX         "index."
#define KEY_SIZE_MAX   512
#define SETTINGS_MAX   10000
#define VALUE_SIZE_MAX ((size_t)16 << 20)

/* Values become texts, as Elasticsearch shows them; lists stay lists, of texts. */
static int print_value(const struct json *value, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    if (value->kind == JSON_TEXT) {
        json_put_text(&json, value->text);
    } else if (value->kind == JSON_ARRAY) {
        json_array_begin(&json);
        for (size_t i = 0; i < value->array.count; i++) {
            const struct json *item = &value->array.items[i];
            json_put_text(&json, item->kind == JSON_TEXT ? item->text : item->raw);
        }
        json_array_end(&json);
    } else {
        json_put_text(&json, value->raw);
    }
    return out->has_failed ? -ENOMEM : 0;
}

static void take_away(struct setting_vec *settings, struct str key)
{
    for (size_t i = settings->count; i > 0; i--) {
        struct setting *setting = &settings->items[i - 1];
        bool is_below = setting->key.size > key.size && setting->key.data[key.size] == '.' &&
                        str_starts_with(setting->key, key);
        bool is_pattern = str_ends_with(key, STR("*")) &&
                          str_starts_with(setting->key, str_first(key, key.size - 1));
        if (str_equal(setting->key, key) || is_below || is_pattern) VEC_REMOVE(settings, i - 1);
    }
}

static int set(struct setting_vec *settings, struct arena *arena, struct str key,
               const struct json *value)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    take_away(settings, key);
    if (value->kind == JSON_NULL) return 0;
    if (settings->count == SETTINGS_MAX) return ERROR_LIMIT;
    buf_init(&text, VALUE_SIZE_MAX);
    if (print_value(value, &text) < 0) return -ENOMEM;
    struct setting setting = { arena_copy(arena, key), arena_copy(arena, buf_str(&text)) };
    bool is_added =
        setting.key.data != NULL && setting.value.data != NULL && VEC_PUSH(settings, setting);
    return is_added ? 0 : -ENOMEM;
}

/* Depth: JSON_DEPTH_MAX. */
static int add_below(struct setting_vec *settings, struct arena *arena, struct str above,
                     const struct json *given)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < given->object.count; i++) {
        const struct json_member *member = &given->object.members[i];
        char path[KEY_SIZE_MAX];
        struct str name = member->key;
        if (above.size == 0 && str_equal(name, STR("index")) &&
            json_is(&member->value, JSON_OBJECT)) {
            code = add_below(settings, arena, STR(""), &member->value);
            continue;
        }
        bool has_prefix = above.size > 0 || str_starts_with(name, STR(PREFIX));
        struct str front = above.size > 0 ? above : has_prefix ? STR("") : STR(PREFIX);
        if (front.size + name.size + 1 > sizeof(path)) return ERROR_LIMIT;
        memcpy(path, front.data, front.size);
        memcpy(path + front.size, name.data, name.size);
        struct str key = { path, front.size + name.size };
        if (!json_is(&member->value, JSON_OBJECT)) {
            code = set(settings, arena, key, &member->value);
            continue;
        }
        path[key.size++] = '.';
        code = add_below(settings, arena, key, &member->value);
    }
    return code;
}

int settings_add(struct setting_vec *settings, struct arena *arena, const struct json *given)
{
    return json_is(given, JSON_OBJECT) ? add_below(settings, arena, STR(""), given) : 0;
}

void settings_print(const struct setting_vec *settings, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    for (size_t i = 0; i < settings->count; i++) {
        json_key(&json, settings->items[i].key);
        json_put_raw(&json, settings->items[i].value);
    }
    json_object_end(&json);
}

struct str settings_text(const struct json *settings, struct str key)
{
    return json_text(json_get(settings, key), STR(""));
}

/* What there is, behind "index.": a name, or all below it when it ends with a dot. */
static const char *const known[] = {
    "allocation.",
    "analysis.",
    "analyze.",
    "auto_expand_replicas",
    "blocks.",
    "bloom_filter_for_id_field.",
    "codec",
    "compound_format",
    "creation_date",
    "creation_date_string",
    "data_path",
    "default_pipeline",
    "fielddata.",
    "final_pipeline",
    "flush_after_merge",
    "force_memory_term_dictionary",
    "format",
    "frozen",
    "gc_deletes",
    "hidden",
    "highlight.",
    "history_uuid",
    "indexing.",
    "knn",
    "lifecycle.",
    "load_fixed_bitset_filters_eagerly",
    "logsdb.",
    "look_ahead_time",
    "look_back_time",
    "mapper.",
    "mapping.",
    "max_adjacency_matrix_filters",
    "max_docvalue_fields_search",
    "max_inner_result_window",
    "max_ngram_diff",
    "max_refresh_listeners",
    "max_regex_length",
    "max_rescore_window",
    "max_result_window",
    "max_script_fields",
    "max_shingle_diff",
    "max_slices_per_pit",
    "max_slices_per_scroll",
    "max_terms_count",
    "merge.",
    "mode",
    "number_of_replicas",
    "number_of_routing_shards",
    "number_of_shards",
    "opendistro.",
    "optimize_auto_generated_id",
    "percolator.",
    "plugins.",
    "prefer_ilm",
    "priority",
    "provided_name",
    "queries.",
    "query.",
    "recovery.",
    "refresh_interval",
    "replication.",
    "requests.",
    "resize.",
    "routing.",
    "routing_partition_size",
    "routing_path",
    "search.",
    "shard.",
    "similarity.",
    "soft_deletes.",
    "sort.",
    "source_only",
    "store.",
    "time_series.",
    "top_metrics_max_size",
    "translog.",
    "unassigned.",
    "uuid",
    "verified_before_close",
    "verify_repository_integrity_at_startup",
    "version.",
    "warmer.",
    "write.",
    "xpack.",
};

static bool is_known(struct str key)
{
    struct str name = str_skip(key, strlen(PREFIX));
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        struct str row = str_from(known[i]);
        bool is_group = row.data[row.size - 1] == '.';
        if (is_group ? str_starts_with(name, row) : str_equal(name, row)) return true;
    }
    return false;
}

/* What would change which documents are taken, or how they look. */
static int check_effect(const struct setting *setting, struct error *error)
{
    bool is_off = str_equal(setting->value, STR("\"false\"")) ||
                  str_equal(setting->value, STR("\"_none\"")) ||
                  str_equal(setting->value, STR("\"\""));
    bool is_pipeline = str_equal(setting->key, STR("index.default_pipeline")) ||
                       str_equal(setting->key, STR("index.final_pipeline"));
    if (is_off) return 0;
    if (is_pipeline) {
        return error_set(error, ERROR_INVALID,
                         "[" STR_FMT "] is not supported: transform documents before they are sent",
                         STR_ARG(setting->key));
    }
    if (str_starts_with(setting->key, STR("index.blocks."))) {
        return error_set(error, ERROR_INVALID,
                         "[" STR_FMT "] is not supported: an index cannot be blocked",
                         STR_ARG(setting->key));
    }
    return 0;
}

int settings_check(const struct setting_vec *settings, struct error *error)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *setting = &settings->items[i];
        if (!is_known(setting->key)) {
            return error_set(error, ERROR_INVALID,
                             "unknown setting [" STR_FMT
                             "] please check that any required plugins are installed, or check the "
                             "breaking changes documentation for removed settings",
                             STR_ARG(setting->key));
        }
        int code = check_effect(setting, error);
        if (code < 0) return code;
    }
    return 0;
}

int settings_check_change(const struct setting_vec *settings, struct error *error)
{
    static const char *const fixed[] = {
        "index.number_of_shards",
        "index.number_of_routing_shards",
        "index.routing_partition_size",
        "index.uuid",
        "index.creation_date",
        "index.provided_name",
        "index.codec",
        "index.mode",
    };
    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *setting = &settings->items[i];
        bool is_fixed = str_starts_with(setting->key, STR("index.analysis.")) ||
                        str_starts_with(setting->key, STR("index.sort.")) ||
                        str_starts_with(setting->key, STR("index.version."));
        for (size_t k = 0; k < ARRAY_LENGTH(fixed); k++) {
            is_fixed |= str_equal(setting->key, str_from(fixed[k]));
        }
        if (!is_fixed) continue;
        return error_set(error, ERROR_INVALID,
                         "Can't update non dynamic settings [[" STR_FMT "]] for open indices",
                         STR_ARG(setting->key));
    }
    return settings_check(settings, error);
}
