/* model.c - documents by dice, and filters carried out on each of them by reading it. */
#include "tests/logstore/model.h"

#include "base/clock.h"
#include "codec/json.h"
#include "logstore/analyzer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_COUNT 60
#define PAST_MS  600000
#define KEY_SIZE 128

static const char *const words[] = { "connection", "timeout", "error",  "retry",  "Database",
                                     "cache",      "session", "upload", "ümlaut", "naïve",
                                     "10.0.0.1",   "foo-bar", "x_y",    "can't",  "\\u212Aelvin" };
static const char *const levels[] = { "info", "warn", "error" };

struct str model_index_name(enum model_index index)
{
    static const struct str names[] = {
        [MODEL_LOGS] = STR_INIT("logs"),
        [MODEL_OTHER] = STR_INIT("other"),
        [MODEL_STREAM] = STR_INIT("stream"),
    };
    return names[index];
}

#define PICK(dice, table) ((table)[random_below((dice), ARRAY_LENGTH(table))])

void model_init(struct model *model)
{
    *model = (struct model){ .next = 0 };
    arena_init(&model->arena, (size_t)1 << 30);
}

void model_release(struct model *model)
{
    for (size_t i = 0; i < model->documents.count; i++) {
        VEC_RELEASE(&model->documents.items[i].sources);
    }
    VEC_RELEASE(&model->documents);
    VEC_RELEASE(&model->tried);
    map_release(&model->by_key);
    arena_release(&model->arena);
}

struct str model_keep(struct model *model, struct str text)
{
    return arena_copy(&model->arena, text);
}

/* Documents ------------------------------------------------------------------------------- */

static void put_message(struct random *dice, unsigned number, struct buf *out)
{
    size_t count = random_below(dice, 6);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s%s", i > 0 ? " " : "", PICK(dice, words));
    }
    if (random_below(dice, 2) == 0) buf_printf(out, " id=%u \\\"%u\\\"", number, number * 7);
}

static struct str make_source(struct model *model, struct random *dice, int64_t time_ms)
{
    char time[CLOCK_RFC3339_SIZE];
    (void)clock_rfc3339_print(time_ms * 1000000, 3, time);
    CLEANUP(buf_release) struct buf out = { 0 };
    unsigned number = ++model->next;
    buf_init(&out, 1 << 16);
    bool is_odd = random_below(dice, 12) == 0;
    const char *blank = is_odd ? " " : "";
    buf_printf(&out, "{%s\"@timestamp\":\"%s\",", blank, time);
    buf_printf(&out, "\"n\":%d,\"level\":%s\"%s\",\"message\":\"",
               (int)random_below(dice, 200) - 100, blank, PICK(dice, levels));
    put_message(dice, number, &out);
    buf_printf(&out, "\",\"trace\":\"%08x%s\"", number * 2654435761u, is_odd ? "-odd" : "");
    if (random_below(dice, 4) == 0) {
        buf_printf(&out, ",\"tag\":[\"t%u\",\"t%u\"]", (unsigned)random_below(dice, 3),
                   (unsigned)random_below(dice, 3));
    }
    if (random_below(dice, 10) == 0) buf_printf(&out, ",\"extra\":{\"deep\":\"d%u\"}", number);
    if (random_below(dice, 30) == 0) buf_printf(&out, ",\"k%u\":null", number % 5);
    buf_append_char(&out, '}');
    return model_keep(model, buf_str(&out));
}

void model_make_change(struct model *model, struct random *dice, struct model_change *change)
{
    static const enum model_index indices[] = {
        MODEL_LOGS, MODEL_LOGS,  MODEL_LOGS,  MODEL_LOGS,
        MODEL_LOGS, MODEL_OTHER, MODEL_OTHER, MODEL_STREAM
    };
    char id[16];
    bool is_made = random_below(dice, 2) == 0;
    (void)snprintf(id, sizeof(id), "id%u", (unsigned)random_below(dice, ID_COUNT));
    *change = (struct model_change){ .index = PICK(dice, indices),
                                     .is_delete = random_below(dice, 12) == 0 };
    if (change->is_delete && model->documents.count > 0) {
        const struct model_document *document =
            &model->documents.items[random_below(dice, model->documents.count)];
        change->id = document->id;
        change->index = document->index;
        change->is_delete = document->index != MODEL_STREAM;
        if (change->is_delete) return;
    }
    change->is_delete = false;
    change->is_create = change->index == MODEL_STREAM || random_below(dice, 6) == 0;
    change->id = is_made ? (struct str){ NULL, 0 } : model_keep(model, str_from(id));
    change->time_ms = model->now_ms - (int64_t)random_below(dice, PAST_MS);
    change->source = make_source(model, dice, change->time_ms);
}

void model_try(struct model *model, const struct model_change *change)
{
    if (!VEC_PUSH(&model->tried, *change)) abort();
}

static struct str make_key(enum model_index index, struct str id, char *bytes)
{
    int size = snprintf(bytes, KEY_SIZE, "%d " STR_FMT, (int)index, STR_ARG(id));
    if (size >= KEY_SIZE) abort();
    return (struct str){ bytes, (size_t)size };
}

static struct model_document *find_any(const struct model *model, enum model_index index,
                                       struct str id)
{
    char bytes[KEY_SIZE];
    uintptr_t number = (uintptr_t)map_get(&model->by_key, make_key(index, id, bytes));
    return number == 0 ? NULL : &model->documents.items[number - 1];
}

static struct model_document *add_document(struct model *model, enum model_index index,
                                           struct str id)
{
    char bytes[KEY_SIZE];
    struct model_document fresh = { .index = index, .id = model_keep(model, id) };
    uintptr_t number = model->documents.count + 1;
    struct str key = model_keep(model, make_key(index, id, bytes));
    if (!VEC_PUSH(&model->documents, fresh)) abort();
    if (map_put_borrowed(&model->by_key, key, (void *)number) < 0) abort();
    return &model->documents.items[number - 1];
}

void model_apply(struct model *model, const struct model_change *change)
{
    struct model_document *document = find_any(model, change->index, change->id);
    if (document == NULL && change->is_delete) return;
    if (document == NULL) document = add_document(model, change->index, change->id);
    document->is_live = !change->is_delete;
    document->batch = change->batch;
    if (change->is_delete) return;
    document->source = model_keep(model, change->source);
    document->time_ms = change->time_ms;
    document->version = change->version;
    document->seq_no = change->seq_no;
    if (!VEC_PUSH(&document->sources, document->source)) abort();
}

void model_delete_index(struct model *model, enum model_index index)
{
    VEC_FOR_EACH (&model->documents, document) {
        if (document->index == index) document->is_live = false;
    }
}

const struct model_document *model_find(const struct model *model, enum model_index index,
                                        struct str id)
{
    const struct model_document *document = find_any(model, index, id);
    return document == NULL || !document->is_live ? NULL : document;
}

size_t model_live_count(const struct model *model, enum model_index index)
{
    size_t count = 0;
    for (size_t i = 0; i < model->documents.count; i++) {
        const struct model_document *document = &model->documents.items[i];
        count += document->index == index && document->is_live;
    }
    return count;
}

bool model_was_ever(const struct model_document *document, struct str source)
{
    for (size_t i = 0; i < document->sources.count; i++) {
        if (str_equal(document->sources.items[i], source)) return true;
    }
    return false;
}

/* Filters --------------------------------------------------------------------------------- */

static const char *const text_values[] = { "timeout", "elvin", "kelvin",  "ümlaut",
                                           "can't",   "zzz",   "10.0.0.1" };
static const char *const prefixes[] = { "time", "1", "k", "üml", "id", "zz", "n" };
static const char *const wildcards[] = {
    "*meout", "t*t", "*a?he*", "?0.0.*", "*elvin", "1*7", "*ï*"
};
static const char *const phrases[] = { "timeout error", "foo bar", "error retry", "database cache",
                                       "id 10" };

struct query_row {
    enum logstore_filter_kind kind;
    const char *field;
    const char *const *values; /* NULL: made of the number of some document */
    size_t value_count;
};

#define VALUES(table) table, ARRAY_LENGTH(table)

static const struct query_row rows[] = {
    { LOGSTORE_FILTER_TERM, "message", VALUES(text_values) },
    { LOGSTORE_FILTER_TERM, "message", NULL, 0 },
    { LOGSTORE_FILTER_MATCH, "message", VALUES(text_values) },
    { LOGSTORE_FILTER_PHRASE, "message", VALUES(phrases) },
    { LOGSTORE_FILTER_PREFIX, "message", VALUES(prefixes) },
    { LOGSTORE_FILTER_WILDCARD, "message", VALUES(wildcards) },
    { LOGSTORE_FILTER_RANGE, "message", VALUES(prefixes) },
    { LOGSTORE_FILTER_TERM, "level.keyword", VALUES(levels) },
    { LOGSTORE_FILTER_TERM, "trace.keyword", NULL, 0 },
    { LOGSTORE_FILTER_PREFIX, "trace.keyword", VALUES(prefixes) },
    { LOGSTORE_FILTER_WILDCARD, "trace.keyword", VALUES(wildcards) },
    { LOGSTORE_FILTER_RANGE, "trace.keyword", VALUES(prefixes) },
    { LOGSTORE_FILTER_WILDCARD, "message.keyword", VALUES(wildcards) },
    { LOGSTORE_FILTER_EXISTS, "extra.deep", VALUES(prefixes) },
    { LOGSTORE_FILTER_EXISTS, "tag", VALUES(prefixes) },
};

void model_make_query(const struct model *model, struct random *dice, struct model_query *query)
{
    const struct query_row *row = &rows[random_below(dice, ARRAY_LENGTH(rows))];
    *query = (struct model_query){ .field = str_from(row->field) };
    unsigned number = 1 + (unsigned)random_below(dice, model->next + 1);
    bool is_trace = strcmp(row->field, "trace.keyword") == 0;
    if (row->values != NULL) {
        (void)snprintf(query->bytes[0], sizeof(query->bytes[0]), "%s",
                       row->values[random_below(dice, row->value_count)]);
    } else {
        (void)snprintf(query->bytes[0], sizeof(query->bytes[0]), is_trace ? "%08x" : "%u",
                       is_trace ? number * 2654435761u : number);
    }
    query->value = str_from(query->bytes[0]);
    query->filter = (struct logstore_filter){
        .kind = row->kind,
        .fields = &query->field,
        .field_count = 1,
        .values = &query->value,
        .value_count = 1,
    };
    if (row->kind != LOGSTORE_FILTER_RANGE) return;
    (void)snprintf(query->bytes[1], sizeof(query->bytes[1]), "%.60s~", query->bytes[0]);
    query->upper = str_from(query->bytes[1]);
    query->filter.lower = (struct logstore_bound){ true, true, query->value };
    query->filter.upper = (struct logstore_bound){ true, false, query->upper };
    query->filter.value_count = 0;
}

static bool fits_glob(struct str pattern, struct str text)
{
    if (pattern.size == 0) return text.size == 0;
    if (pattern.data[0] == '*') {
        for (size_t i = 0; i <= text.size; i++) {
            if (fits_glob(str_skip(pattern, 1), str_skip(text, i))) return true;
        }
        return false;
    }
    if (text.size == 0) return false;
    size_t size = 1;
    if (pattern.data[0] == '?') {
        while (size < text.size && ((unsigned char)text.data[size] & 0xc0) == 0x80) size++;
    } else if (pattern.data[0] != text.data[0]) {
        return false;
    }
    return fits_glob(str_skip(pattern, 1), str_skip(text, size));
}

static bool term_fits(const struct model_query *query, struct str term)
{
    switch ((int)query->filter.kind) {
    case LOGSTORE_FILTER_PREFIX: return str_starts_with(term, query->value);
    case LOGSTORE_FILTER_WILDCARD: return fits_glob(query->value, term);
    case LOGSTORE_FILTER_RANGE:
        return str_compare(term, query->value) >= 0 && str_compare(term, query->upper) < 0;
    default: return str_equal(term, query->value);
    }
}

/* Some token fits, or the tokens of a phrase follow each other. */
static bool text_fits(const struct model_query *query, struct str text)
{
    struct analyzer wanted;
    struct analyzer_token first;
    struct analyzer_token second;
    bool is_phrase = query->filter.kind == LOGSTORE_FILTER_PHRASE;
    char first_bytes[64] = { 0 };
    analyzer_init(&wanted, query->value);
    if (is_phrase) {
        if (!analyzer_next(&wanted, &first)) return false;
        if (!str_to_cstr(first.term, first_bytes, sizeof(first_bytes))) abort();
        if (!analyzer_next(&wanted, &second)) return false;
    }
    struct analyzer analyzer;
    struct analyzer_token token;
    bool was_first = false;
    analyzer_init(&analyzer, text);
    while (analyzer_next(&analyzer, &token)) {
        if (is_phrase && was_first && str_equal(token.term, second.term)) return true;
        if (!is_phrase && term_fits(query, token.term)) return true;
        was_first = is_phrase && str_equal(token.term, str_from(first_bytes));
    }
    return false;
}

static bool value_fits(const struct model_query *query, const struct json *value, bool is_keyword)
{
    if (json_is(value, JSON_ARRAY)) {
        for (size_t i = 0; i < value->array.count; i++) {
            if (value_fits(query, &value->array.items[i], is_keyword)) return true;
        }
        return false;
    }
    if (value == NULL || value->kind == JSON_NULL) return false;
    if (query->filter.kind == LOGSTORE_FILTER_EXISTS) return true;
    struct str text = value->kind == JSON_TEXT ? value->text : value->raw;
    return is_keyword ? term_fits(query, text) : text_fits(query, text);
}

static struct str without_keyword(struct str path)
{
    struct str end = STR(".keyword");
    return str_ends_with(path, end) ? str_first(path, path.size - end.size) : path;
}

bool model_matches(const struct model_query *query, const struct model_document *document)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct json *root;
    arena_init(&arena, 1 << 20);
    if (json_parse(NULL, &arena, document->source, &root, NULL) < 0) abort();
    struct str path = without_keyword(query->field);
    return value_fits(query, json_get_path(root, path), path.size != query->field.size);
}

void model_values_of(struct str source, struct str path, struct model_values *values)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct json *root;
    arena_init(&arena, 1 << 20);
    values->count = 0;
    if (json_parse(NULL, &arena, source, &root, NULL) < 0) abort();
    const struct json *value = json_get_path(root, without_keyword(path));
    if (!json_is(value, JSON_TEXT)) return;
    if (!str_to_cstr(value->text, values->bytes[0], sizeof(values->bytes[0]))) abort();
    values->items[0] = str_from(values->bytes[0]);
    values->count = 1;
}

bool model_values_have(const struct model_values *values, struct str value)
{
    for (size_t i = 0; i < values->count; i++) {
        if (str_equal(values->items[i], value)) return true;
    }
    return false;
}
