/* values.c - arrays of doubles in few bytes, bit by bit.
 *
 * FORMAT   kind u8 (bit 7: the newest value stands first), then
 *            0 constant: size n u8 (0 to 8), the n highest bytes of the value, low first
 *            1 decimal:  exponent u8, exception count varint, exceptions (index varint, 8 bytes),
 *                        column of numbers: value = number / 10^exponent
 *            2 bits:     column of numbers: the values' bits, as integers in the values' order
 *            3 steps:    first value 8 bytes, unit 8 bytes, column of steps, column of
 *                        corrections, each of one number less than there are values:
 *                        value = (value before + step * unit), moved by correction places in the
 *                        order of all doubles
 *            4 relative: back varint (how many series before stands the other), ratio 8 bytes,
 *                        exception count and exceptions as of decimal, column of numbers: value =
 *                        number + the other's integer * ratio, cut to an integer; whole columns
 *                        with the newest first only
 * WHY      What a machine counts are integers, and what it measures mostly has few decimals. A
 *          quotient of an integer below 2^53 and a power of ten up to 10^15 is correctly rounded,
 *          so number / 10^exponent gives back the very bits; the writer checks each.
 *          A value that moves by multiples of some unit (sums of nanoseconds in seconds, readings
 *          of a converter in degrees) has all its bits in use, for sums round; its steps have
 *          few, and the corrections are next to nothing. The unit is found as an approximate
 *          common divisor of the differences.
 *          Queries ask most for what is new: the newest value stands first, so that a reader takes
 *          as many as it wants. Steps add up forwards only, else their sums round differently.
 */
#include "base/check.h"
#include "codec/varint.h"
#include "tsdb/column.h"

#include <math.h>
#include <string.h>

enum {
    EXPONENT_MAX = 15,
    KIND_CONSTANT = 0,
    KIND_DECIMAL = 1,
    KIND_BITS = 2,
    KIND_STEPS = 3,
    KIND_RELATIVE = 4,
    NEWEST_FIRST = 0x80,
    STEPS_COUNT_MIN = 32, /* of fewer values the unit's bytes are not won back */
    DIVISOR_SAMPLES = 16,
    SLACK_PLACES = 64, /* a difference this many places off a multiple is one */
};

static const double powers[EXPONENT_MAX + 1] = { 1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };

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

/* The bits as an integer that rises with the value; its own inverse. */
static uint64_t flip(uint64_t bits)
{
    return bits ^ ((uint64_t)((int64_t)bits >> 63) >> 1);
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

static void append_exceptions(struct buf *out, const struct decimals *decimals,
                              const double *values, size_t count)
{
    varint_append(out, decimals->misses);
    for (size_t i = 0; decimals->misses > 0 && i < count; i++) {
        if (!decimals->is_missing[i]) continue;
        varint_append(out, i);
        fixed64_append(out, bits_of(values[i]));
    }
}

static bool append_decimal(struct buf *out, const double *values, size_t count,
                           enum column_effort effort)
{
    struct decimals decimals;
    if (!find_decimals(&decimals, values, count)) return false;
    /* A gap at the front takes what follows, so that it costs no step. */
    size_t first = 0;
    while (first < count && decimals.is_missing[first]) first++;
    for (size_t i = 0; first < count && i < first; i++) {
        decimals.numbers[i] = decimals.numbers[first];
    }
    buf_append_char(out, (char)(KIND_DECIMAL | NEWEST_FIRST));
    buf_append_char(out, (char)decimals.exponent);
    append_exceptions(out, &decimals, values, count);
    column_write_numbers(out, decimals.numbers, count, effort);
    return true;
}

static void append_bits(struct buf *out, const double *values, size_t count,
                        enum column_effort effort)
{
    int64_t numbers[COLUMN_VALUES_MAX];
    for (size_t i = 0; i < count; i++) numbers[i] = (int64_t)flip(bits_of(values[i]));
    buf_append_char(out, (char)(KIND_BITS | NEWEST_FIRST));
    column_write_numbers(out, numbers, count, effort);
}

/* The differences that are not zero, their signs left out. */
struct differences {
    double items[COLUMN_VALUES_MAX];
    size_t count;
    double place; /* between two doubles of the values' size: how exact a difference is */
};

static bool find_differences(struct differences *differences, const double *values, size_t count)
{
    double most = fabs(values[0]);
    differences->count = 0;
    for (size_t i = 1; i < count; i++) {
        double difference = fabs(values[i] - values[i - 1]);
        if (!isfinite(difference)) return false;
        if (fabs(values[i]) > most) most = fabs(values[i]);
        if (difference != 0) differences->items[differences->count++] = difference;
    }
    differences->place = ldexp(most, -52);
    return differences->count >= STEPS_COUNT_MIN / 2 && differences->place > 0;
}

/* Euclid's, where a rest near nothing is nothing. 0 when it comes below four times `slack`. */
static double common_divisor(double a, double b, double slack)
{
    while (b > slack) {
        double rest = fmod(a, b);
        if (b - rest < slack) rest = 0;
        a = b;
        b = rest;
    }
    return a < slack * 4 ? 0 : a;
}

/* Makes the unit exact: small multiples first, for they are sure; each pass allows larger ones. */
static double refine(const struct differences *differences, double unit)
{
    enum { MULTIPLE_FIRST = 500, PASS_COUNT = 4, OFF_PARTS = 512 };
    double most = MULTIPLE_FIRST;
    for (int pass = 0; pass < PASS_COUNT; pass++, most *= MULTIPLE_FIRST) {
        double products = 0;
        double squares = 0;
        for (size_t i = 0; i < differences->count; i++) {
            double multiple = rint(differences->items[i] / unit);
            /* What stopped at an end of its range is no multiple. */
            double off = fabs(differences->items[i] - multiple * unit);
            if (multiple > most || off > unit / OFF_PARTS) continue;
            products += differences->items[i] * multiple;
            squares += multiple * multiple;
        }
        if (squares > 0) unit = products / squares;
    }
    return unit;
}

/* Whether nearly all differences are multiples of the unit. */
static bool is_unit(const struct differences *differences, double unit)
{
    size_t misses = 0;
    double slack = differences->place * SLACK_PLACES;
    if (!(unit > slack * 4)) return false;
    for (size_t i = 0; i < differences->count; i++) {
        double off = fabs(differences->items[i] - rint(differences->items[i] / unit) * unit);
        if (off > slack && ++misses > differences->count / 8) return false;
    }
    return true;
}

/* Common divisor of the smallest differences: an error in the divisor so far counts as many times
 * as it goes into the next. 0: none. */
static double find_divisor(const struct differences *differences)
{
    enum { SLACK_FOR_DIVISOR = 1 << 20 };
    double least[DIVISOR_SAMPLES];
    size_t count = 0;
    for (size_t i = 0; i < differences->count; i++) {
        double now = differences->items[i];
        if (count == DIVISOR_SAMPLES && now >= least[count - 1]) continue;
        size_t at = count < DIVISOR_SAMPLES ? count++ : count - 1;
        for (; at > 0 && least[at - 1] > now; at--) least[at] = least[at - 1];
        least[at] = now;
    }
    double slack = differences->place * SLACK_FOR_DIVISOR;
    double divisor = least[0];
    for (size_t i = 1; i < count; i++) {
        divisor = common_divisor(least[i], divisor, slack);
        if (divisor == 0) return 0;
        divisor = least[i] / rint(least[i] / divisor);
    }
    return divisor;
}

static bool find_unit(const double *values, size_t count, double *unit)
{
    static const double usual[] = { 1e-3, 1e-6, 1e-9 };
    struct differences differences;
    if (!find_differences(&differences, values, count)) return false;
    for (size_t i = 0; i < ARRAY_LENGTH(usual); i++) {
        *unit = usual[i];
        if (is_unit(&differences, *unit)) return true;
    }
    double divisor = find_divisor(&differences);
    if (divisor == 0) return false;
    *unit = refine(&differences, divisor);
    return is_unit(&differences, *unit);
}

static bool append_steps(struct buf *out, const double *values, size_t count)
{
    double unit;
    if (count < STEPS_COUNT_MIN || !find_unit(values, count, &unit)) return false;
    int64_t steps[COLUMN_VALUES_MAX];
    int64_t corrections[COLUMN_VALUES_MAX];
    for (size_t i = 1; i < count; i++) {
        double step = rint((values[i] - values[i - 1]) / unit);
        if (!(fabs(step) < 1e15)) return false;
        steps[i - 1] = (int64_t)step;
        /* Of the integer, as the reader has it: -0 is none. */
        double product = (double)steps[i - 1] * unit;
        double guess = values[i - 1] + product;
        corrections[i - 1] = (int64_t)(flip(bits_of(values[i])) - flip(bits_of(guess)));
    }
    buf_append_char(out, KIND_STEPS);
    fixed64_append(out, bits_of(values[0]));
    fixed64_append(out, bits_of(unit));
    column_write_numbers(out, steps, count - 1, COLUMN_SMALL);
    column_write_numbers(out, corrections, count - 1, COLUMN_SMALL);
    return true;
}

static void append_constant(struct buf *out, double value)
{
    uint64_t bits = bits_of(value);
    unsigned size = 8;
    while (size > 0 && (bits & 0xff) == 0) {
        bits >>= 8;
        size--;
    }
    buf_append_char(out, KIND_CONSTANT);
    buf_append_char(out, (char)size);
    for (; size > 0; size--, bits >>= 8) buf_append_char(out, (char)(unsigned char)bits);
}

/* Takes away the longer of two encodings, the first from `start` to `middle`. */
static void keep_shorter(struct buf *out, size_t start, size_t middle)
{
    size_t size = out->size - middle;
    if (out->has_failed) return;
    if (size >= middle - start) {
        buf_truncate(out, middle);
    } else {
        memmove(out->data + start, out->data + middle, size);
        buf_truncate(out, start + size);
    }
}

void column_write_values(struct buf *out, const double *values, size_t count,
                         enum column_effort effort)
{
    CHECK(count <= COLUMN_VALUES_MAX);
    bool is_constant = true;
    for (size_t i = 1; i < count && is_constant; i++) {
        is_constant = bits_of(values[i]) == bits_of(values[0]);
    }
    if (is_constant) {
        append_constant(out, count == 0 ? 0 : values[0]);
        return;
    }
    double newest_first[COLUMN_VALUES_MAX];
    for (size_t i = 0; i < count; i++) newest_first[i] = values[count - 1 - i];
    size_t start = out->size;
    if (append_decimal(out, newest_first, count, effort)) {
        /* Decimals that leap about can be longer than the plain bits. */
        if (out->size - start < count * 6) return;
        buf_truncate(out, start);
    }
    append_bits(out, newest_first, count, effort);
    size_t middle = out->size;
    if (effort == COLUMN_SMALL && append_steps(out, values, count)) {
        keep_shorter(out, start, middle);
    }
}

void column_encode_values(struct buf *out, const double *values, size_t count)
{
    column_write_values(out, values, count, COLUMN_FAST);
}

static bool decode_constant(struct str *rest, double *values, size_t count, size_t wanted)
{
    if (rest->size == 0) return false;
    size_t size = (unsigned char)rest->data[0];
    if (size > 8 || rest->size < size + 1) return false;
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++) {
        bits |= (uint64_t)(unsigned char)rest->data[1 + i] << (64 - 8 * (size - i));
    }
    *rest = str_skip(*rest, size + 1);
    double value = from_bits(bits);
    (void)count;
    for (size_t i = 0; i < wanted; i++) values[i] = value;
    return true;
}

/* Integers of at most 51 bits become doubles by adding and subtracting, which the machine does for
 * several at a time; others one by one. */
static void to_doubles(const int64_t *numbers, double *values, size_t count)
{
    const double base = 6755399441055744.0; /* 2^52 + 2^51 */
    uint64_t beyond = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t moved = (uint64_t)numbers[i] + (UINT64_C(1) << 51);
        beyond |= moved >> 52;
        values[i] = from_bits(moved ^ UINT64_C(0x4330000000000000)) - base;
    }
    if (beyond == 0) return;
    for (size_t i = 0; i < count; i++) values[i] = (double)numbers[i];
}

static void divide(double *values, size_t count, double divisor)
{
    for (size_t i = 0; i < count; i++) values[i] /= divisor;
}

/* *rest is right only when all are wanted. */
static bool decode_numbers(struct str *rest, int64_t *numbers, size_t count, size_t wanted)
{
    return wanted == count ? column_decode_numbers(rest, numbers, count)
                           : column_decode_first_numbers(*rest, numbers, count, wanted);
}

static bool skip_exceptions(struct str *rest, size_t count)
{
    uint64_t misses;
    uint64_t index;
    uint64_t bits;
    if (!varint_take(rest, &misses) || misses > count) return false;
    for (uint64_t i = 0; i < misses; i++) {
        if (!varint_take(rest, &index) || !fixed64_take(rest, &bits)) return false;
        if (index >= count) return false;
    }
    return true;
}

/* Those that skip_exceptions has passed over, among the first `wanted` values. */
static void set_exceptions(struct str exceptions, double *values, size_t wanted)
{
    uint64_t misses = 0;
    bool is_good = varint_take(&exceptions, &misses);
    for (uint64_t i = 0; i < misses && is_good; i++) {
        uint64_t index = 0;
        uint64_t bits = 0;
        is_good = varint_take(&exceptions, &index) && fixed64_take(&exceptions, &bits);
        if (index < wanted) values[index] = from_bits(bits);
    }
    CHECK(is_good);
}

static bool decode_decimal(struct str *rest, double *values, size_t count, size_t wanted)
{
    if (rest->size == 0) return false;
    unsigned exponent = (unsigned char)rest->data[0];
    *rest = str_skip(*rest, 1);
    struct str exceptions = *rest;
    if (exponent > EXPONENT_MAX || !skip_exceptions(rest, count)) return false;
    int64_t numbers[COLUMN_VALUES_MAX];
    if (!decode_numbers(rest, numbers, count, wanted)) return false;
    to_doubles(numbers, values, wanted);
    if (exponent > 0) divide(values, wanted, powers[exponent]);
    set_exceptions(exceptions, values, wanted);
    return true;
}

static bool decode_bits(struct str *rest, double *values, size_t count, size_t wanted)
{
    int64_t numbers[COLUMN_VALUES_MAX];
    if (!decode_numbers(rest, numbers, count, wanted)) return false;
    for (size_t i = 0; i < wanted; i++) values[i] = from_bits(flip((uint64_t)numbers[i]));
    return true;
}

static bool decode_steps(struct str *rest, double *values, size_t count, size_t wanted)
{
    uint64_t first;
    uint64_t unit_bits;
    int64_t steps[COLUMN_VALUES_MAX];
    int64_t corrections[COLUMN_VALUES_MAX];
    if (count < 2 || !fixed64_take(rest, &first) || !fixed64_take(rest, &unit_bits)) return false;
    if (!column_decode_numbers(rest, steps, count - 1)) return false;
    if (!column_decode_numbers(rest, corrections, count - 1)) return false;
    double unit = from_bits(unit_bits);
    double now = from_bits(first);
    values[0] = now;
    for (size_t i = 1; i < wanted; i++) {
        double product = (double)steps[i - 1] * unit;
        now += product;
        if (corrections[i - 1] != 0) {
            now = from_bits(flip(flip(bits_of(now)) + (uint64_t)corrections[i - 1]));
        }
        values[i] = now;
    }
    return true;
}

/* The first `wanted` as they stand in the column. */
static bool decode(struct str *rest, double *values, size_t count, size_t wanted, unsigned kind)
{
    static bool (*const kinds[])(struct str *, double *, size_t, size_t) = {
        [KIND_CONSTANT] = decode_constant,
        [KIND_DECIMAL] = decode_decimal,
        [KIND_BITS] = decode_bits,
        [KIND_STEPS] = decode_steps,
    };
    *rest = str_skip(*rest, 1);
    kind &= ~(unsigned)NEWEST_FIRST;
    return kind < ARRAY_LENGTH(kinds) && kinds[kind](rest, values, count, wanted);
}

static void turn_round(double *values, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        double value = values[i];
        values[i] = values[count - 1 - i];
        values[count - 1 - i] = value;
    }
}

bool column_decode_values(struct str *rest, double *values, size_t count)
{
    if (rest->size == 0 || count > COLUMN_VALUES_MAX) return false;
    unsigned kind = (unsigned char)rest->data[0];
    struct str after = *rest;
    if (!decode(&after, values, count, count, kind)) return false;
    if ((kind & NEWEST_FIRST) != 0) turn_round(values, count);
    *rest = after;
    return true;
}

bool column_is_long_and_finite(struct str bytes)
{
    return bytes.size > 0 && (unsigned char)bytes.data[0] == KIND_STEPS;
}

bool column_decode_last_values(struct str bytes, double *values, size_t count, size_t wanted)
{
    CHECK(wanted <= count);
    if (bytes.size == 0 || count > COLUMN_VALUES_MAX) return false;
    unsigned kind = (unsigned char)bytes.data[0];
    if ((kind & NEWEST_FIRST) != 0 || kind == KIND_CONSTANT) {
        if (!decode(&bytes, values, count, wanted, kind)) return false;
        turn_round(values, wanted);
        return true;
    }
    double all[COLUMN_VALUES_MAX];
    if (!decode(&bytes, all, count, count, kind)) return false;
    memcpy(values, all + count - wanted, wanted * sizeof(values[0]));
    return true;
}

/* ---- counts relative to others ---- */

/* A reference is below 2^53, so it is a double; the product is rounded once. */
static int64_t expected_of(int64_t reference, double ratio)
{
    return (int64_t)((double)reference * ratio);
}

/* The ratio with which every number is as expected; 0: there is none. */
static double exact_ratio(const int64_t *numbers, const int64_t *reference, size_t count)
{
    double least = 0;
    double most = 1;
    for (size_t i = 0; i < count; i++) {
        if (reference[i] < 0 || numbers[i] < 0) return 0;
        if (reference[i] == 0) continue;
        double from = (double)numbers[i] / (double)reference[i];
        double to = ((double)numbers[i] + 1) / (double)reference[i];
        if (from > least) least = from;
        if (to < most) most = to;
    }
    double ratio = least >= 1 ? 1 : least + (most - least) / 2;
    for (size_t i = 0; i < count; i++) {
        if (expected_of(reference[i], ratio) != numbers[i]) return 0;
    }
    return ratio;
}

/* How much the numbers grow while the others do; what starts anew is left out. */
static double growth_ratio(const int64_t *numbers, const int64_t *reference, size_t count)
{
    double here = 0;
    double there = 0;
    for (size_t i = 1; i < count; i++) {
        /* The newest stands first. */
        if (numbers[i - 1] < numbers[i] || reference[i - 1] < reference[i]) continue;
        here += (double)numbers[i - 1] - (double)numbers[i];
        there += (double)reference[i - 1] - (double)reference[i];
    }
    if (!(there > 0)) return 0;
    return here < there ? here / there : 1;
}

bool column_write_relative(struct buf *out, const double *values, size_t count,
                           const int64_t *reference, uint32_t back)
{
    CHECK(count <= COLUMN_VALUES_MAX);
    CHECK(back > 0);
    double newest_first[COLUMN_VALUES_MAX];
    for (size_t i = 0; i < count; i++) newest_first[i] = values[count - 1 - i];
    struct decimals decimals;
    if (!find_decimals(&decimals, newest_first, count) || decimals.exponent != 0) return false;
    double ratio = exact_ratio(decimals.numbers, reference, count);
    if (ratio == 0) ratio = growth_ratio(decimals.numbers, reference, count);
    for (size_t i = 0; i < count; i++) {
        int64_t expected = expected_of(reference[i], ratio);
        decimals.numbers[i] = (int64_t)((uint64_t)decimals.numbers[i] - (uint64_t)expected);
    }
    buf_append_char(out, (char)(KIND_RELATIVE | NEWEST_FIRST));
    varint_append(out, back);
    fixed64_append(out, bits_of(ratio));
    append_exceptions(out, &decimals, newest_first, count);
    column_write_numbers(out, decimals.numbers, count, COLUMN_SMALL);
    return true;
}

uint32_t column_reference(struct str bytes)
{
    uint64_t back;
    if (bytes.size == 0 || (unsigned char)bytes.data[0] != (KIND_RELATIVE | NEWEST_FIRST)) return 0;
    bytes = str_skip(bytes, 1);
    return varint_take(&bytes, &back) && back <= UINT32_MAX ? (uint32_t)back : 0;
}

bool column_decode_relative(struct str bytes, const int64_t *reference, double *values,
                            size_t count, size_t wanted)
{
    uint64_t back;
    uint64_t ratio_bits;
    CHECK(wanted <= count);
    CHECK(count <= COLUMN_VALUES_MAX);
    if (column_reference(bytes) == 0) return false;
    bytes = str_skip(bytes, 1);
    if (!varint_take(&bytes, &back) || !fixed64_take(&bytes, &ratio_bits)) return false;
    double ratio = from_bits(ratio_bits);
    if (!(ratio >= 0 && ratio <= 1)) return false;
    struct str exceptions = bytes;
    if (!skip_exceptions(&bytes, count)) return false;
    int64_t numbers[COLUMN_VALUES_MAX];
    if (!decode_numbers(&bytes, numbers, count, wanted)) return false;
    if (wanted == count && bytes.size != 0) return false;
    for (size_t i = 0; i < wanted; i++) {
        int64_t expected = expected_of(reference[i], ratio);
        numbers[i] = (int64_t)((uint64_t)numbers[i] + (uint64_t)expected);
    }
    to_doubles(numbers, values, wanted);
    set_exceptions(exceptions, values, wanted);
    turn_round(values, wanted);
    return true;
}

bool column_decode_integers(struct str bytes, int64_t *numbers, size_t count, size_t wanted)
{
    if (bytes.size < 2 || count > COLUMN_VALUES_MAX) return false;
    if ((unsigned char)bytes.data[0] != (KIND_DECIMAL | NEWEST_FIRST)) return false;
    if (bytes.data[1] != 0) return false;
    bytes = str_skip(bytes, 2);
    if (!skip_exceptions(&bytes, count) || !decode_numbers(&bytes, numbers, count, wanted)) {
        return false;
    }
    for (size_t i = 0; i < wanted; i++) {
        if (numbers[i] > (INT64_C(1) << 53) || numbers[i] < -(INT64_C(1) << 53)) return false;
    }
    return true;
}
