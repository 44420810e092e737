/* tally.h - counts terms exactly when they are far too many for buckets.
 *
 * Terms come in any order and as often as they like. They are written down in parts by their hash,
 * each part one behind the other; at the end a part at a time is put into a table that fits into
 * the cache of a processor. When there is no more room, terms that came twice are written once;
 * when that is not enough, half of the parts is left out, to be counted in another pass over the
 * same values: so memory has a bound whatever the number of terms.
 *
 *     struct tally *tally = tally_new(search->arena, TALLY_SIZE_MAX, true);
 *     do {
 *         ... tally_add(tally, term, logstore_term_hash(term), 1) for each value ...
 *         code = tally_each(tally, visit, argument);
 *     } while (code == 0 && tally_next_pass(tally));
 *
 * Owned by: one thread; memory of an arena, and a table of malloc while it is read.
 */
#ifndef LOGQUERY_TALLY_H
#define LOGQUERY_TALLY_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define TALLY_SIZE_MAX ((size_t)96 << 20) /* bytes: 5 million addresses in one pass */

struct tally;

/* size_max: bytes of terms that are written down at a time, in steps of 8 KiB. has_passes: the
 * values can be gone over again; else too many terms are -ENOMEM. NULL: out of memory. */
struct tally *tally_new(struct arena *arena, size_t size_max, bool has_passes) MUST_CHECK;

/* Adds `count` documents of a term. 0 or -ENOMEM. */
int tally_add(struct tally *tally, struct str term, uint64_t hash, uint64_t count) MUST_CHECK;

/* Calls visit for each different term of this pass, in no order; stops at its first code that is
 * not 0 and returns it; or -ENOMEM. */
int tally_each(struct tally *tally, int (*visit)(void *argument, struct str term, uint64_t count),
               void *argument) MUST_CHECK;

/* Forgets what was counted and goes on to the parts that were left out; false: there are none. */
bool tally_next_pass(struct tally *tally);

#endif
