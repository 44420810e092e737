/* classes.c - residuals as classes by entropy coding (rANS) and the bits below them.
 *
 * FORMAT   center (zigzag varint), detail u8 (bit 2: four states, else two), then
 *          weights: first symbol (varint), count of symbols (varint), a nibble each, low one first,
 *                   padded to a byte: 0 = does not occur, and a nibble more: how many more of
 *                   those follow; n = a weight of weights[n - 1]
 *          the states u32 each, count of words (varint), words u16; count of bytes is then known:
 *          the bits below, low bits first, padded
 * METHOD   d = residual - center. Its size m = |d| is a class of its own up to 2^(detail + 1);
 *          above, a class is the width of m and the `detail` bits behind its first, and the bits
 *          below those stand apart, as they are. Symbol: 0 for 0, else twice the class, less one
 *          when d is negative.
 *          The symbols' frequencies are their weights scaled to a sum of 1 << SCALE_BITS, each at
 *          least 1. The coder is rANS: states of 32 bits, used in turn, that spill 16 bits at a
 *          time; it is run backwards, so that the reader goes forwards (classes_read.c).
 * WHY      Gauges move a little mostly, counters stand still and reset: a width for 64 of them pays
 *          for the largest. An entropy coder pays each its own; the bits below the class are noise.
 *          A step of a state waits for the step before: four at a time keep a processor busy where
 *          two do not, for eight bytes more, of which the half comes back as words not written.
 */
#include "tsdb/classes.h"

#include "base/check.h"
#include "codec/varint.h"
#include "tsdb/classes_model.h"

#include <string.h>

enum {
    CENTER_SAMPLES = 63,
    FOUR_COUNT_MIN = 256, /* of fewer residuals the bytes of two more states are too much */
};

struct symbol {
    uint16_t number;
    uint8_t below_width;
    uint64_t below;
};

static unsigned width_of(uint64_t number)
{
    return number == 0 ? 0 : 64 - (unsigned)__builtin_clzll(number);
}

static struct symbol symbol_of(uint64_t residual, uint64_t center, unsigned detail)
{
    int64_t d = (int64_t)(residual - center);
    uint64_t size = d < 0 ? 0 - (uint64_t)d : (uint64_t)d;
    unsigned width = width_of(size);
    if (width <= detail + 1) {
        uint16_t class = (uint16_t)size;
        return (struct symbol){ (uint16_t)(class == 0 ? 0 : 2 * class - (d < 0)), 0, 0 };
    }
    unsigned below_width = width - 1 - detail;
    uint64_t top = (size >> below_width) - (UINT64_C(1) << detail);
    uint64_t class = (UINT64_C(2) << detail) + ((uint64_t)(width - detail - 2) << detail) + top;
    return (struct symbol){ (uint16_t)(2 * class - (d < 0)), (uint8_t)below_width,
                            size & ((UINT64_C(1) << below_width) - 1) };
}

/* The middle one of a few residuals: outliers do not move it. */
static uint64_t find_center(const uint64_t *residuals, size_t count)
{
    int64_t picked[CENTER_SAMPLES];
    size_t picked_count = count < CENTER_SAMPLES ? count : CENTER_SAMPLES;
    for (size_t i = 0; i < picked_count; i++) {
        int64_t now = (int64_t)residuals[i * count / picked_count];
        size_t at = i;
        for (; at > 0 && picked[at - 1] > now; at--) picked[at] = picked[at - 1];
        picked[at] = now;
    }
    return (uint64_t)picked[picked_count / 2];
}

/* log2 of 0 to CLASSES_COUNT_MAX in 1/256. */
static uint32_t log2_of(uint32_t number)
{
    /* Between powers of two by the parabola through both ends: within 1/100 of a bit. */
    unsigned width = 31 - (unsigned)__builtin_clz(number | 1);
    uint32_t fraction = ((number << 8) >> width) - 256; /* 0 to 255 */
    uint32_t bend = (fraction * (256 - fraction) * 88) >> 16;
    return width * 256 + fraction + bend;
}

/* Bits of all symbols with these counts, and of their weights, in 1/256. */
static uint64_t cost_of(const uint16_t *counts, size_t first, size_t last, size_t total)
{
    uint64_t cost = 0;
    uint32_t log_total = log2_of((uint32_t)total);
    for (size_t i = first; i <= last; i++) {
        if (counts[i] == 0) continue;
        uint32_t bits = log_total - log2_of(counts[i]);
        cost += (uint64_t)counts[i] * bits + 5 * 256;
    }
    return cost;
}

static uint64_t cost_with(const uint64_t *residuals, size_t count, uint64_t center, unsigned detail)
{
    uint16_t counts[SYMBOL_COUNT] = { 0 };
    uint64_t below = 0;
    size_t first = SYMBOL_COUNT - 1;
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        struct symbol symbol = symbol_of(residuals[i], center, detail);
        counts[symbol.number]++;
        below += symbol.below_width;
        if (symbol.number < first) first = symbol.number;
        if (symbol.number > last) last = symbol.number;
    }
    return cost_of(counts, first, last, count) / 256 + below;
}

static void set_size(struct classes_plan *plan, uint64_t bits)
{
    enum { FIXED_SIZE = 14 }; /* states, counts */
    plan->size = (size_t)(bits + 7) / 8 + FIXED_SIZE + width_of(zigzag(plan->center)) / 7;
}

void classes_guess(const uint64_t *residuals, size_t count, struct classes_plan *plan)
{
    CHECK(count > 0);
    CHECK(count <= CLASSES_COUNT_MAX);
    plan->center = (int64_t)find_center(residuals, count);
    plan->detail = 1;
    set_size(plan, cost_with(residuals, count, (uint64_t)plan->center, plan->detail));
}

void classes_improve(const uint64_t *residuals, size_t count, struct classes_plan *plan)
{
    for (unsigned detail = 0; detail <= DETAIL_MAX; detail += 2) {
        struct classes_plan other = { plan->center, detail, 0 };
        set_size(&other, cost_with(residuals, count, (uint64_t)plan->center, detail));
        if (other.size < plan->size) *plan = other;
    }
}

static uint8_t level_of(uint64_t count, uint64_t total)
{
    if (count == 0) return 0;
    /* The least weight is one of WEIGHT_COUNT steps below the largest there can be. */
    uint64_t scaled = count * classes_weights[WEIGHT_COUNT - 1];
    uint8_t level = 1;
    while (level < WEIGHT_COUNT &&
           scaled * 2 >= total * ((uint64_t)classes_weights[level - 1] + classes_weights[level])) {
        level++;
    }
    return level;
}

struct nibbles {
    struct buf *out;
    bool is_half;
};

static void put_nibble(struct nibbles *nibbles, unsigned value)
{
    if (nibbles->is_half && nibbles->out->size > 0) {
        char *last = nibbles->out->data + nibbles->out->size - 1;
        *last = (char)((unsigned char)*last | value << 4);
    } else {
        buf_append_char(nibbles->out, (char)value);
    }
    nibbles->is_half = !nibbles->is_half;
}

static void append_levels(struct buf *out, const struct classes_model *model)
{
    varint_append(out, model->first);
    varint_append(out, model->count);
    struct nibbles nibbles = { out, false };
    for (size_t i = 0; i < model->count;) {
        put_nibble(&nibbles, model->levels[i]);
        if (model->levels[i++] != 0) continue;
        unsigned more = 0;
        while (more < 15 && i < model->count && model->levels[i] == 0) {
            more++;
            i++;
        }
        put_nibble(&nibbles, more);
    }
}

/* Counts of symbols to a model that both sides can make. */
static void build_model(struct classes_model *model, const uint16_t *counts, size_t total)
{
    model->first = 0;
    while (counts[model->first] == 0) model->first++;
    size_t last = SYMBOL_COUNT - 1;
    while (counts[last] == 0) last--;
    model->count = last - model->first + 1;
    for (size_t i = 0; i < model->count; i++) {
        model->levels[i] = level_of(counts[model->first + i], total);
    }
    CHECK(classes_scale(model));
}

/* Writes the states and the words; symbols go in from the last to the first. */
static void append_words(struct buf *out, const struct classes_model *model,
                         const uint16_t *symbols, size_t count, size_t state_count)
{
    uint16_t words[CLASSES_COUNT_MAX + STATES_MAX];
    size_t word_count = 0;
    uint32_t states[STATES_MAX] = { STATE_MIN, STATE_MIN, STATE_MIN, STATE_MIN };
    for (size_t i = count; i-- > 0;) {
        size_t symbol = symbols[i] - model->first;
        uint32_t frequency = model->frequencies[symbol];
        uint32_t *state = &states[i % state_count];
        if (*state >= (uint64_t)frequency << (32 - SCALE_BITS)) {
            words[word_count++] = (uint16_t)*state;
            *state >>= SPILL_BITS;
        }
        *state = (*state / frequency << SCALE_BITS) + *state % frequency + model->starts[symbol];
    }
    for (size_t i = 0; i < state_count; i++) fixed32_append(out, states[i]);
    varint_append(out, word_count);
    while (word_count > 0) {
        word_count--;
        buf_append_char(out, (char)(unsigned char)words[word_count]);
        buf_append_char(out, (char)(unsigned char)(words[word_count] >> 8));
    }
}

struct bits {
    unsigned char *at;
    uint64_t word;
    unsigned used;
};

static void put_bits(struct bits *bits, uint64_t value, unsigned width)
{
    bits->word |= value << bits->used;
    unsigned room = 64 - bits->used;
    bits->used += width;
    if (bits->used < 64) return;
    memcpy(bits->at, &bits->word, 8);
    bits->at += 8;
    bits->used -= 64;
    bits->word = room == 64 ? 0 : value >> room;
}

void classes_encode(struct buf *out, const uint64_t *residuals, size_t count,
                    const struct classes_plan *plan)
{
    CHECK(count > 0);
    CHECK(count <= CLASSES_COUNT_MAX);
    uint16_t symbols[CLASSES_COUNT_MAX];
    uint16_t counts[SYMBOL_COUNT] = { 0 };
    unsigned char below[CLASSES_COUNT_MAX * 8 + 8];
    struct bits bits = { below, 0, 0 };
    for (size_t i = 0; i < count; i++) {
        struct symbol symbol = symbol_of(residuals[i], (uint64_t)plan->center, plan->detail);
        symbols[i] = symbol.number;
        counts[symbol.number]++;
        put_bits(&bits, symbol.below, symbol.below_width);
    }
    memcpy(bits.at, &bits.word, (bits.used + 7) / 8);
    bits.at += (bits.used + 7) / 8;
    struct classes_model model;
    build_model(&model, counts, count);
    varint_append_signed(out, plan->center);
    bool has_four = count >= FOUR_COUNT_MIN;
    buf_append_char(out, (char)(plan->detail | (has_four ? HAS_FOUR_STATES : 0)));
    append_levels(out, &model);
    append_words(out, &model, symbols, count, has_four ? 4 : 2);
    buf_append(out, below, (size_t)(bits.at - below));
}
