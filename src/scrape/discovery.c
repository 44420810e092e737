/* discovery.c - from groups of addresses to targets: files, special labels, relabelling, URLs. */
#include "scrape/target.h"

#include "base/file.h"
#include "base/vec.h"
#include "codec/glob.h"
#include "codec/json.h"
#include "model/duration.h"

#include <errno.h>

#define FILE_SIZE_MAX (16u << 20)

/* What one discovery has gathered. */
struct discovery {
    const struct scrape_job *job;
    const char *folder;
    struct arena *arena;
    struct sl_logger *log;
    VEC(struct scrape_found) found;
};

static int fail_memory(struct error *error)
{
    return error_set(error, -ENOMEM, "no memory for targets");
}

/* "true labels": what is left without the __ ones. */
static int final_labels(struct discovery *discovery, const struct labels_builder *builder,
                        struct labels *labels)
{
    CLEANUP(labels_builder_release) struct labels_builder clean = { 0 };
    struct labels all = labels_builder_labels(builder);
    for (size_t i = 0; i < all.count; i++) {
        if (str_starts_with(all.items[i].name, STR("__"))) continue;
        labels_builder_set(&clean, all.items[i].name, all.items[i].value);
    }
    if (labels_get(all, STR("instance")).size == 0) {
        labels_builder_set(&clean, STR("instance"), labels_get(all, STR("__address__")));
    }
    return labels_copy(discovery->arena, labels_builder_labels(&clean), labels);
}

static void append_query(struct buf *url, const struct scrape_job *job, struct labels labels,
                         struct arena *arena)
{
    char separator = '?';
    for (size_t i = 0; i < labels.count; i++) {
        struct str name = labels.items[i].name;
        if (!str_starts_with(name, STR("__param_"))) continue;
        name = str_skip(name, 8);
        buf_append_char(url, separator);
        buf_append_str(url, http_escape(arena, name));
        buf_append_char(url, '=');
        buf_append_str(url, http_escape(arena, labels.items[i].value));
        separator = '&';
    }
    /* Only the first value of a parameter can be relabelled; the others are as configured. */
    for (size_t i = 0; i < job->param_count; i++) {
        for (size_t j = 1; j < job->params[i].values.count; j++) {
            buf_append_char(url, separator);
            buf_append_str(url, http_escape(arena, job->params[i].name));
            buf_append_char(url, '=');
            buf_append_str(url, http_escape(arena, job->params[i].values.items[j]));
            separator = '&';
        }
    }
}

static int make_url(struct discovery *discovery, struct labels labels, struct str *url)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 64 << 10);
    struct str path = labels_get(labels, STR("__metrics_path__"));
    buf_append_str(&text, labels_get(labels, STR("__scheme__")));
    buf_append_str(&text, STR("://"));
    buf_append_str(&text, labels_get(labels, STR("__address__")));
    if (path.size == 0 || path.data[0] != '/') buf_append_char(&text, '/');
    buf_append_str(&text, path);
    append_query(&text, discovery->job, labels, discovery->arena);
    *url = arena_copy(discovery->arena, buf_str(&text));
    return text.has_failed || url->data == NULL ? -ENOMEM : 0;
}

static void put_specials(struct discovery *discovery, struct labels_builder *builder,
                         struct str address)
{
    const struct scrape_job *job = discovery->job;
    struct arena *arena = discovery->arena;
    char interval[DURATION_TEXT_SIZE];
    char timeout[DURATION_TEXT_SIZE];
    labels_builder_set(builder, STR("__address__"), address);
    struct {
        struct str name;
        struct str value;
    } defaults[] = {
        { STR("job"), job->name },
        { STR("__scheme__"), job->scheme },
        { STR("__metrics_path__"), job->metrics_path },
        { STR("__scrape_interval__"),
          arena_copy(arena, str_from(duration_print(job->interval_ms, interval))) },
        { STR("__scrape_timeout__"),
          arena_copy(arena, str_from(duration_print(job->timeout_ms, timeout))) },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(defaults); i++) {
        if (labels_builder_get(builder, defaults[i].name).size > 0) continue;
        labels_builder_set(builder, defaults[i].name, defaults[i].value);
    }
    for (size_t i = 0; i < job->param_count; i++) {
        if (job->params[i].values.count == 0) continue;
        struct str name = arena_printf(arena, "__param_" STR_FMT, STR_ARG(job->params[i].name));
        labels_builder_set(builder, name, job->params[i].values.items[0]);
    }
}

static int read_times(struct labels labels, struct scrape_found *target, struct error *error)
{
    int code =
        duration_parse(labels_get(labels, STR("__scrape_interval__")), &target->interval_ms, error);
    if (code == 0) {
        code = duration_parse(labels_get(labels, STR("__scrape_timeout__")), &target->timeout_ms,
                              error);
    }
    if (code == 0 && target->timeout_ms > target->interval_ms) {
        code = error_set(error, ERROR_INVALID, "scrape timeout is greater than its interval");
    }
    return code;
}

static int make_key(struct discovery *discovery, struct scrape_found *target)
{
    CLEANUP(buf_release) struct buf key;
    buf_init(&key, 1 << 20);
    buf_append_str(&key, discovery->job->name);
    buf_append_char(&key, '\n');
    buf_append_str(&key, target->url);
    buf_printf(&key, "\n%lld %lld", (long long)target->interval_ms, (long long)target->timeout_ms);
    labels_print(&key, target->labels);
    target->key = arena_copy(discovery->arena, buf_str(&key));
    return key.has_failed || target->key.data == NULL ? -ENOMEM : 0;
}

/* Relabels the set in the builder and makes a target of it; 1 when it is dropped. */
static int finish_target(struct discovery *discovery, struct labels_builder *builder,
                         struct scrape_found *target, struct error *error)
{
    int code = relabel_apply(discovery->job->relabels.items, discovery->job->relabels.count,
                             builder, discovery->arena, error);
    if (code < 0) return code;
    struct labels labels = labels_builder_labels(builder);
    if (code == 0 || labels_get(labels, STR("__address__")).size == 0) return 1;
    code = read_times(labels, target, error);
    if (code != 0) return code;
    if (make_url(discovery, labels, &target->url) != 0 ||
        final_labels(discovery, builder, &target->labels) != 0 ||
        make_key(discovery, target) != 0) {
        return fail_memory(error);
    }
    return 0;
}

static bool is_known(const struct discovery *discovery, struct str key)
{
    for (size_t i = 0; i < discovery->found.count; i++) {
        const struct scrape_found *other = &discovery->found.items[i];
        if (!other->is_dropped && str_equal(other->key, key)) return true;
    }
    return false;
}

static int add_target(struct discovery *discovery, const struct scrape_group *group,
                      struct str address, struct error *error)
{
    CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
    labels_builder_start(&builder, group->labels);
    put_specials(discovery, &builder, address);
    struct scrape_found target = { .job = discovery->job };
    if (builder.has_failed ||
        labels_copy(discovery->arena, labels_builder_labels(&builder), &target.discovered) != 0) {
        return fail_memory(error);
    }
    struct error cause = { 0 };
    int code = finish_target(discovery, &builder, &target, &cause);
    if (code == -ENOMEM) return fail_memory(error);
    if (code < 0) {
        sl_warn(discovery->log, "target left out", "job",
                sl_strn(discovery->job->name.data, discovery->job->name.size), "target",
                sl_strn(address.data, address.size), "error.message", cause.text);
        return 0;
    }
    target.is_dropped = code == 1;
    if (!target.is_dropped && is_known(discovery, target.key)) return 0;
    return VEC_PUSH(&discovery->found, target) ? 0 : fail_memory(error);
}

static int add_group(struct discovery *discovery, const struct scrape_group *group,
                     struct error *error)
{
    for (size_t i = 0; i < group->addresses.count; i++) {
        int code = add_target(discovery, group, group->addresses.items[i], error);
        if (code != 0) return code;
    }
    return 0;
}

/* ---- files ---- */

static int read_json_labels(struct arena *arena, const struct json *object, struct labels *labels)
{
    CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
    for (size_t i = 0; json_is(object, JSON_OBJECT) && i < object->object.count; i++) {
        const struct json_member *member = &object->object.members[i];
        labels_builder_set(&builder, member->key, json_text(&member->value, STR("")));
    }
    return labels_copy(arena, labels_builder_labels(&builder), labels);
}

static int read_json_group(struct arena *arena, const struct json *item, struct scrape_group *group,
                           struct error *error)
{
    const struct json *targets = json_get(item, STR("targets"));
    if (!json_is(targets, JSON_ARRAY)) {
        return error_set(error, ERROR_PARSE, "an entry needs a list 'targets'");
    }
    struct str *addresses = ARENA_ARRAY(arena, struct str, targets->array.count);
    if (addresses == NULL && targets->array.count > 0) return fail_memory(error);
    for (size_t i = 0; i < targets->array.count; i++) {
        if (!json_is(&targets->array.items[i], JSON_TEXT)) {
            return error_set(error, ERROR_PARSE, "targets are texts");
        }
        addresses[i] = targets->array.items[i].text;
    }
    group->addresses = (struct scrape_texts){ addresses, targets->array.count };
    return read_json_labels(arena, json_get(item, STR("labels")), &group->labels);
}

static int read_yaml_group(struct arena *arena, const struct yaml_node *item,
                           struct scrape_group *group, struct error *error)
{
    struct yaml_reading reading = { .arena = arena };
    const struct yaml_node *targets = yaml_get(item, STR("targets"));
    const struct yaml_node *labels = yaml_get(item, STR("labels"));
    if (targets == NULL || targets->kind != YAML_SEQUENCE) {
        return yaml_fail(item, ERROR_PARSE, error, "an entry needs a list 'targets'");
    }
    struct str *addresses = ARENA_ARRAY(arena, struct str, targets->count);
    if (addresses == NULL && targets->count > 0) return fail_memory(error);
    for (size_t i = 0; i < targets->count; i++) {
        int code = yaml_text(targets->items[i], &addresses[i], error);
        if (code != 0) return code;
    }
    group->addresses = (struct scrape_texts){ addresses, targets->count };
    return labels == NULL ? 0 : scrape_read_labels(labels, &group->labels, &reading, error);
}

/* The groups of a file; nothing is added unless all of it is good. */
static int read_groups(struct arena *arena, const char *path, struct scrape_group **groups,
                       size_t *count, struct error *error)
{
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, FILE_SIZE_MAX);
    const struct yaml_node *yaml = NULL;
    const struct json *json = NULL;
    bool is_json = str_ends_with(str_from(path), STR(".json"));
    int code = file_read(&disk_system, path, &bytes, error);
    if (code == 0 && is_json) code = json_parse(NULL, arena, buf_str(&bytes), &json, error);
    if (code == 0 && !is_json)
        code = yaml_parse(arena, buf_str(&bytes), str_from(path), &yaml, error);
    if (code != 0) return code;
    if (is_json ? !json_is(json, JSON_ARRAY) : yaml != NULL && yaml->kind != YAML_SEQUENCE) {
        return error_set(error, ERROR_PARSE, "expected a list of targets and labels");
    }
    *count = is_json ? json->array.count : (yaml == NULL ? 0 : yaml->count);
    *groups = ARENA_ARRAY(arena, struct scrape_group, *count);
    if (*groups == NULL && *count > 0) return fail_memory(error);
    for (size_t i = 0; i < *count; i++) {
        code = is_json ? read_json_group(arena, &json->array.items[i], &(*groups)[i], error)
                       : read_yaml_group(arena, yaml->items[i], &(*groups)[i], error);
        if (code != 0) return code;
    }
    return 0;
}

static int add_file(struct discovery *discovery, const char *path, struct error *error)
{
    struct scrape_group *groups = NULL;
    size_t count = 0;
    struct error cause = { 0 };
    if (read_groups(discovery->arena, path, &groups, &count, &cause) != 0) {
        sl_warn(discovery->log, "target file cannot be read, its targets stay as they were",
                "file.path", path, "error.message", cause.text);
        struct scrape_found broken = { .job = discovery->job,
                                       .url = arena_copy(discovery->arena, str_from(path)),
                                       .is_broken = true };
        return VEC_PUSH(&discovery->found, broken) ? 0 : fail_memory(error);
    }
    struct str file = arena_copy(discovery->arena, str_from(path));
    for (size_t i = 0; i < count; i++) {
        CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
        labels_builder_start(&builder, groups[i].labels);
        labels_builder_set(&builder, STR("__meta_filepath"), file);
        groups[i].labels = labels_builder_labels(&builder);
        int code = add_group(discovery, &groups[i], error);
        if (code != 0) return code;
    }
    return 0;
}

/* Names that fit the pattern. */
struct matching {
    struct str pattern;
    VEC(char *) names;
};

static int match_name(void *argument, const char *name)
{
    struct matching *matching = argument;
    if (!glob_matches(matching->pattern, str_from(name))) return 0;
    char *copy = str_copy(str_from(name));
    if (copy != NULL && !VEC_PUSH(&matching->names, copy)) free(copy);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void scrape_visit_files(struct str pattern, const char *folder,
                        void (*use)(void *argument, const char *path), void *argument)
{
    char name[FILE_PATH_SIZE];
    char path[FILE_PATH_SIZE];
    if (!str_to_cstr(pattern, name, sizeof(name))) return;
    bool is_absolute = name[0] == '/' || folder == NULL;
    if (file_join(path, is_absolute ? "" : folder, name + (is_absolute && name[0] == '/'), NULL) !=
        0) {
        return;
    }
    char *slash = strrchr(path, '/');
    if (slash == NULL) return;
    *slash = '\0';
    struct matching matching = { .pattern = str_from(slash + 1) };
    const char *place = slash == path ? "/" : path;
    (void)disk_system.list(disk_system.state, place, match_name, &matching);
    if (matching.names.count > 1) {
        qsort(matching.names.items, matching.names.count, sizeof(char *), compare_names);
    }
    for (size_t i = 0; i < matching.names.count; i++) {
        char whole[FILE_PATH_SIZE];
        if (file_join(whole, place, matching.names.items[i], NULL) == 0) use(argument, whole);
        free(matching.names.items[i]);
    }
    VEC_RELEASE(&matching.names);
}

static void visit_files(const struct scrape_job *job, const char *folder,
                        void (*use)(void *argument, const char *path), void *argument)
{
    for (size_t i = 0; i < job->files.count; i++) {
        scrape_visit_files(job->files.items[i], folder, use, argument);
    }
}

struct file_walk {
    struct discovery *discovery;
    struct error *error;
    int code;
    uint64_t state;
};

static void use_file(void *argument, const char *path)
{
    struct file_walk *walk = argument;
    if (walk->code == 0) walk->code = add_file(walk->discovery, path, walk->error);
}

static void hash_file(void *argument, const char *path)
{
    struct file_walk *walk = argument;
    struct disk_info info = { 0 };
    if (disk_system.info(disk_system.state, path, &info) != 0) return;
    uint64_t facts[] = { info.size, info.inode, (uint64_t)info.change_ms };
    walk->state = str_hash((struct str){ (const char *)facts, sizeof(facts) },
                           str_hash(str_from(path), walk->state));
}

uint64_t scrape_files_state(const struct scrape_job *job, const char *folder)
{
    struct file_walk walk = { .state = 1 };
    visit_files(job, folder, hash_file, &walk);
    return walk.state;
}

int scrape_discover(const struct scrape_job *job, const char *folder, struct arena *arena,
                    struct sl_logger *log, const struct scrape_found **found, size_t *count,
                    struct error *error)
{
    struct discovery discovery = { .job = job, .folder = folder, .arena = arena, .log = log };
    int code = 0;
    for (size_t i = 0; i < job->group_count && code == 0; i++) {
        code = add_group(&discovery, &job->groups[i], error);
    }
    struct file_walk walk = { .discovery = &discovery, .error = error, .code = code };
    visit_files(job, folder, use_file, &walk);
    code = walk.code;
    struct scrape_found *items = ARENA_ARRAY(arena, struct scrape_found, discovery.found.count);
    if (code == 0 && items == NULL && discovery.found.count > 0) code = fail_memory(error);
    if (code == 0) {
        if (discovery.found.count > 0) {
            memcpy(items, discovery.found.items, discovery.found.count * sizeof(*items));
        }
        *found = items;
        *count = discovery.found.count;
    }
    VEC_RELEASE(&discovery.found);
    return code;
}
