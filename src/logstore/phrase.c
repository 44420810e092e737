/* phrase.c - whether a document's text really holds a phrase: no positions are stored, so the
 * candidates, which hold all the terms, are read and cut into terms again.
 */
#include "base/check.h"
#include "codec/json.h"
#include "logstore/analyzer.h"
#include "logstore/catalog.h"
#include "logstore/filter_run.h"

#include <errno.h>
#include <stdlib.h>

#define VERIFY_MEMORY_MAX ((size_t)512 << 20)
#define POSITION_GAP      100 /* between the values of an array */

struct occurrence {
    uint32_t term; /* of the phrase */
    int64_t shift; /* position less the term's place in the phrase */
};

struct verify {
    const struct phrase *phrase;
    VEC(struct occurrence) occurrences;
    int64_t base; /* position of the value's first token */
    bool has_failed;
};

static void add_text(struct verify *verify, struct str text)
{
    const struct phrase *phrase = verify->phrase;
    struct analyzer analyzer;
    struct analyzer_token token;
    int64_t last = verify->base;
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

static void add_value(struct verify *verify, const struct json *value)
{
    if (value->kind == JSON_ARRAY) {
        for (size_t i = 0; i < value->array.count; i++) add_value(verify, &value->array.items[i]);
    } else if (value->kind == JSON_TEXT) {
        add_text(verify, value->text);
    } else if (value->kind != JSON_NULL && value->kind != JSON_OBJECT) {
        add_text(verify, value->raw);
    }
}

/* Adds what stands at the dotted path; keys may hold dots themselves. Depth: JSON_DEPTH_MAX. */
static void add_path(struct verify *verify, const struct json *value, struct str path)
{
    if (value->kind == JSON_ARRAY) {
        for (size_t i = 0; i < value->array.count; i++) {
            add_path(verify, &value->array.items[i], path);
        }
        return;
    }
    if (value->kind != JSON_OBJECT) return;
    for (size_t i = 0; i < value->object.count; i++) {
        const struct json_member *member = &value->object.members[i];
        if (str_equal(member->key, path))
            add_value(verify, &member->value);
        else if (path.size > member->key.size && path.data[member->key.size] == '.' &&
                 str_starts_with(path, member->key)) {
            add_path(verify, &member->value, str_skip(path, member->key.size + 1));
        }
    }
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

/* The path under which the source has the text: a sub-field's is its parent's. */
static struct str source_path(const struct filter_run *run, const struct logstore_column *column)
{
    const struct logstore_field *field =
        logstore_mapping_find(run->view->index->mapping, column->path);
    struct str path = column->path;
    if (field == NULL || !field->is_sub_field) return path;
    while (path.size > 0 && path.data[path.size - 1] != '.') path.size--;
    return path.size == 0 ? column->path : str_first(path, path.size - 1);
}

struct verifier {
    struct logstore_reader *reader;
    struct json_parser *parser;
    struct arena arena;
    struct verify verify;
    uint32_t *counts;
    struct str path;
};

static int verify_document(struct verifier *verifier, const struct filter_run *run,
                           uint32_t document, bool *holds, struct error *error)
{
    struct logstore_hit hit;
    int code = logstore_reader_get(verifier->reader, run->segment, document, &hit, error);
    if (code < 0) return code;
    const struct json *root;
    arena_reset(&verifier->arena);
    code = json_parse(verifier->parser, &verifier->arena, hit.source, &root, error);
    if (code < 0) return code;
    verifier->verify.occurrences.count = 0;
    verifier->verify.base = 0;
    add_path(&verifier->verify, root, verifier->path);
    if (verifier->verify.has_failed) return error_set(error, -ENOMEM, "filter: out of memory");
    *holds = holds_phrase(&verifier->verify, verifier->counts);
    return 0;
}

static int verify_all(struct verifier *verifier, struct filter_run *run, uint64_t *bits,
                      struct error *error)
{
    const struct logstore_filter_context *context = run->context;
    for (size_t word = 0; word < run->word_count; word++) {
        for (uint64_t left = bits[word]; left != 0; left &= left - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(left);
            bool holds = false;
            int code = verify_document(verifier, run, (uint32_t)word * 64 + bit, &holds, error);
            if (code < 0) return code;
            if (!holds) bits[word] &= ~(UINT64_C(1) << bit);
        }
        if (context->deadline_ns != 0 &&
            clock_monotonic_ns(context->clock) > context->deadline_ns) {
            return error_set(error, ERROR_TIMEOUT, "query took longer than its time limit");
        }
    }
    return 0;
}

int filter_phrase_verify(struct filter_run *run, const struct logstore_column *column,
                         const struct phrase *phrase, uint64_t *bits, struct error *error)
{
    struct verifier verifier = { .verify = { .phrase = phrase }, .path = source_path(run, column) };
    arena_init(&verifier.arena, VERIFY_MEMORY_MAX);
    verifier.counts = calloc(phrase->count + 1, sizeof(*verifier.counts));
    int code = verifier.counts == NULL ? error_set(error, -ENOMEM, "filter: out of memory") : 0;
    if (code == 0) code = logstore_reader_new(&verifier.reader);
    if (code == 0) code = json_parser_new(&verifier.parser, error);
    if (code == 0) code = verify_all(&verifier, run, bits, error);
    VEC_RELEASE(&verifier.verify.occurrences);
    logstore_reader_free(verifier.reader);
    json_parser_free(verifier.parser);
    arena_release(&verifier.arena);
    free(verifier.counts);
    return code;
}
