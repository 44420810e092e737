/* merge_values.c - columns of numbers of several segments, one behind the other. */
#include "base/check.h"
#include "logstore/merge_parts.h"

#include <string.h>

/* The document in the input of a value. */
static uint32_t document_of(const struct logstore_column *column, uint32_t value)
{
    return column->is_dense ? value : (uint32_t)packed_get(&column->presence_packed, value);
}

static size_t value_count(const struct merge_column *column, size_t input_count)
{
    size_t count = 0;
    for (size_t i = 0; i < input_count; i++) {
        if (column->parts[i] != NULL) count += column->parts[i]->value_count;
    }
    return count;
}

static int64_t value_at(const struct logstore_column *column, uint32_t value, bool is_real)
{
    int64_t bits;
    if (!is_real) return packed_get(&column->values_packed, value);
    memcpy(&bits, column->values.bytes.data + (size_t)value * 8, sizeof(bits));
    return bits;
}

/* Puts the values of live documents, or their documents, into writer->numbers; how many. */
static size_t gather(struct merge *merge, const struct merge_column *column, bool documents)
{
    bool is_real = logstore_column_kind(column->first) == LOGSTORE_COLUMN_REAL;
    size_t count = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct logstore_column *part = column->parts[i];
        if (part == NULL) continue;
        for (uint32_t k = 0; k < part->value_count; k++) {
            uint32_t number = merge->inputs[i].new_numbers[document_of(part, k)];
            if (number == UINT32_MAX) continue;
            merge->writer.numbers[count++] = documents ? number : value_at(part, k, is_real);
        }
    }
    return count;
}

int merge_numbers(struct merge *merge, struct merge_column *column)
{
    struct segment_writer *writer = &merge->writer;
    if (!segment_numbers(writer, value_count(column, merge->input_count))) {
        return segment_out_of_memory(writer);
    }
    size_t count = gather(merge, column, false);
    int code;
    if (logstore_column_kind(column->first) == LOGSTORE_COLUMN_REAL) {
        segment_section_begin(writer);
        buf_append(writer->out, writer->numbers, count * sizeof(*writer->numbers));
        code = segment_section_end(writer, SEGMENT_VALUES, column->number);
    } else {
        for (size_t i = 0; i < count; i++) {
            int64_t value = writer->numbers[i];
            if (i == 0 || value < column->row.least) column->row.least = value;
            if (i == 0 || value > column->row.most) column->row.most = value;
        }
        code = segment_write_packed(writer, SEGMENT_VALUES, column->number, count);
    }
    if (code < 0) return code;
    count = gather(merge, column, true);
    return merge_presence(merge, column, count);
}
