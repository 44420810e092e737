/* config.h - filebeat.yml as this role understands it.
 *
 * Everything lives in the arena of the configuration and is read-only once read; compiled patterns
 * are freed by ship_config_release.
 */
#ifndef SHIPPER_CONFIG_H
#define SHIPPER_CONFIG_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "base/vec.h"
#include "codec/json.h"
#include "codec/regex.h"
#include "shipper/expand.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The Filebeat whose documents and manners these are. */
#define SHIP_AGENT_VERSION "7.17.18"
#define SHIP_ECS_VERSION   "1.12.0"

struct ship_texts {
    const struct str *items;
    size_t count;
};

struct ship_patterns {
    struct regex **items;
    size_t count;
};

/* Fields and tags that settings add to documents. */
struct ship_additions {
    const struct json *fields; /* an object, or NULL */
    bool fields_under_root;
    struct ship_texts tags;
};

struct ship_json {
    bool is_on;
    struct str target; /* where the object goes; empty: the document itself */
    bool keys_under_root;
    bool overwrite_keys;
    bool add_error_key;
    bool expand_keys;
    bool ignore_decoding_error;
    struct str message_key;
    struct str document_id;
};

struct ship_input {
    struct str type; /* "log" or "filestream" */
    struct str id;
    bool enabled;
    struct ship_texts paths; /* absolute */
    struct ship_patterns exclude_files;
    struct ship_patterns include_files;
    struct ship_patterns include_lines;
    struct ship_patterns exclude_lines;
    struct str index;    /* a format, or empty */
    struct str pipeline; /* or empty */
    bool recursive_glob;
    bool symlinks;
    bool tail_files;
    bool close_renamed;
    bool close_removed;
    bool close_eof;
    bool clean_removed;
    int64_t ignore_older_ms;
    int64_t close_inactive_ms;
    int64_t close_timeout_ms;
    int64_t clean_inactive_ms;
    int64_t scan_ms;
    uint64_t max_bytes;
    uint64_t harvester_limit;
    struct ship_json json;
    struct ship_additions additions;
};

enum ship_output_kind { SHIP_OUTPUT_NONE, SHIP_OUTPUT_ELASTIC, SHIP_OUTPUT_CONSOLE };

struct ship_header {
    struct str name;
    struct str value;
};

struct ship_output {
    enum ship_output_kind kind;
    bool enabled;
    struct ship_texts hosts; /* while reading; see urls */
    struct ship_texts urls;  /* "http://host:9200/path", without a slash at the end */
    struct str protocol;
    struct str path;
    struct str index; /* a format */
    struct str username;
    struct str password;
    struct str api_key; /* "id:key" */
    struct str pipeline;
    const struct ship_header *headers;
    size_t header_count;
    const struct ship_header *parameters;
    size_t parameter_count;
    uint64_t bulk_size_max; /* events */
    uint64_t compression_level;
    int64_t timeout_ms;
    int64_t backoff_first_ms;
    int64_t backoff_max_ms;
    struct str tls_authority;
    struct str tls_certificate;
    struct str tls_key;
    bool tls_unchecked;
};

struct ship_config {
    struct arena arena;
    VEC(struct regex *) patterns; /* all that were compiled */
    struct ship_input *inputs;
    size_t input_count;
    struct ship_output output;
    struct str name; /* of the shipper; empty: the host's */
    struct ship_additions additions;
    uint64_t queue_count_max;
    int64_t flush_ms;
    int64_t shutdown_ms;
    bool has_http;
    struct str http_host;
    uint64_t http_port;
    VEC(const char *) warnings; /* "file:line:column: ..." in the arena */
};

struct ship_config_source {
    const struct disk *disk;
    const char *path;
    const char *const *overrides; /* "name=value" */
    size_t override_count;
    const struct expand_source *variables;
};

/* Reads a configuration; errors name file, line and column. Zeroed on failure. */
int ship_config_read(struct ship_config *config, const struct ship_config_source *source,
                     struct error *error) MUST_CHECK;
void ship_config_release(struct ship_config *config);

#endif
