/* log.c - the write-ahead log (format and rules: log.h). */
#include "logstore/log.h"

#include "base/check.h"
#include "codec/crc32c.h"
#include "logstore/bytes.h"

#include <errno.h>
#include <stdio.h>

#define LOG_MAGIC   "BGLOGWAL"
#define LOG_VERSION 2 /* 1 had no LOG_INDEX */

static uint32_t record_crc(uint64_t number, struct str payload)
{
    uint32_t crc = crc32c(&number, sizeof(number));
    return crc32c_add(crc, payload.data, payload.size);
}

/* Of the header. In version 1 the version was not covered. */
static uint32_t header_crc(uint64_t number, uint32_t version)
{
    uint32_t crc = crc32c(&number, sizeof(number));
    return version == 1 ? crc : crc32c_add(crc, &version, sizeof(version));
}

int log_file_path(char *path, const char *folder, uint64_t number, struct error *error)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%016llx.log", (unsigned long long)number);
    return file_join(path, folder, name, error);
}

void log_record_begin(struct buf *out)
{
    CHECK(out->size == 0);
    bytes_put64(out, 0);
}

void log_record_end(struct buf *out, uint64_t number)
{
    if (out->has_failed) return;
    struct str payload = str_skip(buf_str(out), LOG_RECORD_OVERHEAD);
    uint32_t head[2] = { (uint32_t)payload.size, record_crc(number, payload) };
    memcpy(out->data, head, sizeof(head));
}

void log_close(struct log *log)
{
    if (log->handle >= 0) log->disk->close(log->disk->state, log->handle);
    log->handle = -1;
}

int log_begin(struct log *log, uint64_t number, struct error *error)
{
    const struct disk *disk = log->disk;
    char path[FILE_PATH_SIZE];
    int code = log_file_path(path, log->folder, number, error);
    if (code < 0) return code;
    int handle = disk->open(disk->state, path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE);
    if (handle < 0) return error_set(error, handle, "create '%s': %s", path, error_name(handle));
    CLEANUP(buf_release) struct buf header = { 0 };
    buf_init(&header, LOG_HEADER_SIZE);
    buf_append_cstr(&header, LOG_MAGIC);
    bytes_put32(&header, LOG_VERSION);
    bytes_put32(&header, header_crc(number, LOG_VERSION));
    bytes_put64(&header, number);
    CHECK(header.size == LOG_HEADER_SIZE);
    code = disk->write_at(disk->state, handle, header.data, header.size, 0);
    if (code == 0) code = disk->sync(disk->state, handle);
    if (code == 0) code = disk->sync_folder(disk->state, log->folder);
    if (code < 0) {
        disk->close(disk->state, handle);
        (void)disk->remove(disk->state, path);
        return error_set(error, code, "begin log '%s': %s", path, error_name(code));
    }
    log_close(log);
    log->handle = handle;
    log->number = number;
    log->size = LOG_HEADER_SIZE;
    log->is_broken = false;
    return 0;
}

static int make_cut(const struct log *log, const struct log_cut *cut, struct error *error)
{
    const struct disk *disk = log->disk;
    char path[FILE_PATH_SIZE];
    int code = log_file_path(path, log->folder, cut->number, error);
    if (code < 0) return code;
    int handle = disk->open(disk->state, path, DISK_WRITE);
    if (handle == -ENOENT) return 0;
    code = handle < 0 ? handle : disk->truncate(disk->state, handle, cut->size);
    if (code == 0) code = disk->sync(disk->state, handle);
    if (handle >= 0) disk->close(disk->state, handle);
    return code < 0 ? error_set(error, code, "cut '%s' to %llu bytes: %s", path,
                                (unsigned long long)cut->size, error_name(code))
                    : 0;
}

int log_settle(struct log *log, struct error *error)
{
    while (log->cut_count > 0) {
        int code = make_cut(log, &log->cuts[log->cut_count - 1], error);
        if (code < 0) return code;
        log->cut_count--;
    }
    return 0;
}

void log_forget_cuts(struct log *log, uint64_t number)
{
    size_t left = 0;
    for (size_t i = 0; i < log->cut_count; i++) {
        if (log->cuts[i].number >= number) log->cuts[left++] = log->cuts[i];
    }
    log->cut_count = left;
}

static void owe_cut(struct log *log)
{
    CHECK(log->cut_count < LOG_CUTS_MAX);
    log->cuts[log->cut_count++] = (struct log_cut){ log->number, log->size };
}

int log_append(struct log *log, struct str record, struct error *error)
{
    const struct disk *disk = log->disk;
    CHECK(log->handle >= 0);
    if (log->is_broken) {
        /* The records carry this file's number in their checksums: the caller begins a new file
         * and encodes them again. */
        return error_set(error, -EIO, "log file was given up");
    }
    int code = disk->write_at(disk->state, log->handle, record.data, record.size, log->size);
    if (code < 0) {
        /* The whole record may be among what was written; the cut must be on the medium, too. */
        bool is_cut = disk->truncate(disk->state, log->handle, log->size) == 0 &&
                      disk->sync(disk->state, log->handle) == 0;
        log->is_broken = !is_cut;
        if (!is_cut) owe_cut(log);
        return error_set(error, code, "append to the log: %s", error_name(code));
    }
    code = disk->sync(disk->state, log->handle);
    if (code < 0) {
        log->is_broken = true;
        owe_cut(log);
        return error_set(error, code, "sync the log: %s", error_name(code));
    }
    log->size += record.size;
    return 0;
}

/* The sound record at `offset`; false when there is none. */
static bool record_at(struct str bytes, uint64_t number, size_t offset, struct str *payload)
{
    if (bytes.size - offset < LOG_RECORD_OVERHEAD) return false;
    uint32_t size = bytes_get32(bytes.data + offset);
    uint32_t crc = bytes_get32(bytes.data + offset + 4);
    size_t left = bytes.size - offset - LOG_RECORD_OVERHEAD;
    if (size == 0 || size > left) return false;
    struct str found = { bytes.data + offset + LOG_RECORD_OVERHEAD, size };
    if (record_crc(number, found) != crc) return false;
    *payload = found;
    return true;
}

/* Where the next sound record behind a damaged one begins; STR_NONE: nowhere. Every byte is looked
 * at, for the damage may be in the size. Payloads begin with the size of a uuid, a control
 * character, and that is what no document holds: so checksums are computed for hardly any place. */
static size_t skip_damage(struct str bytes, uint64_t number, size_t offset)
{
    size_t at = offset + 1 + LOG_RECORD_OVERHEAD;
    while (at < bytes.size) {
        const char *found = memchr(bytes.data + at, LOG_UUID_SIZE, bytes.size - at);
        if (found == NULL) break;
        at = (size_t)(found - bytes.data);
        struct str payload;
        if (record_at(bytes, number, at - LOG_RECORD_OVERHEAD, &payload)) {
            return at - LOG_RECORD_OVERHEAD;
        }
        at++;
    }
    return STR_NONE;
}

/* 0 when the header is sound, 1 when it is not. */
static int check_header(struct str bytes, uint64_t number, struct error *error)
{
    bool is_header = bytes.size >= LOG_HEADER_SIZE && str_starts_with(bytes, STR(LOG_MAGIC)) &&
                     bytes_get64(bytes.data + 16) == number;
    if (!is_header) return 1;
    uint32_t version = bytes_get32(bytes.data + 8);
    if (bytes_get32(bytes.data + 12) != header_crc(number, version)) return 1;
    if (version <= LOG_VERSION) return 0;
    return error_set(error, ERROR_UNSUPPORTED, "log is of version %u, newer than this program",
                     (unsigned)version);
}

int log_replay_bytes(struct str bytes, uint64_t number, struct log_replay *replay,
                     size_t *good_size, struct error *error)
{
    int code = check_header(bytes, number, error);
    if (code < 0) return code;
    bool is_header_damaged = code == 1;
    size_t offset = is_header_damaged ? 0 : LOG_HEADER_SIZE;
    while (offset < bytes.size) {
        struct str payload;
        bool is_record = offset >= LOG_HEADER_SIZE && record_at(bytes, number, offset, &payload);
        if (is_record) {
            code = replay->visit(replay->argument, payload, error);
            if (code < 0) return code;
            replay->records++;
            offset += LOG_RECORD_OVERHEAD + payload.size;
            continue;
        }
        size_t next = skip_damage(bytes, number, offset);
        if (next == STR_NONE) break;
        replay->corrupt_records++;
        offset = next;
    }
    *good_size = offset;
    return 0;
}

static bool is_zero(struct str bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] != 0) return false;
    }
    return true;
}

int log_replay_file(const struct disk *disk, const char *folder, uint64_t number, bool is_last,
                    struct log_replay *replay, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = log_file_path(path, folder, number, error);
    if (code < 0) return code;
    const void *mapped;
    size_t size;
    code = disk->map(disk->state, path, &mapped, &size);
    if (code < 0) return error_set(error, code, "read '%s': %s", path, error_name(code));
    struct str bytes = { mapped, size };
    size_t good_size = 0;
    code = log_replay_bytes(bytes, number, replay, &good_size, error);
    bool is_torn = code == 0 && good_size < size;
    if (is_torn && !is_zero(str_skip(bytes, good_size))) {
        replay->cut_size += size - good_size;
        /* The end of the last file may be torn by a crash; that of another one is damage. */
        if (!is_last) replay->corrupt_records++;
    }
    if (mapped != NULL) disk->unmap(disk->state, mapped, size);
    if (!is_torn) return code;
    int handle = disk->open(disk->state, path, DISK_WRITE);
    if (handle < 0) return 0; /* a reader that cannot cut reads up to the same place next time */
    if (disk->truncate(disk->state, handle, good_size) == 0) (void)disk->sync(disk->state, handle);
    disk->close(disk->state, handle);
    return 0;
}
