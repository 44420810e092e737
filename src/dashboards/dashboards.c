/* dashboards.c - Grafana's addresses: the page, lists, single dashboards, and the way through to
 * the data sources.
 *
 * The way through is for reading only: what may be asked stands in a table, so that a page from
 * elsewhere, or a mistake in ours, cannot write or delete anything behind it. */
#include "dashboards/dashboards.h"

#include "codec/json_writer.h"
#include "dashboards/store.h"
#include "http/forward.h"
#include "role/role.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stddef.h>

#define ANSWER_SIZE_MAX  (128u << 20)
#define PROXY_TIMEOUT_MS 120000
#define GRAFANA_VERSION  "10.0.1" /* whose addresses these are */

struct flags {
    const char *config;
    struct option_list urls;
};

static const struct option options[] = {
    { "config", "DIR", OPTION_TEXT, offsetof(struct flags, config), "grafana",
      "Folder with provisioning/ and dashboards/." },
    { "datasource.url", "UID=URL", OPTION_LIST, offsetof(struct flags, urls), NULL,
      "Ask this URL for the data source, whatever its file says." },
};

struct dashboards {
    struct role *role;
    struct store store;
    struct http_client *client;
};

#define HANDLER(name)                                                                              \
    static int name(void *context, struct http_request *request, struct http_response *response,   \
                    struct error *error)

/* ---- the page ---- */

HANDLER(page)
{
    (void)request;
    struct dashboards *dashboards = context;
    return role_give_page(dashboards->role, "dashboards.html", response, error);
}

HANDLER(asset)
{
    (void)context;
    return role_give_asset(request, response, error);
}

/* ---- what scripts read ---- */

static void json_begin(struct http_response *response, struct json_writer *json)
{
    response->content_type = "application/json";
    json_writer_init(json, &response->body);
}

static void write_error(void *context, const struct http_request *request,
                        struct http_response *response, int code, const struct error *error)
{
    (void)context;
    (void)request;
    struct json_writer json;
    if (code == -EACCES) response->status = 403;
    buf_reset(&response->body);
    json_begin(response, &json);
    json_object_begin(&json);
    json_member_cstr(&json, "message", error->text);
    json_object_end(&json);
}

HANDLER(health)
{
    (void)context;
    (void)request;
    (void)error;
    struct json_writer json;
    json_begin(response, &json);
    json_object_begin(&json);
    json_member_cstr(&json, "commit", role_revision());
    json_member_cstr(&json, "database", "ok");
    json_member_cstr(&json, "version", GRAFANA_VERSION);
    json_object_end(&json);
    return 0;
}

static struct str url_of(const struct dashboard *dashboard, struct arena *arena)
{
    return arena_printf(arena, "/d/" STR_FMT "/" STR_FMT, STR_ARG(dashboard->uid),
                        STR_ARG(dashboard->slug));
}

HANDLER(search)
{
    (void)error;
    struct dashboards *dashboards = context;
    struct str query = http_request_parameter(request, "query");
    struct str type = http_request_parameter(request, "type");
    bool wants_none = type.size > 0 && !str_equal(type, STR("dash-db"));
    struct json_writer json;
    json_begin(response, &json);
    json_array_begin(&json);
    dashboards_store_lock(&dashboards->store);
    for (size_t i = 0; i < dashboards->store.dashboards.count && !wants_none; i++) {
        const struct dashboard *one = &dashboards->store.dashboards.items[i];
        if (query.size > 0 && !str_contains_nocase(one->title, query)) continue;
        struct str url = url_of(one, request->arena);
        json_object_begin(&json);
        json_member_int(&json, "id", (int64_t)i + 1);
        json_member_text(&json, "uid", one->uid);
        json_member_text(&json, "title", one->title);
        json_member_text(&json, "uri", one->slug);
        json_member_text(&json, "url", url);
        json_member_text(&json, "slug", one->slug);
        json_member_cstr(&json, "type", "dash-db");
        json_key(&json, STR("tags"));
        json_put_raw(&json, one->tags);
        json_member_bool(&json, "isStarred", false);
        json_member_text(&json, "folderTitle", one->folder);
        json_object_end(&json);
    }
    dashboards_store_unlock(&dashboards->store);
    json_array_end(&json);
    return 0;
}

HANDLER(one_dashboard)
{
    struct dashboards *dashboards = context;
    struct str uid = http_request_path_value(request, "uid");
    int code = 0;
    dashboards_store_lock(&dashboards->store);
    const struct dashboard *found = dashboards_store_dashboard_locked(&dashboards->store, uid);
    if (found == NULL) {
        code = error_set(error, -ENOENT, "Dashboard not found");
    } else {
        struct json_writer json;
        json_begin(response, &json);
        json_object_begin(&json);
        json_key(&json, STR("meta"));
        json_object_begin(&json);
        json_member_cstr(&json, "type", "db");
        json_member_bool(&json, "canSave", false);
        json_member_bool(&json, "canEdit", false);
        json_member_text(&json, "slug", found->slug);
        json_member_text(&json, "url", url_of(found, request->arena));
        json_member_text(&json, "folderTitle", found->folder);
        json_member_bool(&json, "provisioned", true);
        json_member_text(&json, "provisionedExternalId", found->file);
        json_object_end(&json);
        json_key(&json, STR("dashboard"));
        json_put_raw(&json, found->json);
        json_object_end(&json);
    }
    dashboards_store_unlock(&dashboards->store);
    return code;
}

static void write_source(struct json_writer *json, const struct datasource *source, size_t id)
{
    json_object_begin(json);
    json_member_int(json, "id", (int64_t)id);
    json_member_text(json, "uid", source->uid);
    json_member_int(json, "orgId", 1);
    json_member_text(json, "name", source->name);
    json_member_text(json, "type", source->type);
    json_member_cstr(json, "access", "proxy");
    json_member_text(json, "url", source->url);
    json_member_bool(json, "isDefault", source->is_default);
    json_member_bool(json, "readOnly", true);
    json_key(json, STR("jsonData"));
    json_put_raw(json, source->json_data);
    json_object_end(json);
}

HANDLER(all_sources)
{
    (void)request;
    (void)error;
    struct dashboards *dashboards = context;
    struct json_writer json;
    json_begin(response, &json);
    json_array_begin(&json);
    dashboards_store_lock(&dashboards->store);
    for (size_t i = 0; i < dashboards->store.datasources.count; i++) {
        write_source(&json, &dashboards->store.datasources.items[i], i + 1);
    }
    dashboards_store_unlock(&dashboards->store);
    json_array_end(&json);
    return 0;
}

HANDLER(one_source)
{
    struct dashboards *dashboards = context;
    struct str uid = http_request_path_value(request, "uid");
    dashboards_store_lock(&dashboards->store);
    const struct datasource *found = dashboards_store_datasource_locked(&dashboards->store, uid);
    if (found != NULL) {
        struct json_writer json;
        json_begin(response, &json);
        write_source(&json, found, (size_t)(found - dashboards->store.datasources.items) + 1);
    }
    dashboards_store_unlock(&dashboards->store);
    return found == NULL ? error_set(error, -ENOENT, "Data source not found") : 0;
}

/* ---- the way through ---- */

/* What may be asked of Prometheus: addresses that begin so. None of them writes. */
static const struct str metrics_addresses[] = {
    STR_INIT("api/v1/query"),       STR_INIT("api/v1/series"),
    STR_INIT("api/v1/label"),       STR_INIT("api/v1/metadata"),
    STR_INIT("api/v1/rules"),       STR_INIT("api/v1/alerts"),
    STR_INIT("api/v1/parse_query"), STR_INIT("api/v1/status/buildinfo"),
    STR_INIT("api/v1/format_query")
};

/* And of Elasticsearch: alone or behind one index, nothing in between. A document's name may end in
 * any of these words, so that looking at the end of the address would let writes through. */
static const struct str log_addresses[] = { STR_INIT("_msearch"), STR_INIT("_search"),
                                            STR_INIT("_count"), STR_INIT("_mapping"),
                                            STR_INIT("_field_caps") };

static bool is_allowed_of_metrics(struct str path)
{
    for (size_t i = 0; i < ARRAY_LENGTH(metrics_addresses); i++) {
        if (str_starts_with(path, metrics_addresses[i])) return true;
    }
    return false;
}

static bool is_allowed_of_logs(struct str path)
{
    struct str last = path;
    if (path.size == 0) return true;
    if (path.data[0] != '_') (void)str_cut(&last, '/'); /* the index; its name has no _ in front */
    for (size_t i = 0; i < ARRAY_LENGTH(log_addresses); i++) {
        if (str_equal(last, log_addresses[i])) return true;
    }
    return false;
}

static bool is_allowed(struct str type, struct str path)
{
    if (str_find(path, STR("..")) != STR_NONE) return false;
    if (str_equal(type, STR("prometheus"))) return is_allowed_of_metrics(path);
    return str_equal(type, STR("elasticsearch")) && is_allowed_of_logs(path);
}

/* The call's target and secrets, copied out of the store. */
static int prepare(struct dashboards *dashboards, const struct http_request *request,
                   struct http_call *call, struct error *error)
{
    struct str uid = http_request_path_value(request, "uid");
    struct str path = http_request_path_value(request, "rest");
    struct arena *arena = request->arena;
    int code = 0;
    dashboards_store_lock(&dashboards->store);
    const struct datasource *source = dashboards_store_datasource_locked(&dashboards->store, uid);
    if (source == NULL) {
        code = error_set(error, -ENOENT, "data source '" STR_FMT "' not found", STR_ARG(uid));
    } else if (!is_allowed(source->type, path)) {
        code =
            error_set(error, -EACCES, "this address of a data source may not be asked from here");
    } else {
        /* The path as it was sent, so that escapes stay what they are. */
        struct str raw = request->raw_path;
        size_t at = str_find(raw, STR("/proxy/uid/"));
        for (int slashes = 0; at != STR_NONE && slashes < 1; slashes++) {
            raw = str_skip(raw, at + strlen("/proxy/uid/"));
            size_t slash = str_find_char(raw, '/');
            raw = slash == STR_NONE ? STR("") : str_skip(raw, slash + 1);
        }
        bool has_query = request->query.size > 0;
        call->url = arena_printf(arena, STR_FMT "/" STR_FMT "%s" STR_FMT, STR_ARG(source->url),
                                 STR_ARG(raw), has_query ? "?" : "", STR_ARG(request->query));
        call->basic_user = arena_copy(arena, source->user);
        call->basic_password = arena_copy(arena, source->password);
    }
    dashboards_store_unlock(&dashboards->store);
    return code;
}

HANDLER(proxy)
{
    struct dashboards *dashboards = context;
    struct http_call call = { .method = request->method,
                              .body = request->body,
                              .timeout_ms = PROXY_TIMEOUT_MS,
                              .body_size_max = ANSWER_SIZE_MAX };
    int code = prepare(dashboards, request, &call, error);
    if (code != 0) return code;
    struct str type = http_request_header(request, "Content-Type");
    struct str copy = arena_copy(request->arena, type);
    if (type.size > 0) call.content_type = copy.data;
    struct error cause = { 0 };
    if (http_forward(dashboards->client, &call, response, &cause) != 0) {
        struct json_writer json;
        json_begin(response, &json);
        json_object_begin(&json);
        json_member_cstr(&json, "message", cause.text);
        json_object_end(&json);
    }
    return 0;
}

/* ---- life ---- */

static const struct http_route routes[] = {
    { HTTP_GET, "/", page, "page", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/d/*rest", page, "page", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/dashboards", page, "page", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/assets/*rest", asset, "/assets", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/api/health", health, NULL, HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/api/search", search, NULL, 0, 0 },
    { HTTP_GET, "/api/dashboards/uid/:uid", one_dashboard, NULL, 0, 0 },
    { HTTP_GET, "/api/datasources", all_sources, NULL, 0, 0 },
    { HTTP_GET, "/api/datasources/uid/:uid", one_source, NULL, 0, 0 },
    { HTTP_GET | HTTP_POST, "/api/datasources/proxy/uid/:uid/*rest", proxy,
      "/api/datasources/proxy", HTTP_ROUTE_READS, 0 },
};

static int open_all(struct dashboards *dashboards, struct error *error)
{
    struct http_client_options client = { .resolve = role_resolve(dashboards->role) };
    struct http_mount mount = { .routes = routes,
                                .count = ARRAY_LENGTH(routes),
                                .context = dashboards,
                                .write_error = write_error };
    int code = dashboards_store_load(&dashboards->store, error);
    if (code == 0) code = http_client_new(&dashboards->client, &client, error);
    if (code == 0) code = role_mount(dashboards->role, &mount, error);
    if (code == 0) {
        sl_info(role_log(dashboards->role), "dashboards loaded", "dashboards",
                dashboards->store.dashboards.count, "datasources",
                dashboards->store.datasources.count);
    }
    return code;
}

int dashboards_main(int argc, char **argv)
{
    static const char *const names[] = { "grafana-container" };
    struct flags flags = { 0 };
    struct dashboards dashboards = { 0 };
    struct error error = { 0 };
    struct role_setup setup = {
        .name = "dashboards",
        .about = "Shows Grafana's dashboards, with data from the metrics and logs roles only.",
        .options = options,
        .option_count = ARRAY_LENGTH(options),
        .values = &flags,
        .listen = "127.0.0.1:3000",
        .names = names,
        .name_count = ARRAY_LENGTH(names),
    };
    int status = role_start(&dashboards.role, &setup, argc, argv);
    if (dashboards.role == NULL) return status;
    dashboards_store_init(&dashboards.store, flags.config, role_log(dashboards.role));
    dashboards.store.urls = flags.urls.items;
    dashboards.store.url_count = flags.urls.count;
    if (open_all(&dashboards, &error) != 0) {
        status = role_fail(dashboards.role, &error);
    } else {
        role_ready(dashboards.role);
        status = role_wait(dashboards.role);
    }
    http_client_free(dashboards.client);
    dashboards_store_release(&dashboards.store);
    role_free(dashboards.role);
    return status;
}
