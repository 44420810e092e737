/* disk_test.c
 *
 * Goal:   what was synced survives a crash, the rest may be lost, full and failing disks say so.
 * Method: short stories on many seeds.
 */
#include "tests/sim/disk.h"

#include "tests/test.h"

#include <errno.h>
#include <string.h>

enum { SEEDS = 200 };

static int put(const struct disk *disk, const char *path, const char *text, bool syncs)
{
    int handle = disk->open(disk->state, path, DISK_WRITE | DISK_CREATE);
    if (handle < 0) return handle;
    int code = disk->write_at(disk->state, handle, text, strlen(text), 0);
    if (code == 0 && syncs) code = disk->sync(disk->state, handle);
    disk->close(disk->state, handle);
    return code;
}

static bool holds(const struct disk *disk, const char *path, const char *text)
{
    struct buf buf;
    buf_init(&buf, 4096);
    bool is_there = file_read(disk, path, &buf, NULL) == 0 && buf.size == strlen(text) &&
                    memcmp(buf.data, text, buf.size) == 0;
    buf_release(&buf);
    return is_there;
}

static void synced_files_survive_and_others_may_not(void)
{
    int lost_bytes = 0;
    int lost_names = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_disk *sim = sim_disk_new(seed);
        const struct disk *disk = sim_disk_table(sim);
        EXPECT_INT(0, put(disk, "/synced", "hello", true));
        EXPECT_INT(0, disk->sync_folder(disk->state, "/"));
        EXPECT_INT(0, put(disk, "/nameless", "hello", true));
        EXPECT_INT(0, put(disk, "/byteless", "hello", false));
        sim_disk_crash(sim);
        EXPECT(put(disk, "/late", "x", true) == -EIO);
        sim_disk_restart(sim);
        EXPECT(holds(disk, "/synced", "hello"));
        lost_names += !holds(disk, "/nameless", "hello");
        lost_bytes += !holds(disk, "/byteless", "hello");
        sim_disk_free(sim);
    }
    EXPECT(lost_names > SEEDS / 10 && lost_names < SEEDS);
    EXPECT(lost_bytes > lost_names && lost_bytes < SEEDS);
}

static void replaced_files_are_old_or_new(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_disk *sim = sim_disk_new(seed);
        const struct disk *disk = sim_disk_table(sim);
        EXPECT_INT(0, file_replace(disk, "/file", STR("old"), NULL));
        sim_disk_crash_after(sim, 1 + seed % 6);
        int code = file_replace(disk, "/file", STR("new"), NULL);
        sim_disk_restart(sim);
        EXPECT(holds(disk, "/file", "new") || (code != 0 && holds(disk, "/file", "old")));
        sim_disk_free(sim);
    }
}

static void a_failed_sync_loses_for_good(void)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_disk *sim = sim_disk_new(seed);
        const struct disk *disk = sim_disk_table(sim);
        int handle = disk->open(disk->state, "/file", DISK_WRITE | DISK_CREATE);
        EXPECT_INT(0, disk->sync_folder(disk->state, "/"));
        EXPECT_INT(0, disk->write_at(disk->state, handle, "hello", 5, 0));
        sim_disk_set_faults(sim, &(struct sim_disk_faults){ .sync = 1000000 });
        EXPECT_INT(-EIO, disk->sync(disk->state, handle));
        sim_disk_set_faults(sim, &(struct sim_disk_faults){ 0 });
        EXPECT_INT(0, disk->sync(disk->state, handle));
        EXPECT(holds(disk, "/file", "hello"));
        disk->close(disk->state, handle);
        sim_disk_crash(sim);
        sim_disk_restart(sim);
        lost += !holds(disk, "/file", "hello");
        sim_disk_free(sim);
    }
    EXPECT(lost > 0 && lost < SEEDS);
}

static void a_full_disk_takes_what_fits(void)
{
    struct sim_disk *sim = sim_disk_new(1);
    const struct disk *disk = sim_disk_table(sim);
    sim_disk_set_size(sim, 3);
    EXPECT_INT(-ENOSPC, put(disk, "/file", "hello", true));
    EXPECT(holds(disk, "/file", "hel"));
    EXPECT_INT(3, (int64_t)sim_disk_used(sim));
    EXPECT_INT(0, disk->remove(disk->state, "/file"));
    EXPECT_INT(0, put(disk, "/file", "hel", true));
    sim_disk_free(sim);
}

static void folders_are_renamed_with_what_is_in_them(void)
{
    struct sim_disk *sim = sim_disk_new(1);
    const struct disk *disk = sim_disk_table(sim);
    EXPECT_INT(0, file_make_folders(disk, "/a/b", NULL));
    EXPECT_INT(0, put(disk, "/a/b/file", "x", true));
    EXPECT_INT(0, disk->sync_folder(disk->state, "/a/b"));
    EXPECT_INT(0, disk->rename(disk->state, "/a/b", "/a/c"));
    EXPECT_INT(0, disk->sync_folder(disk->state, "/a"));
    EXPECT_INT(-ENOTEMPTY, disk->remove(disk->state, "/a/c"));
    sim_disk_crash(sim);
    sim_disk_restart(sim);
    EXPECT(holds(disk, "/a/c/file", "x"));
    EXPECT_INT(0, file_remove_tree(disk, "/a", NULL));
    struct disk_info info;
    EXPECT_INT(-ENOENT, disk->info(disk->state, "/a", &info));
    sim_disk_free(sim);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(synced_files_survive_and_others_may_not),
        TEST(replaced_files_are_old_or_new),
        TEST(a_failed_sync_loses_for_good),
        TEST(a_full_disk_takes_what_fits),
        TEST(folders_are_renamed_with_what_is_in_them),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
