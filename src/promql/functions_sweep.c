/* functions_sweep.c - rate, increase and delta of a series at all steps at once.
 *
 * What is scraped together has the same times. So where the windows lie among the samples, and what
 * extrapolation comes to there, is found once for all series of the same times and kept in a table;
 * a few tables, since targets are scraped at moments of their own. What is left to do for a series
 * is a subtraction and a product a step. The numbers are those of functions_rate.c to the last bit.
 */
#include "promql/columns.h"
#include "promql/function_list.h"
#include "promql/rate.h"

#include <string.h>

#define TABLES 16

/* Samples and steps up to which a series has more than one table: all of them take 3 MiB then. */
#define TABLES_SIZE_MAX 4096

/* A window with two samples or more. */
struct sweep_place {
    uint32_t step;
    uint32_t first; /* of its samples */
    uint32_t last;
    double factor;   /* what the change is multiplied by when the zero is out of reach */
    double to_start; /* seconds that it is stretched by at the start, zero or not */
    double sampled;  /* seconds from the first sample to the last */
};

/* The windows of all series that have these times. */
struct sweep_table {
    int64_t *times_ms;
    size_t count;
    size_t capacity;
    struct sweep_place *places; /* room for one a step */
    size_t place_count;
    size_t seen; /* samples in all windows */
};

static struct sweep_table *pick_table(struct sweep *sweep)
{
    struct call *call = sweep->call;
    const struct points *points = sweep->points;
    if (call->tables == NULL) {
        call->tables = QUERY_ARRAY(call->evaluation->query, struct sweep_table, TABLES);
        if (call->tables == NULL) return NULL;
    }
    if (points->count + call->evaluation->steps.count > TABLES_SIZE_MAX) return call->tables;
    uint64_t hash = ((uint64_t)points->times_ms[0] ^ points->count) * UINT64_C(0x9e3779b97f4a7c15);
    return &call->tables[hash >> 60];
}

_Static_assert(TABLES == 1 << (64 - 60), "a table is picked by the top bits");

static bool reserve(struct sweep_table *table, struct query *query, size_t count, size_t steps)
{
    if (table->capacity < count) {
        size_t capacity = 64;
        while (capacity < count) capacity *= 2;
        table->times_ms = QUERY_ARRAY(query, int64_t, capacity);
        table->capacity = table->times_ms == NULL ? 0 : capacity;
        table->count = 0;
    }
    if (table->places == NULL) table->places = QUERY_ARRAY(query, struct sweep_place, steps);
    return table->times_ms != NULL && table->places != NULL;
}

static void place_window(const struct window *window, bool is_rate, struct sweep_place *place)
{
    const int64_t *times_ms = window->points->times_ms;
    struct rate_span span = { .first_ms = times_ms[window->from],
                              .last_ms = times_ms[window->to - 1],
                              .count = window->to - window->from };
    place->sampled = (double)(span.last_ms - span.first_ms) / 1000;
    place->to_start = (double)(span.first_ms - window->start_ms) / 1000;
    double average = place->sampled / (double)(span.count - 1);
    if (place->to_start >= average * 1.1) place->to_start = average / 2;
    place->factor = rate_extrapolation(window, &span);
    if (is_rate) place->factor /= window_seconds(window);
}

static void fill_table(struct sweep_table *table, const struct sweep *sweep, bool is_rate)
{
    const struct points *points = sweep->points;
    size_t steps = sweep->call->evaluation->steps.count;
    struct window window = { .points = points };
    int64_t to_start_ms = -1;
    int64_t sampled_ms = -1;
    size_t count = 0;
    table->count = points->count;
    memcpy(table->times_ms, points->times_ms, points->count * sizeof(points->times_ms[0]));
    table->place_count = 0;
    table->seen = 0;
    for (size_t i = 0; i < steps; i++) {
        window_move(&window, sweep->windows, i);
        size_t seen = window.to - window.from;
        table->seen += seen;
        if (seen < 2) continue;
        struct sweep_place *place = &table->places[table->place_count];
        /* With even samples and steps all windows lie the same. */
        int64_t first_ms = points->times_ms[window.from];
        int64_t last_ms = points->times_ms[window.to - 1];
        if (count == seen && to_start_ms == first_ms - window.start_ms &&
            sampled_ms == last_ms - first_ms) {
            *place = place[-1];
        } else {
            place_window(&window, is_rate, place);
        }
        count = seen;
        to_start_ms = first_ms - window.start_ms;
        sampled_ms = last_ms - first_ms;
        place->step = (uint32_t)i;
        place->first = (uint32_t)window.from;
        place->last = (uint32_t)(window.to - 1);
        table->place_count++;
    }
}

static const struct sweep_table *find_table(struct sweep *sweep, bool is_rate)
{
    const struct points *points = sweep->points;
    struct sweep_table *table = pick_table(sweep);
    if (table == NULL) return NULL;
    if (table->count == points->count && memcmp(table->times_ms, points->times_ms,
                                                points->count * sizeof(points->times_ms[0])) == 0) {
        return table;
    }
    const struct evaluation *evaluation = sweep->call->evaluation;
    if (!reserve(table, evaluation->query, points->count, evaluation->steps.count)) return NULL;
    fill_table(table, sweep, is_rate);
    return table;
}

/* Whether a counter would have been below zero at the place that it is stretched to. At a value
 * that is not below what it gained it cannot have been, as the samples reach farther than the
 * stretch; that spares the division. */
static inline bool reaches_zero(const struct sweep_place *place, double first, double change)
{
    if (!(change > 0) || !(first >= 0)) return false;
    if (first >= change && place->sampled >= place->to_start) return false;
    return place->sampled * (first / change) < place->to_start;
}

static double factor_near_zero(const struct sweep *sweep, const struct sweep_place *place,
                               double change, bool is_rate)
{
    const struct points *points = sweep->points;
    struct window window = { .points = points };
    window.end_ms = steps_time(&sweep->windows->ends, place->step);
    window.start_ms = window.end_ms - sweep->windows->range_ms;
    struct rate_span span = { .first_ms = points->times_ms[place->first],
                              .last_ms = points->times_ms[place->last],
                              .count = place->last - place->first + 1,
                              .change = change,
                              .first = points->values[place->first],
                              .is_counter = true };
    double factor = rate_extrapolation(&window, &span);
    return is_rate ? factor / window_seconds(&window) : factor;
}

static void fill_deltas(const struct sweep *sweep, const struct sweep_table *table)
{
    const double *values = sweep->points->values;
    for (size_t i = 0; i < table->place_count; i++) {
        const struct sweep_place *place = &table->places[i];
        sweep->values[place->step] = (values[place->last] - values[place->first]) * place->factor;
    }
}

/* A reset in a window is known by the last one that was passed; only such windows are walked. */
static void fill_changes(const struct sweep *sweep, const struct sweep_table *table, bool is_rate)
{
    const struct points *points = sweep->points;
    const double *values = points->values;
    bool is_rising = !column_falls(values, points->count);
    size_t checked = 1; /* samples looked at for resets */
    size_t last_reset = 0;
    for (size_t i = 0; i < table->place_count; i++) {
        const struct sweep_place *place = &table->places[i];
        double first = values[place->first];
        double change = values[place->last] - first;
        for (; !is_rising && checked <= place->last; checked++) {
            if (values[checked] < values[checked - 1]) last_reset = checked;
        }
        if (last_reset > place->first) {
            change = counter_change(points, place->first, (size_t)place->last + 1);
        }
        double factor = place->factor;
        if (reaches_zero(place, first, change)) {
            factor = factor_near_zero(sweep, place, change, is_rate);
        }
        sweep->values[place->step] = change * factor;
    }
}

static bool sweep_change(struct sweep *sweep, bool is_counter, bool is_rate)
{
    if (sweep->points->count == 0 || sweep->points->count > UINT32_MAX) return false;
    const struct sweep_table *table = find_table(sweep, is_rate);
    if (table == NULL) return false;
    if (is_counter) {
        fill_changes(sweep, table, is_rate);
    } else {
        fill_deltas(sweep, table);
    }
    sweep->seen = table->seen;
    sweep->is_any = table->place_count > 0;
    return true;
}

bool sweep_rate(struct sweep *sweep)
{
    return sweep_change(sweep, true, true);
}

bool sweep_increase(struct sweep *sweep)
{
    return sweep_change(sweep, true, false);
}

bool sweep_delta(struct sweep *sweep)
{
    return sweep_change(sweep, false, false);
}
