/* wal.c - the write-ahead log.
 *
 * FORMAT   segment = header of 64 bytes, then records without gaps
 *            header  0 magic "BGTSWAL1"   8 version u32   12 zero u32   16 number u64   24 salt u64
 *                    32 good segment u64  40 good size u64   48 zero   60 CRC-32C of bytes 0-59
 *            record  0 payload length u32   4 CRC-32C of (salt, offset, length, payload)  8 payload
 *          Integers are little endian.
 * RULES    A record is acknowledged after the sync that covers it. A segment in which a write or a
 *          sync failed gets no further record. A header names the last segment before it that holds
 *          acknowledged records and how many of its bytes count; segments between the two hold
 *          none: so what was refused cannot come back at a recovery. A new segment
 *          is created, its header written and synced, its folder synced, before a record in it
 *          counts (all by the one wal_sync).
 * RECOVERY A record counts when its checksum holds; the first that does not ends its segment. The
 *          salt and the offset are part of the sum: bytes of another segment never verify.
 */
#include "tsdb/wal.h"

#include "base/check.h"
#include "base/vec.h"
#include "codec/crc32c.h"
#include "codec/varint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { GROUP_SIZE_MAX = 1 << 30, VERSION = 2, NAME_DIGITS = 8 };

static const char magic[8] = { 'B', 'G', 'T', 'S', 'W', 'A', 'L', '1' };

VEC_TYPE(numbers, uint64_t);

static int fail(struct error *error, int code, const char *action, const char *path)
{
    return error_set(error, code, "%s '%s': %s", action, path, strerrordesc_np(-code));
}

int wal_init(struct wal *wal, const struct disk *disk, const struct clock *clock,
             const char *folder, uint64_t segment_size_max, struct error *error)
{
    *wal = (struct wal){
        .disk = disk,
        .clock = clock,
        .segment_size_max = segment_size_max,
        .handle = -1,
    };
    buf_init(&wal->group, GROUP_SIZE_MAX);
    if (!str_to_cstr(str_from(folder), wal->folder, sizeof(wal->folder))) {
        return error_set(error, ERROR_LIMIT, "path '%s' is longer than %d bytes", folder,
                         FILE_PATH_SIZE);
    }
    return 0;
}

void wal_release(struct wal *wal)
{
    if (wal->disk == NULL) return;
    if (wal->handle >= 0) wal->disk->close(wal->disk->state, wal->handle);
    wal->handle = -1;
    buf_release(&wal->group);
}

static int segment_path(const struct wal *wal, uint64_t number, char *path, struct error *error)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%0*" PRIu64 ".wal", NAME_DIGITS, number);
    return file_join(path, wal->folder, name, error);
}

static uint32_t record_sum(uint64_t salt, uint64_t offset, struct str payload)
{
    unsigned char head[20];
    fixed64_write(head, salt);
    fixed64_write(head + 8, offset);
    fixed32_write(head + 16, (uint32_t)payload.size);
    return crc32c_add(crc32c(head, sizeof(head)), payload.data, payload.size);
}

static bool is_header(struct str bytes)
{
    return bytes.size >= WAL_HEADER_SIZE && memcmp(bytes.data, magic, sizeof(magic)) == 0 &&
           fixed32_read(bytes.data + 60) == crc32c(bytes.data, 60);
}

bool wal_reader_init(struct wal_reader *reader, struct str bytes)
{
    if (!is_header(bytes)) return false;
    const char *header = bytes.data;
    if (fixed32_read(header + 8) != VERSION) return false;
    *reader = (struct wal_reader){
        .bytes = bytes,
        .offset = WAL_HEADER_SIZE,
        .limit = bytes.size,
        .segment = fixed64_read(header + 16),
        .salt = fixed64_read(header + 24),
        .good_segment = fixed64_read(header + 32),
        .good_size = fixed64_read(header + 40),
    };
    return true;
}

int wal_reader_next(struct wal_reader *reader, struct str *payload)
{
    uint64_t left = reader->limit > reader->offset ? reader->limit - reader->offset : 0;
    if (left == 0) return 0;
    if (left < WAL_RECORD_SIZE) return ERROR_CORRUPT;
    const char *record = reader->bytes.data + reader->offset;
    uint32_t size = fixed32_read(record);
    if (size == 0 || size > WAL_PAYLOAD_SIZE_MAX || size > left - WAL_RECORD_SIZE) {
        return ERROR_CORRUPT;
    }
    struct str found = { record + WAL_RECORD_SIZE, size };
    if (fixed32_read(record + 4) != record_sum(reader->salt, reader->offset, found)) {
        return ERROR_CORRUPT;
    }
    reader->offset += WAL_RECORD_SIZE + size;
    *payload = found;
    return 1;
}

static int collect_number(void *argument, const char *name)
{
    struct numbers *found = argument;
    struct str text = str_from(name);
    if (!str_ends_with(text, STR(".wal")) || text.size < NAME_DIGITS + 4) return 0;
    uint64_t number;
    if (!str_to_uint64(str_first(text, text.size - 4), &number)) return 0;
    if (found->count >= WAL_SEGMENT_COUNT_MAX) return ERROR_LIMIT;
    if (!VEC_PUSH(found, number)) return -ENOMEM;
    size_t at = found->count - 1; /* the list comes by bytes; sort by number */
    for (; at > 0 && found->items[at - 1] > number; at--) found->items[at] = found->items[at - 1];
    found->items[at] = number;
    return 0;
}

struct replay {
    struct wal *wal;
    int (*visit)(void *argument, struct str payload);
    void *argument;
    uint64_t good_segment; /* what a later header says of an earlier segment */
    uint64_t good_size;
};

/* True when nothing but zeros follows: space that was never written, no damage. */
static bool is_blank(struct str bytes, uint64_t from)
{
    for (uint64_t i = from; i < bytes.size; i++) {
        if (bytes.data[i] != 0) return false;
    }
    return true;
}

static int replay_bytes(struct replay *replay, uint64_t number, struct str bytes, bool is_last)
{
    struct wal *wal = replay->wal;
    struct wal_reader reader;
    if (!wal_reader_init(&reader, bytes) || reader.segment != number) {
        /* A last segment without a header was being made when the power went. */
        if (!is_last && !is_blank(bytes, 0)) wal->totals.corruptions++;
        return 0;
    }
    if (replay->good_segment < number) return 0; /* nothing in it was acknowledged */
    bool has_limit = replay->good_segment == number;
    if (has_limit && replay->good_size < reader.limit) reader.limit = replay->good_size;
    struct str payload;
    int code;
    while ((code = wal_reader_next(&reader, &payload)) == 1) {
        code = replay->visit(replay->argument, payload);
        if (code != 0) return code;
        wal->totals.records_replayed++;
    }
    bool is_short = has_limit && reader.offset < replay->good_size;
    if (is_short || (code != 0 && !is_blank(bytes, reader.offset))) wal->totals.corruptions++;
    if (reader.offset > WAL_HEADER_SIZE) {
        wal->good_segment = number;
        wal->good_size = reader.offset;
    }
    return 0;
}

/* What the segments after number `at` say of the bytes that count in it. */
static void read_next_header(struct replay *replay, const struct numbers *found, size_t at)
{
    struct wal *wal = replay->wal;
    replay->good_segment = UINT64_MAX;
    for (size_t next = at + 1; next < found->count; next++) {
        char path[FILE_PATH_SIZE];
        if (segment_path(wal, found->items[next], path, NULL) != 0) return;
        int handle = wal->disk->open(wal->disk->state, path, DISK_READ);
        if (handle < 0) continue;
        char header[WAL_HEADER_SIZE];
        int64_t got = wal->disk->read_at(wal->disk->state, handle, header, sizeof(header), 0);
        wal->disk->close(wal->disk->state, handle);
        struct wal_reader reader;
        if (got != WAL_HEADER_SIZE ||
            !wal_reader_init(&reader, (struct str){ header, sizeof(header) })) {
            continue;
        }
        replay->good_segment = reader.good_segment;
        replay->good_size = reader.good_size;
        return;
    }
}

static int replay_segment(struct replay *replay, const struct numbers *found, size_t at,
                          struct error *error)
{
    struct wal *wal = replay->wal;
    uint64_t number = found->items[at];
    char path[FILE_PATH_SIZE];
    int code = segment_path(wal, number, path, error);
    if (code != 0) return code;
    read_next_header(replay, found, at);
    const void *bytes;
    size_t size;
    code = wal->disk->map(wal->disk->state, path, &bytes, &size);
    if (code != 0) return fail(error, code, "read", path);
    struct str all = { bytes, size };
    if (is_header(all) && fixed32_read(all.data + 8) != VERSION) {
        code = error_set(error, ERROR_UNSUPPORTED, "log '%s' has format %u, this program knows %d",
                         path, fixed32_read(all.data + 8), VERSION);
    } else {
        code = replay_bytes(replay, number, all, at + 1 == found->count);
    }
    wal->disk->unmap(wal->disk->state, bytes, size);
    wal->older_size += size;
    return code;
}

int wal_replay(struct wal *wal, uint64_t through, int (*visit)(void *argument, struct str payload),
               void *argument, struct error *error)
{
    struct numbers found = { 0 };
    int code = wal->disk->list(wal->disk->state, wal->folder, collect_number, &found);
    if (code != 0) {
        VEC_RELEASE(&found);
        return code == ERROR_LIMIT ? error_set(error, code, "more than %d segments in '%s'",
                                               WAL_SEGMENT_COUNT_MAX, wal->folder)
                                   : fail(error, code, "list", wal->folder);
    }
    struct replay replay = { wal, visit, argument, 0, 0 };
    wal->segment = through;
    wal->first = found.count > 0 ? found.items[0] : through + 1;
    for (size_t i = 0; i < found.count && code == 0; i++) {
        if (found.items[i] > wal->segment) wal->segment = found.items[i];
        if (found.items[i] <= through) continue;
        code = replay_segment(&replay, &found, i, error);
    }
    VEC_RELEASE(&found);
    return code;
}

/* Gives the newest segment up. What was acknowledged in it counts. */
static void seal(struct wal *wal)
{
    uint64_t size = wal->counts_unsynced ? wal->size : wal->synced_size;
    wal->disk->close(wal->disk->state, wal->handle);
    wal->handle = -1;
    wal->older_size += wal->size;
    if (size > WAL_HEADER_SIZE) {
        wal->good_segment = wal->segment;
        wal->good_size = size;
    }
    wal->size = 0;
    wal->synced_size = 0;
}

static int create_segment(struct wal *wal, struct error *error)
{
    char path[FILE_PATH_SIZE];
    uint64_t number = wal->segment + 1;
    int code = segment_path(wal, number, path, error);
    if (code != 0) return code;
    wal->segment = number; /* a number is never used twice, also when this fails */
    int handle = wal->disk->open(wal->disk->state, path, DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE);
    if (handle < 0) return fail(error, handle, "create", path);

    unsigned char header[WAL_HEADER_SIZE] = { 0 };
    memcpy(header, magic, sizeof(magic));
    fixed32_write(header + 8, VERSION);
    fixed64_write(header + 16, number);
    uint64_t salt = str_hash(str_from(path), (uint64_t)clock_realtime_ns(wal->clock) ^ number);
    fixed64_write(header + 24, salt);
    fixed64_write(header + 32, wal->good_segment);
    fixed64_write(header + 40, wal->good_size);
    fixed32_write(header + 60, crc32c(header, 60));
    code = wal->disk->write_at(wal->disk->state, handle, header, sizeof(header), 0);
    if (code == 0) code = wal->disk->sync_folder(wal->disk->state, wal->folder);
    if (code != 0) {
        wal->disk->close(wal->disk->state, handle);
        (void)wal->disk->remove(wal->disk->state, path);
        return fail(error, code, "create", path);
    }
    wal->handle = handle;
    wal->size = WAL_HEADER_SIZE;
    wal->synced_size = 0;
    wal->salt = salt;
    return 0;
}

static void frame(struct wal *wal, const struct str *payloads, size_t count)
{
    buf_reset(&wal->group);
    uint64_t offset = wal->size;
    for (size_t i = 0; i < count; i++) {
        CHECK(payloads[i].size > 0);
        CHECK(payloads[i].size <= WAL_PAYLOAD_SIZE_MAX);
        fixed32_append(&wal->group, (uint32_t)payloads[i].size);
        fixed32_append(&wal->group, record_sum(wal->salt, offset, payloads[i]));
        buf_append_str(&wal->group, payloads[i]);
        offset += WAL_RECORD_SIZE + payloads[i].size;
    }
}

int wal_sync(struct wal *wal, struct error *error)
{
    if (wal->handle < 0 || wal->synced_size == wal->size) return 0;
    int64_t start_ns = clock_monotonic_ns(wal->clock);
    int code = wal->disk->sync(wal->disk->state, wal->handle);
    uint64_t spent = (uint64_t)(clock_monotonic_ns(wal->clock) - start_ns);
    wal->totals.syncs++;
    wal->totals.sync_ns += spent;
    if (spent > wal->totals.sync_max_ns) wal->totals.sync_max_ns = spent;
    if (code != 0) {
        wal->totals.failures++;
        seal(wal);
        return error_set(error, code, "sync the log in '%s': %s", wal->folder,
                         strerrordesc_np(-code));
    }
    wal->synced_size = wal->size;
    wal->synced_ns = start_ns + (int64_t)spent;
    return 0;
}

int wal_write(struct wal *wal, const struct str *payloads, size_t count, struct error *error)
{
    int code = 0;
    if (wal->handle >= 0 && wal->size >= wal->segment_size_max) {
        code = wal_sync(wal, error);
        if (code != 0) return code;
        seal(wal);
    }
    if (wal->handle < 0) code = create_segment(wal, error);
    if (code != 0) {
        wal->totals.failures++;
        return code;
    }
    frame(wal, payloads, count);
    if (wal->group.has_failed) return error_set(error, -ENOMEM, "no memory for the log");
    code = wal->disk->write_at(wal->disk->state, wal->handle, wal->group.data, wal->group.size,
                               wal->size);
    if (code != 0) {
        wal->totals.failures++;
        if (wal_sync(wal, NULL) == 0) seal(wal);
        return error_set(error, code, "write the log in '%s': %s", wal->folder,
                         strerrordesc_np(-code));
    }
    wal->size += wal->group.size;
    wal->totals.write_size += wal->group.size;
    return 0;
}

int wal_cut(struct wal *wal, uint64_t *through, struct error *error)
{
    int code = wal_sync(wal, error);
    if (code != 0) return code;
    if (wal->handle >= 0) seal(wal);
    *through = wal->segment;
    return 0;
}

int wal_drop(struct wal *wal, uint64_t through, struct error *error)
{
    CHECK(wal->handle < 0 || wal->segment > through);
    for (; wal->first <= through && wal->first <= wal->segment; wal->first++) {
        char path[FILE_PATH_SIZE];
        int code = segment_path(wal, wal->first, path, error);
        if (code != 0) return code;
        struct disk_info info;
        if (wal->disk->info(wal->disk->state, path, &info) != 0) continue;
        code = wal->disk->remove(wal->disk->state, path);
        if (code != 0 && code != -ENOENT) return fail(error, code, "remove", path);
        wal->older_size -= info.size < wal->older_size ? info.size : wal->older_size;
    }
    return 0;
}

uint64_t wal_size(const struct wal *wal)
{
    return wal->older_size + wal->size;
}
