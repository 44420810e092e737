/* apply.c - puts samples into the head: those of a commit, and those that a recovery reads. */
#include "tsdb/db.h"
#include "tsdb/payload.h"
#include "tsdb/side.h"

#include <stdlib.h>

bool tsdb_in_order(struct labels labels)
{
    for (size_t i = 0; i < labels.count; i++) {
        if (labels.items[i].name.size == 0 || labels.items[i].value.size == 0) return false;
        if (i > 0 && str_compare(labels.items[i - 1].name, labels.items[i].name) >= 0) return false;
    }
    return labels.count > 0;
}

bool tsdb_is_late(const struct tsdb *db, const struct head_series *series, int64_t time_ms)
{
    int64_t limit;
    if (series->last_ms != INT64_MIN && time_ms <= series->last_ms) return true;
    return db->head.max_ms != INT64_MIN &&
           !__builtin_sub_overflow(db->head.max_ms, db->options.past_max_ms, &limit) &&
           time_ms < limit;
}

bool tsdb_apply_sample(struct tsdb *db, const struct tsdb_pending *sample,
                       const struct extra *extra, bool takes_late)
{
    struct head *head = &db->head;
    struct head_series *series = sample->series;
    bool is_added = false;
    struct extra plain = { .time_ms = sample->time_ms };
    int code = 0;
    if (sample->time_ms == series->last_ms) {
        is_added = false; /* another batch was first */
    } else if (takes_late && tsdb_is_late(db, series, sample->time_ms)) {
        code =
            side_add_late(head, series, sample->value, extra != NULL ? extra : &plain, &is_added);
        if (code == 0 && is_added) db->stats.samples_late++;
    } else {
        code = head_append(head, series, sample->time_ms, sample->value, &is_added);
        if (code == 0 && is_added && (extra != NULL || series->has_side)) {
            code = side_note(head, series, extra != NULL ? extra : &plain);
        }
    }
    if (code != 0 || !is_added) {
        db->stats.samples_dropped++;
        return false;
    }
    db->stats.samples_appended++;
    return true;
}

void tsdb_apply_exemplars(struct tsdb *db, const struct payload_exemplars *exemplars)
{
    for (size_t i = 0; i < exemplars->count; i++) {
        const struct payload_exemplar *item = &exemplars->items[i];
        const struct head_series *series = head_series_at(&db->head, item->series);
        struct label *items =
            series == NULL ? NULL : malloc((series->pair_count + 1u) * sizeof(items[0]));
        if (items == NULL) continue;
        head_labels(&db->head, series, items);
        struct labels labels = { items, series->pair_count };
        (void)exemplars_add(&db->exemplars, labels, &item->exemplar);
        free(items);
    }
}
