/* expr.h - the tree that the parser makes and the evaluation walks. */
#ifndef PROMQL_EXPR_H
#define PROMQL_EXPR_H

#include "base/arena.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/matcher.h"
#include "promql/promql.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum node_kind {
    NODE_NUMBER,
    NODE_STRING,
    NODE_SELECTOR, /* instant vector selector */
    NODE_MATRIX,   /* selector[range] */
    NODE_SUBQUERY,
    NODE_CALL,
    NODE_AGGREGATE,
    NODE_BINARY,
    NODE_UNARY,
    NODE_PAREN,
};

/* clang-format off */
#define BINARY_OPERATORS(X)                                                                       \
    X(OR,            "or",     1) X(AND,           "and",    2) X(UNLESS,      "unless", 2)       \
    X(EQUAL,         "==",     3) X(NOT_EQUAL,     "!=",     3) X(LESS,        "<",      3)       \
    X(LESS_EQUAL,    "<=",     3) X(GREATER,       ">",      3) X(GREATER_EQUAL, ">=",   3)       \
    X(TRIM_UPPER,    "</",     3) X(TRIM_LOWER,    ">/",     3)                                   \
    X(ADD,           "+",      4) X(SUBTRACT,      "-",      4)                                   \
    X(MULTIPLY,      "*",      5) X(DIVIDE,        "/",      5) X(MODULO,      "%",      5)       \
    X(ATAN2,         "atan2",  5) X(POWER,         "^",      7)

#define AGGREGATIONS(X)                                                                           \
    X(SUM,          "sum")    X(AVG,     "avg")     X(MIN,      "min")      X(MAX,    "max")      \
    X(COUNT,        "count")  X(GROUP,   "group")   X(STDDEV,   "stddev")   X(STDVAR, "stdvar")   \
    X(TOPK,         "topk")   X(BOTTOMK, "bottomk") X(QUANTILE, "quantile")                       \
    X(COUNT_VALUES, "count_values")      X(LIMITK,  "limitk")   X(LIMIT_RATIO, "limit_ratio")
/* clang-format on */

enum binary_operator {
#define X(name, text, power) BINARY_##name,
    BINARY_OPERATORS(X)
#undef X
        BINARY_COUNT,
};

enum aggregation {
#define X(name, text) AGGREGATE_##name,
    AGGREGATIONS(X)
#undef X
        AGGREGATE_COUNT_OF,
};

extern const struct str binary_names[BINARY_COUNT];
extern const int binary_powers[BINARY_COUNT];
extern const struct str aggregation_names[AGGREGATE_COUNT_OF];

static inline bool binary_is_set(enum binary_operator op)
{
    return op <= BINARY_UNLESS;
}

static inline bool binary_is_comparison(enum binary_operator op)
{
    return op >= BINARY_EQUAL && op <= BINARY_GREATER_EQUAL;
}

/* topk, bottomk, limitk, limit_ratio: they choose among their input's series. */
bool aggregation_selects(enum aggregation op);
bool aggregation_has_parameter(enum aggregation op);

/* Where in the text a node stands, in bytes. */
struct place {
    uint32_t start;
    uint32_t end;
};

enum duration_kind {
    DURATION_NUMBER,
    DURATION_STEP,  /* step() */
    DURATION_RANGE, /* range() */
    DURATION_MIN,   /* min_of(a, b) */
    DURATION_MAX,
    DURATION_BINARY,
    DURATION_NEGATE,
    DURATION_PLUS,
    DURATION_PAREN,
};

/* A duration expression; most are one number. Seconds. */
struct duration {
    enum duration_kind kind;
    struct place place;
    enum binary_operator op;
    bool is_plain_number; /* written 300, not 5m */
    bool needs_query;     /* step() or range() inside */
    double seconds;       /* the value, unless needs_query */
    struct duration *left;
    struct duration *right;
};

enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };

struct modifiers {
    struct duration *offset; /* NULL: none */
    enum at_kind at;
    int64_t at_ms;
    bool is_anchored;
    bool is_smoothed;
};

enum match_card { MATCH_ONE_TO_ONE, MATCH_MANY_TO_ONE, MATCH_ONE_TO_MANY, MATCH_MANY_TO_MANY };

struct matching {
    enum match_card card;
    bool is_given; /* on, ignoring or group_x stands in the text */
    bool is_on;
    struct str *labels; /* sorted */
    size_t label_count;
    struct str *include; /* as written */
    size_t include_count;
    bool has_fill_left;
    bool has_fill_right;
    double fill_left;
    double fill_right;
};

struct promql_function;

struct node {
    enum node_kind kind;
    enum promql_type type;
    struct place place;
    bool is_invariant; /* the same at every step */
    unsigned shared;   /* nodes that are the same have the same number; 0: there once */
    union {
        struct {
            double value;
            bool is_duration; /* written as one: 5m */
        } number;
        struct str string;
        struct {
            struct str name; /* as written before the brace; empty when there is none */
            struct matcher *matchers;
            size_t matcher_count;
            struct modifiers modifiers;
            bool ignores_values; /* who takes its rows looks at no numbers */
            bool finds_resets;   /* hints of histograms are worked out from the samples */
            bool is_unique;      /* one metric name: no two series are the same without it */
        } selector;
        struct {
            struct node *selector;
            struct duration *range;
        } matrix;
        struct {
            struct node *inner;
            struct duration *range;
            struct duration *step; /* NULL: the default */
            struct modifiers modifiers;
        } subquery;
        struct {
            const struct promql_function *function;
            struct node **arguments;
            size_t count;
        } call;
        struct {
            enum aggregation op;
            struct node *inner;
            struct node *parameter;
            struct str *labels;
            size_t label_count;
            bool is_without;
            bool is_grouped; /* by or without stands in the text */
        } aggregate;
        struct {
            enum binary_operator op;
            struct node *left;
            struct node *right;
            uint32_t operator_start;
            bool returns_bool;
            struct matching matching;
        } binary;
        struct {
            bool is_minus;
            struct node *inner;
        } unary;
        struct node *paren;
    };
};

/* Shared by those who were given it. Read-only after the parse, so any thread may use it. */
struct promql_expr {
    atomic_uint references; /* holders; relaxed up, acquire and release down, as counts of sharers
                             * are: whoever takes the last one must see what the others did */
    struct arena arena;
    struct str text;
    struct node *root;
    unsigned shared_count;          /* numbers of shared nodes */
    size_t pattern_count;           /* of all matchers */
    VEC(struct matcher *) matchers; /* one block per selector, to release their patterns */
    VEC(size_t) matcher_counts;
};

void expr_ref(struct promql_expr *expr); /* one more holder; promql_expr_free takes one off */

/* Its value in seconds, given step() and range(). */
double duration_value(const struct duration *duration, double step, double range);

/* The node inside any number of parentheses. */
struct node *node_unwrap(struct node *node);

/* "3:14" of a byte offset, written into buffer. */
#define POSITION_SIZE 32
void position_print(struct str text, size_t offset, char *buffer);

#endif
