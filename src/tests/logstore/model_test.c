/* model_test.c
 *
 * Goal:   whatever happens to the disk, the store holds what a naive list of documents holds: every
 *         acknowledged write, nothing torn, and every filter and column finds what reading each
 *         document finds.
 * Method: from a seed: batches of writes, updates and deletes, flushes, merges, restarts, power
 *         cuts in the middle of a call, full disks, failing writes and syncs; after each life all
 *         documents and a set of generated filters are compared. A write that was under way when
 *         the power went may be there or not, but whole; so may one whose answer said so. A refused
 *         one never is. At the end a bit of a segment is turned over: documents may be missing
 *         then, and never be wrong; once the store has looked for damage, searches find all that is
 *         left.
 *         logstore_model_test COUNT [FIRST] runs so many seeds by hand.
 */
#include "logstore/logstore.h"

#include "base/map.h"
#include "base/random.h"
#include "base/vec.h"
#include "tests/logstore/model.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 25
#define LIVES         4
#define BATCH_MAX     40

struct world {
    struct sim_disk *sim;
    struct sim_clock clock;
    struct random dice;
    struct logstore *store;
    struct model model;
    struct arena arena;
    size_t rare_documents_min;
    bool is_sound;
};

static void wrong(struct world *world, const char *what, struct str detail)
{
    printf("# %s: " STR_FMT "\n", what, STR_ARG(detail));
    world->is_sound = false;
}

static int world_open(struct world *world)
{
    struct error error = { 0 };
    struct logstore_options options = {
        .folder = "/data",
        .disk = sim_disk_table(world->sim),
        .clock = &world->clock.table,
        .buffer_size_max = 2000 + (size_t)random_below(&world->dice, 20000),
        .merge_size_max = 40000,
        .rare_documents_min = world->rare_documents_min,
        .disk_reserve = 1,
        .manual = true,
    };
    int code = logstore_open(&world->store, &options, &error);
    if (code < 0 && !sim_disk_has_crashed(world->sim)) {
        wrong(world, "does not open", str_from(error.text));
    }
    if (code < 0) world->store = NULL;
    return code;
}

/* Writes ---------------------------------------------------------------------------------- */

/* What became of an operation that nobody has acknowledged is what the store says now. */
static void settle(struct world *world, const struct model_change *change)
{
    struct logstore_document found = { 0 };
    int code = logstore_get(world->store, STR("logs"), change->id, &world->arena, &found, NULL);
    const struct model_document *before = model_find(&world->model, change->id);
    bool is_before =
        before == NULL ? code != 1 : code == 1 && str_equal(found.source, before->source);
    bool is_after =
        change->is_delete ? code != 1 : code == 1 && str_equal(found.source, change->source);
    if (is_before) return;
    if (is_after) {
        model_apply(&world->model, change);
        return;
    }
    /* Another change of the same batch may have come behind this one. */
    if (code == 1 && model_was_tried(&world->model, change->id, found.source)) {
        struct model_change other = { change->id, found.source, false };
        model_apply(&world->model, &other);
        return;
    }
    for (size_t i = 0; code != 1 && i < world->model.tried.count; i++) {
        const struct model_change *other = &world->model.tried.items[i];
        if (!other->is_delete || !str_equal(other->id, change->id)) continue;
        model_apply(&world->model, other);
        return;
    }
    wrong(world, "a document that nobody wrote", change->id);
}

/* Documents under ids that the store made and could not tell any more. */
static void adopt(struct world *world)
{
    struct logstore_snapshot *snapshot = NULL;
    struct logstore_reader *reader = NULL;
    struct str name = STR("logs");
    if (logstore_snapshot_take(world->store, &name, 1, &snapshot, NULL) < 0 ||
        logstore_reader_new(&reader) < 0) {
        abort();
    }
    for (size_t i = 0; i < snapshot->segment_count; i++) {
        const struct logstore_segment_view *view = &snapshot->segments[i];
        for (uint32_t k = 0; k < view->document_count; k++) {
            struct logstore_hit hit;
            if (view->live != NULL && (view->live[k / 64] >> (k % 64) & 1) == 0) continue;
            if (logstore_reader_get(reader, view->segment, k, &hit, NULL) < 0) abort();
            if (model_find(&world->model, hit.id) != NULL) continue;
            if (!model_was_tried(&world->model, STR(""), hit.source)) continue;
            struct model_change change = { hit.id, hit.source, false };
            model_apply(&world->model, &change);
        }
    }
    logstore_reader_free(reader);
    logstore_snapshot_free(snapshot);
}

/* After a start: what was in doubt is decided. */
static void settle_all(struct world *world)
{
    if (world->model.tried.count > 0) adopt(world);
    for (size_t i = 0; i < world->model.tried.count && world->is_sound; i++) {
        if (world->model.tried.items[i].id.size == 0) continue;
        settle(world, &world->model.tried.items[i]);
    }
    world->model.tried.count = 0;
}

static void write_batch(struct world *world)
{
    struct logstore_operation operations[BATCH_MAX] = { 0 };
    size_t count = 1 + random_below(&world->dice, BATCH_MAX);
    size_t first = world->model.tried.count;
    for (size_t i = 0; i < count; i++) {
        struct model_change change;
        model_make_change(&world->model, &world->dice, &change);
        operations[i] = (struct logstore_operation){
            .action = change.is_delete ? LOGSTORE_DELETE : LOGSTORE_INDEX,
            .index = STR("logs"),
            .id = change.id,
            .source = change.source,
        };
        model_try(&world->model, &change);
    }
    int code = logstore_write(world->store, operations, count, &world->arena, NULL);
    if (code < 0 && (sim_disk_has_crashed(world->sim) || code == -EIO)) {
        return; /* in doubt until the next start */
    }
    if (code < 0) {
        if (code != ERROR_REFUSED) wrong(world, "a write fails otherwise", str_from(""));
        world->model.tried.count = first;
        return;
    }
    bool is_logged = false;
    for (size_t i = 0; i < count; i++) {
        struct model_change *change = &world->model.tried.items[first + i];
        bool is_full = operations[i].status == 429; /* the index could not be made */
        if (is_full) continue;
        if (operations[i].outcome == LOGSTORE_FAILED) {
            wrong(world, "a write is refused", operations[i].reason);
            continue;
        }
        is_logged |= operations[i].outcome != LOGSTORE_NOT_FOUND;
        if (change->id.size == 0) change->id = model_keep(&world->model, operations[i].result_id);
        model_apply(&world->model, change);
    }
    /* What was in doubt before was cut off when something was written behind it. */
    world->model.tried.count = is_logged ? 0 : first;
}

/* Checks ---------------------------------------------------------------------------------- */

static void check_documents(struct world *world)
{
    for (size_t i = 0; i < world->model.documents.count && world->is_sound; i++) {
        const struct model_document *document = &world->model.documents.items[i];
        struct logstore_document found = { 0 };
        struct error error = { 0 };
        int code =
            logstore_get(world->store, STR("logs"), document->id, &world->arena, &found, &error);
        if (code != (document->is_live ? 1 : 0) && !(code == -ENOENT && !document->is_live)) {
            printf("# code %d, %s\n", code, error.text);
            wrong(world, document->is_live ? "is lost" : "is back", document->id);
        } else if (code == 1 && !str_equal(found.source, document->source)) {
            wrong(world, "is another", document->id);
        }
        arena_reset(&world->arena);
    }
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
        uint64_t *bits = calloc(LOGSTORE_BITS_WORDS(view->document_count) + 1, sizeof(*bits));
        if (logstore_filter_run(snapshot, i, filter, &context, bits, &error) < 0) {
            wrong(world, "a filter fails", str_from(error.text));
        }
        for (uint32_t k = 0; k < view->document_count && world->is_sound; k++) {
            if ((bits[k / 64] >> (k % 64) & 1) == 0) continue;
            struct logstore_hit hit;
            if (logstore_reader_get(reader, view->segment, k, &hit, &error) < 0) {
                wrong(world, "a hit cannot be read", str_from(error.text));
                break;
            }
            const struct model_document *document = model_find(&world->model, hit.id);
            size_t at = document == NULL ? 0 : (size_t)(document - world->model.documents.items);
            if (document == NULL || found[at]) {
                wrong(world, "a hit is none, or twice", hit.id);
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
        if (wanted == found[i]) continue;
        printf("# kind %d, field " STR_FMT ", value '" STR_FMT "' '" STR_FMT "': %s: " STR_FMT "\n",
               (int)query.filter.kind, STR_ARG(query.field), STR_ARG(query.value),
               STR_ARG(query.upper), wanted ? "missed" : "too much", STR_ARG(document->source));
        wrong(world, "a filter finds another set", document->id);
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
        if (logstore_reader_get(reader, view->segment, i, &hit, NULL) < 0) abort();
        struct model_values values;
        model_values_of(hit.source, path, &values);
        bool is_same = count == values.count;
        for (size_t k = 0; is_same && k < count; k++) {
            struct str term;
            uint32_t ordinal = logstore_column_ordinal(column, first + k);
            is_same = logstore_column_term(column, ordinal, &scratch, &term) == 0 &&
                      model_values_have(&values, term);
        }
        if (!is_same) wrong(world, "a column has other values", hit.source);
    }
    logstore_reader_free(reader);
}

static void check_searches(struct world *world)
{
    struct logstore_snapshot *snapshot = NULL;
    struct str name = STR("logs");
    if (logstore_snapshot_take(world->store, &name, 1, &snapshot, NULL) < 0) abort();
    for (int i = 0; i < 12 && world->is_sound; i++) check_filter(world, snapshot);
    for (size_t i = 0; i < snapshot->segment_count && world->is_sound; i++) {
        check_column(world, &snapshot->segments[i], STR("trace.keyword"));
        check_column(world, &snapshot->segments[i], STR("level.keyword"));
    }
    logstore_snapshot_free(snapshot);
}

/* Lives ----------------------------------------------------------------------------------- */

static void live(struct world *world)
{
    struct sim_disk_faults faults = { 0 };
    if (random_below(&world->dice, 4) == 0) {
        static const uint32_t rates[] = { 5000, 5000, 50000, 400000 }; /* of a million */
        uint32_t rate = rates[random_below(&world->dice, ARRAY_LENGTH(rates))];
        faults = (struct sim_disk_faults){ .write = rate, .sync = rate, .sync_folder = rate };
    }
    sim_disk_set_faults(world->sim, &faults);
    unsigned steps = 5 + (unsigned)random_below(&world->dice, 60);
    for (unsigned i = 0; i < steps && world->is_sound && !sim_disk_has_crashed(world->sim); i++) {
        bool fills = random_below(&world->dice, 40) == 0;
        if (fills) {
            sim_disk_set_size(world->sim,
                              sim_disk_used(world->sim) + random_below(&world->dice, 5000));
        }
        write_batch(world);
        if (random_below(&world->dice, 6) == 0) (void)!logstore_flush(world->store, NULL);
        if (random_below(&world->dice, 4) == 0) logstore_maintain(world->store);
        if (random_below(&world->dice, 8) == 0) (void)!logstore_refresh(world->store, NULL);
        if (fills) {
            sim_disk_set_size(world->sim, UINT64_MAX);
            logstore_maintain(world->store);
        }
        arena_reset(&world->arena);
    }
    sim_disk_set_faults(world->sim, &(struct sim_disk_faults){ 0 });
}

static bool flip_a_segment(struct world *world)
{
    for (int tries = 0; tries < 50; tries++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/data/segments/%016llx.segment",
                       (unsigned long long)random_below(&world->dice, 60));
        uint64_t offset = random_below(&world->dice, 6000);
        if (sim_disk_flip(world->sim, path, offset, (int)random_below(&world->dice, 8)))
            return true;
    }
    return false;
}

/* What the store has of each document from now on is what the model has. */
static void accept_losses(struct world *world)
{
    for (size_t i = 0; i < world->model.documents.count && world->is_sound; i++) {
        struct model_document *document = &world->model.documents.items[i];
        struct logstore_document found = { 0 };
        int code =
            logstore_get(world->store, STR("logs"), document->id, &world->arena, &found, NULL);
        document->is_live = code == 1;
        if (code == 1 && !model_was_ever(&world->model, document->id, found.source)) {
            wrong(world, "damage gives another document", document->id);
        }
        if (code == 1) document->source = model_keep(&world->model, found.source);
        arena_reset(&world->arena);
    }
}

/* With a bit turned over documents may be gone, or fail; none may be another. When the store has
 * looked through its segments, nothing fails any more. */
static void check_damage(struct world *world)
{
    if (!flip_a_segment(world) || world_open(world) < 0) return;
    bool is_used_first = random_below(&world->dice, 2) == 0;
    for (size_t i = 0; is_used_first && i < world->model.documents.count; i++) {
        const struct model_document *document = &world->model.documents.items[i];
        struct logstore_document found = { 0 };
        int code =
            logstore_get(world->store, STR("logs"), document->id, &world->arena, &found, NULL);
        if (code != 1) continue;
        if (!model_was_ever(&world->model, document->id, found.source)) {
            wrong(world, "damage gives another document", document->id);
        }
        arena_reset(&world->arena);
    }
    logstore_maintain(world->store);
    accept_losses(world);
    if (world->is_sound) check_documents(world);
    if (world->is_sound) check_searches(world);
    logstore_close(world->store);
}

static bool run_seed(uint64_t seed)
{
    struct world world = { .sim = sim_disk_new(seed), .is_sound = true };
    static const size_t rare[] = { 1, 1, 8, 256 };
    random_init(&world.dice, seed);
    sim_clock_init(&world.clock, INT64_C(1707386400000));
    arena_init(&world.arena, (size_t)64 << 20);
    model_init(&world.model);
    world.rare_documents_min = rare[random_below(&world.dice, ARRAY_LENGTH(rare))];
    for (int i = 0; i < LIVES && world.is_sound; i++) {
        bool cuts = i + 1 < LIVES && random_below(&world.dice, 4) != 0;
        if (cuts) sim_disk_crash_after(world.sim, 1 + random_below(&world.dice, 400));
        if (world_open(&world) == 0) {
            settle_all(&world);
            live(&world);
            if (!sim_disk_has_crashed(world.sim)) {
                check_documents(&world);
                check_searches(&world);
            }
            logstore_close(world.store);
        }
        if (!cuts && !sim_disk_has_crashed(world.sim)) continue;
        sim_disk_restart(world.sim);
        if (!world.is_sound || world_open(&world) < 0) break;
        settle_all(&world);
        check_documents(&world);
        check_searches(&world);
        logstore_close(world.store);
    }
    if (world.is_sound) check_damage(&world);
    sim_disk_free(world.sim);
    model_release(&world.model);
    arena_release(&world.arena);
    if (!world.is_sound) printf("# seed %llu\n", (unsigned long long)seed);
    return world.is_sound;
}

static uint64_t seed_first = 1;
static uint64_t seed_count = SEEDS_DEFAULT;

static void the_store_is_as_the_model(void)
{
    for (uint64_t i = 0; i < seed_count; i++) {
        bool is_sound = run_seed(seed_first + i);
        EXPECT(is_sound);
        if (!is_sound) return;
    }
}

int main(int argc, char **argv)
{
    static const struct test tests[] = { TEST(the_store_is_as_the_model) };
    if (argc > 1) seed_count = strtoull(argv[1], NULL, 10);
    if (argc > 2) seed_first = strtoull(argv[2], NULL, 10);
    return test_main(tests, ARRAY_LENGTH(tests));
}
