/* values.c - the values at one path of the sources: by columns where a block has them, else by
 * reading its documents.
 */
#include "base/check.h"
#include "codec/json.h"
#include "codec/json_text.h"
#include "codec/utf8.h"
#include "logstore/document.h"
#include "logstore/reader.h"
#include "logstore/source_find.h"

#include <errno.h>
#include <stdlib.h>

#define DOCUMENT_MEMORY_MAX ((size_t)4 << 30)

struct value_reader {
    struct logstore_reader *blocks;
    struct json_parser *parser;
    struct arena arena;
    struct buf text; /* without escapes */
    struct source_value_vec found;

    /* Of the call at hand. */
    uint32_t first; /* document of the block */
    const uint64_t *wanted;
    int (*visit)(void *argument, uint32_t document, struct str text);
    void *argument;
    struct error *error;
};

int value_reader_new(struct value_reader **reader_out)
{
    struct value_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) return -ENOMEM;
    arena_init(&reader->arena, DOCUMENT_MEMORY_MAX);
    buf_init(&reader->text, SIZE_MAX);
    if (logstore_reader_new(&reader->blocks) < 0 || json_parser_new(&reader->parser, NULL) < 0) {
        value_reader_free(reader);
        return -ENOMEM;
    }
    *reader_out = reader;
    return 0;
}

void value_reader_free(struct value_reader *reader)
{
    if (reader == NULL) return;
    logstore_reader_free(reader->blocks);
    json_parser_free(reader->parser);
    arena_release(&reader->arena);
    buf_release(&reader->text);
    VEC_RELEASE(&reader->found);
    free(reader);
}

bool keyword_is_kept(struct str text, uint32_t ignore_above)
{
    if (text.size > DOCUMENT_KEYWORD_SIZE_MAX) return false;
    if (ignore_above == 0 || text.size <= ignore_above) return true;
    return utf8_valid_count(text) <= ignore_above;
}

static bool is_wanted(const struct value_reader *reader, uint32_t document)
{
    return reader->wanted == NULL || (reader->wanted[document / 64] >> (document % 64) & 1) != 0;
}

static int visit_raw(void *argument, const struct source_value *value)
{
    struct value_reader *reader = argument;
    uint32_t document = reader->first + value->document;
    if (!is_wanted(reader, document)) return 0;
    struct str text = value->raw;
    if (!value->is_text) {
        if (str_equal(text, STR("null"))) return 0;
    } else if (str_find_char(text, '\\') != STR_NONE) {
        size_t size;
        size_t mistake;
        buf_reset(&reader->text);
        char *room = buf_reserve(&reader->text, text.size + JSON_PADDING);
        if (room == NULL) return error_set(reader->error, -ENOMEM, "filter: out of memory");
        if (!json_text_unescape(text, room, &size, &mistake)) {
            return error_set(reader->error, ERROR_CORRUPT, "a document holds a broken text");
        }
        text = (struct str){ room, size };
    }
    return reader->visit(reader->argument, document, text);
}

static int visit_value(struct value_reader *reader, uint32_t document, const struct json *value)
{
    int code = 0;
    if (value->kind == JSON_ARRAY) {
        for (size_t i = 0; code == 0 && i < value->array.count; i++) {
            code = visit_value(reader, document, &value->array.items[i]);
        }
    } else if (value->kind != JSON_NULL && value->kind != JSON_OBJECT) {
        struct str text = value->kind == JSON_TEXT ? value->text : value->raw;
        code = reader->visit(reader->argument, document, text);
    }
    return code;
}

/* What stands at the dotted path; keys may hold dots themselves. Depth: JSON_DEPTH_MAX. */
static int visit_path(struct value_reader *reader, uint32_t document, const struct json *value,
                      struct str path)
{
    int code = 0;
    if (value->kind == JSON_ARRAY) {
        for (size_t i = 0; code == 0 && i < value->array.count; i++) {
            code = visit_path(reader, document, &value->array.items[i], path);
        }
        return code;
    }
    if (value->kind != JSON_OBJECT) return 0;
    for (size_t i = 0; code == 0 && i < value->object.count; i++) {
        const struct json_member *member = &value->object.members[i];
        if (str_equal(member->key, path)) {
            code = visit_value(reader, document, &member->value);
        } else if (path.size > member->key.size && path.data[member->key.size] == '.' &&
                   str_starts_with(path, member->key)) {
            code =
                visit_path(reader, document, &member->value, str_skip(path, member->key.size + 1));
        }
    }
    return code;
}

static int parse_document(struct value_reader *reader, uint32_t document, struct str source,
                          struct str path)
{
    const struct json *root;
    arena_reset(&reader->arena);
    int code = json_parse(reader->parser, &reader->arena, source, &root, reader->error);
    return code < 0 ? code : visit_path(reader, document, root, path);
}

static int find_values(struct value_reader *reader, uint32_t document, struct str source,
                       struct str path)
{
    reader->found.count = 0;
    int code = source_find(source, path, &reader->found);
    if (code == ERROR_UNSUPPORTED) return parse_document(reader, document, source, path);
    if (code < 0) return error_set(reader->error, code, "filter: out of memory");
    for (size_t i = 0; code == 0 && i < reader->found.count; i++) {
        reader->found.items[i].document = document - reader->first;
        code = visit_raw(reader, &reader->found.items[i]);
    }
    return code;
}

/* Of a block that is kept whole. What holds the literal nowhere has no value that does. */
static int read_whole(struct value_reader *reader, const struct source_block *sources,
                      struct str path, const struct literal *literal)
{
    uint32_t count = source_block_count(sources);
    struct str first = { NULL, 0 };
    struct str last = { NULL, 0 };
    (void)source_block_whole(sources, 0, &first);
    (void)source_block_whole(sources, count - 1, &last);
    struct str all = { first.data, (size_t)(last.data + last.size - first.data) };
    size_t place = literal == NULL ? 0 : literal_find(literal, all, 0);
    int code = 0;
    for (uint32_t i = 0; code == 0 && place != STR_NONE && i < count; i++) {
        struct str source = { NULL, 0 };
        (void)source_block_whole(sources, i, &source);
        size_t end = (size_t)(source.data + source.size - all.data);
        if (literal != NULL && place >= end) continue;
        if (is_wanted(reader, reader->first + i)) {
            code = find_values(reader, reader->first + i, source, path);
        }
        if (literal != NULL) place = literal_find(literal, all, end);
    }
    return code;
}

/* Of a block whose keys do not say their paths. */
static int read_documents(struct value_reader *reader, const struct logstore_column *column,
                          uint32_t count)
{
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < count; i++) {
        uint32_t document = reader->first + i;
        if (!is_wanted(reader, document)) continue;
        struct str source;
        code = reader_document(reader->blocks, column->segment, document, &source, reader->error);
        if (code == 0) code = parse_document(reader, document, source, column->source_path);
    }
    return code;
}

int value_reader_block(struct value_reader *reader, const struct logstore_column *column,
                       uint32_t block, const uint64_t *wanted, const struct literal *literal,
                       int (*visit)(void *argument, uint32_t document, struct str text),
                       void *argument, struct error *error)
{
    struct source_block *sources;
    int code = reader_open_block(reader->blocks, column->segment, block, &sources, error);
    if (code < 0) return code;
    reader->first = (uint32_t)packed_get(&column->segment->block_first, block);
    reader->wanted = wanted;
    reader->visit = visit;
    reader->argument = argument;
    reader->error = error;
    code = source_block_values(sources, column->source_path, literal, visit_raw, reader, error);
    if (code != ERROR_UNSUPPORTED) return code;
    struct str unused;
    if (source_block_whole(sources, 0, &unused)) {
        return read_whole(reader, sources, column->source_path, literal);
    }
    return read_documents(reader, column, source_block_count(sources));
}
