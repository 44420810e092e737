/* prometheus_peer.cc - the work of prometheus_bench, done by prometheus-cpp where it is installed. */
#include "prometheus_peer.h"

#ifdef HAS_PROMETHEUS_CPP
#include <memory>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/summary.h>
#include <prometheus/text_serializer.h>
#include <string>

using namespace prometheus;

namespace
{
std::unique_ptr<Registry> shown;

struct Metrics {
    Registry registry;
    Counter &counter = BuildCounter().Name("bench_total").Help("B.").Register(registry).Add({});
    Gauge &gauge = BuildGauge().Name("bench").Help("B.").Register(registry).Add({});
    Histogram &histogram = BuildHistogram().Name("bench_seconds").Help("B.").Register(registry).Add(
        {}, Histogram::BucketBoundaries{ .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10 });
    Summary &summary = BuildSummary().Name("bench_window").Help("B.").Register(registry).Add(
        {}, Summary::Quantiles{ { 0.5, 0.05 }, { 0.9, 0.01 }, { 0.99, 0.001 } });
    Family<Counter> &labels = BuildCounter().Name("http_total").Help("B.").Register(registry);
};
} // namespace

int peer_is_there(void)
{
    return 1;
}

void peer_do(enum peer_operation operation, long count, const double *values, size_t value_count)
{
    static Metrics metrics;
    static const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
    static const char *const codes[] = { "200", "404", "500" };
    for (long i = 0; i < count; i++) {
        double value = values[(size_t)i % value_count];
        switch (operation) {
        case PEER_INC: metrics.counter.Increment(); break;
        case PEER_GAUGE_ADD: metrics.gauge.Increment(1.5); break;
        case PEER_GAUGE_SET: metrics.gauge.Set((double)i); break;
        case PEER_OBSERVE: metrics.histogram.Observe(value); break;
        case PEER_QUANTILES: metrics.summary.Observe(value); break;
        case PEER_LABELS:
            metrics.labels.Add({ { "m", methods[i & 3] }, { "c", codes[i % 3] } }).Increment();
            break;
        }
    }
}

int peer_make_series(long count, int is_double)
{
    shown = std::make_unique<Registry>();
    auto &family = BuildCounter().Name("http_requests_total").Help("Requests.").Register(*shown);
    for (long i = 0; i < count; i++) {
        auto &counter = family.Add(
            { { "method", "GET" }, { "path", "/api/v1/items" }, { "n", std::to_string(i) } });
        counter.Increment(1000000 + (double)i);
        if (is_double) counter.Increment(0.1 + (double)(i % 977) / 1000);
    }
    return 0;
}

size_t peer_render(void)
{
    return TextSerializer().Serialize(shown->Collect()).size();
}
#else
int peer_is_there(void)
{
    return 0;
}
void peer_do(enum peer_operation, long, const double *, size_t)
{
}
int peer_make_series(long, int)
{
    return -1;
}
size_t peer_render(void)
{
    return 0;
}
#endif
