/* scrape_bench.c
 *
 * Question: what does a scraped sample cost in processor time, asking and parsing and storing?
 * Method:   a server in this process shows 1,000 series (4 labels, TYPE and HELP every 10th) whose
 *           values change; one target is scraped again and again, by hand: once into a sink that
 *           throws away, once into a store under TMPDIR or /tmp (fsync at each scrape), which is
 *           removed. Processor time of the whole process, the server's share with it. --quick: 300
 *           scrapes each, else 2,000.
 */
#include "http/server.h"
#include "scrape/target.h"
#include "tsdb/tsdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SERIES = 1000 };

static struct buf body;

static double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "%s: %s\n", what, error->text);
    exit(1);
}

static void fill_body(unsigned turn)
{
    buf_reset(&body);
    for (unsigned i = 0; i < SERIES; i++) {
        if (i % 10 == 0) {
            buf_printf(&body,
                       "# HELP demo_metric_%u_total What this one of many counts.\n"
                       "# TYPE demo_metric_%u_total counter\n",
                       i / 10, i / 10);
        }
        buf_printf(&body,
                   "demo_metric_%u_total{handler=\"/api/v1/things/%u\",method=\"GET\","
                   "code=\"200\",zone=\"eu-west\"} %u.%02u\n",
                   i / 10, i % 10, i * 7 + turn, turn % 100);
    }
}

static int show(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    response->content_type = "text/plain; version=0.0.4";
    response->is_plain = true;
    buf_append_str(&response->body, buf_str(&body));
    return 0;
}

/* ---- a sink that throws away ---- */

static int drop_append(struct sample_batch *batch, uint64_t *ref, struct labels labels,
                       int64_t time_ms, double value, struct error *error)
{
    (void)batch;
    (void)labels;
    (void)time_ms;
    (void)value;
    (void)error;
    *ref = 1;
    return 0;
}

static int drop_rows(struct sample_batch *batch, const struct sample_row *rows, size_t count,
                     size_t *taken, struct error *error)
{
    (void)batch;
    (void)rows;
    (void)error;
    *taken = count;
    return 0;
}

static int drop_commit(struct sample_batch *batch, struct error *error)
{
    (void)batch;
    (void)error;
    return 0;
}

static void drop_rollback(struct sample_batch *batch)
{
    (void)batch;
}

static int drop_begin(void *state, struct sample_batch **batch, struct error *error)
{
    static _Thread_local struct sample_batch nothing = { .append = drop_append,
                                                         .append_rows = drop_rows,
                                                         .commit = drop_commit,
                                                         .rollback = drop_rollback };
    (void)state;
    (void)error;
    *batch = &nothing;
    return 0;
}

/* ---- one target ---- */

static struct scrape_target *make_target(const struct http_server *server,
                                         const struct scrape_job *job)
{
    static const struct label labels[] = { { STR_INIT("instance"), STR_INIT("127.0.0.1:9100") },
                                           { STR_INIT("job"), STR_INIT("demo") } };
    struct scrape_target *target = calloc(1, sizeof(*target));
    if (target == NULL) exit(1);
    arena_init(&target->arena, 1 << 20);
    mutex_init(&target->mutex);
    target->url =
        arena_printf(&target->arena, "http://127.0.0.1:%u/metrics", http_server_port(server));
    target->key = target->url;
    target->labels = (struct labels){ labels, ARRAY_LENGTH(labels) };
    target->job = job;
    target->interval_ms = 15000;
    target->timeout_ms = 10000;
    target->generation_number = 1;
    return target;
}

static void measure(const char *name, const struct http_server *server,
                    const struct sample_sink *sink, unsigned scrapes)
{
    struct error error = { 0 };
    struct pm_error cause = { 0 };
    struct pm_registry *registry = NULL;
    if (pm_registry_new(&registry, &cause) != 0) exit(1);
    struct pm_counter *counter = pm_counter_new(registry, "a_total", "Of this program.");
    struct scrape_counters counters = { counter, counter, counter,
                                        counter, counter, pm_summary_new(registry, "b", "b"),
                                        counter };
    struct scrape_job job = { .name = STR("demo"), .honor_timestamps = true };
    struct scrape_setup setup = { .sink = sink, .clock = &clock_system };
    struct scrape_tools tools = { .setup = &setup, .counters = &counters, .folder = "." };
    struct http_client_options options = { .user_agent = "bench", .connection_max = 4 };
    if (http_client_new(&tools.client, &options, &error) != 0) die("client", &error);
    struct scrape_target *target = make_target(server, &job);
    scrape_target_scrape(target, &job, &tools);
    double seconds = 0;
    for (unsigned i = 0; i < scrapes; i++) {
        fill_body(i);
        (void)usleep(1000); /* samples of a series need times of their own */
        double start = cpu_seconds();
        scrape_target_scrape(target, &job, &tools);
        seconds += cpu_seconds() - start;
    }
    if (target->health != SCRAPE_UP) (void)fprintf(stderr, "%s\n", target->last_error);
    (void)printf("%s %.4g - - ns\n", name, seconds * 1e9 / ((double)scrapes * SERIES));
    scrape_target_free(target);
    http_client_free(tools.client);
    pm_registry_free(registry);
}

static void measure_store(const struct http_server *server, unsigned scrapes)
{
    char folder[256];
    struct error error = { 0 };
    struct tsdb *db = NULL;
    struct tsdb_options options;
    const char *place = getenv("TMPDIR");
    (void)snprintf(folder, sizeof(folder), "%s/scrape_bench-XXXXXX",
                   place == NULL ? "/tmp" : place);
    if (mkdtemp(folder) == NULL) exit(1);
    tsdb_options_init(&options, folder);
    if (tsdb_open(&db, &options, &error) != 0) die("store", &error);
    struct sample_sink sink = tsdb_sink(db);
    measure("scrape_sample_into_store", server, &sink, scrapes);
    tsdb_close(db);
    char command[300];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    if (system(command) != 0) (void)fprintf(stderr, "'%s' is still there\n", folder);
}

int main(int argc, char **argv)
{
    static const struct http_route routes[] = { { HTTP_GET, "/metrics", show, NULL, 1, 0 } };
    unsigned scrapes = argc > 1 && strcmp(argv[1], "--quick") == 0 ? 300 : 2000;
    struct error error = { 0 };
    struct http_server *server = NULL;
    struct http_server_options options = { .listen = "127.0.0.1:0" };
    struct http_mount mount = { .routes = routes, .count = ARRAY_LENGTH(routes) };
    struct sample_sink nothing = { .begin = drop_begin };
    buf_init(&body, 16u << 20);
    fill_body(0);
    int code = http_server_new(&server, &options, &error);
    if (code == 0) code = http_server_mount(server, &mount, &error);
    if (code == 0) code = http_server_start(server, &error);
    if (code != 0) die("server", &error);
    measure("scrape_sample", server, &nothing, scrapes);
    measure_store(server, scrapes);
    http_server_free(server);
    buf_release(&body);
    return 0;
}
