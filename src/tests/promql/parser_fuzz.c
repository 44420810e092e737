/* parser_fuzz.c - no text crashes the parser, and what parses is printed so that it parses again to
 * the same. */
#include "promql/promql.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct promql_engine *engine;

static struct promql_expr *parse(struct str text, struct buf *printed)
{
    struct promql_expr *expr = NULL;
    struct error error = { 0 };
    int code = promql_parse(&expr, engine, text, &error);
    CHECK((code == 0) == (expr != NULL));
    if (code == ERROR_PARSE) CHECK(error.offset <= text.size);
    if (expr != NULL) promql_print(printed, expr);
    return expr;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (engine == NULL) {
        struct promql_options options = { .features = 0xFF };
        CHECK(promql_engine_new(&engine, &options, NULL) == 0);
    }
    if (size > 4096) return 0;
    struct buf first;
    struct buf second;
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    struct promql_expr *expr = parse((struct str){ (const char *)data, size }, &first);
    if (expr != NULL && !first.has_failed) {
        struct promql_expr *again = parse(buf_str(&first), &second);
        CHECK(again != NULL);
        CHECK(str_equal(buf_str(&first), buf_str(&second)));
        promql_expr_free(again);
        struct buf lines;
        buf_init(&lines, 1 << 20);
        promql_format(&lines, expr);
        buf_release(&lines);
    }
    promql_expr_free(expr);
    buf_release(&first);
    buf_release(&second);
    return 0;
}
