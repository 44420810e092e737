/* tally_test.c
 *
 * Goal:   every term is counted exactly and told once, in however many passes, and memory stays
 *         within what it may be.
 * Method: generated terms, some of which come often and some of which are long, against counts kept
 *         by their number; room for all of them, for few of them, and for a part that does not get
 *         smaller.
 */
#include "logquery/tally.h"

#include "base/arena.h"
#include "base/random.h"
#include "base/str.h"
#include "logstore/snapshot.h"
#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TERMS     20000
#define VALUES    60000
#define LONG_SIZE 30000
#define STEP      ((size_t)8 << 10)

struct world {
    uint64_t *want, *got; /* by term */
    char *text;
};

static struct str term_of(struct world *world, uint32_t number)
{
    int size = snprintf(world->text, LONG_SIZE + 32, "t%u", (unsigned)number);
    if (number % 997 != 5) return (struct str){ world->text, (size_t)size };
    memset(world->text + size, 'x', LONG_SIZE);
    return (struct str){ world->text, (size_t)size + LONG_SIZE };
}

static int take(void *argument, struct str term, uint64_t count)
{
    struct world *world = argument;
    uint64_t number = TERMS;
    struct str rest = str_skip(term, 1);
    EXPECT(str_to_uint64(str_cut(&rest, 'x'), &number) && number < TERMS);
    if (number >= TERMS) return -EINVAL;
    EXPECT_INT(0, (int64_t)world->got[number]);
    world->got[number] += count;
    return 0;
}

/* Adds the same values in every pass. */
static int add_all(struct world *world, struct tally *tally, uint64_t seed)
{
    struct random dice;
    random_init(&dice, seed);
    int code = 0;
    for (size_t i = 0; code == 0 && i < VALUES; i++) {
        uint32_t limit = random_below(&dice, 2) == 0 ? 100 : TERMS;
        uint32_t number = (uint32_t)random_below(&dice, limit);
        uint64_t count = 1 + random_below(&dice, 3) * 100;
        struct str term = term_of(world, number);
        code = tally_add(tally, term, logstore_term_hash(term), count);
        world->want[number] += count;
    }
    return code;
}

static void count_within(struct world *world, size_t size_max, size_t passes_least)
{
    struct arena arena;
    arena_init(&arena, (size_t)256 << 20);
    struct tally *tally = tally_new(&arena, size_max, true);
    EXPECT(tally != NULL);
    memset(world->got, 0, TERMS * sizeof(*world->got));
    size_t passes = 0;
    int code = tally == NULL ? -ENOMEM : 0;
    while (code == 0) {
        memset(world->want, 0, TERMS * sizeof(*world->want));
        code = add_all(world, tally, 3);
        if (code == 0) code = tally_each(tally, take, world);
        passes++;
        if (code < 0 || !tally_next_pass(tally)) break;
    }
    EXPECT_INT(0, code);
    EXPECT(passes >= passes_least);
    EXPECT(memcmp(world->want, world->got, TERMS * sizeof(*world->want)) == 0);
    EXPECT(arena.size_used < 2 * size_max + ((size_t)4 << 20));
    arena_release(&arena);
}

static void world_new(struct world *world)
{
    world->want = calloc(TERMS, sizeof(*world->want));
    world->got = calloc(TERMS, sizeof(*world->got));
    world->text = malloc(LONG_SIZE + 32);
    REQUIRE(world->want != NULL && world->got != NULL && world->text != NULL);
}

static void world_free(struct world *world)
{
    free(world->want);
    free(world->got);
    free(world->text);
}

static void counts_exactly_in_any_room(void)
{
    struct world world = { 0 };
    world_new(&world);
    count_within(&world, TALLY_SIZE_MAX, 1);
    count_within(&world, 256 * STEP, 1);
    count_within(&world, 60 * STEP, 4);
    count_within(&world, 20 * STEP, 16);
    world_free(&world);
}

static void says_when_there_is_no_room(void)
{
    struct world world = { 0 };
    world_new(&world);
    struct arena arena;
    arena_init(&arena, (size_t)256 << 20);
    struct tally *tally = tally_new(&arena, 20 * STEP, false);
    REQUIRE(tally != NULL);
    EXPECT_INT(-ENOMEM, add_all(&world, tally, 3));
    arena_release(&arena);

    /* The same few terms for ever are no more room. */
    arena_init(&arena, (size_t)256 << 20);
    tally = tally_new(&arena, 20 * STEP, false);
    REQUIRE(tally != NULL);
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < 200000; i++) {
        struct str term = term_of(&world, i % 100 + 6);
        code = tally_add(tally, term, logstore_term_hash(term), 1);
    }
    EXPECT_INT(0, code);
    memset(world.got, 0, TERMS * sizeof(*world.got));
    EXPECT_INT(0, tally_each(tally, take, &world));
    EXPECT_INT(2000, (int64_t)world.got[50]);
    EXPECT(!tally_next_pass(tally));
    arena_release(&arena);
    world_free(&world);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(counts_exactly_in_any_room),
        TEST(says_when_there_is_no_room),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
