/* children.c - one thread, a tick every few milliseconds: reap, read, ask, start. */
#include "main/children.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "http/client.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS         20
#define ASK_STARTING_MS 40   /* how often a starting child is asked whether it is ready */
#define ASK_READY_MS    2000 /* and a ready one */
#define ASK_TIMEOUT_MS  2000
#define EXEC_FAILED     127

struct child {
    struct child_plan plan;
    enum child_state state;
    pid_t pid;
    int errors; /* read end of its stderr; -1: none */
    int64_t since_ms;
    int64_t asked_ms;
    int64_t backoff_ms;
    uint64_t restarts;
    char line[CHILD_ERROR_SIZE]; /* what came behind the last LF */
    size_t line_size;
    char last_error[CHILD_ERROR_SIZE];
};

struct children {
    struct http_client *client;
    struct sl_logger *log;
    pthread_t thread;
    bool has_thread;
    struct mutex mutex; /* guards what follows; what children_view does not show is the thread's */
    bool is_stopping;
    size_t count;
    struct child items[CHILDREN_MAX];
};

static int64_t now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

const char *child_state_name(enum child_state state)
{
    static const char *const names[] = { [CHILD_WAITING] = "waiting",
                                         [CHILD_STARTING] = "starting",
                                         [CHILD_READY] = "ready",
                                         [CHILD_BACKOFF] = "restarting",
                                         [CHILD_STOPPED] = "stopped" };
    return names[state];
}

int children_new(struct children **children_out, struct http_client *client, struct sl_logger *log,
                 struct error *error)
{
    struct children *children = calloc(1, sizeof(*children));
    if (children == NULL) return error_set(error, -ENOMEM, "no memory for the roles");
    children->client = client;
    children->log = log;
    mutex_init(&children->mutex);
    *children_out = children;
    return 0;
}

void children_free(struct children *children)
{
    if (children == NULL) return;
    CHECK(!children->has_thread);
    mutex_release(&children->mutex);
    free(children);
}

int children_add(struct children *children, const struct child_plan *plan, struct error *error)
{
    if (children->count == CHILDREN_MAX) {
        return error_set(error, ERROR_LIMIT, "more than %d roles", CHILDREN_MAX);
    }
    CHECK(plan->arg_count < CHILD_ARGS_MAX);
    children->items[children->count++] =
        (struct child){ .plan = *plan, .state = CHILD_WAITING, .errors = -1 };
    return 0;
}

static void set_state(struct children *children, struct child *child, enum child_state state)
{
    mutex_lock(&children->mutex);
    child->state = state;
    child->since_ms = now_ms();
    mutex_unlock(&children->mutex);
}

/* ---- starting ---- */

/* Between fork and exec: only what is safe there. */
static _Noreturn void become_child(const struct child *child, int errors, pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(EXEC_FAILED); /* the parent died before the line above */
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(errors, STDERR_FILENO) < 0) {
        _exit(EXEC_FAILED);
    }
    /* exec takes char *const[] but changes nothing. */
    char *const *args = (char *const *)(uintptr_t)child->plan.args;
    (void)execv("/proc/self/exe", args);
    _exit(EXEC_FAILED);
}

static void start_child(struct children *children, struct child *child)
{
    int ends[2];
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        sl_error(children->log, "role cannot start", "role", child->plan.name, SL_ERRNO());
        return;
    }
    pid_t pid = fork();
    if (pid == 0) become_child(child, ends[1], parent);
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        sl_error(children->log, "role cannot start", "role", child->plan.name, SL_ERRNO());
        return;
    }
    mutex_lock(&children->mutex);
    child->pid = pid;
    mutex_unlock(&children->mutex);
    child->errors = ends[0];
    child->line_size = 0;
    child->asked_ms = 0;
    set_state(children, child, CHILD_STARTING);
    sl_info(children->log, "role started", "role", child->plan.name, "process.pid", (int)pid);
}

/* ---- watching ---- */

static void take_line(struct children *children, struct child *child)
{
    mutex_lock(&children->mutex);
    memcpy(child->last_error, child->line, child->line_size);
    child->last_error[child->line_size] = '\0';
    mutex_unlock(&children->mutex);
    (void)fprintf(stderr, "%s: %s\n", child->plan.name, child->last_error);
    child->line_size = 0;
}

/* What the child said on stderr is passed on line by line; the last one is kept. */
static void read_errors(struct children *children, struct child *child)
{
    char bytes[1024];
    ssize_t got;
    while (child->errors >= 0 && (got = read(child->errors, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (bytes[i] == '\n') {
                if (child->line_size > 0) take_line(children, child);
            } else if (child->line_size < sizeof(child->line) - 1) {
                child->line[child->line_size++] = bytes[i];
            }
        }
    }
}

static void note_end(struct children *children, struct child *child, int status)
{
    char text[64];
    if (WIFSIGNALED(status)) {
        (void)snprintf(text, sizeof(text), "ended by signal %d", WTERMSIG(status));
    } else {
        (void)snprintf(text, sizeof(text), "ended with status %d", WEXITSTATUS(status));
    }
    read_errors(children, child);
    if (child->line_size > 0) take_line(children, child);
    (void)close(child->errors);
    child->errors = -1;
    mutex_lock(&children->mutex);
    child->pid = 0;
    bool was_ready = child->state == CHILD_READY;
    bool was_steady = was_ready && now_ms() - child->since_ms >= STEADY_MS;
    int64_t backoff_max_ms = was_ready ? BACKOFF_READY_MS : BACKOFF_MAX_MS;
    bool is_stopping = children->is_stopping;
    if (child->last_error[0] == '\0' || WIFSIGNALED(status)) {
        memcpy(child->last_error, text, sizeof(text));
    }
    child->backoff_ms = was_steady ? 0 : 2 * child->backoff_ms;
    if (child->backoff_ms < BACKOFF_MIN_MS) child->backoff_ms = BACKOFF_MIN_MS;
    if (child->backoff_ms > backoff_max_ms) child->backoff_ms = backoff_max_ms;
    mutex_unlock(&children->mutex);
    set_state(children, child, is_stopping ? CHILD_STOPPED : CHILD_BACKOFF);
    if (is_stopping) return;
    sl_warn(children->log, "role ended", "role", child->plan.name, "event.reason", text,
            "restart_ms", child->backoff_ms);
}

static bool reap(struct children *children, struct child *child)
{
    int status;
    if (child->pid == 0) return true;
    read_errors(children, child);
    if (waitpid(child->pid, &status, WNOHANG) != child->pid) return false;
    note_end(children, child, status);
    return true;
}

static bool is_ready(struct children *children, const struct child *child)
{
    char url[256];
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    (void)snprintf(url, sizeof(url), "%s/-/ready", child->plan.url);
    struct http_call call = { .url = str_from(url),
                              .timeout_ms = ASK_TIMEOUT_MS,
                              .body_size_max = 65536,
                              .wants_fresh = true };
    return http_client_send(children->client, &call, &answer, NULL) == 0 && answer.status == 200;
}

static void ask(struct children *children, struct child *child)
{
    int64_t wait_ms = child->state == CHILD_READY ? ASK_READY_MS : ASK_STARTING_MS;
    if (now_ms() - child->asked_ms < wait_ms) return;
    bool ready = is_ready(children, child);
    child->asked_ms = now_ms();
    if (ready && child->state == CHILD_STARTING) {
        set_state(children, child, CHILD_READY);
        sl_info(children->log, "role ready", "role", child->plan.name);
    } else if (!ready && child->state == CHILD_READY) {
        set_state(children, child, CHILD_STARTING);
        sl_warn(children->log, "role does not answer", "role", child->plan.name);
    }
}

static bool may_start(const struct children *children, const struct child *child)
{
    if (child->state == CHILD_BACKOFF) return now_ms() - child->since_ms >= child->backoff_ms;
    if (child->state != CHILD_WAITING) return false;
    for (size_t i = 0; child->plan.after != NULL && i < children->count; i++) {
        const struct child *other = &children->items[i];
        if (strcmp(other->plan.name, child->plan.after) == 0) return other->state == CHILD_READY;
    }
    return true;
}

static void tick(struct children *children)
{
    for (size_t i = 0; i < children->count; i++) {
        struct child *child = &children->items[i];
        (void)reap(children, child);
        if (child->pid != 0) {
            ask(children, child);
        } else if (may_start(children, child)) {
            if (child->state == CHILD_BACKOFF) {
                mutex_lock(&children->mutex);
                child->restarts++;
                mutex_unlock(&children->mutex);
            }
            start_child(children, child);
        }
    }
}

/* ---- stopping ---- */

static void stop_stage(struct children *children, int stage)
{
    int64_t deadline_ms = now_ms() + STOP_TIMEOUT_MS;
    bool was_killed = false;
    for (size_t i = 0; i < children->count; i++) {
        struct child *child = &children->items[i];
        if (child->plan.stop_stage == stage && child->pid != 0) (void)kill(child->pid, SIGTERM);
    }
    for (;;) {
        size_t running = 0;
        for (size_t i = 0; i < children->count; i++) {
            struct child *child = &children->items[i];
            if (child->plan.stop_stage != stage || reap(children, child)) continue;
            running++;
            if (now_ms() < deadline_ms || was_killed) continue;
            sl_error(children->log, "role killed", "role", child->plan.name);
            (void)kill(child->pid, SIGKILL);
        }
        if (running == 0) return;
        if (now_ms() >= deadline_ms) was_killed = true;
        clock_wait_ms(&clock_system, TICK_MS / 4);
    }
}

static void *run(void *argument)
{
    struct children *children = argument;
    for (;;) {
        mutex_lock(&children->mutex);
        bool is_stopping = children->is_stopping;
        mutex_unlock(&children->mutex);
        if (is_stopping) break;
        tick(children);
        clock_wait_ms(&clock_system, TICK_MS);
    }
    for (int stage = 0; stage <= 2; stage++) stop_stage(children, stage);
    return NULL;
}

int children_start(struct children *children, struct error *error)
{
    int code = thread_start(&children->thread, "children", run, children, error);
    children->has_thread = code == 0;
    return code;
}

void children_stop(struct children *children)
{
    if (children == NULL || !children->has_thread) return;
    mutex_lock(&children->mutex);
    children->is_stopping = true;
    mutex_unlock(&children->mutex);
    thread_join(children->thread);
    children->has_thread = false;
}

/* ---- looking ---- */

/* "VmRSS:     1234 kB" of /proc/PID/status. */
static uint64_t resident_of(pid_t pid)
{
    char path[64];
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, 64 << 10);
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (file_read(&disk_system, path, &bytes, NULL) != 0) return 0;
    struct str text = buf_str(&bytes);
    size_t at = str_find(text, STR("VmRSS:"));
    if (at == STR_NONE) return 0;
    text = str_trim(str_skip(text, at + 6));
    uint64_t kilobytes;
    return str_to_uint64(str_cut(&text, ' '), &kilobytes) ? kilobytes * 1024 : 0;
}

size_t children_view(struct children *children, struct child_view views[CHILDREN_MAX])
{
    mutex_lock(&children->mutex);
    for (size_t i = 0; i < children->count; i++) {
        const struct child *child = &children->items[i];
        views[i] = (struct child_view){ .name = child->plan.name,
                                        .url = child->plan.url,
                                        .state = child->state,
                                        .pid = child->pid,
                                        .restarts = child->restarts,
                                        .since_ms = child->since_ms };
        memcpy(views[i].last_error, child->last_error, sizeof(views[i].last_error));
    }
    size_t count = children->count;
    mutex_unlock(&children->mutex);
    for (size_t i = 0; i < count; i++) {
        if (views[i].pid != 0) views[i].resident = resident_of(views[i].pid);
    }
    return count;
}

bool children_are_ready(struct children *children)
{
    mutex_lock(&children->mutex);
    bool are_ready = children->count > 0;
    for (size_t i = 0; i < children->count; i++) {
        are_ready = are_ready && children->items[i].state == CHILD_READY;
    }
    mutex_unlock(&children->mutex);
    return are_ready;
}
