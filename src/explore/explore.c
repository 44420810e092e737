/* explore.c - the page and its files, and the way through to the log store.
 *
 * The way through is for reading only, and what comes back is never handed on as markup: a page
 * from elsewhere, a mistake in ours or a hostile store cannot write, delete or run anything. */
#include "explore/explore.h"

#include "codec/json_writer.h"
#include "explore/settings.h"
#include "explore/upstream.h"
#include "http/forward.h"
#include "role/role.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_SIZE_MAX     (128u << 20)
#define UPSTREAM_TIMEOUT_MS 60000
#define SETTINGS_SIZE_MAX   (4u << 20)
#define KIBANA_VERSION      "7.17.0" /* whose addresses these are */

struct flags {
    const char *config;
    const char *hosts;
    const char *user;
    const char *password;
    const char *index;
};

enum option_index { OPTION_CONFIG, OPTION_HOSTS, OPTION_USER, OPTION_PASSWORD, OPTION_INDEX };

/* The defaults of some are replaced by what --config says. */
static const struct option options[] = {
    [OPTION_CONFIG] = { "config", "FILE", OPTION_TEXT, offsetof(struct flags, config), "",
                        "A kibana.yml: elasticsearch.hosts, .username, .password, server.host, "
                        "server.port." },
    [OPTION_HOSTS] = { "elasticsearch.hosts", "URL", OPTION_TEXT, offsetof(struct flags, hosts),
                       "http://elasticsearch:9200", "Where the log store answers." },
    [OPTION_USER] = { "elasticsearch.username", "NAME", OPTION_TEXT, offsetof(struct flags, user),
                      "", "Who asks the log store." },
    [OPTION_PASSWORD] = { "elasticsearch.password", "TEXT", OPTION_TEXT,
                          offsetof(struct flags, password), "", "With --elasticsearch.username." },
    [OPTION_INDEX] = { "index", "PATTERN", OPTION_TEXT, offsetof(struct flags, index), "*",
                       "The indices that are shown, unless a page's address names others." },
};

struct explore {
    struct role *role;
    struct flags flags;
    struct str url; /* of the store, without a slash behind */
    struct http_client *client;
};

#define HANDLER(name)                                                                              \
    static int name(void *context, struct http_request *request, struct http_response *response,   \
                    struct error *error)

/* ---- the page ---- */

HANDLER(page)
{
    (void)request;
    struct explore *explore = context;
    return role_give_page(explore->role, "explore.html", response, error);
}

HANDLER(asset)
{
    (void)context;
    return role_give_asset(request, response, error);
}

/* ---- what probes and scripts read ---- */

static void json_begin(struct http_response *response, struct json_writer *json)
{
    response->content_type = "application/json; charset=utf-8";
    json_writer_init(json, &response->body);
}

static void write_message(struct http_response *response, unsigned status, const char *text)
{
    struct json_writer json;
    buf_reset(&response->body);
    response->status = status;
    json_begin(response, &json);
    json_object_begin(&json);
    json_member_int(&json, "statusCode", (int64_t)status);
    json_member_cstr(&json, "message", text);
    json_object_end(&json);
}

static void write_error(void *context, const struct http_request *request,
                        struct http_response *response, int code, const struct error *error)
{
    (void)context;
    (void)request;
    write_message(response, code == -EACCES ? 403 : response->status, error->text);
}

HANDLER(status)
{
    (void)request;
    (void)error;
    struct explore *explore = context;
    struct json_writer json;
    json_begin(response, &json);
    json_object_begin(&json);
    json_member_cstr(&json, "name", role_name(explore->role));
    json_key(&json, STR("version"));
    json_object_begin(&json);
    json_member_cstr(&json, "number", KIBANA_VERSION);
    json_member_cstr(&json, "build_hash", role_revision());
    json_object_end(&json);
    json_key(&json, STR("status"));
    json_object_begin(&json);
    json_key(&json, STR("overall"));
    json_object_begin(&json);
    json_member_cstr(&json, "level", "available");
    json_member_cstr(&json, "state", "green");
    json_object_end(&json);
    json_object_end(&json);
    json_object_end(&json);
    return 0;
}

/* ---- the way through ---- */

HANDLER(ask_store)
{
    struct explore *explore = context;
    struct str target;
    bool may_post;
    struct str index = str_from(explore->flags.index);
    if (!upstream_path(request->arena, http_request_path_value(request, "rest"), index, &target,
                       &may_post) ||
        (request->method == HTTP_POST && !may_post) ||
        http_request_parameter(request, "scroll").data != NULL) {
        write_message(response, 403, "this address of the log store may not be asked from here");
        return 0;
    }
    struct http_call call = { .method = request->method,
                              .body = request->body,
                              .timeout_ms = UPSTREAM_TIMEOUT_MS,
                              .body_size_max = ANSWER_SIZE_MAX };
    call.url =
        arena_printf(request->arena, STR_FMT "/" STR_FMT "%s" STR_FMT, STR_ARG(explore->url),
                     STR_ARG(target), request->query.size > 0 ? "?" : "", STR_ARG(request->query));
    if (call.url.data == NULL) return error_set(error, -ENOMEM, "no memory for the address");
    if (request->body.size > 0) {
        call.content_type = http_request_has_type(request, "application/x-ndjson")
                                ? "application/x-ndjson"
                                : "application/json";
    }
    if (explore->flags.user[0] != '\0') {
        call.basic_user = str_from(explore->flags.user);
        call.basic_password = str_from(explore->flags.password);
    }
    struct error cause = { 0 };
    if (http_forward(explore->client, &call, response, &cause) != 0) {
        char text[ERROR_TEXT_SIZE_MAX + 64];
        (void)snprintf(text, sizeof(text), "the log store does not answer: %s", cause.text);
        write_message(response, response->status, text);
    }
    return 0;
}

/* ---- life ---- */

static const struct http_route routes[] = {
    { HTTP_GET, "/", page, "page", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/app/discover", page, "page", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/app/discover/*rest", page, "page", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/assets/*rest", asset, "/assets", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/api/status", status, NULL, HTTP_ROUTE_FAST, 0 },
    { HTTP_GET | HTTP_POST, "/api/es/*rest", ask_store, "/api/es", HTTP_ROUTE_READS, 0 },
};

static int open_all(struct explore *explore, struct error *error)
{
    struct http_client_options client = { .resolve = role_resolve(explore->role) };
    struct http_mount mount = { .routes = routes,
                                .count = ARRAY_LENGTH(routes),
                                .context = explore,
                                .write_error = write_error };
    struct str url = str_from(explore->flags.hosts);
    if (!str_starts_with(url, STR("http://")) && !str_starts_with(url, STR("https://"))) {
        return error_set(error, ERROR_INVALID, "--elasticsearch.hosts '%s' is no http address",
                         explore->flags.hosts);
    }
    if (!upstream_is_index(str_from(explore->flags.index))) {
        return error_set(error, ERROR_INVALID, "--index '%s' is no index pattern",
                         explore->flags.index);
    }
    while (str_ends_with(url, STR("/"))) url.size--;
    explore->url = url;
    int code = http_client_new(&explore->client, &client, error);
    return code != 0 ? code : role_mount(explore->role, &mount, error);
}

/* The file of --config, which is needed before the options are read: it holds their defaults. */
static const char *config_of(int argc, char **argv)
{
    const char *found = NULL;
    for (int i = 1; i < argc; i++) {
        struct str word = str_from(argv[i]);
        if (str_equal(word, STR("--"))) break;
        if (str_starts_with(word, STR("--"))) word = str_skip(word, 1);
        if (str_equal(word, STR("-config")) && i + 1 < argc) found = argv[++i];
        if (str_starts_with(word, STR("-config="))) found = word.data + strlen("-config=");
    }
    return found == NULL || found[0] == '\0' ? NULL : found;
}

static int run(struct explore *explore, const struct settings *settings)
{
    struct error error = { 0 };
    for (size_t i = 0; i < settings->ignored.count; i++) {
        sl_warn(role_log(explore->role), "setting ignored", "event.reason",
                settings->ignored.items[i].data);
    }
    if (open_all(explore, &error) != 0) return role_fail(explore->role, &error);
    role_ready(explore->role);
    return role_wait(explore->role);
}

static int start(struct explore *explore, const struct settings *settings, int argc, char **argv)
{
    static const char *const names[] = { "kibana" };
    struct option own[ARRAY_LENGTH(options)];
    memcpy(own, options, sizeof(own));
    if (settings->hosts != NULL) own[OPTION_HOSTS].initial = settings->hosts;
    if (settings->user != NULL) own[OPTION_USER].initial = settings->user;
    if (settings->password != NULL) own[OPTION_PASSWORD].initial = settings->password;
    struct role_setup setup = {
        .name = "explore",
        .about = "Shows log lines of an Elasticsearch-like store, reading only.",
        .options = own,
        .option_count = ARRAY_LENGTH(own),
        .values = &explore->flags,
        .listen = settings->listen == NULL ? "127.0.0.1:5601" : settings->listen,
        .names = names,
        .name_count = ARRAY_LENGTH(names),
    };
    int status = role_start(&explore->role, &setup, argc, argv);
    if (explore->role == NULL) return status;
    status = run(explore, settings);
    http_client_free(explore->client);
    role_free(explore->role);
    return status;
}

int explore_main(int argc, char **argv)
{
    CLEANUP(arena_release) struct arena arena;
    struct settings settings = { 0 };
    struct explore explore = { 0 };
    struct error error = { 0 };
    const char *config = config_of(argc, argv);
    arena_init(&arena, SETTINGS_SIZE_MAX);
    if (config != NULL && settings_read(&settings, &arena, config, &error) != 0) {
        (void)fprintf(stderr, "explore: %s\n", error.text);
        return ROLE_EXIT_USAGE;
    }
    int status = start(&explore, &settings, argc, argv);
    settings_release(&settings);
    return status;
}
