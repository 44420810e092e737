/* logger.c - loggers: immutable sets of bound fields that count their references. */
#include "structlog/internal.h"

#include <stdlib.h>

int sl_default_level_ = SL_INFO;

static struct sl_core *core_of(const struct sl_logger *log)
{
    return log == NULL ? &sl_default_core : log->core;
}

void sl_core_unref(struct sl_core *core)
{
    if (core == &sl_default_core) return;
    if (__atomic_fetch_sub(&core->references, 1, __ATOMIC_ACQ_REL) == 1) sl_core_free(core);
}

/* A logger like `log` with other fields (which it takes over) and perhaps another name; NULL
 * without memory, and then `fields` are still the caller's. */
static struct sl_logger *logger_new(struct sl_logger *log, struct sl_fields *fields,
                                    const char *name, size_t name_size)
{
    static const char name_key[] = ",\"log.logger\":\"";
    size_t json_max = sizeof(name_key) + SL_TEXT_GROWTH_MAX * name_size + SL_PUT_SLACK;
    if (name_size == 0) json_max = 0;
    struct sl_logger *made = malloc(sizeof(*made) + name_size + json_max);
    if (made == NULL) return NULL;
    struct sl_core *core = core_of(log);
    char *text = (char *)(made + 1);
    *made = (struct sl_logger){
        .head.level = log == NULL ? &sl_default_level_ : log->head.level,
        .references = 1,
        .core = core,
        .fields = fields,
    };
    bool is_bare = name_size == 0 && (fields == NULL || fields->count == 0);
    made->gate_key = is_bare ? (const void *)core : (const void *)made;
    if (name_size > 0) {
        char *json = text + name_size;
        made->name = memcpy(text, name, name_size);
        made->name_size = (uint32_t)name_size;
        made->name_json = json;
        memcpy(json, name_key, sizeof(name_key) - 1);
        char *end = sl_put_json_text(json + sizeof(name_key) - 1, name, name_size);
        *end++ = '"';
        made->name_json_size = (uint32_t)(end - json);
    }
    if (log != NULL) {
        made->level_owner = log->head.level == &log->level ? log : log->level_owner;
        (void)sl_ref(made->level_owner);
    }
    if (core != &sl_default_core) {
        (void)__atomic_fetch_add(&core->references, 1, __ATOMIC_RELAXED);
    }
    return made;
}

struct sl_logger *sl_logger_root(struct sl_core *core)
{
    struct sl_logger *made = calloc(1, sizeof(*made));
    if (made == NULL) return NULL;
    made->head.level = &core->level;
    made->references = 1;
    made->core = core;
    made->gate_key = core;
    return made;
}

struct sl_logger *sl_ref(struct sl_logger *log)
{
    if (log != NULL) (void)__atomic_fetch_add(&log->references, 1, __ATOMIC_RELAXED);
    return log;
}

void sl_unref(struct sl_logger *log)
{
    while (log != NULL && __atomic_fetch_sub(&log->references, 1, __ATOMIC_ACQ_REL) == 1) {
        struct sl_logger *owner = log->level_owner;
        sl_fields_unref(log->fields);
        sl_core_unref(log->core);
        free(log);
        log = owner;
    }
}

/* The parent itself (NULL for the default logger), when what was wished for cannot be had. */
static struct sl_logger *parent_again(struct sl_logger *log)
{
    sl_count(SL_COUNTER_UNBOUND, 1);
    return sl_ref(log);
}

static struct sl_logger *with_pairs(struct sl_logger *log, const struct sl_fields *base,
                                    const struct sl_value *pairs, size_t count)
{
    int saved = errno;
    struct sl_list list;
    sl_list_init(&list);
    sl_list_put_fields(&list, base);
    for (size_t i = 0; i < count; i++) {
        struct sl_value key = pairs[2 * i];
        if (key.kind != SL_KIND_STRING) continue;
        sl_list_expand(&list, key.as.pointer, key.size, pairs[2 * i + 1]);
    }
    struct sl_fields *fields = sl_fields_new(&list);
    struct sl_logger *made = NULL;
    if (fields != NULL) {
        made = logger_new(log, fields, log == NULL ? NULL : log->name,
                          log == NULL ? 0 : log->name_size);
        if (made == NULL) sl_fields_unref(fields);
    }
    if (made == NULL) made = parent_again(log);
    errno = saved;
    return made;
}

struct sl_logger *sl_bind_(struct sl_logger *log, const struct sl_value *pairs, size_t count)
{
    return with_pairs(log, log == NULL ? NULL : log->fields, pairs, count);
}

struct sl_logger *sl_new_(struct sl_logger *log, const struct sl_value *pairs, size_t count)
{
    return with_pairs(log, NULL, pairs, count);
}

static bool item_has_key(const struct sl_item *item, const char *key, size_t size)
{
    return item->key_size == size && memcmp(item->key, key, size) == 0;
}

static bool has_key(const struct sl_logger *log, const char *key, size_t size)
{
    if (log == NULL || log->fields == NULL) return false;
    for (uint32_t i = 0; i < log->fields->count; i++) {
        if (item_has_key(&log->fields->items[i], key, size)) return true;
    }
    return false;
}

struct sl_logger *sl_try_unbind(struct sl_logger *log, const char *key)
{
    int saved = errno;
    size_t size = strlen(key);
    struct sl_list list;
    sl_list_init(&list);
    for (uint32_t i = 0; log != NULL && log->fields != NULL && i < log->fields->count; i++) {
        const struct sl_item *item = &log->fields->items[i];
        if (item_has_key(item, key, size)) continue;
        sl_list_put(&list, item->key, item->key_size, item->value, item->is_own);
    }
    struct sl_fields *fields = sl_fields_new(&list);
    struct sl_logger *made = NULL;
    if (fields != NULL) {
        made = logger_new(log, fields, log == NULL ? NULL : log->name,
                          log == NULL ? 0 : log->name_size);
        if (made == NULL) sl_fields_unref(fields);
    }
    if (made == NULL) made = parent_again(log);
    errno = saved;
    return made;
}

int sl_unbind(struct sl_logger *log, const char *key, struct sl_logger **out)
{
    if (!has_key(log, key, strlen(key))) return -ENOENT;
    struct sl_logger *made = sl_try_unbind(log, key);
    if (made == log) {
        sl_unref(made);
        return -ENOMEM;
    }
    *out = made;
    return 0;
}

struct sl_logger *sl_named(struct sl_logger *log, const char *name)
{
    int saved = errno;
    struct sl_fields *fields = sl_fields_ref(log == NULL ? NULL : log->fields);
    struct sl_logger *made = logger_new(log, fields, name, strlen(name));
    if (made == NULL) {
        sl_fields_unref(fields);
        made = parent_again(log);
    } else {
        made->level = sl_get_level(log);
        sl_unref(made->level_owner);
        made->level_owner = NULL;
        made->head.level = &made->level;
    }
    errno = saved;
    return made;
}

/* ---- equality ---- */

static bool same_value(const struct sl_value *a, const struct sl_value *b)
{
    if (a->kind != b->kind || a->size != b->size) return false;
    if (a->kind == SL_KIND_STRING || a->kind == SL_KIND_JSON) {
        return memcmp(a->as.pointer, b->as.pointer, a->size) == 0;
    }
    return a->as.natural == b->as.natural;
}

bool sl_same_context(const struct sl_logger *a, const struct sl_logger *b)
{
    const struct sl_fields *left = a == NULL ? NULL : a->fields;
    const struct sl_fields *right = b == NULL ? NULL : b->fields;
    uint32_t count = left == NULL ? 0 : left->count;
    if (count != (right == NULL ? 0 : right->count)) return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct sl_item *item = &left->items[i];
        if (!item_has_key(item, right->items[i].key, right->items[i].key_size)) return false;
        if (!same_value(&item->value, &right->items[i].value)) return false;
    }
    return true;
}

/* ---- levels ---- */

void sl_set_level(struct sl_logger *log, int level)
{
    int *cell = log == NULL ? &sl_default_level_ : (int *)(uintptr_t)log->head.level;
    __atomic_store_n(cell, level, __ATOMIC_RELAXED);
}

int sl_get_level(const struct sl_logger *log)
{
    const int *cell = log == NULL ? &sl_default_level_ : log->head.level;
    return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

struct level_name {
    const char *name;
    int level;
};

/* The first name of a level is the one that is written. */
static const struct level_name level_names[] = {
    { "notset", SL_NOTSET }, { "debug", SL_DEBUG },     { "info", SL_INFO },
    { "warning", SL_WARN },  { "error", SL_ERROR },     { "critical", SL_CRITICAL },
    { "off", SL_OFF },       { "warn", SL_WARN },       { "fatal", SL_CRITICAL },
    { "err", SL_ERROR },     { "exception", SL_ERROR },
};

const char *sl_level_name(int level)
{
    if (level < SL_INFO) return "debug";
    if (level < SL_WARN) return "info";
    if (level < SL_ERROR) return "warning";
    return level < SL_CRITICAL ? "error" : "critical";
}

static bool same_word(const char *text, const char *word)
{
    for (; *text != '\0' && *word != '\0'; text++, word++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
        if (c != *word) return false;
    }
    return *text == *word;
}

int sl_level_parse(const char *text, int *level)
{
    for (size_t i = 0; i < SL_LENGTH(level_names); i++) {
        if (same_word(text, level_names[i].name)) {
            *level = level_names[i].level;
            return 0;
        }
    }
    int number = 0;
    size_t at = 0;
    for (; text[at] >= '0' && text[at] <= '9' && at < 3; at++)
        number = 10 * number + text[at] - '0';
    if (at == 0 || text[at] != '\0' || number > SL_OFF) return -EINVAL;
    *level = number;
    return 0;
}
