/* config_output.c - the section output: where documents go. */
#include "shipper/config_values.h"

#include "http/message.h"

#include <errno.h>

#define AT(field) offsetof(struct ship_output, field)

#define BULK_SIZE_MAX_MAX 100000
#define PORT_DEFAULT      9200

static const struct yaml_field tls_fields[] = {
    IGNORED("enabled"),
    { STR_INIT("certificate"), AT(tls_certificate), yaml_read_text },
    { STR_INIT("key"), AT(tls_key), yaml_read_text },
    UNSUPPORTED("key_passphrase"),
    UNSUPPORTED("supported_protocols"),
    UNSUPPORTED("cipher_suites"),
    UNSUPPORTED("curve_types"),
    UNSUPPORTED("renegotiation"),
    UNSUPPORTED("ca_trusted_fingerprint"),
    UNSUPPORTED("ca_sha256"),
};

static int read_tls_field(const struct yaml_pair *pair, struct ship_output *output,
                          const struct yaml_reading *reading, struct error *error)
{
    if (str_equal(pair->key->text, STR("verification_mode"))) {
        struct str mode;
        int code = yaml_text(pair->value, &mode, error);
        output->tls_unchecked = code == 0 && str_equal(mode, STR("none"));
        return code;
    }
    if (str_equal(pair->key->text, STR("certificate_authorities"))) {
        struct ship_texts authorities = { 0 };
        int code = ship_read_texts(pair->value, &authorities, reading, error);
        if (code == 0 && authorities.count > 1) {
            ship_warn(pair->value, reading, "only the first authority is used here");
        }
        if (code == 0 && authorities.count > 0) output->tls_authority = authorities.items[0];
        return code;
    }
    struct yaml_node one = *pair->key;
    one.kind = YAML_MAPPING;
    one.pairs = pair;
    one.count = 1;
    return yaml_read_fields(&one, tls_fields, ARRAY_LENGTH(tls_fields), output, reading, error);
}

static READER(read_tls)
{
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_MAPPING)
        return yaml_fail(node, ERROR_PARSE, error, "expected a mapping");
    for (size_t i = 0; i < node->count; i++) {
        int code = read_tls_field(&node->pairs[i], field, reading, error);
        if (code != 0) return code;
    }
    return 0;
}

static const struct yaml_field backoff_fields[] = {
    { STR_INIT("init"), AT(backoff_first_ms), ship_read_duration },
    { STR_INIT("max"), AT(backoff_max_ms), ship_read_duration },
};
static READER(read_backoff)
{
    return yaml_read_fields(node, backoff_fields, ARRAY_LENGTH(backoff_fields), field, reading,
                            error);
}

static const struct yaml_field elastic_fields[] = {
    { STR_INIT("enabled"), AT(enabled), yaml_read_bool },
    { STR_INIT("hosts"), AT(hosts), ship_read_texts },
    { STR_INIT("protocol"), AT(protocol), yaml_read_text },
    { STR_INIT("path"), AT(path), yaml_read_text },
    { STR_INIT("index"), AT(index), yaml_read_text },
    { STR_INIT("username"), AT(username), yaml_read_text },
    { STR_INIT("password"), AT(password), yaml_read_text },
    { STR_INIT("api_key"), AT(api_key), yaml_read_text },
    { STR_INIT("pipeline"), AT(pipeline), yaml_read_text },
    { STR_INIT("headers"), AT(headers), ship_read_headers },
    { STR_INIT("parameters"), AT(parameters), ship_read_headers },
    { STR_INIT("bulk_max_size"), AT(bulk_size_max), yaml_read_count },
    { STR_INIT("compression_level"), AT(compression_level), yaml_read_count },
    { STR_INIT("timeout"), AT(timeout_ms), ship_read_duration },
    { STR_INIT("backoff"), 0, read_backoff },
    { STR_INIT("ssl"), 0, read_tls },
    /* One request at a time is enough for one machine, and keeps the order of each file. */
    IGNORED("worker"),
    IGNORED("workers"),
    IGNORED("loadbalance"),
    IGNORED("escape_html"),
    IGNORED("max_retries"), /* Filebeat retries for ever, too */
    IGNORED("allow_older_versions"),
    IGNORED("preset"),
    IGNORED("idle_connection_timeout"),
    UNSUPPORTED("indices"),
    UNSUPPORTED("pipelines"),
    UNSUPPORTED("ilm"),
    UNSUPPORTED("proxy_url"),
    UNSUPPORTED("proxy_disable"),
    UNSUPPORTED("proxy_headers"),
    UNSUPPORTED("kerberos"),
    UNSUPPORTED("non_indexable_policy"),
    UNSUPPORTED("queue"),
};

static const struct yaml_field console_fields[] = {
    { STR_INIT("enabled"), AT(enabled), yaml_read_bool },
    { STR_INIT("bulk_max_size"), AT(bulk_size_max), yaml_read_count },
    UNSUPPORTED("pretty"),
    UNSUPPORTED("codec"),
};

/* "es", "es:9243/path", "https://[::1]:9200" made whole with the settings around. */
static int build_url(const struct ship_output *output, struct str host, struct str *url,
                     const struct yaml_reading *reading)
{
    struct str scheme = output->protocol.size > 0 ? output->protocol : STR("http");
    size_t mark = str_find(host, STR("://"));
    if (mark != STR_NONE) {
        scheme = str_first(host, mark);
        host = str_skip(host, mark + 3);
    }
    struct str path = output->path;
    size_t slash = str_find_char(host, '/');
    if (slash != STR_NONE) {
        if (slash + 1 < host.size) path = str_skip(host, slash);
        host = str_first(host, slash);
    }
    while (path.size > 0 && path.data[path.size - 1] == '/') path.size--;
    for (size_t i = 0; i < host.size; i++) {
        if ((unsigned char)host.data[i] <= ' ') return ERROR_PARSE;
    }
    struct http_address parts;
    if (str_find_char(host, '@') != STR_NONE || host.size == 0) return ERROR_PARSE;
    if (!str_equal(scheme, STR("http")) && !str_equal(scheme, STR("https"))) return ERROR_PARSE;
    if (http_address_parse(host, &parts, NULL) != 0) return ERROR_PARSE;
    const char *between = path.size > 0 && path.data[0] != '/' ? "/" : "";
    *url = parts.port != 0
               ? arena_printf(reading->arena, STR_FMT "://" STR_FMT "%s" STR_FMT, STR_ARG(scheme),
                              STR_ARG(host), between, STR_ARG(path))
               : arena_printf(reading->arena, STR_FMT "://" STR_FMT ":%d%s" STR_FMT,
                              STR_ARG(scheme), STR_ARG(host), PORT_DEFAULT, between, STR_ARG(path));
    return url->data == NULL ? -ENOMEM : 0;
}

int ship_finish_output(struct ship_output *output, const struct yaml_node *node,
                       const struct yaml_reading *reading, struct error *error)
{
    const struct yaml_node *hosts = yaml_get(node, STR("hosts"));
    if (output->hosts.count == 0) {
        return yaml_fail(node, ERROR_PARSE, error, "output.elasticsearch needs hosts");
    }
    if (output->bulk_size_max == 0 || output->bulk_size_max > BULK_SIZE_MAX_MAX) {
        output->bulk_size_max = BULK_SIZE_MAX_MAX;
    }
    if (output->compression_level > 9) {
        return yaml_fail(node, ERROR_PARSE, error, "compression_level is 0 to 9");
    }
    if (output->api_key.size > 0 && output->username.size > 0) {
        return yaml_fail(node, ERROR_PARSE, error, "at most one of api_key and username");
    }
    if (output->backoff_first_ms <= 0 || output->backoff_max_ms < output->backoff_first_ms) {
        return yaml_fail(node, ERROR_PARSE, error, "backoff.init is above 0, backoff.max above it");
    }
    struct str *urls = ARENA_ARRAY(reading->arena, struct str, output->hosts.count);
    if (urls == NULL) return error_set(error, -ENOMEM, "no memory for the hosts");
    for (size_t i = 0; i < output->hosts.count; i++) {
        const struct yaml_node *place = hosts->kind == YAML_SEQUENCE ? hosts->items[i] : hosts;
        int code = build_url(output, output->hosts.items[i], &urls[i], reading);
        if (code != 0) {
            return yaml_fail(place, code, error,
                             "host '" STR_FMT "' is not [http[s]://]name[:port][/path]",
                             STR_ARG(output->hosts.items[i]));
        }
    }
    output->urls = (struct ship_texts){ urls, output->hosts.count };
    return 0;
}

static int read_one(const struct yaml_pair *pair, struct ship_output *output,
                    const struct yaml_reading *reading, struct error *error)
{
    static const struct str others[] = { STR_INIT("logstash"), STR_INIT("kafka"), STR_INIT("redis"),
                                         STR_INIT("file"), STR_INIT("discard") };
    struct str name = pair->key->text;
    struct ship_output one = *output;
    one.enabled = true;
    int code = ERROR_PARSE;
    if (str_equal(name, STR("elasticsearch"))) {
        one.kind = SHIP_OUTPUT_ELASTIC;
        code = yaml_read_fields(pair->value, elastic_fields, ARRAY_LENGTH(elastic_fields), &one,
                                reading, error);
        if (code == 0 && one.enabled) code = ship_finish_output(&one, pair->value, reading, error);
    } else if (str_equal(name, STR("console"))) {
        one.kind = SHIP_OUTPUT_CONSOLE;
        code = yaml_read_fields(pair->value, console_fields, ARRAY_LENGTH(console_fields), &one,
                                reading, error);
    } else {
        for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
            if (!str_equal(name, others[i])) continue;
            return yaml_fail(pair->key, ERROR_UNSUPPORTED, error,
                             "output." STR_FMT " is not supported here; elasticsearch and console "
                             "are",
                             STR_ARG(name));
        }
        return yaml_fail(pair->key, ERROR_PARSE, error, "output '" STR_FMT "' is not known",
                         STR_ARG(name));
    }
    if (code != 0 || !one.enabled) return code;
    if (output->kind != SHIP_OUTPUT_NONE) {
        return yaml_fail(pair->key, ERROR_PARSE, error, "only one output may be enabled");
    }
    *output = one;
    return 0;
}

READER(ship_read_output)
{
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "expected a mapping of outputs");
    }
    for (size_t i = 0; i < node->count; i++) {
        int code = read_one(&node->pairs[i], field, reading, error);
        if (code != 0) return code;
    }
    return 0;
}
