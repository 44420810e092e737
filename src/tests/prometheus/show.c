/* show.c - writes an exposition with one of everything, in the format an Accept header asks for;
 * for the tests that hand it to other programs. */
#include "prometheus/prometheus.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int write_out(void *arg, const char *data, size_t size)
{
    (void)arg;
    return fwrite(data, 1, size, stdout) == size ? 0 : -1;
}

static double answer(void *arg)
{
    (void)arg;
    return 42;
}

static void collect(struct pm_emit *emit, void *arg)
{
    (void)arg;
    static const struct pm_quantile quantiles[] = { { 0.5, 1.5 }, { 0.9, (double)NAN } };
    static const double bounds[] = { -1, 1 };
    static const uint64_t counts[] = { 1, 2, 3 };
    struct pm_label label = { "side", "left \"and\"\nright\\" };
    struct pm_buckets buckets = { bounds + 1, counts + 1, 1, 7.5 };
    pm_emit_family_unit(emit, PM_SUMMARY, "passed_on_seconds", "Of others.", "seconds");
    struct pm_point point = { .labels = &label, .label_count = 1, .count = 3, .sum = 4.5 };
    point.quantiles = quantiles;
    point.quantile_count = 2;
    pm_emit_point(emit, &point);
    pm_emit_family(emit, PM_HISTOGRAM, "passed_on_bytes", "Of others.");
    pm_emit_histogram(emit, &label, 1, &buckets);
    pm_emit_family(emit, PM_UNTYPED, "passed_on", "Of others.");
    point = (struct pm_point){ .value = 1e21, .timestamp_s = 1.6e9 + 0.25 };
    pm_emit_point(emit, &point);
}

static void make(void)
{
    static const double quantiles[] = { 0.5, 0.99 };
    static const char *const states[] = { "starting", "running" };
    static const char *const state_labels[] = { "host" };
    static const char *const values[] = { "a" };
    struct pm_options native = { .name = "native_seconds", .help = "Native.", .unit = "seconds" };
    native.native_factor = 1.1;
    struct pm_options both = native;
    both.name = "both_seconds";
    both.bounds = pm_default_bounds;
    both.bound_count = PM_DEFAULT_BOUND_COUNT;
    struct pm_options window = { .name = "window_seconds", .help = "Window." };
    window.quantiles = quantiles;
    window.quantile_count = 2;
    struct pm_options state = { .name = "job_state", .help = "State.", .states = states };
    state.state_count = 2;
    state.label_names = state_labels;
    state.label_count = 1;
    struct pm_options function = { .name = "answer", .help = "Answer.", .function = answer };
    struct pm_counter *jobs = pm_counter_new(NULL, "jobs_total", "Jobs \"done\"\n\\.", "q");
    pm_inc(pm_counter_with(jobs, "a\"b\\c\nd\xff"));
    pm_add_with(pm_counter_with(jobs, "x"), 1e-5, "trace_id", "4bf92f3577b34da6");
    struct pm_histogram *latency = pm_histogram_new(NULL, "latency_seconds", "Latency.", "m");
    pm_observe_with(pm_histogram_with(latency, "g"), 0.2, "trace_id", "00f067aa0ba902b7");
    pm_observe(pm_histogram_with(latency, "g"), 30);
    struct pm_histogram *h = pm_histogram_of(NULL, &native);
    struct pm_histogram *hb = pm_histogram_of(NULL, &both);
    struct pm_summary *s = pm_summary_of(NULL, &window);
    for (int i = 1; i <= 1000; i++) {
        pm_observe(h, i / 100.0);
        pm_observe(hb, i % 2 == 0 ? i / 100.0 : -i / 100.0);
        pm_observe(s, i / 100.0);
    }
    pm_observe_with(h, 3, "trace_id", "a3ce929d0e0e4736");
    pm_set(pm_gauge_new(NULL, "temperature_celsius", "T."), -1e-7);
    (void)pm_info_set(pm_info_new(NULL, "build", "Build."), "version", "1");
    struct pm_metric *child = NULL;
    (void)pm_child(PM_METRIC(pm_enum_of(NULL, &state)), values, 1, &child, NULL);
    (void)pm_enum_set((struct pm_enum *)child, "running");
    (void)pm_gauge_of(NULL, &function);
    (void)pm_histogram_of(NULL, &(struct pm_options){ .name = "unused_seconds",
                                                      .help = "Never observed.",
                                                      .native_factor = 2,
                                                      .native_zero_threshold = -1 });
}

int main(int argc, char **argv)
{
    struct pm_error error = { 0 };
    struct pm_format format = pm_negotiate(argc > 1 ? argv[1] : NULL);
    make();
    if (argc > 2 && strcmp(argv[2], "utf8") == 0) {
        pm_registry_allow_utf8(NULL);
        pm_inc(pm_counter_with(pm_counter_new(NULL, "http.requests_total", "R.", "http.m"), "GET"));
    }
    format.has_created = 1;
    if (pm_register_process(NULL, &error) < 0 ||
        pm_register_collector(NULL, collect, NULL, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    fprintf(stderr, "%s\n", pm_content_type(format));
    return pm_render(NULL, format, write_out, NULL) < 0;
}
