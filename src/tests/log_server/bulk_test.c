/* bulk_test.c
 *
 * Goal:   the lines of a bulk body are read as Elasticsearch reads them, or refused as a whole.
 * Method: a table of bodies with the number of items or the error.
 */
#include "log_server/bulk.h"

#include "tests/test.h"

struct row {
    const char *body;
    int64_t count; /* -1: refused */
    const char *error;
};

static const struct row rows[] = {
    { "{\"index\":{}}\n{}\n", 1, NULL },
    { "\n\r\n{\"index\":{}}\r\n{}\r\n\n", 1, NULL },
    { "{\"delete\":{\"_id\":\"1\"}}\n", 1, NULL },
    { "", -1, "request body is required" },
    { "{\"index\":{}}\n{}", -1, "The bulk request must be terminated by a newline [\\n]" },
    { "\n", -1, "Validation Failed: 1: no requests added;" },
    { "{\"delete\":{}}\n", -1, "Validation Failed: 1: id is missing;" },
    { "[]\n{}\n", -1,
      "Malformed action/metadata line [1], expected START_OBJECT or END_OBJECT but found [VALUE]" },
    { "{\"index\":{\"_nope\":1}}\n{}\n", -1,
      "Action/metadata line [1] contains an unknown parameter [_nope]" },
};

static void bodies_are_read_or_refused(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].body);
        CLEANUP(arena_release) struct arena arena;
        struct bulk_items items = { 0 };
        struct error error = { 0 };
        arena_init(&arena, 1 << 20);
        int code = bulk_parse(str_from(rows[i].body), STR("i"), &arena, &items, &error);
        EXPECT_INT(rows[i].count < 0 ? ERROR_INVALID : 0, code);
        if (rows[i].count >= 0) EXPECT_INT(rows[i].count, (int64_t)items.count);
        if (rows[i].error != NULL) EXPECT_STR(rows[i].error, str_from(error.text));
        VEC_RELEASE(&items);
    }
    test_context(NULL);
}

int main(void)
{
    static const struct test tests[] = { TEST(bodies_are_read_or_refused) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
