/* internal.h - what the files of this library share: fields, threads, pipelines, sinks.
 *
 *   call --> merge of fields --> render, once a format --> sinks of that format
 *            context < bound < call
 *
 *   core      a place where lines go; the default one, and one for each sl_open
 *   pipeline  what a core does at present; immutable, replaced as a whole by sl_configure
 *   thread    what one thread owns: line buffer, context, counters, and the mark that it is inside
 *             a pipeline, so that nobody frees it (see pipeline.c)
 */
#ifndef STRUCTLOG_INTERNAL_H
#define STRUCTLOG_INTERNAL_H

#include "structlog/stamp.h"
#include "structlog/structlog.h"
#include "structlog/text.h"

#include <pthread.h>
#include <time.h>

#define SL_HIDDEN        __attribute__((visibility("hidden")))
#define SL_INLINE        inline __attribute__((always_inline))
#define SL_LIKELY(x)     __builtin_expect(!!(x), 1)
#define SL_UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define SL_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* A lock of one word: 0 free, 1 held, 2 held and waited for. As a pthread mutex, but inlined where
 * nobody waits, which is a sixth of what a line costs. */
struct sl_mutex {
    uint32_t state;
};
SL_HIDDEN void sl_mutex_wait(struct sl_mutex *mutex);
SL_HIDDEN void sl_mutex_wake(struct sl_mutex *mutex);

static inline bool sl_mutex_try(struct sl_mutex *mutex)
{
    uint32_t free = 0;
    return __atomic_compare_exchange_n(&mutex->state, &free, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static inline void sl_mutex_lock(struct sl_mutex *mutex)
{
    if (SL_UNLIKELY(!sl_mutex_try(mutex))) sl_mutex_wait(mutex);
}

static inline void sl_mutex_unlock(struct sl_mutex *mutex)
{
    if (SL_UNLIKELY(__atomic_exchange_n(&mutex->state, 0, __ATOMIC_RELEASE) == 2)) {
        sl_mutex_wake(mutex);
    }
}

#define SL_CACHE_LINE     64
#define SL_VALUE_SIZE_MAX (UINT32_C(1) << 20) /* longer text is cut and ends in an ellipsis */
#define SL_FRAMES_MAX     64                  /* pushes that are open on one thread */
#define SL_LINE_SIZE      4096                /* of the line buffer that every thread has */
#define SL_LINE_KEEP_MAX  65536 /* a larger line buffer is given back after its line */
#define SL_NESTED_SIZE    4096  /* buffer of a call that interrupted another on its thread */
#define SL_NESTING_MAX    2     /* a call inside a call; the third is lost */
#define SL_SCRATCH_SIZE   2048  /* for keys made on the way: labels.x, error.type */

/* ---- fields ---- */

static inline bool sl_has_text(uint32_t kind)
{
    return kind == SL_KIND_STRING || kind == SL_KIND_JSON;
}

struct sl_item {
    const char *key;
    uint64_t hash; /* of key */
    struct sl_value value;
    uint32_t key_size;
    bool is_own; /* the library's: never renamed */
};

/* Fields that live on: keys, values, their texts and their JSON in one block. Immutable. */
struct sl_fields {
    uint32_t references;
    uint32_t count;
    bool is_odd;    /* some key or pair of keys must not be written as it stands */
    uint64_t shape; /* sum of the keys' hashes: names the set */
    size_t json_size;
    const char *json;           /* ,"key":value... ready for a line; nothing when odd */
    const struct sl_wire *wire; /* the same for a ring, see ring.h; has the texts of `items` */
    struct sl_item items[];
};

#define SL_LIST_MAX (2 * SL_BOUND_MAX + 3 * SL_PAIRS_MAX + 16)

/* Fields on their way into one line: each key once, first place, last value. */
struct sl_list {
    size_t count;
    size_t scratch_used;
    uint32_t renamed_count;
    bool is_full; /* something was left out */
    struct sl_item items[SL_LIST_MAX];
    char scratch[SL_SCRATCH_SIZE];
};

enum sl_naming { SL_NAMING_ECS, SL_NAMING_PLAIN };

SL_HIDDEN uint64_t sl_key_hash(const char *key, size_t size);
/* True when the key needs the careful path: reserved, the library's own, or not plain text. */
SL_HIDDEN bool sl_key_is_odd(const char *key, size_t size);
/* "", "a..b", ".a", "a.": Elasticsearch refuses such a path. */
SL_HIDDEN bool sl_key_has_empty_part(const char *key, size_t size);
/* True for the name of an object of ECS. */
SL_HIDDEN bool sl_key_is_root(const char *key, size_t size);
/* True when one is the other or its object: "a" and "a.b". */
SL_HIDDEN bool sl_keys_collide(const char *a, size_t a_size, const char *b, size_t b_size);

SL_HIDDEN void sl_list_init(struct sl_list *list);
/* As it is. */
SL_HIDDEN void sl_list_put(struct sl_list *list, const char *key, size_t key_size,
                           struct sl_value value, bool is_own);
/* Calls lazy values, takes errno and failures apart. */
SL_HIDDEN void sl_list_expand(struct sl_list *list, const char *key, size_t key_size,
                              struct sl_value value);
SL_HIDDEN void sl_list_put_fields(struct sl_list *list, const struct sl_fields *fields);
/* Moves what may not stand where it stands; called once, at the end. */
SL_HIDDEN void sl_list_settle(struct sl_list *list, enum sl_naming naming);

/* NULL without memory, or above SL_BOUND_MAX. Copies everything. */
SL_HIDDEN struct sl_fields *sl_fields_new(const struct sl_list *list);
SL_HIDDEN struct sl_fields *sl_fields_ref(struct sl_fields *fields);
SL_HIDDEN void sl_fields_unref(struct sl_fields *fields);

/* ---- cores and loggers ---- */

struct sl_core {
    struct sl_pipeline *pipeline; /* NULL: not configured; the default core's lines to stderr */
    uint32_t references;
    int level;
};

extern SL_HIDDEN struct sl_core sl_default_core; /* its level is sl_default_level_ */

struct sl_logger {
    struct sl_logger_head_ head; /* first: sl_enabled reads it */
    uint32_t references;
    int level;            /* what head.level points at, when is_owner */
    const void *gate_key; /* the core, or this logger when it has fields or a name */
    struct sl_core *core;
    struct sl_logger *level_owner; /* keeps head.level alive; NULL: the core does, or this one */
    struct sl_fields *fields;      /* NULL: none */
    const char *name;              /* NULL: none; inside this block, as name_json */
    const char *name_json;         /* ,"log.logger":"..." */
    uint32_t name_size, name_json_size;
};

SL_HIDDEN struct sl_logger *sl_logger_root(struct sl_core *core);
SL_HIDDEN void sl_core_unref(struct sl_core *core);
/* Closes what the core wrote to; nobody may be inside. */
SL_HIDDEN void sl_core_free(struct sl_core *core);

/* ---- threads ---- */

enum sl_counter {
    SL_COUNTER_DEBUG,
    SL_COUNTER_INFO,
    SL_COUNTER_WARN,
    SL_COUNTER_ERROR,
    SL_COUNTER_CRITICAL,
    SL_COUNTER_WRITTEN,
    SL_COUNTER_WRITTEN_BYTES,
    SL_COUNTER_LOST,
    SL_COUNTER_SUPPRESSED,
    SL_COUNTER_ROTATION,
    SL_COUNTER_COMPRESSED,
    SL_COUNTER_COMPRESSION_FAILED,
    SL_COUNTER_RENAMED,
    SL_COUNTER_UNBOUND,
    SL_COUNTER_DROPPED,
    SL_COUNTER_WAITED,
    SL_COUNTER_FILTERED,
    SL_COUNTER_COUNT
};

struct sl_identity {
    int64_t tid; /* 0: not asked yet */
    char name[16];
};

/* The ring that a thread has with one asynchronous configuration. */
struct sl_lane {
    uint64_t async_id; /* 0: none */
    struct sl_ring *ring;
};
#define SL_LANE_COUNT 2

/* The short way of an asynchronous call: all that stands between it and its ring, found before and
 * still true as long as the gate is open for the call's core. See pipeline.c. */
struct sl_gate {
    struct sl_core *core; /* NULL: shut */
    struct sl_pipeline *pipeline;
    struct sl_async *async;
    struct sl_ring *ring;
    uint64_t next_head; /* of the ring, when the record that was begun is whole */
};

/* Owned by: its thread, but for `hazards` and `counters`, which others read, and `gate.core`, which
 * others set to NULL. What a call touches comes first: one line of the cache. */
struct sl_thread {
    struct sl_pipeline
        *hazards[SL_NESTING_MAX]; /* pipelines this thread is inside of; NULL: none */
    struct sl_gate gate;
    int busy;  /* calls under way: a second one came by signal or callback */
    int depth; /* of frames */
    char *line;
    size_t line_size;
    struct sl_stamp stamp;
    struct sl_fields *frames[SL_FRAMES_MAX]; /* the last one is the context */
    uint64_t counters[SL_COUNTER_COUNT];
    struct sl_identity identity;
    struct sl_lane lanes[SL_LANE_COUNT];
    struct sl_thread *next;
};

static inline enum sl_counter sl_counter_of(int level)
{
    if (level >= SL_ERROR) return level >= SL_CRITICAL ? SL_COUNTER_CRITICAL : SL_COUNTER_ERROR;
    if (level >= SL_INFO) return level >= SL_WARN ? SL_COUNTER_WARN : SL_COUNTER_INFO;
    return SL_COUNTER_DEBUG;
}

/* In the caller's own record: nobody else writes it, sl_stats reads it. */
static inline void sl_count_in(struct sl_thread *thread, enum sl_counter counter, uint64_t n)
{
    uint64_t *cell = &thread->counters[counter];
    __atomic_store_n(cell, __atomic_load_n(cell, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

extern SL_HIDDEN __thread struct sl_thread *sl_self __attribute__((tls_model("initial-exec")));
SL_HIDDEN struct sl_thread *sl_thread_start(void);
/* This thread's record; NULL without memory. */
static inline struct sl_thread *sl_thread_self(void)
{
    struct sl_thread *thread = sl_self;
    return SL_LIKELY(thread != NULL) ? thread : sl_thread_start();
}
SL_HIDDEN void sl_count(enum sl_counter counter, uint64_t n);
SL_HIDDEN void sl_thread_identify(struct sl_identity *identity); /* of the calling thread */
SL_HIDDEN void sl_thread_after_fork(void);                       /* in the child, under sl_lock */
/* Whether any thread is inside `pipeline`; the caller holds sl_lock. */
SL_HIDDEN bool sl_thread_is_inside(const struct sl_pipeline *pipeline);
/* Shuts the gates that lead into `core`; the caller holds sl_lock. */
SL_HIDDEN void sl_thread_shut_gates(struct sl_core *core);

/* Without membarrier(2) a thread that makes something known pays for a fence itself. */
extern SL_HIDDEN bool sl_needs_fence;

/* Guards: list of threads, list of pipelines, configuring. Never taken to write a line. */
extern SL_HIDDEN pthread_mutex_t sl_lock;
/* Once: fork handlers, exit handler. */
SL_HIDDEN void sl_start(void);

/* ---- sinks ---- */

struct sl_sink;  /* sink.h */
struct sl_async; /* async_state.h */

/* A process: its number, and ,"process.pid":number with room for whole vectors. */
struct sl_process {
    int64_t id;
    size_t json_size;
    char json[64];
};
extern SL_HIDDEN struct sl_process sl_this_process;
SL_HIDDEN void sl_process_set(struct sl_process *process, int64_t id);

/* Where writing to stdout or stderr leads while it is bridged: what it was before; else `fd`. */
SL_HIDDEN int sl_real_fd(int fd);

struct sl_pipeline {
    struct sl_pipeline *next; /* in the list of all */
    struct sl_async *async;   /* NULL: each call writes itself */
    struct sl_async *quick;   /* the same where nothing stands between a call and its ring */
    const struct sl_process *process;
    struct sl_fields *fields; /* service.name and its like; NULL: none */
    clockid_t clock;
    bool with_origin;
    bool with_thread;
    bool with_pid;
    uint32_t views; /* bit set of enum sl_view that some sink wants */
    uint32_t processor_count;
    struct sl_processor processors[SL_PROCESSOR_MAX];
    size_t sink_count;
    struct sl_sink *sinks[SL_SINK_MAX];
};

/* ---- lines ---- */

/* What a line can look like: the formats, the console once more in colour. */
enum sl_view {
    SL_VIEW_ECS,
    SL_VIEW_JSON,
    SL_VIEW_LOGFMT,
    SL_VIEW_KEY_VALUE,
    SL_VIEW_CONSOLE,
    SL_VIEW_COLOR,
    SL_VIEW_JOURNAL,
    SL_VIEW_SYSLOG,
    SL_VIEW_COUNT
};

struct sl_call {
    const struct sl_logger *log; /* NULL: default */
    const struct sl_pipeline *pipeline;
    struct sl_thread *thread;
    const struct sl_fields *context; /* NULL: none */
    struct sl_site *site;            /* NULL: from sl_log_fields, then the next two */
    const struct sl_value *values;   /* of site->keys, [0] unused */
    const struct sl_field *pairs;
    size_t count;
    const struct sl_list *prepared; /* in place of context, bound and these; NULL: none */
    const char *event;
    size_t event_size;
    int level;
    uint64_t suppressed_count;
    struct sl_identity *identity; /* the thread that called */
    struct timespec time;
    struct sl_stamp *stamp; /* the thread's; a nested call's own */
    /* the buffer; grows only when it is the thread's */
    char *line;
    size_t line_size;
    bool is_nested;
};

/* At the first call: judges the site's keys, makes it known to site.c. */
SL_HIDDEN void sl_site_start(struct sl_site *site);
/* Only judges: sets the bound, returns the flags. */
SL_HIDDEN uint32_t sl_site_judge(struct sl_site *site);
SL_HIDDEN void sl_site_add(struct sl_site *site);

/* The line with its LF at call->line; its size, or 0 when it did not fit (the line is lost). */
SL_HIDDEN size_t sl_render(struct sl_call *call, enum sl_view view);
SL_HIDDEN bool sl_call_reserve(struct sl_call *call, size_t size);
/* All fields of the call, merged; not yet settled. */
SL_HIDDEN void sl_call_merge(const struct sl_call *call, struct sl_list *list, bool with_own);
/* The fields of the caller alone: context, bound, pairs. */
SL_HIDDEN void sl_call_gather(const struct sl_call *call, struct sl_list *list);
/* Gathers them into `list`, which the processors change and the line is made of; false: dropped. */
SL_HIDDEN bool sl_process(struct sl_call *call, struct sl_list *list);
/* Bytes that an item may take in any view. */
SL_HIDDEN size_t sl_item_bound(const struct sl_item *item);
SL_HIDDEN size_t sl_value_bound(const struct sl_value *value);
SL_HIDDEN char *sl_put_json_value(char *to, const struct sl_value *value);
SL_HIDDEN char *sl_put_json_item(char *to, const struct sl_item *item);
SL_HIDDEN size_t sl_render_logfmt(struct sl_call *call);
SL_HIDDEN size_t sl_render_key_value(struct sl_call *call);
/* Makes room for the line of a text format, whose values are those of `list`. */
SL_HIDDEN bool sl_text_reserve(struct sl_call *call, const struct sl_list *list);
/* The item's key, what no key of a text format may hold as _. */
SL_HIDDEN char *sl_put_plain_key(char *to, const struct sl_item *item);
SL_HIDDEN size_t sl_render_journal(struct sl_call *call);
SL_HIDDEN size_t sl_render_syslog(struct sl_call *call);
/*  key=value for each, as logfmt has it. */
SL_HIDDEN char *sl_put_plain_items(char *to, const struct sl_list *list);
SL_HIDDEN size_t sl_render_console(struct sl_call *call, bool in_color);
SL_HIDDEN const char *sl_basename(const char *path);

#endif
