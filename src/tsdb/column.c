/* column.c - arrays of integers in few bytes.
 *
 * FORMAT   head u8: bits 0-1 order (0, 1, 2 = how many times differences were taken, 3 = even
 *          steps), bit 2 classes, bit 3 factor.
 *          even steps (order 3): first number and step (zigzag varints), nothing else.
 *          factor: first number (zigzag varint), factor (varint); what follows is a column with
 *          the same order of (number - first) / factor.
 *          then `order` start numbers (zigzag varints), then the residuals:
 *          blocks: for each 64 of them width u8, least residual (zigzag varint), (residual - least)
 *          in `width` bits each, low bits first, padded to a whole byte
 *          classes: as classes.c has it; at most 2,048 numbers
 * WHY      What rises evenly has small differences; what jumps is short as it is. Blocks are read
 *          with a load, a shift and a mask a number; classes are a third smaller.
 */
#include "tsdb/column.h"

#include "base/check.h"
#include "codec/varint.h"
#include "tsdb/bitpack.h"
#include "tsdb/classes.h"

#include <string.h>

enum {
    BLOCK = BITPACK_MAX,
    ORDER_COUNT = 3,
    ORDER_EVEN = 3,
    ORDER_MASK = 3,
    HAS_CLASSES = 4,
    HAS_FACTOR = 8,
    HEAD_LIMIT = 16,
    CLASSES_COUNT_MIN = 16,
    CLASSES_WORTH = 32,   /* classes are taken when they save this part: they are slower to read */
    FACTOR_COUNT_MIN = 4, /* of fewer numbers a factor saves nothing */
};

static unsigned width_of(uint64_t number)
{
    return number == 0 ? 0 : 64 - (unsigned)__builtin_clzll(number);
}

static void append_packed(struct buf *out, const uint64_t *numbers, size_t count, unsigned width)
{
    if (width == 0) return;
    size_t size = bitpack_size(count, width);
    char *to = buf_reserve(out, size + BITPACK_PADDING);
    if (to == NULL) return;
    bitpack_write((unsigned char *)to, numbers, count, width);
    out->size += size;
}

/* `numbers` has room for BLOCK. */
static bool take_packed(struct str *rest, uint64_t *numbers, size_t count, unsigned width)
{
    size_t size = bitpack_size(count, width);
    if (rest->size < size) return false;
    size_t loaded = bitpack_loaded_size(count, width);
    if (rest->size >= loaded) {
        bitpack_read((const unsigned char *)rest->data, numbers, count, width);
    } else {
        unsigned char padded[BLOCK * 8 + BITPACK_PADDING];
        CHECK(loaded <= sizeof(padded));
        memcpy(padded, rest->data, size);
        memset(padded + size, 0, loaded - size);
        bitpack_read(padded, numbers, count, width);
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

/* Bytes blocks take with differences of this order, near enough to choose by. */
static size_t size_with(const int64_t *numbers, size_t count, unsigned order)
{
    size_t size = 0;
    uint64_t residuals[BLOCK];
    for (size_t from = order; from < count; from += BLOCK) {
        size_t step = count - from < BLOCK ? count - from : BLOCK;
        residuals_of(numbers, from, step, order, residuals);
        unsigned width;
        uint64_t least = least_of(residuals, step, &width);
        size += 2 + bitpack_size(step, width) + width_of(zigzag((int64_t)least)) / 7;
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

/* What divides all differences from the first number; 1 mostly, and soon. */
static uint64_t factor_of(const int64_t *numbers, size_t count)
{
    uint64_t factor = 0;
    for (size_t i = 1; i < count && factor != 1; i++) {
        int64_t difference;
        if (__builtin_sub_overflow(numbers[i], numbers[0], &difference)) return 1;
        uint64_t a = difference < 0 ? 0 - (uint64_t)difference : (uint64_t)difference;
        while (a != 0) {
            uint64_t left = factor % a;
            factor = a;
            a = left;
        }
    }
    return factor == 0 ? 1 : factor;
}

static void append_blocks(struct buf *out, const int64_t *numbers, size_t count, unsigned order)
{
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

/* The order that gives the fewest bytes in blocks, and how many each gives. */
static unsigned best_order(const int64_t *numbers, size_t count, size_t *sizes)
{
    unsigned order = 0;
    sizes[0] = count == 0 ? 0 : size_with(numbers, count, 0);
    for (unsigned i = 1; i < ORDER_COUNT; i++) {
        sizes[i] = i < count ? size_with(numbers, count, i) : SIZE_MAX / 2;
        if (sizes[i] < sizes[order]) order = i;
    }
    return order;
}

/* The order that gives the fewest bytes in classes; the residuals with it. Orders that are much
 * longer in blocks are not looked at. */
static unsigned best_class_order(const int64_t *numbers, size_t count, const size_t *block_sizes,
                                 uint64_t *residuals, struct classes_plan *plan)
{
    size_t least = block_sizes[0];
    for (unsigned i = 1; i < ORDER_COUNT; i++) {
        if (block_sizes[i] < least) least = block_sizes[i];
    }
    unsigned order = ORDER_COUNT;
    uint64_t other[CLASSES_COUNT_MAX];
    for (unsigned i = 0; i < ORDER_COUNT; i++) {
        if (block_sizes[i] > least + least / 8) continue;
        struct classes_plan now;
        residuals_of(numbers, i, count - i, i, other);
        classes_guess(other, count - i, &now);
        if (order < ORDER_COUNT && now.size >= plan->size) continue;
        *plan = now;
        order = i;
        memcpy(residuals, other, (count - i) * sizeof(other[0]));
    }
    classes_improve(residuals, count - order, plan);
    return order;
}

static void append_column(struct buf *out, const int64_t *numbers, size_t count, unsigned head,
                          enum column_effort effort, size_t head_place)
{
    uint64_t residuals[CLASSES_COUNT_MAX];
    struct classes_plan plan;
    size_t sizes[ORDER_COUNT];
    unsigned order = best_order(numbers, count, sizes);
    size_t block_size = sizes[order];
    bool has_classes = false;
    if (effort == COLUMN_SMALL && count >= CLASSES_COUNT_MIN && count <= CLASSES_COUNT_MAX) {
        unsigned class_order = best_class_order(numbers, count, sizes, residuals, &plan);
        has_classes = plan.size < block_size - block_size / CLASSES_WORTH;
        if (has_classes) order = class_order;
    }
    head |= order | (has_classes ? HAS_CLASSES : 0);
    if (!out->has_failed) out->data[head_place] = (char)head;
    for (unsigned i = 0; i < order; i++) varint_append_signed(out, numbers[i]);
    if (has_classes) {
        classes_encode(out, residuals, count - order, &plan);
    } else {
        append_blocks(out, numbers, count, order);
    }
}

static void append_with_factor(struct buf *out, const int64_t *numbers, size_t count,
                               uint64_t factor, enum column_effort effort)
{
    int64_t reduced[CLASSES_COUNT_MAX];
    CHECK(count <= CLASSES_COUNT_MAX);
    for (size_t i = 0; i < count; i++) {
        reduced[i] = (numbers[i] - numbers[0]) / (int64_t)factor;
    }
    size_t place = out->size;
    buf_append_char(out, 0);
    varint_append_signed(out, numbers[0]);
    varint_append(out, factor);
    append_column(out, reduced, count, HAS_FACTOR, effort, place);
}

void column_write_numbers(struct buf *out, const int64_t *numbers, size_t count,
                          enum column_effort effort)
{
    if (has_even_steps(numbers, count)) {
        buf_append_char(out, ORDER_EVEN);
        varint_append_signed(out, numbers[0]);
        uint64_t step = count > 1 ? (uint64_t)numbers[1] - (uint64_t)numbers[0] : 0;
        varint_append_signed(out, (int64_t)step);
        return;
    }
    uint64_t factor = 1;
    if (count >= FACTOR_COUNT_MIN && count <= CLASSES_COUNT_MAX) factor = factor_of(numbers, count);
    if (factor > 1 && factor <= INT64_MAX) {
        append_with_factor(out, numbers, count, factor, effort);
    } else {
        size_t place = out->size;
        buf_append_char(out, 0);
        append_column(out, numbers, count, 0, effort, place);
    }
}

void column_encode_numbers(struct buf *out, const int64_t *numbers, size_t count)
{
    column_write_numbers(out, numbers, count, COLUMN_FAST);
}

static bool decode_even(struct str *rest, int64_t *numbers, size_t count)
{
    int64_t first;
    int64_t step;
    if (!varint_take_signed(rest, &first) || !varint_take_signed(rest, &step)) return false;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (int64_t)((uint64_t)first + i * (uint64_t)step);
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

/* `wanted` of the numbers at least: blocks are read whole. */
static bool decode_blocks(struct str *rest, int64_t *numbers, size_t count, unsigned order,
                          size_t wanted)
{
    uint64_t residuals[BLOCK];
    for (size_t from = order; from < wanted; from += BLOCK) {
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

static bool decode_classes(struct str *rest, int64_t *numbers, size_t count, unsigned order,
                           size_t wanted)
{
    uint64_t residuals[CLASSES_COUNT_MAX];
    if (count - order == 0 || count - order > CLASSES_COUNT_MAX) return false;
    bool is_good = wanted == count
                       ? classes_decode(rest, residuals, count - order)
                       : classes_decode_first(*rest, residuals, count - order, wanted - order);
    if (!is_good) return false;
    restore(numbers + order, residuals, wanted - order, order, 0);
    return true;
}

/* The first `wanted` of the numbers, and perhaps some more. Of less than all *rest is left
 * anywhere. */
static bool decode(struct str *rest, int64_t *numbers, size_t count, unsigned head, size_t wanted)
{
    unsigned order = head & ORDER_MASK;
    int64_t first = 0;
    uint64_t factor = 1;
    if (order == ORDER_EVEN) return head == ORDER_EVEN && decode_even(rest, numbers, wanted);
    if (head >= HEAD_LIMIT || order > count) return false;
    if ((head & HAS_FACTOR) != 0) {
        if (!varint_take_signed(rest, &first) || !varint_take(rest, &factor)) return false;
    }
    for (unsigned i = 0; i < order; i++) {
        if (!varint_take_signed(rest, &numbers[i])) return false;
    }
    bool is_good = true;
    if (wanted <= order && wanted < count) {
        /* All that is wanted stands there as it is. */
    } else if ((head & HAS_CLASSES) != 0) {
        is_good = decode_classes(rest, numbers, count, order, wanted);
    } else {
        is_good = decode_blocks(rest, numbers, count, order, wanted);
    }
    if (!is_good || (head & HAS_FACTOR) == 0) return is_good;
    for (size_t i = 0; i < wanted; i++) {
        numbers[i] = (int64_t)((uint64_t)first + (uint64_t)numbers[i] * factor);
    }
    return true;
}

bool column_decode_numbers(struct str *rest, int64_t *numbers, size_t count)
{
    if (rest->size == 0) return false;
    struct str after = str_skip(*rest, 1);
    if (!decode(&after, numbers, count, (unsigned char)rest->data[0], count)) return false;
    *rest = after;
    return true;
}

bool column_decode_first_numbers(struct str bytes, int64_t *numbers, size_t count, size_t wanted)
{
    CHECK(wanted <= count);
    if (bytes.size == 0) return false;
    struct str after = str_skip(bytes, 1);
    return decode(&after, numbers, count, (unsigned char)bytes.data[0], wanted);
}
