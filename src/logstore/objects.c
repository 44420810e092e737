/* objects.c - aliases, data streams as listed, named objects, and what is known of an index. */
#include "base/check.h"
#include "logstore/catalog_text.h"
#include "logstore/settings.h"
#include "logstore/store.h"

#include <errno.h>

#define SETTINGS_MEMORY_MAX ((size_t)64 << 20)

int logstore_index_put_mapping(struct logstore *store, struct str name, struct str mapping,
                               struct error *error)
{
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    struct store_index *index = store_index_find(store, name);
    int code =
        index != NULL ? 0 : error_set(error, -ENOENT, "no such index [" STR_FMT "]", STR_ARG(name));
    /* A copy, so that a mapping that is refused half way, or not saved, leaves nothing behind. */
    struct logstore_mapping *before = NULL;
    struct logstore_mapping *copy = NULL;
    if (code == 0) {
        copy = logstore_mapping_copy(index->mapping);
        if (copy == NULL) code = error_set(error, -ENOMEM, "put a mapping: out of memory");
    }
    if (code == 0) code = logstore_mapping_merge_json(copy, mapping, error);
    if (code == 0) {
        code = logstore_mapping_check(copy, store->options.field_count_max, error);
    }
    if (code == 0) {
        before = index->mapping;
        index->mapping = copy;
        copy = NULL;
    }
    mutex_unlock(&store->state);
    logstore_mapping_free(copy);
    if (before != NULL) {
        code = store_catalog_save(store, error);
        mutex_lock(&store->state);
        struct logstore_mapping *gone = code < 0 ? index->mapping : before;
        if (code < 0) index->mapping = before;
        if (--gone->ref_count == 0) logstore_mapping_free(gone);
        mutex_unlock(&store->state);
    }
    mutex_unlock(&store->writer);
    return code;
}

/* What is there and what is given, as one text. State held. */
static int merged_settings(const struct store_index *index, const struct json *given,
                           bool keeps_existing, struct buf *out, struct error *error)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct setting_vec list = { 0 };
    struct setting_vec change = { 0 };
    const struct json *old = NULL;
    arena_init(&arena, SETTINGS_MEMORY_MAX);
    int code = json_parse(NULL, &arena, index->settings, &old, error);
    if (code == 0) code = settings_add(&change, &arena, given);
    if (code == 0) code = settings_check_change(&change, error);
    if (code == 0) code = settings_add(&list, &arena, keeps_existing ? given : old);
    if (code == 0) code = settings_add(&list, &arena, keeps_existing ? old : given);
    settings_print(&list, out);
    VEC_RELEASE(&list);
    VEC_RELEASE(&change);
    if (code == ERROR_LIMIT || code == -ENOMEM || out->has_failed) {
        return error_set(error, -ENOMEM, "put settings: out of memory");
    }
    return code;
}

int logstore_index_put_settings(struct logstore *store, struct str name, struct str settings,
                                bool keeps_existing, struct error *error)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    const struct json *given = NULL;
    arena_init(&arena, SETTINGS_MEMORY_MAX);
    buf_init(&text, SETTINGS_MEMORY_MAX);
    if (json_parse(NULL, &arena, settings, &given, error) < 0) return ERROR_INVALID;
    const struct json *inner = json_get(given, STR("settings"));
    if (inner != NULL) given = inner;
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    struct store_index *index = store_index_find(store, name);
    int code = index == NULL
                   ? error_set(error, -ENOENT, "no such index [" STR_FMT "]", STR_ARG(name))
                   : merged_settings(index, given, keeps_existing, &text, error);
    struct str copy = { NULL, 0 };
    if (code == 0 && !text_set(&copy, buf_str(&text))) {
        code = error_set(error, -ENOMEM, "put settings: out of memory");
    }
    if (code == 0) {
        text_free(index->settings);
        index->settings = copy;
    }
    mutex_unlock(&store->state);
    if (code == 0) code = store_catalog_save(store, error);
    mutex_unlock(&store->writer);
    return code;
}

static void fill_info(const struct store_index *index, struct logstore_index_info *info)
{
    for (size_t i = 0; i < index->segments.count; i++) {
        const struct store_segment *segment = &index->segments.items[i];
        uint32_t live = store_segment_live_count(segment);
        info->documents += live;
        info->deleted_documents += segment->segment->document_count - live;
        info->store_size += segment->segment->bytes.size;
    }
    info->segment_count = index->segments.count;
    if (index->builder == NULL) return;
    info->documents += index->builder->documents.count - index->builder->dead_count;
    info->store_size += index->builder->sources.size;
}

int logstore_index_info(struct logstore *store, struct str name, bool with_mapping,
                        struct arena *arena, struct logstore_index_info *info)
{
    mutex_lock(&store->state);
    const struct store_index *index = store_index_find(store, name);
    if (index == NULL) {
        mutex_unlock(&store->state);
        return -ENOENT;
    }
    struct logstore_index_info found = {
        .name = arena_copy(arena, index->name),
        .uuid = arena_copy(arena, index->uuid),
        .settings = arena_copy(arena, index->settings),
        .data_stream = arena_copy(arena, index->data_stream),
        .created_ms = index->created_ms,
        .seq_no_max = index->seq_no_next - 1,
    };
    fill_info(index, &found);
    if (with_mapping) {
        CLEANUP(buf_release) struct buf mapping = { 0 };
        buf_init(&mapping, SIZE_MAX);
        logstore_mapping_print(index->mapping, &mapping);
        found.mapping = arena_copy(arena, buf_str(&mapping));
    }
    mutex_unlock(&store->state);
    if (found.name.data == NULL || found.settings.data == NULL) return -ENOMEM;
    *info = found;
    return 0;
}

/* Aliases ------------------------------------------------------------------------------------- */

VEC_TYPE(alias_vec, struct store_alias);

void store_alias_release(struct store_alias *alias)
{
    text_free(alias->name);
    text_free(alias->index);
    text_free(alias->filter);
}

/* Puts the alias into the list, at *at, in place of one that was there; the list before it is in
 * `before`. State held. */
static int set_alias(struct logstore *store, const struct logstore_alias *given,
                     struct alias_vec *before, size_t *at)
{
    struct store_alias fresh = { .is_write_index = given->is_write_index };
    bool has_memory = text_set(&fresh.name, given->name) && text_set(&fresh.index, given->index) &&
                      text_set(&fresh.filter, given->filter) && VEC_RESERVE(&store->aliases, 1) &&
                      VEC_RESERVE(before, store->aliases.count + 1);
    if (!has_memory) {
        store_alias_release(&fresh);
        return -ENOMEM;
    }
    *at = store->aliases.count;
    for (size_t i = 0; i < store->aliases.count; i++) {
        struct store_alias *alias = &store->aliases.items[i];
        before->items[before->count++] = *alias;
        if (!str_equal(alias->name, given->name)) continue;
        if (str_equal(alias->index, given->index)) *at = i;
        if (given->is_write_index) alias->is_write_index = false;
    }
    if (*at == store->aliases.count) store->aliases.count++;
    store->aliases.items[*at] = fresh;
    return 0;
}

/* Lets go what is not needed any more: the one that was replaced, or all that was done. State
 * held. */
static void end_alias(struct logstore *store, const struct alias_vec *before, size_t at,
                      bool is_undone)
{
    struct store_alias replaced = { 0 };
    if (at < before->count) replaced = before->items[at];
    if (!is_undone) {
        store_alias_release(&replaced);
        return;
    }
    store_alias_release(&store->aliases.items[at]);
    store->aliases.count = before->count;
    for (size_t i = 0; i < before->count; i++) store->aliases.items[i] = before->items[i];
}

int logstore_alias_put(struct logstore *store, const struct logstore_alias *given,
                       struct error *error)
{
    struct str name = given->name;
    struct str index = given->index;
    mutex_lock(&store->writer);
    int code = 0;
    if (store_index_find(store, index) == NULL) {
        code = error_set(error, -ENOENT, "no such index [" STR_FMT "]", STR_ARG(index));
    } else if (store_index_find(store, name) != NULL) {
        code = error_set(error, ERROR_INVALID,
                         "Invalid alias name [" STR_FMT
                         "]: an index or data stream exists with the same name as the alias",
                         STR_ARG(name));
    }
    if (code == 0) {
        struct alias_vec before = { 0 };
        size_t at = 0;
        mutex_lock(&store->state);
        code = set_alias(store, given, &before, &at);
        mutex_unlock(&store->state);
        if (code < 0) {
            (void)error_set(error, code, "add an alias: out of memory");
        } else {
            code = store_catalog_save(store, error);
            mutex_lock(&store->state);
            end_alias(store, &before, at, code < 0);
            mutex_unlock(&store->state);
        }
        VEC_RELEASE(&before);
    }
    mutex_unlock(&store->writer);
    return code;
}

int logstore_alias_remove(struct logstore *store, struct str name, struct str index,
                          struct error *error)
{
    struct alias_vec gone = { 0 };
    int code = 0;
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    for (size_t i = store->aliases.count; code == 0 && i > 0; i--) {
        const struct store_alias *alias = &store->aliases.items[i - 1];
        if (!logstore_name_matches(name, alias->name) ||
            !logstore_name_matches(index, alias->index)) {
            continue;
        }
        if (!VEC_PUSH(&gone, *alias)) {
            code = error_set(error, -ENOMEM, "remove an alias: out of memory");
        } else {
            VEC_REMOVE(&store->aliases, i - 1);
        }
    }
    mutex_unlock(&store->state);
    if (code == 0) {
        code = gone.count > 0
                   ? store_catalog_save(store, error)
                   : error_set(error, -ENOENT, "aliases [" STR_FMT "] missing", STR_ARG(name));
    }
    mutex_lock(&store->state);
    VEC_FOR_EACH (&gone, alias) {
        if (code < 0) {
            CHECK(VEC_PUSH(&store->aliases, *alias)); /* there was room before */
        } else {
            store_alias_release(alias);
        }
    }
    mutex_unlock(&store->state);
    mutex_unlock(&store->writer);
    VEC_RELEASE(&gone);
    return code;
}

int logstore_alias_list(struct logstore *store, struct arena *arena,
                        const struct logstore_alias **aliases, size_t *count)
{
    mutex_lock(&store->state);
    size_t total = store->aliases.count;
    struct logstore_alias *list = ARENA_ARRAY(arena, struct logstore_alias, total + 1);
    int code = list == NULL ? -ENOMEM : 0;
    for (size_t i = 0; code == 0 && i < total; i++) {
        list[i].name = arena_copy(arena, store->aliases.items[i].name);
        list[i].index = arena_copy(arena, store->aliases.items[i].index);
        list[i].filter = arena_copy(arena, store->aliases.items[i].filter);
        list[i].is_write_index = store->aliases.items[i].is_write_index;
        if (list[i].name.data == NULL || list[i].index.data == NULL) code = -ENOMEM;
    }
    mutex_unlock(&store->state);
    if (code < 0) return code;
    *aliases = list;
    *count = total;
    return 0;
}

static int fill_stream(const struct logstore *store, const struct store_stream *stream,
                       struct arena *arena, struct logstore_stream *out)
{
    struct str *indices = ARENA_ARRAY(arena, struct str, store->indices.count + 1);
    if (indices == NULL) return -ENOMEM;
    out->name = arena_copy(arena, stream->name);
    out->template_name = arena_copy(arena, stream->template_name);
    out->generation = stream->generation;
    out->indices = indices;
    for (size_t i = 0; i < store->indices.count; i++) {
        const struct store_index *index = store->indices.items[i];
        if (!str_equal(index->data_stream, stream->name)) continue;
        indices[out->index_count] = arena_copy(arena, index->name);
        if (indices[out->index_count++].data == NULL) return -ENOMEM;
    }
    return out->name.data == NULL ? -ENOMEM : 0;
}

int logstore_stream_list(struct logstore *store, struct arena *arena,
                         const struct logstore_stream **streams, size_t *count)
{
    mutex_lock(&store->state);
    size_t total = store->streams.count;
    struct logstore_stream *list = ARENA_ARRAY(arena, struct logstore_stream, total + 1);
    int code = list == NULL ? -ENOMEM : 0;
    for (size_t i = 0; code == 0 && i < total; i++) {
        code = fill_stream(store, &store->streams.items[i], arena, &list[i]);
    }
    mutex_unlock(&store->state);
    if (code < 0) return code;
    *streams = list;
    *count = total;
    return 0;
}

/* Named objects ------------------------------------------------------------------------------- */

static struct store_object *object_find(struct logstore *store, enum logstore_object_kind kind,
                                        struct str name)
{
    for (size_t i = 0; i < store->objects.count; i++) {
        struct store_object *object = &store->objects.items[i];
        if (object->kind == kind && str_equal(object->name, name)) return object;
    }
    return NULL;
}

/* The object as it was is in *before, for undoing it; its name is empty when it is new. State
 * held. */
static int object_set(struct logstore *store, enum logstore_object_kind kind, struct str name,
                      struct str json, struct store_object *before)
{
    struct store_object *object = object_find(store, kind, name);
    int64_t now_ms = clock_realtime_ms(store->clock);
    if (object != NULL) {
        struct str fresh;
        if (!text_set(&fresh, json)) return -ENOMEM;
        *before = *object;
        object->json = fresh;
        object->version++;
        object->changed_ms = now_ms;
        return 0;
    }
    struct store_object made = { .kind = kind, .version = 1, .changed_ms = now_ms };
    if (text_set(&made.name, name) && text_set(&made.json, json) &&
        VEC_PUSH(&store->objects, made)) {
        return 0;
    }
    text_free(made.name);
    text_free(made.json);
    return -ENOMEM;
}

/* State held. */
static void object_unset(struct logstore *store, const struct store_object *before)
{
    if (before->name.size > 0) {
        struct store_object *object = object_find(store, before->kind, before->name);
        CHECK(object != NULL);
        text_free(object->json);
        *object = *before;
        return;
    }
    text_free(VEC_LAST(&store->objects).name);
    text_free(VEC_LAST(&store->objects).json);
    store->objects.count--;
}

int logstore_object_put(struct logstore *store, enum logstore_object_kind kind, struct str name,
                        struct str json, struct error *error)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, SIZE_MAX);
    const struct json *root = NULL;
    struct store_object before = { .kind = kind };
    int code = json_parse(NULL, &arena, json, &root, error);
    if (code < 0) return code;
    if (!json_is(root, JSON_OBJECT)) {
        return error_set(error, ERROR_INVALID, "request body must be an object");
    }
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    code = object_set(store, kind, name, root->raw, &before);
    mutex_unlock(&store->state);
    if (code < 0) {
        (void)error_set(error, code, "keep an object: out of memory");
    } else {
        code = store_catalog_save(store, error);
        mutex_lock(&store->state);
        if (code < 0) {
            object_unset(store, &before);
        } else if (before.name.size > 0) {
            text_free(before.json);
        }
        mutex_unlock(&store->state);
    }
    mutex_unlock(&store->writer);
    return code;
}

int logstore_object_delete(struct logstore *store, enum logstore_object_kind kind, struct str name,
                           struct error *error)
{
    VEC(struct store_object) gone = { 0 };
    int code = 0;
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    for (size_t i = store->objects.count; code == 0 && i > 0; i--) {
        const struct store_object *object = &store->objects.items[i - 1];
        if (object->kind != kind || !logstore_name_matches(name, object->name)) continue;
        if (!VEC_PUSH(&gone, *object)) {
            code = error_set(error, -ENOMEM, "delete an object: out of memory");
        } else {
            VEC_REMOVE(&store->objects, i - 1);
        }
    }
    mutex_unlock(&store->state);
    if (code == 0) {
        code = gone.count > 0 ? store_catalog_save(store, error)
                              : error_set(error, -ENOENT, "[" STR_FMT "] missing", STR_ARG(name));
    }
    mutex_lock(&store->state);
    VEC_FOR_EACH (&gone, object) {
        if (code < 0) {
            CHECK(VEC_PUSH(&store->objects, *object)); /* there was room before */
        } else {
            text_free(object->name);
            text_free(object->json);
        }
    }
    mutex_unlock(&store->state);
    mutex_unlock(&store->writer);
    VEC_RELEASE(&gone);
    return code;
}

int logstore_object_list(struct logstore *store, enum logstore_object_kind kind, struct str pattern,
                         struct arena *arena, const struct logstore_object **objects, size_t *count)
{
    mutex_lock(&store->state);
    struct logstore_object *list =
        ARENA_ARRAY(arena, struct logstore_object, store->objects.count + 1);
    int code = list == NULL ? -ENOMEM : 0;
    size_t total = 0;
    for (size_t i = 0; code == 0 && i < store->objects.count; i++) {
        const struct store_object *object = &store->objects.items[i];
        if (object->kind != kind || !logstore_name_matches(pattern, object->name)) continue;
        struct logstore_object copy = { arena_copy(arena, object->name),
                                        arena_copy(arena, object->json), object->version,
                                        object->changed_ms };
        if (copy.name.data == NULL || copy.json.data == NULL) code = -ENOMEM;
        size_t at = total++;
        while (at > 0 && str_compare(list[at - 1].name, copy.name) > 0) {
            list[at] = list[at - 1];
            at--;
        }
        list[at] = copy;
    }
    mutex_unlock(&store->state);
    if (code < 0) return code;
    *objects = list;
    *count = total;
    return 0;
}
