/* head_pairs.c - the labels of the series in memory: each pair of name and value once, with the
 * numbers of the series that have it.
 */
#include "tsdb/head_parts.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct str head_pair_name(const struct head *head, const struct head_pair *pair)
{
    return head->names.items[pair->name].text;
}

struct str head_pair_value(const struct head_pair *pair)
{
    return (struct str){ pair->text, pair->size };
}

struct postings head_pair_postings(const struct head_pair *pair)
{
    return (struct postings){ pair->capacity > 0 ? pair->postings.items : &pair->postings.single,
                              pair->count };
}

static size_t find_name(const struct head *head, struct str name)
{
    for (size_t i = 0; i < head->names.count; i++) {
        if (str_equal(head->names.items[i].text, name)) return i;
    }
    return SIZE_MAX;
}

const struct head_name *head_name_find(const struct head *head, struct str name)
{
    size_t at = find_name(head, name);
    return at == SIZE_MAX ? NULL : &head->names.items[at];
}

/* Words of the text, one multiplication each; short texts, which labels are, need one or two. */
static uint64_t add_text(uint64_t hash, struct str text)
{
    static const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15);
    size_t i = 0;
    uint64_t word;
    for (; i + 8 < text.size; i += 8) {
        memcpy(&word, text.data + i, 8);
        hash = head_mix(hash ^ word, odd);
    }
    word = 0;
    if (text.size >= 8) {
        memcpy(&word, text.data + text.size - 8, 8);
    } else {
        for (; i < text.size; i++) word = word << 8 | (unsigned char)text.data[i];
    }
    return head_mix(hash ^ word ^ (uint64_t)text.size << 56, odd);
}

uint32_t head_pair_hash(const struct head *head, struct str name, struct str value)
{
    return (uint32_t)(add_text(add_text(head->seed | 1, name), value) >> 32);
}

static uint32_t find_pair(const struct head *head, struct str name, struct str value, uint32_t hash)
{
    const struct head_table *table = &head->pair_table;
    if (table->capacity == 0) return UINT32_MAX;
    size_t mask = table->capacity - 1;
    for (size_t at = hash & mask; table->slots[at] != 0; at = (at + 1) & mask) {
        if ((uint32_t)(table->slots[at] >> 32) != hash) continue;
        uint32_t number = (uint32_t)table->slots[at] - 1;
        const struct head_pair *pair = head_pair_at(head, number);
        if (str_equal(head_pair_value(pair), value) && str_equal(head_pair_name(head, pair), name))
            return number;
    }
    return UINT32_MAX;
}

const struct head_pair *head_pair_find(const struct head *head, struct str name, struct str value)
{
    uint32_t number = find_pair(head, name, value, head_pair_hash(head, name, value));
    return number == UINT32_MAX ? NULL : head_pair_at(head, number);
}

static size_t make_name(struct head *head, struct str text)
{
    size_t at = find_name(head, text);
    if (at != SIZE_MAX) return at;
    char *copy = str_copy(text);
    if (copy == NULL) return SIZE_MAX;
    struct head_name name = { .text = { copy, text.size } };
    if (!VEC_PUSH(&head->names, name)) {
        free(copy);
        return SIZE_MAX;
    }
    return head->names.count - 1;
}

static uint32_t new_pair_number(struct head *head)
{
    if (head->free_pairs.count > 0) return head->free_pairs.items[--head->free_pairs.count];
    size_t page = head->pair_end / HEAD_PAGE_SIZE;
    if (page >= HEAD_PAGE_COUNT) return UINT32_MAX;
    if (head->pairs[page] == NULL) {
        head->pairs[page] = calloc(HEAD_PAGE_SIZE, sizeof(*head->pairs[page]));
        if (head->pairs[page] == NULL) return UINT32_MAX;
    }
    return head->pair_end++;
}

uint32_t head_same_pair(const struct head *head, const struct head_series *series, size_t place,
                        const struct label *label)
{
    if (series == NULL || place >= series->pair_count) return UINT32_MAX;
    const struct head_pair *pair = head_pair_at(head, series->pairs[place]);
    if (!str_equal(head_pair_value(pair), label->value)) return UINT32_MAX;
    if (!str_equal(head_pair_name(head, pair), label->name)) return UINT32_MAX;
    return series->pairs[place];
}

uint32_t head_make_pair(struct head *head, const struct label *label)
{
    uint32_t hash = head_pair_hash(head, label->name, label->value);
    uint32_t number = find_pair(head, label->name, label->value, hash);
    if (number != UINT32_MAX) return number;
    size_t name = make_name(head, label->name);
    if (name == SIZE_MAX || !head_table_reserve(&head->pair_table, 1)) return UINT32_MAX;
    if (!VEC_RESERVE(&head->names.items[name].pairs, 1)) return UINT32_MAX;
    struct head_pair *pair = malloc(sizeof(*pair) + label->value.size);
    number = pair == NULL ? UINT32_MAX : new_pair_number(head);
    if (number == UINT32_MAX) {
        free(pair);
        return UINT32_MAX;
    }
    *pair = (struct head_pair){ 0 };
    memcpy(pair->text, label->value.data, label->value.size);
    pair->size = (uint32_t)label->value.size;
    pair->name = (uint32_t)name;
    pair->hash = hash;
    pair->slot = (uint32_t)head->names.items[name].pairs.count;
    head->names.items[name].pairs.items[head->names.items[name].pairs.count++] = number;
    head->names.items[name].text_size += pair->size;
    head->pairs[number / HEAD_PAGE_SIZE][number % HEAD_PAGE_SIZE] = pair;
    head_table_put(&head->pair_table, hash, number);
    head->totals.pair_count++;
    head->totals.symbol_size += pair->size;
    head->totals.series_size += sizeof(*pair) + pair->size;
    return number;
}

bool head_reserve_posting(struct head *head, uint32_t pair_number)
{
    struct head_pair *pair =
        head->pairs[pair_number / HEAD_PAGE_SIZE][pair_number % HEAD_PAGE_SIZE];
    if (pair->count == 0 || pair->count < pair->capacity) return true;
    uint32_t capacity = pair->capacity == 0 ? 4 : pair->capacity + pair->capacity / 2;
    uint32_t *items =
        realloc(pair->capacity == 0 ? NULL : pair->postings.items, capacity * sizeof(items[0]));
    if (items == NULL) return false;
    if (pair->capacity == 0) items[0] = pair->postings.single;
    head->totals.series_size += (capacity - pair->capacity) * sizeof(items[0]);
    pair->postings.items = items;
    pair->capacity = capacity;
    return true;
}

void head_add_posting(struct head *head, uint32_t pair_number, uint32_t number)
{
    struct head_pair *pair =
        head->pairs[pair_number / HEAD_PAGE_SIZE][pair_number % HEAD_PAGE_SIZE];
    if (pair->capacity == 0) {
        CHECK(pair->count == 0);
        pair->postings.single = number;
    } else {
        CHECK(pair->count < pair->capacity);
        /* Numbers rise, but where a recovery meets batches in the order of their commits. */
        uint32_t at = pair->count;
        uint32_t *items = pair->postings.items;
        for (; at > 0 && items[at - 1] > number; at--) items[at] = items[at - 1];
        items[at] = number;
    }
    pair->count++;
}

void head_remove_posting(struct head *head, uint32_t pair_number, uint32_t number)
{
    struct head_pair *pair =
        head->pairs[pair_number / HEAD_PAGE_SIZE][pair_number % HEAD_PAGE_SIZE];
    uint32_t *items = pair->capacity > 0 ? pair->postings.items : &pair->postings.single;
    uint32_t at = 0;
    while (at < pair->count && items[at] != number) at++;
    CHECK(at < pair->count);
    memmove(&items[at], &items[at + 1], (pair->count - at - 1) * sizeof(items[0]));
    pair->count--;
}

void head_free_pair(struct head_pair *pair)
{
    if (pair == NULL) return;
    if (pair->capacity > 0) free(pair->postings.items);
    free(pair);
}

/* A pair stays where it is, with its number, until no cursor is open: they read without a lock. */
static void remove_pair(struct head *head, uint32_t number)
{
    struct head_pair *pair = head->pairs[number / HEAD_PAGE_SIZE][number % HEAD_PAGE_SIZE];
    struct head_name *name = &head->names.items[pair->name];
    uint32_t moved = VEC_LAST(&name->pairs);
    name->pairs.items[pair->slot] = moved;
    head->pairs[moved / HEAD_PAGE_SIZE][moved % HEAD_PAGE_SIZE]->slot = pair->slot;
    name->pairs.count--;
    name->text_size -= pair->size;
    head_table_remove(&head->pair_table, pair->hash, number);
    head->totals.pair_count--;
    head->totals.symbol_size -= pair->size;
    head->totals.series_size -= sizeof(*pair) + pair->size + pair->capacity * sizeof(uint32_t);
    pair->is_removed = true;
    /* Without memory for the list the pair stays until the end: no harm but its bytes. */
    (void)!VEC_PUSH(&head->limbo, number);
}

void head_sweep_postings(struct head *head)
{
    for (uint32_t number = 0; number < head->pair_end; number++) {
        struct head_pair *pair = head->pairs[number / HEAD_PAGE_SIZE][number % HEAD_PAGE_SIZE];
        if (pair == NULL || pair->is_removed) continue;
        uint32_t *items = pair->capacity > 0 ? pair->postings.items : &pair->postings.single;
        uint32_t count = 0;
        for (uint32_t i = 0; i < pair->count; i++) {
            if (head_series_at(head, items[i]) != NULL) items[count++] = items[i];
        }
        pair->count = count;
        if (count == 0) remove_pair(head, number);
    }
}

void head_free_limbo(struct head *head)
{
    for (size_t i = 0; i < head->limbo.count; i++) {
        uint32_t number = head->limbo.items[i];
        struct head_pair **place = &head->pairs[number / HEAD_PAGE_SIZE][number % HEAD_PAGE_SIZE];
        head_free_pair(*place);
        *place = NULL;
        (void)!VEC_PUSH(&head->free_pairs, number);
    }
    VEC_RELEASE(&head->limbo);
}
