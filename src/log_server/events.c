/* events.c - what the store tells about itself, and what a policy asks in vain, into the log. */
#include "base/check.h"
#include "codec/json.h"
#include "log_server/server.h"
#include "structlog/structlog.h"

void log_event(void *context, const struct logstore_event *event)
{
    const struct log_server *server = context;
    struct sl_logger *log = role_log(server->role);
    const struct str subject = event->subject;
    const char *reason = event->reason == NULL ? "" : event->reason;
    switch (event->kind) {
    case LOGSTORE_EVENT_RECOVERED:
        sl_info(log, "log replayed", "records", event->count, "cut.bytes", event->size);
        break;
    case LOGSTORE_EVENT_SEGMENT_SET_ASIDE:
        sl_error(log, "damaged segment set aside", "file.path", sl_strn(subject.data, subject.size),
                 "error.message", reason);
        break;
    case LOGSTORE_EVENT_FLUSH_FAILED:
        sl_error(log, "flush failed, documents stay in the log", "error.message", reason);
        break;
    case LOGSTORE_EVENT_MERGE_FAILED:
        sl_error(log, "merge failed, segments stay as they are", "error.message", reason);
        break;
    case LOGSTORE_EVENT_DISK_FULL:
        sl_error(log, "disk below its reserve, documents are refused", "free.bytes", event->size,
                 "reserve.bytes", server->flags.disk_reserve);
        break;
    case LOGSTORE_EVENT_DISK_HAS_ROOM:
        sl_info(log, "disk has room, documents are taken again", "free.bytes", event->size);
        break;
    case LOGSTORE_EVENT_INDEX_EXPIRED:
        sl_info(log, "index deleted by its lifecycle policy", "index",
                sl_strn(subject.data, subject.size));
        break;
    case LOGSTORE_EVENT_SEGMENT_EXPIRED:
        sl_info(log, "old documents dropped", "index", sl_strn(subject.data, subject.size),
                "documents", event->count);
        break;
    case LOGSTORE_EVENT_CATALOG_DAMAGED:
        sl_error(log, "catalog damaged, its other copy is used", "error.message", reason);
        break;
    case LOGSTORE_EVENT_KIND_COUNT: break;
    }
}

void log_users(void *context, size_t user_count, const struct error *error)
{
    const struct log_server *server = context;
    struct sl_logger *log = role_log(server->role);
    if (error == NULL) {
        sl_info(log, "users read again", "users", (uint64_t)user_count);
    } else {
        sl_error(log, "users cannot be read again, those of before stay", "users",
                 (uint64_t)user_count, "error.message", error->text);
    }
}

/* Whether an action of a phase is carried out (logstore/lifecycle.c), or changes nothing on one
 * node. */
static bool is_followed(struct str phase, struct str action)
{
    if (str_equal(phase, STR("delete"))) return str_equal(action, STR("delete"));
    return str_equal(action, STR("set_priority")) || str_equal(action, STR("migrate")) ||
           str_equal(action, STR("allocate"));
}

void log_policy_gaps(const struct call *call, struct str name, struct str json)
{
    const struct json *root = NULL;
    if (json_parse(NULL, call->arena, json, &root, NULL) < 0) return;
    const struct json *phases = json_get(json_get(root, STR("policy")), STR("phases"));
    CLEANUP(buf_release) struct buf gaps = { 0 };
    buf_init(&gaps, 4096);
    for (size_t i = 0; json_is(phases, JSON_OBJECT) && i < phases->object.count; i++) {
        const struct json_member *phase = &phases->object.members[i];
        const struct json *actions = json_get(&phase->value, STR("actions"));
        for (size_t k = 0; json_is(actions, JSON_OBJECT) && k < actions->object.count; k++) {
            struct str action = actions->object.members[k].key;
            if (is_followed(phase->key, action)) continue;
            if (gaps.size > 0) buf_append_cstr(&gaps, ", ");
            buf_printf(&gaps, STR_FMT "." STR_FMT, STR_ARG(phase->key), STR_ARG(action));
        }
    }
    if (gaps.size == 0) return;
    sl_warn(role_log(call->server->role), "lifecycle policy is followed in part", "policy",
            sl_strn(name.data, name.size), "not_followed", sl_strn(gaps.data, gaps.size));
}
