/* regex.h - RE2 patterns: linear time, the syntax and meaning of the Go systems.
 *
 * Ownership: regex_new makes, regex_free frees. Threads: a compiled pattern serves any number.
 * Limits:    REGEX_MEMORY_MAX for a compiled pattern.
 */
#ifndef CODEC_REGEX_H
#define CODEC_REGEX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define REGEX_MEMORY_MIN (1 << 20) /* what a pattern may take whose program fits */
#define REGEX_MEMORY_MAX (8 << 20)
#define REGEX_GROUPS_MAX 32

struct regex;

enum regex_flags {
    REGEX_DOT_NEWLINE = 1, /* '.' matches a newline too, as in Prometheus */
    REGEX_NOCASE = 2,
};

/* 0, ERROR_PARSE ("missing ): (a"; error->offset: where the piece that RE2 names first occurs, 0
 * when it names none) or -ENOMEM. */
int regex_new(struct regex **regex, struct str pattern, unsigned flags,
              struct error *error) MUST_CHECK;
void regex_free(struct regex *regex); /* NULL is fine */
void regex_cleanup(struct regex **regex);

bool regex_matches(const struct regex *regex, struct str text);  /* the whole text */
bool regex_contains(const struct regex *regex, struct str text); /* anywhere in it */
size_t regex_group_count(const struct regex *regex);             /* without group 0 */

/* The whole text, with its groups: groups[0] is all; data NULL for groups that took no part.
 * `count` of them at most REGEX_GROUPS_MAX. */
bool regex_groups(const struct regex *regex, struct str text, struct str *groups, size_t count);

/* Finds the first match at or after offset; groups[0] says where. */
bool regex_find(const struct regex *regex, struct str text, size_t offset, struct str *groups,
                size_t count);

/* Appends `pattern` with $1, ${1}, $name, ${name} put in and $$ as $, as Go's Regexp.Expand:
 * $1x is the group named "1x", which is empty. groups from regex_groups. */
void regex_expand(const struct regex *regex, struct str pattern, const struct str *groups,
                  size_t count, struct buf *out);

/* When the pattern, fully anchored, is nothing but literals in alternation ("a|b|c", one bracket
 * around all of it allowed): lists them in the arena and returns true. Not for REGEX_NOCASE. */
bool regex_literals(struct arena *arena, struct str pattern, struct str **items, size_t *count);

/* Instructions of the compiled pattern: what it cost to make, and costs to match at worst. */
size_t regex_size(const struct regex *regex);

/* The literal text with which every full match begins; empty when there is none. */
struct str regex_prefix(const struct regex *regex);

/* Appends the text with all characters that mean something quoted. */
void regex_quote(struct buf *out, struct str text);

#endif
