/* classes_read.c - the way back from classes; format and method: classes.c.
 *
 * WHY      A step of a state waits for the step before, and the bits of a residual for where those
 *          of the one before end. In one loop the one is done while the other waits.
 */
#include "tsdb/classes.h"

#include "base/check.h"
#include "codec/varint.h"
#include "tsdb/classes_model.h"

#include <string.h>

static bool take_nibble(struct str *rest, bool *is_half, unsigned *value)
{
    if (rest->size == 0) return false;
    unsigned byte = (unsigned char)rest->data[0];
    *value = *is_half ? byte >> 4 : byte & 15;
    if (*is_half) *rest = str_skip(*rest, 1);
    *is_half = !*is_half;
    return true;
}

static bool take_levels(struct str *rest, struct classes_model *model)
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
    return classes_scale(model);
}

/* A step of the decoder, by the low bits of the state: in one word the symbol's frequency, the low
 * bits less the start of the symbol's range, and the symbol's place in the model. */
enum { SLOT_BIAS_AT = 11, SLOT_SYMBOL_AT = 21 };

#define SLOT_FREQUENCY_MASK ((UINT32_C(1) << SLOT_BIAS_AT) - 1)
#define SLOT_BIAS_MASK      (SCALE - 1)

_Static_assert(SCALE <= SLOT_FREQUENCY_MASK, "a frequency fits");
_Static_assert(SLOT_SYMBOL_AT - SLOT_BIAS_AT == SCALE_BITS, "a bias fits");

static void fill_slots(const struct classes_model *model, uint32_t *slots)
{
    for (size_t i = 0; i < model->count; i++) {
        uint32_t *slot = slots + model->starts[i];
        uint32_t frequency = model->frequencies[i];
        uint32_t same = frequency | (uint32_t)i << SLOT_SYMBOL_AT;
        for (uint32_t k = 0; k < frequency; k++) slot[k] = same + (k << SLOT_BIAS_AT);
    }
}

/* What stands between the model and the bits below. */
struct coded {
    size_t state_count;
    uint32_t states[STATES_MAX];
    size_t word_count;
    const unsigned char *words; /* word_count of 2 bytes */
};

static bool take_coded(struct str *rest, size_t count, size_t state_count, struct coded *coded)
{
    uint64_t word_count;
    coded->state_count = state_count;
    for (size_t i = 0; i < STATES_MAX; i++) {
        coded->states[i] = STATE_MIN;
        if (i < state_count && !fixed32_take(rest, &coded->states[i])) return false;
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

/* The last symbol that starts at or below `slot`; symbols of no width are passed over. */
static size_t symbol_at(const struct classes_model *model, uint32_t slot)
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

static void decode_few_symbols(const struct coded *coded, const struct classes_model *model,
                               uint16_t *symbols, size_t wanted)
{
    uint32_t states[STATES_MAX];
    memcpy(states, coded->states, sizeof(states));
    size_t at = 0;
    for (size_t i = 0; i < wanted; i++) {
        uint32_t *state = &states[i % coded->state_count];
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

/* What a symbol stands for: residual = base + (the bits below, turned round when negative). */
struct class_entry {
    uint64_t base;
    uint64_t sign; /* all ones: negative */
    uint64_t mask; /* of the bits below */
    uint64_t width;
};

struct class_table {
    struct class_entry entries[SYMBOL_COUNT];
    unsigned width_max;
};

static void fill_class(struct class_table *table, const struct classes_model *model, size_t i,
                       unsigned detail, uint64_t center)
{
    uint64_t symbol = model->first + i;
    unsigned width;
    uint64_t start = classes_start((symbol + 1) / 2, detail, &width);
    uint64_t sign = symbol % 2 == 1 ? UINT64_MAX : 0;
    table->entries[i] = (struct class_entry){ .base = center + ((start ^ sign) - sign),
                                              .sign = sign,
                                              .mask = (UINT64_C(1) << width) - 1,
                                              .width = width };
    if (width > table->width_max) table->width_max = width;
}

/* How wide the bits below are: what does not occur need not be asked for at each residual. */
enum below { BELOW_NONE, BELOW_NARROW, BELOW_WIDE };

enum {
    NARROW_MAX = 56, /* bits that one load has, wherever they begin in its first byte */
    LOADED = 9,      /* bytes that may be loaded from where bits stand */
    FEW = 24,        /* for more the table of slots is made sooner than they are searched */
};

/* What a run over all symbols reads. There is a word for every step, the last of them zeros, and
 * 9 bytes more of bits below than there can be. */
struct run {
    const uint32_t *slots;
    const uint16_t *words;
    const struct class_entry *entries;
    const unsigned char *below;
    size_t word_at;
    size_t bit; /* of the bits below */
};

/* A step of a state: every one looks at the next word and takes it or not, without a branch, for
 * whether it does is as good as random. */
static inline const struct class_entry *step(struct run *run, uint32_t *state)
{
    uint32_t slot = run->slots[*state & (SCALE - 1)];
    uint32_t next = (slot & SLOT_FREQUENCY_MASK) * (*state >> SCALE_BITS) +
                    ((slot >> SLOT_BIAS_AT) & SLOT_BIAS_MASK);
    uint32_t is_short = (next >> SPILL_BITS) == 0;
    *state = next << (is_short * SPILL_BITS) | (run->words[run->word_at] & (0 - is_short));
    run->word_at += is_short;
    return &run->entries[slot >> SLOT_SYMBOL_AT];
}

static inline uint64_t join(struct run *run, const struct class_entry *entry,
                            const enum below below)
{
    if (below == BELOW_NONE) return entry->base;
    unsigned shift = run->bit % 8;
    const unsigned char *bytes = run->below + run->bit / 8;
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    word >>= shift;
    if (below == BELOW_WIDE && shift + entry->width > 64) {
        word |= (uint64_t)bytes[8] << (64 - shift);
    }
    word &= entry->mask;
    run->bit += entry->width;
    return entry->base + ((word ^ entry->sign) - entry->sign);
}

/* All steps and what becomes of them, side by side: the one waits for states, the other for bits.
 * Made once for each constant it is called with. */
static inline __attribute__((always_inline)) void run_states(struct run *from, uint32_t *states,
                                                             const size_t state_count,
                                                             const enum below below,
                                                             uint64_t *residuals, size_t count)
{
    struct run run = *from;
    uint32_t a = states[0];
    uint32_t b = states[1];
    uint32_t c = states[2];
    uint32_t d = states[3];
    size_t i = 0;
    for (; i + state_count <= count; i += state_count) {
        const struct class_entry *first = step(&run, &a);
        const struct class_entry *second = step(&run, &b);
        if (state_count == 2) {
            residuals[i] = join(&run, first, below);
            residuals[i + 1] = join(&run, second, below);
            continue;
        }
        const struct class_entry *third = step(&run, &c);
        const struct class_entry *fourth = step(&run, &d);
        residuals[i] = join(&run, first, below);
        residuals[i + 1] = join(&run, second, below);
        residuals[i + 2] = join(&run, third, below);
        residuals[i + 3] = join(&run, fourth, below);
    }
    if (i < count) residuals[i++] = join(&run, step(&run, &a), below);
    if (i < count) residuals[i++] = join(&run, step(&run, &b), below);
    if (i < count) residuals[i] = join(&run, step(&run, &c), below);
    states[0] = a;
    states[1] = b;
    states[2] = c;
    states[3] = d;
    *from = run;
}

static void run_all(struct run *run, uint32_t *states, size_t state_count, unsigned width_max,
                    uint64_t *residuals, size_t count)
{
    enum below below = width_max == 0            ? BELOW_NONE
                       : width_max <= NARROW_MAX ? BELOW_NARROW
                                                 : BELOW_WIDE;
    if (state_count == 2) { /* short columns, and those of format 3: one way is enough */
        run_states(run, states, 2, BELOW_WIDE, residuals, count);
    } else if (below == BELOW_NONE) {
        run_states(run, states, 4, BELOW_NONE, residuals, count);
    } else if (below == BELOW_NARROW) {
        run_states(run, states, 4, BELOW_NARROW, residuals, count);
    } else {
        run_states(run, states, 4, BELOW_WIDE, residuals, count);
    }
}

/* The bits below, and behind them as many zeros as may be loaded: `room` has place for them. */
static const unsigned char *padded(struct str rest, size_t loaded, unsigned char *room)
{
    if (rest.size >= loaded) return (const unsigned char *)rest.data;
    if (rest.size > 0) memcpy(room, rest.data, rest.size);
    memset(room + rest.size, 0, loaded - rest.size);
    return room;
}

/* The first `wanted` residuals; *size: how many bytes of bits below they have. False: symbols or
 * bits are not all there, or when all are wanted not at their end. */
static bool decode_many(const struct coded *coded, const struct classes_model *model,
                        const struct class_table *table, struct str rest, uint64_t *residuals,
                        size_t count, size_t wanted, size_t *size)
{
    uint16_t words[CLASSES_COUNT_MAX + 1];
    uint32_t slots[SCALE];
    uint32_t states[STATES_MAX];
    unsigned char room[CLASSES_COUNT_MAX * 8 + LOADED];
    size_t word_count = coded->word_count < wanted ? coded->word_count : wanted;
    for (size_t i = 0; i < word_count; i++) words[i] = word_at(coded, i);
    memset(words + word_count, 0, (wanted - word_count + 1) * sizeof(words[0]));
    fill_slots(model, slots);
    memcpy(states, coded->states, sizeof(states));
    size_t loaded = (wanted * table->width_max + 7) / 8 + LOADED;
    struct run run = { slots, words, table->entries, padded(rest, loaded, room), 0, 0 };
    run_all(&run, states, coded->state_count, table->width_max, residuals, wanted);
    *size = (run.bit + 7) / 8;
    bool is_good = *size <= rest.size;
    if (wanted < count) return is_good;
    for (size_t i = 0; i < STATES_MAX; i++) is_good = is_good && states[i] == STATE_MIN;
    return is_good && run.word_at == coded->word_count;
}

/* What stands before the words. */
struct classes_head {
    uint64_t center;
    unsigned detail;
    struct classes_model model;
};

static bool take_head(struct str *rest, size_t count, struct classes_head *head,
                      struct coded *coded)
{
    int64_t center;
    if (!varint_take_signed(rest, &center) || rest->size == 0) return false;
    unsigned detail = (unsigned char)rest->data[0];
    *rest = str_skip(*rest, 1);
    head->center = (uint64_t)center;
    head->detail = detail & ~(unsigned)HAS_FOUR_STATES;
    if (head->detail > DETAIL_MAX || !take_levels(rest, &head->model)) return false;
    /* The largest class has sizes of all 64 bits. */
    uint64_t class_end =
        (UINT64_C(2) << head->detail) + ((uint64_t)(64 - head->detail - 1) << head->detail);
    return (head->model.first + head->model.count) / 2 < class_end &&
           take_coded(rest, count, (detail & HAS_FOUR_STATES) != 0 ? 4 : 2, coded);
}

static void fill_classes(struct class_table *table, const struct classes_head *head)
{
    table->width_max = 0;
    for (size_t i = 0; i < head->model.count; i++) {
        fill_class(table, &head->model, i, head->detail, head->center);
    }
}

bool classes_decode(struct str *rest, uint64_t *residuals, size_t count)
{
    CHECK(count <= CLASSES_COUNT_MAX);
    struct str after = *rest;
    struct classes_head head;
    struct class_table table;
    struct coded coded;
    size_t size;
    if (!take_head(&after, count, &head, &coded)) return false;
    fill_classes(&table, &head);
    if (!decode_many(&coded, &head.model, &table, after, residuals, count, count, &size)) {
        return false;
    }
    *rest = str_skip(after, size);
    return true;
}

/* A few of them without the table of all slots. */
static bool decode_few(const struct coded *coded, const struct classes_head *head, struct str rest,
                       uint64_t *residuals, size_t wanted)
{
    uint16_t symbols[FEW];
    struct class_table table;
    unsigned char room[FEW * 8 + LOADED];
    table.width_max = 0;
    decode_few_symbols(coded, &head->model, symbols, wanted);
    for (size_t i = 0; i < wanted; i++) {
        fill_class(&table, &head->model, symbols[i], head->detail, head->center);
    }
    size_t loaded = (wanted * table.width_max + 7) / 8 + LOADED;
    struct run run = { .below = padded(rest, loaded, room) };
    for (size_t i = 0; i < wanted; i++) {
        residuals[i] = join(&run, &table.entries[symbols[i]], BELOW_WIDE);
    }
    return (run.bit + 7) / 8 <= rest.size;
}

bool classes_decode_first(struct str bytes, uint64_t *residuals, size_t count, size_t wanted)
{
    CHECK(wanted <= count);
    CHECK(count <= CLASSES_COUNT_MAX);
    struct classes_head head;
    struct class_table table;
    struct coded coded;
    size_t size;
    if (!take_head(&bytes, count, &head, &coded)) return false;
    if (wanted <= FEW) return decode_few(&coded, &head, bytes, residuals, wanted);
    fill_classes(&table, &head);
    return decode_many(&coded, &head.model, &table, bytes, residuals, count, wanted, &size);
}
