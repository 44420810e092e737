/* config.c - the section scrape_configs of prometheus.yml, by tables. */
#include "scrape/scrape.h"

#include "base/vec.h"
#include "codec/utf8.h"
#include "model/duration.h"

#include <errno.h>

/* ---- plain readers ---- */

int scrape_read_duration(const struct yaml_node *node, void *field,
                         const struct yaml_reading *reading, struct error *error)
{
    (void)reading;
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    if (str_equal(text, STR("0"))) {
        *(int64_t *)field = 0;
        return 0;
    }
    struct error cause = { 0 };
    code = duration_parse(text, field, &cause);
    if (code != 0)
        return yaml_fail(node, code, error, "%s in '" STR_FMT "'", cause.text, STR_ARG(text));
    return 0;
}

/* "10MB": powers of 1024; a bare number other than 0 needs its unit, as in Prometheus. */
static int read_size(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                     struct error *error)
{
    static const struct {
        struct str unit;
        unsigned shift;
    } units[] = {
        { STR_INIT("B"), 0 },    { STR_INIT("KB"), 10 },  { STR_INIT("KiB"), 10 },
        { STR_INIT("MB"), 20 },  { STR_INIT("MiB"), 20 }, { STR_INIT("GB"), 30 },
        { STR_INIT("GiB"), 30 }, { STR_INIT("TB"), 40 },  { STR_INIT("TiB"), 40 },
    };
    (void)reading;
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    size_t digits = 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
    uint64_t number;
    if (str_to_uint64(str_first(text, digits), &number)) {
        struct str unit = str_skip(text, digits);
        for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
            if (!str_equal(unit, units[i].unit) || number > UINT64_MAX >> units[i].shift) continue;
            *(uint64_t *)field = number << units[i].shift;
            return 0;
        }
        if (number == 0 && unit.size == 0) {
            *(uint64_t *)field = 0;
            return 0;
        }
    }
    return yaml_fail(node, ERROR_PARSE, error, "expected a size such as '10MB', got '" STR_FMT "'",
                     STR_ARG(text));
}

static int read_texts(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                      struct error *error)
{
    struct scrape_texts *texts = field;
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_SEQUENCE) return yaml_fail(node, ERROR_PARSE, error, "expected a list");
    struct str *items = ARENA_ARRAY(reading->arena, struct str, node->count);
    if (items == NULL && node->count > 0) return error_set(error, -ENOMEM, "no memory");
    for (size_t i = 0; i < node->count; i++) {
        int code = yaml_text(node->items[i], &items[i], error);
        if (code != 0) return code;
    }
    *texts = (struct scrape_texts){ items, node->count };
    return 0;
}

int scrape_read_labels(const struct yaml_node *node, void *field,
                       const struct yaml_reading *reading, struct error *error)
{
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "expected a mapping of labels");
    }
    CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
    for (size_t i = 0; i < node->count; i++) {
        struct str name = node->pairs[i].key->text;
        struct str value;
        int code = yaml_text(node->pairs[i].value, &value, error);
        if (code != 0) return code;
        if (name.size == 0 || !utf8_is_valid(name)) {
            return yaml_fail(node->pairs[i].key, ERROR_PARSE, error, "not a label name");
        }
        if (!utf8_is_valid(value)) {
            return yaml_fail(node->pairs[i].value, ERROR_PARSE, error, "not a label value");
        }
        labels_builder_set(&builder, name, value);
    }
    if (labels_copy(reading->arena, labels_builder_labels(&builder), field) != 0) {
        return error_set(error, -ENOMEM, "no memory for labels");
    }
    return 0;
}

/* ---- relabelling ---- */

static int read_action(const struct yaml_node *node, void *field,
                       const struct yaml_reading *reading, struct error *error)
{
    (void)reading;
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    if (relabel_action_find(text, field)) return 0;
    return yaml_fail(node, ERROR_PARSE, error, "unknown relabel action '" STR_FMT "'",
                     STR_ARG(text));
}

static int read_sources(const struct yaml_node *node, void *field,
                        const struct yaml_reading *reading, struct error *error)
{
    struct scrape_texts texts = { 0 };
    int code = read_texts(node, &texts, reading, error);
    if (code != 0) return code;
    struct relabel_rule *rule = field;
    rule->source_labels = texts.items;
    rule->source_count = texts.count;
    return 0;
}

static const struct yaml_field rule_fields[] = {
    { STR_INIT("source_labels"), 0, read_sources },
    { STR_INIT("separator"), offsetof(struct relabel_rule, separator), yaml_read_text },
    { STR_INIT("regex"), offsetof(struct relabel_rule, regex_text), yaml_read_text },
    { STR_INIT("modulus"), offsetof(struct relabel_rule, modulus), yaml_read_count },
    { STR_INIT("target_label"), offsetof(struct relabel_rule, target_label), yaml_read_text },
    { STR_INIT("replacement"), offsetof(struct relabel_rule, replacement), yaml_read_text },
    { STR_INIT("action"), offsetof(struct relabel_rule, action), read_action },
};

static int read_rules(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                      struct error *error)
{
    struct scrape_rules *rules = field;
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_SEQUENCE) return yaml_fail(node, ERROR_PARSE, error, "expected a list");
    rules->items = ARENA_ARRAY(reading->arena, struct relabel_rule, node->count);
    if (rules->items == NULL && node->count > 0) return error_set(error, -ENOMEM, "no memory");
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        struct relabel_rule *rule = &rules->items[i];
        if (yaml_is_null(item)) {
            return yaml_fail(item, ERROR_PARSE, error, "empty or null relabel configuration");
        }
        relabel_rule_init(rule);
        rules->count = i + 1;
        int code =
            yaml_read_fields(item, rule_fields, ARRAY_LENGTH(rule_fields), rule, reading, error);
        if (code != 0) return code;
        struct error cause = { 0 };
        code = relabel_rule_finish(rule, &cause);
        if (code != 0) return yaml_fail(item, ERROR_PARSE, error, "%s", cause.text);
    }
    return 0;
}

static void release_rules(struct scrape_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) relabel_rule_release(&rules->items[i]);
}

int scrape_check_rules(const struct yaml_node *node, void *field,
                       const struct yaml_reading *reading, struct error *error)
{
    (void)field;
    struct scrape_rules rules = { 0 };
    int code = read_rules(node, &rules, reading, error);
    release_rules(&rules);
    return code;
}

/* ---- the HTTP client's part ---- */

static const struct yaml_field basic_fields[] = {
    { STR_INIT("username"), offsetof(struct scrape_http, basic_user), yaml_read_text },
    { STR_INIT("username_file"), offsetof(struct scrape_http, basic_user_file), yaml_read_text },
    { STR_INIT("password"), offsetof(struct scrape_http, basic_password), yaml_read_text },
    { STR_INIT("password_file"), offsetof(struct scrape_http, basic_password_file),
      yaml_read_text },
};

static const struct yaml_field authorization_fields[] = {
    { STR_INIT("type"), offsetof(struct scrape_http, authorization_type), yaml_read_text },
    { STR_INIT("credentials"), offsetof(struct scrape_http, credentials), yaml_read_text },
    { STR_INIT("credentials_file"), offsetof(struct scrape_http, credentials_file),
      yaml_read_text },
};

static const struct yaml_field tls_fields[] = {
    { STR_INIT("ca_file"), offsetof(struct scrape_http, tls_ca_file), yaml_read_text },
    { STR_INIT("cert_file"), offsetof(struct scrape_http, tls_cert_file), yaml_read_text },
    { STR_INIT("key_file"), offsetof(struct scrape_http, tls_key_file), yaml_read_text },
    { STR_INIT("server_name"), 0, NULL },
    { STR_INIT("insecure_skip_verify"), offsetof(struct scrape_http, tls_insecure),
      yaml_read_bool },
    { STR_INIT("ca"), 0, NULL },
    { STR_INIT("cert"), 0, NULL },
    { STR_INIT("key"), 0, NULL },
    { STR_INIT("min_version"), 0, NULL },
    { STR_INIT("max_version"), 0, NULL },
};

static int read_basic(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                      struct error *error)
{
    struct scrape_http *http = field;
    int code =
        yaml_read_fields(node, basic_fields, ARRAY_LENGTH(basic_fields), http, reading, error);
    if (code != 0) return code;
    if (http->basic_password.size > 0 && http->basic_password_file.size > 0) {
        return yaml_fail(node, ERROR_PARSE, error, "at most one of password and password_file");
    }
    http->has_basic = true;
    return 0;
}

static int read_authorization(const struct yaml_node *node, void *field,
                              const struct yaml_reading *reading, struct error *error)
{
    struct scrape_http *http = field;
    int code = yaml_read_fields(node, authorization_fields, ARRAY_LENGTH(authorization_fields),
                                http, reading, error);
    if (code != 0) return code;
    if (str_equal_nocase(http->authorization_type, STR("basic"))) {
        return yaml_fail(node, ERROR_PARSE, error, "type 'basic' has its own field, basic_auth");
    }
    if (http->credentials.size > 0 && http->credentials_file.size > 0) {
        return yaml_fail(node, ERROR_PARSE, error, "at most one of credentials, credentials_file");
    }
    http->has_authorization = true;
    return 0;
}

static int read_token(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                      struct error *error)
{
    (void)reading;
    struct scrape_http *http = field;
    http->has_authorization = true;
    return yaml_text(node, &http->credentials, error);
}

static int read_token_file(const struct yaml_node *node, void *field,
                           const struct yaml_reading *reading, struct error *error)
{
    (void)reading;
    struct scrape_http *http = field;
    http->has_authorization = true;
    return yaml_text(node, &http->credentials_file, error);
}

static int read_tls(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                    struct error *error)
{
    struct scrape_http *http = field;
    http->has_tls = true;
    return yaml_read_fields(node, tls_fields, ARRAY_LENGTH(tls_fields), http, reading, error);
}

/* ---- a job ---- */

static int read_params(const struct yaml_node *node, void *field,
                       const struct yaml_reading *reading, struct error *error)
{
    struct scrape_job *job = field;
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_MAPPING)
        return yaml_fail(node, ERROR_PARSE, error, "expected a mapping");
    struct scrape_param *params = ARENA_ARRAY(reading->arena, struct scrape_param, node->count);
    if (params == NULL && node->count > 0) return error_set(error, -ENOMEM, "no memory");
    for (size_t i = 0; i < node->count; i++) {
        params[i].name = node->pairs[i].key->text;
        int code = read_texts(node->pairs[i].value, &params[i].values, reading, error);
        if (code != 0) return code;
    }
    job->params = params;
    job->param_count = node->count;
    return 0;
}

static int read_scheme(const struct yaml_node *node, void *field,
                       const struct yaml_reading *reading, struct error *error)
{
    (void)reading;
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    if (!str_equal(text, STR("http")) && !str_equal(text, STR("https"))) {
        return yaml_fail(node, ERROR_PARSE, error, "scheme is 'http' or 'https'");
    }
    *(struct str *)field = text;
    return 0;
}

static const struct str protocols[] = {
    STR_INIT("PrometheusProto"),      STR_INIT("PrometheusText0.0.4"),
    STR_INIT("PrometheusText1.0.0"),  STR_INIT("OpenMetricsText0.0.1"),
    STR_INIT("OpenMetricsText1.0.0"),
};

static int check_protocol(const struct yaml_node *node, struct error *error)
{
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    for (size_t i = 0; i < ARRAY_LENGTH(protocols); i++) {
        if (str_equal(text, protocols[i])) return 0;
    }
    return yaml_fail(node, ERROR_PARSE, error, "unknown scrape protocol '" STR_FMT "'",
                     STR_ARG(text));
}

/* Checked, not kept: we ask for what we read, best first, as the default does. */
static int read_protocols(const struct yaml_node *node, void *field,
                          const struct yaml_reading *reading, struct error *error)
{
    (void)field;
    struct scrape_texts texts = { 0 };
    int code = read_texts(node, &texts, reading, error);
    if (code != 0) return code;
    for (size_t i = 0; i < texts.count; i++) {
        code = check_protocol(node->items[i], error);
        if (code != 0) return code;
        for (size_t j = 0; j < i; j++) {
            if (!str_equal(texts.items[i], texts.items[j])) continue;
            return yaml_fail(node->items[i], ERROR_PARSE, error, "a protocol stands twice");
        }
    }
    return 0;
}

/* A flag about native histograms, which are not scraped: checked, without effect. */
static int read_unused_flag(const struct yaml_node *node, void *field,
                            const struct yaml_reading *reading, struct error *error)
{
    (void)field;
    (void)reading;
    bool value;
    return yaml_bool(node, &value, error);
}

static int read_fallback(const struct yaml_node *node, void *field,
                         const struct yaml_reading *reading, struct error *error)
{
    (void)reading;
    int code = check_protocol(node, error);
    if (code == 0) *(bool *)field = true;
    return code;
}

static const struct yaml_field group_fields[] = {
    { STR_INIT("targets"), offsetof(struct scrape_group, addresses), read_texts },
    { STR_INIT("labels"), offsetof(struct scrape_group, labels), scrape_read_labels },
};

static int read_groups(const struct yaml_node *node, void *field,
                       const struct yaml_reading *reading, struct error *error)
{
    struct scrape_job *job = field;
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_SEQUENCE) return yaml_fail(node, ERROR_PARSE, error, "expected a list");
    struct scrape_group *groups = ARENA_ARRAY(reading->arena, struct scrape_group, node->count);
    if (groups == NULL && node->count > 0) return error_set(error, -ENOMEM, "no memory");
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        if (item->kind != YAML_MAPPING) {
            return yaml_fail(item, ERROR_PARSE, error, "expected 'targets' and 'labels'");
        }
        int code = yaml_read_fields(item, group_fields, ARRAY_LENGTH(group_fields), &groups[i],
                                    reading, error);
        if (code != 0) return code;
        groups[i].source = arena_printf(reading->arena, "%zu", i);
    }
    job->groups = groups;
    job->group_count = node->count;
    return 0;
}

struct file_sd {
    struct scrape_texts files;
    int64_t refresh_ms;
};

static const struct yaml_field file_fields[] = {
    { STR_INIT("files"), offsetof(struct file_sd, files), read_texts },
    { STR_INIT("refresh_interval"), offsetof(struct file_sd, refresh_ms), scrape_read_duration },
};

/* Ends as a list of targets does, and has wildcards in its last part only. */
static bool is_list_file(struct str path)
{
    size_t star = str_find_char(path, '*');
    if (star != STR_NONE && str_find_char(str_skip(path, star), '/') != STR_NONE) return false;
    return str_ends_with(path, STR(".yml")) || str_ends_with(path, STR(".yaml")) ||
           str_ends_with(path, STR(".json"));
}

static int read_files(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                      struct error *error)
{
    struct scrape_job *job = field;
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_SEQUENCE) return yaml_fail(node, ERROR_PARSE, error, "expected a list");
    VEC(struct str) all = { 0 };
    int code = 0;
    for (size_t i = 0; i < node->count && code == 0; i++) {
        struct file_sd file_sd = { 0 };
        code = yaml_read_fields(node->items[i], file_fields, ARRAY_LENGTH(file_fields), &file_sd,
                                reading, error);
        for (size_t j = 0; code == 0 && j < file_sd.files.count; j++) {
            struct str path = file_sd.files.items[j];
            if (!is_list_file(path)) {
                code = yaml_fail(node->items[i], ERROR_PARSE, error,
                                 "'" STR_FMT
                                 "' must end in .yml, .yaml or .json, wildcards in the last "
                                 "part only",
                                 STR_ARG(path));
            } else if (!VEC_PUSH(&all, path)) {
                code = error_set(error, -ENOMEM, "no memory");
            }
        }
    }
    struct str *items = ARENA_ARRAY(reading->arena, struct str, all.count);
    if (code == 0 && all.count > 0) {
        if (items == NULL) {
            code = error_set(error, -ENOMEM, "no memory");
        } else {
            memcpy(items, all.items, all.count * sizeof(*items));
            job->files = (struct scrape_texts){ items, all.count };
        }
    }
    VEC_RELEASE(&all);
    return code;
}

#define JOB(member)   offsetof(struct scrape_job, member)
#define LIMIT(member) (JOB(limits) + offsetof(struct scrape_limits, member))

static const struct yaml_field job_fields[] = {
    { STR_INIT("job_name"), JOB(name), yaml_read_text },
    { STR_INIT("scrape_interval"), JOB(interval_ms), scrape_read_duration },
    { STR_INIT("scrape_timeout"), JOB(timeout_ms), scrape_read_duration },
    { STR_INIT("metrics_path"), JOB(metrics_path), yaml_read_text },
    { STR_INIT("scheme"), JOB(scheme), read_scheme },
    { STR_INIT("params"), 0, read_params },
    { STR_INIT("honor_labels"), JOB(honor_labels), yaml_read_bool },
    { STR_INIT("honor_timestamps"), JOB(honor_timestamps), yaml_read_bool },
    { STR_INIT("track_timestamps_staleness"), JOB(tracks_timestamp_staleness), yaml_read_bool },
    { STR_INIT("enable_compression"), JOB(has_compression), yaml_read_bool },
    { STR_INIT("extra_scrape_metrics"), JOB(has_extra_metrics), yaml_read_bool },
    { STR_INIT("scrape_protocols"), 0, read_protocols },
    { STR_INIT("fallback_scrape_protocol"), JOB(has_fallback_protocol), read_fallback },
    { STR_INIT("body_size_limit"), LIMIT(body_size), read_size },
    { STR_INIT("sample_limit"), LIMIT(sample_count), yaml_read_count },
    { STR_INIT("target_limit"), LIMIT(target_count), yaml_read_count },
    { STR_INIT("label_limit"), LIMIT(label_count), yaml_read_count },
    { STR_INIT("label_name_length_limit"), LIMIT(label_name_size), yaml_read_count },
    { STR_INIT("label_value_length_limit"), LIMIT(label_value_size), yaml_read_count },
    { STR_INIT("keep_dropped_targets"), LIMIT(keep_dropped), yaml_read_count },
    { STR_INIT("basic_auth"), JOB(http), read_basic },
    { STR_INIT("authorization"), JOB(http), read_authorization },
    { STR_INIT("bearer_token"), JOB(http), read_token },
    { STR_INIT("bearer_token_file"), JOB(http), read_token_file },
    { STR_INIT("tls_config"), JOB(http), read_tls },
    { STR_INIT("follow_redirects"), JOB(http) + offsetof(struct scrape_http, follows_redirects),
      yaml_read_bool },
    { STR_INIT("enable_http2"), 0, yaml_read_ignored },
    { STR_INIT("relabel_configs"), JOB(relabels), read_rules },
    { STR_INIT("metric_relabel_configs"), JOB(metric_relabels), read_rules },
    { STR_INIT("static_configs"), 0, read_groups },
    { STR_INIT("file_sd_configs"), 0, read_files },
    { STR_INIT("oauth2"), 0, NULL },
    { STR_INIT("proxy_url"), 0, NULL },
    { STR_INIT("no_proxy"), 0, NULL },
    { STR_INIT("proxy_from_environment"), 0, NULL },
    { STR_INIT("proxy_connect_header"), 0, NULL },
    { STR_INIT("http_headers"), 0, NULL },
    { STR_INIT("scrape_failure_log_file"), 0, NULL },
    { STR_INIT("scrape_native_histograms"), 0, NULL },
    { STR_INIT("scrape_classic_histograms"), 0, NULL },
    { STR_INIT("always_scrape_classic_histograms"), 0, read_unused_flag },
    { STR_INIT("convert_classic_histograms_to_nhcb"), 0, NULL },
    { STR_INIT("native_histogram_bucket_limit"), 0, NULL },
    { STR_INIT("native_histogram_min_bucket_factor"), 0, NULL },
    { STR_INIT("metric_name_validation_scheme"), 0, NULL },
    { STR_INIT("metric_name_escaping_scheme"), 0, NULL },
    { STR_INIT("aws_sd_configs"), 0, NULL },
    { STR_INIT("azure_sd_configs"), 0, NULL },
    { STR_INIT("consul_sd_configs"), 0, NULL },
    { STR_INIT("digitalocean_sd_configs"), 0, NULL },
    { STR_INIT("dns_sd_configs"), 0, NULL },
    { STR_INIT("docker_sd_configs"), 0, NULL },
    { STR_INIT("dockerswarm_sd_configs"), 0, NULL },
    { STR_INIT("ec2_sd_configs"), 0, NULL },
    { STR_INIT("ecs_sd_configs"), 0, NULL },
    { STR_INIT("elasticache_sd_configs"), 0, NULL },
    { STR_INIT("eureka_sd_configs"), 0, NULL },
    { STR_INIT("gce_sd_configs"), 0, NULL },
    { STR_INIT("hetzner_sd_configs"), 0, NULL },
    { STR_INIT("http_sd_configs"), 0, NULL },
    { STR_INIT("ionos_sd_configs"), 0, NULL },
    { STR_INIT("kubernetes_sd_configs"), 0, NULL },
    { STR_INIT("kuma_sd_configs"), 0, NULL },
    { STR_INIT("lightsail_sd_configs"), 0, NULL },
    { STR_INIT("linode_sd_configs"), 0, NULL },
    { STR_INIT("marathon_sd_configs"), 0, NULL },
    { STR_INIT("msk_sd_configs"), 0, NULL },
    { STR_INIT("nerve_sd_configs"), 0, NULL },
    { STR_INIT("nomad_sd_configs"), 0, NULL },
    { STR_INIT("oci_sd_configs"), 0, NULL },
    { STR_INIT("openstack_sd_configs"), 0, NULL },
    { STR_INIT("outscale_sd_configs"), 0, NULL },
    { STR_INIT("ovhcloud_sd_configs"), 0, NULL },
    { STR_INIT("puppetdb_sd_configs"), 0, NULL },
    { STR_INIT("rds_sd_configs"), 0, NULL },
    { STR_INIT("scaleway_sd_configs"), 0, NULL },
    { STR_INIT("serverset_sd_configs"), 0, NULL },
    { STR_INIT("stackit_sd_configs"), 0, NULL },
    { STR_INIT("triton_sd_configs"), 0, NULL },
    { STR_INIT("uyuni_sd_configs"), 0, NULL },
    { STR_INIT("vultr_sd_configs"), 0, NULL },
};

static int check_http(const struct yaml_node *node, const struct scrape_http *http,
                      struct error *error)
{
    if (http->has_basic && http->has_authorization) {
        return yaml_fail(node, ERROR_PARSE, error,
                         "at most one of basic_auth, authorization and bearer_token");
    }
    return 0;
}

static int check_addresses(const struct yaml_node *node, const struct scrape_job *job,
                           struct error *error)
{
    if (job->relabels.count > 0) return 0;
    for (size_t i = 0; i < job->group_count; i++) {
        for (size_t j = 0; j < job->groups[i].addresses.count; j++) {
            struct str address = job->groups[i].addresses.items[j];
            if (str_find_char(address, '/') == STR_NONE) continue;
            return yaml_fail(node, ERROR_PARSE, error,
                             "'" STR_FMT "' is not a host and port: targets hold no '/'",
                             STR_ARG(address));
        }
    }
    return 0;
}

static int read_job(const struct yaml_node *node, struct scrape_job *job,
                    const struct scrape_global *global, const struct yaml_reading *reading,
                    struct error *error)
{
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "empty or null scrape config");
    }
    *job = (struct scrape_job){
        .metrics_path = STR("/metrics"),
        .scheme = STR("http"),
        .honor_timestamps = true,
        .has_compression = true,
        .has_extra_metrics = global->has_extra_metrics,
        .limits = global->limits,
        .http = { .authorization_type = STR("Bearer"), .follows_redirects = true },
    };
    int code = yaml_read_fields(node, job_fields, ARRAY_LENGTH(job_fields), job, reading, error);
    if (code != 0) return code;
    if (job->name.size == 0) return yaml_fail(node, ERROR_PARSE, error, "job_name is missing");
    if (job->interval_ms == 0) job->interval_ms = global->interval_ms;
    if (job->timeout_ms > job->interval_ms) {
        return yaml_fail(node, ERROR_PARSE, error,
                         "scrape_timeout is greater than scrape_interval in job '" STR_FMT "'",
                         STR_ARG(job->name));
    }
    if (job->timeout_ms == 0) {
        job->timeout_ms =
            global->timeout_ms > job->interval_ms ? job->interval_ms : global->timeout_ms;
    }
    code = check_http(node, &job->http, error);
    if (code == 0) code = check_addresses(node, job, error);
    return code != 0 ? code : scrape_check_discovery(node, error);
}

int scrape_config_read(struct scrape_config *config, const struct yaml_node *node,
                       const struct scrape_global *global, const struct yaml_reading *reading,
                       struct error *error)
{
    if (node == NULL || yaml_is_null(node)) return 0;
    if (node->kind != YAML_SEQUENCE) return yaml_fail(node, ERROR_PARSE, error, "expected a list");
    if (node->count + config->job_count > SCRAPE_JOBS_MAX) {
        return yaml_fail(node, ERROR_LIMIT, error, "more than %d jobs", SCRAPE_JOBS_MAX);
    }
    size_t before = config->job_count;
    struct scrape_job *jobs = ARENA_ARRAY(&config->arena, struct scrape_job, before + node->count);
    if (jobs == NULL) return node->count == 0 ? 0 : error_set(error, -ENOMEM, "no memory");
    if (before > 0) memcpy(jobs, config->jobs, before * sizeof(*jobs));
    config->jobs = jobs;
    for (size_t i = before; i < before + node->count; i++) {
        const struct yaml_node *item = node->items[i - before];
        config->job_count = i + 1;
        int code = read_job(item, &config->jobs[i], global, reading, error);
        if (code != 0) return code;
        for (size_t j = 0; j < i; j++) {
            if (!str_equal(config->jobs[i].name, config->jobs[j].name)) continue;
            return yaml_fail(item, ERROR_PARSE, error,
                             "more than one scrape config with job name '" STR_FMT "'",
                             STR_ARG(config->jobs[i].name));
        }
    }
    return 0;
}

void scrape_config_release(struct scrape_config *config)
{
    for (size_t i = 0; i < config->job_count; i++) {
        release_rules(&config->jobs[i].relabels);
        release_rules(&config->jobs[i].metric_relabels);
    }
    arena_release(&config->arena);
    *config = (struct scrape_config){ 0 };
}

/* ---- global ---- */

void scrape_global_init(struct scrape_global *global)
{
    *global = (struct scrape_global){ .interval_ms = 60000, .timeout_ms = 10000 };
}

#define GLOBAL(member)       offsetof(struct scrape_global, member)
#define GLOBAL_LIMIT(member) (GLOBAL(limits) + offsetof(struct scrape_limits, member))

size_t scrape_global_fields(struct yaml_field *fields, size_t base)
{
    static const struct yaml_field rows[] = {
        { STR_INIT("scrape_interval"), GLOBAL(interval_ms), scrape_read_duration },
        { STR_INIT("scrape_timeout"), GLOBAL(timeout_ms), scrape_read_duration },
        { STR_INIT("extra_scrape_metrics"), GLOBAL(has_extra_metrics), yaml_read_bool },
        { STR_INIT("scrape_protocols"), 0, read_protocols },
        { STR_INIT("body_size_limit"), GLOBAL_LIMIT(body_size), read_size },
        { STR_INIT("sample_limit"), GLOBAL_LIMIT(sample_count), yaml_read_count },
        { STR_INIT("target_limit"), GLOBAL_LIMIT(target_count), yaml_read_count },
        { STR_INIT("label_limit"), GLOBAL_LIMIT(label_count), yaml_read_count },
        { STR_INIT("label_name_length_limit"), GLOBAL_LIMIT(label_name_size), yaml_read_count },
        { STR_INIT("label_value_length_limit"), GLOBAL_LIMIT(label_value_size), yaml_read_count },
        { STR_INIT("keep_dropped_targets"), GLOBAL_LIMIT(keep_dropped), yaml_read_count },
        { STR_INIT("scrape_failure_log_file"), 0, NULL },
        { STR_INIT("scrape_native_histograms"), 0, NULL },
        { STR_INIT("always_scrape_classic_histograms"), 0, read_unused_flag },
        { STR_INIT("convert_classic_histograms_to_nhcb"), 0, NULL },
        { STR_INIT("metric_name_validation_scheme"), 0, NULL },
        { STR_INIT("metric_name_escaping_scheme"), 0, NULL },
    };
    _Static_assert(ARRAY_LENGTH(rows) <= SCRAPE_GLOBAL_FIELDS, "room for every row");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        fields[i] = rows[i];
        fields[i].offset += base;
    }
    return ARRAY_LENGTH(rows);
}

int scrape_global_check(const struct yaml_node *node, struct scrape_global *global,
                        struct error *error)
{
    if (global->interval_ms == 0) {
        return yaml_fail(node, ERROR_PARSE, error, "scrape_interval must be greater than 0");
    }
    bool is_given = yaml_get(node, STR("scrape_timeout")) != NULL;
    if (is_given && global->timeout_ms > global->interval_ms) {
        return yaml_fail(node, ERROR_PARSE, error,
                         "global scrape_timeout is greater than scrape_interval");
    }
    if (global->timeout_ms > global->interval_ms) global->timeout_ms = global->interval_ms;
    global->has_timeout = is_given;
    return 0;
}
