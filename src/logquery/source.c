/* source.c - the parts of a document's source that "_source" asks for. */
#include "logquery/search.h"

#include <string.h>

#define PATH_SIZE_MAX 2048

int source_spec_read(struct parse *parse, const struct json *json, struct logquery_source *spec)
{
    if (json == NULL) return 0;
    *spec = (struct logquery_source){ 0 };
    if (json_is(json, JSON_BOOL) ||
        (json_is(json, JSON_TEXT) &&
         (str_equal(json->text, STR("false")) || str_equal(json->text, STR("true"))))) {
        spec->is_off = !parse_flag(json, true);
        return 0;
    }
    const struct json *includes = json;
    const struct json *excludes = NULL;
    if (json_is(json, JSON_OBJECT)) {
        includes = json_get(json, STR("includes"));
        if (includes == NULL) includes = json_get(json, STR("include"));
        excludes = json_get(json, STR("excludes"));
        if (excludes == NULL) excludes = json_get(json, STR("exclude"));
    }
    int code = parse_texts(parse, includes, false, &spec->includes, &spec->include_count);
    if (code < 0) return code;
    return parse_texts(parse, excludes, false, &spec->excludes, &spec->exclude_count);
}

struct filter {
    const struct logquery_source *spec;
    struct json_writer *json;
    char path[PATH_SIZE_MAX];
    size_t path_size;
};

/* Whether a pattern names the path or something above it. */
static bool covers(struct str pattern, struct str path)
{
    if (logstore_name_matches(pattern, path)) return true;
    for (size_t i = path.size; i > 0; i--) {
        if (path.data[i - 1] != '.') continue;
        if (logstore_name_matches(pattern, str_first(path, i - 1))) return true;
    }
    return false;
}

/* Whether a pattern may name something below the path. */
static bool reaches_below(struct str pattern, struct str path)
{
    size_t star = str_find_char(pattern, '*');
    struct str head = star == STR_NONE ? pattern : str_first(pattern, star);
    if (head.size > path.size) return str_starts_with(head, path) && head.data[path.size] == '.';
    return star != STR_NONE && str_starts_with(path, head);
}

static bool is_covered(const struct str *patterns, size_t count, struct str path)
{
    for (size_t i = 0; i < count; i++) {
        if (covers(patterns[i], path)) return true;
    }
    return false;
}

static bool is_wanted(const struct logquery_source *spec, struct str path, bool is_container)
{
    if (is_covered(spec->excludes, spec->exclude_count, path)) return false;
    if (spec->include_count == 0 || is_covered(spec->includes, spec->include_count, path))
        return true;
    for (size_t i = 0; is_container && i < spec->include_count; i++) {
        if (reaches_below(spec->includes[i], path)) return true;
    }
    return false;
}

static void write_value(struct filter *filter, const struct json *value);

static void write_object(struct filter *filter, const struct json *object)
{
    size_t size_before = filter->path_size;
    json_object_begin(filter->json);
    for (size_t i = 0; i < object->object.count; i++) {
        const struct json_member *member = &object->object.members[i];
        if (size_before + member->key.size + 1 > PATH_SIZE_MAX) continue;
        if (size_before > 0) filter->path[filter->path_size++] = '.';
        memcpy(filter->path + filter->path_size, member->key.data, member->key.size);
        filter->path_size += member->key.size;
        bool is_container = member->value.kind == JSON_OBJECT || member->value.kind == JSON_ARRAY;
        struct str path = { filter->path, filter->path_size };
        if (is_wanted(filter->spec, path, is_container)) {
            json_key(filter->json, member->key);
            write_value(filter, &member->value);
        }
        filter->path_size = size_before;
    }
    json_object_end(filter->json);
}

/* Depth: JSON_DEPTH_MAX. */
static void write_value(struct filter *filter, const struct json *value)
{
    if (value->kind == JSON_OBJECT) {
        write_object(filter, value);
    } else if (value->kind == JSON_ARRAY) {
        json_array_begin(filter->json);
        for (size_t i = 0; i < value->array.count; i++) {
            write_value(filter, &value->array.items[i]);
        }
        json_array_end(filter->json);
    } else {
        json_put_raw(filter->json, value->raw);
    }
}

int source_write(const struct logquery_source *spec, const struct json *root, struct str raw,
                 struct json_writer *json)
{
    if (spec->include_count == 0 && spec->exclude_count == 0) {
        json_put_raw(json, raw);
        return 0;
    }
    struct filter filter = { .spec = spec, .json = json };
    write_value(&filter, root);
    return 0;
}

int logquery_source_read(const struct json *value, struct arena *arena,
                         struct logquery_source *spec)
{
    struct logquery_failure failure = { 0 };
    struct error error = { 0 };
    struct parse parse = { .arena = arena, .failure = &failure, .error = &error };
    bool fits = value == NULL || value->kind == JSON_TEXT || value->kind == JSON_BOOL ||
                value->kind == JSON_ARRAY || value->kind == JSON_OBJECT;
    return fits ? source_spec_read(&parse, value, spec) : ERROR_INVALID;
}

int logquery_source_read_url(struct str source, struct str includes, struct str excludes,
                             struct arena *arena, struct logquery_source *spec)
{
    struct logquery_failure failure = { 0 };
    struct error error = { 0 };
    struct parse parse = { .arena = arena, .failure = &failure, .error = &error };
    bool is_flag = str_equal(source, STR("true")) || str_equal(source, STR("false"));
    int code = 0;
    if (source.data != NULL || includes.data != NULL || excludes.data != NULL) {
        *spec = (struct logquery_source){ .is_off = str_equal(source, STR("false")) };
    }
    struct str wanted = is_flag || source.size == 0 ? includes : source;
    if (wanted.data != NULL) {
        struct json value = { .kind = JSON_TEXT, .raw = wanted, .text = wanted };
        code = parse_texts(&parse, &value, true, &spec->includes, &spec->include_count);
    }
    if (code == 0 && excludes.data != NULL) {
        struct json value = { .kind = JSON_TEXT, .raw = excludes, .text = excludes };
        code = parse_texts(&parse, &value, true, &spec->excludes, &spec->exclude_count);
    }
    return code;
}

int logquery_source_write(const struct logquery_source *spec, struct str source,
                          struct arena *arena, struct buf *out)
{
    const struct json *root = NULL;
    struct json_writer json;
    json_writer_init(&json, out);
    if (spec->include_count > 0 || spec->exclude_count > 0) {
        int code = json_parse(NULL, arena, source, &root, NULL);
        if (code < 0) return code;
    }
    return source_write(spec, root, source, &json);
}
