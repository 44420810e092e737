/* role.c - the life of a role: what happens between main and its own things. */
#include "role/role.h"

#include "base/file.h"
#include "base/thread.h"
#include "role/memory.h"
#include "role/metrics.h"
#include "role/signals.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAMES_MAX     HTTP_SERVER_NAMES_MAX
#define ARENA_COUNT   4 /* malloc's: each costs memory that a quiet role would rather not hold */
#define HELP_SIZE_MAX 65536
#define TABLE_COUNT   3
#define TRIM_AFTER_MS 3000 /* of quiet after the start: what only the start needed is given back */

/* Pieces of this size and more go back to the system when they are freed; of smaller ones malloc
 * keeps some. By itself it would raise the first limit to what was freed last, and keep that. */
#define MAPPED_SIZE_MIN (1 << 20)
#define KEPT_SIZE_MAX   (1 << 20)

/* The flags that every role has. */
struct shared_flags {
    const char *listen;
    const char *prefix;
    struct option_list names;
    const char *data;
    const char *log_level;
    const char *log_format;
    const char *log_file;
    int64_t memory_max;
    struct option_list resolve;
    int64_t stop_timeout_ms;
    bool wants_version;
    bool wants_help;
};

#define AT(field) offsetof(struct shared_flags, field)

static const struct option shared_options[] = {
    { "web.listen-address", "ADDRESS", OPTION_TEXT, AT(listen), NULL,
      "Address to listen on: host:port, or :port for all addresses; port 0 takes a free one." },
    { "listen", "ADDRESS", OPTION_TEXT, AT(listen), NULL, NULL },
    { "web.route-prefix", "PATH", OPTION_TEXT, AT(prefix), NULL,
      "Prefix of all paths, for use behind a proxy." },
    { "web.allowed-host", "NAME", OPTION_LIST, AT(names), NULL,
      "Host name by which the server may be called, besides localhost; '*' for any." },
    { "data", "FOLDER", OPTION_TEXT, AT(data), NULL, "Where the role keeps its files." },
    { "log.level", "LEVEL", OPTION_TEXT, AT(log_level), "info",
      "Least level that is logged: debug, info, warn, error." },
    { "log.format", "FORMAT", OPTION_TEXT, AT(log_format), NULL,
      "console, ecs, json or logfmt; without it console on a terminal, else ecs." },
    { "log.file", "FILE", OPTION_TEXT, AT(log_file), NULL,
      "Log to this file in place of standard error." },
    { "memory.max", "SIZE", OPTION_SIZE, AT(memory_max), "0",
      "Memory after which the role refuses new work; 0 for no limit." },
    { "resolve", "NAME=ADDRESS", OPTION_LIST, AT(resolve), NULL,
      "IP address that a host name stands for, in place of the resolver's." },
    { "stop.timeout", "DURATION", OPTION_DURATION, AT(stop_timeout_ms), "30s",
      "Time for an orderly stop before the process ends hard." },
    { "version", NULL, OPTION_FLAG, AT(wants_version), NULL, "Show the version." },
    { "help", NULL, OPTION_FLAG, AT(wants_help), NULL, "Show this text." },
    { "h", NULL, OPTION_FLAG, AT(wants_help), NULL, NULL },
};

/* Lock: mutex guards the reload fields. The rest is set by role_start, or atomic. */
struct role {
    const struct role_setup *setup;
    struct shared_flags flags;
    struct option data_alias;
    struct option_table tables[TABLE_COUNT];
    const char *names[NAMES_MAX];
    size_t name_count;
    struct sl_logger *log;
    struct role_metrics metrics;
    struct http_server *server;
    struct http_resolve *resolve;
    struct signals signals;
    bool has_signals;
    bool has_started;
    int lock;
    int64_t start_ms;
    atomic_int stop_status; /* -1: go on */
    atomic_int_fast64_t memory_checked_ms;
    atomic_bool is_memory_short;
    int (*reload)(void *context, struct error *error);
    void *reload_context;
    struct mutex mutex;
    struct condition reload_done;
    uint64_t reload_asked;  /* GUARDED_BY(mutex) */
    uint64_t reload_served; /* GUARDED_BY(mutex) */
    int reload_code;        /* GUARDED_BY(mutex) of the last */
    struct error reload_error;
};

const char *role_version(void)
{
    return BAROGRAPH_VERSION;
}

/* ---- start ---- */

static void build_tables(struct role *role)
{
    const struct role_setup *setup = role->setup;
    role->flags.listen = setup->listen;
    role->flags.data = setup->data;
    role->data_alias = (struct option){
        setup->data_option, "FOLDER", OPTION_TEXT,
        AT(data),           NULL,     "Where the role keeps its files; the same as --data."
    };
    role->tables[0] = (struct option_table){ setup->options, setup->option_count, setup->values };
    role->tables[1] = (struct option_table){ &role->data_alias, setup->data_option != NULL ? 1 : 0,
                                             &role->flags };
    role->tables[2] =
        (struct option_table){ shared_options, ARRAY_LENGTH(shared_options), &role->flags };
}

static void print_help(const struct role *role)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, HELP_SIZE_MAX);
    char usage[256];
    const struct role_setup *setup = role->setup;
    (void)snprintf(usage, sizeof(usage), "barograph %s %s\n\n%s", setup->name,
                   setup->usage != NULL ? setup->usage : "[OPTIONS]",
                   setup->about != NULL ? setup->about : "");
    options_help(role->tables, TABLE_COUNT, usage, &text);
    (void)fputs(buf_cstr(&text), stdout);
}

static int parse_format(const char *text, enum sl_format *format)
{
    static const struct {
        const char *name;
        enum sl_format format;
    } formats[] = { { "console", SL_FORMAT_CONSOLE },
                    { "ecs", SL_FORMAT_ECS },
                    { "json", SL_FORMAT_JSON },
                    { "logfmt", SL_FORMAT_LOGFMT } };
    *format = SL_FORMAT_DEFAULT;
    if (text == NULL) return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        if (!str_equal(str_from(formats[i].name), str_from(text))) continue;
        *format = formats[i].format;
        return 0;
    }
    return ERROR_INVALID;
}

static int open_log(struct role *role, struct error *error)
{
    const struct shared_flags *flags = &role->flags;
    struct sl_sink_options sink = { .kind = SL_SINK_STDERR };
    int level = 0;
    if (sl_level_parse(flags->log_level, &level) < 0) {
        return error_set(error, ERROR_INVALID, "option '--log.level' needs a level, not '%.80s'",
                         flags->log_level);
    }
    if (parse_format(flags->log_format, &sink.format) < 0) {
        return error_set(error, ERROR_INVALID,
                         "option '--log.format' needs console, ecs, json or logfmt, not '%.80s'",
                         flags->log_format);
    }
    if (flags->log_file != NULL) {
        sink.kind = SL_SINK_FILE;
        sink.path = flags->log_file;
    }
    char service[64];
    char dataset[64];
    (void)snprintf(service, sizeof(service), "barograph-%s", role->setup->name);
    (void)snprintf(dataset, sizeof(dataset), "barograph.%s", role->setup->name);
    struct sl_config config = { .level = level,
                                .service_name = service,
                                .service_version = BAROGRAPH_VERSION,
                                .event_dataset = dataset,
                                .sinks = &sink,
                                .sink_count = 1 };
    int code = sl_configure(&config);
    if (code < 0) {
        return error_set(error, code, "open the log '%s': %s",
                         flags->log_file != NULL ? flags->log_file : "standard error",
                         strerrordesc_np(-code));
    }
    role->log = sl_named(NULL, role->setup->name);
    return 0;
}

static int read_resolve(struct role *role, struct error *error)
{
    int code = http_resolve_new(&role->resolve, error);
    for (size_t i = 0; code == 0 && i < role->flags.resolve.count; i++) {
        code = http_resolve_add(role->resolve, str_from(role->flags.resolve.items[i]), error);
        if (code < 0) code = error_wrap(error, code, "option '--resolve'");
    }
    return code;
}

static int open_data(struct role *role, struct error *error)
{
    if (role->flags.data == NULL) return 0;
    int code = file_make_folders(&disk_system, role->flags.data, error);
    if (code == 0) code = file_lock_folder(role->flags.data, &role->lock, error);
    return code < 0 ? error_wrap(error, code, "data folder '%s'", role->flags.data) : 0;
}

static int answer_healthy(void *context, struct http_request *request,
                          struct http_response *response, struct error *error)
{
    (void)request;
    (void)error;
    const struct role *role = context;
    buf_printf(&response->body, "%s is healthy.\n", role->setup->name);
    return 0;
}

static int answer_ready(void *context, struct http_request *request, struct http_response *response,
                        struct error *error)
{
    (void)request;
    (void)error;
    const struct role *role = context;
    if (atomic_load(&role->metrics.is_ready)) {
        buf_printf(&response->body, "%s is ready.\n", role->setup->name);
        return 0;
    }
    http_response_text(response, 503, "%s is not ready.", role->setup->name);
    http_response_header(response, "Retry-After", STR("1"));
    return 0;
}

static int answer_metrics(void *context, struct http_request *request,
                          struct http_response *response, struct error *error)
{
    struct role *role = context;
    return role_metrics_answer(&role->metrics, request, response, error);
}

static const struct http_route shared_routes[] = {
    { HTTP_GET, "/-/healthy", answer_healthy, .flags = HTTP_ROUTE_FAST | HTTP_ROUTE_ALWAYS },
    { HTTP_GET, "/-/ready", answer_ready, .flags = HTTP_ROUTE_FAST | HTTP_ROUTE_ALWAYS },
    { HTTP_GET, "/metrics", answer_metrics, .flags = HTTP_ROUTE_ALWAYS },
};

static void collect_names(struct role *role)
{
    const struct role_setup *setup = role->setup;
    for (size_t i = 0; i < setup->name_count && role->name_count < NAMES_MAX; i++) {
        role->names[role->name_count++] = setup->names[i];
    }
    for (size_t i = 0; i < role->flags.names.count && role->name_count < NAMES_MAX; i++) {
        role->names[role->name_count++] = role->flags.names.items[i];
    }
}

static int open_server(struct role *role, struct error *error)
{
    if (role->flags.listen == NULL) return 0;
    collect_names(role);
    struct http_server_options options = { .listen = role->flags.listen,
                                           .prefix = role->flags.prefix,
                                           .names = role->names,
                                           .name_count = role->name_count };
    if (role->setup->adjust_server != NULL) {
        role->setup->adjust_server(role->setup->values, &options);
    }
    struct http_mount mount = { .routes = shared_routes,
                                .count = ARRAY_LENGTH(shared_routes),
                                .context = role };
    int code = http_server_new(&role->server, &options, error);
    if (code == 0) code = http_server_mount(role->server, &mount, error);
    if (code < 0) return code;
    role->metrics.server = role->server;
    http_server_set_ready(role->server, false);
    return http_server_start(role->server, error);
}

static int open_role(struct role *role, struct error *error)
{
    int code = signals_init(&role->signals, error); /* before any thread is started */
    if (code < 0) return code;
    role->has_signals = true;
    code = open_log(role, error);
    if (code == 0) code = read_resolve(role, error);
    if (code == 0) code = role_metrics_init(&role->metrics, role->setup->name, error);
    if (code == 0) code = open_data(role, error);
    if (code == 0) code = open_server(role, error);
    return code;
}

static int say_usage(const struct role *role, const struct error *error)
{
    (void)fprintf(stderr, "barograph %s: %s\nTry 'barograph %s --help'.\n", role->setup->name,
                  error->text, role->setup->name);
    return ROLE_EXIT_USAGE;
}

int role_start(struct role **role_out, const struct role_setup *setup, int argc, char **argv)
{
    CLEANUP(role_cleanup) struct role *role = calloc(1, sizeof(*role));
    if (role == NULL) return ROLE_EXIT_FAILED;
    (void)mallopt(M_ARENA_MAX, ARENA_COUNT);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_SIZE_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_SIZE_MAX);
    role->setup = setup;
    role->lock = -1;
    role->start_ms = clock_realtime_ms(&clock_system);
    atomic_store(&role->stop_status, -1);
    mutex_init(&role->mutex);
    condition_init(&role->reload_done);
    build_tables(role);

    struct error error = { 0 };
    if (options_parse(role->tables, TABLE_COUNT, argc, argv, setup->rest, &error) < 0) {
        return say_usage(role, &error);
    }
    if (role->flags.wants_help) {
        print_help(role);
        return ROLE_EXIT_OK;
    }
    if (role->flags.wants_version) {
        (void)printf("barograph %s (revision %s)\n", role_version(), role_revision());
        return ROLE_EXIT_OK;
    }
    int code = open_role(role, &error);
    if (code == ERROR_INVALID || code == ERROR_PARSE) return say_usage(role, &error);
    if (code < 0) return role_fail(role, &error);
    sl_info(role->log, "role started", "version", role_version(), "listen",
            role->server != NULL ? http_server_url(role->server) : "nowhere");
    role->has_started = true;
    *role_out = role;
    role = NULL;
    return ROLE_EXIT_OK;
}

int role_mount(struct role *role, const struct http_mount *mount, struct error *error)
{
    if (role->server == NULL) return 0;
    return http_server_mount(role->server, mount, error);
}

void role_ready(struct role *role)
{
    atomic_store(&role->metrics.is_ready, true);
    if (role->server != NULL) http_server_set_ready(role->server, true);
    int64_t took_ms = clock_realtime_ms(&clock_system) - role->start_ms;
    sl_info(role->log, "role ready", "duration", (double)took_ms / 1000);
}

/* ---- reload ---- */

void role_on_reload(struct role *role, int (*reload)(void *context, struct error *error),
                    void *context)
{
    role->reload_context = context;
    role->reload = reload;
    atomic_store(&role->metrics.reload_s, role->start_ms / 1000);
}

static void serve_reload(struct role *role)
{
    mutex_lock(&role->mutex);
    uint64_t asked = role->reload_asked;
    mutex_unlock(&role->mutex);

    struct error error = { 0 };
    int code = role->reload == NULL
                   ? error_set(&error, ERROR_UNSUPPORTED, "this role has nothing to reload")
                   : role->reload(role->reload_context, &error);
    if (code < 0) {
        sl_error(role->log, "reload failed", "error.message", error.text);
    } else {
        sl_info(role->log, "reloaded");
        atomic_store(&role->metrics.reload_s, clock_realtime_ms(&clock_system) / 1000);
    }
    atomic_store(&role->metrics.is_reload_good, code == 0 || role->reload == NULL);

    mutex_lock(&role->mutex);
    role->reload_served = asked;
    role->reload_code = code;
    role->reload_error = error;
    condition_broadcast(&role->reload_done);
    mutex_unlock(&role->mutex);
}

int role_ask_reload(struct role *role, struct error *error)
{
    mutex_lock(&role->mutex);
    uint64_t ticket = ++role->reload_asked;
    mutex_unlock(&role->mutex);
    signals_wake(&role->signals);

    mutex_lock(&role->mutex);
    while (role->reload_served < ticket && !role_is_stopping(role)) {
        (void)condition_wait_ms(&role->reload_done, &role->mutex, 100);
    }
    bool is_served = role->reload_served >= ticket;
    int code = role->reload_code;
    struct error cause = role->reload_error;
    mutex_unlock(&role->mutex);
    if (!is_served) return error_set(error, ERROR_CLOSED, "the role is stopping");
    return code < 0 ? error_set(error, code, "%s", cause.text) : 0;
}

/* ---- stop ---- */

void role_stop(struct role *role, int status)
{
    int go_on = -1;
    (void)atomic_compare_exchange_strong(&role->stop_status, &go_on, status);
    signals_wake(&role->signals);
}

bool role_is_stopping(const struct role *role)
{
    return atomic_load(&role->stop_status) >= 0;
}

static bool is_reload_due(struct role *role)
{
    mutex_lock(&role->mutex);
    bool is_due = role->reload_asked > role->reload_served;
    mutex_unlock(&role->mutex);
    return is_due;
}

int role_wait(struct role *role)
{
    int quiet_ms = TRIM_AFTER_MS;
    while (!role_is_stopping(role)) {
        enum signals_event event = signals_wait(&role->signals, quiet_ms);
        if (event == SIGNALS_QUIET) {
            memory_trim();
            quiet_ms = -1;
        }
        if (event == SIGNALS_STOP) role_stop(role, ROLE_EXIT_OK);
        if (event == SIGNALS_RELOAD) sl_reopen();
        if (event == SIGNALS_RELOAD || (event == SIGNALS_WOKEN && is_reload_due(role))) {
            serve_reload(role);
        }
    }
    signals_guard(&role->signals, role->flags.stop_timeout_ms);
    atomic_store(&role->metrics.is_ready, false);
    sl_info(role->log, "role stopping");
    if (role->server != NULL) http_server_stop(role->server, role->flags.stop_timeout_ms / 2);
    return atomic_load(&role->stop_status);
}

int role_fail(struct role *role, const struct error *error)
{
    if (role->log != NULL) {
        sl_critical(role->log, "role cannot go on", "error.message", error->text, "error.code",
                    error_name(error->code));
    }
    /* With a log of its own, whoever started the role would see nothing. */
    if (role->log == NULL || role->flags.log_file != NULL) {
        (void)fprintf(stderr, "barograph %s: %s\n", role->setup->name, error->text);
    }
    return ROLE_EXIT_FAILED;
}

void role_free(struct role *role)
{
    if (role == NULL) return;
    http_server_free(role->server);
    role_metrics_release(&role->metrics);
    http_resolve_free(role->resolve);
    if (role->lock >= 0) file_unlock(role->lock);
    if (role->log != NULL) {
        if (role->has_started) sl_info(role->log, "role stopped");
        sl_unref(role->log);
        sl_shutdown();
    }
    if (role->has_signals) signals_release(&role->signals);
    condition_release(&role->reload_done);
    mutex_release(&role->mutex);
    free(role);
}

void role_cleanup(struct role **role)
{
    role_free(*role);
}

/* ---- what a role has ---- */

struct sl_logger *role_log(struct role *role)
{
    return role->log;
}

struct pm_registry *role_registry(struct role *role)
{
    return role->metrics.registry;
}

struct http_server *role_server(struct role *role)
{
    return role->server;
}

const struct http_resolve *role_resolve(const struct role *role)
{
    return role->resolve;
}

const struct clock *role_clock(const struct role *role)
{
    (void)role;
    return &clock_system;
}

const char *role_name(const struct role *role)
{
    return role->setup->name;
}

const char *role_data(const struct role *role)
{
    return role->flags.data;
}

const char *role_prefix(const struct role *role)
{
    return role->flags.prefix == NULL ? "" : role->flags.prefix;
}

const char *role_url(const struct role *role)
{
    return role->server == NULL ? NULL : http_server_url(role->server);
}

int64_t role_start_ms(const struct role *role)
{
    return role->start_ms;
}

int64_t role_memory_max(const struct role *role)
{
    return role->flags.memory_max;
}

int64_t role_memory_used(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) return 0;
    char text[128] = "";
    bool is_read = fgets(text, sizeof(text), file) != NULL;
    (void)fclose(file);
    struct str rest = str_from(text);
    (void)str_cut(&rest, ' ');
    uint64_t pages = 0;
    if (!is_read || !str_to_uint64(str_cut(&rest, ' '), &pages)) return 0;
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

bool role_is_memory_short(struct role *role)
{
    int64_t most = role->flags.memory_max;
    if (most == 0) return false;
    int64_t now_ms = clock_monotonic_ms(&clock_system);
    int64_t checked_ms = atomic_load(&role->memory_checked_ms);
    if (now_ms - checked_ms >= 1000 || checked_ms == 0) {
        atomic_store(&role->memory_checked_ms, now_ms);
        bool is_short = role_memory_used() > most / 10 * 9;
        if (is_short) (void)malloc_trim(0);
        atomic_store(&role->is_memory_short, is_short && role_memory_used() > most / 10 * 9);
    }
    return atomic_load(&role->is_memory_short);
}

void role_visit_flags(struct role *role,
                      void (*visit)(void *argument, const char *name, const char *value),
                      void *argument)
{
    options_visit(role->tables, TABLE_COUNT, visit, argument);
}
