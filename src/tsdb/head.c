/* head.c - the newest samples, in memory.
 *
 * WHY      A series costs its struct, four bytes a label, and its postings; its text is kept once
 *          for all series. The newest samples stand plain in a short tail; a full tail becomes a
 *          chunk, and of four short chunks one is made: that costs two encodings a sample, and the
 *          cut makes long columns of all anyway.
 */
#include "tsdb/head.h"

#include "base/check.h"
#include "tsdb/column.h"
#include "tsdb/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCRATCH_SIZE_MAX = 1 << 20,
    TABLE_SIZE_MIN = 1024,
    TAIL_SIZE_MIN = 2,
    FETCH_SERIES = 12,
    FETCH_TAIL = 6,
    FETCH_LINE = 64,
};

int head_init(struct head *head)
{
    *head = (struct head){ .min_ms = INT64_MAX, .max_ms = INT64_MIN, .series_end = 1 };
    head->series = calloc(HEAD_PAGE_COUNT + 1, sizeof(*head->series));
    head->pairs = calloc(HEAD_PAGE_COUNT + 1, sizeof(*head->pairs));
    buf_init(&head->scratch, SCRATCH_SIZE_MAX);
    head->seed = (uint64_t)(uintptr_t)head->series * UINT64_C(0x9E3779B97F4A7C15);
    return head->series == NULL || head->pairs == NULL ? -ENOMEM : 0;
}

static size_t tail_size(const struct head_tail *tail)
{
    return sizeof(*tail) + tail->capacity * (sizeof(double) + sizeof(uint32_t));
}

static void free_data(struct head *head, struct head_data *data)
{
    while (data->chunks != NULL) {
        struct head_chunk *older = data->chunks->older;
        head->totals.chunk_count--;
        head->totals.chunk_size -= sizeof(*older) + data->chunks->size;
        head->totals.sample_count -= data->chunks->count;
        free(data->chunks);
        data->chunks = older;
    }
    if (data->tail != NULL) {
        head->totals.chunk_size -= tail_size(data->tail);
        head->totals.sample_count -= data->tail->count;
    }
    free(data->tail);
    data->tail = NULL;
}

static void free_pair(struct head_pair *pair)
{
    if (pair == NULL) return;
    if (pair->capacity > 0) free(pair->postings.items);
    free(pair);
}

void head_release(struct head *head)
{
    for (size_t i = 0; head->series != NULL && i <= head->series_end / HEAD_PAGE_SIZE; i++) {
        if (head->series[i] == NULL) continue;
        for (size_t k = 0; k < HEAD_PAGE_SIZE; k++) {
            struct head_series *series = head->series[i][k];
            if (series == NULL) continue;
            free_data(head, &series->active);
            free_data(head, &series->frozen);
            free(series);
        }
        free(head->series[i]);
    }
    for (size_t i = 0; head->pairs != NULL && i <= head->pair_end / HEAD_PAGE_SIZE; i++) {
        if (head->pairs[i] == NULL) continue;
        for (size_t k = 0; k < HEAD_PAGE_SIZE; k++) free_pair(head->pairs[i][k]);
        free(head->pairs[i]);
    }
    free(head->series);
    free(head->pairs);
    free(head->series_table.slots);
    free(head->pair_table.slots);
    for (size_t i = 0; i < head->names.count; i++) {
        free((void *)(uintptr_t)head->names.items[i].text.data);
        VEC_RELEASE(&head->names.items[i].pairs);
    }
    VEC_RELEASE(&head->names);
    VEC_RELEASE(&head->limbo); /* the pairs went with the others */
    VEC_RELEASE(&head->free_pairs);
    side_release_all(head);
    buf_release(&head->scratch);
    *head = (struct head){ 0 };
}

/* Room for `more` entries. */
static bool table_reserve(struct head_table *table, size_t more)
{
    if ((table->count + more) * 4 <= table->capacity * 3) return true;
    size_t capacity = table->capacity == 0 ? TABLE_SIZE_MIN : table->capacity * 2;
    while ((table->count + more) * 4 > capacity * 3) capacity *= 2;
    uint64_t *slots = calloc(capacity, sizeof(slots[0]));
    if (slots == NULL) return false;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i] == 0) continue;
        size_t at = (size_t)(table->slots[i] >> 32) & (capacity - 1);
        while (slots[at] != 0) at = (at + 1) & (capacity - 1);
        slots[at] = table->slots[i];
    }
    free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    return true;
}

/* There must be room. */
static void table_put(struct head_table *table, uint32_t hash, uint32_t number)
{
    size_t at = hash & (table->capacity - 1);
    while (table->slots[at] != 0) at = (at + 1) & (table->capacity - 1);
    table->slots[at] = (uint64_t)hash << 32 | (number + 1);
    table->count++;
}

/* Closes the gap by moving what follows, so that no search ends early. */
static void table_remove(struct head_table *table, uint32_t hash, uint32_t number)
{
    size_t mask = table->capacity - 1;
    uint64_t wanted = (uint64_t)hash << 32 | (number + 1);
    size_t at = hash & mask;
    while (table->slots[at] != wanted) {
        CHECK(table->slots[at] != 0);
        at = (at + 1) & mask;
    }
    size_t gap = at;
    for (;;) {
        at = (at + 1) & mask;
        if (table->slots[at] == 0) break;
        size_t home = (size_t)(table->slots[at] >> 32) & mask;
        if (((at - home) & mask) < ((at - gap) & mask)) continue;
        table->slots[gap] = table->slots[at];
        gap = at;
    }
    table->slots[gap] = 0;
    table->count--;
}

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

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint128 product = (uint128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Words of the text, one multiplication each; short texts, which labels are, need one or two. */
static uint64_t add_text(uint64_t hash, struct str text)
{
    static const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15);
    size_t i = 0;
    uint64_t word;
    for (; i + 8 < text.size; i += 8) {
        memcpy(&word, text.data + i, 8);
        hash = mix(hash ^ word, odd);
    }
    word = 0;
    if (text.size >= 8) {
        memcpy(&word, text.data + text.size - 8, 8);
    } else {
        for (; i < text.size; i++) word = word << 8 | (unsigned char)text.data[i];
    }
    return mix(hash ^ word ^ (uint64_t)text.size << 56, odd);
}

static uint32_t pair_hash(const struct head *head, struct str name, struct str value)
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
    uint32_t number = find_pair(head, name, value, pair_hash(head, name, value));
    return number == UINT32_MAX ? NULL : head_pair_at(head, number);
}

void head_labels(const struct head *head, const struct head_series *series, struct label *items)
{
    for (size_t i = 0; i < series->pair_count; i++) {
        const struct head_pair *pair = head_pair_at(head, series->pairs[i]);
        items[i].name = head_pair_name(head, pair);
        items[i].value = head_pair_value(pair);
    }
}

static bool has_labels(const struct head *head, const struct head_series *series,
                       struct labels labels)
{
    if (series->pair_count != labels.count) return false;
    /* What tells series apart stands mostly at the end of the names: look from there. */
    for (size_t i = labels.count; i-- > 0;) {
        const struct head_pair *pair = head_pair_at(head, series->pairs[i]);
        if (!str_equal(head_pair_value(pair), labels.items[i].value)) return false;
        if (!str_equal(head_pair_name(head, pair), labels.items[i].name)) return false;
    }
    return true;
}

static uint64_t fold_pair(uint64_t hash, uint32_t pair)
{
    return mix(hash ^ pair, UINT64_C(0x9E3779B97F4A7C15));
}

uint32_t head_hash(const struct head *head, struct labels labels)
{
    uint64_t hash = head->seed | 1;
    for (size_t i = 0; i < labels.count; i++) {
        hash = fold_pair(hash, pair_hash(head, labels.items[i].name, labels.items[i].value));
    }
    return (uint32_t)(hash >> 32);
}

uint32_t head_hash_pairs(const struct head *head, const uint32_t *pairs, size_t count)
{
    uint64_t hash = head->seed | 1;
    for (size_t i = 0; i < count; i++) hash = fold_pair(hash, head_pair_at(head, pairs[i])->hash);
    return (uint32_t)(hash >> 32);
}

struct head_series *head_find_hashed(const struct head *head, struct labels labels, uint32_t hash)
{
    const struct head_table *table = &head->series_table;
    if (table->capacity == 0) return NULL;
    size_t mask = table->capacity - 1;
    for (size_t at = hash & mask; table->slots[at] != 0; at = (at + 1) & mask) {
        if ((uint32_t)(table->slots[at] >> 32) != hash) continue;
        struct head_series *series = head_series_at(head, (uint32_t)table->slots[at] - 1);
        CHECK(series != NULL);
        if (has_labels(head, series, labels)) return series;
    }
    return NULL;
}

bool head_has_pairs(const struct head *head, const uint32_t *pairs, size_t count, uint32_t hash)
{
    const struct head_table *table = &head->series_table;
    size_t mask = table->capacity - 1;
    if (table->capacity == 0) return false;
    for (size_t at = hash & mask; table->slots[at] != 0; at = (at + 1) & mask) {
        if ((uint32_t)(table->slots[at] >> 32) != hash) continue;
        const struct head_series *series = head_series_at(head, (uint32_t)table->slots[at] - 1);
        CHECK(series != NULL);
        if (series->pair_count == count &&
            memcmp(series->pairs, pairs, count * sizeof(pairs[0])) == 0) {
            return true;
        }
    }
    return false;
}

struct head_series *head_find(const struct head *head, struct labels labels)
{
    return head_find_hashed(head, labels, head_hash(head, labels));
}

static void fetch_slot(const struct head_table *table, uint32_t hash)
{
    if (table->capacity > 0) __builtin_prefetch(&table->slots[hash & (table->capacity - 1)], 1);
}

void head_fetch_hash(const struct head *head, uint32_t hash)
{
    fetch_slot(&head->series_table, hash);
}

void head_fetch(const struct head *head, struct labels labels, struct labels before, uint32_t hash)
{
    fetch_slot(&head->series_table, hash);
    for (size_t i = 0; i < labels.count; i++) {
        const struct label *label = &labels.items[i];
        if (i < before.count && str_equal(before.items[i].value, label->value)) continue;
        fetch_slot(&head->pair_table, pair_hash(head, label->name, label->value));
    }
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

/* The number of the series' pair in that place, when it is this label; UINT32_MAX when not. */
static uint32_t same_pair(const struct head *head, const struct head_series *series, size_t place,
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
    uint32_t hash = pair_hash(head, label->name, label->value);
    uint32_t number = find_pair(head, label->name, label->value, hash);
    if (number != UINT32_MAX) return number;
    size_t name = make_name(head, label->name);
    if (name == SIZE_MAX || !table_reserve(&head->pair_table, 1)) return UINT32_MAX;
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
    table_put(&head->pair_table, hash, number);
    head->totals.pair_count++;
    head->totals.symbol_size += pair->size;
    head->totals.series_size += sizeof(*pair) + pair->size;
    return number;
}

static bool reserve_posting(struct head *head, uint32_t pair_number)
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

static void add_posting(struct head *head, uint32_t pair_number, uint32_t number)
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

static bool reserve_series(struct head *head, uint32_t number)
{
    size_t page = number / HEAD_PAGE_SIZE;
    if (page >= HEAD_PAGE_COUNT) return false;
    if (head->series[page] == NULL) {
        head->series[page] = calloc(HEAD_PAGE_SIZE, sizeof(*head->series[page]));
    }
    return head->series[page] != NULL && table_reserve(&head->series_table, 1);
}

/* A series without samples, its pairs filled; it goes into the tables. NULL: it was freed. */
static struct head_series *insert(struct head *head, struct head_series *series, uint32_t hash,
                                  uint32_t number)
{
    size_t count = series->pair_count;
    for (size_t i = 0; i < count; i++) {
        if (series->pairs[i] != UINT32_MAX && reserve_posting(head, series->pairs[i])) continue;
        free(series); /* pairs without series go at the next collection */
        return NULL;
    }
    series->number = number;
    series->last_ms = INT64_MIN;
    series->hash = hash;
    for (size_t i = 0; i < count; i++) add_posting(head, series->pairs[i], number);
    head->series[number / HEAD_PAGE_SIZE][number % HEAD_PAGE_SIZE] = series;
    table_put(&head->series_table, hash, number);
    if (number >= head->series_end) head->series_end = number + 1;
    head->totals.series_count++;
    head->totals.series_created++;
    head->totals.series_size += sizeof(*series) + count * sizeof(series->pairs[0]);
    return series;
}

static struct head_series *new_series(struct head *head, size_t pair_count, uint32_t number)
{
    if (number == UINT32_MAX || !reserve_series(head, number)) return NULL;
    CHECK(head_series_at(head, number) == NULL);
    struct head_series *series =
        malloc(sizeof(struct head_series) + pair_count * sizeof(series->pairs[0]));
    if (series == NULL) return NULL;
    *series = (struct head_series){ .pair_count = (uint16_t)pair_count };
    return series;
}

struct head_series *head_create_hashed(struct head *head, struct labels labels, uint32_t hash,
                                       uint32_t number)
{
    if (number == 0) number = head->series_end;
    struct head_series *series = new_series(head, labels.count, number);
    if (series == NULL) return NULL;
    /* Who makes many mostly makes them side by side: all but a label or two are the neighbour's. */
    const struct head_series *neighbour = head_series_at(head, number - 1);
    for (size_t i = 0; i < labels.count; i++) {
        series->pairs[i] = same_pair(head, neighbour, i, &labels.items[i]);
        if (series->pairs[i] == UINT32_MAX) {
            series->pairs[i] = head_make_pair(head, &labels.items[i]);
        }
    }
    return insert(head, series, hash, number);
}

struct head_series *head_create_pairs(struct head *head, const uint32_t *pairs, size_t count,
                                      uint32_t hash, uint32_t number)
{
    struct head_series *series = new_series(head, count, number);
    if (series == NULL) return NULL;
    memcpy(series->pairs, pairs, count * sizeof(pairs[0]));
    return insert(head, series, hash, number);
}

bool head_reserve(struct head *head, size_t series_count)
{
    return table_reserve(&head->series_table, series_count);
}

struct head_series *head_create(struct head *head, struct labels labels, uint32_t number)
{
    return head_create_hashed(head, labels, head_hash(head, labels), number);
}

static void remove_posting(struct head *head, uint32_t pair_number, uint32_t number)
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

int head_renumber(struct head *head, struct head_series *series, uint32_t number)
{
    CHECK(head_series_at(head, number) == NULL);
    if (!reserve_series(head, number)) return -ENOMEM;
    if (side_renumber(head, series, number) != 0) return -ENOMEM;
    uint32_t old = series->number;
    table_remove(&head->series_table, series->hash, old);
    table_put(&head->series_table, series->hash, number);
    for (size_t i = 0; i < series->pair_count; i++) {
        remove_posting(head, series->pairs[i], old);
        add_posting(head, series->pairs[i], number);
    }
    head->series[old / HEAD_PAGE_SIZE][old % HEAD_PAGE_SIZE] = NULL;
    head->series[number / HEAD_PAGE_SIZE][number % HEAD_PAGE_SIZE] = series;
    series->number = number;
    if (number >= head->series_end) head->series_end = number + 1;
    return 0;
}

static uint32_t *tail_offsets(struct head_tail *tail)
{
    return (uint32_t *)(void *)(tail->values + tail->capacity);
}

/* The newest chunks that are short, when there are enough of them to be one with the tail. */
static size_t find_short(const struct head_data *data, struct head_chunk **found)
{
    size_t count = 0;
    struct head_chunk *chunk = data->chunks;
    for (; count < HEAD_SHORT_COUNT && chunk != NULL; chunk = chunk->older) {
        if (chunk->count >= HEAD_CHUNK_JOINED) break;
        found[count++] = chunk;
    }
    return count == HEAD_SHORT_COUNT ? count : 0;
}

static struct head_chunk *new_chunk(struct head *head, const int64_t *times, const double *values,
                                    size_t count)
{
    buf_reset(&head->scratch);
    column_encode_numbers(&head->scratch, times, count);
    column_encode_values(&head->scratch, values, count);
    if (head->scratch.has_failed) return NULL;
    struct head_chunk *chunk = malloc(sizeof(*chunk) + head->scratch.size);
    if (chunk == NULL) return NULL;
    *chunk = (struct head_chunk){
        .min_time_ms = times[0],
        .max_time_ms = times[count - 1],
        .count = (uint32_t)count,
        .size = (uint32_t)head->scratch.size,
    };
    memcpy(chunk->bytes, head->scratch.data, head->scratch.size);
    head->totals.chunk_size += sizeof(*chunk) + chunk->size;
    head->totals.chunk_count++;
    return chunk;
}

/* Makes a chunk of the tail, and of the short ones before it when they are enough. */
static int finish_tail(struct head *head, struct head_data *data)
{
    struct head_tail *tail = data->tail;
    int64_t times[HEAD_CHUNK_MAX];
    double values[HEAD_CHUNK_MAX];
    struct head_chunk *joined[HEAD_SHORT_COUNT];
    size_t joined_count = find_short(data, joined);
    size_t count = 0;
    for (size_t i = joined_count; i-- > 0; count += joined[i]->count) {
        struct str bytes = { (const char *)joined[i]->bytes, joined[i]->size };
        CHECK(count + joined[i]->count + HEAD_TAIL_MAX <= HEAD_CHUNK_MAX);
        CHECK(column_decode_numbers(&bytes, times + count, joined[i]->count));
        CHECK(column_decode_values(&bytes, values + count, joined[i]->count));
    }
    for (size_t i = 0; i < tail->count; i++) {
        times[count] = tail->base_ms + head_tail_offsets(tail)[i];
        values[count++] = tail->values[i];
    }
    struct head_chunk *chunk = new_chunk(head, times, values, count);
    if (chunk == NULL) return -ENOMEM;
    chunk->older = joined_count > 0 ? joined[joined_count - 1]->older : data->chunks;
    for (size_t i = 0; i < joined_count; i++) {
        head->totals.chunk_count--;
        head->totals.chunk_size -= sizeof(*chunk) + joined[i]->size;
        free(joined[i]);
    }
    data->chunks = chunk;
    tail->count = 0;
    return 0;
}

static struct head_tail *new_tail(struct head *head, struct head_tail *old, uint16_t capacity)
{
    struct head_tail *tail = malloc(sizeof(*tail) + capacity * (sizeof(double) + sizeof(uint32_t)));
    if (tail == NULL) return NULL;
    *tail = (struct head_tail){ .capacity = capacity };
    head->totals.chunk_size += tail_size(tail);
    if (old == NULL) return tail;
    tail->base_ms = old->base_ms;
    tail->count = old->count;
    memcpy(tail->values, old->values, old->count * sizeof(double));
    memcpy(tail_offsets(tail), head_tail_offsets(old), old->count * sizeof(uint32_t));
    head->totals.chunk_size -= tail_size(old);
    free(old);
    return tail;
}

/* A tail with room for one more sample of that time. */
static int make_room(struct head *head, struct head_data *data, int64_t time_ms)
{
    struct head_tail *tail = data->tail;
    if (tail != NULL && tail->count > 0) {
        uint64_t offset = (uint64_t)time_ms - (uint64_t)tail->base_ms;
        if (tail->count == HEAD_TAIL_MAX || offset > UINT32_MAX) {
            int code = finish_tail(head, data);
            if (code != 0) return code;
        }
    }
    if (tail == NULL || tail->count == tail->capacity) {
        tail = new_tail(head, tail, tail == NULL ? TAIL_SIZE_MIN : HEAD_TAIL_MAX);
        if (tail == NULL) return -ENOMEM;
        data->tail = tail;
    }
    if (tail->count == 0) tail->base_ms = time_ms;
    return 0;
}

int head_append(struct head *head, struct head_series *series, int64_t time_ms, double value,
                bool *is_added)
{
    *is_added = series->last_ms == INT64_MIN || time_ms > series->last_ms;
    if (!*is_added) return 0;
    int code = make_room(head, &series->active, time_ms);
    if (code != 0) return code;
    struct head_tail *tail = series->active.tail;
    tail_offsets(tail)[tail->count] = (uint32_t)((uint64_t)time_ms - (uint64_t)tail->base_ms);
    tail->values[tail->count++] = value;
    series->last_ms = time_ms;
    series->last_value = value;
    head->totals.sample_count++;
    if (time_ms < head->min_ms) head->min_ms = time_ms;
    if (time_ms > head->max_ms) head->max_ms = time_ms;
    return 0;
}

/* Whether as many samples as make a long chunk may be packed without going through the tail. */
static bool is_long(const int64_t *times, size_t count, int64_t last_ms)
{
    if (count < HEAD_CHUNK_JOINED || times[0] <= last_ms) return false;
    for (size_t i = 1; i < HEAD_CHUNK_JOINED; i++) {
        if (times[i] <= times[i - 1]) return false;
    }
    return true;
}

static int append_long(struct head *head, struct head_series *series, const int64_t *times,
                       const double *values)
{
    struct head_data *data = &series->active;
    if (data->tail != NULL && data->tail->count > 0) {
        int code = finish_tail(head, data);
        if (code != 0) return code;
    }
    struct head_chunk *chunk = new_chunk(head, times, values, HEAD_CHUNK_JOINED);
    if (chunk == NULL) return -ENOMEM;
    chunk->older = data->chunks;
    data->chunks = chunk;
    series->last_ms = times[HEAD_CHUNK_JOINED - 1];
    series->last_value = values[HEAD_CHUNK_JOINED - 1];
    head->totals.sample_count += HEAD_CHUNK_JOINED;
    if (times[0] < head->min_ms) head->min_ms = times[0];
    if (series->last_ms > head->max_ms) head->max_ms = series->last_ms;
    return 0;
}

size_t head_append_run(struct head *head, struct head_series *series, const int64_t *times,
                       const double *values, size_t count)
{
    size_t added = 0;
    if (series->active.tail == NULL && count > TAIL_SIZE_MIN && count < HEAD_CHUNK_JOINED) {
        series->active.tail = new_tail(head, NULL, HEAD_TAIL_MAX); /* it would have to grow */
    }
    for (size_t i = 0; i < count;) {
        const struct head_tail *tail = series->active.tail;
        bool is_at_end = tail == NULL || tail->count == 0 || tail->count == HEAD_TAIL_MAX;
        if (is_at_end && is_long(times + i, count - i, series->last_ms)) {
            if (append_long(head, series, times + i, values + i) != 0) break;
            added += HEAD_CHUNK_JOINED;
            i += HEAD_CHUNK_JOINED;
            continue;
        }
        bool is_added;
        if (head_append(head, series, times[i], values[i], &is_added) != 0) break;
        if (is_added) added++;
        i++;
    }
    return added;
}

static bool find_in_chunk(const struct head_chunk *chunk, int64_t time_ms, double *value)
{
    int64_t times[HEAD_CHUNK_MAX];
    double values[HEAD_CHUNK_MAX];
    struct str bytes = { (const char *)chunk->bytes, chunk->size };
    CHECK(column_decode_numbers(&bytes, times, chunk->count));
    CHECK(column_decode_values(&bytes, values, chunk->count));
    for (size_t i = 0; i < chunk->count; i++) {
        if (times[i] != time_ms) continue;
        *value = values[i];
        return true;
    }
    return false;
}

static bool find_in_data(const struct head_data *data, int64_t time_ms, double *value)
{
    const struct head_tail *tail = data->tail;
    for (size_t i = 0; tail != NULL && i < tail->count; i++) {
        if (tail->base_ms + head_tail_offsets(tail)[i] != time_ms) continue;
        *value = tail->values[i];
        return true;
    }
    for (const struct head_chunk *chunk = data->chunks; chunk != NULL; chunk = chunk->older) {
        if (chunk->max_time_ms < time_ms) return false;
        if (chunk->min_time_ms <= time_ms) return find_in_chunk(chunk, time_ms, value);
    }
    return false;
}

bool head_find_sample(const struct head_series *series, int64_t time_ms, double *value)
{
    return find_in_data(&series->active, time_ms, value) ||
           find_in_data(&series->frozen, time_ms, value);
}

static bool has_samples(const struct head_data *data)
{
    return data->chunks != NULL || (data->tail != NULL && data->tail->count > 0);
}

bool head_has_frozen(const struct head_series *series)
{
    return has_samples(&series->frozen);
}

/* The part of a series that a cut needs, which is far away in memory. */
static void fetch(const struct head_series *series)
{
    if (series == NULL) return;
    __builtin_prefetch(series, 1);
    __builtin_prefetch((const char *)series + FETCH_LINE, 1);
}

int head_freeze(struct head *head, struct head_series ***items_out, size_t *count_out)
{
    VEC(struct head_series *) items = { 0 };
    if (!VEC_RESERVE(&items, head->totals.series_count + 1)) return -ENOMEM;
    for (size_t i = 0; i <= head->series_end / HEAD_PAGE_SIZE; i++) {
        if (head->series[i] == NULL) continue;
        for (size_t k = 0; k < HEAD_PAGE_SIZE; k++) {
            struct head_series *series = head->series[i][k];
            if (k + FETCH_SERIES < HEAD_PAGE_SIZE) fetch(head->series[i][k + FETCH_SERIES]);
            if (series == NULL) continue;
            struct side *side = side_of(head, series);
            bool has_late = side != NULL && side->active.late.count > 0;
            if (!has_samples(&series->active) && !has_late) continue;
            if (side != NULL) side_freeze(side);
            CHECK(series->frozen.chunks == NULL);
            CHECK(series->frozen.tail == NULL);
            series->frozen = series->active;
            series->active = (struct head_data){ 0 };
            items.items[items.count++] = series;
        }
    }
    head->min_ms = INT64_MAX;
    *items_out = items.items;
    *count_out = items.count;
    return 0;
}

void head_thaw(struct head *head, struct head_series **items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i + FETCH_SERIES < count) fetch(items[i + FETCH_SERIES]);
        if (i + FETCH_TAIL < count && items[i + FETCH_TAIL]->frozen.tail != NULL) {
            __builtin_prefetch((const char *)items[i + FETCH_TAIL]->frozen.tail, 1);
        }
        struct side *side = side_of(head, items[i]);
        free_data(head, &items[i]->frozen);
        if (side != NULL) side_thaw(head, side);
    }
}

/* Whether the head still holds something of a series, or somebody is about to add to it. */
static bool is_in_use(const struct head *head, const struct head_series *series)
{
    if (series->pins > 0 || has_samples(&series->active) || has_samples(&series->frozen)) {
        return true;
    }
    const struct side *side = side_of(head, series);
    return side != NULL &&
           !(side_data_is_empty(&side->active) && side_data_is_empty(&side->frozen));
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
    table_remove(&head->pair_table, pair->hash, number);
    head->totals.pair_count--;
    head->totals.symbol_size -= pair->size;
    head->totals.series_size -= sizeof(*pair) + pair->size + pair->capacity * sizeof(uint32_t);
    pair->is_removed = true;
    /* Without memory for the list the pair stays until the end: no harm but its bytes. */
    (void)!VEC_PUSH(&head->limbo, number);
}

static void remove_series(struct head *head, struct head_series **place)
{
    struct head_series *series = *place;
    table_remove(&head->series_table, series->hash, series->number);
    free_data(head, &series->active);
    side_remove(head, series);
    head->totals.series_count--;
    head->totals.series_removed++;
    head->totals.series_size -= sizeof(*series) + series->pair_count * sizeof(uint32_t);
    free(series);
    *place = NULL;
}

/* Takes the numbers of removed series out of all postings. */
static void sweep_postings(struct head *head)
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
        free_pair(*place);
        *place = NULL;
        (void)!VEC_PUSH(&head->free_pairs, number);
    }
    VEC_RELEASE(&head->limbo);
}

size_t head_collect_garbage(struct head *head, int64_t before_ms)
{
    size_t count = 0;
    for (size_t i = 0; i <= head->series_end / HEAD_PAGE_SIZE; i++) {
        size_t left = 0;
        for (size_t k = 0; head->series[i] != NULL && k < HEAD_PAGE_SIZE; k++) {
            struct head_series *series = head->series[i][k];
            if (series == NULL) continue;
            if (series->last_ms >= before_ms || is_in_use(head, series)) {
                left++;
                continue;
            }
            remove_series(head, &head->series[i][k]);
            count++;
        }
        if (left == 0 && i < head->series_end / HEAD_PAGE_SIZE) {
            free(head->series[i]);
            head->series[i] = NULL;
        }
    }
    if (count > 0) sweep_postings(head);
    return count;
}
