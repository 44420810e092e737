/* foreign_chunk.c - the chunks of Prometheus' blocks.
 *
 * FORMAT   count of samples u16 (high byte first); floats: bits of times and values. Histograms:
 *          flags u8 (two high bits: what is known of resets), then bits: zero threshold, schema,
 *          spans of both sides, bounds, and the samples, each the change of the change.
 *          A stale histogram has no buckets, and only stale ones may follow it.
 */
#include "tsdb/foreign_chunk.h"

#include "base/check.h"
#include "model/sample.h"
#include "tsdb/foreign_bits.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLAG_RESET = 0x80,
    FLAG_NOT_RESET = 0x40,
    FLAG_GAUGE = 0xc0,
    THRESHOLD_RAW = 255,
    THRESHOLD_BIAS = 243, /* a power of two 2^e is written as e + 244 */
    SPANS_MAX = 1 << 14,
    BUCKETS_MAX = 1 << 14,
};

static int64_t plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t minus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int corrupt(struct error *error)
{
    return error_set(error, ERROR_CORRUPT, "chunk is cut or malformed");
}

static int push(struct foreign_samples *out, int64_t time_ms, double value,
                const struct histogram *histogram, struct error *error)
{
    struct foreign_sample sample = { time_ms, value, histogram };
    if (VEC_PUSH(out, sample)) return 0;
    return error_set(error, -ENOMEM, "no memory to read a chunk");
}

static int decode_floats(struct foreign_reader *reader, size_t count, struct foreign_samples *out,
                         struct error *error)
{
    struct foreign_xor value = { .leading = 255 };
    int64_t time_ms = 0;
    int64_t step = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0) {
            time_ms = foreign_read_varint(reader);
            value.bits = foreign_read_bits(reader, 64);
        } else {
            step = i == 1 ? (int64_t)foreign_read_uvarint(reader)
                          : plus(step, foreign_read_time_step(reader));
            time_ms = plus(time_ms, step);
            foreign_read_xor(reader, &value);
        }
        if (reader->has_failed) return corrupt(error);
        int code = push(out, time_ms, sample_from_bits(value.bits), NULL, error);
        if (code != 0) return code;
    }
    return 0;
}

/* What all histograms of a chunk have in common. */
struct layout {
    struct histogram head; /* schema, threshold, bounds */
    int32_t *indexes;      /* of positive, then of negative buckets */
    size_t positive_count;
    size_t negative_count;
};

struct decoding {
    struct foreign_reader *reader;
    struct arena *arena;
    struct layout layout;
    unsigned flags;
    bool is_float;
    int64_t time_ms;
    int64_t time_step;
    int64_t *counts; /* count, zero count, buckets: the numbers written, their change */
    int64_t *steps;
    struct foreign_xor *floats; /* the same for float counts */
    struct foreign_xor sum;
};

static double read_threshold(struct foreign_reader *reader)
{
    unsigned byte = (unsigned)foreign_read_bits(reader, 8);
    if (byte == 0) return 0;
    if (byte == THRESHOLD_RAW) return sample_from_bits(foreign_read_bits(reader, 64));
    return ldexp(0.5, (int)byte - THRESHOLD_BIAS);
}

static double read_bound(struct foreign_reader *reader)
{
    uint64_t number = foreign_read_varbit_uint(reader);
    if (number == 0) return sample_from_bits(foreign_read_bits(reader, 64));
    return (double)(number - 1) / 1000;
}

/* Reads one side's spans; its indexes go behind those that are there. */
static int read_spans(struct decoding *decoding, size_t from, size_t *count, struct error *error)
{
    struct layout *layout = &decoding->layout;
    uint64_t spans = foreign_read_varbit_uint(decoding->reader);
    int64_t index = 0;
    *count = 0;
    if (spans > SPANS_MAX) return corrupt(error);
    for (uint64_t i = 0; i < spans; i++) {
        uint64_t length = foreign_read_varbit_uint(decoding->reader);
        index = plus(index, foreign_read_varbit(decoding->reader));
        if (decoding->reader->has_failed || length > BUCKETS_MAX - from - *count) {
            return corrupt(error);
        }
        for (uint64_t k = 0; k < length; k++, index++) {
            if (index < INT32_MIN || index > INT32_MAX) return corrupt(error);
            layout->indexes[from + (*count)++] = (int32_t)index;
        }
    }
    return 0;
}

static int read_layout(struct decoding *decoding, struct error *error)
{
    struct layout *layout = &decoding->layout;
    struct foreign_reader *reader = decoding->reader;
    layout->indexes = ARENA_ARRAY(decoding->arena, int32_t, BUCKETS_MAX);
    if (layout->indexes == NULL) return error_set(error, ERROR_LIMIT, "chunk is too large");
    layout->head.zero_threshold = read_threshold(reader);
    int64_t schema = foreign_read_varbit(reader);
    if (schema != HISTOGRAM_SCHEMA_CUSTOM &&
        (schema < HISTOGRAM_SCHEMA_MIN || schema > HISTOGRAM_SCHEMA_MAX)) {
        return error_set(error, ERROR_UNSUPPORTED, "histogram schema %lld is not known",
                         (long long)schema);
    }
    layout->head.schema = (int32_t)schema;
    int code = read_spans(decoding, 0, &layout->positive_count, error);
    if (code == 0) {
        code = read_spans(decoding, layout->positive_count, &layout->negative_count, error);
    }
    if (code != 0 || schema != HISTOGRAM_SCHEMA_CUSTOM) return code;
    uint64_t count = foreign_read_varbit_uint(reader);
    if (count > BUCKETS_MAX) return corrupt(error);
    double *bounds = ARENA_ARRAY(decoding->arena, double, count + 1);
    if (bounds == NULL) return error_set(error, ERROR_LIMIT, "chunk is too large");
    for (uint64_t i = 0; i < count; i++) bounds[i] = read_bound(reader);
    layout->head.bounds = bounds;
    layout->head.bound_count = (size_t)count;
    return reader->has_failed ? corrupt(error) : 0;
}

/* Count and zero count of the next sample, then its sum, then, unless it is stale, its buckets. */
static void read_numbers(struct decoding *decoding, bool is_first)
{
    struct foreign_reader *reader = decoding->reader;
    const struct layout *layout = &decoding->layout;
    size_t count = 2 + layout->positive_count + layout->negative_count;
    for (size_t i = 0; i < count && !reader->has_failed; i++) {
        if (i == 2) {
            if (is_first) decoding->sum.bits = foreign_read_bits(reader, 64);
            if (!is_first) foreign_read_xor(reader, &decoding->sum);
            if (sample_is_stale(sample_from_bits(decoding->sum.bits))) return;
        }
        if (decoding->is_float) {
            if (is_first) decoding->floats[i].bits = foreign_read_bits(reader, 64);
            if (!is_first) foreign_read_xor(reader, &decoding->floats[i]);
        } else if (is_first) {
            decoding->counts[i] =
                i < 2 ? (int64_t)foreign_read_varbit_uint(reader) : foreign_read_varbit(reader);
        } else {
            decoding->steps[i] = plus(decoding->steps[i], foreign_read_varbit(reader));
            decoding->counts[i] = plus(decoding->counts[i], decoding->steps[i]);
        }
    }
    if (count > 2) return;
    if (is_first) decoding->sum.bits = foreign_read_bits(reader, 64);
    if (!is_first) foreign_read_xor(reader, &decoding->sum);
}

/* One side's buckets that are not empty; whole counts are the change from bucket to bucket. */
static size_t make_buckets(const struct decoding *decoding, size_t from, size_t count,
                           struct histogram_bucket *buckets)
{
    size_t made = 0;
    int64_t whole = 0;
    for (size_t i = 0; i < count; i++) {
        double number;
        if (decoding->is_float) {
            number = sample_from_bits(decoding->floats[2 + from + i].bits);
        } else {
            whole = plus(whole, decoding->counts[2 + from + i]);
            number = (double)whole;
        }
        if (number == 0) continue;
        buckets[made++] = (struct histogram_bucket){ decoding->layout.indexes[from + i], number };
    }
    return made;
}

static enum histogram_hint hint_of(unsigned flags, bool is_first)
{
    if ((flags & FLAG_GAUGE) == FLAG_GAUGE) return HISTOGRAM_HINT_GAUGE;
    if (!is_first || (flags & FLAG_GAUGE) == FLAG_NOT_RESET) return HISTOGRAM_HINT_NOT_RESET;
    return (flags & FLAG_GAUGE) == FLAG_RESET ? HISTOGRAM_HINT_RESET : HISTOGRAM_HINT_UNKNOWN;
}

static struct histogram *make_histogram(const struct decoding *decoding, bool is_first)
{
    const struct layout *layout = &decoding->layout;
    struct histogram *histogram = ARENA_NEW(decoding->arena, struct histogram);
    size_t count = layout->positive_count + layout->negative_count;
    struct histogram_bucket *buckets =
        ARENA_ARRAY(decoding->arena, struct histogram_bucket, count + 1);
    if (histogram == NULL || buckets == NULL) return NULL;
    *histogram = layout->head;
    histogram->is_integer = !decoding->is_float;
    histogram->sum = sample_from_bits(decoding->sum.bits);
    histogram->hint = hint_of(decoding->flags, is_first);
    if (sample_is_stale(histogram->sum)) return histogram;
    if (decoding->is_float) {
        histogram->count = sample_from_bits(decoding->floats[0].bits);
        histogram->zero_count = sample_from_bits(decoding->floats[1].bits);
    } else {
        histogram->count = (double)(uint64_t)decoding->counts[0];
        histogram->zero_count = (double)(uint64_t)decoding->counts[1];
    }
    histogram->positive = buckets;
    histogram->positive_count = make_buckets(decoding, 0, layout->positive_count, buckets);
    histogram->negative = buckets + histogram->positive_count;
    histogram->negative_count =
        make_buckets(decoding, layout->positive_count, layout->negative_count,
                     buckets + histogram->positive_count);
    return histogram;
}

static int decode_histograms(struct decoding *decoding, size_t count, struct foreign_samples *out,
                             struct error *error)
{
    struct foreign_reader *reader = decoding->reader;
    decoding->flags = (unsigned)foreign_read_bits(reader, 8);
    int code = read_layout(decoding, error);
    if (code != 0) return code;
    size_t numbers = 2 + decoding->layout.positive_count + decoding->layout.negative_count;
    decoding->counts = ARENA_ARRAY(decoding->arena, int64_t, numbers);
    decoding->steps = ARENA_ARRAY(decoding->arena, int64_t, numbers);
    decoding->floats = ARENA_ARRAY(decoding->arena, struct foreign_xor, numbers);
    if (decoding->counts == NULL || decoding->steps == NULL || decoding->floats == NULL) {
        return error_set(error, ERROR_LIMIT, "chunk is too large");
    }
    for (size_t i = 0; i < numbers; i++) decoding->floats[i].leading = 255;
    decoding->sum.leading = 255;
    for (size_t i = 0; i < count; i++) {
        int64_t time = foreign_read_varbit(reader);
        if (i > 0) decoding->time_step = plus(decoding->time_step, time);
        decoding->time_ms = i == 0 ? time : plus(decoding->time_ms, decoding->time_step);
        read_numbers(decoding, i == 0);
        if (reader->has_failed) return corrupt(error);
        const struct histogram *histogram = make_histogram(decoding, i == 0);
        if (histogram == NULL) return error_set(error, ERROR_LIMIT, "chunk is too large");
        code = push(out, decoding->time_ms, histogram->sum, histogram, error);
        if (code != 0) return code;
    }
    return 0;
}

int foreign_chunk_decode(unsigned encoding, struct str bytes, struct arena *arena,
                         struct foreign_samples *out, struct error *error)
{
    struct foreign_reader reader = { .bytes = bytes };
    struct decoding decoding = { .reader = &reader,
                                 .arena = arena,
                                 .is_float = encoding == FOREIGN_FLOAT_HISTOGRAM };
    size_t count = (size_t)foreign_read_bits(&reader, 16);
    if (reader.has_failed) return corrupt(error);
    switch (encoding) {
    case FOREIGN_XOR: return decode_floats(&reader, count, out, error);
    case FOREIGN_HISTOGRAM:
    case FOREIGN_FLOAT_HISTOGRAM: return decode_histograms(&decoding, count, out, error);
    default:
        return error_set(error, ERROR_UNSUPPORTED,
                         "chunk has encoding %u; known are 1 (XOR), 2 (histogram) and 3 (float "
                         "histogram)",
                         encoding);
    }
}

/* ---- writing ---- */

static bool is_stale(const struct histogram *histogram)
{
    return sample_is_stale(histogram->sum);
}

/* Whether all counts are whole and not negative, as an integer chunk needs them. */
static bool is_whole(double count)
{
    return count >= 0 && count <= 9007199254740992.0 && !signbit(count) && floor(count) == count;
}

static bool are_whole(const struct histogram_bucket *buckets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_whole(buckets[i].count)) return false;
    }
    return true;
}

static enum foreign_encoding encoding_of(const struct foreign_sample *sample)
{
    const struct histogram *histogram = sample->histogram;
    if (histogram == NULL) return FOREIGN_XOR;
    bool is_integer = histogram->is_integer && is_whole(histogram->count) &&
                      is_whole(histogram->zero_count) &&
                      are_whole(histogram->positive, histogram->positive_count) &&
                      are_whole(histogram->negative, histogram->negative_count);
    return is_integer ? FOREIGN_HISTOGRAM : FOREIGN_FLOAT_HISTOGRAM;
}

/* Whether the histogram may stand behind another one in a chunk. */
static bool may_follow(const struct histogram *later, const struct histogram *earlier)
{
    bool is_gauge = earlier->hint == HISTOGRAM_HINT_GAUGE;
    if ((later->hint == HISTOGRAM_HINT_GAUGE) != is_gauge) return false;
    if (is_stale(later) || is_stale(earlier)) return is_stale(later) && is_stale(earlier);
    if (later->hint == HISTOGRAM_HINT_RESET || later->schema != earlier->schema ||
        sample_bits(later->zero_threshold) != sample_bits(earlier->zero_threshold) ||
        later->bound_count != earlier->bound_count) {
        return false;
    }
    for (size_t i = 0; i < later->bound_count; i++) {
        if (sample_bits(later->bounds[i]) != sample_bits(earlier->bounds[i])) return false;
    }
    return histogram_same_indexes(later->positive, later->positive_count, earlier->positive,
                                  earlier->positive_count) &&
           histogram_same_indexes(later->negative, later->negative_count, earlier->negative,
                                  earlier->negative_count) &&
           (is_gauge || !histogram_is_reset(later, earlier));
}

static void encode_floats(struct foreign_writer *writer, const struct foreign_sample *samples,
                          size_t count)
{
    struct foreign_xor value = { .leading = 255 };
    int64_t last_step = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t step = i == 0 ? 0 : minus(samples[i].time_ms, samples[i - 1].time_ms);
        uint64_t bits = sample_bits(samples[i].value);
        if (i == 0) {
            foreign_write_varint(writer, samples[i].time_ms);
            foreign_write_bits(writer, bits, 64);
            value.bits = bits;
            continue;
        }
        if (i == 1) foreign_write_uvarint(writer, (uint64_t)step);
        if (i > 1) foreign_write_time_step(writer, minus(step, last_step));
        foreign_write_xor(writer, &value, bits);
        last_step = step;
    }
}

static void write_threshold(struct foreign_writer *writer, double threshold)
{
    int exponent;
    double fraction = frexp(threshold, &exponent);
    if (sample_bits(threshold) == 0) {
        foreign_write_bits(writer, 0, 8);
    } else if (fraction == 0.5 && exponent > -THRESHOLD_BIAS &&
               exponent < THRESHOLD_RAW - THRESHOLD_BIAS) {
        foreign_write_bits(writer, (uint64_t)(exponent + THRESHOLD_BIAS), 8);
    } else {
        foreign_write_bits(writer, THRESHOLD_RAW, 8);
        foreign_write_bits(writer, sample_bits(threshold), 64);
    }
}

static void write_spans(struct foreign_writer *writer, const struct histogram_bucket *buckets,
                        size_t count)
{
    size_t spans = 0;
    for (size_t i = 0; i < count; i++) {
        spans += i == 0 || buckets[i].index != buckets[i - 1].index + 1;
    }
    foreign_write_varbit_uint(writer, spans);
    int64_t end = 0;
    for (size_t i = 0; i < count;) {
        size_t next = i + 1;
        while (next < count && buckets[next].index == buckets[next - 1].index + 1) next++;
        foreign_write_varbit_uint(writer, next - i);
        foreign_write_varbit(writer, buckets[i].index - end);
        end = (int64_t)buckets[next - 1].index + 1;
        i = next;
    }
}

static void write_bound(struct foreign_writer *writer, double bound)
{
    double scaled = round(bound * 1000);
    if (!signbit(bound) && scaled <= 33554430 && scaled / 1000 == bound) {
        foreign_write_varbit_uint(writer, (uint64_t)scaled + 1);
        return;
    }
    foreign_write_bits(writer, 0, 1);
    foreign_write_bits(writer, sample_bits(bound), 64);
}

static void write_layout(struct foreign_writer *writer, const struct histogram *histogram)
{
    write_threshold(writer, histogram->zero_threshold);
    foreign_write_varbit(writer, histogram->schema);
    write_spans(writer, histogram->positive, histogram->positive_count);
    write_spans(writer, histogram->negative, histogram->negative_count);
    if (!histogram_is_custom(histogram)) return;
    foreign_write_varbit_uint(writer, histogram->bound_count);
    for (size_t i = 0; i < histogram->bound_count; i++) {
        write_bound(writer, histogram->bounds[i]);
    }
}

struct encoding {
    struct foreign_writer *writer;
    bool is_float;
    int64_t *counts;
    int64_t *steps;
    struct foreign_xor *floats;
    struct foreign_xor sum;
};

/* The next number of a sample: `at` is its place among count, zero count and buckets. */
static void write_number(struct encoding *encoding, size_t at, double number, int64_t whole,
                         bool is_first)
{
    struct foreign_writer *writer = encoding->writer;
    if (encoding->is_float) {
        uint64_t bits = sample_bits(number);
        if (!is_first) {
            foreign_write_xor(writer, &encoding->floats[at], bits);
            return;
        }
        foreign_write_bits(writer, bits, 64);
        encoding->floats[at] = (struct foreign_xor){ .bits = bits, .leading = 255 };
        return;
    }
    int64_t step = is_first ? 0 : minus(whole, encoding->counts[at]);
    if (is_first && at < 2) foreign_write_varbit_uint(writer, (uint64_t)whole);
    if (is_first && at >= 2) foreign_write_varbit(writer, whole);
    if (!is_first) foreign_write_varbit(writer, minus(step, encoding->steps[at]));
    encoding->counts[at] = whole;
    encoding->steps[at] = step;
}

static void write_buckets(struct encoding *encoding, size_t from,
                          const struct histogram_bucket *buckets, size_t count, bool is_first)
{
    double last = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t step = encoding->is_float ? 0 : (int64_t)buckets[i].count - (int64_t)last;
        write_number(encoding, from + i, buckets[i].count, step, is_first);
        last = buckets[i].count;
    }
}

static void write_histogram(struct encoding *encoding, const struct histogram *histogram,
                            bool is_first)
{
    struct foreign_writer *writer = encoding->writer;
    bool is_whole_count = !encoding->is_float;
    double counts[2] = { histogram->count, histogram->zero_count };
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        double count = is_stale(histogram) ? 0 : counts[i];
        write_number(encoding, i, count, is_whole_count ? (int64_t)count : 0, is_first);
    }
    uint64_t bits = sample_bits(histogram->sum);
    if (is_first) {
        foreign_write_bits(writer, bits, 64);
        encoding->sum = (struct foreign_xor){ .bits = bits, .leading = 255 };
    } else {
        foreign_write_xor(writer, &encoding->sum, bits);
    }
    if (is_stale(histogram)) return;
    write_buckets(encoding, 2, histogram->positive, histogram->positive_count, is_first);
    write_buckets(encoding, 2 + histogram->positive_count, histogram->negative,
                  histogram->negative_count, is_first);
}

static unsigned flags_of(const struct histogram *histogram)
{
    static const unsigned flags[] = { [HISTOGRAM_HINT_UNKNOWN] = 0,
                                      [HISTOGRAM_HINT_RESET] = FLAG_RESET,
                                      [HISTOGRAM_HINT_NOT_RESET] = FLAG_NOT_RESET,
                                      [HISTOGRAM_HINT_GAUGE] = FLAG_GAUGE };
    return flags[histogram->hint];
}

static void encode_histograms(struct foreign_writer *writer, const struct foreign_sample *samples,
                              size_t count, bool is_float)
{
    static const struct histogram nothing;
    const struct histogram *first = samples[0].histogram;
    size_t numbers = 2 + first->positive_count + first->negative_count;
    struct encoding encoding = { .writer = writer, .is_float = is_float };
    encoding.counts = calloc(numbers, sizeof(encoding.counts[0]));
    encoding.steps = calloc(numbers, sizeof(encoding.steps[0]));
    encoding.floats = calloc(numbers, sizeof(encoding.floats[0]));
    if (encoding.counts == NULL || encoding.steps == NULL || encoding.floats == NULL) {
        writer->out->has_failed = true;
    } else {
        foreign_write_bits(writer, flags_of(first), 8);
        write_layout(writer, is_stale(first) ? &nothing : first);
        int64_t last_step = 0;
        for (size_t i = 0; i < count; i++) {
            int64_t step = i == 0 ? 0 : minus(samples[i].time_ms, samples[i - 1].time_ms);
            foreign_write_varbit(writer, i == 0 ? samples[0].time_ms : minus(step, last_step));
            last_step = step;
            write_histogram(&encoding, samples[i].histogram, i == 0);
        }
    }
    free(encoding.counts);
    free(encoding.steps);
    free(encoding.floats);
}

size_t foreign_chunk_encode(struct buf *out, const struct foreign_sample *samples, size_t count,
                            enum foreign_encoding *encoding)
{
    size_t taken = 1;
    *encoding = encoding_of(&samples[0]);
    while (taken < count && taken < FOREIGN_CHUNK_SAMPLES_MAX &&
           encoding_of(&samples[taken]) == *encoding &&
           (*encoding == FOREIGN_XOR ||
            may_follow(samples[taken].histogram, samples[taken - 1].histogram))) {
        taken++;
    }
    struct foreign_writer writer = { .out = out };
    foreign_write_bits(&writer, taken, 16);
    if (*encoding == FOREIGN_XOR) {
        encode_floats(&writer, samples, taken);
    } else {
        encode_histograms(&writer, samples, taken, *encoding == FOREIGN_FLOAT_HISTOGRAM);
    }
    return taken;
}
