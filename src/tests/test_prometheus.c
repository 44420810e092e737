/* test_prometheus.c
 *
 * Goal:   the mission's own test: what one process counts, another shows.
 * Method: this process is the daemon, a forked one the client; each step's value is read from the
 *         daemon's exposition. A counter 1 + 24 = 25; a gauge at -2, then set to 333. The client
 *         is three times another: C over shared memory, the command line, and the socket.
 */
#include "prometheus/prometheus.h"

#include "base/str.h"
#include "main/main.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];
static char socket_path[80];
static struct pm_daemon *daemon_side;
static struct pm_receiver *receiver;
static struct pm_registry *registry;

static bool start(void)
{
    struct pm_error error = { 0 };
    struct pm_daemon_options options = { .path = path };
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-test-%ld", (long)getpid());
    (void)snprintf(socket_path, sizeof(socket_path), "%s.sock", path);
    (void)unlink(path);
    if (pm_daemon_open(&daemon_side, &options, &error) != 0 ||
        pm_registry_new(&registry, &error) != 0 ||
        pm_daemon_register(daemon_side, registry, &error) != 0) {
        return false;
    }
    struct pm_receiver_options listen = { .registry = pm_daemon_registry(daemon_side),
                                          .shown_in = registry,
                                          .socket_path = socket_path };
    return pm_receiver_start(&receiver, &listen, &error) == 0;
}

static void stop(void)
{
    pm_receiver_stop(receiver);
    pm_daemon_close(daemon_side);
    pm_registry_free(registry);
    (void)unlink(path);
}

static double shown(const char *name)
{
    double value = -12345;
    (void)pm_sample(registry, &value, name);
    return value;
}

/* ---- The three clients ---- */

static int by_c(const struct pm_command *step)
{
    struct pm_client *client = NULL;
    struct pm_error error;
    if (pm_client_open(&client, path, &error) < 0) return 2;
    if (step->action == PM_DO_INC) {
        struct pm_counter *counter = pm_client_counter(client, step->name, step->help);
        if (step->has_value)
            pm_add(counter, step->value);
        else
            pm_inc(counter);
    } else {
        struct pm_gauge *gauge = pm_client_gauge(client, step->name, step->help);
        if (step->action == PM_DO_SET)
            pm_set(gauge, step->value);
        else
            pm_dec(gauge);
    }
    pm_client_close(client);
    return 0;
}

static int by_command_line(const struct pm_command *step)
{
    static const char *const verbs[] = {
        [PM_DO_INC] = "inc", [PM_DO_DEC] = "dec", [PM_DO_SET] = "set"
    };
    char words[8][128] = { "metric", "--region", "", "--help-text", "", "", "", "" };
    char *argv[9];
    (void)snprintf(words[2], sizeof(words[2]), "%s", path);
    (void)snprintf(words[4], sizeof(words[4]), "%s", step->help);
    (void)snprintf(words[5], sizeof(words[5]), "%s", verbs[step->action]);
    (void)snprintf(words[6], sizeof(words[6]), "%s", step->name);
    (void)snprintf(words[7], sizeof(words[7]), "%g", step->value);
    for (int i = 0; i < 8; i++) argv[i] = words[i];
    argv[8] = NULL;
    return metric_main(step->has_value ? 8 : 7, argv);
}

static int by_socket(const struct pm_command *step)
{
    return pm_socket_run(step, socket_path, NULL) == 0 ? 0 : 3;
}

static const struct way {
    const char *name;
    int (*run)(const struct pm_command *step);
} ways[] = { { "C", by_c }, { "command line", by_command_line }, { "socket", by_socket } };

/* Runs the step in a process of its own. */
static int in_client(const struct way *way, const struct pm_command *step)
{
    test_context(way->name);
    pid_t pid = fork();
    if (pid == 0) _exit(way->run(step));
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_counter_of_another_process_is_25(void)
{
    static const char name[] = "mission_jobs_total";
    static const char help[] = "Jobs done.";
    const struct pm_command one = { .action = PM_DO_INC, .name = name, .help = help };
    struct pm_command more = one;
    more.has_value = true;
    more.value = 24;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        REQUIRE(start());
        EXPECT_INT(0, in_client(&ways[i], &one));
        EXPECT(shown(name) == 1);
        EXPECT_INT(0, in_client(&ways[i], &more));
        EXPECT(shown(name) == 25);
        stop();
    }
}

static void a_gauge_goes_to_minus_2_and_is_set_to_333(void)
{
    static const char name[] = "mission_balance";
    static const char help[] = "The balance.";
    const struct pm_command dec = { .action = PM_DO_DEC, .name = name, .help = help };
    const struct pm_command set = {
        .action = PM_DO_SET, .name = name, .help = help, .has_value = true, .value = 333
    };
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        REQUIRE(start());
        EXPECT_INT(0, in_client(&ways[i], &dec));
        EXPECT_INT(0, in_client(&ways[i], &dec));
        EXPECT(shown(name) == -2);
        EXPECT_INT(0, in_client(&ways[i], &set));
        EXPECT(shown(name) == 333);
        stop();
    }
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
    pid_t pid = fork();
    if (pid == 0) {
        struct pm_client *client = NULL;
        struct pm_error error;
        if (pm_client_open(&client, path, &error) < 0) _exit(2);
        update_all(client);
        pm_client_close(client);
        _exit(0);
    }
    int status = -1;
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    EXPECT_INT(0, status);
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
