/* histogram_parts.h - what the histogram files share; not for others. */
#ifndef MODEL_HISTOGRAM_PARTS_H
#define MODEL_HISTOGRAM_PARTS_H

#include "model/histogram.h"

/* What the histogram would count in a zero bucket of the wider threshold, which grows to the end
 * of a populated bucket that it would cut. */
double histogram_zero_count(const struct histogram *histogram, double *threshold);

bool histogram_same_bounds(const struct histogram *a, const struct histogram *b);

#endif
