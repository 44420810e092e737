/* ring_test.c - records in a ring: one of which a part has not arrived is told from one that is
 * whole, and from bytes that are no record.
 *
 * Method: records are written into a ring in plain memory as calls write them; then single words
 * are put back to the zero that stands there before a record arrives.
 */
#include "structlog/ring.h"

#include "base/check.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>

#define RING_SIZE SL_RING_SIZE_MIN

static struct sl_ring_header header = { .ring_size = RING_SIZE };
static struct sl_ring *ring;

static char *put_front(char *to, uint64_t place, uint32_t size, uint32_t site, uint32_t count)
{
    uint64_t low = size / SL_RECORD_UNIT | (place / SL_RECORD_UNIT & 0xff) << 8;
    low |= (uint64_t)site << 16 | (uint64_t)SL_RECORD_CELLS << 32;
    low |= (uint64_t)SL_INFO << 40 | (uint64_t)count << 56;
    return sl_put_cell_(to, low, 77);
}

/* A number that is zero, a text of 20 bytes, one of 3. */
static void put_record(uint64_t place)
{
    char *to = put_front(sl_ring_data(ring) + place % RING_SIZE, place, 128, 5, 3);
    to = sl_put_value_(to, SL_VALUE(0));
    to = sl_put_value_(to, SL_VALUE("a text of 20 letters"));
    to = sl_put_value_(to, SL_VALUE("abc"));
    while ((uintptr_t)to % SL_RECORD_UNIT != 0) to = sl_put_cell_(to, 0, 0);
}

static enum sl_peek peek(uint64_t place, uint64_t head, bool is_settled, struct sl_found *found)
{
    return sl_ring_peek(&header, ring, &place, head, is_settled, found);
}

static void test_whole(void)
{
    struct sl_found found;
    put_record(RING_SIZE * 7 + 640);
    REQUIRE(peek(RING_SIZE * 7 + 640, RING_SIZE * 7 + 768, false, &found) == SL_PEEK_FOUND);
    EXPECT_INT(128, found.size);
    EXPECT_INT(77, (int64_t)found.ticks);
    EXPECT_INT(5, found.site);
    EXPECT_INT(3, found.count);
    EXPECT_INT(SL_INFO, found.level);
    EXPECT_INT(SL_RECORD_CELLS, found.kind);
    EXPECT(peek(640, 640, false, &found) == SL_PEEK_END);
}

static void test_late(void)
{
    struct sl_found found;
    uint64_t *words = (uint64_t *)(void *)(sl_ring_data(ring) + 640);
    for (size_t i = 0; i < 128 / sizeof(*words); i++) {
        put_record(640);
        words[i] = 0;
        char name[32];
        (void)snprintf(name, sizeof(name), "word %zu", i);
        test_context(name);
        EXPECT(peek(640, 768, false, &found) == SL_PEEK_LATE);
        /* A word that is zero though all has arrived is one that equals its mask. */
        EXPECT(peek(640, 768, true, &found) == (i == 0 ? SL_PEEK_BAD : SL_PEEK_FOUND));
    }
    test_context(NULL);
}

static void test_bad(void)
{
    struct sl_found found;
    put_record(640);
    EXPECT(peek(640, 704, false, &found) == SL_PEEK_BAD);      /* beyond the head */
    EXPECT(peek(640 + 8, 768, false, &found) == SL_PEEK_BAD);  /* between two places */
    EXPECT(peek(640, 640 - 64, false, &found) == SL_PEEK_BAD); /* a head that lies before it */
    memcpy(sl_ring_data(ring) + 1280, sl_ring_data(ring) + 640, 128); /* of another place */
    EXPECT(peek(1280, 1408, false, &found) == SL_PEEK_BAD);
    (void)put_front(sl_ring_data(ring) + 640, 640, 0, 5, 3);
    EXPECT(peek(640, 768, false, &found) == SL_PEEK_BAD);
}

int main(void)
{
    static const struct test tests[] = { TEST(test_whole), TEST(test_late), TEST(test_bad) };
    ring = aligned_alloc(SL_RING_PAGE, SL_RING_PAGE + RING_SIZE);
    CHECK(ring != NULL);
    memset(ring, 0, SL_RING_PAGE + RING_SIZE);
    int status = test_main(tests, ARRAY_LENGTH(tests));
    free(ring);
    return status;
}
