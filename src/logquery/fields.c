/* fields.c - "fields" and "docvalue_fields" of a hit: flat paths, every value in an array. */
#include "logquery/search.h"

#include <stdlib.h>
#include <string.h>

#define PATH_SIZE_MAX 2048

/* Values found by path, in order of first meeting. */
struct found {
    struct str path;
    VEC(struct str) values; /* JSON */
};

struct collector {
    struct search *search;
    const struct logstore_mapping *mapping;
    VEC(struct found) list;
    char path[PATH_SIZE_MAX];
    size_t path_size;
    bool has_failed;
};

static void add(struct collector *collector, struct str path, struct str value)
{
    struct arena *arena = collector->search->arena;
    for (size_t i = 0; i < collector->list.count; i++) {
        struct found *found = &collector->list.items[i];
        if (!str_equal(found->path, path)) continue;
        if (!VEC_PUSH(&found->values, value)) collector->has_failed = true;
        return;
    }
    struct found found = { .path = arena_copy(arena, path) };
    if (found.path.data == NULL || !VEC_PUSH(&found.values, value) ||
        !VEC_PUSH(&collector->list, found)) {
        collector->has_failed = true;
    }
}

static struct str keep(struct collector *collector, const struct buf *text)
{
    struct str copy = arena_copy(collector->search->arena, buf_str(text));
    if (copy.data == NULL) collector->has_failed = true;
    return copy;
}

/* A value of the source as the field's type shows it. */
static struct str as_typed(struct collector *collector, const struct logstore_field *field,
                           struct str format, const struct json *value)
{
    bool is_nanos = field != NULL && field->type == LOGSTORE_DATE_NANOS;
    bool is_date = field != NULL && (field->type == LOGSTORE_DATE || is_nanos);
    struct str text = parse_scalar(value);
    CLEANUP(buf_release) struct buf out = { 0 };
    buf_init(&out, (size_t)1 << 30);
    struct json_writer json;
    json_writer_init(&json, &out);
    if (is_date) {
        struct date_options options = { .format = field->format };
        int64_t time;
        struct str shown = format.size > 0 ? format : field->format;
        CLEANUP(buf_release) struct buf date = { 0 };
        buf_init(&date, 256);
        int code = date_parse_ns(text, &options, &time, NULL);
        bool is_plain = !is_nanos && !str_equal(format, STR("strict_date_optional_time_nanos"));
        if (code == 0 && is_plain)
            date_print_ms(time / 1000000 - (time % 1000000 < 0), shown, 0, &date);
        else if (code == 0)
            date_print_ns(time, shown, 0, &date);
        if (code < 0) return value->raw;
        json_put_text(&json, buf_str(&date));
        return keep(collector, &out);
    }
    bool is_word =
        field != NULL && (field->type == LOGSTORE_TEXT || field->type == LOGSTORE_KEYWORD);
    if (is_word && value->kind != JSON_TEXT) {
        json_put_text(&json, text);
        return keep(collector, &out);
    }
    return value->raw;
}

static const struct wanted_field *wanted(const struct collector *collector, struct str path)
{
    const struct search *search = collector->search;
    for (size_t i = 0; i < search->field_count; i++) {
        if (str_equal(search->fields[i].pattern, path)) return &search->fields[i];
    }
    for (size_t i = 0; i < search->field_count; i++) {
        if (logstore_name_matches(search->fields[i].pattern, path)) return &search->fields[i];
    }
    return NULL;
}

static void add_leaf(struct collector *collector, const struct json *value)
{
    struct str path = { collector->path, collector->path_size };
    const struct logstore_field *field = logstore_mapping_find(collector->mapping, path);
    const struct wanted_field *asked = wanted(collector, path);
    if (asked != NULL && (field != NULL || asked->includes_unmapped)) {
        add(collector, path, as_typed(collector, field, asked->format, value));
    }
    if (field == NULL) return;
    /* Sub-fields stand right behind their field. */
    size_t index = (size_t)(field - collector->mapping->fields.items);
    for (size_t i = index + 1; i < collector->mapping->fields.count; i++) {
        const struct logstore_field *sub = &collector->mapping->fields.items[i];
        if (!sub->is_sub_field) break;
        struct str text = parse_scalar(value);
        bool is_long = sub->ignore_above != 0 && text.size > sub->ignore_above;
        const struct wanted_field *sub_asked = wanted(collector, sub->path);
        if (sub_asked == NULL || is_long) continue;
        add(collector, sub->path, as_typed(collector, sub, sub_asked->format, value));
    }
}

/* Depth: JSON_DEPTH_MAX. */
static void walk(struct collector *collector, const struct json *value)
{
    if (value->kind == JSON_NULL) return;
    if (value->kind == JSON_ARRAY) {
        for (size_t i = 0; i < value->array.count; i++) walk(collector, &value->array.items[i]);
        return;
    }
    if (value->kind != JSON_OBJECT) {
        add_leaf(collector, value);
        return;
    }
    size_t size_before = collector->path_size;
    for (size_t i = 0; i < value->object.count; i++) {
        const struct json_member *member = &value->object.members[i];
        if (size_before + member->key.size + 1 > PATH_SIZE_MAX) continue;
        if (size_before > 0) collector->path[collector->path_size++] = '.';
        memcpy(collector->path + collector->path_size, member->key.data, member->key.size);
        collector->path_size += member->key.size;
        walk(collector, &member->value);
        collector->path_size = size_before;
    }
}

static void put_column_value(const struct logstore_column *column, size_t value, struct str format,
                             const struct logstore_field *field, struct json_writer *json)
{
    enum logstore_type type = logstore_column_type(column);
    struct str shown = format.size > 0 ? format : field != NULL ? field->format : STR("");
    if (str_equal(shown, STR("use_field_mapping"))) shown = STR("");
    CLEANUP(buf_release) struct buf text = { 0 };
    buf_init(&text, (size_t)1 << 20);
    switch (logstore_column_kind(column)) {
    case LOGSTORE_COLUMN_KEYWORD: {
        struct str term;
        uint32_t ordinal = logstore_column_ordinal(column, value);
        if (logstore_column_term(column, ordinal, &text, &term) == 0) json_put_text(json, term);
        return;
    }
    case LOGSTORE_COLUMN_REAL: put_double(json, logstore_column_real(column, value)); return;
    case LOGSTORE_COLUMN_INTEGER: break;
    case LOGSTORE_COLUMN_TEXT:
    case LOGSTORE_COLUMN_NONE: return;
    }
    int64_t integer = logstore_column_integer(column, value);
    if (type == LOGSTORE_BOOLEAN)
        json_put_bool(json, integer != 0);
    else if (type == LOGSTORE_DATE) {
        date_print_ms(integer, shown, 0, &text);
        json_put_text(json, buf_str(&text));
    } else if (type == LOGSTORE_DATE_NANOS) {
        date_print_ns(integer, shown, 0, &text);
        json_put_text(json, buf_str(&text));
    } else {
        json_put_int(json, integer);
    }
}

static bool is_collected(const struct collector *collector, struct str path)
{
    for (size_t i = 0; i < collector->list.count; i++) {
        if (str_equal(collector->list.items[i].path, path)) return true;
    }
    return false;
}

static void write_docvalues(struct search *search, const struct collector *collector,
                            const struct candidate *candidate, struct json_writer *json)
{
    const struct logstore_segment *segment = search->snapshot->segments[candidate->segment].segment;
    for (size_t i = 0; i < search->docvalue_count; i++) {
        const struct wanted_field *asked = &search->docvalues[i];
        for (size_t k = 0; k < logstore_column_count(segment); k++) {
            struct str path = logstore_column_path(segment, k);
            if (!logstore_name_matches(asked->pattern, path)) continue;
            if (is_collected(collector, path)) continue;
            const struct logstore_column *column = logstore_column_find(segment, path);
            if (column == NULL || logstore_column_kind(column) == LOGSTORE_COLUMN_TEXT) continue;
            struct logstore_cursor cursor = { .column = column };
            size_t first;
            size_t count = logstore_cursor_seek(&cursor, candidate->document, &first);
            if (count == 0) continue;
            json_key(json, path);
            json_array_begin(json);
            for (size_t v = 0; v < count; v++) {
                put_column_value(column, first + v, asked->format, search_field(search, path),
                                 json);
            }
            json_array_end(json);
        }
    }
}

/* The value by which the hit was collapsed stands among its fields. */
static void write_collapsed(struct search *search, const struct collector *collector,
                            const struct candidate *candidate, struct json_writer *json)
{
    struct str field = collapse_field(search);
    for (size_t i = 0; i < search->docvalue_count; i++) {
        if (logstore_name_matches(search->docvalues[i].pattern, field)) return;
    }
    if (field.size == 0 || is_collected(collector, field)) return;
    const struct logstore_column *column = search_column(search, candidate->segment, field);
    if (column == NULL || logstore_column_kind(column) == LOGSTORE_COLUMN_TEXT) return;
    struct logstore_cursor cursor = { .column = column };
    size_t first;
    if (logstore_cursor_seek(&cursor, candidate->document, &first) == 0) return;
    json_key(json, field);
    json_array_begin(json);
    put_column_value(column, first, STR(""), search_field(search, field), json);
    json_array_end(json);
}

int fields_write(struct search *search, const struct candidate *candidate, const struct json *root,
                 struct json_writer *json)
{
    bool is_collapsed = search->collapse != NULL;
    if (search->field_count == 0 && search->docvalue_count == 0 && !is_collapsed) return 0;
    struct collector collector = {
        .search = search,
        .mapping = search->snapshot->segments[candidate->segment].index->mapping,
    };
    if (search->field_count > 0) walk(&collector, root);
    json_key(json, STR("fields"));
    json_object_begin(json);
    for (size_t i = 0; i < collector.list.count; i++) {
        struct found *found = &collector.list.items[i];
        json_key(json, found->path);
        json_array_begin(json);
        for (size_t k = 0; k < found->values.count; k++) json_put_raw(json, found->values.items[k]);
        json_array_end(json);
        VEC_RELEASE(&found->values);
    }
    write_docvalues(search, &collector, candidate, json);
    write_collapsed(search, &collector, candidate, json);
    bool has_failed = collector.has_failed;
    VEC_RELEASE(&collector.list);
    json_object_end(json);
    return has_failed ? parse_out_of_memory(&search->parse) : 0;
}
