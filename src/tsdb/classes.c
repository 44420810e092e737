/* classes.c - residuals as classes by entropy coding (rANS) and the bits below them.
 *
 * FORMAT   center (zigzag varint), detail u8, then
 *          weights: first symbol (varint), count of symbols (varint), a nibble each, low one first,
 *                   padded to a byte: 0 = does not occur, and a nibble more: how many more of
 *                   those follow; n = a weight of weights[n - 1]
 *          state u32 of the even residuals, state u32 of the odd ones, count of words (varint),
 *          words u16; count of bytes is then known: the bits below, low bits first, padded
 * METHOD   d = residual - center. Its size m = |d| is a class of its own up to 2^(detail + 1);
 *          above, a class is the width of m and the `detail` bits behind its first, and the bits
 *          below those stand apart, as they are. Symbol: 0 for 0, else twice the class, less one
 *          when d is negative.
 *          The symbols' frequencies are their weights scaled to a sum of 1 << SCALE_BITS, each at
 *          least 1. The coder is rANS: two states of 32 bits that spill 16 at a time; it is run
 *          backwards, so that the reader goes forwards.
 * WHY      Gauges move a little mostly, counters stand still and reset: a width for 64 of them pays
 *          for the largest. An entropy coder pays each its own; the bits below the class are noise.
 */
#include "tsdb/classes.h"

#include "base/check.h"
#include "codec/varint.h"
#include "tsdb/bitpack.h"

#include <string.h>

enum {
    DETAIL_MAX = 2,
    SYMBOL_COUNT =
        512, /* at most SCALE, more than 2 * ((1 << (DETAIL_MAX + 1)) + 62 * (1 << DETAIL_MAX)) */
    SCALE_BITS = 10,
    SCALE = 1 << SCALE_BITS,
    WEIGHT_COUNT = 15,
    SPILL_BITS = 16,
    CENTER_SAMPLES = 63,
    LOG_COUNT = CLASSES_COUNT_MAX + 1,
};

#define STATE_MIN (UINT32_C(1) << SPILL_BITS)

/* 2^(3n/4), rounded. */
static const uint16_t weights[WEIGHT_COUNT] = { 1,  2,   3,   5,   8,   13,  23,  38,
                                                64, 108, 181, 304, 512, 861, 1448 };

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

/* The least size of a class, and how many bits stand below it. */
static uint64_t class_start(uint64_t class, unsigned detail, unsigned *below_width)
{
    uint64_t plain = UINT64_C(2) << detail;
    if (class < plain) {
        *below_width = 0;
        return class;
    }
    unsigned width = detail + 2 + (unsigned)((class - plain) >> detail);
    uint64_t top = (class - plain) & ((UINT64_C(1) << detail) - 1);
    *below_width = width - 1 - detail;
    return ((UINT64_C(1) << detail) + top) << *below_width;
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

/* What both sides know of the symbols. */
struct model {
    size_t first;
    size_t count;
    uint8_t levels[SYMBOL_COUNT]; /* by symbol - first; 0 = none, else its weight's place + 1 */
    uint16_t frequencies[SYMBOL_COUNT];
    uint16_t starts[SYMBOL_COUNT];
};

static uint8_t level_of(uint64_t count, uint64_t total)
{
    if (count == 0) return 0;
    /* The least weight is one of WEIGHT_COUNT steps below the largest there can be. */
    uint64_t scaled = count * weights[WEIGHT_COUNT - 1];
    uint8_t level = 1;
    while (level < WEIGHT_COUNT &&
           scaled * 2 >= total * ((uint64_t)weights[level - 1] + weights[level])) {
        level++;
    }
    return level;
}

/* Takes from the frequencies above 1, one each in turn, what is more than SCALE. */
static void take_back(struct model *model, uint32_t excess)
{
    while (excess > 0) {
        for (size_t i = 0; i < model->count && excess > 0; i++) {
            if (model->frequencies[i] <= 1) continue;
            model->frequencies[i]--;
            excess--;
        }
    }
}

/* From weights to frequencies with a sum of SCALE. False: no symbol. */
static bool scale_model(struct model *model)
{
    uint32_t sum = 0;
    size_t largest = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (model->levels[i] == 0) continue;
        sum += weights[model->levels[i] - 1];
        if (model->levels[i] > model->levels[largest]) largest = i;
    }
    if (sum == 0) return false;
    uint32_t used = 0;
    for (size_t i = 0; i < model->count; i++) {
        model->frequencies[i] = 0;
        if (model->levels[i] == 0) continue;
        uint32_t frequency = (uint32_t)weights[model->levels[i] - 1] * SCALE / sum;
        model->frequencies[i] = (uint16_t)(frequency == 0 ? 1 : frequency);
        used += model->frequencies[i];
    }
    if (used > SCALE) take_back(model, used - SCALE);
    if (used < SCALE) {
        model->frequencies[largest] = (uint16_t)(model->frequencies[largest] + SCALE - used);
    }
    uint32_t start = 0;
    for (size_t i = 0; i < model->count; i++) {
        model->starts[i] = (uint16_t)start;
        start += model->frequencies[i];
    }
    CHECK(start == SCALE);
    return true;
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

static void append_levels(struct buf *out, const struct model *model)
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

static bool take_nibble(struct str *rest, bool *is_half, unsigned *value)
{
    if (rest->size == 0) return false;
    unsigned byte = (unsigned char)rest->data[0];
    *value = *is_half ? byte >> 4 : byte & 15;
    if (*is_half) *rest = str_skip(*rest, 1);
    *is_half = !*is_half;
    return true;
}

static bool take_levels(struct str *rest, struct model *model)
{
    uint64_t first;
    uint64_t count;
    if (!varint_take(rest, &first) || !varint_take(rest, &count)) return false;
    if (first >= SYMBOL_COUNT || count == 0 || count > SYMBOL_COUNT - first) return false;
    model->first = (size_t)first;
    model->count = (size_t)count;
    bool is_half = false;
    unsigned value;
    for (size_t i = 0; i < model->count;) {
        if (!take_nibble(rest, &is_half, &value)) return false;
        model->levels[i++] = (uint8_t)value;
        if (value != 0) continue;
        if (!take_nibble(rest, &is_half, &value) || value > model->count - i) return false;
        for (; value > 0; value--) model->levels[i++] = 0;
    }
    if (is_half) *rest = str_skip(*rest, 1);
    return scale_model(model);
}

/* Counts of symbols to a model that both sides can make. */
static void build_model(struct model *model, const uint16_t *counts, size_t total)
{
    model->first = 0;
    while (counts[model->first] == 0) model->first++;
    size_t last = SYMBOL_COUNT - 1;
    while (counts[last] == 0) last--;
    model->count = last - model->first + 1;
    for (size_t i = 0; i < model->count; i++) {
        model->levels[i] = level_of(counts[model->first + i], total);
    }
    CHECK(scale_model(model));
}

/* Writes the states and the words; symbols go in from the last to the first. */
static void append_words(struct buf *out, const struct model *model, const uint16_t *symbols,
                         size_t count)
{
    uint16_t words[CLASSES_COUNT_MAX + 2];
    size_t word_count = 0;
    uint32_t states[2] = { STATE_MIN, STATE_MIN };
    for (size_t i = count; i-- > 0;) {
        size_t symbol = symbols[i] - model->first;
        uint32_t frequency = model->frequencies[symbol];
        uint32_t *state = &states[i % 2];
        if (*state >= (uint64_t)frequency << (32 - SCALE_BITS)) {
            words[word_count++] = (uint16_t)*state;
            *state >>= SPILL_BITS;
        }
        *state = (*state / frequency << SCALE_BITS) + *state % frequency + model->starts[symbol];
    }
    fixed32_append(out, states[0]);
    fixed32_append(out, states[1]);
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
    struct model model;
    build_model(&model, counts, count);
    varint_append_signed(out, plan->center);
    buf_append_char(out, (char)plan->detail);
    append_levels(out, &model);
    append_words(out, &model, symbols, count);
    buf_append(out, below, (size_t)(bits.at - below));
}

/* A step of the decoder, by the low bits of the state: in one word the symbol's frequency, the low
 * bits less the start of the symbol's range, and the symbol's place in the model. */
enum { SLOT_BIAS_AT = 11, SLOT_SYMBOL_AT = 21 };

#define SLOT_FREQUENCY_MASK ((UINT32_C(1) << SLOT_BIAS_AT) - 1)
#define SLOT_BIAS_MASK      (SCALE - 1)

_Static_assert(SCALE <= SLOT_FREQUENCY_MASK, "a frequency fits");
_Static_assert(SLOT_SYMBOL_AT - SLOT_BIAS_AT == SCALE_BITS, "a bias fits");

static void fill_slots(const struct model *model, uint32_t *slots)
{
    for (size_t i = 0; i < model->count; i++) {
        uint32_t *slot = slots + model->starts[i];
        uint32_t frequency = model->frequencies[i];
        uint32_t same = frequency | (uint32_t)i << SLOT_SYMBOL_AT;
        for (uint32_t k = 0; k < frequency; k++) slot[k] = same + (k << SLOT_BIAS_AT);
    }
}

/* Every step looks at the next word and takes it or not, without a branch: whether it does is as
 * good as random. At most one word a step, so `words` has as many as there are steps. */
static bool run_states(const uint32_t *slots, const uint32_t *states, const uint16_t *words,
                       size_t word_count, uint16_t *symbols, size_t count)
{
    size_t at = 0;
    uint32_t even = states[0];
    uint32_t odd = states[1];
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = slots[even & (SCALE - 1)];
        symbols[i] = (uint16_t)(slot >> SLOT_SYMBOL_AT);
        uint32_t next = (slot & SLOT_FREQUENCY_MASK) * (even >> SCALE_BITS) +
                        ((slot >> SLOT_BIAS_AT) & SLOT_BIAS_MASK);
        uint32_t is_short = (next >> SPILL_BITS) == 0;
        uint32_t taken = words[at] & (0 - is_short);
        even = odd;
        odd = next << (is_short * SPILL_BITS) | taken;
        at += is_short;
    }
    return at == word_count && even == STATE_MIN && odd == STATE_MIN;
}

/* What stands between the model and the bits below. */
struct coded {
    uint32_t states[2];
    size_t word_count;
    const unsigned char *words; /* word_count of 2 bytes */
};

static bool take_coded(struct str *rest, size_t count, struct coded *coded)
{
    uint64_t word_count;
    if (!fixed32_take(rest, &coded->states[0]) || !fixed32_take(rest, &coded->states[1])) {
        return false;
    }
    if (!varint_take(rest, &word_count) || word_count > rest->size / 2) return false;
    if (word_count > count) return false;
    coded->word_count = (size_t)word_count;
    coded->words = (const unsigned char *)rest->data;
    *rest = str_skip(*rest, (size_t)word_count * 2);
    return true;
}

static uint16_t word_at(const struct coded *coded, size_t at)
{
    return (uint16_t)(coded->words[at * 2] | coded->words[at * 2 + 1] << 8);
}

/* The first `count` symbols; false: they are not all there are. */
static bool decode_symbols(const struct coded *coded, const struct model *model, uint16_t *symbols,
                           size_t count)
{
    uint16_t words[CLASSES_COUNT_MAX + 1];
    size_t word_count = coded->word_count < count ? coded->word_count : count;
    for (size_t i = 0; i < word_count; i++) words[i] = word_at(coded, i);
    memset(words + word_count, 0, (count - word_count + 1) * sizeof(words[0]));
    uint32_t slots[SCALE];
    fill_slots(model, slots);
    return run_states(slots, coded->states, words, coded->word_count, symbols, count);
}

/* The last symbol that starts at or below `slot`; symbols of no width are passed over. */
static size_t symbol_at(const struct model *model, uint32_t slot)
{
    size_t low = 0;
    size_t high = model->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (model->starts[middle] <= slot) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* A few symbols without the table of all slots. */
static void decode_few_symbols(const struct coded *coded, const struct model *model,
                               uint16_t *symbols, size_t wanted)
{
    uint32_t states[2] = { coded->states[0], coded->states[1] };
    size_t at = 0;
    for (size_t i = 0; i < wanted; i++) {
        uint32_t *state = &states[i % 2];
        uint32_t slot = *state & (SCALE - 1);
        size_t symbol = symbol_at(model, slot);
        symbols[i] = (uint16_t)symbol;
        *state = model->frequencies[symbol] * (*state >> SCALE_BITS) + slot - model->starts[symbol];
        if ((*state >> SPILL_BITS) != 0) continue;
        uint32_t word = at < coded->word_count ? word_at(coded, at) : 0;
        *state = *state << SPILL_BITS | word;
        at++;
    }
}

struct class_table {
    uint64_t starts[SYMBOL_COUNT]; /* of sizes; two's complement when negative */
    uint64_t signs[SYMBOL_COUNT];  /* all ones: negative */
    uint8_t widths[SYMBOL_COUNT];
};

static void fill_class(struct class_table *table, const struct model *model, size_t i,
                       unsigned detail)
{
    uint64_t symbol = model->first + i;
    unsigned width;
    table->starts[i] = class_start((symbol + 1) / 2, detail, &width);
    table->signs[i] = symbol % 2 == 1 ? UINT64_MAX : 0;
    table->widths[i] = (uint8_t)width;
}

static void fill_classes(const struct model *model, unsigned detail, struct class_table *table)
{
    for (size_t i = 0; i < model->count; i++) fill_class(table, model, i, detail);
}

/* The sizes' lower bits; `bytes` may be loaded 9 bytes past the last. */
static void join(const unsigned char *bytes, const struct class_table *table,
                 const uint16_t *symbols, size_t count, uint64_t center, uint64_t *residuals)
{
    size_t bit = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned width = table->widths[symbols[i]];
        uint64_t word;
        memcpy(&word, bytes + bit / 8, 8);
        unsigned shift = bit % 8;
        word >>= shift;
        if (shift + width > 64) word |= (uint64_t)bytes[bit / 8 + 8] << (64 - shift);
        bit += width;
        uint64_t size = table->starts[symbols[i]] + (word & ((UINT64_C(1) << width) - 1));
        uint64_t sign = table->signs[symbols[i]];
        residuals[i] = center + ((size ^ sign) - sign);
    }
}

/* The residuals of `count` symbols, whose lower bits stand at the front of `rest`. */
static bool join_below(struct str *rest, const struct class_table *table, const uint16_t *symbols,
                       size_t count, uint64_t center, uint64_t *residuals)
{
    enum { LOADED = 9 };
    size_t bits = 0;
    for (size_t i = 0; i < count; i++) bits += table->widths[symbols[i]];
    size_t size = (bits + 7) / 8;
    if (size > rest->size) return false;
    if (rest->size >= size + LOADED) {
        join((const unsigned char *)rest->data, table, symbols, count, center, residuals);
    } else {
        unsigned char padded[CLASSES_COUNT_MAX * 8 + LOADED];
        memcpy(padded, rest->data, size);
        memset(padded + size, 0, LOADED);
        join(padded, table, symbols, count, center, residuals);
    }
    *rest = str_skip(*rest, size);
    return true;
}

static bool take_head(struct str *rest, int64_t *center, unsigned *detail, struct model *model)
{
    if (!varint_take_signed(rest, center) || rest->size == 0) return false;
    *detail = (unsigned char)rest->data[0];
    *rest = str_skip(*rest, 1);
    if (*detail > DETAIL_MAX || !take_levels(rest, model)) return false;
    /* The largest class has sizes of all 64 bits. */
    uint64_t class_end = (UINT64_C(2) << *detail) + ((uint64_t)(64 - *detail - 1) << *detail);
    return (model->first + model->count) / 2 < class_end;
}

bool classes_decode(struct str *rest, uint64_t *residuals, size_t count)
{
    CHECK(count <= CLASSES_COUNT_MAX);
    struct str after = *rest;
    int64_t center;
    unsigned detail;
    struct model model;
    struct coded coded;
    uint16_t symbols[CLASSES_COUNT_MAX];
    if (!take_head(&after, &center, &detail, &model)) return false;
    if (!take_coded(&after, count, &coded)) return false;
    if (!decode_symbols(&coded, &model, symbols, count)) return false;
    struct class_table table;
    fill_classes(&model, detail, &table);
    if (!join_below(&after, &table, symbols, count, (uint64_t)center, residuals)) return false;
    *rest = after;
    return true;
}

bool classes_decode_first(struct str bytes, uint64_t *residuals, size_t count, size_t wanted)
{
    enum { FEW = 24 }; /* for more the table of slots is made sooner than they are searched */
    CHECK(wanted <= count);
    CHECK(count <= CLASSES_COUNT_MAX);
    int64_t center;
    unsigned detail;
    struct model model;
    struct coded coded;
    uint16_t symbols[CLASSES_COUNT_MAX];
    if (!take_head(&bytes, &center, &detail, &model)) return false;
    if (!take_coded(&bytes, count, &coded)) return false;
    struct class_table table;
    if (wanted > FEW) {
        (void)decode_symbols(&coded, &model, symbols, wanted);
        fill_classes(&model, detail, &table);
    } else {
        decode_few_symbols(&coded, &model, symbols, wanted);
        for (size_t i = 0; i < wanted; i++) fill_class(&table, &model, symbols[i], detail);
    }
    return join_below(&bytes, &table, symbols, wanted, (uint64_t)center, residuals);
}
