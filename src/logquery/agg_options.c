/* agg_options.c - what each kind of aggregation may say. */
#include "logquery/agg_options.h"

#include "logquery/query_options.h"

struct options_row {
    struct str kind;
    bool needs_field;
    const char *options;
};

#define VALUES  "field missing script value_type format time_zone "
#define BUCKETS "size shard_size min_doc_count shard_min_doc_count order "
#define DIGESTS "tdigest hdr compression execution_hint "
#define PIPE    "buckets_path gap_policy format "

static const struct options_row rows[] = {
    { STR_INIT("terms"), true,
      VALUES BUCKETS "include exclude collect_mode execution_hint show_term_doc_count_error" },
    { STR_INIT("rare_terms"), true, VALUES "max_doc_count precision include exclude" },
    { STR_INIT("multi_terms"), false,
      BUCKETS "terms collect_mode show_term_doc_count_error format value_type" },
    { STR_INIT("date_histogram"), true,
      VALUES "interval calendar_interval fixed_interval offset keyed min_doc_count order"
             " extended_bounds hard_bounds" },
    { STR_INIT("auto_date_histogram"), true, VALUES "buckets minimum_interval" },
    { STR_INIT("histogram"), true,
      VALUES "interval offset keyed min_doc_count order extended_bounds hard_bounds" },
    { STR_INIT("range"), true, VALUES "ranges keyed" },
    { STR_INIT("date_range"), true, VALUES "ranges keyed" },
    { STR_INIT("ip_range"), true, VALUES "ranges keyed" },
    { STR_INIT("filters"), false, "filters other_bucket other_bucket_key keyed" },
    { STR_INIT("adjacency_matrix"), false, "filters separator" },
    { STR_INIT("global"), false, "" },
    { STR_INIT("missing"), true, VALUES },
    { STR_INIT("composite"), false, "sources size after" },
    { STR_INIT("min"), true, VALUES },
    { STR_INIT("max"), true, VALUES },
    { STR_INIT("sum"), true, VALUES },
    { STR_INIT("avg"), true, VALUES },
    { STR_INIT("value_count"), true, VALUES },
    { STR_INIT("stats"), true, VALUES },
    { STR_INIT("extended_stats"), true, VALUES "sigma" },
    { STR_INIT("cardinality"), true, VALUES "precision_threshold rehash execution_hint" },
    { STR_INIT("percentiles"), true, VALUES DIGESTS "percents keyed" },
    { STR_INIT("percentile_ranks"), true, VALUES DIGESTS "values keyed" },
    { STR_INIT("median_absolute_deviation"), true, VALUES DIGESTS },
    { STR_INIT("boxplot"), true, VALUES DIGESTS },
    { STR_INIT("string_stats"), true, VALUES "show_distribution" },
    { STR_INIT("weighted_avg"), false, "value weight format value_type" },
    { STR_INIT("rate"), false, VALUES "unit mode" },
    { STR_INIT("top_metrics"), false, "metrics sort size" },
    { STR_INIT("derivative"), false, PIPE "unit" },
    { STR_INIT("cumulative_sum"), false, PIPE },
    { STR_INIT("serial_diff"), false, PIPE "lag" },
    { STR_INIT("moving_avg"), false, PIPE "window model settings minimize predict" },
    { STR_INIT("moving_fn"), false, PIPE "window shift script" },
    { STR_INIT("normalize"), false, PIPE "method" },
    { STR_INIT("bucket_script"), false, PIPE "script" },
    { STR_INIT("bucket_selector"), false, PIPE "script" },
    { STR_INIT("bucket_sort"), false, "sort from size gap_policy" },
    { STR_INIT("avg_bucket"), false, PIPE },
    { STR_INIT("max_bucket"), false, PIPE },
    { STR_INIT("min_bucket"), false, PIPE },
    { STR_INIT("sum_bucket"), false, PIPE },
    { STR_INIT("stats_bucket"), false, PIPE },
    { STR_INIT("extended_stats_bucket"), false, PIPE "sigma" },
    { STR_INIT("percentiles_bucket"), false, PIPE "percents keyed" },
};

int agg_check_options(struct parse *parse, struct str kind, const struct json *body)
{
    const struct options_row *row = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (str_equal(rows[i].kind, kind)) row = &rows[i];
    }
    if (row == NULL || !json_is(body, JSON_OBJECT)) return 0;
    for (size_t i = 0; i < body->object.count; i++) {
        struct str key = body->object.members[i].key;
        if (query_has_word(row->options, key)) continue;
        return parse_fail(parse, "x_content_parse_exception",
                          "[" STR_FMT "] unknown field [" STR_FMT "]", STR_ARG(kind), STR_ARG(key));
    }
    if (row->needs_field && json_text(json_get(body, STR("field")), STR("")).size == 0) {
        return parse_fail(parse, "illegal_argument_exception",
                          "Required one of fields [field, script], but none were specified. ");
    }
    return 0;
}
