/* call.h - what a call of sl_info and its kin becomes: typed values, a static site, one test.
 *
 * Included by structlog.h, never by itself. The site is the call's static half (where it stands,
 * its keys as JSON pieces made by the compiler); the values are its moving half. The library fills
 * in the site's cached judgements on the first use.
 */
#ifndef STRUCTLOG_CALL_H
#define STRUCTLOG_CALL_H

#include "structlog/structlog.h"

#include "structlog/cells.h"

/* ---- the calls ---- */

#define sl_debug(log, ...)    SL_AT_((log), SL_DEBUG, 0, __VA_ARGS__)
#define sl_info(log, ...)     SL_AT_((log), SL_INFO, 0, __VA_ARGS__)
#define sl_warn(log, ...)     SL_AT_((log), SL_WARN, 0, __VA_ARGS__)
#define sl_error(log, ...)    SL_AT_((log), SL_ERROR, 0, __VA_ARGS__)
#define sl_critical(log, ...) SL_AT_((log), SL_CRITICAL, 0, __VA_ARGS__)

/* The level is an expression. */
#define sl_log(log, level, ...) SL_AT_((log), (level), 0, __VA_ARGS__)

/* At most one line every `ms` milliseconds from this place; the next one tells in
 * suppressed_count how many were held back. */
#define sl_log_every(log, level, ms, ...) SL_AT_((log), (level), (ms), __VA_ARGS__)
#define sl_debug_every(log, ms, ...)      SL_AT_((log), SL_DEBUG, (ms), __VA_ARGS__)
#define sl_info_every(log, ms, ...)       SL_AT_((log), SL_INFO, (ms), __VA_ARGS__)
#define sl_warn_every(log, ms, ...)       SL_AT_((log), SL_WARN, (ms), __VA_ARGS__)
#define sl_error_every(log, ms, ...)      SL_AT_((log), SL_ERROR, (ms), __VA_ARGS__)

/* Two arguments in one, to stand among the pairs: error.code, error.type and error.message of
 * errno as it is when the call begins to evaluate its arguments. */
#define SL_ERRNO() "error", sl_errno(errno)

/* A true or false that C before C23 gives the type int: "done", SL_BOOL(true). */
#define SL_BOOL(x) ((bool)(x))

/* ---- the site ---- */

struct sl_key {
    const char *json; /* ,"key": and 16 zero bytes, so that whole vectors may be read */
    uint32_t size;    /* of the key alone, which stands at json + 2 */
};

struct sl_site {
    const char *file;
    const char *function;
    const struct sl_key *keys; /* [0] is the event, in the same wrapping */
    uint32_t line;
    uint32_t count; /* of pairs */
    /* the library's; zero at the start */
    uint32_t flags;
    int32_t mode; /* enum sl_site_mode */
    size_t bound; /* bytes that a line takes at most, texts among the values apart */
    uint64_t shape;
    int64_t next_ms;
    uint64_t suppressed_count;
    uint32_t number; /* in rings; 0: none */
    struct sl_site *next;
};

/* clang-format off */
#define SL_ZEROS_  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define SL_KEY_(k) { ",\"" k "\":" SL_ZEROS_, (uint32_t)(sizeof("" k "") - 1) }
/* clang-format on */

/* Every site of the program, run or not, has its address in this section; see site.c. A C++ inline
 * function may not put a static into one, so sites in C++ are known when they have run. */
#ifndef __cplusplus
#define SL_PLACE_(site)                                                                            \
    static struct sl_site *const sl_place_ __attribute__((used, section("sl_sites"))) = &(site)
#else
#define SL_PLACE_(site) ((void)0)
#endif

/* Laid out for calls that are off: what is on is rare beside the code around it, or slow anyway. */
#define SL_IS_ON_(log, site, level)                                                                \
    __builtin_expect(                                                                              \
        sl_enabled((log), (level)) || __atomic_load_n(&(site)->mode, __ATOMIC_RELAXED) > 0, 0)

/* The values first, each once. Then, where a record in the thread's ring is all there is to do, its
 * place there and straight stores of what the compiler knows; otherwise the long way. */
#define SL_AT_(log, level, ms, ...)                                                                \
    do {                                                                                           \
        static const struct sl_key sl_keys_[] = { SL_KEYS_(__VA_ARGS__) };                         \
        static struct sl_site sl_site_ = {                                                         \
            __FILE__, __func__, sl_keys_, __LINE__, SL_COUNT_(__VA_ARGS__), 0, 0, 0, 0,            \
            0,        0,        0,        NULL                                                     \
        };                                                                                         \
        SL_PLACE_(sl_site_);                                                                       \
        struct sl_logger *const sl_log_ = log;                                                     \
        const int sl_level_ = level;                                                               \
        if (sl_level_ >= SL_MIN_LEVEL && SL_IS_ON_(sl_log_, &sl_site_, sl_level_)) {               \
            SL_MAKE_(__VA_ARGS__)                                                                  \
            const uint64_t sl_size_ = SL_SIZE_(__VA_ARGS__);                                       \
            char *sl_to_ = (ms) == 0 && (unsigned)sl_level_ <= 255                                 \
                               ? sl_cells_begin_(sl_log_, &sl_site_, sl_level_, sl_size_)          \
                               : NULL;                                                             \
            if (__builtin_expect(sl_to_ != NULL, 1)) {                                             \
                SL_PUT_(__VA_ARGS__)                                                               \
                sl_cells_end_(sl_to_);                                                             \
            } else {                                                                               \
                const struct sl_value sl_values_[] = { SL_LIST_(__VA_ARGS__) };                    \
                sl_emit_(sl_log_, &sl_site_, sl_level_, ms, sl_values_);                           \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* Where `size` bytes of cells go: the caller fills that, doing nothing else, and calls
 * sl_cells_end_ with its end. NULL: sl_emit_ must do it. */
SL_API char *sl_cells_begin_(struct sl_logger *log, const struct sl_site *site, int level,
                             uint64_t size);
SL_API void sl_cells_end_(char *to);
SL_API void sl_emit_(struct sl_logger *log, struct sl_site *site, int level, int64_t every_ms,
                     const struct sl_value *values);
SL_API struct sl_logger *sl_bind_(struct sl_logger *log, const struct sl_value *pairs,
                                  size_t count);
SL_API struct sl_logger *sl_new_(struct sl_logger *log, const struct sl_value *pairs, size_t count);
SL_API size_t sl_context_push_(const struct sl_value *pairs, size_t count);

static inline void sl_replace_(struct sl_logger **log, struct sl_logger *made)
{
    struct sl_logger *old = *log;
    *log = made;
    sl_unref(old);
}

/* The first member of every logger, and of the default one. */
struct sl_logger_head_ {
    const int *level;
};
extern SL_API int sl_default_level_;

/* Whether an event of `level` would go anywhere: guards work that only the log needs. */
static inline bool sl_enabled(const struct sl_logger *log, int level)
{
    const int *cell = log == NULL ? &sl_default_level_
                                  : ((const struct sl_logger_head_ *)(const void *)log)->level;
    return level >= __atomic_load_n(cell, __ATOMIC_RELAXED);
}

/* ---- values ---- */

static inline struct sl_value sl_value_none_(void)
{
    struct sl_value value;
    value.as.natural = 0;
    value.size = 0;
    value.kind = SL_KIND_NULL;
    return value;
}

static inline struct sl_value sl_value_int_(int64_t x)
{
    struct sl_value value;
    value.as.integer = x;
    value.size = 0;
    value.kind = SL_KIND_INT;
    return value;
}

static inline struct sl_value sl_value_uint_(uint64_t x)
{
    struct sl_value value;
    value.as.natural = x;
    value.size = 0;
    value.kind = SL_KIND_UINT;
    return value;
}

static inline struct sl_value sl_value_pointer_kind_(const void *x, uint32_t kind)
{
    struct sl_value value;
    value.as.pointer = x;
    value.size = 0;
    value.kind = kind;
    return value;
}

/* To be taken apart before it can be written; a size beyond all others says so at a glance. */
static inline struct sl_value sl_value_parted_(const void *x, uint32_t kind)
{
    struct sl_value value = sl_value_pointer_kind_(x, kind);
    value.size = UINT32_MAX;
    return value;
}

/* clang-format off */
static inline struct sl_value sl_value_double_(double x)
{
    struct sl_value value;
    value.as.real = x;
    value.size = 0;
    value.kind = SL_KIND_DOUBLE;
    return value;
}

static inline struct sl_value sl_value_float_(float x)
{
    struct sl_value value = sl_value_double_((double)x);
    value.kind = SL_KIND_FLOAT;
    return value;
}

static inline struct sl_value sl_value_bool_(bool x)
{
    struct sl_value value = sl_value_uint_(x ? 1u : 0u);
    value.kind = SL_KIND_BOOL;
    return value;
}

static inline struct sl_value sl_value_char_(char x)
{
    struct sl_value value = sl_value_uint_((unsigned char)x);
    value.kind = SL_KIND_CHAR;
    return value;
}

static inline struct sl_value sl_value_long_double_(long double x)
{
    return sl_value_double_((double)x);
}

static inline struct sl_value sl_value_value_(struct sl_value x) { return x; }

static inline struct sl_value sl_value_pointer_(const void *x)
{
    return sl_value_pointer_kind_(x, SL_KIND_POINTER);
}
/* clang-format on */

/* Text of `size` bytes that need not end in NUL; data NULL is null. */
static inline struct sl_value sl_strn(const char *data, size_t size)
{
    if (data == NULL) return sl_value_none_();
    struct sl_value value = sl_value_pointer_kind_(data, SL_KIND_STRING);
    value.size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    return value;
}

static inline struct sl_value sl_value_string_(const char *text)
{
    return sl_strn(text, text == NULL ? 0 : __builtin_strlen(text));
}

/* A JSON value already encoded, on one line; it goes into JSON formats as it is. */
static inline struct sl_value sl_json(const char *data, size_t size)
{
    struct sl_value value = sl_strn(data, size);
    if (data != NULL) value.kind = SL_KIND_JSON;
    return value;
}

/* "error", sl_errno(code): error.code, error.type ("ENOENT") and error.message of an errno. */
static inline struct sl_value sl_errno(int code)
{
    struct sl_value value = sl_value_int_(code < 0 ? -(int64_t)code : code);
    value.kind = SL_KIND_ERRNO;
    return value;
}

/* "error", sl_failed(&(struct sl_failure){ "ERROR_PARSE", error.text }) */
static inline struct sl_value sl_failed(const struct sl_failure *failure)
{
    return sl_value_parted_(failure, SL_KIND_FAILURE);
}

/* "dump", sl_lazily(&(struct sl_lazy){ dump, tree }) */
static inline struct sl_value sl_lazily(const struct sl_lazy *lazy)
{
    return sl_value_parted_(lazy, SL_KIND_LAZY);
}

#ifndef __cplusplus
/* clang-format off */
#define SL_VALUE(x) _Generic((x),                       \
    bool: sl_value_bool_, char: sl_value_char_, float: sl_value_float_, double: sl_value_double_,  \
    long double: sl_value_long_double_,                 \
    signed char: sl_value_int_, short: sl_value_int_, int: sl_value_int_,                          \
    long: sl_value_int_, long long: sl_value_int_,      \
    unsigned char: sl_value_uint_, unsigned short: sl_value_uint_, unsigned: sl_value_uint_,       \
    unsigned long: sl_value_uint_, unsigned long long: sl_value_uint_,                             \
    char *: sl_value_string_, const char *: sl_value_string_,                                      \
    void *: sl_value_pointer_, const void *: sl_value_pointer_,                                    \
    struct sl_value: sl_value_value_)(x)
/* clang-format on */
#else
} /* extern "C" */
#include "structlog/call.hpp"
extern "C" {
#endif

#endif
