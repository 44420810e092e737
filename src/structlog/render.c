/* render.c - a call to one line of JSON: the short way for what is common, the careful one else.
 *
 * SHORT    No key is odd, and no key of the context, the bound fields and the call is another's or
 *          another's object. Then the line is a row of copies: the head, the pieces of JSON that
 *          were made at bind and configure time, and per pair the compiler's ,"key": and the value.
 *          That keys do not meet is found once for a call site and a set of keys: site->shape
 *          remembers the sum of the hashes of the context's and the logger's keys it was found for.
 * CAREFUL  All fields into one list, settled by the rules of fields.c, then written one by one.
 */
#include "structlog/internal.h"

#include "structlog/number.h"

#include <math.h>
#include <stdlib.h>

#define ECS_VERSION "1.6.0"

/* Bytes that the head, the origin and the library's own fields take at most, texts apart. */
#define FRAME_SIZE 640

#define PARTED_KINDS (1u << SL_KIND_ERRNO | 1u << SL_KIND_FAILURE | 1u << SL_KIND_LAZY)

#define SITE_KNOWN 1u /* the flags below are right */
#define SITE_ODD   2u /* some key needs the careful way */
#define SITE_EVENT 4u /* the event needs escaping */

bool sl_call_reserve(struct sl_call *call, size_t size)
{
    if (SL_LIKELY(size <= call->line_size)) return true;
    if (call->is_nested) return false;
    size_t wanted = size < 1024 ? 1024 : size + size / 4;
    char *line = realloc(call->thread->line, wanted);
    if (line == NULL) return false;
    call->thread->line = call->line = line;
    call->thread->line_size = call->line_size = wanted;
    return true;
}

const char *sl_basename(const char *path)
{
    const char *base = path;
    for (const char *at = path; *at != '\0'; at++) {
        if (*at == '/') base = at + 1;
    }
    return base;
}

/* ---- values ---- */

size_t sl_value_bound(const struct sl_value *value)
{
    if (value->kind != SL_KIND_STRING && value->kind != SL_KIND_JSON) return SL_NUMBER_SIZE_MAX + 2;
    size_t size = value->size < SL_VALUE_SIZE_MAX ? value->size : SL_VALUE_SIZE_MAX;
    return SL_TEXT_GROWTH_MAX * size + 8; /* quotes, ellipsis */
}

size_t sl_item_bound(const struct sl_item *item)
{
    return (size_t)SL_TEXT_GROWTH_MAX * item->key_size + 32 + sl_value_bound(&item->value);
}

static inline char *put_string(char *to, const char *text, uint32_t size)
{
    *to++ = '"';
    if (SL_LIKELY(size <= SL_VALUE_SIZE_MAX)) {
        to = sl_put_short_text(to, text, size);
    } else {
        to = sl_put_json_text(to, text, sl_utf8_cut(text, SL_VALUE_SIZE_MAX));
        to = sl_put_bytes(to, "\xe2\x80\xa6", 3);
    }
    *to++ = '"';
    return to;
}

static char *put_raw_json(char *to, const char *text, uint32_t size)
{
    if (size == 0 || size > SL_VALUE_SIZE_MAX) return sl_put_bytes(to, "null", 4);
    for (uint32_t i = 0; i < size; i++) {
        *to++ = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
    }
    return to;
}

static char *put_real(char *to, const struct sl_value *value)
{
    if (!isfinite(value->as.real)) return sl_put_bytes(to, "null", 4);
    if (value->kind == SL_KIND_FLOAT) return sl_put_float(to, (float)value->as.real);
    return sl_put_double(to, value->as.real);
}

static char *put_pointer(char *to, const void *pointer)
{
    if (pointer == NULL) return sl_put_bytes(to, "null", 4);
    *to++ = '"';
    to = sl_put_hex(to, (uint64_t)(uintptr_t)pointer);
    *to++ = '"';
    return to;
}

static char *put_value(char *to, const struct sl_value *value)
{
    char byte = 0;
    switch ((enum sl_kind)value->kind) {
    case SL_KIND_STRING: return put_string(to, value->as.pointer, value->size);
    case SL_KIND_INT: return sl_put_int(to, value->as.integer);
    case SL_KIND_UINT: return sl_put_uint(to, value->as.natural);
    case SL_KIND_DOUBLE:
    case SL_KIND_FLOAT: return put_real(to, value);
    case SL_KIND_BOOL:
        return value->as.natural != 0 ? sl_put_bytes(to, "true", 4) : sl_put_bytes(to, "false", 5);
    case SL_KIND_CHAR: byte = (char)value->as.natural; return put_string(to, &byte, 1);
    case SL_KIND_POINTER: return put_pointer(to, value->as.pointer);
    case SL_KIND_JSON: return put_raw_json(to, value->as.pointer, value->size);
    case SL_KIND_NULL:
    case SL_KIND_ERRNO:   /* these three never get here: */
    case SL_KIND_FAILURE: /* sl_list_expand takes them apart */
    case SL_KIND_LAZY: break;
    }
    return sl_put_bytes(to, "null", 4);
}

char *sl_put_json_value(char *to, const struct sl_value *value)
{
    return put_value(to, value);
}

char *sl_put_json_item(char *to, const struct sl_item *item)
{
    *to++ = ',';
    *to++ = '"';
    to = sl_put_json_text(to, item->key, item->key_size);
    *to++ = '"';
    *to++ = ':';
    return put_value(to, &item->value);
}

/* ---- the call's site ---- */

uint32_t sl_site_judge(struct sl_site *site)
{
    uint32_t flags = SITE_KNOWN;
    size_t bound = FRAME_SIZE + SL_TEXT_GROWTH_MAX * (site->keys[0].size + strlen(site->file) +
                                                      strlen(site->function));
    const struct sl_key *event = &site->keys[0];
    if (!sl_text_is_plain(event->json + 2, event->size)) flags |= SITE_EVENT;
    for (uint32_t i = 1; i <= site->count; i++) {
        const struct sl_key *key = &site->keys[i];
        bound += key->size + 16 + SL_NUMBER_SIZE_MAX;
        if (sl_key_is_odd(key->json + 2, key->size)) flags |= SITE_ODD;
        for (uint32_t j = 1; j < i; j++) {
            const struct sl_key *other = &site->keys[j];
            if (sl_keys_collide(key->json + 2, key->size, other->json + 2, other->size)) {
                flags |= SITE_ODD;
            }
        }
    }
    __atomic_store_n(&site->bound, bound, __ATOMIC_RELAXED);
    return flags;
}

void sl_site_start(struct sl_site *site)
{
    /* Two threads may both judge and come to the same result; one of them adds the site. Release:
     * who sees the flags sees the bound. */
    uint32_t flags = sl_site_judge(site);
    uint32_t unknown = 0;
    if (__atomic_compare_exchange_n(&site->flags, &unknown, flags, false, __ATOMIC_RELEASE,
                                    __ATOMIC_RELAXED)) {
        sl_site_add(site);
    }
}

static bool fields_meet_site(const struct sl_fields *fields, const struct sl_site *site)
{
    for (uint32_t i = 0; fields != NULL && i < fields->count; i++) {
        const struct sl_item *item = &fields->items[i];
        for (uint32_t j = 1; j <= site->count; j++) {
            const struct sl_key *key = &site->keys[j];
            if (sl_keys_collide(item->key, item->key_size, key->json + 2, key->size)) return true;
        }
    }
    return false;
}

static bool fields_meet_fields(const struct sl_fields *a, const struct sl_fields *b)
{
    for (uint32_t i = 0; a != NULL && b != NULL && i < a->count; i++) {
        const struct sl_item *left = &a->items[i];
        for (uint32_t j = 0; j < b->count; j++) {
            const struct sl_item *right = &b->items[j];
            if (sl_keys_collide(left->key, left->key_size, right->key, right->key_size)) {
                return true;
            }
        }
    }
    return false;
}

static bool prove_apart(const struct sl_call *call, const struct sl_fields *bound, uint64_t shape)
{
    if (call->context != NULL && call->context->is_odd) return false;
    if (bound != NULL && bound->is_odd) return false;
    if (fields_meet_site(call->context, call->site)) return false;
    if (fields_meet_site(bound, call->site)) return false;
    if (fields_meet_fields(call->context, bound)) return false;
    __atomic_store_n(&call->site->shape, shape, __ATOMIC_RELAXED);
    return true;
}

/* Whether the short way gives the right line; `flags` are the site's. */
static inline bool is_short(const struct sl_call *call, const struct sl_fields *bound,
                            uint32_t flags)
{
    if ((flags & SITE_ODD) != 0 || call->suppressed_count != 0) return false;
    uint64_t shape = 1; /* so that "no keys" differs from "never looked" */
    if (call->context != NULL) shape += call->context->shape;
    if (bound != NULL) shape += bound->shape;
    if (SL_LIKELY(__atomic_load_n(&call->site->shape, __ATOMIC_RELAXED) == shape)) return true;
    return prove_apart(call, bound, shape);
}

/* ---- the head ---- */

#define PIECE_SIZE 40

struct piece {
    char text[PIECE_SIZE];
    size_t size;
};
#define PIECE(text)                                                                                \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

#define LEVEL_COUNT 5

static const struct piece ecs_levels[LEVEL_COUNT] = {
    PIECE("\",\"log.level\":\"debug\",\"message\":\""),
    PIECE("\",\"log.level\":\"info\",\"message\":\""),
    PIECE("\",\"log.level\":\"warning\",\"message\":\""),
    PIECE("\",\"log.level\":\"error\",\"message\":\""),
    PIECE("\",\"log.level\":\"critical\",\"message\":\""),
};
static const struct piece json_levels[LEVEL_COUNT] = {
    PIECE("\",\"level\":\"debug\",\"event\":\""),    PIECE("\",\"level\":\"info\",\"event\":\""),
    PIECE("\",\"level\":\"warning\",\"event\":\""),  PIECE("\",\"level\":\"error\",\"event\":\""),
    PIECE("\",\"level\":\"critical\",\"event\":\""),
};

static inline size_t level_index(int level)
{
    if (level >= SL_ERROR) return level >= SL_CRITICAL ? 4 : 3;
    if (level >= SL_INFO) return level >= SL_WARN ? 2 : 1;
    return 0;
}

#define LITERAL(to, text) (memcpy((to), text, sizeof(text) - 1), (to) + sizeof(text) - 1)

static inline char *put_head(char *to, const struct sl_call *call, bool is_ecs, bool is_plain)
{
    to = is_ecs ? LITERAL(to, "{\"@timestamp\":\"") : LITERAL(to, "{\"timestamp\":\"");
    to = sl_put_stamp(to, call->stamp, call->time.tv_sec, (uint32_t)call->time.tv_nsec);
    const struct piece *level = (is_ecs ? ecs_levels : json_levels) + level_index(call->level);
    memcpy(to, level->text, PIECE_SIZE); /* all of it; what is too much is overwritten */
    to += level->size;
    to = is_plain ? sl_put_padded(to, call->event, call->event_size)
                  : sl_put_json_text(to, call->event, call->event_size);
    return is_ecs ? LITERAL(to, "\",\"ecs.version\":\"" ECS_VERSION "\"") : LITERAL(to, "\"");
}

/* ---- the short way ---- */

/* 0: some value must be taken apart first. */
static inline size_t short_bound(const struct sl_call *call, const struct sl_fields *bound)
{
    uint32_t kinds = 0;
    size_t text_size = 0;
    const struct sl_value *value = call->values + 1;
    for (size_t left = call->count; left > 0; left--, value++) {
        kinds |= 1u << value->kind;
        text_size += value->size; /* 0 where there is no text */
    }
    if (SL_UNLIKELY((kinds & PARTED_KINDS) != 0)) return 0;
    if (SL_UNLIKELY(text_size > SL_VALUE_SIZE_MAX)) {
        text_size = 0;
        for (size_t i = 1; i <= call->count; i++) text_size += sl_value_bound(&call->values[i]);
    }
    size_t size = __atomic_load_n(&call->site->bound, __ATOMIC_RELAXED) + SL_PUT_SLACK;
    size += SL_TEXT_GROWTH_MAX * text_size;
    if (call->context != NULL) size += call->context->json_size;
    if (bound != NULL) size += bound->json_size;
    if (call->pipeline->fields != NULL) size += call->pipeline->fields->json_size;
    if (call->log != NULL) size += call->log->name_json_size;
    return size;
}

static char *put_origin(char *to, const struct sl_site *site)
{
    const char *file = sl_basename(site->file);
    to = LITERAL(to, ",\"log.origin.file.name\":\"");
    to = sl_put_json_text(to, file, strlen(file));
    to = LITERAL(to, "\",\"log.origin.file.line\":");
    to = sl_put_uint(to, site->line);
    to = LITERAL(to, ",\"log.origin.function\":\"");
    to = sl_put_json_text(to, site->function, strlen(site->function));
    return LITERAL(to, "\"");
}

static char *put_thread(char *to, struct sl_identity *identity)
{
    if (identity->tid == 0) sl_thread_identify(identity);
    to = LITERAL(to, ",\"process.thread.id\":");
    to = sl_put_int(to, identity->tid);
    to = LITERAL(to, ",\"process.thread.name\":\"");
    to = sl_put_json_text(to, identity->name, strlen(identity->name));
    return LITERAL(to, "\"");
}

static inline char *put_own(char *to, const struct sl_call *call)
{
    const struct sl_pipeline *pipeline = call->pipeline;
    if (pipeline->fields != NULL) {
        to = sl_put_padded(to, pipeline->fields->json, pipeline->fields->json_size);
    }
    if (pipeline->with_pid) {
        to = sl_put_padded(to, pipeline->process->json, pipeline->process->json_size);
    }
    if (call->log != NULL && call->log->name != NULL) {
        to = sl_put_padded(to, call->log->name_json, call->log->name_json_size);
    }
    if (pipeline->with_thread) to = put_thread(to, call->identity);
    return to;
}

static inline char *put_pairs(char *to, const struct sl_call *call)
{
    const struct sl_key *key = call->site->keys + 1;
    const struct sl_value *value = call->values + 1;
    for (size_t left = call->count; left > 0; left--, key++, value++) {
        to = sl_put_padded(to, key->json, key->size + 4);
        if (value->kind == SL_KIND_STRING && SL_LIKELY(value->size <= SL_VALUE_SIZE_MAX)) {
            *to++ = '"';
            to = sl_put_short_text(to, value->as.pointer, value->size);
            *to++ = '"';
        } else if (value->kind == SL_KIND_INT) {
            to = sl_put_int(to, value->as.integer);
        } else {
            to = put_value(to, value);
        }
    }
    return to;
}

/* 0: does not fit, or `needs_care`. */
static size_t render_short(struct sl_call *call, const struct sl_fields *bound, bool is_ecs,
                           bool *needs_care)
{
    size_t size = short_bound(call, bound);
    bool is_plain = (__atomic_load_n(&call->site->flags, __ATOMIC_RELAXED) & SITE_EVENT) == 0;
    *needs_care = size == 0;
    if (SL_UNLIKELY(size == 0 || !sl_call_reserve(call, size))) return 0;
    char *to = put_head(call->line, call, is_ecs, is_plain);
    to = put_own(to, call);
    if (call->context != NULL) {
        to = sl_put_padded(to, call->context->json, call->context->json_size);
    }
    if (bound != NULL) to = sl_put_padded(to, bound->json, bound->json_size);
    to = put_pairs(to, call);
    if (call->pipeline->with_origin) to = put_origin(to, call->site);
    *to++ = '}';
    *to++ = '\n';
    return (size_t)(to - call->line);
}

/* ---- the careful way ---- */

static void put_own_item(struct sl_list *list, const char *key, struct sl_value value)
{
    sl_list_put(list, key, strlen(key), value, true);
}

static struct sl_value text_of(const char *text)
{
    return sl_strn(text, strlen(text));
}

static void merge_own(const struct sl_call *call, struct sl_list *list)
{
    const struct sl_pipeline *pipeline = call->pipeline;
    sl_list_put_fields(list, pipeline->fields);
    if (pipeline->with_pid) put_own_item(list, "process.pid", SL_VALUE(pipeline->process->id));
    if (call->log != NULL && call->log->name != NULL) {
        put_own_item(list, "log.logger", sl_strn(call->log->name, call->log->name_size));
    }
    if (pipeline->with_thread) {
        if (call->identity->tid == 0) sl_thread_identify(call->identity);
        put_own_item(list, "process.thread.id", SL_VALUE(call->identity->tid));
        put_own_item(list, "process.thread.name", text_of(call->identity->name));
    }
    if (pipeline->with_origin && call->site != NULL) {
        put_own_item(list, "log.origin.file.name", text_of(sl_basename(call->site->file)));
        put_own_item(list, "log.origin.file.line", SL_VALUE(call->site->line));
        put_own_item(list, "log.origin.function", text_of(call->site->function));
    }
}

static void put_fields_of_caller(const struct sl_call *call, struct sl_list *list)
{
    sl_list_put_fields(list, call->context);
    if (call->log != NULL) sl_list_put_fields(list, call->log->fields);
    for (size_t i = 0; i < call->count; i++) {
        if (call->values != NULL) {
            const struct sl_key *key = &call->site->keys[i + 1];
            sl_list_expand(list, key->json + 2, key->size, call->values[i + 1]);
        } else if (call->pairs[i].key.kind == SL_KIND_STRING) {
            const struct sl_value *key = &call->pairs[i].key;
            size_t size = key->size < SL_VALUE_SIZE_MAX ? key->size : SL_VALUE_SIZE_MAX;
            sl_list_expand(list, key->as.pointer, size, call->pairs[i].value);
        }
    }
}

static void put_prepared(const struct sl_list *prepared, struct sl_list *list)
{
    for (size_t i = 0; i < prepared->count; i++) {
        const struct sl_item *item = &prepared->items[i];
        sl_list_put(list, item->key, item->key_size, item->value, item->is_own);
    }
}

void sl_call_gather(const struct sl_call *call, struct sl_list *list)
{
    sl_list_init(list);
    put_fields_of_caller(call, list);
}

void sl_call_merge(const struct sl_call *call, struct sl_list *list, bool with_own)
{
    sl_list_init(list);
    if (with_own) merge_own(call, list);
    if (call->prepared != NULL) {
        put_prepared(call->prepared, list);
    } else {
        put_fields_of_caller(call, list);
    }
    if (call->suppressed_count != 0) {
        put_own_item(list, "suppressed_count", SL_VALUE(call->suppressed_count));
    }
}

static __attribute__((noinline)) size_t render_careful(struct sl_call *call, bool is_ecs)
{
    struct sl_list list;
    sl_call_merge(call, &list, true);
    sl_list_settle(&list, is_ecs ? SL_NAMING_ECS : SL_NAMING_PLAIN);
    if (list.renamed_count > 0) sl_count(SL_COUNTER_RENAMED, list.renamed_count);
    size_t size = FRAME_SIZE + SL_TEXT_GROWTH_MAX * call->event_size + SL_PUT_SLACK;
    for (size_t i = 0; i < list.count; i++) size += sl_item_bound(&list.items[i]);
    if (!sl_call_reserve(call, size)) return 0;
    char *to = put_head(call->line, call, is_ecs, false);
    for (size_t i = 0; i < list.count; i++) to = sl_put_json_item(to, &list.items[i]);
    *to++ = '}';
    *to++ = '\n';
    return (size_t)(to - call->line);
}

static size_t render_json(struct sl_call *call, bool is_ecs)
{
    if (call->site == NULL || call->prepared != NULL) return render_careful(call, is_ecs);
    uint32_t flags = __atomic_load_n(&call->site->flags, __ATOMIC_ACQUIRE);
    const struct sl_fields *bound = call->log == NULL ? NULL : call->log->fields;
    if (SL_UNLIKELY(!is_short(call, bound, flags))) return render_careful(call, is_ecs);
    bool needs_care = false;
    size_t size = render_short(call, bound, is_ecs, &needs_care);
    return SL_UNLIKELY(needs_care) ? render_careful(call, is_ecs) : size;
}

size_t sl_render(struct sl_call *call, enum sl_view view)
{
    switch (view) {
    case SL_VIEW_ECS: return render_json(call, true);
    case SL_VIEW_JSON: return render_json(call, false);
    case SL_VIEW_LOGFMT: return sl_render_logfmt(call);
    case SL_VIEW_KEY_VALUE: return sl_render_key_value(call);
    case SL_VIEW_CONSOLE: return sl_render_console(call, false);
    case SL_VIEW_COLOR: return sl_render_console(call, true);
    case SL_VIEW_JOURNAL: return sl_render_journal(call);
    case SL_VIEW_SYSLOG: return sl_render_syslog(call);
    case SL_VIEW_COUNT: break;
    }
    return 0;
}
