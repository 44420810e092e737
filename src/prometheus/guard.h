/* guard.h - mappings of a file that others may cut short.
 *
 * Touching a page behind the end of a mapped file is SIGBUS. With a guard the page becomes one of
 * zeros, this process' own, and what touched it goes on; the guard says so from then on.
 */
#ifndef PROMETHEUS_GUARD_H
#define PROMETHEUS_GUARD_H

#include <stdbool.h>
#include <stddef.h>

enum { GUARDS_MAX = 8 };

/* Guards [map, map + size). The first call takes SIGBUS; faults elsewhere go to whoever had it
 * before. The guard's number, or -1: none free, or the signal cannot be had. Under the store's
 * lock. */
int pm_guard_add(char *map, size_t size);
void pm_guard_remove(int guard); /* before the mapping goes; -1 is fine */
bool pm_guard_has_fired(int guard);

#endif
