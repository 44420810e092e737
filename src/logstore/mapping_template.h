/* mapping_template.h - dynamic templates: which mapping a new field gets by its name and kind. */
#ifndef LOGSTORE_MAPPING_TEMPLATE_H
#define LOGSTORE_MAPPING_TEMPLATE_H

#include "base/error.h"
#include "base/str.h"
#include "logstore/mapping.h"

#include <stddef.h>

struct json;

/* One rule; empty patterns match everything. All texts owned. */
struct logstore_dynamic_template {
    struct str match, unmatch;           /* of the last part of the path */
    struct str path_match, path_unmatch; /* of the whole path */
    struct str mapping_type;             /* "string", "long", "*" ... */
    struct str mapping;                  /* JSON object: the field's definition */
};

/* Reads the JSON array [{"name":{...}}, ...]; empty text: none. */
int mapping_templates_parse(struct str json, struct logstore_dynamic_template **templates,
                            size_t *count, struct error *error) MUST_CHECK;
void mapping_templates_free(struct logstore_dynamic_template *templates, size_t count);

/* The first rule that fits; NULL: none. */
const struct logstore_dynamic_template *mapping_templates_find(
    const struct logstore_dynamic_template *templates, size_t count, struct str path,
    struct str kind);

/* Adds the field by the rule's definition; 1 when that says not to index. */
int mapping_template_apply(const struct logstore_dynamic_template *rule,
                           struct logstore_mapping *mapping, struct str path, struct str kind,
                           struct error *error) MUST_CHECK;

/* Adds the field that a definition object describes, with its sub-fields and properties. */
int mapping_add_definition(struct logstore_mapping *mapping, struct str path,
                           const struct json *definition, struct error *error) MUST_CHECK;

#endif
