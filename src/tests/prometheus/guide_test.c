/* guide_test.c
 *
 * Goal:   the examples of docs/prometheus.md compile and do what the page says.
 * Method: they stand here as they stand there, in functions of their own.
 */
#include "prometheus/prometheus.h"

#include "base/str.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

PM_STATIC_COUNTER(requests, "requests_total", "Requests.");

static void counting_as_in_the_guide(void)
{
    struct pm_counter *jobs = pm_counter_new(NULL, "jobs_total", "Jobs done.", "queue");
    pm_inc(pm_counter_with(jobs, "mail"));

    struct pm_counter *mail = pm_counter_with(jobs, "mail");
    pm_add(mail, 24);

    struct pm_gauge *queued = pm_gauge_new(NULL, "queued_jobs", "Jobs that wait.");
    pm_set(queued, 3);
    pm_dec(queued);

    struct pm_histogram *latency =
        pm_histogram_new(NULL, "job_duration_seconds", "Time a job took.");
    double start = pm_seconds();
    pm_observe(latency, pm_seconds() - start);
    pm_inc(&requests);

    double value = 0;
    EXPECT_INT(0, pm_sample(NULL, &value, "jobs_total", "queue", "mail"));
    EXPECT(value == 25);
    EXPECT_INT(0, pm_sample(NULL, &value, "queued_jobs"));
    EXPECT(value == 2);
    EXPECT_INT(0, pm_sample(NULL, &value, "job_duration_seconds_count"));
    EXPECT(value == 1);
    EXPECT_INT(0, pm_sample(NULL, &value, "requests_total"));
    EXPECT(value == 1);
}

static int write_some(void *connection, const char *data, size_t size)
{
    (void)data;
    *(size_t *)connection += size;
    return 0;
}

static void showing_as_in_the_guide(void)
{
    size_t connection = 0;
    const char *accept_header = "application/openmetrics-text;version=1.0.0";
    struct pm_format format = pm_negotiate(accept_header);
    const char *content_type = pm_content_type(format);
    int code = pm_render(NULL, format, write_some, &connection);
    EXPECT_INT(0, code);
    EXPECT(connection > 100);
    EXPECT(strstr(content_type, "openmetrics") != NULL);
}

static void collect(struct pm_emit *emit, void *arg)
{
    (void)arg;
    pm_emit_family(emit, PM_COUNTER, "node_cpu_seconds_total", "Seconds the CPUs spent.");
    pm_emit_value(emit, 12.5, "cpu", "0", "mode", "idle");
    pm_emit_value(emit, 3.25, "cpu", "0", "mode", "user");
    pm_emit_one(emit, PM_GAUGE, "node_load1", "1m load average.", 0.42);
}

static void collecting_as_in_the_guide(void)
{
    struct pm_error error;
    double value = 0;
    EXPECT_INT(0, pm_register_collector(NULL, collect, NULL, &error));
    EXPECT_INT(0, pm_sample(NULL, &value, "node_cpu_seconds_total", "mode", "user", "cpu", "0"));
    EXPECT(value == 3.25);
}

static void sharing_as_in_the_guide(void)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-guide-%ld", (long)getpid());
    REQUIRE(setenv("BAROGRAPH_METRICS", path, 1) == 0);
    struct pm_error error;
    struct pm_daemon *server = NULL;
    struct pm_registry *registry = NULL;
    REQUIRE(pm_registry_new(&registry, &error) == 0);
    REQUIRE(pm_daemon_open(&server, NULL, &error) == 0);
    EXPECT_INT(0, pm_daemon_register(server, registry, &error));
    struct pm_client *client = NULL;
    REQUIRE(pm_client_open(&client, NULL, &error) == 0);
    struct pm_counter *jobs = pm_client_counter(client, "jobs_total", "Jobs done.", "ok");
    pm_inc(pm_counter_with(jobs, "true"));
    double value = 0;
    EXPECT_INT(0, pm_sample(registry, &value, "jobs_total", "ok", "true"));
    EXPECT(value == 1);
    pm_client_close(client);
    pm_daemon_close(server);
    pm_registry_free(registry);
    (void)unlink(path);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(counting_as_in_the_guide),
        TEST(showing_as_in_the_guide),
        TEST(collecting_as_in_the_guide),
        TEST(sharing_as_in_the_guide),
    };
    return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
