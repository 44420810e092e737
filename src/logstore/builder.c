/* builder.c - a segment in the making: documents and their fields, in memory. */
#include "logstore/builder.h"

#include "base/check.h"
#include "logstore/builder_terms.h"
#include "logstore/rare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SOURCES_SIZE_MAX ((size_t)1 << 32)

int builder_new(struct builder **builder_out, uint64_t segment_id, struct error *error)
{
    struct builder *builder = calloc(1, sizeof(*builder));
    if (builder == NULL) return error_set(error, -ENOMEM, "make a buffer: out of memory");
    builder->segment_id = segment_id;
    buf_init(&builder->sources, SOURCES_SIZE_MAX);
    id_list_init(&builder->ids);
    builder->rare_documents_min = BUILDER_RARE_DOCUMENTS_MIN;
    *builder_out = builder;
    return 0;
}

void builder_field_release(struct builder_field *field)
{
    buf_release(&field->bytes);
    buf_release(&field->value_bytes);
    VEC_RELEASE(&field->terms);
    free(field->slots);
    VEC_RELEASE(&field->pairs);
    VEC_RELEASE(&field->numbers);
    VEC_RELEASE(&field->documents);
    VEC_RELEASE(&field->value_terms);
    VEC_RELEASE(&field->hashes);
    free(field->sieve);
    free(field->values);
    free((char *)(uintptr_t)field->path.data);
    free((char *)(uintptr_t)field->source_path.data);
}

static void field_free(struct builder_field *field)
{
    if (field == NULL) return;
    builder_field_release(field);
    free(field);
}

void builder_free(struct builder *builder)
{
    if (builder == NULL) return;
    for (size_t i = 0; i < builder->fields.count; i++) field_free(builder->fields.items[i]);
    VEC_RELEASE(&builder->fields);
    VEC_RELEASE(&builder->by_number);
    VEC_RELEASE(&builder->documents);
    map_release(&builder->field_by_path);
    map_release(&builder->id_to_document);
    buf_release(&builder->sources);
    id_list_release(&builder->ids);
    free(builder->dead);
    free(builder);
}

static void field_reset(struct builder_field *field)
{
    buf_reset(&field->bytes);
    buf_reset(&field->value_bytes);
    field->terms.count = 0;
    field->pairs.count = 0;
    field->numbers.count = 0;
    field->hashes.count = 0;
    field->documents.count = 0;
    field->value_terms.count = 0;
    field->has_hashes_only = false;
    field->is_sieved = false;
    if (field->slots != NULL) memset(field->slots, 0, field->slot_count * sizeof(*field->slots));
    if (field->values != NULL) {
        memset(field->values, 0, BUILDER_VALUES_COUNT * sizeof(*field->values));
    }
}

void builder_reset(struct builder *builder, uint64_t segment_id)
{
    builder->segment_id = segment_id;
    buf_reset(&builder->sources);
    id_list_release(&builder->ids);
    id_list_init(&builder->ids);
    builder->documents.count = 0;
    for (size_t i = 0; i < builder->fields.count; i++) field_reset(builder->fields.items[i]);
    if (builder->dead != NULL) memset(builder->dead, 0, builder->dead_capacity * sizeof(uint64_t));
    builder->dead_count = 0;
    map_release(&builder->id_to_document);
    builder->has_failed = false;
}

void builder_begin(struct builder *builder, const struct logstore_mapping *mapping)
{
    bool is_same =
        builder->mapping_serial == mapping->serial && builder->mapping_changes == mapping->changes;
    if (is_same) return;
    builder->by_number.count = 0;
    builder->mapping_serial = mapping->serial;
    builder->mapping_changes = mapping->changes;
}

static int by_path(const void *a, const void *b)
{
    const struct builder_field *left = *(struct builder_field *const *)a;
    const struct builder_field *right = *(struct builder_field *const *)b;
    int order = str_compare(left->path, right->path);
    return order != 0 ? order : (int)left->is_malformed - (int)right->is_malformed;
}

void builder_sort_fields(struct builder *builder)
{
    if (builder->is_sorted || builder->fields.count == 0) return;
    qsort(builder->fields.items, builder->fields.count, sizeof(struct builder_field *), by_path);
    builder->is_sorted = true;
}

/* Ids in runs are found by counting; the others have a map. */
static bool add_id(struct builder *builder, struct str id)
{
    uint32_t number = (uint32_t)builder->documents.count;
    uint32_t demoted;
    if (!id_list_add(&builder->ids, id, &demoted)) return false;
    char buffer[ID_MADE_SIZE];
    if (demoted != UINT32_MAX) {
        struct str other = id_list_at(&builder->ids, demoted, buffer);
        uintptr_t value = (uintptr_t)demoted + 1;
        if (map_put(&builder->id_to_document, other, (void *)value) < 0) return false;
    }
    bool is_in_run =
        builder->ids.runs.count > 0 &&
        VEC_LAST(&builder->ids.runs).first + VEC_LAST(&builder->ids.runs).count > number;
    uintptr_t value = (uintptr_t)number + 1;
    return is_in_run || map_put(&builder->id_to_document, id, (void *)value) == 0;
}

int builder_add_document(struct builder *builder, struct str id, struct str source, int64_t seq_no,
                         int64_t version, struct error *error)
{
    size_t words = builder->documents.count / 64 + 1;
    if (words > builder->dead_capacity) {
        size_t capacity = builder->dead_capacity == 0 ? 64 : builder->dead_capacity * 2;
        uint64_t *dead = realloc(builder->dead, capacity * sizeof(*dead));
        if (dead == NULL) return error_set(error, -ENOMEM, "buffer a document: out of memory");
        memset(dead + builder->dead_capacity, 0,
               (capacity - builder->dead_capacity) * sizeof(*dead));
        builder->dead = dead;
        builder->dead_capacity = capacity;
    }
    struct builder_document document = {
        .source_offset = builder->sources.size,
        .source_size = (uint32_t)source.size,
        .seq_no = seq_no,
        .version = version,
    };
    buf_append_str(&builder->sources, source);
    if (builder->sources.has_failed || !add_id(builder, id) ||
        !VEC_PUSH(&builder->documents, document)) {
        builder->has_failed = true;
        return error_set(error, -ENOMEM, "buffer a document: out of memory");
    }
    return 0;
}

#define KEY_SIZE_MAX 1024

static struct str field_key(struct str path, bool is_malformed, char *key)
{
    if (!is_malformed || path.size >= KEY_SIZE_MAX) return path;
    memcpy(key, path.data, path.size);
    key[path.size] = '\001';
    return (struct str){ key, path.size + 1 };
}

struct builder_field *builder_field(struct builder *builder, struct str path,
                                    enum logstore_type type, bool is_malformed)
{
    char bytes[KEY_SIZE_MAX + 1];
    struct str key = field_key(path, is_malformed, bytes);
    struct builder_field *field = map_get(&builder->field_by_path, key);
    if (field != NULL) return field;
    char *copy = str_copy(path);
    field = calloc(1, sizeof(*field));
    if (field == NULL) {
        free(copy);
        builder->has_failed = true;
        return NULL;
    }
    buf_init(&field->bytes, UINT32_MAX);
    buf_init(&field->value_bytes, UINT32_MAX);
    field->path = (struct str){ copy, path.size };
    field->type = type;
    field->kind = logstore_type_column(type);
    field->is_malformed = is_malformed;
    if (copy == NULL || !VEC_RESERVE(&builder->fields, 1) ||
        map_put(&builder->field_by_path, key, field) < 0) {
        field_free(field);
        builder->has_failed = true;
        return NULL;
    }
    (void)VEC_PUSH(&builder->fields, field);
    builder->is_sorted = false;
    return field;
}

/* The path under which the source has the values: a sub-field's is its parent's. */
static struct str source_path(const struct logstore_field *field)
{
    struct str path = field->path;
    if (!field->is_sub_field) return path;
    while (path.size > 0 && path.data[path.size - 1] != '.') path.size--;
    return path.size == 0 ? field->path : str_first(path, path.size - 1);
}

static struct builder_field *make_mapped(struct builder *builder,
                                         const struct logstore_field *mapped)
{
    struct builder_field *field = builder_field(builder, mapped->path, mapped->type, false);
    if (field == NULL) return NULL;
    field->ignore_above = mapped->ignore_above;
    if (field->source_path.data != NULL) return field;
    struct str path = source_path(mapped);
    char *copy = str_copy(path);
    if (copy == NULL) builder->has_failed = true;
    field->source_path = (struct str){ copy, copy == NULL ? 0 : path.size };
    return field;
}

struct builder_field *builder_make_mapped(struct builder *builder,
                                          const struct logstore_mapping *mapping, uint32_t number)
{
    while (builder->by_number.count <= number) {
        if (VEC_PUSH(&builder->by_number, NULL)) continue;
        builder->has_failed = true;
        return NULL;
    }
    struct builder_field **field = &builder->by_number.items[number];
    if (*field != NULL) return *field;
    *field = make_mapped(builder, &mapping->fields.items[number]);
    return *field;
}

bool builder_field_add(struct builder_field *field, uint32_t document, struct str term)
{
    if (term.data == NULL) term = STR("");
    uint32_t number = builder_term_number(field, term, rare_hash(term));
    return number != UINT32_MAX && builder_add_pair(field, document, number);
}

/* A document names a value once. */
static bool add_hash(struct builder_field *field, uint32_t document, uint32_t hash)
{
    for (size_t i = field->hashes.count; i > 0; i--) {
        const struct builder_hash *before = &field->hashes.items[i - 1];
        if (before->document != document) break;
        if (before->hash == hash) return true;
    }
    return VEC_PUSH(&field->hashes, (struct builder_hash){ document, hash });
}

/* From now on hashes alone; what is there becomes hashes too. */
static bool keep_hashes_only(struct builder_field *field)
{
    if (!VEC_RESERVE(&field->hashes, field->pairs.count)) return false;
    for (size_t i = 0; i < field->pairs.count; i++) {
        const struct builder_pair *pair = &field->pairs.items[i];
        field->hashes.items[field->hashes.count++] =
            (struct builder_hash){ pair->document, field->terms.items[pair->term].hash };
    }
    field->has_hashes_only = true;
    field->pairs.count = 0;
    field->terms.count = 0;
    return true;
}

static bool wants_hashes_only(const struct builder *builder, const struct builder_field *field)
{
    return field->pairs.count == builder_hashes_from(builder) && field->type == LOGSTORE_KEYWORD &&
           !field->is_malformed && field->source_path.size > 0 &&
           field->terms.count * 2 > field->pairs.count &&
           builder->documents.count >= builder->rare_documents_min;
}

void builder_end_term(struct builder *builder, struct builder_field *field, bool is_added)
{
    if (is_added && wants_hashes_only(builder, field)) {
        is_added = keep_hashes_only(field);
    }
    if (!is_added) builder->has_failed = true;
}

uint32_t builder_add_hashed_term(struct builder *builder, struct builder_field *field,
                                 struct str term, uint32_t hash)
{
    uint32_t document = (uint32_t)builder->documents.count - 1;
    if (field->has_hashes_only) {
        builder_end_term(builder, field, add_hash(field, document, hash));
        return UINT32_MAX;
    }
    uint32_t number = builder_term_number(field, term, hash);
    builder_end_term(builder, field,
                     number != UINT32_MAX && builder_add_pair(field, document, number));
    return number;
}

void builder_add_term(struct builder *builder, struct builder_field *field, struct str term)
{
    CHECK(builder->documents.count > 0);
    if (term.data == NULL) term = STR("");
    (void)builder_add_hashed_term(builder, field, term, rare_hash(term));
}

void builder_add_number(struct builder *builder, struct builder_field *field, int64_t value)
{
    CHECK(builder->documents.count > 0);
    uint32_t document = (uint32_t)builder->documents.count - 1;
    if (!VEC_PUSH(&field->numbers, (struct builder_number){ document, value })) {
        builder->has_failed = true;
    }
}

uint32_t builder_find(const struct builder *builder, struct str id)
{
    uintptr_t number = (uintptr_t)map_get(&builder->id_to_document, id);
    uint32_t document =
        number == 0 ? id_list_find_in_runs(&builder->ids, id) : (uint32_t)(number - 1);
    if (document == UINT32_MAX) return UINT32_MAX;
    return builder_is_dead(builder, document) ? UINT32_MAX : document;
}

void builder_kill(struct builder *builder, uint32_t document)
{
    CHECK(document < builder->documents.count);
    if (builder_is_dead(builder, document)) return;
    builder->dead[document / 64] |= UINT64_C(1) << (document % 64);
    builder->dead_count++;
}

bool builder_is_dead(const struct builder *builder, uint32_t document)
{
    return (builder->dead[document / 64] >> (document % 64) & 1) != 0;
}

size_t builder_memory(const struct builder *builder)
{
    size_t size = builder->sources.capacity + builder->ids.bytes.capacity +
                  builder->ids.starts.capacity * sizeof(uint32_t) +
                  builder->documents.capacity * sizeof(struct builder_document) +
                  builder->id_to_document.capacity * sizeof(struct map_entry);
    for (size_t i = 0; i < builder->fields.count; i++) {
        const struct builder_field *field = builder->fields.items[i];
        size += sizeof(*field) + field->bytes.capacity + field->slot_count * sizeof(uint64_t) +
                field->terms.capacity * sizeof(struct builder_term) +
                field->pairs.capacity * sizeof(struct builder_pair) +
                field->hashes.capacity * sizeof(struct builder_hash) +
                field->numbers.capacity * sizeof(struct builder_number) +
                field->documents.capacity * sizeof(uint32_t) +
                field->value_terms.capacity * sizeof(uint32_t) + field->value_bytes.capacity;
        if (field->values != NULL) size += BUILDER_VALUES_COUNT * sizeof(*field->values);
        if (field->sieve != NULL) size += BUILDER_SIEVE_COUNT * sizeof(*field->sieve);
    }
    return size;
}
