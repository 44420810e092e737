/* registry.c - the list of states, and the file that is replaced as a whole. */
#include "shipper/registry.h"

#include "base/check.h"
#include "base/random.h"
#include "codec/crc32c.h"
#include "codec/json.h"
#include "codec/json_writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_NAME      "registry.json"
#define VERSION        1
#define FILE_SIZE_MAX  ((size_t)256 << 20)
#define ARENA_SIZE_MAX ((size_t)2 << 30)
#define STATES_MAX     1000000
#define SUM_SIZE       17 /* "crc32c " and 8 digits and newlines around */

static int fail_memory(struct error *error)
{
    return error_set(error, -ENOMEM, "no memory for the registry");
}

static void make_id(char *id)
{
    unsigned char bytes[16];
    random_secret(bytes, sizeof(bytes));
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    size_t size = 0;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) id[size++] = '-';
        (void)snprintf(id + size, 3, "%02x", bytes[i]);
        size += 2;
    }
}

static void free_state(struct ship_state *state)
{
    if (state == NULL) return;
    free(state->path);
    free((void *)(uintptr_t)state->input.data);
    free(state);
}

/* ---- reading ---- */

static int read_state(struct registry *registry, const struct json *item, struct error *error)
{
    struct str path = json_text(json_get(item, STR("path")), (struct str){ 0 });
    int64_t inode = json_integer(json_get(item, STR("inode")), -1);
    int64_t device = json_integer(json_get(item, STR("device")), -1);
    int64_t offset = json_integer(json_get(item, STR("offset")), -1);
    int64_t head_size = json_integer(json_get(item, STR("head_size")), -1);
    int64_t head_crc = json_integer(json_get(item, STR("head_crc32c")), -1);
    if (path.data == NULL || inode < 0 || device < 0 || offset < 0 || head_size < 0 ||
        head_size > SHIP_HEAD_SIZE || head_crc < 0 || head_crc > UINT32_MAX) {
        return error_set(error, ERROR_CORRUPT,
                         "a file without path, inode, device, offset or head");
    }
    struct ship_state like = {
        .input = json_text(json_get(item, STR("input")), STR("")),
        .inode = (uint64_t)inode,
        .device = (uint64_t)device,
        .offset = (uint64_t)offset,
        .read_offset = (uint64_t)offset,
        .size = (uint64_t)offset,
        .head = { (uint32_t)head_size, (uint32_t)head_crc },
        .updated_ms = json_integer(json_get(item, STR("updated_ms")), 0),
    };
    struct ship_state *state = registry_add(registry, &like, path);
    if (state == NULL) return fail_memory(error);
    registry_drop(registry, state);
    return 0;
}

/* Cuts the line with the check sum off and compares. */
static int check_sum(struct str *text, struct error *error)
{
    if (text->size < SUM_SIZE) return error_set(error, ERROR_CORRUPT, "shorter than a registry");
    struct str line = str_skip(*text, text->size - SUM_SIZE);
    *text = str_first(*text, text->size - SUM_SIZE);
    char want[SUM_SIZE + 1];
    (void)snprintf(want, sizeof(want), "\ncrc32c %08x\n", crc32c(text->data, text->size));
    if (str_equal(line, (struct str){ want, SUM_SIZE })) return 0;
    return error_set(error, ERROR_CORRUPT, "check sum does not hold");
}

static int read_registry(struct registry *registry, struct str text, struct error *error)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, ARENA_SIZE_MAX);
    const struct json *root = NULL;
    int code = check_sum(&text, error);
    if (code == 0) code = json_parse(NULL, &arena, text, &root, error);
    if (code != 0) return code;
    if (json_integer(json_get(root, STR("version")), 0) != VERSION) {
        return error_set(error, ERROR_CORRUPT, "not of version %d", VERSION);
    }
    const struct json *files = json_get(root, STR("files"));
    struct str id = json_text(json_get(root, STR("agent_id")), STR(""));
    if (!json_is(files, JSON_ARRAY) || files->array.count > STATES_MAX ||
        id.size != SHIP_ID_SIZE - 1) {
        return error_set(error, ERROR_CORRUPT, "no list of files, or no agent_id");
    }
    for (size_t i = 0; code == 0 && i < files->array.count; i++) {
        code = read_state(registry, &files->array.items[i], error);
    }
    if (code == 0) memcpy(registry->agent_id, id.data, id.size);
    return code;
}

static void clear(struct registry *registry)
{
    VEC_FOR_EACH (&registry->states, state) {
        free_state(*state);
    }
    VEC_RELEASE(&registry->states);
}

/* Puts a broken file out of the way, for a person to look at. */
static int set_aside(struct registry *registry, int64_t now_ms, struct error *error)
{
    clear(registry);
    int size = snprintf(registry->aside, sizeof(registry->aside), "%s.broken-%lld", registry->path,
                        (long long)now_ms);
    if (size < 0 || (size_t)size >= sizeof(registry->aside)) {
        return error_set(error, ERROR_LIMIT, "path of the registry is too long");
    }
    int code = registry->disk->rename(registry->disk->state, registry->path, registry->aside);
    if (code == 0) return 0;
    return error_set(error, code, "set the broken registry '%s' aside: %s", registry->path,
                     error_name(code));
}

int registry_open(struct registry *registry, const struct disk *disk, const char *folder,
                  int64_t now_ms, struct error *error)
{
    *registry = (struct registry){ .disk = disk };
    mutex_init(&registry->mutex);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, FILE_SIZE_MAX);
    int code = file_join(registry->path, folder, FILE_NAME, error);
    if (code != 0) return code;
    struct error cause = { 0 };
    code = file_read(disk, registry->path, &text, &cause);
    if (code == 0) {
        code = read_registry(registry, buf_str(&text), &cause);
        if (code == -ENOMEM) return error_set(error, code, "%s", cause.text);
        registry->aside_cause = cause;
        if (code != 0) code = set_aside(registry, now_ms, error);
    } else if (code == -ENOENT) {
        code = 0;
    } else {
        (void)error_set(error, code, "%s", cause.text);
    }
    if (registry->agent_id[0] == '\0') {
        make_id(registry->agent_id);
        registry->is_dirty = true;
    }
    return code;
}

void registry_close(struct registry *registry)
{
    if (registry->disk == NULL) return;
    clear(registry);
    mutex_release(&registry->mutex);
    *registry = (struct registry){ 0 };
}

/* ---- writing ---- */

static void print_state(struct json_writer *json, const struct ship_state *state)
{
    json_object_begin(json);
    if (state->input.size > 0) json_member_text(json, "input", state->input);
    json_member_cstr(json, "path", state->path);
    json_member_int(json, "inode", (int64_t)state->inode);
    json_member_int(json, "device", (int64_t)state->device);
    json_member_int(json, "offset", (int64_t)state->offset);
    json_member_int(json, "head_size", state->head.size);
    json_member_int(json, "head_crc32c", state->head.crc);
    json_member_int(json, "updated_ms", state->updated_ms);
    json_object_end(json);
    buf_append_char(json->out, '\n');
}

static void print_locked(const struct registry *registry, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_member_int(&json, "version", VERSION);
    json_member_cstr(&json, "agent_id", registry->agent_id);
    json_key(&json, STR("files"));
    json_array_begin(&json);
    for (size_t i = 0; i < registry->states.count; i++) {
        print_state(&json, registry->states.items[i]);
    }
    json_array_end(&json);
    json_object_end(&json);
}

int registry_save(struct registry *registry, struct error *error)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, FILE_SIZE_MAX);
    mutex_lock(&registry->mutex);
    bool is_dirty = registry->is_dirty;
    if (is_dirty) print_locked(registry, &text);
    registry->is_dirty = false;
    mutex_unlock(&registry->mutex);
    if (!is_dirty) return 0;
    uint32_t sum = text.has_failed ? 0 : crc32c(text.data, text.size);
    buf_printf(&text, "\ncrc32c %08x\n", sum);
    int code = text.has_failed
                   ? fail_memory(error)
                   : file_replace(registry->disk, registry->path, buf_str(&text), error);
    if (code == 0) return 0;
    mutex_lock(&registry->mutex);
    registry->is_dirty = true;
    mutex_unlock(&registry->mutex);
    return code;
}

/* ---- states ---- */

struct ship_state *registry_find(struct registry *registry, struct str input, uint64_t inode,
                                 uint64_t device)
{
    struct ship_state *found = NULL;
    mutex_lock(&registry->mutex);
    for (size_t i = 0; found == NULL && i < registry->states.count; i++) {
        struct ship_state *state = registry->states.items[i];
        if (state->inode == inode && state->device == device && str_equal(state->input, input)) {
            found = state;
            state->holder_count++;
        }
    }
    mutex_unlock(&registry->mutex);
    return found;
}

struct ship_state *registry_add(struct registry *registry, const struct ship_state *like,
                                struct str path)
{
    struct ship_state *state = calloc(1, sizeof(*state));
    if (state == NULL) return NULL;
    *state = *like;
    state->holder_count = 1;
    state->is_removed = false;
    state->path = str_copy(path);
    state->input = (struct str){ str_copy(like->input), like->input.size };
    mutex_lock(&registry->mutex);
    bool is_kept =
        state->path != NULL && state->input.data != NULL && VEC_PUSH(&registry->states, state);
    if (is_kept) registry->is_dirty = true;
    mutex_unlock(&registry->mutex);
    if (is_kept) return state;
    free_state(state);
    return NULL;
}

void registry_hold(struct registry *registry, struct ship_state *state)
{
    mutex_lock(&registry->mutex);
    state->holder_count++;
    mutex_unlock(&registry->mutex);
}

void registry_drop(struct registry *registry, struct ship_state *state)
{
    if (state == NULL) return;
    mutex_lock(&registry->mutex);
    CHECK(state->holder_count > 0);
    state->holder_count--;
    bool is_over = state->holder_count == 0 && state->is_removed;
    mutex_unlock(&registry->mutex);
    if (is_over) free_state(state);
}

void registry_remove(struct registry *registry, struct ship_state *state)
{
    mutex_lock(&registry->mutex);
    for (size_t i = 0; i < registry->states.count; i++) {
        if (registry->states.items[i] != state) continue;
        VEC_REMOVE(&registry->states, i);
        state->is_removed = true;
        registry->is_dirty = true;
        break;
    }
    mutex_unlock(&registry->mutex);
}

void registry_acknowledge(struct registry *registry, struct ship_state *state, uint64_t offset,
                          int64_t now_ms)
{
    mutex_lock(&registry->mutex);
    if (offset > state->offset) {
        state->offset = offset;
        state->updated_ms = now_ms;
        if (!state->is_removed) registry->is_dirty = true;
    }
    mutex_unlock(&registry->mutex);
}

void registry_rename(struct registry *registry, struct ship_state *state, struct str path)
{
    mutex_lock(&registry->mutex);
    bool is_new = !str_equal(str_from(state->path), path);
    char *copy = is_new ? str_copy(path) : NULL;
    if (copy != NULL) {
        free(state->path);
        state->path = copy;
        registry->is_dirty = true;
    }
    mutex_unlock(&registry->mutex);
}

void registry_see(struct registry *registry, struct ship_state *state, uint64_t size,
                  const struct ship_head *head)
{
    mutex_lock(&registry->mutex);
    state->size = size;
    if (head->size > state->head.size) {
        state->head = *head;
        registry->is_dirty = true;
    }
    mutex_unlock(&registry->mutex);
}

struct ship_state registry_read(struct registry *registry, const struct ship_state *state)
{
    mutex_lock(&registry->mutex);
    struct ship_state copy = *state;
    mutex_unlock(&registry->mutex);
    return copy;
}

uint64_t registry_lag(struct registry *registry)
{
    uint64_t lag = 0;
    mutex_lock(&registry->mutex);
    for (size_t i = 0; i < registry->states.count; i++) {
        const struct ship_state *state = registry->states.items[i];
        if (state->size > state->offset) lag += state->size - state->offset;
    }
    mutex_unlock(&registry->mutex);
    return lag;
}

void registry_visit(struct registry *registry,
                    void (*visit)(void *argument, struct ship_state *state), void *argument)
{
    struct ship_states copy = { 0 };
    mutex_lock(&registry->mutex);
    if (VEC_RESERVE(&copy, registry->states.count + 1)) {
        for (size_t i = 0; i < registry->states.count; i++) {
            copy.items[copy.count++] = registry->states.items[i];
            registry->states.items[i]->holder_count++;
        }
    }
    mutex_unlock(&registry->mutex);
    for (size_t i = 0; i < copy.count; i++) {
        visit(argument, copy.items[i]);
        registry_drop(registry, copy.items[i]);
    }
    VEC_RELEASE(&copy);
}
