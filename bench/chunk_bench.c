/* chunk_bench.c
 *
 * Question: how many bytes does a value take in a column, and how fast is one written and read, for
 *           each kind of series and both efforts?
 * Method:   columns of 512 values (small ones: 1,000) of twelve kinds, many different ones of each,
 *           every one checked bit by bit; processor time of the thread, the least of several
 *           rounds. Peer: zstd, level 3, of the same values as 8 bytes each.
 */
#include "base/check.h"
#include "base/random.h"
#include "codec/compress.h"
#include "tsdb/column.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COUNT = 1000, COLUMNS = 64, ROUNDS = 9 };

struct walk {
    struct random random;
    double now;
};

static double unit(struct walk *walk)
{
    return random_unit(&walk->random);
}

static double below(struct walk *walk, uint64_t limit)
{
    return (double)random_below(&walk->random, limit);
}

static double next_constant(struct walk *walk)
{
    return walk->now;
}

static double next_rare(struct walk *walk)
{
    if (below(walk, 300) < 1) walk->now += 1 + below(walk, 8);
    return walk->now;
}

static double next_counter(struct walk *walk)
{
    walk->now += 700 + below(walk, 600);
    return walk->now;
}

static double next_bucket(struct walk *walk)
{
    if (below(walk, 3) < 1) walk->now += below(walk, 6);
    return walk->now;
}

static double next_seconds(struct walk *walk)
{
    walk->now = rint(walk->now * 100 + 200 + below(walk, 150)) / 100;
    return walk->now;
}

static double normal(struct walk *walk)
{
    return (unit(walk) + unit(walk) + unit(walk) + unit(walk) - 2) * 1.7;
}

static double next_gauge(struct walk *walk)
{
    if (below(walk, 2) < 1) walk->now += trunc(normal(walk) * 20);
    return walk->now;
}

static double next_cents(struct walk *walk)
{
    walk->now = rint(walk->now * 100 + normal(walk) * 80) / 100;
    return walk->now;
}

static double next_pages(struct walk *walk)
{
    walk->now += 4096 * trunc(normal(walk) * 100);
    return walk->now;
}

static double next_unit(struct walk *walk)
{
    walk->now += trunc(normal(walk) * 3000) * 2.5e-7;
    return walk->now;
}

static double next_sum(struct walk *walk)
{
    for (int i = 0; i < 20; i++) walk->now += (1000000 + below(walk, 9000000)) * 1e-9;
    return walk->now;
}

static double next_full(struct walk *walk)
{
    walk->now += (unit(walk) - 0.5) * 0.01;
    return walk->now;
}

static double next_stale(struct walk *walk)
{
    walk->now += 10;
    return below(walk, 50) < 1 ? (double)NAN : walk->now;
}

static const struct {
    const char *name;
    double first;
    double (*next)(struct walk *walk);
} kinds[] = {
    { "constant", 42, next_constant },    { "rare_counter", 17, next_rare },
    { "counter", 1e6, next_counter },     { "bucket", 500, next_bucket },
    { "seconds", 1e5, next_seconds },     { "gauge", 1000, next_gauge },
    { "cents", 20, next_cents },          { "pages", 4096e5, next_pages },
    { "by_a_unit", 0.5, next_unit },      { "sum_of_seconds", 100, next_sum },
    { "full_precision", 0.5, next_full }, { "counter_with_gaps", 0, next_stale },
};

static double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct figures {
    double bytes;
    double write_ns;
    double read_ns;
};

/* All columns of a kind once; false: one did not come back. */
static bool measure_round(const double *values, size_t count, enum column_effort effort,
                          struct buf *bufs, struct figures *figures)
{
    double back[COUNT];
    double start = cpu_seconds();
    size_t size = 0;
    for (int i = 0; i < COLUMNS; i++) {
        buf_reset(&bufs[i]);
        column_write_values(&bufs[i], values + i * COUNT, count, effort);
        size += bufs[i].size;
    }
    double written = cpu_seconds();
    bool is_good = true;
    for (int i = 0; i < COLUMNS; i++) {
        /* What is behind a column in a block may be loaded: so here. */
        struct str rest = { bufs[i].data, bufs[i].size };
        is_good = is_good && column_decode_values(&rest, back, count);
    }
    double read = cpu_seconds();
    for (int i = 0; i < COLUMNS; i++) {
        struct str rest = buf_str(&bufs[i]);
        is_good = is_good && column_decode_values(&rest, back, count) &&
                  memcmp(back, values + i * COUNT, count * sizeof(back[0])) == 0;
    }
    double total = (double)count * COLUMNS;
    figures->bytes = (double)size / total;
    double write_ns = (written - start) / total * 1e9;
    double read_ns = (read - written) / total * 1e9;
    if (write_ns < figures->write_ns) figures->write_ns = write_ns;
    if (read_ns < figures->read_ns) figures->read_ns = read_ns;
    return is_good;
}

static double zstd_bytes(const double *values, size_t count)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    size_t size = 0;
    for (int i = 0; i < COLUMNS; i++) {
        buf_reset(&out);
        struct str bytes = { (const char *)(values + i * COUNT), count * sizeof(double) };
        struct error error = { 0 };
        if (zstd_pack(bytes, 3, &out, &error) != 0) exit(1);
        size += out.size;
    }
    buf_release(&out);
    return (double)size / ((double)count * COLUMNS);
}

static void measure(size_t kind, const double *values, struct buf *bufs, int rounds)
{
    static const char *const efforts[] = { "fast", "small" };
    for (int effort = COLUMN_FAST; effort <= COLUMN_SMALL; effort++) {
        size_t count = effort == COLUMN_FAST ? 512 : COUNT;
        struct figures figures = { 0, 1e9, 1e9 };
        for (int i = 0; i < rounds; i++) {
            if (!measure_round(values, count, (enum column_effort)effort, bufs, &figures)) {
                (void)fprintf(stderr, "%s: values did not come back\n", kinds[kind].name);
                exit(1);
            }
        }
        double peer = zstd_bytes(values, count);
        (void)printf("chunk_%s_%s_size %.3f %.3f %.2f B/value\n", kinds[kind].name, efforts[effort],
                     figures.bytes, peer, peer / figures.bytes);
        (void)printf("chunk_%s_%s_write %.0f - - million/s\n", kinds[kind].name, efforts[effort],
                     1e3 / figures.write_ns);
        (void)printf("chunk_%s_%s_read %.0f - - million/s\n", kinds[kind].name, efforts[effort],
                     1e3 / figures.read_ns);
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 && strcmp(argv[1], "--quick") == 0 ? 3 : ROUNDS;
    double *values = malloc(sizeof(double) * COUNT * COLUMNS);
    struct buf bufs[COLUMNS];
    if (values == NULL) return 1;
    for (int i = 0; i < COLUMNS; i++) buf_init(&bufs[i], 1 << 20);
    for (size_t kind = 0; kind < ARRAY_LENGTH(kinds); kind++) {
        struct walk walk = { 0 };
        random_init(&walk.random, kind + 1);
        for (int i = 0; i < COUNT * COLUMNS; i++) {
            if (i % COUNT == 0) walk.now = kinds[kind].first;
            values[i] = kinds[kind].next(&walk);
        }
        measure(kind, values, bufs, rounds);
    }
    for (int i = 0; i < COLUMNS; i++) buf_release(&bufs[i]);
    free(values);
    return 0;
}
