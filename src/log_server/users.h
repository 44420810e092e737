/* users.h - the file of users: a line name:hash each, # begins a comment. */
#ifndef LOG_SERVER_USERS_H
#define LOG_SERVER_USERS_H

#include "base/error.h"
#include "base/vec.h"

struct user {
    char *name;
    char *hash; /* crypt(5)'s */
};

VEC_TYPE(user_vec, struct user);

struct users {
    struct user_vec list;
};

/* ERROR_PARSE names the line; a hash that crypt does not know is one. Zeroed before; released by
 * the caller in any case. */
int users_read(struct users *users, const char *path, struct error *error) MUST_CHECK;
void users_release(struct users *users);

#endif
