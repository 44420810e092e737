/* driver.h - the door of the observed program: it watches the host it runs on.
 *
 *     /proc, /sys ─┐
 *     probes ──────┼──▶ one registry ──▶ :8081/metrics
 *     clients ─────┘                     (the region of prometheus/client.h)
 *
 * Host metrics under node_exporter's names, probes under blackbox_exporter's, and the metrics that
 * other processes count through the shared region, whose daemon this role is.
 */
#ifndef DRIVER_DRIVER_H
#define DRIVER_DRIVER_H

/* Runs the role; argv[0] is its name. The exit status. Main thread. */
int driver_main(int argc, char **argv);

#endif
