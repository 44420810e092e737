/* auth.h - who asks: users of a file, and API keys that they made.
 *
 *     name:$y$j9T$...    a line a user; the hash is crypt(5)'s (yescrypt, bcrypt, SHA-512), as
 *                        htpasswd -B and mkpasswd print it; # begins a comment
 *
 * The file is read again when it changes, within a second; what is broken is told of and not taken.
 * Whoever is known may do everything: there are no roles. API keys are kept in the store's catalog,
 * by the SHA-256 of their secret, which is random and long, so that no slow hash is needed.
 *
 * Threads: auth_check from any thread. Passwords are verified one at a time, for a hash is made to
 *          be slow; those that were right are remembered, by a keyed hash, until the process ends.
 * Limits:  AUTH_USERS_MAX users, AUTH_KEYS_MAX keys.
 */
#ifndef LOG_SERVER_AUTH_H
#define LOG_SERVER_AUTH_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "logstore/logstore.h"

#include <stdbool.h>
#include <stdint.h>

#define AUTH_USERS_MAX 1000
#define AUTH_KEYS_MAX  10000

struct auth;

/* The file was another: how many users there are now; error NULL, or why it was not taken and those
 * of before stay. Called with a lock held, by whoever asks first. */
typedef void auth_listener(void *context, size_t user_count, const struct error *error);

struct auth_options {
    const char *path;       /* of the file of users */
    struct logstore *store; /* for the API keys */
    const struct clock *clock;
    auth_listener *tell; /* NULL: nobody listens */
    void *tell_context;
};

/* Reads the file of users. ERROR_PARSE names the line; a hash that crypt does not know is one. */
int auth_new(struct auth **auth_out, const struct auth_options *options,
             struct error *error) MUST_CHECK;
void auth_free(struct auth *auth); /* NULL is fine */

struct auth_identity {
    struct str user;
    struct str key_id; /* empty: by password */
    struct str key_name;
};

/* The header Authorization, whole; text of the identity in the arena. False: not known. */
bool auth_check(struct auth *auth, struct str authorization, struct arena *arena,
                struct auth_identity *identity) MUST_CHECK;

/* A new key; its secret is told here and never again. Text in the arena. */
struct auth_key {
    struct str id;
    struct str name;
    struct str user;
    int64_t created_ms;
    int64_t expires_ms; /* 0: never */
    struct str secret;  /* of a new one */
};
int auth_key_make(struct auth *auth, struct str user, struct str name, int64_t expires_ms,
                  struct arena *arena, struct auth_key *key, struct error *error) MUST_CHECK;
int auth_key_list(struct auth *auth, struct arena *arena, struct auth_key **keys,
                  size_t *count) MUST_CHECK;
int auth_key_drop(struct auth *auth, struct str id, struct error *error) MUST_CHECK;

#endif
