/* functions_info.c - info(): labels of the series that describe a target, added to its metrics.
 *
 * Base rows meet info rows by `instance` and `job`, step by step: of each info metric the newest
 * sample counts. Rows that are info metrics themselves pass unchanged. Where the label selectors
 * demand a label and no info row has it, the base row is left out.
 */
#include "base/check.h"
#include "promql/function_list.h"

#include <math.h>

#define MATCHERS_MAX 256
#define NAMES_MAX    64 /* different info metrics that one base row meets */

static const struct str identifying[] = { STR_INIT("instance"), STR_INIT("job") };

struct info {
    struct evaluation *evaluation;
    const struct node *node;
    struct matcher name_matchers[MATCHERS_MAX]; /* borrowed patterns */
    size_t name_count;
    struct matcher data_matchers[MATCHERS_MAX];
    size_t data_count;
    struct row_list rows;   /* info series */
    struct row_list times;  /* their samples' own times */
    struct map by_identity; /* to index + 1 of the first info row; chained by next */
    size_t *next;
    struct row_list base;
    struct labels_builder builder;
    struct merge_sink merge;
};

static struct str identity_key(struct arena *arena, struct labels labels)
{
    struct label items[ARRAY_LENGTH(identifying)];
    for (size_t i = 0; i < ARRAY_LENGTH(identifying); i++) {
        items[i] = (struct label){ identifying[i], labels_get(labels, identifying[i]) };
    }
    return labels_key(arena, (struct labels){ items, ARRAY_LENGTH(identifying) });
}

/* Splits the second argument into what names the info metrics and what chooses labels. */
static int take_matchers(struct info *info)
{
    bool has_positive = false;
    const struct node *labels = info->node->call.count > 1 ? info->node->call.arguments[1] : NULL;
    for (size_t i = 0; labels != NULL && i < labels->selector.matcher_count; i++) {
        const struct matcher *matcher = &labels->selector.matchers[i];
        if (str_equal(matcher->name, LABEL_METRIC_NAME)) {
            info->name_matchers[info->name_count++] = *matcher;
            has_positive =
                has_positive || matcher->kind == MATCHER_EQUAL || matcher->kind == MATCHER_REGEX;
        } else {
            info->data_matchers[info->data_count++] = *matcher;
        }
    }
    if (info->name_count == 0) {
        info->name_matchers[info->name_count++] = (struct matcher){ .kind = MATCHER_EQUAL,
                                                                    .name = LABEL_METRIC_NAME,
                                                                    .value = STR("target_info") };
        return 0;
    }
    /* Only "not this one": of the metrics that are called an info. */
    if (has_positive || info->name_count >= MATCHERS_MAX) return 0;
    struct matcher *any = &info->name_matchers[info->name_count];
    int code = matcher_init(any, MATCHER_REGEX, LABEL_METRIC_NAME, STR(".+_info"),
                            info->evaluation->query->error);
    if (code == 0) info->name_count++;
    return code;
}

static bool is_info_metric(const struct info *info, struct labels labels)
{
    return matcher_matches_labels(info->name_matchers, info->name_count, labels);
}

/* The selector inside the first argument, whose offset and `@` the info series follow. */
static const struct modifiers *find_modifiers(const struct node *node,
                                              const struct modifiers **outer)
{
    switch (node->kind) {
    case NODE_SELECTOR: return &node->selector.modifiers;
    case NODE_MATRIX: return &node->matrix.selector->selector.modifiers;
    case NODE_SUBQUERY:
        *outer = &node->subquery.modifiers;
        return find_modifiers(node->subquery.inner, outer);
    case NODE_PAREN: return find_modifiers(node->paren, outer);
    case NODE_UNARY: return find_modifiers(node->unary.inner, outer);
    case NODE_AGGREGATE: return find_modifiers(node->aggregate.inner, outer);
    case NODE_CALL:
        for (size_t i = 0; i < node->call.count; i++) {
            const struct modifiers *found = find_modifiers(node->call.arguments[i], outer);
            if (found != NULL) return found;
        }
        return NULL;
    case NODE_BINARY: {
        const struct modifiers *found = find_modifiers(node->binary.left, outer);
        return found != NULL ? found : find_modifiers(node->binary.right, outer);
    }
    case NODE_NUMBER:
    case NODE_STRING: return NULL;
    }
    CHECK(false);
}

static int move_times(const struct query *query, const struct modifiers *modifiers,
                      struct steps *times)
{
    if (modifiers == NULL) return 0;
    int64_t offset_ms = 0;
    if (modifiers->offset != NULL) {
        int code = evaluate_duration(query, modifiers->offset, &offset_ms);
        if (code < 0) return code;
    }
    if (modifiers->at != AT_NONE) {
        times->start_ms = modifiers->at == AT_TIME    ? modifiers->at_ms
                          : modifiers->at == AT_START ? query->range.start_ms
                                                      : query->range.end_ms;
        times->step_ms = 0;
    }
    times->start_ms -= offset_ms;
    return 0;
}

struct keep_sink {
    struct sink sink;
    struct evaluation *evaluation;
    struct row_list *rows;
};

static int take_keep(struct sink *sink, struct row *row)
{
    struct keep_sink *keep = (struct keep_sink *)sink;
    struct row copy;
    int code = row_copy(keep->evaluation, row, &copy);
    if (code < 0) return code;
    return VEC_PUSH(keep->rows, copy) ? 0 : out_of_memory(keep->evaluation->query);
}

/* Info series with values and with times; both come in the same order. */
static int select_info(struct info *info)
{
    struct query *query = info->evaluation->query;
    struct matcher *matchers =
        QUERY_ARRAY(query, struct matcher, info->name_count + info->data_count);
    if (matchers == NULL) return out_of_memory(query);
    memcpy(matchers, info->name_matchers, info->name_count * sizeof(matchers[0]));
    memcpy(matchers + info->name_count, info->data_matchers,
           info->data_count * sizeof(matchers[0]));
    struct node selector = { .kind = NODE_SELECTOR, .type = PROMQL_VECTOR };
    selector.selector.matchers = matchers;
    selector.selector.matcher_count = info->name_count + info->data_count;
    struct evaluation moved = *info->evaluation;
    const struct modifiers *outer = NULL;
    const struct modifiers *inner = find_modifiers(info->node->call.arguments[0], &outer);
    int code = move_times(query, outer, &moved.steps);
    if (code == 0) code = move_times(query, inner, &moved.steps);
    struct keep_sink keep = { { take_keep }, &moved, &info->rows };
    if (code == 0) code = evaluate_selector(&moved, &selector, &keep.sink);
    keep.rows = &info->times;
    if (code == 0) code = evaluate_timestamps(&moved, &selector, &keep.sink);
    if (code < 0) return code;
    CHECK(info->rows.count == info->times.count);
    info->next = QUERY_ARRAY(query, size_t, info->rows.count);
    if (info->next == NULL) return out_of_memory(query);
    for (size_t r = info->rows.count; r-- > 0;) {
        struct str key = identity_key(query->arena, info->rows.items[r].labels);
        if (key.data == NULL) return out_of_memory(query);
        info->next[r] = (size_t)(uintptr_t)map_get(&info->by_identity, key);
        if (map_put_borrowed(&info->by_identity, key, (void *)(uintptr_t)(r + 1)) != 0) {
            return out_of_memory(query);
        }
    }
    return 0;
}

/* The newest row of each info metric at the step; how many. */
static int choose(struct info *info, size_t first, size_t step, size_t *chosen, size_t *count)
{
    *count = 0;
    for (size_t r = first; r != 0; r = info->next[r - 1]) {
        const struct row *row = &info->rows.items[r - 1];
        if (!ROW_IS_THERE(row->values[step])) continue;
        struct str name = labels_get(row->labels, LABEL_METRIC_NAME);
        size_t at = 0;
        while (at < *count && !str_equal(name, labels_get(info->rows.items[chosen[at]].labels,
                                                          LABEL_METRIC_NAME))) {
            at++;
        }
        if (at == NAMES_MAX) continue;
        double mine = info->times.items[r - 1].values[step];
        double best = at < *count ? info->times.items[chosen[at]].values[step] : 0;
        if (at < *count && mine < best) continue;
        if (at < *count && !(mine > best)) {
            return evaluation_fail(info->evaluation->query,
                                   "found duplicate series for info metric: " STR_FMT,
                                   STR_ARG(name));
        }
        chosen[at] = r - 1;
        if (at == *count) ++*count;
    }
    return 0;
}

static bool is_wanted(const struct info *info, struct str name)
{
    if (str_equal(name, LABEL_METRIC_NAME)) return false;
    for (size_t i = 0; i < ARRAY_LENGTH(identifying); i++) {
        if (str_equal(name, identifying[i])) return false;
    }
    if (info->data_count == 0) return true;
    for (size_t i = 0; i < info->data_count; i++) {
        if (str_equal(info->data_matchers[i].name, name)) return true;
    }
    return false;
}

/* Base labels and those of the chosen rows, in the builder. */
static int enrich(struct info *info, struct labels base, const size_t *chosen, size_t count)
{
    struct query *query = info->evaluation->query;
    labels_builder_start(&info->builder, base);
    for (size_t c = 0; c < count; c++) {
        struct labels labels = info->rows.items[chosen[c]].labels;
        for (size_t i = 0; i < labels.count; i++) {
            const struct label *label = &labels.items[i];
            if (!is_wanted(info, label->name) || labels_get(base, label->name).size > 0) continue;
            struct str there = labels_builder_get(&info->builder, label->name);
            if (there.size > 0 && !str_equal(there, label->value)) {
                return evaluation_fail(query, "conflicting label: " STR_FMT, STR_ARG(label->name));
            }
            labels_builder_set(&info->builder, label->name, label->value);
        }
    }
    return info->builder.has_failed ? out_of_memory(query) : 0;
}

/* True when a base row without info is still wanted. */
static bool needs_nothing(const struct info *info)
{
    for (size_t i = 0; i < info->data_count; i++) {
        if (!matcher_matches_empty(&info->data_matchers[i])) return false;
    }
    return true;
}

static int push_piece(struct info *info, struct row *piece)
{
    struct query *query = info->evaluation->query;
    if (row_is_empty(info->evaluation, piece)) return 0;
    if (labels_copy(query->arena, labels_builder_labels(&info->builder), &piece->labels) < 0) {
        return out_of_memory(query);
    }
    return info->merge.sink.take(&info->merge.sink, piece);
}

/* A base row falls into pieces, one for each run of steps with the same info rows. */
static int push_base(struct info *info, const struct row *base)
{
    struct evaluation *evaluation = info->evaluation;
    struct query *query = evaluation->query;
    struct row piece;
    int code = row_new(evaluation, &piece, base->histograms != NULL);
    if (code < 0) return code;
    piece.drops_name = base->drops_name;
    struct str key = identity_key(query->arena, base->labels);
    if (key.data == NULL) return out_of_memory(query);
    size_t first = (size_t)(uintptr_t)map_get(&info->by_identity, key);
    size_t last[NAMES_MAX] = { 0 };
    size_t last_count = SIZE_MAX;
    for (size_t i = 0; i < evaluation->steps.count; i++) {
        bool has_histogram = base->histograms != NULL && base->histograms[i] != NULL;
        if (!ROW_IS_THERE(base->values[i]) && !has_histogram) continue;
        size_t chosen[NAMES_MAX];
        size_t count;
        code = choose(info, first, i, chosen, &count);
        if (code < 0) return code;
        if (count == 0 && !needs_nothing(info)) continue;
        if (count != last_count || memcmp(chosen, last, count * sizeof(chosen[0])) != 0) {
            if (last_count != SIZE_MAX && (code = push_piece(info, &piece)) < 0) return code;
            row_clear(evaluation, &piece);
            if ((code = enrich(info, base->labels, chosen, count)) < 0) return code;
            memcpy(last, chosen, count * sizeof(chosen[0]));
            last_count = count;
        }
        piece.values[i] = base->values[i];
        if (has_histogram) piece.histograms[i] = base->histograms[i];
    }
    return last_count == SIZE_MAX ? 0 : push_piece(info, &piece);
}

static int run(struct info *info, struct sink *sink)
{
    int code = take_matchers(info);
    if (code == 0) {
        code = evaluate_collect(info->evaluation, info->node->call.arguments[0], &info->base);
    }
    if (code == 0) code = select_info(info);
    for (size_t b = 0; code == 0 && b < info->base.count; b++) {
        struct row *row = &info->base.items[b];
        code = query_tick(info->evaluation->query, info->evaluation->steps.count);
        if (code < 0) break;
        code = is_info_metric(info, row->labels) ? info->merge.sink.take(&info->merge.sink, row)
                                                 : push_base(info, row);
    }
    return code < 0 ? code : merge_sink_flush(&info->merge, sink);
}

int special_info(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct query *query = evaluation->query;
    struct info *info = QUERY_ARRAY(query, struct info, 1);
    if (info == NULL) return out_of_memory(query);
    info->evaluation = evaluation;
    info->node = node;
    merge_sink_init(&info->merge, evaluation);
    int code = run(info, sink);
    /* The pattern made here is the last; the others belong to the expression. */
    struct matcher *last = &info->name_matchers[info->name_count == 0 ? 0 : info->name_count - 1];
    if (info->name_count > 0 && last->regex != NULL && str_equal(last->value, STR(".+_info")) &&
        node->call.count > 1) {
        const struct node *labels = node->call.arguments[1];
        bool is_borrowed = false;
        for (size_t i = 0; i < labels->selector.matcher_count; i++) {
            is_borrowed = is_borrowed || labels->selector.matchers[i].regex == last->regex;
        }
        if (!is_borrowed) matcher_release(last);
    }
    merge_sink_release(&info->merge);
    labels_builder_release(&info->builder);
    map_release(&info->by_identity);
    VEC_RELEASE(&info->rows);
    VEC_RELEASE(&info->times);
    VEC_RELEASE(&info->base);
    return code;
}
