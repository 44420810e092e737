/* bulk.c - the first member of each item is the action with its status. */
#include "shipper/bulk.h"

#include "codec/json.h"

static int read_item(const struct json *value, struct bulk_item *item, struct error *error)
{
    if (!json_is(value, JSON_OBJECT) || value->object.count == 0) {
        return error_set(error, ERROR_PARSE, "an item of the answer is no object");
    }
    const struct json *action = &value->object.members[0].value;
    int64_t status = json_integer(json_get(action, STR("status")), 0);
    if (status < 100 || status > 999) {
        return error_set(error, ERROR_PARSE, "an item of the answer has no status");
    }
    const struct json *reason = json_get(action, STR("error"));
    item->status = (unsigned)status;
    item->reason = reason != NULL ? reason->raw : STR("null");
    item->verdict = BULK_REFUSED;
    if (status < 300 || status == 409) item->verdict = BULK_TAKEN;
    if (status == 429 || status >= 500) item->verdict = BULK_AGAIN;
    return 0;
}

int bulk_read(struct str answer, struct arena *arena, struct bulk_item *items, size_t count,
              struct error *error)
{
    const struct json *root = NULL;
    int code = json_parse(NULL, arena, answer, &root, error);
    if (code != 0) return error_wrap(error, ERROR_PARSE, "read the answer");
    const struct json *list = json_get(root, STR("items"));
    if (!json_is(list, JSON_ARRAY)) {
        return error_set(error, ERROR_PARSE, "the answer has no items");
    }
    if (list->array.count != count) {
        return error_set(error, ERROR_PARSE, "%zu documents sent, %zu items answered", count,
                         list->array.count);
    }
    for (size_t i = 0; i < count; i++) {
        code = read_item(&list->array.items[i], &items[i], error);
        if (code != 0) return code;
    }
    return 0;
}
