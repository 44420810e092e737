/* json_read.c - a walk over the marks that json_index.h finds, which builds the tree.
 *
 * Members and items of a container gather on the parser's stack, above those of the containers
 * around it, and move into the arena in one piece when it closes; so the arena holds nothing but
 * the tree. Texts without escapes are pieces of the source's copy.
 *
 * Behind the copy stand JSON_PADDING quotes: no text can run past them, even if the index erred.
 * Of a line that stands among others no copy is made: its end ends whatever stands before it.
 */
#include "codec/json.h"

#include "base/check.h"
#include "base/vec.h"
#include "codec/json_index.h"
#include "codec/json_text.h"
#include "codec/utf8.h"

#include <errno.h>
#include <stdio.h>

#define STACK_KEPT 4096 /* members; a longer stack goes after its document */

VEC_TYPE(member_stack, struct json_member);

struct json_parser {
    struct json_index *index;
    struct member_stack stack;
};

struct walk {
    const char *bytes; /* the source, or its copy */
    size_t size;
    const uint32_t *offsets; /* of the marks */
    size_t count;
    size_t next; /* the mark at which the walk stands */
    struct arena *arena;
    struct member_stack *stack;
    struct error *error;
};

/* "bad JSON at byte 7: expected ':', got '1'"; `wanted` is what stands behind "expected". */
static int fail_at(const struct walk *walk, size_t offset, const char *wanted)
{
    char got[32];
    unsigned char c = offset < walk->size ? (unsigned char)walk->bytes[offset] : 0;
    if (offset >= walk->size) {
        (void)snprintf(got, sizeof(got), "the end");
    } else if (c > ' ' && c < 0x7F) {
        (void)snprintf(got, sizeof(got), "'%c'", c);
    } else {
        (void)snprintf(got, sizeof(got), "byte 0x%02X", c);
    }
    if (walk->error != NULL) walk->error->offset = offset;
    return error_set(walk->error, ERROR_PARSE, "bad JSON at byte %zu: expected %s, got %s", offset,
                     wanted, got);
}

static int fail_saying(const struct walk *walk, int code, size_t offset, const char *text)
{
    if (walk->error != NULL) walk->error->offset = offset;
    return error_set(walk->error, code, "bad JSON at byte %zu: %s", offset, text);
}

static int fail_full(const struct walk *walk)
{
    return error_set(walk->error, ERROR_LIMIT, "JSON needs more memory than %zu bytes",
                     walk->arena->size_max);
}

/* Offset of the mark at which the walk stands; the size behind the last. */
static size_t mark_offset(const struct walk *walk)
{
    return walk->next < walk->count ? walk->offsets[walk->next] : walk->size;
}

/* The byte at the mark; 0 behind the last. */
static char mark(const struct walk *walk)
{
    return walk->next < walk->count ? walk->bytes[walk->offsets[walk->next]] : '\0';
}

/* Whether a value may end before this offset: a blank, a mark of structure or the end follows. */
static bool ends_at(const struct walk *walk, size_t offset)
{
    if (offset >= walk->size) return true;
    switch (walk->bytes[offset]) {
    case ' ':
    case '\t':
    case '\n':
    case '\r':
    case ',':
    case ':':
    case '[':
    case ']':
    case '{':
    case '}': return true;
    default: return false;
    }
}

static const char *behind_value(int depth)
{
    return depth == 0 ? "the end of the document" : "',' or a closing bracket";
}

/* Reads the text at the mark; *raw with its quotes. */
static int read_text(struct walk *walk, struct str *text, struct str *raw)
{
    size_t start = mark_offset(walk);
    const char *bytes = walk->bytes + start;
    bool has_escape;
    struct str whole = { bytes, json_text_size(bytes, &has_escape) };
    if (whole.size > walk->size - start) return fail_at(walk, walk->size, "a closing quote");
    struct str inner = { bytes + 1, whole.size - 2 };
    if (has_escape) {
        char *plain = arena_alloc(walk->arena, inner.size, 1);
        if (plain == NULL) return fail_full(walk);
        size_t size;
        size_t mistake;
        if (!json_text_unescape(inner, plain, &size, &mistake)) {
            return fail_saying(walk, ERROR_PARSE, start + 1 + mistake, "no such escape");
        }
        CHECK(size <= inner.size);
        inner = (struct str){ plain, size };
    }
    *text = inner;
    *raw = whole;
    walk->next++;
    return 0;
}

/* Reads the number, true, false or null at the mark. */
static int read_word(struct walk *walk, struct json *out)
{
    size_t start = mark_offset(walk);
    const char *bytes = walk->bytes + start;
    if (start == walk->size) return fail_at(walk, start, "a value");
    if (*bytes == '-' || (*bytes >= '0' && *bytes <= '9')) {
        enum json_number_result result = json_number_read(bytes, out);
        if (result == JSON_NUMBER_BROKEN) return fail_at(walk, start + out->raw.size, "a digit");
        if (result == JSON_NUMBER_TOO_LARGE) {
            return fail_saying(walk, ERROR_PARSE, start, "the number is larger than a double");
        }
        walk->next++;
        return 0;
    }
    static const struct {
        struct str text;
        enum json_kind kind;
        bool value;
    } words[] = { { STR_INIT("true"), JSON_BOOL, true },
                  { STR_INIT("false"), JSON_BOOL, false },
                  { STR_INIT("null"), JSON_NULL, false } };
    struct str rest = { bytes, walk->size - start };
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (!str_starts_with(rest, words[i].text)) continue;
        out->kind = words[i].kind;
        out->boolean = words[i].value;
        out->raw = str_first(rest, words[i].text.size);
        walk->next++;
        return 0;
    }
    return fail_at(walk, start, "a value");
}

static int push(struct walk *walk, const struct json_member *member)
{
    struct member_stack *stack = walk->stack;
    if (stack->count >= walk->arena->size_max / sizeof(*member)) return fail_full(walk);
    if (!VEC_PUSH(stack, *member)) return error_set(walk->error, -ENOMEM, "no memory for JSON");
    return 0;
}

static int read_value(struct walk *walk, struct json *out, int depth);

/* Reads what stands between the brackets onto the stack, past the closing one. */
static int read_members(struct walk *walk, int depth)
{
    if (mark(walk) == '}') {
        walk->next++;
        return 0;
    }
    for (bool is_first = true;; is_first = false) {
        struct json_member member = { 0 };
        struct str raw;
        if (mark(walk) != '"') {
            return fail_at(walk, mark_offset(walk), is_first ? "a key or '}'" : "a key");
        }
        int code = read_text(walk, &member.key, &raw);
        if (code != 0) return code;
        size_t end = (size_t)(raw.data - walk->bytes) + raw.size;
        if (!ends_at(walk, end)) return fail_at(walk, end, "':'");
        if (mark(walk) != ':') return fail_at(walk, mark_offset(walk), "':'");
        walk->next++;
        code = read_value(walk, &member.value, depth + 1);
        if (code == 0) code = push(walk, &member);
        if (code != 0) return code;
        char c = mark(walk);
        if (c != ',' && c != '}') return fail_at(walk, mark_offset(walk), "',' or '}'");
        walk->next++;
        if (c == '}') return 0;
    }
}

static int read_object(struct walk *walk, struct json *out, int depth)
{
    size_t start = walk->stack->count;
    walk->next++;
    int code = read_members(walk, depth);
    if (code != 0) return code;
    size_t count = walk->stack->count - start;
    struct json_member *members = NULL;
    if (count > 0) {
        members = ARENA_ARRAY(walk->arena, struct json_member, count);
        if (members == NULL) return fail_full(walk);
        memcpy(members, walk->stack->items + start, count * sizeof(*members));
    }
    walk->stack->count = start;
    out->kind = JSON_OBJECT;
    out->object.members = members;
    out->object.count = count;
    return 0;
}

static int read_items(struct walk *walk, int depth)
{
    if (mark(walk) == ']') {
        walk->next++;
        return 0;
    }
    for (bool is_first = true;; is_first = false) {
        struct json_member item = { 0 };
        if (is_first && mark_offset(walk) == walk->size) {
            return fail_at(walk, walk->size, "a value or ']'");
        }
        int code = read_value(walk, &item.value, depth + 1);
        if (code == 0) code = push(walk, &item);
        if (code != 0) return code;
        char c = mark(walk);
        if (c != ',' && c != ']') return fail_at(walk, mark_offset(walk), "',' or ']'");
        walk->next++;
        if (c == ']') return 0;
    }
}

static int read_array(struct walk *walk, struct json *out, int depth)
{
    size_t start = walk->stack->count;
    walk->next++;
    int code = read_items(walk, depth);
    if (code != 0) return code;
    size_t count = walk->stack->count - start;
    struct json *items = NULL;
    if (count > 0) {
        items = ARENA_ARRAY(walk->arena, struct json, count);
        if (items == NULL) return fail_full(walk);
        for (size_t i = 0; i < count; i++) items[i] = walk->stack->items[start + i].value;
    }
    walk->stack->count = start;
    out->kind = JSON_ARRAY;
    out->array.items = items;
    out->array.count = count;
    return 0;
}

static int read_value(struct walk *walk, struct json *out, int depth)
{
    size_t start = mark_offset(walk);
    char c = mark(walk);
    if (c == '{' || c == '[') {
        if (depth >= JSON_DEPTH_MAX) {
            return fail_saying(walk, ERROR_LIMIT, start, "nested deeper than 128 levels");
        }
        int code = c == '{' ? read_object(walk, out, depth) : read_array(walk, out, depth);
        if (code != 0) return code;
        /* The walk stands behind the closing bracket, which was the mark before. */
        size_t end = walk->offsets[walk->next - 1] + 1;
        out->raw = (struct str){ walk->bytes + start, end - start };
        return 0;
    }
    if (c == '"') {
        out->kind = JSON_TEXT;
        int code = read_text(walk, &out->text, &out->raw);
        if (code != 0) return code;
    } else {
        int code = read_word(walk, out);
        if (code != 0) return code;
    }
    size_t end = start + out->raw.size;
    return ends_at(walk, end) ? 0 : fail_at(walk, end, behind_value(depth));
}
_Static_assert(JSON_DEPTH_MAX == 128, "the text above says so");

/* Why the index refused: finds the place by looking at every byte once more. */
static int fail_index(const struct walk *walk, enum json_index_result result)
{
    struct str text = { walk->bytes, walk->size };
    if (result == JSON_INDEX_EMPTY) return fail_at(walk, walk->size, "a value");
    if (result == JSON_INDEX_NO_MEMORY) {
        return error_set(walk->error, -ENOMEM, "no memory for JSON");
    }
    if (result == JSON_INDEX_NOT_UTF8) {
        return fail_saying(walk, ERROR_PARSE, utf8_valid_size(text), "not UTF-8");
    }
    size_t open = STR_NONE; /* the quote that opened the text we are in */
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (open != STR_NONE && c < 0x20) {
            return fail_saying(walk, ERROR_PARSE, i, "a control character inside a text");
        }
        if (c == '\\') {
            i++;
        } else if (c == '"') {
            open = open == STR_NONE ? i : STR_NONE;
        }
    }
    return fail_saying(walk, ERROR_PARSE, open == STR_NONE ? text.size : open,
                       "a text without its closing quote");
}

int json_parser_new(struct json_parser **parser, struct error *error)
{
    struct json_parser *made = calloc(1, sizeof(*made));
    if (made != NULL) made->index = json_index_new();
    if (made == NULL || made->index == NULL) {
        json_parser_free(made);
        return error_set(error, -ENOMEM, "no memory for a JSON parser");
    }
    *parser = made;
    return 0;
}

void json_parser_free(struct json_parser *parser)
{
    if (parser == NULL) return;
    json_index_free(parser->index);
    VEC_RELEASE(&parser->stack);
    free(parser);
}

void json_parser_cleanup(struct json_parser **parser)
{
    json_parser_free(*parser);
    *parser = NULL;
}

static int parse(struct json_parser *parser, struct walk *walk, struct json *value)
{
    enum json_index_result result =
        json_index_run(parser->index, walk->bytes, walk->size, &walk->offsets, &walk->count);
    if (result != JSON_INDEX_GOOD) return fail_index(walk, result);
    walk->stack = &parser->stack;
    walk->stack->count = 0;
    int code = read_value(walk, value, 0);
    if (code == 0 && walk->next < walk->count) {
        code = fail_at(walk, mark_offset(walk), behind_value(0));
    }
    if (parser->stack.capacity > STACK_KEPT) VEC_RELEASE(&parser->stack);
    return code;
}

/* `bytes` are the text with JSON_PADDING bytes behind it. */
static int parse_padded(struct json_parser *parser, struct arena *arena, const char *bytes,
                        size_t size, const struct json **root, struct error *error)
{
    struct walk walk = { .bytes = bytes, .size = size, .arena = arena, .error = error };
    struct json *value = ARENA_NEW(arena, struct json);
    if (value == NULL) return fail_full(&walk);
    CLEANUP(json_parser_cleanup) struct json_parser *own = NULL;
    if (parser == NULL) {
        int code = json_parser_new(&own, error);
        if (code != 0) return code;
        parser = own;
    }
    int code = parse(parser, &walk, value);
    if (code == 0) *root = value;
    return code;
}

int json_parse(struct json_parser *parser, struct arena *arena, struct str text,
               const struct json **root, struct error *error)
{
    const struct walk walk = { .arena = arena, .error = error };
    if (text.size > JSON_INDEX_SIZE_MAX) return fail_full(&walk);
    char *copy = arena_alloc(arena, text.size + JSON_PADDING, 1);
    if (copy == NULL) return fail_full(&walk);
    if (text.size > 0) memcpy(copy, text.data, text.size);
    memset(copy + text.size, '"', JSON_PADDING);
    return parse_padded(parser, arena, copy, text.size, root, error);
}

int json_parse_line(struct json_parser *parser, struct arena *arena, struct str line, size_t behind,
                    const struct json **root, struct error *error)
{
    bool is_padded =
        behind >= JSON_PADDING && line.size <= JSON_INDEX_SIZE_MAX && line.data[line.size] == '\n';
    return is_padded ? parse_padded(parser, arena, line.data, line.size, root, error)
                     : json_parse(parser, arena, line, root, error);
}
