/* config.c - one function a level of the file; every unknown field is an error with its place. */
#include "driver/config.h"

#include "base/check.h"
#include "codec/yaml.h"
#include "http/message.h"

#include <errno.h>

#define CONFIG_SIZE_MAX     (1u << 20)
#define ARENA_SIZE_MAX      (8u << 20)
#define INTERVAL_DEFAULT_MS 15000
#define TIMEOUT_DEFAULT_MS  5000
#define INTERVAL_MIN_MS     100

/* "250ms", "5s", "2m", "1h": one number and one unit. */
static int read_duration(const struct yaml_node *node, int64_t *duration_ms, struct error *error)
{
    static const struct {
        struct str unit;
        int64_t ms;
    } units[] = {
        { STR_INIT("ms"), 1 },
        { STR_INIT("s"), 1000 },
        { STR_INIT("m"), 60000 },
        { STR_INIT("h"), 3600000 },
    };
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    size_t digits = 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
    int64_t number;
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (!str_equal(str_skip(text, digits), units[i].unit)) continue;
        if (!str_to_int64(str_first(text, digits), &number) || number > INT32_MAX) break;
        *duration_ms = number * units[i].ms;
        return 0;
    }
    return yaml_fail(node, ERROR_PARSE, error,
                     "expected a duration such as '5s' or '500ms', got '" STR_FMT "'",
                     STR_ARG(text));
}

static int read_kind(const struct yaml_node *node, enum probe_kind *kind, struct error *error)
{
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    if (str_equal(text, STR("http"))) {
        *kind = PROBE_HTTP;
    } else if (str_equal(text, STR("tcp"))) {
        *kind = PROBE_TCP;
    } else {
        return yaml_fail(node, ERROR_PARSE, error, "kind is 'http' or 'tcp', got '" STR_FMT "'",
                         STR_ARG(text));
    }
    return 0;
}

static int read_text(const struct yaml_node *node, const char **text, struct error *error)
{
    struct str value;
    int code = yaml_text(node, &value, error);
    if (code != 0) return code;
    if (value.size == 0) return yaml_fail(node, ERROR_PARSE, error, "must not be empty");
    *text = value.data; /* libyaml's copy in the arena ends with a NUL */
    return 0;
}

/* Whether the address is one that its kind can ask. */
static int check_target(const struct yaml_node *node, const struct probe_target *target,
                        struct error *error)
{
    if (target->name == NULL) return yaml_fail(node, ERROR_PARSE, error, "a target needs a name");
    if (target->address == NULL) {
        return yaml_fail(node, ERROR_PARSE, error, "target '%s' needs %s", target->name,
                         target->kind == PROBE_HTTP ? "a url" : "an address");
    }
    struct str address = str_from(target->address);
    if (target->kind == PROBE_HTTP && !str_starts_with(address, STR("http://")) &&
        !str_starts_with(address, STR("https://"))) {
        return yaml_fail(node, ERROR_PARSE, error,
                         "url of target '%s' must begin with http:// or https://", target->name);
    }
    struct http_address parts;
    if (target->kind == PROBE_TCP &&
        (http_address_parse(address, &parts, NULL) != 0 || parts.port == 0)) {
        return yaml_fail(node, ERROR_PARSE, error, "address of target '%s' must be host:port",
                         target->name);
    }
    if (target->interval_ms < INTERVAL_MIN_MS || target->timeout_ms > target->interval_ms) {
        return yaml_fail(node, ERROR_PARSE, error,
                         "target '%s': interval at least %d ms, timeout at most the interval",
                         target->name, INTERVAL_MIN_MS);
    }
    return 0;
}

static int read_target_field(struct str key, const struct yaml_node *value,
                             struct probe_target *target, struct error *error)
{
    if (str_equal(key, STR("name"))) return read_text(value, &target->name, error);
    if (str_equal(key, STR("kind"))) return read_kind(value, &target->kind, error);
    if (str_equal(key, STR("url"))) return read_text(value, &target->address, error);
    if (str_equal(key, STR("address"))) return read_text(value, &target->address, error);
    if (str_equal(key, STR("interval"))) return read_duration(value, &target->interval_ms, error);
    if (str_equal(key, STR("timeout"))) return read_duration(value, &target->timeout_ms, error);
    return yaml_fail(value, ERROR_PARSE, error,
                     "field '" STR_FMT "' is not known; a target has name, kind, url, address, "
                     "interval and timeout",
                     STR_ARG(key));
}

static int read_target(const struct yaml_node *node, struct probe_target *target,
                       struct error *error)
{
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "a target is a mapping with name and kind");
    }
    for (size_t i = 0; i < node->count; i++) {
        int code = read_target_field(node->pairs[i].key->text, node->pairs[i].value, target, error);
        if (code != 0) return code;
    }
    return check_target(node, target, error);
}

static int read_targets(struct driver_config *config, const struct yaml_node *list,
                        const struct probe_target *defaults, struct error *error)
{
    if (list->kind != YAML_SEQUENCE) {
        return yaml_fail(list, ERROR_PARSE, error, "targets is a list");
    }
    if (list->count > PROBE_TARGETS_MAX) {
        return yaml_fail(list, ERROR_LIMIT, error, "%zu targets, at most %d", list->count,
                         PROBE_TARGETS_MAX);
    }
    config->targets = ARENA_ARRAY(&config->arena, struct probe_target, list->count);
    if (config->targets == NULL && list->count > 0) {
        return error_set(error, -ENOMEM, "no memory for the targets");
    }
    for (size_t i = 0; i < list->count; i++) {
        config->targets[i] = *defaults;
        int code = read_target(list->items[i], &config->targets[i], error);
        if (code != 0) return code;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(config->targets[i].name, config->targets[j].name) != 0) continue;
            return yaml_fail(list->items[i], ERROR_PARSE, error, "a second target named '%s'",
                             config->targets[i].name);
        }
        config->target_count = i + 1;
    }
    return 0;
}

static int read_probes(struct driver_config *config, const struct yaml_node *node,
                       struct error *error)
{
    struct probe_target defaults = { .interval_ms = INTERVAL_DEFAULT_MS,
                                     .timeout_ms = TIMEOUT_DEFAULT_MS };
    const struct yaml_node *targets = NULL;
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "probes is a mapping");
    }
    for (size_t i = 0; i < node->count; i++) {
        struct str key = node->pairs[i].key->text;
        const struct yaml_node *value = node->pairs[i].value;
        int code = 0;
        if (str_equal(key, STR("interval"))) {
            code = read_duration(value, &defaults.interval_ms, error);
        } else if (str_equal(key, STR("timeout"))) {
            code = read_duration(value, &defaults.timeout_ms, error);
        } else if (str_equal(key, STR("targets"))) {
            targets = value;
        } else {
            code = yaml_fail(value, ERROR_PARSE, error,
                             "field '" STR_FMT "' is not known; probes has interval, timeout and "
                             "targets",
                             STR_ARG(key));
        }
        if (code != 0) return code;
    }
    return targets == NULL ? 0 : read_targets(config, targets, &defaults, error);
}

static int read_root(struct driver_config *config, const struct yaml_node *root,
                     struct error *error)
{
    if (root == NULL) return 0; /* an empty file probes nothing */
    if (root->kind != YAML_MAPPING) {
        return yaml_fail(root, ERROR_PARSE, error, "expected a mapping with 'probes'");
    }
    for (size_t i = 0; i < root->count; i++) {
        struct str key = root->pairs[i].key->text;
        if (!str_equal(key, STR("probes"))) {
            return yaml_fail(root->pairs[i].key, ERROR_PARSE, error,
                             "field '" STR_FMT "' is not known; there is 'probes'", STR_ARG(key));
        }
        int code = read_probes(config, root->pairs[i].value, error);
        if (code != 0) return code;
    }
    return 0;
}

int driver_config_read(struct driver_config *config, const struct disk *disk, const char *path,
                       struct error *error)
{
    *config = (struct driver_config){ 0 };
    arena_init(&config->arena, ARENA_SIZE_MAX);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, CONFIG_SIZE_MAX);
    const struct yaml_node *root = NULL;
    int code = file_read(disk, path, &text, error);
    if (code == 0) code = yaml_parse(&config->arena, buf_str(&text), str_from(path), &root, error);
    if (code == 0) code = read_root(config, root, error);
    if (code != 0) driver_config_release(config);
    return code;
}

void driver_config_release(struct driver_config *config)
{
    arena_release(&config->arena);
    *config = (struct driver_config){ 0 };
}
