/* recover.c - `barograph logs recover FILE`: a killed process' last lines out of its ring file. */
#include "main/main.h"

#include "log_server/log_server.h"
#include "role/role.h"
#include "structlog/structlog.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "Usage: barograph logs recover [--print] FILE...\n\n"
    "Puts the lines that a killed process had accepted but not yet written into the log files it\n"
    "wrote, each line once, mends a line that was cut, and removes the ring file FILE\n"
    "(/dev/shm/structlog.PROGRAM.PID.ring unless the program says otherwise).\n\n"
    "  --print   Write these lines to standard output instead, and change nothing.\n";

static int print_line(void *context, const char *path, const char *line, size_t size)
{
    (void)context;
    (void)path;
    return fwrite(line, 1, size, stdout) == size ? 0 : -EIO;
}

static const char *reason_of(int code)
{
    switch (code) {
    case -EBUSY: return "the process that writes it is alive";
    case -ENOMSG: return "the process was killed before it could log; there is nothing in it";
    case -EINVAL: return "not a ring file, or of another machine";
    case -EPROTONOSUPPORT: return "a ring file of another version than 1 and 2";
    case -ENODATA: return "its lines went to no file; see --print";
    default: return strerror(-code);
    }
}

static int recover_one(const char *path, bool only_print)
{
    struct sl_recovery recovery;
    int code = sl_recover(path, only_print ? print_line : NULL, NULL, &recovery);
    if (code < 0) {
        (void)fprintf(stderr, "barograph: cannot recover '%s': %s\n", path, reason_of(code));
        return ROLE_EXIT_FAILED;
    }
    (void)fprintf(stderr,
                  "barograph: '%s' of process %lld: %llu lines recovered, %llu of its last write "
                  "were there, %llu dropped when full, %llu damaged\n",
                  path, (long long)recovery.pid, (unsigned long long)recovery.line_count,
                  (unsigned long long)recovery.found_count,
                  (unsigned long long)recovery.dropped_count,
                  (unsigned long long)recovery.bad_count);
    return ROLE_EXIT_OK;
}

static int recover_main(int argc, char **argv)
{
    bool only_print = false;
    int first = 1;
    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "--print") == 0) {
            only_print = true;
        } else if (strcmp(argv[first], "--help") == 0) {
            (void)fputs(usage, stdout);
            return ROLE_EXIT_OK;
        } else {
            (void)fprintf(stderr, "barograph: logs recover: no option '%s'\n", argv[first]);
            return ROLE_EXIT_USAGE;
        }
    }
    if (first == argc) {
        (void)fputs(usage, stderr);
        return ROLE_EXIT_USAGE;
    }
    int status = ROLE_EXIT_OK;
    for (int i = first; i < argc; i++) {
        int result = recover_one(argv[i], only_print);
        if (result != ROLE_EXIT_OK) status = result;
    }
    return status;
}

int logs_main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "recover") == 0) return recover_main(argc - 1, argv + 1);
    return log_server_main(argc, argv);
}
