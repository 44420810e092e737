/* classes_model.c - from the weights that are written to the frequencies that both sides use. */
#include "tsdb/classes_model.h"

#include "base/check.h"

const uint16_t classes_weights[WEIGHT_COUNT] = { 1,  2,   3,   5,   8,   13,  23,  38,
                                                 64, 108, 181, 304, 512, 861, 1448 };

uint64_t classes_start(uint64_t class, unsigned detail, unsigned *below_width)
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

/* Takes from the frequencies above 1, one each in turn, what is more than SCALE. */
static void take_back(struct classes_model *model, uint32_t excess)
{
    while (excess > 0) {
        for (size_t i = 0; i < model->count && excess > 0; i++) {
            if (model->frequencies[i] <= 1) continue;
            model->frequencies[i]--;
            excess--;
        }
    }
}

bool classes_scale(struct classes_model *model)
{
    uint32_t sum = 0;
    size_t largest = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (model->levels[i] == 0) continue;
        sum += classes_weights[model->levels[i] - 1];
        if (model->levels[i] > model->levels[largest]) largest = i;
    }
    if (sum == 0) return false;
    uint32_t used = 0;
    for (size_t i = 0; i < model->count; i++) {
        model->frequencies[i] = 0;
        if (model->levels[i] == 0) continue;
        uint32_t frequency = (uint32_t)classes_weights[model->levels[i] - 1] * SCALE / sum;
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
