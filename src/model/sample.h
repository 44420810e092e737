/* sample.h - a point of a series, and the marker that says that a series has ended. */
#ifndef MODEL_SAMPLE_H
#define MODEL_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct sample {
    int64_t time_ms; /* since the epoch */
    double value;
};

/* The NaN whose bits mean "this series is stale"; ordinary NaNs have other bits. Compare bits:
 * a stale marker is never equal to anything as a number. Source: Prometheus model/value. */
#define SAMPLE_STALE_BITS  UINT64_C(0x7ff0000000000002)
#define SAMPLE_NORMAL_BITS UINT64_C(0x7ff8000000000001) /* what PromQL's NaN is */

static inline uint64_t sample_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline double sample_from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline bool sample_is_stale(double value)
{
    return sample_bits(value) == SAMPLE_STALE_BITS;
}

static inline double sample_stale(void)
{
    return sample_from_bits(SAMPLE_STALE_BITS);
}

#endif
