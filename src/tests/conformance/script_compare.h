/* script_compare.h - a case of a script: what it asks and what must come of it. */
#ifndef TESTS_CONFORMANCE_SCRIPT_COMPARE_H
#define TESTS_CONFORMANCE_SCRIPT_COMPARE_H

#include "base/vec.h"
#include "model/labels.h"
#include "promql/promql.h"
#include "tests/conformance/series_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REASON_SIZE 512
#define EXPECT_MAX  16

enum expect_kind {
    EXPECT_FAIL,
    EXPECT_WARN,
    EXPECT_NO_WARN,
    EXPECT_INFO,
    EXPECT_NO_INFO,
    EXPECT_ORDERED,
};

struct expectation {
    enum expect_kind kind;
    struct str message; /* whole text */
    struct str pattern; /* inside it */
    bool has_message;
    bool has_pattern;
};

struct expected_series {
    struct labels labels;
    struct text_points points;
    bool is_found;
};

/* One eval and what should come of it. */
struct script_case {
    size_t line;
    struct str query;
    bool is_range;
    int64_t start_ms;
    int64_t end_ms;
    int64_t step_ms;
    struct expectation expectations[EXPECT_MAX];
    size_t expectation_count;
    bool expects_matrix; /* expect range vector */
    struct promql_range matrix;
    bool expects_string;
    struct str string;
    bool expects_scalar;
    double scalar;
    VEC(struct expected_series) series;
    char reason[REASON_SIZE];
};

/* Says why a case failed, with the labels of a series. */
void script_set_reason(struct script_case *test, const char *what, struct labels labels);

/* Whether a point is what must come. */
bool script_is_close(const struct text_point *want, const struct promql_series *got, size_t i);

/* What must come and what came, for people. */
void script_describe(const struct text_point *want, const struct promql_series *got, size_t i,
                     char *text, size_t size);

/* Whether a result is what the case expects; else test->reason says why not. */
bool script_compare(struct script_case *test, const struct promql_result *result);

/* The first expectation of that kind; NULL: none. */
const struct expectation *script_expectation(const struct script_case *test, enum expect_kind kind);

/* Whether a note or an error is what an expectation asks for. */
bool script_text_fits(const struct expectation *wanted, struct str text);

#endif
