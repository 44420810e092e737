/* agg_order.c - buckets in the order that was asked for. */
#include "logquery/agg_order.h"

#include <stdlib.h>

/* "1", "1.value", "1.50", "1[50.0]", "filter>1": the names on the way, and what is asked of the
 * last. */
static bool read_steps(struct agg *agg, struct str key, struct agg_order *order)
{
    struct str rest = key;
    while (rest.size > 0 && order->step_count < AGG_ORDER_STEPS_MAX) {
        struct str name = str_cut(&rest, '>');
        size_t end = 0;
        while (rest.size == 0 && end < name.size && name.data[end] != '.' &&
               name.data[end] != '[') {
            end++;
        }
        if (rest.size > 0) end = name.size;
        order->path = end < name.size ? str_skip(name, end + 1) : STR("");
        if (str_ends_with(order->path, STR("]"))) order->path.size--;
        size_t i = 0;
        while (i < agg->sub_count && !str_equal(agg->subs[i]->name, str_first(name, end))) i++;
        if (i == agg->sub_count) return false;
        agg = agg->subs[i];
        order->steps[order->step_count].agg = agg;
        order->steps[order->step_count++].index = i;
        if (rest.size > 0 && agg->kind->single == NULL) return false;
    }
    if (order->step_count == 0) return false;
    bool is_count = order->path.size == 0 || str_equal(order->path, STR("_count"));
    return agg->kind->number != NULL || (agg->kind->single != NULL && is_count);
}

static int read_order(struct search *search, struct agg *agg, const struct json_member *member,
                      struct agg_orders *orders)
{
    if (orders->count == AGG_ORDERS_MAX) return 0;
    struct str word = json_text(&member->value, STR(""));
    struct agg_order order = { .is_descending = str_equal_nocase(word, STR("desc")) };
    struct str key = member->key;
    if (!order.is_descending && !str_equal_nocase(word, STR("asc"))) {
        return parse_fail(&search->parse, "parsing_exception",
                          "Unknown order direction [" STR_FMT "]", STR_ARG(word));
    }
    if (str_equal(key, STR("_count")))
        order.kind = AGG_ORDER_COUNT;
    else if (str_equal(key, STR("_key")) || str_equal(key, STR("_term")) ||
             str_equal(key, STR("_time")))
        order.kind = AGG_ORDER_KEY;
    else {
        order.kind = AGG_ORDER_SUB;
        if (!read_steps(agg, key, &order)) {
            return parse_fail_shard(&search->parse, "aggregation_execution_exception",
                                    "Invalid aggregation order path [" STR_FMT
                                    "]. The provided aggregation is missing or gives no number",
                                    STR_ARG(key));
        }
    }
    orders->items[orders->count++] = order;
    return 0;
}

static int read_all(struct search *search, struct agg *agg, const struct json *json,
                    struct agg_orders *orders)
{
    int code = 0;
    if (json_is(json, JSON_ARRAY)) {
        for (size_t i = 0; code == 0 && i < json->array.count; i++) {
            code = read_all(search, agg, &json->array.items[i], orders);
        }
    } else if (json_is(json, JSON_OBJECT)) {
        for (size_t i = 0; code == 0 && i < json->object.count; i++) {
            code = read_order(search, agg, &json->object.members[i], orders);
        }
    }
    return code;
}

int agg_orders_read(struct search *search, struct agg *agg, const struct json *json,
                    struct agg_orders *orders)
{
    int code = read_all(search, agg, json, orders);
    if (code == 0 && orders->count == 0) {
        orders->items[orders->count++] = (struct agg_order){ .is_descending = true };
    }
    return code;
}

int agg_ranked_compare(const struct agg_ranker *ranker, const struct agg_ranked *left,
                       const struct agg_ranked *right)
{
    for (size_t i = 0; i < ranker->orders->count; i++) {
        const struct agg_order *order = &ranker->orders->items[i];
        int result = 0;
        if (order->kind == AGG_ORDER_COUNT) {
            result = left->bucket->count < right->bucket->count
                         ? -1
                         : left->bucket->count > right->bucket->count;
        } else if (order->kind == AGG_ORDER_KEY) {
            result = ranker->compare(ranker->context, left->bucket, right->bucket);
        } else {
            double x = left->numbers[i];
            double y = right->numbers[i];
            result = x < y ? -1 : x > y;
        }
        if (result != 0) return order->is_descending ? -result : result;
    }
    return ranker->compare(ranker->context, left->bucket, right->bucket);
}

static int by_orders(const void *a, const void *b, void *argument)
{
    return agg_ranked_compare(argument, a, b);
}

static double order_number(const struct agg_order *order, const struct bucket *bucket)
{
    double value = 0;
    for (size_t i = 0; bucket != NULL && i < order->step_count; i++) {
        const struct agg *agg = order->steps[i].agg;
        const void *state = bucket->subs == NULL ? NULL : bucket->subs[order->steps[i].index];
        bool is_last = i + 1 == order->step_count;
        bool gives = state != NULL && is_last && agg->kind->number != NULL &&
                     agg->kind->number(agg, state, order->path, &value);
        if (gives) return value;
        bool has_one = state != NULL && agg->kind->single != NULL;
        bucket = has_one ? agg->kind->single(agg, state) : NULL;
        if (is_last && has_one) return bucket == NULL ? 0 : (double)bucket->count;
    }
    return order->is_descending ? -1e308 : 1e308; /* without a value: last */
}

int agg_rank(struct search *search, const struct bucket_table *table, struct agg_range counts,
             const struct agg_ranker *ranker, struct agg_ranking *ranking)
{
    const struct agg_orders *orders = ranker->orders;
    *ranking = (struct agg_ranking){ 0 };
    ranking->items = calloc(table->count + 1, sizeof(*ranking->items));
    if (ranking->items == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < table->count; i++) {
        const struct bucket *bucket = &table->buckets[i];
        int64_t count = (int64_t)bucket->count;
        if (count < counts.least || count > counts.most) continue;
        ranking->total += bucket->count;
        struct agg_ranked *item = &ranking->items[ranking->count++];
        item->bucket = bucket;
        for (size_t k = 0; k < orders->count; k++) {
            if (orders->items[k].kind != AGG_ORDER_SUB) continue;
            item->numbers[k] = order_number(&orders->items[k], bucket);
        }
    }
    qsort_r(ranking->items, ranking->count, sizeof(*ranking->items), by_orders,
            (void *)(uintptr_t)ranker);
    return 0;
}

void agg_ranking_release(struct agg_ranking *ranking)
{
    free(ranking->items);
    *ranking = (struct agg_ranking){ 0 };
}

int buckets_in_order(const void *context, const struct bucket *a, const struct bucket *b)
{
    (void)context;
    return buckets_by_number(a, b);
}
