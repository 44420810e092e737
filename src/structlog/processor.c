/* processor.c - events in the hands of the program's processors: a list of fields to change. */
#include "structlog/internal.h"

struct sl_event {
    struct sl_call *call;
    struct sl_list *list;
};

int sl_event_level(const struct sl_event *event)
{
    return event->call->level;
}

void sl_event_set_level(struct sl_event *event, int level)
{
    event->call->level = level;
}

struct sl_value sl_event_text(const struct sl_event *event)
{
    return sl_strn(event->call->event, event->call->event_size);
}

void sl_event_set_text(struct sl_event *event, struct sl_value text)
{
    if (text.kind != SL_KIND_STRING) return;
    event->call->event = text.as.pointer;
    event->call->event_size = text.size < SL_VALUE_SIZE_MAX ? text.size : SL_VALUE_SIZE_MAX;
}

const char *sl_event_logger(const struct sl_event *event)
{
    return event->call->log == NULL ? NULL : event->call->log->name;
}

size_t sl_event_count(const struct sl_event *event)
{
    return event->list->count;
}

bool sl_event_at(const struct sl_event *event, size_t index, struct sl_value *key,
                 struct sl_value *value)
{
    if (index >= event->list->count) return false;
    const struct sl_item *item = &event->list->items[index];
    *key = sl_strn(item->key, item->key_size);
    *value = item->value;
    return true;
}

static struct sl_item *find_item(const struct sl_event *event, const char *key)
{
    size_t size = strlen(key);
    for (size_t i = 0; i < event->list->count; i++) {
        struct sl_item *item = &event->list->items[i];
        if (item->key_size == size && memcmp(item->key, key, size) == 0) return item;
    }
    return NULL;
}

bool sl_event_get(const struct sl_event *event, const char *key, struct sl_value *value)
{
    const struct sl_item *item = find_item(event, key);
    if (item == NULL) return false;
    *value = item->value;
    return true;
}

bool sl_event_set(struct sl_event *event, const char *key, struct sl_value value)
{
    bool was_full = event->list->is_full;
    event->list->is_full = false;
    sl_list_expand(event->list, key, strlen(key), value);
    bool is_set = !event->list->is_full;
    event->list->is_full = event->list->is_full || was_full;
    return is_set;
}

bool sl_event_remove(struct sl_event *event, const char *key)
{
    struct sl_item *item = find_item(event, key);
    if (item == NULL) return false;
    struct sl_item *end = event->list->items + event->list->count--;
    memmove(item, item + 1, (size_t)(end - item - 1) * sizeof(*item));
    return true;
}

struct sl_value sl_event_copy(struct sl_event *event, const char *text, size_t size)
{
    struct sl_list *list = event->list;
    if (size > SL_SCRATCH_SIZE - list->scratch_used) return sl_value_none_();
    char *copy = list->scratch + list->scratch_used;
    memcpy(copy, text, size);
    list->scratch_used += size;
    return sl_strn(copy, size);
}

bool sl_process(struct sl_call *call, struct sl_list *list)
{
    const struct sl_pipeline *pipeline = call->pipeline;
    struct sl_event event = { call, list };
    sl_call_gather(call, list);
    for (uint32_t i = 0; i < pipeline->processor_count; i++) {
        const struct sl_processor *processor = &pipeline->processors[i];
        enum sl_verdict verdict = processor->call(processor->context, &event);
        if (verdict == SL_EVENT_DROP) {
            sl_count(SL_COUNTER_FILTERED, 1);
            return false;
        }
        if (verdict == SL_EVENT_DONE) break;
    }
    call->prepared = list;
    return true;
}
