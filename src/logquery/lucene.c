/* lucene.c - the syntax of query_string, as Lucene's classic parser reads it.
 *
 *   query  := clause+
 *   clause := [AND|OR|&&|'||'] [+|-|!|NOT] [field:] ( term | "phrase"[~N] | [a TO b] | {a TO b}
 *             | /regex/ | (query) ) [~N] [^N]
 *
 * There is no precedence: AND makes both its neighbours required, OR leaves them as they are (with
 * default operator AND: makes both optional). Plain terms that follow each other are one text for
 * the field's analyzer, so that level:(very bad) asks a keyword for "very bad". A clause whose text
 * holds no term at all does not count. Elasticsearch adds field:>5 and its like.
 */
#include "base/check.h"
#include "base/vec.h"
#include "codec/number.h"
#include "codec/utf8.h"
#include "logquery/lucene_tokens.h"
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
    size_t regex_size; /* when the options name none */
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
    bool is_blank; /* holds no term */
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

static struct lucene_token scan(const struct lucene *lucene, size_t at)
{
    return lucene_scan(lucene->text, at);
}

static void skip_blanks(struct lucene *lucene)
{
    lucene->at = lucene_after_blanks(lucene->text, lucene->at);
}

static struct str token_text(const struct lucene *lucene, const struct lucene_token *token)
{
    return (struct str){ lucene->text.data + token->start, token->end - token->start };
}

static enum conjunction take_conjunction(struct lucene *lucene)
{
    struct lucene_token token = scan(lucene, lucene->at);
    if (token.kind != LUCENE_AND && token.kind != LUCENE_OR) return CONJUNCTION_NONE;
    lucene->at = token.end;
    return token.kind == LUCENE_AND ? CONJUNCTION_AND : CONJUNCTION_OR;
}

static enum modifier take_modifier(struct lucene *lucene)
{
    struct lucene_token token = scan(lucene, lucene->at);
    if (token.kind != LUCENE_PLUS && token.kind != LUCENE_MINUS && token.kind != LUCENE_NOT) {
        return MODIFIER_NONE;
    }
    lucene->at = token.end;
    return token.kind == LUCENE_PLUS ? MODIFIER_MUST : MODIFIER_NOT;
}

/* The text without its escapes. */
static int unescape(struct lucene *lucene, struct str raw, struct str *text)
{
    char *plain = arena_alloc(lucene->arena, raw.size + 1, 1);
    size_t size = 0;
    if (plain == NULL) return no_memory(lucene);
    for (size_t i = 0; i < raw.size; i++) {
        if (raw.data[i] != '\\') {
            plain[size++] = raw.data[i];
            continue;
        }
        if (++i == raw.size) return fail(lucene, "\\ at the end of a term");
        if (raw.data[i] != 'u') {
            plain[size++] = raw.data[i];
            continue;
        }
        size_t added = utf8_from_hex(str_skip(raw, i + 1), plain + size);
        if (added == 0) return fail(lucene, "\\u without four hexadecimal digits");
        size += added;
        i += 4;
    }
    *text = (struct str){ plain, size };
    return 0;
}

/* Clauses ------------------------------------------------------------------------------------- */

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
        .is_normalized = true,
        .is_void_when_empty = true,
    };
    return filter;
}

struct tilde {
    bool is_there;
    bool has_number; /* else by length */
    double number;
};

/* "~2", "~0.8", "~", "~AUTO"; and a boost before or behind it. */
static int take_suffixes(struct lucene *lucene, bool allows_tilde, struct tilde *tilde)
{
    *tilde = (struct tilde){ 0 };
    bool has_boost = false;
    for (;;) {
        struct lucene_token token = scan(lucene, lucene->at);
        if (token.kind == LUCENE_TILDE && allows_tilde && !tilde->is_there) {
            struct str digits = str_skip(token_text(lucene, &token), 1);
            tilde->is_there = true;
            tilde->has_number = number_parse(digits, &tilde->number);
            lucene->at = token.end;
        } else if (token.kind == LUCENE_CARET && !has_boost) {
            size_t end = token.end;
            while (end < lucene->text.size && strchr("0123456789", lucene->text.data[end])) end++;
            if (end == token.end) return fail(lucene, "^ without a number");
            bool has_part = end + 1 < lucene->text.size && lucene->text.data[end] == '.' &&
                            strchr("0123456789", lucene->text.data[end + 1]);
            if (has_part) end++;
            while (has_part && end < lucene->text.size &&
                   strchr("0123456789", lucene->text.data[end])) {
                end++;
            }
            lucene->at = end;
            has_boost = true;
        } else {
            return 0;
        }
    }
}

struct bound_text {
    struct str text;
    bool is_open; /* * */
};

static int take_range_end(struct lucene *lucene, struct bound_text *bound)
{
    skip_blanks(lucene);
    size_t start = lucene->at;
    bool is_quoted = peek(lucene) == '"';
    size_t end = is_quoted ? lucene_quoted_end(lucene->text, start) : start;
    if (end == STR_NONE) return fail(lucene, "an unclosed quote");
    while (!is_quoted && end < lucene->text.size && !strchr(" ]}", lucene->text.data[end])) end++;
    if (end == start) return fail(lucene, "a range without a bound");
    struct str raw = { lucene->text.data + start, end - start };
    if (is_quoted) raw = str_first(str_skip(raw, 1), raw.size - 2);
    lucene->at = end;
    bound->is_open = !is_quoted && str_equal(raw, STR("*"));
    return unescape(lucene, raw, &bound->text);
}

static int read_range(struct lucene *lucene, const struct scope *scope,
                      struct logstore_filter **out)
{
    bool lower_inclusive = peek(lucene) == '[';
    lucene->at++;
    struct bound_text from;
    struct bound_text to;
    int code = take_range_end(lucene, &from);
    if (code < 0) return code;
    skip_blanks(lucene);
    struct str rest = str_skip(lucene->text, lucene->at);
    bool has_to = str_starts_with(rest, STR("TO")) && rest.size > 2 && strchr(" ]}", rest.data[2]);
    if (!has_to) return fail(lucene, "a range without TO");
    lucene->at += 2;
    code = take_range_end(lucene, &to);
    if (code < 0) return code;
    skip_blanks(lucene);
    char end = peek(lucene);
    if (end != ']' && end != '}') return fail(lucene, "an unclosed range");
    lucene->at++;
    struct logstore_filter *filter = leaf(lucene, scope, LOGSTORE_FILTER_RANGE, from.text);
    if (filter == NULL) return no_memory(lucene);
    if (!from.is_open) {
        filter->lower = (struct logstore_bound){ true, lower_inclusive, from.text };
    }
    if (!to.is_open) filter->upper = (struct logstore_bound){ true, end == ']', to.text };
    if (from.is_open && to.is_open) filter->kind = LOGSTORE_FILTER_EXISTS;
    *out = filter;
    struct tilde tilde;
    return take_suffixes(lucene, false, &tilde);
}

/* field:>5 and its like. */
static int read_comparison(struct lucene *lucene, const struct scope *scope, struct str text,
                           struct logstore_filter **out)
{
    bool is_lower = text.data[0] == '>';
    bool is_inclusive = text.data[1] == '=';
    text = str_skip(text, is_inclusive ? 2 : 1);
    if (text.size == 0 && peek(lucene) == '"') {
        struct lucene_token token = scan(lucene, lucene->at);
        if (token.kind != LUCENE_QUOTED) return fail(lucene, "an unclosed quote");
        struct str raw = token_text(lucene, &token);
        int code = unescape(lucene, str_first(str_skip(raw, 1), raw.size - 2), &text);
        if (code < 0) return code;
        lucene->at = token.end;
    }
    struct logstore_filter *filter = leaf(lucene, scope, LOGSTORE_FILTER_RANGE, text);
    if (filter == NULL) return no_memory(lucene);
    struct logstore_bound bound = { true, is_inclusive, text };
    if (is_lower)
        filter->lower = bound;
    else
        filter->upper = bound;
    *out = filter;
    return 0;
}

static bool is_comparison(const struct lucene *lucene, const struct scope *scope, struct str text)
{
    if (!scope->is_named || text.size == 0 || (text.data[0] != '>' && text.data[0] != '<')) {
        return false;
    }
    bool has_value = text.size > (text.size > 1 && text.data[1] == '=' ? 2u : 1u);
    return has_value || peek(lucene) == '"';
}

static int read_term(struct lucene *lucene, const struct scope *scope,
                     const struct lucene_token *token, struct logstore_filter **out)
{
    struct str raw = token_text(lucene, token);
    struct str text;
    struct tilde tilde;
    lucene->at = token->end;
    int code = unescape(lucene, raw, &text);
    if (code < 0) return code;
    if (token->kind == LUCENE_TERM && is_comparison(lucene, scope, text)) {
        code = read_comparison(lucene, scope, text, out);
        return code < 0 ? code : take_suffixes(lucene, false, &tilde);
    }
    code = take_suffixes(lucene, true, &tilde);
    if (code < 0) return code;
    enum logstore_filter_kind kind = LOGSTORE_FILTER_MATCH;
    if (token->kind == LUCENE_STAR)
        kind = scope->count > 0 ? LOGSTORE_FILTER_EXISTS : LOGSTORE_FILTER_ALL;
    else if (token->kind == LUCENE_WILDCARD)
        kind = LOGSTORE_FILTER_WILDCARD;
    else if (tilde.is_there)
        kind = LOGSTORE_FILTER_FUZZY;
    /* A wildcard's escapes are the pattern's too. */
    *out = leaf(lucene, scope, kind, kind == LOGSTORE_FILTER_WILDCARD ? raw : text);
    if (*out == NULL) return no_memory(lucene);
    if (kind == LOGSTORE_FILTER_FUZZY) {
        double edits = tilde.number;
        bool is_broken = edits < 0 || (edits >= 1 && edits < 1e9 && edits != (int)edits);
        if (tilde.has_number && is_broken) {
            return fail(lucene, "a number of edits that is negative or no whole number");
        }
        (*out)->fuzziness = !tilde.has_number ? -1 : edits >= 2 ? 2 : edits >= 1 ? 1 : 0;
    }
    return 0;
}

static int read_phrase(struct lucene *lucene, const struct scope *scope,
                       const struct lucene_token *token, struct logstore_filter **out)
{
    struct str text;
    struct str raw = token_text(lucene, token);
    struct tilde tilde;
    lucene->at = token->end;
    int code = unescape(lucene, str_first(str_skip(raw, 1), raw.size - 2), &text);
    if (code == 0) code = take_suffixes(lucene, true, &tilde);
    if (code < 0) return code;
    struct logstore_filter *filter = leaf(lucene, scope, LOGSTORE_FILTER_PHRASE, text);
    if (filter == NULL) return no_memory(lucene);
    double slop = tilde.has_number ? tilde.number : lucene->options->phrase_slop;
    if (slop < 0) return fail(lucene, "a negative slop");
    filter->slop = slop > 1000000 ? 1000000 : slop >= 1 ? (int32_t)slop : 0;
    *out = filter;
    return 0;
}

static int read_regex(struct lucene *lucene, const struct scope *scope,
                      const struct lucene_token *token, struct logstore_filter **out)
{
    struct str raw = token_text(lucene, token);
    struct str pattern = str_first(str_skip(raw, 1), raw.size - 2);
    struct tilde tilde;
    size_t size = 0;
    int code = logstore_regex_check(pattern, &size, lucene->error);
    if (code < 0) return code == ERROR_INVALID ? ERROR_PARSE : code;
    size_t *sum = lucene->options->regex_size;
    if (sum == NULL) sum = &lucene->regex_size;
    *sum += size;
    if (*sum > LOGQUERY_REGEX_SIZE_MAX) return fail(lucene, "more regular expressions than fit");
    lucene->at = token->end;
    code = take_suffixes(lucene, true, &tilde);
    if (code < 0) return code;
    *out = leaf(lucene, scope, LOGSTORE_FILTER_REGEXP, pattern);
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
    skip_blanks(lucene);
    if (peek(lucene) != ')') return fail(lucene, "an unclosed bracket");
    lucene->at++;
    struct tilde tilde;
    return take_suffixes(lucene, false, &tilde);
}

static int read_value(struct lucene *lucene, const struct scope *scope,
                      struct logstore_filter **out)
{
    struct lucene_token token = scan(lucene, lucene->at);
    struct tilde tilde;
    lucene->at = token.start;
    switch (token.kind) {
    case LUCENE_OPEN: return read_group(lucene, scope, out);
    case LUCENE_QUOTED: return read_phrase(lucene, scope, &token, out);
    case LUCENE_REGEX: return read_regex(lucene, scope, &token, out);
    case LUCENE_RANGE: return read_range(lucene, scope, out);
    case LUCENE_TERM:
    case LUCENE_STAR:
    case LUCENE_WILDCARD: return read_term(lucene, scope, &token, out);
    case LUCENE_BARE:
        lucene->at = token.end;
        *out = leaf(lucene, scope, LOGSTORE_FILTER_MATCH, token_text(lucene, &token));
        return *out == NULL ? no_memory(lucene) : take_suffixes(lucene, true, &tilde);
    case LUCENE_END: return fail(lucene, "<EOF>");
    case LUCENE_BROKEN: {
        char c = peek(lucene);
        return fail(lucene, c == '"'   ? "an unclosed quote"
                            : c == '/' ? "an unclosed regular expression"
                                       : "a character that begins no clause");
    }
    case LUCENE_AND:
    case LUCENE_OR:
    case LUCENE_NOT:
    case LUCENE_PLUS:
    case LUCENE_MINUS:
    case LUCENE_CLOSE:
    case LUCENE_COLON:
    case LUCENE_CARET:
    case LUCENE_TILDE: break;
    }
    return fail(lucene, "a character that begins no clause");
}

/* `_exists_:field` */
static int read_exists(struct lucene *lucene, struct logstore_filter **out)
{
    struct lucene_token token = scan(lucene, lucene->at);
    if (token.kind != LUCENE_QUOTED && token.kind != LUCENE_TERM && token.kind != LUCENE_WILDCARD) {
        return fail(lucene, "_exists_ without the name of a field");
    }
    struct str raw = token_text(lucene, &token);
    if (token.kind == LUCENE_QUOTED) raw = str_first(str_skip(raw, 1), raw.size - 2);
    struct str *fields = ARENA_NEW(lucene->arena, struct str);
    struct tilde tilde;
    if (fields == NULL) return no_memory(lucene);
    lucene->at = token.end;
    int code = unescape(lucene, raw, &fields[0]);
    if (code == 0) code = take_suffixes(lucene, true, &tilde);
    if (code < 0) return code;
    struct scope scope = { fields, 1, true };
    *out = leaf(lucene, &scope, LOGSTORE_FILTER_EXISTS, fields[0]);
    return *out == NULL ? no_memory(lucene) : 0;
}

/* A field's name and its colon, when they stand here; else nothing is taken. */
static int take_field(struct lucene *lucene, struct scope *scope, bool *is_exists, bool *is_all)
{
    struct lucene_token name = scan(lucene, lucene->at);
    if (name.kind != LUCENE_TERM && name.kind != LUCENE_STAR) return 0;
    struct lucene_token colon = scan(lucene, name.end);
    if (colon.kind != LUCENE_COLON) return 0;
    struct str *fields = ARENA_NEW(lucene->arena, struct str);
    if (fields == NULL) return no_memory(lucene);
    int code = unescape(lucene, token_text(lucene, &name), &fields[0]);
    if (code < 0) return code;
    lucene->at = colon.end;
    *is_exists = str_equal(fields[0], STR("_exists_"));
    bool is_any = name.kind == LUCENE_STAR;
    struct lucene_token value = scan(lucene, colon.end);
    if (is_any && value.kind == LUCENE_STAR) {
        *is_all = true;
        lucene->at = value.end;
        return 0;
    }
    *scope = (struct scope){ fields, is_any ? 0 : 1, true };
    return 0;
}

static int read_clause(struct lucene *lucene, const struct scope *outer,
                       struct logstore_filter **out)
{
    struct scope scope = *outer;
    bool is_exists = false;
    bool is_all = false;
    struct tilde tilde;
    int code = take_field(lucene, &scope, &is_exists, &is_all);
    if (code < 0) return code;
    if (is_exists) return read_exists(lucene, out);
    if (!is_all) return read_value(lucene, &scope, out);
    *out = leaf(lucene, outer, LOGSTORE_FILTER_ALL, STR(""));
    return *out == NULL ? no_memory(lucene) : take_suffixes(lucene, true, &tilde);
}

/* Whether a plain term stands there that may be one of several read together: what would change the
 * meaning of the last of them must not follow. */
static bool is_run_term(const struct lucene *lucene, const struct scope *scope,
                        const struct lucene_token *token)
{
    if (token->kind != LUCENE_TERM) return false;
    struct str text = token_text(lucene, token);
    if (scope->is_named && (text.data[0] == '>' || text.data[0] == '<')) return false;
    static const enum lucene_token_kind ends[] = { LUCENE_COLON, LUCENE_STAR, LUCENE_TILDE,
                                                   LUCENE_CARET, LUCENE_AND,  LUCENE_OR };
    enum lucene_token_kind next = scan(lucene, token->end).kind;
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        if (ends[i] == next) return false;
    }
    return true;
}

/* Two or more plain terms behind each other as one clause; *out stays NULL when there are not. */
static int read_run(struct lucene *lucene, const struct scope *scope, struct logstore_filter **out)
{
    struct lucene_token first = scan(lucene, lucene->at);
    if (!is_run_term(lucene, scope, &first)) return 0;
    struct lucene_token token = scan(lucene, first.end);
    if (!is_run_term(lucene, scope, &token)) return 0;
    size_t end = first.end;
    size_t size = 0;
    for (token = first; is_run_term(lucene, scope, &token); token = scan(lucene, end)) {
        end = token.end;
    }
    char *joined = arena_alloc(lucene->arena, end - first.start + 1, 1);
    if (joined == NULL) return no_memory(lucene);
    for (token = first; token.start < end; token = scan(lucene, token.end)) {
        struct str text;
        int code = unescape(lucene, token_text(lucene, &token), &text);
        if (code < 0) return code;
        if (size > 0) joined[size++] = ' ';
        memcpy(joined + size, text.data, text.size);
        size += text.size;
        if (++lucene->clause_count > CLAUSES_MAX) return fail(lucene, "more clauses than 1024");
    }
    lucene->at = end;
    *out = leaf(lucene, scope, LOGSTORE_FILTER_MATCH, (struct str){ joined, size });
    return *out == NULL ? no_memory(lucene) : 0;
}

/* Whether the clause's text holds no term: Lucene drops it, so that an AND behind it is for the
 * clause before it. Only an analyzed field can tell; keywords are rarely asked for such texts. */
static bool is_blank_clause(const struct logstore_filter *filter)
{
    bool is_text = filter->kind == LOGSTORE_FILTER_MATCH || filter->kind == LOGSTORE_FILTER_PHRASE;
    if (!is_text || !filter->is_void_when_empty) return false;
    struct analyzer analyzer;
    struct analyzer_token token;
    analyzer_init(&analyzer, filter->values[0]);
    return !analyzer_next(&analyzer, &token);
}

static struct clause *last_clause(struct clause_vec *clauses)
{
    for (size_t i = clauses->count; i > 0; i--) {
        if (!clauses->items[i - 1].is_blank) return &clauses->items[i - 1];
    }
    return NULL;
}

static void place_clause(struct lucene *lucene, struct clause_vec *clauses,
                         enum conjunction conjunction, enum modifier modifier,
                         struct clause *clause)
{
    bool needs_all = lucene->options->needs_all;
    struct clause *last = conjunction == CONJUNCTION_NONE ? NULL : last_clause(clauses);
    if (last != NULL && last->occurrence != OCCURS_NOT) {
        if (conjunction == CONJUNCTION_AND) last->occurrence = OCCURS_MUST;
        if (needs_all && conjunction == CONJUNCTION_OR) last->occurrence = OCCURS_SHOULD;
    }
    if (modifier == MODIFIER_NOT)
        clause->occurrence = OCCURS_NOT;
    else if (modifier == MODIFIER_MUST && !needs_all)
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
        struct lucene_token token = scan(lucene, lucene->at);
        if (token.kind == LUCENE_END || (in_group && token.kind == LUCENE_CLOSE)) return 0;
        struct clause clause = { 0 };
        enum conjunction conjunction = CONJUNCTION_NONE;
        enum modifier modifier = MODIFIER_NONE;
        int code = read_run(lucene, scope, &clause.filter);
        if (code == 0 && clause.filter == NULL) {
            conjunction = take_conjunction(lucene);
            if (conjunction != CONJUNCTION_NONE && clauses->count == 0) {
                return fail(lucene, "an operator without a clause before it");
            }
            modifier = take_modifier(lucene);
            code = read_clause(lucene, scope, &clause.filter);
        }
        if (code < 0) return code;
        if (++lucene->clause_count > CLAUSES_MAX) return fail(lucene, "more clauses than 1024");
        clause.is_blank = is_blank_clause(clause.filter);
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
