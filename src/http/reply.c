/* reply.c - a head by its lines, and chunks by a small state machine.
 *
 * Source: RFC 9112, sections 4 (status line), 5 (fields), 6.3 (length of a body), 7.1 (chunks).
 */
#include "http/reply.h"

#include "base/check.h"

#include <string.h>

enum { LINE_SIZE_MAX = 1024, SIZE_DIGITS_MAX = 8, LENGTH_DIGITS_MAX = 15 };

enum stage { STAGE_SIZE, STAGE_DATA, STAGE_DATA_END, STAGE_TRAILER };

/* Where the head ends: behind "\r\n\r\n"; 0: not yet. */
static size_t find_end(struct str bytes)
{
    size_t at = 0;
    for (;;) {
        size_t line = str_find_char(str_skip(bytes, at), '\n');
        if (line == STR_NONE) return 0;
        at += line + 1;
        if (at >= 4 && memcmp(bytes.data + at - 4, "\r\n\r\n", 4) == 0) return at;
    }
}

static bool is_status_200(struct str line)
{
    struct str plain = STR("HTTP/1.1 200");
    return str_starts_with(line, plain) &&
           (line.size == plain.size || line.data[plain.size] == ' ');
}

/* Characters of a header's name. */
static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) return false;
    }
    return name.size > 0;
}

static bool read_length(struct str text, size_t *length)
{
    uint64_t number;
    if (text.size == 0 || text.size > LENGTH_DIGITS_MAX) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
    }
    if (!str_to_uint64(text, &number)) return false;
    *length = (size_t)number;
    return true;
}

/* What a field says of the body; false: it is not the plain case. */
static bool apply_field(const struct http_field *field, bool *has_length, struct reply *reply)
{
    if (str_equal_nocase(field->name, STR("Content-Length"))) {
        if (*has_length) return false;
        *has_length = true;
        return read_length(field->value, &reply->body_size);
    }
    if (str_equal_nocase(field->name, STR("Transfer-Encoding"))) {
        if (reply->is_chunked) return false;
        reply->is_chunked = true;
        return str_equal_nocase(field->value, STR("chunked"));
    }
    if (str_equal_nocase(field->name, STR("Content-Encoding"))) {
        if (reply->is_gzip) return false;
        reply->is_gzip = str_equal_nocase(field->value, STR("gzip"));
        return reply->is_gzip || str_equal_nocase(field->value, STR("identity"));
    }
    if (str_equal_nocase(field->name, STR("Connection"))) {
        /* Other words than these two may mean anything. */
        bool is_kept = str_equal_nocase(field->value, STR("keep-alive"));
        if (!is_kept) reply->is_last = true;
    }
    return true;
}

enum reply_state reply_read(struct str bytes, struct arena *arena, struct http_fields *fields,
                            size_t field_max, struct reply *reply)
{
    size_t size = find_end(bytes);
    if (size == 0) return REPLY_SHORT;
    struct reply found = { .head_size = size };
    struct str rest = arena_copy(arena, str_first(bytes, size - 2)); /* without the empty line */
    if (rest.data == NULL) return REPLY_REFUSED;
    bool has_length = false;
    size_t count = 0;
    for (bool is_first = true; rest.size > 0; is_first = false) {
        struct str line = str_cut(&rest, '\n');
        if (line.size < 2 || line.data[line.size - 1] != '\r') return REPLY_REFUSED;
        line.size--;
        if (memchr(line.data, '\r', line.size) != NULL ||
            memchr(line.data, '\0', line.size) != NULL) {
            return REPLY_REFUSED;
        }
        if (is_first) {
            if (!is_status_200(line)) return REPLY_REFUSED;
            continue;
        }
        struct str value = line;
        struct str name = str_cut(&value, ':');
        if (value.data == NULL || !is_token(name) || count == field_max) return REPLY_REFUSED;
        struct http_field field = { name, str_trim(value) };
        if (!apply_field(&field, &has_length, &found)) return REPLY_REFUSED;
        fields->items[count++] = field;
    }
    if (has_length == found.is_chunked) return REPLY_REFUSED; /* neither, or both */
    fields->count = count;
    *reply = found;
    return REPLY_WHOLE;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* "1a3f" or "1a3f;name=value". */
static bool read_chunk_size(struct str line, size_t *size)
{
    size_t number = 0;
    size_t i = 0;
    for (; i < line.size && hex_of(line.data[i]) >= 0; i++) {
        if (i == SIZE_DIGITS_MAX) return false;
        number = number * 16 + (size_t)hex_of(line.data[i]);
    }
    *size = number;
    return i > 0 && (i == line.size || line.data[i] == ';');
}

/* Takes a line and its end. */
static enum reply_state take_line(struct reply_chunks *chunks, const char *data, size_t size,
                                  struct str *line)
{
    struct str rest = { data + chunks->taken, size - chunks->taken };
    size_t end = str_find_char(rest, '\n');
    if (end == STR_NONE) return rest.size > LINE_SIZE_MAX ? REPLY_REFUSED : REPLY_SHORT;
    if (end == 0 || end > LINE_SIZE_MAX || rest.data[end - 1] != '\r') return REPLY_REFUSED;
    *line = str_first(rest, end - 1);
    chunks->taken += end + 1;
    return REPLY_WHOLE;
}

static void take_data(struct reply_chunks *chunks, char *data, size_t size)
{
    size_t count = size - chunks->taken;
    if (count > chunks->left) count = chunks->left;
    memmove(data + chunks->joined, data + chunks->taken, count);
    chunks->joined += count;
    chunks->taken += count;
    chunks->left -= count;
}

enum reply_state reply_join(struct reply_chunks *chunks, char *data, size_t size)
{
    CHECK(chunks->joined <= chunks->taken);
    CHECK(chunks->taken <= size);
    for (;;) {
        struct str line = { 0 };
        if (chunks->stage == STAGE_DATA) {
            take_data(chunks, data, size);
            if (chunks->left > 0) return REPLY_SHORT;
            chunks->stage = STAGE_DATA_END;
            continue;
        }
        enum reply_state state = take_line(chunks, data, size, &line);
        if (state != REPLY_WHOLE) return state;
        if (chunks->stage == STAGE_TRAILER) {
            if (line.size == 0) return REPLY_WHOLE;
        } else if (chunks->stage == STAGE_DATA_END) {
            if (line.size > 0) return REPLY_REFUSED;
            chunks->stage = STAGE_SIZE;
        } else {
            if (!read_chunk_size(line, &chunks->left)) return REPLY_REFUSED;
            chunks->stage = chunks->left > 0 ? STAGE_DATA : STAGE_TRAILER;
        }
    }
}
