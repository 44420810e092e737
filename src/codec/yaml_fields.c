/* yaml_fields.c - looks each key up in the table. */
#include "codec/yaml_fields.h"

#include <stdio.h>

void yaml_warn_unsupported(const struct yaml_node *node, struct str name,
                           const struct yaml_reading *reading)
{
    if (reading->warn == NULL) return;
    char text[512];
    (void)snprintf(text, sizeof(text),
                   STR_FMT ":%zu:%zu: field '" STR_FMT
                           "' is valid, but not supported here: ignored",
                   STR_ARG(node->file), node->line, node->column, STR_ARG(name));
    reading->warn(reading->argument, text);
}

static int read_field(const struct yaml_pair *pair, const struct yaml_field *field, void *target,
                      const struct yaml_reading *reading, struct error *error)
{
    if (field->read == NULL) {
        yaml_warn_unsupported(pair->key, field->name, reading);
        return 0;
    }
    return field->read(pair->value, (char *)target + field->offset, reading, error);
}

int yaml_read_fields(const struct yaml_node *node, const struct yaml_field *fields, size_t count,
                     void *target, const struct yaml_reading *reading, struct error *error)
{
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "expected a mapping of fields");
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_pair *pair = &node->pairs[i];
        const struct yaml_field *found = NULL;
        for (size_t j = 0; j < count; j++) {
            if (str_equal(fields[j].name, pair->key->text)) found = &fields[j];
        }
        if (found == NULL) {
            return yaml_fail(pair->key, ERROR_PARSE, error, "field '" STR_FMT "' is not known here",
                             STR_ARG(pair->key->text));
        }
        int code = read_field(pair, found, target, reading, error);
        if (code != 0) return code;
    }
    return 0;
}

int yaml_read_text(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                   struct error *error)
{
    (void)reading;
    return yaml_text(node, field, error);
}

int yaml_read_bool(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                   struct error *error)
{
    (void)reading;
    return yaml_bool(node, field, error);
}

int yaml_read_count(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                    struct error *error)
{
    (void)reading;
    int64_t number;
    int code = yaml_int(node, &number, error);
    if (code != 0) return code;
    if (number < 0) return yaml_fail(node, ERROR_PARSE, error, "must not be negative");
    *(uint64_t *)field = (uint64_t)number;
    return 0;
}

int yaml_read_ignored(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                      struct error *error)
{
    (void)node;
    (void)field;
    (void)reading;
    (void)error;
    return 0;
}
