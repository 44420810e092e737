/* id_list.c - the ids of a segment in the making, runs of made ones as where they begin. */
#include "logstore/id_list.h"

#include "logstore/bytes.h"

#define RUNS_MAX     256
#define COUNTER_AT   9
#define COUNTER_SIZE 6
#define COUNTER_TEXT 12 /* where the characters that count begin */

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool id_pack(struct str id, char *packed)
{
    if (id.size != ID_MADE_SIZE) return false;
    for (size_t group = 0; group < 5; group++) {
        uint32_t bits = 0;
        for (size_t i = 0; i < 4; i++) {
            int value = base64url_value(id.data[group * 4 + i]);
            if (value < 0) return false;
            bits = bits << 6 | (uint32_t)value;
        }
        packed[group * 3] = (char)(bits >> 16);
        packed[group * 3 + 1] = (char)(bits >> 8);
        packed[group * 3 + 2] = (char)bits;
    }
    return true;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void id_unpack(const char *packed, char *id)
{
    const unsigned char *bytes = (const unsigned char *)packed;
    for (size_t group = 0; group < 5; group++) {
        uint32_t bits = (uint32_t)bytes[group * 3] << 16 | (uint32_t)bytes[group * 3 + 1] << 8 |
                        bytes[group * 3 + 2];
        for (size_t i = 0; i < 4; i++) id[group * 4 + i] = alphabet[bits >> (18 - 6 * i) & 63];
    }
}

bool id_step(char *id)
{
    for (size_t i = ID_MADE_SIZE; i > COUNTER_TEXT; i--) {
        int value = (base64url_value(id[i - 1]) + 1) % 64;
        id[i - 1] = alphabet[value];
        if (value != 0) return true;
    }
    return false;
}

uint64_t id_counter(const char *packed)
{
    uint64_t counter = 0;
    for (size_t i = 0; i < COUNTER_SIZE; i++) {
        counter = counter << 8 | (unsigned char)packed[COUNTER_AT + i];
    }
    return counter;
}

void id_set_counter(char *packed, uint64_t counter)
{
    for (size_t i = 0; i < COUNTER_SIZE; i++) {
        packed[COUNTER_AT + i] = (char)(counter >> (8 * (COUNTER_SIZE - 1 - i)));
    }
}

void id_list_init(struct id_list *list)
{
    *list = (struct id_list){ .run_documents = 0 };
    buf_init(&list->bytes, UINT32_MAX);
}

void id_list_release(struct id_list *list)
{
    buf_release(&list->bytes);
    VEC_RELEASE(&list->starts);
    VEC_RELEASE(&list->runs);
}

static void run_id(const struct id_run *run, uint32_t document, char *id)
{
    char packed[ID_PACKED_SIZE];
    memcpy(packed, run->packed, sizeof(packed));
    id_set_counter(packed, id_counter(packed) + (document - run->first));
    id_unpack(packed, id);
}

/* A run of one document, the last: its id becomes text. */
static void demote_last(struct id_list *list, uint32_t *demoted)
{
    char id[ID_MADE_SIZE];
    const struct id_run *run = &VEC_LAST(&list->runs);
    run_id(run, run->first, id);
    *demoted = run->first;
    list->runs.count--;
    list->run_documents--;
    buf_append(&list->bytes, id, sizeof(id));
}

bool id_list_add(struct id_list *list, struct str id, uint32_t *demoted)
{
    uint32_t document = (uint32_t)list->starts.count;
    char packed[ID_PACKED_SIZE];
    *demoted = UINT32_MAX;
    if (list->has_next && id.size == ID_MADE_SIZE &&
        bytes_same(id.data, list->next, ID_MADE_SIZE)) {
        VEC_LAST(&list->runs).count++;
        list->run_documents++;
        list->has_next = id_step(list->next);
        return VEC_PUSH(&list->starts, (uint32_t)list->bytes.size);
    }
    list->has_next = false;
    bool is_made = id_pack(id, packed);
    bool has_last = list->runs.count > 0;
    if (has_last && VEC_LAST(&list->runs).count == 1 &&
        VEC_LAST(&list->runs).first + 1 == document) {
        demote_last(list, demoted);
    }
    if (!VEC_PUSH(&list->starts, (uint32_t)list->bytes.size)) return false;
    if (is_made && list->runs.count < RUNS_MAX) {
        struct id_run run = { .first = document, .count = 1 };
        memcpy(run.packed, packed, sizeof(packed));
        list->run_documents++;
        memcpy(list->next, id.data, ID_MADE_SIZE);
        list->has_next = id_step(list->next);
        return VEC_PUSH(&list->runs, run);
    }
    buf_append_str(&list->bytes, id);
    return !list->bytes.has_failed;
}

struct str id_list_at(const struct id_list *list, uint32_t document, char *buffer)
{
    size_t start = list->starts.items[document];
    size_t end =
        document + 1 < list->starts.count ? list->starts.items[document + 1] : list->bytes.size;
    size_t low = 0;
    size_t high = list->runs.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list->runs.items[middle].first <= document)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0) {
        const struct id_run *run = &list->runs.items[low - 1];
        if (document - run->first < run->count) {
            run_id(run, document, buffer);
            return (struct str){ buffer, ID_MADE_SIZE };
        }
    }
    return (struct str){ list->bytes.data == NULL ? buffer : list->bytes.data + start,
                         end - start };
}

uint32_t id_list_find_in_runs(const struct id_list *list, struct str id)
{
    char packed[ID_PACKED_SIZE];
    if (list->runs.count == 0 || !id_pack(id, packed)) return UINT32_MAX;
    uint64_t counter = id_counter(packed);
    for (size_t i = list->runs.count; i > 0; i--) {
        const struct id_run *run = &list->runs.items[i - 1];
        if (memcmp(run->packed, packed, COUNTER_AT) != 0) continue;
        uint64_t step = counter - id_counter(run->packed);
        if (step < run->count) return run->first + (uint32_t)step;
    }
    return UINT32_MAX;
}
