/* lucene.c - the syntax of query_string, as Lucene's classic parser reads it.
 *
 *   query  := clause+
 *   clause := [AND|OR|&&|'||'] [+|-|!|NOT] [field:] ( term | "phrase"[~N] | [a TO b] | {a TO b}
 *             | /regex/ | (query) ) [~N] [^N]
 *
 * There is no precedence: AND makes both its neighbours required, OR leaves them as they are (with
 * default operator AND: makes the one before optional). Elasticsearch adds field:>5 and its like.
 */
#include "base/check.h"
#include "base/vec.h"
#include "logquery/parse.h"

#include <errno.h>

#define DEPTH_MAX   50
#define CLAUSES_MAX 1024

enum conjunction { CONJUNCTION_NONE, CONJUNCTION_AND, CONJUNCTION_OR };
enum modifier { MODIFIER_NONE, MODIFIER_MUST, MODIFIER_NOT };
enum occurrence { OCCURS_SHOULD, OCCURS_MUST, OCCURS_NOT };

struct lucene {
    const struct lucene_options *options;
    struct arena *arena;
    struct error *error;
    struct str text;
    size_t at;
    unsigned depth;
    unsigned clause_count;
};

/* Fields that the clause at hand asks. */
struct scope {
    const struct str *fields;
    size_t count;
    bool is_named; /* by "field:", not by default */
};

struct clause {
    struct logstore_filter *filter;
    enum occurrence occurrence;
};

VEC_TYPE(clause_vec, struct clause);

static int fail(struct lucene *lucene, const char *what)
{
    error_set(lucene->error, ERROR_PARSE, "Encountered %s at column %zu", what, lucene->at);
    if (lucene->error != NULL) lucene->error->offset = lucene->at;
    return ERROR_PARSE;
}

static int no_memory(struct lucene *lucene)
{
    return error_set(lucene->error, ERROR_LIMIT, "query needs more memory than it may have");
}

static char peek(const struct lucene *lucene)
{
    return lucene->at < lucene->text.size ? lucene->text.data[lucene->at] : 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct lucene *lucene)
{
    while (lucene->at < lucene->text.size) {
        struct str rest = str_skip(lucene->text, lucene->at);
        if (is_blank(rest.data[0]))
            lucene->at++;
        else if (str_starts_with(rest, STR("\xe3\x80\x80")))
            lucene->at += 3; /* wide blank */
        else
            break;
    }
}

/* The word stands here by itself, followed by a blank, a bracket or the end. */
static bool take_word(struct lucene *lucene, struct str word)
{
    struct str rest = str_skip(lucene->text, lucene->at);
    if (!str_starts_with(rest, word)) return false;
    if (rest.size > word.size) {
        char next = rest.data[word.size];
        if (!is_blank(next) && next != '(' && next != ')' && next != '"') return false;
    }
    lucene->at += word.size;
    return true;
}

static enum conjunction take_conjunction(struct lucene *lucene)
{
    if (take_word(lucene, STR("AND")) || take_word(lucene, STR("&&"))) return CONJUNCTION_AND;
    if (take_word(lucene, STR("OR")) || take_word(lucene, STR("||"))) return CONJUNCTION_OR;
    return CONJUNCTION_NONE;
}

static enum modifier take_modifier(struct lucene *lucene)
{
    char c = peek(lucene);
    if (c == '+' || c == '-' || c == '!') {
        lucene->at++;
        skip_blanks(lucene);
        return c == '+' ? MODIFIER_MUST : MODIFIER_NOT;
    }
    if (!take_word(lucene, STR("NOT"))) return MODIFIER_NONE;
    skip_blanks(lucene);
    return MODIFIER_NOT;
}

static bool ends_term(char c)
{
    return is_blank(c) || strchr("!():^[]\"{}~/", c) != NULL;
}

struct term {
    struct str raw;  /* as written, escapes and all */
    struct str text; /* without escapes */
    bool has_wildcard;
};

/* Reads a bare term; an empty one when there is none. */
static int take_term(struct lucene *lucene, struct term *term)
{
    size_t start = lucene->at;
    char *plain = arena_alloc(lucene->arena, lucene->text.size - start + 1, 1);
    size_t size = 0;
    if (plain == NULL) return no_memory(lucene);
    *term = (struct term){ 0 };
    while (lucene->at < lucene->text.size) {
        char c = lucene->text.data[lucene->at];
        if (c == '\\') {
            if (lucene->at + 1 == lucene->text.size) return fail(lucene, "\\ at the end");
            plain[size++] = lucene->text.data[lucene->at + 1];
            lucene->at += 2;
            continue;
        }
        if (ends_term(c) || ((c == '+' || c == '-') && lucene->at == start)) break;
        term->has_wildcard |= c == '*' || c == '?';
        plain[size++] = c;
        lucene->at++;
    }
    term->raw = (struct str){ lucene->text.data + start, lucene->at - start };
    term->text = (struct str){ plain, size };
    return 0;
}

/* Reads up to the closing mark; escapes stay when `keeps_escapes`. */
static int take_quoted(struct lucene *lucene, char mark, bool keeps_escapes, struct str *text)
{
    size_t start = lucene->at++;
    char *plain = arena_alloc(lucene->arena, lucene->text.size - start + 1, 1);
    size_t size = 0;
    if (plain == NULL) return no_memory(lucene);
    while (lucene->at < lucene->text.size) {
        char c = lucene->text.data[lucene->at++];
        if (c == mark) {
            *text = (struct str){ plain, size };
            return 0;
        }
        if (c == '\\' && lucene->at < lucene->text.size) {
            char next = lucene->text.data[lucene->at++];
            if (keeps_escapes && next != mark) plain[size++] = '\\';
            c = next;
        }
        plain[size++] = c;
    }
    lucene->at = start;
    return fail(lucene, mark == '/' ? "an unclosed regular expression" : "an unclosed quote");
}

static struct logstore_filter *leaf(struct lucene *lucene, const struct scope *scope,
                                    enum logstore_filter_kind kind, struct str value)
{
    struct logstore_filter *filter = ARENA_NEW(lucene->arena, struct logstore_filter);
    struct str *values = ARENA_NEW(lucene->arena, struct str);
    if (filter == NULL || values == NULL) return NULL;
    values[0] = value;
    *filter = (struct logstore_filter){
        .kind = kind,
        .fields = scope->fields,
        .field_count = scope->count,
        .values = values,
        .value_count = 1,
        .is_lenient = lucene->options->is_lenient || scope->count == 0,
        .needs_all_terms = lucene->options->needs_all,
        .zone_offset_s = lucene->options->zone_offset_s,
    };
    return filter;
}

/* "~2", "~0.8", "~": *has and the number. */
static int take_tilde(struct lucene *lucene, bool *has, double *number, bool *has_number)
{
    *has = peek(lucene) == '~';
    *has_number = false;
    if (!*has) return 0;
    lucene->at++;
    size_t start = lucene->at;
    while ((peek(lucene) >= '0' && peek(lucene) <= '9') || peek(lucene) == '.') lucene->at++;
    double value = 0;
    double scale = 0;
    for (size_t i = start; i < lucene->at; i++) {
        char c = lucene->text.data[i];
        if (c == '.')
            scale = 1;
        else if (scale > 0)
            value += (double)(c - '0') * (scale /= 10);
        else if (value < 1e6)
            value = value * 10 + (double)(c - '0');
    }
    *has_number = lucene->at > start;
    *number = value;
    return 0;
}

static int take_boost(struct lucene *lucene)
{
    if (peek(lucene) != '^') return 0;
    lucene->at++;
    size_t start = lucene->at;
    while ((peek(lucene) >= '0' && peek(lucene) <= '9') || peek(lucene) == '.') lucene->at++;
    return lucene->at > start ? 0 : fail(lucene, "^ without a number");
}

static int take_range_end(struct lucene *lucene, struct str *text)
{
    skip_blanks(lucene);
    if (peek(lucene) == '"') return take_quoted(lucene, '"', false, text);
    size_t start = lucene->at;
    char *plain = arena_alloc(lucene->arena, lucene->text.size - start + 1, 1);
    size_t size = 0;
    if (plain == NULL) return no_memory(lucene);
    while (lucene->at < lucene->text.size) {
        char c = lucene->text.data[lucene->at];
        if (is_blank(c) || c == ']' || c == '}') break;
        if (c == '\\' && lucene->at + 1 < lucene->text.size) c = lucene->text.data[++lucene->at];
        plain[size++] = c;
        lucene->at++;
    }
    *text = (struct str){ plain, size };
    return size == 0 ? fail(lucene, "a range without a bound") : 0;
}

static int read_range(struct lucene *lucene, const struct scope *scope,
                      struct logstore_filter **out)
{
    bool lower_inclusive = peek(lucene) == '[';
    lucene->at++;
    struct str from;
    struct str to;
    int code = take_range_end(lucene, &from);
    if (code < 0) return code;
    skip_blanks(lucene);
    if (!take_word(lucene, STR("TO"))) return fail(lucene, "a range without TO");
    code = take_range_end(lucene, &to);
    if (code < 0) return code;
    skip_blanks(lucene);
    char end = peek(lucene);
    if (end != ']' && end != '}') return fail(lucene, "an unclosed range");
    lucene->at++;
    struct logstore_filter *filter = leaf(lucene, scope, LOGSTORE_FILTER_RANGE, from);
    if (filter == NULL) return no_memory(lucene);
    if (!str_equal(from, STR("*"))) {
        filter->lower = (struct logstore_bound){ true, lower_inclusive, from };
    }
    if (!str_equal(to, STR("*"))) {
        filter->upper = (struct logstore_bound){ true, end == ']', to };
    }
    if (!filter->lower.is_set && !filter->upper.is_set) filter->kind = LOGSTORE_FILTER_EXISTS;
    *out = filter;
    return 0;
}

/* field:>5 and its like. */
static bool read_comparison(struct lucene *lucene, const struct scope *scope,
                            const struct term *term, struct logstore_filter **out)
{
    struct str text = term->text;
    if (!scope->is_named || text.size < 2 || (text.data[0] != '>' && text.data[0] != '<')) {
        return false;
    }
    bool is_lower = text.data[0] == '>';
    bool is_inclusive = text.data[1] == '=';
    text = str_skip(text, is_inclusive ? 2 : 1);
    if (text.size == 0) return false;
    struct logstore_filter *filter = leaf(lucene, scope, LOGSTORE_FILTER_RANGE, text);
    if (filter == NULL) return false;
    struct logstore_bound bound = { true, is_inclusive, text };
    if (is_lower)
        filter->lower = bound;
    else
        filter->upper = bound;
    *out = filter;
    return true;
}

static int read_term(struct lucene *lucene, const struct scope *scope, const struct term *term,
                     struct logstore_filter **out)
{
    bool has_tilde;
    bool has_number;
    double number = 0;
    int code = take_tilde(lucene, &has_tilde, &number, &has_number);
    if (code < 0) return code;
    if (read_comparison(lucene, scope, term, out)) return 0;
    enum logstore_filter_kind kind = LOGSTORE_FILTER_MATCH;
    struct str value = term->text;
    bool is_star = str_equal(term->raw, STR("*"));
    if (is_star)
        kind = scope->is_named ? LOGSTORE_FILTER_EXISTS : LOGSTORE_FILTER_ALL;
    else if (term->has_wildcard) {
        kind = LOGSTORE_FILTER_WILDCARD;
        value = term->raw; /* its escapes are the wildcard's too */
    } else if (has_tilde) {
        kind = LOGSTORE_FILTER_MATCH;
    }
    struct logstore_filter *filter = leaf(lucene, scope, kind, value);
    if (filter == NULL) return no_memory(lucene);
    filter->is_normalized = kind == LOGSTORE_FILTER_WILDCARD;
    if (has_tilde && kind == LOGSTORE_FILTER_MATCH) {
        filter->fuzziness = !has_number ? -1 : number >= 2 ? 2 : number >= 1 ? 1 : 0;
    }
    *out = filter;
    return 0;
}

static int read_phrase(struct lucene *lucene, const struct scope *scope,
                       struct logstore_filter **out)
{
    struct str text;
    int code = take_quoted(lucene, '"', false, &text);
    if (code < 0) return code;
    bool has_tilde;
    bool has_number;
    double slop = 0;
    code = take_tilde(lucene, &has_tilde, &slop, &has_number);
    if (code < 0) return code;
    struct logstore_filter *filter = leaf(lucene, scope, LOGSTORE_FILTER_PHRASE, text);
    if (filter == NULL) return no_memory(lucene);
    filter->slop = has_tilde && has_number ? (int32_t)slop : lucene->options->phrase_slop;
    *out = filter;
    return 0;
}

static int read_regex(struct lucene *lucene, const struct scope *scope,
                      struct logstore_filter **out)
{
    struct str text;
    int code = take_quoted(lucene, '/', true, &text);
    if (code < 0) return code;
    *out = leaf(lucene, scope, LOGSTORE_FILTER_REGEXP, text);
    return *out == NULL ? no_memory(lucene) : 0;
}

static int read_query(struct lucene *lucene, const struct scope *scope, bool in_group,
                      struct logstore_filter **out);

static int read_group(struct lucene *lucene, const struct scope *scope,
                      struct logstore_filter **out)
{
    if (lucene->depth >= DEPTH_MAX) return fail(lucene, "brackets nested too deep");
    lucene->at++;
    lucene->depth++;
    int code = read_query(lucene, scope, true, out);
    lucene->depth--;
    if (code < 0) return code;
    if (peek(lucene) != ')') return fail(lucene, "an unclosed bracket");
    lucene->at++;
    return 0;
}

static int read_value(struct lucene *lucene, const struct scope *scope,
                      struct logstore_filter **out)
{
    char c = peek(lucene);
    if (c == '(') return read_group(lucene, scope, out);
    if (c == '"') return read_phrase(lucene, scope, out);
    if (c == '/') return read_regex(lucene, scope, out);
    if (c == '[' || c == '{') return read_range(lucene, scope, out);
    struct term term;
    int code = take_term(lucene, &term);
    if (code < 0) return code;
    if (term.raw.size == 0)
        return fail(lucene, lucene->at < lucene->text.size ? "a character that "
                                                             "begins no clause"
                                                           : "<EOF>");
    return read_term(lucene, scope, &term, out);
}

/* `_exists_:field` */
static int read_exists(struct lucene *lucene, struct logstore_filter **out)
{
    struct term term;
    int code = 0;
    if (peek(lucene) == '"')
        code = take_quoted(lucene, '"', false, &term.text);
    else
        code = take_term(lucene, &term);
    if (code < 0) return code;
    struct str *fields = ARENA_NEW(lucene->arena, struct str);
    if (fields == NULL) return no_memory(lucene);
    fields[0] = term.text;
    struct scope scope = { fields, 1, true };
    *out = leaf(lucene, &scope, LOGSTORE_FILTER_EXISTS, term.text);
    return *out == NULL ? no_memory(lucene) : 0;
}

/* A field's name and its colon, when they stand here; else nothing is taken. */
static int take_field(struct lucene *lucene, struct scope *scope, bool *is_exists, bool *is_all)
{
    size_t start = lucene->at;
    struct term term;
    char c = peek(lucene);
    if (c == '"' || c == '(' || c == '[' || c == '{' || c == '/') return 0;
    int code = take_term(lucene, &term);
    if (code < 0) return code;
    if (term.raw.size == 0 || peek(lucene) != ':') {
        lucene->at = start;
        return 0;
    }
    lucene->at++;
    skip_blanks(lucene);
    if (str_equal(term.text, STR("_exists_"))) *is_exists = true;
    if (str_equal(term.text, STR("*")) && peek(lucene) == '*') {
        *is_all = true;
        lucene->at++;
        return 0;
    }
    struct str *fields = ARENA_NEW(lucene->arena, struct str);
    if (fields == NULL) return no_memory(lucene);
    fields[0] = term.text;
    bool is_any = str_equal(term.text, STR("*"));
    *scope = (struct scope){ fields, is_any ? 0 : 1, true };
    return 0;
}

static int read_clause(struct lucene *lucene, const struct scope *outer,
                       struct logstore_filter **out)
{
    struct scope scope = *outer;
    bool is_exists = false;
    bool is_all = false;
    int code = take_field(lucene, &scope, &is_exists, &is_all);
    if (code < 0) return code;
    if (is_all) {
        *out = leaf(lucene, outer, LOGSTORE_FILTER_ALL, STR(""));
        if (*out == NULL) return no_memory(lucene);
    } else if (is_exists) {
        code = read_exists(lucene, out);
    } else {
        code = read_value(lucene, &scope, out);
    }
    return code < 0 ? code : take_boost(lucene);
}

static void place_clause(struct lucene *lucene, struct clause_vec *clauses,
                         enum conjunction conjunction, enum modifier modifier,
                         struct clause *clause)
{
    bool needs_all = lucene->options->needs_all;
    if (clauses->count > 0 && VEC_LAST(clauses).occurrence != OCCURS_NOT) {
        if (conjunction == CONJUNCTION_AND) VEC_LAST(clauses).occurrence = OCCURS_MUST;
        if (needs_all && conjunction == CONJUNCTION_OR) {
            VEC_LAST(clauses).occurrence = OCCURS_SHOULD;
        }
    }
    if (modifier == MODIFIER_NOT)
        clause->occurrence = OCCURS_NOT;
    else if (modifier == MODIFIER_MUST)
        clause->occurrence = OCCURS_MUST;
    else if (needs_all) {
        clause->occurrence = conjunction == CONJUNCTION_OR ? OCCURS_SHOULD : OCCURS_MUST;
    } else {
        clause->occurrence = conjunction == CONJUNCTION_AND ? OCCURS_MUST : OCCURS_SHOULD;
    }
}

static int build(struct lucene *lucene, const struct clause_vec *clauses,
                 struct logstore_filter **out)
{
    bool is_single = clauses->count == 1 && clauses->items[0].occurrence != OCCURS_NOT;
    if (is_single) {
        *out = clauses->items[0].filter;
        return 0;
    }
    struct logstore_filter *filter = ARENA_NEW(lucene->arena, struct logstore_filter);
    struct logstore_filter **lists[3];
    size_t counts[3] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        lists[i] = ARENA_ARRAY(lucene->arena, struct logstore_filter *, clauses->count + 1);
        if (lists[i] == NULL || filter == NULL) return no_memory(lucene);
    }
    for (size_t i = 0; i < clauses->count; i++) {
        enum occurrence occurrence = clauses->items[i].occurrence;
        lists[occurrence][counts[occurrence]++] = clauses->items[i].filter;
    }
    *filter = (struct logstore_filter){
        .kind = LOGSTORE_FILTER_BOOL,
        .should = lists[OCCURS_SHOULD],
        .should_count = counts[OCCURS_SHOULD],
        .must = lists[OCCURS_MUST],
        .must_count = counts[OCCURS_MUST],
        .must_not = lists[OCCURS_NOT],
        .must_not_count = counts[OCCURS_NOT],
    };
    *out = filter;
    return 0;
}

static int read_clauses(struct lucene *lucene, const struct scope *scope, bool in_group,
                        struct clause_vec *clauses)
{
    for (;;) {
        skip_blanks(lucene);
        if (lucene->at == lucene->text.size || (in_group && peek(lucene) == ')')) return 0;
        enum conjunction conjunction = take_conjunction(lucene);
        if (conjunction != CONJUNCTION_NONE && clauses->count == 0) {
            return fail(lucene, "an operator without a clause before it");
        }
        skip_blanks(lucene);
        enum modifier modifier = take_modifier(lucene);
        struct clause clause = { 0 };
        int code = read_clause(lucene, scope, &clause.filter);
        if (code < 0) return code;
        if (++lucene->clause_count > CLAUSES_MAX) return fail(lucene, "more clauses than 1024");
        place_clause(lucene, clauses, conjunction, modifier, &clause);
        if (!VEC_PUSH(clauses, clause)) return no_memory(lucene);
    }
}

static int read_query(struct lucene *lucene, const struct scope *scope, bool in_group,
                      struct logstore_filter **out)
{
    struct clause_vec clauses = { 0 };
    int code = read_clauses(lucene, scope, in_group, &clauses);
    if (code == 0 && clauses.count == 0) {
        if (in_group) {
            code = fail(lucene, "empty brackets");
        } else {
            *out = ARENA_NEW(lucene->arena, struct logstore_filter);
            if (*out == NULL)
                code = no_memory(lucene);
            else
                (*out)->kind = LOGSTORE_FILTER_NONE;
        }
    } else if (code == 0) {
        code = build(lucene, &clauses, out);
    }
    VEC_RELEASE(&clauses);
    return code;
}

int logquery_parse_lucene(struct str text, const struct lucene_options *options,
                          struct arena *arena, struct logstore_filter **filter, struct error *error)
{
    struct lucene lucene = { .options = options, .arena = arena, .error = error, .text = text };
    struct scope scope = { options->fields, options->field_count, options->field_count > 0 };
    scope.is_named = false;
    struct logstore_filter *read = NULL;
    int code = read_query(&lucene, &scope, false, &read);
    if (code < 0) return code;
    *filter = read;
    return 0;
}
