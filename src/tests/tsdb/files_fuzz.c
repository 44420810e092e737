/* files_fuzz.c - any bytes as a file of the store: segment, block, series file. The first byte
 * chooses; checksums are put right, so that what stands behind them is reached. */
#include "base/check.h"
#include "codec/crc32c.h"
#include "codec/varint.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tsdb/block.h"
#include "tsdb/tsdb.h"
#include "tsdb/wal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct sim_disk *sim, const char *path, const char *bytes, size_t size)
{
    const struct disk *disk = sim_disk_table(sim);
    int handle = disk->open(disk->state, path, DISK_WRITE | DISK_CREATE);
    CHECK(handle >= 0);
    CHECK(disk->write_at(disk->state, handle, bytes, size, 0) == 0);
    disk->close(disk->state, handle);
}

static void mend_segment(char *bytes, size_t size)
{
    if (size < WAL_HEADER_SIZE) return;
    memcpy(bytes, "BGTSWAL1", 8);
    fixed32_write(bytes + 8, 1);
    fixed64_write(bytes + 16, 1);
    fixed64_write(bytes + 24, 0);
    fixed32_write(bytes + 60, crc32c(bytes, 60));
    for (size_t at = WAL_HEADER_SIZE; at + WAL_RECORD_SIZE < size;) {
        size_t left = size - at - WAL_RECORD_SIZE;
        uint32_t length = fixed32_read(bytes + at) % 200 + 1;
        if (length > left) length = (uint32_t)left;
        unsigned char head[20] = { 0 };
        fixed64_write(head + 8, at);
        fixed32_write(head + 16, length);
        fixed32_write(bytes + at, length);
        bytes[at + 8] = 1;
        fixed32_write(bytes + at + 4, crc32c_add(crc32c(head, 20), bytes + at + 8, length));
        at += WAL_RECORD_SIZE + length;
    }
}

static void mend_block(char *bytes, size_t size)
{
    if (size < BLOCK_HEADER_SIZE + BLOCK_FOOTER_SIZE) return;
    memcpy(bytes, block_magic, 8);
    fixed32_write(bytes + 8, BLOCK_VERSION);
    fixed32_write(bytes + 60, crc32c(bytes, 60));
    char *footer = bytes + size - BLOCK_FOOTER_SIZE;
    for (size_t i = 0; i < BLOCK_SECTION_COUNT; i++) {
        uint64_t offset = fixed64_read(footer + i * 24) % size;
        uint64_t length = fixed64_read(footer + i * 24 + 8) % (size - offset);
        fixed64_write(footer + i * 24, offset);
        fixed64_write(footer + i * 24 + 8, length);
        fixed32_write(footer + i * 24 + 16, crc32c(bytes + offset, length));
    }
    char *end = footer + BLOCK_FOOTER_SIZE - 16;
    memcpy(end + 8, block_footer_magic, 8);
    fixed32_write(end + 4, crc32c(footer, BLOCK_FOOTER_SIZE - 12));
}

static void mend_series(char *bytes, size_t size)
{
    if (size < 12) return;
    memcpy(bytes, "BGTSSER1", 8);
    fixed32_write(bytes + 8, crc32c(bytes + 12, size - 12));
}

static void read_all(struct tsdb *db)
{
    struct series_source source = tsdb_source(db);
    struct series_query query = { .start_ms = INT64_MIN, .end_ms = INT64_MAX };
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct series_cursor *cursor;
    struct series_columns series;
    if (source.select(source.state, &query, &arena, &cursor, NULL) == 0) {
        while (cursor->next(cursor, &series, NULL) == 1) continue;
        cursor->close(cursor);
    }
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = { "/d/wal/00000001.wal", "/d/blocks/00000001.block",
                                         "/d/wal/00000000.series" };
    if (size < 2) return 0;
    int kind = data[0] % 3;
    char *bytes = malloc(size);
    CHECK(bytes != NULL);
    memcpy(bytes, data + 1, size - 1);
    if (kind == 0) mend_segment(bytes, size - 1);
    if (kind == 1) mend_block(bytes, size - 1);
    if (kind == 2) mend_series(bytes, size - 1);
    struct sim_disk *sim = sim_disk_new(1);
    const struct disk *disk = sim_disk_table(sim);
    CHECK(file_make_folders(disk, "/d/wal", NULL) == 0);
    CHECK(file_make_folders(disk, "/d/blocks", NULL) == 0);
    put(sim, paths[kind], bytes, size - 1);
    free(bytes);
    struct buf buf;
    buf_init(&buf, 1 << 20);
    (void)!tsdb_print_file(disk, paths[kind], &buf, NULL);
    buf_release(&buf);
    struct sim_clock clock;
    sim_clock_init(&clock, INT64_C(1700000000000));
    struct tsdb_options options;
    tsdb_options_init(&options, "/d");
    options.disk = disk;
    options.clock = &clock.table;
    options.takes_lock = false;
    options.has_thread = false;
    struct tsdb *db;
    if (tsdb_open(&db, &options, NULL) == 0) {
        read_all(db);
        (void)!tsdb_flush(db, NULL);
        read_all(db);
        tsdb_close(db);
    }
    sim_disk_free(sim);
    return 0;
}
