// call.hpp - the C++ half of call.h: overloads in place of _Generic, templates in place of
// compound literals. Included by call.h.
#ifndef STRUCTLOG_CALL_HPP
#define STRUCTLOG_CALL_HPP

#define SL_VALUE(x) sl_value_of_(x)

inline struct sl_value sl_value_of_(bool x) { return sl_value_bool_(x); }
inline struct sl_value sl_value_of_(char x) { return sl_value_char_(x); }
inline struct sl_value sl_value_of_(float x) { return sl_value_float_(x); }
inline struct sl_value sl_value_of_(double x) { return sl_value_double_(x); }
inline struct sl_value sl_value_of_(long double x) { return sl_value_long_double_(x); }
inline struct sl_value sl_value_of_(signed char x) { return sl_value_int_(x); }
inline struct sl_value sl_value_of_(short x) { return sl_value_int_(x); }
inline struct sl_value sl_value_of_(int x) { return sl_value_int_(x); }
inline struct sl_value sl_value_of_(long x) { return sl_value_int_(x); }
inline struct sl_value sl_value_of_(long long x) { return sl_value_int_(x); }
inline struct sl_value sl_value_of_(unsigned char x) { return sl_value_uint_(x); }
inline struct sl_value sl_value_of_(unsigned short x) { return sl_value_uint_(x); }
inline struct sl_value sl_value_of_(unsigned x) { return sl_value_uint_(x); }
inline struct sl_value sl_value_of_(unsigned long x) { return sl_value_uint_(x); }
inline struct sl_value sl_value_of_(unsigned long long x) { return sl_value_uint_(x); }
inline struct sl_value sl_value_of_(const char *x) { return sl_value_string_(x); }
inline struct sl_value sl_value_of_(const void *x) { return sl_value_pointer_(x); }
inline struct sl_value sl_value_of_(struct sl_value x) { return x; }

template <typename... A> inline struct sl_logger *sl_bind(struct sl_logger *log, A... pairs)
{
    static_assert(sizeof...(A) % 2 == 0, "a key without a value");
    const struct sl_value values[] = { sl_value_of_(pairs)... };
    return sl_bind_(log, values, sizeof...(A) / 2);
}

template <typename... A> inline void sl_add(struct sl_logger **log, A... pairs)
{
    sl_replace_(log, sl_bind(*log, pairs...));
}

template <typename... A> inline struct sl_logger *sl_new(struct sl_logger *log, A... pairs)
{
    static_assert(sizeof...(A) % 2 == 0, "a key without a value");
    const struct sl_value values[] = { sl_value_of_(pairs)... };
    return sl_new_(log, values, sizeof...(A) / 2);
}

template <typename... A> inline size_t sl_context_push(A... pairs)
{
    static_assert(sizeof...(A) % 2 == 0, "a key without a value");
    const struct sl_value values[] = { sl_value_of_(pairs)... };
    return sl_context_push_(values, sizeof...(A) / 2);
}

// Pops at the end of the block, by return and exception too.
struct sl_context_scope_ {
    size_t mark;
    bool once;
    ~sl_context_scope_() { sl_context_pop(mark); }
};
#define SL_CONTEXT_SCOPE(...) SL_SCOPE_(SL_CAT_(sl_scope_, __COUNTER__), __VA_ARGS__)
#define SL_SCOPE_(scope, ...)                                                                      \
    for (sl_context_scope_ scope = { sl_context_push(__VA_ARGS__), true }; scope.once;             \
         scope.once = false)

#endif
