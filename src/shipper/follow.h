/* follow.h - one open file: whole lines out of it, whatever happens to it meanwhile.
 *
 * A line counts when its newline is there. A file that is shorter than what was read of it, or that
 * begins otherwise than before, begins anew. Owned by: the reader thread.
 */
#ifndef SHIPPER_FOLLOW_H
#define SHIPPER_FOLLOW_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "shipper/config.h"
#include "shipper/registry.h"

#include <stdbool.h>
#include <stdint.h>

struct follow_span {
    struct str path;
    struct str text;
    uint64_t offset; /* of the first byte */
    uint64_t end;    /* behind the newline */
    bool is_truncated;
};

/* A line: its text without the end, and where it lies. False: stop reading. */
typedef bool follow_line(void *argument, const struct ship_input *input, struct ship_state *state,
                         const struct follow_span *span);

struct follow {
    const struct ship_input *input;
    struct ship_state *state; /* held */
    struct registry *registry;
    char *path; /* as it was when opened */
    int handle;
    uint64_t line_offset; /* where the line that is being read begins */
    uint64_t read_offset; /* bytes taken from the file */
    struct buf line;      /* what is there of the line, up to max_bytes */
    uint64_t cut_size;    /* bytes of the line that were left out */
    struct ship_head head;
    int64_t opened_ms; /* monotonic */
    int64_t data_ms;   /* monotonic: when something was read last */
    int64_t change_ms; /* of the file, when it was looked at last */
    bool is_gone;      /* its path leads elsewhere */
};

enum follow_result {
    FOLLOW_IDLE,  /* at its end */
    FOLLOW_BUSY,  /* there may be more */
    FOLLOW_CLOSE, /* to be closed: a setting says so, or it cannot be read */
    FOLLOW_ANEW,  /* to be closed and begun anew: truncated or replaced in place */
    FOLLOW_STOP,  /* the line function said so */
};

/* What a path is now. */
struct follow_info {
    uint64_t inode;
    uint64_t device;
    uint64_t size;
    int64_t change_ms;
    uint64_t link_count;
    bool is_file;
    bool is_symlink;
};
int follow_info_of(const char *path, bool through_links, struct follow_info *info) MUST_CHECK;

/* How the file at `path` begins: CRC of its first `size` bytes; less when it is shorter. */
int follow_head_of(const char *path, uint32_t size, struct ship_head *head) MUST_CHECK;

/* Opens at state->read_offset. Takes over the holding of the state, also on failure. */
int follow_open(struct follow **follow, struct registry *registry, const struct ship_input *input,
                struct ship_state *state, const char *path, struct error *error) MUST_CHECK;
void follow_close(struct follow *follow); /* NULL is fine */

/* Reads some of what is new. */
enum follow_result follow_read(struct follow *follow, int64_t now_ms, follow_line *line,
                               void *argument);

#endif
