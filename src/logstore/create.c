/* create.c - making and removing indices and data streams; templates applied. */
#include "base/check.h"
#include "codec/json_writer.h"
#include "logstore/catalog_text.h"
#include "logstore/settings.h"
#include "logstore/store.h"

#include <errno.h>

#define JSON_MEMORY_MAX ((size_t)256 << 20)

static void make_uuid(struct logstore *store, char *uuid, size_t size)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < size; i++) uuid[i] = alphabet[random_below(&store->dice, 64)];
}

/* What an index is made of: settings and mapping from templates, then from the request. */
struct recipe {
    struct logstore *store;
    struct arena arena;
    struct logstore_mapping *mapping;
    const struct json *parts[16]; /* {settings, mappings, aliases} objects, weakest first */
    size_t part_count;
    struct str template_name; /* the composable template that fits; empty: none */
    bool is_stream;           /* it has "data_stream" */
};

static int add_part(struct recipe *recipe, const struct json *part)
{
    if (part == NULL || recipe->part_count == ARRAY_LENGTH(recipe->parts)) return 0;
    recipe->parts[recipe->part_count++] = part;
    return 0;
}

static bool patterns_fit(const struct json *root, struct str name)
{
    const struct json *patterns = json_get(root, STR("index_patterns"));
    if (json_is(patterns, JSON_TEXT)) return logstore_name_matches(patterns->text, name);
    for (size_t i = 0; json_is(patterns, JSON_ARRAY) && i < patterns->array.count; i++) {
        struct str pattern = json_text(&patterns->array.items[i], STR(""));
        if (logstore_name_matches(pattern, name)) return true;
    }
    return false;
}

static const struct json *parse_object(struct recipe *recipe, struct str text)
{
    const struct json *root = NULL;
    return json_parse(NULL, &recipe->arena, text, &root, NULL) < 0 ? NULL : root;
}

static const struct json *component_body(struct recipe *recipe, struct str name)
{
    const struct logstore *store = recipe->store;
    for (size_t i = 0; i < store->objects.count; i++) {
        const struct store_object *object = &store->objects.items[i];
        if (object->kind != LOGSTORE_COMPONENT_TEMPLATE || !str_equal(object->name, name)) continue;
        return json_get(parse_object(recipe, object->json), STR("template"));
    }
    return NULL;
}

/* The composable template of the highest priority that fits; it hides all legacy ones. */
static bool add_composable(struct recipe *recipe, struct str name)
{
    const struct logstore *store = recipe->store;
    const struct json *best = NULL;
    int64_t best_priority = -1;
    for (size_t i = 0; i < store->objects.count; i++) {
        const struct store_object *object = &store->objects.items[i];
        if (object->kind != LOGSTORE_INDEX_TEMPLATE) continue;
        const struct json *root = parse_object(recipe, object->json);
        int64_t priority = json_integer(json_get(root, STR("priority")), 0);
        if (!patterns_fit(root, name) || priority <= best_priority) continue;
        best = root;
        best_priority = priority;
        recipe->template_name = object->name;
    }
    if (best == NULL) return false;
    recipe->is_stream = json_get(best, STR("data_stream")) != NULL;
    const struct json *components = json_get(best, STR("composed_of"));
    for (size_t i = 0; json_is(components, JSON_ARRAY) && i < components->array.count; i++) {
        struct str component = json_text(&components->array.items[i], STR(""));
        (void)add_part(recipe, component_body(recipe, component));
    }
    (void)add_part(recipe, json_get(best, STR("template")));
    return true;
}

static void add_legacy(struct recipe *recipe, struct str name)
{
    const struct logstore *store = recipe->store;
    int64_t orders[ARRAY_LENGTH(recipe->parts)];
    size_t start = recipe->part_count;
    for (size_t i = 0; i < store->objects.count; i++) {
        const struct store_object *object = &store->objects.items[i];
        if (object->kind != LOGSTORE_TEMPLATE) continue;
        const struct json *root = parse_object(recipe, object->json);
        if (!patterns_fit(root, name) || recipe->part_count == ARRAY_LENGTH(recipe->parts))
            continue;
        int64_t order = json_integer(json_get(root, STR("order")), 0);
        size_t at = recipe->part_count++;
        while (at > start && orders[at - 1] > order) {
            recipe->parts[at] = recipe->parts[at - 1];
            orders[at] = orders[at - 1];
            at--;
        }
        recipe->parts[at] = root;
        orders[at] = order;
    }
}

static int apply_parts(struct recipe *recipe, struct buf *settings, struct error *error)
{
    struct setting_vec list = { 0 };
    struct str mappings[ARRAY_LENGTH(recipe->parts)];
    size_t mapping_count = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < recipe->part_count; i++) {
        const struct json *part = recipe->parts[i];
        const struct json *mapping = json_get(part, STR("mappings"));
        if (json_is(mapping, JSON_OBJECT)) mappings[mapping_count++] = mapping->raw;
        const struct json *given = json_get(part, STR("settings"));
        if (given != NULL && given->kind != JSON_NULL && !json_is(given, JSON_OBJECT)) {
            code = error_set(error, ERROR_INVALID, "[settings] must be an object");
        } else if (settings_add(&list, &recipe->arena, given) < 0) {
            code = error_set(error, -ENOMEM, "create an index: out of memory");
        }
    }
    if (code == 0) code = logstore_mapping_make(recipe->mapping, mappings, mapping_count, error);
    if (code == 0) {
        code =
            logstore_mapping_check(recipe->mapping, recipe->store->options.field_count_max, error);
    }
    if (code == 0) code = settings_check(&list, error);
    settings_print(&list, settings);
    VEC_RELEASE(&list);
    if (code < 0) return code;
    return settings->has_failed ? error_set(error, -ENOMEM, "create an index: out of memory") : 0;
}

static int add_aliases(struct logstore *store, const struct recipe *recipe, struct str index,
                       struct error *error)
{
    for (size_t i = 0; i < recipe->part_count; i++) {
        const struct json *aliases = json_get(recipe->parts[i], STR("aliases"));
        for (size_t k = 0; json_is(aliases, JSON_OBJECT) && k < aliases->object.count; k++) {
            const struct json_member *member = &aliases->object.members[k];
            struct store_alias alias = {
                .is_write_index =
                    json_boolean(json_get(&member->value, STR("is_write_index")), false),
            };
            const struct json *filter = json_get(&member->value, STR("filter"));
            if (!text_set(&alias.name, member->key) || !text_set(&alias.index, index) ||
                !text_set(&alias.filter, filter == NULL ? STR("") : filter->raw) ||
                !VEC_PUSH(&store->aliases, alias)) {
                return error_set(error, -ENOMEM, "create an index: out of memory");
            }
        }
    }
    return 0;
}

static int insert_index(struct logstore *store, struct store_index *index, struct error *error)
{
    if (!VEC_PUSH(&store->indices, index)) {
        return error_set(error, -ENOMEM, "create an index: out of memory");
    }
    size_t at = store->indices.count - 1;
    while (at > 0 && str_compare(store->indices.items[at - 1]->name, index->name) > 0) {
        store->indices.items[at] = store->indices.items[at - 1];
        at--;
    }
    store->indices.items[at] = index;
    return 0;
}

static int build_index(struct recipe *recipe, struct str name, struct str data_stream,
                       struct store_index **index_out, struct error *error)
{
    struct logstore *store = recipe->store;
    CLEANUP(buf_release) struct buf settings = { 0 };
    buf_init(&settings, JSON_MEMORY_MAX);
    recipe->mapping = logstore_mapping_new();
    struct store_index *index = calloc(1, sizeof(*index));
    if (recipe->mapping == NULL || index == NULL) {
        logstore_mapping_free(recipe->mapping);
        free(index);
        return error_set(error, -ENOMEM, "create an index: out of memory");
    }
    index->mapping = recipe->mapping;
    char uuid[22];
    make_uuid(store, uuid, sizeof(uuid));
    int code = apply_parts(recipe, &settings, error);
    if (code == 0 && data_stream.size > 0 &&
        logstore_mapping_find(index->mapping, STR("@timestamp")) == NULL) {
        struct logstore_field field = { .path = STR("@timestamp"), .type = LOGSTORE_DATE };
        code = logstore_mapping_add(index->mapping, &field, error);
    }
    index->created_ms = clock_realtime_ms(store->clock);
    index->is_strict = store->options.strict_mapping;
    if (code == 0 &&
        (!text_set(&index->name, name) || !text_set(&index->data_stream, data_stream) ||
         !text_set(&index->uuid, (struct str){ uuid, sizeof(uuid) }) ||
         !text_set(&index->settings, buf_str(&settings)))) {
        code = error_set(error, -ENOMEM, "create an index: out of memory");
    }
    if (code < 0) {
        store_index_free(store, index);
        return code;
    }
    *index_out = index;
    return 0;
}

/* What is deleted, kept until the catalog says so: then it goes, or is put back. */
struct removal {
    struct store_index_vec indices;
    VEC(struct store_alias) aliases;
    struct store_stream stream;
    bool has_stream;
};

/* State held. False: out of memory. */
static bool take_index(struct logstore *store, struct store_index *index, struct removal *removal)
{
    if (!VEC_PUSH(&removal->indices, index)) return false;
    for (size_t i = store->aliases.count; i > 0; i--) {
        if (!str_equal(store->aliases.items[i - 1].index, index->name)) continue;
        if (!VEC_PUSH(&removal->aliases, store->aliases.items[i - 1])) return false;
        VEC_REMOVE(&store->aliases, i - 1);
    }
    for (size_t i = 0; i < store->indices.count; i++) {
        if (store->indices.items[i] == index) VEC_REMOVE(&store->indices, i);
    }
    return true;
}

/* The lists had room for all this before. State held. */
static void put_back(struct logstore *store, struct removal *removal)
{
    VEC_FOR_EACH (&removal->indices, index) {
        if (store_index_find(store, (*index)->name) == NULL) {
            CHECK(insert_index(store, *index, NULL) == 0);
        }
    }
    VEC_FOR_EACH (&removal->aliases, alias) CHECK(VEC_PUSH(&store->aliases, *alias));
    if (removal->has_stream) CHECK(VEC_PUSH(&store->streams, removal->stream));
}

/* State held. */
static void removal_free(struct logstore *store, struct removal *removal)
{
    VEC_FOR_EACH (&removal->indices, index) {
        VEC_FOR_EACH (&(*index)->segments, item) item->segment->removes_file = true;
        store_index_free(store, *index);
    }
    VEC_FOR_EACH (&removal->aliases, alias) {
        text_free(alias->name);
        text_free(alias->index);
    }
    text_free(removal->stream.name);
    text_free(removal->stream.template_name);
}

/* Saves the catalog without what was taken out (`code` 0) and deletes it; or puts it back. */
static int finish_removal(struct logstore *store, struct removal *removal, int code,
                          struct error *error)
{
    if (code == 0) code = store_catalog_save(store, error);
    mutex_lock(&store->state);
    if (code < 0) {
        put_back(store, removal);
    } else {
        removal_free(store, removal);
    }
    mutex_unlock(&store->state);
    VEC_RELEASE(&removal->indices);
    VEC_RELEASE(&removal->aliases);
    return code;
}

/* Undoes a creation that the catalog does not know. State held. */
static void undo_creation(struct logstore *store, struct store_index *index)
{
    for (size_t i = 0; i < store->indices.count; i++) {
        if (store->indices.items[i] == index) VEC_REMOVE(&store->indices, i);
    }
    for (size_t i = store->aliases.count; i > 0; i--) {
        struct store_alias *alias = &store->aliases.items[i - 1];
        if (!str_equal(alias->index, index->name)) continue;
        store_alias_release(alias);
        VEC_REMOVE(&store->aliases, i - 1);
    }
    store_index_free(store, index);
}

static int create_from(struct recipe *recipe, struct str name, struct str data_stream,
                       struct store_index **index_out, struct error *error)
{
    struct logstore *store = recipe->store;
    struct store_index *index = NULL;
    int code = build_index(recipe, name, data_stream, &index, error);
    if (code < 0) return code;
    mutex_lock(&store->state);
    code = insert_index(store, index, error);
    if (code == 0) code = add_aliases(store, recipe, index->name, error);
    mutex_unlock(&store->state);
    if (code == 0) code = store_catalog_save(store, error);
    if (code < 0) {
        mutex_lock(&store->state);
        undo_creation(store, index);
        mutex_unlock(&store->state);
        return code;
    }
    *index_out = index;
    return 0;
}

int store_index_create(struct logstore *store, struct str name, struct str body,
                       struct str data_stream, struct store_index **index_out, struct error *error)
{
    const char *reason;
    if (data_stream.size == 0 && !logstore_name_is_valid(name, &reason)) {
        return error_set(error, ERROR_INVALID, "Invalid index name [" STR_FMT "], %s",
                         STR_ARG(name), reason);
    }
    if (store_index_find(store, name) != NULL) {
        return error_set(error, -EEXIST, "index [" STR_FMT "/" STR_FMT "] already exists",
                         STR_ARG(name), STR_ARG(store_index_find(store, name)->uuid));
    }
    if (store_name_is_taken(store, name)) {
        return error_set(error, ERROR_INVALID,
                         "Invalid index name [" STR_FMT
                         "], an alias or a data stream has the same name",
                         STR_ARG(name));
    }
    struct recipe recipe = { .store = store };
    arena_init(&recipe.arena, JSON_MEMORY_MAX);
    struct str wanted = data_stream.size > 0 ? data_stream : name;
    if (!add_composable(&recipe, wanted)) add_legacy(&recipe, wanted);
    int code = 0;
    if (body.size > 0) {
        const struct json *root = NULL;
        code = json_parse(NULL, &recipe.arena, body, &root, error);
        if (code == 0 && !json_is(root, JSON_OBJECT)) {
            code = error_set(error, ERROR_INVALID, "request body must be an object");
        }
        if (code == 0) {
            recipe.part_count -= recipe.part_count == ARRAY_LENGTH(recipe.parts);
            code = add_part(&recipe, root);
        }
    }
    if (code == 0) code = create_from(&recipe, name, data_stream, index_out, error);
    arena_release(&recipe.arena);
    return code;
}

static int create_stream(struct logstore *store, struct str name, struct str template_name,
                         struct store_index **index_out, struct error *error)
{
    CLEANUP(buf_release) struct buf backing = { 0 };
    buf_init(&backing, 512);
    buf_printf(&backing, ".ds-" STR_FMT "-", STR_ARG(name));
    date_print_ms(clock_realtime_ms(store->clock), STR("yyyy.MM.dd"), 0, &backing);
    buf_append_cstr(&backing, "-000001");
    struct store_stream stream = { .generation = 1 };
    if (backing.has_failed || !text_set(&stream.name, name) ||
        !text_set(&stream.template_name, template_name)) {
        return error_set(error, -ENOMEM, "create a data stream: out of memory");
    }
    mutex_lock(&store->state);
    bool is_pushed = VEC_PUSH(&store->streams, stream);
    mutex_unlock(&store->state);
    if (!is_pushed) return error_set(error, -ENOMEM, "create a data stream: out of memory");
    int code = store_index_create(store, buf_str(&backing), (struct str){ NULL, 0 }, name,
                                  index_out, error);
    if (code == 0) return 0;
    mutex_lock(&store->state);
    store->streams.count--;
    mutex_unlock(&store->state);
    text_free(stream.name);
    text_free(stream.template_name);
    return code;
}

int store_auto_create(struct logstore *store, struct str name, struct store_index **index_out,
                      struct error *error)
{
    const char *reason;
    if (!logstore_name_is_valid(name, &reason)) {
        return error_set(error, ERROR_INVALID, "Invalid index name [" STR_FMT "], %s",
                         STR_ARG(name), reason);
    }
    if (store_name_is_taken(store, name)) {
        return error_set(error, ERROR_INVALID,
                         "no write index is defined for alias [" STR_FMT
                         "]. The write index may be explicitly disabled using is_write_index=false "
                         "or the alias points to multiple indices without one being designated as "
                         "a write index",
                         STR_ARG(name));
    }
    struct recipe recipe = { .store = store };
    arena_init(&recipe.arena, JSON_MEMORY_MAX);
    (void)add_composable(&recipe, name);
    int code = recipe.is_stream ? create_stream(store, name, recipe.template_name, index_out, error)
                                : store_index_create(store, name, (struct str){ NULL, 0 },
                                                     (struct str){ NULL, 0 }, index_out, error);
    arena_release(&recipe.arena);
    return code;
}

int logstore_index_create(struct logstore *store, struct str name, struct str body,
                          struct error *error)
{
    mutex_lock(&store->writer);
    struct store_index *index;
    int code = store_index_create(store, name, body, (struct str){ NULL, 0 }, &index, error);
    mutex_unlock(&store->writer);
    return code;
}

int logstore_index_delete(struct logstore *store, struct str name, struct error *error)
{
    mutex_lock(&store->writer);
    struct store_index *index = store_index_find(store, name);
    if (index == NULL) {
        mutex_unlock(&store->writer);
        return error_set(error, -ENOENT, "no such index [" STR_FMT "]", STR_ARG(name));
    }
    struct removal removal = { 0 };
    mutex_lock(&store->state);
    bool is_taken = take_index(store, index, &removal);
    mutex_unlock(&store->state);
    int code = is_taken ? 0 : error_set(error, -ENOMEM, "delete an index: out of memory");
    code = finish_removal(store, &removal, code, error);
    mutex_unlock(&store->writer);
    return code;
}

int logstore_stream_create(struct logstore *store, struct str name, struct error *error)
{
    mutex_lock(&store->writer);
    struct store_index *index;
    bool is_stream;
    int code;
    struct recipe recipe = { .store = store };
    arena_init(&recipe.arena, JSON_MEMORY_MAX);
    (void)add_composable(&recipe, name);
    if (store_write_index(store, name, &is_stream) != NULL) {
        code = error_set(error, -EEXIST, "data_stream [" STR_FMT "] already exists", STR_ARG(name));
    } else if (!recipe.is_stream) {
        code = error_set(error, ERROR_INVALID,
                         "no matching index template found for data stream [" STR_FMT "]",
                         STR_ARG(name));
    } else {
        code = create_stream(store, name, recipe.template_name, &index, error);
    }
    arena_release(&recipe.arena);
    mutex_unlock(&store->writer);
    return code;
}

int logstore_stream_delete(struct logstore *store, struct str name, struct error *error)
{
    mutex_lock(&store->writer);
    struct removal removal = { 0 };
    int code = 0;
    mutex_lock(&store->state);
    for (size_t i = 0; !removal.has_stream && i < store->streams.count; i++) {
        if (!str_equal(store->streams.items[i].name, name)) continue;
        removal.stream = store->streams.items[i];
        removal.has_stream = true;
        VEC_REMOVE(&store->streams, i);
    }
    for (size_t i = store->indices.count; code == 0 && removal.has_stream && i > 0; i--) {
        struct store_index *index = store->indices.items[i - 1];
        if (!str_equal(index->data_stream, name)) continue;
        if (!take_index(store, index, &removal)) {
            code = error_set(error, -ENOMEM, "delete a data stream: out of memory");
        }
    }
    mutex_unlock(&store->state);
    if (!removal.has_stream) {
        code = error_set(error, -ENOENT, "no such index [" STR_FMT "]", STR_ARG(name));
    }
    code = finish_removal(store, &removal, code, error);
    mutex_unlock(&store->writer);
    return code;
}
