/* human.c - logfmt and the console's columns: text for eyes, which no value can forge.
 *
 * CONSOLE  2026-01-02T03:04:05.123456Z [info     ] request handled      [probe] status=200 path=/a
 * LOGFMT   timestamp=2026-01-02T03:04:05.123456Z level=info event="request handled" status=200
 *          As structlog's, but control characters are escaped and an empty text is "" (decided:
 *          both are lost there). A character that no logfmt key may hold becomes _.
 */
#include "structlog/internal.h"

#include "structlog/number.h"

#include <math.h>

#define EVENT_WIDTH 30
#define LEVEL_WIDTH 9

static char *put_plain_real(char *to, const struct sl_value *value)
{
    if (isfinite(value->as.real)) return sl_put_json_value(to, value);
    if (isnan(value->as.real)) return sl_put_bytes(to, "nan", 3);
    return value->as.real > 0 ? sl_put_bytes(to, "inf", 3) : sl_put_bytes(to, "-inf", 4);
}

static char *put_quoted_text(char *to, const char *text, uint32_t size)
{
    if (size <= SL_VALUE_SIZE_MAX) return sl_put_quoted(to, text, size);
    return sl_put_quoted(to, text, sl_utf8_cut(text, SL_VALUE_SIZE_MAX));
}

static char *put_plain_value(char *to, const struct sl_value *value, bool null_is_empty)
{
    char byte = 0;
    switch ((enum sl_kind)value->kind) {
    case SL_KIND_STRING:
    case SL_KIND_JSON: return put_quoted_text(to, value->as.pointer, value->size);
    case SL_KIND_CHAR: byte = (char)value->as.natural; return sl_put_quoted(to, &byte, 1);
    case SL_KIND_DOUBLE:
    case SL_KIND_FLOAT: return put_plain_real(to, value);
    case SL_KIND_POINTER:
        if (value->as.pointer == NULL) break;
        return sl_put_hex(to, (uint64_t)(uintptr_t)value->as.pointer);
    case SL_KIND_BOOL:
    case SL_KIND_INT:
    case SL_KIND_UINT: return sl_put_json_value(to, value);
    case SL_KIND_NULL:
    case SL_KIND_ERRNO:
    case SL_KIND_FAILURE:
    case SL_KIND_LAZY: break;
    }
    return null_is_empty ? to : sl_put_bytes(to, "null", 4);
}

char *sl_put_plain_key(char *to, const struct sl_item *item)
{
    for (uint32_t i = 0; i < item->key_size; i++) {
        unsigned char c = (unsigned char)item->key[i];
        *to++ = c <= 0x20 || c == '=' || c == '"' || c >= 0x7f ? '_' : (char)c;
    }
    if (item->key_size == 0) *to++ = '_';
    return to;
}

bool sl_text_reserve(struct sl_call *call, const struct sl_list *list)
{
    size_t size = 256 + SL_TEXT_GROWTH_MAX * call->event_size + SL_PUT_SLACK;
    if (call->log != NULL) size += SL_TEXT_GROWTH_MAX * (size_t)call->log->name_size;
    for (size_t i = 0; i < list->count; i++) size += sl_item_bound(&list->items[i]);
    return sl_call_reserve(call, size);
}

static char *put_time(char *to, struct sl_call *call)
{
    return sl_put_stamp(to, call->stamp, call->time.tv_sec, (uint32_t)call->time.tv_nsec);
}

char *sl_put_plain_items(char *to, const struct sl_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        *to++ = ' ';
        to = sl_put_plain_key(to, &list->items[i]);
        *to++ = '=';
        to = put_plain_value(to, &list->items[i].value, true);
    }
    return to;
}

size_t sl_render_logfmt(struct sl_call *call)
{
    struct sl_list list;
    sl_call_merge(call, &list, true);
    sl_list_settle(&list, SL_NAMING_PLAIN);
    if (!sl_text_reserve(call, &list)) return 0;
    char *to = sl_put_bytes(call->line, "timestamp=", 10);
    to = put_time(to, call);
    to = sl_put_bytes(to, " level=", 7);
    const char *level = sl_level_name(call->level);
    to = sl_put_bytes(to, level, strlen(level));
    to = sl_put_bytes(to, " event=", 7);
    to = sl_put_quoted(to, call->event, call->event_size);
    to = sl_put_plain_items(to, &list);
    *to++ = '\n';
    return (size_t)(to - call->line);
}

/* ---- console ---- */

static char *put_text(char *to, const char *text)
{
    return sl_put_bytes(to, text, strlen(text));
}

static char *put_spaces(char *to, size_t used, size_t width)
{
    for (; used < width; used++) *to++ = ' ';
    return to;
}

#define RESET  "\033[0m"
#define DIM    "\033[2m"
#define BRIGHT "\033[1m"

static const char *level_color(int level)
{
    if (level >= SL_ERROR) return level >= SL_CRITICAL ? "\033[1;31m" : "\033[31m";
    if (level >= SL_WARN) return "\033[33m";
    return level >= SL_INFO ? "\033[32m" : "\033[36m";
}

static char *put_field(char *to, const struct sl_item *item, bool in_color)
{
    *to++ = ' ';
    if (in_color) to = put_text(to, "\033[36m");
    to = sl_put_plain_key(to, item);
    if (in_color) to = put_text(to, RESET);
    *to++ = '=';
    if (in_color) to = put_text(to, "\033[35m");
    to = put_plain_value(to, &item->value, false);
    if (in_color) to = put_text(to, RESET);
    return to;
}

size_t sl_render_console(struct sl_call *call, bool in_color)
{
    struct sl_list list;
    sl_call_merge(call, &list, false);
    sl_list_settle(&list, SL_NAMING_PLAIN);
    if (!sl_text_reserve(call, &list)) return 0;
    char *to = call->line;
    if (in_color) to = put_text(to, DIM);
    to = put_time(to, call);
    if (in_color) to = put_text(to, RESET);
    to = put_text(to, " [");
    const char *level = sl_level_name(call->level);
    if (in_color) to = put_text(to, level_color(call->level));
    to = put_text(to, level);
    to = put_spaces(to, strlen(level), LEVEL_WIDTH);
    if (in_color) to = put_text(to, RESET);
    to = put_text(to, "] ");
    if (in_color) to = put_text(to, BRIGHT);
    const char *event = to;
    to = sl_put_visible(to, call->event, call->event_size);
    to = put_spaces(to, (size_t)(to - event), list.count > 0 ? EVENT_WIDTH : 0);
    if (in_color) to = put_text(to, RESET);
    if (call->log != NULL && call->log->name != NULL) {
        to = put_text(to, " [");
        to = sl_put_visible(to, call->log->name, call->log->name_size);
        *to++ = ']';
    }
    for (size_t i = 0; i < list.count; i++) to = put_field(to, &list.items[i], in_color);
    *to++ = '\n';
    return (size_t)(to - call->line);
}
