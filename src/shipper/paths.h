/* paths.h - the files that a pattern stands for, as Go's filepath.Glob and Filebeat's "**". */
#ifndef SHIPPER_PATHS_H
#define SHIPPER_PATHS_H

#include "base/file.h"
#include "base/str.h"

#include <stdbool.h>

#define PATHS_GLOBSTAR_MAX 8 /* folders that "**" stands for, as in Filebeat */

struct paths_walk {
    const struct disk *disk;
    bool has_globstar; /* "**" stands for any number of folders */
    void (*visit)(void *argument, const char *path);
    void *argument;
};

/* Calls visit for each existing path in byte order; folders that cannot be read are left out. The
 * pattern is absolute. */
void paths_visit(const struct paths_walk *walk, struct str pattern);

#endif
