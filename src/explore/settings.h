/* settings.h - inside explore/: the few settings of a kibana.yml that mean something here. */
#ifndef EXPLORE_SETTINGS_H
#define EXPLORE_SETTINGS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdint.h>

#define SETTINGS_FILE_SIZE_MAX (1u << 20)

/* Texts live in the arena and end in NUL; NULL where the file says nothing. */
struct settings {
    const char *listen; /* of server.host and server.port */
    const char *hosts;  /* elasticsearch.hosts, the first of them */
    const char *user;
    const char *password;
    VEC(struct str) ignored; /* "kibana.yml:3:1: 'i18n.locale' has no effect here" */
};

/* "server.port" may stand as one key or nested. Settings untouched on failure. */
int settings_parse(struct settings *settings, struct arena *arena, struct str text, struct str file,
                   struct error *error) MUST_CHECK;

/* Reads a file; its texts go into the arena. */
int settings_read(struct settings *settings, struct arena *arena, const char *path,
                  struct error *error) MUST_CHECK;

void settings_release(struct settings *settings);

#endif
