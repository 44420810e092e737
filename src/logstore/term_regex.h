/* term_regex.h - Lucene's regular expressions, matched against whole terms.
 *
 * The grammar is Lucene's own, with all of its optional operators; ^ and $ are letters:
 *
 *   union  := inter ('|' inter)*          repeat := complement (? | * | + | {n} | {n,} | {n,m})*
 *   inter  := concat ('&' concat)*        complement := '~' complement | class
 *   concat := repeat+                     class := '[' '^'? ... ']' | simple
 *   simple := '.' | '#' nothing | '@' any text | '"' text '"' | '()' | '(' union ')' | '<n-m>' | c
 *
 * A pattern without '~', '&' and '<n-m>' is handed to RE2; others are walked over the term, in time
 * that grows with the pattern's size times the square of the term's, whatever the pattern.
 *
 * Threads: a pattern belongs to one thread at a time.
 */
#ifndef LOGSTORE_TERM_REGEX_H
#define LOGSTORE_TERM_REGEX_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

#define TERM_REGEX_SIZE_MAX 4096 /* bytes of a pattern */
#define TERM_REGEX_TERM_MAX 1024 /* characters of a term, for the patterns that RE2 cannot do */

struct term_regex;

/* ERROR_INVALID says what is wrong and where. */
int term_regex_new(struct term_regex **regex, struct str pattern, bool is_nocase,
                   struct error *error) MUST_CHECK;
void term_regex_free(struct term_regex *regex); /* NULL is fine */
bool term_regex_matches(struct term_regex *regex, struct str term);
/* Every match begins with it; empty when nothing is known. */
struct str term_regex_prefix(const struct term_regex *regex);

#endif
