/* prometheus_peer.h - the same work done by prometheus-cpp, for prometheus_bench. */
#ifndef PROMETHEUS_PEER_H
#define PROMETHEUS_PEER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum peer_operation {
    PEER_INC,
    PEER_GAUGE_ADD,
    PEER_GAUGE_SET,
    PEER_OBSERVE,
    PEER_QUANTILES,
    PEER_LABELS
};

int peer_is_there(void); /* 0: built without it, all others do nothing */
void peer_do(enum peer_operation operation, long count, const double *values, size_t value_count);
int peer_make_series(long count, int is_double); /* 0 when they are there */
size_t peer_render(void);                        /* the size of the exposition */

#ifdef __cplusplus
}
#endif

#endif
