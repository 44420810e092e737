/* words.c - where the numbers are: words of 8 bytes, one copy a lane, summed when read.
 *
 * GAUGES A gauge is set by one writer at a time and added to by all. Its setting is the pair
 *        (value, sum of the lanes when it was set), stored in one 16-byte step; the gauge is then
 *        value + (sum now - sum then). An add that runs beside a set falls before or after it,
 *        whole. While nothing was added after the set, the two sums are the same number and the
 *        value read is the one that was set, to the bit.
 * ORDERS Words are counted with relaxed loads and stores: nothing is concluded from one word about
 *        another, but for histograms, whose count is made from the buckets themselves.
 */
#include "prometheus/words.h"

#include "prometheus/fail.h"
#include "prometheus/region.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __x86_64__
#include <emmintrin.h>
#endif

/* ---- The mode of this process ---- */

static _Atomic int mode_wanted = PM_MODE_AUTO;
static int mode_chosen = PM_MODE_AUTO;
static pthread_once_t mode_once = PTHREAD_ONCE_INIT;

static bool has_rseq(void)
{
#ifdef PM_RSEQ_
    return __rseq_size != 0 && (int32_t)pm_rseq_self_()->cpu_id >= 0;
#else
    return false;
#endif
}

static void choose_mode(void)
{
    static const char *const names[] = { "auto", "rseq", "atomic", "thread" };
    int wanted = atomic_load_explicit(&mode_wanted, memory_order_relaxed);
    const char *text = getenv("PM_MODE");
    for (int i = 1; wanted == PM_MODE_AUTO && text != NULL && i <= PM_MODE_THREAD; i++) {
        if (strcmp(text, names[i]) == 0) wanted = i;
    }
    if (wanted == PM_MODE_AUTO || (wanted == PM_MODE_RSEQ && !has_rseq())) {
        wanted = has_rseq() ? PM_MODE_RSEQ : PM_MODE_ATOMIC;
    }
    mode_chosen = wanted;
}

enum pm_mode pm_mode(void)
{
    (void)pthread_once(&mode_once, choose_mode);
    return (enum pm_mode)mode_chosen;
}

int pm_set_mode(enum pm_mode mode)
{
    atomic_store_explicit(&mode_wanted, (int)mode, memory_order_relaxed);
    return mode == PM_MODE_AUTO || pm_mode() == mode ? PM_OK : PM_ERROR_SYSTEM;
}

static uint32_t cpu_count;
static pthread_once_t cpu_once = PTHREAD_ONCE_INIT;

/* The kernel's own list, "0-7": sysconf counts the CPUs that are there now. */
static void count_cpus(void)
{
    long count = sysconf(_SC_NPROCESSORS_CONF);
    cpu_count = count < 1 ? 1 : (uint32_t)count;
    FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
    if (file == NULL) return;
    char line[256];
    if (fgets(line, sizeof(line), file) != NULL) {
        const char *last = line;
        for (const char *at = line; *at != '\0'; at++) {
            if (*at == '-' || *at == ',') last = at + 1;
        }
        uint32_t number = 0;
        for (; *last >= '0' && *last <= '9'; last++) number = number * 10 + (uint32_t)(*last - '0');
        if (number + 1 > cpu_count && number < CPUS_MAX) cpu_count = number + 1;
    }
    (void)fclose(file);
}

uint32_t pm_words_cpu_count(void)
{
    (void)pthread_once(&cpu_once, count_cpus);
    return cpu_count;
}

/* ---- Lanes of threads ---- */

/* One bit a lane that a living thread owns. A lane is given back when its thread ends and keeps
 * what was counted in it. A child of fork has one thread and none of the lanes. */
static _Atomic uint32_t lanes_owned;
static _Atomic uint32_t fork_generation = 1;
static pthread_key_t lane_key;
static bool has_lane_key;
static pthread_once_t lane_once = PTHREAD_ONCE_INIT;
static _Thread_local uint32_t my_generation;
static _Thread_local int my_lane;

static void give_back_lane(void *value)
{
    uint32_t lane = (uint32_t)(uintptr_t)value - 1;
    if (my_generation != atomic_load(&fork_generation)) return;
    my_lane = -1;
    atomic_fetch_and(&lanes_owned, ~((uint32_t)1 << lane)); /* its adds are done before this */
}

static void forget_lanes(void)
{
    atomic_store(&lanes_owned, 0);
    atomic_fetch_add(&fork_generation, 1);
}

static void make_lane_key(void)
{
    has_lane_key = pthread_key_create(&lane_key, give_back_lane) == 0 &&
                   pthread_atfork(NULL, NULL, forget_lanes) == 0;
}

static int claim_lane(void)
{
    (void)pthread_once(&lane_once, make_lane_key);
    if (!has_lane_key) return -1;
    uint32_t owned = atomic_load(&lanes_owned);
    while (owned != UINT32_MAX) {
        int lane = __builtin_ctz(~owned);
        if (!atomic_compare_exchange_weak(&lanes_owned, &owned, owned | (uint32_t)1 << lane)) {
            continue;
        }
        if (pthread_setspecific(lane_key, (void *)(uintptr_t)(lane + 1)) == 0) return lane;
        atomic_fetch_and(&lanes_owned, ~((uint32_t)1 << lane));
        return -1;
    }
    return -1;
}

int pm_words_thread_lane(uint32_t *generation)
{
    uint32_t now = atomic_load_explicit(&fork_generation, memory_order_relaxed);
    *generation = now;
    if (my_generation != now) {
        my_lane = claim_lane();
        my_generation = now;
    }
    return my_lane;
}

/* ---- Space ---- */

void pm_words_init_private(struct words *words)
{
    memset(words, 0, sizeof(*words));
    words->mode = pm_mode();
    words->lanes.cpu_count = pm_words_cpu_count();
    words->lanes.atomic_count = ATOMIC_LANES;
    words->lanes.thread_count = THREAD_LANES;
    words->used = LANE_WORDS;
}

void pm_words_release(struct words *words)
{
    for (size_t i = 0; i < words->chunk_count; i++) {
        (void)munmap(words->chunks[i], lanes_count(&words->lanes) * LANE_SIZE);
    }
    free(words->chunks);
    memset(words, 0, sizeof(*words));
}

char *pm_words_alloc(struct words *words, size_t count)
{
    count = (count + 1) & ~(size_t)1; /* pairs, for the gauge's 16 bytes */
    if (words->used + count > LANE_WORDS) {
        char **chunks = realloc(words->chunks, (words->chunk_count + 1) * sizeof(*chunks));
        if (chunks == NULL) return NULL;
        words->chunks = chunks;
        void *chunk = mmap(NULL, lanes_count(&words->lanes) * LANE_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (chunk == MAP_FAILED) return NULL;
        words->chunks[words->chunk_count++] = chunk;
        words->used = 0;
    }
    char *cell = words->chunks[words->chunk_count - 1] + words->used * 8;
    words->used += count;
    return cell;
}

char *pm_words_fast(const struct words *words, char *cell)
{
    return words->mode == PM_MODE_RSEQ ? cell + LANE_SIZE : NULL;
}

/* ---- Adding ---- */

static uint64_t *word_at(const char *cell, size_t lane, size_t word)
{
    return (uint64_t *)(uintptr_t)(cell + lane * LANE_SIZE + word * 8);
}

static size_t atomic_lane(const struct words *words)
{
    int cpu = sched_getcpu();
    return (size_t)1 + words->lanes.cpu_count +
           (size_t)(cpu < 0 ? 0 : cpu) % words->lanes.atomic_count;
}

/* The lane this thread alone writes, or 0: none. */
static size_t thread_lane(const struct words *words)
{
    uint32_t generation;
    int lane = pm_words_thread_lane(&generation);
    if (lane >= 0 && words->region != NULL) {
        lane = pm_region_thread_lane(words->region, (uint32_t)lane, generation);
    }
    if (lane < 0 || (uint32_t)lane >= words->lanes.thread_count) return 0;
    return (size_t)1 + words->lanes.cpu_count + words->lanes.atomic_count + (size_t)lane;
}

/* Threads without rseq where it is the mode: a filter of system calls that came late refused it to
 * them. They add as processes without it do, and from then on those lanes are read, too. */
static _Atomic bool has_strangers;

#ifdef PM_RSEQ_
static bool admit_stranger(const struct words *words)
{
    if (words->region == NULL) {
        atomic_store(&has_strangers, true);
        return true;
    }
    struct pm_error error;
    int code = pm_region_use_atomic(words->region, &error);
    if (code < 0) pm_fail_note(code, &error);
    return code == PM_OK;
}
#endif

void pm_words_add(const struct words *words, char *cell, size_t word, uint64_t amount)
{
#ifdef PM_RSEQ_
    if (words->mode == PM_MODE_RSEQ) {
        if (pm_rseq_add_(cell + LANE_SIZE + word * 8, amount)) return;
        if (!admit_stranger(words)) return;
    }
#endif
    size_t lane = words->mode == PM_MODE_THREAD ? thread_lane(words) : 0;
    if (lane == 0) {
        (void)__atomic_fetch_add(word_at(cell, atomic_lane(words), word), amount, __ATOMIC_RELAXED);
        return;
    }
    uint64_t *at = word_at(cell, lane, word);
#ifdef __x86_64__
    __asm__ volatile("addq %1, %0"
                     : "+m"(*at)
                     : "r"(amount)
                     : "cc"); /* whole for signal handlers */
#else
    __atomic_store_n(at, __atomic_load_n(at, __ATOMIC_RELAXED) + amount, __ATOMIC_RELAXED);
#endif
}

static double as_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint64_t as_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* A compare and swap even in a thread's own lane: a signal handler may come between. */
static void add_double_at(uint64_t *at, double amount)
{
    uint64_t old = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(at, &old, as_bits(as_double(old) + amount), true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

void pm_words_add_double(const struct words *words, char *cell, size_t word, double amount)
{
#ifdef PM_RSEQ_
    if (words->mode == PM_MODE_RSEQ) {
        if (pm_rseq_add_double_(cell + LANE_SIZE + word * 8, amount)) return;
        if (!admit_stranger(words)) return;
    }
#endif
    size_t lane = words->mode == PM_MODE_THREAD ? thread_lane(words) : 0;
    if (lane == 0) lane = atomic_lane(words);
    add_double_at(word_at(cell, lane, word), amount);
}

/* ---- Reading ---- */

struct span pm_words_span(const struct words *words)
{
    size_t cpus = (size_t)1 + words->lanes.cpu_count;
    if (words->region != NULL) {
        return (struct span){ cpus, cpus, cpus + pm_region_other_lanes(words->region) };
    }
    if (words->mode == PM_MODE_RSEQ) {
        size_t others = atomic_load(&has_strangers) ? words->lanes.atomic_count : 0;
        return (struct span){ cpus, cpus, cpus + others };
    }
    return (struct span){ 1, cpus, lanes_count(&words->lanes) };
}

void pm_words_reset(const struct words *words, char *cell, size_t count, uint64_t double_words)
{
    struct span span = pm_words_span(words);
    for (size_t i = 0; i < count; i++) {
        bool is_double = i < 64 && (double_words >> i & 1) != 0;
        uint64_t sum =
            is_double ? as_bits(words_sum_double(span, cell, i)) : words_sum(span, cell, i);
        __atomic_store_n(word_at(cell, 0, i), sum, __ATOMIC_RELAXED);
    }
}

/* ---- Gauges ---- */

struct pair {
    uint64_t value;
    uint64_t sum;
};

#ifdef __x86_64__
/* cmpxchg16b: every x86-64 with rseq has it. Returns whether *old was there; fills *old if not. */
static bool swap_pair(uint64_t *at, struct pair *old, struct pair new_pair)
{
    bool done;
    __asm__ volatile("lock cmpxchg16b %1\n\tsete %0"
                     : "=q"(done), "+m"(*(struct pair *)(void *)at), "+a"(old->value),
                       "+d"(old->sum)
                     : "b"(new_pair.value), "c"(new_pair.sum)
                     : "cc", "memory");
    return done;
}

/* One 16-byte load, which processors with AVX (all with rseq kernels in use) do whole. In assembly,
 * for it is meant to race, and the compiler may not split it. */
static struct pair load_pair(const char *cell)
{
    const __m128i *at = (const __m128i *)(const void *)word_at(cell, 0, 0);
    __m128i both;
    __asm__ volatile("movdqa %1, %0" : "=x"(both) : "m"(*at));
    struct pair pair;
    memcpy(&pair, &both, sizeof(pair));
    return pair;
}
#endif

void pm_words_set_gauge(const struct words *words, char *cell, double value)
{
#ifdef __x86_64__
    struct pair next = { as_bits(value), as_bits(words_sum_double(pm_words_span(words), cell, 0)) };
    struct pair old = load_pair(cell);
    if (old.sum == next.sum) { /* only one half changes: a plain store is whole */
        __atomic_store_n(word_at(cell, 0, 0), next.value, __ATOMIC_RELEASE);
        return;
    }
    while (!swap_pair(word_at(cell, 0, 0), &old, next)) {
    }
#else
    __atomic_store_n(word_at(cell, 0, 0), as_bits(value), __ATOMIC_RELEASE);
    (void)words;
#endif
}

void pm_words_add_gauge(const struct words *words, char *cell, double amount)
{
#ifdef __x86_64__
    pm_words_add_double(words, cell, 0, amount);
#else
    (void)words;
    add_double_at(word_at(cell, 0, 0), amount); /* the one word that is set, too */
#endif
}

double pm_words_get_gauge(struct span span, const char *cell)
{
#ifdef __x86_64__
    struct pair pair = load_pair(cell);
    double sum = words_sum_double(span, cell, 0);
    double value = as_double(pair.value);
    double then = as_double(pair.sum);
    return sum == then ? value : value + (sum - then);
#else
    (void)span;
    return as_double(__atomic_load_n(word_at(cell, 0, 0), __ATOMIC_ACQUIRE));
#endif
}
