/* up.c - the supervisor: which roles there are, in what order, with what words.
 *
 * ORDER    dashboards and driver first; metrics once the driver is ready; logs with them, then ship
 *          and explore once logs is ready. Stopping: what makes and shows first, then ship, which
 *          delivers what is left, then logs.
 * NAMES    The host names of the container world mean our address, by --resolve to every role, so
 *          that config/ and grafana/ are the same files in both worlds.
 */
#include "main/main.h"

#include "base/arena.h"
#include "base/file.h"
#include "codec/json_writer.h"
#include "http/client.h"
#include "main/children.h"
#include "prometheus/prometheus.h"
#include "role/role.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DETACH_TIMEOUT_MS 30000
#define POLL_MS           10

struct flags {
    const char *config;
    const char *grafana;
    const char *logs;
    const char *address;
    bool is_detached;
    struct option_list extra;
};

#define FLAG(member) offsetof(struct flags, member)

static const struct option options[] = {
    { "config", "DIR", OPTION_TEXT, FLAG(config), "config",
      "Folder of prometheus.yml, filebeat.yml and driver.yml." },
    { "grafana", "DIR", OPTION_TEXT, FLAG(grafana), "grafana",
      "Folder of provisioning/ and dashboards/." },
    { "logs", "DIR", OPTION_TEXT, FLAG(logs), "logs", "Where the roles write their log lines." },
    { "address", "IP", OPTION_TEXT, FLAG(address), "127.0.0.1",
      "The address all roles listen on, each at its own port." },
    { "detach", NULL, OPTION_FLAG, FLAG(is_detached), NULL,
      "Go to the background once every role is ready." },
    { "arg", "ROLE=OPTION", OPTION_LIST, FLAG(extra), NULL,
      "One more option for a role: --arg metrics=--web.enable-lifecycle." },
};

static const char *const container_names[] = {
    "driver-container", "prometheus-container", "grafana-container", "elasticsearch",
    "kibana",           "filebeat-container"
};

/* One row a role: how it is called. %c config, %g grafana, %d data, %l logs, %a address. */
static const struct plan_row {
    const char *name;
    const char *after;
    int port;
    int stop_stage;
    const char *words[8];
} rows[] = {
    { "dashboards", NULL, 3000, 0, { "--config=%g" } },
    { "driver", NULL, 8081, 0, { "--config=%c/driver.yml" } },
    { "logs", NULL, 9200, 2, { "--data=%d/logs" } },
    { "metrics",
      "driver",
      9090,
      0,
      { "--config.file=%c/prometheus.yml", "--storage.tsdb.path=%d/metrics" } },
    { "ship", "logs", 5066, 1, { "-c", "%c/filebeat.yml", "--path.data=%d/ship" } },
    { "explore", "logs", 5601, 0, { "--elasticsearch.hosts=http://elasticsearch:9200" } },
};

struct up {
    struct role *role;
    struct flags flags;
    struct arena arena;
    struct http_client *client;
    struct children *children;
};

static const char *fill(struct up *up, const char *pattern)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 8192);
    for (const char *at = pattern; *at != '\0'; at++) {
        if (*at != '%') {
            buf_append_char(&text, *at);
            continue;
        }
        at++;
        const char *value = up->flags.address;
        if (*at == 'c') value = up->flags.config;
        if (*at == 'g') value = up->flags.grafana;
        if (*at == 'd') value = role_data(up->role);
        if (*at == 'l') value = up->flags.logs;
        buf_append_cstr(&text, value);
    }
    struct str copy = arena_copy(&up->arena, buf_str(&text));
    return copy.data;
}

static bool add_word(struct child_plan *plan, const char *word)
{
    if (word == NULL || plan->arg_count + 1 >= CHILD_ARGS_MAX) return false;
    plan->args[plan->arg_count++] = word;
    return true;
}

static bool add_names(struct up *up, struct child_plan *plan)
{
    bool is_good = true;
    for (size_t i = 0; i < ARRAY_LENGTH(container_names); i++) {
        struct str word =
            arena_printf(&up->arena, "--resolve=%s=%s", container_names[i], up->flags.address);
        is_good = is_good && add_word(plan, word.data);
    }
    if (strcmp(up->flags.address, "127.0.0.1") != 0) {
        struct str word = arena_printf(&up->arena, "--resolve=localhost=%s", up->flags.address);
        is_good = is_good && add_word(plan, word.data);
    }
    return is_good;
}

/* The words of --arg for this role. */
static bool add_extra(struct up *up, struct child_plan *plan)
{
    bool is_good = true;
    for (size_t i = 0; i < up->flags.extra.count; i++) {
        struct str rest = str_from(up->flags.extra.items[i]);
        struct str role = str_cut(&rest, '=');
        if (!str_equal(role, str_from(plan->name))) continue;
        is_good = is_good && add_word(plan, arena_copy(&up->arena, rest).data);
    }
    return is_good;
}

static int add_child(struct up *up, const struct plan_row *row, struct error *error)
{
    struct child_plan plan = { .name = row->name,
                               .after = row->after,
                               .stop_stage = row->stop_stage };
    bool is_good = add_word(&plan, "barograph") && add_word(&plan, row->name);
    for (size_t i = 0; i < ARRAY_LENGTH(row->words) && row->words[i] != NULL; i++) {
        is_good = is_good && add_word(&plan, fill(up, row->words[i]));
    }
    const char *address = up->flags.address;
    bool is_ip6 = strchr(address, ':') != NULL;
    plan.url =
        arena_printf(&up->arena, is_ip6 ? "http://[%s]:%d" : "http://%s:%d", address, row->port)
            .data;
    is_good = is_good && plan.url != NULL;
    if (is_good) {
        struct str listen = arena_printf(&up->arena, "--listen=%s", plan.url + strlen("http://"));
        struct str log =
            arena_printf(&up->arena, "--log.file=%s/%s.json", up->flags.logs, row->name);
        is_good = add_word(&plan, listen.data) && add_word(&plan, log.data) &&
                  add_names(up, &plan) && add_extra(up, &plan);
    }
    if (!is_good) return error_set(error, ERROR_LIMIT, "too many words for role '%s'", row->name);
    return children_add(up->children, &plan, error);
}

static int check_extra(const struct up *up, struct error *error)
{
    for (size_t i = 0; i < up->flags.extra.count; i++) {
        struct str rest = str_from(up->flags.extra.items[i]);
        struct str name = str_cut(&rest, '=');
        bool is_known = false;
        for (size_t j = 0; j < ARRAY_LENGTH(rows); j++) {
            is_known = is_known || str_equal(name, str_from(rows[j].name));
        }
        if (is_known && rest.size > 0) continue;
        return error_set(error, ERROR_INVALID,
                         "--arg wants ROLE=OPTION with a known role, got '%s'",
                         up->flags.extra.items[i]);
    }
    return 0;
}

static int up_open(struct up *up, struct error *error)
{
    struct http_client_options client = { .connection_max = CHILDREN_MAX };
    int code = check_extra(up, error);
    if (code == 0) code = file_make_folders(&disk_system, up->flags.logs, error);
    if (code == 0) code = http_client_new(&up->client, &client, error);
    if (code == 0) code = children_new(&up->children, up->client, role_log(up->role), error);
    for (size_t i = 0; i < ARRAY_LENGTH(rows) && code == 0; i++)
        code = add_child(up, &rows[i], error);
    if (code != 0) return code;
    char *logs = realpath(up->flags.logs, NULL);
    code = logs == NULL || setenv("LOGS_PATH", logs, 1) != 0 ? -errno : 0;
    free(logs);
    if (code != 0) return error_set(error, code, "folder '%s' cannot be used", up->flags.logs);
    return children_start(up->children, error);
}

/* ---- what the supervisor answers ---- */

static int answer_status(void *context, struct http_request *request,
                         struct http_response *response, struct error *error)
{
    (void)request;
    (void)error;
    struct up *up = context;
    struct child_view views[CHILDREN_MAX];
    size_t count = children_view(up->children, views);
    struct json_writer json;
    response->content_type = "application/json";
    json_writer_init(&json, &response->body);
    json_object_begin(&json);
    json_member_cstr(&json, "version", role_version());
    json_member_int(&json, "pid", getpid());
    json_key(&json, STR("roles"));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(&json);
        json_member_cstr(&json, "name", views[i].name);
        json_member_cstr(&json, "state", child_state_name(views[i].state));
        json_member_cstr(&json, "url", views[i].url);
        json_member_int(&json, "pid", views[i].pid);
        json_member_int(&json, "resident_bytes", (int64_t)views[i].resident);
        json_member_int(&json, "restarts", (int64_t)views[i].restarts);
        json_member_int(&json, "since_ms", clock_monotonic_ms(&clock_system) - views[i].since_ms);
        json_member_cstr(&json, "last_error", views[i].last_error);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    return 0;
}

static const struct http_route routes[] = {
    { HTTP_GET, "/status", answer_status, "/status", HTTP_ROUTE_ALWAYS, 0 },
};

static void collect(struct pm_emit *emit, void *argument)
{
    struct up *up = argument;
    struct child_view views[CHILDREN_MAX];
    size_t count = children_view(up->children, views);
    pm_emit_family(emit, PM_GAUGE, "barograph_role_ready", "Whether a role answers its readiness.");
    for (size_t i = 0; i < count; i++) {
        pm_emit_value(emit, views[i].state == CHILD_READY ? 1 : 0, "role", views[i].name);
    }
    pm_emit_family(emit, PM_COUNTER, "barograph_role_restarts_total", "Restarts of a role.");
    for (size_t i = 0; i < count; i++) {
        pm_emit_count(emit, views[i].restarts, "role", views[i].name);
    }
    pm_emit_family(emit, PM_GAUGE, "barograph_role_resident_bytes", "Resident memory of a role.");
    for (size_t i = 0; i < count; i++) {
        pm_emit_value(emit, (double)views[i].resident, "role", views[i].name);
    }
}

/* ---- the screen ---- */

static void print_endpoints(FILE *out, const struct up *up, const char *supervisor)
{
    static const struct {
        const char *what;
        int port;
        const char *path;
    } lines[] = {
        { "dashboards", 3000, "/" },
        { "metrics, PromQL", 9090, "/query" },
        { "logs, search page", 5601, "/" },
        { "logs, API", 9200, "/" },
        { "driver, exposition", 8081, "/metrics" },
    };
    (void)fprintf(out, "Barograph %s is up:\n", role_version());
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        (void)fprintf(out, "  %-20s http://%s:%d%s\n", lines[i].what, up->flags.address,
                      lines[i].port, lines[i].path);
    }
    (void)fprintf(out, "  %-20s %s/status\n", "this supervisor", supervisor);
    (void)fprintf(out, "See `barograph status`; stop it with `barograph down`.\n");
    (void)fflush(out);
}

/* Says when all roles are ready: to the terminal, or to the process that waits for it. */
struct announcer {
    struct up *up;
    int pipe; /* write end; -1: the terminal */
    pthread_t thread;
};

/* For the one who waits: what is not ready and why, a line each. */
static void tell_missing(const struct announcer *announcer)
{
    struct child_view views[CHILDREN_MAX];
    size_t count = children_view(announcer->up->children, views);
    for (size_t i = 0; i < count && announcer->pipe >= 0; i++) {
        if (views[i].state == CHILD_READY) continue;
        (void)dprintf(announcer->pipe, "%s is %s: %s\n", views[i].name,
                      child_state_name(views[i].state), views[i].last_error);
    }
}

static void *announce(void *argument)
{
    struct announcer *announcer = argument;
    struct up *up = announcer->up;
    bool are_ready = false;
    while (!are_ready && !role_is_stopping(up->role)) {
        clock_wait_ms(&clock_system, POLL_MS);
        are_ready = children_are_ready(up->children);
    }
    if (!are_ready) {
        tell_missing(announcer);
    } else if (announcer->pipe < 0) {
        print_endpoints(stdout, up, role_url(up->role));
    } else {
        (void)dprintf(announcer->pipe, "%s", role_url(up->role));
    }
    if (announcer->pipe >= 0) (void)close(announcer->pipe);
    return NULL;
}

/* Reads the pipe to its end, which is no later than the deadline; false: nothing has come. */
static bool read_announcement(int pipe, int64_t timeout_ms, char *text, size_t text_size)
{
    int64_t deadline_ms = clock_monotonic_ms(&clock_system) + timeout_ms;
    size_t size = 0;
    text[0] = '\0';
    while (clock_monotonic_ms(&clock_system) < deadline_ms && size < text_size - 1) {
        ssize_t got = read(pipe, text + size, text_size - 1 - size);
        if (got == 0) return true;
        if (got > 0) {
            size += (size_t)got;
            text[size] = '\0';
        } else {
            clock_wait_ms(&clock_system, POLL_MS);
        }
    }
    return size > 0;
}

/* Waits for the detached child: it sends its URL when all is up; else it is stopped again and says
 * what was missing. */
static int await_detached(int pipe, const struct up *up, pid_t pid)
{
    char text[CHILDREN_MAX * (CHILD_ERROR_SIZE + 64)];
    bool has_come = read_announcement(pipe, DETACH_TIMEOUT_MS, text, sizeof(text));
    if (has_come && strncmp(text, "http://", strlen("http://")) == 0) {
        print_endpoints(stdout, up, text);
        return ROLE_EXIT_OK;
    }
    if (!has_come) {
        (void)fprintf(stderr, "barograph up: not every role is ready after %d s; stopped again\n",
                      DETACH_TIMEOUT_MS / 1000);
        (void)kill(pid, SIGTERM);
        (void)read_announcement(pipe, STOP_TIMEOUT_MS, text, sizeof(text));
    }
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    (void)fprintf(stderr, "%sbarograph up: nothing was left running\n", text);
    return ROLE_EXIT_FAILED;
}

/* What must be known before the options are read: whether to fork, and where to listen. */
static bool wants_detach(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--detach") == 0 || strcmp(argv[i], "-detach") == 0) return true;
    }
    return false;
}

static const char *wanted_address(int argc, char **argv)
{
    const char *address = "127.0.0.1";
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--address=", 10) == 0) address = argv[i] + 10;
        if (strcmp(argv[i], "--address") == 0 && i + 1 < argc) address = argv[i + 1];
    }
    return address;
}

/* Before any thread there is: the child goes on, the parent waits. -1 in the child. */
static int detach(const struct up *up, int *announce_pipe)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return ROLE_EXIT_FAILED;
    pid_t pid = fork();
    if (pid < 0) return ROLE_EXIT_FAILED;
    if (pid > 0) {
        (void)close(ends[1]);
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
        return await_detached(ends[0], up, pid);
    }
    (void)close(ends[0]);
    (void)setsid();
    *announce_pipe = ends[1];
    return -1;
}

/* What is said from now on goes to a file: nobody reads the terminal any more. */
static void leave_terminal(const struct up *up)
{
    char path[FILE_PATH_SIZE];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) (void)dup2(null, STDIN_FILENO);
    if (file_join(path, role_data(up->role), "up.log", NULL) != 0) return;
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (file < 0) return;
    (void)dup2(file, STDOUT_FILENO);
    (void)dup2(file, STDERR_FILENO);
    (void)close(file);
}

static int run(struct up *up, int announce_pipe)
{
    struct error error = { 0 };
    struct pm_error cause = { 0 };
    struct http_mount mount = { .routes = routes, .count = ARRAY_LENGTH(routes), .context = up };
    if (announce_pipe >= 0) leave_terminal(up);
    if (up_open(up, &error) != 0 || role_mount(up->role, &mount, &error) != 0) {
        return role_fail(up->role, &error);
    }
    if (pm_register_collector(role_registry(up->role), collect, up, &cause) != 0) {
        (void)error_set(&error, -ENOMEM, "%s", cause.text);
        return role_fail(up->role, &error);
    }
    struct announcer announcer = { .up = up, .pipe = announce_pipe };
    if (thread_start(&announcer.thread, "announce", announce, &announcer, &error) != 0) {
        return role_fail(up->role, &error);
    }
    role_ready(up->role);
    int status = role_wait(up->role);
    thread_join(announcer.thread);
    return status;
}

int up_main(int argc, char **argv)
{
    char listen[128];
    struct up up = { .flags = { .address = wanted_address(argc, argv) } };
    bool is_ip6 = strchr(up.flags.address, ':') != NULL;
    (void)snprintf(listen, sizeof(listen), is_ip6 ? "[%s]:8080" : "%s:8080", up.flags.address);
    struct role_setup setup = {
        .name = "up",
        .about = "Starts every role, watches them and starts again what ends.",
        .options = options,
        .option_count = ARRAY_LENGTH(options),
        .values = &up.flags,
        .listen = listen,
        .data = "data",
    };
    int announce_pipe = -1;
    if (wants_detach(argc, argv)) {
        int status = detach(&up, &announce_pipe);
        if (status >= 0) return status;
    }
    int status = role_start(&up.role, &setup, argc, argv);
    if (up.role == NULL) return status;
    arena_init(&up.arena, 1u << 20);
    status = run(&up, announce_pipe);
    children_stop(up.children);
    if (up.children != NULL) (void)pm_unregister_collector(role_registry(up.role), collect, &up);
    children_free(up.children);
    http_client_free(up.client);
    arena_release(&up.arena);
    role_free(up.role);
    return status;
}
