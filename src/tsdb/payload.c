/* payload.c - the rarer sections of a batch in the log. */
#include "tsdb/payload.h"

#include "codec/varint.h"
#include "model/sample.h"

#include <errno.h>

enum { SECTION_EXTRAS = 1, SECTION_EXEMPLARS = 2, SECTION_LATE = 3 };

enum { EXEMPLAR_LABELS_MAX = 128 };

static void put_section(struct buf *out, int tag, const struct buf *bytes)
{
    buf_append_char(out, (char)tag);
    varint_append_bytes(out, buf_str(bytes));
    if (bytes->has_failed) out->has_failed = true;
}

static void put_extras(struct buf *out, const struct payload_extras *extras)
{
    struct extra_state state = { 0 };
    uint32_t last = 0;
    varint_append(out, extras->count);
    for (size_t i = 0; i < extras->count; i++) {
        const struct payload_extra *item = &extras->items[i];
        varint_append(out, item->sample - last);
        last = item->sample;
        extra_put(out, &state, &item->extra);
    }
}

static void put_exemplars(struct buf *out, const struct payload_exemplars *exemplars)
{
    varint_append(out, exemplars->count);
    for (size_t i = 0; i < exemplars->count; i++) {
        const struct payload_exemplar *item = &exemplars->items[i];
        varint_append(out, item->series);
        varint_append_signed(out, item->exemplar.time_ms);
        fixed64_append(out, sample_bits(item->exemplar.value));
        varint_append(out, item->exemplar.labels.count);
        for (size_t k = 0; k < item->exemplar.labels.count; k++) {
            varint_append_bytes(out, item->exemplar.labels.items[k].name);
            varint_append_bytes(out, item->exemplar.labels.items[k].value);
        }
    }
}

void payload_put_sections(struct buf *out, const struct payload_sections *sections,
                          struct buf *scratch)
{
    buf_reset(scratch);
    if (sections->takes_late) put_section(out, SECTION_LATE, scratch);
    if (sections->extras.count > 0) {
        put_extras(scratch, &sections->extras);
        put_section(out, SECTION_EXTRAS, scratch);
    }
    buf_reset(scratch);
    if (sections->exemplars.count > 0) {
        put_exemplars(scratch, &sections->exemplars);
        put_section(out, SECTION_EXEMPLARS, scratch);
    }
}

static int take_extras(struct str rest, const int64_t *times, size_t count, struct arena *arena,
                       struct payload_extras *extras)
{
    uint64_t total;
    uint64_t sample = 0;
    struct extra_state state = { 0 };
    if (!varint_take(&rest, &total) || total > count) return ERROR_CORRUPT;
    if (!VEC_RESERVE(extras, (size_t)total)) return -ENOMEM;
    for (uint64_t i = 0; i < total; i++) {
        uint64_t step;
        if (!varint_take(&rest, &step) || (i > 0 && step == 0)) return ERROR_CORRUPT;
        if (step > count || sample + step >= count) return ERROR_CORRUPT;
        sample += step;
        struct payload_extra *item = &extras->items[extras->count++];
        item->sample = (uint32_t)sample;
        int code = extra_take(&rest, &state, arena, &item->extra);
        if (code != 0) return code;
        if (item->extra.time_ms != times[sample]) return ERROR_CORRUPT;
    }
    return rest.size == 0 ? 0 : ERROR_CORRUPT;
}

static int take_exemplar(struct str *rest, struct arena *arena, struct payload_exemplar *item)
{
    uint64_t series;
    uint64_t bits;
    uint64_t count;
    struct exemplar *exemplar = &item->exemplar;
    if (!varint_take(rest, &series) || series >= UINT32_MAX) return ERROR_CORRUPT;
    if (!varint_take_signed(rest, &exemplar->time_ms)) return ERROR_CORRUPT;
    if (!fixed64_take(rest, &bits) || !varint_take(rest, &count)) return ERROR_CORRUPT;
    if (count > EXEMPLAR_LABELS_MAX) return ERROR_CORRUPT;
    struct label *items = ARENA_ARRAY(arena, struct label, count + 1);
    if (items == NULL) return ERROR_LIMIT;
    for (uint64_t i = 0; i < count; i++) {
        if (!varint_take_bytes(rest, &items[i].name)) return ERROR_CORRUPT;
        if (!varint_take_bytes(rest, &items[i].value)) return ERROR_CORRUPT;
    }
    item->series = (uint32_t)series;
    exemplar->value = sample_from_bits(bits);
    exemplar->labels = (struct labels){ items, (size_t)count };
    return 0;
}

static int take_exemplars(struct str rest, struct arena *arena, struct payload_exemplars *exemplars)
{
    uint64_t count;
    if (!varint_take(&rest, &count) || count > rest.size) return ERROR_CORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        struct payload_exemplar item = { 0 };
        int code = take_exemplar(&rest, arena, &item);
        if (code != 0) return code;
        if (!VEC_PUSH(exemplars, item)) return -ENOMEM;
    }
    return rest.size == 0 ? 0 : ERROR_CORRUPT;
}

int payload_take_sections(struct str rest, const int64_t *times, size_t count, struct arena *arena,
                          struct payload_sections *sections)
{
    while (rest.size > 0) {
        int tag = (unsigned char)rest.data[0];
        struct str bytes;
        rest = str_skip(rest, 1);
        if (!varint_take_bytes(&rest, &bytes)) return ERROR_CORRUPT;
        int code = ERROR_CORRUPT;
        if (tag == SECTION_EXTRAS && sections->extras.count == 0) {
            code = take_extras(bytes, times, count, arena, &sections->extras);
        } else if (tag == SECTION_EXEMPLARS && sections->exemplars.count == 0) {
            code = take_exemplars(bytes, arena, &sections->exemplars);
        } else if (tag == SECTION_LATE && bytes.size == 0) {
            sections->takes_late = true;
            code = 0;
        }
        if (code != 0) return code;
    }
    return 0;
}

void payload_sections_release(struct payload_sections *sections)
{
    VEC_RELEASE(&sections->extras);
    VEC_RELEASE(&sections->exemplars);
}

const struct extra *payload_extra_at(const struct payload_extras *extras, size_t *next,
                                     size_t sample)
{
    while (*next < extras->count && extras->items[*next].sample < sample) ++*next;
    if (*next == extras->count || extras->items[*next].sample != sample) return NULL;
    return &extras->items[*next].extra;
}
