/* zone.h - time zones: fixed offsets, and regions by the machine's zone files (TZif, RFC 8536). */
#ifndef LOGQUERY_ZONE_H
#define LOGQUERY_ZONE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

#include <stdint.h>

struct zone;

/* "+01:00", "UTC", "Europe/Berlin". In the arena. -ENOENT when there is no such zone. */
int zone_find(struct arena *arena, struct str name, struct zone **zone) MUST_CHECK;

/* Seconds east of UTC at a time. NULL is UTC. */
int32_t zone_offset_at(const struct zone *zone, int64_t time_ms);

/* The time that a local clock of the zone shows as `local_ms`. */
int64_t zone_from_local(const struct zone *zone, int64_t local_ms);

#endif
