/* socket_test.c
 *
 * Goal:   what arrives in datagrams is counted as it says, what is wrong is an answer and a count,
 *         and nothing on the wire harms the receiver; StatsD's lines mean what its page says.
 * Method: tables of lines against the exposition they make; real sockets for the receiver, with
 *         answers read back; clients in processes of their own.
 */
#include "prometheus/prometheus.h"

#include "base/str.h"
#include "prometheus/line.h"
#include "prometheus/statsd.h"
#include "tests/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char path[100];
static struct pm_registry *registry; /* what is changed */
static struct pm_registry *own;      /* where the receiver shows itself */
static struct pm_receiver *receiver;

static bool start(const struct pm_receiver_options *wanted)
{
    struct pm_error error;
    struct pm_receiver_options options = *wanted;
    if (pm_registry_new(&registry, &error) < 0 || pm_registry_new(&own, &error) < 0) return false;
    options.registry = registry;
    options.shown_in = own;
    return pm_receiver_start(&receiver, &options, &error) == 0;
}

static void stop(void)
{
    pm_receiver_stop(receiver);
    pm_registry_free(registry);
    pm_registry_free(own);
    receiver = NULL;
}

static void expect_shown(const char *want)
{
    char *text = pm_render_text(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, NULL);
    REQUIRE(text != NULL);
    char *kept = calloc(1, strlen(text) + 1); /* without the lines of HELP */
    REQUIRE(kept != NULL);
    for (const char *at = text; *at != '\0';) {
        size_t size = strcspn(at, "\n") + 1;
        if (strncmp(at, "# HELP", 6) != 0) strncat(kept, at, size);
        at += size;
    }
    EXPECT_STR(want, str_from(kept));
    free(kept);
    free(text);
}

/* ---- Lines ---- */

static void lines_are_read_and_written_back(void)
{
    static const struct {
        const char *line;
        const char *want; /* NULL: the same */
    } rows[] = {
        { "inc jobs_total\n", NULL },
        { "inc jobs_total{ok=\"true\"} 24\n", NULL },
        { "inc jobs_total { } 24", "" },
        { "inc jobs_total{} 24", "inc jobs_total 24\n" },
        { "  inc\tjobs_total{ a = \"b\" , }  0.5 \r", "" },
        { "inc jobs_total{ a=\"b\" , } 0.5 \r", "inc jobs_total{a=\"b\"} 0.5\n" },
        { "dec q -1e3\n", "dec q -1000\n" },
        { "set q{a=\"x\\\\y\\\"z\\nw\",b=\"\"} +Inf\n", NULL },
        { "observe lat_seconds 0.2 bounds=0.1,1,10\n", NULL },
        { "info build{version=\"1.0\"}\n", NULL },
        { "state backup running states=idle,running",
          "state backup \"running\" states=\"idle,running\"\n" },
        { "state backup \"not here\" states=\"not here,here\"\n", NULL },
        { "remove jobs_total{ok=\"true\"}\n", NULL },
        { "create counter jobs_total{ok,host} help=\"Jobs done.\"\n", NULL },
        { "create histogram lat_seconds bounds=1,2 help=\"It's \\\"it\\\"\" unit=\"seconds\"\n",
          NULL },
        { "inc a exist=must\n", NULL },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pm_line line;
        struct pm_error error = { 0 };
        char text[1024] = "";
        size_t size = strcspn(rows[i].line, "\n");
        test_context(rows[i].line);
        bool is_bad = rows[i].want != NULL && rows[i].want[0] == '\0';
        EXPECT_INT(is_bad ? PM_ERROR_PARSE : 0, pm_line_parse(&line, rows[i].line, size, &error));
        if (is_bad) continue;
        EXPECT(pm_line_print(text, sizeof(text), &line.command) > 0);
        EXPECT_STR(rows[i].want == NULL ? rows[i].line : rows[i].want, str_from(text));
    }
}

static void bad_lines_say_where(void)
{
    static const struct {
        const char *line;
        const char *text; /* that the error has */
    } rows[] = {
        { "", "byte 0: expected inc" },
        { "incr a", "byte 0: expected inc" },
        { "inc", "byte 3: expected the name" },
        { "inc {a=\"b\"}", "byte 4: expected the name" },
        { "inc a{a=b}", "byte 8: expected a value in quotes" },
        { "inc a{a=\"b}", "expected a quote that ends" },
        { "inc a{a}", "byte 7: expected '='" },
        { "inc a{a=\"b\";}", "expected ',' or '}'" },
        { "inc a{a=\"b\"}1", "expected a blank" },
        { "inc a 1 2", "expected no further value" },
        { "inc a 0x10", "expected a number" },
        { "inc a one", "expected a number" },
        { "set a 1 colour=red", "expected help=" },
        { "observe a 1 bounds=1,x", "bounds such as" },
        { "create thing a", "expected counter" },
        { "info a 1", "expected no further value" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pm_line line;
        struct pm_error error = { 0 };
        test_context(rows[i].line);
        EXPECT_INT(PM_ERROR_PARSE,
                   pm_line_parse(&line, rows[i].line, strlen(rows[i].line), &error));
        EXPECT(strstr(error.text, rows[i].text) != NULL);
        if (strstr(error.text, rows[i].text) == NULL) test_context(error.text);
    }
    struct pm_line line;
    struct pm_error error;
    char *long_line = calloc(1, PM_LINE_SIZE_MAX + 2);
    REQUIRE(long_line != NULL);
    memset(long_line, 'a', PM_LINE_SIZE_MAX + 1);
    EXPECT_INT(PM_ERROR_FULL, pm_line_parse(&line, long_line, PM_LINE_SIZE_MAX + 1, &error));
    free(long_line);
    EXPECT_INT(PM_ERROR_PARSE, pm_line_parse(&line, "inc a\0b", 7, &error));
}

/* ---- The socket ---- */

static void updates_over_the_socket_are_counted(void)
{
    static const char *const states[] = { "idle", "running" };
    static const struct pm_label label = { "ok", "true" };
    REQUIRE(start(&(struct pm_receiver_options){ .socket_path = path }));
    struct stat status;
    EXPECT(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
    struct pm_socket *socket_side = NULL;
    struct pm_error error = { 0 };
    REQUIRE(pm_socket_open(&socket_side, path, &error) == 0);
    const struct pm_command commands[] = {
        { .action = PM_DO_INC, .name = "jobs_total", .labels = &label, .label_count = 1 },
        { .action = PM_DO_INC,
          .name = "jobs_total",
          .labels = &label,
          .label_count = 1,
          .has_value = true,
          .value = 24 },
        { .action = PM_DO_DEC, .name = "balance" },
        { .action = PM_DO_OBSERVE, .name = "size_bytes", .has_value = true, .value = 12.5 },
        { .action = PM_DO_STATE,
          .name = "job",
          .state = "running",
          .states = states,
          .state_count = 2 },
        { .action = PM_DO_INFO, .name = "build", .labels = &label, .label_count = 1 },
        { .action = PM_DO_CREATE, .type = PM_GAUGE, .name = "heat_celsius", .unit = "celsius" },
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        EXPECT_INT(0, pm_socket_command(socket_side, &commands[i], &error));
        test_context(error.text);
    }
    expect_shown("# TYPE balance gauge\nbalance -1\n"
                 "# TYPE build_info gauge\nbuild_info{ok=\"true\"} 1\n"
                 "# TYPE heat_celsius gauge\nheat_celsius 0\n"
                 "# TYPE job gauge\njob{job=\"idle\"} 0\njob{job=\"running\"} 1\n"
                 "# TYPE jobs_total counter\njobs_total{ok=\"true\"} 25\n"
                 "# TYPE size_bytes summary\nsize_bytes_sum 12.5\nsize_bytes_count 1\n");
    struct pm_command command = { .action = PM_DO_SET, .name = "jobs_total", .has_value = true };
    EXPECT_INT(PM_ERROR_TYPE, pm_socket_command(socket_side, &command, &error));
    EXPECT(strstr(error.text, "jobs_total") != NULL);
    double value = 0;
    EXPECT_INT(
        0, pm_sample(own, &value, "pm_receiver_errors_total", "input", "socket", "reason", "type"));
    EXPECT(value == 1);
    EXPECT_INT(0, pm_sample(own, &value, "pm_receiver_lines_total", "input", "socket"));
    EXPECT(value == 8);
    pm_socket_close(socket_side);
    stop();
    EXPECT(stat(path, &status) < 0);
}

static void every_way_to_be_wrong_is_named(void)
{
    static const struct {
        const char *line;
        int code;
    } rows[] = {
        { "dec jobs_total", PM_ERROR_TYPE },
        { "inc jobs_total{q=\"x\"}", PM_ERROR_LABELS },
        { "inc jobs_total -1", PM_ERROR_VALUE },
        { "inc jobs_total nan", PM_ERROR_VALUE },
        { "inc 2bad", PM_ERROR_NAME },
        { "inc other exist=must", PM_ERROR_UNKNOWN },
        { "remove other", PM_ERROR_UNKNOWN },
        { "state unknown running", PM_ERROR_VALUE },
        { "observe h 1 bounds=2,1", PM_ERROR_VALUE },
        { "create gauge x help=\"\"", PM_ERROR_NAME },
    };
    REQUIRE(start(&(struct pm_receiver_options){ .socket_path = path }));
    struct pm_socket *socket_side = NULL;
    struct pm_error error = { 0 };
    REQUIRE(pm_socket_open(&socket_side, path, &error) == 0);
    struct pm_command first = { .action = PM_DO_INC, .name = "jobs_total" };
    EXPECT_INT(0, pm_socket_command(socket_side, &first, &error));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pm_line line;
        test_context(rows[i].line);
        EXPECT_INT(0, pm_line_parse(&line, rows[i].line, strlen(rows[i].line), &error));
        EXPECT_INT(rows[i].code, pm_socket_command(socket_side, &line.command, &error));
    }
    double value = 0;
    EXPECT_INT(0, pm_sample(registry, &value, "jobs_total"));
    EXPECT(value == 1);
    pm_socket_close(socket_side);
    stop();
}

enum { SENDERS = 10, SENDS = 2000 };

static void send_many(int number)
{
    struct pm_socket *socket_side = NULL;
    if (pm_socket_open(&socket_side, path, NULL) < 0) _exit(1);
    struct pm_command good = { .action = PM_DO_INC, .name = "jobs_total" };
    struct pm_command bad = { .action = PM_DO_DEC, .name = "jobs_total" };
    for (int i = 0; i < SENDS; i++) {
        if (pm_socket_post(socket_side, &good, NULL) < 0) _exit(2);
        if (i % 100 == 0 && pm_socket_post(socket_side, &bad, NULL) < 0) _exit(3);
        if (number % 2 == 0 && i % 50 == 0 && pm_socket_command(socket_side, &good, NULL) < 0) {
            _exit(4);
        }
    }
    unsigned failed = 0;
    if (pm_socket_flush(socket_side, &failed, NULL) < 0) _exit(5);
    pm_socket_close(socket_side);
    _exit(failed == SENDS / 100 ? 0 : 6);
}

static void ten_senders_at_once_lose_nothing(void)
{
    pid_t pids[SENDERS];
    REQUIRE(start(&(struct pm_receiver_options){ .socket_path = path }));
    for (int i = 0; i < SENDERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) send_many(i);
    }
    for (int i = 0; i < SENDERS; i++) {
        int status = -1;
        EXPECT(waitpid(pids[i], &status, 0) == pids[i]);
        EXPECT_INT(0, status);
    }
    double value = 0;
    EXPECT_INT(0, pm_sample(registry, &value, "jobs_total"));
    EXPECT_INT(SENDERS * SENDS + SENDERS / 2 * SENDS / 50, (int64_t)value);
    stop();
}

/* A datagram from a socket without an address: nobody to answer to. */
static void send_raw(const char *to, const char *data, size_t size)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", to);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    EXPECT(sendto(fd, data, size, 0, (struct sockaddr *)&address, sizeof(address)) ==
           (ssize_t)size);
    (void)close(fd);
}

static void what_was_left_is_taken_at_the_stop_and_names_are_freed(void)
{
    REQUIRE(start(&(struct pm_receiver_options){ .socket_path = path, .statsd_path = NULL }));
    struct pm_receiver *second = NULL;
    struct pm_error error = { 0 };
    struct pm_receiver_options options = { .socket_path = path, .registry = own, .shown_in = own };
    EXPECT_INT(PM_ERROR_SYSTEM, pm_receiver_start(&second, &options, &error));
    EXPECT(second == NULL && strstr(error.text, path) != NULL);
    static const char data[] = "inc a\n\ninc a 2\r\nbad\ninc a";
    send_raw(path, data, sizeof(data) - 1);
    send_raw(path, "", 0);
    pm_receiver_stop(receiver);
    double value = 0;
    EXPECT_INT(0, pm_sample(registry, &value, "a_total"));
    EXPECT(value == 4);
    pm_registry_free(registry);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0); /* a file that a dead receiver has left */
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    EXPECT(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    (void)close(fd);
    EXPECT_INT(0, pm_receiver_start(&second, &options, &error));
    pm_receiver_stop(second);
    pm_registry_free(own);
}

/* ---- StatsD ---- */

static void expect_statsd(const char *lines, const char *want, const char *reason)
{
    struct pm_error error = { 0 };
    struct statsd *statsd = NULL;
    test_context(lines);
    REQUIRE(pm_registry_new(&registry, &error) == 0);
    REQUIRE(statsd_new(&statsd, registry, &error) == 0);
    int code = 0;
    for (const char *at = lines; *at != '\0';) {
        struct statsd_line line;
        size_t size = strcspn(at, "\n");
        if (size == 3 && strncmp(at, "end", 3) == 0)
            statsd_end_interval(statsd);
        else if (code == 0)
            code = statsd_parse(&line, at, size, &error);
        if (code == 0 && size != 3) code = statsd_apply(statsd, &line, &error);
        at += size + (at[size] == '\n');
    }
    EXPECT_INT(reason == NULL ? 0 : 1, code < 0);
    if (reason != NULL) EXPECT(strstr(error.text, reason) != NULL);
    expect_shown(want);
    statsd_free(statsd);
    pm_registry_free(registry);
}

static void statsd_lines_mean_what_they_say(void)
{
    static const struct {
        const char *lines;
        const char *want;
    } rows[] = {
        { "jobs:1|c\njobs:2.5|c\njobs:1|c|@0.1", "# TYPE jobs_total counter\njobs_total 13.5\n" },
        { "jobs.done-now/x:3:4|c",
          "# TYPE jobs_done_now_x_total counter\njobs_done_now_x_total 7\n" },
        { "9lives:1|c", "# TYPE _9lives_total counter\n_9lives_total 1\n" },
        { "q:5|g\nq:+3|g\nq:-10|g", "# TYPE q gauge\nq -2\n" },
        { "q:-5|g", "# TYPE q gauge\nq -5\n" },
        { "q:1|g|#env:prod,host:a\nq:2|g|#host:b,env:prod\nq:3|g|#host:b",
          "# TYPE q gauge\nq{env=\"prod\",host=\"a\"} 1\nq{env=\"prod\",host=\"b\"} 2\n"
          "q{host=\"b\"} 3\n" },
        { "q:1|g|#a.b:x:y,novalue,empty:", "# TYPE q gauge\nq{a_b=\"x:y\"} 1\n" },
        { "u:a|s\nu:b|s\nu:a|s\nend", "# TYPE u gauge\nu 2\n" },
        { "u:a|s\nend\nu:b|s\nend\nend", "# TYPE u gauge\nu 0\n" },
        { "j:1|c|c:1234|T99|e:x|card:low", "# TYPE j_total counter\nj_total 1\n" },
        { "r:320|ms|@0.5",
          "# TYPE r_seconds histogram\nr_seconds_bucket{le=\"0.001\"} 0\n"
          "r_seconds_bucket{le=\"0.0025\"} 0\nr_seconds_bucket{le=\"0.005\"} 0\n"
          "r_seconds_bucket{le=\"0.01\"} 0\nr_seconds_bucket{le=\"0.025\"} 0\n"
          "r_seconds_bucket{le=\"0.05\"} 0\nr_seconds_bucket{le=\"0.1\"} 0\n"
          "r_seconds_bucket{le=\"0.25\"} 0\nr_seconds_bucket{le=\"0.5\"} 2\n"
          "r_seconds_bucket{le=\"1\"} 2\nr_seconds_bucket{le=\"2.5\"} 2\n"
          "r_seconds_bucket{le=\"5\"} 2\nr_seconds_bucket{le=\"10\"} 2\n"
          "r_seconds_bucket{le=\"30\"} 2\nr_seconds_bucket{le=\"60\"} 2\n"
          "r_seconds_bucket{le=\"+Inf\"} 2\nr_seconds_sum 0.64\nr_seconds_count 2\n" },
        { "s_bytes:3|h\ns_bytes:30:300|d",
          "# TYPE s_bytes histogram\ns_bytes_bucket{le=\"0.001\"} 0\n"
          "s_bytes_bucket{le=\"0.01\"} 0\ns_bytes_bucket{le=\"0.1\"} 0\n"
          "s_bytes_bucket{le=\"1\"} 0\ns_bytes_bucket{le=\"10\"} 1\n"
          "s_bytes_bucket{le=\"100\"} 2\ns_bytes_bucket{le=\"1000\"} 3\n"
          "s_bytes_bucket{le=\"10000\"} 3\ns_bytes_bucket{le=\"100000\"} 3\n"
          "s_bytes_bucket{le=\"1e+06\"} 3\ns_bytes_bucket{le=\"+Inf\"} 3\n"
          "s_bytes_sum 333\ns_bytes_count 3\n" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect_statsd(rows[i].lines, rows[i].want, NULL);
    }
}

static void bad_statsd_lines_are_refused(void)
{
    static const struct {
        const char *line;
        const char *reason;
    } rows[] = {
        { "jobs", "expected name:value|type" },
        { "jobs:1", "expected name:value|type" },
        { ":1|c", "expected name:value|type" },
        { "jobs:1|x", "unknown type 'x'" },
        { "jobs:one|c", "expected a number, not 'one'" },
        { "jobs:|c", "expected a number" },
        { "jobs:nan|c", "expected a number" },
        { "jobs:1|c|@0", "rate" },
        { "jobs:1|c|@1.5", "rate" },
        { "jobs:1|c|@x", "rate" },
        { "jobs:1|c|what", "unknown field 'what'" },
        { "jobs:1|c|#:x", "a tag without a name" },
        { "r:1|ms|@0.0001", "rate below" },
        { "_e{1,1}:a|b", "events" },
        { "_sc|name|0", "events" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect_statsd(rows[i].line, "", rows[i].reason);
    }
    expect_statsd("j:1|c\nj:-1|c", "# TYPE j_total counter\nj_total 1\n", "only goes up");
    expect_statsd("j:1|g\nj:1|c", "# TYPE j gauge\nj 1\n", "is no counter");
    expect_statsd("j:1|c\nj:1|g", "# TYPE j_total counter\nj_total 1\n", "wrong type");
    expect_statsd("j:1|g\nj:1|g|#new:tag", "# TYPE j gauge\nj 1\n", "not those given");
}

static void send_udp(unsigned port, const char *text)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, sizeof(address)) > 0);
    (void)close(fd);
}

static void statsd_comes_by_udp_and_by_socket(void)
{
    REQUIRE(start(&(struct pm_receiver_options){
        .statsd_udp = "127.0.0.1:0", .statsd_path = path, .interval_ms = 20 }));
    send_udp(pm_receiver_port(receiver), "jobs:1|c\njobs:2|c\nbad\nusers:x|s");
    send_raw(path, "jobs:4|c", 8);
    double users = 0;
    /* An interval shows what came in the one before; so it comes until it is seen. */
    for (int i = 0; i < 5000 && !(users > 0); i++) {
        struct timespec pause = { 0, 1000000 };
        send_udp(pm_receiver_port(receiver), "users:x|s");
        (void)nanosleep(&pause, NULL);
        (void)pm_sample(registry, &users, "users");
    }
    EXPECT(users == 1);
    struct pm_registry *counted = registry;
    pm_receiver_stop(receiver);
    double value = 0;
    EXPECT_INT(0, pm_sample(counted, &value, "jobs_total"));
    EXPECT(value == 7);
    pm_registry_free(registry);
    pm_registry_free(own);
}

static void addresses_that_are_none_are_refused(void)
{
    static const char *const rows[] = { "8125",        "127.0.0.1",       "127.0.0.1:x",
                                        "1.2.3:8125",  "127.0.0.1:65536", "[::1:8125",
                                        "example:8125" };
    struct pm_error error;
    REQUIRE(pm_registry_new(&own, &error) == 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pm_receiver *none = NULL;
        struct pm_receiver_options options = { .registry = own,
                                               .shown_in = own,
                                               .statsd_udp = rows[i] };
        test_context(rows[i]);
        EXPECT_INT(PM_ERROR_SYSTEM, pm_receiver_start(&none, &options, &error));
        EXPECT(none == NULL);
    }
    pm_registry_free(own);
}

int main(void)
{
    (void)snprintf(path, sizeof(path), "/tmp/barograph-socket-%ld.sock", (long)getpid());
    static const struct test tests[] = {
        TEST(lines_are_read_and_written_back),
        TEST(bad_lines_say_where),
        TEST(updates_over_the_socket_are_counted),
        TEST(every_way_to_be_wrong_is_named),
        TEST(ten_senders_at_once_lose_nothing),
        TEST(what_was_left_is_taken_at_the_stop_and_names_are_freed),
        TEST(statsd_lines_mean_what_they_say),
        TEST(bad_statsd_lines_are_refused),
        TEST(statsd_comes_by_udp_and_by_socket),
        TEST(addresses_that_are_none_are_refused),
    };
    return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
