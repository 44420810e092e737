/* update.h - the part of prometheus.h that runs inline: handles and the cheapest updates.
 *
 * A handle holds the address of its series' word for CPU 0; the word of CPU n lies n strides
 * further. One restartable sequence (Linux rseq) adds to the word of the CPU it runs on: the
 * kernel restarts it on preemption, migration and signal, so a plain add is exact, also when
 * the words are shared by processes. Where rseq is missing, and until a handle is ready, `fast`
 * is NULL and the update takes a function call. Names ending in _ are not for callers.
 */
#ifndef PROMETHEUS_UPDATE_H
#define PROMETHEUS_UPDATE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__)
#if __GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 35)
#define PM_RSEQ_ 1
#include <sys/rseq.h>
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && __GNUC__ >= 4
#define PM_ENDED_ __attribute__((sentinel))
#else
#define PM_ENDED_
#endif
#define PM_END_ ((const char *)0)

enum { PM_STRIDE_SHIFT_ = 16 }; /* 64 KiB of words a CPU in one chunk */

struct pm_metric {
    char *fast;              /* word of CPU 0, or NULL: take the function */
    const void *aid;         /* private: what `fast` needs besides, near by */
    void *series;            /* private */
    const char *const *text; /* static metrics: name, help, label names, NULL */
    uint32_t type;           /* enum pm_type */
    uint32_t state;          /* private */
};

struct pm_counter {
    struct pm_metric metric;
};
struct pm_gauge {
    struct pm_metric metric;
};
struct pm_histogram {
    struct pm_metric metric;
};
struct pm_summary {
    struct pm_metric metric;
};
struct pm_info {
    struct pm_metric metric;
};
struct pm_enum {
    struct pm_metric metric;
};

#define PM_STATIC_(handle, kind, variable, ...)                                                    \
    static const char *const variable##_text_[] = { __VA_ARGS__, PM_END_ };                        \
    static handle variable = { { NULL, NULL, NULL, variable##_text_, kind, 0 } }

struct pm_registry;
struct pm_options;

#define PM_DECLARE_(kind)                                                                          \
    struct pm_##kind *pm_##kind##_new_(struct pm_registry *registry, const char *name, ...)        \
        PM_ENDED_;                                                                                 \
    struct pm_##kind *pm_##kind##_with_(struct pm_##kind *family, ...) PM_ENDED_
PM_DECLARE_(counter);
PM_DECLARE_(gauge);
PM_DECLARE_(histogram);
PM_DECLARE_(summary);
PM_DECLARE_(info);
struct pm_enum *pm_enum_with_(struct pm_enum *family, ...) PM_ENDED_;
#undef PM_DECLARE_

/* The paths taken without rseq, before a handle is ready, and for what is not a whole number. */
void pm_counter_add_slow_(struct pm_counter *counter, uint64_t amount);
void pm_counter_add_double_(struct pm_counter *counter, double amount);
void pm_gauge_add_slow_(struct pm_gauge *gauge, double amount);

void pm_gauge_set(struct pm_gauge *gauge, double value);
void pm_histogram_observe(struct pm_histogram *histogram, double value);
void pm_summary_observe(struct pm_summary *summary, double value);

#ifdef PM_RSEQ_
/* The descriptor names the sequence 1..2 and its abort 4; RSEQ_SIG stands before the abort. */
#define PM_RSEQ_HEAD_                                                                              \
    ".pushsection __rseq_cs, \"aw\"\n\t.balign 32\n3:\n\t.long 0, 0\n\t"                           \
    ".quad 1f, (2f - 1f), 4f\n\t.popsection\n\t"                                                   \
    "leaq 3b(%%rip), %%rax\n\tmovq %%rax, %c[cs](%[self])\n1:\n\t"                                 \
    "cmpl %[cpu], %c[id](%[self])\n\tjnz 4f\n\t"
#define PM_RSEQ_TAIL_                                                                              \
    "2:\n\t.pushsection __rseq_failure, \"ax\"\n\t"                                                \
    ".byte 0x0f, 0xb9, 0x3d\n\t.long 0x53053053\n4:\n\tjmp %l[again]\n\t.popsection\n\t"

static inline struct rseq *pm_rseq_self_(void)
{
    char *self;
    __asm__("movq %%fs:0, %0" : "=r"(self));
    return (struct rseq *)(void *)(self + __rseq_offset);
}

/* False in a thread that the kernel was not told of, which it may refuse: then words of CPUs are
 * not for it. */
static inline int pm_rseq_is_there_(const struct rseq *self)
{
    return (int32_t) * (const volatile uint32_t *)&self->cpu_id >= 0;
}

/* These give 0 when nothing was added: not here, see above. */
static inline int pm_rseq_add_by_(struct rseq *self, char *words, uint64_t amount)
{
start:;
    uint32_t cpu = *(volatile uint32_t *)&self->cpu_id_start;
    char *word = words + ((size_t)cpu << PM_STRIDE_SHIFT_);
    __asm__ goto(PM_RSEQ_HEAD_ "addq %[amount], (%[word])\n" PM_RSEQ_TAIL_
                 :
                 : [self] "r"(self), [cpu] "r"(cpu), [word] "r"(word), [amount] "r"(amount),
                   [cs] "i"(offsetof(struct rseq, rseq_cs)), [id] "i"(offsetof(struct rseq, cpu_id))
                 : "memory", "cc", "rax"
                 : again);
    return 1;
again:
    if (pm_rseq_is_there_(self)) goto start;
    return 0;
}

static inline int pm_rseq_add_double_by_(struct rseq *self, char *words, double amount)
{
start:;
    uint32_t cpu = *(volatile uint32_t *)&self->cpu_id_start;
    char *word = words + ((size_t)cpu << PM_STRIDE_SHIFT_);
    __asm__ goto(PM_RSEQ_HEAD_ "movsd (%[word]), %%xmm15\n\taddsd %[amount], %%xmm15\n\t"
                               "movsd %%xmm15, (%[word])\n" PM_RSEQ_TAIL_
                 :
                 : [self] "r"(self), [cpu] "r"(cpu), [word] "r"(word), [amount] "x"(amount),
                   [cs] "i"(offsetof(struct rseq, rseq_cs)), [id] "i"(offsetof(struct rseq, cpu_id))
                 : "memory", "cc", "rax", "xmm15"
                 : again);
    return 1;
again:
    if (pm_rseq_is_there_(self)) goto start;
    return 0;
}

/* Two sequences that share the CPU's number: one adds 1 to the word at `count`, the other the
 * amount to the double at `sum`. When the second is cut off, it alone is done anew. */
#define PM_RSEQ_PAIR_HEAD_                                                                         \
    ".pushsection __rseq_cs, \"aw\"\n\t.balign 32\n"                                               \
    "3:\n\t.long 0, 0\n\t.quad 1f, (2f - 1f), 4f\n"                                                \
    "5:\n\t.long 0, 0\n\t.quad 8f, (6f - 8f), 7f\n\t.popsection\n\t"                               \
    "leaq 3b(%%rip), %%rax\n\tmovq %%rax, %c[cs](%[self])\n"                                       \
    "1:\n\tcmpl %[cpu], %c[id](%[self])\n\tjnz 4f\n\t"
#define PM_RSEQ_PAIR_TAIL_                                                                         \
    "incq (%[count],%[lane])\n"                                                                    \
    "2:\n\tleaq 5b(%%rip), %%rax\n\tmovq %%rax, %c[cs](%[self])\n"                                 \
    "8:\n\tcmpl %[cpu], %c[id](%[self])\n\tjnz 7f\n\t"                                             \
    "movsd (%[sum],%[lane]), %%xmm15\n\taddsd %[amount], %%xmm15\n\t"                              \
    "movsd %%xmm15, (%[sum],%[lane])\n"                                                            \
    "6:\n\t.pushsection __rseq_failure, \"ax\"\n\t"                                                \
    ".byte 0x0f, 0xb9, 0x3d\n\t.long 0x53053053\n4:\n\tjmp %l[again]\n\t"                          \
    ".byte 0x0f, 0xb9, 0x3d\n\t.long 0x53053053\n7:\n\tjmp %l[second]\n\t"                         \
    ".popsection\n\t"

/* Adds 1 at `count` and the amount at `sum`, both words of CPU 0. */
static inline int pm_rseq_observe_(char *count, char *sum, double amount)
{
    struct rseq *self = pm_rseq_self_();
start:;
    uint32_t cpu = *(volatile uint32_t *)&self->cpu_id_start;
    size_t lane = (size_t)cpu << PM_STRIDE_SHIFT_;
    __asm__ goto(PM_RSEQ_PAIR_HEAD_ PM_RSEQ_PAIR_TAIL_
                 :
                 : [self] "r"(self), [cpu] "r"(cpu), [lane] "r"(lane), [count] "r"(count),
                   [sum] "r"(sum), [amount] "x"(amount), [cs] "i"(offsetof(struct rseq, rseq_cs)),
                   [id] "i"(offsetof(struct rseq, cpu_id))
                 : "memory", "cc", "rax", "xmm15"
                 : again, second);
    return 1;
second:
    return pm_rseq_add_double_by_(self, sum, amount);
again:
    if (pm_rseq_is_there_(self)) goto start;
    return 0;
}

static inline int pm_rseq_add_(char *words, uint64_t amount)
{
    return pm_rseq_add_by_(pm_rseq_self_(), words, amount);
}

static inline int pm_rseq_add_double_(char *words, double amount)
{
    return pm_rseq_add_double_by_(pm_rseq_self_(), words, amount);
}
#endif

/* Acquire: a handle becomes ready in another thread; its words were zeroed before. */
static inline char *pm_fast_(const struct pm_metric *metric)
{
    return __atomic_load_n(&metric->fast, __ATOMIC_ACQUIRE);
}

/* Adds whole numbers, exactly, up to 2^64. */
static inline void pm_count(struct pm_counter *counter, uint64_t amount)
{
#ifdef PM_RSEQ_
    char *fast = pm_fast_(&counter->metric);
    if (__builtin_expect(fast != NULL && pm_rseq_add_(fast, amount), 1)) return;
#endif
    pm_counter_add_slow_(counter, amount);
}

static inline void pm_counter_inc(struct pm_counter *counter)
{
    pm_count(counter, 1);
}

/* Adds any amount >= 0; whole ones up to 2^53 join the exact integers. */
static inline void pm_counter_add(struct pm_counter *counter, double amount)
{
    if (amount >= 0 && amount <= 9007199254740992.0 && (double)(int64_t)amount == amount) {
        pm_count(counter, (uint64_t)(int64_t)amount);
        return;
    }
    pm_counter_add_double_(counter, amount);
}

static inline void pm_gauge_add(struct pm_gauge *gauge, double amount)
{
#ifdef PM_RSEQ_
    char *fast = pm_fast_(&gauge->metric);
    if (__builtin_expect(fast != NULL && pm_rseq_add_double_(fast, amount), 1)) return;
#endif
    pm_gauge_add_slow_(gauge, amount);
}

static inline void pm_gauge_inc(struct pm_gauge *gauge)
{
    pm_gauge_add(gauge, 1);
}

static inline void pm_gauge_dec(struct pm_gauge *gauge)
{
    pm_gauge_add(gauge, -1);
}

static inline void pm_gauge_sub(struct pm_gauge *gauge, double amount)
{
    pm_gauge_add(gauge, -amount);
}

#ifdef __cplusplus
}

static inline void pm_inc(struct pm_counter *counter)
{
    pm_counter_inc(counter);
}
static inline void pm_inc(struct pm_gauge *gauge)
{
    pm_gauge_inc(gauge);
}
static inline void pm_add(struct pm_counter *counter, double amount)
{
    pm_counter_add(counter, amount);
}
static inline void pm_add(struct pm_gauge *gauge, double amount)
{
    pm_gauge_add(gauge, amount);
}
static inline void pm_observe(struct pm_histogram *h, double value)
{
    pm_histogram_observe(h, value);
}
static inline void pm_observe(struct pm_summary *s, double value)
{
    pm_summary_observe(s, value);
}
#else
#define pm_inc(metric)                                                                             \
    _Generic((metric), struct pm_counter *                                                         \
             : pm_counter_inc, struct pm_gauge *                                                   \
             : pm_gauge_inc)(metric)
#define pm_add(metric, amount)                                                                     \
    _Generic((metric), struct pm_counter *                                                         \
             : pm_counter_add, struct pm_gauge *                                                   \
             : pm_gauge_add)(metric, amount)
#define pm_observe(metric, value)                                                                  \
    _Generic((metric), struct pm_histogram *                                                       \
             : pm_histogram_observe, struct pm_summary *                                           \
             : pm_summary_observe)(metric, value)
#endif
#define pm_dec(gauge)         pm_gauge_dec(gauge)
#define pm_sub(gauge, amount) pm_gauge_sub(gauge, amount)
#define pm_set(gauge, value)  pm_gauge_set(gauge, value)

#endif
