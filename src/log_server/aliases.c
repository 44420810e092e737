/* aliases.c - other names of indices: /_alias, /_aliases. */
#include "codec/json.h"
#include "log_server/server.h"

#include <errno.h>

#define ACTIONS_MAX 10000

void put_alias(struct json_writer *json, const struct logstore_alias *alias)
{
    json_key(json, alias->name);
    json_object_begin(json);
    if (alias->filter.size > 0) {
        json_key(json, STR("filter"));
        json_put_raw(json, alias->filter);
    }
    if (alias->is_write_index) json_member_bool(json, "is_write_index", true);
    json_object_end(json);
}

/* Reading ------------------------------------------------------------------------------------- */

/* Whether one of the patterns of a list, "a,b*,-c", is meant; a part with '-' takes away. */
static bool is_wanted(struct str patterns, struct str name)
{
    bool is_in = patterns.size == 0 || str_equal(patterns, STR("_all"));
    while (patterns.size > 0) {
        struct str part = str_trim(str_cut(&patterns, ','));
        bool takes_away = part.size > 1 && part.data[0] == '-';
        if (logstore_name_matches(takes_away ? str_skip(part, 1) : part, name)) is_in = !takes_away;
    }
    return is_in;
}

struct listing {
    const struct str *indices;
    size_t index_count;
    const struct logstore_alias *aliases;
    size_t alias_count;
};

static bool is_there(const struct listing *listing, struct str name)
{
    for (size_t i = 0; i < listing->alias_count; i++) {
        if (!str_equal(listing->aliases[i].name, name)) continue;
        for (size_t k = 0; k < listing->index_count; k++) {
            if (str_equal(listing->aliases[i].index, listing->indices[k])) return true;
        }
    }
    return false;
}

/* The first name of a list, without '*', that is no alias of the indices; empty: all are there. */
static struct str first_missing(struct str patterns, const struct listing *listing)
{
    while (patterns.size > 0) {
        struct str part = str_trim(str_cut(&patterns, ','));
        bool is_pattern = str_find_char(part, '*') != STR_NONE || part.data[0] == '-' ||
                          str_equal(part, STR("_all"));
        if (!is_pattern && !is_there(listing, part)) return part;
    }
    return STR("");
}

static int answer_missing(struct call *call, struct str name)
{
    buf_reset(&call->response->body);
    call->response->status = 404;
    buf_printf(&call->response->body, "{\"error\":\"alias [" STR_FMT "] missing\",\"status\":404}",
               STR_ARG(name));
    return 0;
}

static void put_index(struct json_writer *json, struct str index, struct str patterns,
                      const struct logstore_alias *aliases, size_t count)
{
    bool is_begun = patterns.size == 0; /* without a name every index is shown */
    if (is_begun) {
        json_key(json, index);
        json_object_begin(json);
        json_key(json, STR("aliases"));
        json_object_begin(json);
    }
    for (size_t i = 0; i < count; i++) {
        if (!str_equal(aliases[i].index, index) || !is_wanted(patterns, aliases[i].name)) continue;
        if (!is_begun) {
            json_key(json, index);
            json_object_begin(json);
            json_key(json, STR("aliases"));
            json_object_begin(json);
            is_begun = true;
        }
        put_alias(json, &aliases[i]);
    }
    if (!is_begun) return;
    json_object_end(json);
    json_object_end(json);
}

/* Those of the indices that match one of the patterns; empty: all. */
static int answer_aliases(struct call *call, struct str expression, struct str patterns)
{
    const struct logstore_alias *aliases;
    const struct str *names;
    size_t alias_count;
    size_t count;
    struct str missing;
    struct logstore *store = call->server->store;
    if (logstore_alias_list(store, call->arena, &aliases, &alias_count) < 0 ||
        logstore_resolve(store, expression, call->arena, &names, &count, &missing) < 0) {
        return ERROR_LIMIT;
    }
    if (missing.data != NULL && !call_flag(call, "ignore_unavailable", false)) {
        return answer_index_missing(call, missing);
    }
    struct listing listing = { names, count, aliases, alias_count };
    struct str lost = first_missing(patterns, &listing);
    if (lost.size > 0) return answer_missing(call, lost);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    for (size_t i = 0; i < count; i++) put_index(&json, names[i], patterns, aliases, alias_count);
    json_object_end(&json);
    return 0;
}

static int handle_get_all(struct call *call)
{
    return answer_aliases(call, STR(""), STR(""));
}

static int handle_get_named(struct call *call)
{
    return answer_aliases(call, STR(""), call->values[0]);
}

static int handle_get_index(struct call *call)
{
    return answer_aliases(call, call->values[0], STR(""));
}

static int handle_get_both(struct call *call)
{
    return answer_aliases(call, call->values[0], call->values[1]);
}

/* Changing ------------------------------------------------------------------------------------ */

enum action_kind { ACTION_ADD, ACTION_REMOVE, ACTION_REMOVE_INDEX };

/* One change of one index; all are looked through before the first is made. */
struct action {
    enum action_kind kind;
    struct logstore_alias alias; /* its name may be a pattern when it is removed */
};

struct actions {
    struct call *call;
    struct action *items; /* ACTIONS_MAX */
    size_t count;
    const struct logstore_alias *aliases; /* that are there */
    size_t alias_count;
};

static int refuse(struct actions *actions, const char *type, struct str reason)
{
    (void)answer_error(actions->call, 400, type, reason);
    return 1;
}

static int add_action(struct actions *actions, const struct action *action)
{
    if (actions->count == ACTIONS_MAX) {
        return refuse(actions, "illegal_argument_exception", STR("too many alias actions at once"));
    }
    actions->items[actions->count++] = *action;
    return 0;
}

static bool has_alias(const struct actions *actions, struct str name, struct str index)
{
    for (size_t i = 0; i < actions->alias_count; i++) {
        bool fits = logstore_name_matches(name, actions->aliases[i].name) &&
                    str_equal(index, actions->aliases[i].index);
        if (fits) return true;
    }
    return false;
}

/* The filter and flags of an alias, out of its body. 1: answered. */
static int read_options(struct actions *actions, const struct json *body,
                        struct logstore_alias *alias)
{
    struct call *call = actions->call;
    const struct json *filter = json_get(body, STR("filter"));
    static const char *const routings[] = { "routing", "index_routing", "search_routing" };
    for (size_t i = 0; i < ARRAY_LENGTH(routings); i++) {
        const struct json *routing = json_get(body, str_from(routings[i]));
        if (routing == NULL || routing->kind == JSON_NULL) continue;
        return refuse(actions, "illegal_argument_exception",
                      arena_printf(call->arena,
                                   "[%s] of an alias is not supported: an index has one shard",
                                   routings[i]));
    }
    alias->is_write_index = json_boolean(json_get(body, STR("is_write_index")), false);
    if (filter == NULL || filter->kind == JSON_NULL) return 0;
    struct logstore_filter *parsed;
    struct logquery_failure failure = { 0 };
    struct error error = { 0 };
    if (logquery_parse_query(filter->raw, call->arena, &parsed, &failure, &error) < 0) {
        return refuse(actions, failure.type,
                      arena_printf(call->arena,
                                   "failed to parse filter for alias [" STR_FMT "]: %s",
                                   STR_ARG(alias->name), failure.reason));
    }
    alias->filter = filter->raw;
    return 0;
}

/* One action for each index that the expression means. 1: answered. */
static int plan(struct actions *actions, enum action_kind kind, struct str expression,
                struct str name, const struct json *body)
{
    struct call *call = actions->call;
    const struct str *names;
    size_t count;
    struct str missing;
    if (logstore_resolve(call->server->store, expression, call->arena, &names, &count, &missing) <
        0) {
        return ERROR_LIMIT;
    }
    if (missing.data != NULL || expression.size == 0) {
        (void)answer_index_missing(call, missing.data != NULL ? missing : expression);
        return 1;
    }
    struct action action = { .kind = kind, .alias = { .name = name } };
    const char *reason = NULL;
    if (kind == ACTION_ADD && !logstore_name_is_valid(name, &reason)) {
        return refuse(actions, "invalid_alias_name_exception",
                      arena_printf(call->arena, "Invalid alias name [" STR_FMT "]: %s",
                                   STR_ARG(name), reason));
    }
    int code = kind == ACTION_ADD ? read_options(actions, body, &action.alias) : 0;
    bool is_found = false;
    for (size_t i = 0; code == 0 && i < count; i++) {
        action.alias.index = names[i];
        bool is_known = has_alias(actions, name, names[i]);
        is_found |= is_known;
        if (kind == ACTION_REMOVE && !is_known) continue;
        code = add_action(actions, &action);
    }
    bool must_exist = json_boolean(json_get(body, STR("must_exist")), true);
    if (code == 0 && kind == ACTION_REMOVE && !is_found && must_exist) {
        (void)answer_error(
            call, 404, "aliases_not_found_exception",
            arena_printf(call->arena, "aliases [" STR_FMT "] missing", STR_ARG(name)));
        return 1;
    }
    return code;
}

static int begin(struct call *call, struct actions *actions)
{
    *actions = (struct actions){ .call = call };
    actions->items = ARENA_ARRAY(call->arena, struct action, ACTIONS_MAX);
    if (actions->items == NULL) return ERROR_LIMIT;
    return logstore_alias_list(call->server->store, call->arena, &actions->aliases,
                               &actions->alias_count);
}

static int carry_out(struct actions *actions)
{
    struct call *call = actions->call;
    struct logstore *store = call->server->store;
    struct error error = { 0 };
    for (size_t i = 0; i < actions->count; i++) {
        const struct action *action = &actions->items[i];
        int code = 0;
        switch (action->kind) {
        case ACTION_ADD: code = logstore_alias_put(store, &action->alias, &error); break;
        case ACTION_REMOVE:
            code = logstore_alias_remove(store, action->alias.name, action->alias.index, &error);
            if (code == -ENOENT) code = 0; /* another request was faster */
            break;
        case ACTION_REMOVE_INDEX:
            code = logstore_index_delete(store, action->alias.index, &error);
            break;
        }
        if (code < 0) return answer_store_error(call, code, "invalid_alias_name_exception", &error);
    }
    return answer_acknowledged(call);
}

static int handle_put(struct call *call)
{
    struct error error = { 0 };
    const struct json *root = NULL;
    struct actions actions;
    if (call->request->body.size > 0 &&
        json_parse(NULL, call->arena, call->request->body, &root, &error) < 0) {
        return answer_error(call, 400, "parse_exception", str_from(error.text));
    }
    int code = begin(call, &actions);
    if (code == 0) code = plan(&actions, ACTION_ADD, call->values[0], call->values[1], root);
    return code == 0 ? carry_out(&actions) : code < 0 ? code : 0;
}

static int handle_delete(struct call *call)
{
    struct actions actions;
    int code = begin(call, &actions);
    struct str names = call->values[1];
    while (code == 0 && names.size > 0) {
        struct str name = str_trim(str_cut(&names, ','));
        if (str_equal(name, STR("_all"))) name = STR("*");
        code = plan(&actions, ACTION_REMOVE, call->values[0], name, NULL);
    }
    return code == 0 ? carry_out(&actions) : code < 0 ? code : 0;
}

/* "index":"a" or "indices":["a","b*"], as one expression; the same of aliases. */
static struct str read_names(struct call *call, const struct json *body, const char *one,
                             const char *many)
{
    const struct json *list = json_get(body, str_from(many));
    struct str single = json_text(json_get(body, str_from(one)), STR(""));
    struct buf text;
    buf_init(&text, 65536);
    buf_append_str(&text, single);
    if (json_is(list, JSON_TEXT)) buf_append_str(&text, list->text);
    for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->array.count; i++) {
        if (text.size > 0) buf_append_char(&text, ',');
        buf_append_str(&text, json_text(&list->array.items[i], STR("")));
    }
    struct str names = text.has_failed ? STR("") : arena_copy(call->arena, buf_str(&text));
    buf_release(&text);
    return names.data == NULL ? STR("") : names;
}

static int plan_member(struct actions *actions, const struct json_member *member)
{
    struct call *call = actions->call;
    struct str indices = read_names(call, &member->value, "index", "indices");
    struct str names = read_names(call, &member->value, "alias", "aliases");
    if (str_equal(member->key, STR("remove_index"))) {
        return plan(actions, ACTION_REMOVE_INDEX, indices, STR(""), &member->value);
    }
    bool adds = str_equal(member->key, STR("add"));
    if (!adds && !str_equal(member->key, STR("remove"))) {
        return refuse(actions, "x_content_parse_exception",
                      arena_printf(call->arena, "[alias_action] unknown field [" STR_FMT "]",
                                   STR_ARG(member->key)));
    }
    if (names.size == 0 || indices.size == 0) {
        return refuse(actions, "illegal_argument_exception",
                      names.size == 0 ? STR("One of [alias] or [aliases] is required")
                                      : STR("One of [index] or [indices] is required"));
    }
    int code = 0;
    while (code == 0 && names.size > 0) {
        struct str name = str_cut(&names, ',');
        code = plan(actions, adds ? ACTION_ADD : ACTION_REMOVE, indices, name, &member->value);
    }
    return code;
}

static int handle_actions(struct call *call)
{
    struct error error = { 0 };
    const struct json *root = NULL;
    struct actions actions;
    int code = json_parse(NULL, call->arena, call->request->body, &root, &error);
    if (code < 0) return answer_error(call, 400, "parse_exception", str_from(error.text));
    const struct json *list = json_get(root, STR("actions"));
    if (!json_is(list, JSON_ARRAY) || list->array.count == 0) {
        return answer_error(call, 400, "illegal_argument_exception", STR("No action specified"));
    }
    code = begin(call, &actions);
    for (size_t i = 0; code == 0 && i < list->array.count; i++) {
        const struct json *action = &list->array.items[i];
        if (!json_is(action, JSON_OBJECT) || action->object.count != 1) {
            return answer_error(call, 400, "illegal_argument_exception",
                                STR("an alias action is an object with one key"));
        }
        code = plan_member(&actions, &action->object.members[0]);
    }
    return code == 0 ? carry_out(&actions) : code < 0 ? code : 0;
}

#define ALIAS_WRITES (HTTP_PUT | HTTP_POST)

static const struct route rows[] = {
    { HTTP_GET, "/_alias", handle_get_all, INDICES_PARAMETERS },
    { HTTP_GET, "/_aliases", handle_get_all, INDICES_PARAMETERS },
    { HTTP_GET, "/_alias/:name", handle_get_named, INDICES_PARAMETERS },
    { HTTP_GET, "/:index/_alias", handle_get_index, INDICES_PARAMETERS },
    { HTTP_GET, "/:index/_aliases", handle_get_index, INDICES_PARAMETERS },
    { HTTP_GET, "/:index/_alias/:name", handle_get_both, INDICES_PARAMETERS },
    { ALIAS_WRITES, "/:index/_alias/:name", handle_put, INDICES_PARAMETERS },
    { ALIAS_WRITES, "/:index/_aliases/:name", handle_put, INDICES_PARAMETERS },
    { HTTP_DELETE, "/:index/_alias/:name", handle_delete, INDICES_PARAMETERS },
    { HTTP_DELETE, "/:index/_aliases/:name", handle_delete, INDICES_PARAMETERS },
    { HTTP_POST, "/_aliases", handle_actions, INDICES_PARAMETERS },
};

const struct route_table alias_routes = { rows, ARRAY_LENGTH(rows) };
