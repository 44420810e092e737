/* sourced.c - keyword columns without a dictionary: their values are read from the sources when an
 * aggregation or a sort asks for ordinals, and given back when no snapshot looks any more.
 */
#include "base/check.h"
#include "logstore/builder.h"
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
    column->made_terms_size = values_at;
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
