/* config_discovery.c - mistakes in *_sd_configs, also of the kinds that are not discovered by here.
 *
 * One table: a row is a rule about one field of one kind. Only rules that need no knowledge of the
 * service behind are checked. */
#include "scrape/scrape.h"

enum rule_kind {
    NEEDS,    /* the field is there and not empty */
    EXCLUDES, /* not together with `other` */
    ONE_OF,   /* its value is one of `other`, "a b c" */
    IS_URL,   /* http:// or https:// with a host */
};

struct discovery_rule {
    struct str section; /* empty: every kind */
    enum rule_kind kind;
    struct str field;
    struct str other;
};

#define RULE(section, kind, field, other)                                                          \
    {                                                                                              \
        STR_INIT(section), kind, STR_INIT(field), STR_INIT(other)                                  \
    }

static const struct discovery_rule rules[] = {
    RULE("", EXCLUDES, "bearer_token", "bearer_token_file"),
    RULE("", EXCLUDES, "bearer_token", "basic_auth"),
    RULE("", EXCLUDES, "bearer_token_file", "basic_auth"),
    RULE("", EXCLUDES, "bearer_token", "authorization"),
    RULE("", EXCLUDES, "bearer_token_file", "authorization"),
    RULE("", EXCLUDES, "basic_auth", "authorization"),
    RULE("", EXCLUDES, "basic_auth", "oauth2"),
    RULE("", EXCLUDES, "authorization", "oauth2"),
    RULE("azure_sd_configs", NEEDS, "subscription_id", ""),
    RULE("azure_sd_configs", ONE_OF, "authentication_method",
         "OAuth ManagedIdentity SDK WorkloadIdentity"),
    RULE("dns_sd_configs", NEEDS, "names", ""),
    RULE("dns_sd_configs", ONE_OF, "type", "SRV A AAAA MX NS"),
    RULE("dockerswarm_sd_configs", NEEDS, "host", ""),
    RULE("dockerswarm_sd_configs", NEEDS, "role", ""),
    RULE("dockerswarm_sd_configs", ONE_OF, "role", "services nodes tasks"),
    RULE("eureka_sd_configs", NEEDS, "server", ""),
    RULE("eureka_sd_configs", IS_URL, "server", ""),
    RULE("gce_sd_configs", NEEDS, "project", ""),
    RULE("gce_sd_configs", NEEDS, "zone", ""),
    RULE("hetzner_sd_configs", NEEDS, "role", ""),
    RULE("hetzner_sd_configs", ONE_OF, "role", "robot hcloud"),
    RULE("http_sd_configs", NEEDS, "url", ""),
    RULE("http_sd_configs", IS_URL, "url", ""),
    RULE("ionos_sd_configs", NEEDS, "datacenter_id", ""),
    RULE("kubernetes_sd_configs", NEEDS, "role", ""),
    RULE("kubernetes_sd_configs", ONE_OF, "role",
         "pod service endpoints endpointslice node ingress"),
    RULE("kubernetes_sd_configs", EXCLUDES, "api_server", "kubeconfig_file"),
    RULE("kubernetes_sd_configs", EXCLUDES, "kubeconfig_file", "basic_auth"),
    RULE("kubernetes_sd_configs", EXCLUDES, "kubeconfig_file", "authorization"),
    RULE("kubernetes_sd_configs", EXCLUDES, "kubeconfig_file", "oauth2"),
    RULE("kubernetes_sd_configs", EXCLUDES, "kubeconfig_file", "tls_config"),
    RULE("kuma_sd_configs", NEEDS, "server", ""),
    RULE("marathon_sd_configs", NEEDS, "servers", ""),
    RULE("marathon_sd_configs", EXCLUDES, "auth_token", "auth_token_file"),
    RULE("marathon_sd_configs", EXCLUDES, "auth_token", "basic_auth"),
    RULE("marathon_sd_configs", EXCLUDES, "auth_token", "bearer_token"),
    RULE("marathon_sd_configs", EXCLUDES, "auth_token", "bearer_token_file"),
    RULE("nerve_sd_configs", NEEDS, "servers", ""),
    RULE("nerve_sd_configs", NEEDS, "paths", ""),
    RULE("openstack_sd_configs", NEEDS, "role", ""),
    RULE("openstack_sd_configs", NEEDS, "region", ""),
    RULE("openstack_sd_configs", ONE_OF, "role", "instance hypervisor loadbalancer"),
    RULE("openstack_sd_configs", ONE_OF, "availability", "public admin internal"),
    RULE("outscale_sd_configs", NEEDS, "region", ""),
    RULE("outscale_sd_configs", EXCLUDES, "secret_key", "secret_key_file"),
    RULE("ovhcloud_sd_configs", ONE_OF, "service", "vps dedicated_server"),
    RULE("puppetdb_sd_configs", NEEDS, "url", ""),
    RULE("puppetdb_sd_configs", IS_URL, "url", ""),
    RULE("puppetdb_sd_configs", NEEDS, "query", ""),
    RULE("scaleway_sd_configs", NEEDS, "project_id", ""),
    RULE("scaleway_sd_configs", NEEDS, "access_key", ""),
    RULE("scaleway_sd_configs", NEEDS, "role", ""),
    RULE("scaleway_sd_configs", ONE_OF, "role", "instance baremetal"),
    RULE("scaleway_sd_configs", EXCLUDES, "secret_key", "secret_key_file"),
    RULE("serverset_sd_configs", NEEDS, "servers", ""),
    RULE("serverset_sd_configs", NEEDS, "paths", ""),
    RULE("stackit_sd_configs", IS_URL, "endpoint", ""),
    RULE("triton_sd_configs", NEEDS, "account", ""),
    RULE("triton_sd_configs", NEEDS, "dns_suffix", ""),
    RULE("triton_sd_configs", NEEDS, "endpoint", ""),
    RULE("uyuni_sd_configs", NEEDS, "server", ""),
    RULE("uyuni_sd_configs", IS_URL, "server", ""),
    RULE("uyuni_sd_configs", NEEDS, "username", ""),
    RULE("uyuni_sd_configs", NEEDS, "password", ""),
};

bool scrape_is_url(struct str text)
{
    size_t skip = str_starts_with(text, STR("http://")) ? 7 : 0;
    if (str_starts_with(text, STR("https://"))) skip = 8;
    if (skip == 0) return false;
    struct str host = str_skip(text, skip);
    return host.size > 0 && host.data[0] != '/' && host.data[0] != '?' && host.data[0] != ':';
}

/* Whether the field is there with something in it. */
static const struct yaml_node *find(const struct yaml_node *node, struct str field)
{
    const struct yaml_node *value = yaml_get(node, field);
    if (value == NULL || yaml_is_null(value)) return NULL;
    if (value->kind == YAML_SCALAR ? value->text.size == 0 : value->count == 0) return NULL;
    return value;
}

static bool is_one_of(struct str value, struct str words)
{
    while (words.size > 0) {
        if (str_equal(str_cut(&words, ' '), value)) return true;
    }
    return false;
}

static int check_rule(const struct discovery_rule *rule, const struct yaml_node *node,
                      struct error *error)
{
    const struct yaml_node *value = find(node, rule->field);
    if (rule->kind == NEEDS && value == NULL) {
        return yaml_fail(node, ERROR_PARSE, error, "field '" STR_FMT "' is missing",
                         STR_ARG(rule->field));
    }
    if (value == NULL) return 0;
    if (rule->kind == EXCLUDES && find(node, rule->other) != NULL) {
        return yaml_fail(value, ERROR_PARSE, error, "at most one of '" STR_FMT "', '" STR_FMT "'",
                         STR_ARG(rule->field), STR_ARG(rule->other));
    }
    if (rule->kind == ONE_OF && !is_one_of(value->text, rule->other)) {
        return yaml_fail(value, ERROR_PARSE, error, "'" STR_FMT "' is none of: " STR_FMT,
                         STR_ARG(value->text), STR_ARG(rule->other));
    }
    if (rule->kind == IS_URL && !scrape_is_url(value->text)) {
        return yaml_fail(value, ERROR_PARSE, error, "'" STR_FMT "' is no http or https URL",
                         STR_ARG(value->text));
    }
    return 0;
}

/* What a role of Kubernetes may select by: its own kind, and those it is made of. */
static int check_selectors(const struct yaml_node *node, struct error *error)
{
    static const struct {
        struct str role;
        struct str selectors;
    } rows[] = {
        { STR_INIT("pod"), STR_INIT("pod node") },
        { STR_INIT("service"), STR_INIT("service") },
        { STR_INIT("endpoints"), STR_INIT("endpoints pod service") },
        { STR_INIT("endpointslice"), STR_INIT("endpointslice pod service") },
        { STR_INIT("node"), STR_INIT("node") },
        { STR_INIT("ingress"), STR_INIT("ingress") },
    };
    const struct yaml_node *role = find(node, STR("role"));
    const struct yaml_node *selectors = find(node, STR("selectors"));
    if (role == NULL || selectors == NULL || selectors->kind != YAML_SEQUENCE) return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (!str_equal(rows[i].role, role->text)) continue;
        for (size_t j = 0; j < selectors->count; j++) {
            const struct yaml_node *item = selectors->items[j];
            const struct yaml_node *chosen =
                item->kind == YAML_MAPPING ? find(item, STR("role")) : NULL;
            if (chosen != NULL && is_one_of(chosen->text, rows[i].selectors)) continue;
            return yaml_fail(item, ERROR_PARSE, error, "role '" STR_FMT "' cannot select by this",
                             STR_ARG(role->text));
        }
    }
    return 0;
}

static int check_kubernetes(const struct yaml_node *node, struct error *error)
{
    const struct yaml_node *namespaces = find(node, STR("namespaces"));
    if (namespaces == NULL) return check_selectors(node, error);
    if (namespaces->kind != YAML_MAPPING) {
        return yaml_fail(namespaces, ERROR_PARSE, error, "expected a mapping of fields");
    }
    for (size_t i = 0; i < namespaces->count; i++) {
        struct str name = namespaces->pairs[i].key->text;
        if (str_equal(name, STR("names")) || str_equal(name, STR("own_namespace"))) continue;
        return yaml_fail(namespaces->pairs[i].key, ERROR_PARSE, error,
                         "field '" STR_FMT "' is not known here", STR_ARG(name));
    }
    const struct yaml_node *own = find(namespaces, STR("own_namespace"));
    bool is_own = false;
    int code = own == NULL ? 0 : yaml_bool(own, &is_own, error);
    if (code != 0) return code;
    if (is_own && find(node, STR("api_server")) != NULL) {
        return yaml_fail(own, ERROR_PARSE, error, "own_namespace needs the pod's own api_server");
    }
    return check_selectors(node, error);
}

static int check_item(struct str section, const struct yaml_node *item, struct error *error)
{
    if (item->kind != YAML_MAPPING) {
        return yaml_fail(item, ERROR_PARSE, error, "empty or null section in " STR_FMT,
                         STR_ARG(section));
    }
    int code = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(rules) && code == 0; i++) {
        bool is_meant = rules[i].section.size == 0 || str_equal(rules[i].section, section);
        if (is_meant) code = check_rule(&rules[i], item, error);
    }
    if (code == 0 && str_equal(section, STR("scaleway_sd_configs")) &&
        find(item, STR("secret_key")) == NULL && find(item, STR("secret_key_file")) == NULL) {
        return yaml_fail(item, ERROR_PARSE, error, "one of secret_key, secret_key_file is needed");
    }
    if (code == 0 && str_equal(section, STR("kubernetes_sd_configs"))) {
        code = check_kubernetes(item, error);
    }
    return code;
}

int scrape_check_discovery(const struct yaml_node *node, struct error *error)
{
    for (size_t i = 0; i < node->count; i++) {
        struct str section = node->pairs[i].key->text;
        const struct yaml_node *list = node->pairs[i].value;
        if (!str_ends_with(section, STR("_sd_configs")) || yaml_is_null(list)) continue;
        if (list->kind != YAML_SEQUENCE) {
            return yaml_fail(list, ERROR_PARSE, error, "expected a list");
        }
        for (size_t j = 0; j < list->count; j++) {
            int code = check_item(section, list->items[j], error);
            if (code != 0) return code;
        }
    }
    return 0;
}
