/* crew.h - how many searches are carried out, and how many of them have a helper.
 *
 * A search that reads many blocks of sources may have a second thread on it (ahead.h) while fewer
 * threads than processors carry out searches. One that begins meanwhile is counted at once, and a
 * helper who sees that there are too many ends after the segment at hand.
 *
 * Threads: any; its mutex is held for the counting alone, and no other lock is taken under it.
 */
#ifndef LOGQUERY_CREW_H
#define LOGQUERY_CREW_H

#include "logquery/logquery.h"

#include <stdbool.h>

/* NULL is fine: nobody is counted, and nobody may help. */
void crew_begin(struct logquery_crew *crew);
void crew_end(struct logquery_crew *crew);

bool crew_takes_helper(struct logquery_crew *crew); /* then crew_helper_ends must follow */
bool crew_has_too_many(struct logquery_crew *crew);
void crew_helper_ends(struct logquery_crew *crew);

#endif
