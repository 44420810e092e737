/* functions.h - the table of functions: one row each, everything about it in the row. */
#ifndef PROMQL_FUNCTIONS_H
#define PROMQL_FUNCTIONS_H

#include "base/str.h"
#include "promql/promql.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call;
struct evaluation;
struct node;
struct row;
struct sink;
struct sweep;
struct window;

#define FUNCTION_ARGUMENTS_MAX 5

/* How a function takes its input; exactly one of a row's pointers is set, by this. */
enum function_shape {
    FUNCTION_MATH,    /* math: float to float, element by element */
    FUNCTION_POINT,   /* point: a vector's element and scalars, element by element */
    FUNCTION_WINDOW,  /* window: the points of a range, step by step */
    FUNCTION_SCALAR,  /* scalar: no input but the step's time */
    FUNCTION_SPECIAL, /* special: does its own evaluation */
};

/* One element; exactly one of the two holds. */
struct value {
    double number;
    const struct histogram *histogram; /* NULL: it is a number */
};

struct promql_function {
    struct str name;
    enum promql_type result;
    enum function_shape shape;
    int variadic; /* 0: as many as listed; n: the last may be missing and come n times; -1: any */
    enum promql_type arguments[FUNCTION_ARGUMENTS_MAX]; /* PROMQL_NONE ends */
    uint32_t feature;                                   /* 0: stable */
    bool keeps_name;
    bool needs_time; /* its value depends on the time of evaluation, also over constant input */
    double (*math)(double value);
    /* False: no element here. */
    bool (*point)(const struct call *call, size_t step, struct value *value);
    bool (*window)(struct call *call, const struct window *window, struct value *value);
    /* The same for a series of numbers and all steps at once; NULL: step by step. False: this
     * series had better go step by step. */
    bool (*sweep)(struct sweep *sweep);
    double (*scalar)(const struct evaluation *evaluation, int64_t time_ms);
    int (*special)(struct evaluation *evaluation, const struct node *node, struct sink *sink);
};

const struct promql_function *function_find(struct str name); /* NULL = not there */
size_t function_argument_count(const struct promql_function *function);

#endif
