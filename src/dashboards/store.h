/* store.h - inside dashboards/: what the provisioning folder says, read again when it changes.
 *
 * Lock: a store's mutex guards its content; a handler holds it while it writes its answer.
 */
#ifndef DASHBOARDS_STORE_H
#define DASHBOARDS_STORE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

#define DASHBOARDS_MAX       1000
#define DASHBOARD_SIZE_MAX   (8u << 20)
#define DATASOURCES_MAX      64
#define STORE_ARENA_SIZE_MAX (512u << 20)

struct sl_logger;

/* All texts live in the store's arena. */
struct dashboard {
    struct str uid;
    struct str title;
    struct str slug;
    struct str folder;
    struct str file; /* its name without the folder */
    struct str tags; /* JSON list */
    struct str json; /* the file's bytes */
};

struct datasource {
    struct str name;
    struct str uid;
    struct str type; /* "prometheus", "elasticsearch" */
    struct str url;
    struct str user; /* basic authentication, when not empty */
    struct str password;
    struct str json_data; /* JSON object */
    bool is_default;
};

struct store {
    const char *config; /* folder with provisioning/ and dashboards/; borrowed */
    struct sl_logger *log;
    const char *const *urls; /* "uid=url": in place of what the files say; borrowed */
    size_t url_count;
    struct mutex mutex; /* guards what follows */
    struct arena arena;
    VEC(struct dashboard) dashboards; /* by title */
    VEC(struct datasource) datasources;
    uint64_t state;     /* hash over names, sizes and times of the files */
    int64_t checked_ms; /* monotonic */
};

void dashboards_store_init(struct store *store, const char *config, struct sl_logger *log);
void dashboards_store_release(struct store *store);

/* Reads everything. A bad data source file is an error, a bad dashboard is left out and logged. */
int dashboards_store_load(struct store *store, struct error *error) MUST_CHECK;

/* Locks the store, after having read it again if a file has changed (looked at every two seconds;
 * what cannot be read keeps the content as it was). */
void dashboards_store_lock(struct store *store) ACQUIRES(store->mutex);
void dashboards_store_unlock(struct store *store) RELEASES(store->mutex);

const struct dashboard *dashboards_store_dashboard_locked(const struct store *store,
                                                          struct str uid);
const struct datasource *dashboards_store_datasource_locked(const struct store *store,
                                                            struct str uid);

#endif
