/* tasks.c - the searches that run now, and _tasks. */
#include "log_server/tasks.h"

#include "base/check.h"
#include "log_server/server.h"

#include <stdlib.h>

void tasks_init(struct tasks *tasks, const struct clock *clock)
{
    *tasks = (struct tasks){ .clock = clock };
    mutex_init(&tasks->mutex);
}

void tasks_release(struct tasks *tasks)
{
    if (tasks->clock != NULL) mutex_release(&tasks->mutex);
}

static int64_t task_realtime_ns(void *state)
{
    const struct task *task = state;
    return clock_realtime_ns(task->tasks->clock);
}

static int64_t task_monotonic_ns(void *state)
{
    struct task *task = state;
    return task_is_cancelled(task) ? INT64_MAX : clock_monotonic_ns(task->tasks->clock);
}

static void task_wait_ns(void *state, int64_t duration_ns)
{
    const struct task *task = state;
    task->tasks->clock->wait_ns(task->tasks->clock->state, duration_ns);
}

void task_begin(struct tasks *tasks, struct task *task, const char *action, struct str description)
{
    *task = (struct task){
        .action = action,
        .description = description,
        .start_ms = clock_realtime_ms(tasks->clock),
        .start_ns = clock_monotonic_ns(tasks->clock),
        .tasks = tasks,
        .clock = { task_realtime_ns, task_monotonic_ns, task_wait_ns, task },
    };
    mutex_lock(&tasks->mutex);
    task->id = ++tasks->last_id;
    task->next = tasks->first;
    task->link = &tasks->first;
    if (task->next != NULL) task->next->link = &task->next;
    tasks->first = task;
    mutex_unlock(&tasks->mutex);
}

void task_end(struct task *task)
{
    mutex_lock(&task->tasks->mutex);
    *task->link = task->next;
    if (task->next != NULL) task->next->link = task->link;
    mutex_unlock(&task->tasks->mutex);
}

bool task_is_cancelled(struct task *task)
{
    mutex_lock(&task->tasks->mutex);
    bool is_cancelled = task->is_cancelled;
    mutex_unlock(&task->tasks->mutex);
    return is_cancelled;
}

void task_cancel(struct task *task)
{
    mutex_lock(&task->tasks->mutex);
    task->is_cancelled = true;
    mutex_unlock(&task->tasks->mutex);
}

static size_t cancel(struct tasks *tasks, uint64_t id)
{
    size_t count = 0;
    mutex_lock(&tasks->mutex);
    for (struct task *task = tasks->first; task != NULL; task = task->next) {
        if (id != 0 && task->id != id) continue;
        task->is_cancelled = true;
        count++;
    }
    mutex_unlock(&tasks->mutex);
    return count;
}

bool tasks_cancel(struct tasks *tasks, uint64_t id)
{
    return id != 0 && cancel(tasks, id) > 0;
}

size_t tasks_cancel_all(struct tasks *tasks)
{
    return cancel(tasks, 0);
}

/* HTTP ---------------------------------------------------------------------------------------- */

static struct str task_name(struct call *call, uint64_t id)
{
    return arena_printf(call->arena, "%s:%llu", NODE_ID, (unsigned long long)id);
}

static void put_task(struct call *call, const struct task *task, struct json_writer *json)
{
    int64_t ran_ns = clock_monotonic_ns(call->server->clock) - task->start_ns;
    json_object_begin(json);
    json_member_cstr(json, "node", NODE_ID);
    json_member_int(json, "id", (int64_t)task->id);
    json_member_cstr(json, "type", "transport");
    json_member_cstr(json, "action", task->action);
    json_member_text(json, "description", task->description);
    json_member_int(json, "start_time_in_millis", task->start_ms);
    json_member_int(json, "running_time_in_nanos", ran_ns);
    json_member_bool(json, "cancellable", true);
    json_member_bool(json, "cancelled", task->is_cancelled);
    json_key(json, STR("headers"));
    json_put_raw(json, STR("{}"));
    json_object_end(json);
}

/* "NODE:17" or "17"; 0 when it is neither. */
static uint64_t read_id(struct str text)
{
    size_t colon = str_find_char(text, ':');
    int64_t id;
    if (colon != STR_NONE) text = str_skip(text, colon + 1);
    return str_to_int64(text, &id) && id > 0 ? (uint64_t)id : 0;
}

static bool is_asked(struct str actions, const char *action)
{
    if (actions.size == 0) return true;
    while (actions.size > 0) {
        if (logstore_name_matches(str_cut(&actions, ','), str_from(action))) return true;
    }
    return false;
}

static void put_tasks(struct call *call, bool only_cancelled, struct json_writer *json)
{
    struct tasks *tasks = &call->server->tasks;
    struct str actions = call_parameter(call, "actions");
    bool is_flat = str_equal(call_parameter(call, "group_by"), STR("none"));
    json_object_begin(json);
    if (!is_flat) {
        json_key(json, STR("nodes"));
        json_object_begin(json);
        json_key(json, STR(NODE_ID));
        json_object_begin(json);
        json_member_cstr(json, "name", call->server->flags.node_name);
    }
    json_key(json, STR("tasks"));
    if (is_flat)
        json_array_begin(json);
    else
        json_object_begin(json);
    mutex_lock(&tasks->mutex);
    for (const struct task *task = tasks->first; task != NULL; task = task->next) {
        if (!is_asked(actions, task->action) || (only_cancelled && !task->is_cancelled)) continue;
        if (!is_flat) json_key(json, task_name(call, task->id));
        put_task(call, task, json);
    }
    mutex_unlock(&tasks->mutex);
    if (is_flat) {
        json_array_end(json);
    } else {
        json_object_end(json);
        json_object_end(json);
        json_object_end(json);
    }
    json_object_end(json);
}

static int handle_list(struct call *call)
{
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    put_tasks(call, false, &json);
    return 0;
}

static int handle_get(struct call *call)
{
    struct tasks *tasks = &call->server->tasks;
    uint64_t id = read_id(call->values[0]);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    bool is_found = false;
    mutex_lock(&tasks->mutex);
    for (const struct task *task = tasks->first; task != NULL; task = task->next) {
        if (task->id != id) continue;
        is_found = true;
        json_object_begin(&json);
        json_member_bool(&json, "completed", false);
        json_key(&json, STR("task"));
        put_task(call, task, &json);
        json_object_end(&json);
    }
    mutex_unlock(&tasks->mutex);
    if (is_found) return 0;
    return answer_error(call, 404, "resource_not_found_exception",
                        arena_printf(call->arena,
                                     "task [" STR_FMT "] isn't running and hasn't stored its "
                                     "results",
                                     STR_ARG(call->values[0])));
}

static int handle_cancel(struct call *call)
{
    struct json_writer json;
    if (call->value_count > 0) {
        if (!tasks_cancel(&call->server->tasks, read_id(call->values[0]))) {
            return answer_error(call, 404, "resource_not_found_exception",
                                arena_printf(call->arena, "task [" STR_FMT "] is not found",
                                             STR_ARG(call->values[0])));
        }
    } else {
        (void)tasks_cancel_all(&call->server->tasks);
    }
    json_writer_init(&json, &call->response->body);
    put_tasks(call, true, &json);
    return 0;
}

#define TASK_PARAMETERS                                                                            \
    " actions detailed group_by nodes parent_task_id timeout wait_for_completion"                  \
    " master_timeout"

static const struct route rows[] = {
    { HTTP_GET, "/_tasks", handle_list, TASK_PARAMETERS },
    { HTTP_GET, "/_tasks/:task", handle_get, TASK_PARAMETERS },
    { HTTP_POST, "/_tasks/_cancel", handle_cancel, TASK_PARAMETERS },
    { HTTP_POST, "/_tasks/:task/_cancel", handle_cancel, TASK_PARAMETERS },
};

const struct route_table task_routes = { rows, ARRAY_LENGTH(rows) };
