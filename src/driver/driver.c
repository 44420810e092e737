/* driver.c - puts the host, the probes and the region of the clients behind one /metrics. */
#include "driver/driver.h"

#include "driver/config.h"
#include "driver/host.h"
#include "driver/probe.h"
#include "prometheus/prometheus.h"
#include "role/role.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stddef.h>

struct flags {
    const char *config;
    const char *region;
    bool has_no_region;
    const char *socket;
    bool has_no_socket;
    bool is_socket_open; /* to other users */
    const char *statsd_udp;
    const char *statsd_path;
    int64_t statsd_interval_ms;
};

static const struct option options[] = {
    { "config", "FILE", OPTION_TEXT, offsetof(struct flags, config), "config/driver.yml",
      "What to probe." },
    { "metrics.region", "FILE", OPTION_TEXT, offsetof(struct flags, region), NULL,
      "Memory shared with the clients; default $BAROGRAPH_METRICS, else below /dev/shm." },
    { "metrics.region-off", NULL, OPTION_FLAG, offsetof(struct flags, has_no_region), NULL,
      "Take no metrics of other processes." },
    { "metrics.socket", "FILE", OPTION_TEXT, offsetof(struct flags, socket), NULL,
      "Socket for updates as datagrams; default $BAROGRAPH_METRICS_SOCKET, else the region's name "
      "and .sock." },
    { "metrics.socket-off", NULL, OPTION_FLAG, offsetof(struct flags, has_no_socket), NULL,
      "Take no updates as datagrams." },
    { "metrics.socket-any-user", NULL, OPTION_FLAG, offsetof(struct flags, is_socket_open), NULL,
      "Let other users of the host send datagrams, too." },
    { "statsd.listen-udp", "ADDRESS", OPTION_TEXT, offsetof(struct flags, statsd_udp), NULL,
      "Where StatsD clients send to, such as 127.0.0.1:8125; none by default." },
    { "statsd.listen-unixgram", "FILE", OPTION_TEXT, offsetof(struct flags, statsd_path), NULL,
      "The same as a unix socket." },
    { "statsd.interval", "DURATION", OPTION_DURATION, offsetof(struct flags, statsd_interval_ms),
      "10s", "How long StatsD's sets collect." },
};

/* Everything the role owns beside struct role; zeroed, built, and freed as a whole. */
struct driver {
    struct host host;
    struct driver_config config;
    struct probe_set *probes;
    struct pm_daemon *daemon;
    struct pm_receiver *receiver;
};

static void driver_release(struct driver *driver)
{
    probe_set_free(driver->probes);
    pm_receiver_stop(driver->receiver);
    pm_daemon_close(driver->daemon);
    driver_config_release(&driver->config);
}

static int fail_metrics(const struct pm_error *cause, struct error *error)
{
    return error_set(error, -EIO, "%s", cause->text);
}

static int open_region(struct driver *driver, struct role *role, const char *path,
                       struct error *error)
{
    struct pm_error cause = { 0 };
    struct pm_daemon_options daemon_options = { .path = path, .guards_cuts = true };
    if (pm_daemon_open(&driver->daemon, &daemon_options, &cause) != 0 ||
        pm_daemon_register(driver->daemon, role_registry(role), &cause) != 0) {
        return fail_metrics(&cause, error);
    }
    sl_info(role_log(role), "shared region opened", "file.path", pm_daemon_path(driver->daemon));
    return 0;
}

/* Without a region what arrives is counted in the role's own registry. */
static int open_receiver(struct driver *driver, struct role *role, const struct flags *flags,
                         struct error *error)
{
    struct pm_error cause = { 0 };
    char path[512] = "";
    if (!flags->has_no_socket && (driver->daemon != NULL || flags->socket != NULL)) {
        const char *region = driver->daemon == NULL ? "" : pm_daemon_path(driver->daemon);
        pm_socket_default_path(path, sizeof(path), flags->socket, region);
    }
    struct pm_receiver_options receiver = {
        .registry =
            driver->daemon == NULL ? role_registry(role) : pm_daemon_registry(driver->daemon),
        .shown_in = role_registry(role),
        .socket_path = path[0] == '\0' ? NULL : path,
        .socket_mode = flags->is_socket_open ? 0666 : 0600,
        .statsd_udp = flags->statsd_udp,
        .statsd_path = flags->statsd_path,
        .interval_ms = (int)flags->statsd_interval_ms,
    };
    if (path[0] == '\0' && flags->statsd_udp == NULL && flags->statsd_path == NULL) return 0;
    if (pm_receiver_start(&driver->receiver, &receiver, &cause) != 0) {
        return fail_metrics(&cause, error);
    }
    sl_info(role_log(role), "datagrams are taken", "file.path", path, "statsd.port",
            (int)pm_receiver_port(driver->receiver));
    return 0;
}

static int driver_open(struct driver *driver, struct role *role, const struct flags *flags,
                       struct error *error)
{
    struct pm_error cause = { 0 };
    int code = driver_config_read(&driver->config, &disk_system, flags->config, error);
    if (code != 0) return code;
    host_init(&driver->host, &disk_system);
    if (pm_register_collector(role_registry(role), host_collect, &driver->host, &cause) != 0) {
        return fail_metrics(&cause, error);
    }
    struct probe_setup setup = { .targets = driver->config.targets,
                                 .target_count = driver->config.target_count,
                                 .resolve = role_resolve(role),
                                 .clock = role_clock(role),
                                 .log = role_log(role) };
    code = probe_set_start(&driver->probes, &setup, error);
    if (code != 0) return code;
    if (pm_register_collector(role_registry(role), probe_collect, driver->probes, &cause) != 0) {
        return fail_metrics(&cause, error);
    }
    if (!flags->has_no_region) code = open_region(driver, role, flags->region, error);
    return code != 0 ? code : open_receiver(driver, role, flags, error);
}

static int index_page(void *context, struct http_request *request, struct http_response *response,
                      struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    response->content_type = "text/html; charset=utf-8";
    buf_append_str(&response->body,
                   STR("<!DOCTYPE html><html lang=\"en\"><title>Barograph driver</title>"
                       "<h1>Barograph driver</h1><p>Host metrics, probes and what other programs "
                       "count: <a href=\"metrics\">metrics</a></p></html>\n"));
    return 0;
}

static const struct http_route routes[] = {
    { HTTP_GET, "/", index_page, "/", HTTP_ROUTE_FAST, 0 },
};

int driver_main(int argc, char **argv)
{
    static const char *const names[] = { "driver-container" };
    struct flags flags = { 0 };
    struct role_setup setup = {
        .name = "driver",
        .about = "Watches this host: metrics of the machine, probes, metrics of other programs.",
        .options = options,
        .option_count = ARRAY_LENGTH(options),
        .values = &flags,
        .listen = "127.0.0.1:8081",
        .names = names,
        .name_count = ARRAY_LENGTH(names),
    };
    struct driver driver = { 0 };
    struct error error = { 0 };
    struct role *role = NULL;
    int status = role_start(&role, &setup, argc, argv);
    if (role == NULL) return status;

    struct http_mount mount = { .routes = routes, .count = ARRAY_LENGTH(routes) };
    if (driver_open(&driver, role, &flags, &error) != 0 || role_mount(role, &mount, &error) != 0) {
        status = role_fail(role, &error);
    } else {
        role_ready(role);
        status = role_wait(role);
    }
    /* The collectors read what is released here: the server is drained, nobody scrapes any more. */
    driver_release(&driver);
    role_free(role);
    return status;
}
