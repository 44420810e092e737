/* config_input.c - the items of filebeat.inputs: types log and filestream. */
#include "shipper/config_values.h"

#include <errno.h>
#include <unistd.h>

#define AT(field)   offsetof(struct ship_input, field)
#define JSON(field) offsetof(struct ship_json, field)

#define INPUTS_MAX 1000

static const struct ship_input log_defaults = {
    .enabled = true,
    .recursive_glob = true,
    .close_removed = true,
    .clean_removed = true,
    .close_inactive_ms = 300000,
    .scan_ms = 10000,
    .max_bytes = 10485760,
};

static const struct yaml_field json_fields[] = {
    { STR_INIT("keys_under_root"), JSON(keys_under_root), yaml_read_bool },
    { STR_INIT("overwrite_keys"), JSON(overwrite_keys), yaml_read_bool },
    { STR_INIT("add_error_key"), JSON(add_error_key), yaml_read_bool },
    { STR_INIT("expand_keys"), JSON(expand_keys), yaml_read_bool },
    { STR_INIT("message_key"), JSON(message_key), yaml_read_text },
    { STR_INIT("document_id"), JSON(document_id), yaml_read_text },
    { STR_INIT("ignore_decoding_error"), JSON(ignore_decoding_error), yaml_read_bool },
};

static READER(read_json)
{
    struct ship_json *json = field;
    json->is_on = true;
    int code = yaml_read_fields(node, json_fields, ARRAY_LENGTH(json_fields), json, reading, error);
    if (!json->keys_under_root) json->target = STR("json");
    return code;
}

static const struct yaml_field ndjson_fields[] = {
    { STR_INIT("target"), JSON(target), yaml_read_text },
    { STR_INIT("overwrite_keys"), JSON(overwrite_keys), yaml_read_bool },
    { STR_INIT("add_error_key"), JSON(add_error_key), yaml_read_bool },
    { STR_INIT("expand_keys"), JSON(expand_keys), yaml_read_bool },
    { STR_INIT("message_key"), JSON(message_key), yaml_read_text },
    { STR_INIT("document_id"), JSON(document_id), yaml_read_text },
    { STR_INIT("ignore_decoding_error"), JSON(ignore_decoding_error), yaml_read_bool },
    /* The spelling of the log input, which 7.x takes here, too. */
    { STR_INIT("keys_under_root"), JSON(keys_under_root), yaml_read_bool },
};

static int read_ndjson(const struct yaml_node *node, struct ship_json *json,
                       const struct yaml_reading *reading, struct error *error)
{
    if (json->is_on) return yaml_fail(node, ERROR_PARSE, error, "a second ndjson parser");
    json->is_on = true;
    json->target = STR("json");
    int code =
        yaml_read_fields(node, ndjson_fields, ARRAY_LENGTH(ndjson_fields), json, reading, error);
    if (json->keys_under_root) json->target = STR("");
    if (json->target.size == 0) json->keys_under_root = true;
    return code;
}

static READER(read_parsers)
{
    static const struct str known[] = { STR_INIT("multiline"), STR_INIT("container"),
                                        STR_INIT("syslog"), STR_INIT("include_message") };
    struct ship_input *input = field;
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_SEQUENCE) {
        return yaml_fail(node, ERROR_PARSE, error, "expected a list of parsers");
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        if (item->kind != YAML_MAPPING || item->count != 1) {
            return yaml_fail(item, ERROR_PARSE, error, "a parser is its name with its settings");
        }
        const struct yaml_node *name = item->pairs[0].key;
        bool is_known = false;
        if (str_equal(name->text, STR("ndjson"))) {
            int code = read_ndjson(item->pairs[0].value, &input->json, reading, error);
            if (code != 0) return code;
            continue;
        }
        for (size_t j = 0; j < ARRAY_LENGTH(known); j++) {
            if (str_equal(name->text, known[j])) is_known = true;
        }
        if (!is_known) {
            return yaml_fail(name, ERROR_PARSE, error, "parser '" STR_FMT "' is not known",
                             STR_ARG(name->text));
        }
        yaml_warn_unsupported(name, name->text, reading);
    }
    return 0;
}

#define COMMON_FIELDS                                                                              \
    { STR_INIT("type"), AT(type), yaml_read_text }, { STR_INIT("id"), AT(id), yaml_read_text },    \
        { STR_INIT("enabled"), AT(enabled), yaml_read_bool },                                      \
        { STR_INIT("paths"), AT(paths), ship_read_texts },                                         \
        { STR_INIT("encoding"), 0, ship_read_encoding },                                           \
        { STR_INIT("include_lines"), AT(include_lines), ship_read_patterns },                      \
        { STR_INIT("exclude_lines"), AT(exclude_lines), ship_read_patterns },                      \
        { STR_INIT("ignore_older"), AT(ignore_older_ms), ship_read_duration },                     \
        { STR_INIT("clean_inactive"), AT(clean_inactive_ms), ship_read_duration },                 \
        { STR_INIT("clean_removed"), AT(clean_removed), yaml_read_bool },                          \
        { STR_INIT("harvester_limit"), AT(harvester_limit), yaml_read_count },                     \
        { STR_INIT("fields"), AT(additions.fields), ship_read_object },                            \
        { STR_INIT("fields_under_root"), AT(additions.fields_under_root), yaml_read_bool },        \
        { STR_INIT("tags"), AT(additions.tags), ship_read_texts },                                 \
        { STR_INIT("index"), AT(index), yaml_read_text },                                          \
        { STR_INIT("pipeline"), AT(pipeline), yaml_read_text }, IGNORED("backoff"),                \
        IGNORED("allow_deprecated_use"), UNSUPPORTED("line_terminator"), UNSUPPORTED("keep_null"), \
        UNSUPPORTED("processors"), UNSUPPORTED("publisher_pipeline"), UNSUPPORTED("file_identity")

static const struct yaml_field recursive_fields[] = {
    { STR_INIT("enabled"), AT(recursive_glob), yaml_read_bool },
};
static READER(read_recursive)
{
    return yaml_read_fields(node, recursive_fields, ARRAY_LENGTH(recursive_fields), field, reading,
                            error);
}

static const struct yaml_field log_fields[] = {
    COMMON_FIELDS,
    { STR_INIT("json"), AT(json), read_json },
    { STR_INIT("exclude_files"), AT(exclude_files), ship_read_patterns },
    { STR_INIT("recursive_glob"), 0, read_recursive },
    { STR_INIT("scan_frequency"), AT(scan_ms), ship_read_duration },
    { STR_INIT("symlinks"), AT(symlinks), yaml_read_bool },
    { STR_INIT("tail_files"), AT(tail_files), yaml_read_bool },
    { STR_INIT("max_bytes"), AT(max_bytes), ship_read_size },
    { STR_INIT("close_inactive"), AT(close_inactive_ms), ship_read_duration },
    { STR_INIT("close_renamed"), AT(close_renamed), yaml_read_bool },
    { STR_INIT("close_removed"), AT(close_removed), yaml_read_bool },
    { STR_INIT("close_eof"), AT(close_eof), yaml_read_bool },
    { STR_INIT("close_timeout"), AT(close_timeout_ms), ship_read_duration },
    IGNORED("harvester_buffer_size"),
    IGNORED("backoff_factor"),
    IGNORED("max_backoff"),
    UNSUPPORTED("scan"),
    UNSUPPORTED("multiline"),
};

static const struct yaml_field scanner_fields[] = {
    { STR_INIT("check_interval"), AT(scan_ms), ship_read_duration },
    { STR_INIT("symlinks"), AT(symlinks), yaml_read_bool },
    { STR_INIT("exclude_files"), AT(exclude_files), ship_read_patterns },
    { STR_INIT("include_files"), AT(include_files), ship_read_patterns },
    { STR_INIT("recursive_glob"), AT(recursive_glob), yaml_read_bool },
    UNSUPPORTED("resend_on_touch"),
    UNSUPPORTED("fingerprint"),
};
static READER(read_scanner)
{
    return yaml_read_fields(node, scanner_fields, ARRAY_LENGTH(scanner_fields), field, reading,
                            error);
}
static const struct yaml_field prospector_fields[] = {
    { STR_INIT("scanner"), 0, read_scanner },
};
static READER(read_prospector)
{
    return yaml_read_fields(node, prospector_fields, ARRAY_LENGTH(prospector_fields), field,
                            reading, error);
}
static const struct yaml_field change_fields[] = {
    { STR_INIT("inactive"), AT(close_inactive_ms), ship_read_duration },
    { STR_INIT("renamed"), AT(close_renamed), yaml_read_bool },
    { STR_INIT("removed"), AT(close_removed), yaml_read_bool },
    IGNORED("check_interval"),
};
static READER(read_on_change)
{
    return yaml_read_fields(node, change_fields, ARRAY_LENGTH(change_fields), field, reading,
                            error);
}
static const struct yaml_field reader_fields[] = {
    { STR_INIT("on_eof"), AT(close_eof), yaml_read_bool },
    { STR_INIT("after_interval"), AT(close_timeout_ms), ship_read_duration },
};
static READER(read_on_read)
{
    return yaml_read_fields(node, reader_fields, ARRAY_LENGTH(reader_fields), field, reading,
                            error);
}
static const struct yaml_field close_fields[] = {
    { STR_INIT("on_state_change"), 0, read_on_change },
    { STR_INIT("reader"), 0, read_on_read },
};
static READER(read_close)
{
    return yaml_read_fields(node, close_fields, ARRAY_LENGTH(close_fields), field, reading, error);
}

static const struct yaml_field stream_fields[] = {
    COMMON_FIELDS,
    { STR_INIT("parsers"), 0, read_parsers },
    { STR_INIT("prospector"), 0, read_prospector },
    { STR_INIT("close"), 0, read_close },
    { STR_INIT("message_max_bytes"), AT(max_bytes), ship_read_size },
    { STR_INIT("seek_to_tail"), AT(tail_files), yaml_read_bool },
    IGNORED("buffer_size"),
    UNSUPPORTED("ignore_inactive"),
    UNSUPPORTED("rotation"),
    UNSUPPORTED("take_over"),
    UNSUPPORTED("allow_deprecated_id_duplication"),
};

/* Relative paths count from the working folder, as everywhere. */
static int make_absolute(struct ship_input *input, const struct yaml_node *node,
                         const struct yaml_reading *reading, struct error *error)
{
    char folder[FILE_PATH_SIZE];
    struct str *items = ARENA_ARRAY(reading->arena, struct str, input->paths.count + 1);
    if (items == NULL) return error_set(error, -ENOMEM, "no memory for the configuration");
    for (size_t i = 0; i < input->paths.count; i++) {
        struct str path = input->paths.items[i];
        if (path.size == 0) return yaml_fail(node, ERROR_PARSE, error, "an empty path");
        items[i] = path;
        if (path.data[0] == '/') continue;
        if (getcwd(folder, sizeof(folder)) == NULL) {
            return yaml_fail(node, -errno, error, "the working folder is gone");
        }
        items[i] = arena_printf(reading->arena, "%s/" STR_FMT, folder, STR_ARG(path));
        if (items[i].data == NULL) {
            return error_set(error, -ENOMEM, "no memory for the configuration");
        }
    }
    input->paths.items = items;
    return 0;
}

static int check_input(const struct ship_input *input, const struct yaml_node *node,
                       struct error *error)
{
    bool filters = input->include_lines.count > 0 || input->exclude_lines.count > 0;
    bool is_log = str_equal(input->type, STR("log"));
    if (input->paths.count == 0) {
        return yaml_fail(node, ERROR_PARSE, error, "no paths were defined for this input");
    }
    if (input->scan_ms <= 0) {
        return yaml_fail(node, ERROR_PARSE, error, "scan_frequency must be above 0");
    }
    if (input->max_bytes == 0) {
        return yaml_fail(node, ERROR_PARSE, error, "max_bytes must be above 0");
    }
    if (filters && input->json.is_on && input->json.message_key.size == 0) {
        return yaml_fail(node, ERROR_PARSE, error,
                         "include_lines and exclude_lines with JSON need message_key");
    }
    if (input->clean_inactive_ms > 0 && input->ignore_older_ms == 0) {
        return yaml_fail(node, ERROR_PARSE, error, "clean_inactive needs ignore_older");
    }
    if (input->clean_inactive_ms > 0 &&
        input->clean_inactive_ms <= input->ignore_older_ms + input->scan_ms) {
        return yaml_fail(node, ERROR_PARSE, error,
                         "clean_inactive must be above ignore_older + scan_frequency");
    }
    if (is_log && input->clean_removed && !input->close_removed) {
        return yaml_fail(node, ERROR_PARSE, error, "clean_removed needs close_removed");
    }
    return 0;
}

/* 1: an input of a type that we know, but do not do. */
static int read_type(const struct yaml_node *node, struct ship_input *input,
                     const struct yaml_reading *reading, struct error *error)
{
    static const struct str known[] = {
        STR_INIT("container"), STR_INIT("docker"), STR_INIT("stdin"),         STR_INIT("syslog"),
        STR_INIT("tcp"),       STR_INIT("udp"),    STR_INIT("unix"),          STR_INIT("journald"),
        STR_INIT("redis"),     STR_INIT("mqtt"),   STR_INIT("http_endpoint"), STR_INIT("httpjson"),
        STR_INIT("kafka"),     STR_INIT("winlog"), STR_INIT("aws-s3"),        STR_INIT("netflow"),
    };
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "an input is a mapping with type and paths");
    }
    const struct yaml_node *type = yaml_get(node, STR("type"));
    *input = log_defaults;
    input->type = STR("log");
    if (type == NULL) return 0;
    int code = yaml_text(type, &input->type, error);
    if (code != 0) return code;
    if (str_equal(input->type, STR("log")) || str_equal(input->type, STR("filestream"))) return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (!str_equal(input->type, known[i])) continue;
        ship_warn(type, reading,
                  "input type '" STR_FMT "' is valid, but not supported here: input left out",
                  STR_ARG(input->type));
        return 1;
    }
    return yaml_fail(type, ERROR_PARSE, error, "input type '" STR_FMT "' is not known",
                     STR_ARG(input->type));
}

static int read_input(const struct yaml_node *node, struct ship_input *input,
                      const struct yaml_reading *reading, struct error *error)
{
    bool is_log = str_equal(input->type, STR("log"));
    if (!is_log) input->clean_removed = true;
    int code =
        is_log ? yaml_read_fields(node, log_fields, ARRAY_LENGTH(log_fields), input, reading, error)
               : yaml_read_fields(node, stream_fields, ARRAY_LENGTH(stream_fields), input, reading,
                                  error);
    if (code == 0) code = check_input(input, node, error);
    return code == 0 ? make_absolute(input, node, reading, error) : code;
}

/* States of filestream inputs are kept under their ids. */
static int check_id(const struct ship_config *config, const struct ship_input *input,
                    const struct yaml_node *node, struct error *error)
{
    if (str_equal(input->type, STR("log"))) return 0;
    for (size_t i = 0; i < config->input_count; i++) {
        if (str_equal(config->inputs[i].type, input->type) &&
            str_equal(config->inputs[i].id, input->id)) {
            return yaml_fail(node, ERROR_PARSE, error,
                             "a second filestream with the id '" STR_FMT "'", STR_ARG(input->id));
        }
    }
    return 0;
}

int ship_read_inputs(struct ship_config *config, const struct yaml_node *node,
                     const struct yaml_reading *reading, struct error *error)
{
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_SEQUENCE) {
        return yaml_fail(node, ERROR_PARSE, error, "expected a list of inputs");
    }
    if (node->count > INPUTS_MAX) {
        return yaml_fail(node, ERROR_LIMIT, error, "%zu inputs, at most %d", node->count,
                         INPUTS_MAX);
    }
    config->inputs = ARENA_ARRAY(reading->arena, struct ship_input, node->count + 1);
    if (config->inputs == NULL) return error_set(error, -ENOMEM, "no memory for the inputs");
    for (size_t i = 0; i < node->count; i++) {
        struct ship_input *input = &config->inputs[config->input_count];
        int code = read_type(node->items[i], input, reading, error);
        if (code == 1) continue;
        if (code == 0) code = read_input(node->items[i], input, reading, error);
        if (code == 0 && input->enabled) code = check_id(config, input, node->items[i], error);
        if (code != 0) return code;
        if (input->enabled) config->input_count++;
    }
    return 0;
}
