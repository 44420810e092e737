/* reader.c - records of a ring back into calls that can be rendered.
 *
 * The back end and the recovery both read with this, so what is recovered looks as it would have.
 * After a crash the bytes may be anything: every size is compared with what is left.
 */
#include "structlog/ring.h"

int64_t sl_ticks_to_ns(const struct sl_ring_header *header, uint64_t ticks)
{
    if (header->ticks != SL_TICKS_COUNTER) return (int64_t)ticks;
    const struct sl_clock_point *point = &header->points[header->point % SL_POINT_COUNT];
    if ((int64_t)(ticks - point->ticks) < 0 && header->point > 0) {
        point = &header->points[(header->point - 1) % SL_POINT_COUNT];
    }
    sl_wide passed = (sl_wide)(int64_t)(ticks - point->ticks) * (sl_wide)point->rate;
    return (int64_t)((uint64_t)point->wall_ns + (uint64_t)(int64_t)(passed >> 32));
}

/* ---- the file ---- */

static bool lies_inside(uint64_t offset, uint64_t count, uint64_t each, uint64_t size)
{
    if (offset % 8 != 0 || offset > size || offset < sizeof(struct sl_ring_header)) return false;
    return count == 0 || (each <= size && count <= (size - offset) / each);
}

bool sl_ring_is_sound(const struct sl_ring_header *header, uint64_t size)
{
    if (size < sizeof(*header) || header->magic != SL_RING_MAGIC) return false;
    if (header->version != SL_RING_VERSION || header->size > size) return false;
    uint32_t ring_size = header->ring_size;
    if (ring_size < SL_RING_SIZE_MIN || ring_size > SL_RING_SIZE_MAX) return false;
    if ((ring_size & (ring_size - 1)) != 0 || header->ring_count > SL_RING_COUNT_MAX) return false;
    if (header->sink_count > SL_SINK_MAX || header->site_count > SL_RING_SITE_MAX) return false;
    if (header->batch_size < SL_BATCH_SIZE || header->batch_size % 8 != 0) return false;
    if (header->ticks > SL_TICKS_COARSE) return false;
    return lies_inside(header->site_offset, header->site_count, sizeof(uint32_t), size) &&
           lies_inside(header->text_offset, header->text_size, 1, size) &&
           lies_inside(header->sink_offset, header->sink_count, sizeof(struct sl_ring_sink),
                       size) &&
           lies_inside(header->batch_offset, header->sink_count, header->batch_size, size) &&
           lies_inside(header->ring_offset, header->ring_count, (uint64_t)SL_RING_PAGE + ring_size,
                       size);
}

const struct sl_record *sl_ring_peek(const struct sl_ring_header *header, struct sl_ring *ring,
                                     uint64_t *place, uint64_t head)
{
    while (*place != head) {
        uint64_t at = *place & (header->ring_size - 1);
        uint64_t end = header->ring_size - at;
        uint64_t left = head - *place;
        if (*place % 8 != 0 || left > header->ring_size) return NULL;
        if (end < sizeof(struct sl_record)) { /* too little for a record: nothing stands there */
            if (left < end) return NULL;
            *place += end;
            continue;
        }
        const struct sl_record *record =
            (const struct sl_record *)(const void *)(sl_ring_data(ring) + at);
        uint32_t size = record->size;
        if (size < sizeof(*record) || size % 8 != 0 || size > end || size > left) return NULL;
        if (record->check != (uint32_t)*place) return NULL;
        if (record->kind != SL_RECORD_PAD) return record;
        *place += size;
    }
    return NULL;
}

/* ---- parts ---- */

struct cursor {
    const char *at;
    size_t left;
};

/* `size` bytes, and the padding behind them; NULL when they are not there. */
static const char *take(struct cursor *cursor, size_t size)
{
    size_t padded = sl_pad8(size);
    if (padded < size || padded > cursor->left) return NULL;
    const char *at = cursor->at;
    cursor->at += padded;
    cursor->left -= padded;
    return at;
}

static bool take_name(struct sl_reader *reader, struct cursor *cursor)
{
    static const char key[] = ",\"log.logger\":\"";
    uint64_t size = 0;
    const char *head = take(cursor, sizeof(size));
    if (head == NULL) return false;
    memcpy(&size, head, sizeof(size));
    const char *name = size <= SL_NAME_SIZE_MAX ? take(cursor, size) : NULL;
    if (name == NULL) return false;
    struct sl_logger *log = &reader->log;
    bool is_same = log->name_size == size && memcmp(reader->name, name, size) == 0;
    log->name = reader->name;
    if (is_same && log->name_json != NULL) return true; /* most often the same as before */
    memcpy(reader->name, name, size);
    memcpy(reader->name_json, key, sizeof(key) - 1);
    char *end = sl_put_json_text(reader->name_json + sizeof(key) - 1, name, size);
    *end++ = '"';
    log->name_size = (uint32_t)size;
    log->name_json = reader->name_json;
    log->name_json_size = (uint32_t)(end - reader->name_json);
    return true;
}

static struct sl_fields *read_fields(const char *bytes, size_t size)
{
    struct sl_list list;
    sl_list_init(&list);
    return sl_wire_read(bytes, size, &list) ? sl_fields_new(&list) : NULL;
}

/* NULL: no sense in them, or no memory. */
static struct sl_fields *take_fields(struct sl_reader *reader, struct cursor *cursor)
{
    struct sl_wire wire;
    if (cursor->left < sizeof(wire)) return NULL;
    memcpy(&wire, cursor->at, sizeof(wire));
    const char *bytes = take(cursor, wire.size);
    if (bytes == NULL) return NULL;
    size_t slot = wire.id % SL_CACHE_COUNT;
    struct sl_fields *known = reader->cache[slot].fields;
    if (known != NULL && reader->cache[slot].id == wire.id && known->wire->size == wire.size) {
        return known;
    }
    struct sl_fields *fields = read_fields(bytes, wire.size);
    if (fields == NULL) return NULL;
    sl_fields_unref(known);
    reader->cache[slot].fields = fields;
    reader->cache[slot].id = wire.id;
    return fields;
}

static bool take_parts(struct sl_reader *reader, uint8_t parts, struct cursor *cursor)
{
    struct sl_call *call = &reader->call;
    call->suppressed_count = 0;
    call->context = NULL;
    reader->log.name = NULL;
    reader->log.fields = NULL;
    call->log = (parts & (SL_PART_NAME | SL_PART_BOUND)) != 0 ? &reader->log : NULL;
    if ((parts & SL_PART_SUPPRESSED) != 0) {
        const char *count = take(cursor, sizeof(uint64_t));
        if (count == NULL) return false;
        memcpy(&call->suppressed_count, count, sizeof(uint64_t));
    }
    if ((parts & SL_PART_NAME) != 0 && !take_name(reader, cursor)) return false;
    if ((parts & SL_PART_CONTEXT) != 0) {
        struct sl_fields *fields = take_fields(reader, cursor);
        if (fields == NULL) return false;
        /* The bound fields may fall on the same slot, so this one is held. */
        call->context = fields;
        (void)sl_fields_ref(fields);
        sl_fields_unref(reader->held);
        reader->held = fields;
    }
    if ((parts & SL_PART_BOUND) != 0) {
        reader->log.fields = take_fields(reader, cursor);
        if (reader->log.fields == NULL) return false;
    }
    return true;
}

/* ---- values of a site ---- */

static bool take_values(struct sl_reader *reader, const struct sl_record *record,
                        struct cursor *cursor)
{
    const char *values = take(cursor, (size_t)record->count * sizeof(struct sl_record_value));
    if (values == NULL || record->count > SL_PAIRS_MAX) return false;
    for (uint32_t i = 0; i < record->count; i++) {
        struct sl_value *value = &reader->values[i + 1];
        memcpy(value, values + i * sizeof(*value), sizeof(*value));
        if (!sl_has_text(value->kind)) {
            if (value->kind > SL_KIND_ERRNO || value->size != 0) return false;
            continue;
        }
        if (value->size > cursor->left) return false;
        value->as.pointer = cursor->at;
        cursor->at += value->size;
        cursor->left -= value->size;
    }
    return true;
}

static bool take_site(struct sl_reader *reader, const struct sl_record *record)
{
    struct sl_call *call = &reader->call;
    call->site = record->site == 0 ? NULL : reader->find(reader->context, record->site);
    if (call->site == NULL) return record->site == 0;
    if (SL_UNLIKELY(__atomic_load_n(&call->site->flags, __ATOMIC_RELAXED) == 0)) {
        sl_site_start(call->site);
    }
    return true;
}

static bool take_site_record(struct sl_reader *reader, const struct sl_record *record,
                             struct cursor *cursor)
{
    struct sl_call *call = &reader->call;
    if (!take_site(reader, record) || call->site == NULL) return false;
    if (call->site->count != record->count || !take_values(reader, record, cursor)) return false;
    call->prepared = NULL;
    call->values = reader->values;
    call->count = record->count;
    call->event = call->site->keys[0].json + 2;
    call->event_size = call->site->keys[0].size;
    return true;
}

static bool take_text_record(struct sl_reader *reader, const struct sl_record *record,
                             struct cursor *cursor)
{
    struct sl_call *call = &reader->call;
    if (!take_site(reader, record)) return false;
    uint64_t size = 0;
    const char *head = take(cursor, sizeof(size));
    if (head == NULL) return false;
    memcpy(&size, head, sizeof(size));
    call->event = size <= SL_VALUE_SIZE_MAX ? take(cursor, size) : NULL;
    if (call->event == NULL) return false;
    call->event_size = size;
    sl_list_init(&reader->list);
    if (!sl_wire_read(cursor->at, cursor->left, &reader->list)) return false;
    call->prepared = &reader->list;
    call->values = NULL;
    call->count = 0;
    return true;
}

bool sl_reader_take(struct sl_reader *reader, const struct sl_record *record)
{
    struct cursor cursor = { (const char *)(record + 1), record->size - sizeof(*record) };
    reader->call.level = record->level;
    reader->call.pairs = NULL;
    if (!take_parts(reader, record->parts, &cursor)) return false;
    if (record->kind == SL_RECORD_SITE) return take_site_record(reader, record, &cursor);
    return record->kind == SL_RECORD_TEXT && take_text_record(reader, record, &cursor);
}

void sl_reader_clear(struct sl_reader *reader)
{
    for (size_t i = 0; i < SL_CACHE_COUNT; i++) {
        sl_fields_unref(reader->cache[i].fields);
        reader->cache[i].fields = NULL;
    }
    sl_fields_unref(reader->held);
    reader->held = NULL;
}
