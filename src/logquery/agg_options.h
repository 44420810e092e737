/* agg_options.h - what each kind of aggregation may say. */
#ifndef LOGQUERY_AGG_OPTIONS_H
#define LOGQUERY_AGG_OPTIONS_H

#include "logquery/parse.h"

/* Refuses an option that the kind does not have, and no field where there must be one. */
int agg_check_options(struct parse *parse, struct str kind, const struct json *body) MUST_CHECK;

#endif
