/* check.h - inside main/: what `barograph check` can check, one function a kind. */
#ifndef MAIN_CHECK_H
#define MAIN_CHECK_H

#include "role/role.h"

#include <stdio.h>

/* Calls `check` for each name, or for "-" when there are none, and gives the exit status: a name
 * that cannot be read (a negative code) and findings are failures. `finish` says the sums. */
struct check_words {
    const struct option_list *names;
    void *context;
    int (*check)(void *context, const char *name);
    uint64_t (*finish)(void *context); /* the findings */
};
int check_each(const struct check_words *words);

/* The file for reading; NULL, and said why. */
FILE *check_open(const char *kind, const char *path);

/* Each takes its words, argv[0] being the kind, and gives the exit status. */
int check_ecs_main(int argc, char **argv);
int check_metrics_main(int argc, char **argv);

#endif
