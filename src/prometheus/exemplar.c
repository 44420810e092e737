/* exemplar.c - examples of what was counted: kept, and read. */
#include "prometheus/exemplar.h"

#include "prometheus/fail.h"
#include "prometheus/name.h"
#include "prometheus/shared.h"
#include "prometheus/store.h"

#include <stdlib.h>
#include <string.h>

size_t pm_exemplar_slot_count(const struct family *family)
{
    if (family->type == PM_COUNTER) return 1;
    if (family->type != PM_HISTOGRAM) return 0;
    return family->has_classic ? family->bound_count + 1 : EXEMPLAR_NATIVE_SLOTS;
}

/* ---- Putting ---- */

/* Names and values one behind the other, each with its NUL; 0: too much, or no labels. */
static size_t write_text(char *to, const struct pm_label *labels, size_t count)
{
    size_t used = 0;
    size_t characters = 0;
    if (count > EXEMPLAR_LABELS_MAX) return 0;
    for (size_t i = 0; i < count; i++) {
        const char *texts[] = { labels[i].name, labels[i].value };
        if (!pm_name_is_label(texts[0]) || texts[1] == NULL) return 0;
        for (size_t j = 0; j < 2; j++) {
            size_t size = pm_name_mend(NULL, texts[j]);
            if (used + size + 1 > EXEMPLAR_TEXT_SIZE) return 0;
            (void)pm_name_mend(to + used, texts[j]);
            for (size_t k = 0; k < size; k++) characters += (to[used + k] & 0xc0) != 0x80;
            to[used + size] = '\0';
            used += size + 1;
        }
    }
    return characters <= PM_EXEMPLAR_CHARACTERS_MAX ? used : 0;
}

static struct exemplar_slot *slots_of(struct series *series)
{
    struct exemplar_slot *slots = __atomic_load_n(&series->exemplars, __ATOMIC_ACQUIRE);
    if (slots != NULL) return slots;
    size_t count = pm_exemplar_slot_count(series->family);
    if (count == 0) return NULL;
    pm_store_lock();
    if (series->exemplars == NULL && series->family->registry->region != NULL) {
        (void)pm_shared_exemplars_locked(series, count, NULL);
    } else if (series->exemplars == NULL) {
        slots = calloc(count, sizeof(*slots)); /* freed with the series */
        __atomic_store_n(&series->exemplars, slots, __ATOMIC_RELEASE);
    }
    slots = series->exemplars;
    pm_store_unlock();
    return slots;
}

int pm_exemplar_put(struct series *series, size_t slot_index, double value,
                    const struct pm_label *labels, size_t label_count)
{
    char text[EXEMPLAR_TEXT_SIZE];
    size_t size = write_text(text, labels, label_count);
    if (size == 0) return PM_ERROR_LABELS;
    struct exemplar_slot *slots = slots_of(series);
    if (slots == NULL) return PM_ERROR_MEMORY;
    struct exemplar_slot *slot = &slots[slot_index];
    uint32_t sequence = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED);
    if ((sequence & 1) != 0 ||
        !__atomic_compare_exchange_n(&slot->sequence, &sequence, sequence + 1, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return PM_OK; /* another one is as good */
    }
    uint64_t now = pm_store_now_ms();
    __atomic_store_n(&slot->label_count, (uint32_t)label_count, __ATOMIC_RELAXED);
    __atomic_store(&slot->value, &value, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->time_ms, now, __ATOMIC_RELAXED);
    for (size_t i = 0; i < size; i++) __atomic_store_n(&slot->text[i], text[i], __ATOMIC_RELAXED);
    __atomic_store_n(&slot->sequence, sequence + 2, __ATOMIC_RELEASE);
    return PM_OK;
}

/* ---- Reading ---- */

struct copy {
    struct pm_exemplar exemplar;
    struct pm_label labels[EXEMPLAR_LABELS_MAX];
    char text[EXEMPLAR_TEXT_SIZE];
};

/* The slot as it was at one time; false: empty, busy, or nonsense. */
static bool read_slot(const struct exemplar_slot *slot, struct copy *copy)
{
    uint32_t before = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
    if (before == 0 || (before & 1) != 0) return false;
    size_t count = __atomic_load_n(&slot->label_count, __ATOMIC_RELAXED);
    __atomic_load(&slot->value, &copy->exemplar.value, __ATOMIC_RELAXED);
    uint64_t time_ms = __atomic_load_n(&slot->time_ms, __ATOMIC_RELAXED);
    for (size_t i = 0; i < EXEMPLAR_TEXT_SIZE; i++) {
        copy->text[i] = __atomic_load_n(&slot->text[i], __ATOMIC_RELAXED);
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) != before) return false;
    if (count > EXEMPLAR_LABELS_MAX) return false;
    const char *at = copy->text;
    const char *end = copy->text + EXEMPLAR_TEXT_SIZE;
    for (size_t i = 0; i < 2 * count; i++) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        if (stop == NULL) return false;
        if (i % 2 == 0)
            copy->labels[i / 2].name = at;
        else
            copy->labels[i / 2].value = at;
        if (i % 2 == 0 && !pm_name_is_label(at)) return false;
        at = stop + 1;
    }
    copy->exemplar.labels = copy->labels;
    copy->exemplar.label_count = count;
    copy->exemplar.timestamp_s = (double)time_ms / 1000;
    return true;
}

bool pm_exemplars_read(struct exemplars *exemplars, const struct series *series)
{
    const struct exemplar_slot *slots = __atomic_load_n(&series->exemplars, __ATOMIC_ACQUIRE);
    if (slots == NULL) return false;
    size_t count = pm_exemplar_slot_count(series->family);
    exemplars->slots = calloc(count + 1, sizeof(struct pm_exemplar *));
    struct copy *copies = calloc(count + 1, sizeof(*copies));
    exemplars->memory = copies;
    exemplars->count = count;
    if (exemplars->slots == NULL || copies == NULL) {
        pm_exemplars_release(exemplars);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (read_slot(&slots[i], &copies[i])) exemplars->slots[i] = &copies[i].exemplar;
    }
    return true;
}

void pm_exemplars_release(struct exemplars *exemplars)
{
    free(exemplars->slots);
    free(exemplars->memory);
    memset(exemplars, 0, sizeof(*exemplars));
}
