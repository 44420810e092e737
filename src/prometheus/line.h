/* line.h - one update as a line of text: what a datagram and the command line say.
 *
 *     VERB NAME[{label="value",...}] [VALUE] [OPTION=VALUE ...]
 *
 *     inc jobs_total{ok="true"} 24                  without a value: 1
 *     dec queue_length | set queue_length 3 | observe lat_seconds 0.2 bounds=0.1,1,10
 *     info build{version="1.0"}                     its pairs stand for labels
 *     state backup running states=idle,running
 *     remove jobs_total{ok="true"}                  without labels: the whole metric
 *     create histogram lat_seconds{path} help="Time of a call." unit=seconds bounds=0.1,1
 *
 * Labels are written as in an exposition: \\, \" and \n are escapes; the comma after the last is
 * optional. Words with blanks are quoted the same way. OPTION is help, unit, bounds, states, or
 * exist=must: never make a metric. One line is at most PM_LINE_SIZE_MAX bytes.
 */
#ifndef PROMETHEUS_LINE_H
#define PROMETHEUS_LINE_H

#include "prometheus/client.h"

enum { PM_LINE_SIZE_MAX = 8192 };

struct pm_line { /* what the command points to is within */
    struct pm_command command;
    struct pm_label labels[PM_LABELS_MAX];
    const char *states[PM_STATES_MAX];
    double bounds[PM_BOUNDS_MAX];
    char text[PM_LINE_SIZE_MAX + 1];
};

/* text without its line feed. PM_ERROR_PARSE with the byte where reading stopped; line is then
 * undefined. Names, labels and states are checked by whoever runs the command. */
int pm_line_parse(struct pm_line *line, const char *text, size_t size, struct pm_error *error);

/* The command as such a line, with its line feed and a NUL. Its size without NUL, or 0 when it
 * does not fit or is no update. */
size_t pm_line_print(char *to, size_t size, const struct pm_command *command);

/* A number and nothing else: decimal, with exponent, "inf", "nan", signs. */
bool pm_line_number(const char *text, size_t size, double *value);

#endif
