/* sourced.c - keyword columns without a dictionary: their values are read from the sources when an
 * aggregation or a sort asks for ordinals, and given back when no snapshot looks any more; or they
 * are handed on one by one to who needs no ordinals.
 */
#include "base/check.h"
#include "logstore/builder.h"
#include "logstore/filter_run.h"
#include "logstore/reader.h"

#include <errno.h>
#include <stdlib.h>

struct making {
    const struct logstore_column *column;
    struct builder_field field;
    bool has_failed;
};

static int add_value(void *argument, uint32_t document, struct str text)
{
    struct making *making = argument;
    if (!keyword_is_kept(text, making->column->ignore_above)) return 0;
    making->has_failed |= !builder_field_add(&making->field, document, text);
    return making->has_failed ? -ENOMEM : 0;
}

static int read_values(struct making *making, struct error *error)
{
    const struct logstore_column *column = making->column;
    struct value_reader *reader = NULL;
    uint64_t *wanted = segment_presence_bits(column);
    int code = wanted == NULL || value_reader_new(&reader) < 0
                   ? error_set(error, -ENOMEM, "read a column: out of memory")
                   : 0;
    for (uint32_t block = 0; code == 0 && block < segment_block_count(column->segment); block++) {
        code = value_reader_block(reader, column, block, wanted, NULL, add_value, making, error);
    }
    value_reader_free(reader);
    free(wanted);
    return code;
}

/* Terms and ordinals, one behind the other as sections are. */
static int encode(struct making *making, struct buf *out, size_t *values_at, struct error *error)
{
    size_t count = making->field.pairs.count;
    int64_t *values = malloc((count + 1) * sizeof(*values));
    if (values == NULL) return error_set(error, -ENOMEM, "read a column: out of memory");
    int code = builder_field_ordinals(&making->field, out, values, error);
    *values_at = out->size;
    if (code == 0) packed_write(values, count, out);
    free(values);
    if (code == 0 && out->has_failed) {
        code = error_set(error, -ENOMEM, "read a column: out of memory");
    }
    return code;
}

/* The values must be those that were there when the segment was written. */
static bool is_same(const struct making *making)
{
    const struct logstore_column *column = making->column;
    if (making->field.pairs.count != column->value_count) return false;
    for (uint32_t i = 0; i < column->value_count; i++) {
        int64_t document = column->is_dense ? i : packed_get(&column->presence_packed, i);
        if (making->field.pairs.items[i].document != document) return false;
    }
    return true;
}

static int make(struct logstore_column *column, struct error *error)
{
    struct making making = { .column = column };
    CLEANUP(buf_release) struct buf out = { 0 };
    buf_init(&making.field.bytes, UINT32_MAX);
    buf_init(&out, SIZE_MAX);
    size_t values_at = 0;
    int code = read_values(&making, error);
    if (code == 0 && !is_same(&making)) {
        code = error_set(error, ERROR_CORRUPT,
                         "segment: sources do not hold the values of '" STR_FMT "'",
                         STR_ARG(column->path));
    }
    if (code == 0) code = encode(&making, &out, &values_at, error);
    builder_field_release(&making.field);
    if (code < 0) return code;
    size_t size;
    char *bytes = buf_take(&out, &size);
    struct str rest = { bytes + values_at, size - values_at };
    code = terms_open((struct str){ bytes, values_at }, false, &column->terms, error);
    if (code == 0 && !packed_open(&rest, &column->values_packed)) code = ERROR_CORRUPT;
    if (code < 0) {
        free(bytes);
        return code;
    }
    column->made = bytes;
    return 0;
}

int segment_column_make(struct logstore_column *column, struct error *error)
{
    mutex_lock(&column->segment->making);
    int code = column->made == NULL ? make(column, error) : 0;
    mutex_unlock(&column->segment->making);
    return code;
}

void segment_columns_forget(struct logstore_segment *segment)
{
    mutex_lock(&segment->making);
    for (size_t i = 0; i < segment->column_count; i++) {
        struct logstore_column *column = segment->columns[i];
        if (column == NULL || column->made == NULL) continue;
        terms_release(&column->terms);
        free(column->made);
        column->made = NULL;
        column->terms = (struct terms){ 0 };
        column->values_packed = (struct packed){ 0 };
    }
    mutex_unlock(&segment->making);
}

/* Values without ordinals ------------------------------------------------------------------ */

/* Hashes of one document's values: a table once there are two. */
struct seen {
    uint32_t document; /* UINT32_MAX: none yet */
    uint64_t first;
    size_t count;
    uint64_t *slots; /* 0: free */
    size_t slot_count;
};

#define SEEN_SLOTS_MIN  16
#define SEEN_SLOTS_KEPT 1024 /* from document to document */

static void seen_reset(struct seen *seen, uint32_t document)
{
    seen->document = document;
    if (seen->count > 1 && seen->slot_count > SEEN_SLOTS_KEPT) {
        free(seen->slots);
        seen->slots = NULL;
        seen->slot_count = 0;
    } else if (seen->count > 1) {
        for (size_t i = 0; i < seen->slot_count; i++) seen->slots[i] = 0;
    }
    seen->count = 0;
}

/* Whether it was not there; the table has room. */
static bool seen_put(uint64_t *slots, size_t slot_count, uint64_t hash)
{
    size_t at = hash & (slot_count - 1);
    while (slots[at] != 0 && slots[at] != hash) at = (at + 1) & (slot_count - 1);
    bool is_new = slots[at] == 0;
    slots[at] = hash;
    return is_new;
}

static bool seen_grow(struct seen *seen)
{
    size_t slot_count = seen->slot_count == 0 ? SEEN_SLOTS_MIN : seen->slot_count * 2;
    uint64_t *slots = calloc(slot_count, sizeof(*slots));
    if (slots == NULL) return false;
    for (size_t i = 0; i < seen->slot_count; i++) {
        if (seen->slots[i] != 0) (void)seen_put(slots, slot_count, seen->slots[i]);
    }
    free(seen->slots);
    seen->slots = slots;
    seen->slot_count = slot_count;
    return true;
}

/* 1 when the document at hand has not had the value, 0 when it has, -ENOMEM. */
static int seen_add(struct seen *seen, uint64_t hash)
{
    hash |= 1;
    if (seen->count == 0) {
        seen->first = hash;
        seen->count = 1;
        return 1;
    }
    bool is_full = seen->count * 2 >= seen->slot_count;
    if (is_full && !seen_grow(seen)) return -ENOMEM;
    if (seen->count == 1) (void)seen_put(seen->slots, seen->slot_count, seen->first);
    if (!seen_put(seen->slots, seen->slot_count, hash)) return 0;
    seen->count++;
    return 1;
}

struct walk {
    const struct logstore_column *column;
    const struct logstore_value_visitor *visitor;
    struct seen seen;
};

uint64_t logstore_term_hash(struct str term)
{
    return str_hash(term, UINT64_C(0x7465726d));
}

static int walk_value(void *argument, uint32_t document, struct str text)
{
    struct walk *walk = argument;
    if (!keyword_is_kept(text, walk->column->ignore_above)) return 0;
    uint64_t hash = logstore_term_hash(text);
    if (document != walk->seen.document) seen_reset(&walk->seen, document);
    int code = seen_add(&walk->seen, hash);
    return code <= 0 ? code : walk->visitor->visit(walk->visitor->argument, text, hash);
}

static int walk_blocks(struct walk *walk, const uint64_t *wanted,
                       struct logstore_filter_context *context, struct error *error)
{
    const struct logstore_segment *segment = walk->column->segment;
    struct value_reader *reader = NULL;
    int code = value_reader_new(&reader) < 0
                   ? error_set(error, -ENOMEM, "read a column: out of memory")
                   : 0;
    for (uint32_t block = 0; code == 0 && block < segment_block_count(segment); block++) {
        uint32_t start = (uint32_t)packed_get(&segment->block_first, block);
        uint32_t end = (uint32_t)packed_get(&segment->block_first, block + 1);
        if (wanted != NULL && !bits_have_any(wanted, start, end)) continue;
        context->scanned_blocks++;
        code =
            value_reader_block(reader, walk->column, block, wanted, NULL, walk_value, walk, error);
        if (code == 0) code = filter_context_check(context, error);
    }
    value_reader_free(reader);
    return code;
}

int logstore_values(const struct logstore_column *column, const uint32_t *documents, size_t count,
                    struct logstore_filter_context *context,
                    const struct logstore_value_visitor *visitor, struct error *error)
{
    CHECK(logstore_column_is_sourced(column));
    struct walk walk = { .column = column, .visitor = visitor };
    walk.seen.document = UINT32_MAX;
    uint64_t *wanted = NULL;
    if (!column->is_dense || count < column->segment->document_count) {
        wanted = segment_presence_bits(column);
        uint64_t *asked =
            calloc(LOGSTORE_BITS_WORDS(column->segment->document_count) + 1, sizeof(*asked));
        if (wanted == NULL || asked == NULL) {
            free(wanted);
            free(asked);
            return error_set(error, -ENOMEM, "read a column: out of memory");
        }
        for (size_t i = 0; i < count; i++) {
            asked[documents[i] / 64] |= UINT64_C(1) << (documents[i] % 64);
        }
        for (size_t i = 0; i < LOGSTORE_BITS_WORDS(column->segment->document_count); i++) {
            wanted[i] &= asked[i];
        }
        free(asked);
    }
    int code = walk_blocks(&walk, wanted, context, error);
    free(wanted);
    free(walk.seen.slots);
    return code;
}
