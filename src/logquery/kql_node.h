/* kql_node.h - the tree of Kibana's query language, between its reader and its printers. */
#ifndef LOGQUERY_KQL_NODE_H
#define LOGQUERY_KQL_NODE_H

#include "logquery/kql.h"

#include <stdbool.h>
#include <stddef.h>

#define KQL_STAR "@kuery-wildcard@" /* how Kibana's tree writes a wildcard */

enum kql_kind { KQL_OR, KQL_AND, KQL_NOT, KQL_IS, KQL_RANGE, KQL_NESTED };

enum kql_value_kind { KQL_TEXT, KQL_NONE, KQL_TRUE, KQL_FALSE, KQL_WILDCARD };

struct kql_value {
    enum kql_value_kind kind;
    struct str text; /* of a wildcard: with KQL_STAR for each '*' */
    bool is_quoted;
};

struct kql_node {
    enum kql_kind kind;
    const struct kql_node **items; /* OR, AND, NOT, NESTED */
    size_t item_count;
    struct kql_value field; /* IS, RANGE, NESTED; kind NONE: any field */
    struct kql_value value;
    const char *range; /* "gte" */
    struct str prefix; /* of the fields, inside NESTED: "user." */
};

#endif
