/* analyzer.h - text into terms, as Lucene's standard analyzer cuts it: word boundaries of UAX #29,
 * then lower case. "java.lang.Foo" is one term, "foo-bar" two, every ideograph one.
 */
#ifndef LOGSTORE_ANALYZER_H
#define LOGSTORE_ANALYZER_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANALYZER_TERM_CHARS_MAX                                                                    \
    255 /* longer tokens are cut into pieces of this many UTF-16 units */
#define ANALYZER_TERM_SIZE_MAX (ANALYZER_TERM_CHARS_MAX * 4)

enum analyzer_token_kind {
    ANALYZER_ALPHANUM,
    ANALYZER_NUMBER,
    ANALYZER_SOUTHEAST_ASIAN,
    ANALYZER_IDEOGRAPHIC,
    ANALYZER_HIRAGANA,
    ANALYZER_KATAKANA,
    ANALYZER_HANGUL,
    ANALYZER_EMOJI,
};

const char *analyzer_token_kind_name(enum analyzer_token_kind kind); /* "<ALPHANUM>" */

struct analyzer_token {
    struct str term; /* lower case; in `analyzer.term`, valid until the next call */
    size_t start;    /* byte offsets into the text */
    size_t end;
    uint32_t position; /* 0, 1, 2 ... */
    enum analyzer_token_kind kind;
};

#define ANALYZER_STEP 16 /* bytes of a text that are looked at together */

struct analyzer {
    struct str text;
    size_t offset;
    uint32_t position;
    size_t tail_start;            /* of the last bytes of the text, which stand in */
    char tail[2 * ANALYZER_STEP]; /* with zeros behind them */
    char term[ANALYZER_TERM_SIZE_MAX];
};

void analyzer_init(struct analyzer *analyzer, struct str text);

/* The next token; false at the end. Bytes that are not UTF-8 separate words. */
bool analyzer_next(struct analyzer *analyzer, struct analyzer_token *token);

/* Whether an ASCII character is in no term and between two of its kind there are whole terms:
 * blanks, brackets, slashes and the like. Of the others it depends on what stands beside. */
bool analyzer_breaks(char c);

/* The text in lower case, as a term is (for wildcards and prefixes on text fields). */
void analyzer_lowercase(struct str text, struct buf *out);

/* The characters, but for itself, that become `lower` in lower case: their count, of which the
 * first `most` are given. */
size_t analyzer_cases(uint32_t lower, uint32_t *cases, size_t most);

#endif
