/* world_check.c - compares the store with the model. */
#include "tests/logstore/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTERS 8
#define SAMPLE  8

bool world_may_be_gone(const struct world *world, const struct model_document *document)
{
    int64_t age_ms = world->model.now_ms - document->time_ms;
    bool has_policy = document->index == MODEL_OTHER && world->policy_ms > 0;
    return (world->retention_ms > 0 && age_ms > world->retention_ms) ||
           (has_policy && !world->is_policy_whole && age_ms > world->policy_ms);
}

static enum model_index index_of(struct str name)
{
    if (str_equal(name, STR("logs"))) return MODEL_LOGS;
    return str_equal(name, STR("other")) ? MODEL_OTHER : MODEL_STREAM;
}

/* By its id, as GET asks; of each document one in SAMPLE is enough, for each costs a block. */
static void check_by_id(struct world *world, struct model_document *document)
{
    struct logstore_document found = { 0 };
    struct error error = { 0 };
    int code = world_get(world, document, &found, &error);
    if (code != (document->is_live ? 1 : 0)) {
        if (code == 0 && world_may_be_gone(world, document)) return;
        if (!world->is_quiet) printf("# code %d, %s\n", code, error.text);
        world_wrong(world, document->is_live ? "is lost" : "is back", document->id);
    } else if (code == 1 && !str_equal(found.source, document->source)) {
        world_wrong(world, "is another", document->id);
    } else if (code == 1 && document->version > 0 &&
               (found.version != document->version || found.seq_no != document->seq_no)) {
        world_wrong(world, "has another version or number", document->id);
    } else if (code == 1) {
        document->version = found.version;
        document->seq_no = found.seq_no;
    }
    arena_reset(&world->arena);
}

static struct logstore_snapshot *take_all(struct world *world)
{
    struct logstore_snapshot *snapshot = NULL;
    const struct str *names = NULL;
    struct str missing;
    size_t count = 0;
    if (logstore_resolve(world->store, STR("_all"), &world->arena, &names, &count, &missing) < 0 ||
        logstore_snapshot_take(world->store, names, count, &snapshot, NULL) < 0) {
        abort();
    }
    return snapshot;
}

/* One segment read from end to end: whole documents, each the newest of its id. */
static void check_segment(struct world *world, const struct logstore_segment_view *view,
                          struct logstore_reader *reader, bool *found)
{
    enum model_index index = index_of(view->index->name);
    struct error error = { 0 };
    for (uint32_t k = 0; k < view->document_count && world->is_sound; k++) {
        struct logstore_hit hit;
        if (view->live != NULL && (view->live[k / 64] >> (k % 64) & 1) == 0) continue;
        if (logstore_reader_get(reader, view->segment, k, &hit, &error) < 0) {
            world_wrong(world, "a document cannot be read", str_from(error.text));
            return;
        }
        const struct model_document *document = model_find(&world->model, index, hit.id);
        size_t at = document == NULL ? 0 : (size_t)(document - world->model.documents.items);
        if (document == NULL || found[at]) {
            world_wrong(world, document == NULL ? "is back" : "is there twice", hit.id);
        } else if (!str_equal(hit.source, document->source)) {
            world_wrong(world, "is another", hit.id);
        } else if (document->version > 0 &&
                   (hit.version != document->version || hit.seq_no != document->seq_no)) {
            world_wrong(world, "has another version or number", hit.id);
        } else {
            found[at] = true;
        }
    }
}

void world_check_documents(struct world *world)
{
    struct logstore_snapshot *snapshot = take_all(world);
    struct logstore_reader *reader = NULL;
    bool *found = calloc(world->model.documents.count + 1, sizeof(*found));
    if (found == NULL || logstore_reader_new(&reader) < 0) abort();
    for (size_t i = 0; i < snapshot->segment_count && world->is_sound; i++) {
        check_segment(world, &snapshot->segments[i], reader, found);
    }
    logstore_reader_free(reader);
    logstore_snapshot_free(snapshot);
    for (size_t i = 0; i < world->model.documents.count && world->is_sound; i++) {
        struct model_document *document = &world->model.documents.items[i];
        bool may_be_gone = !document->is_live || world_may_be_gone(world, document);
        if (!found[i] && !may_be_gone) world_wrong(world, "is lost", document->id);
        if (random_below(&world->dice, SAMPLE) == 0) check_by_id(world, document);
    }
    free(found);
}

/* Marks what a filter finds; each document once. */
static void run_filter(struct world *world, const struct logstore_snapshot *snapshot,
                       const struct logstore_filter *filter, bool *found)
{
    struct logstore_filter_context context = { .clock = &world->clock.table };
    struct logstore_reader *reader = NULL;
    struct error error = { 0 };
    if (logstore_reader_new(&reader) < 0) abort();
    for (size_t i = 0; i < snapshot->segment_count && world->is_sound; i++) {
        const struct logstore_segment_view *view = &snapshot->segments[i];
        enum model_index index = index_of(view->index->name);
        uint64_t *bits = calloc(LOGSTORE_BITS_WORDS(view->document_count) + 1, sizeof(*bits));
        if (logstore_filter_run(snapshot, i, filter, &context, bits, &error) < 0) {
            world_wrong(world, "a filter fails", str_from(error.text));
        }
        for (uint32_t k = 0; k < view->document_count && world->is_sound; k++) {
            if ((bits[k / 64] >> (k % 64) & 1) == 0) continue;
            struct logstore_hit hit;
            if (logstore_reader_get(reader, view->segment, k, &hit, &error) < 0) {
                world_wrong(world, "a hit cannot be read", str_from(error.text));
                break;
            }
            const struct model_document *document = model_find(&world->model, index, hit.id);
            size_t at = document == NULL ? 0 : (size_t)(document - world->model.documents.items);
            if (document == NULL || found[at]) {
                world_wrong(world, "a hit is none, or twice", hit.id);
            } else {
                found[at] = true;
            }
        }
        free(bits);
    }
    logstore_reader_free(reader);
}

static void check_filter(struct world *world, const struct logstore_snapshot *snapshot)
{
    struct model_query query;
    model_make_query(&world->model, &world->dice, &query);
    bool *found = calloc(world->model.documents.count + 1, sizeof(*found));
    run_filter(world, snapshot, &query.filter, found);
    for (size_t i = 0; i < world->model.documents.count && world->is_sound; i++) {
        const struct model_document *document = &world->model.documents.items[i];
        bool wanted = document->is_live && model_matches(&query, document);
        if (wanted == found[i] || (wanted && world_may_be_gone(world, document))) continue;
        if (!world->is_quiet) {
            printf("# kind %d, field " STR_FMT ", value '" STR_FMT "' '" STR_FMT "': %s: " STR_FMT
                   "\n",
                   (int)query.filter.kind, STR_ARG(query.field), STR_ARG(query.value),
                   STR_ARG(query.upper), wanted ? "missed" : "too much", STR_ARG(document->source));
        }
        world_wrong(world, "a filter finds another set", document->id);
    }
    free(found);
}

/* The values of a keyword column by their ordinals, as sorts and aggregations read them. */
static void check_column(struct world *world, const struct logstore_segment_view *view,
                         struct str path)
{
    const struct logstore_column *column = logstore_column_find(view->segment, path);
    struct logstore_reader *reader = NULL;
    CLEANUP(buf_release) struct buf scratch = { 0 };
    buf_init(&scratch, 1 << 20);
    if (logstore_reader_new(&reader) < 0) abort();
    struct logstore_cursor cursor = { .column = column };
    for (uint32_t i = 0; i < view->document_count && world->is_sound; i++) {
        struct logstore_hit hit;
        size_t first = 0;
        size_t count = column == NULL ? 0 : logstore_cursor_seek(&cursor, i, &first);
        if (logstore_reader_get(reader, view->segment, i, &hit, NULL) < 0) {
            world_wrong(world, "a document cannot be read", path);
            break;
        }
        struct model_values values;
        model_values_of(hit.source, path, &values);
        bool is_same = count == values.count;
        for (size_t k = 0; is_same && k < count; k++) {
            struct str term;
            uint32_t ordinal = logstore_column_ordinal(column, first + k);
            is_same = logstore_column_term(column, ordinal, &scratch, &term) == 0 &&
                      model_values_have(&values, term);
        }
        if (!is_same) world_wrong(world, "a column has other values", hit.source);
    }
    logstore_reader_free(reader);
}

void world_check_searches(struct world *world)
{
    struct logstore_snapshot *snapshot = take_all(world);
    for (int i = 0; i < FILTERS && world->is_sound; i++) check_filter(world, snapshot);
    for (size_t i = 0; i < snapshot->segment_count && world->is_sound; i++) {
        check_column(world, &snapshot->segments[i], STR("trace.keyword"));
        check_column(world, &snapshot->segments[i], STR("level.keyword"));
    }
    logstore_snapshot_free(snapshot);
    arena_reset(&world->arena);
}

/* What the store has under the name: 0 none; of an alias 1, or 2 when it takes writes. */
static int name_now(struct world *world, size_t i)
{
    const struct logstore_alias *aliases = NULL;
    const struct logstore_object *objects = NULL;
    size_t count = 0;
    char name[8];
    if (i == WORLD_NAMES - 1) {
        if (logstore_alias_list(world->store, &world->arena, &aliases, &count) < 0) abort();
        return count == 0 ? 0 : aliases[0].is_write_index ? 2 : 1;
    }
    (void)snprintf(name, sizeof(name), "c%zu", i);
    if (logstore_object_list(world->store, LOGSTORE_COMPONENT_TEMPLATE, str_from(name),
                             &world->arena, &objects, &count) < 0) {
        abort();
    }
    return count == 0 ? 0 : objects[0].json.data[strlen("{\"n\":")] - '0';
}

void world_settle_name(struct world *world)
{
    size_t i = world->doubt.name;
    if (world->doubt.kind != DOUBT_NAME) return;
    if (name_now(world, i) == world->doubt.wanted) world->names[i] = world->doubt.wanted;
    world->doubt.kind = DOUBT_NONE;
    arena_reset(&world->arena);
}

static void check_names(struct world *world)
{
    for (size_t i = 0; i < WORLD_NAMES; i++) {
        if (name_now(world, i) == world->names[i]) continue;
        world_wrong(world, "a name is another", str_from(i == WORLD_NAMES - 1 ? "front" : "c"));
    }
    arena_reset(&world->arena);
}

void world_check(struct world *world)
{
    check_names(world);
    world_check_documents(world);
    if (world->is_sound) world_check_searches(world);
}
