/* system_test.c
 *
 * Goal:   calendar, files, locks, queues and threads as their headers say.
 * Method: known dates; a folder of its own below the temporary one; two threads at a queue.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/queue.h"
#include "base/random.h"
#include "base/thread.h"

#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void dates_go_there_and_back(void)
{
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-11-25T02:24:23.123456789Z", INT64_C(1795573463123456789) },
        { "2000-02-29T23:59:59+01:30", INT64_C(951863399000000000) },
        { "1969-12-31T23:59:59.5Z", INT64_C(-500000000) },
        { "2026-11-25 02:24:23,5Z", INT64_C(1795573463500000000) },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].text);
        int64_t ns = 0;
        EXPECT(clock_rfc3339_parse(str_from(rows[i].text), &ns));
        EXPECT_INT(rows[i].ns, ns);
    }
    static const char *const bad[] = {
        "2026-02-29T00:00:00Z",  "2026-13-01T00:00:00Z", "2026-01-01",
        "2026-01-01T00:00:00",   "2026-01-01T24:00:00Z", "",
        "2026-01-01T00:00:00.Z", "9999-01-01T00:00:00Z"
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        test_context(bad[i]);
        int64_t ns = 42;
        EXPECT(!clock_rfc3339_parse(str_from(bad[i]), &ns) && ns == 42);
    }
    struct random dice;
    random_init(&dice, 5);
    for (int i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)(random_next(&dice) >> 2) * (i % 2 == 0 ? 1 : -1);
        char text[CLOCK_RFC3339_SIZE];
        int64_t back = 0;
        size_t size = clock_rfc3339_print(ns, 9, text);
        EXPECT(clock_rfc3339_parse((struct str){ text, size }, &back) && back == ns);
        struct utc utc = clock_utc_from_ms(ns / 1000000);
        int64_t floor_ms = ns / 1000000;
        EXPECT(clock_utc_to_ms(&utc) == floor_ms);
    }
}

static char *make_folder(char *folder)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder, FILE_PATH_SIZE, "%s/barograph-test-XXXXXX",
                   base == NULL ? "/tmp" : base);
    return mkdtemp(folder);
}

static void files_are_replaced_whole(void)
{
    char folder[FILE_PATH_SIZE];
    char inner[FILE_PATH_SIZE];
    char path[FILE_PATH_SIZE];
    REQUIRE(make_folder(folder) != NULL);
    REQUIRE(file_join(inner, folder, "a/b", NULL) == 0);
    REQUIRE(file_make_folders(&disk_system, inner, NULL) == 0);
    REQUIRE(file_join(path, inner, "file", NULL) == 0);
    EXPECT_INT(0, file_replace(&disk_system, path, STR("first"), NULL));
    EXPECT_INT(0, file_replace(&disk_system, path, STR("second"), NULL));
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, 100);
    EXPECT_INT(0, file_read(&disk_system, path, &bytes, NULL));
    EXPECT_STR("second", buf_str(&bytes));

    CLEANUP(buf_release) struct buf small;
    buf_init(&small, 3);
    struct error error = { 0 };
    EXPECT_INT(ERROR_LIMIT, file_read(&disk_system, path, &small, &error));
    EXPECT(small.size == 0);
    EXPECT_INT(-ENOENT, file_read(&disk_system, "/does/not/exist", &bytes, &error));
    EXPECT(strstr(error.text, "/does/not/exist") != NULL);
    EXPECT_INT(0, file_remove_tree(&disk_system, folder, NULL));
    EXPECT_INT(0, file_remove_tree(&disk_system, folder, NULL));
}

static void a_folder_has_one_owner(void)
{
    char folder[FILE_PATH_SIZE];
    REQUIRE(make_folder(folder) != NULL);
    int first = -1;
    int second = -1;
    struct error error = { 0 };
    REQUIRE(file_lock_folder(folder, &first, &error) == 0);
    EXPECT_INT(-EWOULDBLOCK, file_lock_folder(folder, &second, &error));
    EXPECT(second == -1 && strstr(error.text, "in use by process") != NULL);
    file_unlock(first);
    EXPECT_INT(0, file_lock_folder(folder, &second, &error));
    file_unlock(second);
    EXPECT_INT(0, file_remove_tree(&disk_system, folder, NULL));
}

enum { ITEMS = 20000 };

static void *produce(void *argument)
{
    for (uintptr_t i = 1; i <= ITEMS; i++) {
        while (queue_put(argument, (void *)i, 1000) != 0) continue;
    }
    queue_close(argument);
    return NULL;
}

static void queues_are_bounded_and_in_order(void)
{
    struct queue *queue = NULL;
    REQUIRE(queue_new(&queue, 8, NULL) == 0);
    void *item = NULL;
    EXPECT_INT(ERROR_TIMEOUT, queue_take(queue, &item, 1));
    for (int i = 0; i < 8; i++) EXPECT(queue_try_put(queue, queue));
    EXPECT(!queue_try_put(queue, queue));
    EXPECT_INT(ERROR_TIMEOUT, queue_put(queue, queue, 1));
    for (int i = 0; i < 8; i++) EXPECT_INT(0, queue_take(queue, &item, 0));

    pthread_t thread;
    REQUIRE(thread_start(&thread, "produce", produce, queue, NULL) == 0);
    uintptr_t expected = 1;
    while (queue_take(queue, &item, 5000) == 0) EXPECT((uintptr_t)item == expected++);
    EXPECT_INT(ITEMS + 1, (int64_t)expected);
    EXPECT_INT(ERROR_CLOSED, queue_put(queue, queue, 0));
    thread_join(thread);
    queue_free(queue);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(dates_go_there_and_back),
        TEST(files_are_replaced_whole),
        TEST(a_folder_has_one_owner),
        TEST(queues_are_bounded_and_in_order),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
