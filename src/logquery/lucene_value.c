/* lucene_value.c - one value of a query string: a word, a phrase, a range, a pattern, with what
 * stands behind it.
 */
#include "logquery/lucene_value.h"

#include "base/check.h"
#include "codec/number.h"
#include "codec/utf8.h"

#include <errno.h>
#include <string.h>

int lucene_fail(struct lucene *lucene, const char *what)
{
    error_set(lucene->error, ERROR_PARSE, "Encountered %s at column %zu", what, lucene->at);
    if (lucene->error != NULL) lucene->error->offset = lucene->at;
    return ERROR_PARSE;
}

int lucene_no_memory(struct lucene *lucene)
{
    return error_set(lucene->error, ERROR_LIMIT, "query needs more memory than it may have");
}

char lucene_peek(const struct lucene *lucene)
{
    return lucene->at < lucene->text.size ? lucene->text.data[lucene->at] : 0;
}

struct lucene_token lucene_next(const struct lucene *lucene, size_t at)
{
    return lucene_scan(lucene->text, at);
}

void lucene_skip_blanks(struct lucene *lucene)
{
    lucene->at = lucene_after_blanks(lucene->text, lucene->at);
}

struct str lucene_token_text(const struct lucene *lucene, const struct lucene_token *token)
{
    return (struct str){ lucene->text.data + token->start, token->end - token->start };
}

/* The text without its escapes. */
int lucene_unescape(struct lucene *lucene, struct str raw, struct str *text)
{
    char *plain = arena_alloc(lucene->arena, raw.size + 1, 1);
    size_t size = 0;
    if (plain == NULL) return lucene_no_memory(lucene);
    for (size_t i = 0; i < raw.size; i++) {
        if (raw.data[i] != '\\') {
            plain[size++] = raw.data[i];
            continue;
        }
        if (++i == raw.size) return lucene_fail(lucene, "\\ at the end of a term");
        if (raw.data[i] != 'u') {
            plain[size++] = raw.data[i];
            continue;
        }
        size_t added = utf8_from_hex(str_skip(raw, i + 1), plain + size);
        if (added == 0) return lucene_fail(lucene, "\\u without four hexadecimal digits");
        size += added;
        i += 4;
    }
    *text = (struct str){ plain, size };
    return 0;
}

struct logstore_filter *lucene_leaf(struct lucene *lucene, const struct lucene_scope *scope,
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
        .zone = lucene->options->zone,
        .is_normalized = true,
        .is_void_when_empty = true,
    };
    return filter;
}

/* "~2", "~0.8", "~", "~AUTO"; and a boost before or behind it. */
int lucene_take_suffixes(struct lucene *lucene, bool allows_tilde, struct lucene_tilde *tilde)
{
    *tilde = (struct lucene_tilde){ 0 };
    bool has_boost = false;
    for (;;) {
        struct lucene_token token = lucene_next(lucene, lucene->at);
        if (token.kind == LUCENE_TILDE && allows_tilde && !tilde->is_there) {
            struct str digits = str_skip(lucene_token_text(lucene, &token), 1);
            tilde->is_there = true;
            tilde->has_number = number_parse(digits, &tilde->number);
            lucene->at = token.end;
        } else if (token.kind == LUCENE_CARET && !has_boost) {
            size_t end = token.end;
            while (end < lucene->text.size && strchr("0123456789", lucene->text.data[end])) end++;
            if (end == token.end) return lucene_fail(lucene, "^ without a number");
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
    lucene_skip_blanks(lucene);
    size_t start = lucene->at;
    bool is_quoted = lucene_peek(lucene) == '"';
    size_t end = is_quoted ? lucene_quoted_end(lucene->text, start) : start;
    if (end == STR_NONE) return lucene_fail(lucene, "an unclosed quote");
    while (!is_quoted && end < lucene->text.size && !strchr(" ]}", lucene->text.data[end])) end++;
    if (end == start) return lucene_fail(lucene, "a range without a bound");
    struct str raw = { lucene->text.data + start, end - start };
    if (is_quoted) raw = str_first(str_skip(raw, 1), raw.size - 2);
    lucene->at = end;
    bound->is_open = !is_quoted && str_equal(raw, STR("*"));
    return lucene_unescape(lucene, raw, &bound->text);
}

int lucene_read_range(struct lucene *lucene, const struct lucene_scope *scope,
                      struct logstore_filter **out)
{
    bool lower_inclusive = lucene_peek(lucene) == '[';
    lucene->at++;
    struct bound_text from;
    struct bound_text to;
    int code = take_range_end(lucene, &from);
    if (code < 0) return code;
    lucene_skip_blanks(lucene);
    struct str rest = str_skip(lucene->text, lucene->at);
    bool has_to = str_starts_with(rest, STR("TO")) && rest.size > 2 && strchr(" ]}", rest.data[2]);
    if (!has_to) return lucene_fail(lucene, "a range without TO");
    lucene->at += 2;
    code = take_range_end(lucene, &to);
    if (code < 0) return code;
    lucene_skip_blanks(lucene);
    char end = lucene_peek(lucene);
    if (end != ']' && end != '}') return lucene_fail(lucene, "an unclosed range");
    lucene->at++;
    struct logstore_filter *filter = lucene_leaf(lucene, scope, LOGSTORE_FILTER_RANGE, from.text);
    if (filter == NULL) return lucene_no_memory(lucene);
    if (!from.is_open) {
        filter->lower = (struct logstore_bound){ true, lower_inclusive, from.text };
    }
    if (!to.is_open) filter->upper = (struct logstore_bound){ true, end == ']', to.text };
    if (from.is_open && to.is_open) filter->kind = LOGSTORE_FILTER_EXISTS;
    *out = filter;
    struct lucene_tilde tilde;
    return lucene_take_suffixes(lucene, false, &tilde);
}

/* field:>5 and its like. */
static int read_comparison(struct lucene *lucene, const struct lucene_scope *scope, struct str text,
                           struct logstore_filter **out)
{
    bool is_lower = text.data[0] == '>';
    bool is_inclusive = text.data[1] == '=';
    text = str_skip(text, is_inclusive ? 2 : 1);
    if (text.size == 0 && lucene_peek(lucene) == '"') {
        struct lucene_token token = lucene_next(lucene, lucene->at);
        if (token.kind != LUCENE_QUOTED) return lucene_fail(lucene, "an unclosed quote");
        struct str raw = lucene_token_text(lucene, &token);
        int code = lucene_unescape(lucene, str_first(str_skip(raw, 1), raw.size - 2), &text);
        if (code < 0) return code;
        lucene->at = token.end;
    }
    struct logstore_filter *filter = lucene_leaf(lucene, scope, LOGSTORE_FILTER_RANGE, text);
    if (filter == NULL) return lucene_no_memory(lucene);
    struct logstore_bound bound = { true, is_inclusive, text };
    if (is_lower)
        filter->lower = bound;
    else
        filter->upper = bound;
    *out = filter;
    return 0;
}

static bool is_comparison(const struct lucene *lucene, const struct lucene_scope *scope,
                          struct str text)
{
    if (!scope->is_named || text.size == 0 || (text.data[0] != '>' && text.data[0] != '<')) {
        return false;
    }
    bool has_value = text.size > (text.size > 1 && text.data[1] == '=' ? 2u : 1u);
    return has_value || lucene_peek(lucene) == '"';
}

int lucene_read_term(struct lucene *lucene, const struct lucene_scope *scope,
                     const struct lucene_token *token, struct logstore_filter **out)
{
    struct str raw = lucene_token_text(lucene, token);
    struct str text;
    struct lucene_tilde tilde;
    lucene->at = token->end;
    int code = lucene_unescape(lucene, raw, &text);
    if (code < 0) return code;
    if (token->kind == LUCENE_TERM && is_comparison(lucene, scope, text)) {
        code = read_comparison(lucene, scope, text, out);
        return code < 0 ? code : lucene_take_suffixes(lucene, false, &tilde);
    }
    bool is_leading = token->kind == LUCENE_WILDCARD && (raw.data[0] == '*' || raw.data[0] == '?');
    if (is_leading && lucene->options->refuses_leading_wildcard) {
        return lucene_fail(lucene, "'*' or '?' as the first character of a wildcard");
    }
    code = lucene_take_suffixes(lucene, true, &tilde);
    if (code < 0) return code;
    enum logstore_filter_kind kind = LOGSTORE_FILTER_MATCH;
    if (token->kind == LUCENE_STAR)
        kind = scope->count > 0 ? LOGSTORE_FILTER_EXISTS : LOGSTORE_FILTER_ALL;
    else if (token->kind == LUCENE_WILDCARD)
        kind = LOGSTORE_FILTER_WILDCARD;
    else if (tilde.is_there)
        kind = LOGSTORE_FILTER_FUZZY;
    /* A wildcard's escapes are the pattern's too. */
    *out = lucene_leaf(lucene, scope, kind, kind == LOGSTORE_FILTER_WILDCARD ? raw : text);
    if (*out == NULL) return lucene_no_memory(lucene);
    if (kind == LOGSTORE_FILTER_FUZZY) {
        double edits = tilde.number;
        bool is_broken = !(edits >= 0 && edits <= 2) || (edits > 1 && edits < 2);
        if (tilde.has_number && is_broken) {
            return lucene_fail(lucene, "a number of edits that is none of 0, 1 and 2");
        }
        (*out)->fuzziness = !tilde.has_number ? -1 : edits >= 2 ? 2 : edits >= 1 ? 1 : 0;
    }
    return 0;
}

int lucene_read_phrase(struct lucene *lucene, const struct lucene_scope *scope,
                       const struct lucene_token *token, struct logstore_filter **out)
{
    struct str text;
    struct str raw = lucene_token_text(lucene, token);
    struct lucene_tilde tilde;
    lucene->at = token->end;
    int code = lucene_unescape(lucene, str_first(str_skip(raw, 1), raw.size - 2), &text);
    if (code == 0) code = lucene_take_suffixes(lucene, true, &tilde);
    if (code < 0) return code;
    struct logstore_filter *filter = lucene_leaf(lucene, scope, LOGSTORE_FILTER_PHRASE, text);
    if (filter == NULL) return lucene_no_memory(lucene);
    double slop = tilde.has_number ? tilde.number : lucene->options->phrase_slop;
    if (slop < 0) return lucene_fail(lucene, "a negative slop");
    filter->slop = slop > 1000000 ? 1000000 : slop >= 1 ? (int32_t)slop : 0;
    *out = filter;
    return 0;
}

int lucene_read_regex(struct lucene *lucene, const struct lucene_scope *scope,
                      const struct lucene_token *token, struct logstore_filter **out)
{
    struct str raw = lucene_token_text(lucene, token);
    struct str pattern = str_first(str_skip(raw, 1), raw.size - 2);
    struct lucene_tilde tilde;
    size_t size = 0;
    int code = logstore_regex_check(pattern, &size, lucene->error);
    if (code < 0) return code == ERROR_INVALID ? ERROR_PARSE : code;
    size_t *sum = lucene->options->regex_size;
    if (sum == NULL) sum = &lucene->regex_size;
    *sum += size;
    if (*sum > LOGQUERY_REGEX_SIZE_MAX)
        return lucene_fail(lucene, "more regular expressions than fit");
    lucene->at = token->end;
    code = lucene_take_suffixes(lucene, true, &tilde);
    if (code < 0) return code;
    *out = lucene_leaf(lucene, scope, LOGSTORE_FILTER_REGEXP, pattern);
    return *out == NULL ? lucene_no_memory(lucene) : 0;
}
