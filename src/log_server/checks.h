/* checks.h - what is refused before it is kept: words of mappings, templates and policies that
 * nobody reads, or whose effect is not there. */
#ifndef LOG_SERVER_CHECKS_H
#define LOG_SERVER_CHECKS_H

#include "codec/json.h"
#include "log_server/server.h"

/* Each answers the request and returns false when it does not pass. */

/* {"properties":{...},"dynamic_templates":[...]}; NULL passes. */
bool check_mapping(struct call *call, const struct json *mapping);

/* Bodies of _index_template, _template, _component_template, _ilm/policy; of the call's name. */
bool check_index_template(struct call *call, const struct json *body);
bool check_legacy_template(struct call *call, const struct json *body);
bool check_component_template(struct call *call, const struct json *body);
bool check_policy(struct call *call, const struct json *body);

/* A component that a template is made of must stay. */
bool check_component_unused(struct call *call);

#endif
