/* reader.c - records of a ring back into calls that can be rendered.
 *
 * The back end and the recovery both read with this, so what is recovered looks as it would have.
 * After a crash the bytes may be anything: every size is compared with what is left.
 */
#include "structlog/ring.h"

#define READ_AHEAD 2048u

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
    if (header->version - 1u >= SL_RING_VERSION || header->size > size) return false;
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

/* Whether no eight bytes are zero; where vectors are, it may say so of four that are, which the
 * masks make as good as impossible, and which costs but a barrier. */
static bool has_arrived(const char *at, size_t size)
{
#if defined(__x86_64__)
    typedef int four __attribute__((vector_size(16)));
    four missing = { 0, 0, 0, 0 };
    for (const char *end = at + size; at < end; at += sizeof(four)) {
        missing |= *(const four *)(const void *)at == 0;
    }
    sl_cell_ halves = (sl_cell_)missing;
    return (halves[0] | halves[1]) == 0;
#else
    const uint64_t *words = (const uint64_t *)(const void *)at;
    bool has_all = true;
    for (size_t i = 0; i < size / sizeof(*words); i++) has_all &= words[i] != 0;
    return has_all;
#endif
}

static enum sl_peek peek_plain(const char *at, uint64_t place, uint64_t room,
                               struct sl_found *found)
{
    struct sl_record record;
    memcpy(&record, at, sizeof(record));
    if (record.size < sizeof(record) || record.size % 8 != 0 || record.size > room) {
        return SL_PEEK_BAD;
    }
    if (record.check != (uint32_t)place || record.kind >= SL_RECORD_CELLS) return SL_PEEK_BAD;
    *found = (struct sl_found){ .at = at,
                                .ticks = record.ticks,
                                .size = record.size,
                                .site = record.site,
                                .kind = record.kind,
                                .level = record.level,
                                .parts = record.parts,
                                .count = record.count };
    return SL_PEEK_FOUND;
}

/* `front` is the first word, with its mask. */
static enum sl_peek peek_cells(const char *at, uint64_t front, uint64_t place, uint64_t room,
                               bool is_settled, struct sl_found *found)
{
    uint64_t low = front ^ SL_MASK_LOW_;
    uint32_t size = (uint32_t)(low & 0xff) * SL_RECORD_UNIT;
    if (size == 0 || size > SL_CELLS_SIZE_MAX || size > room) return SL_PEEK_BAD;
    if ((low >> 8 & 0xff) != (place / SL_RECORD_UNIT & 0xff)) return SL_PEEK_BAD;
    if ((low >> 32 & 0xff) != SL_RECORD_CELLS) return SL_PEEK_BAD;
    if (!is_settled && !has_arrived(at, size)) return SL_PEEK_LATE;
    uint64_t ticks = 0;
    memcpy(&ticks, at + sizeof(front), sizeof(ticks));
    *found = (struct sl_found){ .at = at,
                                .ticks = ticks ^ SL_MASK_HIGH_,
                                .size = size,
                                .site = (uint32_t)(low >> 16 & 0xffff),
                                .kind = SL_RECORD_CELLS,
                                .level = (uint8_t)(low >> 40),
                                .parts = (uint8_t)(low >> 48),
                                .count = (uint8_t)(low >> 56) };
    return SL_PEEK_FOUND;
}

enum sl_peek sl_ring_peek(const struct sl_ring_header *header, struct sl_ring *ring,
                          uint64_t *place, uint64_t head, bool is_settled, struct sl_found *found)
{
    while (*place != head) {
        uint64_t at = *place & (header->ring_size - 1);
        uint64_t end = header->ring_size - at;
        uint64_t left = head - *place;
        if (*place % 8 != 0 || left > header->ring_size) return SL_PEEK_BAD;
        if (end < sizeof(struct sl_record)) { /* version 1: too little for a record, so nothing */
            if (left < end) return SL_PEEK_BAD;
            *place += end;
            continue;
        }
        uint64_t room = left < end ? left : end;
        const char *bytes = sl_ring_data(ring) + at;
        uint64_t front = __atomic_load_n((const uint64_t *)(const void *)bytes, __ATOMIC_RELAXED);
        if (front == 0 && !is_settled) return SL_PEEK_LATE;
        if (room > READ_AHEAD) { /* it comes from memory, and some records further is known */
            __builtin_prefetch(bytes + READ_AHEAD, 0, 3);
            __builtin_prefetch(bytes + READ_AHEAD + SL_RECORD_UNIT, 0, 3);
        }
        enum sl_peek peek = (front & SL_CELLS_MARK) != 0
                                ? peek_cells(bytes, front, *place, room, is_settled, found)
                                : peek_plain(bytes, *place, room, found);
        if (peek != SL_PEEK_FOUND || found->kind != SL_RECORD_PAD) return peek;
        *place += found->size;
    }
    return SL_PEEK_END;
}

/* ---- parts ---- */

struct cursor {
    const char *at;
    size_t left;
    size_t unit; /* to which parts are padded: 8, or a cell's size */
};

/* `size` bytes, and the padding behind them; NULL when they are not there. */
static const char *take(struct cursor *cursor, size_t size)
{
    size_t padded = (size + cursor->unit - 1) & ~(cursor->unit - 1);
    if (padded < size || padded > cursor->left) return NULL;
    const char *at = cursor->at;
    cursor->at += padded;
    cursor->left -= padded;
    return at;
}

/* Put together where it stands, which is our own memory: the last cell has the last bytes. */
static bool take_long_text(struct sl_reader *reader, struct cursor *cursor, struct sl_value *value)
{
    size_t size = value->size;
    const char *text = take(cursor, size);
    if (text == NULL) return false;
    value->as.pointer = text;
    char *own = (char *)reader->cells + (text - (const char *)reader->cells);
    char last[SL_CELL_SIZE_];
    if (size < SL_CELL_SIZE_) {
        memcpy(last, own + 8, 8);
        memcpy(own + size - 8, last, 8);
    } else if (size % SL_CELL_SIZE_ != 0) {
        memcpy(last, own + size / SL_CELL_SIZE_ * SL_CELL_SIZE_, sizeof(last));
        memcpy(own + size - sizeof(last), last, sizeof(last));
    }
    return true;
}

/* A value out of cells. */
static inline bool take_cell(struct sl_reader *reader, struct cursor *cursor,
                             struct sl_value *value)
{
    uint64_t words[2];
    const char *cell = take(cursor, sizeof(words));
    if (cell == NULL) return false;
    memcpy(words, cell, sizeof(words));
    value->as.natural = words[0];
    value->size = (uint32_t)words[1];
    value->kind = (uint32_t)(words[1] >> 32);
    if (!sl_has_text(value->kind)) return value->kind <= SL_KIND_ERRNO && value->size == 0;
    value->as.pointer = cell;
    return value->size <= sizeof(uint64_t) || take_long_text(reader, cursor, value);
}

static bool take_name(struct sl_reader *reader, struct cursor *cursor)
{
    static const char key[] = ",\"log.logger\":\"";
    uint64_t size = 0;
    const char *name = NULL;
    if (cursor->unit == SL_CELL_SIZE_) {
        struct sl_value value;
        if (!take_cell(reader, cursor, &value) || value.kind != SL_KIND_STRING) return false;
        size = value.size;
        name = value.as.pointer;
    } else {
        const char *head = take(cursor, sizeof(size));
        if (head == NULL) return false;
        memcpy(&size, head, sizeof(size));
        if (size <= SL_NAME_SIZE_MAX) name = take(cursor, size);
    }
    if (name == NULL || size > SL_NAME_SIZE_MAX) return false;
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

static bool take_values(struct sl_reader *reader, uint32_t count, struct cursor *cursor)
{
    const char *values = take(cursor, (size_t)count * sizeof(struct sl_record_value));
    if (values == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
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

static bool take_site(struct sl_reader *reader, uint32_t number)
{
    struct sl_call *call = &reader->call;
    call->site = number == 0 ? NULL : reader->find(reader->context, number);
    if (call->site == NULL) return number == 0;
    if (SL_UNLIKELY(__atomic_load_n(&call->site->flags, __ATOMIC_RELAXED) == 0)) {
        sl_site_start(call->site);
    }
    return true;
}

static bool take_site_record(struct sl_reader *reader, const struct sl_found *found,
                             struct cursor *cursor)
{
    struct sl_call *call = &reader->call;
    if (!take_site(reader, found->site) || call->site == NULL) return false;
    if (call->site->count != found->count || found->count > SL_PAIRS_MAX) return false;
    if (found->kind == SL_RECORD_SITE && !take_values(reader, found->count, cursor)) return false;
    for (uint32_t i = 1; found->kind == SL_RECORD_CELLS && i <= found->count; i++) {
        if (!take_cell(reader, cursor, &reader->values[i])) return false;
    }
    call->prepared = NULL;
    call->values = reader->values;
    call->count = found->count;
    call->event = call->site->keys[0].json + 2;
    call->event_size = call->site->keys[0].size;
    return true;
}

static bool take_text_record(struct sl_reader *reader, const struct sl_found *found,
                             struct cursor *cursor)
{
    struct sl_call *call = &reader->call;
    if (!take_site(reader, found->site)) return false;
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

/* The record's cells, without their masks. */
static void open_cells(struct sl_reader *reader, const struct sl_found *found)
{
#if defined(__x86_64__)
    const sl_cell_ mask = { (long long)SL_MASK_LOW_, (long long)SL_MASK_HIGH_ };
    const sl_cell_ *from = (const sl_cell_ *)(const void *)found->at;
    sl_cell_ *to = (sl_cell_ *)(void *)reader->cells;
    for (size_t i = 0; i < found->size / sizeof(*to); i++) to[i] = from[i] ^ mask;
#else
    const uint64_t *from = (const uint64_t *)(const void *)found->at;
    uint64_t *to = reader->cells;
    for (size_t i = 0; i < found->size / sizeof(*to); i += 2) {
        to[i] = from[i] ^ SL_MASK_LOW_;
        to[i + 1] = from[i + 1] ^ SL_MASK_HIGH_;
    }
#endif
}

bool sl_reader_take(struct sl_reader *reader, const struct sl_found *found)
{
    struct cursor cursor = { found->at + sizeof(struct sl_record),
                             found->size - sizeof(struct sl_record), sizeof(uint64_t) };
    if (found->kind == SL_RECORD_CELLS) {
        open_cells(reader, found);
        cursor.at = (const char *)reader->cells + SL_CELL_SIZE_;
        cursor.left = found->size - SL_CELL_SIZE_;
        cursor.unit = SL_CELL_SIZE_;
    }
    reader->call.level = found->level;
    reader->call.pairs = NULL;
    if (!take_parts(reader, found->parts, &cursor)) return false;
    return found->kind == SL_RECORD_TEXT ? take_text_record(reader, found, &cursor)
                                         : take_site_record(reader, found, &cursor);
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
