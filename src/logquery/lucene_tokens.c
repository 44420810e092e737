/* lucene_tokens.c - runs of characters and what they mean to Lucene's parser. */
#include "logquery/lucene_tokens.h"

#include <stdbool.h>
#include <string.h>

/* The bytes of the blank that stands there; 0: none does. */
static size_t blank_size(struct str all, size_t at)
{
    if (at >= all.size) return 0;
    char c = all.data[at];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return 1;
    return str_starts_with(str_skip(all, at), STR("\xe3\x80\x80")) ? 3 : 0;
}

size_t lucene_after_blanks(struct str all, size_t at)
{
    for (size_t size; (size = blank_size(all, at)) > 0;) at += size;
    return at;
}

static bool is_mark(char c)
{
    return c == 0 || strchr("+-!():^[]\"{}~*?\\/", c) != NULL;
}

/* The end of a run of a term's characters that begins there; wildcards belong to it when asked. */
static size_t term_end(struct str all, size_t at, bool takes_wildcards, bool *has_wildcard)
{
    size_t start = at;
    while (at < all.size && blank_size(all, at) == 0) {
        char c = all.data[at];
        if (c == '\\') {
            if (at + 1 == all.size) break;
            at += 2;
            continue;
        }
        bool is_wildcard = takes_wildcards && (c == '*' || c == '?');
        bool is_inner = at > start && (c == '+' || c == '-');
        if (c != 0 && is_mark(c) && !is_wildcard && !is_inner) break;
        if (is_wildcard) *has_wildcard = true;
        at++;
    }
    return at;
}

size_t lucene_quoted_end(struct str all, size_t at)
{
    for (at++; at < all.size; at++) {
        if (all.data[at] == '"') return at + 1;
        if (all.data[at] == '\\') at++;
    }
    return STR_NONE;
}

/* Up to the last slash that can close it: an escaped one goes on when another follows. */
static size_t regex_end(struct str all, size_t at)
{
    size_t end = STR_NONE;
    for (at++; at < all.size; at++) {
        if (all.data[at] != '/') continue;
        end = at + 1;
        if (all.data[at - 1] != '\\') break;
    }
    return end;
}

/* A tilde takes all characters of a term that follow it, signs at the front included. */
static size_t tilde_end(struct str all, size_t at)
{
    bool unused;
    size_t end = at + 1;
    while (end < all.size && (all.data[end] == '+' || all.data[end] == '-')) {
        end++;
    }
    return term_end(all, end, false, &unused);
}

struct word {
    struct str text;
    enum lucene_token_kind kind;
};

static const struct word words[] = {
    { STR_INIT("AND"), LUCENE_AND }, { STR_INIT("&&"), LUCENE_AND },  { STR_INIT("OR"), LUCENE_OR },
    { STR_INIT("||"), LUCENE_OR },   { STR_INIT("NOT"), LUCENE_NOT },
};

static enum lucene_token_kind word_kind(struct str text)
{
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (str_equal(words[i].text, text)) return words[i].kind;
    }
    return LUCENE_TERM;
}

static const struct mark {
    char c;
    enum lucene_token_kind kind;
} marks[] = {
    { '(', LUCENE_OPEN },  { ')', LUCENE_CLOSE }, { ':', LUCENE_COLON },
    { '^', LUCENE_CARET }, { '+', LUCENE_PLUS },  { '-', LUCENE_MINUS },
    { '!', LUCENE_NOT },   { '[', LUCENE_RANGE }, { '{', LUCENE_RANGE },
};

struct lucene_token lucene_scan(struct str all, size_t at)
{
    at = lucene_after_blanks(all, at);
    if (at >= all.size) return (struct lucene_token){ LUCENE_END, at, at };
    char c = all.data[at];
    bool is_operator = c == '+' || c == '-' || c == '!';
    if (is_operator && blank_size(all, at + 1) > 0) {
        return (struct lucene_token){ LUCENE_BARE, at, at + 1 };
    }
    for (size_t i = 0; i < ARRAY_LENGTH(marks); i++) {
        if (marks[i].c == c) return (struct lucene_token){ marks[i].kind, at, at + 1 };
    }
    struct lucene_token token = { LUCENE_BROKEN, at, at };
    if (c == '~') return (struct lucene_token){ LUCENE_TILDE, at, tilde_end(all, at) };
    if (c == '"' || c == '/') {
        size_t end = c == '"' ? lucene_quoted_end(all, at) : regex_end(all, at);
        if (end == STR_NONE) return token; /* unclosed */
        token.end = end;
        token.kind = c == '"' ? LUCENE_QUOTED : LUCENE_REGEX;
        return token;
    }
    bool has_wildcard = false;
    token.end = term_end(all, at, true, &has_wildcard);
    if (token.end == at) return token;
    struct str text = { all.data + at, token.end - at };
    if (str_equal(text, STR("*")))
        token.kind = LUCENE_STAR;
    else
        token.kind = has_wildcard ? LUCENE_WILDCARD : word_kind(text);
    return token;
}
