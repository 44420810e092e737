/* relabel.c - the labels of a series that is seen for the first time: those it brings, its target's
 * over them, and what the rules make of both.
 */
#include "scrape/running.h"

#include "codec/number.h"
#include "scrape/exposition.h"

#include <errno.h>
#include <math.h>

#define EXPORTED_DEPTH_MAX 8

/* Prometheus 3 writes bounds as OpenMetrics does: le="1" becomes le="1.0". */
static void normalise_bound(struct scrape *scrape, struct labels_builder *builder)
{
    struct str name = { 0 };
    if (str_equal(scrape->type, STR("histogram"))) name = STR("le");
    if (str_equal(scrape->type, STR("summary"))) name = STR("quantile");
    if (name.size == 0) return;
    struct str value = labels_builder_get(builder, name);
    double number;
    if (value.size == 0 || !number_parse(value, &number)) return;
    char *text = arena_alloc(&scrape->arena, NUMBER_SIZE_MAX, 1);
    if (text == NULL) return;
    size_t size = number_print_go(number, text);
    struct str printed = { text, size };
    if (isfinite(number) && str_find_char(printed, '.') == STR_NONE &&
        str_find_char(printed, 'e') == STR_NONE) {
        memcpy(text + size, ".0", 2);
        printed.size += 2;
    }
    labels_builder_set(builder, name, printed);
}

/* Whether the raw series says name="". Only a label can: quotes inside values are escaped. */
static bool is_said_empty(struct str raw, struct str name)
{
    for (size_t i = 1; i + name.size + 3 <= raw.size; i++) {
        struct str rest = str_skip(raw, i);
        if (!str_starts_with(rest, name)) continue;
        rest = str_skip(rest, name.size);
        char before = raw.data[i - 1];
        if (before != '{' && before != ',' && before != ' ' && before != '"') continue;
        if (before == '"' && rest.size > 0 && rest.data[0] == '"') rest = str_skip(rest, 1);
        rest = str_trim(rest);
        if (rest.size == 0 || rest.data[0] != '=') continue;
        if (str_starts_with(str_trim(str_skip(rest, 1)), STR("\"\""))) return true;
    }
    return false;
}

/* Puts the target's labels over the scraped ones; what they hide is kept as exported_<name>. */
static void merge_labels(struct scrape *scrape, struct str raw, struct labels_builder *builder)
{
    struct labels own = scrape->target->labels;
    for (size_t i = 0; i < own.count; i++) {
        struct str name = own.items[i].name;
        struct str scraped = labels_builder_get(builder, name);
        if (scrape->job->honor_labels && (scraped.size > 0 || is_said_empty(raw, name))) continue;
        if (scraped.size > 0) {
            struct str moved = name;
            for (int depth = 0; depth < EXPORTED_DEPTH_MAX; depth++) {
                moved = arena_printf(&scrape->arena, "exported_" STR_FMT, STR_ARG(moved));
                if (labels_builder_get(builder, moved).size == 0) break;
            }
            labels_builder_set(builder, moved, scraped);
        }
        labels_builder_set(builder, name, own.items[i].value);
    }
}

static int check_limits(const struct scrape *scrape, struct labels labels, struct error *error)
{
    const struct scrape_limits *limits = &scrape->job->limits;
    if (limits->label_count > 0 && labels.count > limits->label_count) {
        return error_set(error, ERROR_LIMIT, "label_limit exceeded: %zu labels, limit %llu",
                         labels.count, (unsigned long long)limits->label_count);
    }
    for (size_t i = 0; i < labels.count; i++) {
        if (limits->label_name_size > 0 && labels.items[i].name.size > limits->label_name_size) {
            return error_set(error, ERROR_LIMIT, "label_name_length_limit exceeded");
        }
        if (limits->label_value_size > 0 && labels.items[i].value.size > limits->label_value_size) {
            return error_set(error, ERROR_LIMIT, "label_value_length_limit exceeded");
        }
    }
    return 0;
}

int scrape_relabel(struct scrape *scrape, struct str raw, struct labels_builder *builder,
                   struct error *error)
{
    int code = exposition_labels(raw, &scrape->arena, builder, error);
    if (code != 0) return code;
    normalise_bound(scrape, builder);
    merge_labels(scrape, raw, builder);
    code = relabel_apply(scrape->job->metric_relabels.items, scrape->job->metric_relabels.count,
                         builder, &scrape->arena, error);
    if (code <= 0) return code;
    if (labels_builder_get(builder, LABEL_METRIC_NAME).size == 0) {
        return error_set(error, ERROR_INVALID, "a series has no metric name after relabelling");
    }
    code = check_limits(scrape, labels_builder_labels(builder), error);
    return code == 0 ? 1 : code;
}
