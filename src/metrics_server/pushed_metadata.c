/* pushed_metadata.c - what senders of remote write told of their metrics.
 *
 * FORMAT   prometheus.MetricMetadata: 1 type (enum), 2 name of the metric's family, 4 help, 5 unit
 * Source:  Prometheus Remote-Write 1.0 specification.
 */
#include "metrics_server/pushed_metadata.h"

#include "codec/protobuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct str types[] = {
    STR_INIT("unknown"),        STR_INIT("counter"), STR_INIT("gauge"), STR_INIT("histogram"),
    STR_INIT("gaugehistogram"), STR_INIT("summary"), STR_INIT("info"),  STR_INIT("stateset"),
};

/* One allocation with its texts. */
struct pushed_metric {
    struct str type; /* of `types` */
    struct str help;
    struct str unit;
    char text[];
};

void pushed_metadata_init(struct pushed_metadata *metadata)
{
    *metadata = (struct pushed_metadata){ 0 };
    mutex_init(&metadata->mutex);
}

void pushed_metadata_release(struct pushed_metadata *metadata)
{
    size_t position = 0;
    struct str name;
    void *value;
    while (map_next(&metadata->metrics, &position, &name, &value)) free(value);
    map_release(&metadata->metrics);
    mutex_release(&metadata->mutex);
}

static struct pushed_metric *metric_new(struct str type, struct str help, struct str unit)
{
    struct pushed_metric *metric = malloc(sizeof(*metric) + help.size + unit.size);
    if (metric == NULL) return NULL;
    if (help.size > 0) memcpy(metric->text, help.data, help.size);
    if (unit.size > 0) memcpy(metric->text + help.size, unit.data, unit.size);
    metric->type = type;
    metric->help = (struct str){ metric->text, help.size };
    metric->unit = (struct str){ metric->text + help.size, unit.size };
    return metric;
}

static int put_locked(struct pushed_metadata *metadata, struct str name, struct str type,
                      struct str help, struct str unit)
{
    struct pushed_metric *known = map_get(&metadata->metrics, name);
    if (known == NULL && metadata->metrics.count >= PUSHED_METADATA_COUNT_MAX) return 0;
    if (known != NULL && str_equal(known->type, type) && str_equal(known->help, help) &&
        str_equal(known->unit, unit)) {
        return 0;
    }
    struct pushed_metric *fresh = metric_new(type, help, unit);
    if (fresh == NULL) return -ENOMEM;
    if (map_put(&metadata->metrics, name, fresh) != 0) {
        free(fresh);
        return -ENOMEM;
    }
    free(known);
    return 0;
}

int pushed_metadata_take(struct pushed_metadata *metadata, struct str message, struct error *error)
{
    struct protobuf_field field;
    struct str type = types[0];
    struct str name = { 0 };
    struct str help = { 0 };
    struct str unit = { 0 };
    int code;
    while ((code = protobuf_next(&message, &field, error)) == 1) {
        if (field.number == 1 && field.wire == PROTOBUF_VARINT) {
            type = types[field.value < ARRAY_LENGTH(types) ? field.value : 0];
        }
        if (field.wire != PROTOBUF_BYTES) continue;
        if (field.number == 2) name = field.bytes;
        if (field.number == 4) help = field.bytes;
        if (field.number == 5) unit = field.bytes;
    }
    if (code != 0 || metadata == NULL) return code;
    if (name.size == 0 || name.size > PUSHED_METADATA_TEXT_MAX ||
        help.size > PUSHED_METADATA_TEXT_MAX || unit.size > PUSHED_METADATA_TEXT_MAX) {
        return 0;
    }
    mutex_lock(&metadata->mutex);
    code = put_locked(metadata, name, type, help, unit);
    mutex_unlock(&metadata->mutex);
    return code == 0 ? 0 : error_set(error, code, "no memory for metadata");
}

static bool copy_item(struct arena *arena, struct str name, const struct pushed_metric *metric,
                      struct scrape_metadata *item)
{
    *item = (struct scrape_metadata){ .metric = arena_copy(arena, name),
                                      .type = metric->type,
                                      .help = arena_copy(arena, metric->help),
                                      .unit = arena_copy(arena, metric->unit) };
    return item->metric.data != NULL && item->help.data != NULL && item->unit.data != NULL;
}

static int add_locked(struct pushed_metadata *metadata, struct str metric, struct arena *arena,
                      struct scrape_metadata *all, size_t *count)
{
    size_t position = 0;
    struct str name;
    void *value;
    while (map_next(&metadata->metrics, &position, &name, &value)) {
        if (metric.size > 0 && !str_equal(metric, name)) continue;
        if (!copy_item(arena, name, value, &all[(*count)++])) return -ENOMEM;
    }
    return 0;
}

int pushed_metadata_add(struct pushed_metadata *metadata, struct str metric, struct arena *arena,
                        const struct scrape_metadata **items, size_t *count, struct error *error)
{
    mutex_lock(&metadata->mutex);
    size_t most = *count + metadata->metrics.count;
    struct scrape_metadata *all = ARENA_ARRAY(arena, struct scrape_metadata, most + 1);
    int code = all == NULL ? -ENOMEM : 0;
    if (code == 0 && *count > 0) memcpy(all, *items, *count * sizeof(all[0]));
    if (code == 0) code = add_locked(metadata, metric, arena, all, count);
    mutex_unlock(&metadata->mutex);
    if (code != 0) return error_set(error, code, "no memory for metadata");
    *items = all;
    return 0;
}
