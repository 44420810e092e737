/* explore.h - the door of the explore role: the page of log lines, and the way to the log store.
 *
 *     browser ─▶ /, /app/discover        the page
 *             ─▶ /api/es/<what to read>  the store at --elasticsearch.hosts, reading only
 *             ─▶ /api/status             what probes of Kibana ask
 */
#ifndef EXPLORE_EXPLORE_H
#define EXPLORE_EXPLORE_H

/* Runs the role; argv[0] is its name. The exit status. Main thread. */
int explore_main(int argc, char **argv);

#endif
