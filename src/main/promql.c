/* promql.c - `barograph promql`: expressions without a server.
 *
 *     barograph promql fmt 'sum(rate(x[5m]))by(job)'   prints it the way it should be written
 *     barograph promql fmt < expression                the same from standard input
 *     barograph promql check 'sum(rate(x))'            says what is wrong, or nothing
 *     barograph promql tree 'a + b'                    the parsed tree as JSON
 *
 * The exit status is 0, 1 when the expression is wrong, 2 for a wrong command line.
 */
#include "main/main.h"

#include "base/buf.h"
#include "promql/promql.h"
#include "role/role.h"

#include <stdio.h>
#include <string.h>

static void put_nothing(struct buf *out, const struct promql_expr *expr)
{
    (void)out;
    (void)expr;
}

static const struct verb {
    const char *name;
    void (*put)(struct buf *out, const struct promql_expr *expr);
} verbs[] = {
    { "fmt", promql_format },
    { "check", put_nothing },
    { "tree", promql_write_tree },
};

static const char usage[] = "Usage: barograph promql fmt|check|tree [EXPRESSION]\n\n"
                            "  fmt    Print the expression the way it should be written.\n"
                            "  check  Say what is wrong with it, or nothing.\n"
                            "  tree   Print what was parsed, as JSON.\n\n"
                            "Without EXPRESSION it is read from standard input.\n";

static void read_input(struct buf *text)
{
    char part[4096];
    size_t size;
    while ((size = fread(part, 1, sizeof(part), stdin)) > 0) buf_append(text, part, size);
}

static int run(const struct verb *verb, struct str text)
{
    struct promql_options options = { .features = UINT32_MAX };
    struct promql_engine *engine = NULL;
    struct promql_expr *expr = NULL;
    struct error error = { 0 };
    int code = promql_engine_new(&engine, &options, &error);
    if (code == 0) code = promql_parse(&expr, engine, text, &error);
    if (code == 0) {
        CLEANUP(buf_release) struct buf out;
        buf_init(&out, PROMQL_TEXT_SIZE_MAX * 64);
        verb->put(&out, expr);
        (void)fwrite(out.data, 1, out.size, stdout);
        if (out.size > 0) (void)putchar('\n');
    } else {
        (void)fprintf(stderr, "barograph promql: %s\n", error.text);
    }
    promql_expr_free(expr);
    promql_engine_free(engine);
    return code == 0 ? ROLE_EXIT_OK : ROLE_EXIT_FAILED;
}

int promql_main(int argc, char **argv)
{
    bool wants_help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (wants_help) {
        (void)fputs(usage, stdout);
        return ROLE_EXIT_OK;
    }
    for (size_t i = 0; argc > 1 && argc <= 3 && i < ARRAY_LENGTH(verbs); i++) {
        if (strcmp(argv[1], verbs[i].name) != 0) continue;
        if (argc == 3) return run(&verbs[i], str_from(argv[2]));
        CLEANUP(buf_release) struct buf text;
        buf_init(&text, PROMQL_TEXT_SIZE_MAX + 1);
        read_input(&text);
        return run(&verbs[i], str_trim(buf_str(&text)));
    }
    (void)fputs(usage, stderr);
    return ROLE_EXIT_USAGE;
}
