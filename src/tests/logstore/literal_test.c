/* literal_test.c
 *
 * Goal:   a literal is found wherever the lower case of the text holds it, in all scripts, and most
 *         of what does not hold it is passed over.
 * Method: generated texts of letters whose cases are near and far, long and short; the text's lower
 *         case, character by character, says where the first place is. The search may stop sooner.
 */
#include "logstore/literal.h"

#include "base/random.h"
#include "codec/utf8.h"
#include "logstore/analyzer.h"
#include "tests/test.h"

#include <string.h>

/* With the signs of Kelvin, Angstrom and Ohm, both sigmas, the I with a dot, the sharp s, digraphs
 * of three cases, letters of three bytes, of four, and such without case. */
static const char letters[] = "aAkKiIzZ09\xce\xb1\xce\x91\xcf\x83\xcf\x82\xce\xa3\xcf\x89\xce\xa9"
                              "\xe2\x84\xa6\xe2\x84\xaa\xe2\x84\xab\xc3\xa5\xc3\x85\xc4\xb0\xc4\xb1"
                              "\xc3\x9f\xe1\xba\x9e\xc7\x84\xc7\x85\xc7\x86\xd0\x96\xd0\xb6\xd1\x8f"
                              "\xd0\xaf\xce\xb8\xce\x98\xcf\xb4\xe1\xba\x80\xe1\xba\x81\xf0\x90\x90"
                              "\x80\xf0\x90\x90\xa8\xe4\xb8\xad\xd7\x90\xe2\x80\xa6";

static struct str pick(struct random *random, char *out, size_t count)
{
    struct str all[64];
    size_t kinds = 0;
    struct str rest = { letters, sizeof(letters) - 1 };
    while (rest.size > 0) {
        struct str before = rest;
        (void)utf8_take(&rest);
        all[kinds++] = str_first(before, before.size - rest.size);
    }
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        struct str one = all[random_below(random, kinds)];
        memcpy(out + size, one.data, one.size);
        size += one.size;
    }
    return (struct str){ out, size };
}

/* The first place whose lower case begins with the wanted bytes. */
static size_t place_of(struct str text, struct str wanted)
{
    for (struct str rest = text; rest.size > 0;) {
        CLEANUP(buf_release) struct buf lower;
        buf_init(&lower, 4096);
        analyzer_lowercase(rest, &lower);
        if (str_starts_with(buf_str(&lower), wanted)) return text.size - rest.size;
        (void)utf8_take(&rest);
    }
    return STR_NONE;
}

static void stops_no_later_than_it_must(void)
{
    struct random random;
    random_init(&random, 7);
    for (int round = 0; round < 20000; round++) {
        char text_bytes[512];
        char wanted_bytes[64];
        CLEANUP(buf_release) struct buf lower;
        struct literal literal;
        buf_init(&lower, 4096);
        struct str text = pick(&random, text_bytes, random_below(&random, 100));
        analyzer_lowercase(pick(&random, wanted_bytes, 1 + random_below(&random, 4)), &lower);
        literal_init(&literal, buf_str(&lower), false);
        if (literal.size == 0) continue;
        size_t must = place_of(text, str_first(buf_str(&lower), literal.size));
        size_t found = literal_find(&literal, text, 0);
        if (must == STR_NONE) continue;
        /* A character of another size may stand inside, so what ends at `must` may be longer. */
        EXPECT(found != STR_NONE && found < must + literal.size * 3);
    }
}

static void passes_over_others(void)
{
    static const struct {
        const char *wanted, *text;
        int64_t place;
    } rows[] = {
        { "\xce\xb1\xce\xb2",
          "xx\xce\xb2\xce\xb1 \xce\x93\xce\x94 and more plain text of some length", -1 },
        { "\xce\xb1\xce\xb2", "some plain text of some length, then \xce\x91\xce\xb2!", 37 },
        { "\xd0\xb6\xd1\x8f", "\xd0\x96\xd0\xaf", 0 },
        { "\xcf\x89\xce\xb1", "everything but \xe2\x80\xa6 and \xe2\x84\xaa", -1 },
        { "\xcf\x89\xce\xb1", "in Ohm: \xe2\x84\xa6\xce\xb1", 8 },
        { "kin", "the \xe2\x80\x9cking\xe2\x80\x9d: \xe2\x84\xaain", 7 },
        { "in", "\xc4\xb0n", 0 },
        { "caf\xc3\xa9", "a CAF\xc3\x89", 2 },
        { "\xe2\x80\xa6", "what ends\xe2\x80\xa6", 9 },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct literal literal;
        literal_init(&literal, str_from(rows[i].wanted), false);
        size_t found = literal_find(&literal, str_from(rows[i].text), 0);
        EXPECT_INT(rows[i].place, found == STR_NONE ? -1 : (int64_t)found);
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(stops_no_later_than_it_must),
        TEST(passes_over_others),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
