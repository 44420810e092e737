/* structlog.h - structured logging: events with typed key-values, bound context, ECS JSON lines.
 *
 *     #include "structlog/structlog.h"
 *
 *     sl_configure(&(struct sl_config){ .service_name = "shop" });            // stderr, from INFO
 *     struct sl_logger *log = sl_bind(NULL, "peer", address);                 // NULL: the default
 *     sl_info(log, "request handled", "status", 200, "duration", 0.012);
 *     sl_error(log, "open failed", "path", path, SL_ERRNO());
 *     sl_unref(log);
 *
 * WHAT    An event is a constant text; the facts go into pairs of a constant key and a value of any
 *         arithmetic, pointer or string type. Text that is not NUL-terminated: sl_strn(data, size).
 *         At most SL_PAIRS_MAX pairs a call. Nothing is evaluated when the level is off, everything
 *         exactly once otherwise. No call allocates, aborts or changes errno.
 * WHO     A struct sl_logger is immutable: its bound fields never change, sl_bind makes a new one.
 *         It counts references; a child keeps what it needs alive. NULL is the default logger
 *         everywhere. Any thread may use any logger.
 * KEYS    One line holds a key once: call > bound > thread's context > configuration. Keys that
 *         would break the ECS form (message, log.level, log, error, ... as plain values) are moved
 *         under labels. and counted.
 * BEFORE  sl_configure and after sl_shutdown lines go to stderr, so nothing is ever lost silently.
 * SIGNALS A handler may log on a thread that has logged before: a short line allocates nothing, and
 *         a call that interrupts a call has a buffer of its own. A sink that the interrupted call
 *         holds is written round (files, descriptors) or misses the line, which is counted. An
 *         alternate signal stack needs 64 KiB.
 * FORK    The child goes on with the same sinks; what the parent had buffered stays the parent's.
 * NAMES   Everything is sl_ or SL_; what ends in an underscore is not for callers.
 */
#ifndef STRUCTLOG_STRUCTLOG_H
#define STRUCTLOG_STRUCTLOG_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "structlog/pairs.h"

#define SL_API __attribute__((visibility("default")))

/* Calls below this level vanish at compile time; define it before the include or with -D. */
#ifndef SL_MIN_LEVEL
#define SL_MIN_LEVEL 0
#endif

#define SL_PAIRS_MAX 24 /* pairs in one call */
#define SL_BOUND_MAX 64 /* fields one logger, or one thread's context, may hold */

/* The numbers are those of Python's logging and structlog; any number between is a level too. */
#define SL_NOTSET   0
#define SL_DEBUG    10
#define SL_INFO     20
#define SL_WARN     30
#define SL_ERROR    40
#define SL_CRITICAL 50
#define SL_OFF      100

#ifdef __cplusplus
extern "C" {
#endif

struct sl_logger;  /* a set of bound fields, a name, a level, and where lines go */
struct sl_capture; /* lines kept in memory, for tests */

/* ---- values ---- */

enum sl_kind {
    SL_KIND_NULL,
    SL_KIND_BOOL,
    SL_KIND_INT,
    SL_KIND_UINT,
    SL_KIND_DOUBLE,
    SL_KIND_FLOAT,
    SL_KIND_STRING,  /* borrowed until the call returns */
    SL_KIND_CHAR,    /* a string of one byte */
    SL_KIND_POINTER, /* "0x7f..." */
    SL_KIND_JSON,    /* a JSON value already encoded; checked only for line breaks */
    SL_KIND_ERRNO,   /* <key>.code, <key>.type, <key>.message */
    SL_KIND_FAILURE, /* <key>.type, <key>.message */
    SL_KIND_LAZY     /* a function that is called only if the line is written */
};

/* A value on its way into a line: 16 bytes, made by SL_VALUE(x), never kept beyond the call. */
struct sl_value {
    union sl_payload {
        int64_t integer;
        uint64_t natural;
        double real;
        const void *pointer;
    } as;
    uint32_t size; /* bytes of text; larger text is cut at 4 GiB */
    uint32_t kind; /* enum sl_kind */
};

/* A field whose key is not a literal; for sl_log_fields. */
struct sl_field {
    struct sl_value key; /* SL_VALUE(text) or sl_strn(data, size) */
    struct sl_value value;
};

/* What sl_failure and sl_lazy point at; it must live until the call returns. */
struct sl_failure {
    const char *type;    /* e.g. "ERROR_PARSE"; NULL: left out */
    const char *message; /* NULL: left out */
};
struct sl_lazy {
    struct sl_value (*call)(void *argument); /* runs on the caller's thread, at most once a line */
    void *argument;
};

/* ---- configuration ---- */

enum sl_format {
    SL_FORMAT_DEFAULT = 0, /* ECS for files, callbacks and captures; console for terminals */
    SL_FORMAT_ECS,         /* one JSON object a line after the Elastic Common Schema */
    SL_FORMAT_JSON,     /* one flat JSON object a line: timestamp, level, event, then the fields */
    SL_FORMAT_LOGFMT,   /* timestamp=... level=info event="..." key=value */
    SL_FORMAT_CONSOLE,  /* columns for people */
    SL_FORMAT_KEY_VALUE /* timestamp='...' level='info' event='...' key='value', as Python's repr */
};

enum sl_sink_kind {
    SL_SINK_STDERR = 0,
    SL_SINK_STDOUT,
    SL_SINK_FD,       /* options.fd, which stays the caller's */
    SL_SINK_FILE,     /* options.path, created with mode 0644, appended to, rotated */
    SL_SINK_CALLBACK, /* options.write */
    SL_SINK_CAPTURE,  /* options.capture */
    SL_SINK_JOURNAL,  /* systemd's journal; options.path: its socket, NULL the usual one */
    SL_SINK_SYSLOG    /* the local syslog; options.path: its socket, NULL /dev/log */
};

enum sl_color { SL_COLOR_AUTO = 0, SL_COLOR_NEVER, SL_COLOR_ALWAYS };

enum sl_clock {
    SL_CLOCK_PRECISE = 0, /* CLOCK_REALTIME: microseconds; some 20 ns a line */
    SL_CLOCK_COARSE       /* CLOCK_REALTIME_COARSE: the last tick, 1 to 4 ms; some 3 ns a line */
};

enum sl_compression {
    SL_COMPRESSION_NONE = 0,
    SL_COMPRESSION_GZIP /* path.N.gz; -ENOTSUP where the library was built without zlib */
};

struct sl_sink_options {
    enum sl_sink_kind kind;
    enum sl_format format;
    int level;                 /* least level for this sink; 0 = all that reaches it */
    enum sl_color color;       /* console only; AUTO: terminal, NO_COLOR, FORCE_COLOR, TERM=dumb */
    const char *path;          /* FILE: copied, made absolute */
    uint64_t rotate_size_max;  /* FILE: bytes after which path becomes path.1; 0 = never */
    unsigned rotate_count_max; /* FILE: old files kept, path.1 the youngest; 0 = 5; at most 999 */
    /* FILE: also with the first line after each multiple of this many seconds since 1970 in UTC,
     * 86400 at midnight; 0 = never; at most 366 days. The offset moves the multiples, 4 * 86400
     * makes weeks begin on Monday; it is less than the interval, and may be negative. */
    unsigned rotate_interval_s;
    int rotate_offset_s;
    uint64_t rotate_total_size_max; /* FILE: the oldest go when all old ones have more bytes; 0 */
    unsigned rotate_age_max_s;      /* FILE: and when their last line is that old; 0 = never */
    enum sl_compression rotate_compression; /* FILE: of path.2 and older */
    size_t buffer_size; /* FILE, FD: collect lines up to this many bytes; 0 = write each */
    int fd;             /* FD */
    /* CALLBACK: one whole line, with its LF; under the sink's lock; must not log. */
    void (*write)(void *context, int level, const char *line, size_t size);
    void *context;
    struct sl_capture *capture; /* CAPTURE: stays the caller's, must outlive the configuration */
};

#include "structlog/async.h"
#include "structlog/processor.h"

/* All zero is a good configuration: INFO and above, to stderr. Texts are copied. */
struct sl_config {
    int level;                       /* 0 = SL_INFO */
    const char *service_name;        /* service.name; NULL: left out, as the next three */
    const char *service_version;     /* service.version */
    const char *service_environment; /* service.environment */
    const char *event_dataset;       /* event.dataset; NULL: service_name */
    bool with_origin;                /* add log.origin.file.name, .file.line, .function */
    bool with_thread;                /* add process.thread.id and .name */
    bool without_pid;                /* leave process.pid out */
    enum sl_clock clock;
    const struct sl_sink_options *sinks;   /* NULL: one, stderr */
    size_t sink_count;                     /* at most SL_SINK_MAX */
    const struct sl_processor *processors; /* see processor.h; called in this order */
    size_t processor_count;                /* at most SL_PROCESSOR_MAX */
    const struct sl_async_options *async;  /* see async.h; NULL: each call writes its line */
    bool flush_on_crash; /* catch SIGSEGV, SIGABRT and their like, flush, let them go on */
};
#define SL_SINK_MAX 8

/* Replaces the configuration of the default logger and of all loggers made from it, at once for
 * all threads; what the old sinks had buffered is written first. Returns 0, or a negative errno
 * (-EINVAL: contradictory options; -ENOMEM; from opening a file), then nothing has changed. */
SL_API int sl_configure(const struct sl_config *config);

/* sl_configure with the environment laid over `config` (NULL: all zero):
 *   SL_LEVEL   debug | info | warning | error | critical | off | a number
 *   SL_FORMAT  ecs | json | logfmt | keyvalue | console
 *   SL_FILE    path: one file sink in place of config's sinks
 *   SL_ROTATE  for file sinks, by commas: 64m (bytes with k, m, g) or 0, then a number of files,
 *              and in any order every=1d, offset=4d, age=30d (s, m, h, d, w), total=2g, gzip
 *   SL_SITES   patterns of sl_site_switch, by commas: these are switched on
 *   SL_ORIGIN  1 | 0                SL_CLOCK  precise | coarse      SL_SERVICE  service.name
 * A variable that cannot be read is -EINVAL and nothing has changed. */
SL_API int sl_configure_from_environment(const struct sl_config *config);

SL_API bool sl_is_configured(void);

/* Writes what is buffered, closes the sinks; later lines go to stderr. Also done at exit. */
SL_API void sl_shutdown(void);

/* A root logger with sinks of its own, apart from the default: for tests and libraries.
 * *log is untouched on failure; the last sl_unref of it and its children closes the sinks. */
SL_API int sl_open(struct sl_logger **log, const struct sl_config *config);

/* ---- loggers ---- */

/* New logger: parent's fields, then the pairs; a key that is there already keeps its place and gets
 * the new value. Never NULL: without memory, or above SL_BOUND_MAX fields, it is the parent with
 * one more reference, and stats.unbound_count grows. The caller owns a reference: sl_unref. */
#ifndef __cplusplus
#define sl_bind(log, ...) sl_bind_((log), SL_ARRAY_(__VA_ARGS__), SL_COUNT_PAIRS_(__VA_ARGS__))
/* As sl_bind but without the parent's fields (its name, level and sinks stay). */
#define sl_new(log, ...) sl_new_((log), SL_ARRAY_(__VA_ARGS__), SL_COUNT_PAIRS_(__VA_ARGS__))
/* Puts the result of sl_bind in place of *log_pointer and drops the reference that was there: facts
 * are gathered as they come up, for one line at the end. */
#define sl_add(log_pointer, ...) sl_replace_((log_pointer), sl_bind(*(log_pointer), __VA_ARGS__))
#define SL_ARRAY_(...)           ((const struct sl_value[]){ SL_BOTH_(__VA_ARGS__) })
#endif

/* Without `key`: -ENOENT when it is not bound, then *out is untouched; otherwise 0. */
SL_API int sl_unbind(struct sl_logger *log, const char *key, struct sl_logger **out);
/* Without `key`, bound or not. Never NULL, as sl_bind. */
SL_API struct sl_logger *sl_try_unbind(struct sl_logger *log, const char *key);
/* The same fields under the name `name` (log.logger), with a level of its own, at first log's. */
SL_API struct sl_logger *sl_named(struct sl_logger *log, const char *name);

SL_API struct sl_logger *sl_ref(struct sl_logger *log); /* NULL stays NULL */
SL_API void sl_unref(struct sl_logger *log);            /* NULL is fine */

/* Equal bound fields in equal order (structlog's equality). */
SL_API bool sl_same_context(const struct sl_logger *a, const struct sl_logger *b);

/* The level of `log` and of all loggers bound from it or it was bound from, up to an sl_named. */
SL_API void sl_set_level(struct sl_logger *log, int level);
SL_API int sl_get_level(const struct sl_logger *log);

SL_API const char *sl_level_name(int level); /* "info"; between two levels the lower one's name */
/* A name of any case ("warn", "WARNING", "fatal"), or a number; 0 or -EINVAL. */
SL_API int sl_level_parse(const char *text, int *level);

/* ---- the thread's context ---- */

#ifndef __cplusplus
/* Adds fields to every line of this thread until popped; the result is for sl_context_pop. */
#define sl_context_push(...) sl_context_push_(SL_ARRAY_(__VA_ARGS__), SL_COUNT_PAIRS_(__VA_ARGS__))
/* SL_CONTEXT_SCOPE("trace.id", id) { ... }   leave it by its end or `continue`, not by return */
#define SL_CONTEXT_SCOPE(...) SL_SCOPE_(__COUNTER__, __VA_ARGS__)
#define SL_SCOPE_(n, ...)     SL_SCOPE2_(SL_CAT_(sl_mark_, n), SL_CAT_(sl_once_, n), __VA_ARGS__)
#define SL_SCOPE2_(mark, once, ...)                                                                \
    for (size_t mark = sl_context_push(__VA_ARGS__), once = 1; once != 0;                          \
         once = 0, sl_context_pop(mark))
#endif
SL_API void sl_context_pop(size_t mark);       /* forgets what was pushed since */
SL_API void sl_context_unset(const char *key); /* until the pop of what is around it */
SL_API void sl_context_clear(void);

/* A copy of this thread's context for another thread; sl_context_adopt puts it in place of that
 * thread's own. NULL without memory or when there is none; both take NULL. */
struct sl_context;
SL_API struct sl_context *sl_context_capture(void);
SL_API void sl_context_adopt(const struct sl_context *context);
SL_API void sl_context_free(struct sl_context *context);

/* ---- run time ---- */

/* Writes what is buffered or in rings by the time of the call; 0, the negative errno of the first
 * sink that failed, or -ETIMEDOUT when the back end has not come that far (sl_flush: in 10 s). */
SL_API int sl_flush(struct sl_logger *log);
SL_API int sl_flush_within(struct sl_logger *log, int timeout_ms);

/* Asks every file sink to open its path anew before its next line: for SIGHUP after an external
 * rotation. Safe in a signal handler. */
SL_API void sl_reopen(void);

/* Counted since the start of the process, or since the fork that made it, over all loggers. */
struct sl_stats {
    uint64_t debug_count, info_count, warn_count, error_count, critical_count; /* emitted events */
    uint64_t written_count, written_bytes; /* lines and bytes that sinks took */
    uint64_t lost_count;       /* lines a sink failed to take: disk full, I/O error, closed pipe */
    uint64_t suppressed_count; /* calls held back by sl_*_every */
    uint64_t rotation_count;
    uint64_t compressed_count;         /* old files */
    uint64_t compression_failed_count; /* disk full, I/O error: the file stays as it is */
    uint64_t renamed_count;            /* reserved keys moved under labels. */
    uint64_t unbound_count;            /* binds and pushes refused for memory or SL_BOUND_MAX */
    uint64_t dropped_count;            /* asynchronous calls dropped by the policy for full rings */
    uint64_t waited_count;             /* ... that waited for room */
    uint64_t filtered_count;           /* events that a processor dropped */
};
SL_API void sl_stats(struct sl_stats *stats);

/* ---- call sites ---- */

enum sl_site_mode {
    SL_SITE_OFF = -1,     /* never writes */
    SL_SITE_BY_LEVEL = 0, /* as its level and its logger's say */
    SL_SITE_ON = 1        /* writes whatever the logger's level is; sinks keep theirs */
};

struct sl_site_info {
    const char *file; /* without directories */
    const char *function;
    const char *event;
    unsigned line;
    enum sl_site_mode mode;
};

/* Switches the sites that match: a debug line of a running program on, a noisy one off.
 *   pattern  shell pattern (fnmatch) for file, file:line or file:function, e.g. "probe.c:*"
 * Returns how many matched. Any thread; takes effect at once. */
SL_API size_t sl_site_switch(const char *pattern, enum sl_site_mode mode);

/* Calls `visit` for every call site of the executable, and those of C++ and of shared libraries
 * that have run; returns how many. `visit` must not log. */
SL_API size_t sl_site_list(void (*visit)(void *context, const struct sl_site_info *site),
                           void *context);

/* ---- events that are not literals ---- */

/* Event and keys of any text; slower than the macros, for bridges and bindings. */
SL_API void sl_log_fields(struct sl_logger *log, int level, struct sl_value event,
                          const struct sl_field *fields, size_t count);
/* For code that has only printf: the event is the formatted text, cut at 4,096 bytes. */
SL_API void sl_printf(struct sl_logger *log, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
SL_API void sl_vprintf(struct sl_logger *log, int level, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* ---- checking ECS lines ---- */

enum sl_ecs_rule {
    SL_ECS_SIZE = 1,  /* empty, longer than SL_ECS_SIZE_MAX, too deep or too many fields */
    SL_ECS_UTF8,      /* invalid UTF-8 */
    SL_ECS_JSON,      /* not one JSON object on one line */
    SL_ECS_ORDER,     /* the first keys are not @timestamp, log.level, message */
    SL_ECS_TIMESTAMP, /* @timestamp is not ISO 8601 with a zone */
    SL_ECS_VERSION,   /* ecs.version is missing */
    SL_ECS_TYPE,      /* a field of ECS has another type there */
    SL_ECS_LABEL,     /* a key under labels. has . * or \, or its value is no plain value */
    SL_ECS_CONFLICT,  /* a path is a value and an object, which Filebeat's expand_keys refuses */
    SL_ECS_DUPLICATE, /* a key or a path comes twice */
    SL_ECS_NAME       /* a path has an empty part, or begins with _ or @ */
};
#define SL_ECS_SIZE_MAX (10u << 20) /* what Filebeat takes by default */

struct sl_ecs_finding {
    enum sl_ecs_rule rule;
    size_t offset;  /* byte in the line where it was noticed */
    char text[128]; /* "log.level is not the second key"; NUL-terminated */
};

/* Checks one line, with or without its LF, as Filebeat and Elasticsearch will: 0, or -EINVAL and
 * the first finding. Allocates nothing; any thread. Source: ecs-logging spec 1.0; beats #22849. */
SL_API int sl_ecs_lint_line(const char *line, size_t size, struct sl_ecs_finding *finding);

/* ---- tests ---- */

/* Keeps whole lines up to `size_max` bytes, drops (and counts) later ones. NULL without memory. */
SL_API struct sl_capture *sl_capture_new(size_t size_max);
SL_API void sl_capture_free(struct sl_capture *capture);
SL_API const char *sl_capture_text(const struct sl_capture *capture); /* NUL-terminated */
SL_API size_t sl_capture_count(const struct sl_capture *capture);     /* lines kept */
SL_API size_t sl_capture_dropped(const struct sl_capture *capture);
SL_API void sl_capture_clear(struct sl_capture *capture);
/* Whether a kept line holds `text`. */
SL_API bool sl_capture_has(const struct sl_capture *capture, const char *text);

#include "structlog/bridge.h"
#include "structlog/call.h"

#ifdef __cplusplus
}
#endif

#endif
