/* config.h - config/driver.yml: what the driver probes.
 *
 *     probes:
 *       interval: 5s          default of every target
 *       timeout: 4s
 *       targets:
 *         - { name: web, kind: http, url: "http://host/", interval: 10s, timeout: 3s }
 *         - { name: port, kind: tcp, address: "host:25" }
 *
 * Ownership: everything lives in the configuration's arena.
 */
#ifndef DRIVER_CONFIG_H
#define DRIVER_CONFIG_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/file.h"
#include "driver/probe.h"

#include <stddef.h>

struct driver_config {
    struct arena arena;
    struct probe_target *targets;
    size_t target_count;
};

/* Reads the file. On failure the text names file, line and column; config is then released. */
int driver_config_read(struct driver_config *config, const struct disk *disk, const char *path,
                       struct error *error) MUST_CHECK;
void driver_config_release(struct driver_config *config); /* accepts a zeroed one */

#endif
