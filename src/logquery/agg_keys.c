/* agg_keys.c - keys of several values, coded one behind the other, and documents' combinations. */
#include "logquery/agg_keys.h"

#include <math.h>
#include <string.h>

#define COMBINATIONS_MAX 1024 /* of one document's values */
#define KEY_SIZE_MAX     ((size_t)1 << 20)

void agg_key_encode(struct buf *key, const struct sort_value *value)
{
    buf_append_char(key, (char)value->type);
    if (value->type == SORT_TYPE_INTEGER)
        buf_append(key, (const char *)&value->integer, sizeof(value->integer));
    else if (value->type == SORT_TYPE_REAL)
        buf_append(key, (const char *)&value->real, sizeof(value->real));
    else if (value->type == SORT_TYPE_TEXT) {
        uint32_t size = (uint32_t)value->text.size;
        buf_append(key, (const char *)&size, sizeof(size));
        buf_append_str(key, value->text);
    }
}

struct sort_value agg_key_decode(struct str *key)
{
    struct sort_value value = { .type = (enum sort_type)key->data[0] };
    *key = str_skip(*key, 1);
    if (value.type == SORT_TYPE_INTEGER) {
        memcpy(&value.integer, key->data, sizeof(value.integer));
        *key = str_skip(*key, sizeof(value.integer));
    } else if (value.type == SORT_TYPE_REAL) {
        memcpy(&value.real, key->data, sizeof(value.real));
        *key = str_skip(*key, sizeof(value.real));
    } else if (value.type == SORT_TYPE_TEXT) {
        uint32_t size;
        memcpy(&size, key->data, sizeof(size));
        value.text = str_first(str_skip(*key, sizeof(size)), size);
        *key = str_skip(*key, sizeof(size) + size);
    }
    return value;
}

/* No value comes first. */
int agg_key_compare_values(const struct sort_value *a, const struct sort_value *b)
{
    if (a->type == SORT_TYPE_NONE || b->type == SORT_TYPE_NONE) {
        return (a->type != SORT_TYPE_NONE) - (b->type != SORT_TYPE_NONE);
    }
    if (a->type == SORT_TYPE_TEXT || b->type == SORT_TYPE_TEXT) {
        if (a->type != b->type) return a->type == SORT_TYPE_TEXT ? 1 : -1;
        return str_compare(a->text, b->text);
    }
    if (a->type == SORT_TYPE_INTEGER && b->type == SORT_TYPE_INTEGER) {
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    }
    double left = a->type == SORT_TYPE_REAL ? a->real : (double)a->integer;
    double right = b->type == SORT_TYPE_REAL ? b->real : (double)b->integer;
    return left < right ? -1 : left > right;
}

static int source_value(struct agg_keys *keys, size_t at, size_t value, struct sort_value *out)
{
    const struct agg_source *source = &keys->sources[at];
    const struct agg_reading *reading = &keys->readings[at];
    if (reading->is_keyword) {
        out->type = SORT_TYPE_TEXT;
        uint32_t ordinal = logstore_column_ordinal(reading->column, value);
        return logstore_column_term(reading->column, ordinal, &keys->scratch, &out->text);
    }
    double number = agg_number_at(&reading->numbers, value);
    int64_t integer = agg_integer_at(&reading->numbers, value);
    out->type = SORT_TYPE_INTEGER;
    if (source->kind == AGG_SOURCE_DATE)
        out->integer = agg_date_start(&source->agg, integer);
    else if (source->kind == AGG_SOURCE_HISTOGRAM || reading->numbers.is_real) {
        out->type = SORT_TYPE_REAL;
        out->real = source->kind == AGG_SOURCE_HISTOGRAM
                        ? floor(number / source->interval) * source->interval
                        : number;
    } else {
        out->integer = integer;
    }
    return 0;
}

/* What stands for the value of a document that has none. */
static bool missing_value(const struct agg_keys *keys, size_t at, struct sort_value *out)
{
    const struct agg_source *source = &keys->sources[at];
    *out = (struct sort_value){ .type = SORT_TYPE_NONE };
    if (source->agg.missing == NULL) return source->has_missing_bucket;
    enum logstore_column_kind kind = logstore_type_column(keys->types[at]);
    if (kind == LOGSTORE_COLUMN_REAL) {
        out->type = SORT_TYPE_REAL;
        out->real = parse_number(source->agg.missing, 0);
    } else if (kind == LOGSTORE_COLUMN_INTEGER) {
        out->type = SORT_TYPE_INTEGER;
        out->integer = parse_integer(source->agg.missing, 0);
    } else {
        out->type = SORT_TYPE_TEXT;
        out->text = parse_scalar(source->agg.missing);
    }
    return true;
}

/* Every combination of the document's values. Depth: AGG_SOURCES_MAX. */
static int add_combinations(struct agg_keys *keys, size_t at, uint32_t document)
{
    if (at == keys->source_count) {
        if (++keys->combinations > COMBINATIONS_MAX) return 0;
        if (keys->key.has_failed) return parse_out_of_memory(&keys->search->parse);
        return keys->add(keys, buf_str(&keys->key), document);
    }
    const struct agg_reading *reading = &keys->readings[at];
    size_t size = keys->key.size;
    if (reading->count == 0) {
        struct sort_value missing;
        if (!missing_value(keys, at, &missing)) return 0;
        agg_key_encode(&keys->key, &missing);
        int code = add_combinations(keys, at + 1, document);
        if (!keys->key.has_failed) buf_truncate(&keys->key, size);
        return code;
    }
    int code = 0;
    for (size_t i = 0; code == 0 && i < reading->count; i++) {
        struct sort_value value = { .type = SORT_TYPE_NONE };
        code = source_value(keys, at, reading->first + i, &value);
        if (code < 0) break;
        agg_key_encode(&keys->key, &value);
        code = add_combinations(keys, at + 1, document);
        if (!keys->key.has_failed) buf_truncate(&keys->key, size);
    }
    return code;
}

static int open_readings(struct agg_keys *keys, size_t segment)
{
    for (size_t i = 0; i < keys->source_count; i++) {
        struct agg_reading *reading = &keys->readings[i];
        int code = agg_column(keys->search, &keys->sources[i].agg, segment, &reading->column);
        if (code < 0) return code;
        const struct logstore_field *field = search_field(keys->search, keys->sources[i].agg.field);
        if (field != NULL) keys->types[i] = field->type;
        if (reading->column == NULL) continue;
        keys->types[i] = logstore_column_type(reading->column);
        reading->is_keyword = logstore_column_kind(reading->column) == LOGSTORE_COLUMN_KEYWORD;
        if (reading->is_keyword && keys->sources[i].kind == AGG_SOURCE_TERMS)
            reading->cursor.column = reading->column;
        else if (!reading->is_keyword && agg_numbers_open(&reading->numbers, reading->column))
            reading->cursor.column = reading->column;
        else
            reading->column = NULL;
    }
    return 0;
}

int agg_keys_pair(struct agg_keys *keys, struct bucket_table *table, struct str key,
                  uint32_t document)
{
    uint32_t bucket = bucket_for_text(keys->search, table, key);
    if (bucket == UINT32_MAX) return parse_out_of_memory(&keys->search->parse);
    for (size_t i = keys->pairs.count; i > 0; i--) {
        const struct bucket_pair *before = &keys->pairs.items[i - 1];
        if (before->document != document) break;
        if (before->bucket == bucket) return 0;
    }
    if (VEC_PUSH(&keys->pairs, (struct bucket_pair){ bucket, document })) return 0;
    return parse_out_of_memory(&keys->search->parse);
}

int agg_keys_collect(struct agg_keys *keys, struct agg *agg, struct bucket_table *table,
                     const struct agg_documents *documents)
{
    buf_init(&keys->key, KEY_SIZE_MAX);
    buf_init(&keys->scratch, KEY_SIZE_MAX);
    int code = open_readings(keys, documents->segment);
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        for (size_t k = 0; k < keys->source_count; k++) {
            struct agg_reading *reading = &keys->readings[k];
            struct logstore_cursor *cursor =
                reading->is_keyword ? &reading->cursor : &reading->numbers.cursor;
            reading->count =
                reading->column == NULL
                    ? 0
                    : logstore_cursor_seek(cursor, documents->documents[i], &reading->first);
        }
        keys->combinations = 0;
        code = add_combinations(keys, 0, documents->documents[i]);
    }
    if (code == 0) {
        code = buckets_collect(keys->search, agg, table, documents->segment, &keys->pairs);
    }
    VEC_RELEASE(&keys->pairs);
    buf_release(&keys->key);
    buf_release(&keys->scratch);
    return code;
}
