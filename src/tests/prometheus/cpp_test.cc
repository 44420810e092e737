/* cpp_test.cc - the public header is C++, too, and its generic names are overloads there. */
#include "prometheus/prometheus.h"

#include <cstdio>

PM_STATIC_COUNTER(counted, "counted_total", "Counted.");

int main()
{
    pm_gauge *gauge = pm_gauge_new(nullptr, "level", "Level.", "side");
    pm_histogram *histogram = pm_histogram_new(nullptr, "time_seconds", "Time.");
    pm_inc(&counted);
    pm_add(&counted, 2);
    pm_set(pm_gauge_with(gauge, "left"), 0.5);
    pm_inc(pm_gauge_with(gauge, "left"));
    pm_observe(histogram, 0.2);
    double count = 0;
    double level = 0;
    bool good = pm_sample(nullptr, &count, "counted_total") == 0 && count == 3 &&
                pm_sample(nullptr, &level, "level", "side", "left") == 0 && level == 1.5;
    std::printf("1..1\n%s 1 - the_header_is_cpp_too\n", good ? "ok" : "not ok");
    return good ? 0 : 1;
}
