/* config_values.h - readers of the values that filebeat.yml is made of. For config*.c alone. */
#ifndef SHIPPER_CONFIG_VALUES_H
#define SHIPPER_CONFIG_VALUES_H

#include "codec/yaml_fields.h"
#include "shipper/config.h"

#define READER(name)                                                                               \
    int name(const struct yaml_node *node, void *field, const struct yaml_reading *reading,        \
             struct error *error)

READER(ship_read_duration); /* int64_t ms: "10s", "1.5h", bare numbers are seconds */
READER(ship_read_size);     /* uint64_t: "10MiB", "10MB", 1024 */
READER(ship_read_texts);    /* struct ship_texts: a list, or one text */
READER(ship_read_patterns); /* struct ship_patterns */
READER(ship_read_object);   /* const struct json *: a mapping as a JSON object */
READER(ship_read_headers);  /* struct ship_header * and the count behind it */
READER(ship_read_encoding); /* nothing: plain and utf-8 are what we do */

/* A table's row for settings that are known, but have no effect here. */
#define IGNORED(name)                                                                              \
    {                                                                                              \
        STR_INIT(name), 0, yaml_read_ignored                                                       \
    }
#define UNSUPPORTED(name)                                                                          \
    {                                                                                              \
        STR_INIT(name), 0, NULL                                                                    \
    }

/* "file:line:column: ..." among the configuration's warnings. */
void ship_warn(const struct yaml_node *node, const struct yaml_reading *reading, const char *format,
               ...) PRINTF_LIKE(3, 4);

/* The `output` section. */
READER(ship_read_output);
int ship_finish_output(struct ship_output *output, const struct yaml_node *node,
                       const struct yaml_reading *reading, struct error *error) MUST_CHECK;

/* The items of `filebeat.inputs`, into the configuration. */
int ship_read_inputs(struct ship_config *config, const struct yaml_node *node,
                     const struct yaml_reading *reading, struct error *error) MUST_CHECK;

#endif
