/* catalog.c - the catalog file: what there is besides documents, in one JSON object.
 *
 * FORMAT  twice the same: line "bglogcat 2 <CRC-32C of the JSON, 8 hex digits>\n", then JSON; see
 *         docs/formats/logstore-catalog.md. Replaced whole (file_replace), so a crash leaves the
 *         old or the new one. A bit that turns over hits one of the two, and the other counts.
 *         Version 1 was there once. A segment that the catalog does not name does not exist.
 * ERRORS  A save that fails may yet be on the medium after a crash. What it was to say is undone in
 *         memory by its caller, and nothing is acknowledged before a catalog is saved again
 *         (is_catalog_owed): an index that the medium deletes must take no documents.
 */
#include "base/check.h"
#include "codec/base64.h"
#include "codec/crc32c.h"
#include "codec/json_writer.h"
#include "logstore/catalog_text.h"
#include "logstore/settings.h"
#include "logstore/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CATALOG_NAME     "catalog.json"
#define CATALOG_SIZE_MAX ((size_t)1 << 30)
#define HEAD_SIZE        20 /* "bglogcat 2 01234567\n" */
#define VERSION          2

static void put_segment(struct json_writer *json, const struct store_segment *segment)
{
    json_object_begin(json);
    json_member_int(json, "id", (int64_t)segment->segment->id);
    if (segment->live != NULL) {
        json_key(json, STR("dead"));
        json_array_begin(json);
        for (uint32_t i = 0; i < segment->segment->document_count; i++) {
            if (!store_segment_is_live(segment, i)) json_put_int(json, i);
        }
        json_array_end(json);
    }
    json_object_end(json);
}

#define MAPPING_TEXT_KEPT_MIN 16384 /* bytes from which on printing is dearer than keeping */

static void put_mapping(struct json_writer *json, struct store_index *index)
{
    const struct logstore_mapping *mapping = index->mapping;
    bool is_kept = index->mapping_text.size > 0 && index->mapping_text_serial == mapping->serial &&
                   index->mapping_text_changes == mapping->changes;
    if (is_kept) {
        json_put_raw(json, buf_str(&index->mapping_text));
        return;
    }
    size_t start = json->out->size;
    logstore_mapping_print(mapping, json->out);
    json->needs_comma = true;
    buf_release(&index->mapping_text);
    buf_init(&index->mapping_text, CATALOG_SIZE_MAX);
    if (json->out->has_failed || json->out->size - start < MAPPING_TEXT_KEPT_MIN) return;
    buf_append_str(&index->mapping_text, str_skip(buf_str(json->out), start));
    if (index->mapping_text.has_failed) {
        buf_release(&index->mapping_text);
        return;
    }
    index->mapping_text_serial = mapping->serial;
    index->mapping_text_changes = mapping->changes;
}

static void put_index(struct json_writer *json, struct store_index *index)
{
    json_object_begin(json);
    json_member_text(json, "name", index->name);
    json_member_text(json, "uuid", index->uuid);
    json_member_int(json, "created_ms", index->created_ms);
    json_member_int(json, "seq_no_next", index->seq_no_next);
    json_member_text(json, "data_stream", index->data_stream);
    json_key(json, STR("settings"));
    json_put_raw(json, index->settings);
    json_key(json, STR("mapping"));
    put_mapping(json, index);
    json_key(json, STR("segments"));
    json_array_begin(json);
    for (size_t i = 0; i < index->segments.count; i++) {
        /* What is in memory only is still in the log. */
        if (index->segments.items[i].segment->path[0] != 0) {
            put_segment(json, &index->segments.items[i]);
        }
    }
    json_array_end(json);
    json_object_end(json);
}

static void put_all(struct json_writer *json, const struct logstore *store)
{
    json_object_begin(json);
    json_member_int(json, "log_first", (int64_t)store->log_first);
    json_member_int(json, "segment_id_next", (int64_t)store->segment_id_next);
    json_key(json, STR("indices"));
    json_array_begin(json);
    for (size_t i = 0; i < store->indices.count; i++) put_index(json, store->indices.items[i]);
    json_array_end(json);
    json_key(json, STR("aliases"));
    json_array_begin(json);
    for (size_t i = 0; i < store->aliases.count; i++) {
        json_object_begin(json);
        json_member_text(json, "name", store->aliases.items[i].name);
        json_member_text(json, "index", store->aliases.items[i].index);
        json_member_bool(json, "is_write_index", store->aliases.items[i].is_write_index);
        if (store->aliases.items[i].filter.size > 0) {
            json_key(json, STR("filter"));
            json_put_raw(json, store->aliases.items[i].filter);
        }
        json_object_end(json);
    }
    json_array_end(json);
    json_key(json, STR("streams"));
    json_array_begin(json);
    for (size_t i = 0; i < store->streams.count; i++) {
        json_object_begin(json);
        json_member_text(json, "name", store->streams.items[i].name);
        json_member_int(json, "generation", (int64_t)store->streams.items[i].generation);
        json_member_text(json, "template", store->streams.items[i].template_name);
        json_object_end(json);
    }
    json_array_end(json);
    json_key(json, STR("objects"));
    json_array_begin(json);
    for (size_t i = 0; i < store->objects.count; i++) {
        const struct store_object *object = &store->objects.items[i];
        json_object_begin(json);
        json_member_int(json, "kind", object->kind);
        json_member_text(json, "name", object->name);
        json_member_int(json, "version", object->version);
        json_member_int(json, "changed_ms", object->changed_ms);
        json_key(json, STR("json"));
        json_put_raw(json, object->json);
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
}

static void print_head(struct str body, int version, char *head)
{
    (void)snprintf(head, HEAD_SIZE + 1, "bglogcat %d %08x\n", version,
                   (unsigned)crc32c(body.data, body.size));
}

int store_catalog_save(struct logstore *store, struct error *error)
{
    CLEANUP(buf_release) struct buf file = { 0 };
    char head[HEAD_SIZE + 1] = { 0 };
    buf_init(&file, CATALOG_SIZE_MAX);
    buf_append(&file, head, HEAD_SIZE);
    struct json_writer json;
    json_writer_init(&json, &file);
    put_all(&json, store);
    store->is_catalog_owed = true;
    size_t size = file.size; /* of the first copy; the second is the same again */
    if (buf_reserve(&file, size) == NULL) {
        return error_set(error, -ENOMEM, "write the catalog: out of memory");
    }
    print_head(str_skip(buf_str(&file), HEAD_SIZE), VERSION, head);
    memcpy(file.data, head, HEAD_SIZE);
    buf_append(&file, file.data, size);
    char path[FILE_PATH_SIZE];
    int code = file_join(path, store->folder, CATALOG_NAME, error);
    if (code == 0) code = file_replace(store->disk, path, buf_str(&file), error);
    store->is_catalog_owed = code < 0;
    return code;
}

int store_catalog_settle(struct logstore *store, struct error *error)
{
    return store->is_catalog_owed ? store_catalog_save(store, error) : 0;
}

/* Reading ------------------------------------------------------------------------------------- */

static bool json_flag(const struct json *object, const char *key)
{
    return json_boolean(json_get(object, str_from(key)), false);
}

static struct str json_word(const struct json *object, const char *key)
{
    return json_text(json_get(object, str_from(key)), STR(""));
}

static int64_t json_count(const struct json *object, const char *key)
{
    return json_integer(json_get(object, str_from(key)), 0);
}

/* A damaged segment is set aside and counted; the role starts without it. */
static int load_segment(struct logstore *store, struct store_index *index, const struct json *item,
                        struct error *error)
{
    uint64_t id = (uint64_t)json_count(item, "id");
    char path[FILE_PATH_SIZE];
    int code = store_segment_path(store, id, path, error);
    if (code < 0) return code;
    struct store_segment segment = { 0 };
    struct error reason = { 0 };
    code = segment_open_file(&segment.segment, id, store->disk, path, &reason);
    if (code == ERROR_CORRUPT || code == -ENOENT) {
        store_tell_set_aside(store, path, reason.text);
        store->stats.corrupt_segments_total++;
        return 0;
    }
    if (code < 0) return error_set(error, code, "%s", reason.text);
    const struct json *dead = json_get(item, STR("dead"));
    for (size_t i = 0; json_is(dead, JSON_ARRAY) && i < dead->array.count; i++) {
        int64_t document = json_integer(&dead->array.items[i], -1);
        if (document < 0 || document >= (int64_t)segment.segment->document_count) continue;
        code = store_segment_kill(&segment, (uint32_t)document, error);
        if (code < 0) break;
    }
    if (code == 0 && !VEC_PUSH(&index->segments, segment)) {
        code = error_set(error, -ENOMEM, "read the catalog: out of memory");
    }
    if (code < 0) segment_free(segment.segment);
    return code;
}

/* Catalogs of before have them as they were given. */
static bool load_settings(struct store_index *index, const struct json *given)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct setting_vec list = { 0 };
    arena_init(&arena, CATALOG_SIZE_MAX);
    buf_init(&text, CATALOG_SIZE_MAX);
    bool is_read = settings_add(&list, &arena, given) == 0;
    settings_print(&list, &text);
    VEC_RELEASE(&list);
    return is_read && !text.has_failed && text_set(&index->settings, buf_str(&text));
}

static int load_index(struct logstore *store, const struct json *item, struct error *error)
{
    struct store_index *index = calloc(1, sizeof(*index));
    if (index == NULL) return error_set(error, -ENOMEM, "read the catalog: out of memory");
    index->mapping = logstore_mapping_new();
    const struct json *settings = json_get(item, STR("settings"));
    const struct json *mapping = json_get(item, STR("mapping"));
    index->created_ms = json_count(item, "created_ms");
    index->seq_no_next = json_count(item, "seq_no_next");
    bool is_set = index->mapping != NULL && text_set(&index->name, json_word(item, "name")) &&
                  text_set(&index->uuid, json_word(item, "uuid")) &&
                  text_set(&index->data_stream, json_word(item, "data_stream")) &&
                  load_settings(index, settings);
    index->is_strict = store->options.strict_mapping;
    int code = is_set ? 0 : error_set(error, -ENOMEM, "read the catalog: out of memory");
    if (code == 0 && mapping != NULL) {
        code = logstore_mapping_merge_json(index->mapping, mapping->raw, error);
    }
    const struct json *segments = json_get(item, STR("segments"));
    for (size_t i = 0; code == 0 && json_is(segments, JSON_ARRAY) && i < segments->array.count;
         i++) {
        code = load_segment(store, index, &segments->array.items[i], error);
    }
    if (code == 0 && !VEC_PUSH(&store->indices, index)) {
        code = error_set(error, -ENOMEM, "read the catalog: out of memory");
    }
    if (code < 0) store_index_free(store, index);
    return code;
}

static int load_names(struct logstore *store, const struct json *root, struct error *error)
{
    const struct json *aliases = json_get(root, STR("aliases"));
    for (size_t i = 0; json_is(aliases, JSON_ARRAY) && i < aliases->array.count; i++) {
        const struct json *item = &aliases->array.items[i];
        struct store_alias alias = { .is_write_index = json_flag(item, "is_write_index") };
        const struct json *filter = json_get(item, STR("filter"));
        if (!text_set(&alias.name, json_word(item, "name")) ||
            !text_set(&alias.index, json_word(item, "index")) ||
            !text_set(&alias.filter, filter == NULL ? STR("") : filter->raw) ||
            !VEC_PUSH(&store->aliases, alias)) {
            return error_set(error, -ENOMEM, "read the catalog: out of memory");
        }
    }
    const struct json *streams = json_get(root, STR("streams"));
    for (size_t i = 0; json_is(streams, JSON_ARRAY) && i < streams->array.count; i++) {
        const struct json *item = &streams->array.items[i];
        struct store_stream stream = { .generation = (uint64_t)json_count(item, "generation") };
        if (!text_set(&stream.name, json_word(item, "name")) ||
            !text_set(&stream.template_name, json_word(item, "template")) ||
            !VEC_PUSH(&store->streams, stream)) {
            return error_set(error, -ENOMEM, "read the catalog: out of memory");
        }
    }
    const struct json *objects = json_get(root, STR("objects"));
    for (size_t i = 0; json_is(objects, JSON_ARRAY) && i < objects->array.count; i++) {
        const struct json *item = &objects->array.items[i];
        const struct json *json = json_get(item, STR("json"));
        int64_t kind = json_count(item, "kind");
        if (kind < 0 || kind >= LOGSTORE_OBJECT_KIND_COUNT || json == NULL) continue;
        struct store_object object = { .kind = (enum logstore_object_kind)kind,
                                       .version = json_count(item, "version"),
                                       .changed_ms = json_count(item, "changed_ms") };
        if (!text_set(&object.name, json_word(item, "name")) ||
            !text_set(&object.json, json->raw) || !VEC_PUSH(&store->objects, object)) {
            return error_set(error, -ENOMEM, "read the catalog: out of memory");
        }
    }
    return 0;
}

/* The JSON of one copy; false when its head or its checksum fails. */
static bool take_copy(struct str copy, int version, struct str *body)
{
    char head[HEAD_SIZE + 1];
    if (copy.size < HEAD_SIZE) return false;
    struct str rest = str_skip(copy, HEAD_SIZE);
    print_head(rest, version, head);
    if (!str_equal(str_first(copy, HEAD_SIZE), str_from(head))) return false;
    *body = rest;
    return true;
}

/* The JSON of the file. When only one of the two copies is sound both are to be written anew. */
static int take_body(struct logstore *store, struct str file, struct str *body, struct error *error)
{
    struct str first = str_first(file, file.size / 2);
    struct str second = str_skip(file, file.size / 2);
    struct str other;
    bool is_second_sound = take_copy(second, VERSION, body);
    bool is_first_sound = take_copy(first, VERSION, is_second_sound ? &other : body);
    if (is_first_sound && is_second_sound) return 0;
    if (is_first_sound || is_second_sound) {
        struct logstore_event event = {
            .kind = LOGSTORE_EVENT_CATALOG_DAMAGED,
            .reason = is_first_sound ? "checksum of its second copy fails"
                                     : "checksum of its first copy fails",
        };
        store->is_catalog_owed = true;
        store_tell(store, &event);
        return 0;
    }
    if (take_copy(file, 1, body)) return 0;
    if (!str_starts_with(file, STR("bglogcat 1 ")) && !str_starts_with(file, STR("bglogcat 2 ")) &&
        str_starts_with(file, STR("bglogcat "))) {
        return error_set(error, ERROR_UNSUPPORTED, "catalog is of another version");
    }
    return error_set(error, ERROR_CORRUPT, "checksum of the catalog fails, of both copies");
}

int store_catalog_load(struct logstore *store, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = file_join(path, store->folder, CATALOG_NAME, error);
    if (code < 0) return code;
    struct disk_info info;
    if (store->disk->info(store->disk->state, path, &info) == -ENOENT) return 0;
    CLEANUP(buf_release) struct buf file = { 0 };
    buf_init(&file, CATALOG_SIZE_MAX);
    code = file_read(store->disk, path, &file, error);
    if (code < 0) return code;
    struct str body;
    code = take_body(store, buf_str(&file), &body, error);
    if (code < 0) return error_wrap(error, code, "read '%s'", path);
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, SIZE_MAX);
    const struct json *root = NULL;
    code = json_parse(NULL, &arena, body, &root, error);
    if (code < 0) return error_wrap(error, code, "read '%s'", path);
    store->log_first = (uint64_t)json_count(root, "log_first");
    store->segment_id_next = (uint64_t)json_count(root, "segment_id_next");
    const struct json *indices = json_get(root, STR("indices"));
    for (size_t i = 0; code == 0 && json_is(indices, JSON_ARRAY) && i < indices->array.count; i++) {
        code = load_index(store, &indices->array.items[i], error);
    }
    return code < 0 ? code : load_names(store, root, error);
}
