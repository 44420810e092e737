/* json_fuzz.c - no text crashes the reader; what it reads can be written and read again, with the
 * same tree; what it refuses it refuses at a byte of the text; so does a line among others. */
#include "codec/json.h"
#include "codec/json_writer.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(struct json_writer *out, const struct json *value)
{
    switch (value->kind) {
    case JSON_NULL: json_put_null(out); break;
    case JSON_BOOL: json_put_bool(out, value->boolean); break;
    case JSON_INT: json_put_int(out, value->integer); break;
    case JSON_DOUBLE: json_put_double(out, value->number); break;
    case JSON_TEXT: json_put_text(out, value->text); break;
    case JSON_ARRAY:
        json_array_begin(out);
        for (size_t i = 0; i < value->array.count; i++) write_value(out, &value->array.items[i]);
        json_array_end(out);
        break;
    case JSON_OBJECT:
        json_object_begin(out);
        for (size_t i = 0; i < value->object.count; i++) {
            json_key(out, value->object.members[i].key);
            write_value(out, &value->object.members[i].value);
        }
        json_object_end(out);
        break;
    }
}

/* The line with others behind it: the same answer, and the same value. */
static void read_as_line(struct json_parser *parser, struct arena *arena, struct str text,
                         int wanted, const struct json *whole, const struct error *whole_error)
{
    static const char behind[] =
        "\n{\"index\":{}}\n{\"a\":\"0123456789012345678901234567890123456789\"}\n";
    char *line = arena_alloc(arena, text.size + sizeof(behind), 1);
    CHECK(line != NULL);
    if (text.size > 0) memcpy(line, text.data, text.size);
    memcpy(line + text.size, behind, sizeof(behind));
    const struct json *root = NULL;
    struct error error = { 0 };
    struct str at = { line, text.size };
    int code = json_parse_line(parser, arena, at, sizeof(behind), &root, &error);
    CHECK(code == wanted);
    if (code != 0) {
        CHECK(error.offset == whole_error->offset && strcmp(error.text, whole_error->text) == 0);
        return;
    }
    CHECK(str_equal(root->raw, whole->raw) && root->kind == whole->kind);
    CLEANUP(buf_release) struct buf first;
    CLEANUP(buf_release) struct buf second;
    buf_init(&first, 1 << 24);
    buf_init(&second, 1 << 24);
    struct json_writer writer;
    json_writer_init(&writer, &first);
    write_value(&writer, whole);
    json_writer_init(&writer, &second);
    write_value(&writer, root);
    CHECK(str_equal(buf_str(&first), buf_str(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct json_parser *parser;
    if (parser == NULL) CHECK(json_parser_new(&parser, NULL) == 0);
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1 << 24);
    const struct json *root = NULL;
    struct error error = { 0 };
    struct str text = { (const char *)data, size };
    int code = json_parse(parser, &arena, text, &root, &error);
    CHECK((code == 0) == (root != NULL));
    read_as_line(parser, &arena, text, code, root, &error);
    if (code != 0) {
        CHECK(error.offset <= size);
        return 0;
    }
    CHECK(str_equal(root->raw, str_trim(text)));
    CLEANUP(buf_release) struct buf first;
    CLEANUP(buf_release) struct buf second;
    buf_init(&first, 1 << 24);
    buf_init(&second, 1 << 24);
    struct json_writer writer;
    json_writer_init(&writer, &first);
    write_value(&writer, root);
    const struct json *again = NULL;
    CHECK(json_parse(parser, &arena, buf_str(&first), &again, NULL) == 0);
    json_writer_init(&writer, &second);
    write_value(&writer, again);
    CHECK(str_equal(buf_str(&first), buf_str(&second)));
    return 0;
}
