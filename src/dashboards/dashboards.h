/* dashboards.h - the door of the dashboards role: Grafana's files and addresses, our page.
 *
 *     grafana/provisioning/datasources ─┐
 *     grafana/provisioning/dashboards ──┼─▶ /api/search, /api/dashboards/uid/..., the page
 *     grafana/dashboards/x.json ────────┘
 *     the page ─▶ /api/datasources/proxy/uid/... ─▶ metrics :9090, logs :9200 (reading only)
 */
#ifndef DASHBOARDS_DASHBOARDS_H
#define DASHBOARDS_DASHBOARDS_H

/* Runs the role; argv[0] is its name. The exit status. Main thread. */
int dashboards_main(int argc, char **argv);

#endif
