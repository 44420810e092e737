/* model_test.c
 *
 * Goal:   whatever happens to the disk, the store holds what a naive list of documents holds: every
 *         acknowledged write, nothing torn, and every filter and column finds what reading each
 *         document finds. And that this test would notice: bugs that are planted between the store
 *         and the disk are found.
 * Method: from a seed: batches of writes to two indices and a data stream, updates, deletions,
 *         conflicts, flushes, merges with writes in their middle, retention, life cycle policies,
 *         deleted indices, templates and aliases, snapshots that are kept, restarts, power cuts in
 *         the middle of a call and of a recovery, full disks, failing reads, writes, syncs and
 *         renames; after each life all documents, names, versions and sequence numbers and a set
 *         of generated filters are compared. A write that was under way when the power went may be
 *         there or not, but whole; so may one whose answer said so. A refused one never is. At the
 *         end a bit is turned over: of a segment, then documents may be missing and never be
 *         wrong, and once the store has looked for damage, searches find all that is left; of the
 *         log, then one write may be missing; of the catalog, then nothing is.
 * Run:    SIM_SEEDS (default 40) and SIM_FIRST choose seeds; SIM_PLANTED is how many seeds a
 *         planted bug has until it must be found (default 200; 0: none is planted).
 */
#include "tests/logstore/world.h"
#include "tests/sim/seeds.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#define LIVES       4
#define STEPS_MAX   50
#define FLIPS_TRIED 50

static uint64_t dice(struct world *world, uint64_t limit)
{
    return random_below(&world->dice, limit);
}

static void set_faults(struct world *world)
{
    static const uint32_t rates[] = { 5000, 5000, 50000, 400000 }; /* of a million */
    struct sim_disk_faults faults = { 0 };
    uint32_t rate = rates[dice(world, ARRAY_LENGTH(rates))];
    if (dice(world, 4) != 0) faults.write = rate;
    if (dice(world, 4) != 0) faults.sync = rate;
    if (dice(world, 4) != 0) faults.sync_folder = rate;
    if (dice(world, 2) == 0) faults.name = rate;
    if (dice(world, 4) == 0) faults.read = rate;
    sim_disk_set_faults(world->sim, &faults);
    world->had_faults = true;
}

static void pass_time(struct world *world)
{
    int64_t ms = (int64_t)dice(world, 60000);
    if (dice(world, 20) == 0) ms += (int64_t)dice(world, 2000000);
    sim_clock_advance_ms(&world->clock, ms);
    world->model.now_ms += ms;
}

/* Sometimes hardly a name can be changed, and then the power goes. */
static void maintain(struct world *world)
{
    struct sim_disk_faults faults = { .name = 100000, .sync_folder = 400000 };
    bool is_failing = world->had_faults && dice(world, 4) == 0;
    if (is_failing) sim_disk_set_faults(world->sim, &faults);
    logstore_maintain(world->store);
    if (is_failing) set_faults(world);
    if (world->had_faults && dice(world, 6) == 0) sim_disk_crash(world->sim);
}

static void step(struct world *world)
{
    pass_time(world);
    bool fills = dice(world, 40) == 0;
    if (fills) sim_disk_set_size(world->sim, sim_disk_used(world->sim) + dice(world, 5000));
    world_write(world);
    if (dice(world, 6) == 0) (void)!logstore_flush(world->store, NULL);
    if (dice(world, 4) == 0) maintain(world);
    if (dice(world, 8) == 0) (void)!logstore_refresh(world->store, NULL);
    if (dice(world, 5) == 0) world_view(world);
    if (dice(world, 12) == 0) world_change_name(world);
    if (dice(world, 25) == 0) world_delete_index(world);
    if (fills) {
        sim_disk_set_size(world->sim, UINT64_MAX);
        logstore_maintain(world->store);
    }
    arena_reset(&world->arena);
}

static void live(struct world *world)
{
    if (dice(world, 3) == 0) set_faults(world);
    unsigned steps = 5 + (unsigned)dice(world, STEPS_MAX);
    for (unsigned i = 0; i < steps && world->is_sound; i++) {
        if (sim_disk_has_crashed(world->sim)) return;
        step(world);
    }
    sim_disk_set_faults(world->sim, &(struct sim_disk_faults){ 0 });
    if (sim_disk_has_crashed(world->sim)) return;
    for (int i = 0; i < WORLD_VIEWS && world->is_sound; i++) world_view(world);
    if (!sim_disk_has_crashed(world->sim)) world_check(world);
}

/* A start after which nothing may be missing or damaged. */
static bool restart(struct world *world)
{
    sim_disk_restart(world->sim);
    if (!world->is_sound || world_open(world) < 0) return false;
    bool may_count = world->had_faults;
    world->had_faults = false;
    if (world->stats.corrupt_segments_total > 0 ||
        (world->stats.corrupt_records_total > 0 && !may_count)) {
        if (!world->is_quiet) {
            printf("# %llu segments, %llu records\n",
                   (unsigned long long)world->stats.corrupt_segments_total,
                   (unsigned long long)world->stats.corrupt_records_total);
        }
        world_wrong(world, "a crash looks as damage", str_from(""));
    }
    world_check(world);
    return world->is_sound;
}

static void live_and_die(struct world *world, bool is_last)
{
    bool cuts = !is_last && dice(world, 4) != 0;
    bool is_early = dice(world, 4) == 0; /* in the recovery */
    if (cuts) sim_disk_crash_after(world->sim, 1 + dice(world, is_early ? 12 : 400));
    if (world_open(world) == 0) {
        if (!sim_disk_has_crashed(world->sim)) live(world);
        if (cuts && dice(world, 3) != 0) sim_disk_crash(world->sim);
        world_close(world);
    }
    if (!cuts && !sim_disk_has_crashed(world->sim)) return;
    if (restart(world)) world_close(world);
}

/* Damage ------------------------------------------------------------------------------------- */

struct files {
    const char *folder;
    char paths[64][80];
    size_t count;
};

static int add_file(void *argument, const char *name)
{
    struct files *files = argument;
    if (files->count == ARRAY_LENGTH(files->paths)) return 0;
    (void)snprintf(files->paths[files->count++], sizeof(files->paths[0]), "%s/%s", files->folder,
                   name);
    return 0;
}

/* Turns over a bit of some file in the folder whose name ends so. */
static bool flip(struct world *world, const char *folder, const char *ending)
{
    const struct disk *disk = sim_disk_table(world->sim);
    struct files files = { .folder = folder };
    if (disk->list(disk->state, folder, add_file, &files) < 0 || files.count == 0) return false;
    for (int i = 0; i < FLIPS_TRIED; i++) {
        const char *path = files.paths[dice(world, files.count)];
        struct disk_info info = { 0 };
        if (!str_ends_with(str_from(path), str_from(ending))) continue;
        if (disk->info(disk->state, path, &info) < 0 || info.size == 0) continue;
        return sim_disk_flip(world->sim, path, dice(world, info.size), (int)dice(world, 8));
    }
    return false;
}

/* What the store has of each document from now on is what the model has. Returns how many writes
 * (batches) lost something. */
static size_t accept_losses(struct world *world)
{
    size_t batches = 0;
    unsigned batch = 0;
    for (size_t i = 0; i < world->model.documents.count && world->is_sound; i++) {
        struct model_document *document = &world->model.documents.items[i];
        struct logstore_document found = { 0 };
        int code = world_get(world, document, &found, NULL);
        bool is_same = code == 1 ? document->is_live && str_equal(found.source, document->source)
                                 : !document->is_live || world_may_be_gone(world, document);
        if (!is_same && (batches == 0 || document->batch != batch)) batches++;
        if (!is_same) batch = document->batch;
        if (code == 1 && !model_was_ever(document, found.source)) {
            world_wrong(world, "damage gives another document", document->id);
        }
        document->is_live = code == 1;
        document->version = 0;
        if (code == 1) document->source = model_keep(&world->model, found.source);
        arena_reset(&world->arena);
    }
    return batches;
}

static void check_after_damage(struct world *world)
{
    if (world->is_sound) world_check_documents(world);
    if (world->is_sound) world_check_searches(world);
    world_close(world);
}

/* With a bit turned over documents may be gone, or fail; none may be another. When the store has
 * looked through its segments, nothing fails any more. */
static void damage_a_segment(struct world *world)
{
    if (!flip(world, "/data/segments", ".segment") || world_open(world) < 0) return;
    bool is_used_first = dice(world, 2) == 0;
    for (size_t i = 0; is_used_first && i < world->model.documents.count; i++) {
        const struct model_document *document = &world->model.documents.items[i];
        struct logstore_document found = { 0 };
        int code = world_get(world, document, &found, NULL);
        if (code == 1 && !model_was_ever(document, found.source)) {
            world_wrong(world, "damage gives another document", document->id);
        }
        arena_reset(&world->arena);
    }
    world->is_meddling = true;
    logstore_maintain(world->store);
    world->is_meddling = false;
    (void)accept_losses(world);
    check_after_damage(world);
}

/* One write is lost at most, and it is counted, or told of as what a crash had torn. */
static void damage_the_log(struct world *world)
{
    if (world_open(world) < 0) return;
    for (int i = 0; i < 5; i++) world_write(world);
    sim_disk_crash(world->sim); /* so that nothing is flushed */
    world_close(world);
    if (!restart(world)) return;
    sim_disk_crash(world->sim);
    world_close(world);
    sim_disk_restart(world->sim);
    if (!flip(world, "/data/log", ".log") || world_open(world) < 0) return;
    size_t lost = accept_losses(world);
    if (lost > 1) world_wrong(world, "a bit of the log costs several writes", str_from(""));
    if (lost > 0 && world->stats.corrupt_records_total == 0 && world->cut_size == 0) {
        world_wrong(world, "damage of the log is not counted", str_from(""));
    }
    check_after_damage(world);
}

static void damage_the_catalog(struct world *world)
{
    if (!flip(world, "/data", "catalog.json") || world_open(world) < 0) return;
    world_check(world);
    world_close(world);
}

/* Seeds -------------------------------------------------------------------------------------- */

static bool run_seed(uint64_t seed, const struct sim_bug *bug)
{
    struct world world;
    world_init(&world, seed, bug != NULL);
    if (bug != NULL) sim_disk_plant(world.sim, bug->kind, bug->ending);
    for (int i = 0; i < LIVES && world.is_sound; i++) live_and_die(&world, i + 1 == LIVES);
    if (world.is_sound && bug == NULL && restart(&world)) {
        world_close(&world);
        switch (dice(&world, 4)) {
        case 0: damage_the_log(&world); break;
        case 1: damage_the_catalog(&world); break;
        default: damage_a_segment(&world); break;
        }
    }
    world_close(&world);
    bool is_sound = world.is_sound;
    world_release(&world);
    if (!is_sound && bug == NULL) printf("# seed %llu\n", (unsigned long long)seed);
    return is_sound;
}

static void the_store_is_as_the_model(void)
{
    sim_expect_sound(run_seed, 40);
}

static void planted_bugs_are_found(void)
{
    static const struct sim_bug bugs[] = {
        { "the log is not synced", SIM_DISK_BUG_NO_SYNC, ".log" },
        { "a segment is not synced", SIM_DISK_BUG_NO_SYNC, ".segment.tmp" },
        { "the catalog is not synced", SIM_DISK_BUG_NO_SYNC, "catalog.json.tmp" },
        { "names of segments are not synced", SIM_DISK_BUG_NO_SYNC_FOLDER, "/segments" },
        { "names of the log are not synced", SIM_DISK_BUG_NO_SYNC_FOLDER, "/log" },
        { "the name of the catalog is not synced", SIM_DISK_BUG_NO_SYNC_FOLDER, "/data" },
        { "the catalog is renamed behind the removal of the log", SIM_DISK_BUG_LATE_RENAME,
          "/catalog.json" },
    };
    sim_expect_found(run_seed, bugs, ARRAY_LENGTH(bugs), 200);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(the_store_is_as_the_model),
        TEST(planted_bugs_are_found),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
