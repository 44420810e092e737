/* check_ecs.c - `barograph check ecs`: lines of a log file as Filebeat and Elasticsearch see them.
 *
 * The rules are those of sl_ecs_lint_line; a line shows the first one that it breaks. Lines are
 * read into one buffer of the longest line that Filebeat takes; of a longer one the rest is
 * skipped.
 */
#include "main/check.h"

#include "base/compiler.h"
#include "main/main.h"
#include "role/role.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE_MAX (SL_ECS_SIZE_MAX + 1)

static const char *const rule_names[] = {
    [SL_ECS_SIZE] = "size",           [SL_ECS_UTF8] = "utf8",
    [SL_ECS_JSON] = "json",           [SL_ECS_ORDER] = "order",
    [SL_ECS_TIMESTAMP] = "timestamp", [SL_ECS_VERSION] = "version",
    [SL_ECS_TYPE] = "type",           [SL_ECS_LABEL] = "label",
    [SL_ECS_CONFLICT] = "conflict",   [SL_ECS_DUPLICATE] = "duplicate",
    [SL_ECS_NAME] = "name",
};

struct flags {
    int64_t findings_max;
    bool is_quiet;
    bool wants_help;
};

static const char usage[] = "barograph check ecs [OPTIONS] [FILE...]";

static const struct option options[] = {
    { "max-findings", "COUNT", OPTION_COUNT, offsetof(struct flags, findings_max), "100",
      "Show at most so many; the rest is only counted. 0 shows all." },
    { "quiet", NULL, OPTION_FLAG, offsetof(struct flags, is_quiet), NULL,
      "Show no finding, only the exit status." },
    { "help", NULL, OPTION_FLAG, offsetof(struct flags, wants_help), NULL, "Show this text." },
};

struct check_run {
    struct flags flags;
    char *line; /* LINE_SIZE_MAX bytes */
    uint64_t line_count;
    uint64_t finding_count;
};

/* One line into run->line, without its LF; false at the end. A longer line gives one byte more
 * than the lint takes, so that it says so. */
static bool read_line(struct check_run *run, FILE *file, size_t *size)
{
    size_t used = 0;
    int c = getc_unlocked(file);
    if (c == EOF) return false;
    for (; c != EOF && c != '\n'; c = getc_unlocked(file)) {
        if (used < LINE_SIZE_MAX) run->line[used++] = (char)c;
    }
    *size = used;
    return true;
}

static void check_line(struct check_run *run, const char *name, uint64_t number, size_t size)
{
    struct sl_ecs_finding finding = { 0 };
    if (sl_ecs_lint_line(run->line, size, &finding) == 0) return;
    run->finding_count++;
    bool is_shown =
        run->flags.findings_max == 0 || run->finding_count <= (uint64_t)run->flags.findings_max;
    if (run->flags.is_quiet || !is_shown) return;
    printf("%s:%llu:%zu: %s: %s\n", name, (unsigned long long)number, finding.offset + 1,
           rule_names[finding.rule], finding.text);
}

static int check_file(struct check_run *run, const char *name, FILE *file)
{
    size_t size = 0;
    for (uint64_t number = 1; read_line(run, file, &size); number++) {
        run->line_count++;
        check_line(run, name, number, size);
    }
    if (!ferror(file)) return 0;
    (void)fprintf(stderr, "barograph check ecs: cannot read '%s': %s\n", name, strerror(errno));
    return -1;
}

static int check_path(void *context, const char *path)
{
    struct check_run *run = context;
    if (strcmp(path, "-") == 0) return check_file(run, "(standard input)", stdin);
    FILE *file = check_open("ecs", path);
    if (file == NULL) return -1;
    int code = check_file(run, path, file);
    (void)fclose(file);
    return code;
}

static uint64_t say_sums(void *context)
{
    const struct check_run *run = context;
    if (!run->flags.is_quiet) {
        printf("%llu lines, %llu with findings\n", (unsigned long long)run->line_count,
               (unsigned long long)run->finding_count);
    }
    return run->finding_count;
}

int check_ecs_main(int argc, char **argv)
{
    struct check_run run = { 0 };
    struct option_table table = { options, ARRAY_LENGTH(options), &run.flags };
    struct option_list paths = { 0 };
    struct error error = { 0 };
    if (options_parse(&table, 1, argc, argv, &paths, &error) != 0) {
        (void)fprintf(stderr, "barograph check ecs: %s\n", error.text);
        return ROLE_EXIT_USAGE;
    }
    if (run.flags.wants_help) return show_help(&table, usage);
    run.line = malloc(LINE_SIZE_MAX);
    if (run.line == NULL) {
        (void)fprintf(stderr, "barograph check ecs: not enough memory for a line\n");
        return ROLE_EXIT_FAILED;
    }
    int status = check_each(&(struct check_words){ &paths, &run, check_path, say_sums });
    free(run.line);
    return status;
}
