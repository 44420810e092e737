/* shared.c - a walk over the tree at the parse, a table of kept rows in the query. */
#include "promql/shared.h"

#include "base/map.h"
#include "promql/aggregate.h"
#include "promql/print.h"

#define NODES_MAX     64                 /* aggregations that are compared */
#define TEXT_SIZE_MAX ((size_t)64 << 10) /* of one of them */

struct marking {
    struct node *nodes[NODES_MAX];
    size_t count;
    bool is_too_much;
    bool finds_resets; /* somewhere: the same text may stand for two things */
};

static void walk(struct marking *marking, struct node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_STRING: return;
    case NODE_SELECTOR:
        marking->finds_resets = marking->finds_resets || node->selector.finds_resets;
        return;
    case NODE_MATRIX: walk(marking, node->matrix.selector); return;
    case NODE_SUBQUERY: walk(marking, node->subquery.inner); return;
    case NODE_CALL:
        for (size_t i = 0; i < node->call.count; i++) walk(marking, node->call.arguments[i]);
        return;
    case NODE_AGGREGATE:
        marking->is_too_much = marking->is_too_much || marking->count == NODES_MAX;
        if (marking->is_too_much) return;
        marking->nodes[marking->count++] = node;
        if (node->aggregate.parameter != NULL) walk(marking, node->aggregate.parameter);
        walk(marking, node->aggregate.inner);
        return;
    case NODE_BINARY:
        walk(marking, node->binary.left);
        walk(marking, node->binary.right);
        return;
    case NODE_UNARY: walk(marking, node->unary.inner); return;
    case NODE_PAREN: walk(marking, node->paren); return;
    }
}

void shared_mark(struct promql_expr *expr)
{
    struct marking marking = { 0 };
    walk(&marking, expr->root);
    if (marking.is_too_much || marking.finds_resets || marking.count < 2) return;
    struct map first = { 0 }; /* text to the node that had it first */
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEXT_SIZE_MAX);
    for (size_t i = 0; i < marking.count; i++) {
        struct node *node = marking.nodes[i];
        buf_reset(&text);
        print_node(&text, node);
        if (text.has_failed) continue;
        struct node *same = map_get(&first, buf_str(&text));
        if (same == NULL) {
            if (map_put(&first, buf_str(&text), node) != 0) break;
            continue;
        }
        if (same->shared == 0) same->shared = ++expr->shared_count;
        node->shared = same->shared;
    }
    map_release(&first);
}

static size_t annotation_count(const struct query *query)
{
    return query->annotations.texts[0].count + query->annotations.texts[1].count;
}

/* The rows are the takers' to change: each gets a copy of the arrays. */
static int push_kept(struct evaluation *evaluation, const struct shared_rows *shared,
                     struct sink *sink)
{
    size_t count = evaluation->steps.count;
    struct row row;
    int code = row_new(evaluation, &row, false);
    for (size_t i = 0; code == 0 && i < shared->rows.count; i++) {
        const struct row *kept = &shared->rows.items[i];
        struct row given = { .labels = kept->labels,
                             .drops_name = kept->drops_name,
                             .values = row.values };
        memcpy(given.values, kept->values, count * sizeof(double));
        if (kept->histograms != NULL) {
            code = row_need_histograms(evaluation, &given);
            if (code < 0) return code;
            memcpy((void *)given.histograms, (const void *)kept->histograms,
                   count * sizeof(kept->histograms[0]));
        }
        code = query_tick(evaluation->query, count);
        if (code == 0) code = sink->take(sink, &given);
    }
    return code;
}

struct keep_sink {
    struct sink sink;
    struct evaluation *evaluation;
    struct row_list *rows;
    struct sink *next;
};

static int take_keep(struct sink *sink, struct row *row)
{
    struct keep_sink *keep = (struct keep_sink *)sink;
    struct row copy;
    int code = row_copy(keep->evaluation, row, &copy);
    if (code < 0) return code;
    if (!VEC_PUSH(keep->rows, copy)) return out_of_memory(keep->evaluation->query);
    return keep->next->take(keep->next, row);
}

static bool is_same_steps(const struct steps *a, const struct steps *b)
{
    return a->start_ms == b->start_ms && a->step_ms == b->step_ms && a->count == b->count;
}

int evaluate_shared(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct query *query = evaluation->query;
    if (query->shared == NULL) {
        query->shared = QUERY_ARRAY(query, struct shared_rows, query->expr->shared_count);
        if (query->shared == NULL) return out_of_memory(query);
    }
    struct shared_rows *shared = &query->shared[node->shared - 1];
    if (shared->is_kept && is_same_steps(&shared->steps, &evaluation->steps)) {
        query->samples_seen += shared->samples_seen;
        return push_kept(evaluation, shared, sink);
    }
    if (shared->is_kept || query->samples_per_step != NULL) {
        return evaluate_aggregate(evaluation, node, sink);
    }
    size_t annotations = annotation_count(query);
    uint64_t seen = query->samples_seen;
    struct keep_sink keep = { { take_keep }, evaluation, &shared->rows, sink };
    shared->rows.count = 0;
    int code = evaluate_aggregate(evaluation, node, &keep.sink);
    shared->is_kept = code == 0 && annotations == annotation_count(query);
    shared->steps = evaluation->steps;
    shared->samples_seen = query->samples_seen - seen;
    return code;
}

void shared_release(struct query *query)
{
    for (size_t i = 0; query->shared != NULL && i < query->expr->shared_count; i++) {
        VEC_RELEASE(&query->shared[i].rows);
    }
}
