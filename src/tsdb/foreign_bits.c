/* foreign_bits.c - the codes that Prometheus' chunks are made of. */
#include "tsdb/foreign_bits.h"

#include "base/check.h"
#include "codec/varint.h"

#include <stdlib.h>

uint64_t foreign_read_bits(struct foreign_reader *reader, unsigned count)
{
    CHECK(count <= 64);
    if (count > reader->bytes.size * 8 - reader->at) {
        reader->has_failed = true;
        reader->at = reader->bytes.size * 8;
        return 0;
    }
    uint64_t bits = 0;
    while (count > 0) {
        unsigned left = 8 - (unsigned)(reader->at % 8);
        unsigned step = left < count ? left : count;
        unsigned byte = (unsigned char)reader->bytes.data[reader->at / 8];
        bits = bits << step | (byte >> (left - step) & ((1u << step) - 1));
        reader->at += step;
        count -= step;
    }
    return bits;
}

uint64_t foreign_read_uvarint(struct foreign_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = foreign_read_bits(reader, 8);
        value |= (byte & 127) << shift;
        if (byte < 128) return value;
    }
    reader->has_failed = true;
    return 0;
}

int64_t foreign_read_varint(struct foreign_reader *reader)
{
    return unzigzag(foreign_read_uvarint(reader));
}

/* How many bits a number has, by the count of ones in front of it. */
static const unsigned varbit_sizes[] = { 0, 3, 6, 9, 12, 18, 25, 56, 64 };
static const unsigned time_sizes[] = { 0, 14, 17, 20, 64 };

static unsigned read_class(struct foreign_reader *reader, unsigned class_max)
{
    unsigned ones = 0;
    while (ones < class_max && foreign_read_bits(reader, 1) == 1) ones++;
    return ones;
}

/* The positive side is one longer than the negative. */
static int64_t to_signed(uint64_t bits, unsigned size)
{
    if (size > 0 && size < 64 && bits > UINT64_C(1) << (size - 1)) bits -= UINT64_C(1) << size;
    return (int64_t)bits;
}

int64_t foreign_read_varbit(struct foreign_reader *reader)
{
    unsigned size = varbit_sizes[read_class(reader, ARRAY_LENGTH(varbit_sizes) - 1)];
    return to_signed(foreign_read_bits(reader, size), size);
}

uint64_t foreign_read_varbit_uint(struct foreign_reader *reader)
{
    unsigned size = varbit_sizes[read_class(reader, ARRAY_LENGTH(varbit_sizes) - 1)];
    return foreign_read_bits(reader, size);
}

int64_t foreign_read_time_step(struct foreign_reader *reader)
{
    unsigned size = time_sizes[read_class(reader, ARRAY_LENGTH(time_sizes) - 1)];
    return to_signed(foreign_read_bits(reader, size), size);
}

void foreign_read_xor(struct foreign_reader *reader, struct foreign_xor *value)
{
    if (foreign_read_bits(reader, 1) == 0) return;
    if (foreign_read_bits(reader, 1) == 1) {
        unsigned leading = (unsigned)foreign_read_bits(reader, 5);
        unsigned size = (unsigned)foreign_read_bits(reader, 6);
        if (size == 0) size = 64;
        if (leading + size > 64) {
            reader->has_failed = true;
            return;
        }
        value->leading = leading;
        value->trailing = 64 - leading - size;
    } else if (value->leading == 255) {
        value->leading = value->trailing = 0;
    }
    uint64_t bits = foreign_read_bits(reader, 64 - value->leading - value->trailing);
    value->bits ^= bits << value->trailing;
}

void foreign_write_bits(struct foreign_writer *writer, uint64_t bits, unsigned count)
{
    while (count > 0 && !writer->out->has_failed) {
        if (writer->free_bits == 0) {
            buf_append_char(writer->out, 0);
            writer->free_bits = 8;
            continue;
        }
        unsigned step = writer->free_bits < count ? writer->free_bits : count;
        unsigned part = (unsigned)(bits >> (count - step)) & ((1u << step) - 1);
        char *last = &writer->out->data[writer->out->size - 1];
        *last = (char)((unsigned char)*last | part << (writer->free_bits - step));
        writer->free_bits -= step;
        count -= step;
    }
}

void foreign_write_uvarint(struct foreign_writer *writer, uint64_t value)
{
    for (; value >= 128; value >>= 7) foreign_write_bits(writer, (value & 127) | 128, 8);
    foreign_write_bits(writer, value, 8);
}

void foreign_write_varint(struct foreign_writer *writer, int64_t value)
{
    foreign_write_uvarint(writer, zigzag(value));
}

static void write_class(struct foreign_writer *writer, unsigned class, unsigned class_max)
{
    for (unsigned i = 0; i < class; i++) foreign_write_bits(writer, 1, 1);
    if (class < class_max) foreign_write_bits(writer, 0, 1);
}

static bool fits(int64_t value, unsigned size)
{
    if (size == 0) return value == 0;
    if (size >= 64) return true;
    int64_t half = INT64_C(1) << (size - 1);
    return value > -half && value <= half;
}

static void write_signed(struct foreign_writer *writer, int64_t value, const unsigned *sizes,
                         unsigned class_max)
{
    unsigned class = 0;
    while (!fits(value, sizes[class])) class ++;
    write_class(writer, class, class_max);
    foreign_write_bits(writer, (uint64_t)value, sizes[class]);
}

void foreign_write_varbit(struct foreign_writer *writer, int64_t value)
{
    write_signed(writer, value, varbit_sizes, ARRAY_LENGTH(varbit_sizes) - 1);
}

void foreign_write_time_step(struct foreign_writer *writer, int64_t value)
{
    write_signed(writer, value, time_sizes, ARRAY_LENGTH(time_sizes) - 1);
}

void foreign_write_varbit_uint(struct foreign_writer *writer, uint64_t value)
{
    unsigned class = 0;
    while (varbit_sizes[class] < 64 && value >> varbit_sizes[class] != 0) class ++;
    write_class(writer, class, ARRAY_LENGTH(varbit_sizes) - 1);
    foreign_write_bits(writer, value, varbit_sizes[class]);
}

void foreign_write_xor(struct foreign_writer *writer, struct foreign_xor *value, uint64_t bits)
{
    enum { LEADING_MAX = 31 };
    uint64_t change = value->bits ^ bits;
    value->bits = bits;
    foreign_write_bits(writer, change != 0, 1);
    if (change == 0) return;
    unsigned leading = (unsigned)__builtin_clzll(change);
    unsigned trailing = (unsigned)__builtin_ctzll(change);
    if (leading > LEADING_MAX) leading = LEADING_MAX;
    bool is_inside =
        value->leading != 255 && leading >= value->leading && trailing >= value->trailing;
    foreign_write_bits(writer, !is_inside, 1);
    if (!is_inside) {
        value->leading = leading;
        value->trailing = trailing;
        foreign_write_bits(writer, leading, 5);
        foreign_write_bits(writer, 64 - leading - trailing, 6); /* 64 is written as 0 */
    }
    foreign_write_bits(writer, change >> value->trailing, 64 - value->leading - value->trailing);
}
