/* text_test.c
 *
 * Goal:   text, buffers, maps and vectors: edges, limits, and nothing changed on failure.
 * Method: small known cases; the map against a plain array under random puts and removes.
 */
#include "base/buf.h"
#include "base/map.h"
#include "base/random.h"
#include "base/vec.h"

#include "tests/test.h"

#include <stdio.h>

static void numbers_are_whole_or_refused(void)
{
    static const struct {
        const char *text;
        bool is_number;
        int64_t value;
    } rows[] = {
        { "0", true, 0 },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775807", true, INT64_MAX },
        { "+7", true, 7 },
        { "9223372036854775808", false, 0 },
        { "", false, 0 },
        { "-", false, 0 },
        { "1 ", false, 0 },
        { "0x1", false, 0 },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].text);
        int64_t value = 42;
        EXPECT(str_to_int64(str_from(rows[i].text), &value) == rows[i].is_number);
        EXPECT_INT(rows[i].is_number ? rows[i].value : 42, value);
    }
}

static void text_is_cut_found_and_trimmed(void)
{
    struct str rest = STR("a,b,,c");
    EXPECT_STR("a", str_cut(&rest, ','));
    EXPECT_STR("b", str_cut(&rest, ','));
    EXPECT_STR("", str_cut(&rest, ','));
    EXPECT_STR("c", str_cut(&rest, ','));
    EXPECT(rest.data == NULL && rest.size == 0);
    EXPECT_STR("x y", str_trim(STR(" \t x y\r\n")));
    EXPECT_INT(2, (int64_t)str_find(STR("abcabc"), STR("cab")));
    EXPECT(str_find(STR("abc"), STR("d")) == STR_NONE);
    EXPECT(str_compare(STR("a"), STR("ab")) < 0 && str_compare(STR("b"), STR("ab")) > 0);
    EXPECT(str_equal_nocase(STR("HoSt"), STR("hOsT")));
    EXPECT(str_contains_nocase(STR("the Host"), STR("hOST")));
    char small[4] = "zzz";
    EXPECT(!str_to_cstr(STR("four"), small, sizeof(small)) && small[0] == 'z');
    EXPECT(str_to_cstr(STR("abc"), small, sizeof(small)) && strcmp(small, "abc") == 0);
}

static void buffers_remember_that_they_failed(void)
{
    CLEANUP(buf_release) struct buf buf;
    buf_init(&buf, 10);
    buf_append_cstr(&buf, "12345678");
    buf_printf(&buf, "%d", 90);
    EXPECT_STR("1234567890", buf_str(&buf));
    buf_append_char(&buf, 'x');
    EXPECT(buf.has_failed);
    buf_append_char(&buf, 'y');
    EXPECT_STR("1234567890", buf_str(&buf));
    buf_reset(&buf);
    buf_append_cstr(&buf, "abcdef");
    buf_drop_front(&buf, 2);
    EXPECT_STR("cdef", buf_str(&buf));
    EXPECT(strcmp(buf_cstr(&buf), "cdef") == 0);
}

static void map_agrees_with_a_plain_array(void)
{
    enum { KEYS = 300, STEPS = 20000 };
    static int values[KEYS];
    bool is_there[KEYS] = { false };
    struct map map = { 0 };
    struct random dice;
    random_init(&dice, 3);
    for (int step = 0; step < STEPS; step++) {
        size_t key = (size_t)random_below(&dice, KEYS);
        char name[16];
        int size = snprintf(name, sizeof(name), "key-%zu", key);
        struct str text = { name, (size_t)size };
        if (random_below(&dice, 3) != 0) {
            REQUIRE(map_put(&map, text, &values[key]) == 0);
            is_there[key] = true;
        } else {
            void *gone = map_remove(&map, text);
            EXPECT((gone == &values[key]) == is_there[key]);
            is_there[key] = false;
        }
        EXPECT((map_get(&map, text) == &values[key]) == is_there[key]);
    }
    size_t count = 0;
    for (size_t i = 0; i < KEYS; i++) count += is_there[i];
    EXPECT_INT((int64_t)count, (int64_t)map.count);
    size_t position = 0;
    size_t seen = 0;
    struct str key;
    while (map_next(&map, &position, &key, NULL)) seen++;
    EXPECT_INT((int64_t)count, (int64_t)seen);
    map_release(&map);
}

static void vectors_grow_and_close_gaps(void)
{
    VEC(int) numbers = { 0 };
    for (int i = 0; i < 100; i++) REQUIRE(VEC_PUSH(&numbers, i));
    VEC_REMOVE(&numbers, 10);
    EXPECT_INT(99, (int64_t)numbers.count);
    EXPECT_INT(11, numbers.items[10]);
    EXPECT_INT(99, VEC_LAST(&numbers));
    EXPECT(!VEC_RESERVE(&numbers, SIZE_MAX));
    VEC_RELEASE(&numbers);
    EXPECT(numbers.items == NULL && numbers.count == 0);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(numbers_are_whole_or_refused),      TEST(text_is_cut_found_and_trimmed),
        TEST(buffers_remember_that_they_failed), TEST(map_agrees_with_a_plain_array),
        TEST(vectors_grow_and_close_gaps),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
