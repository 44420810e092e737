/* command.c - one update of a shared region as a script asks for it. */
#include "prometheus/client.h"

#include "prometheus/fail.h"
#include "prometheus/shared.h"
#include "prometheus/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct action {
    const char *name;
    enum pm_type made; /* what is made of an unknown name */
    unsigned takes;    /* bit of each type it works on */
    bool needs_value;
};

static const struct action actions[] = {
    [PM_DO_INC] = { "inc", PM_COUNTER, 1u << PM_COUNTER | 1u << PM_GAUGE, false },
    [PM_DO_DEC] = { "dec", PM_GAUGE, 1u << PM_GAUGE, false },
    [PM_DO_SET] = { "set", PM_GAUGE, 1u << PM_GAUGE, true },
    [PM_DO_OBSERVE] = { "observe", PM_SUMMARY, 1u << PM_HISTOGRAM | 1u << PM_SUMMARY, true },
    [PM_DO_INFO] = { "info", PM_INFO, 1u << PM_INFO, false },
    [PM_DO_STATE] = { "state", PM_ENUM, 1u << PM_ENUM, false },
};

/* The values of the command's labels in the order of the family's names. */
static int order_values(const struct family *family, const struct pm_command *command,
                        const char **values, struct pm_error *error)
{
    size_t found = 0;
    for (size_t i = 0; i < family->label_count; i++) {
        values[i] = NULL;
        for (size_t j = 0; j < command->label_count; j++) {
            if (strcmp(command->labels[j].name, family->label_names[i]) != 0) continue;
            if (values[i] != NULL) found = PM_LABELS_MAX + 1; /* given twice */
            values[i] = command->labels[j].value;
            found++;
        }
        if (values[i] == NULL && command->fills_labels) {
            values[i] = "";
        } else if (values[i] == NULL) {
            return pm_fail(error, PM_ERROR_LABELS, "metric '%s' needs the label '%s'",
                           family->exposed, family->label_names[i]);
        }
    }
    if (found == command->label_count) return PM_OK;
    return pm_fail(error, PM_ERROR_LABELS, "metric '%s' has %zu labels, not those given",
                   family->exposed, family->label_count);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int make(struct pm_registry *registry, const struct pm_command *command, enum pm_type type,
                struct family **family, struct pm_error *error)
{
    if (command->label_count > PM_LABELS_MAX) {
        (void)pm_store_count_error(registry, PM_ERROR_FULL);
        return pm_fail(error, PM_ERROR_FULL, "%zu labels are over the limit of %d",
                       command->label_count, PM_LABELS_MAX);
    }
    const char *names[PM_LABELS_MAX];
    struct pm_options options = { .name = command->name,
                                  .help = command->help,
                                  .unit = command->unit };
    if (options.help == NULL) options.help = "Made by a script.";
    for (size_t i = 0; type != PM_INFO && i < command->label_count; i++) {
        names[i] = command->labels[i].name;
        options.label_count = i + 1;
    }
    /* Two scripts that give the same labels in another order mean the same metric. */
    if (command->action != PM_DO_CREATE)
        qsort((void *)names, options.label_count, sizeof(names[0]), compare_names);
    options.label_names = names;
    options.states = command->states;
    options.state_count = command->state_count;
    options.bounds = command->bound_count > 0 ? command->bounds : NULL;
    options.bound_count = command->bound_count;
    return pm_store_create(registry, type, &options, family, error);
}

static int set_info(struct series *series, const struct pm_command *command, struct pm_error *error)
{
    const char *pairs[2 * PM_LABELS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < command->label_count && i < PM_LABELS_MAX; i++) {
        pairs[count++] = command->labels[i].name;
        pairs[count++] = command->labels[i].value;
    }
    return pm_store_set_info(series, pairs, count, error);
}

/* The handle's updates do not say when they refuse: what they would refuse is refused here. */
static int update(struct series *series, const struct pm_command *command, struct pm_error *error)
{
    double value = command->has_value ? command->value : 1;
    enum pm_type type = series->family->type;
    struct pm_metric *metric = &series->metric;
    if (isnan(value) && type != PM_GAUGE) {
        (void)pm_store_count_error(series->family->registry, PM_ERROR_VALUE);
        return pm_fail(error, PM_ERROR_VALUE, "metric '%s' cannot take what is not a number",
                       series->family->exposed);
    }
    switch (type) {
    case PM_COUNTER:
        if (!(value >= 0) || isinf(value)) {
            (void)pm_store_count_error(series->family->registry, PM_ERROR_VALUE);
            return pm_fail(error, PM_ERROR_VALUE, "counter '%s' only goes up",
                           series->family->exposed);
        }
        pm_counter_add((struct pm_counter *)metric, value);
        return PM_OK;
    case PM_GAUGE:
        if (command->action == PM_DO_SET)
            pm_gauge_set((struct pm_gauge *)metric, value);
        else
            pm_gauge_add((struct pm_gauge *)metric, command->action == PM_DO_DEC ? -value : value);
        return PM_OK;
    case PM_HISTOGRAM: pm_histogram_observe((struct pm_histogram *)metric, value); return PM_OK;
    case PM_SUMMARY: pm_summary_observe((struct pm_summary *)metric, value); return PM_OK;
    case PM_INFO: return set_info(series, command, error);
    case PM_ENUM: return pm_store_set_state(series, command->state, error);
    case PM_UNTYPED:
    case PM_GAUGE_HISTOGRAM: break;
    }
    return pm_fail(error, PM_ERROR_TYPE, "metric '%s' cannot be updated", series->family->exposed);
}

static int change(struct pm_registry *registry, const struct pm_command *command,
                  struct pm_error *error)
{
    const struct action *action = &actions[command->action];
    if (action->needs_value && !command->has_value) {
        return pm_fail(error, PM_ERROR_VALUE, "'%s' needs a value", action->name);
    }
    if (command->action == PM_DO_STATE && command->state == NULL) {
        return pm_fail(error, PM_ERROR_VALUE, "'state' needs the name of a state");
    }
    struct family *family = NULL;
    int code = pm_store_find_family(registry, command->name, &family, error);
    if (code == PM_ERROR_UNKNOWN && !command->must_exist) {
        bool has_bounds = command->action == PM_DO_OBSERVE && command->bound_count > 0;
        code = make(registry, command, has_bounds ? PM_HISTOGRAM : action->made, &family, error);
        if (code < 0) return code;
    }
    if (code < 0) return pm_store_count_error(registry, code);
    if ((action->takes >> family->type & 1) == 0) {
        (void)pm_store_count_error(registry, PM_ERROR_TYPE);
        return pm_fail(error, PM_ERROR_TYPE, "'%s' does not work on metric '%s': wrong type",
                       action->name, family->exposed);
    }
    const char *values[PM_LABELS_MAX];
    if (family->type != PM_INFO) code = order_values(family, command, values, error);
    if (code < 0) return pm_store_count_error(registry, code);
    struct series *series = NULL;
    code = pm_store_child(family, values, family->label_count, &series, error);
    return code < 0 ? code : update(series, command, error);
}

static int remove_one(struct pm_registry *registry, const struct pm_command *command,
                      struct pm_error *error)
{
    struct pm_metric *metric = NULL;
    int code = pm_find(registry, command->name, &metric, error);
    if (code < 0) return code;
    if (command->label_count == 0) return pm_unregister(registry, command->name, error);
    const struct family *family = pm_store_series(metric)->family;
    const char *values[PM_LABELS_MAX];
    code = order_values(family, command, values, error);
    if (code < 0) return pm_store_count_error(registry, code);
    return pm_remove(metric, values, family->label_count, error);
}

static int create(struct pm_registry *registry, const struct pm_command *command,
                  struct pm_error *error)
{
    struct family *family = NULL;
    if ((unsigned)command->type > PM_ENUM) return pm_fail(error, PM_ERROR_TYPE, "no such type");
    return make(registry, command, command->type, &family, error);
}

int pm_registry_command(struct pm_registry *registry, const struct pm_command *command,
                        struct pm_error *error)
{
    registry = pm_store_registry(registry);
    if (registry == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a registry");
    if (command->action == PM_DO_CREATE) return create(registry, command, error);
    if (command->action == PM_DO_REMOVE) return remove_one(registry, command, error);
    if ((unsigned)command->action < PM_DO_REMOVE) return change(registry, command, error);
    return pm_fail(error, PM_ERROR_TYPE, "that is no update");
}

int pm_client_command(struct pm_client *client, const struct pm_command *command,
                      struct pm_error *error)
{
    return pm_registry_command(pm_client_registry(client), command, error);
}

int pm_command_run(const struct pm_command *command, pm_write_function *write, void *arg,
                   struct pm_error *error)
{
    struct pm_client *client = NULL;
    int code = pm_client_open(&client, command->path, error);
    if (code < 0) return code;
    if (command->action == PM_DO_LIST) {
        struct pm_registry *registry = pm_client_registry(client);
        pm_store_lock();
        pm_shared_read_locked(registry);
        pm_store_unlock();
        code = pm_render(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, write, arg);
        if (code < 0) (void)pm_fail(error, code, "the list could not be written");
    } else {
        code = pm_client_command(client, command, error);
    }
    pm_client_close(client);
    return code;
}
