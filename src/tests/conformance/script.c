/* script.c - one pass over the lines; a command ends at the next empty line. */
#include "tests/conformance/script.h"

#include "base/check.h"
#include "codec/number.h"
#include "model/histogram.h"
#include "model/sample.h"
#include "tests/conformance/classic.h"
#include "tests/conformance/memory_series.h"
#include "tests/conformance/script_compare.h"
#include "tests/conformance/series_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_ARENA ((size_t)256 << 20)

struct script {
    struct promql_engine *engine;
    struct str rest;
    size_t line; /* of the line last taken */
    struct memory_store store;
    struct arena arena; /* of the command at hand */
    script_report *report;
    void *argument;
    struct script_totals *totals;
    struct text_starts starts;     /* of an `@st` line, for the next line of the same series */
    struct memory_series *started; /* that series; NULL: none */
};

static bool take_line(struct script *script, struct str *line)
{
    while (script->rest.data != NULL && script->rest.size > 0) {
        struct str raw = str_cut(&script->rest, '\n');
        script->line++;
        *line = str_trim(raw);
        if (line->size > 0 && line->data[0] == '#') continue;
        return true;
    }
    return false;
}

/* The next line of the command; false at its end. */
static bool take_body_line(struct script *script, struct str *line)
{
    return take_line(script, line) && line->size > 0;
}

static struct str take_word(struct str *rest)
{
    *rest = str_trim(*rest);
    size_t size = 0;
    while (size < rest->size && rest->data[size] != ' ' && rest->data[size] != '\t') size++;
    struct str word = str_first(*rest, size);
    *rest = str_trim(str_skip(*rest, size));
    return word;
}

/* "5m", "1m30s", "0", "-1m", "90" (seconds). */
static bool read_duration(struct str text, int64_t *ms)
{
    static const struct {
        struct str name;
        double ms;
    } units[] = {
        { STR_INIT("ms"), 1 },          { STR_INIT("s"), 1000 },     { STR_INIT("m"), 60000 },
        { STR_INIT("h"), 3600000 },     { STR_INIT("d"), 86400000 }, { STR_INIT("w"), 604800000 },
        { STR_INIT("y"), 31536000000 },
    };
    double sign = 1;
    double total = 0;
    double plain;
    if (number_parse(text, &plain)) {
        *ms = (int64_t)round(plain * 1000);
        return true;
    }
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        if (text.data[0] == '-') sign = -1;
        text = str_skip(text, 1);
    }
    while (text.size > 0) {
        size_t digits = 0;
        while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
        double count;
        if (digits == 0 || !number_parse(str_first(text, digits), &count)) return false;
        text = str_skip(text, digits);
        size_t u = 0;
        while (u < ARRAY_LENGTH(units) && !str_starts_with(text, units[u].name)) u++;
        if (u == ARRAY_LENGTH(units)) return false;
        text = str_skip(text, units[u].name.size);
        total += count * units[u].ms;
    }
    *ms = (int64_t)(sign * total);
    return true;
}

/* --- load --- */

/* The start times of the `@st` line before. */
static void give_starts(struct script *script, struct memory_series *series,
                        const struct text_points *points, int64_t step_ms)
{
    for (size_t i = 0; i < points->count && i < script->starts.count; i++) {
        int64_t time_ms = (int64_t)i * step_ms;
        if (!script->starts.items[i].is_there || !points->items[i].is_there) continue;
        (void)memory_series_start(series, time_ms, time_ms + script->starts.items[i].offset_ms);
    }
    script->started = NULL;
}

static bool load_series(struct script *script, struct str line, int64_t step_ms,
                        struct memory_store *store)
{
    struct labels labels;
    if (!series_text_labels(&script->arena, &line, &labels)) return false;
    struct memory_series *series = memory_store_series(store, labels);
    if (series == NULL) return false;
    if (str_starts_with(line, STR("@st"))) {
        script->starts.count = 0;
        script->started = series;
        return series_text_starts(str_skip(line, 3), &script->starts);
    }
    struct text_points points = { 0 };
    bool is_good = series_text_points(&script->arena, line, &points);
    for (size_t i = 0; is_good && i < points.count; i++) {
        if (!points.items[i].is_there) continue;
        const struct histogram *histogram = points.items[i].histogram;
        const struct histogram *copy =
            histogram == NULL ? NULL : histogram_copy(&store->arena, histogram);
        is_good =
            memory_series_add(store, series, (int64_t)i * step_ms, points.items[i].value, copy);
    }
    if (is_good && series == script->started) give_starts(script, series, &points, step_ms);
    VEC_RELEASE(&points);
    return is_good;
}

static void fail_command(struct script *script, size_t line, struct str text, const char *reason)
{
    script->totals->failed++;
    script->report(script->argument, line, text, reason);
}

static void run_load(struct script *script, struct str rest, bool makes_native)
{
    size_t first_line = script->line;
    int64_t step_ms;
    bool is_good = read_duration(take_word(&rest), &step_ms);
    struct memory_store batch;
    memory_store_init(&batch);
    struct str line;
    while (take_body_line(script, &line)) {
        if (is_good && !load_series(script, line, step_ms, &script->store)) {
            fail_command(script, script->line, line, "the series is not understood");
        }
        if (is_good && makes_native) (void)load_series(script, line, step_ms, &batch);
    }
    if (!is_good) fail_command(script, first_line, rest, "the load is not understood");
    if (makes_native && !classic_to_native(&batch, &script->store)) {
        fail_command(script, first_line, rest, "the classic histograms cannot be made native");
    }
    memory_store_release(&batch);
}

/* --- expectations --- */

static bool read_expect(struct script *script, struct script_case *test, struct str rest)
{
    static const struct str names[] = {
        STR_INIT("fail"), STR_INIT("warn"),    STR_INIT("no_warn"),
        STR_INIT("info"), STR_INIT("no_info"), STR_INIT("ordered")
    };
    struct str word = take_word(&rest);
    if (str_equal(word, STR("string"))) {
        test->expects_string = true;
        return series_text_string(&script->arena, &rest, &test->string);
    }
    if (str_equal(word, STR("range"))) {
        test->expects_matrix = true;
        bool is_good = str_equal(take_word(&rest), STR("vector"));
        is_good = str_equal(take_word(&rest), STR("from")) && is_good;
        is_good = read_duration(take_word(&rest), &test->matrix.start_ms) && is_good;
        is_good = str_equal(take_word(&rest), STR("to")) && is_good;
        is_good = read_duration(take_word(&rest), &test->matrix.end_ms) && is_good;
        is_good = str_equal(take_word(&rest), STR("step")) && is_good;
        return read_duration(take_word(&rest), &test->matrix.step_ms) && is_good;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (!str_equal(word, names[i]) || test->expectation_count == EXPECT_MAX) continue;
        struct expectation *made = &test->expectations[test->expectation_count++];
        *made = (struct expectation){ .kind = (enum expect_kind)i };
        made->has_message = str_starts_with(rest, STR("msg:"));
        made->has_pattern = str_starts_with(rest, STR("regex:"));
        if (made->has_message) made->message = str_trim(str_skip(rest, 4));
        if (made->has_pattern) made->pattern = str_trim(str_skip(rest, 6));
        return true;
    }
    return false;
}

static bool read_result_line(struct script *script, struct script_case *test, struct str line)
{
    double scalar;
    if (number_parse(line, &scalar)) {
        test->expects_scalar = true;
        test->scalar = scalar;
        return true;
    }
    struct expected_series series = { 0 };
    if (!series_text_labels(&script->arena, &line, &series.labels)) return false;
    bool is_good = series_text_points(&script->arena, line, &series.points);
    if (is_good && VEC_PUSH(&test->series, series)) return true;
    VEC_RELEASE(&series.points);
    return false;
}

static int evaluate(struct script *script, const struct script_case *test,
                    struct promql_result **result, struct error *error)
{
    struct promql_expr *expr;
    int code = promql_parse(&expr, script->engine, test->query, error);
    if (code < 0) return code;
    if (test->is_range) {
        struct promql_range range = { test->start_ms, test->end_ms, test->step_ms };
        code = promql_query_range(script->engine, &script->store.source, expr, &range, NULL, result,
                                  error);
    } else {
        code = promql_query_instant(script->engine, &script->store.source, expr, test->start_ms,
                                    NULL, result, error);
    }
    promql_expr_free(expr);
    return code;
}

/* --- the same again as a range --- */

static bool asks_for_range(struct str query)
{
    static const struct str words[] = { STR_INIT("start()"), STR_INIT("end()"), STR_INIT("range()"),
                                        STR_INIT("step()"), STR_INIT("sort") };
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (str_contains_nocase(query, words[i])) return true;
    }
    return false;
}

static size_t point_at(const struct promql_series *series, int64_t time_ms)
{
    size_t i = 0;
    while (i < series->count && series->times_ms[i] != time_ms) i++;
    return i;
}

static const struct promql_series *find_series(const struct promql_result *result,
                                               struct labels labels)
{
    for (size_t s = 0; s < result->series_count; s++) {
        if (labels_equal(result->series[s].labels, labels)) return &result->series[s];
    }
    return NULL;
}

/* What an instant query answers must stand in the middle of a range around it. */
static bool compare_middle(struct script_case *test, const struct promql_result *result)
{
    char text[REASON_SIZE - 64];
    size_t count = 0;
    for (size_t s = 0; s < result->series_count; s++) {
        if (point_at(&result->series[s], test->start_ms) < result->series[s].count) count++;
    }
    if (count != (test->expects_scalar ? 1 : test->series.count)) {
        (void)snprintf(test->reason, REASON_SIZE, "as a range: %zu series", count);
        return false;
    }
    VEC_FOR_EACH (&test->series, want) {
        const struct promql_series *got = find_series(result, want->labels);
        size_t i = got == NULL ? 0 : point_at(got, test->start_ms);
        if (got == NULL || i == got->count) {
            script_set_reason(test, "as a range: missing series", want->labels);
            return false;
        }
        if (script_is_close(&want->points.items[0], got, i)) continue;
        script_describe(&want->points.items[0], got, i, text, sizeof(text));
        (void)snprintf(test->reason, REASON_SIZE, "as a range: %s", text);
        return false;
    }
    return true;
}

static bool judge_again(struct script *script, struct script_case *test)
{
    if (test->is_range || test->expects_string || test->expects_matrix ||
        script_expectation(test, EXPECT_FAIL) != NULL ||
        script_expectation(test, EXPECT_ORDERED) != NULL || asks_for_range(test->query)) {
        return true;
    }
    struct script_case wide = *test;
    wide.is_range = true;
    wide.start_ms = test->start_ms - 60000;
    wide.end_ms = test->start_ms + 60000;
    wide.step_ms = 60000;
    struct promql_result *result = NULL;
    struct error error = { 0 };
    bool is_good = false;
    if (evaluate(script, &wide, &result, &error) < 0) {
        (void)snprintf(test->reason, REASON_SIZE, "as a range: failed: %s", error.text);
    } else {
        is_good = compare_middle(test, result);
    }
    promql_result_free(result);
    return is_good;
}

static bool judge(struct script *script, struct script_case *test)
{
    struct promql_result *result = NULL;
    struct error error = { 0 };
    int code = evaluate(script, test, &result, &error);
    const struct expectation *fail = script_expectation(test, EXPECT_FAIL);
    bool is_good = false;
    if (code < 0 && fail == NULL) {
        (void)snprintf(test->reason, REASON_SIZE, "failed: %s", error.text);
    } else if (code < 0) {
        is_good = script_text_fits(fail, str_from(error.text));
        if (!is_good) {
            (void)snprintf(test->reason, REASON_SIZE, "failed with another text: %s", error.text);
        }
    } else if (fail != NULL) {
        (void)snprintf(test->reason, REASON_SIZE, "did not fail");
    } else {
        is_good = script_compare(test, result);
    }
    promql_result_free(result);
    return is_good;
}

/* --- eval --- */

static bool read_when(struct script_case *test, struct str *rest)
{
    struct str word = take_word(rest);
    if (str_equal(word, STR("instant"))) {
        test->step_ms = 1;
        struct str after = *rest;
        if (!str_equal(take_word(&after), STR("at"))) return true; /* at 0 */
        *rest = after;
        return read_duration(take_word(rest), &test->start_ms);
    }
    if (!str_equal(word, STR("range"))) return false;
    test->is_range = true;
    return str_equal(take_word(rest), STR("from")) &&
           read_duration(take_word(rest), &test->start_ms) &&
           str_equal(take_word(rest), STR("to")) && read_duration(take_word(rest), &test->end_ms) &&
           str_equal(take_word(rest), STR("step")) &&
           read_duration(take_word(rest), &test->step_ms);
}

static void read_command_flags(struct script_case *test, struct str command)
{
    static const struct {
        struct str suffix;
        enum expect_kind kind;
    } flags[] = { { STR_INIT("_fail"), EXPECT_FAIL },
                  { STR_INIT("_warn"), EXPECT_WARN },
                  { STR_INIT("_info"), EXPECT_INFO },
                  { STR_INIT("_ordered"), EXPECT_ORDERED } };
    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++) {
        if (!str_ends_with(command, flags[i].suffix)) continue;
        test->expectations[test->expectation_count++] =
            (struct expectation){ .kind = flags[i].kind };
    }
}

static void run_eval(struct script *script, struct str command, struct str rest)
{
    struct script_case test = { .line = script->line };
    read_command_flags(&test, command);
    bool is_good = read_when(&test, &rest);
    test.query = rest;
    struct str line;
    while (take_body_line(script, &line)) {
        struct str after = line;
        struct str word = take_word(&after);
        bool is_read = str_equal(word, STR("expect")) ? read_expect(script, &test, after)
                                                      : read_result_line(script, &test, line);
        if (!is_read && is_good) {
            (void)snprintf(test.reason, REASON_SIZE, "not understood: " STR_FMT, STR_ARG(line));
            is_good = false;
        }
    }
    is_good = is_good && judge(script, &test) && judge_again(script, &test);
    if (is_good) {
        script->totals->passed++;
    } else {
        script->totals->failed++;
    }
    script->report(script->argument, test.line, test.query, is_good ? NULL : test.reason);
    VEC_FOR_EACH (&test.series, series) {
        VEC_RELEASE(&series->points);
    }
    VEC_RELEASE(&test.series);
}

void script_run(struct promql_engine *engine, struct str text, script_report *report,
                void *argument, struct script_totals *totals)
{
    struct script script = {
        .engine = engine, .rest = text, .report = report, .argument = argument, .totals = totals
    };
    memory_store_init(&script.store);
    arena_init(&script.arena, LINE_ARENA);
    struct str line;
    while (take_line(&script, &line)) {
        struct str rest = line;
        struct str command = take_word(&rest);
        if (command.size == 0) continue;
        if (str_equal(command, STR("clear"))) {
            memory_store_clear(&script.store);
        } else if (str_starts_with(command, STR("load"))) {
            run_load(&script, rest, str_equal(command, STR("load_with_nhcb")));
        } else if (str_starts_with(command, STR("eval"))) {
            run_eval(&script, command, rest);
        } else {
            fail_command(&script, script.line, line, "the command is not understood");
        }
        arena_reset(&script.arena);
    }
    VEC_RELEASE(&script.starts);
    memory_store_release(&script.store);
    arena_release(&script.arena);
}
