/* test_prometheus.c
 *
 * Goal:   the mission's own test: what one process counts, another shows.
 * Method: this process is the daemon, a forked one the client; each step's value is read from the
 *         daemon's exposition. A counter 1 + 24 = 25; a gauge at -2, then set to 333.
 */
#include "prometheus/prometheus.h"

#include "base/str.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[128];
static struct pm_daemon *daemon_side;
static struct pm_registry *registry;

static bool start(void)
{
    struct pm_error error = { 0 };
    struct pm_daemon_options options = { .path = path };
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-test-%ld", (long)getpid());
    (void)unlink(path);
    return pm_daemon_open(&daemon_side, &options, &error) == 0 &&
           pm_registry_new(&registry, &error) == 0 &&
           pm_daemon_register(daemon_side, registry, &error) == 0;
}

static void stop(void)
{
    pm_daemon_close(daemon_side);
    pm_registry_free(registry);
    (void)unlink(path);
}

/* Runs update in a process of its own that opens the region as a client. */
static int in_client(void (*update)(struct pm_client *client))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct pm_client *client = NULL;
        struct pm_error error;
        if (pm_client_open(&client, path, &error) < 0) _exit(2);
        update(client);
        pm_client_close(client);
        _exit(0);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static double shown(const char *name)
{
    double value = -12345;
    (void)pm_sample(registry, &value, name);
    return value;
}

static void inc_counter(struct pm_client *client)
{
    pm_inc(pm_client_counter(client, "mission_jobs_total", "Jobs done."));
}

static void add_24(struct pm_client *client)
{
    pm_add(pm_client_counter(client, "mission_jobs_total", "Jobs done."), 24);
}

static void dec_twice(struct pm_client *client)
{
    struct pm_gauge *gauge = pm_client_gauge(client, "mission_balance", "The balance.");
    pm_dec(gauge);
    pm_dec(gauge);
}

static void set_gauge(struct pm_client *client)
{
    pm_set(pm_client_gauge(client, "mission_balance", "The balance."), 333);
}

static void a_counter_of_another_process_is_25(void)
{
    REQUIRE(start());
    EXPECT_INT(0, in_client(inc_counter));
    EXPECT(shown("mission_jobs_total") == 1);
    EXPECT_INT(0, in_client(add_24));
    EXPECT(shown("mission_jobs_total") == 25);
    stop();
}

static void a_gauge_goes_to_minus_2_and_is_set_to_333(void)
{
    REQUIRE(start());
    EXPECT_INT(0, in_client(dec_twice));
    EXPECT(shown("mission_balance") == -2);
    EXPECT_INT(0, in_client(set_gauge));
    EXPECT(shown("mission_balance") == 333);
    stop();
}

static void update_all(struct pm_client *client)
{
    static const char *const states[] = { "starting", "running" };
    struct pm_options options = {
        .name = "mission_state", .help = "What it does.", .states = states, .state_count = 2
    };
    struct pm_counter *jobs = pm_client_counter(client, "mission_jobs_total", "Jobs done.", "ok");
    pm_add(pm_counter_with(jobs, "true"), 25);
    pm_set(pm_client_gauge(client, "mission_balance", "The balance."), 333);
    pm_observe(pm_client_summary(client, "mission_size_bytes", "Sizes."), 12.5);
    (void)pm_info_set(pm_client_info(client, "mission", "The mission."), "version", "1.0");
    (void)pm_enum_set(pm_enum_of(pm_client_registry(client), &options), "running");
}

static void the_text_is_what_prometheus_reads(void)
{
    static const char want[] = "# HELP mission_info The mission.\n"
                               "# TYPE mission_info gauge\n"
                               "mission_info{version=\"1.0\"} 1\n"
                               "# HELP mission_balance The balance.\n"
                               "# TYPE mission_balance gauge\n"
                               "mission_balance 333\n"
                               "# HELP mission_jobs_total Jobs done.\n"
                               "# TYPE mission_jobs_total counter\n"
                               "mission_jobs_total{ok=\"true\"} 25\n"
                               "# HELP mission_size_bytes Sizes.\n"
                               "# TYPE mission_size_bytes summary\n"
                               "mission_size_bytes_sum 12.5\n"
                               "mission_size_bytes_count 1\n"
                               "# HELP mission_state What it does.\n"
                               "# TYPE mission_state gauge\n"
                               "mission_state{mission_state=\"starting\"} 0\n"
                               "mission_state{mission_state=\"running\"} 1\n";
    REQUIRE(start());
    EXPECT_INT(0, in_client(update_all));
    char *text = pm_render_text(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, NULL);
    REQUIRE(text != NULL);
    size_t size = strlen(text) < sizeof(want) - 1 ? strlen(text) : sizeof(want) - 1;
    EXPECT_STR(want, ((struct str){ text, size }));
    free(text);
    stop();
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_counter_of_another_process_is_25),
        TEST(a_gauge_goes_to_minus_2_and_is_set_to_333),
        TEST(the_text_is_what_prometheus_reads),
    };
    return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
