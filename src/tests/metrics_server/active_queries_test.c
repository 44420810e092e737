/* active_queries_test.c - goal: what ran when a process was killed is told at the next start, and
 * nothing else. Method: a file that is left as a killed process leaves it, opened again. */
#include "metrics_server/active_queries.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char told[4096];

static void tell(void *argument, struct str query, int64_t time_s)
{
    (void)argument;
    size_t used = strlen(told);
    (void)snprintf(told + used, sizeof(told) - used, "%lld:" STR_FMT ";", (long long)time_s,
                   STR_ARG(str_first(query, query.size < 60 ? query.size : 60)));
}

static struct active_queries queries;

static void open_again(const char *folder)
{
    struct error error = { 0 };
    told[0] = '\0';
    EXPECT_INT(0, active_queries_open(&queries, folder, 3, tell, NULL, &error));
    EXPECT_STR("", str_from(error.text));
}

static void test_left(void)
{
    char folder[] = "/tmp/active-queries-XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    char text[5000];
    memset(text, '"', sizeof(text)); /* each escaped: far longer than a slot */

    open_again(folder);
    EXPECT_STR("", str_from(told));
    size_t first = active_queries_add(&queries, STR("sum(up)"), 100);
    (void)active_queries_add(&queries, STR("x{a=\"\\\\n\"} + 1"), 200);
    (void)active_queries_add(&queries, (struct str){ text, sizeof(text) }, 300);
    EXPECT_INT((int64_t)ACTIVE_QUERIES_NO_SLOT,
               (int64_t)active_queries_add(&queries, STR("one too many"), 400));
    active_queries_remove(&queries, first);
    active_queries_close(&queries); /* the file stays as a killed process leaves it */

    open_again(folder);
    EXPECT(str_starts_with(str_from(told), STR("200:x{a=\"\\\\n\"} + 1;300:\"\"\"\"")));
    active_queries_close(&queries);

    open_again(folder); /* told once */
    EXPECT_STR("", str_from(told));
    active_queries_close(&queries);
    EXPECT_INT(0, file_remove_tree(&disk_system, folder, NULL));
}

int main(void)
{
    static const struct test tests[] = { TEST(test_left) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
