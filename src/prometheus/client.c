/* client.c - metrics shared by processes: a region's daemon and its clients. */
#include "prometheus/client.h"

#include "prometheus/emit.h"
#include "prometheus/fail.h"
#include "prometheus/region.h"
#include "prometheus/shared.h"

#include <stdlib.h>

/* Both are a registry whose families and words are the region's. */
struct pm_client {
    struct pm_registry *registry;
    struct region *region;
};

struct pm_daemon {
    struct pm_client client;
    struct pm_registry *shown_in; /* NULL: nowhere */
};

static int attach(struct pm_client *client, struct region *region, struct pm_error *error)
{
    int code = pm_registry_new(&client->registry, error);
    if (code < 0) return code;
    client->region = region;
    client->registry->region = region;
    client->registry->pm_region_read = RECORD_FIRST;
    pm_region_words(region, &client->registry->words);
    return PM_OK;
}

static void detach(struct pm_client *client)
{
    pm_registry_free(client->registry);
    pm_store_lock();
    pm_region_close(client->region);
    pm_store_unlock();
}

int pm_client_open(struct pm_client **client_out, const char *path, struct pm_error *error)
{
    struct pm_client *client = calloc(1, sizeof(*client));
    if (client == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a client");
    struct region *region = NULL;
    pm_store_lock();
    int code = pm_region_open(&region, path, error);
    pm_store_unlock();
    if (code == PM_OK) {
        client->region = region;
        code = attach(client, region, error);
    }
    if (code < 0) {
        detach(client);
        free(client);
        return code;
    }
    *client_out = client;
    return PM_OK;
}

void pm_client_close(struct pm_client *client)
{
    if (client == NULL) return;
    detach(client);
    free(client);
}

struct pm_registry *pm_client_registry(struct pm_client *client)
{
    return client->registry;
}

int pm_daemon_open(struct pm_daemon **daemon_out, const struct pm_daemon_options *options,
                   struct pm_error *error)
{
    struct pm_daemon *daemon = calloc(1, sizeof(*daemon));
    if (daemon == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a daemon");
    pm_store_lock();
    int code = pm_region_create(&daemon->client.region, options, error);
    if (code == PM_OK && options != NULL && options->guards_cuts) {
        code = pm_region_guard(daemon->client.region, error);
    }
    pm_store_unlock();
    if (code == PM_OK) code = attach(&daemon->client, daemon->client.region, error);
    if (code < 0) {
        detach(&daemon->client);
        free(daemon);
        return code;
    }
    *daemon_out = daemon;
    return PM_OK;
}

const char *pm_daemon_path(const struct pm_daemon *daemon)
{
    return pm_region_path(daemon->client.region);
}

struct pm_registry *pm_daemon_registry(struct pm_daemon *daemon)
{
    return daemon->client.registry;
}

static void emit_use(struct pm_emit *emit, const struct pm_registry *registry)
{
    struct region_use use;
    pm_region_get_use(registry->region, &use);
    pm_emit_one(emit, PM_GAUGE, "pm_region_directory_bytes",
                "Bytes of the shared region's directory that records take.",
                (double)use.directory_used);
    pm_emit_one(emit, PM_GAUGE, "pm_region_directory_size_bytes",
                "Bytes the shared region's directory can hold.", (double)use.directory_size);
    pm_emit_one(emit, PM_GAUGE, "pm_region_words", "Words of the shared region in use, per CPU.",
                (double)use.words_used);
    pm_emit_one(emit, PM_GAUGE, "pm_region_size_words", "Words the shared region has, per CPU.",
                (double)use.words_size);
    pm_emit_family(emit, PM_COUNTER, "pm_region_clients_total",
                   "Times a client opened the shared region.");
    pm_emit_count(emit, use.clients);
    pm_emit_one(emit, PM_GAUGE, "pm_region_bad_records",
                "Records of the shared region that make no sense and are not shown.",
                (double)registry->bad_records);
    pm_emit_one(emit, PM_GAUGE, "pm_region_cut",
                "Whether the shared region's file was cut short: then start the daemon again.",
                use.is_cut ? 1 : 0);
    pm_emit_family(emit, PM_COUNTER, "pm_region_errors_total",
                   "What clients of the shared region got wrong.");
    for (int code = -1; code > -PM_ERROR_CODES; code--) {
        pm_emit_count(emit, use.errors[-code], "reason", pm_code_name(code));
    }
}

static void collect_region(struct pm_emit *emit, void *arg)
{
    struct pm_daemon *daemon = arg;
    struct pm_registry *registry = daemon->client.registry;
    pm_store_lock();
    pm_shared_read_locked(registry);
    pm_store_unlock();
    pm_emit_store(emit, registry);
    emit_use(emit, registry);
}

int pm_daemon_register(struct pm_daemon *daemon, struct pm_registry *registry,
                       struct pm_error *error)
{
    registry = pm_store_registry(registry);
    if (daemon->shown_in != NULL) {
        return pm_fail(error, PM_ERROR_TYPE, "the daemon is registered already");
    }
    int code = pm_register_collector(registry, collect_region, daemon, error);
    if (code == PM_OK) daemon->shown_in = registry;
    return code;
}

void pm_daemon_close(struct pm_daemon *daemon)
{
    if (daemon == NULL) return;
    if (daemon->shown_in != NULL) {
        (void)pm_unregister_collector(daemon->shown_in, collect_region, daemon);
    }
    detach(&daemon->client);
    free(daemon);
}
