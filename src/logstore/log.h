/* log.h - the write-ahead log: operations are here before they are acknowledged.
 *
 * FORMAT   file log/XXXXXXXXXXXXXXXX.log, numbers rising:
 *            header: magic "BGLOGWAL", u32 version, u32 CRC-32C of number and version, u64 number
 *            records: u32 size of the payload, u32 CRC-32C of number and payload, payload
 *          payload: text uuid of the index, then operations to its end:
 *            u8 kind (1 document, 2 delete), varint seq_no, varint version, text id, and for
 *            documents text source; a text is a varint size and that many bytes; a u8 kind of 3
 *            and a text uuid: the operations behind it are for that index
 * RECOVERY A record counts when its checksum holds. Each is synced before the next is appended, so
 *          the first that does not hold, with nothing sound behind it, is the torn end: the file is
 *          cut there. When a sound one follows, wherever, it is damage: it is skipped, counted, and
 *          the rest is kept. The same for a header that does not hold: it was synced before the
 *          first record.
 * ERRORS   What was appended and could not be synced must not come back with the next start, for
 *          its writer was refused: the file is cut where it was sound, and the cut is synced. Until
 *          that is done the cut is owed (log_settle) and nothing more is appended, to any file.
 *          After a failed sync the file is given up: nothing is appended behind an unknown byte.
 * Owned by: the store's writer.
 */
#ifndef LOGSTORE_LOG_H
#define LOGSTORE_LOG_H

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_HEADER_SIZE     24
#define LOG_RECORD_OVERHEAD 8
#define LOG_UUID_SIZE       22 /* of every index: what a payload begins with */
#define LOG_RECORD_SIZE_MAX ((size_t)1 << 30)

enum log_kind { LOG_DOCUMENT = 1, LOG_DELETE = 2, LOG_INDEX = 3 };

/* A file that holds more than it should: it is to be cut to `size`. */
struct log_cut {
    uint64_t number;
    uint64_t size;
};

#define LOG_CUTS_MAX 2 /* the file that failed, and the one that was begun in its place */

struct log {
    const struct disk *disk;
    char folder[FILE_PATH_SIZE];
    int handle; /* -1: none open */
    uint64_t number;
    uint64_t size;
    bool is_broken; /* the open file must not be written any more */
    struct log_cut cuts[LOG_CUTS_MAX];
    size_t cut_count; /* that are owed */
};

/* Begins a new file, synced with its folder. The one before is closed. */
int log_begin(struct log *log, uint64_t number, struct error *error) MUST_CHECK;

/* Appends a record (made by log_record_*) and syncs. On failure nothing of it counts, once
 * log_settle has made the cut that may be owed. */
int log_append(struct log *log, struct str record, struct error *error) MUST_CHECK;

/* Makes the cuts that are owed, synced. 0 when none is left. */
int log_settle(struct log *log, struct error *error) MUST_CHECK;

/* The cuts need not be made: the records are acknowledged (they stand in another file too), or the
 * files before `number` are read no more. */
void log_forget_cuts(struct log *log, uint64_t number);

void log_close(struct log *log);

/* Builds a record in `out`, which is empty: begin, append the payload, end. */
void log_record_begin(struct buf *out);
void log_record_end(struct buf *out, uint64_t number);

struct log_replay {
    int (*visit)(void *argument, struct str payload, struct error *error);
    void *argument;
    uint64_t corrupt_records;
    uint64_t records;
    uint64_t cut_size; /* bytes cut off at the end */
};

/* Visits the payloads of one file. A file that is not there is -ENOENT. */
int log_replay_file(const struct disk *disk, const char *folder, uint64_t number, bool is_last,
                    struct log_replay *replay, struct error *error) MUST_CHECK;

/* The payloads in the bytes of a file; how far they are sound is *good_size. */
int log_replay_bytes(struct str bytes, uint64_t number, struct log_replay *replay,
                     size_t *good_size, struct error *error) MUST_CHECK;

int log_file_path(char *path, const char *folder, uint64_t number, struct error *error) MUST_CHECK;

#endif
