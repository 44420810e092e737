/* ecs_lint.c - is this line what Filebeat decodes and Elasticsearch takes?
 *
 * One walk over the JSON, no tree: each key is unescaped behind the path of its object, split at
 * dots, and every path goes into a table of hashes as value or as object. A path that is both, or
 * a value twice, is what Filebeat's expand_keys fails on. Inside arrays only the grammar counts.
 */
#include "structlog/internal.h"

#include <stdio.h>

#define DEPTH_MAX  32
#define PATH_SIZE  2048
#define ENTRY_MAX  1500 /* paths in one line; Elasticsearch stops at 1,000 fields */
#define TABLE_SIZE 2048

enum entry_kind { ENTRY_NONE, ENTRY_VALUE, ENTRY_OBJECT, ENTRY_KEY };

struct entry {
    uint64_t hash;
    enum entry_kind kind;
};

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER,
    JSON_REAL,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct lint {
    const char *line;
    size_t size, at;
    int depth;
    int array_depth;
    size_t key_count; /* of the top level */
    bool has_version;
    bool are_texts; /* the array read last held nothing but texts */
    struct sl_ecs_finding *finding;
    size_t path_size;
    char path[PATH_SIZE];
    size_t entry_count;
    struct entry entries[TABLE_SIZE];
};

static int found(struct lint *lint, enum sl_ecs_rule rule, const char *text)
{
    lint->finding->rule = rule;
    lint->finding->offset = lint->at;
    (void)snprintf(lint->finding->text, sizeof(lint->finding->text), "%s", text);
    return -EINVAL;
}

/* The path's front, shown as far as it is harmless. */
static int found_path(struct lint *lint, enum sl_ecs_rule rule, const char *text)
{
    char name[64];
    size_t size = lint->path_size < sizeof(name) - 1 ? lint->path_size : sizeof(name) - 1;
    for (size_t i = 0; i < size; i++) {
        char c = lint->path[i];
        name[i] = c >= 0x20 && c < 0x7f ? c : '?';
    }
    name[size] = '\0';
    lint->finding->rule = rule;
    lint->finding->offset = lint->at;
    (void)snprintf(lint->finding->text, sizeof(lint->finding->text), "'%s' %s", name, text);
    return -EINVAL;
}

/* ---- the table of paths ---- */

static struct entry *find_entry(struct lint *lint, uint64_t hash, bool is_key)
{
    size_t slot = (size_t)hash % TABLE_SIZE;
    for (;; slot = (slot + 1) % TABLE_SIZE) {
        struct entry *entry = &lint->entries[slot];
        if (entry->kind == ENTRY_NONE) return entry;
        if (entry->hash == hash && (entry->kind == ENTRY_KEY) == is_key) return entry;
    }
}

static int add_entry(struct lint *lint, size_t path_size, enum entry_kind kind)
{
    uint64_t hash = sl_key_hash(lint->path, path_size);
    struct entry *entry = find_entry(lint, hash, kind == ENTRY_KEY);
    if (entry->kind == ENTRY_NONE) {
        if (++lint->entry_count > ENTRY_MAX) return found(lint, SL_ECS_SIZE, "too many fields");
        entry->hash = hash;
        entry->kind = kind;
        return 0;
    }
    if (kind == ENTRY_KEY) return found_path(lint, SL_ECS_DUPLICATE, "comes twice");
    if (kind != entry->kind) {
        return found_path(lint, SL_ECS_CONFLICT, "is a value and an object");
    }
    if (kind == ENTRY_VALUE) return found_path(lint, SL_ECS_DUPLICATE, "comes twice");
    return 0;
}

static int add_path(struct lint *lint, size_t from, bool is_object)
{
    for (size_t i = from; i < lint->path_size; i++) {
        if (lint->path[i] != '.') continue;
        int code = add_entry(lint, i, ENTRY_OBJECT);
        if (code < 0) return code;
    }
    return add_entry(lint, lint->path_size, is_object ? ENTRY_OBJECT : ENTRY_VALUE);
}

/* ---- the grammar ---- */

static void skip_blanks(struct lint *lint)
{
    while (lint->at < lint->size && (lint->line[lint->at] == ' ' || lint->line[lint->at] == '\t')) {
        lint->at++;
    }
}

static char peek(const struct lint *lint)
{
    return lint->at < lint->size ? lint->line[lint->at] : '\0';
}

static int read_hex4(struct lint *lint, uint32_t *value)
{
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++, lint->at++) {
        char c = peek(lint);
        uint32_t digit = 0;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
            digit = (uint32_t)((c | 0x20) - 'a' + 10);
        } else {
            return found(lint, SL_ECS_JSON, "an escape \\u needs four hexadecimal digits");
        }
        sum = sum << 4 | digit;
    }
    *value = sum;
    return 0;
}

static int read_code_point(struct lint *lint, uint32_t *value)
{
    uint32_t low = 0;
    int code = read_hex4(lint, value);
    if (code < 0 || *value < 0xd800 || *value > 0xdfff) return code;
    if (*value > 0xdbff || peek(lint) != '\\' || lint->at + 1 >= lint->size ||
        lint->line[lint->at + 1] != 'u') {
        return found(lint, SL_ECS_JSON, "a surrogate stands alone");
    }
    lint->at += 2;
    code = read_hex4(lint, &low);
    if (code < 0) return code;
    if (low < 0xdc00 || low > 0xdfff) return found(lint, SL_ECS_JSON, "a surrogate stands alone");
    *value = 0x10000 + ((*value - 0xd800) << 10) + (low - 0xdc00);
    return 0;
}

static size_t put_utf8(char *to, uint32_t x)
{
    if (x < 0x80) {
        to[0] = (char)x;
        return 1;
    }
    if (x < 0x800) {
        to[0] = (char)(0xc0 | x >> 6);
        to[1] = (char)(0x80 | (x & 63));
        return 2;
    }
    if (x < 0x10000) {
        to[0] = (char)(0xe0 | x >> 12);
        to[1] = (char)(0x80 | (x >> 6 & 63));
        to[2] = (char)(0x80 | (x & 63));
        return 3;
    }
    to[0] = (char)(0xf0 | x >> 18);
    to[1] = (char)(0x80 | (x >> 12 & 63));
    to[2] = (char)(0x80 | (x >> 6 & 63));
    to[3] = (char)(0x80 | (x & 63));
    return 4;
}

static int read_escape(struct lint *lint, char *bytes, size_t *count)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    char c = peek(lint);
    const char *letter = c == '\0' ? NULL : strchr(letters, c);
    *count = 1;
    if (letter != NULL) {
        bytes[0] = meanings[letter - letters];
        lint->at++;
        return 0;
    }
    if (c != 'u') return found(lint, SL_ECS_JSON, "a string has an unknown escape");
    lint->at++;
    uint32_t value = 0;
    int code = read_code_point(lint, &value);
    if (code == 0) *count = put_utf8(bytes, value);
    return code;
}

/* At the opening quote. The text goes behind the path when `to_path`. */
static int read_string(struct lint *lint, bool to_path)
{
    lint->at++;
    for (;;) {
        char bytes[4];
        size_t count = 1;
        if (lint->at >= lint->size) return found(lint, SL_ECS_JSON, "a string has no end");
        char c = lint->line[lint->at];
        if ((unsigned char)c < 0x20) {
            return found(lint, SL_ECS_JSON, "a string holds a control character");
        }
        lint->at++;
        if (c == '"') return 0;
        bytes[0] = c;
        if (c == '\\') {
            int code = read_escape(lint, bytes, &count);
            if (code < 0) return code;
        }
        if (!to_path) continue;
        if (lint->path_size + count > sizeof(lint->path)) {
            return found(lint, SL_ECS_SIZE, "a path is too long");
        }
        memcpy(lint->path + lint->path_size, bytes, count);
        lint->path_size += count;
    }
}

static bool skip_digits(struct lint *lint)
{
    size_t start = lint->at;
    while (peek(lint) >= '0' && peek(lint) <= '9') lint->at++;
    return lint->at > start;
}

static int read_number(struct lint *lint, enum json_type *type)
{
    *type = JSON_INTEGER;
    if (peek(lint) == '-') lint->at++;
    bool leads_with_zero = peek(lint) == '0';
    size_t start = lint->at;
    if (!skip_digits(lint) || (leads_with_zero && lint->at - start > 1)) {
        return found(lint, SL_ECS_JSON, "a value is no JSON");
    }
    if (peek(lint) == '.') {
        *type = JSON_REAL;
        lint->at++;
        if (!skip_digits(lint)) return found(lint, SL_ECS_JSON, "a number ends in its point");
    }
    if (peek(lint) == 'e' || peek(lint) == 'E') {
        *type = JSON_REAL;
        lint->at++;
        if (peek(lint) == '+' || peek(lint) == '-') lint->at++;
        if (!skip_digits(lint)) return found(lint, SL_ECS_JSON, "an exponent has no digits");
    }
    return 0;
}

static int read_word(struct lint *lint, enum json_type *type)
{
    static const struct {
        const char *text;
        enum json_type type;
    } words[] = { { "true", JSON_BOOL }, { "false", JSON_BOOL }, { "null", JSON_NULL } };
    for (size_t i = 0; i < SL_LENGTH(words); i++) {
        size_t size = strlen(words[i].text);
        if (lint->size - lint->at < size) continue;
        if (memcmp(lint->line + lint->at, words[i].text, size) != 0) continue;
        lint->at += size;
        *type = words[i].type;
        return 0;
    }
    return read_number(lint, type);
}

/* ---- what ECS says of a path ---- */

static const struct {
    const char *path;
    enum json_type type;
} field_types[] = {
    { "@timestamp", JSON_STRING },
    { "log.level", JSON_STRING },
    { "message", JSON_STRING },
    { "ecs.version", JSON_STRING },
    { "log.logger", JSON_STRING },
    { "log.origin.file.name", JSON_STRING },
    { "log.origin.file.line", JSON_INTEGER },
    { "log.origin.function", JSON_STRING },
    { "process.pid", JSON_INTEGER },
    { "process.thread.id", JSON_INTEGER },
    { "process.thread.name", JSON_STRING },
    { "service.name", JSON_STRING },
    { "service.version", JSON_STRING },
    { "service.environment", JSON_STRING },
    { "service.node.name", JSON_STRING },
    { "event.dataset", JSON_STRING },
    { "trace.id", JSON_STRING },
    { "transaction.id", JSON_STRING },
    { "span.id", JSON_STRING },
    { "error.code", JSON_STRING },
    { "error.type", JSON_STRING },
    { "error.message", JSON_STRING },
    { "error.stack_trace", JSON_STRING },
    { "tags", JSON_ARRAY },
};

static bool path_is(const struct lint *lint, const char *path)
{
    return strlen(path) == lint->path_size && memcmp(lint->path, path, lint->path_size) == 0;
}

static int check_name(struct lint *lint)
{
    if (!sl_key_has_empty_part(lint->path, lint->path_size)) return 0;
    return found_path(lint, SL_ECS_NAME, "has an empty part");
}

static int check_label(struct lint *lint, enum json_type type)
{
    if (lint->path_size < 7 || memcmp(lint->path, "labels.", 7) != 0) return 0;
    if (type == JSON_OBJECT || type == JSON_ARRAY) {
        return found_path(lint, SL_ECS_LABEL, "is a label but no plain value");
    }
    for (size_t i = 7; i < lint->path_size; i++) {
        char c = lint->path[i];
        if (c == '.' || c == '*' || c == '\\') {
            return found_path(lint, SL_ECS_LABEL, "is a label with . * or \\ in its key");
        }
    }
    return 0;
}

static int check_type(struct lint *lint, enum json_type type)
{
    for (size_t i = 0; i < SL_LENGTH(field_types); i++) {
        if (!path_is(lint, field_types[i].path)) continue;
        bool may_be_null = i > 3; /* not the four of the head */
        if (type == JSON_NULL && may_be_null) return 0;
        bool is_right = type == field_types[i].type;
        if (is_right && type == JSON_ARRAY) is_right = lint->are_texts;
        if (!is_right) return found_path(lint, SL_ECS_TYPE, "has another type in ECS");
    }
    bool is_object = type == JSON_OBJECT || type == JSON_NULL;
    if (!is_object && sl_key_is_root(lint->path, lint->path_size)) {
        return found_path(lint, SL_ECS_TYPE, "is an object in ECS");
    }
    if (path_is(lint, "ecs.version")) lint->has_version = true;
    return check_label(lint, type);
}

static bool is_timestamp(const char *text, size_t size)
{
    static const char shape[] = "0000-00-00T00:00:00";
    size_t at = 0;
    for (; at < sizeof(shape) - 1; at++) {
        if (at >= size) return false;
        bool is_digit = text[at] >= '0' && text[at] <= '9';
        if (shape[at] == '0' ? !is_digit : text[at] != shape[at]) return false;
    }
    if (at < size && text[at] == '.') {
        size_t start = ++at;
        while (at < size && text[at] >= '0' && text[at] <= '9') at++;
        if (at == start || at - start > 9) return false;
    }
    if (at + 1 == size && text[at] == 'Z') return true;
    if (at >= size || (text[at] != '+' && text[at] != '-')) return false;
    at++;
    size_t digits = 0;
    for (; at < size; at++) {
        if (text[at] == ':' && digits == 2) continue;
        if (text[at] < '0' || text[at] > '9') return false;
        digits++;
    }
    return digits == 4;
}

static int check_head(struct lint *lint)
{
    size_t place = lint->key_count;
    bool is_message = path_is(lint, "message");
    if (place == 1 && !path_is(lint, "@timestamp")) {
        return found(lint, SL_ECS_ORDER, "@timestamp is not the first key");
    }
    if (place == 2 && !path_is(lint, "log.level")) {
        return found(lint, SL_ECS_ORDER, "log.level is not the second key");
    }
    if (place != 3 && is_message) return found(lint, SL_ECS_ORDER, "message is not the third key");
    if (lint->path_size == 0 || lint->path[0] == '_' || (place != 1 && lint->path[0] == '@')) {
        return found_path(lint, SL_ECS_NAME, "is no name for a field");
    }
    return 0;
}

/* ---- the walk: an explicit stack, so that no input makes it deep ---- */

struct level {
    size_t path_size; /* of the object, without the point behind it */
    bool is_array;
    bool in_array; /* this or one around it */
    bool are_texts;
};

static int finish_value(struct lint *lint, struct level *level, enum json_type type)
{
    if (type != JSON_STRING) level->are_texts = false;
    if (level->in_array) return 0;
    int code = check_name(lint);
    if (code == 0) code = check_type(lint, type);
    if (code < 0) return code;
    bool is_object = type == JSON_OBJECT;
    return add_path(lint, level->path_size, is_object);
}

static int read_key(struct lint *lint, struct level *level)
{
    if (peek(lint) != '"') return found(lint, SL_ECS_JSON, "a key is missing");
    lint->path_size = level->path_size;
    if (level->path_size > 0) {
        if (lint->path_size == sizeof(lint->path)) {
            return found(lint, SL_ECS_SIZE, "a path is too long");
        }
        lint->path[lint->path_size++] = '.';
    }
    size_t start = lint->path_size;
    int code = read_string(lint, !level->in_array);
    if (code < 0) return code;
    if (!level->in_array) {
        if (lint->depth == 1) {
            lint->key_count++;
            code = check_head(lint);
        }
        /* Where the key starts tells {"a":{"b":..}} from {"a.b":..}, which are no duplicate keys
         * but meet as paths. */
        if (code == 0 && start == level->path_size + (level->path_size > 0 ? 1 : 0)) {
            code = add_entry(lint, lint->path_size, ENTRY_KEY);
        }
        if (code < 0) return code;
    }
    skip_blanks(lint);
    if (peek(lint) != ':') return found(lint, SL_ECS_JSON, "a key has no colon");
    lint->at++;
    skip_blanks(lint);
    return 0;
}

static int check_top_timestamp(struct lint *lint, size_t start)
{
    if (lint->depth != 1 || lint->key_count != 1) return 0;
    if (is_timestamp(lint->line + start + 1, lint->at - start - 2)) return 0;
    return found(lint, SL_ECS_TIMESTAMP, "@timestamp is not ISO 8601 with a zone");
}

static int read_scalar(struct lint *lint, struct level *level)
{
    enum json_type type = JSON_STRING;
    size_t start = lint->at;
    int code = 0;
    if (peek(lint) == '"') {
        code = read_string(lint, false);
        if (code == 0) code = check_top_timestamp(lint, start);
    } else {
        code = read_word(lint, &type);
    }
    return code < 0 ? code : finish_value(lint, level, type);
}

static int open_level(struct lint *lint, struct level *levels, bool is_array)
{
    if (lint->depth == DEPTH_MAX) return found(lint, SL_ECS_SIZE, "too deep");
    const struct level *outer = &levels[lint->depth - 1];
    levels[lint->depth] = (struct level){ .path_size = outer->in_array ? 0 : lint->path_size,
                                          .is_array = is_array,
                                          .in_array = is_array || outer->in_array,
                                          .are_texts = true };
    lint->depth++;
    lint->at++;
    return 0;
}

static int close_level(struct lint *lint, struct level *levels)
{
    const struct level *closed = &levels[lint->depth - 1];
    lint->depth--;
    lint->at++;
    if (lint->depth == 0) return 0;
    lint->are_texts = closed->are_texts;
    struct level *outer = &levels[lint->depth - 1];
    if (!outer->in_array) lint->path_size = closed->path_size;
    return finish_value(lint, outer, closed->is_array ? JSON_ARRAY : JSON_OBJECT);
}

/* Behind a value, or at the start of an object or array (`is_fresh`). */
static int next_in_level(struct lint *lint, struct level *levels, bool *is_fresh)
{
    struct level *level = &levels[lint->depth - 1];
    char end = level->is_array ? ']' : '}';
    skip_blanks(lint);
    if (peek(lint) == end) {
        *is_fresh = false;
        return close_level(lint, levels);
    }
    if (!*is_fresh) {
        if (peek(lint) != ',') return found(lint, SL_ECS_JSON, "a comma is missing");
        lint->at++;
        skip_blanks(lint);
    }
    if (!level->is_array) {
        int code = read_key(lint, level);
        if (code < 0) return code;
    }
    char c = peek(lint);
    *is_fresh = c == '{' || c == '[';
    return *is_fresh ? open_level(lint, levels, c == '[') : read_scalar(lint, level);
}

static int walk(struct lint *lint)
{
    struct level levels[DEPTH_MAX];
    bool is_fresh = true;
    skip_blanks(lint);
    if (peek(lint) != '{') return found(lint, SL_ECS_JSON, "the line is no object");
    levels[0] = (struct level){ .path_size = 0 };
    lint->depth = 1;
    lint->at++;
    while (lint->depth > 0) {
        int code = next_in_level(lint, levels, &is_fresh);
        if (code < 0) return code;
    }
    skip_blanks(lint);
    if (lint->at < lint->size) return found(lint, SL_ECS_JSON, "something follows the object");
    if (lint->key_count < 2) return found(lint, SL_ECS_ORDER, "@timestamp or log.level is missing");
    if (!lint->has_version) return found(lint, SL_ECS_VERSION, "ecs.version is missing");
    return 0;
}

int sl_ecs_lint_line(const char *line, size_t size, struct sl_ecs_finding *finding)
{
    struct lint lint;
    memset(&lint, 0, sizeof(lint));
    lint.line = line;
    lint.finding = finding;
    if (size > 0 && line[size - 1] == '\n') size--;
    lint.size = size;
    if (size == 0) return found(&lint, SL_ECS_SIZE, "the line is empty");
    if (size > SL_ECS_SIZE_MAX) return found(&lint, SL_ECS_SIZE, "the line is too long");
    for (size_t skip = 1; lint.at < size;) {
        size_t length = sl_utf8_length(line + lint.at, size - lint.at, &skip);
        if (length == 0) return found(&lint, SL_ECS_UTF8, "invalid UTF-8");
        lint.at += length;
    }
    lint.at = 0;
    return walk(&lint);
}
