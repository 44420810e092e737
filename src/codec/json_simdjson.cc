/* json_simdjson.cc - simdjson finds the structure; the tree with its source bytes is ours.
 *
 * simdjson 3.0 validates and indexes the text on demand; values are walked once, in order, and
 * each one's raw bytes are noted. Blanks that simdjson counts to a value are cut off again. */
extern "C" {
#include "codec/json.h"
}

#include <cerrno>
#include <new>
#include <simdjson.h>
#include <utility>

namespace od = simdjson::ondemand;

struct json_parser {
    od::parser reader;
};

namespace
{

/* Where the walk stands: what it fills, and what went wrong. */
struct walk {
    struct arena *arena;
    const char *start; /* of the padded copy */
    size_t size;
    struct error *error;
};

int fail_at(const struct walk &walk, int code, size_t offset, const char *text)
{
    if (walk.error != nullptr) walk.error->offset = offset;
    return error_set(walk.error, code, "bad JSON at byte %zu: %s", offset, text);
}

size_t offset_of(const struct walk &walk, const char *at)
{
    if (at < walk.start || at > walk.start + walk.size) return walk.size;
    return static_cast<size_t>(at - walk.start);
}

int fail_simd(const struct walk &walk, simdjson::error_code code, const char *at)
{
    if (code == simdjson::MEMALLOC) return error_set(walk.error, -ENOMEM, "no memory for JSON");
    int ours = code == simdjson::DEPTH_ERROR || code == simdjson::CAPACITY ? ERROR_LIMIT
                                                                           : ERROR_PARSE;
    return fail_at(walk, ours, offset_of(walk, at), simdjson::error_message(code));
}

int fail_full(const struct walk &walk)
{
    return error_set(walk.error, ERROR_LIMIT, "JSON needs more memory than %zu bytes",
                     walk.arena->size_max);
}

struct str trimmed(std::string_view text)
{
    struct str raw = { text.data(), text.size() };
    return str_trim(raw);
}

int read_value(const struct walk &walk, od::value value, struct json *out, int depth);

/* A list that grows inside the arena by doubling: items of an array or members of an object. */
template <typename item> struct list {
    item *items = nullptr;
    size_t count = 0;
    size_t capacity = 0;

    item *add(struct arena *arena)
    {
        if (count == capacity) {
            size_t larger = capacity == 0 ? 8 : capacity * 2;
            item *moved = static_cast<item *>(arena_alloc(arena, larger, sizeof(item)));
            if (moved == nullptr) return nullptr;
            if (count > 0) memcpy(moved, items, count * sizeof(item));
            items = moved;
            capacity = larger;
        }
        return &items[count++];
    }
};

int read_array(const struct walk &walk, od::value value, struct json *out, int depth)
{
    od::array array;
    simdjson::error_code failure = value.get_array().get(array);
    if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, out->raw.data);
    list<struct json> items;
    for (auto element : array) {
        od::value inner;
        failure = std::move(element).get(inner);
        if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, out->raw.data);
        struct json item;
        memset(&item, 0, sizeof(item));
        int code = read_value(walk, inner, &item, depth + 1);
        if (code != 0) return code;
        struct json *place = items.add(walk.arena);
        if (place == nullptr) return fail_full(walk);
        *place = item;
    }
    std::string_view raw;
    failure = array.raw_json().get(raw);
    if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, out->raw.data);
    out->raw = trimmed(raw);
    out->array.items = items.items;
    out->array.count = items.count;
    return 0;
}

int read_key(const struct walk &walk, od::field &field, struct str *key)
{
    std::string_view text;
    simdjson::error_code failure = field.unescaped_key().get(text);
    if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, field.key().raw());
    struct str borrowed = { text.data(), text.size() };
    *key = arena_copy(walk.arena, borrowed);
    return key->data == nullptr ? fail_full(walk) : 0;
}

int read_object(const struct walk &walk, od::value value, struct json *out, int depth)
{
    od::object object;
    simdjson::error_code failure = value.get_object().get(object);
    if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, out->raw.data);
    list<struct json_member> members;
    for (auto element : object) {
        od::field field;
        failure = std::move(element).get(field);
        if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, out->raw.data);
        struct json_member member;
        memset(&member, 0, sizeof(member));
        int code = read_key(walk, field, &member.key);
        if (code == 0) code = read_value(walk, field.value(), &member.value, depth + 1);
        if (code != 0) return code;
        struct json_member *place = members.add(walk.arena);
        if (place == nullptr) return fail_full(walk);
        *place = member;
    }
    std::string_view raw;
    failure = object.raw_json().get(raw);
    if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, out->raw.data);
    out->raw = trimmed(raw);
    out->object.members = members.items;
    out->object.count = members.count;
    return 0;
}

int read_number(const struct walk &walk, od::value value, struct json *out)
{
    od::number number;
    simdjson::error_code failure = value.get_number().get(number);
    if (failure == simdjson::SUCCESS && number.is_int64()) {
        out->kind = JSON_INT;
        out->integer = number.get_int64();
        return 0;
    }
    out->kind = JSON_DOUBLE;
    if (failure == simdjson::SUCCESS) {
        out->number = number.is_uint64() ? static_cast<double>(number.get_uint64())
                                         : number.get_double();
        return 0;
    }
    /* An integer of more than 64 bits is a number all the same. */
    failure = value.get_double().get(out->number);
    if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, out->raw.data);
    return 0;
}

int read_text(const struct walk &walk, od::value value, struct json *out)
{
    std::string_view text;
    simdjson::error_code failure = value.get_string().get(text);
    if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, out->raw.data);
    struct str borrowed = { text.data(), text.size() };
    out->text = arena_copy(walk.arena, borrowed);
    return out->text.data == nullptr ? fail_full(walk) : 0;
}

int read_value(const struct walk &walk, od::value value, struct json *out, int depth)
{
    if (depth > JSON_DEPTH_MAX) {
        return fail_at(walk, ERROR_LIMIT, 0, "nested deeper than 128 levels");
    }
    out->raw = trimmed(value.raw_json_token());
    od::json_type type;
    simdjson::error_code failure = value.type().get(type);
    if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, out->raw.data);
    switch (type) {
    case od::json_type::array: out->kind = JSON_ARRAY; return read_array(walk, value, out, depth);
    case od::json_type::object: out->kind = JSON_OBJECT; return read_object(walk, value, out, depth);
    case od::json_type::string: out->kind = JSON_TEXT; return read_text(walk, value, out);
    case od::json_type::number: return read_number(walk, value, out);
    case od::json_type::boolean:
        out->kind = JSON_BOOL;
        failure = value.get_bool().get(out->boolean);
        break;
    case od::json_type::null: {
        out->kind = JSON_NULL;
        bool is_null = false;
        failure = value.is_null().get(is_null);
        if (failure == simdjson::SUCCESS && !is_null) failure = simdjson::N_ATOM_ERROR;
        break;
    }
    }
    return failure == simdjson::SUCCESS ? 0 : fail_simd(walk, failure, out->raw.data);
}

/* Where the reader stands; the end when it has read everything. */
const char *location_of(const struct walk &walk, od::document &document)
{
    const char *at = nullptr;
    simdjson::error_code failure = document.current_location().get(at);
    return failure == simdjson::SUCCESS ? at : walk.start + walk.size;
}

/* A document that is one number, text, true, false or null: simdjson wants those asked for
 * otherwise, so it is read as the only item of an array. */
int read_document(const struct walk &walk, od::parser &reader, struct str copy, struct json *out)
{
    od::document document;
    simdjson::error_code failure =
        reader.iterate(copy.data, walk.size, copy.size).get(document);
    if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, walk.start);
    od::value value;
    failure = document.get_value().get(value);
    if (failure != simdjson::SUCCESS) return fail_simd(walk, failure, location_of(walk, document));
    int code = read_value(walk, value, out, 0);
    if (code != 0) return code;
    const char *end = location_of(walk, document);
    if (end != walk.start + walk.size) {
        return fail_at(walk, ERROR_PARSE, offset_of(walk, end), "more text behind the value");
    }
    return 0;
}

} // namespace

extern "C" int json_parser_new(struct json_parser **parser, struct error *error)
{
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul")) {
        return error_set(error, ERROR_UNSUPPORTED, "JSON: the processor lacks SSE 4.2 or PCLMUL");
    }
#endif
    struct json_parser *made = new (std::nothrow) struct json_parser;
    if (made == nullptr) return error_set(error, -ENOMEM, "no memory for a JSON parser");
    *parser = made;
    return 0;
}

extern "C" void json_parser_free(struct json_parser *parser)
{
    delete parser;
}

extern "C" void json_parser_cleanup(struct json_parser **parser)
{
    delete *parser;
    *parser = nullptr;
}

extern "C" int json_parse(struct json_parser *parser, struct arena *arena, struct str text,
                          const struct json **root, struct error *error)
{
    struct str source = str_trim(text);
    size_t before = static_cast<size_t>(source.data - text.data);
    char first = source.size == 0 ? '\0' : source.data[0];
    bool is_scalar = first != '{' && first != '[';
    size_t brackets = is_scalar ? 1 : 0;
    size_t size = source.size + 2 * brackets;
    size_t padded = size + simdjson::SIMDJSON_PADDING;
    char *copy = static_cast<char *>(arena_alloc(arena, padded, 1));
    struct json *value = static_cast<struct json *>(arena_alloc(arena, 1, sizeof(*value)));
    struct walk walk = { arena, copy, size, error };
    if (copy == nullptr || value == nullptr) return fail_full(walk);
    if (source.size == 0) return fail_at(walk, ERROR_PARSE, 0, "no value");
    memcpy(copy + brackets, source.data, source.size);
    if (is_scalar) {
        copy[0] = '[';
        copy[size - 1] = ']';
    }

    struct json_parser *reader = parser;
    if (reader == nullptr) {
        int code = json_parser_new(&reader, error);
        if (code != 0) return code;
    }
    struct str bytes = { copy, padded };
    int code = read_document(walk, reader->reader, bytes, value);
    if (reader != parser) json_parser_free(reader);
    if (code != 0) {
        if (error != nullptr) {
            error->offset += before;
            if (is_scalar && error->offset > before) error->offset--;
        }
        return code;
    }
    if (is_scalar && value->array.count != 1) {
        return fail_at(walk, ERROR_PARSE, 0, "expected one value");
    }
    *root = is_scalar ? &value->array.items[0] : value;
    return 0;
}
