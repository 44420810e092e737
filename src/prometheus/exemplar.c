/* exemplar.c - examples of what was counted: kept, and read. */
#include "prometheus/exemplar.h"

#include "prometheus/fail.h"
#include "prometheus/name.h"
#include "prometheus/shared.h"
#include "prometheus/store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* Names and values as a slot keeps them. */
union exemplar_text {
    char bytes[EXEMPLAR_TEXT_SIZE];
    uint64_t words[EXEMPLAR_TEXT_SIZE / 8];
};

/* A tick of a few ms is near enough for an example, and costs no look at a hardware clock. */
static uint64_t now_ms(void)
{
#ifdef CLOCK_REALTIME_COARSE
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
#else
    return pm_store_now_ms();
#endif
}

/* 24 bits, in their place above the count of labels: Fletcher's sums, of words. */
static uint32_t check_of(double value, uint64_t time_ms, const uint64_t *words, size_t count)
{
    uint64_t sum;
    memcpy(&sum, &value, sizeof(sum));
    uint64_t sums = sum;
    sum += time_ms;
    sums += sum;
    for (size_t i = 0; i < count; i++) {
        sum += words[i];
        sums += sum;
    }
    sums = (sums ^ sum >> 29) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(sums >> 32) & ~UINT32_C(0xff);
}

/* The slot's sequence while it is the caller's, odd; 0: another one writes it. */
static uint32_t take_slot(struct exemplar_slot *slot, uint64_t now)
{
    uint32_t sequence = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED);
    if ((sequence & 1) != 0) {
        uint64_t since = __atomic_load_n(&slot->time_ms, __ATOMIC_RELAXED);
        if (since <= now && now - since < EXEMPLAR_STALE_MS) return 0;
    }
    uint32_t own = (sequence + 1) | 1; /* odd again where it was */
    if (!__atomic_compare_exchange_n(&slot->sequence, &sequence, own, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED)) {
        return 0;
    }
    __atomic_thread_fence(__ATOMIC_RELEASE); /* odd before anything else of the slot */
    __atomic_store_n(&slot->time_ms, now, __ATOMIC_RELAXED);
    return own;
}

static int put_text(struct series *series, size_t slot_index, double value,
                    const union exemplar_text *text, size_t size, size_t label_count)
{
    struct exemplar_slot *slots = slots_of(series);
    if (slots == NULL) return PM_ERROR_MEMORY;
    struct exemplar_slot *slot = &slots[slot_index];
    uint64_t now = now_ms();
    uint32_t sequence = take_slot(slot, now);
    if (sequence == 0) return PM_OK; /* another one is as good */
    size_t count = (size + 7) / 8;
    uint32_t labels = check_of(value, now, text->words, count) | (uint32_t)label_count;
    __atomic_store_n(&slot->labels, labels, __ATOMIC_RELAXED);
    __atomic_store(&slot->value, &value, __ATOMIC_RELAXED);
    for (size_t i = 0; i < count; i++) {
        __atomic_store_n(&slot->text[i], text->words[i], __ATOMIC_RELAXED);
    }
    /* Not when another one has taken it over. Should that happen just now, the check tells. */
    if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == sequence) {
        __atomic_store_n(&slot->sequence, sequence + 1, __ATOMIC_RELEASE);
    }
    return PM_OK;
}

int pm_exemplar_put(struct series *series, size_t slot, double value, const struct pm_label *labels,
                    size_t label_count)
{
    union exemplar_text text = { .words = { 0 } };
    size_t size = write_text(text.bytes, labels, label_count);
    if (size == 0) return PM_ERROR_LABELS;
    return put_text(series, slot, value, &text, size, label_count);
}

static char *put_hex(char *to, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        *to++ = "0123456789abcdef"[bytes[i] >> 4];
        *to++ = "0123456789abcdef"[bytes[i] & 15];
    }
    *to++ = '\0';
    return to;
}

int pm_exemplar_put_trace(struct series *series, size_t slot, double value,
                          const unsigned char trace_id[16], const unsigned char *span_id)
{
    union exemplar_text text; /* nothing to check: its names are names, its values plain */
    text.words[5] = 0;        /* where they end */
    text.words[8] = 0;
    memcpy(text.bytes, "trace_id", 9);
    char *at = put_hex(text.bytes + 9, trace_id, 16);
    if (span_id != NULL) {
        memcpy(at, "span_id", 8);
        at = put_hex(at + 8, span_id, 8);
    }
    return put_text(series, slot, value, &text, (size_t)(at - text.bytes), span_id == NULL ? 1 : 2);
}

/* ---- Reading ---- */

struct copy {
    struct pm_exemplar exemplar;
    struct pm_label labels[EXEMPLAR_LABELS_MAX];
    union exemplar_text text;
};

/* The slot as it was at one time; false: empty, busy, or nonsense. */
static bool read_slot(const struct exemplar_slot *slot, struct copy *copy)
{
    uint32_t before = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
    if (before == 0 || (before & 1) != 0) return false;
    uint32_t labels = __atomic_load_n(&slot->labels, __ATOMIC_RELAXED);
    size_t count = labels & 0xff;
    __atomic_load(&slot->value, &copy->exemplar.value, __ATOMIC_RELAXED);
    uint64_t time_ms = __atomic_load_n(&slot->time_ms, __ATOMIC_RELAXED);
    for (size_t i = 0; i < EXEMPLAR_TEXT_SIZE / 8; i++) {
        copy->text.words[i] = __atomic_load_n(&slot->text[i], __ATOMIC_RELAXED);
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) != before) return false;
    if (count > EXEMPLAR_LABELS_MAX) return false;
    const char *at = copy->text.bytes;
    const char *end = at + EXEMPLAR_TEXT_SIZE;
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
    size_t used = ((size_t)(at - copy->text.bytes) + 7) / 8;
    uint32_t check = check_of(copy->exemplar.value, time_ms, copy->text.words, used);
    if (check != (labels & ~UINT32_C(0xff))) return false;
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
