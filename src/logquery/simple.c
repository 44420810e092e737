/* simple.c - simple_query_string: + is AND, | is OR, - is NOT, "phrase", prefix*, ( ), word~N.
 *
 * Nothing is an error: what makes no sense is left out. Operators bind from the left.
 */
#include "base/check.h"
#include "base/vec.h"
#include "logquery/parse.h"

#include <errno.h>

#define DEPTH_MAX   50
#define CLAUSES_MAX 1024

struct simple {
    const struct lucene_options *options;
    struct arena *arena;
    struct str text;
    size_t at;
    unsigned depth;
    unsigned clause_count;
    bool has_failed; /* out of memory */
};

static char peek(const struct simple *simple)
{
    return simple->at < simple->text.size ? simple->text.data[simple->at] : 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Whether a byte is a sign of the syntax, of which the caller may have left out some. */
static bool is_sign(const struct simple *simple, char c)
{
    unsigned flag = c == '+'               ? LOGQUERY_SIMPLE_AND
                    : c == '|'             ? LOGQUERY_SIMPLE_OR
                    : c == '-'             ? LOGQUERY_SIMPLE_NOT
                    : c == '"'             ? LOGQUERY_SIMPLE_PHRASE
                    : c == '(' || c == ')' ? LOGQUERY_SIMPLE_PRECEDENCE
                    : c == '\\'            ? LOGQUERY_SIMPLE_ESCAPE
                    : is_blank(c)          ? LOGQUERY_SIMPLE_WHITESPACE
                                           : 0;
    return (simple->options->simple_flags & flag) != 0;
}

static struct logstore_filter *new_filter(struct simple *simple, enum logstore_filter_kind kind)
{
    struct logstore_filter *filter = ARENA_NEW(simple->arena, struct logstore_filter);
    if (filter == NULL)
        simple->has_failed = true;
    else
        filter->kind = kind;
    return filter;
}

static struct logstore_filter *leaf(struct simple *simple, enum logstore_filter_kind kind,
                                    struct str value)
{
    struct logstore_filter *filter = new_filter(simple, kind);
    struct str *values = ARENA_NEW(simple->arena, struct str);
    if (filter == NULL || values == NULL) {
        simple->has_failed = true;
        return NULL;
    }
    values[0] = value;
    filter->fields = simple->options->fields;
    filter->field_count = simple->options->field_count;
    filter->values = values;
    filter->value_count = 1;
    filter->is_lenient = true;
    filter->needs_all_terms = simple->options->needs_all;
    return filter;
}

/* Clauses that one operator joins. */
struct joined {
    VEC(struct logstore_filter *) clauses;
    bool is_and;
};

/* One filter of the clauses; NULL when there are none. */
static struct logstore_filter *close_joined(struct simple *simple, const struct joined *joined)
{
    size_t count = joined->clauses.count;
    if (count < 2) return count == 0 ? NULL : joined->clauses.items[0];
    struct logstore_filter *all = new_filter(simple, LOGSTORE_FILTER_BOOL);
    struct logstore_filter **list = ARENA_ARRAY(simple->arena, struct logstore_filter *, count);
    if (all == NULL || list == NULL) {
        simple->has_failed = true;
        return NULL;
    }
    memcpy(list, joined->clauses.items, count * sizeof(list[0]));
    if (joined->is_and) {
        all->must = list;
        all->must_count = count;
    } else {
        all->should = list;
        all->should_count = count;
    }
    return all;
}

/* Adds a clause. When the operator is another than before, what was joined so far becomes one
 * clause, so that many words stay one flat list. */
static void join(struct simple *simple, struct joined *joined, struct logstore_filter *next,
                 bool is_and)
{
    if (next == NULL) return;
    if (joined->clauses.count > 1 && joined->is_and != is_and) {
        struct logstore_filter *left = close_joined(simple, joined);
        if (left == NULL) return;
        joined->clauses.count = 1;
        joined->clauses.items[0] = left;
    }
    joined->is_and = is_and;
    if (!VEC_PUSH(&joined->clauses, next)) simple->has_failed = true;
}

static struct logstore_filter *negate(struct simple *simple, struct logstore_filter *filter)
{
    struct logstore_filter *none = new_filter(simple, LOGSTORE_FILTER_BOOL);
    struct logstore_filter **list = ARENA_ARRAY(simple->arena, struct logstore_filter *, 1);
    if (none == NULL || list == NULL || filter == NULL) return filter;
    list[0] = filter;
    none->must_not = list;
    none->must_not_count = 1;
    return none;
}

static bool ends_text(const struct simple *simple, char c, bool is_phrase)
{
    if (is_phrase) return c == '"';
    return c != '-' && c != '\\' && is_sign(simple, c);
}

/* What stands up to the next quote, or to what ends a word, without its escapes. */
static struct str take_until(struct simple *simple, bool is_phrase)
{
    struct str text = simple->text;
    size_t end = simple->at;
    for (; end < text.size && !ends_text(simple, text.data[end], is_phrase); end++) {
        if (text.data[end] == '\\' && is_sign(simple, '\\') && end + 1 < text.size) end++;
    }
    char *plain = arena_alloc(simple->arena, end - simple->at + 1, 1);
    size_t size = 0;
    if (plain == NULL) {
        simple->has_failed = true;
        simple->at = text.size;
        return (struct str){ NULL, 0 };
    }
    for (; simple->at < end; simple->at++) {
        bool escapes = text.data[simple->at] == '\\' && is_sign(simple, '\\');
        if (escapes && simple->at + 1 < end) simple->at++;
        plain[size++] = text.data[simple->at];
    }
    return (struct str){ plain, size };
}

static int32_t take_number(struct simple *simple, int32_t otherwise)
{
    bool has_slop = (simple->options->simple_flags & LOGQUERY_SIMPLE_NEAR) != 0;
    if (peek(simple) != '~' || !has_slop) return 0;
    simple->at++;
    if (peek(simple) < '0' || peek(simple) > '9') return otherwise;
    int32_t number = 0;
    while (peek(simple) >= '0' && peek(simple) <= '9' && number < 100000) {
        number = number * 10 + (peek(simple) - '0');
        simple->at++;
    }
    return number;
}

static struct logstore_filter *read_word(struct simple *simple)
{
    struct str word = take_until(simple, false);
    if (word.size == 0) return NULL;
    unsigned flags = simple->options->simple_flags;
    bool may_go_on = (flags & LOGQUERY_SIMPLE_PREFIX) != 0;
    if (may_go_on && word.size > 1 && word.data[word.size - 1] == '*') {
        struct logstore_filter *prefix =
            leaf(simple, LOGSTORE_FILTER_PREFIX, str_first(word, word.size - 1));
        if (prefix != NULL) prefix->is_normalized = true;
        return prefix;
    }
    size_t tilde = (flags & LOGQUERY_SIMPLE_FUZZY) != 0 ? str_find_char(word, '~') : STR_NONE;
    struct logstore_filter *match =
        leaf(simple, LOGSTORE_FILTER_MATCH, tilde == STR_NONE ? word : str_first(word, tilde));
    int64_t edits = -1;
    if (tilde != STR_NONE && match != NULL) {
        if (!str_to_int64(str_skip(word, tilde + 1), &edits)) edits = -1;
        match->fuzziness = edits > 2 ? 2 : (int32_t)edits;
    }
    return match;
}

static struct logstore_filter *read_phrase(struct simple *simple)
{
    simple->at++;
    struct str text = take_until(simple, true);
    if (peek(simple) == '"') simple->at++;
    struct logstore_filter *phrase = leaf(simple, LOGSTORE_FILTER_PHRASE, text);
    int32_t slop = take_number(simple, 0);
    if (phrase != NULL) phrase->slop = slop;
    return text.size == 0 ? NULL : phrase;
}

static struct logstore_filter *read_list(struct simple *simple);

static struct logstore_filter *read_group(struct simple *simple)
{
    simple->at++;
    if (simple->depth >= DEPTH_MAX) return NULL;
    simple->depth++;
    struct logstore_filter *inner = read_list(simple);
    simple->depth--;
    if (peek(simple) == ')') simple->at++;
    return inner;
}

static void read_joined(struct simple *simple, struct joined *joined)
{
    bool is_and = simple->options->needs_all;
    bool is_not = false;
    while (simple->at < simple->text.size && !simple->has_failed) {
        char c = is_sign(simple, peek(simple)) ? peek(simple) : 'w';
        if (c == ')') {
            if (simple->depth > 0) break;
            simple->at++;
            continue;
        }
        if (is_blank(c) || c == '+' || c == '|') {
            if (c != ' ') is_and = c == '+' || (c != '|' && is_and);
            simple->at++;
            continue;
        }
        if (c == '-') {
            is_not = !is_not;
            simple->at++;
            continue;
        }
        if (++simple->clause_count > CLAUSES_MAX) return;
        struct logstore_filter *next = c == '"'   ? read_phrase(simple)
                                       : c == '(' ? read_group(simple)
                                                  : read_word(simple);
        if (is_not) next = negate(simple, next);
        join(simple, joined, next, is_and);
        is_and = simple->options->needs_all;
        is_not = false;
    }
}

static struct logstore_filter *read_list(struct simple *simple)
{
    struct joined joined = { 0 };
    read_joined(simple, &joined);
    struct logstore_filter *all = close_joined(simple, &joined);
    VEC_RELEASE(&joined.clauses);
    return all;
}

int logquery_parse_simple(struct str text, const struct lucene_options *options,
                          struct arena *arena, struct logstore_filter **filter, struct error *error)
{
    struct simple simple = { .options = options, .arena = arena, .text = text };
    struct logstore_filter *read = read_list(&simple);
    if (simple.clause_count > CLAUSES_MAX) {
        return error_set(error, ERROR_LIMIT, "query has more clauses than %d", CLAUSES_MAX);
    }
    if (read == NULL) read = new_filter(&simple, LOGSTORE_FILTER_NONE);
    if (simple.has_failed) {
        return error_set(error, ERROR_LIMIT, "query needs more memory than it may have");
    }
    *filter = read;
    return 0;
}
