/* active_queries.c - a write when a query begins, a write of one byte when it ends. */
#include "metrics_server/active_queries.h"

#include "codec/json.h"
#include "codec/json_writer.h"
#include "codec/utf8.h"

#define FILE_NAME     "queries.active"
#define FILE_SIZE_MAX ((size_t)2 * ACTIVE_QUERIES_MAX * ACTIVE_QUERY_SIZE)

/* Of a slot, in the file. */
static uint64_t offset_of(size_t slot)
{
    return 1 + (uint64_t)slot * ACTIVE_QUERY_SIZE;
}

static void tell(struct str text, active_query_visit *visit, void *argument)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 64 << 10);
    const struct json *entry;
    if (text.size > 0 && text.data[text.size - 1] == ',') text.size--;
    if (json_parse(NULL, &arena, text, &entry, NULL) < 0) return; /* cut by the crash */
    struct str query = json_text(json_get(entry, STR("query")), STR(""));
    int64_t time_s = json_integer(json_get(entry, STR("timestamp_sec")), 0);
    if (query.size > 0) visit(argument, query, time_s);
}

static void tell_all(struct str file, active_query_visit *visit, void *argument)
{
    for (size_t at = 1; at < file.size; at += ACTIVE_QUERY_SIZE) {
        struct str slot =
            str_first(str_skip(file, at),
                      file.size - at < ACTIVE_QUERY_SIZE ? file.size - at : ACTIVE_QUERY_SIZE);
        size_t size = 0;
        while (size < slot.size && slot.data[size] != '\0') size++;
        if (size > 0) tell(str_first(slot, size), visit, argument);
    }
}

int active_queries_open(struct active_queries *queries, const char *folder, size_t count,
                        active_query_visit *visit, void *argument, struct error *error)
{
    *queries = (struct active_queries){ .handle = -1 };
    mutex_init(&queries->mutex);
    char path[FILE_PATH_SIZE];
    int code = file_join(path, folder, FILE_NAME, error);
    if (code < 0) return code;
    CLEANUP(buf_release) struct buf old;
    buf_init(&old, FILE_SIZE_MAX);
    if (file_read(&disk_system, path, &old, NULL) == 0) tell_all(buf_str(&old), visit, argument);

    int handle = disk_system.open(disk_system.state, path,
                                  DISK_READ | DISK_WRITE | DISK_CREATE | DISK_TRUNCATE);
    if (handle < 0) return error_set(error, handle, "open '%s'", path);
    queries->count = count < ACTIVE_QUERIES_MAX ? count : ACTIVE_QUERIES_MAX;
    code = disk_system.write_at(disk_system.state, handle, "[", 1, 0);
    if (code < 0) {
        disk_system.close(disk_system.state, handle);
        return error_set(error, code, "write '%s'", path);
    }
    queries->handle = handle;
    return 0;
}

void active_queries_close(struct active_queries *queries)
{
    if (queries->count == 0) return;
    if (queries->handle >= 0) disk_system.close(disk_system.state, queries->handle);
    queries->handle = -1;
    mutex_release(&queries->mutex);
}

static size_t take_slot(struct active_queries *queries)
{
    size_t slot = 0;
    mutex_lock(&queries->mutex);
    while (slot < queries->count && queries->is_taken[slot]) slot++;
    if (slot < queries->count) queries->is_taken[slot] = true;
    mutex_unlock(&queries->mutex);
    return slot < queries->count ? slot : ACTIVE_QUERIES_NO_SLOT;
}

size_t active_queries_add(struct active_queries *queries, struct str query, int64_t time_s)
{
    if (queries->handle < 0) return ACTIVE_QUERIES_NO_SLOT;
    size_t slot = take_slot(queries);
    if (slot == ACTIVE_QUERIES_NO_SLOT) return slot;
    char bytes[ACTIVE_QUERY_SIZE] = { 0 };
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 16 * ACTIVE_QUERY_SIZE);
    size_t size = query.size;
    do { /* escapes may make it longer than the slot: then less of it */
        struct str part = str_first(query, size);
        while (part.size > 0 && part.size < query.size && !utf8_is_valid(part)) part.size--;
        buf_reset(&text);
        buf_append_str(&text, STR("{\"query\":"));
        json_escape(&text, part);
        buf_printf(&text, ",\"timestamp_sec\":%lld},", (long long)time_s);
        size = size < ACTIVE_QUERY_SIZE ? size / 2 : ACTIVE_QUERY_SIZE - 64;
    } while (size > 0 && (text.has_failed || text.size >= ACTIVE_QUERY_SIZE));
    if (!text.has_failed && text.size < ACTIVE_QUERY_SIZE) memcpy(bytes, text.data, text.size);
    (void)disk_system.write_at(disk_system.state, queries->handle, bytes, sizeof(bytes),
                               offset_of(slot));
    return slot;
}

void active_queries_remove(struct active_queries *queries, size_t slot)
{
    if (slot == ACTIVE_QUERIES_NO_SLOT) return;
    /* A slot counts up to its first zero. */
    (void)disk_system.write_at(disk_system.state, queries->handle, "", 1, offset_of(slot));
    mutex_lock(&queries->mutex);
    queries->is_taken[slot] = false;
    mutex_unlock(&queries->mutex);
}
