/* main.c - one executable: the table of commands. */
#include "main/main.h"

#include "base/compiler.h"
#include "dashboards/dashboards.h"
#include "driver/driver.h"
#include "explore/explore.h"
#include "metrics_server/metrics_server.h"
#include "role/role.h"
#include "shipper/shipper.h"

#include <stdio.h>
#include <string.h>

static int version_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("barograph %s (%s)\n", role_version(), role_revision());
    return ROLE_EXIT_OK;
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    { "up", up_main, "Start every role and watch them." },
    { "status", status_main, "Show what runs." },
    { "down", down_main, "Stop what `up` started." },
    { "dashboards", dashboards_main, "Role: dashboards as Grafana shows them (:3000)." },
    { "driver", driver_main, "Role: host metrics, probes, metrics of other programs (:8081)." },
    { "explore", explore_main, "Role: the page of log lines (:5601)." },
    { "logs", logs_main, "Role: takes _bulk, answers _search (:9200); logs recover RING." },
    { "metrics", metrics_server_main, "Role: scrapes, keeps, answers PromQL (:9090)." },
    { "ship", shipper_main, "Role: follows log files, delivers by _bulk." },
    { "metric", metric_main, "Count from a script: metric inc jobs_total --label ok=true." },
    { "log", log_main, "Log from a script: log info \"backup done\" size=123 --file FILE." },
    { "query", query_main, "Ask a metrics server: query 'sum(up)' --start -1h --format plot." },
    { "promql", promql_main, "Expressions: promql fmt|check|tree 'sum(up)'." },
    { "search", search_main, "Find log lines: search 'level:error AND timeout' --since 1h." },
    { "tail", tail_main, "Log lines as they come: tail 'level:error'." },
    { "check", check_main, "Check what others wrote: check ecs FILE." },
    { "version", version_main, "Show the version." },
};

static void help(FILE *out)
{
    (void)fprintf(out, "Usage: barograph COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        (void)fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].help);
    }
    (void)fprintf(out, "\n`barograph COMMAND --help` shows a command's options.\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return ROLE_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) return version_main(argc, argv);
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        help(stdout);
        return ROLE_EXIT_OK;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "barograph: no command '%s'; see `barograph help`\n", argv[1]);
    return ROLE_EXIT_USAGE;
}
