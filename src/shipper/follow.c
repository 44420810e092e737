/* follow.c - foreign files by descriptor: what base/file.h keeps from stores is needed here. */
#include "shipper/follow.h"

#include "base/clock.h"
#include "codec/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_SIZE     65536 /* bytes of one read */
#define CHUNKS_A_TURN  16    /* then the other files have their turn */
#define LINE_SLACK     2     /* bytes kept beyond max_bytes, to see whether there are more */
#define LINE_KEEP_SIZE 65536 /* memory that an idle file may hold */

static void fill_info(const struct stat *status, struct follow_info *info)
{
    *info = (struct follow_info){
        .inode = status->st_ino,
        .device = status->st_dev,
        .size = status->st_size < 0 ? 0 : (uint64_t)status->st_size,
        .change_ms = (int64_t)status->st_mtim.tv_sec * 1000 + status->st_mtim.tv_nsec / 1000000,
        .link_count = status->st_nlink,
        .is_file = S_ISREG(status->st_mode),
        .is_symlink = S_ISLNK(status->st_mode),
    };
}

int follow_info_of(const char *path, bool through_links, struct follow_info *info)
{
    struct stat status;
    int code = through_links ? stat(path, &status) : lstat(path, &status);
    if (code != 0) return -errno;
    fill_info(&status, info);
    return 0;
}

/* Up to `size` bytes; the count or a negative errno. */
static int64_t read_at(int handle, void *bytes, size_t size, uint64_t offset)
{
    for (;;) {
        ssize_t count = pread(handle, bytes, size, (off_t)offset);
        if (count >= 0) return count;
        if (errno != EINTR) return -errno;
    }
}

static int read_head(int handle, uint64_t size, struct ship_head *head)
{
    char bytes[SHIP_HEAD_SIZE];
    size_t wanted = size < sizeof(bytes) ? (size_t)size : sizeof(bytes);
    size_t have = 0;
    while (have < wanted) {
        int64_t count = read_at(handle, bytes + have, wanted - have, have);
        if (count < 0) return (int)count;
        if (count == 0) break;
        have += (size_t)count;
    }
    *head = (struct ship_head){ (uint32_t)have, crc32c(bytes, have) };
    return 0;
}

static int open_file(const char *path)
{
    int handle = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return handle < 0 ? -errno : handle;
}

int follow_head_of(const char *path, uint32_t size, struct ship_head *head)
{
    int handle = open_file(path);
    if (handle < 0) return handle;
    int code = read_head(handle, size, head);
    (void)close(handle);
    return code;
}

int follow_open(struct follow **follow_out, struct registry *registry,
                const struct ship_input *input, struct ship_state *state, const char *path,
                struct error *error)
{
    struct follow *follow = calloc(1, sizeof(*follow));
    if (follow == NULL) {
        registry_drop(registry, state);
        return error_set(error, -ENOMEM, "no memory to follow '%s'", path);
    }
    follow->handle = -1;
    follow->registry = registry;
    follow->input = input;
    follow->state = state;
    follow->opened_ms = clock_monotonic_ms(&clock_system);
    follow->data_ms = follow->opened_ms;
    follow->line_offset = state->read_offset;
    follow->read_offset = state->read_offset;
    follow->head = registry_read(registry, state).head;
    buf_init(&follow->line, (size_t)input->max_bytes + LINE_SLACK);
    follow->path = str_copy(str_from(path));
    follow->handle = open_file(path);
    struct stat status;
    int code = 0;
    if (follow->path == NULL) {
        code = error_set(error, -ENOMEM, "no memory to follow '%s'", path);
    } else if (follow->handle < 0) {
        code = error_set(error, follow->handle, "open '%s': %s", path, error_name(follow->handle));
    } else if (fstat(follow->handle, &status) != 0 || status.st_ino != state->inode ||
               status.st_dev != state->device) {
        code = error_set(error, -ESTALE, "'%s' was replaced meanwhile", path);
    }
    if (code != 0) {
        follow_close(follow);
        return code;
    }
    *follow_out = follow;
    return 0;
}

void follow_close(struct follow *follow)
{
    if (follow == NULL) return;
    if (follow->handle >= 0) (void)close(follow->handle);
    if (follow->state != NULL) follow->state->read_offset = follow->line_offset;
    registry_drop(follow->registry, follow->state);
    buf_release(&follow->line);
    free(follow->path);
    free(follow);
}

/* ---- lines ---- */

static bool give_line(struct follow *follow, struct str text, uint64_t end, follow_line *line,
                      void *argument)
{
    struct follow_span span = { .path = str_from(follow->path),
                                .text = text,
                                .offset = follow->line_offset,
                                .end = end,
                                .is_truncated = follow->cut_size > 0 };
    if (span.offset == 0 && str_starts_with(text, STR("\xef\xbb\xbf"))) {
        span.text = str_skip(span.text, 3); /* a byte order mark */
    }
    if (str_ends_with(span.text, STR("\r"))) span.text.size--;
    if (span.text.size > follow->input->max_bytes) {
        span.text.size = (size_t)follow->input->max_bytes;
        span.is_truncated = true;
    }
    if (!line(argument, follow->input, follow->state, &span)) return false;
    follow->line_offset = end;
    follow->cut_size = 0;
    buf_reset(&follow->line);
    return true;
}

/* Keeps what fits of a part of a line. False without memory. */
static bool keep_part(struct follow *follow, struct str part)
{
    size_t room = follow->line.size_max - follow->line.size;
    if (part.size > room) {
        follow->cut_size += part.size - room;
        part.size = room;
    }
    buf_append_str(&follow->line, part);
    return !follow->line.has_failed;
}

/* False: stop; the bytes of the line that was not taken are read again. */
static bool take_chunk(struct follow *follow, struct str chunk, follow_line *line, void *argument)
{
    while (chunk.size > 0) {
        size_t end = str_find_char(chunk, '\n');
        size_t size = end == STR_NONE ? chunk.size : end;
        struct str part = str_first(chunk, size);
        bool is_whole = end != STR_NONE;
        bool is_alone = is_whole && follow->line.size == 0 && size <= follow->line.size_max;
        if (!is_alone && !keep_part(follow, part)) return false;
        follow->read_offset += size + (is_whole ? 1 : 0);
        if (is_whole && !give_line(follow, is_alone ? part : buf_str(&follow->line),
                                   follow->read_offset, line, argument)) {
            return false;
        }
        chunk = str_skip(chunk, size + (is_whole ? 1 : 0));
    }
    return true;
}

/* ---- a turn ---- */

static bool has_new_head(struct follow *follow)
{
    struct ship_head now;
    if (follow->head.size == 0) return false;
    if (read_head(follow->handle, follow->head.size, &now) != 0) return false;
    return now.size != follow->head.size || now.crc != follow->head.crc;
}

static void see(struct follow *follow, uint64_t size)
{
    if (follow->head.size < SHIP_HEAD_SIZE && follow->line_offset > follow->head.size) {
        (void)read_head(follow->handle, follow->line_offset, &follow->head);
    }
    registry_see(follow->registry, follow->state, size, &follow->head);
}

/* At the end of the file: whether it is to be closed. */
static enum follow_result judge(const struct follow *follow, const struct follow_info *info,
                                int64_t now_ms)
{
    const struct ship_input *input = follow->input;
    if (input->close_eof) return FOLLOW_CLOSE;
    if (input->close_removed && info->link_count == 0) return FOLLOW_CLOSE;
    if (input->close_renamed && follow->is_gone) return FOLLOW_CLOSE;
    if (input->close_inactive_ms > 0 && now_ms - follow->data_ms > input->close_inactive_ms) {
        return FOLLOW_CLOSE;
    }
    return FOLLOW_IDLE;
}

static enum follow_result read_chunks(struct follow *follow, uint64_t size, follow_line *line,
                                      void *argument)
{
    char chunk[CHUNK_SIZE];
    for (int i = 0; i < CHUNKS_A_TURN; i++) {
        int64_t count = read_at(follow->handle, chunk, sizeof(chunk), follow->read_offset);
        if (count < 0) return FOLLOW_CLOSE;
        if (count == 0) return FOLLOW_IDLE;
        if (!take_chunk(follow, (struct str){ chunk, (size_t)count }, line, argument)) {
            return FOLLOW_STOP;
        }
        if (follow->read_offset >= size) return FOLLOW_IDLE;
    }
    return FOLLOW_BUSY;
}

enum follow_result follow_read(struct follow *follow, int64_t now_ms, follow_line *line,
                               void *argument)
{
    struct stat status;
    struct follow_info info;
    if (fstat(follow->handle, &status) != 0) return FOLLOW_CLOSE;
    fill_info(&status, &info);
    if (info.size < follow->read_offset) return FOLLOW_ANEW;
    bool has_changed = info.change_ms != follow->change_ms || info.size > follow->read_offset;
    if (has_changed && has_new_head(follow)) return FOLLOW_ANEW;
    follow->change_ms = info.change_ms;
    if (info.size == follow->read_offset) return judge(follow, &info, now_ms);
    enum follow_result result = read_chunks(follow, info.size, line, argument);
    follow->data_ms = now_ms;
    see(follow, info.size);
    if (result == FOLLOW_IDLE && follow->line.size == 0 && follow->line.capacity > LINE_KEEP_SIZE) {
        buf_release(&follow->line);
        buf_init(&follow->line, (size_t)follow->input->max_bytes + LINE_SLACK);
    }
    int64_t timeout_ms = follow->input->close_timeout_ms;
    if (timeout_ms > 0 && now_ms - follow->opened_ms > timeout_ms) return FOLLOW_CLOSE;
    return result;
}
