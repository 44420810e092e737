/* shipper.c - the role: its flags are Filebeat's, its parts are the reader and the sender. */
#include "shipper/shipper.h"

#include "base/clock.h"
#include "base/random.h"
#include "prometheus/prometheus.h"
#include "role/role.h"
#include "shipper/config.h"
#include "shipper/format.h"
#include "shipper/reader.h"
#include "shipper/sender.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#define STOP_MS_DEFAULT 5000
#define HOST_SIZE       256
#define LISTEN_SIZE     320

struct flags {
    const char *config;
    struct option_list overrides;
    const char *path_config;
    bool is_once;
};

#define AT(field) offsetof(struct flags, field)

static const struct option options[] = {
    { "c", "FILE", OPTION_TEXT, AT(config), "filebeat.yml",
      "What to follow and where to deliver." },
    { "E", "NAME=VALUE", OPTION_LIST, AT(overrides), NULL, "Set one setting over the file's." },
    { "once", NULL, OPTION_FLAG, AT(is_once), NULL, "Ship what is there, then end." },
    { "path.config", "FOLDER", OPTION_TEXT, AT(path_config), NULL,
      "Where a relative file of -c is." },
    { "e", NULL, OPTION_IGNORED_FLAG, 0, NULL, "Log to standard error; the default here." },
    { "path.home", "FOLDER", OPTION_IGNORED, 0, NULL, "Taken, without effect." },
    { "path.logs", "FOLDER", OPTION_IGNORED, 0, NULL, "Taken, without effect." },
    { "strict.perms", NULL, OPTION_IGNORED_FLAG, 0, NULL, "Taken, without effect." },
    { "environment", "NAME", OPTION_IGNORED, 0, NULL, NULL },
    { "d", "SELECTORS", OPTION_IGNORED, 0, NULL, NULL },
    { "v", NULL, OPTION_IGNORED_FLAG, 0, NULL, NULL },
};

/* Everything the role owns beside struct role; zeroed, built, and freed as a whole. */
struct shipper {
    struct role *role;
    struct ship_config config;
    struct registry registry;
    struct ship_pipe pipe;
    struct reader *reader;
    struct sender *sender;
    struct ship_agent agent;
    char hostname[HOST_SIZE];
    char ephemeral_id[SHIP_ID_SIZE];
    char path[FILE_PATH_SIZE];
    char listen[LISTEN_SIZE];
};

/* ---- the configuration comes first: it says where to listen ---- */

/* The value of an option, before the command line is read for good; `rest` is where to go on. */
static const char *peek_option(int argc, char **argv, const char *name, int *rest)
{
    size_t size = strlen(name);
    for (int i = *rest; i < argc; i++) {
        const char *word = argv[i];
        if (word[0] != '-') continue;
        word += word[1] == '-' ? 2 : 1;
        if (strncmp(word, name, size) != 0) continue;
        *rest = i + 1;
        if (word[size] == '=') return word + size + 1;
        if (word[size] == '\0') return i + 1 < argc ? argv[i + 1] : "";
    }
    *rest = argc;
    return NULL;
}

static bool wants_words(int argc, char **argv)
{
    static const char *const names[] = { "help", "h", "version" };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        int rest = 1;
        if (peek_option(argc, argv, names[i], &rest) != NULL) return true;
    }
    return false;
}

static int find_config(struct shipper *shipper, int argc, char **argv, struct error *error)
{
    const char *file = "filebeat.yml";
    const char *folder = NULL;
    int rest = 1;
    for (const char *found; (found = peek_option(argc, argv, "c", &rest)) != NULL;) file = found;
    rest = 1;
    for (const char *found; (found = peek_option(argc, argv, "path.config", &rest)) != NULL;) {
        folder = found;
    }
    if (folder != NULL && file[0] != '/') return file_join(shipper->path, folder, file, error);
    if (str_to_cstr(str_from(file), shipper->path, sizeof(shipper->path))) return 0;
    return error_set(error, ERROR_LIMIT, "the path of -c is too long");
}

static int check_formats(const struct ship_config *config, const char *path, struct error *error)
{
    bool is_good = format_is_valid(config->output.index);
    for (size_t i = 0; i < config->input_count; i++) {
        if (!format_is_valid(config->inputs[i].index)) is_good = false;
    }
    if (is_good) return 0;
    return error_set(error, ERROR_PARSE, "%s: an index is no format such as 'logs-%%{+yyyy.MM.dd}'",
                     path);
}

static int read_config(struct shipper *shipper, int argc, char **argv, struct error *error)
{
    const char *overrides[OPTION_LIST_MAX];
    size_t count = 0;
    int rest = 1;
    int code = find_config(shipper, argc, argv, error);
    for (const char *found;
         count < OPTION_LIST_MAX && (found = peek_option(argc, argv, "E", &rest)) != NULL;) {
        overrides[count++] = found;
    }
    struct ship_config_source source = { .disk = &disk_system,
                                         .path = shipper->path,
                                         .overrides = overrides,
                                         .override_count = count,
                                         .variables = &expand_environment };
    if (code == 0) code = ship_config_read(&shipper->config, &source, error);
    if (code == 0) code = check_formats(&shipper->config, shipper->path, error);
    if (code != 0) return code;
    const struct ship_config *config = &shipper->config;
    bool is_ip6 = str_find_char(config->http_host, ':') != STR_NONE;
    int size = snprintf(shipper->listen, sizeof(shipper->listen), "%s" STR_FMT "%s:%llu",
                        is_ip6 ? "[" : "", STR_ARG(config->http_host), is_ip6 ? "]" : "",
                        (unsigned long long)config->http_port);
    if (size > 0 && (size_t)size < sizeof(shipper->listen)) return 0;
    return error_set(error, ERROR_PARSE, "%s: http.host is too long", shipper->path);
}

/* ---- metrics ---- */

static double lag_bytes(void *argument)
{
    struct shipper *shipper = argument;
    return (double)registry_lag(&shipper->registry);
}

static double files_open(void *argument)
{
    const struct shipper *shipper = argument;
    return shipper->reader == NULL ? 0 : (double)reader_open_count(shipper->reader);
}

static double queue_events(void *argument)
{
    struct shipper *shipper = argument;
    return (double)pipe_count(&shipper->pipe);
}

static void make_gauge(struct shipper *shipper, const char *name, const char *help,
                       double (*function)(void *))
{
    struct pm_options gauge = {
        .name = name, .help = help, .function = function, .function_arg = shipper
    };
    (void)pm_gauge_of(role_registry(shipper->role), &gauge);
}

/* ---- life ---- */

static void on_running(void *argument)
{
    struct shipper *shipper = argument;
    role_ready(shipper->role);
}

/* With -once: what is queued is the rest. */
static void on_done(void *argument)
{
    struct shipper *shipper = argument;
    pipe_close(&shipper->pipe);
}

static void on_drained(void *argument)
{
    struct shipper *shipper = argument;
    role_stop(shipper->role, ROLE_EXIT_OK);
}

static void make_agent(struct shipper *shipper)
{
    unsigned char dice[16];
    random_secret(dice, sizeof(dice));
    dice[6] = (unsigned char)((dice[6] & 0x0f) | 0x40);
    dice[8] = (unsigned char)((dice[8] & 0x3f) | 0x80);
    (void)snprintf(shipper->ephemeral_id, sizeof(shipper->ephemeral_id),
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", dice[0],
                   dice[1], dice[2], dice[3], dice[4], dice[5], dice[6], dice[7], dice[8], dice[9],
                   dice[10], dice[11], dice[12], dice[13], dice[14], dice[15]);
    if (gethostname(shipper->hostname, sizeof(shipper->hostname) - 1) != 0) {
        shipper->hostname[0] = '\0';
    }
    struct str hostname = str_from(shipper->hostname);
    struct str name = shipper->config.name;
    shipper->agent = (struct ship_agent){ .id = str_from(shipper->registry.agent_id),
                                          .ephemeral_id = str_from(shipper->ephemeral_id),
                                          .hostname = hostname,
                                          .name = name.size > 0 ? name : hostname };
}

static void say_config(const struct shipper *shipper)
{
    struct sl_logger *log = role_log(shipper->role);
    for (size_t i = 0; i < shipper->config.warnings.count; i++) {
        sl_warn(log, "configuration", "reason", shipper->config.warnings.items[i]);
    }
    if (shipper->registry.aside[0] != '\0') {
        sl_error(log, "registry is broken and was set aside: all files are read from their start",
                 "file.path", shipper->registry.aside, "error.message",
                 shipper->registry.aside_cause.text);
    }
}

static int open_parts(struct shipper *shipper, const struct flags *flags, struct error *error)
{
    struct role *role = shipper->role;
    struct pm_registry *metrics = role_registry(role);
    int code = registry_open(&shipper->registry, &disk_system, role_data(role),
                             clock_realtime_ms(role_clock(role)), error);
    if (code == 0) {
        code = pipe_init(&shipper->pipe, (size_t)shipper->config.queue_count_max, error);
    }
    if (code != 0) return code;
    make_agent(shipper);
    say_config(shipper);
    struct sender_setup sending = {
        .config = &shipper->config,
        .resolve = role_resolve(role),
        .registry = &shipper->registry,
        .pipe = &shipper->pipe,
        .log = role_log(role),
        .acknowledged = pm_counter_new(metrics, "barograph_ship_acknowledged_total",
                                       "Documents that the output took."),
        .failed = pm_counter_new(metrics, "barograph_ship_failed_total",
                                 "Documents that the output refused for good."),
        .retries = pm_counter_new(metrics, "barograph_ship_retries_total",
                                  "Requests that had to be repeated."),
        .on_drained = flags->is_once ? on_drained : NULL,
        .argument = shipper,
    };
    struct reader_setup reading = {
        .config = &shipper->config,
        .agent = &shipper->agent,
        .registry = &shipper->registry,
        .pipe = &shipper->pipe,
        .log = role_log(role),
        .lines = pm_counter_new(metrics, "barograph_ship_lines_total", "Lines read from files."),
        .bytes = pm_counter_new(metrics, "barograph_ship_bytes_total", "Bytes of these lines."),
        .is_once = flags->is_once,
        .on_running = on_running,
        .on_done = on_done,
        .argument = shipper,
    };
    make_gauge(shipper, "barograph_ship_lag_bytes", "Bytes in files that were not delivered yet.",
               lag_bytes);
    make_gauge(shipper, "barograph_ship_queue_events", "Events between reader and output.",
               queue_events);
    code = sender_start(&shipper->sender, &sending, error);
    if (code == 0) code = reader_start(&shipper->reader, &reading, error);
    if (code == 0) {
        make_gauge(shipper, "barograph_ship_files_open", "Files that are followed.", files_open);
    }
    return code;
}

/* The server is drained: no metric is asked for any more. */
static void close_parts(struct shipper *shipper)
{
    int64_t stop_ms =
        shipper->config.shutdown_ms > 0 ? shipper->config.shutdown_ms : STOP_MS_DEFAULT;
    if (shipper->pipe.capacity > 0) pipe_close(&shipper->pipe);
    reader_stop(shipper->reader);
    sender_stop(shipper->sender, stop_ms);
    pipe_release(&shipper->pipe, &shipper->registry);
    registry_close(&shipper->registry);
    ship_config_release(&shipper->config);
}

int shipper_main(int argc, char **argv)
{
    struct flags flags = { 0 };
    struct shipper shipper = { 0 };
    struct error error = { 0 };
    if (read_config(&shipper, argc, argv, &error) != 0 && !wants_words(argc, argv)) {
        (void)fprintf(stderr, "barograph ship: %s\n", error.text);
        return ROLE_EXIT_USAGE;
    }
    static const char *const names[] = { "filebeat-container" };
    struct role_setup setup = {
        .name = "ship",
        .names = names,
        .name_count = ARRAY_LENGTH(names),
        .about = "Follows log files and delivers their lines, as Filebeat does.",
        .options = options,
        .option_count = ARRAY_LENGTH(options),
        .values = &flags,
        .listen = shipper.listen,
        .data_option = "path.data",
        .data = "data/ship",
    };
    int status = role_start(&shipper.role, &setup, argc, argv);
    if (shipper.role == NULL) {
        ship_config_release(&shipper.config);
        return status;
    }
    if (open_parts(&shipper, &flags, &error) != 0) {
        status = role_fail(shipper.role, &error);
    } else {
        status = role_wait(shipper.role);
    }
    close_parts(&shipper);
    role_free(shipper.role);
    return status;
}
