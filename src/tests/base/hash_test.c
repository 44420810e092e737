/* hash_test.c
 *
 * Goal:   every bit of a text counts, at every length, in both halves of the key; the key is the
 *         text's and the seeds' alone.
 * Method: texts of 0 to 150 bytes: one bit turned round changes about half of each half's bits; the
 *         same bytes elsewhere give the same key; other seeds another.
 */
#include "base/hash.h"

#include "base/random.h"
#include "tests/test.h"

#include <string.h>

enum { SIZE_MAX_TRIED = 150 };

static const uint64_t seeds[2] = { UINT64_C(0x1234567890abcdef), UINT64_C(0xfedcba0987654321) };

static void every_bit_counts(void)
{
    struct random random;
    random_init(&random, 7);
    char text[SIZE_MAX_TRIED + 1];
    uint64_t flips = 0;
    uint64_t turned_high = 0;
    uint64_t turned_low = 0;
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        for (size_t i = 0; i < size; i++) text[i] = (char)random_below(&random, 256);
        struct hash_key key = hash_keyed((struct str){ text, size }, seeds);
        for (size_t bit = 0; bit < size * 8; bit++) {
            text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
            struct hash_key other = hash_keyed((struct str){ text, size }, seeds);
            EXPECT(other.high != key.high && other.low != key.low);
            flips++;
            turned_high += (unsigned)__builtin_popcountll(other.high ^ key.high);
            turned_low += (unsigned)__builtin_popcountll(other.low ^ key.low);
            text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
        }
        /* A byte more, a zero, is another text. */
        text[size] = '\0';
        struct hash_key longer = hash_keyed((struct str){ text, size + 1 }, seeds);
        EXPECT(longer.high != key.high && longer.low != key.low);
    }
    EXPECT(turned_high > flips * 31 && turned_high < flips * 33);
    EXPECT(turned_low > flips * 31 && turned_low < flips * 33);
}

static void key_is_of_text_and_seeds(void)
{
    static const uint64_t others[2] = { 1, 2 };
    char text[SIZE_MAX_TRIED + 16];
    char moved[SIZE_MAX_TRIED + 16];
    memset(text, 'x', sizeof(text));
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        memset(moved, 'y', sizeof(moved));
        memcpy(moved + size % 9, text, size);
        struct hash_key key = hash_keyed((struct str){ text, size }, seeds);
        struct hash_key same = hash_keyed((struct str){ moved + size % 9, size }, seeds);
        struct hash_key other = hash_keyed((struct str){ text, size }, others);
        EXPECT(key.high == same.high && key.low == same.low);
        EXPECT(key.high != other.high && key.low != other.low);
    }
}

int main(void)
{
    static const struct test tests[] = { TEST(every_bit_counts), TEST(key_is_of_text_and_seeds) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
