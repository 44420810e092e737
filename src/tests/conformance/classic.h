/* classic.h - makes native histograms with custom buckets of classic ones. */
#ifndef TESTS_CONFORMANCE_CLASSIC_H
#define TESTS_CONFORMANCE_CLASSIC_H

#include "tests/conformance/memory_series.h"

/* For every x_bucket{le=...} (with x_sum and x_count where they are) in `from`, a series x in `to`.
 * False: out of memory. */
bool classic_to_native(struct memory_store *from, struct memory_store *to);

#endif
