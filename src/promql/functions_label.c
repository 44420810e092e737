/* functions_label.c - label_replace and label_join: new labels from old. */
#include "codec/regex.h"
#include "codec/utf8.h"
#include "promql/function_list.h"
#include "promql/print.h"

#define VALUE_SIZE_MAX ((size_t)1 << 20)
#define ROW_WORK       1000 /* of a pattern or a join, in samples */

struct label_sink {
    struct sink sink;
    struct evaluation *evaluation;
    struct sink *next;
    const struct node *node;
    struct str target;
    struct labels_builder builder;
    struct buf value;
    struct regex *regex; /* label_replace */
    struct str replacement;
    struct str source;
    struct str separator; /* label_join */
};

static int push(struct label_sink *label, struct row *row)
{
    struct query *query = label->evaluation->query;
    struct str value = arena_copy(query->arena, buf_str(&label->value));
    if (label->value.has_failed || value.data == NULL) return out_of_memory(query);
    labels_builder_start(&label->builder, row->labels);
    labels_builder_set(&label->builder, label->target, value);
    if (label->builder.has_failed ||
        labels_copy(query->arena, labels_builder_labels(&label->builder), &row->labels) < 0) {
        return out_of_memory(query);
    }
    if (str_equal(label->target, LABEL_METRIC_NAME)) row->drops_name = false;
    return label->next->take(label->next, row);
}

static int take_replace(struct sink *sink, struct row *row)
{
    struct label_sink *label = (struct label_sink *)sink;
    struct str groups[REGEX_GROUPS_MAX];
    size_t count = regex_group_count(label->regex) + 1;
    if (count > REGEX_GROUPS_MAX) count = REGEX_GROUPS_MAX;
    struct str source = labels_get(row->labels, label->source);
    int code = query_tick(label->evaluation->query, ROW_WORK * count + source.size);
    if (code < 0) return code;
    if (!regex_groups(label->regex, source, groups, count)) {
        return label->next->take(label->next, row);
    }
    buf_reset(&label->value);
    regex_expand(label->regex, label->replacement, groups, count, &label->value);
    return push(label, row);
}

static int take_join(struct sink *sink, struct row *row)
{
    struct label_sink *label = (struct label_sink *)sink;
    int code = query_tick(label->evaluation->query, ROW_WORK);
    if (code < 0) return code;
    buf_reset(&label->value);
    for (size_t i = 3; i < label->node->call.count; i++) {
        if (i > 3) buf_append_str(&label->value, label->separator);
        struct str name = evaluate_string(label->node->call.arguments[i]);
        buf_append_str(&label->value, labels_get(row->labels, name));
    }
    return push(label, row);
}

static int check_name(struct evaluation *evaluation, struct str name, const char *what)
{
    if (name.size > 0 && utf8_is_valid(name)) return 0;
    struct buf quoted;
    buf_init(&quoted, 256);
    print_quoted(&quoted, name);
    int code = evaluation_fail(evaluation->query, "invalid %s: %s", what, buf_cstr(&quoted));
    buf_release(&quoted);
    return code;
}

static int run(struct label_sink *label, struct sink *sink)
{
    struct merge_sink merge;
    merge_sink_init(&merge, label->evaluation);
    label->next = &merge.sink;
    buf_init(&label->value, VALUE_SIZE_MAX);
    int code = evaluate_vector(label->evaluation, label->node->call.arguments[0], &label->sink);
    if (code == 0) code = merge_sink_flush(&merge, sink);
    merge_sink_release(&merge);
    labels_builder_release(&label->builder);
    buf_release(&label->value);
    return code;
}

int special_label_replace(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct label_sink label = { .sink = { take_replace }, .evaluation = evaluation, .node = node };
    label.target = evaluate_string(node->call.arguments[1]);
    label.replacement = evaluate_string(node->call.arguments[2]);
    label.source = evaluate_string(node->call.arguments[3]);
    int code = check_name(evaluation, label.target, "destination label name in label_replace()");
    if (code < 0) return code;
    struct str pattern = evaluate_string(node->call.arguments[4]);
    struct error error = { 0 };
    code = regex_new(&label.regex, pattern, REGEX_DOT_NEWLINE, &error);
    if (code < 0) {
        return evaluation_fail(
            evaluation->query, "invalid regular expression in label_replace(): " STR_FMT,
            STR_ARG(str_first(pattern, pattern.size < 150 ? pattern.size : 150)));
    }
    code = run(&label, sink);
    regex_free(label.regex);
    return code;
}

int special_label_join(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct label_sink label = { .sink = { take_join }, .evaluation = evaluation, .node = node };
    label.target = evaluate_string(node->call.arguments[1]);
    label.separator = evaluate_string(node->call.arguments[2]);
    int code = check_name(evaluation, label.target, "destination label name in label_join()");
    for (size_t i = 3; code == 0 && i < node->call.count; i++) {
        code = check_name(evaluation, evaluate_string(node->call.arguments[i]),
                          "source label name in label_join()");
    }
    return code < 0 ? code : run(&label, sink);
}
