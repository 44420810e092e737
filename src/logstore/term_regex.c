/* term_regex.c - Lucene's regular expressions: read into a tree, then given to RE2 or walked.
 *
 * WALK   Each node answers: beginning at character `start` of the term, where may a match of mine
 *        end? The answer is a set of positions, found once for each node and start and kept until
 *        the next term. '&' is the intersection of two such sets, '~' the complement.
 */
#include "logstore/term_regex.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/vec.h"
#include "codec/regex.h"
#include "logstore/analyzer.h"
#include "logstore/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX       100
#define REPEAT_MAX      1000
#define TREE_SIZE_MAX   ((size_t)4 << 20)
#define WALK_MEMORY_MAX ((size_t)64 << 20)
#define WORDS(count)    (((count) + 64) / 64) /* positions 0 .. count */

enum node_kind {
    NODE_EMPTY,   /* the empty text */
    NODE_NOTHING, /* # */
    NODE_TEXT,    /* one character */
    NODE_CLASS,   /* [...], . */
    NODE_ANY,     /* @ */
    NODE_CONCAT,
    NODE_UNION,
    NODE_REPEAT,
    NODE_INTERSECTION,
    NODE_COMPLEMENT,
    NODE_INTERVAL, /* <n-m> */
};

struct span {
    uint32_t from, to;
};

VEC_TYPE(node_vec, struct node *);
VEC_TYPE(span_vec, struct span);

struct node {
    enum node_kind kind;
    size_t number; /* of its memory while walking */
    uint32_t character;
    const struct span *spans;
    size_t span_count;
    bool is_negated;
    struct node **items;
    size_t item_count;
    uint32_t least, most; /* REPEAT; most UINT32_MAX: without end */
    uint64_t low, high;   /* INTERVAL */
    uint32_t digits;      /* INTERVAL: exactly so many; 0: any number of leading zeros */
};

struct term_regex {
    struct arena tree;
    struct node *root;
    size_t node_count;
    bool is_nocase;
    struct regex *plain; /* RE2's; NULL: it is walked */
    struct buf prefix;

    /* While walking a term. */
    struct arena memory;
    const uint32_t *characters;
    size_t count;
    uint64_t **known; /* [node * (count + 1) + start] */
    bool has_failed;
};

/* Reading ------------------------------------------------------------------------------------- */

struct reader {
    struct term_regex *regex;
    struct str text;
    size_t at;
    unsigned depth;
    bool needs_walk;
    struct error *error;
};

static int fail(struct reader *reader, const char *what)
{
    return error_set(reader->error, ERROR_INVALID, "%s at position %zu of a regular expression",
                     what, reader->at);
}

static bool has_more(const struct reader *reader)
{
    return reader->at < reader->text.size;
}

static char peek(const struct reader *reader)
{
    return has_more(reader) ? reader->text.data[reader->at] : 0;
}

static bool take(struct reader *reader, char c)
{
    if (!has_more(reader) || peek(reader) != c) return false;
    reader->at++;
    return true;
}

/* One character; broken bytes stand for themselves. */
static uint32_t cut_character(struct str *rest)
{
    unsigned char first = (unsigned char)rest->data[0];
    size_t size = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size > rest->size) size = 1;
    uint32_t code = size == 1 ? first : first & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) code = code << 6 | ((unsigned char)rest->data[i] & 0x3f);
    *rest = str_skip(*rest, size);
    return code;
}

/* The next character, an escaped one as itself. */
static int take_character(struct reader *reader, uint32_t *character)
{
    (void)take(reader, '\\');
    if (!has_more(reader)) return fail(reader, "unexpected end-of-string");
    struct str rest = str_skip(reader->text, reader->at);
    *character = cut_character(&rest);
    reader->at = reader->text.size - rest.size;
    return 0;
}

/* NULL, and the error is set, when the pattern is too large. */
static struct node *new_node(struct reader *reader, enum node_kind kind)
{
    struct node *node = ARENA_NEW(&reader->regex->tree, struct node);
    if (node == NULL) {
        (void)error_set(reader->error, ERROR_LIMIT, "pattern is too large");
        return NULL;
    }
    node->kind = kind;
    node->number = reader->regex->node_count++;
    return node;
}

static int put_node(struct reader *reader, enum node_kind kind, struct node **out)
{
    *out = new_node(reader, kind);
    return *out == NULL ? ERROR_LIMIT : 0;
}

static int new_list(struct reader *reader, enum node_kind kind, const struct node_vec *items,
                    struct node **out)
{
    if (items->count == 1) {
        *out = items->items[0];
        return 0;
    }
    struct node *node = new_node(reader, kind);
    if (node == NULL) return ERROR_LIMIT;
    node->items = ARENA_ARRAY(&reader->regex->tree, struct node *, items->count);
    if (node->items == NULL) return error_set(reader->error, ERROR_LIMIT, "pattern is too large");
    memcpy(node->items, items->items, items->count * sizeof(*node->items));
    node->item_count = items->count;
    *out = node;
    return 0;
}

static struct node *new_above(struct reader *reader, enum node_kind kind, struct node *below)
{
    struct node *node = new_node(reader, kind);
    if (node == NULL) return NULL;
    node->items = ARENA_NEW(&reader->regex->tree, struct node *);
    if (node->items == NULL) {
        (void)error_set(reader->error, ERROR_LIMIT, "pattern is too large");
        return NULL;
    }
    node->items[0] = below;
    node->item_count = 1;
    return node;
}

static int new_class(struct reader *reader, const struct span_vec *spans, bool is_negated,
                     struct node **out)
{
    struct node *node = new_node(reader, NODE_CLASS);
    if (node == NULL) return ERROR_LIMIT;
    struct span *list = ARENA_ARRAY(&reader->regex->tree, struct span, spans->count + 1);
    if (list == NULL) return error_set(reader->error, ERROR_LIMIT, "pattern is too large");
    if (spans->count > 0) memcpy(list, spans->items, spans->count * sizeof(*list));
    node->spans = list;
    node->span_count = spans->count;
    node->is_negated = is_negated;
    *out = node;
    return 0;
}

static int read_span(struct reader *reader, struct span_vec *spans)
{
    struct span span;
    int code = take_character(reader, &span.from);
    if (code < 0) return code;
    span.to = span.from;
    if (take(reader, '-')) {
        code = take_character(reader, &span.to);
        if (code < 0) return code;
        if (span.from > span.to) return fail(reader, "a range whose end comes first");
    }
    return VEC_PUSH(spans, span) ? 0 : -ENOMEM;
}

static int read_class(struct reader *reader, struct node **out)
{
    struct span_vec spans = { 0 };
    bool is_negated = take(reader, '^');
    int code = read_span(reader, &spans);
    while (code == 0 && has_more(reader) && peek(reader) != ']') code = read_span(reader, &spans);
    if (code == 0 && !take(reader, ']')) code = fail(reader, "expected ']'");
    if (code == 0) code = new_class(reader, &spans, is_negated, out);
    VEC_RELEASE(&spans);
    return code;
}

static int new_character(struct reader *reader, uint32_t character, struct node **out)
{
    struct node *node = new_node(reader, NODE_TEXT);
    if (node == NULL) return ERROR_LIMIT;
    node->character = character;
    *out = node;
    return 0;
}

/* "..." */
static int read_literal(struct reader *reader, struct node **out)
{
    struct str rest = str_skip(reader->text, reader->at);
    size_t end = str_find_char(rest, '"');
    if (end == STR_NONE) return fail(reader, "expected '\"'");
    struct str literal = str_first(rest, end);
    struct node_vec items = { 0 };
    reader->at += end + 1;
    int code = 0;
    while (code == 0 && literal.size > 0) {
        struct node *item = NULL;
        code = new_character(reader, cut_character(&literal), &item);
        if (code == 0 && !VEC_PUSH(&items, item)) code = -ENOMEM;
    }
    if (code == 0) {
        code = items.count == 0 ? put_node(reader, NODE_EMPTY, out)
                                : new_list(reader, NODE_CONCAT, &items, out);
    }
    VEC_RELEASE(&items);
    return code;
}

static bool parse_digits(struct str text, uint64_t *number)
{
    if (text.size == 0 || text.size > 18) return false;
    *number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        *number = *number * 10 + (uint64_t)(text.data[i] - '0');
    }
    return true;
}

/* <n-m> */
static int read_interval(struct reader *reader, struct node **out)
{
    struct str rest = str_skip(reader->text, reader->at);
    size_t end = str_find_char(rest, '>');
    if (end == STR_NONE) return fail(reader, "expected '>'");
    struct str high = str_first(rest, end);
    struct str low = str_cut(&high, '-');
    uint64_t from;
    uint64_t to;
    if (!parse_digits(low, &from) || !parse_digits(high, &to)) {
        return fail(reader, "interval syntax error");
    }
    reader->at += end + 1;
    struct node *node = new_node(reader, NODE_INTERVAL);
    if (node == NULL) return ERROR_LIMIT;
    node->low = from < to ? from : to;
    node->high = from < to ? to : from;
    node->digits = low.size == high.size ? (uint32_t)low.size : 0;
    reader->needs_walk = true;
    *out = node;
    return 0;
}

static int read_union(struct reader *reader, struct node **out);

static int read_simple(struct reader *reader, struct node **out)
{
    static const struct span_vec none = { 0 };
    if (take(reader, '.')) return new_class(reader, &none, true, out);
    if (take(reader, '#')) return put_node(reader, NODE_NOTHING, out);
    if (take(reader, '@')) return put_node(reader, NODE_ANY, out);
    if (take(reader, '"')) return read_literal(reader, out);
    if (take(reader, '<')) return read_interval(reader, out);
    if (take(reader, '[')) return read_class(reader, out);
    if (take(reader, '(')) {
        if (take(reader, ')')) return put_node(reader, NODE_EMPTY, out);
        if (++reader->depth > DEPTH_MAX) return fail(reader, "brackets nested too deep");
        int code = read_union(reader, out);
        reader->depth--;
        if (code < 0) return code;
        return take(reader, ')') ? 0 : fail(reader, "expected ')'");
    }
    uint32_t character;
    int code = take_character(reader, &character);
    return code < 0 ? code : new_character(reader, character, out);
}

static int read_complement(struct reader *reader, struct node **out)
{
    unsigned count = 0;
    while (take(reader, '~')) count++;
    struct node *node = NULL;
    int code = read_simple(reader, &node);
    if (count > 0) reader->needs_walk = true;
    if (code < 0) return code;
    *out = count % 2 == 1 ? new_above(reader, NODE_COMPLEMENT, node) : node;
    return *out == NULL ? ERROR_LIMIT : 0;
}

static int take_number(struct reader *reader, uint32_t *number)
{
    size_t start = reader->at;
    uint32_t value = 0;
    while (has_more(reader) && peek(reader) >= '0' && peek(reader) <= '9') {
        value = value * 10 + (uint32_t)(peek(reader) - '0');
        if (value > REPEAT_MAX) return fail(reader, "a repetition of more than 1000 times");
        reader->at++;
    }
    if (reader->at == start) return fail(reader, "integer expected");
    *number = value;
    return 0;
}

static int take_bounds(struct reader *reader, uint32_t *least, uint32_t *most)
{
    int code = take_number(reader, least);
    *most = *least;
    if (code == 0 && take(reader, ',')) {
        bool has_number = peek(reader) >= '0' && peek(reader) <= '9';
        *most = UINT32_MAX;
        if (has_number) code = take_number(reader, most);
    }
    if (code < 0) return code;
    return take(reader, '}') ? 0 : fail(reader, "expected '}'");
}

static int read_repeat(struct reader *reader, struct node **out)
{
    struct node *node = NULL;
    int code = read_complement(reader, &node);
    for (unsigned levels = 0; code == 0; levels++) {
        uint32_t least = 0;
        uint32_t most = UINT32_MAX;
        if (take(reader, '?'))
            most = 1;
        else if (take(reader, '+'))
            least = 1;
        else if (take(reader, '{'))
            code = take_bounds(reader, &least, &most);
        else if (!take(reader, '*'))
            break;
        if (levels == DEPTH_MAX) code = fail(reader, "repetitions nested too deep");
        if (code < 0) return code;
        node = new_above(reader, NODE_REPEAT, node);
        if (node == NULL) return ERROR_LIMIT;
        node->least = least;
        node->most = most;
    }
    if (code == 0) *out = node;
    return code;
}

static int read_concat(struct reader *reader, struct node **out)
{
    struct node_vec items = { 0 };
    int code;
    do {
        struct node *item = NULL;
        code = read_repeat(reader, &item);
        if (code == 0 && !VEC_PUSH(&items, item)) code = -ENOMEM;
    } while (code == 0 && has_more(reader) && strchr(")|&", peek(reader)) == NULL);
    if (code == 0) code = new_list(reader, NODE_CONCAT, &items, out);
    VEC_RELEASE(&items);
    return code;
}

static int read_intersection(struct reader *reader, struct node **out)
{
    struct node_vec items = { 0 };
    int code;
    do {
        struct node *item = NULL;
        code = read_concat(reader, &item);
        if (code == 0 && !VEC_PUSH(&items, item)) code = -ENOMEM;
    } while (code == 0 && take(reader, '&'));
    if (items.count > 1) reader->needs_walk = true;
    if (code == 0) code = new_list(reader, NODE_INTERSECTION, &items, out);
    VEC_RELEASE(&items);
    return code;
}

static int read_union(struct reader *reader, struct node **out)
{
    struct node_vec items = { 0 };
    int code;
    do {
        struct node *item = NULL;
        code = read_intersection(reader, &item);
        if (code == 0 && !VEC_PUSH(&items, item)) code = -ENOMEM;
    } while (code == 0 && take(reader, '|'));
    if (code == 0) code = new_list(reader, NODE_UNION, &items, out);
    VEC_RELEASE(&items);
    return code;
}

/* For RE2 ------------------------------------------------------------------------------------- */

static void print(const struct node *node, struct buf *out);

static void print_character(uint32_t character, struct buf *out)
{
    buf_printf(out, "\\x{%X}", character);
}

static void print_items(const struct node *node, const char *between, struct buf *out)
{
    buf_append_cstr(out, "(?:");
    for (size_t i = 0; i < node->item_count; i++) {
        if (i > 0) buf_append_cstr(out, between);
        print(node->items[i], out);
    }
    buf_append_char(out, ')');
}

static void print_class(const struct node *node, struct buf *out)
{
    if (node->span_count == 0) {
        buf_append_cstr(out, "(?s:.)");
        return;
    }
    buf_append_cstr(out, node->is_negated ? "[^" : "[");
    for (size_t i = 0; i < node->span_count; i++) {
        print_character(node->spans[i].from, out);
        buf_append_char(out, '-');
        print_character(node->spans[i].to, out);
    }
    buf_append_char(out, ']');
}

static void print_repeat(const struct node *node, struct buf *out)
{
    if (node->most < node->least) {
        buf_append_cstr(out, "[^\\x00-\\x{10FFFF}]");
        return;
    }
    print_items(node, "", out);
    if (node->most == UINT32_MAX && node->least <= 1)
        buf_append_char(out, node->least == 0 ? '*' : '+');
    else if (node->most == UINT32_MAX)
        buf_printf(out, "{%u,}", node->least);
    else
        buf_printf(out, "{%u,%u}", node->least, node->most);
}

/* Depth: DEPTH_MAX brackets, each with DEPTH_MAX repetitions at most. */
static void print(const struct node *node, struct buf *out)
{
    switch (node->kind) {
    case NODE_EMPTY: buf_append_cstr(out, "(?:)"); return;
    case NODE_NOTHING: buf_append_cstr(out, "[^\\x00-\\x{10FFFF}]"); return;
    case NODE_TEXT: print_character(node->character, out); return;
    case NODE_CLASS: print_class(node, out); return;
    case NODE_ANY: buf_append_cstr(out, "(?s:.*)"); return;
    case NODE_CONCAT: print_items(node, "", out); return;
    case NODE_UNION: print_items(node, "|", out); return;
    case NODE_REPEAT: print_repeat(node, out); return;
    case NODE_INTERSECTION:
    case NODE_COMPLEMENT:
    case NODE_INTERVAL: break;
    }
    check_failed("a node that RE2 knows", __FILE__, __LINE__);
}

/* Walking ------------------------------------------------------------------------------------- */

static const uint64_t *ends(struct term_regex *regex, const struct node *node, size_t start);

static void set_bit(uint64_t *bits, size_t at)
{
    bits[at / 64] |= UINT64_C(1) << (at % 64);
}

static bool has_bit(const uint64_t *bits, size_t at)
{
    return (bits[at / 64] >> (at % 64) & 1) != 0;
}

static bool is_in_class(const struct node *node, uint32_t character)
{
    for (size_t i = 0; i < node->span_count; i++) {
        if (character >= node->spans[i].from && character <= node->spans[i].to) {
            return !node->is_negated;
        }
    }
    return node->is_negated;
}

static void set_interval(const struct term_regex *regex, const struct node *node, size_t start,
                         uint64_t *bits)
{
    uint64_t value = 0;
    for (size_t at = start; at < regex->count; at++) {
        uint32_t c = regex->characters[at];
        if (c < '0' || c > '9' || value > UINT64_MAX / 100) return;
        value = value * 10 + (c - '0');
        bool has_digits = node->digits == 0 || at + 1 - start == node->digits;
        if (has_digits && value >= node->low && value <= node->high) set_bit(bits, at + 1);
    }
}

/* Where `node` may end when it begins at any position of `from`; adds to `to`. */
static void step(struct term_regex *regex, const struct node *node, const uint64_t *from,
                 uint64_t *to)
{
    for (size_t at = 0; at <= regex->count && !regex->has_failed; at++) {
        if (!has_bit(from, at)) continue;
        const uint64_t *reached = ends(regex, node, at);
        for (size_t i = 0; reached != NULL && i < WORDS(regex->count); i++) to[i] |= reached[i];
    }
}

static uint64_t *new_bits(struct term_regex *regex)
{
    uint64_t *bits = ARENA_ARRAY(&regex->memory, uint64_t, WORDS(regex->count));
    if (bits == NULL) regex->has_failed = true;
    return bits;
}

static void set_concat(struct term_regex *regex, const struct node *node, size_t start,
                       uint64_t *bits)
{
    uint64_t *from = new_bits(regex);
    if (from == NULL) return;
    set_bit(from, start);
    for (size_t i = 0; i < node->item_count; i++) {
        uint64_t *to = new_bits(regex);
        if (to == NULL) return;
        step(regex, node->items[i], from, to);
        from = to;
    }
    memcpy(bits, from, WORDS(regex->count) * sizeof(*bits));
}

static void set_repeat(struct term_regex *regex, const struct node *node, size_t start,
                       uint64_t *bits)
{
    size_t size = WORDS(regex->count) * sizeof(*bits);
    uint64_t *from = new_bits(regex);
    uint64_t *to = new_bits(regex);
    if (from == NULL || to == NULL || node->most < node->least) return;
    set_bit(from, start);
    if (node->least == 0) set_bit(bits, start);
    for (uint32_t i = 1; i <= node->most && !regex->has_failed; i++) {
        memset(to, 0, size);
        step(regex, node->items[0], from, to);
        bool is_same = memcmp(from, to, size) == 0;
        bool is_new = false;
        for (size_t k = 0; i >= node->least && k < WORDS(regex->count); k++) {
            is_new |= (to[k] & ~bits[k]) != 0;
            bits[k] |= to[k];
        }
        /* Nothing more will come: no new end after the least, or the same ends over and over. */
        if (i >= node->least && (!is_new || is_same)) return;
        if (is_same) i = node->least - 1;
        memcpy(from, to, size);
    }
}

static void find_ends(struct term_regex *regex, const struct node *node, size_t start,
                      uint64_t *bits)
{
    size_t words = WORDS(regex->count);
    uint32_t now = start < regex->count ? regex->characters[start] : UINT32_MAX;
    switch (node->kind) {
    case NODE_NOTHING: return;
    case NODE_EMPTY: set_bit(bits, start); return;
    case NODE_TEXT:
        if (now == node->character) set_bit(bits, start + 1);
        return;
    case NODE_CLASS:
        if (start < regex->count && is_in_class(node, now)) set_bit(bits, start + 1);
        return;
    case NODE_ANY:
        for (size_t at = start; at <= regex->count; at++) set_bit(bits, at);
        return;
    case NODE_INTERVAL: set_interval(regex, node, start, bits); return;
    case NODE_CONCAT: set_concat(regex, node, start, bits); return;
    case NODE_REPEAT: set_repeat(regex, node, start, bits); return;
    case NODE_UNION:
    case NODE_INTERSECTION:
        for (size_t i = 0; i < node->item_count; i++) {
            const uint64_t *part = ends(regex, node->items[i], start);
            for (size_t k = 0; part != NULL && k < words; k++) {
                bits[k] =
                    i == 0 || node->kind == NODE_UNION ? bits[k] | part[k] : bits[k] & part[k];
            }
        }
        return;
    case NODE_COMPLEMENT: {
        const uint64_t *part = ends(regex, node->items[0], start);
        for (size_t at = start; part != NULL && at <= regex->count; at++) {
            if (!has_bit(part, at)) set_bit(bits, at);
        }
        return;
    }
    }
}

/* NULL when memory ran out: the term does not match then. */
static const uint64_t *ends(struct term_regex *regex, const struct node *node, size_t start)
{
    uint64_t **known = &regex->known[node->number * (regex->count + 1) + start];
    if (*known != NULL) return *known;
    uint64_t *bits = new_bits(regex);
    if (bits == NULL) return NULL;
    find_ends(regex, node, start, bits);
    *known = bits;
    return bits;
}

static bool walk(struct term_regex *regex, struct str term)
{
    arena_reset(&regex->memory);
    regex->has_failed = false;
    uint32_t *characters = ARENA_ARRAY(&regex->memory, uint32_t, TERM_REGEX_TERM_MAX);
    if (characters == NULL) return false;
    size_t count = 0;
    while (term.size > 0) {
        if (count == TERM_REGEX_TERM_MAX) return false;
        characters[count++] = cut_character(&term);
    }
    regex->characters = characters;
    regex->count = count;
    regex->known = ARENA_ARRAY(&regex->memory, uint64_t *, regex->node_count * (count + 1));
    if (regex->known == NULL) return false;
    const uint64_t *reached = ends(regex, regex->root, 0);
    return reached != NULL && !regex->has_failed && has_bit(reached, count);
}

/* Life ---------------------------------------------------------------------------------------- */

static int read_pattern(struct term_regex *regex, struct str pattern, bool *needs_walk,
                        struct error *error)
{
    struct reader reader = { .regex = regex, .text = pattern, .error = error };
    if (pattern.size > TERM_REGEX_SIZE_MAX) {
        return error_set(error, ERROR_INVALID,
                         "The length of regex [%zu] used in the Regexp Query request has exceeded "
                         "the allowed maximum of [%d]",
                         pattern.size, TERM_REGEX_SIZE_MAX);
    }
    int code = pattern.size == 0 ? put_node(&reader, NODE_EMPTY, &regex->root)
                                 : read_union(&reader, &regex->root);
    *needs_walk = reader.needs_walk;
    if (code == 0 && has_more(&reader)) code = fail(&reader, "end-of-string expected");
    return code;
}

static int compile(struct term_regex *regex, struct error *error)
{
    CLEANUP(buf_release) struct buf pattern = { 0 };
    buf_init(&pattern, (size_t)1 << 20);
    print(regex->root, &pattern);
    if (pattern.has_failed) return error_set(error, ERROR_INVALID, "pattern is too large");
    unsigned flags = REGEX_DOT_NEWLINE | (regex->is_nocase ? REGEX_NOCASE : 0);
    int code = regex_new(&regex->plain, buf_str(&pattern), flags, error);
    if (code < 0) return code == -ENOMEM ? code : ERROR_INVALID;
    if (!regex->is_nocase) buf_append_str(&regex->prefix, regex_prefix(regex->plain));
    return 0;
}

int term_regex_new(struct term_regex **regex_out, struct str pattern, bool is_nocase,
                   struct error *error)
{
    struct term_regex *regex = calloc(1, sizeof(*regex));
    if (regex == NULL) return error_set(error, -ENOMEM, "regular expression: out of memory");
    arena_init(&regex->tree, TREE_SIZE_MAX);
    arena_init(&regex->memory, WALK_MEMORY_MAX);
    buf_init(&regex->prefix, TERM_REGEX_SIZE_MAX * 4);
    regex->is_nocase = is_nocase;
    CLEANUP(buf_release) struct buf lower = { 0 };
    bool needs_walk = false;
    int code = read_pattern(regex, pattern, &needs_walk, error);
    if (code == 0 && needs_walk && is_nocase) {
        /* The walk compares lower case with lower case. */
        buf_init(&lower, SIZE_MAX);
        analyzer_lowercase(pattern, &lower);
        regex->node_count = 0;
        code = read_pattern(regex, buf_str(&lower), &needs_walk, error);
    }
    if (code == 0 && !needs_walk) code = compile(regex, error);
    if (code < 0) {
        term_regex_free(regex);
        return code;
    }
    *regex_out = regex;
    return 0;
}

void term_regex_free(struct term_regex *regex)
{
    if (regex == NULL) return;
    regex_free(regex->plain);
    arena_release(&regex->tree);
    arena_release(&regex->memory);
    buf_release(&regex->prefix);
    free(regex);
}

bool term_regex_matches(struct term_regex *regex, struct str term)
{
    if (regex->plain != NULL) return regex_matches(regex->plain, term);
    if (!regex->is_nocase) return walk(regex, term);
    CLEANUP(buf_release) struct buf lower = { 0 };
    buf_init(&lower, SIZE_MAX);
    analyzer_lowercase(term, &lower);
    return walk(regex, buf_str(&lower));
}

struct str term_regex_prefix(const struct term_regex *regex)
{
    return buf_str(&regex->prefix);
}

int logstore_regex_check(struct str pattern, size_t *size, struct error *error)
{
    struct term_regex *regex = NULL;
    int code = term_regex_new(&regex, pattern, false, error);
    if (code == 0) *size = regex->plain != NULL ? regex_size(regex->plain) : regex->node_count;
    term_regex_free(regex);
    return code;
}
