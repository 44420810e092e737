/* check.c - `barograph check`: reads what others wrote and says where it is wrong.
 *
 *     barograph check ecs logs/shop.json           each line against the Elastic Common Schema
 *     barograph check ecs < lines                  the same from standard input
 *     barograph check metrics http://host/metrics  names, units, help texts, and the format
 *
 * A finding is FILE:LINE:BYTE: RULE: TEXT, so that editors jump there. The exit status is 0 when
 * all is well, 1 with findings or a file that cannot be read, 2 for a wrong command line.
 */
#include "main/check.h"

#include "base/compiler.h"
#include "main/main.h"
#include "role/role.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int check_each(const struct check_words *words)
{
    int failed = words->names->count == 0 ? words->check(words->context, "-") : 0;
    for (size_t i = 0; i < words->names->count; i++) {
        if (words->check(words->context, words->names->items[i]) < 0) failed = -1;
    }
    return words->finish(words->context) > 0 || failed < 0 ? ROLE_EXIT_FAILED : ROLE_EXIT_OK;
}

FILE *check_open(const char *kind, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file != NULL) return file;
    (void)fprintf(stderr, "barograph check %s: cannot open '%s': %s\n", kind, path,
                  strerror(errno));
    return NULL;
}

static const struct check {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} checks[] = {
    { "ecs", check_ecs_main, "Lines of a log file against the Elastic Common Schema." },
    { "metrics", check_metrics_main, "An exposition: its format, names, units, help texts." },
};

static void help(FILE *out)
{
    (void)fprintf(out, "Usage: barograph check WHAT [OPTIONS] [FILE...]\n\n");
    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
        (void)fprintf(out, "  %-11s %s\n", checks[i].name, checks[i].help);
    }
    (void)fprintf(out, "\n`barograph check WHAT --help` shows its options.\n");
}

int check_main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return ROLE_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help(stdout);
        return ROLE_EXIT_OK;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
        if (strcmp(argv[1], checks[i].name) == 0) return checks[i].run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr,
                  "barograph check: nothing is known of '%s'; see `barograph check --help`\n",
                  argv[1]);
    return ROLE_EXIT_USAGE;
}
