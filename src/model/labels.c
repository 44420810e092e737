/* labels.c - sorted arrays of name and value. */
#include "model/labels.h"

#include "base/check.h"

#include <errno.h>

struct str labels_get(struct labels labels, struct str name)
{
    for (size_t i = 0; i < labels.count; i++) {
        if (str_equal(labels.items[i].name, name)) return labels.items[i].value;
    }
    return (struct str){ 0 };
}

bool labels_equal(struct labels a, struct labels b)
{
    if (a.count != b.count) return false;
    for (size_t i = 0; i < a.count; i++) {
        if (!str_equal(a.items[i].name, b.items[i].name)) return false;
        if (!str_equal(a.items[i].value, b.items[i].value)) return false;
    }
    return true;
}

int labels_compare(struct labels a, struct labels b)
{
    size_t count = a.count < b.count ? a.count : b.count;
    for (size_t i = 0; i < count; i++) {
        int order = str_compare(a.items[i].name, b.items[i].name);
        if (order == 0) order = str_compare(a.items[i].value, b.items[i].value);
        if (order != 0) return order;
    }
    return (a.count > b.count) - (a.count < b.count);
}

uint64_t labels_hash(struct labels labels)
{
    uint64_t hash = labels.count;
    for (size_t i = 0; i < labels.count; i++) {
        hash = str_hash(labels.items[i].name, hash);
        hash = str_hash(labels.items[i].value, hash);
    }
    return hash;
}

int labels_copy(struct arena *arena, struct labels labels, struct labels *out)
{
    size_t size = 0;
    for (size_t i = 0; i < labels.count; i++) {
        size += labels.items[i].name.size + labels.items[i].value.size;
    }
    struct label *items = ARENA_ARRAY(arena, struct label, labels.count);
    char *bytes = arena_alloc(arena, size, 1);
    if ((items == NULL && labels.count > 0) || (bytes == NULL && size > 0)) return -ENOMEM;
    for (size_t i = 0; i < labels.count; i++) {
        const struct label *from = &labels.items[i];
        memcpy(bytes, from->name.data, from->name.size);
        items[i].name = (struct str){ bytes, from->name.size };
        bytes += from->name.size;
        memcpy(bytes, from->value.data, from->value.size);
        items[i].value = (struct str){ bytes, from->value.size };
        bytes += from->value.size;
    }
    *out = (struct labels){ items, labels.count };
    return 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_legacy(struct str name, bool allows_colon)
{
    if (name.size == 0) return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (is_letter(c) || (allows_colon && c == ':')) continue;
        if (i > 0 && c >= '0' && c <= '9') continue;
        return false;
    }
    return true;
}

bool label_name_is_legacy(struct str name)
{
    return is_legacy(name, false);
}

bool metric_name_is_legacy(struct str name)
{
    return is_legacy(name, true);
}

/* As Go's strconv.Quote does for printable text. */
static void print_quoted(struct buf *buf, struct str text)
{
    buf_append_char(buf, '"');
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '"' || c == '\\') {
            buf_append_char(buf, '\\');
            buf_append_char(buf, c);
        } else if (c == '\n') {
            buf_append_str(buf, STR("\\n"));
        } else if (c == '\t') {
            buf_append_str(buf, STR("\\t"));
        } else if (c == '\r') {
            buf_append_str(buf, STR("\\r"));
        } else if ((unsigned char)c < ' ' || c == 0x7F) {
            buf_printf(buf, "\\x%02x", (unsigned)(unsigned char)c);
        } else {
            buf_append_char(buf, c);
        }
    }
    buf_append_char(buf, '"');
}

void labels_print(struct buf *buf, struct labels labels)
{
    struct str name = labels_get(labels, LABEL_METRIC_NAME);
    bool is_plain = metric_name_is_legacy(name);
    if (is_plain) buf_append_str(buf, name);
    if (is_plain && labels.count == 1) return;

    const char *separator = "";
    buf_append_char(buf, '{');
    if (name.size > 0 && !is_plain) {
        print_quoted(buf, name);
        separator = ", ";
    }
    for (size_t i = 0; i < labels.count; i++) {
        const struct label *label = &labels.items[i];
        if (str_equal(label->name, LABEL_METRIC_NAME)) continue;
        buf_append_cstr(buf, separator);
        separator = ", ";
        if (label_name_is_legacy(label->name)) {
            buf_append_str(buf, label->name);
        } else {
            print_quoted(buf, label->name);
        }
        buf_append_char(buf, '=');
        print_quoted(buf, label->value);
    }
    buf_append_char(buf, '}');
}

void labels_builder_start(struct labels_builder *builder, struct labels base)
{
    builder->items.count = 0;
    builder->has_failed = false;
    if (base.count == 0) return;
    if (!VEC_RESERVE(&builder->items, base.count)) {
        builder->has_failed = true;
        return;
    }
    memcpy(builder->items.items, base.items, base.count * sizeof(base.items[0]));
    builder->items.count = base.count;
}

/* Where the name stands, or would. */
static size_t position_of(const struct labels_builder *builder, struct str name, bool *is_there)
{
    size_t i = 0;
    int order = 1;
    /* Names mostly come in order: then the place is the end. */
    size_t count = builder->items.count;
    if (count > 0 && str_compare(builder->items.items[count - 1].name, name) < 0) i = count;
    while (i < builder->items.count) {
        order = str_compare(builder->items.items[i].name, name);
        if (order >= 0) break;
        i++;
    }
    *is_there = i < builder->items.count && order == 0;
    return i;
}

void labels_builder_remove(struct labels_builder *builder, struct str name)
{
    bool is_there;
    size_t at = position_of(builder, name, &is_there);
    if (is_there) VEC_REMOVE(&builder->items, at);
}

void labels_builder_set(struct labels_builder *builder, struct str name, struct str value)
{
    if (value.size == 0) {
        labels_builder_remove(builder, name);
        return;
    }
    bool is_there;
    size_t at = position_of(builder, name, &is_there);
    if (is_there) {
        builder->items.items[at].value = value;
        return;
    }
    if (!VEC_RESERVE(&builder->items, 1)) {
        builder->has_failed = true;
        return;
    }
    struct label *items = builder->items.items;
    memmove(&items[at + 1], &items[at], (builder->items.count - at) * sizeof(items[0]));
    items[at] = (struct label){ name, value };
    builder->items.count++;
}

struct str labels_builder_get(const struct labels_builder *builder, struct str name)
{
    return labels_get(labels_builder_labels(builder), name);
}

struct labels labels_builder_labels(const struct labels_builder *builder)
{
    if (builder->has_failed) return (struct labels){ 0 };
    return (struct labels){ builder->items.items, builder->items.count };
}

void labels_builder_release(struct labels_builder *builder)
{
    VEC_RELEASE(&builder->items);
}
