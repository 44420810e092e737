/* store.c - provisioning files to data sources and dashboards. */
#include "dashboards/store.h"

#include "base/clock.h"
#include "base/file.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "codec/number.h"
#include "codec/variables.h"
#include "codec/yaml_fields.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stdlib.h>

#define FILE_SIZE_MAX     (1u << 20)
#define CHECK_INTERVAL_MS 2000

/* One reading of all files, into a store that nobody sees yet. */
struct load {
    struct store *store;
    struct error *error;
    const char *folder_title; /* of the provider whose files are read */
    const char *path;         /* the folder that is walked */
    int (*take)(struct load *load, const char *path, const char *name);
};

void dashboards_store_init(struct store *store, const char *config, struct sl_logger *log)
{
    *store = (struct store){ .config = config, .log = log };
    mutex_init(&store->mutex);
    arena_init(&store->arena, STORE_ARENA_SIZE_MAX);
}

void dashboards_store_release(struct store *store)
{
    VEC_RELEASE(&store->dashboards);
    VEC_RELEASE(&store->datasources);
    arena_release(&store->arena);
    mutex_release(&store->mutex);
}

static int fail_memory(struct error *error)
{
    return error_set(error, -ENOMEM, "no memory for the dashboards");
}

/* ---- walking ---- */

static int visit(void *argument, const char *name)
{
    struct load *load = argument;
    char path[FILE_PATH_SIZE];
    if (name[0] == '.') return 0;
    int code = file_join(path, load->path, name, load->error);
    return code != 0 ? code : load->take(load, path, name);
}

/* Calls take for each file of the folder; a folder that is not there has none. */
static int walk(struct load *load, const char *path)
{
    const char *before = load->path;
    load->path = path;
    int code = disk_system.list(disk_system.state, path, visit, load);
    load->path = before;
    return code == -ENOENT || code == -ENOTDIR ? 0 : code;
}

static bool is_yaml(const char *name)
{
    struct str text = str_from(name);
    return str_ends_with(text, STR(".yml")) || str_ends_with(text, STR(".yaml"));
}

static int read_yaml(struct load *load, const char *path, const struct yaml_node **root)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, FILE_SIZE_MAX);
    int code = file_read(&disk_system, path, &text, load->error);
    if (code != 0) return code;
    return yaml_parse(&load->store->arena, buf_str(&text), str_from(path), root, load->error);
}

/* ---- data sources ---- */

/* With the variables of the environment put in. */
static struct str expand(struct arena *arena, struct str text)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 64u << 10);
    variables_expand(&out, text, getenv);
    return arena_copy(arena, buf_str(&out));
}

static void write_node(struct json_writer *json, const struct yaml_node *node)
{
    double number;
    bool truth;
    if (node->kind == YAML_MAPPING) {
        json_object_begin(json);
        for (size_t i = 0; i < node->count; i++) {
            json_key(json, node->pairs[i].key->text);
            write_node(json, node->pairs[i].value);
        }
        json_object_end(json);
    } else if (node->kind == YAML_SEQUENCE) {
        json_array_begin(json);
        for (size_t i = 0; i < node->count; i++) write_node(json, node->items[i]);
        json_array_end(json);
    } else if (yaml_is_null(node)) {
        json_put_null(json);
    } else if (node->is_plain && number_parse(node->text, &number)) {
        json_put_double(json, number);
    } else if (node->is_plain && yaml_bool(node, &truth, NULL) == 0) {
        json_put_bool(json, truth);
    } else {
        json_put_text(json, node->text);
    }
}

static int read_json_data(const struct yaml_node *node, void *field,
                          const struct yaml_reading *reading, struct error *error)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, FILE_SIZE_MAX);
    struct json_writer json;
    json_writer_init(&json, &text);
    write_node(&json, node);
    *(struct str *)field = arena_copy(reading->arena, buf_str(&text));
    return text.has_failed ? fail_memory(error) : 0;
}

static int read_secrets(const struct yaml_node *node, void *field,
                        const struct yaml_reading *reading, struct error *error)
{
    (void)reading;
    const struct yaml_node *password = yaml_get(node, STR("basicAuthPassword"));
    return password == NULL ? 0 : yaml_text(password, field, error);
}

#define SOURCE(member) offsetof(struct datasource, member)

static const struct yaml_field source_fields[] = {
    { STR_INIT("name"), SOURCE(name), yaml_read_text },
    { STR_INIT("uid"), SOURCE(uid), yaml_read_text },
    { STR_INIT("type"), SOURCE(type), yaml_read_text },
    { STR_INIT("url"), SOURCE(url), yaml_read_text },
    { STR_INIT("basicAuthUser"), SOURCE(user), yaml_read_text },
    { STR_INIT("isDefault"), SOURCE(is_default), yaml_read_bool },
    { STR_INIT("jsonData"), SOURCE(json_data), read_json_data },
    { STR_INIT("secureJsonData"), SOURCE(password), read_secrets },
};

/* The URL that the command line gives to this data source, else the one it has. */
static struct str url_of(const struct store *store, const struct datasource *source)
{
    for (size_t i = 0; i < store->url_count; i++) {
        struct str rest = str_from(store->urls[i]);
        if (str_equal(str_cut(&rest, '='), source->uid)) return rest;
    }
    return source->url;
}

/* Grafana ignores what it does not know here, and real files rely on it. */
static int read_source(struct load *load, const struct yaml_node *node)
{
    struct yaml_reading reading = { .arena = &load->store->arena };
    struct datasource source = { .json_data = STR("{}") };
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, load->error, "a data source is a mapping");
    }
    for (size_t i = 0; i < node->count; i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(source_fields); j++) {
            const struct yaml_field *field = &source_fields[j];
            if (!str_equal(node->pairs[i].key->text, field->name)) continue;
            int code = field->read(node->pairs[i].value, (char *)&source + field->offset, &reading,
                                   load->error);
            if (code != 0) return code;
        }
    }
    if (source.name.size == 0 || source.type.size == 0) {
        return yaml_fail(node, ERROR_PARSE, load->error, "a data source needs name and type");
    }
    if (source.uid.size == 0) {
        sl_warn(load->store->log, "data source without uid is known by its name", "datasource",
                sl_strn(source.name.data, source.name.size));
        source.uid = source.name;
    }
    source.url = expand(&load->store->arena, url_of(load->store, &source));
    source.password = expand(&load->store->arena, source.password);
    while (str_ends_with(source.url, STR("/"))) source.url.size--;
    if (load->store->datasources.count == DATASOURCES_MAX) {
        return yaml_fail(node, ERROR_LIMIT, load->error, "more than %d data sources",
                         DATASOURCES_MAX);
    }
    return VEC_PUSH(&load->store->datasources, source) ? 0 : fail_memory(load->error);
}

static int take_sources(struct load *load, const char *path, const char *name)
{
    const struct yaml_node *root = NULL;
    if (!is_yaml(name)) return 0;
    int code = read_yaml(load, path, &root);
    const struct yaml_node *list = yaml_get(root, STR("datasources"));
    for (size_t i = 0; code == 0 && list != NULL && i < list->count; i++) {
        if (list->kind != YAML_SEQUENCE) {
            return yaml_fail(list, ERROR_PARSE, load->error, "datasources is a list");
        }
        code = read_source(load, list->items[i]);
    }
    return code;
}

/* ---- dashboards ---- */

static struct str slug_of(struct arena *arena, struct str title)
{
    char *slug = arena_alloc(arena, title.size + 1, 1);
    size_t size = 0;
    if (slug == NULL) return STR("dashboard");
    for (size_t i = 0; i < title.size; i++) {
        char c = title.data[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c | 0x20);
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        if (is_plain) {
            slug[size++] = c;
        } else if (size > 0 && slug[size - 1] != '-') {
            slug[size++] = '-';
        }
    }
    while (size > 0 && slug[size - 1] == '-') size--;
    return size == 0 ? STR("dashboard") : (struct str){ slug, size };
}

static int parse_dashboard(struct load *load, struct str bytes, const char *name,
                           struct dashboard *dashboard, struct error *error)
{
    struct arena *arena = &load->store->arena;
    const struct json *root = NULL;
    int code = json_parse(NULL, arena, bytes, &root, error);
    if (code != 0) return code;
    /* Exports of the API wrap the dashboard. */
    const struct json *inner = json_get(root, STR("dashboard"));
    if (json_is(inner, JSON_OBJECT)) root = inner;
    struct str file = arena_copy(arena, str_from(name));
    struct str stem = str_first(file, file.size - strlen(".json"));
    *dashboard = (struct dashboard){
        .uid = json_text(json_get(root, STR("uid")), stem),
        .title = json_text(json_get(root, STR("title")), STR("")),
        .folder = arena_copy(arena, str_from(load->folder_title)),
        .file = file,
        .tags = STR("[]"),
        .json = root->raw,
    };
    const struct json *tags = json_get(root, STR("tags"));
    if (json_is(tags, JSON_ARRAY)) dashboard->tags = tags->raw;
    if (!json_is(root, JSON_OBJECT) || dashboard->title.size == 0) {
        return error_set(error, ERROR_PARSE, "a dashboard is an object with a title");
    }
    if (dashboard->uid.size == 0) dashboard->uid = stem;
    dashboard->slug = slug_of(arena, dashboard->title);
    return 0;
}

static int take_dashboard(struct load *load, const char *path, const char *name)
{
    struct store *store = load->store;
    struct disk_info info;
    if (disk_system.info(disk_system.state, path, &info) == 0 && info.is_folder) {
        return walk(load, path);
    }
    if (!str_ends_with(str_from(name), STR(".json"))) return 0;
    if (store->dashboards.count == DASHBOARDS_MAX) return 0;
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, DASHBOARD_SIZE_MAX);
    struct dashboard dashboard;
    struct error error = { 0 };
    int code = file_read(&disk_system, path, &bytes, &error);
    if (code == 0) code = parse_dashboard(load, buf_str(&bytes), name, &dashboard, &error);
    if (code == 0 && dashboards_store_dashboard_locked(store, dashboard.uid) != NULL) {
        code = error_set(&error, ERROR_DUPLICATE, "uid '" STR_FMT "' is there already",
                         STR_ARG(dashboard.uid));
    }
    if (code != 0) {
        sl_warn(store->log, "dashboard left out", "file.path", path, "error.message", error.text);
        return 0;
    }
    return VEC_PUSH(&store->dashboards, dashboard) ? 0 : fail_memory(load->error);
}

static bool is_folder(const char *path)
{
    struct disk_info info;
    return disk_system.info(disk_system.state, path, &info) == 0 && info.is_folder;
}

/* Beside the provisioning folder, else where the provider says, as in a container. */
static int read_provider(struct load *load, const struct yaml_node *node)
{
    char path[FILE_PATH_SIZE];
    struct str folder = { 0 };
    struct str wanted = { 0 };
    const struct yaml_node *title = yaml_get(node, STR("folder"));
    const struct yaml_node *where = yaml_get(yaml_get(node, STR("options")), STR("path"));
    if (title != NULL && yaml_text(title, &folder, load->error) != 0) return ERROR_PARSE;
    if (where != NULL && yaml_text(where, &wanted, load->error) != 0) return ERROR_PARSE;
    int code = file_join(path, load->store->config, "dashboards", load->error);
    if (code != 0) return code;
    if (!is_folder(path) && !str_to_cstr(wanted, path, sizeof(path))) return 0;
    char folder_title[256];
    if (!str_to_cstr(folder, folder_title, sizeof(folder_title))) folder_title[0] = '\0';
    load->folder_title = folder_title;
    load->take = take_dashboard;
    return walk(load, path);
}

static int take_providers(struct load *load, const char *path, const char *name)
{
    const struct yaml_node *root = NULL;
    if (!is_yaml(name)) return 0;
    int code = read_yaml(load, path, &root);
    const struct yaml_node *list = yaml_get(root, STR("providers"));
    for (size_t i = 0; code == 0 && list != NULL && i < list->count; i++) {
        if (list->kind != YAML_SEQUENCE) {
            return yaml_fail(list, ERROR_PARSE, load->error, "providers is a list");
        }
        struct load inner = *load;
        code = read_provider(&inner, list->items[i]);
    }
    return code;
}

/* ---- all of it ---- */

static int by_title(const void *a, const void *b)
{
    const struct dashboard *left = a;
    const struct dashboard *right = b;
    return str_compare(left->title, right->title);
}

static int read_all(struct store *fresh, struct error *error)
{
    char path[FILE_PATH_SIZE];
    struct load load = { .store = fresh, .error = error };
    int code = file_join(path, fresh->config, "provisioning/datasources", error);
    load.take = take_sources;
    if (code == 0) code = walk(&load, path);
    if (code == 0) code = file_join(path, fresh->config, "provisioning/dashboards", error);
    load.take = take_providers;
    if (code == 0) code = walk(&load, path);
    if (code == 0 && fresh->dashboards.count > 1) {
        qsort(fresh->dashboards.items, fresh->dashboards.count, sizeof(fresh->dashboards.items[0]),
              by_title);
    }
    return code;
}

static int hash_file(struct load *load, const char *path, const char *name)
{
    (void)name;
    struct disk_info info;
    if (disk_system.info(disk_system.state, path, &info) != 0) return 0;
    uint64_t facts[] = { info.size, info.inode, info.is_folder ? 0 : (uint64_t)info.change_ms };
    load->store->state = str_hash((struct str){ (const char *)facts, sizeof(facts) },
                                  str_hash(str_from(path), load->store->state));
    return info.is_folder ? walk(load, path) : 0;
}

/* Over everything below the configuration's folder. */
static uint64_t state_of(const char *config)
{
    struct store hashed = { .config = config, .state = 1 };
    struct load load = { .store = &hashed, .take = hash_file };
    (void)walk(&load, config);
    return hashed.state;
}

int dashboards_store_load(struct store *store, struct error *error)
{
    struct store fresh = { .config = store->config,
                           .log = store->log,
                           .urls = store->urls,
                           .url_count = store->url_count };
    if (!is_folder(store->config)) {
        return error_set(error, -ENOENT, "'%s' is not a folder with provisioning/ and dashboards/",
                         store->config);
    }
    arena_init(&fresh.arena, STORE_ARENA_SIZE_MAX);
    fresh.state = state_of(store->config);
    int code = read_all(&fresh, error);
    if (code == 0) {
        struct arena before = store->arena;
        store->arena = fresh.arena;
        fresh.arena = before;
        VEC_RELEASE(&store->dashboards);
        VEC_RELEASE(&store->datasources);
        memcpy(&store->dashboards, &fresh.dashboards, sizeof(fresh.dashboards));
        memcpy(&store->datasources, &fresh.datasources, sizeof(fresh.datasources));
    } else {
        VEC_RELEASE(&fresh.dashboards);
        VEC_RELEASE(&fresh.datasources);
    }
    store->state = fresh.state;
    arena_release(&fresh.arena);
    return code;
}

void dashboards_store_lock(struct store *store)
{
    mutex_lock(&store->mutex);
    int64_t now_ms = clock_monotonic_ms(&clock_system);
    if (now_ms - store->checked_ms < CHECK_INTERVAL_MS) return;
    store->checked_ms = now_ms;
    if (state_of(store->config) == store->state) return;
    struct error error = { 0 };
    if (dashboards_store_load(store, &error) != 0) {
        sl_warn(store->log, "changed files cannot be read; all stays as it was", "error.message",
                error.text);
    } else {
        sl_info(store->log, "dashboards loaded", "dashboards", store->dashboards.count);
    }
}

void dashboards_store_unlock(struct store *store)
{
    mutex_unlock(&store->mutex);
}

const struct dashboard *dashboards_store_dashboard_locked(const struct store *store, struct str uid)
{
    for (size_t i = 0; i < store->dashboards.count; i++) {
        if (str_equal(store->dashboards.items[i].uid, uid)) return &store->dashboards.items[i];
    }
    return NULL;
}

const struct datasource *dashboards_store_datasource_locked(const struct store *store,
                                                            struct str uid)
{
    for (size_t i = 0; i < store->datasources.count; i++) {
        if (str_equal(store->datasources.items[i].uid, uid)) return &store->datasources.items[i];
    }
    return NULL;
}
