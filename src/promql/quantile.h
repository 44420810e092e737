/* quantile.h - quantiles and fractions of histograms, classic and native. */
#ifndef PROMQL_QUANTILE_H
#define PROMQL_QUANTILE_H

#include "model/histogram.h"

#include <stdbool.h>
#include <stddef.h>

/* A classic bucket: how many observations were at most `upper`. */
struct classic_bucket {
    double upper;
    double count;
};

/* What had to be mended so that counts do not fall. */
struct classic_mending {
    bool is_forced;
    double lowest;  /* bound of the first bucket that was lifted */
    double highest; /* of the last */
    double most;    /* greatest difference */
};

/* Buckets sorted by bound; equal bounds are added up and falling counts lifted, in place. */
double classic_quantile(double q, struct classic_bucket *buckets, size_t count,
                        struct classic_mending *mending);
double classic_fraction(double lower, double upper, struct classic_bucket *buckets, size_t count,
                        struct classic_mending *mending);

/* What NaN observations did to the answer. */
enum native_note { NATIVE_NOTHING, NATIVE_IS_NAN, NATIVE_IS_SKEWED };

double native_quantile(double q, const struct histogram *histogram, enum native_note *note);
double native_fraction(double lower, double upper, const struct histogram *histogram,
                       enum native_note *note);

#endif
