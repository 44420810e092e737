/* users.c - reading the file of users. */
#include "log_server/users.h"

#include "base/buf.h"
#include "base/file.h"
#include "log_server/auth.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>

#define FILE_SIZE_MAX ((size_t)1 << 20)

void users_release(struct users *users)
{
    VEC_FOR_EACH (&users->list, user) {
        free(user->name);
        free(user->hash);
    }
    VEC_RELEASE(&users->list);
}

static int add_user(struct users *users, struct str line, const char *path, unsigned number,
                    struct error *error)
{
    struct str hash = line;
    struct str name = str_cut(&hash, ':');
    if (name.size == 0 || hash.data == NULL || hash.size == 0) {
        return error_set(error, ERROR_PARSE, "'%s' line %u: want name:hash", path, number);
    }
    if (users->list.count == AUTH_USERS_MAX) {
        return error_set(error, ERROR_LIMIT, "'%s' line %u: more than %d users", path, number,
                         AUTH_USERS_MAX);
    }
    struct user user = { str_copy(name), str_copy(hash) };
    if (user.name == NULL || user.hash == NULL || !VEC_PUSH(&users->list, user)) {
        free(user.name);
        free(user.hash);
        return error_set(error, -ENOMEM, "read '%s': out of memory", path);
    }
    int known = crypt_checksalt(user.hash);
    if (known == CRYPT_SALT_OK || known == CRYPT_SALT_TOO_CHEAP) return 0;
    return error_set(error, ERROR_PARSE,
                     "'%s' line %u: the hash is of no method that is allowed; mkpasswd -m yescrypt "
                     "makes one",
                     path, number);
}

int users_read(struct users *users, const char *path, struct error *error)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    buf_init(&text, FILE_SIZE_MAX);
    int code = file_read(&disk_system, path, &text, error);
    struct str rest = buf_str(&text);
    for (unsigned number = 1; code == 0 && rest.size > 0; number++) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        if (line.size == 0 || line.data[0] == '#') continue;
        code = add_user(users, line, path, number, error);
    }
    if (code == 0 && users->list.count == 0) {
        code = error_set(error, ERROR_PARSE, "'%s' names no user", path);
    }
    return code;
}
