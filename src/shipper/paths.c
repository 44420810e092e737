/* paths.c - goes down part by part; parts without wildcards cost nothing. */
#include "shipper/paths.h"

#include "base/vec.h"
#include "codec/glob.h"

#include <stdlib.h>

struct names {
    struct str part;
    VEC(char *) items;
};

static int keep_name(void *argument, const char *name)
{
    struct names *names = argument;
    if (!glob_matches(names->part, str_from(name))) return 0;
    char *copy = str_copy(str_from(name));
    if (copy != NULL && !VEC_PUSH(&names->items, copy)) free(copy);
    return 0;
}

static void release_names(struct names *names)
{
    VEC_FOR_EACH (&names->items, name) {
        free(*name);
    }
    VEC_RELEASE(&names->items);
}

static void go_down(const struct paths_walk *walk, const char *folder, struct str rest,
                    unsigned depth);

/* One name below the folder, and on with the rest. */
static void enter(const struct paths_walk *walk, const char *folder, struct str name,
                  struct str rest, unsigned depth)
{
    char part[FILE_PATH_SIZE];
    char path[FILE_PATH_SIZE];
    struct disk_info info;
    if (!str_to_cstr(name, part, sizeof(part))) return;
    if (file_join(path, folder, part, NULL) != 0) return;
    if (rest.data != NULL) {
        go_down(walk, path, rest, depth);
    } else if (walk->disk->info(walk->disk->state, path, &info) == 0) {
        walk->visit(walk->argument, path);
    }
}

static void go_down(const struct paths_walk *walk, const char *folder, struct str rest,
                    unsigned depth)
{
    struct str whole = rest;
    struct str part = str_cut(&rest, '/');
    while (part.size == 0 && rest.data != NULL) part = str_cut(&rest, '/'); /* "//" */
    if (part.size == 0) return;
    struct names names = { .part = part };
    bool is_globstar = walk->has_globstar && str_equal(part, STR("**"));
    if (is_globstar) {
        if (rest.data != NULL) go_down(walk, folder, rest, depth); /* no folder at all */
        names.part = STR("*");
    } else if (!glob_has_wildcard(part)) {
        enter(walk, folder, part, rest, depth);
        return;
    }
    (void)walk->disk->list(walk->disk->state, folder, keep_name, &names);
    VEC_FOR_EACH (&names.items, name) {
        if (!is_globstar) {
            enter(walk, folder, str_from(*name), rest, depth);
            continue;
        }
        if (rest.data == NULL) enter(walk, folder, str_from(*name), rest, depth);
        char path[FILE_PATH_SIZE];
        struct disk_info info;
        if (depth >= PATHS_GLOBSTAR_MAX || file_join(path, folder, *name, NULL) != 0) continue;
        if (walk->disk->info(walk->disk->state, path, &info) == 0 && info.is_folder) {
            go_down(walk, path, whole, depth + 1);
        }
    }
    release_names(&names);
}

void paths_visit(const struct paths_walk *walk, struct str pattern)
{
    if (pattern.size == 0 || pattern.data[0] != '/') return;
    go_down(walk, "/", str_skip(pattern, 1), 0);
}
