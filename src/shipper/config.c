/* config.c - filebeat.yml by tables: one row a setting. */
#include "shipper/config.h"

#include "shipper/config_values.h"
#include "shipper/tree.h"

#include <errno.h>

#define CONFIG_SIZE_MAX (4u << 20)
#define ARENA_SIZE_MAX  (64u << 20)
#define WARNINGS_MAX    200

#define AT(field) offsetof(struct ship_config, field)

static READER(read_inputs)
{
    return ship_read_inputs(field, node, reading, error);
}

/* A section whose settings have no meaning here: read by others or by `setup`. */
#define SECTION(name, table)                                                                       \
    static READER(name)                                                                            \
    {                                                                                              \
        return yaml_read_fields(node, table, ARRAY_LENGTH(table), field, reading, error);          \
    }

static const struct yaml_field filebeat_fields[] = {
    { STR_INIT("inputs"), 0, read_inputs },
    { STR_INIT("shutdown_timeout"), AT(shutdown_ms), ship_read_duration },
    IGNORED("registry"),
    IGNORED("registry_file"),
    IGNORED("overwrite_pipelines"),
    UNSUPPORTED("modules"),
    UNSUPPORTED("config"),
    UNSUPPORTED("autodiscover"),
};
SECTION(read_filebeat, filebeat_fields)

static const struct yaml_field flush_fields[] = {
    IGNORED("min_events"),
    { STR_INIT("timeout"), AT(flush_ms), ship_read_duration },
};
SECTION(read_flush, flush_fields)

static const struct yaml_field mem_fields[] = {
    { STR_INIT("events"), AT(queue_count_max), yaml_read_count },
    { STR_INIT("flush"), 0, read_flush },
};
SECTION(read_mem, mem_fields)

static const struct yaml_field queue_fields[] = {
    { STR_INIT("mem"), 0, read_mem },
    UNSUPPORTED("disk"),
    UNSUPPORTED("spool"),
};
SECTION(read_queue, queue_fields)

static const struct yaml_field http_fields[] = {
    { STR_INIT("enabled"), AT(has_http), yaml_read_bool },
    { STR_INIT("host"), AT(http_host), yaml_read_text },
    { STR_INIT("port"), AT(http_port), yaml_read_count },
    UNSUPPORTED("named_pipe"),
    UNSUPPORTED("pprof"),
};
SECTION(read_http, http_fields)

static READER(read_output)
{
    struct ship_config *config = field;
    return ship_read_output(node, &config->output, reading, error);
}

/* No template, life cycle or dashboard is set up: told where somebody asks for it. */
static READER(read_setup_part)
{
    (void)field;
    (void)error;
    bool is_on = false;
    const struct yaml_node *enabled =
        node->kind == YAML_MAPPING ? yaml_get(node, STR("enabled")) : NULL;
    if (enabled != NULL && yaml_bool(enabled, &is_on, NULL) == 0 && is_on) {
        ship_warn(enabled, reading, "setup is not done by this role: ignored");
    }
    return 0;
}

static const struct yaml_field setup_fields[] = {
    { STR_INIT("template"), 0, read_setup_part },
    { STR_INIT("ilm"), 0, read_setup_part },
    { STR_INIT("dashboards"), 0, read_setup_part },
    IGNORED("kibana"),
    IGNORED("dsl"),
    IGNORED("options"),
};
SECTION(read_setup, setup_fields)

static const struct yaml_field root_fields[] = {
    { STR_INIT("filebeat"), 0, read_filebeat },
    { STR_INIT("output"), 0, read_output },
    { STR_INIT("queue"), 0, read_queue },
    { STR_INIT("http"), 0, read_http },
    { STR_INIT("setup"), 0, read_setup },
    { STR_INIT("name"), AT(name), yaml_read_text },
    { STR_INIT("tags"), AT(additions.tags), ship_read_texts },
    { STR_INIT("fields"), AT(additions.fields), ship_read_object },
    { STR_INIT("fields_under_root"), AT(additions.fields_under_root), yaml_read_bool },
    IGNORED("logging"), /* the role's own flags say where its log goes */
    IGNORED("path"),
    IGNORED("max_procs"),
    IGNORED("timestamp"),
    IGNORED("seccomp"),
    UNSUPPORTED("processors"),
    UNSUPPORTED("monitoring"),
    UNSUPPORTED("xpack"),
    UNSUPPORTED("cloud"),
    UNSUPPORTED("keystore"),
    UNSUPPORTED("features"),
    UNSUPPORTED("instrumentation"),
};

static void keep_warning(void *argument, const char *text)
{
    struct ship_config *config = argument;
    if (config->warnings.count >= WARNINGS_MAX) return;
    struct str kept = arena_copy(&config->arena, str_from(text));
    if (kept.data != NULL) (void)VEC_PUSH(&config->warnings, kept.data);
}

static int read_tree(struct ship_config *config, const struct ship_config_source *source,
                     const struct yaml_node **root, struct error *error)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, CONFIG_SIZE_MAX);
    struct arena *arena = &config->arena;
    const struct yaml_node *file = NULL;
    struct tree_setup setup = { .arena = arena, .source = source->variables };
    struct tree *tree = tree_new(&setup);
    if (tree == NULL) return error_set(error, -ENOMEM, "no memory for the configuration");
    int code = file_read(source->disk, source->path, &text, error);
    if (code == 0) code = yaml_parse(arena, buf_str(&text), str_from(source->path), &file, error);
    if (code == 0) code = tree_add(tree, file, error);
    for (size_t i = 0; code == 0 && i < source->override_count; i++) {
        code = tree_override(tree, str_from(source->overrides[i]), error);
    }
    return code == 0 ? tree_finish(tree, root, error) : code;
}

static int read_all(struct ship_config *config, const struct ship_config_source *source,
                    struct error *error)
{
    const struct yaml_node *root = NULL;
    int code = read_tree(config, source, &root, error);
    if (code != 0) return code;
    struct yaml_reading reading = {
        .arena = &config->arena, .warn = keep_warning, .argument = config, .more = config
    };
    code = yaml_read_fields(root, root_fields, ARRAY_LENGTH(root_fields), config, &reading, error);
    if (code != 0) return code;
    if (config->output.kind == SHIP_OUTPUT_NONE) {
        return error_set(error, ERROR_PARSE,
                         "%s: no output is enabled; output.elasticsearch.hosts "
                         "says where documents go",
                         source->path);
    }
    if (config->input_count == 0) {
        return error_set(error, ERROR_PARSE,
                         "%s: no input is enabled; filebeat.inputs says what "
                         "to follow",
                         source->path);
    }
    if (config->http_port > UINT16_MAX) {
        return error_set(error, ERROR_PARSE, "%s: http.port is above 65535", source->path);
    }
    if (config->queue_count_max == 0) config->queue_count_max = 1;
    return 0;
}

int ship_config_read(struct ship_config *config, const struct ship_config_source *source,
                     struct error *error)
{
    *config = (struct ship_config){
        .queue_count_max = 4096,
        .flush_ms = 1000,
        .http_port = 5066,
        .http_host = STR("localhost"),
        .output = { .index = STR("filebeat-%{[agent.version]}-%{+yyyy.MM.dd}"),
                    .bulk_size_max = 1600,
                    .timeout_ms = 90000,
                    .backoff_first_ms = 1000,
                    .backoff_max_ms = 60000 },
    };
    arena_init(&config->arena, ARENA_SIZE_MAX);
    int code = read_all(config, source, error);
    if (code != 0) ship_config_release(config);
    return code;
}

void ship_config_release(struct ship_config *config)
{
    for (size_t i = 0; i < config->patterns.count; i++) regex_free(config->patterns.items[i]);
    VEC_RELEASE(&config->patterns);
    VEC_RELEASE(&config->warnings);
    arena_release(&config->arena);
    *config = (struct ship_config){ 0 };
}
