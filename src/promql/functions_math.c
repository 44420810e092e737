/* functions_math.c - functions of numbers. */
#include "promql/function_list.h"

#include <math.h>

double math_acosh(double value)
{
    return value < 1 ? (double)NAN : acosh(value);
}

double math_atanh(double value)
{
    return fabs(value) > 1 ? (double)NAN : atanh(value);
}

double math_degrees(double value)
{
    return value * 180 / M_PI;
}

double math_radians(double value)
{
    return value * M_PI / 180;
}

double math_sign(double value)
{
    if (value > 0) return 1;
    return value < 0 ? -1 : value;
}

/* As Go's math.Max and Min: NaN wins. */
static double greater(double a, double b)
{
    if (isnan(a) || isnan(b)) return (double)NAN;
    return fmax(a, b);
}

static double lesser(double a, double b)
{
    if (isnan(a) || isnan(b)) return (double)NAN;
    return fmin(a, b);
}

bool point_clamp(const struct call *call, size_t step, struct value *value)
{
    double least = call->scalars[1][step];
    double most = call->scalars[2][step];
    if (value->histogram != NULL || most < least) return false;
    value->number = greater(least, lesser(most, value->number));
    return true;
}

bool point_clamp_max(const struct call *call, size_t step, struct value *value)
{
    if (value->histogram != NULL) return false;
    value->number = lesser(call->scalars[1][step], value->number);
    return true;
}

bool point_clamp_min(const struct call *call, size_t step, struct value *value)
{
    if (value->histogram != NULL) return false;
    value->number = greater(call->scalars[1][step], value->number);
    return true;
}

bool point_round(const struct call *call, size_t step, struct value *value)
{
    if (value->histogram != NULL) return false;
    double nearest = call->scalars[1] == NULL ? 1 : call->scalars[1][step];
    double inverse = 1.0 / nearest;
    value->number = floor(value->number * inverse + 0.5) / inverse;
    return true;
}

bool point_max_of(const struct call *call, size_t step, struct value *value)
{
    value->number = greater(value->number, call->scalars[1][step]);
    return true;
}

bool point_min_of(const struct call *call, size_t step, struct value *value)
{
    value->number = lesser(value->number, call->scalars[1][step]);
    return true;
}

double scalar_pi(const struct evaluation *evaluation, int64_t time_ms)
{
    (void)evaluation;
    (void)time_ms;
    return M_PI;
}
