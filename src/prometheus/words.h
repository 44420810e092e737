/* words.h - where the numbers are: words of 8 bytes, one copy a lane, summed when read.
 *
 * LAYOUT  A chunk is lane_count times 64 KiB. A series' words stand at the same offset in every
 *         lane; its `cell` is their address in lane 0.
 *           lane 0                    shared: a gauge's setting, what removal took away
 *           1 .. cpu_count            one a CPU, added to in restartable sequences
 *           then atomic_count         added to with lock add, by processes without rseq
 *           then thread_count         one a thread that owns it, plain adds by that thread only
 * EXACT   Each lane has one kind of writer, so no kind has to know of another: a plain add in a
 *         restartable sequence and a lock add on the same word would lose updates.
 * MEMORY  Lanes never used are never touched. Nothing moves and nothing is freed before the end.
 */
#ifndef PROMETHEUS_WORDS_H
#define PROMETHEUS_WORDS_H

#include "prometheus/prometheus.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    LANE_SIZE = 1 << PM_STRIDE_SHIFT_,
    LANE_WORDS = LANE_SIZE / 8,
    CPUS_MAX = 1024,
    ATOMIC_LANES = 4,
    THREAD_LANES = 32
};

struct lanes {
    uint32_t cpu_count;
    uint32_t atomic_count;
    uint32_t thread_count;
};

struct region;

/* A space of words: private ones grow by chunks, a region has its own. */
struct words {
    struct lanes lanes;
    enum pm_mode mode;     /* how this process adds here */
    struct region *region; /* NULL: private */
    char **chunks;         /* private only */
    size_t chunk_count;
    size_t used; /* words of the last chunk */
};

static inline size_t lanes_count(const struct lanes *lanes)
{
    return (size_t)1 + lanes->cpu_count + lanes->atomic_count + lanes->thread_count;
}

uint32_t pm_words_cpu_count(void); /* CPUs that can ever exist here */

void pm_words_init_private(struct words *words);
void pm_words_release(struct words *words);
/* NULL when there is no memory. Zeroed. count <= LANE_WORDS / 2. */
char *pm_words_alloc(struct words *words, size_t count);

/* What a handle's `fast` may be for these words: NULL unless this process uses rseq here. */
char *pm_words_fast(const struct words *words, char *cell);

void pm_words_add(const struct words *words, char *cell, size_t word, uint64_t amount);
void pm_words_add_double(const struct words *words, char *cell, size_t word, double amount);

/* The lanes that can hold something: [1, first) and [second, end). Taken once for many reads. */
struct span {
    size_t first;
    size_t second;
    size_t end;
};

struct span pm_words_span(const struct words *words);

static inline const uint64_t *words_at(const char *cell, size_t lane, size_t word)
{
    return (const uint64_t *)(const void *)(cell + lane * LANE_SIZE + word * 8);
}

static inline double words_load_double(const char *cell, size_t lane, size_t word)
{
    uint64_t bits = __atomic_load_n(words_at(cell, lane, word), __ATOMIC_RELAXED);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Sums of a word over the lanes. */
static inline uint64_t words_sum(struct span span, const char *cell, size_t word)
{
    uint64_t sum = 0;
    for (size_t lane = 1; lane < span.first; lane++) {
        sum += __atomic_load_n(words_at(cell, lane, word), __ATOMIC_RELAXED);
    }
    for (size_t lane = span.second; lane < span.end; lane++) {
        sum += __atomic_load_n(words_at(cell, lane, word), __ATOMIC_RELAXED);
    }
    return sum;
}

static inline double words_sum_double(struct span span, const char *cell, size_t word)
{
    double sum = 0;
    for (size_t lane = 1; lane < span.first; lane++) sum += words_load_double(cell, lane, word);
    for (size_t lane = span.second; lane < span.end; lane++) {
        sum += words_load_double(cell, lane, word);
    }
    return sum;
}

/* The same less lane 0's, what removal took away. */
static inline uint64_t words_get(struct span span, const char *cell, size_t word)
{
    return words_sum(span, cell, word) - __atomic_load_n(words_at(cell, 0, word), __ATOMIC_RELAXED);
}

static inline double words_get_double(struct span span, const char *cell, size_t word)
{
    double taken = words_load_double(cell, 0, word);
    double sum = words_sum_double(span, cell, word);
    return taken == 0 ? sum : sum - taken;
}

/* Lets the series count from zero again: lane 0 takes the sums. */
void pm_words_reset(const struct words *words, char *cell, size_t count, uint64_t double_words);

/* The gauge: words 0 and 1 of lane 0 are (value as set, sum of word 0 of the lanes then). */
void pm_words_set_gauge(const struct words *words, char *cell, double value);
void pm_words_add_gauge(const struct words *words, char *cell, double amount);
double pm_words_get_gauge(struct span span, const char *cell);

/* The lane of this thread, 0 .. THREAD_LANES-1, or -1; and a number that changes at fork. */
int pm_words_thread_lane(uint32_t *generation);

#endif
