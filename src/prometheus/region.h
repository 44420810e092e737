/* region.h - shared memory. */
#ifndef PROMETHEUS_REGION_H
#define PROMETHEUS_REGION_H
#include "prometheus/words.h"
int region_thread_lane(struct region *region, uint32_t lane, uint32_t generation);
uint32_t region_other_lanes(const struct region *region);
#endif
