/* relatives.c - finds, while a block is written, series whose counts go along with another's. */
#include "tsdb/relatives.h"

#include "base/check.h"
#include "tsdb/column.h"

#include <stdlib.h>

enum { KEY_SIZE_MAX = 1 << 16 };

struct relative_chunk {
    uint32_t times;
    uint32_t size;
    char *values; /* the column's bytes */
};

struct relative {
    uint32_t series;
    VEC(struct relative_chunk) chunks;
};

static void relative_free(struct relative *relative)
{
    for (size_t i = 0; i < relative->chunks.count; i++) free(relative->chunks.items[i].values);
    VEC_RELEASE(&relative->chunks);
    free(relative);
}

static void forget_all(struct relatives *relatives)
{
    size_t position = 0;
    struct str key;
    void *value;
    while (map_next(&relatives->counts, &position, &key, &value)) relative_free(value);
    map_release(&relatives->counts);
    relatives->counts = (struct map){ 0 };
    relatives->size = 0;
    relatives->found = NULL;
}

void relatives_init(struct relatives *relatives)
{
    *relatives = (struct relatives){ 0 };
    buf_init(&relatives->key, KEY_SIZE_MAX);
}

void relatives_release(struct relatives *relatives)
{
    forget_all(relatives);
    buf_release(&relatives->key);
}

/* Makes the key; false: the labels are none of a histogram's. */
static bool make_key(struct relatives *relatives, struct labels labels, bool *is_count)
{
    static const struct str bucket = STR_INIT("_bucket");
    static const struct str count = STR_INIT("_count");
    struct str le = labels_get(labels, STR("le"));
    struct str name = labels_get(labels, STR("__name__"));
    bool is_bucket = le.size > 0 && str_ends_with(name, bucket);
    if (!is_bucket && (le.size > 0 || !str_ends_with(name, count))) return false;
    *is_count = is_bucket && str_equal(le, STR("+Inf"));
    buf_reset(&relatives->key);
    for (size_t i = 0; i < labels.count; i++) {
        const struct label *label = &labels.items[i];
        struct str value = label->value;
        if (str_equal(label->name, STR("le"))) continue;
        if (str_equal(label->name, STR("__name__"))) {
            value = str_first(value, value.size - (is_bucket ? bucket.size : count.size));
        }
        buf_append_str(&relatives->key, label->name);
        buf_append_char(&relatives->key, '\xff'); /* in no UTF-8 */
        buf_append_str(&relatives->key, value);
        buf_append_char(&relatives->key, '\xff');
    }
    return !relatives->key.has_failed;
}

enum relatives_role relatives_look(struct relatives *relatives, struct labels labels,
                                   uint32_t series)
{
    bool is_count;
    relatives->found = NULL;
    relatives->series = series;
    if (!make_key(relatives, labels, &is_count)) return RELATIVES_NONE;
    if (!is_count) {
        relatives->found = map_get(&relatives->counts, buf_str(&relatives->key));
        return relatives->found == NULL ? RELATIVES_NONE : RELATIVES_BUCKET;
    }
    if (relatives->size > RELATIVES_SIZE_MAX) forget_all(relatives);
    struct relative *relative = calloc(1, sizeof(*relative));
    if (relative == NULL) return RELATIVES_NONE;
    relative->series = series;
    /* Labels come once each: nothing of that key is there. */
    if (map_has(&relatives->counts, buf_str(&relatives->key)) ||
        map_put(&relatives->counts, buf_str(&relatives->key), relative) != 0) {
        free(relative);
        return RELATIVES_NONE;
    }
    relatives->size += sizeof(*relative) + sizeof(struct map_entry) + relatives->key.size;
    relatives->found = relative;
    return RELATIVES_COUNT;
}

void relatives_keep(struct relatives *relatives, uint32_t times, struct str values)
{
    CHECK(relatives->found != NULL);
    struct relative_chunk chunk = { times, (uint32_t)values.size, str_copy(values) };
    if (chunk.values == NULL || !VEC_PUSH(&relatives->found->chunks, chunk)) {
        free(chunk.values); /* those behind it are not found then, for their times are others */
        return;
    }
    relatives->size += sizeof(chunk) + values.size;
}

uint32_t relatives_numbers(const struct relatives *relatives, uint32_t place, uint32_t times,
                           int64_t *numbers, size_t count)
{
    const struct relative *relative = relatives->found;
    CHECK(relative != NULL);
    if (place >= relative->chunks.count || relatives->series <= relative->series) return 0;
    const struct relative_chunk *chunk = &relative->chunks.items[place];
    if (chunk->times != times) return 0;
    struct str bytes = { chunk->values, chunk->size };
    if (!column_decode_integers(bytes, numbers, count, count)) return 0;
    return relatives->series - relative->series;
}
