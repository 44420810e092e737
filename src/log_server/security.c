/* security.c - who asks, and API keys. Without --auth.users everybody is known as anonymous. */
#include "codec/base64.h"
#include "codec/json.h"
#include "log_server/contexts.h"
#include "log_server/server.h"

#include <errno.h>

#define EXPIRATION_MAX_MS (INT64_C(100) * 365 * 86400 * 1000)

static int handle_authenticate(struct call *call)
{
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    const struct auth_identity *who = &call->identity;
    bool is_asked = call->server->auth != NULL;
    const char *realm = !is_asked ? "__anonymous" : who->key_id.size > 0 ? "_es_api_key" : "file";
    json_object_begin(&json);
    json_member_text(&json, "username", is_asked ? who->user : STR("anonymous"));
    json_key(&json, STR("roles"));
    json_put_raw(&json, STR("[\"superuser\"]"));
    json_member_bool(&json, "enabled", true);
    json_key(&json, STR("authentication_realm"));
    json_object_begin(&json);
    json_member_cstr(&json, "name", realm);
    json_member_cstr(&json, "type", realm);
    json_object_end(&json);
    if (is_asked) {
        json_member_cstr(&json, "authentication_type", who->key_id.size > 0 ? "api_key" : "realm");
    }
    if (who->key_id.size > 0) {
        json_key(&json, STR("api_key"));
        json_object_begin(&json);
        json_member_text(&json, "id", who->key_id);
        json_member_text(&json, "name", who->key_name);
        json_object_end(&json);
    }
    json_object_end(&json);
    return 0;
}

/* There are no roles: who is known may do everything. */
static int handle_has_privileges(struct call *call)
{
    const struct json *root = NULL;
    struct error error = { 0 };
    if (json_parse(NULL, call->arena, call->request->body, &root, &error) < 0) {
        return answer_error(call, 400, "parse_exception", str_from(error.text));
    }
    const struct json *list = json_get(root, STR("cluster"));
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_text(&json, "username",
                     call->server->auth != NULL ? call->identity.user : STR("anonymous"));
    json_member_bool(&json, "has_all_requested", true);
    json_key(&json, STR("cluster"));
    json_object_begin(&json);
    for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->array.count; i++) {
        json_key(&json, json_text(&list->array.items[i], STR("")));
        json_put_bool(&json, true);
    }
    json_object_end(&json);
    json_key(&json, STR("index"));
    json_object_begin(&json);
    json_object_end(&json);
    json_key(&json, STR("application"));
    json_object_begin(&json);
    json_object_end(&json);
    json_object_end(&json);
    return 0;
}
/* API keys ------------------------------------------------------------------------------------ */

static int answer_off(struct call *call)
{
    return answer_error(
        call, 400, "illegal_argument_exception",
        STR("security is not enabled (--auth.users), so API keys are not needed: any "
            "Authorization is taken"));
}

static int read_body(struct call *call, const struct json **root)
{
    struct error error = { 0 };
    int code = json_parse(NULL, call->arena, call->request->body, root, &error);
    if (code == 0 && json_is(*root, JSON_OBJECT)) return 0;
    (void)answer_error(call, 400, "parse_exception",
                       code < 0 ? str_from(error.text) : STR("request body must be an object"));
    return 1;
}

static int handle_make_key(struct call *call)
{
    struct auth *auth = call->server->auth;
    if (auth == NULL) return answer_off(call);
    const struct json *root = NULL;
    if (read_body(call, &root) != 0) return 0;
    struct str name = json_text(json_get(root, STR("name")), STR(""));
    struct str expiration = json_text(json_get(root, STR("expiration")), STR(""));
    struct error error = { 0 };
    int64_t lasts_ms = 0;
    if (name.size == 0 || name.size > 256) {
        return answer_error(call, 400, "action_request_validation_exception",
                            STR("Validation Failed: 1: api key name is required, of at most 256 "
                                "characters;"));
    }
    if (json_get(root, STR("role_descriptors")) != NULL) {
        const struct json *roles = json_get(root, STR("role_descriptors"));
        if (!json_is(roles, JSON_OBJECT) || roles->object.count > 0) {
            return answer_error(call, 400, "illegal_argument_exception",
                                STR("[role_descriptors] is not supported: there are no roles, a "
                                    "key may do everything"));
        }
    }
    bool is_time = expiration.size == 0 || time_value_parse(expiration, &lasts_ms);
    if (!is_time || lasts_ms < 0 || lasts_ms > EXPIRATION_MAX_MS) {
        return answer_error(call, 400, "illegal_argument_exception",
                            arena_printf(call->arena,
                                         "failed to parse setting [expiration] with value [" STR_FMT
                                         "] as a time value",
                                         STR_ARG(expiration)));
    }
    int64_t expires_ms = lasts_ms == 0 ? 0 : clock_realtime_ms(call->server->clock) + lasts_ms;
    struct auth_key key = { .created_ms = 0 };
    int code =
        auth_key_make(auth, call->identity.user, name, expires_ms, call->arena, &key, &error);
    if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    CLEANUP(buf_release) struct buf encoded = { 0 };
    buf_init(&encoded, 4096);
    base64_encode(&encoded, arena_printf(call->arena, STR_FMT ":" STR_FMT, STR_ARG(key.id),
                                         STR_ARG(key.secret)));
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_text(&json, "id", key.id);
    json_member_text(&json, "name", key.name);
    if (key.expires_ms != 0) json_member_int(&json, "expiration", key.expires_ms);
    json_member_text(&json, "api_key", key.secret);
    json_member_text(&json, "encoded", buf_str(&encoded));
    json_object_end(&json);
    return 0;
}

/* What a request names: by id, by name ('*' stands for anything), or its user's own. */
struct choice {
    struct str id;
    const struct json *ids;
    struct str name;
    struct str user;
    bool is_owner;
};

static bool is_chosen(const struct call *call, const struct choice *choice,
                      const struct auth_key *key)
{
    if (choice->id.size > 0 && !str_equal(choice->id, key->id)) return false;
    if (choice->name.size > 0 && !logstore_name_matches(choice->name, key->name)) return false;
    if (choice->user.size > 0 && !str_equal(choice->user, key->user)) return false;
    if (choice->is_owner && !str_equal(call->identity.user, key->user)) return false;
    if (!json_is(choice->ids, JSON_ARRAY)) return true;
    for (size_t i = 0; i < choice->ids->array.count; i++) {
        if (str_equal(json_text(&choice->ids->array.items[i], STR("")), key->id)) return true;
    }
    return false;
}

static int handle_list_keys(struct call *call)
{
    struct auth *auth = call->server->auth;
    if (auth == NULL) return answer_off(call);
    struct choice choice = {
        .id = call_parameter(call, "id"),
        .name = call_parameter(call, "name"),
        .user = call_parameter(call, "username"),
        .is_owner = call_flag(call, "owner", false),
    };
    struct auth_key *keys = NULL;
    size_t count = 0;
    if (auth_key_list(auth, call->arena, &keys, &count) < 0) return -ENOMEM;
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("api_keys"));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        if (!is_chosen(call, &choice, &keys[i])) continue;
        json_object_begin(&json);
        json_member_text(&json, "id", keys[i].id);
        json_member_text(&json, "name", keys[i].name);
        json_member_int(&json, "creation", keys[i].created_ms);
        if (keys[i].expires_ms != 0) json_member_int(&json, "expiration", keys[i].expires_ms);
        json_member_bool(&json, "invalidated", false);
        json_member_text(&json, "username", keys[i].user);
        json_member_cstr(&json, "realm", "file");
        json_key(&json, STR("metadata"));
        json_put_raw(&json, STR("{}"));
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    return 0;
}

static int handle_drop_keys(struct call *call)
{
    struct auth *auth = call->server->auth;
    if (auth == NULL) return answer_off(call);
    const struct json *root = NULL;
    if (read_body(call, &root) != 0) return 0;
    struct choice choice = {
        .id = json_text(json_get(root, STR("id")), STR("")),
        .ids = json_get(root, STR("ids")),
        .name = json_text(json_get(root, STR("name")), STR("")),
        .user = json_text(json_get(root, STR("username")), STR("")),
        .is_owner = json_boolean(json_get(root, STR("owner")), false),
    };
    bool is_any = choice.id.size == 0 && !json_is(choice.ids, JSON_ARRAY) &&
                  choice.name.size == 0 && choice.user.size == 0 && !choice.is_owner;
    if (is_any) {
        return answer_error(call, 400, "action_request_validation_exception",
                            STR("Validation Failed: 1: One of [api key id(s), api key name, "
                                "username, realm name] must be specified if [owner] flag is "
                                "false;"));
    }
    struct auth_key *keys = NULL;
    size_t count = 0;
    if (auth_key_list(auth, call->arena, &keys, &count) < 0) return -ENOMEM;
    struct json_writer json;
    unsigned failed = 0;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("invalidated_api_keys"));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        if (!is_chosen(call, &choice, &keys[i])) continue;
        if (auth_key_drop(auth, keys[i].id, NULL) < 0)
            failed++;
        else
            json_put_text(&json, keys[i].id);
    }
    json_array_end(&json);
    json_key(&json, STR("previously_invalidated_api_keys"));
    json_put_raw(&json, STR("[]"));
    json_member_int(&json, "error_count", failed);
    json_object_end(&json);
    return 0;
}

int answer_unknown_user(struct call *call)
{
    bool is_given = http_request_header(call->request, "Authorization").size > 0;
    struct str path = call->request->raw_path;
    struct str reason = arena_printf(
        call->arena,
        is_given ? "unable to authenticate with provided credentials for REST request [" STR_FMT "]"
                 : "missing authentication credentials for REST request [" STR_FMT "]",
        STR_ARG(path));
    static const char header[] = "{\"WWW-Authenticate\":[\"Basic realm=\\\"security\\\" "
                                 "charset=\\\"UTF-8\\\"\",\"ApiKey\"]}";
    struct json_writer json;
    http_response_header(call->response, "WWW-Authenticate",
                         STR("Basic realm=\"security\" charset=\"UTF-8\""));
    http_response_header(call->response, "WWW-Authenticate", STR("ApiKey"));
    call->response->status = 401;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("error"));
    json_object_begin(&json);
    json_key(&json, STR("root_cause"));
    json_array_begin(&json);
    for (int level = 0; level < 2; level++) {
        if (level == 0) json_object_begin(&json);
        json_member_cstr(&json, "type", "security_exception");
        json_member_text(&json, "reason", reason);
        json_key(&json, STR("header"));
        json_put_raw(&json, str_from(header));
        json_object_end(&json);
        if (level == 0) json_array_end(&json);
    }
    json_member_int(&json, "status", 401);
    json_object_end(&json);
    return 0;
}

static const struct route rows[] = {
    { HTTP_GET, "/_security/_authenticate", handle_authenticate, INDICES_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/_security/user/_has_privileges", handle_has_privileges, NULL },
    { HTTP_POST | HTTP_PUT, "/_security/api_key", handle_make_key, " refresh" },
    { HTTP_GET, "/_security/api_key", handle_list_keys, " id name owner username realm_name" },
    { HTTP_DELETE, "/_security/api_key", handle_drop_keys, NULL },
};

const struct route_table security_routes = { rows, ARRAY_LENGTH(rows) };
