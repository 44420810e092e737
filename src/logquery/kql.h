/* kql.h - Kibana's query language: read into a tree, printed as its tree or as query DSL.
 *
 *   or    := and (OR and)*             value   := "quoted" | unquoted, * is a wildcard
 *   and   := not (AND not)*            field   := value
 *   not   := [NOT] sub                 values  := '(' the same of values ')' | value
 *   sub   := '(' or ')' | field (< | <= | > | >=) value | field ':' values
 *          | field ':' '{' or '}' | value
 *
 * Words next to each other are one value: there is no operator between them. Everything else that a
 * query needs comes from the DSL that it is turned into.
 *
 * Source: the grammar of Kibana; a value stays the text that was written, as since 7.6.
 */
#ifndef LOGQUERY_KQL_H
#define LOGQUERY_KQL_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/json_writer.h"

struct kql_node;

/* ERROR_PARSE with the offset where reading stopped; ERROR_LIMIT. The tree lives in the arena. */
int kql_parse(struct str text, struct arena *arena, const struct kql_node **root,
              struct error *error) MUST_CHECK;

/* As Kibana's own parser hands it over: {"type":"function","function":"and","arguments":[...]}. */
void kql_write_tree(const struct kql_node *node, struct json_writer *json);

/* The same in Elasticsearch's query DSL. */
void kql_write_dsl(const struct kql_node *node, struct json_writer *json);

#endif
