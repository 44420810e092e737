/* metric.c - `barograph metric`: counting from scripts, into the driver's shared region.
 *
 *     barograph metric inc jobs_total --label ok=true
 *     barograph metric set queue_length 17
 *     barograph metric observe backup_seconds 12.5 --bounds 1,10,100
 *     barograph metric state backup running --states idle,running,failed
 *     barograph metric create counter jobs_total --label ok --help-text "Jobs done."
 *     barograph metric --socket /run/app.sock inc jobs_total      where memory cannot be mapped
 */
#include "main/main.h"

#include "base/str.h"
#include "codec/number.h"
#include "prometheus/prometheus.h"
#include "role/role.h"

#include <stdio.h>
#include <string.h>

#define TEXT_SIZE_MAX 4096

struct flags {
    struct option_list labels;
    const char *region;
    const char *help_text;
    const char *bounds;
    const char *states;
    const char *unit;
    const char *socket;
    bool uses_socket;
    bool must_exist;
    bool wants_help;
};

static const char usage[] =
    "barograph metric inc|dec NAME [AMOUNT] | set|observe NAME VALUE | info NAME |\n"
    "       state NAME STATE | remove NAME | create TYPE NAME | list   [OPTIONS]";

#define FLAG(member) offsetof(struct flags, member)

static const struct option options[] = {
    { "label", "NAME=VALUE", OPTION_LIST, FLAG(labels), NULL, "A label of the series." },
    { "help-text", "TEXT", OPTION_TEXT, FLAG(help_text), NULL,
      "What the metric means, for when it is made." },
    { "bounds", "LIST", OPTION_TEXT, FLAG(bounds), NULL,
      "Upper bounds, rising: makes a histogram where observe would make a summary." },
    { "states", "LIST", OPTION_TEXT, FLAG(states), NULL, "All states, for when an enum is made." },
    { "unit", "UNIT", OPTION_TEXT, FLAG(unit), NULL, "The base unit, for when it is created." },
    { "must-exist", NULL, OPTION_FLAG, FLAG(must_exist), NULL, "Never make a metric." },
    { "region", "FILE", OPTION_TEXT, FLAG(region), NULL,
      "The shared memory; default $BAROGRAPH_METRICS, else the driver's own." },
    { "socket", "FILE", OPTION_TEXT, FLAG(socket), NULL,
      "Send a datagram there instead of sharing memory." },
    { "use-socket", NULL, OPTION_FLAG, FLAG(uses_socket), NULL,
      "The same to $BAROGRAPH_METRICS_SOCKET, else the region's name and .sock." },
    { "help", NULL, OPTION_FLAG, FLAG(wants_help), NULL, "Show this text." },
};

static const struct verb {
    const char *name;
    enum pm_action action;
    int words_min; /* behind the verb */
    int words_max;
} verbs[] = {
    { "inc", PM_DO_INC, 1, 2 },       { "dec", PM_DO_DEC, 1, 2 },
    { "set", PM_DO_SET, 2, 2 },       { "observe", PM_DO_OBSERVE, 2, 2 },
    { "info", PM_DO_INFO, 1, 1 },     { "state", PM_DO_STATE, 2, 2 },
    { "remove", PM_DO_REMOVE, 1, 1 }, { "list", PM_DO_LIST, 0, 0 },
    { "create", PM_DO_CREATE, 2, 2 },
};

static const char *const type_names[] = {
    [PM_UNTYPED] = "untyped",     [PM_COUNTER] = "counter", [PM_GAUGE] = "gauge",
    [PM_HISTOGRAM] = "histogram", [PM_SUMMARY] = "summary", [PM_INFO] = "info",
    [PM_ENUM] = "enum",
};

/* Everything a command points to. */
struct words {
    char text[TEXT_SIZE_MAX]; /* of labels and states, each ended by NUL */
    size_t text_size;
    struct pm_label labels[PM_LABELS_MAX];
    const char *states[PM_STATES_MAX];
    double bounds[PM_BOUNDS_MAX];
};

static int fail(const char *format, const char *what)
{
    (void)fprintf(stderr, "barograph metric: ");
    (void)fprintf(stderr, "%s '%s'\n", format, what);
    return ROLE_EXIT_USAGE;
}

static const char *keep(struct words *words, struct str text)
{
    if (!str_to_cstr(text, words->text + words->text_size, TEXT_SIZE_MAX - words->text_size)) {
        return NULL;
    }
    const char *kept = words->text + words->text_size;
    words->text_size += text.size + 1;
    return kept;
}

static int read_labels(struct words *words, const struct flags *flags, struct pm_command *command)
{
    for (size_t i = 0; i < flags->labels.count; i++) {
        struct str rest = str_from(flags->labels.items[i]);
        bool has_value = str_find_char(rest, '=') != STR_NONE || command->action == PM_DO_CREATE;
        if (!has_value || i == PM_LABELS_MAX) {
            return fail("--label wants NAME=VALUE, got", flags->labels.items[i]);
        }
        struct pm_label *label = &words->labels[i];
        label->name = keep(words, str_cut(&rest, '='));
        label->value = keep(words, rest.data == NULL ? STR("") : rest);
        if (label->name == NULL || label->value == NULL) {
            return fail("labels are too long from", flags->labels.items[i]);
        }
        command->label_count = i + 1;
    }
    command->labels = words->labels;
    return 0;
}

static int read_lists(struct words *words, const struct flags *flags, struct pm_command *command)
{
    struct str rest = str_from(flags->states);
    while (rest.size > 0) {
        const char *state = keep(words, str_cut(&rest, ','));
        if (state == NULL || command->state_count == PM_STATES_MAX) {
            return fail("too many states:", flags->states);
        }
        words->states[command->state_count++] = state;
    }
    rest = str_from(flags->bounds);
    while (rest.size > 0) {
        if (command->bound_count == PM_BOUNDS_MAX ||
            !number_parse(str_cut(&rest, ','), &words->bounds[command->bound_count])) {
            return fail("--bounds wants numbers such as 0.1,1,10, got", flags->bounds);
        }
        command->bound_count++;
    }
    command->states = words->states;
    command->bounds = command->bound_count > 0 ? words->bounds : NULL;
    return 0;
}

static int read_value(const struct verb *verb, const char *text, struct pm_command *command)
{
    if (verb->action == PM_DO_STATE) {
        command->state = text;
        return 0;
    }
    command->has_value = true;
    if (number_parse(str_from(text), &command->value)) return 0;
    return fail("expected a number, got", text);
}

/* "create TYPE NAME": the words of all others begin with the name. */
static int read_type(const char *text, struct pm_command *command)
{
    for (size_t i = 0; i < ARRAY_LENGTH(type_names); i++) {
        if (strcmp(type_names[i], text) != 0) continue;
        command->type = (enum pm_type)i;
        return 0;
    }
    return fail("expected counter, gauge, histogram, summary, info or enum, got", text);
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    }
    return NULL;
}

static int write_out(void *argument, const char *data, size_t size)
{
    return fwrite(data, 1, size, argument) == size ? 0 : -1;
}

int metric_main(int argc, char **argv)
{
    struct flags flags = { 0 };
    struct option_table table = { options, ARRAY_LENGTH(options), &flags };
    struct option_list rest = { 0 };
    struct error error = { 0 };
    if (options_parse(&table, 1, argc, argv, &rest, &error) != 0) {
        (void)fprintf(stderr, "barograph metric: %s\n", error.text);
        return ROLE_EXIT_USAGE;
    }
    if (flags.wants_help || rest.count == 0) return show_help(&table, usage);
    const struct verb *verb = find_verb(rest.items[0]);
    if (verb == NULL) return fail("no such command:", rest.items[0]);
    int words_count = (int)rest.count - 1;
    if (words_count < verb->words_min || words_count > verb->words_max) {
        return fail("wrong number of words for", verb->name);
    }
    struct words words = { 0 };
    bool is_create = verb->action == PM_DO_CREATE;
    struct pm_command command = { .action = verb->action,
                                  .path = flags.region,
                                  .name = words_count > 0 ? rest.items[is_create ? 2 : 1] : NULL,
                                  .help = flags.help_text,
                                  .unit = flags.unit,
                                  .must_exist = flags.must_exist };
    int status = 0;
    if (is_create)
        status = read_type(rest.items[1], &command);
    else if (words_count > 1)
        status = read_value(verb, rest.items[2], &command);
    if (status == 0) status = read_labels(&words, &flags, &command);
    if (status == 0) status = read_lists(&words, &flags, &command);
    if (status != 0) return status;
    struct pm_error cause = { 0 };
    int code = flags.socket != NULL || flags.uses_socket
                   ? pm_socket_run(&command, flags.socket, &cause)
                   : pm_command_run(&command, write_out, stdout, &cause);
    if (code == 0) return ROLE_EXIT_OK;
    (void)fprintf(stderr, "barograph metric: %s\n", cause.text);
    return ROLE_EXIT_FAILED;
}
