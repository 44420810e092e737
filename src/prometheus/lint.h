/* lint.h - what a well-formed exposition still does wrong: names, units, help, labels, values.
 *
 *     pm_lint(document, NULL, tell, arg);        tell(arg, &finding) for each, by family
 *
 * RULES  Those of `promtool check metrics` (marked *) and what Prometheus' pages on naming and on
 *        writing exporters ask besides:
 *          help*      no help text                    help-repeats  it says no more than the name
 *          type       no TYPE line                    unit*         no base unit, e.g. milliseconds
 *          abbreviation*  _ms, _kb ...                percent       use a ratio
 *          total*     "_total" is for counters, and for all of them
 *          reserved*  _bucket, _count, _sum, le, quantile where they mean nothing
 *          type-name* the type in the name            colon*        for recording rules
 *          case*      camelCase in a metric's or label's name
 *          timestamp-name  a gauge "_timestamp" without "_seconds"
 *          server-label  job, instance: the server sets them
 *          blank      a label value with blanks around it
 *          empty      an empty label value, which is no label
 *          many       a label with more values than values_max
 *          sample-time  a timestamp, which keeps the series from going stale
 *          bucket     no +Inf, not rising, or another sum than the count
 *          negative   a counter below zero            info-value    an info that is not 1
 */
#ifndef PROMETHEUS_LINT_H
#define PROMETHEUS_LINT_H

#include "prometheus/prometheus.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pm_document;

enum { PM_LINT_VALUES_MAX = 1000 };

struct pm_lint_options {
    size_t values_max; /* of one label of one metric; 0 = PM_LINT_VALUES_MAX */
};

struct pm_finding {   /* valid during the call */
    size_t line;      /* from 1 */
    const char *rule; /* a name of the list above */
    const char *metric;
    char text[200]; /* what is wrong and what would be right, without the metric's name */
};

typedef void pm_finding_function(void *arg, const struct pm_finding *finding);

/* How many findings; or PM_ERROR_MEMORY. options may be NULL. Each rule speaks once a family and
 * thing (name, label) it is about. Any thread. */
int pm_lint(const struct pm_document *document, const struct pm_lint_options *options,
            pm_finding_function *tell, void *arg);

#ifdef __cplusplus
}
#endif

#endif
