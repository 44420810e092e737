/* stranger_test.c
 *
 * Goal:   a thread without restartable sequences, in a process that has them, counts exactly, too:
 *         a filter of system calls that comes after the start refuses them to new threads.
 * Method: threads give theirs up and count in every type, beside threads that have them, in a
 *         registry and in a shared region. The sums are those of all.
 */
#include "prometheus/prometheus.h"

#include "tests/test.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 4, UPDATES = 20000, UNREGISTER = 1, SIGNATURE = 0x53053053 };

struct handles {
    struct pm_counter *whole;
    struct pm_counter *parts;
    struct pm_gauge *gauge;
    struct pm_histogram *classic;
    struct pm_histogram *many; /* bounds */
    struct pm_histogram *native;
    struct pm_histogram *both;
    struct pm_summary *summary;
    struct pm_summary *window;
};

static struct handles handles;

static void make(struct pm_registry *registry)
{
    static const double bounds[] = { 1, 2, 3 };
    static const double quantiles[] = { 0.5 };
    struct pm_options many = { .name = "many", .help = "M.", .bounds = bounds, .bound_count = 3 };
    struct pm_options native = { .name = "native", .help = "N.", .native_factor = 1.1 };
    struct pm_options both = many;
    both.name = "both";
    both.native_factor = 1.1;
    struct pm_options window = { .name = "window", .help = "W.", .quantiles = quantiles };
    window.quantile_count = 1;
    window.window_s = 3600;
    handles.whole = pm_counter_new(registry, "whole_total", "W.");
    handles.parts = pm_counter_new(registry, "parts_total", "P.");
    handles.gauge = pm_gauge_new(registry, "level", "L.");
    handles.classic = pm_histogram_new(registry, "classic", "C.");
    handles.many = pm_histogram_of(registry, &many);
    handles.native = pm_histogram_of(registry, &native);
    handles.both = pm_histogram_of(registry, &both);
    handles.summary = pm_summary_new(registry, "summary", "S.");
    handles.window = pm_summary_of(registry, &window);
}

/* Whether this thread has no sequences any more: to us it is one that never had them. */
static bool give_up(void)
{
#ifdef PM_RSEQ_
    return syscall(SYS_rseq, pm_rseq_self_(), 32, UNREGISTER, SIGNATURE) == 0;
#else
    return false;
#endif
}

static void *count(void *arg)
{
    if (arg != NULL && !give_up()) return NULL;
    for (int i = 0; i < UPDATES; i++) {
        pm_inc(handles.whole);
        pm_add(handles.parts, 0.25);
        pm_add(handles.gauge, 2);
        pm_observe(handles.classic, 0.5);
        pm_observe(handles.many, 2.5);
        pm_observe(handles.native, (double)(i % 20) - 1);
        pm_observe(handles.both, 0.5);
        pm_observe(handles.summary, 0.5);
        pm_observe(handles.window, 0.5);
    }
    return &handles;
}

static void expect(struct pm_registry *registry, const char *name, double want)
{
    double value = -1;
    test_context(name);
    EXPECT_INT(0, pm_sample(registry, &value, name));
    EXPECT(value == want);
}

/* Half of the threads without; false: they cannot be had, so there is nothing to show. */
static bool count_in_threads(void)
{
    pthread_t threads[THREADS];
    bool has_counted = true;
    for (int i = 0; i < THREADS; i++) {
        void *is_stranger = i % 2 == 0 ? &handles : NULL;
        if (pthread_create(&threads[i], NULL, count, is_stranger) != 0) return false;
    }
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        (void)pthread_join(threads[i], &result);
        has_counted = has_counted && result != NULL;
    }
    return has_counted;
}

static void expect_all(struct pm_registry *registry, int rounds)
{
    double count = (double)THREADS * UPDATES * rounds;
    expect(registry, "whole_total", count);
    expect(registry, "parts_total", count / 4);
    expect(registry, "level", count * 2);
    expect(registry, "classic_count", count);
    expect(registry, "classic_sum", count / 2);
    expect(registry, "many_count", count);
    expect(registry, "many_sum", count * 2.5);
    expect(registry, "native_count", count);
    expect(registry, "native_sum", count * 8.5);
    expect(registry, "both_count", count);
    expect(registry, "both_sum", count / 2);
    expect(registry, "summary_count", count);
    expect(registry, "summary_sum", count / 2);
    expect(registry, "window_count", count);
}

static void strangers_count_in_a_registry(void)
{
    struct pm_registry *registry = NULL;
    REQUIRE(pm_registry_new(&registry, NULL) == 0);
    make(registry);
    if (pm_mode() == PM_MODE_RSEQ && count_in_threads()) {
        expect_all(registry, 1);
        REQUIRE(count_in_threads()); /* beside what is known now */
        expect_all(registry, 2);
    }
    pm_registry_free(registry);
}

static void strangers_count_in_a_region(void)
{
    char path[64];
    struct pm_daemon *server = NULL;
    struct pm_client *client = NULL;
    struct pm_registry *registry = NULL;
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-stranger-%ld", (long)getpid());
    REQUIRE(pm_daemon_open(&server, &(struct pm_daemon_options){ .path = path }, NULL) == 0);
    REQUIRE(pm_client_open(&client, path, NULL) == 0);
    REQUIRE(pm_registry_new(&registry, NULL) == 0);
    REQUIRE(pm_daemon_register(server, registry, NULL) == 0);
    make(pm_client_registry(client));
    if (pm_mode() == PM_MODE_RSEQ && count_in_threads()) expect_all(registry, 1);
    pm_client_close(client);
    pm_daemon_close(server);
    pm_registry_free(registry);
    (void)unlink(path);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(strangers_count_in_a_registry),
        TEST(strangers_count_in_a_region),
    };
    return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
