/* script.h - runs the .test scripts of PromQL: load, clear, eval, with what is expected.
 *
 * The notation is the reference's: see docs/promql-tests.md. Each eval is one case, named by the
 * line it stands on.
 */
#ifndef TESTS_CONFORMANCE_SCRIPT_H
#define TESTS_CONFORMANCE_SCRIPT_H

#include "base/str.h"
#include "promql/promql.h"

#include <stddef.h>

struct script_totals {
    size_t passed;
    size_t failed;
};

/* How far, relatively, a number may be from what is expected. */
extern double script_tolerance;

/* Called for each case; `reason` is NULL when it passed. */
typedef void script_report(void *argument, size_t line, struct str query, const char *reason);

/* Runs a script. False when a command is not understood (reported as a failed case of its line;
 * the rest still runs). */
void script_run(struct promql_engine *engine, struct str text, script_report *report,
                void *argument, struct script_totals *totals);

#endif
