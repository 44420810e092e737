/* column.c - arrays of numbers in few bytes.
 *
 * FORMAT   numbers: order u8 (0, 1, 2 = how many times differences were taken, 3 = even steps),
 *          then `order` start numbers (zigzag varints), then blocks of up to 64 residuals:
 *            width u8, least residual (zigzag varint), (residual - least) in `width` bits each,
 *            low bits first, padded to a whole byte
 *          even steps (order 3): first number and step (zigzag varints), nothing else.
 *          values: kind u8, then
 *            0 constant: 8 bytes
 *            1 decimal:  exponent u8, exception count varint, exceptions (index varint, 8 bytes),
 *                        numbers: value = number / 10^exponent
 *            2 xor:      first value 8 bytes, then blocks of up to 64: leading zero bits u8,
 *                        trailing zero bits u8, middle bits of value xor the one before
 * WHY      What a machine counts are integers, and what it measures mostly has few decimals. A
 *          quotient of an integer below 2^53 and a power of ten up to 10^15 is correctly rounded,
 *          so number / 10^exponent gives back the very bits; the writer checks each.
 */
#include "tsdb/column.h"

#include "base/check.h"
#include "codec/varint.h"

#include <string.h>

enum {
    BLOCK = 64,
    ORDER_EVEN = 3,
    KIND_CONSTANT = 0,
    KIND_DECIMAL = 1,
    KIND_XOR = 2,
    EXPONENT_MAX = 15,
    PADDING = 8, /* a reader loads whole words */
};

static const double powers[EXPONENT_MAX + 1] = { 1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };

static unsigned width_of(uint64_t number)
{
    return number == 0 ? 0 : 64 - (unsigned)__builtin_clzll(number);
}

static size_t packed_size(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}

/* Bits into bytes. `bytes` has room for PADDING more. */
static void pack(unsigned char *bytes, const uint64_t *numbers, size_t count, unsigned width)
{
    uint64_t word = 0;
    unsigned used = 0;
    for (size_t i = 0; i < count; i++) {
        word |= numbers[i] << used;
        used += width;
        if (used < 64) continue;
        memcpy(bytes, &word, 8);
        bytes += 8;
        used -= 64;
        word = used == 0 ? 0 : numbers[i] >> (width - used);
    }
    memcpy(bytes, &word, (used + 7) / 8);
}

/* Loads go up to PADDING bytes past the packed ones. */
static void unpack(const unsigned char *bytes, uint64_t *numbers, size_t count, unsigned width)
{
    if (width == 0) {
        memset(numbers, 0, count * sizeof(numbers[0]));
        return;
    }
    uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    size_t bit = 0;
    if (width <= 56) {
        for (size_t i = 0; i < count; i++, bit += width) {
            uint64_t word;
            memcpy(&word, bytes + bit / 8, 8);
            numbers[i] = (word >> (bit % 8)) & mask;
        }
        return;
    }
    for (size_t i = 0; i < count; i++, bit += width) {
        uint64_t word;
        memcpy(&word, bytes + bit / 8, 8);
        unsigned shift = bit % 8;
        uint64_t number = word >> shift;
        if (shift > 0) number |= (uint64_t)bytes[bit / 8 + 8] << (64 - shift);
        numbers[i] = number & mask;
    }
}

static void append_packed(struct buf *out, const uint64_t *numbers, size_t count, unsigned width)
{
    if (width == 0) return;
    size_t size = packed_size(count, width);
    char *to = buf_reserve(out, size + PADDING);
    if (to == NULL) return;
    pack((unsigned char *)to, numbers, count, width);
    out->size += size;
}

static bool take_packed(struct str *rest, uint64_t *numbers, size_t count, unsigned width)
{
    size_t size = packed_size(count, width);
    if (rest->size < size) return false;
    if (rest->size >= size + PADDING) {
        unpack((const unsigned char *)rest->data, numbers, count, width);
    } else {
        unsigned char padded[BLOCK * 8 + PADDING] = { 0 };
        CHECK(size <= BLOCK * 8);
        memcpy(padded, rest->data, size);
        unpack(padded, numbers, count, width);
    }
    *rest = str_skip(*rest, size);
    return true;
}

/* Residuals are differences in two's complement: they may wrap, and wrap back. */
static void residuals_of(const int64_t *numbers, size_t from, size_t count, unsigned order,
                         uint64_t *residuals)
{
    const uint64_t *n = (const uint64_t *)numbers + from;
    if (order == 0) {
        memcpy(residuals, n, count * sizeof(n[0]));
        return;
    }
    const uint64_t *before = n - 1;
    if (order == 1) {
        for (size_t i = 0; i < count; i++) residuals[i] = n[i] - before[i];
        return;
    }
    const uint64_t *twice = n - 2;
    for (size_t i = 0; i < count; i++) residuals[i] = n[i] - 2 * before[i] + twice[i];
}

static uint64_t least_of(const uint64_t *residuals, size_t count, unsigned *width)
{
    int64_t least = (int64_t)residuals[0];
    int64_t most = least;
    for (size_t i = 1; i < count; i++) {
        int64_t now = (int64_t)residuals[i];
        if (now < least) least = now;
        if (now > most) most = now;
    }
    *width = width_of((uint64_t)most - (uint64_t)least);
    return (uint64_t)least;
}

/* Bytes a column takes with differences of this order, near enough to choose by. */
static size_t size_with(const int64_t *numbers, size_t count, unsigned order)
{
    size_t size = 0;
    uint64_t residuals[BLOCK];
    for (size_t from = order; from < count; from += BLOCK) {
        size_t step = count - from < BLOCK ? count - from : BLOCK;
        residuals_of(numbers, from, step, order, residuals);
        unsigned width;
        uint64_t least = least_of(residuals, step, &width);
        size += 2 + packed_size(step, width) + width_of(zigzag((int64_t)least)) / 7;
    }
    return size;
}

static bool has_even_steps(const int64_t *numbers, size_t count)
{
    if (count == 0) return false;
    for (size_t i = 2; i < count; i++) {
        if ((uint64_t)numbers[i] - (uint64_t)numbers[i - 1] !=
            (uint64_t)numbers[1] - (uint64_t)numbers[0]) {
            return false;
        }
    }
    return true;
}

void column_encode_numbers(struct buf *out, const int64_t *numbers, size_t count)
{
    if (has_even_steps(numbers, count)) {
        buf_append_char(out, ORDER_EVEN);
        varint_append_signed(out, numbers[0]);
        uint64_t step = count > 1 ? (uint64_t)numbers[1] - (uint64_t)numbers[0] : 0;
        varint_append_signed(out, (int64_t)step);
        return;
    }
    unsigned order = 0;
    size_t best = count == 0 ? 0 : size_with(numbers, count, 0);
    for (unsigned i = 1; i <= 2 && i < count; i++) {
        size_t size = size_with(numbers, count, i);
        if (size >= best) continue;
        best = size;
        order = i;
    }
    buf_append_char(out, (char)order);
    for (unsigned i = 0; i < order; i++) varint_append_signed(out, numbers[i]);
    uint64_t residuals[BLOCK];
    for (size_t from = order; from < count; from += BLOCK) {
        size_t step = count - from < BLOCK ? count - from : BLOCK;
        residuals_of(numbers, from, step, order, residuals);
        unsigned width;
        uint64_t least = least_of(residuals, step, &width);
        for (size_t i = 0; i < step; i++) residuals[i] -= least;
        buf_append_char(out, (char)width);
        varint_append_signed(out, (int64_t)least);
        append_packed(out, residuals, step, width);
    }
}

static bool decode_even(struct str *rest, int64_t *numbers, size_t count)
{
    int64_t first;
    int64_t step;
    if (!varint_take_signed(rest, &first) || !varint_take_signed(rest, &step)) return false;
    uint64_t now = (uint64_t)first;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (int64_t)now;
        now += (uint64_t)step;
    }
    return true;
}

/* Adds up `count` differences behind numbers[-order .. -1]. */
static void restore(int64_t *numbers, const uint64_t *residuals, size_t count, unsigned order,
                    uint64_t least)
{
    if (order == 0) {
        for (size_t i = 0; i < count; i++) numbers[i] = (int64_t)(residuals[i] + least);
        return;
    }
    uint64_t now = (uint64_t)numbers[-1];
    if (order == 1) {
        for (size_t i = 0; i < count; i++) {
            now += residuals[i] + least;
            numbers[i] = (int64_t)now;
        }
        return;
    }
    uint64_t step = now - (uint64_t)numbers[-2];
    for (size_t i = 0; i < count; i++) {
        step += residuals[i] + least;
        now += step;
        numbers[i] = (int64_t)now;
    }
}

static bool decode_blocks(struct str *rest, int64_t *numbers, size_t count, unsigned order)
{
    for (unsigned i = 0; i < order; i++) {
        if (!varint_take_signed(rest, &numbers[i])) return false;
    }
    uint64_t residuals[BLOCK];
    for (size_t from = order; from < count; from += BLOCK) {
        size_t step = count - from < BLOCK ? count - from : BLOCK;
        if (rest->size == 0) return false;
        unsigned width = (unsigned char)rest->data[0];
        *rest = str_skip(*rest, 1);
        int64_t least;
        if (width > 64 || !varint_take_signed(rest, &least)) return false;
        if (!take_packed(rest, residuals, step, width)) return false;
        restore(numbers + from, residuals, step, order, (uint64_t)least);
    }
    return true;
}

bool column_decode_numbers(struct str *rest, int64_t *numbers, size_t count)
{
    if (rest->size == 0) return false;
    struct str after = str_skip(*rest, 1);
    unsigned order = (unsigned char)rest->data[0];
    bool is_good = false;
    if (order == ORDER_EVEN) {
        is_good = decode_even(&after, numbers, count);
    } else if (order <= 2 && order <= count) {
        is_good = decode_blocks(&after, numbers, count, order);
    }
    if (is_good) *rest = after;
    return is_good;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Whether number / 10^exponent is the value, bit by bit. */
static bool scale(double value, unsigned exponent, int64_t *number)
{
    double scaled = value * powers[exponent];
    if (!(scaled > -9007199254740992.0 && scaled < 9007199254740992.0)) return false;
    int64_t whole = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    double back = exponent == 0 ? (double)whole : (double)whole / powers[exponent];
    if (bits_of(back) != bits_of(value)) return false;
    *number = whole;
    return true;
}

/* What a column is as decimals. */
struct decimals {
    unsigned exponent;
    size_t misses;
    int64_t numbers[COLUMN_VALUES_MAX];
    bool is_missing[COLUMN_VALUES_MAX];
};

/* Numbers with the exponent there is, from `from` on; raised by a value that needs more digits.
 * False when too many are no decimals. Returns at the end, or at the value that raised it. */
static bool scale_from(struct decimals *decimals, const double *values, size_t *at, size_t count)
{
    for (size_t i = *at; i < count; i++) {
        decimals->is_missing[i] = !scale(values[i], decimals->exponent, &decimals->numbers[i]);
        if (!decimals->is_missing[i]) continue;
        unsigned more = decimals->exponent + 1;
        int64_t number;
        while (more <= EXPONENT_MAX && !scale(values[i], more, &number)) more++;
        if (more <= EXPONENT_MAX) {
            decimals->exponent = more;
            *at = i;
            return true;
        }
        decimals->numbers[i] = i > 0 ? decimals->numbers[i - 1] : 0;
        if (++decimals->misses > count / 8 + 1) return false;
    }
    *at = count;
    return true;
}

static bool find_decimals(struct decimals *decimals, const double *values, size_t count)
{
    decimals->exponent = 0;
    decimals->misses = 0;
    unsigned exponent = 0; /* of the numbers so far */
    size_t at = 0;
    while (at < count) {
        if (!scale_from(decimals, values, &at, count)) return false;
        if (at == count && decimals->exponent == exponent) break;
        if (decimals->exponent != exponent) {
            exponent = decimals->exponent;
            decimals->misses = 0;
            at = 0; /* again, with more digits: at most EXPONENT_MAX times, mostly once */
        }
    }
    return true;
}

static bool encode_decimal(struct buf *out, const double *values, size_t count)
{
    struct decimals decimals;
    if (!find_decimals(&decimals, values, count)) return false;
    /* A gap at the front takes what follows, so that it costs no step. */
    size_t first = 0;
    while (first < count && decimals.is_missing[first]) first++;
    for (size_t i = 0; first < count && i < first; i++) {
        decimals.numbers[i] = decimals.numbers[first];
    }
    buf_append_char(out, KIND_DECIMAL);
    buf_append_char(out, (char)decimals.exponent);
    varint_append(out, decimals.misses);
    for (size_t i = 0; decimals.misses > 0 && i < count; i++) {
        if (!decimals.is_missing[i]) continue;
        varint_append(out, i);
        fixed64_append(out, bits_of(values[i]));
    }
    column_encode_numbers(out, decimals.numbers, count);
    return true;
}

static void encode_xor(struct buf *out, const double *values, size_t count)
{
    buf_append_char(out, KIND_XOR);
    fixed64_append(out, bits_of(values[0]));
    uint64_t parts[BLOCK];
    for (size_t from = 1; from < count; from += BLOCK) {
        size_t step = count - from < BLOCK ? count - from : BLOCK;
        uint64_t all = 0;
        for (size_t i = 0; i < step; i++) {
            parts[i] = bits_of(values[from + i]) ^ bits_of(values[from + i - 1]);
            all |= parts[i];
        }
        unsigned leading = all == 0 ? 64 : (unsigned)__builtin_clzll(all);
        unsigned trailing = all == 0 ? 0 : (unsigned)__builtin_ctzll(all);
        for (size_t i = 0; i < step; i++) parts[i] >>= trailing;
        buf_append_char(out, (char)leading);
        buf_append_char(out, (char)trailing);
        append_packed(out, parts, step, 64 - leading - trailing);
    }
}

void column_encode_values(struct buf *out, const double *values, size_t count)
{
    CHECK(count <= COLUMN_VALUES_MAX);
    bool is_constant = true;
    for (size_t i = 1; i < count && is_constant; i++) {
        is_constant = bits_of(values[i]) == bits_of(values[0]);
    }
    if (is_constant) {
        buf_append_char(out, KIND_CONSTANT);
        fixed64_append(out, count == 0 ? 0 : bits_of(values[0]));
        return;
    }
    size_t start = out->size;
    if (encode_decimal(out, values, count)) {
        /* Decimals that leap about can be longer than the plain bits. */
        if (out->size - start < count * 8) return;
        buf_truncate(out, start);
    }
    encode_xor(out, values, count);
}

static bool decode_decimal(struct str *rest, double *values, size_t count)
{
    if (rest->size == 0) return false;
    unsigned exponent = (unsigned char)rest->data[0];
    *rest = str_skip(*rest, 1);
    uint64_t misses;
    if (exponent > EXPONENT_MAX || !varint_take(rest, &misses) || misses > count) return false;
    struct str exceptions = *rest;
    uint64_t index;
    uint64_t bits;
    for (uint64_t i = 0; i < misses; i++) {
        if (!varint_take(rest, &index) || !fixed64_take(rest, &bits)) return false;
        if (index >= count) return false;
    }
    int64_t numbers[COLUMN_VALUES_MAX];
    if (!column_decode_numbers(rest, numbers, count)) return false;
    if (exponent == 0) {
        for (size_t i = 0; i < count; i++) values[i] = (double)numbers[i];
    } else {
        for (size_t i = 0; i < count; i++) values[i] = (double)numbers[i] / powers[exponent];
    }
    for (uint64_t i = 0; i < misses; i++) {
        bool is_good = varint_take(&exceptions, &index) && fixed64_take(&exceptions, &bits);
        CHECK(is_good);
        values[index] = from_bits(bits);
    }
    return true;
}

static bool decode_xor(struct str *rest, double *values, size_t count)
{
    uint64_t bits;
    if (count == 0 || !fixed64_take(rest, &bits)) return false;
    values[0] = from_bits(bits);
    uint64_t parts[BLOCK];
    for (size_t from = 1; from < count; from += BLOCK) {
        size_t step = count - from < BLOCK ? count - from : BLOCK;
        if (rest->size < 2) return false;
        unsigned leading = (unsigned char)rest->data[0];
        unsigned trailing = (unsigned char)rest->data[1];
        *rest = str_skip(*rest, 2);
        if (leading > 64 || trailing > 63 || leading + trailing > 64) return false;
        if (!take_packed(rest, parts, step, 64 - leading - trailing)) return false;
        for (size_t i = 0; i < step; i++) {
            bits ^= parts[i] << trailing;
            values[from + i] = from_bits(bits);
        }
    }
    return true;
}

bool column_decode_values(struct str *rest, double *values, size_t count)
{
    if (rest->size == 0 || count > COLUMN_VALUES_MAX) return false;
    struct str after = str_skip(*rest, 1);
    bool is_good = false;
    uint64_t bits;
    switch ((unsigned char)rest->data[0]) {
    case KIND_CONSTANT:
        is_good = fixed64_take(&after, &bits);
        for (size_t i = 0; is_good && i < count; i++) values[i] = from_bits(bits);
        break;
    case KIND_DECIMAL: is_good = decode_decimal(&after, values, count); break;
    case KIND_XOR: is_good = decode_xor(&after, values, count); break;
    default: break;
    }
    if (is_good) *rest = after;
    return is_good;
}
