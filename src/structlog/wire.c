/* wire.c - fields as bytes without pointers, for the ring file: written by us, read as foreign. */
#include "structlog/ring.h"

size_t sl_wire_entry_size(const struct sl_item *item)
{
    size_t text_size = sl_has_text(item->value.kind) ? item->value.size : 0;
    return sl_pad8(sizeof(struct sl_wire_entry) + item->key_size + text_size);
}

char *sl_wire_put(char *to, const struct sl_item *item)
{
    uint32_t text_size = sl_has_text(item->value.kind) ? item->value.size : 0;
    struct sl_wire_entry entry = {
        .size = (uint32_t)sl_wire_entry_size(item),
        .key_size = item->key_size,
        .payload = text_size > 0 ? 0 : item->value.as.natural,
        .text_size = text_size,
        .kind = (uint16_t)item->value.kind,
        .is_own = item->is_own ? 1 : 0,
    };
    if (sl_has_text(item->value.kind)) entry.payload = 0;
    char *at = to + sizeof(entry);
    memcpy(to, &entry, sizeof(entry));
    memcpy(at, item->key, item->key_size);
    if (text_size > 0) memcpy(at + item->key_size, item->value.as.pointer, text_size);
    at += item->key_size + text_size;
    char *end = to + entry.size;
    while (at < end) *at++ = 0;
    return end;
}

/* The kinds that a field can have once it is taken apart. */
static bool is_plain_kind(uint32_t kind)
{
    return kind <= SL_KIND_JSON;
}

bool sl_wire_read(const void *bytes, size_t size, struct sl_list *list)
{
    struct sl_wire wire;
    if (size < sizeof(wire)) return false;
    memcpy(&wire, bytes, sizeof(wire));
    if (wire.size < sizeof(wire) || wire.size > size || wire.count > SL_LIST_MAX) return false;
    const char *at = (const char *)bytes + sizeof(wire);
    size_t left = wire.size - sizeof(wire);
    for (uint32_t i = 0; i < wire.count; i++) {
        struct sl_wire_entry entry;
        if (left < sizeof(entry)) return false;
        memcpy(&entry, at, sizeof(entry));
        uint64_t needed = sizeof(entry) + (uint64_t)entry.key_size + entry.text_size;
        if (entry.size > left || needed > entry.size || !is_plain_kind(entry.kind)) return false;
        const char *key = at + sizeof(entry);
        struct sl_value value = { .as.natural = entry.payload, .kind = entry.kind };
        if (sl_has_text(entry.kind)) {
            value.as.pointer = key + entry.key_size;
            value.size = entry.text_size;
        }
        sl_list_put(list, key, entry.key_size, value, entry.is_own != 0);
        at += entry.size;
        left -= entry.size;
    }
    return true;
}
