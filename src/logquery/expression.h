/* expression.h - the arithmetic of bucket_script and bucket_selector: what Painless scripts of
 * dashboards are made of, over doubles.
 *
 *   ternary := or ['?' ternary ':' ternary]      compare := sum [(< <= > >= == !=) sum]
 *   or      := and ('||' and)*                   sum     := product (+ - product)*
 *   and     := compare ('&&' compare)*           product := unary (* / % unary)*
 *   unary   := (- + !) unary | number | true | false | [params.]NAME | Math.F(...) | ( ternary )
 *
 * A leading "return" and a last ';' are passed over. Anything else is refused with its place.
 */
#ifndef LOGQUERY_EXPRESSION_H
#define LOGQUERY_EXPRESSION_H

#include "base/error.h"
#include "base/str.h"

#include <stddef.h>

struct expression_variable {
    struct str name;
    double value;
};

/* The value over the variables; truth is 1 or 0. ERROR_PARSE with the offset. */
int expression_evaluate(struct str text, const struct expression_variable *variables, size_t count,
                        double *value, struct error *error) MUST_CHECK;

#endif
