/* phrase.c - whether a document's text really holds a phrase: no positions are stored, so the
 * candidates, which hold all the terms, are read and cut into terms again.
 */
#include "base/check.h"
#include "base/vec.h"
#include "logstore/analyzer.h"
#include "logstore/filter_run.h"
#include "logstore/literal.h"
#include "logstore/reader.h"

#include <errno.h>
#include <stdlib.h>

#define POSITION_GAP 100 /* between the values of an array */

struct occurrence {
    uint32_t term; /* of the phrase */
    int64_t shift; /* position less the term's place in the phrase */
};

struct verify {
    const struct phrase *phrase;
    struct literal plain; /* the longest term of a plain phrase; size 0: it is none */
    size_t pivot;         /* which term that is */
    bool is_found;        /* in the document at hand, as it stands there */
    VEC(struct occurrence) occurrences;
    int64_t base; /* position of the value's first token */
    bool has_failed;
};

static bool is_plain(struct str term)
{
    for (size_t i = 0; i < term.size; i++) {
        char c = term.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
    }
    return term.size > 0 && term.size <= LITERAL_SIZE_MAX;
}

/* Words of ASCII letters and digits between characters that no term holds are terms wherever they
 * stand: a text that has them in a row need not be cut. */
static void make_plain(struct verify *verify)
{
    const struct phrase *phrase = verify->phrase;
    for (size_t i = 0; i < phrase->count; i++) {
        if (!is_plain(phrase->terms[i])) return;
        if (phrase->terms[i].size > phrase->terms[verify->pivot].size) verify->pivot = i;
    }
    if (phrase->slop == 0) literal_init(&verify->plain, phrase->terms[verify->pivot], false);
}

static bool is_term_at(struct str text, size_t at, struct str term)
{
    if (text.size - at < term.size) return false;
    for (size_t i = 0; i < term.size; i++) {
        char c = text.data[at + i];
        if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
        if (c != term.data[i]) return false;
    }
    return true;
}

/* Whether the terms before the pivot, which stands at that place, stand before it. */
static bool goes_on_left(const struct verify *verify, struct str text, size_t at)
{
    for (size_t i = verify->pivot;; i--) {
        if (at > 0 && !analyzer_breaks(text.data[at - 1])) return false;
        if (i == 0) return true;
        while (at > 0 && analyzer_breaks(text.data[at - 1])) at--;
        struct str before = verify->phrase->terms[i - 1];
        if (at < before.size || !is_term_at(text, at - before.size, before)) return false;
        at -= before.size;
    }
}

static bool goes_on_right(const struct verify *verify, struct str text, size_t at)
{
    const struct phrase *phrase = verify->phrase;
    for (size_t i = verify->pivot;; i++) {
        if (!is_term_at(text, at, phrase->terms[i])) return false;
        at += phrase->terms[i].size;
        bool is_last = i + 1 == phrase->count;
        if (is_last && phrase->is_prefix) return true;
        if (at < text.size && !analyzer_breaks(text.data[at])) return false;
        if (is_last) return true;
        while (at < text.size && analyzer_breaks(text.data[at])) at++;
    }
}

static bool holds_plain(const struct verify *verify, struct str text)
{
    if (verify->plain.size == 0) return false;
    for (size_t at = 0; at < text.size; at++) {
        at = literal_find(&verify->plain, text, at);
        if (at == STR_NONE) return false;
        if (goes_on_right(verify, text, at) && goes_on_left(verify, text, at)) return true;
    }
    return false;
}

static void add_text(struct verify *verify, struct str text)
{
    const struct phrase *phrase = verify->phrase;
    struct analyzer analyzer;
    struct analyzer_token token;
    int64_t last = verify->base;
    if (!verify->is_found) verify->is_found = holds_plain(verify, text);
    if (verify->is_found) return;
    analyzer_init(&analyzer, text);
    while (analyzer_next(&analyzer, &token)) {
        last = verify->base + (int64_t)token.position;
        for (size_t i = 0; i < phrase->count; i++) {
            bool is_open = phrase->is_prefix && i + 1 == phrase->count;
            bool fits = is_open ? str_starts_with(token.term, phrase->terms[i])
                                : str_equal(token.term, phrase->terms[i]);
            if (!fits) continue;
            struct occurrence found = { (uint32_t)i, last - (int64_t)i };
            if (!VEC_PUSH(&verify->occurrences, found)) verify->has_failed = true;
        }
    }
    verify->base = last + POSITION_GAP;
}

static int by_shift(const void *a, const void *b)
{
    const struct occurrence *left = a;
    const struct occurrence *right = b;
    return left->shift < right->shift ? -1 : left->shift > right->shift;
}

/* The least position of a term in the window that lies behind `last`; INT64_MAX: none. */
static int64_t position_behind(const struct occurrence *window, size_t count, uint32_t term,
                               int64_t last)
{
    int64_t best = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        int64_t position = window[i].shift + (int64_t)term;
        if (window[i].term == term && position > last && position < best) best = position;
    }
    return best;
}

/* Whether a term that the phrase has twice stands twice in the window, and not once for both. The
 * places that may serve it move on with it, so the first free one is always the right choice. */
static bool is_distinct(const struct phrase *phrase, const struct occurrence *window, size_t count)
{
    for (uint32_t first = 0; first < phrase->count; first++) {
        int64_t last = INT64_MIN;
        bool is_first = true;
        for (uint32_t i = 0; i < first; i++) {
            is_first &= !str_equal(phrase->terms[i], phrase->terms[first]);
        }
        for (uint32_t i = first; is_first && i < phrase->count; i++) {
            if (!str_equal(phrase->terms[i], phrase->terms[first])) continue;
            last = position_behind(window, count, i, last);
            if (last == INT64_MAX) return false;
        }
    }
    return true;
}

/* In a sound phrase all shifts are equal; slop lets them lie that far apart. A window over the
 * sorted shifts holds the phrase when every term is in it. */
static bool holds_phrase(struct verify *verify, uint32_t *counts)
{
    const struct phrase *phrase = verify->phrase;
    size_t count = verify->occurrences.count;
    if (verify->is_found) return true;
    if (count < phrase->count) return false;
    struct occurrence *items = verify->occurrences.items;
    qsort(items, count, sizeof(*items), by_shift);
    for (size_t i = 0; i < phrase->count; i++) counts[i] = 0;
    size_t missing = phrase->count;
    size_t start = 0;
    for (size_t end = 0; end < count; end++) {
        if (counts[items[end].term]++ == 0) missing--;
        while (items[end].shift - items[start].shift > phrase->slop) {
            if (--counts[items[start++].term] == 0) missing++;
        }
        if (missing > 0) continue;
        bool needs_look = phrase->slop > 0 && !phrase->is_prefix;
        if (!needs_look || is_distinct(phrase, items + start, end + 1 - start)) return true;
    }
    return false;
}

struct verifier {
    struct verify verify;
    uint32_t *counts;
    uint64_t *bits;
    uint32_t document; /* whose occurrences are in verify; UINT32_MAX: none */
};

static void finish_document(struct verifier *verifier)
{
    uint32_t document = verifier->document;
    if (document != UINT32_MAX && holds_phrase(&verifier->verify, verifier->counts)) {
        verifier->bits[document / 64] |= UINT64_C(1) << (document % 64);
    }
    verifier->document = UINT32_MAX;
    verifier->verify.is_found = false;
    verifier->verify.occurrences.count = 0;
    verifier->verify.base = 0;
}

static int visit(void *argument, uint32_t document, struct str text)
{
    struct verifier *verifier = argument;
    if (document != verifier->document) finish_document(verifier);
    verifier->document = document;
    add_text(&verifier->verify, text);
    return verifier->verify.has_failed ? -ENOMEM : 0;
}

static int verify_all(struct verifier *verifier, struct filter_run *run,
                      const struct logstore_column *column, const uint64_t *wanted,
                      struct error *error)
{
    const struct logstore_segment *segment = column->segment;
    for (uint32_t block = 0; block < segment_block_count(segment); block++) {
        uint32_t start = (uint32_t)packed_get(&segment->block_first, block);
        uint32_t end = (uint32_t)packed_get(&segment->block_first, block + 1);
        if (!bits_have_any(wanted, start, end)) continue;
        run->context->scanned_blocks++;
        int code =
            value_reader_block(run->values, column, block, wanted, NULL, visit, verifier, error);
        if (code < 0) return code;
        finish_document(verifier);
        code = filter_check_deadline(run, error);
        if (code < 0) return code;
    }
    return 0;
}

int filter_phrase_verify(struct filter_run *run, const struct logstore_column *column,
                         const struct phrase *phrase, uint64_t *bits, struct error *error)
{
    struct verifier verifier = { .verify = { .phrase = phrase }, .document = UINT32_MAX };
    make_plain(&verifier.verify);
    verifier.counts = calloc(phrase->count + 1, sizeof(*verifier.counts));
    verifier.bits = calloc(run->word_count + 1, sizeof(*verifier.bits));
    uint64_t *wanted = segment_presence_bits(column);
    bool has_memory = verifier.counts != NULL && verifier.bits != NULL && wanted != NULL &&
                      (run->values != NULL || value_reader_new(&run->values) == 0);
    int code = has_memory ? 0 : error_set(error, -ENOMEM, "filter: out of memory");
    for (size_t i = 0; code == 0 && i < run->word_count; i++) wanted[i] &= bits[i];
    if (code == 0) code = verify_all(&verifier, run, column, wanted, error);
    for (size_t i = 0; code == 0 && i < run->word_count; i++) bits[i] = verifier.bits[i];
    VEC_RELEASE(&verifier.verify.occurrences);
    free(verifier.counts);
    free(verifier.bits);
    free(wanted);
    return code;
}
