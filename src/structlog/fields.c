/* fields.c - keys and values: merging, taking values apart, and the rules for reserved keys.
 *
 * ECS RULES  Filebeat turns dots into objects and merges them; a path that is both a value and an
 *            object makes it drop every field of the line, and Elasticsearch refuses a document in
 *            which an object of the schema is a plain value. Therefore:
 *              the four keys of the head (@timestamp, log.level, message, ecs.version), a plain
 *              value under the name of an ECS object (log, error, user, url, ...), keys that begin
 *              with @ or _ or have an empty part, and a plain value "a" beside "a.b" all go to
 *              labels.<key>;
 *              inside a key under labels. the characters . * \ become _;
 *              "error" with a text becomes error.message, for that is what was meant.
 * PLAIN      In the other formats only timestamp, level, event and logger are taken: key + "_".
 */
#include "structlog/internal.h"

#include "structlog/number.h"
#include "structlog/ring.h"

#include <stdlib.h>

uint64_t sl_key_hash(const char *key, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) {
        hash ^= (unsigned char)key[i];
        hash *= UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 29; /* sums of hashes name sets, so the high bits must matter too */
}

/* ---- reserved names ---- */

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

struct name {
    const char *text;
    size_t size;
};

static const struct name head_names[] = { NAME("@timestamp"), NAME("log.level"), NAME("message"),
                                          NAME("ecs.version") };

static const struct name own_names[] = {
    NAME("process.pid"),         NAME("process.thread.id"),    NAME("process.thread.name"),
    NAME("log.logger"),          NAME("log.origin.file.name"), NAME("log.origin.file.line"),
    NAME("log.origin.function"), NAME("service.name"),         NAME("service.version"),
    NAME("service.environment"), NAME("event.dataset"),        NAME("suppressed_count"),
};

static const struct name plain_names[] = { NAME("timestamp"), NAME("level"), NAME("event"),
                                           NAME("logger") };

/* The objects of ECS 1.x. Source: ECS field reference, "Field Sets". */
static const struct name root_names[] = {
    NAME("agent"),       NAME("client"),        NAME("cloud"),        NAME("container"),
    NAME("data_stream"), NAME("destination"),   NAME("device"),       NAME("dll"),
    NAME("dns"),         NAME("ecs"),           NAME("email"),        NAME("error"),
    NAME("event"),       NAME("faas"),          NAME("file"),         NAME("geo"),
    NAME("group"),       NAME("hash"),          NAME("host"),         NAME("http"),
    NAME("interface"),   NAME("labels"),        NAME("log"),          NAME("network"),
    NAME("observer"),    NAME("orchestrator"),  NAME("organization"), NAME("os"),
    NAME("package"),     NAME("process"),       NAME("registry"),     NAME("related"),
    NAME("rule"),        NAME("server"),        NAME("service"),      NAME("source"),
    NAME("span"),        NAME("threat"),        NAME("tls"),          NAME("trace"),
    NAME("transaction"), NAME("url"),           NAME("user"),         NAME("user_agent"),
    NAME("vlan"),        NAME("vulnerability"), NAME("x509"),
};

static bool is_one_of(const struct name *names, size_t count, const char *key, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].size == size && memcmp(names[i].text, key, size) == 0) return true;
    }
    return false;
}

static bool is_label(const char *key, size_t size)
{
    return size > 7 && memcmp(key, "labels.", 7) == 0;
}

static bool has_label_break(const char *key, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (key[i] == '.' || key[i] == '*' || key[i] == '\\') return true;
    }
    return false;
}

bool sl_keys_collide(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t least = a_size < b_size ? a_size : b_size;
    if (memcmp(a, b, least) != 0) return false;
    if (a_size == b_size) return true;
    return (a_size > b_size ? a : b)[least] == '.';
}

/* A name, or an object of that name. */
static bool is_at_one_of(const struct name *names, size_t count, const char *key, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (size >= names[i].size && sl_keys_collide(names[i].text, names[i].size, key, size)) {
            return true;
        }
    }
    return false;
}

bool sl_key_has_empty_part(const char *key, size_t size)
{
    bool after_dot = true;
    for (size_t i = 0; i < size; i++) {
        if (key[i] == '.' && after_dot) return true;
        after_dot = key[i] == '.';
    }
    return after_dot;
}

bool sl_key_is_odd(const char *key, size_t size)
{
    if (size == 0 || key[0] == '@' || key[0] == '_') return true;
    if (sl_key_has_empty_part(key, size)) return true;
    if (is_at_one_of(head_names, SL_LENGTH(head_names), key, size)) return true;
    if (is_at_one_of(own_names, SL_LENGTH(own_names), key, size)) return true;
    if (is_one_of(plain_names, SL_LENGTH(plain_names), key, size)) return true;
    if (is_one_of(root_names, SL_LENGTH(root_names), key, size)) return true;
    if (is_label(key, size) && has_label_break(key + 7, size - 7)) return true;
    return !sl_text_is_plain(key, size);
}

bool sl_key_is_root(const char *key, size_t size)
{
    return is_one_of(root_names, SL_LENGTH(root_names), key, size);
}

/* ---- the list ---- */

void sl_list_init(struct sl_list *list)
{
    list->count = 0;
    list->scratch_used = 0;
    list->renamed_count = 0;
    list->is_full = false;
}

static bool is_utf8(const char *text, size_t size)
{
    size_t skip = 1;
    for (size_t at = 0; at < size;) {
        size_t length = sl_utf8_length(text + at, size - at, &skip);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

/* The key as it will be written, in the scratch: two keys that differ only in what is no UTF-8 are
 * one key in the line. NULL when there is no room. */
static const char *mend_key(struct sl_list *list, const char *key, size_t *key_size)
{
    char *start = list->scratch + list->scratch_used;
    if (*key_size > (SL_SCRATCH_SIZE - list->scratch_used) / 3) {
        list->is_full = true;
        return NULL;
    }
    char *to = start;
    size_t skip = 1;
    for (size_t at = 0; at < *key_size;) {
        size_t length = sl_utf8_length(key + at, *key_size - at, &skip);
        if (length == 0) {
            to = sl_put_bytes(to, "\xef\xbf\xbd", 3);
            at += skip;
        } else {
            to = sl_put_bytes(to, key + at, length);
            at += length;
        }
    }
    *key_size = (size_t)(to - start);
    list->scratch_used += *key_size;
    return start;
}

void sl_list_put(struct sl_list *list, const char *key, size_t key_size, struct sl_value value,
                 bool is_own)
{
    if (!is_own && !is_utf8(key, key_size)) {
        key = mend_key(list, key, &key_size);
        if (key == NULL) return;
    }
    uint64_t hash = sl_key_hash(key, key_size);
    for (size_t i = 0; i < list->count; i++) {
        struct sl_item *item = &list->items[i];
        if (item->hash != hash || item->key_size != key_size) continue;
        if (memcmp(item->key, key, key_size) != 0) continue;
        item->value = value;
        return;
    }
    if (list->count == SL_LIST_MAX) {
        list->is_full = true;
        return;
    }
    list->items[list->count++] = (struct sl_item){
        .key = key, .hash = hash, .value = value, .key_size = (uint32_t)key_size, .is_own = is_own
    };
}

/* Three texts as one in the scratch; NULL when it is full. */
static const char *join(struct sl_list *list, struct name a, struct name b, struct name c)
{
    size_t size = a.size + b.size + c.size;
    if (size > SL_SCRATCH_SIZE - list->scratch_used) {
        list->is_full = true;
        return NULL;
    }
    char *text = list->scratch + list->scratch_used;
    memcpy(text, a.text, a.size);
    memcpy(text + a.size, b.text, b.size);
    memcpy(text + a.size + b.size, c.text, c.size);
    list->scratch_used += size;
    return text;
}

static void put_part(struct sl_list *list, struct name key, struct name part, struct sl_value value)
{
    const char *text = join(list, key, (struct name){ ".", 1 }, part);
    if (text != NULL) sl_list_put(list, text, key.size + 1 + part.size, value, false);
}

static struct sl_value text_value(const char *text)
{
    return sl_strn(text, text == NULL ? 0 : strlen(text));
}

static struct sl_value errno_name(struct sl_list *list, int code)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
    const char *name = strerrorname_np(code);
    if (name != NULL) return text_value(name);
#endif
    char digits[24];
    size_t size = (size_t)(sl_put_int(digits, code) - digits);
    const char *text = join(list, (struct name)NAME("errno "), (struct name){ digits, size },
                            (struct name){ "", 0 });
    return sl_strn(text, text == NULL ? 0 : size + 6);
}

static struct sl_value errno_text(struct sl_list *list, int code)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
    (void)list;
    const char *text = strerrordesc_np(code);
    return text_value(text != NULL ? text : "unknown error");
#else
    char buffer[128] = "";
    (void)!strerror_r(code, buffer, sizeof(buffer));
    struct name none = { "", 0 };
    struct name whole = { buffer, strlen(buffer) };
    return sl_strn(join(list, whole, none, none), whole.size);
#endif
}

void sl_list_expand(struct sl_list *list, const char *key, size_t key_size, struct sl_value value)
{
    if (value.kind == SL_KIND_LAZY) {
        const struct sl_lazy *lazy = value.as.pointer;
        value = lazy != NULL && lazy->call != NULL ? lazy->call(lazy->argument) : sl_value_none_();
        if (value.kind == SL_KIND_LAZY) value = sl_value_none_();
    }
    struct name name = { key, key_size };
    if (value.kind == SL_KIND_ERRNO) {
        int code = value.as.integer > 0 && value.as.integer < 100000 ? (int)value.as.integer : 0;
        char digits[24];
        size_t size = (size_t)(sl_put_int(digits, value.as.integer) - digits);
        struct name none = { "", 0 };
        const char *text = join(list, (struct name){ digits, size }, none, none);
        /* error.code is a keyword in ECS, so it is text. */
        put_part(list, name, (struct name)NAME("code"), sl_strn(text, text == NULL ? 0 : size));
        put_part(list, name, (struct name)NAME("type"), errno_name(list, code));
        put_part(list, name, (struct name)NAME("message"), errno_text(list, code));
    } else if (value.kind == SL_KIND_FAILURE) {
        const struct sl_failure *failure = value.as.pointer;
        if (failure == NULL) return;
        if (failure->type != NULL) {
            put_part(list, name, (struct name)NAME("type"), text_value(failure->type));
        }
        if (failure->message != NULL) {
            put_part(list, name, (struct name)NAME("message"), text_value(failure->message));
        }
    } else {
        sl_list_put(list, key, key_size, value, false);
    }
}

void sl_list_put_fields(struct sl_list *list, const struct sl_fields *fields)
{
    if (fields == NULL) return;
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct sl_item *item = &fields->items[i];
        sl_list_put(list, item->key, item->key_size, item->value, item->is_own);
    }
}

/* ---- settling ---- */

static bool is_object(const struct sl_value *value)
{
    if (value->kind != SL_KIND_JSON) return false;
    const char *text = value->as.pointer;
    for (uint32_t i = 0; i < value->size; i++) {
        if (text[i] != ' ') return text[i] == '{';
    }
    return false;
}

static bool breaks_ecs(const struct sl_item *item)
{
    const char *key = item->key;
    size_t size = item->key_size;
    if (size == 0 || key[0] == '@' || key[0] == '_') return true;
    if (sl_key_has_empty_part(key, size)) return true;
    if (is_at_one_of(head_names, SL_LENGTH(head_names), key, size)) return true;
    if (is_label(key, size)) return has_label_break(key + 7, size - 7);
    if (is_object(&item->value)) return false;
    return is_one_of(root_names, SL_LENGTH(root_names), key, size);
}

static void rename_item(struct sl_list *list, struct sl_item *item, const char *key, size_t size)
{
    if (key == NULL) { /* no room for the name: the field goes, the line stays valid */
        item->key_size = UINT32_MAX;
        return;
    }
    uint64_t hash = sl_key_hash(key, size);
    list->renamed_count++;
    for (size_t i = 0; i < list->count; i++) {
        struct sl_item *other = &list->items[i];
        if (other == item || other->hash != hash || other->key_size != size) continue;
        if (memcmp(other->key, key, size) == 0) {
            item->key_size = UINT32_MAX; /* a key that was meant to be there goes first */
            return;
        }
    }
    item->key = key;
    item->key_size = (uint32_t)size;
    item->hash = hash;
}

static void move_to_labels(struct sl_list *list, struct sl_item *item)
{
    struct name key = { item->key, item->key_size };
    if (is_label(key.text, key.size)) {
        key.text += 7;
        key.size -= 7;
    }
    if (key.size == 0) key = (struct name)NAME("_");
    char *text =
        (char *)(uintptr_t)join(list, (struct name)NAME("labels."), key, (struct name){ "", 0 });
    for (size_t i = 7; text != NULL && i < key.size + 7; i++) {
        if (text[i] == '.' || text[i] == '*' || text[i] == '\\') text[i] = '_';
    }
    rename_item(list, item, text, key.size + 7);
}

static void settle_ecs(struct sl_list *list, struct sl_item *item)
{
    if (item->key_size == 5 && memcmp(item->key, "error", 5) == 0 &&
        item->value.kind == SL_KIND_STRING) {
        rename_item(list, item, "error.message", 13);
    } else if (breaks_ecs(item)) {
        move_to_labels(list, item);
    }
}

/* A plain value "a" beside "a.b": the shorter one moves, unless it is the library's own. */
static void settle_prefixes(struct sl_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct sl_item *item = &list->items[i];
        if (item->key_size == UINT32_MAX) continue;
        for (size_t j = 0; j < list->count; j++) {
            const struct sl_item *other = &list->items[j];
            if (other->key_size == UINT32_MAX || other->key_size <= item->key_size) continue;
            if (!sl_keys_collide(item->key, item->key_size, other->key, other->key_size)) continue;
            if (item->is_own) {
                move_to_labels(list, &list->items[j]);
                continue;
            }
            move_to_labels(list, item);
            break;
        }
    }
}

void sl_list_settle(struct sl_list *list, enum sl_naming naming)
{
    for (size_t i = 0; i < list->count; i++) {
        struct sl_item *item = &list->items[i];
        if (item->is_own) continue;
        if (naming == SL_NAMING_ECS) {
            settle_ecs(list, item);
        } else if (is_one_of(plain_names, SL_LENGTH(plain_names), item->key, item->key_size)) {
            struct name key = { item->key, item->key_size };
            const char *text = join(list, key, (struct name){ "_", 1 }, (struct name){ "", 0 });
            rename_item(list, item, text, key.size + 1);
        }
    }
    if (naming == SL_NAMING_ECS) settle_prefixes(list);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].key_size != UINT32_MAX) list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

/* ---- fields that live on ---- */

static bool list_is_odd(const struct sl_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct sl_item *a = &list->items[i];
        if (!a->is_own && sl_key_is_odd(a->key, a->key_size)) return true;
        for (size_t j = i + 1; j < list->count; j++) {
            const struct sl_item *b = &list->items[j];
            if (sl_keys_collide(a->key, a->key_size, b->key, b->key_size)) return true;
        }
    }
    return false;
}

static uint64_t next_id = 1; /* names a set of fields within the process */

/* The wire holds the texts; the items point into it. */
static char *put_wire(struct sl_fields *fields, struct sl_wire *wire, const struct sl_list *list)
{
    char *to = (char *)(wire + 1);
    for (size_t i = 0; i < list->count; i++) {
        struct sl_item *item = &fields->items[i];
        *item = list->items[i];
        char *end = sl_wire_put(to, item);
        item->key = to + sizeof(struct sl_wire_entry);
        if (sl_has_text(item->value.kind)) item->value.as.pointer = item->key + item->key_size;
        to = end;
    }
    wire->size = (uint32_t)(to - (char *)wire);
    wire->count = (uint32_t)list->count;
    wire->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
    fields->wire = wire;
    return to;
}

struct sl_fields *sl_fields_new(const struct sl_list *list)
{
    if (list->count > SL_BOUND_MAX || list->is_full) return NULL;
    size_t wire_size = sizeof(struct sl_wire);
    size_t json_size = SL_PUT_SLACK;
    for (size_t i = 0; i < list->count; i++) {
        wire_size += sl_wire_entry_size(&list->items[i]);
        json_size += sl_item_bound(&list->items[i]);
    }
    bool is_odd = list_is_odd(list);
    if (is_odd) json_size = SL_PUT_SLACK;
    size_t head_size = sizeof(struct sl_fields) + list->count * sizeof(struct sl_item);
    struct sl_fields *fields = malloc(head_size + wire_size + json_size);
    if (fields == NULL) return NULL;
    *fields =
        (struct sl_fields){ .references = 1, .count = (uint32_t)list->count, .is_odd = is_odd };
    char *json = put_wire(fields, (struct sl_wire *)(void *)((char *)fields + head_size), list);
    char *json_end = json;
    for (size_t i = 0; i < list->count; i++) {
        fields->shape += fields->items[i].hash;
        if (!is_odd) json_end = sl_put_json_item(json_end, &fields->items[i]);
    }
    fields->json = json;
    fields->json_size = (size_t)(json_end - json);
    return fields;
}

struct sl_fields *sl_fields_ref(struct sl_fields *fields)
{
    if (fields != NULL) (void)__atomic_fetch_add(&fields->references, 1, __ATOMIC_RELAXED);
    return fields;
}

void sl_fields_unref(struct sl_fields *fields)
{
    if (fields == NULL) return;
    /* Release: our reads come before the free; acquire: so do those of all others. */
    if (__atomic_fetch_sub(&fields->references, 1, __ATOMIC_ACQ_REL) == 1) free(fields);
}
