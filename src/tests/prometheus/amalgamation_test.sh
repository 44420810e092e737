#!/bin/sh
# amalgamation_test.sh TOOL - a small program builds with prometheus.c and prometheus.h alone, in C11
# and from C++, counts with another process, listens for datagrams, and says what it counted.
set -eu
tool=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$tool" prometheus "$work"
cat > "$work/app.c" <<'END'
#include "prometheus.h"
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static int put(void *arg, const char *data, size_t size) {
    (void)arg;
    return fwrite(data, 1, size, stdout) == size ? 0 : -1;
}
int main(void)
{
    struct pm_daemon_options options = { .path = "region" };
    struct pm_receiver_options listen = { .socket_path = "socket" };
    struct pm_daemon *server = NULL;
    struct pm_receiver *receiver = NULL;
    struct pm_error error;
    if (pm_daemon_open(&server, &options, &error) < 0) return 1;
    if (pm_daemon_register(server, NULL, &error) < 0) return 2;
    listen.registry = pm_daemon_registry(server);
    if (pm_receiver_start(&receiver, &listen, &error) < 0) return 3;
    pid_t pid = fork();
    if (pid == 0) {
        struct pm_command command = { .action = PM_DO_INC, .path = "region", .name = "jobs_total" };
        if (pm_command_run(&command, NULL, NULL, &error) < 0) _exit(1);
        _exit(pm_socket_run(&command, "socket", &error) < 0 ? 2 : 0);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || status != 0) return 4;
    pm_observe(pm_histogram_new(NULL, "app_seconds", "Time."), 0.2);
    int code = pm_render(NULL, pm_negotiate(NULL), put, NULL);
    pm_receiver_stop(receiver);
    pm_daemon_close(server);
    return code < 0 ? 5 : 0;
}
END
cat > "$work/app.cc" <<'END'
#include "prometheus.h"
int main()
{
    pm_counter *jobs = pm_counter_new(nullptr, "jobs_total", "Jobs.", "queue");
    pm_inc(pm_counter_with(jobs, "mail"));
    double value = 0;
    return pm_sample(nullptr, &value, "jobs_total", "queue", "mail") == 0 && value == 1 ? 0 : 1;
}
END
cd "$work"
number=0 failed=0
check() {
    number=$((number + 1))
    if "$@" > log 2>&1; then echo "ok $number - $*"; else
        echo "not ok $number - $*"; sed 's/^/# /' log; failed=$((failed + 1)); fi
}
flags='-Wall -Wextra -Wpedantic -Werror'
# shellcheck disable=SC2086
check ${CC:-cc} -std=c11 $flags -c prometheus.c
# shellcheck disable=SC2086
check ${CC:-cc} -std=c11 -D_GNU_SOURCE $flags app.c prometheus.o -o app -lpthread -lm
check ./app
cp log out
check grep -qx 'jobs_total 2' out
check grep -qx 'app_seconds_count 1' out
# shellcheck disable=SC2086
check ${CXX:-c++} -std=c++11 $flags app.cc prometheus.o -o app_cc -lpthread -lm
check ./app_cc
echo "1..$number"
echo "# $((number - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
