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
#include "logquery/lucene_value.h"

#include <errno.h>

#define DEPTH_MAX   50
#define CLAUSES_MAX 1024

enum conjunction { CONJUNCTION_NONE, CONJUNCTION_AND, CONJUNCTION_OR };
enum modifier { MODIFIER_NONE, MODIFIER_MUST, MODIFIER_NOT };
enum occurrence { OCCURS_SHOULD, OCCURS_MUST, OCCURS_NOT };

struct clause {
    struct logstore_filter *filter;
    enum occurrence occurrence;
    bool is_blank; /* holds no term */
};

VEC_TYPE(clause_vec, struct clause);

static enum conjunction take_conjunction(struct lucene *lucene)
{
    struct lucene_token token = lucene_next(lucene, lucene->at);
    if (token.kind != LUCENE_AND && token.kind != LUCENE_OR) return CONJUNCTION_NONE;
    lucene->at = token.end;
    return token.kind == LUCENE_AND ? CONJUNCTION_AND : CONJUNCTION_OR;
}

static enum modifier take_modifier(struct lucene *lucene)
{
    struct lucene_token token = lucene_next(lucene, lucene->at);
    if (token.kind != LUCENE_PLUS && token.kind != LUCENE_MINUS && token.kind != LUCENE_NOT) {
        return MODIFIER_NONE;
    }
    lucene->at = token.end;
    return token.kind == LUCENE_PLUS ? MODIFIER_MUST : MODIFIER_NOT;
}

/* Clauses ------------------------------------------------------------------------------------- */

static int read_query(struct lucene *lucene, const struct lucene_scope *scope, bool in_group,
                      struct logstore_filter **out);

static int read_group(struct lucene *lucene, const struct lucene_scope *scope,
                      struct logstore_filter **out)
{
    if (lucene->depth >= DEPTH_MAX) return lucene_fail(lucene, "brackets nested too deep");
    lucene->at++;
    lucene->depth++;
    int code = read_query(lucene, scope, true, out);
    lucene->depth--;
    if (code < 0) return code;
    lucene_skip_blanks(lucene);
    if (lucene_peek(lucene) != ')') return lucene_fail(lucene, "an unclosed bracket");
    lucene->at++;
    struct lucene_tilde tilde;
    return lucene_take_suffixes(lucene, false, &tilde);
}

static int read_value(struct lucene *lucene, const struct lucene_scope *scope,
                      struct logstore_filter **out)
{
    struct lucene_token token = lucene_next(lucene, lucene->at);
    struct lucene_tilde tilde;
    lucene->at = token.start;
    switch (token.kind) {
    case LUCENE_OPEN: return read_group(lucene, scope, out);
    case LUCENE_QUOTED: return lucene_read_phrase(lucene, scope, &token, out);
    case LUCENE_REGEX: return lucene_read_regex(lucene, scope, &token, out);
    case LUCENE_RANGE: return lucene_read_range(lucene, scope, out);
    case LUCENE_TERM:
    case LUCENE_STAR:
    case LUCENE_WILDCARD: return lucene_read_term(lucene, scope, &token, out);
    case LUCENE_BARE:
        lucene->at = token.end;
        *out = lucene_leaf(lucene, scope, LOGSTORE_FILTER_MATCH, lucene_token_text(lucene, &token));
        return *out == NULL ? lucene_no_memory(lucene) : lucene_take_suffixes(lucene, true, &tilde);
    case LUCENE_END: return lucene_fail(lucene, "<EOF>");
    case LUCENE_BROKEN: {
        char c = lucene_peek(lucene);
        return lucene_fail(lucene, c == '"'   ? "an unclosed quote"
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
    return lucene_fail(lucene, "a character that begins no clause");
}

/* `_exists_:field` */
static int read_exists(struct lucene *lucene, struct logstore_filter **out)
{
    struct lucene_token token = lucene_next(lucene, lucene->at);
    if (token.kind != LUCENE_QUOTED && token.kind != LUCENE_TERM && token.kind != LUCENE_WILDCARD) {
        return lucene_fail(lucene, "_exists_ without the name of a field");
    }
    struct str raw = lucene_token_text(lucene, &token);
    if (token.kind == LUCENE_QUOTED) raw = str_first(str_skip(raw, 1), raw.size - 2);
    struct str *fields = ARENA_NEW(lucene->arena, struct str);
    struct lucene_tilde tilde;
    if (fields == NULL) return lucene_no_memory(lucene);
    lucene->at = token.end;
    int code = lucene_unescape(lucene, raw, &fields[0]);
    if (code == 0) code = lucene_take_suffixes(lucene, true, &tilde);
    if (code < 0) return code;
    struct lucene_scope scope = { fields, 1, true };
    *out = lucene_leaf(lucene, &scope, LOGSTORE_FILTER_EXISTS, fields[0]);
    return *out == NULL ? lucene_no_memory(lucene) : 0;
}

/* A field's name and its colon, when they stand here; else nothing is taken. */
static int take_field(struct lucene *lucene, struct lucene_scope *scope, bool *is_exists,
                      bool *is_all)
{
    struct lucene_token name = lucene_next(lucene, lucene->at);
    if (name.kind != LUCENE_TERM && name.kind != LUCENE_STAR) return 0;
    struct lucene_token colon = lucene_next(lucene, name.end);
    if (colon.kind != LUCENE_COLON) return 0;
    struct str *fields = ARENA_NEW(lucene->arena, struct str);
    if (fields == NULL) return lucene_no_memory(lucene);
    int code = lucene_unescape(lucene, lucene_token_text(lucene, &name), &fields[0]);
    if (code < 0) return code;
    lucene->at = colon.end;
    *is_exists = str_equal(fields[0], STR("_exists_"));
    bool is_any = name.kind == LUCENE_STAR;
    struct lucene_token value = lucene_next(lucene, colon.end);
    if (is_any && value.kind == LUCENE_STAR) {
        *is_all = true;
        lucene->at = value.end;
        return 0;
    }
    *scope = (struct lucene_scope){ fields, is_any ? 0 : 1, true };
    return 0;
}

static int read_clause(struct lucene *lucene, const struct lucene_scope *outer,
                       struct logstore_filter **out)
{
    struct lucene_scope scope = *outer;
    bool is_exists = false;
    bool is_all = false;
    struct lucene_tilde tilde;
    int code = take_field(lucene, &scope, &is_exists, &is_all);
    if (code < 0) return code;
    if (is_exists) return read_exists(lucene, out);
    if (!is_all) return read_value(lucene, &scope, out);
    *out = lucene_leaf(lucene, outer, LOGSTORE_FILTER_ALL, STR(""));
    return *out == NULL ? lucene_no_memory(lucene) : lucene_take_suffixes(lucene, true, &tilde);
}

/* Whether a plain term stands there that may be one of several read together: what would change the
 * meaning of the last of them must not follow. */
static bool is_run_term(const struct lucene *lucene, const struct lucene_scope *scope,
                        const struct lucene_token *token)
{
    if (token->kind != LUCENE_TERM) return false;
    struct str text = lucene_token_text(lucene, token);
    if (scope->is_named && (text.data[0] == '>' || text.data[0] == '<')) return false;
    static const enum lucene_token_kind ends[] = { LUCENE_COLON, LUCENE_STAR, LUCENE_TILDE,
                                                   LUCENE_CARET, LUCENE_AND,  LUCENE_OR };
    enum lucene_token_kind next = lucene_next(lucene, token->end).kind;
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        if (ends[i] == next) return false;
    }
    return true;
}

/* Two or more plain terms behind each other as one clause; *out stays NULL when there are not. */
static int read_run(struct lucene *lucene, const struct lucene_scope *scope,
                    struct logstore_filter **out)
{
    struct lucene_token first = lucene_next(lucene, lucene->at);
    if (!is_run_term(lucene, scope, &first)) return 0;
    struct lucene_token token = lucene_next(lucene, first.end);
    if (!is_run_term(lucene, scope, &token)) return 0;
    size_t end = first.end;
    size_t size = 0;
    for (token = first; is_run_term(lucene, scope, &token); token = lucene_next(lucene, end)) {
        end = token.end;
    }
    char *joined = arena_alloc(lucene->arena, end - first.start + 1, 1);
    if (joined == NULL) return lucene_no_memory(lucene);
    for (token = first; token.start < end; token = lucene_next(lucene, token.end)) {
        struct str text;
        int code = lucene_unescape(lucene, lucene_token_text(lucene, &token), &text);
        if (code < 0) return code;
        if (size > 0) joined[size++] = ' ';
        memcpy(joined + size, text.data, text.size);
        size += text.size;
        if (++lucene->clause_count > CLAUSES_MAX)
            return lucene_fail(lucene, "more clauses than 1024");
    }
    lucene->at = end;
    *out = lucene_leaf(lucene, scope, LOGSTORE_FILTER_MATCH, (struct str){ joined, size });
    return *out == NULL ? lucene_no_memory(lucene) : 0;
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
        if (lists[i] == NULL || filter == NULL) return lucene_no_memory(lucene);
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

static int read_clauses(struct lucene *lucene, const struct lucene_scope *scope, bool in_group,
                        struct clause_vec *clauses)
{
    for (;;) {
        struct lucene_token token = lucene_next(lucene, lucene->at);
        if (token.kind == LUCENE_END || (in_group && token.kind == LUCENE_CLOSE)) return 0;
        struct clause clause = { 0 };
        enum conjunction conjunction = CONJUNCTION_NONE;
        enum modifier modifier = MODIFIER_NONE;
        int code = read_run(lucene, scope, &clause.filter);
        if (code == 0 && clause.filter == NULL) {
            conjunction = take_conjunction(lucene);
            if (conjunction != CONJUNCTION_NONE && clauses->count == 0) {
                return lucene_fail(lucene, "an operator without a clause before it");
            }
            modifier = take_modifier(lucene);
            code = read_clause(lucene, scope, &clause.filter);
        }
        if (code < 0) return code;
        if (++lucene->clause_count > CLAUSES_MAX)
            return lucene_fail(lucene, "more clauses than 1024");
        clause.is_blank = is_blank_clause(clause.filter);
        place_clause(lucene, clauses, conjunction, modifier, &clause);
        if (!VEC_PUSH(clauses, clause)) return lucene_no_memory(lucene);
    }
}

static int read_query(struct lucene *lucene, const struct lucene_scope *scope, bool in_group,
                      struct logstore_filter **out)
{
    struct clause_vec clauses = { 0 };
    int code = read_clauses(lucene, scope, in_group, &clauses);
    if (code == 0 && clauses.count == 0) {
        if (in_group) {
            code = lucene_fail(lucene, "empty brackets");
        } else {
            *out = ARENA_NEW(lucene->arena, struct logstore_filter);
            if (*out == NULL)
                code = lucene_no_memory(lucene);
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
    struct lucene_scope scope = { options->fields, options->field_count, options->field_count > 0 };
    scope.is_named = false;
    struct logstore_filter *read = NULL;
    int code = read_query(&lucene, &scope, false, &read);
    if (code < 0) return code;
    *filter = read;
    return 0;
}
