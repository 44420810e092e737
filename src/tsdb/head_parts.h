/* head_parts.h - inside the head: what its files share.
 *
 * head.c has the series, head_pairs.c their labels and postings, head_samples.c their samples.
 */
#ifndef TSDB_HEAD_PARTS_H
#define TSDB_HEAD_PARTS_H

#include "tsdb/head.h"

/* ---- head_table.c ---- */

/* Room for `more` entries; false without memory. */
bool head_table_reserve(struct head_table *table, size_t more) MUST_CHECK;
/* There must be room. */
void head_table_put(struct head_table *table, uint32_t hash, uint32_t number);
/* It must be there. Closes the gap by moving what follows, so that no search ends early. */
void head_table_remove(struct head_table *table, uint32_t hash, uint32_t number);

static inline void head_table_fetch(const struct head_table *table, uint32_t hash)
{
    if (table->capacity > 0) __builtin_prefetch(&table->slots[hash & (table->capacity - 1)], 1);
}

/* ---- head_pairs.c ---- */

static inline uint64_t head_mix(uint64_t a, uint64_t b)
{
    uint128 product = (uint128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t head_pair_hash(const struct head *head, struct str name, struct str value);
void head_free_pair(struct head_pair *pair); /* NULL is fine */

/* The number of the series' pair in that place, when it is this label; UINT32_MAX when not. */
uint32_t head_same_pair(const struct head *head, const struct head_series *series, size_t place,
                        const struct label *label);

/* Room for one more series of the pair; false without memory. */
bool head_reserve_posting(struct head *head, uint32_t pair_number) MUST_CHECK;
void head_add_posting(struct head *head, uint32_t pair_number, uint32_t number);
void head_remove_posting(struct head *head, uint32_t pair_number, uint32_t number);

/* Takes the numbers of removed series out of all postings, and pairs without any into limbo. */
void head_sweep_postings(struct head *head);

/* ---- head_samples.c ---- */

void head_free_data(struct head *head, struct head_data *data);
bool head_has_samples(const struct head_data *data); /* late ones apart */

#endif
