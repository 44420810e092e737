/* expr_cache.c - one slot a hash: no list to keep in order, nothing to search. */
#include "promql/expr_cache.h"

static size_t slot_of(struct str text)
{
    return (size_t)(str_hash(text, 0) % EXPR_CACHE_SLOTS);
}

void expr_cache_init(struct expr_cache *cache)
{
    *cache = (struct expr_cache){ 0 };
    mutex_init(&cache->mutex);
}

void expr_cache_release(struct expr_cache *cache)
{
    for (size_t i = 0; i < EXPR_CACHE_SLOTS; i++) promql_expr_free(cache->slots[i]);
    mutex_release(&cache->mutex);
}

struct promql_expr *expr_cache_find(struct expr_cache *cache, struct str text)
{
    if (text.size > EXPR_CACHE_TEXT_MAX) return NULL;
    size_t slot = slot_of(text);
    mutex_lock(&cache->mutex);
    struct promql_expr *expr = cache->slots[slot];
    if (expr != NULL && !str_equal(expr->text, text)) expr = NULL;
    if (expr != NULL) expr_ref(expr);
    mutex_unlock(&cache->mutex);
    return expr;
}

void expr_cache_put(struct expr_cache *cache, struct promql_expr *expr)
{
    if (expr->text.size > EXPR_CACHE_TEXT_MAX) return;
    if (expr->pattern_count > EXPR_CACHE_PATTERNS_MAX) return;
    size_t slot = slot_of(expr->text);
    expr_ref(expr);
    mutex_lock(&cache->mutex);
    struct promql_expr *old = cache->slots[slot];
    cache->slots[slot] = expr;
    mutex_unlock(&cache->mutex);
    promql_expr_free(old);
}
