/* auth.c - who asks: users of a file, and API keys that they made. */
#include "log_server/auth.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/file.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/vec.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "log_server/users.h"

#include <crypt.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#define HASH_SIZE      32
#define REMEMBERED_MAX 64
#define LOOK_PERIOD_MS 1000
#define PASSWORD_MAX   1024 /* bytes */
#define ID_BYTES       15   /* 20 characters */
#define SECRET_BYTES   24   /* 32 characters */

struct auth {
    struct logstore *store;
    const struct clock *clock;
    unsigned char salt[HASH_SIZE]; /* of what is remembered; made at the start */
    char *path;
    auth_listener *tell;
    void *tell_context;

    struct mutex mutex; /* guards the following, and crypt's memory */
    struct users users;
    struct disk_info file; /* as it was when they were read */
    int64_t looked_ms;
    struct crypt_data *crypt;
    unsigned char remembered[REMEMBERED_MAX][HASH_SIZE];
    size_t remembered_count;
    size_t remembered_next;
};

static void sha256(struct str bytes, unsigned char *hash)
{
    CHECK(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data, bytes.size, hash) == 0);
}

/* In a time that does not tell where they differ. */
static bool is_same(const void *a, const void *b, size_t size)
{
    return gnutls_memcmp(a, b, size) == 0;
}

void auth_free(struct auth *auth)
{
    if (auth == NULL) return;
    users_release(&auth->users);
    free(auth->path);
    free(auth->crypt);
    mutex_release(&auth->mutex);
    free(auth);
}

/* When the file is another than the one that was read: those of the new one, or, when it cannot be
 * read, those of before. Looked at once a second at most. Mutex held. */
static void refresh_users(struct auth *auth)
{
    struct disk_info now;
    struct error error = { 0 };
    struct users fresh = { 0 };
    int64_t now_ms = clock_monotonic_ms(auth->clock);
    if (now_ms - auth->looked_ms < LOOK_PERIOD_MS) return;
    auth->looked_ms = now_ms;
    int code = disk_system.info(disk_system.state, auth->path, &now);
    bool is_same_file = code == 0 && now.inode == auth->file.inode && now.size == auth->file.size &&
                        now.change_ms == auth->file.change_ms;
    if (is_same_file || (code < 0 && auth->file.inode == 0)) return;
    if (code < 0) {
        now = (struct disk_info){ 0 };
        code = error_set(&error, code, "look at '%s'", auth->path);
    } else {
        code = users_read(&fresh, auth->path, &error);
    }
    auth->file = now; /* one that is broken is told of once */
    if (code < 0) {
        users_release(&fresh);
    } else {
        users_release(&auth->users);
        auth->users = fresh;
        auth->remembered_count = auth->remembered_next = 0;
    }
    if (auth->tell != NULL)
        auth->tell(auth->tell_context, auth->users.list.count, code < 0 ? &error : NULL);
}

int auth_new(struct auth **auth_out, const struct auth_options *options, struct error *error)
{
    const char *path = options->path;
    struct auth *auth = calloc(1, sizeof(*auth));
    if (auth == NULL) return error_set(error, -ENOMEM, "read '%s': out of memory", path);
    auth->store = options->store;
    auth->clock = options->clock;
    auth->tell = options->tell;
    auth->tell_context = options->tell_context;
    mutex_init(&auth->mutex);
    random_secret(auth->salt, sizeof(auth->salt));
    auth->crypt = calloc(1, sizeof(*auth->crypt));
    auth->path = str_copy(str_from(path));
    auth->looked_ms = clock_monotonic_ms(auth->clock);
    int code = auth->crypt == NULL || auth->path == NULL
                   ? error_set(error, -ENOMEM, "read '%s': out of memory", path)
                   : users_read(&auth->users, path, error);
    if (code == 0) (void)disk_system.info(disk_system.state, path, &auth->file);
    if (code < 0) {
        auth_free(auth);
        return code;
    }
    *auth_out = auth;
    return 0;
}

/* Passwords ----------------------------------------------------------------------------------- */

/* Under which right credentials are remembered. */
static void remembering(const struct auth *auth, struct str credentials, unsigned char *hash)
{
    unsigned char bytes[2 * HASH_SIZE];
    memcpy(bytes, auth->salt, HASH_SIZE);
    sha256(credentials, bytes + HASH_SIZE);
    sha256((struct str){ (const char *)bytes, sizeof(bytes) }, hash);
}

static bool is_remembered(const struct auth *auth, const unsigned char *hash)
{
    bool is_there = false;
    for (size_t i = 0; i < auth->remembered_count; i++) {
        is_there |= is_same(auth->remembered[i], hash, HASH_SIZE);
    }
    return is_there;
}

static void remember(struct auth *auth, const unsigned char *hash)
{
    memcpy(auth->remembered[auth->remembered_next], hash, HASH_SIZE);
    auth->remembered_next = (auth->remembered_next + 1) % REMEMBERED_MAX;
    if (auth->remembered_count < REMEMBERED_MAX) auth->remembered_count++;
}

/* A name that is not there costs as much as one that is. */
static bool verify(struct auth *auth, struct str name, struct str password)
{
    char text[PASSWORD_MAX + 1];
    bool is_known = false;
    const char *hash = auth->users.list.items[0].hash;
    VEC_FOR_EACH (&auth->users.list, user) {
        if (!str_equal(str_from(user->name), name)) continue;
        hash = user->hash;
        is_known = true;
    }
    if (memchr(password.data, 0, password.size) != NULL) return false;
    if (!str_to_cstr(password, text, sizeof(text))) return false;
    const char *made = crypt_r(text, hash, auth->crypt);
    bool is_right = made != NULL && made[0] != '*' && strlen(made) == strlen(hash) &&
                    is_same(made, hash, strlen(hash));
    gnutls_memset(text, 0, sizeof(text));
    return is_known && is_right;
}

static bool check_basic(struct auth *auth, struct str credentials, struct arena *arena,
                        struct auth_identity *identity)
{
    struct str password = credentials;
    struct str name = str_cut(&password, ':');
    if (password.data == NULL || password.size > PASSWORD_MAX) return false;
    unsigned char hash[HASH_SIZE];
    remembering(auth, credentials, hash);
    mutex_lock(&auth->mutex);
    refresh_users(auth);
    bool is_right = is_remembered(auth, hash);
    if (!is_right && verify(auth, name, password)) {
        remember(auth, hash);
        is_right = true;
    }
    mutex_unlock(&auth->mutex);
    identity->user = arena_copy(arena, name);
    return is_right && identity->user.data != NULL;
}

/* Keys ---------------------------------------------------------------------------------------- */

static bool is_key_id(struct str id)
{
    for (size_t i = 0; i < id.size; i++) {
        char c = id.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && c != '-' && c != '_') return false; /* a name may be a pattern */
    }
    return id.size > 0 && id.size <= 64;
}

static void print_hash(struct str secret, char *text)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[HASH_SIZE];
    sha256(secret, hash);
    for (size_t i = 0; i < HASH_SIZE; i++) {
        text[2 * i] = digits[hash[i] >> 4];
        text[2 * i + 1] = digits[hash[i] & 15];
    }
}

static int read_key(const struct logstore_object *object, struct arena *arena, struct auth_key *key,
                    struct str *hash)
{
    const struct json *root = NULL;
    int code = json_parse(NULL, arena, object->json, &root, NULL);
    if (code < 0) return code;
    *key = (struct auth_key){
        .id = object->name,
        .name = json_text(json_get(root, STR("name")), STR("")),
        .user = json_text(json_get(root, STR("user")), STR("")),
        .created_ms = json_integer(json_get(root, STR("created_ms")), 0),
        .expires_ms = json_integer(json_get(root, STR("expires_ms")), 0),
    };
    *hash = json_text(json_get(root, STR("hash")), STR(""));
    return 0;
}

static bool check_key(struct auth *auth, struct str credentials, struct arena *arena,
                      struct auth_identity *identity)
{
    struct str secret = credentials;
    struct str id = str_cut(&secret, ':');
    const struct logstore_object *objects = NULL;
    size_t count = 0;
    struct auth_key key;
    struct str hash;
    char text[2 * HASH_SIZE];
    if (secret.data == NULL || !is_key_id(id)) return false;
    print_hash(secret, text);
    if (logstore_object_list(auth->store, LOGSTORE_API_KEY, id, arena, &objects, &count) < 0) {
        return false;
    }
    if (count != 1 || read_key(&objects[0], arena, &key, &hash) < 0) return false;
    bool is_over = key.expires_ms != 0 && clock_realtime_ms(auth->clock) >= key.expires_ms;
    if (is_over || hash.size != sizeof(text) || !is_same(hash.data, text, sizeof(text))) {
        return false;
    }
    *identity = (struct auth_identity){ key.user, key.id, key.name };
    return true;
}

bool auth_check(struct auth *auth, struct str authorization, struct arena *arena,
                struct auth_identity *identity)
{
    struct str rest = authorization;
    struct str scheme = str_cut(&rest, ' ');
    bool is_basic = str_equal_nocase(scheme, STR("Basic"));
    *identity = (struct auth_identity){ .user = STR("") };
    if (!is_basic && !str_equal_nocase(scheme, STR("ApiKey"))) return false;
    CLEANUP(buf_release) struct buf plain = { 0 };
    buf_init(&plain, 8192);
    if (!base64_decode(&plain, str_trim(rest))) return false;
    struct str credentials = buf_str(&plain);
    return is_basic ? check_basic(auth, credentials, arena, identity)
                    : check_key(auth, credentials, arena, identity);
}

static struct str random_text(struct arena *arena, size_t size)
{
    unsigned char bytes[SECRET_BYTES];
    CHECK(size <= sizeof(bytes));
    CLEANUP(buf_release) struct buf text = { 0 };
    buf_init(&text, 256);
    random_secret(bytes, size);
    base64_url_encode(&text, (struct str){ (const char *)bytes, size });
    return arena_copy(arena, buf_str(&text));
}

int auth_key_make(struct auth *auth, struct str user, struct str name, int64_t expires_ms,
                  struct arena *arena, struct auth_key *key, struct error *error)
{
    const struct logstore_object *objects = NULL;
    size_t count = 0;
    char hash[2 * HASH_SIZE];
    int code =
        logstore_object_list(auth->store, LOGSTORE_API_KEY, STR("*"), arena, &objects, &count);
    if (code < 0) return error_set(error, code, "list API keys: out of memory");
    if (count >= AUTH_KEYS_MAX) {
        return error_set(error, ERROR_LIMIT, "there are %d API keys, which is the limit",
                         AUTH_KEYS_MAX);
    }
    *key = (struct auth_key){
        .id = random_text(arena, ID_BYTES),
        .name = name,
        .user = user,
        .created_ms = clock_realtime_ms(auth->clock),
        .expires_ms = expires_ms,
        .secret = random_text(arena, SECRET_BYTES),
    };
    if (key->id.data == NULL || key->secret.data == NULL) {
        return error_set(error, -ENOMEM, "make an API key: out of memory");
    }
    print_hash(key->secret, hash);
    CLEANUP(buf_release) struct buf text = { 0 };
    buf_init(&text, 1 << 20);
    struct json_writer json;
    json_writer_init(&json, &text);
    json_object_begin(&json);
    json_member_text(&json, "name", name);
    json_member_text(&json, "user", user);
    json_member_int(&json, "created_ms", key->created_ms);
    json_member_int(&json, "expires_ms", expires_ms);
    json_member_text(&json, "hash", (struct str){ hash, sizeof(hash) });
    json_object_end(&json);
    if (text.has_failed) return error_set(error, -ENOMEM, "make an API key: out of memory");
    return logstore_object_put(auth->store, LOGSTORE_API_KEY, key->id, buf_str(&text), error);
}

int auth_key_list(struct auth *auth, struct arena *arena, struct auth_key **keys, size_t *count)
{
    const struct logstore_object *objects = NULL;
    size_t found = 0;
    int code =
        logstore_object_list(auth->store, LOGSTORE_API_KEY, STR("*"), arena, &objects, &found);
    if (code < 0) return code;
    *keys = ARENA_ARRAY(arena, struct auth_key, found + 1);
    if (*keys == NULL) return -ENOMEM;
    *count = 0;
    for (size_t i = 0; i < found; i++) {
        struct str hash;
        if (read_key(&objects[i], arena, &(*keys)[*count], &hash) == 0) (*count)++;
    }
    return 0;
}

int auth_key_drop(struct auth *auth, struct str id, struct error *error)
{
    if (!is_key_id(id)) return error_set(error, -ENOENT, "no such API key");
    return logstore_object_delete(auth->store, LOGSTORE_API_KEY, id, error);
}
