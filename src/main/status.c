/* status.c - `barograph status` and `barograph down`: asking and ending a supervisor. */
#include "main/main.h"

#include "base/arena.h"
#include "base/file.h"
#include "codec/json.h"
#include "http/client.h"
#include "role/role.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_SIZE_MAX (1u << 20)
#define POLL_MS         20

/* 0 all roles are ready, 1 some are not, 3 there is no supervisor (as init scripts have it). */
enum status_exit { STATUS_READY = 0, STATUS_NOT_READY = 1, STATUS_NONE = 3 };

struct flags {
    const char *url;
    const char *supervisor;
    const char *data;
    bool wants_help;
    bool as_json;
    int64_t timeout_ms;
};

#define FLAG(member) offsetof(struct flags, member)

static const struct option status_options[] = {
    { "url", "URL", OPTION_TEXT, FLAG(url), NULL,
      "Ask this URL only: 0 when it answers 200, for health checks." },
    { "supervisor", "URL", OPTION_TEXT, FLAG(supervisor), "http://127.0.0.1:8080",
      "Where the supervisor answers." },
    { "json", NULL, OPTION_FLAG, FLAG(as_json), NULL, "Print the answer as it comes." },
    { "help", NULL, OPTION_FLAG, FLAG(wants_help), NULL, "Show this text." },
};

static const struct option down_options[] = {
    { "data", "DIR", OPTION_TEXT, FLAG(data), "data", "The data folder that `up` was given." },
    { "timeout", "DURATION", OPTION_DURATION, FLAG(timeout_ms), "60s", "How long to wait." },
    { "help", NULL, OPTION_FLAG, FLAG(wants_help), NULL, "Show this text." },
};

/* Reads the words; -1 to go on, else the exit status. */
static int read_flags(struct flags *flags, const struct option *options, size_t count,
                      const char *usage, int argc, char **argv)
{
    struct option_table table = { options, count, flags };
    struct error error = { 0 };
    if (options_parse(&table, 1, argc, argv, NULL, &error) != 0) {
        (void)fprintf(stderr, "barograph %s: %s\n", argv[0], error.text);
        return ROLE_EXIT_USAGE;
    }
    if (!flags->wants_help) return -1;
    return show_help(&table, usage);
}

static int ask(const char *url, struct http_answer *answer, struct error *error)
{
    struct http_client *client = NULL;
    int code = http_client_new(&client, &(struct http_client_options){ 0 }, error);
    if (code != 0) return code;
    struct http_call call = { .url = str_from(url),
                              .timeout_ms = 5000,
                              .body_size_max = ANSWER_SIZE_MAX };
    code = http_client_send(client, &call, answer, error);
    http_client_free(client);
    return code;
}

static void print_role(const struct json *role)
{
    struct str name = json_text(json_get(role, STR("name")), STR("?"));
    struct str state = json_text(json_get(role, STR("state")), STR("?"));
    struct str url = json_text(json_get(role, STR("url")), STR(""));
    struct str last = json_text(json_get(role, STR("last_error")), STR(""));
    printf("%-11.*s %-11.*s %-28.*s %8lld %7.1f MiB %4lld  %.*s\n", STR_ARG(name), STR_ARG(state),
           STR_ARG(url), (long long)json_integer(json_get(role, STR("pid")), 0),
           json_number(json_get(role, STR("resident_bytes")), 0) / 1048576,
           (long long)json_integer(json_get(role, STR("restarts")), 0), STR_ARG(last));
}

static int print_status(const struct http_answer *answer)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 8u << 20);
    const struct json *root = NULL;
    struct error error = { 0 };
    if (json_parse(NULL, &arena, buf_str(&answer->body), &root, &error) != 0) {
        (void)fprintf(stderr, "barograph status: %s\n", error.text);
        return STATUS_NONE;
    }
    const struct json *roles = json_get(root, STR("roles"));
    bool are_ready = json_is(roles, JSON_ARRAY) && roles->array.count > 0;
    double total = 0;
    printf("%-11s %-11s %-28s %8s %11s %4s  %s\n", "ROLE", "STATE", "ENDPOINT", "PID", "MEMORY",
           "RST", "LAST ERROR");
    for (size_t i = 0; json_is(roles, JSON_ARRAY) && i < roles->array.count; i++) {
        const struct json *role = &roles->array.items[i];
        struct str state = json_text(json_get(role, STR("state")), STR(""));
        are_ready = are_ready && str_equal(state, STR("ready"));
        total += json_number(json_get(role, STR("resident_bytes")), 0);
        print_role(role);
    }
    printf("%-11s %-11s %-28s %8s %7.1f MiB\n", "", "", "", "", total / 1048576);
    return are_ready ? STATUS_READY : STATUS_NOT_READY;
}

int status_main(int argc, char **argv)
{
    struct flags flags = { 0 };
    int status = read_flags(&flags, status_options, ARRAY_LENGTH(status_options),
                            "barograph status [OPTIONS]", argc, argv);
    if (status >= 0) return status;
    char url[1024];
    struct error error = { 0 };
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    if (flags.url == NULL) {
        (void)snprintf(url, sizeof(url), "%s/status", flags.supervisor);
    } else {
        (void)snprintf(url, sizeof(url), "%s", flags.url);
    }
    if (ask(url, &answer, &error) != 0) {
        (void)fprintf(stderr, "barograph status: nothing answers at %s: %s\n", url, error.text);
        return STATUS_NONE;
    }
    if (flags.url != NULL) return answer.status == 200 ? STATUS_READY : STATUS_NOT_READY;
    if (answer.status != 200) {
        (void)fprintf(stderr, "barograph status: %s answers %u\n", url, answer.status);
        return STATUS_NONE;
    }
    if (!flags.as_json) return print_status(&answer);
    (void)fwrite(answer.body.data, 1, answer.body.size, stdout);
    (void)fputc('\n', stdout);
    return STATUS_READY;
}

/* The process that holds the lock of the folder; 0: nobody. */
static int holder_of(const char *folder, pid_t *pid, struct error *error)
{
    struct disk_info info;
    int lock;
    *pid = 0;
    if (disk_system.info(disk_system.state, folder, &info) != 0) return 0;
    char path[FILE_PATH_SIZE];
    int code = file_join(path, folder, "lock", error);
    if (code != 0) return code;
    if (disk_system.info(disk_system.state, path, &info) != 0) return 0;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 64);
    code = file_read(&disk_system, path, &text, error);
    if (code != 0) return code;
    int64_t number = 0;
    bool has_number = str_to_int64(str_trim(buf_str(&text)), &number);
    code = file_lock_folder(folder, &lock, error);
    if (code == 0) file_unlock(lock);
    if (code == -EWOULDBLOCK && has_number) *pid = (pid_t)number;
    return code == -EWOULDBLOCK ? 0 : code;
}

int down_main(int argc, char **argv)
{
    struct flags flags = { 0 };
    int status = read_flags(&flags, down_options, ARRAY_LENGTH(down_options),
                            "barograph down [OPTIONS]", argc, argv);
    if (status >= 0) return status;
    struct error error = { 0 };
    pid_t pid;
    if (holder_of(flags.data, &pid, &error) != 0) {
        (void)fprintf(stderr, "barograph down: %s\n", error.text);
        return ROLE_EXIT_FAILED;
    }
    if (pid == 0) {
        (void)fprintf(stderr, "barograph down: nothing runs on data folder '%s'\n", flags.data);
        return ROLE_EXIT_FAILED;
    }
    if (kill(pid, SIGTERM) != 0) {
        (void)fprintf(stderr, "barograph down: process %d: %s\n", (int)pid, strerrordesc_np(errno));
        return ROLE_EXIT_FAILED;
    }
    int64_t deadline_ms = clock_monotonic_ms(&clock_system) + flags.timeout_ms;
    while (clock_monotonic_ms(&clock_system) < deadline_ms) {
        pid_t now = 0;
        if (kill(pid, 0) != 0 && errno == ESRCH) return ROLE_EXIT_OK;
        if (holder_of(flags.data, &now, &error) == 0 && now != pid) return ROLE_EXIT_OK;
        clock_wait_ms(&clock_system, POLL_MS);
    }
    (void)fprintf(stderr, "barograph down: process %d has not ended\n", (int)pid);
    return ROLE_EXIT_FAILED;
}
