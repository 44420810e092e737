/* kql.c - Kibana's query language, by descent: no rule needs to look back. */
#include "logquery/kql_node.h"

#include "base/vec.h"
#include "codec/utf8.h"

#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX   50
#define CLAUSES_MAX 1024
VEC_TYPE(node_vec, const struct kql_node *);

struct reader {
    struct arena *arena;
    struct error *error;
    struct str text;
    size_t at;
    unsigned depth;
    unsigned clause_count;
    struct str prefix;
};

static int fail(struct reader *reader, const char *expected)
{
    struct str rest = str_skip(reader->text, reader->at);
    error_set(reader->error, ERROR_PARSE, "Expected %s but %s" STR_FMT "%s found at column %zu",
              expected, rest.size == 0 ? "end of input" : "\"",
              STR_ARG(str_first(rest, rest.size < 1 ? 0 : 1)), rest.size == 0 ? "" : "\"",
              reader->at);
    if (reader->error != NULL) reader->error->offset = reader->at;
    return ERROR_PARSE;
}

static int no_memory(struct reader *reader)
{
    return error_set(reader->error, ERROR_LIMIT, "query needs more memory than it may have");
}

/* Bytes of the blank that stands there: ASCII's, or one that does not break. */
static size_t blank_size(const struct reader *reader, size_t at)
{
    if (at >= reader->text.size) return 0;
    char c = reader->text.data[at];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') return 1;
    return str_starts_with(str_skip(reader->text, at), STR("\xc2\xa0")) ? 2 : 0;
}

static size_t after_blanks(const struct reader *reader, size_t at)
{
    for (size_t size; (size = blank_size(reader, at)) > 0;) at += size;
    return at;
}

static bool has_word(const struct reader *reader, size_t at, struct str word)
{
    struct str rest = str_skip(reader->text, at < reader->text.size ? at : reader->text.size);
    return rest.size >= word.size && str_equal_nocase(str_first(rest, word.size), word);
}

/* " or ", " and ": the end of the operator with its blanks; 0: it is not there. */
static size_t operator_end(const struct reader *reader, size_t at, struct str word)
{
    size_t start = after_blanks(reader, at);
    if (start == at || !has_word(reader, start, word)) return 0;
    size_t end = after_blanks(reader, start + word.size);
    return end > start + word.size ? end : 0;
}

/* "not " */
static size_t not_end(const struct reader *reader, size_t at)
{
    if (!has_word(reader, at, STR("not"))) return 0;
    size_t end = after_blanks(reader, at + 3);
    return end > at + 3 ? end : 0;
}

static bool is_keyword(const struct reader *reader, size_t at)
{
    return operator_end(reader, at, STR("or")) > 0 || operator_end(reader, at, STR("and")) > 0 ||
           not_end(reader, at) > 0;
}

static bool is_special(char c)
{
    return c != 0 && strchr("\\():<>\"*{}", c) != NULL;
}

/* \uXXXX at `at` as UTF-8 into `out`; its bytes, 0 when it is none. */
static size_t take_unicode(const struct reader *reader, size_t at, char *out)
{
    if (at + 6 > reader->text.size || reader->text.data[at + 1] != 'u') return 0;
    return utf8_from_hex(str_skip(reader->text, at + 2), out);
}

/* What a backslash and the next characters mean: bytes taken from the text, 0 when it is no escape;
 * *size: bytes put. */
static size_t take_escape(const struct reader *reader, size_t at, bool is_quoted, char *out,
                          size_t *size)
{
    static const struct str words[] = { STR_INIT("or"), STR_INIT("and"), STR_INIT("not") };
    static const char blanks[] = "ttrrnn"; /* letter and meaning below */
    if (at + 1 >= reader->text.size) return 0;
    char next = reader->text.data[at + 1];
    *size = take_unicode(reader, at, out);
    if (*size > 0) return 6;
    *size = 1;
    for (size_t i = 0; i < 6; i += 2) {
        if (next != blanks[i]) continue;
        out[0] = next == 't' ? '\t' : next == 'r' ? '\r' : '\n';
        return 2;
    }
    out[0] = next;
    if (is_quoted) return next == '\\' || next == '"' ? 2 : 0;
    if (is_special(next)) return 2;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (!has_word(reader, at + 1, words[i])) continue;
        *size = words[i].size;
        memcpy(out, reader->text.data + at + 1, *size);
        return 1 + *size;
    }
    return 0;
}

static int read_quoted(struct reader *reader, struct kql_value *value)
{
    size_t at = reader->at + 1;
    size_t size = 0;
    const char *close = memchr(reader->text.data + at, '"', reader->text.size - at);
    if (close == NULL) return fail(reader, "'\"'");
    char *plain = arena_alloc(reader->arena, reader->text.size - at + 1, 1);
    if (plain == NULL) return no_memory(reader);
    while (at < reader->text.size && reader->text.data[at] != '"') {
        size_t put = 0;
        bool is_escape = reader->text.data[at] == '\\';
        size_t taken = is_escape ? take_escape(reader, at, true, plain + size, &put) : 0;
        if (taken == 0) {
            plain[size] = reader->text.data[at];
            taken = put = 1;
        }
        at += taken;
        size += put;
    }
    reader->at = at;
    if (at >= reader->text.size) return fail(reader, "'\"'");
    reader->at = at + 1;
    *value = (struct kql_value){ KQL_TEXT, { plain, size }, true };
    return 0;
}

static struct str trim(struct str text)
{
    for (;;) {
        text = str_trim(text);
        if (str_starts_with(text, STR("\xc2\xa0")))
            text = str_skip(text, 2);
        else if (str_ends_with(text, STR("\xc2\xa0")))
            text.size -= 2;
        else
            return text;
    }
}

/* Where the unquoted text that begins here can end at most: before a character that ends it. */
static size_t unquoted_limit(const struct reader *reader, size_t *stars)
{
    size_t at = reader->at;
    while (at < reader->text.size) {
        char c = reader->text.data[at];
        if (c == '\\') {
            at += at + 1 < reader->text.size ? 2 : 1;
            continue;
        }
        if (c == '*')
            ++*stars;
        else if (is_special(c))
            break;
        at++;
    }
    return at;
}

static int read_unquoted(struct reader *reader, struct kql_value *value)
{
    size_t stars = 0;
    size_t limit = unquoted_limit(reader, &stars);
    size_t at = reader->at;
    size_t size = 0;
    char *plain = arena_alloc(reader->arena, limit - at + stars * (sizeof(KQL_STAR) - 1) + 8, 1);
    if (plain == NULL) return no_memory(reader);
    bool has_star = false;
    while (at < limit) {
        char c = reader->text.data[at];
        size_t put = 1;
        size_t taken = 1;
        if (c == '\\') {
            taken = take_escape(reader, at, false, plain + size, &put);
            if (taken == 0) break;
        } else if (c == '*') {
            memcpy(plain + size, KQL_STAR, sizeof(KQL_STAR) - 1);
            put = sizeof(KQL_STAR) - 1;
            has_star = true;
        } else {
            if (is_keyword(reader, at)) break;
            plain[size] = c;
        }
        at += taken;
        size += put;
    }
    if (at == reader->at) return fail(reader, "a value");
    reader->at = at;
    struct str text = trim((struct str){ plain, size });
    *value = (struct kql_value){ KQL_TEXT, text, false };
    if (has_star)
        value->kind = KQL_WILDCARD;
    else if (str_equal(text, STR("null")))
        value->kind = KQL_NONE;
    else if (str_equal(text, STR("true")))
        value->kind = KQL_TRUE;
    else if (str_equal(text, STR("false")))
        value->kind = KQL_FALSE;
    return 0;
}

static int read_literal(struct reader *reader, struct kql_value *value)
{
    bool is_quoted = reader->at < reader->text.size && reader->text.data[reader->at] == '"';
    return is_quoted ? read_quoted(reader, value) : read_unquoted(reader, value);
}

static int new_node(struct reader *reader, enum kql_kind kind, struct kql_node **out)
{
    if (++reader->clause_count > CLAUSES_MAX) return fail(reader, "no more than 1024 clauses,");
    *out = ARENA_NEW(reader->arena, struct kql_node);
    if (*out == NULL) return no_memory(reader);
    (*out)->kind = kind;
    (*out)->prefix = reader->prefix;
    return 0;
}

static int new_list(struct reader *reader, enum kql_kind kind, const struct node_vec *items,
                    const struct kql_node **out)
{
    if (items->count == 1 && kind != KQL_NOT && kind != KQL_NESTED) {
        *out = items->items[0];
        return 0;
    }
    struct kql_node *node = NULL;
    int code = new_node(reader, kind, &node);
    if (code < 0) return code;
    node->items = ARENA_ARRAY(reader->arena, const struct kql_node *, items->count);
    if (node->items == NULL) return no_memory(reader);
    memcpy(node->items, items->items, items->count * sizeof(*node->items));
    node->item_count = items->count;
    *out = node;
    return 0;
}

/* The rules of queries and of lists of values differ in their leaves alone. */
typedef int leaf_reader(struct reader *reader, const struct kql_value *field,
                        const struct kql_node **out);

static int read_or(struct reader *reader, leaf_reader *leaf, const struct kql_value *field,
                   const struct kql_node **out);

static int read_group(struct reader *reader, leaf_reader *leaf, const struct kql_value *field,
                      const struct kql_node **out)
{
    if (++reader->depth > DEPTH_MAX) return fail(reader, "fewer brackets,");
    reader->at = after_blanks(reader, reader->at + 1);
    int code = read_or(reader, leaf, field, out);
    reader->depth--;
    if (code < 0) return code;
    reader->at = after_blanks(reader, reader->at);
    bool is_closed = reader->at < reader->text.size && reader->text.data[reader->at] == ')';
    if (!is_closed) return fail(reader, "')'");
    reader->at++;
    return 0;
}

static int read_not(struct reader *reader, leaf_reader *leaf, const struct kql_value *field,
                    const struct kql_node **out)
{
    size_t end = not_end(reader, reader->at);
    if (end > 0) reader->at = end;
    bool is_group = reader->at < reader->text.size && reader->text.data[reader->at] == '(';
    const struct kql_node *inner = NULL;
    int code = is_group ? read_group(reader, leaf, field, &inner) : leaf(reader, field, &inner);
    if (code < 0 || end == 0) {
        *out = inner;
        return code;
    }
    const struct kql_node *list[] = { inner };
    struct node_vec items = { list, 1, 1 };
    return new_list(reader, KQL_NOT, &items, out);
}

static int read_and(struct reader *reader, leaf_reader *leaf, const struct kql_value *field,
                    const struct kql_node **out)
{
    struct node_vec items = { 0 };
    int code;
    for (size_t end = reader->at;; reader->at = end) {
        const struct kql_node *item = NULL;
        code = read_not(reader, leaf, field, &item);
        if (code == 0 && !VEC_PUSH(&items, item)) code = no_memory(reader);
        if (code < 0) break;
        end = operator_end(reader, reader->at, STR("and"));
        if (end == 0) break;
    }
    if (code == 0) code = new_list(reader, KQL_AND, &items, out);
    VEC_RELEASE(&items);
    return code;
}

/* Depth: DEPTH_MAX brackets. */
static int read_or(struct reader *reader, leaf_reader *leaf, const struct kql_value *field,
                   const struct kql_node **out)
{
    struct node_vec items = { 0 };
    int code;
    for (size_t end = reader->at;; reader->at = end) {
        const struct kql_node *item = NULL;
        code = read_and(reader, leaf, field, &item);
        if (code == 0 && !VEC_PUSH(&items, item)) code = no_memory(reader);
        if (code < 0) break;
        end = operator_end(reader, reader->at, STR("or"));
        if (end == 0) break;
    }
    if (code == 0) code = new_list(reader, KQL_OR, &items, out);
    VEC_RELEASE(&items);
    return code;
}

static int put_is(struct reader *reader, const struct kql_value *field,
                  const struct kql_value *value, const struct kql_node **out)
{
    struct kql_node *node = NULL;
    int code = new_node(reader, KQL_IS, &node);
    if (code < 0 || node == NULL) return code;
    node->field = *field;
    node->value = *value;
    *out = node;
    return 0;
}

static int read_value(struct reader *reader, const struct kql_value *field,
                      const struct kql_node **out)
{
    struct kql_value value;
    int code = read_literal(reader, &value);
    return code < 0 ? code : put_is(reader, field, &value, out);
}

static int read_expression(struct reader *reader, const struct kql_value *none,
                           const struct kql_node **out);

/* field:{ ... }: the fields inside lie below it. */
static int read_nested(struct reader *reader, const struct kql_value *field,
                       const struct kql_node **out)
{
    struct str outer = reader->prefix;
    const struct kql_node *inner = NULL;
    static const struct kql_value any = { .kind = KQL_NONE };
    if (++reader->depth > DEPTH_MAX) return fail(reader, "fewer brackets,");
    reader->at = after_blanks(reader, reader->at + 1);
    reader->prefix =
        arena_printf(reader->arena, STR_FMT STR_FMT ".", STR_ARG(outer), STR_ARG(field->text));
    if (reader->prefix.data == NULL) return no_memory(reader);
    int code = read_or(reader, read_expression, &any, &inner);
    reader->prefix = outer;
    reader->depth--;
    if (code < 0) return code;
    reader->at = after_blanks(reader, reader->at);
    bool is_closed = reader->at < reader->text.size && reader->text.data[reader->at] == '}';
    if (!is_closed) return fail(reader, "'}'");
    reader->at++;
    struct kql_node *node = NULL;
    code = new_node(reader, KQL_NESTED, &node);
    if (code < 0) return code;
    node->field = *field;
    node->items = ARENA_NEW(reader->arena, const struct kql_node *);
    if (node->items == NULL) return no_memory(reader);
    node->items[0] = inner;
    node->item_count = 1;
    *out = node;
    return 0;
}

static const struct range_operator {
    struct str text;
    const char *name;
} range_operators[] = {
    { STR_INIT("<="), "lte" },
    { STR_INIT(">="), "gte" },
    { STR_INIT("<"), "lt" },
    { STR_INIT(">"), "gt" },
};

static int read_range(struct reader *reader, const struct kql_value *field,
                      const struct range_operator *operator, const struct kql_node ** out)
{
    struct kql_value value;
    reader->at = after_blanks(reader, reader->at + operator->text.size);
    int code = read_literal(reader, &value);
    if (code < 0) return code;
    struct kql_node *node = NULL;
    code = new_node(reader, KQL_RANGE, &node);
    if (code < 0) return code;
    node->field = *field;
    node->value = value;
    node->range = operator->name;
    *out = node;
    return 0;
}

static int read_expression(struct reader *reader, const struct kql_value *none,
                           const struct kql_node **out)
{
    struct kql_value first;
    int code = read_literal(reader, &first);
    if (code < 0) return code;
    size_t at = after_blanks(reader, reader->at);
    struct str rest = str_skip(reader->text, at);
    for (size_t i = 0; i < ARRAY_LENGTH(range_operators); i++) {
        if (!str_starts_with(rest, range_operators[i].text)) continue;
        reader->at = at;
        return read_range(reader, &first, &range_operators[i], out);
    }
    if (!str_starts_with(rest, STR(":"))) return put_is(reader, none, &first, out);
    reader->at = after_blanks(reader, at + 1);
    char next = reader->at < reader->text.size ? reader->text.data[reader->at] : 0;
    if (next == '{') return read_nested(reader, &first, out);
    if (next == '(') return read_group(reader, read_value, &first, out);
    return read_value(reader, &first, out);
}

int kql_parse(struct str text, struct arena *arena, const struct kql_node **root,
              struct error *error)
{
    struct reader reader = { .arena = arena, .error = error, .text = text };
    static const struct kql_value any = { .kind = KQL_NONE };
    static const struct kql_value star = { KQL_WILDCARD, STR_INIT(KQL_STAR), false };
    const struct kql_node *read = NULL;
    reader.at = after_blanks(&reader, 0);
    int code = reader.at == text.size ? put_is(&reader, &star, &star, &read)
                                      : read_or(&reader, read_expression, &any, &read);
    if (code < 0) return code;
    reader.at = after_blanks(&reader, reader.at);
    if (reader.at < text.size) return fail(&reader, "AND, OR or the end");
    *root = read;
    return 0;
}
