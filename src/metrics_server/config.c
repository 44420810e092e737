/* config.c - prometheus.yml as a whole: each section goes to the module that knows it. */
#include "metrics_server/server.h"

#include "codec/variables.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stdlib.h>

#define FILE_SIZE_MAX  (16u << 20)
#define ARENA_SIZE_MAX (256u << 20)

/* With the variables of the environment put in. */
static struct str expand(struct arena *arena, struct str text)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 64u << 10);
    variables_expand(&out, text, getenv);
    return arena_copy(arena, buf_str(&out));
}

static int read_external(const struct yaml_node *node, void *field,
                         const struct yaml_reading *reading, struct error *error)
{
    struct labels plain = { 0 };
    int code = scrape_read_labels(node, &plain, reading, error);
    if (code != 0) return code;
    struct label *items = ARENA_ARRAY(reading->arena, struct label, plain.count);
    if (items == NULL && plain.count > 0) return error_set(error, -ENOMEM, "no memory");
    for (size_t i = 0; i < plain.count; i++) {
        items[i].name = plain.items[i].name;
        items[i].value = expand(reading->arena, plain.items[i].value);
        if (items[i].value.size == 0) items[i].value = STR("");
    }
    *(struct labels *)field = (struct labels){ items, plain.count };
    return 0;
}

static int read_global(const struct yaml_node *node, void *field,
                       const struct yaml_reading *reading, struct error *error)
{
    struct metrics_config *config = field;
    struct yaml_field fields[SCRAPE_GLOBAL_FIELDS + 8];
    size_t count = scrape_global_fields(fields, offsetof(struct metrics_config, global));
    static const struct yaml_field own[] = {
        { STR_INIT("evaluation_interval"), offsetof(struct metrics_config, evaluation_interval_ms),
          scrape_read_duration },
        { STR_INIT("external_labels"), offsetof(struct metrics_config, external_labels),
          read_external },
        { STR_INIT("query_log_file"), 0, NULL },
        { STR_INIT("rule_query_offset"), 0, NULL },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(own); i++) fields[count++] = own[i];
    int code = yaml_read_fields(node, fields, count, config, reading, error);
    return code != 0 ? code : scrape_global_check(node, &config->global, error);
}

static int keep_node(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                     struct error *error)
{
    (void)reading;
    (void)error;
    *(const struct yaml_node **)field = node;
    return 0;
}

static const struct yaml_field root_fields[] = {
    { STR_INIT("global"), 0, read_global },
    { STR_INIT("scrape_configs"), offsetof(struct metrics_config, scrape_node), keep_node },
    { STR_INIT("runtime"), 0, yaml_read_ignored },
    { STR_INIT("scrape_config_files"), offsetof(struct metrics_config, file_node), keep_node },
    { STR_INIT("rule_files"), 0, NULL },
    { STR_INIT("alerting"), 0, NULL },
    { STR_INIT("remote_write"), 0, NULL },
    { STR_INIT("remote_read"), 0, NULL },
    { STR_INIT("storage"), 0, NULL },
    { STR_INIT("tracing"), 0, NULL },
    { STR_INIT("otlp"), 0, NULL },
};

static void warn(void *argument, const char *text)
{
    struct metrics_server *server = argument;
    sl_warn(role_log(server->role), "configuration", "error.message", text);
}

/* Values of these keys are never shown. */
static bool is_secret(struct str key)
{
    static const struct str names[] = { STR_INIT("password"),     STR_INIT("credentials"),
                                        STR_INIT("bearer_token"), STR_INIT("client_secret"),
                                        STR_INIT("secret_key"),   STR_INIT("token") };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (str_equal(key, names[i])) return true;
    }
    return false;
}

/* Appends the line, with <secret> behind every secret key of it, also inside {...}. */
static void append_masked(struct buf *out, struct str line)
{
    size_t start = 0;
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != ':') continue;
        size_t name = i;
        while (name > 0 && (label_name_is_legacy(str_first(str_skip(line, name - 1), 1)))) name--;
        if (!is_secret((struct str){ line.data + name, i - name })) continue;
        size_t end = i + 1;
        while (end < line.size && line.data[end] != ',' && line.data[end] != '}') end++;
        buf_append(out, line.data + start, i + 1 - start);
        buf_append_str(out, STR(" <secret>"));
        start = end;
        i = end;
        if (end >= line.size) break;
    }
    if (start < line.size) buf_append(out, line.data + start, line.size - start);
    buf_append_char(out, '\n');
}

static char *mask(struct str text)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 2 * (size_t)FILE_SIZE_MAX);
    while (text.size > 0) append_masked(&out, str_cut(&text, '\n'));
    return out.has_failed ? NULL : str_copy(buf_str(&out));
}

/* ---- scrape_config_files ---- */

/* A file of scrape_config_files on its way in. */
struct file_reading {
    struct metrics_config *config;
    const struct yaml_reading *reading;
    struct error *error;
    int code;
};

static int read_scrape_file(struct file_reading *file, const char *path)
{
    static const struct yaml_field fields[] = { { STR_INIT("scrape_configs"), 0, keep_node } };
    struct arena *arena = file->reading->arena;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, FILE_SIZE_MAX);
    int code = file_read(&disk_system, path, &text, file->error);
    if (code != 0) return code;
    struct str name = arena_copy(arena, str_from(path));
    if (name.data == NULL) return error_set(file->error, -ENOMEM, "no memory");
    const struct yaml_node *root = NULL;
    const struct yaml_node *jobs = NULL;
    code = yaml_parse(arena, buf_str(&text), name, &root, file->error);
    if (code != 0 || root == NULL) return code;
    code = yaml_read_fields(root, fields, ARRAY_LENGTH(fields), &jobs, file->reading, file->error);
    if (code != 0) return code;
    return scrape_config_read(&file->config->scrapes, jobs, &file->config->global, file->reading,
                              file->error);
}

static void use_scrape_file(void *argument, const char *path)
{
    struct file_reading *file = argument;
    if (file->code == 0) file->code = read_scrape_file(file, path);
}

/* Each file brings a list scrape_configs of its own. */
static int read_scrape_files(struct metrics_config *config, const struct yaml_reading *reading,
                             struct error *error)
{
    const struct yaml_node *node = config->file_node;
    if (node == NULL || yaml_is_null(node)) return 0;
    if (node->kind != YAML_SEQUENCE) return yaml_fail(node, ERROR_PARSE, error, "expected a list");
    struct file_reading file = { .config = config, .reading = reading, .error = error };
    for (size_t i = 0; i < node->count && file.code == 0; i++) {
        struct str pattern;
        int code = yaml_text(node->items[i], &pattern, error);
        if (code != 0) return code;
        size_t star = str_find_char(pattern, '*');
        if (star != STR_NONE && str_find_char(str_skip(pattern, star), '/') != STR_NONE) {
            return yaml_fail(node->items[i], ERROR_PARSE, error,
                             "'" STR_FMT "' has wildcards before its last part", STR_ARG(pattern));
        }
        scrape_visit_files(pattern, config->scrapes.folder, use_scrape_file, &file);
    }
    return file.code;
}

/* ---- the whole ---- */

/* The folder that the file stands in, in the arena. */
static const char *folder_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return ".";
    struct str folder = arena_copy(arena, (struct str){ path, (size_t)(slash - path) });
    return folder.size == 0 ? "/" : folder.data;
}

int metrics_config_parse(struct metrics_config *config, struct str text, const char *path,
                         struct yaml_reading *reading, struct error *error)
{
    const struct yaml_node *root = NULL;
    *config = (struct metrics_config){ .evaluation_interval_ms = 60000 };
    arena_init(&config->scrapes.arena, ARENA_SIZE_MAX);
    reading->arena = &config->scrapes.arena;
    scrape_global_init(&config->global);
    config->scrapes.folder = folder_of(reading->arena, path);
    int code = yaml_parse(reading->arena, text, str_from(path), &root, error);
    if (code != 0 || root == NULL) return code;
    code = yaml_read_fields(root, root_fields, ARRAY_LENGTH(root_fields), config, reading, error);
    for (size_t i = 0; i < root->count && code == 0; i++) {
        code = metrics_config_check_section(root->pairs[i].key->text, root->pairs[i].value, reading,
                                            error);
    }
    if (code != 0) return code;
    code =
        scrape_config_read(&config->scrapes, config->scrape_node, &config->global, reading, error);
    return code != 0 ? code : read_scrape_files(config, reading, error);
}

void metrics_config_release(struct metrics_config *config)
{
    scrape_config_release(&config->scrapes);
}

static int put_in_force(struct metrics_server *server, struct str text,
                        struct metrics_config *config, struct error *error)
{
    mutex_lock(&server->mutex);
    arena_reset(&server->arena);
    int code = labels_copy(&server->arena, config->external_labels, &server->external_labels);
    free(server->config_text);
    server->config_text = mask(text);
    mutex_unlock(&server->mutex);
    if (code != 0) return error_set(error, -ENOMEM, "no memory for external labels");
    if (config->evaluation_interval_ms > 0) {
        promql_engine_set_default_step(server->engine, config->evaluation_interval_ms);
    }
    return scrape_manager_apply(server->scrapes, &config->scrapes, error);
}

int metrics_config_load(struct metrics_server *server, struct error *error)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, FILE_SIZE_MAX);
    struct metrics_config config = { 0 };
    struct yaml_reading reading = { .warn = warn, .argument = server };
    const char *path = server->flags.config_file;
    int code = file_read(&disk_system, path, &text, error);
    if (code == 0) code = metrics_config_parse(&config, buf_str(&text), path, &reading, error);
    if (code == 0) code = put_in_force(server, buf_str(&text), &config, error);
    metrics_config_release(&config);
    mutex_lock(&server->mutex);
    server->is_config_good = code == 0;
    if (code == 0) server->config_ms = clock_realtime_ms(role_clock(server->role));
    mutex_unlock(&server->mutex);
    return code;
}
